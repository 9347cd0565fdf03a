#include "recon_fixture.h"

/* Whole units: the error falls, the result is what it says, and everything ends well where it has to end early. */

enum { IMAGES = 40 };

static uint64_t hash_of(const uwc_graph *graph) {
    uint64_t hash;
    must(uwc_graph_hash(graph, &hash));
    return hash;
}

/* nmse over all outputs of a unit with the result put in, all images at once; the outputs must be what was written. */
static double measured_nmse(const uwc_graph *unit, const uwc_unit_result *result, const field *images) {
    uwc_graph *quantized;
    uwc_exec *exec[2];
    const uwc_tensor *real[MOST_EDGES], *got[MOST_EDGES];
    double sum = 0, square = 0, error = 0, count = 0;
    must(uwc_graph_copy(unit, &quantized));
    must(uwc_unit_result_apply(result, quantized));
    must(uwc_exec_create(unit, images->images, UWC_BACKEND_REFERENCE, &exec[0]));
    must(uwc_exec_create(quantized, images->images, UWC_BACKEND_FAST, &exec[1]));
    must(uwc_exec_run(exec[0], images->images, unit->input, (const uwc_tensor *const *)images->real, unit->n_inputs, unit->output,
                      unit->n_outputs, real));
    must(uwc_exec_run(exec[1], images->images, unit->input, (const uwc_tensor *const *)images->quantized, unit->n_inputs, unit->output,
                      unit->n_outputs, got));
    for (int o = 0; o < unit->n_outputs; o++) {
        int64_t n = uwc_shape_count(real[o]->shape);
        for (int64_t i = 0; i < n; i++) {
            double a = (double)real[o]->f32[i], b = (double)got[o]->f32[i];
            sum += a;
            square += a * a;
            error += (a - b) * (a - b);
        }
        count += (double)n;
        assert_int_equal(images->next[o], images->images);
        assert_true(difference(got[o], images->written[o]) < 1e-4);
    }
    uwc_exec_destroy(&exec[0]);
    uwc_exec_destroy(&exec[1]);
    uwc_graph_destroy(&quantized);
    double mean = sum / count;
    return error / count / (square / count - mean * mean);
}

static void check_layers(const uwc_graph *unit, const uwc_unit_result *result) {
    int at = 0;
    for (int i = 0; i < unit->n_nodes; i++) {
        if (!uwc_op_is_weighted(unit->node[i].op.kind)) {
            continue;
        }
        const uwc_layer_result *layer = &result->layer[at++];
        assert_string_equal(layer->node, unit->node[i].name);
        assert_int_equal(layer->weights->bits, unit->node[i].weight_bits);
        assert_int_equal(layer->weights->rows * layer->weights->cols, uwc_shape_count(unit->value[unit->node[i].in[1]].shape));
        int lo, hi;
        uwc_weights_range(layer->weights->bits, &lo, &hi);
        for (int64_t k = 0; k < layer->weights->rows * layer->weights->cols; k++) {
            assert_true(layer->weights->q[k] >= lo && layer->weights->q[k] <= hi);
        }
        for (int64_t r = 0; r < layer->weights->rows; r++) {
            assert_true(layer->weights->scale[r] > 0 && isfinite(layer->bias[r]));
            assert_true(unit->node[i].weight_asymmetric || layer->weights->zero[r] == 0);
        }
    }
    assert_int_equal(result->n_layers, at);
}

static void units_come_closer_than_nearest_rounding(void **state) {
    (void)state;
    static const int bits[][2] = {{4, 32}, {3, 32}, {4, 4}, {3, 3}, {2, 8}};
    const uwc_recon_options options = default_options();
    for (int u = 0; u < UNITS; u++) {
        for (size_t k = 0; k < sizeof bits / sizeof bits[0]; k++) {
            uwc_graph *unit = with_bits(unit_makers[u](), bits[k][0], bits[k][1]);
            const uint64_t hash = hash_of(unit);
            field images = new_field(unit, IMAGES, 1, 0.05);
            uwc_unit_result *result = reconstruct(unit, &options, &images);
            assert_true(result->nmse_after < 0.9 * result->nmse_before);
            assert_true(result->nmse_after > 0 && isfinite(result->nmse_before));
            double nmse = measured_nmse(unit, result, &images);
            assert_true(fabs(nmse / result->nmse_after - 1) < 1e-3);
            assert_true(hash_of(unit) == hash); /* the unit itself is left alone */
            check_layers(unit, result);
            uwc_unit_result_destroy(&result);
            assert_null(result);
            free_field(&images);
            uwc_graph_destroy(&unit);
        }
    }
}

