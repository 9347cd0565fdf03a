#include "recon_fixture.h"

#include "recon_impl.h"

/* The methods that learn the rounding, on tiny units. */

enum { IMAGES = 48 };

static const uwc_method methods[] = {UWC_METHOD_ADAROUND, UWC_METHOD_BRECQ, UWC_METHOD_QDROP};
enum { METHODS = sizeof methods / sizeof methods[0] };

static uwc_recon_options learning(uwc_method method, int64_t iterations) {
    uwc_recon_options options = default_options();
    options.method = method;
    options.iterations = iterations;
    options.equalise = false;
    return options;
}

/* Nearest rounding's scales, and of the two levels around a weight one; the bias is that of the float layer. Returns how
 * many weights are not where nearest rounding has them. */
static int check_layer(const uwc_graph *unit, const uwc_layer_result *layer) {
    const uwc_node *node = &unit->node[uwc_graph_find_node(unit, layer->node)];
    const float *w = unit->value[node->in[1]].constant->f32;
    const uwc_weights *got = layer->weights;
    uwc_weights *nearest;
    int lo, hi, moved = 0;
    uwc_weights_range(got->bits, &lo, &hi);
    must(uwc_weights_create(got->bits, got->rows, got->cols, &nearest));
    must(uwc_recon_nearest(w, got->cols, node->weight_asymmetric, nearest));
    assert_memory_equal(got->scale, nearest->scale, (size_t)got->rows * sizeof(float));
    assert_memory_equal(got->zero, nearest->zero, (size_t)got->rows * sizeof(int32_t));
    for (int64_t i = 0; i < got->rows * got->cols; i++) {
        const double scale = (double)got->scale[i / got->cols], real = (double)w[i] / scale;
        const double held = fmin(fmax(real, lo - got->zero[i / got->cols]), hi - got->zero[i / got->cols]);
        assert_true(got->q[i] >= lo && got->q[i] <= hi);
        assert_true(fabs((double)(got->q[i] - got->zero[i / got->cols]) - held) < 1 + 1e-4);
        moved += got->q[i] != nearest->q[i];
    }
    for (int64_t r = 0; r < got->rows; r++) {
        assert_true(layer->bias[r] == (node->n_in == 3 ? unit->value[node->in[2]].constant->f32[r] : 0));
    }
    uwc_weights_destroy(&nearest);
    return moved;
}

static void units_come_closer_than_nearest_rounding(void **state) {
    (void)state;
    for (int u = 0; u < UNITS; u++) {
        uwc_graph *unit = with_bits(unit_makers[u](), 3, 4);
        for (int m = 0; m < METHODS; m++) {
            const uwc_recon_options options = learning(methods[m], 1000);
            field images = new_field(unit, IMAGES, 1, 0.05);
            uwc_unit_result *result = reconstruct(unit, &options, &images);
            print_message("unit %d, method %d: %.4f -> %.4f\n", u, methods[m], result->nmse_before, result->nmse_after);
            assert_true(result->nmse_after < 0.97 * result->nmse_before);
            int moved = 0;
            for (int i = 0; i < result->n_layers; i++) {
                moved += check_layer(unit, &result->layer[i]);
            }
            assert_true(moved > 0);
            uwc_unit_result_destroy(&result);
            free_field(&images);
        }
        uwc_graph_destroy(&unit);
    }
}

