/* The scheduler, alone and with simulated workers that have delays, fail, or fall silent. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "scheduler.h"

static uwc_scheduler *make(int n_units, const double *work, int n_workers) {
    uwc_scheduler *scheduler;
    assert_int_equal(uwc_sched__scheduler_create(n_units, work, n_workers, &scheduler), UWC_OK);
    return scheduler;
}

static void depend(uwc_scheduler *scheduler, int unit, int on) {
    assert_int_equal(uwc_sched__scheduler_depend(scheduler, unit, on), UWC_OK);
}

static void expect_assign(uwc_scheduler *scheduler, int worker, int unit) {
    uwc_action action = uwc_sched__scheduler_next(scheduler);
    assert_int_equal(action.kind, UWC_ACTION_ASSIGN);
    assert_int_equal(action.worker, worker);
    assert_int_equal(action.unit, unit);
}

static void expect(uwc_scheduler *scheduler, uwc_action_kind kind) {
    assert_int_equal(uwc_sched__scheduler_next(scheduler).kind, kind);
}

static void given_independent_units_when_two_workers_expect_the_longest_first(void **state) {
    (void)state;
    uwc_scheduler *s = make(3, (double[]){1, 5, 3}, 2);
    expect(s, UWC_ACTION_WAIT); /* nobody has come yet */
    uwc_sched__scheduler_hello(s, 1);
    expect_assign(s, 1, 1);
    uwc_sched__scheduler_hello(s, 0);
    expect_assign(s, 0, 2);
    expect(s, UWC_ACTION_WAIT);
    assert_true(uwc_sched__scheduler_solved(s, 0, 2));
    expect_assign(s, 0, 0);
    assert_true(uwc_sched__scheduler_solved(s, 0, 0));
    expect(s, UWC_ACTION_WAIT);
    assert_true(uwc_sched__scheduler_solved(s, 1, 1));
    expect(s, UWC_ACTION_FINISH);
    assert_int_equal(uwc_sched__scheduler_count(s, UWC_UNIT_DONE), 3);
    uwc_sched__scheduler_destroy(&s);
}

static void given_a_long_chain_when_assigning_expect_it_before_a_bigger_single_unit(void **state) {
    (void)state;
    uwc_scheduler *s = make(4, (double[]){2, 2, 2, 5}, 1); /* 0 -> 1 -> 2 is 6 long, 3 is 5 */
    depend(s, 1, 0);
    depend(s, 2, 1);
    uwc_sched__scheduler_hello(s, 0);
    expect_assign(s, 0, 0);
    uwc_sched__scheduler_solved(s, 0, 0);
    expect_assign(s, 0, 3);
    uwc_sched__scheduler_destroy(&s);
}

static void given_a_chain_when_solving_expect_its_order_and_idle_workers(void **state) {
    (void)state;
    uwc_scheduler *s = make(3, (double[]){1, 9, 1}, 2);
    depend(s, 1, 0);
    depend(s, 2, 1);
    uwc_sched__scheduler_hello(s, 0);
    uwc_sched__scheduler_hello(s, 1);
    for (int u = 0; u < 3; u++) {
        expect_assign(s, 0, u);
        expect(s, UWC_ACTION_WAIT);
        assert_int_equal(uwc_sched__scheduler_worker(s, 1), UWC_WORKER_IDLE);
        uwc_sched__scheduler_solved(s, 0, u);
    }
    expect(s, UWC_ACTION_FINISH);
    uwc_sched__scheduler_destroy(&s);
}

static void given_units_of_an_earlier_session_when_started_expect_only_the_rest(void **state) {
    (void)state;
    uwc_scheduler *s = make(3, (double[]){1, 1, 1}, 1);
    depend(s, 1, 0);
    depend(s, 2, 1);
    uwc_sched__scheduler_preset(s, 0);
    uwc_sched__scheduler_preset(s, 1);
    uwc_sched__scheduler_hello(s, 0);
    expect_assign(s, 0, 2);
    uwc_sched__scheduler_destroy(&s);
    s = make(1, (double[]){1}, 1);
    uwc_sched__scheduler_preset(s, 0);
    expect(s, UWC_ACTION_FINISH);
    uwc_sched__scheduler_destroy(&s);
}

