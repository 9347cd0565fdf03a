#include "recon_fixture.h"

/* The estimate of a unit's second-order picture against its Jacobian, formed column by column from differences. */

enum { IMAGES = 8, MOST_WEIGHTS = 300, MOST_OUTPUTS = 600 };

/* Two layers of weights and biases, a nonlinearity between them, and a shortcut. */
static uwc_graph *tiny_unit(void) {
    uwc_graph *graph = new_graph();
    int x = put_input(graph, "x", uwc_shape_4d(1, 3, 4, 4));
    int a = put_unary(graph, "ra", UWC_OP_RELU, put_conv(graph, "a", x, (conv_form){3, 4, 3, .pad = 1}));
    int b = put_conv(graph, "b", a, (conv_form){4, 3, 3, .pad = 1, .no_bias = true});
    return with_bits(finished_unit(graph, put_binary(graph, "sum", UWC_OP_ADD, b, x)), 3, 32);
}

/* The unit at its float inputs, as a function of all weights and biases. */
typedef struct exact {
    uwc_graph *graph;
    field images;
    float *parameter[MOST_WEIGHTS], real[MOST_WEIGHTS];
    int layer[MOST_WEIGHTS], n_parameters;
    double *J; /* [outputs][n_parameters] over all images */
    int64_t outputs;
    double variance;
} exact;

static void run(const exact *e, float *out) {
    uwc_tensor *got = evaluate(e->graph, e->graph->output[0], e->images.real[0], UWC_BACKEND_REFERENCE);
    assert_true(uwc_shape_count(got->shape) == e->outputs);
    memcpy(out, got->f32, uwc_tensor_bytes(got));
    uwc_tensor_destroy(&got);
}

static void add_parameters(exact *e, const char *name, int layer) {
    uwc_tensor *constant = e->graph->value[uwc_graph_find_value(e->graph, name)].constant;
    for (int64_t i = 0; i < uwc_shape_count(constant->shape); i++, e->n_parameters++) {
        assert_true(e->n_parameters < MOST_WEIGHTS);
        e->parameter[e->n_parameters] = &constant->f32[i];
        e->real[e->n_parameters] = constant->f32[i];
        e->layer[e->n_parameters] = layer;
    }
}

static void measure_variance(exact *e) {
    float out[MOST_OUTPUTS];
    double sum = 0, squares = 0;
    run(e, out);
    for (int64_t i = 0; i < e->outputs; i++) {
        sum += (double)out[i];
        squares += (double)out[i] * (double)out[i];
    }
    e->variance = squares / (double)e->outputs - sum / (double)e->outputs * sum / (double)e->outputs;
}

static exact new_exact(void) {
    const float step = 1.0f / 512;
    exact e = {.graph = tiny_unit()};
    float up[MOST_OUTPUTS], down[MOST_OUTPUTS];
    e.outputs = IMAGES * uwc_shape_count(e.graph->value[e.graph->output[0]].shape);
    assert_true(e.outputs <= MOST_OUTPUTS);
    add_parameters(&e, "a.weight", 0);
    add_parameters(&e, "a.bias", 0);
    add_parameters(&e, "b.weight", 1);
    e.images = new_field(e.graph, IMAGES, 3, 0);
    must(uwc_calloc(e.outputs * e.n_parameters, sizeof *e.J, &e.J));
    for (int k = 0; k < e.n_parameters; k++) {
        *e.parameter[k] = e.real[k] + step;
        run(&e, up);
        *e.parameter[k] = e.real[k] - step;
        run(&e, down);
        *e.parameter[k] = e.real[k];
        for (int64_t i = 0; i < e.outputs; i++) {
            e.J[i * e.n_parameters + k] = ((double)up[i] - (double)down[i]) / (2 * (double)step);
        }
    }
    measure_variance(&e);
    return e;
}

static void free_exact(exact *e) {
    free_field(&e->images);
    uwc_graph_destroy(&e->graph);
    uwc_free(&e->J);
}

