#include "ops_fixture.h"

/* Hard and smooth activation functions, Erf, Sqrt and Div. */

static const uwc_op_kind kinds[] = {UWC_OP_HARD_SIGMOID, UWC_OP_HARD_SWISH, UWC_OP_SILU, UWC_OP_GELU, UWC_OP_ERF};
enum { KINDS = sizeof kinds / sizeof *kinds };

static void fast_is_the_reference(void **state) {
    (void)state;
    for (uint64_t seed = 0; seed < 20 * KINDS; seed++) {
        dice die = {.seed = seed};
        scene own = {.op = uwc_op_make(kinds[seed % KINDS]), .images = roll(&die, 1, 5)};
        uwc_shape shape = {.rank = (int)roll(&die, 2, 4), .dim = {1}};
        for (int i = 1; i < shape.rank; i++) {
            shape.dim[i] = roll(&die, 1, 30);
        }
        add_input(&own, shape, false);
        compare_backends(&own, seed, 2e-6);
    }
}

/* Values of tables, to which both backends keep, and the saturated ends. */
static void known_values(void **state) {
    (void)state;
    static const float x[] = {-1e4f, -4, -1, 0, 1, 2, 100};
    static const float expected[KINDS][7] = {
        {0, 0, 0.3f, 0.5f, 0.7f, 0.9f, 1},
        {0, 0, -1.0f / 3, 0, 2.0f / 3, 5.0f / 3, 100},
        {0, -0.07194484f, -0.26894143f, 0, 0.7310586f, 1.7615942f, 100},
        {0, -0.00012668f, -0.15865526f, 0, 0.8413447f, 1.9544997f, 100},
        {-1, -1, -0.8427008f, 0, 0.8427008f, 0.9953223f, 1},
    };
    for (int form = 0; form < 2 * KINDS; form++) {
        scene own = {.op = uwc_op_make(kinds[form / 2]), .images = 1};
        add_input(&own, uwc_shape_2d(1, 7), false);
        build(&own, 0);
        memcpy(own.tensor[0]->data, x, sizeof x);
        uwc_tensor *out = run_backend(&own, form % 2 == 0 ? UWC_BACKEND_FAST : UWC_BACKEND_REFERENCE);
        for (int i = 0; i < 7; i++) {
            assert_float_equal(out->f32[i], expected[form / 2][i], 2e-6f);
        }
        uwc_tensor_destroy(&out);
        strike(&own);
    }
}

static void hard_sigmoid_has_slope_and_offset(void **state) {
    (void)state;
    scene own = {.op = uwc_op_make(UWC_OP_HARD_SIGMOID), .images = 1};
    own.op.alpha = 0.5f;
    own.op.beta = 0.25f;
    add_input(&own, uwc_shape_2d(1, 3), false);
    build(&own, 0);
    memcpy(own.tensor[0]->data, (const float[]){-1, 0.5f, 2}, 3 * sizeof(float));
    uwc_tensor *out = run_backend(&own, UWC_BACKEND_FAST);
    assert_true(out->f32[0] == 0 && out->f32[1] == 0.5f && out->f32[2] == 1);
    uwc_tensor_destroy(&out);
    strike(&own);
}

static void roots_and_quotients(void **state) {
    (void)state;
    for (int form = 0; form < 2; form++) {
        uwc_backend backend = form == 0 ? UWC_BACKEND_FAST : UWC_BACKEND_REFERENCE;
        scene root = {.op = uwc_op_make(UWC_OP_SQRT), .images = 1}, quotient = {.op = uwc_op_make(UWC_OP_DIV), .images = 1};
        add_input(&root, uwc_shape_2d(1, 3), false);
        build(&root, 0);
        memcpy(root.tensor[0]->data, (const float[]){0, 2.25f, 1e6f}, 3 * sizeof(float));
        uwc_tensor *out = run_backend(&root, backend);
        assert_true(out->f32[0] == 0 && out->f32[1] == 1.5f && out->f32[2] == 1000);
        add_input(&quotient, uwc_shape_2d(1, 3), false);
        add_input(&quotient, uwc_shape_1d(1), true);
        build(&quotient, 0);
        memcpy(quotient.tensor[0]->data, (const float[]){3, -1, 0}, 3 * sizeof(float));
        quotient.tensor[1]->f32[0] = 4;
        uwc_tensor *parts = run_backend(&quotient, backend);
        assert_true(parts->f32[0] == 0.75f && parts->f32[1] == -0.25f && parts->f32[2] == 0);
        uwc_tensor_destroy(&out);
        uwc_tensor_destroy(&parts);
        strike(&root);
        strike(&quotient);
    }
}

int main(void) {
    uwc_ops_set_threads(2);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fast_is_the_reference),
        cmocka_unit_test(known_values),
        cmocka_unit_test(hard_sigmoid_has_slope_and_offset),
        cmocka_unit_test(roots_and_quotients),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
