/* The simulated machine against schedules that were worked out by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "simulate.h"
#include "support/expect.h"

static const uwc_sim_prices nothing = {0};

static void add(uwc_sim_load *load, uwc_sim_task task) {
    task.most = task.most > 0 ? task.most : 1;
    expect_ok(uwc_sched__sim_add(load, &task));
}

static uwc_sim_result on(const uwc_sim_load *load, const uwc_sim_prices *prices, int ranks) {
    uwc_sim_result result;
    expect_ok(uwc_sched__simulate(load, prices, ranks, &result));
    return result;
}

/* 5, 4, 3, 3, 3 on two workers, longest first: 5 + 3, and 4 + 3 + 3. */
static void given_independent_tasks_when_simulated_expect_the_longest_first(void **state) {
    (void)state;
    uwc_sim_load load = {0};
    for (int t = 0; t < 5; t++) {
        add(&load, (uwc_sim_task){.seconds.alone = (const double[]){3, 5, 3, 4, 3}[t]});
    }
    uwc_sim_result one = on(&load, &nothing, 1), two = on(&load, &nothing, 2), three = on(&load, &nothing, 3);
    assert_float_equal(one.seconds, 18, 1e-9);
    assert_float_equal(one.busy, 18, 1e-9);
    assert_float_equal(two.seconds, 18, 1e-9); /* one coordinates */
    assert_float_equal(three.seconds, 10, 1e-9);
    assert_float_equal(three.bound[UWC_BOUND_WORKERS], 9, 1e-9);
    assert_int_equal(three.bottleneck, UWC_BOUND_WORKERS);
    assert_int_equal(on(&load, &nothing, 9).bottleneck, UWC_BOUND_CHAIN);
    assert_float_equal(on(&load, &nothing, 9).seconds, 5, 1e-9);
    uwc_sched__sim_clear(&load);
}

/* One chain: two HELLOs at 1 s each, then twice: UNIT 1 s and 2 bytes at 0.5 s, work 10 s, RESULT 1 s and 4 bytes, published in 3 s. */
static void given_prices_when_simulated_expect_every_second_of_the_coordinator(void **state) {
    (void)state;
    const uwc_sim_prices prices = {.message = 1, .byte = 0.5, .publish = 3};
    uwc_sim_load load = {0};
    add(&load, (uwc_sim_task){.seconds.alone = 10, .in_bytes = 2, .out_bytes = 4});
    add(&load, (uwc_sim_task){.seconds.alone = 10, .in_bytes = 2, .out_bytes = 4});
    expect_ok(uwc_sched__sim_depend(&load, 0));
    uwc_sim_result result = on(&load, &prices, 3);
    assert_float_equal(result.seconds, 2 + 2 * (2 + 10 + 6), 1e-9);
    assert_float_equal(result.coordinator, 2 + 2 * (2 + 6), 1e-9);
    assert_float_equal(result.bytes, 12, 1e-9);
    assert_float_equal(result.busy, 20, 1e-9);
    assert_float_equal(result.bound[UWC_BOUND_CHAIN], 36, 1e-9);
    assert_int_equal(result.bottleneck, UWC_BOUND_CHAIN);
    result = on(&load, &prices, 1); /* no messages */
    assert_float_equal(result.seconds, 2 * (10 + 3), 1e-9);
    uwc_sched__sim_clear(&load);
}

/* Four workers send four results at once; each takes 3 s to publish. */
static void given_results_that_come_together_when_simulated_expect_them_one_after_the_other(void **state) {
    (void)state;
    const uwc_sim_prices prices = {.publish = 3};
    uwc_sim_load load = {0};
    for (int t = 0; t < 4; t++) {
        add(&load, (uwc_sim_task){.seconds.alone = 1});
    }
    uwc_sim_result result = on(&load, &prices, 5);
    assert_float_equal(result.seconds, 13, 1e-9);
    assert_float_equal(result.coordinator, 12, 1e-9);
    assert_int_equal(result.bottleneck, UWC_BOUND_COORDINATOR);
    uwc_sched__sim_clear(&load);
}

/* A chain of two: 16 s that are shared and 1 s that is not. Five workers form a team of four, which each member is sent to. */
static void given_a_team_when_simulated_expect_the_shared_part_divided(void **state) {
    (void)state;
    const uwc_sim_prices prices = {.message = 0.25};
    uwc_sim_load load = {0};
    for (int t = 0; t < 2; t++) {
        add(&load, (uwc_sim_task){.seconds = {.shared = 16, .alone = 1}, .most = 16});
    }
    expect_ok(uwc_sched__sim_depend(&load, 0));
    uwc_sim_result result = on(&load, &prices, 6);
    assert_float_equal(result.seconds, 5 * 0.25 + 2 * (4 * 0.25 + 5 + 0.25), 1e-9);
    assert_float_equal(result.busy, 2 * 4 * 5, 1e-9);
    assert_float_equal(result.bound[UWC_BOUND_CHAIN], 2 * (5 + 0.5), 1e-9);
    assert_float_equal(result.bound[UWC_BOUND_WORKERS], 2 * 17 / 5.0, 1e-9);
    assert_int_equal(result.bottleneck, UWC_BOUND_CHAIN);
    uwc_sched__sim_clear(&load);
}

static void given_ten_thousand_ranks_when_simulated_expect_no_search_through_them(void **state) {
    (void)state;
    enum { TASKS = 100000 };
    const uwc_sim_prices prices = {.message = 1e-5};
    uwc_sim_load load = {0};
    for (int t = 0; t < TASKS; t++) {
        add(&load, (uwc_sim_task){.seconds.alone = 1 + uwc_rng_uniform(4, 0, (uint64_t)t)});
        if (t % 10 > 0) {
            expect_ok(uwc_sched__sim_depend(&load, t - 1));
        }
    }
    double start = uwc_now();
    uwc_sim_result result = on(&load, &prices, 10000);
    assert_true(uwc_now() - start < 5); /* 0.2 s; a search takes minutes */
    for (int b = 0; b < UWC_BOUNDS; b++) {
        assert_true(result.seconds >= result.bound[b] - 1e-9);
    }
    uwc_sched__sim_clear(&load);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(given_independent_tasks_when_simulated_expect_the_longest_first),
        cmocka_unit_test(given_prices_when_simulated_expect_every_second_of_the_coordinator),
        cmocka_unit_test(given_results_that_come_together_when_simulated_expect_them_one_after_the_other),
        cmocka_unit_test(given_a_team_when_simulated_expect_the_shared_part_divided),
        cmocka_unit_test(given_ten_thousand_ranks_when_simulated_expect_no_search_through_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