/* adaround keeps the steps that were chosen, with the others they end near. */
static void steps_end_where_the_method_leaves_them(void **state) {
    (void)state;
    uwc_graph *unit = with_bits(head_unit(), 4, 3);
    field images = new_field(unit, IMAGES, 1, 0.05);
    uwc_recon_options options = learning(UWC_METHOD_NEAREST, 0);
    uwc_unit_result *chosen = reconstruct(unit, &options, &images);
    for (int m = 0; m < METHODS; m++) {
        options = learning(methods[m], 1000);
        memset(images.next, 0, sizeof images.next);
        uwc_unit_result *result = reconstruct(unit, &options, &images);
        assert_int_equal(result->n_edges, chosen->n_edges);
        for (int i = 0; i < result->n_edges; i++) {
            const uwc_quantizer was = chosen->edge[i].quantizer, is = result->edge[i].quantizer;
            assert_true(is.bits == 3 && is.scale > 0 && (i > 0 || is.zero == was.zero));
            /* the input's, which all choose alike */
            assert_true(i > 0 || methods[m] != UWC_METHOD_ADAROUND || is.scale == was.scale);
            assert_true(fabs((double)is.scale / (double)was.scale - 1) < 0.3);
        }
        uwc_unit_result_destroy(&result);
    }
    uwc_unit_result_destroy(&chosen);
    free_field(&images);
    uwc_graph_destroy(&unit);
}

static uwc_unit_result *at_threads(const uwc_graph *unit, const uwc_recon_options *options, int threads) {
    uwc_ops_set_threads(threads);
    field images = new_field(unit, IMAGES, 2, 0.05);
    uwc_unit_result *result = reconstruct(unit, options, &images);
    free_field(&images);
    uwc_ops_set_threads(1);
    return result;
}

static void results_are_the_same_at_any_number_of_threads(void **state) {
    (void)state;
    for (int u = 0; u < 2; u++) {
        uwc_graph *unit = with_bits(unit_makers[u](), 3, 3);
        for (int m = 0; m < METHODS; m++) {
            const uwc_recon_options options = learning(methods[m], 200);
            uwc_unit_result *one = at_threads(unit, &options, 1), *three = at_threads(unit, &options, 3);
            assert_same_results(one, three);
            assert_true(one->nmse_after != one->nmse_before); /* there is something to compare */
            uwc_unit_result_destroy(&one);
            uwc_unit_result_destroy(&three);
        }
        uwc_graph_destroy(&unit);
    }
}

/* ---- against all roundings of a row --------------------------------------------------------------------------------------------- */

enum { INPUTS = 12, ALL = 1 << INPUTS };

/* Mean square of (q - w) x over the images. */
static double error_of(const double *change, const field *images) {
    double sum = 0;
    for (int64_t n = 0; n < IMAGES; n++) {
        double error = 0;
        for (int i = 0; i < INPUTS; i++) {
            error += change[i] * (double)images->quantized[0]->f32[n * INPUTS + i];
        }
        sum += error * error;
    }
    return sum / IMAGES;
}

static void adaround_is_among_the_best_of_all_roundings(void **state) {
    (void)state;
    int better = 0;
    for (uint64_t seed = 0; seed < 5; seed++) {
        uwc_graph *graph = new_graph();
        int x = put_input(graph, "x", uwc_shape_2d(1, INPUTS));
        uwc_graph *unit = with_bits(finished_unit(graph, put_linear(graph, "l", x, INPUTS, 1)), 3, 32);
        const float *w = unit->value[unit->node[0].in[1]].constant->f32;
        field images = new_field(unit, IMAGES, seed, 0);
        const uwc_recon_options nearest = learning(UWC_METHOD_NEAREST, 0), options = learning(UWC_METHOD_ADAROUND, 4000);
        uwc_unit_result *result = reconstruct(unit, &options, &images);
        memset(images.next, 0, sizeof images.next);
        uwc_unit_result *plain = reconstruct(unit, &nearest, &images);
        const double scale = (double)plain->layer[0].weights->scale[0];
        double change[INPUTS], error[ALL], got, before;
        for (int k = 0; k < ALL; k++) {
            for (int i = 0; i < INPUTS; i++) {
                double q = floor((double)w[i] / scale) + (k >> i & 1);
                change[i] = scale * fmin(fmax(q, -4), 3) - (double)w[i];
            }
            error[k] = error_of(change, &images);
        }
        for (int i = 0; i < INPUTS; i++) {
            change[i] = scale * result->layer[0].weights->q[i] - (double)w[i];
        }
        got = error_of(change, &images);
        for (int i = 0; i < INPUTS; i++) {
            change[i] = scale * plain->layer[0].weights->q[i] - (double)w[i];
        }
        before = error_of(change, &images);
        assert_true(got < 0.8 * before);
        for (int k = 0; k < ALL; k++) {
            better += error[k] < got * (1 - 1e-6);
        }
        uwc_unit_result_destroy(&result);
        uwc_unit_result_destroy(&plain);
        free_field(&images);
        uwc_graph_destroy(&unit);
    }
    print_message("%d of %d roundings are better\n", better, 5 * ALL);
    assert_true(better < 5 * ALL / 20);
}

