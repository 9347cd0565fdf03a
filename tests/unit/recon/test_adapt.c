#include "recon_fixture.h"

#include "recon_impl.h"

/* Adapting a unit's float weights and steps to its quantized activations. */

enum { IMAGES = 64 };

static uwc_recon_options adapting(int steps, double rate) {
    uwc_recon_options options = default_options();
    options.adapt = (uwc_adapt_options){.when = UWC_ADAPT_AUTO, .steps = steps, .batch = 8, .rate = rate};
    return options;
}

typedef struct bench {
    uwc_graph *unit;
    field images;
    uwc_stream stream;
    uwc_paths paths;
} bench;

/* A unit on the way to its solution: all quantizers are chosen, all weights float. */
static void open_bench(unit_maker *make, const uwc_recon_options *options, bench *b) {
    b->unit = with_bits(make(), 4, 3);
    b->images = new_field(b->unit, IMAGES, 1, 0.05);
    b->stream = stream_of(&b->images);
    must(uwc_recon__paths_open(b->unit, options, &b->stream, &b->paths));
    for (int v = 0; v < b->unit->n_values; v++) {
        if (b->unit->value[v].activation_bits > 0 && b->unit->value[v].constant == NULL) {
            must(uwc_recon__choose_quantizer(&b->paths, v, options->seed));
        }
    }
}

static void close_bench(bench *b) {
    uwc_recon__paths_close(&b->paths);
    free_field(&b->images);
    uwc_graph_destroy(&b->unit);
}

/* Error of the quantized path on the images that are held out, all at once. */
static double held_out_error(const bench *b) {
    const uwc_graph *unit = b->unit;
    uwc_exec *exec[2];
    const uwc_tensor *real[MOST_EDGES], *got[MOST_EDGES];
    double sums[UWC_ERROR_SUMS] = {0};
    must(uwc_exec_create(unit, IMAGES, UWC_BACKEND_REFERENCE, &exec[0]));
    must(uwc_exec_create(b->paths.quantized, IMAGES, UWC_BACKEND_FAST, &exec[1]));
    must(uwc_exec_run(exec[0], IMAGES, unit->input, (const uwc_tensor *const *)b->images.real, unit->n_inputs, unit->output,
                      unit->n_outputs, real));
    must(uwc_exec_run(exec[1], IMAGES, unit->input, (const uwc_tensor *const *)b->images.quantized, unit->n_inputs, unit->output,
                      unit->n_outputs, got));
    for (int shard = 0; shard < UWC_SHARDS; shard++) {
        int64_t first, count;
        uwc_shard_range(IMAGES, shard, &first, &count);
        for (int i = 0; uwc_recon__held_out(shard) && i < unit->n_outputs; i++) {
            uwc_tensor a = uwc_tensor_images(real[i], first, count), c = uwc_tensor_images(got[i], first, count);
            uwc_recon__add_error(&a, &c, sums);
        }
    }
    uwc_exec_destroy(&exec[0]);
    uwc_exec_destroy(&exec[1]);
    return uwc_recon__relative_error(sums);
}

static void held_out_images_come_closer(void **state) {
    (void)state;
    const uwc_recon_options options = adapting(60, 0.02);
    static unit_maker *const makers[] = {inverted_unit, joining_unit, head_unit};
    for (size_t u = 0; u < sizeof makers / sizeof makers[0]; u++) {
        bench b;
        bool better;
        open_bench(makers[u], &options, &b);
        double before = held_out_error(&b);
        must(uwc_recon__adapt(&b.paths, &options, &better));
        assert_true(better);
        assert_true(held_out_error(&b) < 0.97 * before);
        close_bench(&b);
    }
}

/* A few wild steps end up worse than nothing, and nothing is what stays. */
static void what_is_worse_is_undone(void **state) {
    (void)state;
    const uwc_recon_options options = adapting(2, 0.9);
    bench b;
    bool better = true;
    open_bench(inverted_unit, &options, &b);
    uwc_graph *before;
    must(uwc_graph_copy(b.paths.quantized, &before));
    must(uwc_recon__adapt(&b.paths, &options, &better));
    assert_false(better);
    for (int v = 0; v < before->n_values; v++) {
        const uwc_value *a = &before->value[v], *c = &b.paths.quantized->value[v];
        assert_memory_equal(&a->quantizer, &c->quantizer, sizeof a->quantizer);
        if (a->constant != NULL) {
            assert_memory_equal(a->constant->f32, c->constant->f32, uwc_tensor_bytes(a->constant));
        }
    }
    uwc_graph_destroy(&before);
    close_bench(&b);
}

/* A rate that is much too high falls by half until it is not. */
static void high_rates_fall(void **state) {
    (void)state;
    const uwc_recon_options options = adapting(160, 0.3);
    bench b;
    bool better;
    open_bench(inverted_unit, &options, &b);
    const double before = held_out_error(&b);
    must(uwc_recon__adapt(&b.paths, &options, &better));
    print_message("%g before, %g after\n", before, held_out_error(&b));
    assert_true(better);
    assert_true(held_out_error(&b) < 0.97 * before);
    close_bench(&b);
}

