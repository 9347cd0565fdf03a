#include "backward_check.h"

/* Convolutions that are large enough to be cut into runs and blocks of images, against sums over all products in double. */

enum { WEIGHTS_AND_BIAS = 6 };

typedef struct window {
    int64_t kernel, stride, dilation, before, after;
} window;

static check_case conv_case(int64_t images, int64_t channels, int64_t size, int64_t outputs, int64_t group, window v) {
    check_case c = {.op = uwc_op_make(UWC_OP_CONV), .n_in = 3, .constants = WEIGHTS_AND_BIAS};
    c.in[0] = uwc_shape_4d(images, channels, size, size + 1);
    c.in[1] = uwc_shape_4d(outputs, channels / group, v.kernel, v.kernel);
    c.in[2] = uwc_shape_1d(outputs);
    c.op.group = group;
    for (int i = 0; i < 2; i++) {
        c.op.kernel[i] = v.kernel;
        c.op.stride[i] = v.stride;
        c.op.dilation[i] = v.dilation;
        c.op.pad[i] = v.before;
        c.op.pad[2 + i] = v.after;
    }
    return c;
}

static const window SAME = {3, 1, 1, 1, 1}, HALF = {3, 2, 1, 0, 1}, WIDE = {3, 1, 2, 2, 1}, LARGE = {5, 2, 1, 2, 2},
                    POINT = {1, 1, 1, 0, 0}, SPARSE = {1, 2, 1, 0, 0};

/* All products of one output element: into the sums by input, weights and bias. */
static void add_output(const check_state *s, int64_t n, int64_t o, int64_t oy, int64_t ox, double *const *sum) {
    const uwc_op *op = &s->op;
    const uwc_tensor *x = s->in[0], *w = s->in[1];
    int64_t channels = x->shape.dim[1], h = x->shape.dim[2], width = x->shape.dim[3], inputs = w->shape.dim[1];
    int64_t outputs = s->out->shape.dim[1], first = o / (outputs / op->group) * inputs;
    double dy = (double)s->weight->f32[((n * s->out->shape.dim[2] + oy) * s->out->shape.dim[3] + ox) * outputs + o];
    sum[2][o] += dy;
    for (int64_t tap = 0; tap < op->kernel[0] * op->kernel[1]; tap++) {
        int64_t row = oy * op->stride[0] + tap / op->kernel[1] * op->dilation[0] - op->pad[0];
        int64_t column = ox * op->stride[1] + tap % op->kernel[1] * op->dilation[1] - op->pad[1];
        for (int64_t i = 0; row >= 0 && row < h && column >= 0 && column < width && i < inputs; i++) {
            int64_t pixel = ((n * h + row) * width + column) * channels + first + i;
            int64_t weight = (o * inputs + i) * op->kernel[0] * op->kernel[1] + tap;
            sum[0][pixel] += dy * (double)w->f32[weight];
            sum[1][weight] += dy * (double)x->f32[pixel];
        }
    }
}

static void compare(const check_state *s, int input, const double *expected, double held) {
    double largest = check_largest(s->grad[input]);
    assert_true(largest > 1);
    for (int64_t i = 0; i < uwc_shape_count(s->in[input]->shape); i++) {
        if (!(fabs(expected[i] + held - (double)s->grad[input]->f32[i]) <= 2e-6 * largest)) {
            fail_msg("input %d element %lld: %g instead of %g, the largest is %g", input, (long long)i, (double)s->grad[input]->f32[i],
                     expected[i] + held, largest);
        }
    }
}

static void check_products(check_case c) {
    check_state s;
    double *sum[3];
    check_setup(&s, &c);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(UWC_OK, uwc_calloc(uwc_shape_count(c.in[i]), sizeof *sum[i], &sum[i]));
    }
    uwc_shape out = s.out->shape;
    for (int64_t n = 0; n < out.dim[0]; n++) {
        for (int64_t at = 0; at < uwc_shape_per_image(out); at++) {
            int64_t position = at / out.dim[1];
            add_output(&s, n, at % out.dim[1], position / out.dim[3], position % out.dim[3], sum);
        }
    }
    for (int add = 0; add < 2; add++) { /* overwriting leaves nothing of what was there */
        for (int i = 0; i < 3; i++) {
            for (int64_t e = 0; e < uwc_shape_count(c.in[i]); e++) {
                s.grad[i]->f32[e] = 3;
            }
        }
        check_backward(&s, add == 1);
        for (int i = 0; i < 3; i++) {
            compare(&s, i, sum[i], add == 1 ? 3 : 0);
        }
    }
    for (int i = 0; i < 3; i++) {
        uwc_free(&sum[i]);
    }
    check_teardown(&s);
}

