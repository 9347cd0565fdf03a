#include "backward_check.h"

enum { WEIGHTS_AND_BIAS = 6 };

static check_case conv_case(int64_t images, int64_t channels, int64_t h, int64_t w, int64_t outputs, int64_t group, int64_t kh,
                            int64_t kw) {
    check_case c = {.op = uwc_op_make(UWC_OP_CONV), .n_in = 3, .constants = WEIGHTS_AND_BIAS};
    c.in[0] = uwc_shape_4d(images, channels, h, w);
    c.in[1] = uwc_shape_4d(outputs, channels / group, kh, kw);
    c.in[2] = uwc_shape_1d(outputs);
    c.op.kernel[0] = kh;
    c.op.kernel[1] = kw;
    c.op.group = group;
    return c;
}

static void set_window(check_case *c, int64_t stride, int64_t dilation, int64_t top, int64_t left, int64_t bottom, int64_t right) {
    c->op.stride[0] = stride;
    c->op.stride[1] = stride;
    c->op.dilation[0] = dilation;
    c->op.dilation[1] = dilation;
    memcpy(c->op.pad, (int64_t[]){top, left, bottom, right}, sizeof c->op.pad);
}

static void given_convolutions_then_gradients_are_differences(void **state) {
    (void)state;
    check_case plain = conv_case(2, 3, 5, 7, 4, 1, 3, 3);
    set_window(&plain, 1, 1, 1, 1, 1, 1);
    check_gradients(&plain);
    check_case strided = conv_case(2, 3, 7, 5, 4, 1, 3, 2);
    set_window(&strided, 2, 1, 0, 1, 2, 0);
    check_gradients(&strided);
    check_case dilated = conv_case(1, 2, 7, 6, 3, 1, 2, 3);
    set_window(&dilated, 1, 2, 1, 0, 0, 2);
    check_gradients(&dilated);
    check_case grouped = conv_case(2, 6, 5, 5, 4, 2, 3, 3);
    set_window(&grouped, 2, 1, 1, 1, 1, 1);
    check_gradients(&grouped);
    check_case no_bias = plain;
    no_bias.n_in = 2;
    check_gradients(&no_bias);
}

static void given_depthwise_convolutions_then_gradients_are_differences(void **state) {
    (void)state;
    check_case depthwise = conv_case(2, 5, 5, 7, 5, 5, 3, 3);
    set_window(&depthwise, 2, 1, 1, 0, 0, 1);
    check_gradients(&depthwise);
    check_case dilated = conv_case(1, 3, 6, 7, 3, 3, 2, 3);
    set_window(&dilated, 1, 2, 1, 2, 1, 2);
    check_gradients(&dilated);
    check_case multiplied = conv_case(2, 3, 5, 4, 6, 3, 3, 3);
    set_window(&multiplied, 1, 1, 1, 1, 1, 1);
    check_gradients(&multiplied);
}

static void given_pointwise_and_linear_then_gradients_are_differences(void **state) {
    (void)state;
    check_case pointwise = conv_case(2, 5, 3, 4, 7, 1, 1, 1);
    check_gradients(&pointwise);
    check_case strided = pointwise;
    set_window(&strided, 2, 1, 0, 0, 0, 0);
    check_gradients(&strided);
    check_case linear = {.op = uwc_op_make(UWC_OP_LINEAR), .n_in = 3, .constants = WEIGHTS_AND_BIAS};
    linear.in[0] = uwc_shape_2d(5, 7);
    linear.in[1] = uwc_shape_2d(3, 7);
    linear.in[2] = uwc_shape_1d(3);
    check_gradients(&linear);
    linear.in[0] = uwc_shape_make(3, (int64_t[]){2, 4, 7});
    check_gradients(&linear);
}

static void given_any_number_of_threads_then_gradients_are_the_same_bytes(void **state) {
    (void)state;
    check_case plain = conv_case(37, 8, 9, 11, 12, 1, 3, 3);
    set_window(&plain, 1, 1, 1, 1, 1, 1);
    check_threads(&plain);
    check_case depthwise = conv_case(19, 8, 9, 11, 8, 8, 3, 3);
    set_window(&depthwise, 1, 1, 1, 1, 1, 1);
    check_threads(&depthwise);
    check_case pointwise = conv_case(5, 8, 9, 11, 12, 1, 1, 1);
    check_threads(&pointwise);
}

/* A layer whose runs of rows do not cover the image at once: the gradient is that of the image in one piece. */
static void given_patches_larger_than_a_run_then_nothing_is_lost(void **state) {
    (void)state;
    check_case wide = conv_case(1, 96, 13, 14, 1, 1, 3, 3);
    set_window(&wide, 1, 1, 1, 1, 1, 1);
    check_state s;
    check_setup(&s, &wide);
    check_forward(&s);
    check_backward(&s, false);
    double expected = 0.0, most = check_largest(s.grad[1]);
    for (int64_t p = 0; p < 13 * 14; p++) { /* the middle tap of channel 5 meets every pixel */
        expected += (double)s.weight->f32[p] * (double)s.in[0]->f32[p * 96 + 5];
    }
    assert_true(fabs(expected - (double)s.grad[1]->f32[5 * 9 + 4]) < 1e-5 * most);
    check_teardown(&s);
}

static void given_other_shapes_then_the_call_is_refused(void **state) {
    (void)state;
    check_case pointwise = conv_case(2, 5, 3, 4, 7, 1, 1, 1);
    check_state s;
    check_setup(&s, &pointwise);
    uwc_backward *backward;
    const uwc_tensor *in[] = {s.in[0], s.in[1], s.in[2]};
    uwc_tensor *grad[] = {s.grad[1], NULL, NULL};
    assert_int_equal(UWC_OK, uwc_backward_create(&s.op, pointwise.in, 3, s.out->shape, &backward));
    assert_int_equal(UWC_E_SHAPE, uwc_backward_run(backward, in, s.out, s.weight, grad, NULL));
    grad[0] = NULL;
    uwc_tensor plain = *s.in[0];
    plain.layout = UWC_PLAIN;
    in[0] = &plain;
    assert_int_equal(UWC_E_SHAPE, uwc_backward_run(backward, in, s.out, s.weight, grad, NULL));
    in[0] = s.in[0];
    in[1] = NULL;
    assert_int_equal(UWC_E_ARG, uwc_backward_run(backward, in, s.out, s.weight, grad, NULL));
    uwc_backward_destroy(&backward);
    uwc_op softmax = uwc_op_make(UWC_OP_SOFTMAX);
    assert_int_equal(UWC_E_UNSUPPORTED, uwc_backward_create(&softmax, pointwise.in, 1, s.out->shape, &backward));
    assert_null(backward);
    check_teardown(&s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(given_convolutions_then_gradients_are_differences),
        cmocka_unit_test(given_depthwise_convolutions_then_gradients_are_differences),
        cmocka_unit_test(given_pointwise_and_linear_then_gradients_are_differences),
        cmocka_unit_test(given_any_number_of_threads_then_gradients_are_the_same_bytes),
        cmocka_unit_test(given_patches_larger_than_a_run_then_nothing_is_lost),
        cmocka_unit_test(given_other_shapes_then_the_call_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
