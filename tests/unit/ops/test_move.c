#include "ops_fixture.h"

/* Operators that move elements: exact, and by hand where the layouts differ. */

static uwc_shape roll_shape(dice *die, int least, int most) {
    uwc_shape shape = {.rank = (int)roll(die, least, most), .dim = {1}};
    for (int i = 1; i < shape.rank; i++) {
        shape.dim[i] = roll(die, 1, 9);
    }
    return shape;
}

static void transpose_is_the_reference(void **state) {
    (void)state;
    for (uint64_t seed = 0; seed < 100; seed++) {
        dice die = {.seed = seed};
        scene own = {.op = uwc_op_make(UWC_OP_TRANSPOSE), .images = roll(&die, 1, 4)};
        uwc_shape shape = roll_shape(&die, 1, 6);
        for (int i = 1; i < shape.rank; i++) { /* a random order */
            int place = (int)roll(&die, 1, i);
            own.op.perm[i] = own.op.perm[place];
            own.op.perm[place] = i;
        }
        add_input(&own, shape, false);
        compare_backends(&own, seed, 0);
    }
}

static void slice_is_the_reference(void **state) {
    (void)state;
    for (uint64_t seed = 0; seed < 100; seed++) {
        dice die = {.seed = seed};
        scene own = {.op = uwc_op_make(UWC_OP_SLICE), .images = roll(&die, 1, 4)};
        uwc_shape shape = roll_shape(&die, 1, 6);
        for (int i = 1; i < shape.rank; i++) {
            own.op.start[i] = roll(&die, 0, shape.dim[i] - 1) - (roll(&die, 0, 1) == 1 ? shape.dim[i] : 0);
            own.op.end[i] = shape.dim[i] + roll(&die, 0, 3);
            own.op.step[i] = roll(&die, 1, 3);
        }
        add_input(&own, shape, false);
        compare_backends(&own, seed, 0);
    }
}

static void pad_is_the_reference(void **state) {
    (void)state;
    for (uint64_t seed = 0; seed < 100; seed++) {
        dice die = {.seed = seed};
        scene own = {.op = uwc_op_make(UWC_OP_PAD), .images = roll(&die, 1, 4)};
        uwc_shape shape = roll_shape(&die, 1, 6);
        own.op.value = -1.5f;
        for (int i = 1; i < shape.rank; i++) {
            own.op.before[i] = roll(&die, 0, 2);
            own.op.after[i] = roll(&die, 0, 2);
        }
        add_input(&own, shape, false);
        compare_backends(&own, seed, 0);
    }
}

static void concat_is_the_reference(void **state) {
    (void)state;
    for (uint64_t seed = 0; seed < 100; seed++) {
        dice die = {.seed = seed};
        scene own = {.op = uwc_op_make(UWC_OP_CONCAT), .images = roll(&die, 1, 4)};
        uwc_shape shape = roll_shape(&die, 2, 6);
        int axis = (int)roll(&die, 1, shape.rank - 1), inputs = (int)roll(&die, 1, 5);
        own.op.axis = roll(&die, 0, 1) == 1 ? axis : axis - shape.rank;
        for (int i = 0; i < inputs; i++) {
            shape.dim[axis] = roll(&die, 1, 9);
            add_input(&own, shape, i > 0 && roll(&die, 0, 3) == 0);
        }
        compare_backends(&own, seed, 0);
    }
}

/* Cuts `count` into random factors. */
static uwc_shape roll_factors(dice *die, int64_t count) {
    uwc_shape shape = {.rank = (int)roll(die, 2, 6), .dim = {1}};
    for (int i = 1; i < shape.rank; i++) {
        int64_t factor = i == shape.rank - 1 ? count : roll(die, 1, count);
        while (count % factor != 0) {
            factor--;
        }
        shape.dim[i] = factor;
        count /= factor;
    }
    return shape;
}

