#include "ops_fixture.h"

/* Element-wise operators, broadcasting, BatchNormalization, Softmax; in place. */

static uwc_shape roll_shape(dice *die, int least, int most) {
    uwc_shape shape = {.rank = (int)roll(die, least, most), .dim = {1}};
    for (int i = 1; i < shape.rank; i++) {
        shape.dim[i] = roll(die, 1, 23);
    }
    return shape;
}

static void pointwise_is_the_reference(void **state) {
    (void)state;
    static const uwc_op_kind kind[] = {UWC_OP_RELU, UWC_OP_CLIP, UWC_OP_LEAKY_RELU, UWC_OP_SIGMOID, UWC_OP_TANH, UWC_OP_IDENTITY};
    for (uint64_t seed = 0; seed < 120; seed++) {
        dice die = {.seed = seed};
        scene own = {.op = uwc_op_make(kind[seed % 6]), .images = roll(&die, 1, 5)};
        bool exact = kind[seed % 6] != UWC_OP_SIGMOID && kind[seed % 6] != UWC_OP_TANH;
        if (own.op.kind == UWC_OP_CLIP && seed % 12 == 1) {
            own.op.low = 0;
            own.op.high = 0.75f;
        }
        add_input(&own, roll_shape(&die, 1, 5), false);
        compare_backends(&own, seed, exact ? 0 : 1e-6);
    }
}

static void pointwise_by_hand(void **state) {
    (void)state;
    static const float x[] = {-8, -0.5f, 0, 0.5f, 6, 9, NAN};
    static const float relu[] = {0, 0, 0, 0.5f, 6, 9, NAN}, clip[] = {-1, -0.5f, 0, 0.5f, 6, 6, NAN},
                       leaky[] = {-2, -0.125f, 0, 0.5f, 6, 9, NAN};
    static const uwc_op_kind kind[] = {UWC_OP_RELU, UWC_OP_CLIP, UWC_OP_LEAKY_RELU, UWC_OP_IDENTITY};
    const float *expected[] = {relu, clip, leaky, x};
    for (int form = 0; form < 8; form++) {
        scene own = {.op = uwc_op_make(kind[form % 4]), .images = 1};
        own.op.alpha = 0.25f;
        own.op.low = -1;
        own.op.high = 6;
        add_input(&own, uwc_shape_2d(1, 7), false);
        build(&own, 0);
        memcpy(own.tensor[0]->data, x, sizeof x);
        uwc_tensor *out = run_backend(&own, form < 4 ? UWC_BACKEND_FAST : UWC_BACKEND_REFERENCE);
        for (int i = 0; i < 6; i++) {
            assert_true(out->f32[i] == expected[form % 4][i]);
        }
        assert_true(isnan(out->f32[6]));
        uwc_tensor_destroy(&out);
        strike(&own);
    }
}

/* Sigmoid and Tanh do not leave [0, 1] and [-1, 1] where the exponential overflows. */
static void sigmoid_and_tanh_saturate(void **state) {
    (void)state;
    static const float x[] = {-1e4f, -90, 0, 90, 1e4f}, sigmoid[] = {0, 0, 0.5f, 1, 1}, hyperbolic[] = {-1, -1, 0, 1, 1};
    for (int form = 0; form < 4; form++) {
        scene own = {.op = uwc_op_make(form % 2 == 0 ? UWC_OP_SIGMOID : UWC_OP_TANH), .images = 1};
        add_input(&own, uwc_shape_2d(1, 5), false);
        build(&own, 0);
        memcpy(own.tensor[0]->data, x, sizeof x);
        uwc_tensor *out = run_backend(&own, form < 2 ? UWC_BACKEND_FAST : UWC_BACKEND_REFERENCE);
        for (int i = 0; i < 5; i++) {
            assert_float_equal(out->f32[i], (form % 2 == 0 ? sigmoid : hyperbolic)[i], 1e-6f);
        }
        uwc_tensor_destroy(&out);
        strike(&own);
    }
}