/* ---- what cannot be done, and what it takes -------------------------------------------------------------------------------------- */

static void units_without_gradient_are_refused_before_the_run(void **state) {
    (void)state;
    uwc_graph *graph = new_graph();
    int x = put_input(graph, "x", uwc_shape_2d(1, 8)), l = put_linear(graph, "l", x, 8, 8);
    uwc_graph *unit = with_bits(finished_unit(graph, put_linear(graph, "m", put_unary(graph, "s", UWC_OP_SOFTMAX, l), 8, 4)), 4, 8);
    uwc_recon_need need;
    for (int m = 0; m < METHODS; m++) {
        const uwc_recon_options options = learning(methods[m], 10);
        if (uwc_recon__learns_layers(methods[m])) {
            must(uwc_recon_memory(unit, &options, IMAGES, 1, &need));
            field images = new_field(unit, IMAGES, 1, 0.05);
            uwc_unit_result *result = reconstruct(unit, &options, &images);
            uwc_unit_result_destroy(&result);
            free_field(&images);
        } else {
            must_fail(uwc_recon_memory(unit, &options, IMAGES, 1, &need), UWC_E_UNSUPPORTED, "without gradient");
        }
    }
    uwc_graph_destroy(&unit);
}

static void a_stop_ends_the_descent(void **state) {
    (void)state;
    uwc_graph *unit = with_bits(residual_unit(), 4, 4);
    for (int m = 0; m < METHODS; m++) {
        const uwc_recon_options options = learning(methods[m], 1000000);
        field images = new_field(unit, IMAGES, 1, 0.05);
        uwc_stream stream = stream_of(&images);
        uwc_unit_result *result;
        images.stop_at = 3000; /* in the descent: what comes before it reads less */
        images.stop = UWC_E_INTERRUPTED;
        must_fail(uwc_recon_unit(unit, &options, &stream, &result), UWC_E_INTERRUPTED, "stopped in");
        assert_null(result);
        free_field(&images);
    }
    uwc_graph_destroy(&unit);
}

static void work_counts_the_passes_of_the_iterations(void **state) {
    (void)state;
    const uwc_recon_options nearest = learning(UWC_METHOD_NEAREST, 100), second = learning(UWC_METHOD_SECOND_ORDER, 100);
    const uwc_bits bits = {.weight_bits = 4, .activation_bits = 4};
    assert_true(uwc_recon_learning_work(&nearest, &bits, 64, 7) == 0 && uwc_recon_learning_work(&second, &bits, 64, 7) == 0);
    for (int m = 0; m < METHODS; m++) {
        const uwc_recon_options options = learning(methods[m], 100);
        double wanted = 100 * 32 * 4 * 7.0 / 64 * (methods[m] == UWC_METHOD_BRECQ ? 1.25 : 1);
        assert_true(fabs(uwc_recon_learning_work(&options, &bits, 64, 7) / wanted - 1) < 1e-12);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(units_come_closer_than_nearest_rounding),           cmocka_unit_test(steps_end_where_the_method_leaves_them),
        cmocka_unit_test(results_are_the_same_at_any_number_of_threads),     cmocka_unit_test(adaround_is_among_the_best_of_all_roundings),
        cmocka_unit_test(units_without_gradient_are_refused_before_the_run), cmocka_unit_test(a_stop_ends_the_descent),
        cmocka_unit_test(work_counts_the_passes_of_the_iterations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