static void reshape_is_the_reference(void **state) {
    (void)state;
    for (uint64_t seed = 0; seed < 200; seed++) {
        dice die = {.seed = seed};
        scene own = {.op = uwc_op_make(UWC_OP_RESHAPE), .images = roll(&die, 1, 4)};
        uwc_shape shape = roll_shape(&die, 2, 6);
        own.op.target = seed % 8 == 0 ? shape : roll_factors(&die, uwc_shape_count(shape));
        add_input(&own, shape, false);
        compare_backends(&own, seed, 0);
    }
}

typedef struct by_hand {
    uwc_shape in;
    const float *x, *expected;
} by_hand;

static void check_by_hand(uwc_op op, by_hand given, int64_t images) {
    for (int backend = UWC_BACKEND_FAST; backend <= UWC_BACKEND_REFERENCE; backend++) {
        scene own = {.op = op, .images = images};
        add_input(&own, given.in, false);
        build(&own, 0);
        memcpy(own.tensor[0]->data, given.x, uwc_tensor_bytes(own.tensor[0]));
        uwc_tensor *out = run_backend(&own, (uwc_backend)backend);
        assert_memory_equal(out->f32, given.expected, uwc_tensor_bytes(out));
        uwc_tensor_destroy(&out);
        strike(&own);
    }
}

/* Two images of [2,1,3]: in ONNX's order 0 1 2 3 4 5, in memory the channels alternate. */
static const float images_last[] = {0, 3, 1, 4, 2, 5, 10, 13, 11, 14, 12, 15};

static void flatten_gives_the_order_of_onnx(void **state) {
    (void)state;
    static const float expected[] = {0, 1, 2, 3, 4, 5, 10, 11, 12, 13, 14, 15};
    uwc_op op = uwc_op_make(UWC_OP_RESHAPE);
    op.target = uwc_shape_2d(0, -1);
    check_by_hand(op, (by_hand){.in = uwc_shape_4d(1, 2, 1, 3), .x = images_last, .expected = expected}, 2);
}

static void reshape_between_images_gives_the_order_of_onnx(void **state) {
    (void)state;
    /* [3,2,1]: channels 0 1 | 2 3 | 4 5; in memory pixel by pixel */
    static const float expected[] = {0, 2, 4, 1, 3, 5, 10, 12, 14, 11, 13, 15};
    uwc_op op = uwc_op_make(UWC_OP_RESHAPE);
    op.target = uwc_shape_4d(1, 3, 2, 1);
    check_by_hand(op, (by_hand){.in = uwc_shape_4d(1, 2, 1, 3), .x = images_last, .expected = expected}, 2);
}

static void slice_and_pad_count_channels_in_the_order_of_onnx(void **state) {
    (void)state;
    static const float sliced[] = {3, 5, 13, 15}, padded[] = {0, 3, 9, 1, 4, 9, 2, 5, 9, 10, 13, 9, 11, 14, 9, 12, 15, 9};
    uwc_op slice = uwc_op_make(UWC_OP_SLICE), pad = uwc_op_make(UWC_OP_PAD);
    slice.start[1] = -1;
    slice.step[3] = 2;
    check_by_hand(slice, (by_hand){.in = uwc_shape_4d(1, 2, 1, 3), .x = images_last, .expected = sliced}, 2);
    pad.after[1] = 1;
    pad.value = 9;
    check_by_hand(pad, (by_hand){.in = uwc_shape_4d(1, 2, 1, 3), .x = images_last, .expected = padded}, 2);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(transpose_is_the_reference),
        cmocka_unit_test(slice_is_the_reference),
        cmocka_unit_test(pad_is_the_reference),
        cmocka_unit_test(concat_is_the_reference),
        cmocka_unit_test(reshape_is_the_reference),
        cmocka_unit_test(flatten_gives_the_order_of_onnx),
        cmocka_unit_test(reshape_between_images_gives_the_order_of_onnx),
        cmocka_unit_test(slice_and_pad_count_channels_in_the_order_of_onnx),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
