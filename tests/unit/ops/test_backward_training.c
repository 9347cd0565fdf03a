/* BatchNormalization and the loss. */
#include "backward_check.h"

static void given_fixed_statistics_then_gradients_are_differences(void **state) {
    (void)state;
    check_case c = {.op = uwc_op_make(UWC_OP_BATCH_NORM), .n_in = 5, .constants = 30, .fixed = 24, .positive = 16};
    c.in[0] = uwc_shape_4d(2, 3, 5, 4);
    for (int i = 1; i < 5; i++) {
        c.in[i] = uwc_shape_1d(3);
    }
    check_gradients(&c);
}

enum { CHANNELS = 3 };

typedef struct normalization {
    uwc_tensor *x, *out, *weight, *grad;
    float scale[CHANNELS], bias[CHANNELS], mean[CHANNELS], variance[CHANNELS], grad_scale[CHANNELS], grad_bias[CHANNELS];
} normalization;

static void normalization_setup(normalization *n, uwc_shape shape) {
    uwc_tensor **all[] = {&n->x, &n->out, &n->weight, &n->grad};
    for (uint64_t t = 0; t < 4; t++) {
        assert_int_equal(UWC_OK, uwc_tensor_activation(shape, all[t]));
        for (int64_t i = 0; i < uwc_shape_count(shape); i++) {
            (*all[t])->f32[i] = (float)uwc_rng_normal(3, t, (uint64_t)i) + (t == 0 ? 2.0f : 0.0f);
        }
    }
    for (int c = 0; c < CHANNELS; c++) {
        n->scale[c] = 0.5f + (float)c;
        n->bias[c] = -0.25f * (float)c;
    }
}

static void normalization_teardown(normalization *n) {
    uwc_tensor_destroy(&n->x);
    uwc_tensor_destroy(&n->out);
    uwc_tensor_destroy(&n->weight);
    uwc_tensor_destroy(&n->grad);
}

static double normalization_scalar(normalization *n) {
    assert_int_equal(UWC_OK, uwc_batch_norm_train(n->x, n->scale, n->bias, 1e-3f, n->mean, n->variance, n->out));
    double sum = 0.0;
    for (int64_t i = 0; i < uwc_shape_count(n->x->shape); i++) {
        sum += (double)n->weight->f32[i] * (double)n->out->f32[i];
    }
    return sum;
}

static void compare(normalization *n, float *at, float gradient) {
    float kept = *at;
    const float step = 0x1p-7f;
    *at = kept + step;
    double above = normalization_scalar(n);
    *at = kept - step;
    double below = normalization_scalar(n);
    *at = kept;
    double slope = (above - below) / (2.0 * (double)step);
    assert_true(fabs(slope - (double)gradient) < 5e-3);
}

static void given_statistics_of_the_batch_then_gradients_are_differences(void **state) {
    (void)state;
    const uwc_shape shapes[] = {uwc_shape_4d(3, CHANNELS, 3, 5), uwc_shape_2d(7, CHANNELS)};
    for (int i = 0; i < 2; i++) {
        normalization n;
        normalization_setup(&n, shapes[i]);
        normalization_scalar(&n);
        assert_int_equal(
            UWC_OK, uwc_batch_norm_train_backward(n.x, n.scale, 1e-3f, n.mean, n.variance, n.weight, n.grad, n.grad_scale, n.grad_bias));
        for (int64_t e = 0; e < uwc_shape_count(shapes[i]); e++) {
            compare(&n, &n.x->f32[e], n.grad->f32[e]);
        }
        for (int c = 0; c < CHANNELS; c++) {
            compare(&n, &n.scale[c], n.grad_scale[c]);
            compare(&n, &n.bias[c], n.grad_bias[c]);
        }
        normalization_teardown(&n);
    }
}

