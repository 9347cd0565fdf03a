#include "recon_fixture.h"

#include <malloc.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

/* The estimate against what the system counts while a unit is reconstructed, in a process of its own. */

/* Large maps: activations decide. */
static uwc_graph *large_maps(void) {
    uwc_graph *graph = new_graph();
    int x = put_input(graph, "x", uwc_shape_4d(1, 8, 96, 96));
    int e = put_unary(graph, "re", UWC_OP_CLIP, put_conv(graph, "e", x, (conv_form){8, 32, 1, .pad = 0}));
    int d = put_unary(graph, "rd", UWC_OP_CLIP, put_conv(graph, "d", e, (conv_form){32, 32, 3, .pad = 1, .group = 32}));
    return finished_unit(graph, put_binary(graph, "sum", UWC_OP_ADD, put_conv(graph, "p", d, (conv_form){32, 8, 1, .pad = 0}), x));
}

static uwc_recon_options options_of(int64_t batch_bytes) {
    uwc_recon_options options = default_options();
    options.batch_bytes = batch_bytes;
    return options;
}

#if !defined(__SANITIZE_ADDRESS__)
enum { IMAGES = 96 };

/* A layer with 1,152 inputs: matrices decide. */
static uwc_graph *wide_layer(void) {
    uwc_graph *graph = new_graph();
    int x = put_input(graph, "x", uwc_shape_4d(1, 128, 8, 8));
    return finished_unit(graph, put_conv(graph, "c", x, (conv_form){128, 16, 3, .pad = 1}));
}

/* A layer with 1,024 inputs and 16,384 outputs: its weights decide. */
static uwc_graph *many_outputs(void) {
    uwc_graph *graph = new_graph();
    int x = put_input(graph, "x", uwc_shape_2d(1, 1024));
    return finished_unit(graph, put_linear(graph, "c", x, 1024, 16384));
}

static int64_t peak(void) {
    struct rusage usage;
    assert_int_equal(getrusage(RUSAGE_SELF, &usage), 0);
    return (int64_t)usage.ru_maxrss << 10;
}

/* What libraries take at their first call is not the unit's. */
static void warm_up(const uwc_recon_options *options) {
    uwc_graph *unit = with_bits(inverted_unit(), 4, 4);
    field images = new_field(unit, 16, 1, 0.05);
    uwc_unit_result *result = reconstruct(unit, options, &images);
    uwc_unit_result_destroy(&result);
    free_field(&images);
    uwc_graph_destroy(&unit);
}

/* How far the peak of a child rises while it reconstructs. */
static int64_t measured(const uwc_graph *unit, const uwc_recon_options *options, field *images) {
    int ends[2];
    int64_t bytes = 0;
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        mallopt(M_MMAP_THRESHOLD, 1 << 20);
        warm_up(options);
        int64_t before = peak();
        uwc_unit_result *result = reconstruct(unit, options, images);
        uwc_unit_result_destroy(&result);
        bytes = peak() - before;
        _exit(write(ends[1], &bytes, sizeof bytes) != (ssize_t)sizeof bytes);
    }
    int how;
    assert_int_equal(waitpid(child, &how, 0), child);
    assert_true(WIFEXITED(how) && WEXITSTATUS(how) == 0);
    assert_int_equal(read(ends[0], &bytes, sizeof bytes), sizeof bytes);
    close(ends[0]);
    close(ends[1]);
    return bytes;
}

static void estimate_holds(uwc_graph *unit, int64_t batch_bytes, uwc_adapt_options adapt) {
    const int64_t slack = (int64_t)8 << 20; /* small blocks, code, stacks */
    uwc_recon_options options = options_of(batch_bytes);
    options.adapt = adapt;
    with_bits(unit, 4, 4);
    field images = new_field(unit, IMAGES, 1, 0.05);
    uwc_recon_need need;
    must(uwc_recon_memory(unit, &options, IMAGES, 1, &need));
    int64_t bytes = measured(unit, &options, &images);
    print_message("%lld MiB estimated, %lld measured, batches of %lld\n", (long long)need.bytes >> 20, (long long)bytes >> 20,
                  (long long)need.batch);
    assert_true(bytes <= need.bytes + slack);
    assert_true(2 * need.bytes <= 3 * bytes + slack);
    assert_string_equal(unit->node[need.node].name, unit->n_nodes == 1 ? "c" : "d");
    free_field(&images);
    uwc_graph_destroy(&unit);
}

static void matrices_are_counted(void **state) {
    (void)state;
    estimate_holds(wide_layer(), 1 << 20, (uwc_adapt_options){0});
}

static void weights_are_counted(void **state) {
    (void)state;
    estimate_holds(many_outputs(), 1 << 20, (uwc_adapt_options){0});
}