/* Input `constant` (0, 1 or neither: 2) is a constant, perhaps of fewer axes; axes of either may be 1. */
static scene roll_broadcast(uint64_t seed) {
    dice die = {.seed = seed};
    scene own = {.op = uwc_op_make((uwc_op_kind)(UWC_OP_ADD + seed % 3)), .images = roll(&die, 1, 4)};
    int constant = (int)roll(&die, 0, 2), form = (int)roll(&die, 0, 3);
    uwc_shape full = roll_shape(&die, 1, 5), in[2] = {full, full};
    for (int i = 1; form > 0 && i < full.rank; i++) {
        int thin = (int)roll(&die, -1, 1);
        if (thin >= 0) {
            in[thin].dim[i] = 1;
        }
    }
    if (constant < 2 && form > 1) {
        int fewer = (int)roll(&die, 0, full.rank);
        in[constant] = uwc_shape_make(full.rank - fewer, in[constant].dim + fewer);
    }
    add_input(&own, in[0], constant == 0);
    add_input(&own, in[1], constant == 1);
    return own;
}

static void broadcast_is_the_reference(void **state) {
    (void)state;
    for (uint64_t seed = 0; seed < 400; seed++) {
        scene own = roll_broadcast(seed);
        compare_backends(&own, seed, 0);
    }
}

/* Forms that networks use, large enough for several threads. */
static void common_broadcasts_are_the_reference(void **state) {
    (void)state;
    const uwc_shape x = uwc_shape_4d(1, 24, 20, 20);
    const uwc_shape other[] = {x,
                               uwc_shape_4d(1, 24, 1, 1),
                               uwc_shape_4d(1, 1, 20, 20),
                               uwc_shape_make(3, (int64_t[]){24, 1, 1}),
                               uwc_shape_1d(1),
                               uwc_shape_make(0, NULL),
                               x};
    for (size_t i = 0; i < sizeof other / sizeof other[0]; i++) {
        scene own = {.op = uwc_op_make(UWC_OP_SUB), .images = 4};
        add_input(&own, x, false);
        add_input(&own, other[i], i > 0 && other[i].rank < 4);
        compare_backends(&own, i, 0);
        scene turned = {.op = uwc_op_make(UWC_OP_SUB), .images = 4};
        add_input(&turned, other[i], other[i].rank < 4);
        add_input(&turned, x, false);
        compare_backends(&turned, i, 0);
    }
}

static void subtract_by_hand(void **state) {
    (void)state;
    for (int backend = UWC_BACKEND_FAST; backend <= UWC_BACKEND_REFERENCE; backend++) {
        scene own = {.op = uwc_op_make(UWC_OP_SUB), .images = 2};
        add_input(&own, uwc_shape_4d(1, 2, 1, 2), false);
        add_input(&own, uwc_shape_make(3, (int64_t[]){2, 1, 2}), true);
        build(&own, 0);
        static const float x[] = {1, 2, 3, 4, 5, 6, 7, 8}; /* channels last: pixel (0,0) has channels 1, 2 */
        static const float c[] = {10, 20, 30, 40};         /* plain: channel 0 is 10, 20 */
        static const float expected[] = {-9, -28, -17, -36, -5, -24, -13, -32};
        memcpy(own.tensor[0]->data, x, sizeof x);
        memcpy(own.tensor[1]->data, c, sizeof c);
        uwc_tensor *out = run_backend(&own, (uwc_backend)backend);
        assert_memory_equal(out->f32, expected, sizeof expected);
        uwc_tensor_destroy(&out);
        strike(&own);
    }
}

static void batch_norm_is_the_reference(void **state) {
    (void)state;
    for (uint64_t seed = 0; seed < 60; seed++) {
        dice die = {.seed = seed};
        scene own = {.op = uwc_op_make(UWC_OP_BATCH_NORM), .images = roll(&die, 1, 4)};
        own.op.epsilon = 1.5f; /* the random variances may be near -1 */
        uwc_shape shape = roll_shape(&die, 2, 5);
        add_input(&own, shape, false);
        for (int i = 0; i < 4; i++) {
            add_input(&own, uwc_shape_1d(shape.dim[1]), true);
        }
        build(&own, seed);
        for (int64_t i = 0; i < shape.dim[1]; i++) {
            own.tensor[4]->f32[i] = fabsf(own.tensor[4]->f32[i]);
        }
        uwc_tensor *fast = run_backend(&own, UWC_BACKEND_FAST), *reference = run_backend(&own, UWC_BACKEND_REFERENCE);
        assert_close(&own, fast, reference, 1e-6);
        uwc_tensor_destroy(&fast);
        uwc_tensor_destroy(&reference);
        strike(&own);
    }
}

