/* The work of a reconstruction against a count by hand. */
#include "recon_fixture.h"

enum { IMAGES = 64, IN = 10, OUT = 7 };

static uwc_graph *linear_unit(void) {
    uwc_graph *graph = new_graph();
    return finished_unit(graph, put_linear(graph, "head", put_input(graph, "x", uwc_shape_2d(1, IN)), IN, OUT));
}

static uwc_recon_work estimate(const uwc_graph *graph, const uwc_recon_options *options, int64_t images) {
    uwc_recon_work work;
    uwc_recon_estimate(graph, (const int[]){0}, 1, options, images, &work);
    return work;
}

static const uwc_recon_options plain = {.method = UWC_METHOD_SECOND_ORDER, .ridge = 0.01};

/* One position per image: n (n/2 + rows) sums at 1.2, rows n for the target; 256 passes of rows n + 34 rows. n^3 of 2 factorisations at
 * 2.8, n^2 for each row at 30. */
static void given_a_linear_layer_when_estimated_expect_the_count_by_hand(void **state) {
    (void)state;
    uwc_graph *graph = linear_unit();
    uwc_recon_work work = estimate(graph, &plain, IMAGES);
    assert_float_equal(work.shared, 64 * (1.2 * 120 + 70) + 256 * (70 + 34 * 7), 1e-6);
    assert_float_equal(work.alone, 2.8 * 2000 + 30 * 700, 1e-6);
    assert_float_equal(work.exchange, 800 * 4 * (11 * 12 / 2 + 11 * 7), 1e-6); /* of four folds */
    uwc_graph_destroy(&graph);
}

/* Usually five of nine ridges, on four folds: a factorisation, and three products, of n + 1 columns. */
static void given_a_ridge_to_choose_when_estimated_expect_its_factorisations_for_four_members(void **state) {
    (void)state;
    uwc_graph *graph = linear_unit();
    uwc_recon_options options = plain;
    options.ridge = 0;
    uwc_recon_work with = estimate(graph, &options, IMAGES), without = estimate(graph, &plain, IMAGES);
    assert_float_equal(with.shared, without.shared, 1e-6);
    assert_float_equal(with.alone, without.alone, 1e-6);
    assert_float_equal(with.by_four, 2.8 * 4 * (5 * (1331.0 / 3 + 2 * 7 * 121) + 7 * 121), 1e-6);
    uwc_graph_destroy(&graph);
}

/* Spread over a team: n^3 / 6 of two factorisations and, where the ridge is chosen, of four candidates; the rows are shared as well. */
static void given_a_spread_layer_when_estimated_expect_nothing_that_members_repeat(void **state) {
    (void)state;
    uwc_graph *graph = linear_unit();
    uwc_recon_options options = plain;
    options.distribute_above = IN - 1;
    const uwc_recon_work work = estimate(graph, &options, IMAGES), whole = estimate(graph, &plain, IMAGES);
    assert_float_equal(work.alone, 0, 0);
    assert_float_equal(work.shared - whole.shared, 2.8 * (2 * 1000.0 / 6 + 700) + 30 * 700, 1e-6);
    assert_float_equal(work.exchange, 800 * (IMAGES * (IN + OUT) + 2 * 50), 1e-6);
    options.ridge = 0;
    assert_float_equal(estimate(graph, &options, IMAGES).shared - work.shared, 2.8 * 4 * 1000 / 6, 1e-6);
    uwc_graph_destroy(&graph);
}

/* Four passes over the images of every step, which members share, and a search for the step of the input, which they do not. */
static void given_few_bits_when_estimated_expect_descent(void **state) {
    (void)state;
    uwc_graph *graph = linear_unit();
    uwc_recon_options options = plain;
    options.adapt = (uwc_adapt_options){.when = UWC_ADAPT_AUTO, .steps = 3, .batch = 8};
    uwc_recon_work before = estimate(graph, &options, IMAGES);
    must(uwc_graph_assign_bits(graph, &(uwc_bits){.weight_bits = 3, .activation_bits = 4, .first_last_bits = 4}));
    uwc_recon_work after = estimate(graph, &options, IMAGES);
    assert_float_equal(after.shared, before.shared, 1e-6);
    assert_float_equal(after.alone - before.alone, 6e8 + IMAGES * 70, 1e-3); /* the targets */
    assert_float_equal(after.by_four, 3 * 8 * 4 * 70, 1e-3);
    assert_float_equal(after.exchange - before.exchange, 800 * 3 * 77, 1e-3); /* its gradients */
    assert_float_equal(before.by_four, 0, 0);
    uwc_graph_destroy(&graph);
}

/* Every member learns the rounding by itself. */
static void given_a_learning_method_when_estimated_expect_its_iterations_with_every_member(void **state) {
    (void)state;
    uwc_graph *graph = linear_unit();
    uwc_recon_options options = plain;
    options.method = UWC_METHOD_QDROP;
    options.iterations = 5;
    const uwc_recon_work work = estimate(graph, &options, IMAGES);
    assert_float_equal(work.alone, 5 * UWC_LEARN_BATCH * 4 * 70, 1e-3);
    assert_float_equal(work.by_four, 0, 0);
    uwc_graph_destroy(&graph);
}

/* The statistics of large maps look at a part of the images, the outputs at all of them. */
static void given_more_images_than_are_looked_at_when_estimated_expect_only_passes_to_grow(void **state) {
    (void)state;
    uwc_graph *graph = new_graph();
    int x = put_input(graph, "x", uwc_shape_4d(1, 3, 32, 32));
    graph = finished_unit(graph, put_conv(graph, "a", x, (conv_form){3, 8, 3, .pad = 1}));
    double pass = 32 * 32 * 8 * (27 + 34);
    uwc_recon_work few = estimate(graph, &plain, 1024), many = estimate(graph, &plain, 2048);
    assert_float_equal(many.shared - few.shared, 1024 * pass, 1e-3);
    assert_float_equal(many.alone, few.alone, 1e-6);
    uwc_graph_destroy(&graph);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(given_a_linear_layer_when_estimated_expect_the_count_by_hand),
        cmocka_unit_test(given_a_ridge_to_choose_when_estimated_expect_its_factorisations_for_four_members),
        cmocka_unit_test(given_a_spread_layer_when_estimated_expect_nothing_that_members_repeat),
        cmocka_unit_test(given_few_bits_when_estimated_expect_descent),
        cmocka_unit_test(given_a_learning_method_when_estimated_expect_its_iterations_with_every_member),
        cmocka_unit_test(given_more_images_than_are_looked_at_when_estimated_expect_only_passes_to_grow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