static void activations_are_counted(void **state) {
    (void)state;
    estimate_holds(large_maps(), 32 << 20, (uwc_adapt_options){0});
}

static void descent_is_counted(void **state) {
    (void)state;
    estimate_holds(large_maps(), 32 << 20, (uwc_adapt_options){.when = UWC_ADAPT_ALWAYS, .steps = 1, .batch = 16, .rate = 0.01});
}
#endif

/* The first fully connected layer of VGG16 has 25,088 inputs: six sums of 25,089 x 25,089 doubles are alive at a time. */
static void very_wide_layers_are_named(void **state) {
    (void)state;
    uwc_graph *graph = new_graph();
    int x = put_input(graph, "x", uwc_shape_2d(1, 25088));
    int narrow = put_unary(graph, "r", UWC_OP_RELU, put_linear(graph, "wide", x, 25088, 2));
    uwc_graph *unit = with_bits(finished_unit(graph, put_linear(graph, "narrow", narrow, 2, 2)), 4, 8);
    uwc_recon_options options = options_of(64 << 20);
    uwc_recon_need need;
    must(uwc_recon_memory(unit, &options, 256, 1, &need));
    const int64_t matrix = INT64_C(25089) * 25089 * 8;
    assert_string_equal(unit->node[need.node].name, "wide");
    assert_int_equal(need.could_spread, 25088);
    assert_true(need.layer_bytes > 6 * matrix && need.bytes > need.layer_bytes && need.bytes < 7 * matrix);
    options.method = UWC_METHOD_NEAREST; /* has no statistics */
    must(uwc_recon_memory(unit, &options, 256, 1, &need));
    assert_true(need.bytes < matrix / 100);
    uwc_graph_destroy(&unit);
}

/* Spread over a team, it is one matrix that the members share, and what works on rows of it. */
static void very_wide_layers_are_shared_by_a_team(void **state) {
    (void)state;
    uwc_graph *graph = new_graph();
    int x = put_input(graph, "x", uwc_shape_2d(1, 25088));
    uwc_graph *unit = with_bits(finished_unit(graph, put_linear(graph, "wide", x, 25088, 2)), 4, 32);
    uwc_recon_options options = options_of(64 << 20);
    options.distribute_above = 8192;
    const int64_t matrix = INT64_C(25088) * 25088 * 8, panel = INT64_C(25088) * UWC_PANEL * 8;
    int64_t before = INT64_MAX;
    for (int members = 1; members <= UWC_SHARDS; members *= 2) {
        uwc_recon_need need;
        must(uwc_recon_memory(unit, &options, 256, members, &need));
        assert_int_equal(need.could_spread, 0);
        assert_true(need.layer_bytes > matrix / members);
        assert_true(need.layer_bytes < matrix / members + panel + (200 << 20)); /* a panel more, one on its way, tiles and rows */
        assert_true(need.layer_bytes < before);
        before = need.layer_bytes;
    }
    options.distribute_above = 25088;
    uwc_recon_need need;
    must(uwc_recon_memory(unit, &options, 256, 4, &need));
    assert_true(need.layer_bytes > 6 * matrix); /* a team saves nothing where every member has the whole */
    uwc_graph_destroy(&unit);
}

static void smaller_batches_need_less_and_images_do_not_matter(void **state) {
    (void)state;
    uwc_graph *unit = with_bits(large_maps(), 4, 4);
    int64_t before = INT64_MAX;
    for (int64_t bytes = 64 << 20; bytes >= 4 << 20; bytes /= 2) {
        const uwc_recon_options options = options_of(bytes);
        uwc_recon_need few, many;
        must(uwc_recon_memory(unit, &options, 16 * 64, 1, &few));
        must(uwc_recon_memory(unit, &options, 16 * 4096, 1, &many));
        assert_true(few.bytes < before);
        assert_true(llabs(few.bytes - many.bytes) <= few.bytes / 50); /* kernels of other remainders */
        assert_true(few.batch >= 1 && few.batch * 32 * 96 * 96 * 4 <= bytes);
        before = few.bytes;
    }
    uwc_graph_destroy(&unit);
}

int main(void) {
    const struct CMUnitTest tests[] = {
#if !defined(__SANITIZE_ADDRESS__)
        cmocka_unit_test(matrices_are_counted),
        cmocka_unit_test(weights_are_counted),
        cmocka_unit_test(activations_are_counted),
        cmocka_unit_test(descent_is_counted),
#endif
        cmocka_unit_test(very_wide_layers_are_named),
        cmocka_unit_test(very_wide_layers_are_shared_by_a_team),
        cmocka_unit_test(smaller_batches_need_less_and_images_do_not_matter),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
