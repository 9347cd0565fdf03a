#include "ops_fixture.h"

/* Convolution and Linear: both backends, all forms; where the bias is added; set_weights; results known by hand. */

enum { FORMS = 150, LINEAR_FORMS = 60 };

/* groups: 1, some, or as many as channels */
static void roll_channels(dice *die, int64_t *group, int64_t *inputs, int64_t *outputs) {
    int64_t form = roll(die, 0, 3);
    *group = form < 2 ? 1 : roll(die, 2, 5);
    *inputs = *group * roll(die, 1, form == 0 ? 40 : 7);
    *outputs = *group * roll(die, 1, form == 0 ? 40 : 7);
    if (form == 3) { /* depthwise, with multiplier 1 or 2 */
        *group = *inputs = roll(die, 2, 40);
        *outputs = *group * roll(die, 1, 2);
    }
}

static scene roll_conv(uint64_t seed) {
    dice die = {.seed = seed};
    scene own = {.op = uwc_op_make(UWC_OP_CONV), .images = roll(&die, 1, 3)};
    int64_t inputs, outputs, size[2], kernel[2];
    roll_channels(&die, &own.op.group, &inputs, &outputs);
    for (int i = 0; i < 2; i++) {
        kernel[i] = roll(&die, 1, 5);
        own.op.stride[i] = roll(&die, 1, 3);
        own.op.dilation[i] = roll(&die, 1, 2);
        own.op.pad[i] = roll(&die, 0, 3);
        own.op.pad[i + 2] = roll(&die, 0, 3);
        size[i] = (kernel[i] - 1) * own.op.dilation[i] + roll(&die, 1, 12);
    }
    own.op.auto_pad = (uwc_auto_pad)(roll(&die, 0, 1) * roll(&die, 0, 3));
    add_input(&own, uwc_shape_4d(1, inputs, size[0], size[1]), false);
    add_input(&own, uwc_shape_4d(outputs, inputs / own.op.group, kernel[0], kernel[1]), true);
    if (roll(&die, 0, 1) == 1) {
        add_input(&own, uwc_shape_1d(outputs), true);
    }
    return own;
}

static void conv_is_the_reference(void **state) {
    (void)state;
    for (uint64_t seed = 0; seed < FORMS; seed++) {
        scene own = roll_conv(seed);
        compare_backends(&own, seed, 2e-6);
    }
}

static void conv_of_common_layers_is_the_reference(void **state) {
    (void)state;
    static const int64_t layer[][6] = {/* I, O, size, kernel, stride, group */
                                       {3, 16, 32, 3, 1, 1},   {16, 16, 32, 3, 1, 1},  {32, 64, 16, 3, 2, 1}, {3, 64, 56, 7, 2, 1},
                                       {96, 96, 14, 3, 1, 96}, {96, 96, 14, 3, 2, 96}, {64, 192, 7, 1, 1, 1}, {128, 128, 7, 3, 1, 32}};
    for (size_t i = 0; i < sizeof layer / sizeof layer[0]; i++) {
        const int64_t *l = layer[i];
        scene own = {.op = uwc_op_make(UWC_OP_CONV), .images = 4};
        own.op.group = l[5];
        own.op.stride[0] = own.op.stride[1] = l[4];
        for (int p = 0; p < 4; p++) {
            own.op.pad[p] = l[3] / 2;
        }
        add_input(&own, uwc_shape_4d(1, l[0], l[2], l[2]), false);
        add_input(&own, uwc_shape_4d(l[1], l[0] / l[5], l[3], l[3]), true);
        add_input(&own, uwc_shape_1d(l[1]), true);
        compare_backends(&own, i, 2e-6);
    }
}

/* oneDNN by itself cuts these sums in another way at another number of threads. */
static void conv_is_the_same_at_any_number_of_threads(void **state) {
    (void)state;
    for (int64_t images = 1; images < 8; images += 3) {
        scene own = {.op = uwc_op_make(UWC_OP_CONV), .images = images};
        own.op.stride[0] = own.op.stride[1] = 2;
        for (int p = 0; p < 4; p++) {
            own.op.pad[p] = 1;
        }
        add_input(&own, uwc_shape_4d(1, 288, 35, 35), false);
        add_input(&own, uwc_shape_4d(288, 288, 3, 3), true);
        build(&own, 5);
        uwc_tensor *out[3];
        for (int threads = 1; threads <= 3; threads++) {
            uwc_ops_set_threads(threads);
            out[threads - 1] = run_backend(&own, UWC_BACKEND_FAST);
            assert_same_bytes(out[threads - 1], out[0]);
        }
        uwc_ops_set_threads(2);
        for (int i = 0; i < 3; i++) {
            uwc_tensor_destroy(&out[i]);
        }
        strike(&own);
    }
}

