#include "backward_check.h"

static void given_activation_functions_then_gradients_are_differences(void **state) {
    (void)state;
    static const uwc_op_kind kinds[] = {UWC_OP_HARD_SIGMOID, UWC_OP_HARD_SWISH, UWC_OP_SILU, UWC_OP_GELU, UWC_OP_ERF};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        check_case c = {.op = uwc_op_make(kinds[i]), .n_in = 1, .in = {uwc_shape_4d(2, 3, 5, 4)}};
        check_gradients(&c);
    }
    check_case root = {.op = uwc_op_make(UWC_OP_SQRT), .n_in = 1, .in = {uwc_shape_4d(2, 3, 5, 4)}, .positive = 1};
    check_gradients(&root);
}

static void given_div_then_it_is_refused(void **state) {
    (void)state;
    uwc_op op = uwc_op_make(UWC_OP_DIV);
    uwc_shape in[] = {uwc_shape_2d(2, 3), uwc_shape_2d(2, 3)};
    uwc_backward *backward;
    assert_int_equal(uwc_backward_create(&op, in, 2, in[0], &backward), UWC_E_UNSUPPORTED);
    assert_null(backward);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(given_activation_functions_then_gradients_are_differences),
        cmocka_unit_test(given_div_then_it_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
