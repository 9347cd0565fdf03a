#include "layer_forms.h"

/* Patches against the definition of the convolution, and the two orders of weights. */

static void compare_patches(const layer *own) {
    const uwc_geometry *g = &own->geometry;
    const int64_t positions = positions_of(own), stride = g->cols + 3;
    float *patches;
    double *wanted;
    must(uwc_calloc((positions + 2) * stride, sizeof *patches, &patches));
    must(uwc_calloc(g->cols + 1, sizeof *wanted, &wanted));
    for (int64_t group = 0; group < g->groups; group++) {
        for (int64_t first = 0; first < positions; first += 7) { /* pieces that do not end with rows or images */
            int64_t count = positions - first < 7 ? positions - first : 7;
            uwc_recon__patches(g, own->x->f32, group, first, count, NULL, patches + first * stride, stride);
        }
        for (int64_t i = 0; i < positions; i++) {
            naive_patch(own, i, group, wanted);
            for (int64_t k = 0; k < g->cols; k++) {
                assert_true((double)patches[i * stride + k] == wanted[k]);
            }
        }
        const int64_t list[] = {positions - 1, 0, positions / 2, positions / 2};
        uwc_recon__patches(g, own->x->f32, group, 1, 2, list, patches, stride);
        for (int64_t i = 1; i < 3; i++) {
            naive_patch(own, list[i], group, wanted);
            for (int64_t k = 0; k < g->cols; k++) {
                assert_true((double)patches[(i - 1) * stride + k] == wanted[k]);
            }
        }
    }
    uwc_free(&patches);
    uwc_free(&wanted);
}

static void patches_are_what_the_weights_meet(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof conv_forms / sizeof conv_forms[0]; i++) {
        layer own = make_layer(&conv_forms[i], i);
        assert_int_equal(own.geometry.groups, conv_forms[i].group);
        assert_int_equal(own.geometry.rows * own.geometry.groups, conv_forms[i].rows);
        compare_patches(&own);
        free_layer(&own);
    }
}

static void rows_of_a_linear_layer_are_its_patches(void **state) {
    (void)state;
    layer flat = make_linear(uwc_shape_2d(5, 7), 3, 1), deep = make_linear(uwc_shape_make(3, (int64_t[]){2, 4, 6}), 3, 2);
    compare_patches(&flat);
    compare_patches(&deep);
    assert_int_equal(deep.geometry.images, 8);
    assert_true(flat.geometry.direct && deep.geometry.direct);
    free_layer(&flat);
    free_layer(&deep);
}

/* "Direct" says that the input itself is the matrix of patches. */
static void direct_means_that_the_input_is_the_patches(void **state) {
    (void)state;
    int found = 0;
    for (size_t i = 0; i < sizeof conv_forms / sizeof conv_forms[0]; i++) {
        layer own = make_layer(&conv_forms[i], i);
        if (own.geometry.direct) {
            double patch[64];
            found++;
            for (int64_t p = 0; p < positions_of(&own); p++) {
                naive_patch(&own, p, 0, patch);
                for (int64_t k = 0; k < own.geometry.cols; k++) {
                    assert_true((double)own.x->f32[p * own.geometry.cols + k] == patch[k]);
                }
            }
        }
        free_layer(&own);
    }
    assert_int_equal(found, 1); /* 1x1; not with stride or pad, not depthwise */
}

/* Stride and padding that together keep the size: 3 pixels with 1 on each side, every second one. */
static void the_same_size_is_not_the_same_pixels(void **state) {
    (void)state;
    layer own = {.op = uwc_op_make(UWC_OP_CONV), .in = uwc_shape_4d(1, 2, 3, 3), .weights = uwc_shape_4d(4, 2, 1, 1)};
    for (int i = 0; i < 4; i++) {
        own.op.pad[i] = 1;
        own.op.stride[i / 2] = 2;
        own.op.kernel[i / 2] = 1;
    }
    must(uwc_op_infer(&own.op, (uwc_shape[]){own.in, own.weights}, 2, &own.out));
    assert_true(uwc_shape_equal(own.out, uwc_shape_4d(1, 4, 3, 3)));
    uwc_recon__geometry(&own.op, own.in, own.weights, own.out, &own.geometry);
    assert_false(own.geometry.direct);
    must(uwc_tensor_activation(own.in, &own.x));
    fill_normal(own.x, 1, 1);
    compare_patches(&own);
    free_layer(&own);
}