static void given_a_unit_that_fails_when_retried_expect_two_retries_and_skipped_dependents(void **state) {
    (void)state;
    uwc_scheduler *s = make(4, (double[]){9, 9, 9, 1}, 1);
    depend(s, 1, 0);
    depend(s, 2, 1);
    uwc_sched__scheduler_hello(s, 0);
    for (int attempt = 0; attempt <= UWC_SCHEDULER_RETRIES; attempt++) {
        expect_assign(s, 0, 0);
        assert_int_equal(uwc_sched__scheduler_failed(s, 0, 0), attempt == UWC_SCHEDULER_RETRIES);
    }
    expect_assign(s, 0, 3);
    uwc_sched__scheduler_solved(s, 0, 3);
    expect(s, UWC_ACTION_FINISH);
    assert_int_equal(uwc_sched__scheduler_state(s, 0), UWC_UNIT_FAILED);
    assert_int_equal(uwc_sched__scheduler_state(s, 1), UWC_UNIT_SKIPPED);
    assert_int_equal(uwc_sched__scheduler_state(s, 2), UWC_UNIT_SKIPPED);
    assert_int_equal(uwc_sched__scheduler_state(s, 3), UWC_UNIT_DONE);
    uwc_sched__scheduler_destroy(&s);
}

static void given_a_lost_worker_when_it_comes_back_expect_its_result_to_count_once(void **state) {
    (void)state;
    uwc_scheduler *s = make(2, (double[]){2, 1}, 2);
    depend(s, 1, 0);
    uwc_sched__scheduler_hello(s, 0);
    expect_assign(s, 0, 0);
    assert_int_equal(uwc_sched__scheduler_unit_of(s, 0), 0);
    assert_false(uwc_sched__scheduler_lost(s, 0));
    uwc_sched__scheduler_hello(s, 1);
    expect_assign(s, 1, 0);
    assert_true(uwc_sched__scheduler_solved(s, 0, 0)); /* the lost one was first after all */
    expect_assign(s, 0, 1);
    assert_false(uwc_sched__scheduler_solved(s, 1, 0));
    expect(s, UWC_ACTION_WAIT);
    assert_true(uwc_sched__scheduler_solved(s, 0, 1));
    expect(s, UWC_ACTION_FINISH);
    uwc_sched__scheduler_destroy(&s);
}

static void given_a_given_up_unit_when_a_lost_worker_solves_it_expect_dependents_to_run(void **state) {
    (void)state;
    uwc_scheduler *s = make(3, (double[]){1, 1, 1}, 2);
    depend(s, 1, 0);
    depend(s, 2, 1);
    uwc_sched__scheduler_hello(s, 0);
    expect_assign(s, 0, 0);
    assert_false(uwc_sched__scheduler_lost(s, 0));
    uwc_sched__scheduler_hello(s, 1);
    for (int attempt = 1; attempt <= UWC_SCHEDULER_RETRIES; attempt++) {
        expect_assign(s, 1, 0);
        assert_int_equal(uwc_sched__scheduler_failed(s, 1, 0), attempt == UWC_SCHEDULER_RETRIES);
    }
    assert_int_equal(uwc_sched__scheduler_count(s, UWC_UNIT_SKIPPED), 2);
    assert_true(uwc_sched__scheduler_solved(s, 0, 0));
    assert_int_equal(uwc_sched__scheduler_count(s, UWC_UNIT_SKIPPED), 0);
    expect_assign(s, 0, 1);
    uwc_sched__scheduler_destroy(&s);
}

static void given_all_workers_lost_when_units_remain_expect_finish(void **state) {
    (void)state;
    uwc_scheduler *s = make(2, (double[]){1, 1}, 1);
    uwc_sched__scheduler_hello(s, 0);
    expect_assign(s, 0, 0);
    uwc_sched__scheduler_lost(s, 0);
    expect(s, UWC_ACTION_FINISH);
    assert_int_equal(uwc_sched__scheduler_count(s, UWC_UNIT_WAITING), 2);
    uwc_sched__scheduler_destroy(&s);
}

static void given_a_stop_when_units_run_expect_to_wait_for_them_only(void **state) {
    (void)state;
    uwc_scheduler *s = make(3, (double[]){1, 1, 1}, 2);
    uwc_sched__scheduler_hello(s, 0);
    uwc_sched__scheduler_hello(s, 1);
    expect_assign(s, 0, 0);
    uwc_sched__scheduler_stop(s);
    expect(s, UWC_ACTION_WAIT);
    uwc_sched__scheduler_solved(s, 0, 0);
    expect(s, UWC_ACTION_FINISH);
    assert_int_equal(uwc_sched__scheduler_count(s, UWC_UNIT_WAITING), 2);
    uwc_sched__scheduler_destroy(&s);
}

/* ---- simulation: a clock, workers with delays, and a dummy solver that fails or falls silent by chance ------------------------- */

enum { UNITS = 24, WORKERS = 5 };

typedef struct world {
    uint64_t seed;
    double fail, silent; /* probabilities */
    double now;
    double until[WORKERS]; /* when the worker reports */
    bool dead[WORKERS];
    uint64_t draws;
    int began[UNITS], news[UNITS];
} world;

static double chance(world *w) {
    return uwc_rng_uniform(w->seed, 99, w->draws++);
}

