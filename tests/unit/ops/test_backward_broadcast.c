#include "backward_check.h"

static void check_binary(uwc_shape a, uwc_shape b, unsigned constants) {
    static const uwc_op_kind kinds[] = {UWC_OP_ADD, UWC_OP_SUB, UWC_OP_MUL};
    for (int i = 0; i < 3; i++) {
        check_case c = {.op = uwc_op_make(kinds[i]), .n_in = 2, .in = {a, b}, .constants = constants};
        check_gradients(&c);
    }
}

static void given_binary_operators_then_gradients_are_differences(void **state) {
    (void)state;
    uwc_shape image = uwc_shape_4d(2, 3, 5, 4);
    check_binary(image, image, 0);
    check_binary(image, uwc_shape_4d(2, 3, 1, 1), 0);
    check_binary(uwc_shape_4d(2, 1, 5, 1), uwc_shape_4d(2, 3, 1, 4), 0);
    check_binary(image, uwc_shape_4d(1, 3, 1, 1), 2);
    check_binary(image, uwc_shape_make(3, (int64_t[]){3, 5, 4}), 2);
    check_binary(image, uwc_shape_1d(4), 2);
    check_binary(uwc_shape_2d(3, 5), uwc_shape_1d(1), 2);
    check_binary(uwc_shape_4d(2, 35, 3, 2), uwc_shape_4d(2, 35, 1, 1), 0); /* more channels than are summed together */
    check_binary(uwc_shape_4d(1, 270, 1, 2), uwc_shape_4d(1, 270, 1, 1), 0);
}

static void given_any_number_of_threads_then_gradients_are_the_same_bytes(void **state) {
    (void)state;
    check_case scaled = {.op = uwc_op_make(UWC_OP_MUL), .n_in = 2, .in = {uwc_shape_4d(7, 5, 9, 11), uwc_shape_4d(7, 5, 1, 1)}};
    check_threads(&scaled);
    check_case shifted = {.op = uwc_op_make(UWC_OP_ADD), .n_in = 2, .in = {uwc_shape_4d(7, 5, 9, 11), uwc_shape_1d(11)}, .constants = 2};
    check_threads(&shifted);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(given_binary_operators_then_gradients_are_differences),
        cmocka_unit_test(given_any_number_of_threads_then_gradients_are_the_same_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