/* A kernel made for many threads runs on few, on more, and inside a parallel region of the caller. */
static void conv_runs_at_another_number_of_threads(void **state) {
    (void)state;
    enum { THREADS = 2 };
    scene own = {.op = uwc_op_make(UWC_OP_CONV), .images = 40};
    add_input(&own, uwc_shape_4d(1, 16, 32, 32), false);
    add_input(&own, uwc_shape_4d(16, 16, 3, 3), true);
    build(&own, 6);
    uwc_kernel *kernel[THREADS];
    uwc_tensor *expected, *out[THREADS];
    uwc_ops_set_threads(4);
    assert_int_equal(make_kernel(&own, UWC_BACKEND_FAST, &kernel[0]), UWC_OK);
    assert_int_equal(make_kernel(&own, UWC_BACKEND_FAST, &kernel[1]), UWC_OK);
    expected = run_kernel(&own, kernel[0]);
    for (int threads = 1; threads <= 5; threads += 4) {
        uwc_ops_set_threads(threads);
        out[0] = run_kernel(&own, kernel[0]);
        assert_same_bytes(out[0], expected);
        uwc_tensor_destroy(&out[0]);
    }
    uwc_ops_set_threads(2);
    const uwc_tensor *in = own.tensor[0];
    int st[THREADS] = {-1, -1};
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(uwc_tensor_activation(own.out, &out[i]), UWC_OK);
    }
#pragma omp parallel for num_threads(2)
    for (int i = 0; i < THREADS; i++) {
        st[i] = (int)uwc_kernel_run(kernel[i], &in, out[i]);
    }
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(st[i], UWC_OK);
        assert_same_bytes(out[i], expected);
        uwc_tensor_destroy(&out[i]);
        uwc_kernel_destroy(&kernel[i]);
    }
    uwc_tensor_destroy(&expected);
    strike(&own);
}

static scene roll_linear(uint64_t seed) {
    dice die = {.seed = seed};
    scene own = {.op = uwc_op_make(UWC_OP_LINEAR), .images = roll(&die, 1, 70)};
    int64_t inputs = roll(&die, 1, 90), outputs = roll(&die, 1, 300);
    uwc_shape shape = {.rank = (int)roll(&die, 2, 4), .dim = {1, roll(&die, 1, 5), roll(&die, 1, 5), 0}};
    shape.dim[shape.rank - 1] = inputs;
    add_input(&own, shape, false);
    add_input(&own, uwc_shape_2d(outputs, inputs), true);
    if (roll(&die, 0, 1) == 1) {
        add_input(&own, uwc_shape_1d(outputs), true);
    }
    return own;
}

static void linear_is_the_reference(void **state) {
    (void)state;
    for (uint64_t seed = 0; seed < LINEAR_FORMS; seed++) {
        scene own = roll_linear(seed);
        compare_backends(&own, seed, 2e-6);
    }
}

/* Levels of 4 bits with short scales: sums of products are exact, so all that is rounded is the addition of the bias. The reference, which
 * adds in double and rounds once, gives the same numbers. */
static void check_exact(scene own, uint64_t seed) {
    build(&own, seed);
    uwc_tensor *x = own.tensor[0], *w = own.tensor[1];
    int64_t per_row = uwc_shape_per_image(w->shape);
    for (int64_t i = 0; i < uwc_shape_count(x->shape); i++) {
        x->f32[i] = 37 / 256.0f * (float)uwc_rng_below(seed, 20, (uint64_t)i, 16);
    }
    for (int64_t i = 0; i < uwc_shape_count(w->shape); i++) {
        w->f32[i] = (float)(33 + i / per_row % 31) / 2048 * (float)(uwc_rng_below(seed, 21, (uint64_t)i, 16) - 8);
    }
    uwc_tensor *reference = run_backend(&own, UWC_BACKEND_REFERENCE), *fast = run_backend(&own, UWC_BACKEND_FAST);
    assert_close(&own, fast, reference, 0);
    uwc_tensor_destroy(&reference);
    uwc_tensor_destroy(&fast);
    strike(&own);
}

static void the_bias_comes_last(void **state) {
    (void)state;
    for (uint64_t seed = 0; seed < FORMS; seed++) {
        check_exact(roll_conv(seed), seed);
    }
    for (uint64_t seed = 0; seed < LINEAR_FORMS; seed++) {
        check_exact(roll_linear(seed), seed);
    }
    scene linear = {.op = uwc_op_make(UWC_OP_LINEAR), .images = 70}; /* so many inputs that their sum is made of several */
    add_input(&linear, uwc_shape_2d(1, 1000), false);
    add_input(&linear, uwc_shape_2d(300, 1000), true);
    add_input(&linear, uwc_shape_1d(300), true);
    check_exact(linear, 1);
    for (int64_t kernel = 1; kernel <= 3; kernel += 2) {
        scene conv = {.op = uwc_op_make(UWC_OP_CONV), .images = 2};
        int64_t channels = 1000 / (kernel * kernel);
        add_input(&conv, uwc_shape_4d(1, channels, 9, 9), false);
        add_input(&conv, uwc_shape_4d(48, channels, kernel, kernel), true);
        add_input(&conv, uwc_shape_1d(48), true);
        check_exact(conv, (uint64_t)kernel);
    }
}