static void given_windows_and_groups_then_gradients_are_sums_of_products(void **state) {
    (void)state;
    check_products(conv_case(6, 16, 17, 32, 1, SAME));
    check_products(conv_case(6, 19, 18, 37, 1, HALF));
    check_products(conv_case(3, 33, 12, 18, 1, WIDE));
    check_products(conv_case(2, 3, 24, 16, 1, LARGE));
    check_products(conv_case(8, 24, 14, 20, 1, POINT));
    check_products(conv_case(8, 24, 14, 20, 4, SPARSE));
    check_products(conv_case(4, 24, 14, 36, 12, SAME));
    check_products(conv_case(4, 34, 14, 68, 34, HALF));
}

static void given_depthwise_windows_then_gradients_are_sums_of_products(void **state) {
    (void)state;
    check_products(conv_case(5, 70, 11, 70, 70, SAME));
    check_products(conv_case(5, 33, 12, 33, 33, HALF));
    check_products(conv_case(5, 16, 12, 16, 16, WIDE));
    check_products(conv_case(19, 70, 9, 70, 70, LARGE));
    check_products(conv_case(2, 64, 9, 64, 64, (window){7, 1, 1, 3, 3}));
    check_products(conv_case(2, 5, 13, 5, 5, (window){5, 1, 2, 4, 1}));
}

/* 20 runs of 2 images make 16 blocks: some blocks hold two runs. */
static void given_more_runs_than_blocks_then_all_count_once(void **state) {
    (void)state;
    check_products(conv_case(40, 16, 32, 16, 1, SAME));
}

static void given_any_number_of_threads_then_gradients_are_the_same_bytes(void **state) {
    (void)state;
    const check_case c[] = {conv_case(40, 16, 32, 16, 1, SAME),  conv_case(9, 17, 33, 40, 1, HALF),    conv_case(21, 96, 14, 50, 1, POINT),
                            conv_case(18, 96, 28, 96, 96, SAME), conv_case(18, 70, 28, 70, 70, LARGE), conv_case(18, 48, 20, 48, 8, WIDE)};
    for (size_t i = 0; i < sizeof c / sizeof c[0]; i++) {
        check_threads(&c[i]);
    }
}

static uwc_backward *open_backward(const check_state *s) {
    uwc_backward *backward;
    assert_int_equal(UWC_OK, uwc_backward_create(&s->op, s->c->in, s->c->n_in, s->out->shape, &backward));
    return backward;
}

/* One object, as in training: new weights in every call, and not always the same gradients wanted. */
static void given_new_weights_then_the_next_call_uses_them(void **state) {
    (void)state;
    check_case c = conv_case(8, 24, 14, 20, 1, SAME);
    check_state s;
    uwc_tensor *kept[3];
    check_setup(&s, &c);
    const uwc_tensor *const in[] = {s.in[0], s.in[1], s.in[2]};
    uwc_backward *backward = open_backward(&s);
    assert_int_equal(UWC_OK, uwc_backward_run(backward, in, s.out, s.weight, (uwc_tensor *[]){s.grad[0], NULL, NULL}, NULL));
    for (int64_t i = 0; i < uwc_shape_count(c.in[1]); i++) {
        s.in[1]->f32[i] *= -2;
    }
    assert_int_equal(UWC_OK, uwc_backward_run(backward, in, s.out, s.weight, s.grad, NULL));
    for (int i = 0; i < 3; i++) {
        assert_int_equal(UWC_OK, uwc_tensor_copy(s.grad[i], &kept[i]));
    }
    check_backward(&s, false); /* a fresh object */
    for (int i = 0; i < 3; i++) {
        assert_memory_equal(kept[i]->data, s.grad[i]->data, uwc_tensor_bytes(kept[i]));
        memset(s.grad[i]->data, 0, uwc_tensor_bytes(kept[i]));
    }
    assert_int_equal(UWC_OK, uwc_backward_run(backward, in, s.out, s.weight, (uwc_tensor *[]){NULL, NULL, s.grad[2]}, NULL));
    assert_memory_equal(kept[2]->data, s.grad[2]->data, uwc_tensor_bytes(kept[2]));
    assert_int_equal(UWC_OK, uwc_backward_run(backward, in, s.out, s.weight, (uwc_tensor *[]){NULL, s.grad[1], NULL}, NULL));
    assert_memory_equal(kept[1]->data, s.grad[1]->data, uwc_tensor_bytes(kept[1]));
    for (int i = 0; i < 3; i++) {
        uwc_tensor_destroy(&kept[i]);
    }
    uwc_backward_destroy(&backward);
    check_teardown(&s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(given_windows_and_groups_then_gradients_are_sums_of_products),
        cmocka_unit_test(given_depthwise_windows_then_gradients_are_sums_of_products),
        cmocka_unit_test(given_more_runs_than_blocks_then_all_count_once),
        cmocka_unit_test(given_any_number_of_threads_then_gradients_are_the_same_bytes),
        cmocka_unit_test(given_new_weights_then_the_next_call_uses_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