static void softmax_is_the_reference(void **state) {
    (void)state;
    for (uint64_t seed = 0; seed < 80; seed++) {
        dice die = {.seed = seed};
        scene own = {.op = uwc_op_make(UWC_OP_SOFTMAX), .images = roll(&die, 1, 4)};
        uwc_shape shape = roll_shape(&die, 2, 5);
        int axis = (int)roll(&die, 1, shape.rank - 1);
        own.op.axis = roll(&die, 0, 1) == 1 ? axis : axis - shape.rank;
        add_input(&own, shape, false);
        compare_backends(&own, seed, 5e-7);
    }
}

static void softmax_of_large_logits_is_finite(void **state) {
    (void)state;
    for (int backend = UWC_BACKEND_FAST; backend <= UWC_BACKEND_REFERENCE; backend++) {
        scene own = {.op = uwc_op_make(UWC_OP_SOFTMAX), .images = 1};
        add_input(&own, uwc_shape_2d(1, 3), false);
        build(&own, 0);
        own.tensor[0]->f32[0] = own.tensor[0]->f32[1] = 1e30f;
        own.tensor[0]->f32[2] = -1e30f;
        uwc_tensor *out = run_backend(&own, (uwc_backend)backend);
        assert_true(out->f32[0] == 0.5f && out->f32[1] == 0.5f && out->f32[2] == 0);
        uwc_tensor_destroy(&out);
        strike(&own);
    }
}

/* What uwc_op_in_place allows gives the same over input 0 as beside it. */
static void check_in_place(scene *own, uwc_backend backend) {
    build(own, 3);
    uwc_kernel *kernel;
    assert_int_equal(make_kernel(own, backend, &kernel), UWC_OK);
    uwc_tensor *expected = run_kernel(own, kernel);
    const uwc_tensor *in[MOST_INPUTS] = {NULL};
    for (int i = 0; i < own->n_in; i++) {
        in[i] = own->tensor[i];
    }
    assert_int_equal(uwc_kernel_run(kernel, in, own->tensor[0]), UWC_OK);
    assert_same_bytes(own->tensor[0], expected);
    uwc_tensor_destroy(&expected);
    uwc_kernel_destroy(&kernel);
    strike(own);
}

static void in_place_gives_the_same(void **state) {
    (void)state;
    int checked = 0;
    for (int kind = 0; kind < UWC_OP_COUNT; kind++) {
        for (int backend = UWC_BACKEND_FAST; uwc_op_in_place((uwc_op_kind)kind) && backend <= UWC_BACKEND_REFERENCE; backend++) {
            int least, most;
            uwc_op_arity((uwc_op_kind)kind, &least, &most);
            scene own = {.op = uwc_op_make((uwc_op_kind)kind), .images = 3};
            add_input(&own, uwc_shape_4d(1, 24, 17, 19), false);
            own.op.epsilon = 10;
            for (int i = 1; i < least; i++) {
                bool parameter = kind == UWC_OP_BATCH_NORM;
                add_input(&own, parameter ? uwc_shape_1d(24) : uwc_shape_4d(1, 24, 1, 1), parameter);
            }
            check_in_place(&own, (uwc_backend)backend);
            checked++;
        }
    }
    assert_int_equal(checked, 2 * 17);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pointwise_is_the_reference),          cmocka_unit_test(pointwise_by_hand),
        cmocka_unit_test(sigmoid_and_tanh_saturate),           cmocka_unit_test(broadcast_is_the_reference),
        cmocka_unit_test(common_broadcasts_are_the_reference), cmocka_unit_test(subtract_by_hand),
        cmocka_unit_test(batch_norm_is_the_reference),         cmocka_unit_test(softmax_is_the_reference),
        cmocka_unit_test(softmax_of_large_logits_is_finite),   cmocka_unit_test(in_place_gives_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