/* New weights and a bias, also where there was none, give what a kernel made with them gives. */
static void check_set_weights(uwc_backend backend, scene own) {
    build(&own, 7);
    uwc_kernel *kernel;
    assert_int_equal(make_kernel(&own, backend, &kernel), UWC_OK);
    uwc_tensor *before = run_kernel(&own, kernel), *bias;
    fill(own.tensor[1], 8, 0);
    assert_int_equal(uwc_tensor_create(UWC_F32, uwc_shape_1d(own.shape[1].dim[0]), UWC_PLAIN, &bias), UWC_OK);
    fill(bias, 9, 0);
    assert_int_equal(uwc_kernel_set_weights(kernel, own.tensor[1], bias), UWC_OK);
    uwc_tensor *after = run_kernel(&own, kernel);
    assert_memory_not_equal(before->data, after->data, uwc_tensor_bytes(before));
    own.tensor[2] = bias;
    own.shape[2] = bias->shape;
    own.is_constant[2] = true;
    own.n_in = 3;
    uwc_tensor *expected = run_backend(&own, backend);
    assert_same_bytes(after, expected);
    assert_int_equal(uwc_kernel_set_weights(kernel, own.tensor[1], NULL), UWC_OK);
    uwc_tensor *unbiased = run_kernel(&own, kernel);
    own.n_in = 2;
    uwc_tensor *expected_unbiased = run_backend(&own, backend);
    assert_same_bytes(unbiased, expected_unbiased);
    assert_int_equal(uwc_kernel_set_weights(kernel, bias, NULL), UWC_E_SHAPE);
    own.n_in = 3;
    uwc_tensor *all[] = {before, after, expected, unbiased, expected_unbiased};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        uwc_tensor_destroy(&all[i]);
    }
    uwc_kernel_destroy(&kernel);
    strike(&own);
}

static void set_weights_replaces_weights_and_bias(void **state) {
    (void)state;
    for (int backend = UWC_BACKEND_FAST; backend <= UWC_BACKEND_REFERENCE; backend++) {
        scene conv = {.op = uwc_op_make(UWC_OP_CONV), .images = 2}, linear = {.op = uwc_op_make(UWC_OP_LINEAR), .images = 5};
        conv.op.group = 2;
        add_input(&conv, uwc_shape_4d(1, 6, 7, 5), false);
        add_input(&conv, uwc_shape_4d(10, 3, 3, 2), true);
        check_set_weights((uwc_backend)backend, conv);
        add_input(&linear, uwc_shape_2d(1, 9), false);
        add_input(&linear, uwc_shape_2d(4, 9), true);
        check_set_weights((uwc_backend)backend, linear);
    }
}

/* 1x1x2x3 image, 2x2 kernel, padding 1 at the left and 1 at the bottom: worked out by hand. */
static void conv_by_hand(void **state) {
    (void)state;
    static const float x[] = {1, 2, 3, 4, 5, 6}, w[] = {1, 10, 100, 1000}, expected[] = {4010, 5421, 6532, 40, 54, 65};
    for (int backend = UWC_BACKEND_FAST; backend <= UWC_BACKEND_REFERENCE; backend++) {
        scene own = {.op = uwc_op_make(UWC_OP_CONV), .images = 1};
        own.op.pad[1] = own.op.pad[2] = 1;
        add_input(&own, uwc_shape_4d(1, 1, 2, 3), false);
        add_input(&own, uwc_shape_4d(1, 1, 2, 2), true);
        build(&own, 0);
        memcpy(own.tensor[0]->data, x, sizeof x);
        memcpy(own.tensor[1]->data, w, sizeof w);
        uwc_tensor *out = run_backend(&own, (uwc_backend)backend);
        assert_int_equal(uwc_shape_count(out->shape), 6);
        assert_memory_equal(out->f32, expected, sizeof expected);
        uwc_tensor_destroy(&out);
        strike(&own);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(conv_is_the_reference),
        cmocka_unit_test(conv_of_common_layers_is_the_reference),
        cmocka_unit_test(linear_is_the_reference),
        cmocka_unit_test(the_bias_comes_last),
        cmocka_unit_test(set_weights_replaces_weights_and_bias),
        cmocka_unit_test(conv_by_hand),
        cmocka_unit_test(conv_is_the_same_at_any_number_of_threads),
        cmocka_unit_test(conv_runs_at_another_number_of_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