static void nearest_rounding_is_a_method_of_its_own(void **state) {
    (void)state;
    uwc_recon_options options = default_options();
    for (int u = 0; u < UNITS; u++) {
        uwc_graph *unit = with_bits(unit_makers[u](), 4, 4);
        field images = new_field(unit, IMAGES, 1, 0.05);
        uwc_unit_result *second = reconstruct(unit, &options, &images);
        memset(images.next, 0, sizeof images.next);
        options.method = UWC_METHOD_NEAREST;
        uwc_unit_result *nearest = reconstruct(unit, &options, &images);
        options.method = UWC_METHOD_SECOND_ORDER;
        assert_true(nearest->nmse_after == nearest->nmse_before);
        assert_true(fabs(measured_nmse(unit, nearest, &images) / nearest->nmse_after - 1) < 1e-3);
        for (int i = 0; i < nearest->n_layers; i++) {
            const uwc_node *node = &unit->node[uwc_graph_find_node(unit, nearest->layer[i].node)];
            const uwc_weights *got = nearest->layer[i].weights;
            uwc_weights *wanted;
            must(uwc_weights_create(4, got->rows, got->cols, &wanted));
            must(uwc_recon_nearest(unit->value[node->in[1]].constant->f32, got->cols, false, wanted));
            assert_memory_equal(got->q, wanted->q, (size_t)(got->rows * got->cols));
            assert_memory_equal(got->scale, wanted->scale, (size_t)got->rows * sizeof(float));
            for (int64_t r = 0; r < got->rows; r++) {
                assert_true(nearest->layer[i].bias[r] == (node->n_in == 3 ? unit->value[node->in[2]].constant->f32[r] : 0));
            }
            uwc_weights_destroy(&wanted);
        }
        assert_true(second->nmse_after < nearest->nmse_after);
        uwc_unit_result_destroy(&second);
        uwc_unit_result_destroy(&nearest);
        free_field(&images);
        uwc_graph_destroy(&unit);
    }
}

/* With float activations and the same quantizers, "before" is the error of the method `nearest`. */
static void before_is_the_error_of_nearest_rounding(void **state) {
    (void)state;
    uwc_recon_options options = default_options();
    uwc_graph *unit = with_bits(residual_unit(), 3, 32);
    field images = new_field(unit, IMAGES, 1, 0.05);
    uwc_unit_result *second = reconstruct(unit, &options, &images);
    options.method = UWC_METHOD_NEAREST;
    memset(images.next, 0, sizeof images.next);
    uwc_unit_result *nearest = reconstruct(unit, &options, &images);
    assert_true(second->nmse_before == nearest->nmse_before);
    uwc_unit_result_destroy(&second);
    uwc_unit_result_destroy(&nearest);
    free_field(&images);
    uwc_graph_destroy(&unit);
}

/* The shortcut brings the input's error to the sum; only the unit target lets the last layer make up for it. */
static void the_unit_target_makes_up_for_the_shortcut(void **state) {
    (void)state;
    uwc_recon_options options = default_options();
    double sum[2] = {0};
    for (uint64_t seed = 0; seed < 6; seed++) {
        uwc_graph *unit = with_bits(seed % 2 == 0 ? residual_unit() : inverted_unit(), 3, 32);
        field images = new_field(unit, 4 * IMAGES, seed, 0);
        for (int64_t i = 0; i < uwc_shape_count(images.quantized[0]->shape); i++) { /* an error that the layer can see */
            images.quantized[0]->f32[i] = 0.35f * rintf(images.quantized[0]->f32[i] / 0.35f) * 0.93f;
        }
        double nmse[2];
        for (int target = 0; target < 2; target++) {
            options.target = target == 0 ? UWC_TARGET_UNIT : UWC_TARGET_LAYER;
            memset(images.next, 0, sizeof images.next);
            uwc_unit_result *result = reconstruct(unit, &options, &images);
            nmse[target] = result->nmse_after;
            sum[target] += nmse[target];
            uwc_unit_result_destroy(&result);
        }
        assert_true(nmse[0] < nmse[1]);
        free_field(&images);
        uwc_graph_destroy(&unit);
    }
    assert_true(sum[0] < 0.9 * sum[1]);
}