static void begin(world *w, uwc_scheduler *s, uwc_action action, bool need[UNITS][UNITS]) {
    for (int on = 0; on < action.unit; on++) {
        assert_true(!need[action.unit][on] || uwc_sched__scheduler_state(s, on) == UWC_UNIT_DONE);
    }
    w->began[action.unit]++;
    w->until[action.worker] = w->now + 1 + 9 * chance(w);
    w->dead[action.worker] = chance(w) < w->silent;
}

/* The next report, or after 20 s of silence the loss of a worker. */
static void pass_time(world *w, uwc_scheduler *s) {
    int first = -1;
    double when = 1e300;
    for (int k = 0; k < WORKERS; k++) {
        double at = w->dead[k] ? w->until[k] + 20 : w->until[k];
        if (uwc_sched__scheduler_worker(s, k) == UWC_WORKER_BUSY && at < when) {
            first = k;
            when = at;
        }
    }
    assert_true(first >= 0);
    w->now = when;
    int unit = uwc_sched__scheduler_unit_of(s, first);
    if (w->dead[first]) {
        uwc_sched__scheduler_lost(s, first);
    } else if (chance(w) < w->fail) {
        uwc_sched__scheduler_failed(s, first, unit);
    } else {
        w->news[unit] += uwc_sched__scheduler_solved(s, first, unit);
    }
}

static void simulate(world *w) {
    bool need[UNITS][UNITS] = {{false}};
    double work[UNITS];
    for (int u = 0; u < UNITS; u++) {
        work[u] = 1 + 9 * chance(w);
    }
    uwc_scheduler *s = make(UNITS, work, WORKERS);
    for (int u = 1; u < UNITS; u++) {
        for (int on = 0; on < u; on++) {
            need[u][on] = chance(w) < 0.1;
            if (need[u][on]) {
                depend(s, u, on);
            }
        }
    }
    for (int k = 0; k < WORKERS; k++) {
        uwc_sched__scheduler_hello(s, k);
    }
    uwc_action action;
    while ((action = uwc_sched__scheduler_next(s)).kind != UWC_ACTION_FINISH) {
        if (action.kind == UWC_ACTION_ASSIGN) {
            begin(w, s, action, need);
        } else {
            pass_time(w, s);
        }
    }
    int lost = 0;
    for (int k = 0; k < WORKERS; k++) {
        lost += uwc_sched__scheduler_worker(s, k) == UWC_WORKER_LOST;
    }
    assert_int_equal(uwc_sched__scheduler_count(s, UWC_UNIT_RUNNING), 0);
    assert_true(uwc_sched__scheduler_count(s, UWC_UNIT_WAITING) == 0 || lost == WORKERS);
    for (int u = 0; u < UNITS; u++) {
        assert_int_equal(w->news[u], uwc_sched__scheduler_state(s, u) == UWC_UNIT_DONE);
        assert_in_range(w->began[u], 0, 1 + UWC_SCHEDULER_RETRIES);
        bool behind_failed = false;
        for (int on = 0; on < u; on++) {
            uwc_unit_state before = uwc_sched__scheduler_state(s, on);
            behind_failed = behind_failed || (need[u][on] && (before == UWC_UNIT_FAILED || before == UWC_UNIT_SKIPPED));
        }
        assert_int_equal(uwc_sched__scheduler_state(s, u) == UWC_UNIT_SKIPPED, behind_failed);
    }
    if (w->fail == 0 && w->silent == 0) {
        assert_int_equal(uwc_sched__scheduler_count(s, UWC_UNIT_DONE), UNITS);
    }
    uwc_sched__scheduler_destroy(&s);
}

static void given_simulated_workers_when_run_expect_every_invariant(void **state) {
    (void)state;
    for (uint64_t seed = 0; seed < 300; seed++) {
        world w = {.seed = seed, .fail = seed % 3 == 0 ? 0 : 0.4, .silent = seed % 5 == 0 ? 0.05 : 0};
        simulate(&w);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(given_independent_units_when_two_workers_expect_the_longest_first),
        cmocka_unit_test(given_a_long_chain_when_assigning_expect_it_before_a_bigger_single_unit),
        cmocka_unit_test(given_a_chain_when_solving_expect_its_order_and_idle_workers),
        cmocka_unit_test(given_units_of_an_earlier_session_when_started_expect_only_the_rest),
        cmocka_unit_test(given_a_unit_that_fails_when_retried_expect_two_retries_and_skipped_dependents),
        cmocka_unit_test(given_a_lost_worker_when_it_comes_back_expect_its_result_to_count_once),
        cmocka_unit_test(given_a_given_up_unit_when_a_lost_worker_solves_it_expect_dependents_to_run),
        cmocka_unit_test(given_all_workers_lost_when_units_remain_expect_finish),
        cmocka_unit_test(given_a_stop_when_units_run_expect_to_wait_for_them_only),
        cmocka_unit_test(given_simulated_workers_when_run_expect_every_invariant),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