/* mean <J_i delta_i, J_j delta_j> in units of the variance. */
static void exact_terms(const exact *e, const double *delta, double term[4]) {
    memset(term, 0, 4 * sizeof *term);
    for (int64_t o = 0; o < e->outputs; o++) {
        double part[2] = {0};
        for (int k = 0; k < e->n_parameters; k++) {
            part[e->layer[k]] += e->J[o * e->n_parameters + k] * delta[k];
        }
        for (int i = 0; i < 4; i++) {
            term[i] += part[i / 2] * part[i % 2] / (double)e->outputs / e->variance;
        }
    }
}

/* |f(w + delta) - f(w)|^2, measured. */
static double exact_error(const exact *e, const double *delta) {
    float base[MOST_OUTPUTS], out[MOST_OUTPUTS];
    double sum = 0;
    run(e, base);
    for (int k = 0; k < e->n_parameters; k++) {
        *e->parameter[k] = e->real[k] + (float)delta[k];
    }
    run(e, out);
    for (int k = 0; k < e->n_parameters; k++) {
        *e->parameter[k] = e->real[k];
    }
    for (int64_t i = 0; i < e->outputs; i++) {
        sum += ((double)out[i] - (double)base[i]) * ((double)out[i] - (double)base[i]);
    }
    return sum / (double)e->outputs / e->variance;
}

static void nearest_delta(const exact *e, double *delta) {
    int at = 0;
    memset(delta, 0, MOST_WEIGHTS * sizeof *delta);
    for (int i = 0; i < e->graph->n_nodes; i++) {
        const uwc_node *node = &e->graph->node[i];
        if (uwc_op_is_weighted(node->op.kind)) {
            const uwc_tensor *w = e->graph->value[node->in[1]].constant;
            const int64_t rows = w->shape.dim[0], cols = uwc_shape_per_image(w->shape);
            uwc_weights *rounded;
            must(uwc_weights_create(node->weight_bits, rows, cols, &rounded));
            must(uwc_recon_nearest(w->f32, cols, false, rounded));
            for (int64_t k = 0; k < rows * cols; k++) {
                delta[at + k] = (double)(rounded->scale[k / cols] * (float)(rounded->q[k] - rounded->zero[k / cols])) - (double)w->f32[k];
            }
            at += (int)(rows * cols + (node->n_in == 3 ? rows : 0));
            uwc_weights_destroy(&rounded);
        }
    }
}

static uwc_curvature *estimate(exact *e, const uwc_unit_result *result, int64_t images, int probes) {
    const uwc_recon_options options = default_options();
    const uwc_stream stream = stream_of(&e->images);
    uwc_curvature *got;
    must(uwc_recon_curvature(e->graph, &options, &stream, result, images, probes, &got));
    return got;
}

static void assert_near(double got, double wanted, double error) {
    if (!(fabs(got - wanted) <= error)) {
        fail_msg("%g instead of %g", got, wanted);
    }
}

static void estimates_are_the_blocks_of_the_hessian(void **state) {
    (void)state;
    enum { PROBES = 6000 };
    exact e = new_exact();
    double delta[MOST_WEIGHTS], term[4];
    nearest_delta(&e, delta);
    exact_terms(&e, delta, term);
    uwc_curvature *got = estimate(&e, NULL, IMAGES, PROBES);
    assert_int_equal(got->n_layers, 2);
    assert_string_equal(got->layer[0], "a");
    assert_string_equal(got->layer[1], "b");
    assert_null(got->change[UWC_CHANGE_RESULT].term);
    const uwc_change_error *nearest = &got->change[UWC_CHANGE_NEAREST];
    const double total = term[0] + term[1] + term[2] + term[3];
    for (int i = 0; i < 4; i++) { /* a sample's deviation is about its size times the square root of 2 */
        assert_near(nearest->term[i], term[i], 5 * sqrt(2 * term[0] * term[3] / (2 * PROBES)) + 0.02 * fabs(term[i]));
    }
    assert_true(nearest->term[1] == nearest->term[2]);
    assert_near(uwc_curvature_total(got, UWC_CHANGE_NEAREST), total, 5 * nearest->noise);
    assert_true(nearest->noise > 0.5 * total * sqrt(1.0 / PROBES) && nearest->noise < 2 * total * sqrt(1.0 / PROBES));
    assert_near(uwc_curvature_diagonal(got, UWC_CHANGE_NEAREST), term[0] + term[3], 0.06 * total);
    assert_near(uwc_curvature_interaction(got, UWC_CHANGE_NEAREST, 1), fabs(term[1]) / sqrt(term[0] * term[3]), 0.05);
    assert_near(nearest->measured, exact_error(&e, delta), 1e-4 * nearest->measured);
    uwc_curvature_destroy(&got);
    free_exact(&e);
}

