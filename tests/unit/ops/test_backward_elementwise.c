#include "backward_check.h"

static const uwc_shape *image_shape(void) {
    static const uwc_shape shape = {.rank = 4, .dim = {2, 3, 5, 4}};
    return &shape;
}

static check_case unary_case(uwc_op_kind kind) {
    check_case c = {.op = uwc_op_make(kind), .n_in = 1, .in = {*image_shape()}};
    return c;
}

static void given_unary_operators_then_gradients_are_differences(void **state) {
    (void)state;
    check_case relu = unary_case(UWC_OP_RELU);
    check_gradients(&relu);
    check_case clip = unary_case(UWC_OP_CLIP);
    clip.op.low = -0.5f;
    clip.op.high = 1.0f;
    check_gradients(&clip);
    check_case leaky = unary_case(UWC_OP_LEAKY_RELU);
    leaky.op.alpha = 0.3f;
    check_gradients(&leaky);
    check_case sigmoid = unary_case(UWC_OP_SIGMOID), hyperbolic = unary_case(UWC_OP_TANH), identity = unary_case(UWC_OP_IDENTITY);
    check_gradients(&sigmoid);
    check_gradients(&hyperbolic);
    check_gradients(&identity);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(given_unary_operators_then_gradients_are_differences),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