static void asymmetric_weights_use_their_zero_points(void **state) {
    (void)state;
    const uwc_recon_options options = default_options();
    uwc_graph *unit = with_bits(head_unit(), 3, 8);
    for (int i = 0; i < unit->n_nodes; i++) {
        unit->node[i].weight_asymmetric = true;
    }
    int w = unit->node[uwc_graph_find_node(unit, "c")].in[1];
    for (int64_t i = 0; i < uwc_shape_count(unit->value[w].shape); i++) {
        unit->value[w].constant->f32[i] = fabsf(unit->value[w].constant->f32[i]);
    }
    field images = new_field(unit, IMAGES, 1, 0.05);
    uwc_unit_result *result = reconstruct(unit, &options, &images);
    check_layers(unit, result);
    int shifted = 0;
    for (int64_t r = 0; r < result->layer[0].weights->rows; r++) {
        shifted += result->layer[0].weights->zero[r] != 0;
    }
    assert_true(shifted > result->layer[0].weights->rows / 2);
    assert_true(fabs(measured_nmse(unit, result, &images) / result->nmse_after - 1) < 1e-3);
    uwc_unit_result_destroy(&result);
    free_field(&images);
    uwc_graph_destroy(&unit);
}

/* A group of channels that is zero on every image keeps nearest rounding and its bias. */
static void check_dead_group(conv_form form, int64_t dead) {
    const uwc_recon_options options = default_options();
    const int64_t each = form.in / form.group, rows = form.out / form.group, cols = each * form.kernel * form.kernel;
    uwc_graph *graph = new_graph();
    int x = put_input(graph, "x", uwc_shape_4d(1, form.in, 5, 5));
    uwc_graph *unit = with_bits(finished_unit(graph, put_conv(graph, "d", x, form)), 4, 32);
    field images = new_field(unit, IMAGES, 1, 0.05);
    for (int64_t i = 0; i < uwc_shape_count(images.real[0]->shape); i++) {
        if (i % form.in / each == dead) {
            images.real[0]->f32[i] = images.quantized[0]->f32[i] = 0;
        }
    }
    uwc_unit_result *result = reconstruct(unit, &options, &images);
    uwc_weights *nearest;
    must(uwc_weights_create(4, form.out, cols, &nearest));
    must(uwc_recon_nearest(unit->value[unit->node[0].in[1]].constant->f32, cols, false, nearest));
    const uwc_layer_result *got = &result->layer[0];
    const float *bias = unit->value[unit->node[0].in[2]].constant->f32;
    assert_memory_equal(got->weights->q + dead * rows * cols, nearest->q + dead * rows * cols, (size_t)(rows * cols));
    assert_memory_equal(got->weights->scale + dead * rows, nearest->scale + dead * rows, (size_t)rows * sizeof(float));
    assert_memory_equal(got->bias + dead * rows, bias + dead * rows, (size_t)rows * sizeof(float));
    assert_true(memcmp(got->weights->q, nearest->q, (size_t)(form.out * cols)) != 0); /* the others are solved */
    uwc_weights_destroy(&nearest);
    uwc_unit_result_destroy(&result);
    free_field(&images);
    uwc_graph_destroy(&unit);
}

static void groups_without_input_keep_nearest_rounding(void **state) {
    (void)state;
    check_dead_group((conv_form){20, 20, 3, .pad = 1, .group = 20}, 17);
    check_dead_group((conv_form){9, 6, 3, .pad = 1, .group = 3}, 1);
}