/* A result with all weights and biases larger by `size` of themselves, which both layers do to the output alike, and a little noise. */
static uwc_unit_result *small_change(exact *e, double size, double *delta) {
    const uwc_recon_options options = default_options();
    e->images.next[0] = 0;
    uwc_unit_result *result = reconstruct(e->graph, &options, &e->images);
    int at = 0;
    for (int l = 0; l < result->n_layers; l++) {
        uwc_layer_result *layer = &result->layer[l];
        const uwc_node *node = &e->graph->node[uwc_graph_find_node(e->graph, layer->node)];
        const float *w = e->graph->value[node->in[1]].constant->f32;
        const int64_t rows = layer->weights->rows, cols = layer->weights->cols;
        uwc_weights *fine;
        must(uwc_weights_create(8, rows, cols, &fine));
        for (int64_t r = 0; r < rows; r++) {
            double most = 0;
            for (int64_t k = 0; k < cols; k++) {
                most = fmax(most, fabs((double)w[r * cols + k]));
            }
            fine->scale[r] = (float)(most / 100);
            for (int64_t k = 0; k < cols; k++, at++) {
                const double wish = (double)w[r * cols + k] * (1 + size + size * uwc_rng_normal(8, (uint64_t)l, (uint64_t)(r * cols + k)));
                fine->q[r * cols + k] = (int8_t)fmax(fmin(rint(wish / (double)fine->scale[r]), 127), -128);
                delta[at] = (double)(fine->scale[r] * (float)fine->q[r * cols + k]) - (double)w[r * cols + k];
            }
        }
        const bool has_bias = node->n_in == 3;
        for (int64_t r = 0; r < rows; r++) {
            const float bias = has_bias ? e->graph->value[node->in[2]].constant->f32[r] : 0;
            layer->bias[r] = bias * (float)(1 + size);
            if (has_bias) {
                delta[at++] = (double)layer->bias[r] - (double)bias;
            }
        }
        uwc_weights_destroy(&layer->weights);
        layer->weights = fine;
    }
    return result;
}

static void results_change_weights_and_biases(void **state) {
    (void)state;
    enum { PROBES = 3000 };
    exact e = new_exact();
    const double size[] = {0.03, 0.1};
    for (int s = 0; s < 2; s++) {
        double delta[MOST_WEIGHTS] = {0}, term[4];
        uwc_unit_result *result = small_change(&e, size[s], delta);
        exact_terms(&e, delta, term);
        const double total = term[0] + term[1] + term[2] + term[3];
        uwc_curvature *got = estimate(&e, result, IMAGES, PROBES);
        const uwc_change_error *change = &got->change[UWC_CHANGE_RESULT];
        assert_true(term[1] > 0.3 * sqrt(term[0] * term[3]));
        assert_near(uwc_curvature_total(got, UWC_CHANGE_RESULT), total, 5 * change->noise);
        for (int i = 0; i < 4; i++) {
            assert_near(change->term[i], term[i], 5 * sqrt(2 * term[0] * term[3] / (2 * PROBES)) + 0.03 * fabs(term[i]));
        }
        assert_near(change->measured, exact_error(&e, delta), 1e-3 * change->measured);
        assert_near(change->measured, total, (s == 0 ? 0.1 : 0.3) * total); /* the form holds for small changes */
        uwc_curvature_destroy(&got);
        uwc_unit_result_destroy(&result);
    }
    free_exact(&e);
}