/* Weights in the order of patches, times patches, are the convolution of the reference backend. */
static void weights_in_patch_order_give_the_convolution(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof conv_forms / sizeof conv_forms[0]; i++) {
        layer own = make_layer(&conv_forms[i], i);
        const uwc_geometry *g = &own.geometry;
        const uwc_tensor *constant[] = {NULL, own.w}, *in[] = {own.x, NULL};
        uwc_kernel *kernel;
        uwc_tensor *y;
        must(uwc_kernel_create(&own.op, (uwc_shape[]){own.in, own.weights}, constant, 2, own.out, UWC_BACKEND_REFERENCE, &kernel));
        must(uwc_tensor_activation(own.out, &y));
        must(uwc_kernel_run(kernel, in, y));
        const int64_t stride = g->cols + 3, all = g->rows * g->groups;
        double *w, *patch;
        must(uwc_calloc(all * stride, sizeof *w, &w));
        must(uwc_calloc(g->cols + 1, sizeof *patch, &patch));
        uwc_recon__to_patch_order(g, own.w->f32, w, stride);
        for (int64_t p = 0; p < positions_of(&own); p++) {
            for (int64_t o = 0; o < all; o++) {
                double sum = 0;
                naive_patch(&own, p, o / g->rows, patch);
                for (int64_t k = 0; k < g->cols; k++) {
                    sum += w[o * stride + k] * patch[k];
                }
                assert_true(fabs(sum - (double)y->f32[p * all + o]) < 1e-4);
            }
        }
        uwc_free(&w);
        uwc_free(&patch);
        uwc_kernel_destroy(&kernel);
        uwc_tensor_destroy(&y);
        free_layer(&own);
    }
}

static void orders_are_inverse_to_each_other(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof conv_forms / sizeof conv_forms[0]; i++) {
        layer own = make_layer(&conv_forms[i], i);
        const int64_t count = uwc_shape_count(own.weights), cols = own.geometry.cols;
        int8_t *q, *ordered, *back;
        double *w;
        must(uwc_calloc(count, 1, &q));
        must(uwc_calloc(count, 1, &ordered));
        must(uwc_calloc(count, 1, &back));
        must(uwc_calloc(count, sizeof *w, &w));
        for (int64_t k = 0; k < count; k++) {
            q[k] = (int8_t)uwc_rng_below(i, 0, (uint64_t)k, 256);
            own.w->f32[k] = (float)q[k];
        }
        uwc_recon__into_patch_order(&own.geometry, q, ordered);
        uwc_recon__from_patch_order(&own.geometry, ordered, back);
        uwc_recon__to_patch_order(&own.geometry, own.w->f32, w, cols);
        assert_memory_equal(back, q, (size_t)count);
        for (int64_t k = 0; k < count; k++) {
            assert_true(w[k] == (double)ordered[k]); /* integers go the way of the weights */
        }
        uwc_free(&q);
        uwc_free(&ordered);
        uwc_free(&back);
        uwc_free(&w);
        free_layer(&own);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(patches_are_what_the_weights_meet),           cmocka_unit_test(rows_of_a_linear_layer_are_its_patches),
        cmocka_unit_test(direct_means_that_the_input_is_the_patches),  cmocka_unit_test(the_same_size_is_not_the_same_pixels),
        cmocka_unit_test(weights_in_patch_order_give_the_convolution), cmocka_unit_test(orders_are_inverse_to_each_other),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
