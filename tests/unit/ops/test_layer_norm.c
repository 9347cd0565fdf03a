#include "ops_fixture.h"

/* LayerNormalization along any one axis. */

static void fast_is_the_reference(void **state) {
    (void)state;
    for (uint64_t seed = 0; seed < 120; seed++) {
        dice die = {.seed = seed};
        scene own = {.op = uwc_op_make(UWC_OP_LAYER_NORM), .images = roll(&die, 1, 4)};
        uwc_shape shape = {.rank = (int)roll(&die, 2, 4), .dim = {1}};
        for (int i = 1; i < shape.rank; i++) {
            shape.dim[i] = roll(&die, 1, 40);
        }
        own.op.axis = (int)roll(&die, 1, shape.rank - 1);
        add_input(&own, shape, false);
        add_input(&own, uwc_shape_1d(shape.dim[own.op.axis]), true);
        add_input(&own, uwc_shape_1d(shape.dim[own.op.axis]), true);
        compare_backends(&own, seed, 3e-6);
    }
}

/* Channels 1, 2, 6 of one pixel: mean 3, variance 14/3. A large mean costs no digits. */
static void known_values(void **state) {
    (void)state;
    for (int form = 0; form < 4; form++) {
        float far = form < 2 ? 0 : 4096;
        scene own = {.op = uwc_op_make(UWC_OP_LAYER_NORM), .images = 1};
        own.op.axis = 1;
        own.op.epsilon = 0;
        add_input(&own, uwc_shape_4d(1, 3, 1, 1), false);
        add_input(&own, uwc_shape_1d(3), true);
        add_input(&own, uwc_shape_1d(3), true);
        build(&own, 0);
        memcpy(own.tensor[0]->data, (const float[]){1 + far, 2 + far, 6 + far}, 3 * sizeof(float));
        memcpy(own.tensor[1]->data, (const float[]){1, 2, 1}, 3 * sizeof(float));
        memcpy(own.tensor[2]->data, (const float[]){0, 0, 0.5f}, 3 * sizeof(float));
        uwc_tensor *out = run_backend(&own, form % 2 == 0 ? UWC_BACKEND_FAST : UWC_BACKEND_REFERENCE);
        const float sd = sqrtf(14.0f / 3);
        assert_float_equal(out->f32[0], -2 / sd, 1e-6f);
        assert_float_equal(out->f32[1], -2 / sd, 1e-6f);
        assert_float_equal(out->f32[2], 3 / sd + 0.5f, 1e-6f);
        uwc_tensor_destroy(&out);
        strike(&own);
    }
}

static void refused(void **state) {
    (void)state;
    uwc_op op = uwc_op_make(UWC_OP_LAYER_NORM);
    uwc_shape in[] = {uwc_shape_4d(1, 3, 4, 5), uwc_shape_1d(5), uwc_shape_1d(5)}, out;
    assert_int_equal(uwc_op_infer(&op, in, 3, &out), UWC_OK);
    assert_int_equal(op.axis, 3);
    in[2] = uwc_shape_1d(4);
    assert_int_equal(uwc_op_infer(&op, in, 3, &out), UWC_E_SHAPE);
    op.axis = 0;
    assert_int_equal(uwc_op_infer(&op, in, 3, &out), UWC_E_UNSUPPORTED);
}

int main(void) {
    uwc_ops_set_threads(2);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fast_is_the_reference),
        cmocka_unit_test(known_values),
        cmocka_unit_test(refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