static void given_a_batch_then_its_statistics_are_exact(void **state) {
    (void)state;
    normalization n;
    normalization_setup(&n, uwc_shape_2d(4, CHANNELS));
    const float rows[] = {1000.5f, 1, -1, 1001.5f, 3, -1, 1002.5f, 5, -1, 1003.5f, 7, -1};
    memcpy(n.x->f32, rows, sizeof rows);
    normalization_scalar(&n);
    const double mean[] = {1002.0, 4.0, -1.0}, variance[] = {1.25, 5.0, 0.0};
    for (int c = 0; c < CHANNELS; c++) {
        assert_true(fabs((double)n.mean[c] - mean[c]) < 1e-6 && fabs((double)n.variance[c] - variance[c]) < 1e-6);
    }
    normalization_teardown(&n);
}

static void given_any_number_of_threads_then_normalization_is_the_same_bytes(void **state) {
    (void)state;
    uwc_tensor *out = NULL, *grad = NULL;
    for (int threads = 1; threads <= 3; threads++) {
        normalization n;
        normalization_setup(&n, uwc_shape_4d(9, CHANNELS, 7, 11));
        uwc_ops_set_threads(threads);
        normalization_scalar(&n);
        assert_int_equal(
            UWC_OK, uwc_batch_norm_train_backward(n.x, n.scale, 1e-3f, n.mean, n.variance, n.weight, n.grad, n.grad_scale, n.grad_bias));
        if (threads == 1) {
            assert_int_equal(UWC_OK, uwc_tensor_copy(n.out, &out));
            assert_int_equal(UWC_OK, uwc_tensor_copy(n.grad, &grad));
        }
        assert_memory_equal(out->data, n.out->data, uwc_tensor_bytes(out));
        assert_memory_equal(grad->data, n.grad->data, uwc_tensor_bytes(grad));
        normalization_teardown(&n);
    }
    uwc_tensor_destroy(&out);
    uwc_tensor_destroy(&grad);
}

static void given_logits_then_the_loss_and_its_gradient_fit(void **state) {
    (void)state;
    uwc_tensor *logits, *grad;
    const int32_t label[] = {2, 0, 4};
    assert_int_equal(UWC_OK, uwc_tensor_activation(uwc_shape_2d(3, 5), &logits));
    assert_int_equal(UWC_OK, uwc_tensor_activation(uwc_shape_2d(3, 5), &grad));
    double loss, above, below;
    assert_int_equal(UWC_OK, uwc_cross_entropy(logits, label, &loss, NULL));
    assert_true(fabs(loss - log(5.0)) < 1e-12);
    for (int64_t i = 0; i < 15; i++) {
        logits->f32[i] = (float)(3.0 * uwc_rng_normal(5, 0, (uint64_t)i)) + 90.0f;
    }
    assert_int_equal(UWC_OK, uwc_cross_entropy(logits, label, &loss, grad));
    for (int64_t i = 0; i < 15; i++) {
        float kept = logits->f32[i];
        logits->f32[i] = kept + 0x1p-7f;
        assert_int_equal(UWC_OK, uwc_cross_entropy(logits, label, &above, NULL));
        logits->f32[i] = kept - 0x1p-7f;
        assert_int_equal(UWC_OK, uwc_cross_entropy(logits, label, &below, NULL));
        logits->f32[i] = kept;
        assert_true(fabs((above - below) * 0x1p6 - (double)grad->f32[i]) < 1e-4);
    }
    const int32_t wrong[] = {2, 5, 4};
    assert_int_equal(UWC_E_VALUE, uwc_cross_entropy(logits, wrong, &loss, grad));
    uwc_tensor_destroy(&logits);
    uwc_tensor_destroy(&grad);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(given_fixed_statistics_then_gradients_are_differences),
        cmocka_unit_test(given_statistics_of_the_batch_then_gradients_are_differences),
        cmocka_unit_test(given_a_batch_then_its_statistics_are_exact),
        cmocka_unit_test(given_any_number_of_threads_then_normalization_is_the_same_bytes),
        cmocka_unit_test(given_logits_then_the_loss_and_its_gradient_fit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