/* The bias has no ridge, so the error of the solved layer has the mean zero in every channel: on the inputs as the layer will see them,
 * behind their quantizer. */
static void the_error_has_no_mean(void **state) {
    (void)state;
    const uwc_recon_options options = default_options();
    uwc_graph *graph = new_graph();
    int x = put_input(graph, "x", uwc_shape_4d(1, 6, 6, 6));
    uwc_graph *unit = with_bits(finished_unit(graph, put_conv(graph, "c", x, (conv_form){6, 9, 3, .pad = 1})), 2, 2);
    field images = new_field(unit, IMAGES, 1, 0.1);
    uwc_unit_result *result = reconstruct(unit, &options, &images);
    uwc_tensor *real = evaluate(unit, unit->output[0], images.real[0], UWC_BACKEND_FAST);
    const int64_t positions = uwc_shape_count(real->shape) / 9;
    for (int64_t c = 0; c < 9; c++) {
        double sum = 0, square = 0;
        for (int64_t p = 0; p < positions; p++) {
            double error = (double)images.written[0]->f32[p * 9 + c] - (double)real->f32[p * 9 + c];
            sum += error;
            square += error * error;
        }
        assert_true(square > 0);
        assert_true(fabs(sum / (double)positions) < 1e-4 * sqrt(square / (double)positions));
    }
    uwc_tensor_destroy(&real);
    uwc_unit_result_destroy(&result);
    free_field(&images);
    uwc_graph_destroy(&unit);
}

/* A few positions of every image do nearly as well as all; as many as there are, or more, are all of them. */
static void positions_may_be_sampled(void **state) {
    (void)state;
    uwc_recon_options options = default_options();
    static const int64_t positions[] = {0, 12, 36, 1000};
    uwc_graph *unit = with_bits(residual_unit(), 3, 4);
    field images = new_field(unit, 3 * IMAGES, 1, 0.05);
    uwc_unit_result *result[4];
    for (int k = 0; k < 4; k++) {
        options.positions = positions[k];
        memset(images.next, 0, sizeof images.next);
        result[k] = reconstruct(unit, &options, &images);
        assert_true(fabs(measured_nmse(unit, result[k], &images) / result[k]->nmse_after - 1) < 1e-3);
    }
    assert_true(result[1]->nmse_after != result[0]->nmse_after);
    assert_true(result[1]->nmse_after < 1.1 * result[0]->nmse_after);
    assert_same_results(result[2], result[0]);
    assert_same_results(result[3], result[0]);
    for (int k = 0; k < 4; k++) {
        uwc_unit_result_destroy(&result[k]);
    }
    free_field(&images);
    uwc_graph_destroy(&unit);
}

/* Two layers with one constant: each has integers of its own. */
static void layers_that_share_weights_are_solved_apart(void **state) {
    (void)state;
    const uwc_recon_options options = default_options();
    uwc_graph *graph = new_graph();
    int x = put_input(graph, "x", uwc_shape_4d(1, 6, 6, 6)), a = put_conv(graph, "a", x, (conv_form){6, 6, 3, .pad = 1});
    const uwc_node *node = &graph->node[0];
    int b = put_op(graph, "b", &node->op, (int[]){put_unary(graph, "r", UWC_OP_RELU, a), node->in[1], node->in[2]}, 3);
    uwc_graph *unit = with_bits(finished_unit(graph, b), 3, 32);
    field images = new_field(unit, IMAGES, 1, 0.05);
    uwc_unit_result *result = reconstruct(unit, &options, &images);
    assert_true(memcmp(result->layer[0].weights->q, result->layer[1].weights->q, 6 * 54) != 0);
    assert_true(fabs(measured_nmse(unit, result, &images) / result->nmse_after - 1) < 1e-3);
    uwc_unit_result_destroy(&result);
    free_field(&images);
    uwc_graph_destroy(&unit);
}

