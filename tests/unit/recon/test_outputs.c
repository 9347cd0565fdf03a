#include "layer_forms.h"

/* Float outputs of layers at chosen positions, against the reference backend. */

static const float UNTOUCHED = 1234.5f;

/* What the reference kernel gives for all positions: [positions, all rows]. */
static uwc_tensor *reference(const layer *own, const uwc_tensor *bias) {
    const int n_in = bias == NULL ? 2 : 3;
    const uwc_shape shapes[] = {own->in, own->weights, uwc_shape_1d(own->weights.dim[0])};
    const uwc_tensor *constant[] = {NULL, own->w, bias}, *in[] = {own->x, NULL, NULL};
    uwc_kernel *kernel;
    uwc_tensor *y;
    must(uwc_kernel_create(&own->op, shapes, constant, n_in, own->out, UWC_BACKEND_REFERENCE, &kernel));
    must(uwc_tensor_activation(own->out, &y));
    must(uwc_kernel_run(kernel, in, y));
    uwc_kernel_destroy(&kernel);
    return y;
}

static uwc_tensor *new_bias(const layer *own, uint64_t seed) {
    uwc_tensor *bias;
    must(uwc_tensor_create(UWC_F32, uwc_shape_1d(own->weights.dim[0]), UWC_PLAIN, &bias));
    fill_normal(bias, seed, 1);
    return bias;
}

/* y [positions, all rows] at every `every`'th position from `first` on, as a list, or at all (every 0). */
static float *outputs_at(const layer *own, const uwc_tensor *bias, int64_t first, int64_t every) {
    const int64_t positions = positions_of(own), all = own->weights.dim[0];
    uwc_outputs *outputs;
    int64_t *list, count = 0;
    float *y;
    must(uwc_calloc(positions, sizeof *list, &list));
    must(uwc_calloc(positions * all, sizeof *y, &y));
    for (int64_t i = 0; i < positions * all; i++) {
        y[i] = UNTOUCHED;
    }
    for (int64_t p = first; every > 0 && p < positions; p += every) {
        list[count++] = p;
    }
    must(uwc_recon__outputs_create(&own->geometry, own->w->f32, bias == NULL ? NULL : bias->f32, &outputs));
    must(uwc_recon__outputs_run(outputs, &own->geometry, own->x->f32, every > 0 ? list : NULL, every > 0 ? count : positions, y));
    uwc_recon__outputs_destroy(&outputs);
    assert_null(outputs);
    uwc_free(&list);
    return y;
}

static void compare(const layer *own, const uwc_tensor *bias, int64_t first, int64_t every) {
    const int64_t all = own->weights.dim[0];
    uwc_tensor *wanted = reference(own, bias);
    float *got = outputs_at(own, bias, first, every);
    const double most = 2e-6 * (1 + largest_value(wanted));
    for (int64_t p = 0; p < positions_of(own); p++) {
        const bool listed = every == 0 || (p >= first && (p - first) % every == 0);
        for (int64_t r = 0; r < all; r++) {
            float y = got[p * all + r];
            if (listed) {
                assert_true(fabs((double)y - (double)wanted->f32[p * all + r]) < most);
            } else {
                assert_true(y == UNTOUCHED);
            }
        }
    }
    uwc_free(&got);
    uwc_tensor_destroy(&wanted);
}

/* All positions, some, the last alone, none; with and without a bias. */
static void compare_all(const layer *own, uint64_t seed) {
    uwc_tensor *bias = new_bias(own, 50 + seed);
    for (int biased = 0; biased < 2; biased++) {
        const uwc_tensor *used = biased == 1 ? bias : NULL;
        compare(own, used, 0, 0);
        compare(own, used, 0, 1);
        compare(own, used, 2, 3);
        compare(own, used, positions_of(own) - 1, 7);
        compare(own, used, positions_of(own), 1);
    }
    uwc_tensor_destroy(&bias);
}

static void outputs_of_convolutions(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof conv_forms / sizeof conv_forms[0]; i++) {
        layer own = make_layer(&conv_forms[i], i);
        compare_all(&own, i);
        free_layer(&own);
    }
}

static void outputs_of_linear_layers(void **state) {
    (void)state;
    const uwc_shape in[] = {uwc_shape_2d(5, 7), uwc_shape_2d(1, 3), uwc_shape_make(3, (int64_t[]){3, 4, 6}), uwc_shape_2d(1500, 17)};
    for (size_t i = 0; i < sizeof in / sizeof in[0]; i++) {
        layer own = make_linear(in[i], 6, i);
        compare_all(&own, i);
        free_layer(&own);
    }
}

/* The bias is taken over when the outputs are made: what happens to it afterwards does not matter. */
static void the_bias_is_borrowed_for_a_moment_only(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof conv_forms / sizeof conv_forms[0]; i++) {
        layer own = make_layer(&conv_forms[i], i);
        const int64_t positions = positions_of(&own), all = own.weights.dim[0];
        uwc_tensor *bias = new_bias(&own, i);
        float *wanted = outputs_at(&own, bias, 0, 0), *got;
        uwc_outputs *outputs;
        must(uwc_calloc(positions * all, sizeof *got, &got));
        must(uwc_recon__outputs_create(&own.geometry, own.w->f32, bias->f32, &outputs));
        fill_normal(bias, 98, 1);
        must(uwc_recon__outputs_run(outputs, &own.geometry, own.x->f32, NULL, positions, got));
        assert_memory_equal(got, wanted, (size_t)(positions * all) * sizeof *got);
        uwc_recon__outputs_destroy(&outputs);
        uwc_tensor_destroy(&bias);
        uwc_free(&wanted);
        uwc_free(&got);
        free_layer(&own);
    }
}

static void threads_do_not_change_a_bit(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof conv_forms / sizeof conv_forms[0]; i++) {
        layer own = make_layer(&conv_forms[i], i);
        const size_t bytes = (size_t)(positions_of(&own) * own.weights.dim[0]) * sizeof(float);
        for (int64_t every = 0; every < 3; every++) {
            float *y[3];
            for (int k = 0; k < 3; k++) {
                uwc_ops_set_threads(k + 1);
                y[k] = outputs_at(&own, NULL, 0, every);
                assert_memory_equal(y[k], y[0], bytes);
            }
            for (int k = 0; k < 3; k++) {
                uwc_free(&y[k]);
            }
        }
        free_layer(&own);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(outputs_of_convolutions),
        cmocka_unit_test(outputs_of_linear_layers),
        cmocka_unit_test(the_bias_is_borrowed_for_a_moment_only),
        cmocka_unit_test(threads_do_not_change_a_bit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