/* Channels that the reconstruction has stretched are no change: the unit computes what it computed. */
static void equalised_results_are_small_changes(void **state) {
    (void)state;
    uwc_graph *unit = with_bits(inverted_unit(), 8, 8);
    field images = new_field(unit, 32, 4, 0);
    const uwc_recon_options options = default_options();
    const uwc_stream stream = stream_of(&images);
    uwc_unit_result *result = reconstruct(unit, &options, &images);
    uwc_curvature *got;
    must(uwc_recon_curvature(unit, &options, &stream, result, 32, 8, &got));
    assert_int_equal(got->n_layers, 3);
    assert_true(got->change[UWC_CHANGE_RESULT].measured < 1e-2);
    assert_true(uwc_curvature_diagonal(got, UWC_CHANGE_RESULT) < 1e-2);
    uwc_curvature_destroy(&got);
    uwc_unit_result_destroy(&result);
    free_field(&images);
    uwc_graph_destroy(&unit);
}

static void assert_same_curvature(const uwc_curvature *a, const uwc_curvature *b) {
    for (int c = 0; c < UWC_CHANGES; c++) {
        assert_memory_equal(a->change[c].term, b->change[c].term, (size_t)(a->n_layers * a->n_layers) * sizeof(double));
        assert_true(a->change[c].measured == b->change[c].measured && a->change[c].noise == b->change[c].noise);
    }
}

static void every_unit_has_one_whatever_the_threads(void **state) {
    (void)state;
    for (int u = 0; u < UNITS; u++) {
        uwc_graph *unit = with_bits(unit_makers[u](), 3, 4);
        field images = new_field(unit, 11, 4, 0.1);
        const uwc_recon_options options = default_options();
        const uwc_stream stream = stream_of(&images);
        uwc_unit_result *result = reconstruct(unit, &options, &images);
        uwc_curvature *got[2];
        for (int t = 0; t < 2; t++) {
            uwc_ops_set_threads(1 + 2 * t);
            must(uwc_recon_curvature(unit, &options, &stream, result, 64, 4, &got[t]));
        }
        assert_same_curvature(got[0], got[1]);
        for (int c = 0; c < UWC_CHANGES; c++) {
            assert_true(got[0]->change[c].measured > 0 && uwc_curvature_total(got[0], (uwc_change)c) > 0);
        }
        uwc_curvature_destroy(&got[0]);
        uwc_curvature_destroy(&got[1]);
        uwc_unit_result_destroy(&result);
        free_field(&images);
        uwc_graph_destroy(&unit);
    }
    uwc_ops_set_threads(2);
}

static void errors_come_back(void **state) {
    (void)state;
    uwc_graph *unit = with_bits(residual_unit(), 3, 4);
    field images = new_field(unit, 8, 4, 0);
    const uwc_recon_options options = default_options();
    const uwc_stream stream = stream_of(&images);
    uwc_curvature *got;
    assert_int_equal(uwc_recon_curvature(unit, &options, &stream, NULL, 0, 4, &got), UWC_E_ARG);
    images.calls = 0;
    must(uwc_recon_curvature(unit, &options, &stream, NULL, 8, 2, &got));
    uwc_curvature_destroy(&got);
    const int64_t calls = images.calls;
    assert_true(calls > 2);
    images.stop = UWC_E_INTERRUPTED;
    for (images.stop_at = 0; images.stop_at < calls; images.stop_at++) {
        images.calls = 0;
        assert_int_equal(uwc_recon_curvature(unit, &options, &stream, NULL, 8, 2, &got), UWC_E_INTERRUPTED);
        assert_null(got);
    }
    free_field(&images);
    uwc_graph_destroy(&unit);
    uwc_graph *graph = new_graph();
    int x = put_input(graph, "x", uwc_shape_2d(1, 4));
    unit = with_bits(finished_unit(graph, put_unary(graph, "soft", UWC_OP_SOFTMAX, put_linear(graph, "a", x, 4, 3))), 3, 32);
    images = new_field(unit, 8, 4, 0);
    const uwc_stream other = stream_of(&images);
    must_fail(uwc_recon_curvature(unit, &options, &other, NULL, 8, 2, &got), UWC_E_UNSUPPORTED, "no gradient");
    free_field(&images);
    uwc_graph_destroy(&unit);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(estimates_are_the_blocks_of_the_hessian),
        cmocka_unit_test(results_change_weights_and_biases),
        cmocka_unit_test(equalised_results_are_small_changes),
        cmocka_unit_test(every_unit_has_one_whatever_the_threads),
        cmocka_unit_test(errors_come_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
