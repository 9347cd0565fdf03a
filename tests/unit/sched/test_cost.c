/* Which teams are worth having. */
#include "graph/graph_fixture.h"

#include "sched_impl.h"

static int most(double shared, double alone, int limit) {
    return uwc_sched__team_most(&(uwc_unit_cost){.shared = shared, .alone = alone}, limit);
}

static void given_work_that_is_shared_when_asked_expect_as_many_as_there_may_be(void **state) {
    (void)state;
    assert_int_equal(most(1, 0, 100), UWC_SHARDS);
    assert_int_equal(most(1, 0, 16), 16);
    assert_int_equal(most(1, 0, 15), 8);
    assert_int_equal(most(1, 0, 1), 1);
}

static void given_work_that_each_repeats_when_asked_expect_teams_while_a_doubling_saves_enough(void **state) {
    (void)state;
    assert_int_equal(most(0, 1, 16), 1);
    assert_int_equal(most(0.29, 0.71, 16), 1); /* two save 14.5 % */
    assert_int_equal(most(0.31, 0.69, 16), 2); /* 15.5 %; four 9.2 % */
    assert_int_equal(most(0.75, 0.25, 16), 8); /* 37, 30, 21 %; sixteen 13.6 % */
}

/* A step and the choice of a ridge have so many parts; more members are worth having for the rest alone. */
static void given_work_for_four_when_asked_expect_no_more_members(void **state) {
    (void)state;
    const uwc_unit_cost adapting = {.shared = 8, .by_four = 16, .alone = 1};
    assert_int_equal(uwc_sched__team_most(&(uwc_unit_cost){.by_four = 1}, 16), UWC_DESCENT_PARTS);
    assert_float_equal(uwc_sched__team_cost(&adapting, 2), 1 + 8 + 4, 1e-6);
    assert_float_equal(uwc_sched__team_cost(&adapting, 16), 1 + 4 + 0.5, 1e-6);
}

/* Sums go through the team in as many rounds as it has been doubled. */
static void given_sums_to_exchange_when_asked_expect_smaller_teams(void **state) {
    (void)state;
    const uwc_unit_cost talking = {.shared = 16, .exchange = 1};
    assert_float_equal(uwc_sched__team_cost(&talking, 1), 16, 1e-6);
    assert_float_equal(uwc_sched__team_cost(&talking, 2), 8 + 1, 1e-6);
    assert_float_equal(uwc_sched__team_cost(&talking, 16), 1 + 4, 1e-6);
    assert_int_equal(uwc_sched__team_most(&talking, 16), 8); /* 9, 6, 5, then 5 again */
}

static void given_a_unit_of_a_plan_when_asked_expect_the_estimate_of_its_nodes(void **state) {
    (void)state;
    uwc_graph *graph = new_graph();
    int x = put_input(graph, "x", uwc_shape_4d(1, 3, 6, 6));
    int a = put_conv(graph, "a", x, (conv_form){3, 4, 3, .pad = 1});
    must(uwc_graph_add_output(graph, put_conv(graph, "b", a, (conv_form){4, 5, 3, .pad = 1})));
    must(uwc_graph_finish(graph));
    uwc_unit unit[] = {{.node = (int[]){0}, .n_nodes = 1}, {.node = (int[]){1}, .n_nodes = 1}};
    uwc_partition partition = {.unit = unit, .n_units = 2};
    uwc_plan plan = {.graph = graph, .partition = &partition, .images = 32};
    uwc_settings settings = {.recon = {.method = UWC_METHOD_SECOND_ORDER}};
    uwc_unit_cost cost[2];
    for (int u = 0; u < 2; u++) {
        uwc_recon_work direct;
        uwc_sched__unit_cost(&plan, &settings, u, &cost[u]);
        uwc_recon_estimate(graph, &u, 1, &settings.recon, 32, &direct);
        assert_float_equal(cost[u].shared, direct.shared, 1e-6);
        assert_float_equal(cost[u].by_four, direct.by_four, 1e-6);
        assert_float_equal(cost[u].exchange, direct.exchange, 1e-6);
        assert_float_equal(cost[u].alone, direct.alone, 1e-6);
    }
    assert_true(cost[1].alone > cost[0].alone); /* 36 columns, not 27 */
    assert_float_equal(uwc_sched__team_cost(&cost[0], 4), cost[0].alone + (cost[0].by_four + cost[0].shared) / 4 + 2 * cost[0].exchange,
                       1e-6);
    uwc_graph_destroy(&graph);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(given_work_that_is_shared_when_asked_expect_as_many_as_there_may_be),
        cmocka_unit_test(given_work_that_each_repeats_when_asked_expect_teams_while_a_doubling_saves_enough),
        cmocka_unit_test(given_work_for_four_when_asked_expect_no_more_members),
        cmocka_unit_test(given_sums_to_exchange_when_asked_expect_smaller_teams),
        cmocka_unit_test(given_a_unit_of_a_plan_when_asked_expect_the_estimate_of_its_nodes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
