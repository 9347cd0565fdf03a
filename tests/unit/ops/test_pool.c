#include "ops_fixture.h"

#include <float.h>

/* Pooling and means. */

enum { FORMS = 150 };

static scene roll_pool(uwc_op_kind kind, uint64_t seed) {
    dice die = {.seed = seed};
    scene own = {.op = uwc_op_make(kind), .images = roll(&die, 1, 3)};
    int64_t size[2];
    for (int i = 0; i < 2; i++) {
        own.op.kernel[i] = roll(&die, 1, 4);
        own.op.stride[i] = roll(&die, 1, 3);
        own.op.pad[i] = roll(&die, 0, own.op.kernel[i] - 1);
        own.op.pad[i + 2] = roll(&die, 0, own.op.kernel[i] - 1);
        size[i] = own.op.kernel[i] + roll(&die, 0, 9);
    }
    own.op.ceil_mode = roll(&die, 0, 1) == 1;
    own.op.count_include_pad = kind == UWC_OP_AVERAGE_POOL && roll(&die, 0, 1) == 1;
    own.op.auto_pad = (uwc_auto_pad)(roll(&die, 0, 1) * roll(&die, 0, 3));
    add_input(&own, uwc_shape_4d(1, roll(&die, 1, 40), size[0], size[1]), false);
    return own;
}

static void max_pool_is_the_reference(void **state) {
    (void)state;
    for (uint64_t seed = 0; seed < FORMS; seed++) {
        scene own = roll_pool(UWC_OP_MAX_POOL, seed);
        compare_backends(&own, seed, 0);
    }
}

static void average_pool_is_the_reference(void **state) {
    (void)state;
    for (uint64_t seed = 0; seed < FORMS; seed++) {
        scene own = roll_pool(UWC_OP_AVERAGE_POOL, seed);
        compare_backends(&own, seed, 1e-6);
    }
}

static void global_average_pool_is_the_reference(void **state) {
    (void)state;
    for (uint64_t seed = 0; seed < 30; seed++) {
        dice die = {.seed = seed};
        scene own = {.op = uwc_op_make(UWC_OP_GLOBAL_AVERAGE_POOL), .images = roll(&die, 1, 3)};
        add_input(&own, uwc_shape_4d(1, roll(&die, 1, 150), roll(&die, 1, 12), roll(&die, 1, 12)), false);
        compare_backends(&own, seed, 1e-7);
    }
}

static void reduce_mean_is_the_reference(void **state) {
    (void)state;
    for (uint64_t seed = 0; seed < 120; seed++) {
        dice die = {.seed = seed};
        scene own = {.op = uwc_op_make(UWC_OP_REDUCE_MEAN), .images = roll(&die, 1, 3)};
        uwc_shape shape = {.rank = (int)roll(&die, 2, 5), .dim = {1}};
        own.op.keepdims = roll(&die, 0, 1) == 1;
        for (int i = 1; i < shape.rank; i++) {
            shape.dim[i] = roll(&die, 1, 9);
            if (roll(&die, 0, 1) == 1) {
                own.op.axes[own.op.n_axes++] = roll(&die, 0, 1) == 1 ? i : i - shape.rank;
            }
        }
        if (own.op.n_axes == 0) {
            own.op.axes[own.op.n_axes++] = -1;
        }
        add_input(&own, shape, false);
        compare_backends(&own, seed, 1e-7);
    }
}

/* [1,1,3,3] with kernel 2, stride 2, padding 1 before: windows of 1, 2, 2 and 4 elements. */
static void pools_by_hand(void **state) {
    (void)state;
    static const float x[] = {1, 2, 3, 4, 5, 6, 7, 8, 9};
    static const float expected[3][4] = {{1, 3, 7, 9}, {1, 2.5f, 5.5f, 7}, {0.25f, 1.25f, 2.75f, 7}};
    for (int form = 0; form < 3; form++) {
        scene own = {.op = uwc_op_make(form == 0 ? UWC_OP_MAX_POOL : UWC_OP_AVERAGE_POOL), .images = 1};
        own.op.count_include_pad = form == 2;
        for (int i = 0; i < 2; i++) {
            own.op.kernel[i] = own.op.stride[i] = 2;
            own.op.pad[i] = 1;
        }
        add_input(&own, uwc_shape_4d(1, 1, 3, 3), false);
        for (int backend = UWC_BACKEND_FAST; backend <= UWC_BACKEND_REFERENCE; backend++) {
            build(&own, 0);
            memcpy(own.tensor[0]->data, x, sizeof x);
            uwc_tensor *out = run_backend(&own, (uwc_backend)backend);
            assert_int_equal(uwc_shape_count(out->shape), 4);
            assert_memory_equal(out->f32, expected[form], sizeof expected[form]);
            uwc_tensor_destroy(&out);
            strike(&own);
        }
    }
}

/* [1,1,1,4], kernel 3, stride 2, padding 1 behind, ceil_mode: the window at 2 holds 2 elements, 1 of padding; none beyond. */
static void ceil_mode_counts_the_padding_but_nothing_beyond(void **state) {
    (void)state;
    static const float x[] = {3, 3, 3, 6, 9};
    for (int backend = UWC_BACKEND_FAST; backend <= UWC_BACKEND_REFERENCE; backend++) {
        scene own = {.op = uwc_op_make(UWC_OP_AVERAGE_POOL), .images = 1};
        own.op.count_include_pad = own.op.ceil_mode = true;
        own.op.kernel[0] = 1;
        own.op.kernel[1] = 4;
        own.op.stride[1] = 3;
        own.op.pad[3] = 1;
        add_input(&own, uwc_shape_4d(1, 1, 1, 5), false);
        build(&own, 0);
        memcpy(own.tensor[0]->data, x, sizeof x);
        uwc_tensor *out = run_backend(&own, (uwc_backend)backend);
        assert_int_equal(uwc_shape_count(out->shape), 2);
        assert_true(out->f32[0] == 15.0f / 4);
        assert_true(out->f32[1] == 15.0f / 3); /* 6, 9 and one zero of the padding */
        uwc_tensor_destroy(&out);
        strike(&own);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(max_pool_is_the_reference),
        cmocka_unit_test(average_pool_is_the_reference),
        cmocka_unit_test(global_average_pool_is_the_reference),
        cmocka_unit_test(reduce_mean_is_the_reference),
        cmocka_unit_test(pools_by_hand),
        cmocka_unit_test(ceil_mode_counts_the_padding_but_nothing_beyond),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
