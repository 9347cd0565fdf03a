#include "recon_fixture.h"

#include "recon_impl.h"

/* The error of a unit that is measured on some of the images, against double loops over these. */

/* The image of a stream of `images` is among those that 128 over all shards leave. */
static bool is_looked_at(int64_t image, int64_t images) {
    for (int shard = 0; shard < UWC_SHARDS; shard++) {
        int64_t first, count;
        uwc_shard_range(images, shard, &first, &count);
        if (image >= first && image < first + count) {
            const int64_t taken = count < 8 ? count : 8, step = count / taken;
            return (image - first) % step == 0 && (image - first) / step < taken;
        }
    }
    return false;
}

/* Mean square of the difference over all outputs, over the variance of the float ones. */
static double naive_nmse(const uwc_graph *unit, const uwc_graph *quantized, const field *images) {
    double sum = 0, square = 0, error = 0, count = 0;
    for (int o = 0; o < unit->n_outputs; o++) {
        uwc_exec *exec[2];
        const uwc_tensor *y[2];
        must(uwc_exec_create(unit, images->images, UWC_BACKEND_REFERENCE, &exec[0]));
        must(uwc_exec_create(quantized, images->images, UWC_BACKEND_REFERENCE, &exec[1]));
        must(uwc_exec_run(exec[0], images->images, unit->input, (const uwc_tensor *const *)images->real, unit->n_inputs, &unit->output[o],
                          1, &y[0]));
        must(uwc_exec_run(exec[1], images->images, unit->input, (const uwc_tensor *const *)images->quantized, unit->n_inputs,
                          &unit->output[o], 1, &y[1]));
        const int64_t per_image = uwc_shape_per_image(y[0]->shape);
        for (int64_t i = 0; i < images->images * per_image; i++) {
            if (is_looked_at(i / per_image, images->images)) {
                double a = (double)y[0]->f32[i], b = (double)y[1]->f32[i];
                sum += a;
                square += a * a;
                error += (a - b) * (a - b);
                count += 1;
            }
        }
        uwc_exec_destroy(&exec[0]);
        uwc_exec_destroy(&exec[1]);
    }
    return error / count / (square / count - sum / count * (sum / count));
}

/* The paths with bad weights in the quantized unit: nothing else was solved. */
static void measure(const uwc_graph *unit, field *images, uwc_method method, uwc_unit_result *result, double *wanted) {
    uwc_recon_options options = default_options();
    uwc_stream stream = stream_of(images);
    uwc_paths paths;
    options.method = method;
    must(uwc_recon__paths_open(unit, &options, &stream, &paths));
    for (int i = 0; i < unit->n_nodes; i++) {
        if (uwc_op_is_weighted(unit->node[i].op.kind)) {
            const int w = unit->node[i].in[1];
            float *weights;
            must(uwc_graph_edit(paths.quantized, w, &weights));
            for (int64_t k = 0; k < uwc_shape_count(unit->value[w].shape); k++) {
                weights[k] = 0.25f * rintf(weights[k] / 0.25f);
            }
        }
    }
    must(uwc_exec_refresh(paths.run_quantized, -1));
    must(uwc_recon__measure(&paths, &options, result));
    *wanted = naive_nmse(unit, paths.quantized, images);
    uwc_recon__paths_close(&paths);
}

static void errors_are_those_of_plain_loops(void **state) {
    (void)state;
    static const int64_t count[UNITS] = {1, 15, 300, 17, 40, 128}; /* per unit */

    for (int u = 0; u < UNITS; u++) {
        uwc_graph *unit = with_bits(unit_makers[u](), 4, 32);
        field images = new_field(unit, count[u], 1, 0.05);
        uwc_unit_result result = {0};
        double wanted;
        measure(unit, &images, UWC_METHOD_SECOND_ORDER, &result, &wanted);
        assert_true(wanted > 0 && fabs(result.nmse_after / wanted - 1) < 1e-4);
        uwc_graph *nearest;
        must(uwc_graph_copy(unit, &nearest));
        for (int i = 0; i < unit->n_nodes; i++) {
            uwc_weights *weights;
            if (uwc_op_is_weighted(unit->node[i].op.kind)) {
                float *rounded;
                must(uwc_graph_edit(nearest, unit->node[i].in[1], &rounded));
                must(uwc_recon__nearest_node(unit, i, &weights));
                uwc_weights_dequantize(weights, rounded);
                uwc_weights_destroy(&weights);
            }
        }
        assert_true(fabs(result.nmse_before / naive_nmse(unit, nearest, &images) - 1) < 1e-4);
        assert_true(fabs(result.nmse_before / result.nmse_after - 1) > 0.01); /* two different things */
        measure(unit, &images, UWC_METHOD_NEAREST, &result, &wanted);
        assert_true(result.nmse_before == result.nmse_after && fabs(result.nmse_after / wanted - 1) < 1e-4);
        uwc_graph_destroy(&nearest);
        free_field(&images);
        uwc_graph_destroy(&unit);
    }
}

/* Images that are not looked at have no part in it. */
static void other_images_do_not_matter(void **state) {
    (void)state;
    uwc_graph *unit = with_bits(residual_unit(), 4, 32);
    field images = new_field(unit, 300, 1, 0.05);
    uwc_unit_result result[2] = {{0}};
    double ignored;
    measure(unit, &images, UWC_METHOD_SECOND_ORDER, &result[0], &ignored);
    const int64_t per_image = uwc_shape_per_image(images.real[0]->shape);
    int64_t spoiled = 0;
    for (int64_t i = 0; i < 300; i++) {
        if (!is_looked_at(i, 300)) {
            images.real[0]->f32[i * per_image] = NAN;
            spoiled++;
        }
    }
    assert_int_equal(spoiled, 300 - 128);
    measure(unit, &images, UWC_METHOD_SECOND_ORDER, &result[1], &ignored);
    assert_true(result[0].nmse_after == result[1].nmse_after && result[0].nmse_before == result[1].nmse_before);
    free_field(&images);
    uwc_graph_destroy(&unit);
}

/* A float output that never changes has no variance to be divided by. */
static void constant_outputs_do_no_harm(void **state) {
    (void)state;
    uwc_graph *unit = with_bits(residual_unit(), 4, 32);
    field images = new_field(unit, 20, 1, 0.05);
    memset(images.real[0]->f32, 0, uwc_tensor_bytes(images.real[0]));
    memset(images.quantized[0]->f32, 0, uwc_tensor_bytes(images.quantized[0]));
    for (int i = 0; i < unit->n_values; i++) {
        if (unit->value[i].constant != NULL) {
            memset(unit->value[i].constant->f32, 0, uwc_tensor_bytes(unit->value[i].constant));
        }
    }
    uwc_unit_result result = {.nmse_after = 1, .nmse_before = 1};
    double ignored;
    measure(unit, &images, UWC_METHOD_SECOND_ORDER, &result, &ignored);
    assert_true(result.nmse_after == 0 && result.nmse_before == 0);
    free_field(&images);
    uwc_graph_destroy(&unit);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(errors_are_those_of_plain_loops),
        cmocka_unit_test(other_images_do_not_matter),
        cmocka_unit_test(constant_outputs_do_no_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