static void few_images_are_enough(void **state) {
    (void)state;
    static const int64_t count[] = {1, 2, 5, 15, 17, 33};
    uwc_recon_options options = default_options();
    options.ridge = 0; /* from what is held out, where anything can be */
    for (size_t k = 0; k < sizeof count / sizeof count[0]; k++) {
        uwc_graph *unit = with_bits(residual_unit(), 4, 4);
        field images = new_field(unit, count[k], 1, 0.05);
        uwc_unit_result *result = reconstruct(unit, &options, &images);
        assert_true(result->nmse_after < result->nmse_before);
        assert_true(fabs(measured_nmse(unit, result, &images) / result->nmse_after - 1) < 1e-3);
        uwc_unit_result_destroy(&result);
        free_field(&images);
        uwc_graph_destroy(&unit);
    }
}

static void threads_do_not_change_a_bit(void **state) {
    (void)state;
    const uwc_recon_options options = default_options();
    for (int u = 0; u < UNITS; u++) {
        uwc_graph *unit = with_bits(unit_makers[u](), 4, 4);
        field images = new_field(unit, IMAGES, 1, 0.05);
        uwc_unit_result *result[3];
        for (int k = 0; k < 3; k++) {
            uwc_ops_set_threads(k % 2 + 1); /* 1, 2, and 1 again: not a matter of chance either */
            memset(images.next, 0, sizeof images.next);
            result[k] = reconstruct(unit, &options, &images);
            assert_same_results(result[k], result[0]);
        }
        for (int k = 0; k < 3; k++) {
            uwc_unit_result_destroy(&result[k]);
        }
        free_field(&images);
        uwc_graph_destroy(&unit);
    }
}

/* One image at a time or all at once: only the last bits of sums differ. */
static void the_batch_hardly_matters(void **state) {
    (void)state;
    uwc_recon_options options = default_options();
    uwc_graph *unit = with_bits(inverted_unit(), 4, 8);
    field images = new_field(unit, IMAGES, 1, 0.05);
    double nmse[2];
    for (int k = 0; k < 2; k++) {
        options.batch_bytes = k == 0 ? 1 : 1 << 28;
        memset(images.next, 0, sizeof images.next);
        uwc_unit_result *result = reconstruct(unit, &options, &images);
        nmse[k] = result->nmse_after;
        uwc_unit_result_destroy(&result);
    }
    assert_true(fabs(nmse[0] / nmse[1] - 1) < 0.05);
    free_field(&images);
    uwc_graph_destroy(&unit);
}

static void results_fit_the_network_they_are_put_into(void **state) {
    (void)state;
    const uwc_recon_options options = default_options();
    uwc_graph *unit = with_bits(residual_unit(), 4, 4), *other = with_bits(head_unit(), 4, 4);
    field images = new_field(unit, 4, 1, 0.05);
    uwc_unit_result *result = reconstruct(unit, &options, &images);
    must_fail(uwc_unit_result_apply(result, other), UWC_E_FORMAT, "layer a");
    must(uwc_unit_result_apply(result, unit));
    assert_non_null(unit->node[0].quantized);
    result->edge[0].value[0] = '?';
    must_fail(uwc_unit_result_apply(result, unit), UWC_E_FORMAT, "value ?");
    uwc_unit_result_destroy(&result);
    uwc_unit_result_destroy(&result);
    free_field(&images);
    uwc_graph_destroy(&unit);
    uwc_graph_destroy(&other);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(units_come_closer_than_nearest_rounding),
        cmocka_unit_test(nearest_rounding_is_a_method_of_its_own),
        cmocka_unit_test(before_is_the_error_of_nearest_rounding),
        cmocka_unit_test(the_unit_target_makes_up_for_the_shortcut),
        cmocka_unit_test(asymmetric_weights_use_their_zero_points),
        cmocka_unit_test(groups_without_input_keep_nearest_rounding),
        cmocka_unit_test(the_error_has_no_mean),
        cmocka_unit_test(positions_may_be_sampled),
        cmocka_unit_test(layers_that_share_weights_are_solved_apart),
        cmocka_unit_test(few_images_are_enough),
        cmocka_unit_test(threads_do_not_change_a_bit),
        cmocka_unit_test(the_batch_hardly_matters),
        cmocka_unit_test(results_fit_the_network_they_are_put_into),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
