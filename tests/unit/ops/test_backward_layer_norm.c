#include "backward_check.h"

static check_case norm_case(uwc_shape shape, int axis) {
    check_case c = {.op = uwc_op_make(UWC_OP_LAYER_NORM), .n_in = 3, .constants = 6};
    c.op.axis = axis;
    c.op.epsilon = 0.1f;
    c.in[0] = shape;
    c.in[1] = c.in[2] = uwc_shape_1d(shape.dim[axis]);
    return c;
}

static void given_any_axis_then_gradients_are_differences(void **state) {
    (void)state;
    for (int axis = 1; axis <= 3; axis++) {
        check_case c = norm_case(uwc_shape_4d(2, 3, 5, 4), axis);
        check_gradients(&c);
    }
    check_case flat = norm_case(uwc_shape_2d(3, 7), 1);
    check_gradients(&flat);
}

static void given_parameters_that_are_fixed_then_the_input_has_its_gradient(void **state) {
    (void)state;
    check_case c = norm_case(uwc_shape_4d(2, 6, 2, 2), 1);
    c.fixed = 6;
    check_gradients(&c);
    c.fixed = 1;
    check_gradients(&c);
}

static void given_any_number_of_threads_then_gradients_are_the_same_bytes(void **state) {
    (void)state;
    check_case c = norm_case(uwc_shape_4d(5, 12, 7, 9), 1);
    check_threads(&c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(given_any_axis_then_gradients_are_differences),
        cmocka_unit_test(given_parameters_that_are_fixed_then_the_input_has_its_gradient),
        cmocka_unit_test(given_any_number_of_threads_then_gradients_are_the_same_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