/* The step of an edge that another unit reads too, and solved layers, stay; other steps and the layers behind move. */
static void what_is_settled_stays(void **state) {
    (void)state;
    const uwc_recon_options options = adapting(40, 0.01);
    bench b;
    bool better;
    open_bench(residual_unit, &options, &b);
    uwc_graph *graph = b.paths.quantized;
    const int x = graph->input[0], a = uwc_graph_find_node(graph, "a"), c = uwc_graph_find_node(graph, "b");
    const int inner = graph->node[c].in[0];
    uwc_weights *weights;
    must(uwc_recon__nearest_node(graph, a, &weights));
    must(uwc_graph_set_quantized(graph, a, weights, graph->value[graph->node[a].in[2]].constant->f32));
    graph->value[x].shared = true;
    const uwc_quantizer shared = graph->value[x].quantizer, own = graph->value[inner].quantizer;
    uwc_tensor *solved, *open;
    must(uwc_tensor_copy(graph->value[graph->node[a].in[1]].constant, &solved));
    must(uwc_tensor_copy(graph->value[graph->node[c].in[1]].constant, &open));
    must(uwc_recon__adapt(&b.paths, &options, &better));
    assert_true(better);
    assert_memory_equal(&graph->value[x].quantizer, &shared, sizeof shared);
    assert_true(graph->value[inner].quantizer.scale != own.scale);
    assert_memory_equal(solved->f32, graph->value[graph->node[a].in[1]].constant->f32, uwc_tensor_bytes(solved));
    assert_memory_not_equal(open->f32, graph->value[graph->node[c].in[1]].constant->f32, uwc_tensor_bytes(open));
    uwc_weights_destroy(&weights);
    uwc_tensor_destroy(&solved);
    uwc_tensor_destroy(&open);
    close_bench(&b);
}

/* Whole units: on average the result is nearer to the float unit than without adapting. */
static void rounding_gains_by_it(void **state) {
    (void)state;
    uwc_recon_options with = adapting(200, 0.01), without = default_options();
    double gain = 0;
    for (int u = 0; u < UNITS; u++) {
        for (int again = 0; again < 2; again++) {
            with.adapt.progressive = again == 1;
            uwc_graph *unit = with_bits(unit_makers[u](), 4, 3);
            field images = new_field(unit, IMAGES, 1, 0.05);
            uwc_unit_result *a = reconstruct(unit, &with, &images);
            memset(images.next, 0, sizeof images.next);
            uwc_unit_result *b = reconstruct(unit, &without, &images);
            gain += log(b->nmse_after / a->nmse_after);
            assert_true(a->nmse_after < 1.05 * b->nmse_after);
            uwc_unit_result_destroy(&a);
            uwc_unit_result_destroy(&b);
            free_field(&images);
            uwc_graph_destroy(&unit);
        }
    }
    assert_true(gain / (2 * UNITS) > 0.03);
}

/* Where the memory is not for all images of a step, they go through in parts. */
static void small_batches_do_as_well(void **state) {
    (void)state;
    uwc_recon_options options = adapting(60, 0.02);
    options.batch_bytes = 1; /* one image at a time */
    bench b;
    bool better;
    open_bench(inverted_unit, &options, &b);
    assert_int_equal(b.paths.batch, 1);
    double before = held_out_error(&b);
    must(uwc_recon__adapt(&b.paths, &options, &better));
    assert_true(better);
    assert_true(held_out_error(&b) < 0.97 * before);
    close_bench(&b);
}

static void threads_do_not_show(void **state) {
    (void)state;
    uwc_recon_options options = adapting(20, 0.01);
    options.adapt.drop = 0.5;
    options.adapt.progressive = true;
    uwc_unit_result *result[2];
    uwc_graph *unit = with_bits(inverted_unit(), 3, 4);
    for (int k = 0; k < 2; k++) {
        uwc_ops_set_threads(k == 0 ? 1 : 3);
        field images = new_field(unit, IMAGES, 1, 0.05);
        result[k] = reconstruct(unit, &options, &images);
        free_field(&images);
    }
    uwc_ops_set_threads(1);
    assert_same_results(result[0], result[1]);
    uwc_unit_result_destroy(&result[0]);
    uwc_unit_result_destroy(&result[1]);
    uwc_graph_destroy(&unit);
}

static double work_of(const uwc_recon_options *options, int weight_bits, int activation_bits) {
    return uwc_recon_learning_work(options, &(uwc_bits){.weight_bits = weight_bits, .activation_bits = activation_bits}, 64, 7);
}

static void work_counts_the_passes_of_the_steps(void **state) {
    (void)state;
    uwc_recon_options options = adapting(30, 0.01);
    assert_true(work_of(&options, 4, 4) == 30 * 8 * 4 * 7.0 / 64);
    assert_true(work_of(&options, 3, 32) == work_of(&options, 4, 4));
    assert_true(work_of(&options, 4, 8) == 0 && work_of(&options, 8, 32) == 0);
    options.adapt.when = UWC_ADAPT_ALWAYS;
    assert_true(work_of(&options, 8, 32) > 0);
    options.adapt.when = UWC_ADAPT_OFF;
    assert_true(work_of(&options, 2, 2) == 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(held_out_images_come_closer),
        cmocka_unit_test(what_is_worse_is_undone),
        cmocka_unit_test(high_rates_fall),
        cmocka_unit_test(what_is_settled_stays),
        cmocka_unit_test(rounding_gains_by_it),
        cmocka_unit_test(small_batches_do_as_well),
        cmocka_unit_test(threads_do_not_show),
        cmocka_unit_test(work_counts_the_passes_of_the_steps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
