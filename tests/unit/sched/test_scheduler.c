/* The scheduler, step by step and at its full size. Random events: test_scheduler_events.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "scheduler.h"

static uwc_scheduler *make(int n_tasks, const double *work, int n_workers) {
    uwc_scheduler *scheduler;
    assert_int_equal(uwc_sched__scheduler_create(n_tasks, work, n_workers, &scheduler), UWC_OK);
    return scheduler;
}

static void depend(uwc_scheduler *scheduler, int task, int on) {
    assert_int_equal(uwc_sched__scheduler_depend(scheduler, task, on), UWC_OK);
}

static void expect_assign(uwc_scheduler *scheduler, int worker, int task) {
    uwc_action action = uwc_sched__scheduler_next(scheduler);
    assert_int_equal(action.kind, UWC_ACTION_ASSIGN);
    assert_int_equal(action.members, 1);
    assert_int_equal(action.worker[0], worker);
    assert_int_equal(action.task, task);
}

static void expect(uwc_scheduler *scheduler, uwc_action_kind kind) {
    assert_int_equal(uwc_sched__scheduler_next(scheduler).kind, kind);
}

static void given_independent_tasks_when_two_workers_expect_the_longest_first(void **state) {
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
    assert_int_equal(uwc_sched__scheduler_count(s, UWC_TASK_DONE), 3);
    uwc_sched__scheduler_destroy(&s);
}

static void given_a_long_chain_when_assigning_expect_it_before_a_bigger_single_task(void **state) {
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

static void given_tasks_of_an_earlier_session_when_started_expect_only_the_rest(void **state) {
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

static void given_a_task_that_fails_when_retried_expect_one_retry_and_skipped_dependents(void **state) {
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
    assert_int_equal(uwc_sched__scheduler_state(s, 0), UWC_TASK_FAILED);
    assert_int_equal(uwc_sched__scheduler_state(s, 1), UWC_TASK_SKIPPED);
    assert_int_equal(uwc_sched__scheduler_state(s, 2), UWC_TASK_SKIPPED);
    assert_int_equal(uwc_sched__scheduler_state(s, 3), UWC_TASK_DONE);
    uwc_sched__scheduler_destroy(&s);
}

static void given_a_lost_worker_when_it_comes_back_expect_its_result_to_count_once(void **state) {
    (void)state;
    uwc_scheduler *s = make(2, (double[]){2, 1}, 2);
    depend(s, 1, 0);
    uwc_sched__scheduler_hello(s, 0);
    expect_assign(s, 0, 0);
    assert_int_equal(uwc_sched__scheduler_task_of(s, 0), 0);
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

static void given_a_given_up_task_when_a_lost_worker_solves_it_expect_dependents_to_run(void **state) {
    (void)state;
    uwc_scheduler *s = make(3, (double[]){1, 1, 1}, 2);
    depend(s, 1, 0);
    depend(s, 2, 1);
    uwc_sched__scheduler_hello(s, 0);
    expect_assign(s, 0, 0);
    assert_false(uwc_sched__scheduler_lost(s, 0));
    uwc_sched__scheduler_hello(s, 1);
    for (int attempt = 0; attempt <= UWC_SCHEDULER_RETRIES; attempt++) {
        expect_assign(s, 1, 0);
        assert_int_equal(uwc_sched__scheduler_failed(s, 1, 0), attempt == UWC_SCHEDULER_RETRIES);
    }
    assert_int_equal(uwc_sched__scheduler_count(s, UWC_TASK_SKIPPED), 2);
    assert_true(uwc_sched__scheduler_solved(s, 0, 0));
    assert_int_equal(uwc_sched__scheduler_count(s, UWC_TASK_SKIPPED), 0);
    expect_assign(s, 0, 1);
    uwc_sched__scheduler_destroy(&s);
}

static void given_all_workers_lost_when_tasks_remain_expect_finish(void **state) {
    (void)state;
    uwc_scheduler *s = make(2, (double[]){1, 1}, 1);
    uwc_sched__scheduler_hello(s, 0);
    expect_assign(s, 0, 0);
    uwc_sched__scheduler_lost(s, 0);
    expect(s, UWC_ACTION_FINISH);
    assert_int_equal(uwc_sched__scheduler_count(s, UWC_TASK_WAITING), 2);
    uwc_sched__scheduler_destroy(&s);
}

static void given_a_stop_when_tasks_run_expect_to_wait_for_them_only(void **state) {
    (void)state;
    uwc_scheduler *s = make(3, (double[]){1, 1, 1}, 2);
    uwc_sched__scheduler_hello(s, 0);
    uwc_sched__scheduler_hello(s, 1);
    expect_assign(s, 0, 0);
    uwc_sched__scheduler_stop(s);
    expect(s, UWC_ACTION_WAIT);
    uwc_sched__scheduler_solved(s, 0, 0);
    expect(s, UWC_ACTION_FINISH);
    assert_int_equal(uwc_sched__scheduler_count(s, UWC_TASK_WAITING), 2);
    uwc_sched__scheduler_destroy(&s);
}

/* ---- teams -------------------------------------------------------------------------------------------------------------------------- */

static void hello(uwc_scheduler *scheduler, int first, int last) {
    for (int w = first; w <= last; w++) {
        uwc_sched__scheduler_hello(scheduler, w);
    }
}

static void expect_team(uwc_scheduler *scheduler, int task, int members, const int *worker) {
    uwc_action action = uwc_sched__scheduler_next(scheduler);
    assert_int_equal(action.kind, UWC_ACTION_ASSIGN);
    assert_int_equal(action.task, task);
    assert_int_equal(action.members, members);
    for (int m = 0; m < members; m++) {
        const int *team;
        assert_int_equal(action.worker[m], worker[m]);
        assert_int_equal(uwc_sched__scheduler_team_of(scheduler, worker[m], &team), members);
        assert_memory_equal(team, worker, (size_t)members * sizeof *worker);
        assert_int_equal(uwc_sched__scheduler_task_of(scheduler, worker[m]), task);
    }
}

static void given_idle_workers_when_tasks_are_fewer_expect_them_shared_in_powers_of_two(void **state) {
    (void)state;
    uwc_scheduler *s = make(3, (double[]){1, 3, 2}, 13);
    for (int t = 0; t < 3; t++) {
        uwc_sched__scheduler_team(s, t, 1, t == 2 ? 2 : 16);
    }
    hello(s, 0, 12);
    expect_team(s, 1, 4, (int[]){0, 1, 2, 3}); /* 13 / 3 */
    expect_team(s, 2, 2, (int[]){4, 5});       /* 9 / 2, but two at most */
    expect_team(s, 0, 4, (int[]){6, 7, 8, 9}); /* 7 / 1 */
    const int *team;
    assert_int_equal(uwc_sched__scheduler_team_of(s, 10, &team), 0);
    assert_null(team);
    assert_true(uwc_sched__scheduler_solved(s, 4, 2));
    assert_int_equal(uwc_sched__scheduler_worker(s, 5), UWC_WORKER_IDLE);
    assert_int_equal(uwc_sched__scheduler_worker(s, 6), UWC_WORKER_BUSY);
    assert_int_equal(uwc_sched__scheduler_task_of(s, 5), -1);
    uwc_sched__scheduler_destroy(&s);
}

static void given_a_task_for_four_when_two_are_idle_expect_the_next_task_and_then_four(void **state) {
    (void)state;
    uwc_scheduler *s = make(3, (double[]){9, 1, 1}, 4);
    uwc_sched__scheduler_team(s, 0, 4, 8);
    hello(s, 0, 1);
    expect_team(s, 1, 1, (int[]){0});
    expect_team(s, 2, 1, (int[]){1});
    hello(s, 2, 3);
    expect(s, UWC_ACTION_WAIT);
    uwc_sched__scheduler_solved(s, 0, 1);
    expect(s, UWC_ACTION_WAIT);
    uwc_sched__scheduler_solved(s, 1, 2);
    expect_team(s, 0, 4, (int[]){0, 1, 2, 3});
    uwc_sched__scheduler_destroy(&s);
}

static void given_a_task_for_four_when_three_are_left_expect_two_to_do(void **state) {
    (void)state;
    uwc_scheduler *s = make(1, (double[]){1}, 4);
    uwc_sched__scheduler_team(s, 0, 4, 4);
    hello(s, 0, 2);
    expect(s, UWC_ACTION_WAIT); /* for the fourth */
    assert_false(uwc_sched__scheduler_lost(s, 3));
    expect_team(s, 0, 2, (int[]){0, 1});
    uwc_sched__scheduler_destroy(&s);
}

static void given_a_team_when_a_member_is_lost_expect_the_others_free_and_the_task_again(void **state) {
    (void)state;
    uwc_scheduler *s = make(1, (double[]){1}, 4);
    uwc_sched__scheduler_team(s, 0, 1, 4);
    hello(s, 0, 3);
    expect_team(s, 0, 4, (int[]){0, 1, 2, 3});
    assert_false(uwc_sched__scheduler_lost(s, 1));
    assert_int_equal(uwc_sched__scheduler_task_of(s, 1), 0);
    assert_int_equal(uwc_sched__scheduler_task_of(s, 0), -1);
    assert_int_equal(uwc_sched__scheduler_state(s, 0), UWC_TASK_WAITING);
    expect_team(s, 0, 2, (int[]){0, 2});
    assert_false(uwc_sched__scheduler_failed(s, 1, 0)); /* of the first try: the second goes on */
    assert_int_equal(uwc_sched__scheduler_worker(s, 1), UWC_WORKER_IDLE);
    assert_int_equal(uwc_sched__scheduler_worker(s, 2), UWC_WORKER_BUSY);
    assert_false(uwc_sched__scheduler_failed(s, 2, 0)); /* any member reports a failure */
    assert_int_equal(uwc_sched__scheduler_worker(s, 0), UWC_WORKER_IDLE);
    expect_team(s, 0, 4, (int[]){0, 1, 2, 3});
    assert_true(uwc_sched__scheduler_failed(s, 3, 0));
    expect(s, UWC_ACTION_FINISH);
    uwc_sched__scheduler_destroy(&s);
}

static void given_workers_that_die_with_a_task_when_five_are_dead_expect_it_given_up(void **state) {
    (void)state;
    uwc_scheduler *s = make(2, (double[]){1, 1}, 6);
    depend(s, 1, 0);
    hello(s, 0, 5);
    for (int loss = 0; loss <= UWC_SCHEDULER_LOSSES; loss++) {
        expect_assign(s, loss, 0);
        assert_int_equal(uwc_sched__scheduler_lost(s, loss), loss == UWC_SCHEDULER_LOSSES);
    }
    assert_int_equal(uwc_sched__scheduler_state(s, 1), UWC_TASK_SKIPPED);
    expect(s, UWC_ACTION_FINISH);
    uwc_sched__scheduler_destroy(&s);
}

static void given_a_task_that_a_lost_worker_solves_when_others_have_it_expect_them_busy_until_they_report(void **state) {
    (void)state;
    uwc_scheduler *s = make(1, (double[]){1}, 3);
    uwc_sched__scheduler_team(s, 0, 1, 2);
    uwc_sched__scheduler_hello(s, 0);
    expect_assign(s, 0, 0);
    uwc_sched__scheduler_lost(s, 0);
    hello(s, 1, 2);
    expect_team(s, 0, 2, (int[]){1, 2});
    assert_true(uwc_sched__scheduler_solved(s, 0, 0));
    assert_int_equal(uwc_sched__scheduler_count(s, UWC_TASK_RUNNING), 0);
    assert_int_equal(uwc_sched__scheduler_worker(s, 2), UWC_WORKER_BUSY);
    uwc_sched__scheduler_hello(s, 2); /* changes nothing: it has a task */
    expect(s, UWC_ACTION_WAIT);
    assert_false(uwc_sched__scheduler_solved(s, 1, 0));
    expect(s, UWC_ACTION_FINISH);
    uwc_sched__scheduler_destroy(&s);
}

static void given_sisters_when_a_worker_is_free_expect_it_to_go_on_with_the_next_one(void **state) {
    (void)state;
    uwc_scheduler *s = make(6, (double[]){9, 5, 1, 9, 5, 1}, 2); /* two chains of three units */
    for (int t = 0; t < 3; t++) {
        uwc_sched__scheduler_sister(s, t, t + 3);
    }
    uwc_sched__scheduler_hello(s, 0);
    expect_assign(s, 0, 0);
    uwc_sched__scheduler_solved(s, 0, 0);
    expect_assign(s, 0, 3);
    uwc_sched__scheduler_solved(s, 0, 3);
    expect_assign(s, 0, 1); /* 3 has no sister */
    uwc_sched__scheduler_hello(s, 1);
    expect_assign(s, 1, 4); /* rather than idle, another takes it */
    uwc_sched__scheduler_solved(s, 0, 1);
    expect_assign(s, 0, 2); /* 4 is in work */
    uwc_sched__scheduler_solved(s, 1, 4);
    expect_assign(s, 1, 5);
    expect(s, UWC_ACTION_WAIT);
    uwc_sched__scheduler_solved(s, 0, 2);
    uwc_sched__scheduler_solved(s, 1, 5);
    expect(s, UWC_ACTION_FINISH);
    uwc_sched__scheduler_destroy(&s);
}

static void given_a_small_sister_when_larger_tasks_wait_expect_it_first(void **state) {
    (void)state;
    uwc_scheduler *s = make(4, (double[]){9, 5, 5, 1}, 1);
    uwc_sched__scheduler_sister(s, 0, 3);
    uwc_sched__scheduler_sister(s, 1, 2);
    uwc_sched__scheduler_team(s, 2, 2, 2);
    uwc_sched__scheduler_hello(s, 0);
    expect_assign(s, 0, 0);
    assert_false(uwc_sched__scheduler_failed(s, 0, 0));
    expect_assign(s, 0, 0); /* it is not done */
    uwc_sched__scheduler_solved(s, 0, 0);
    expect_assign(s, 0, 3);
    uwc_sched__scheduler_solved(s, 0, 3);
    expect_assign(s, 0, 1);
    uwc_sched__scheduler_stop(s);
    uwc_sched__scheduler_solved(s, 0, 1);
    expect(s, UWC_ACTION_FINISH);
    uwc_sched__scheduler_destroy(&s);
}

/* ---- size --------------------------------------------------------------------------------------------------------------------------- */

enum { BIG_TASKS = 100000, BIG_WORKERS = 1000, BIG_CHAIN = 50 };

/* Solves everything, the workers in the order in which they began; a worker that has begun is put at the end of the line. */
static int run_big(uwc_scheduler *s, int *line) {
    int64_t from = 0, to = 0;
    uwc_action action;
    while ((action = uwc_sched__scheduler_next(s)).kind != UWC_ACTION_FINISH) {
        if (action.kind == UWC_ACTION_ASSIGN) {
            line[to++] = action.worker[0];
        } else {
            assert_true(from < to);
            int lead = line[from++];
            assert_true(uwc_sched__scheduler_solved(s, lead, uwc_sched__scheduler_task_of(s, lead)));
        }
    }
    return (int)to;
}

/* It takes 0.03 s; a search through all tasks for each event takes minutes. */
static void given_many_tasks_and_workers_when_run_expect_no_search_through_them(void **state) {
    (void)state;
    double *work;
    int *line;
    assert_int_equal(uwc_calloc(BIG_TASKS, sizeof *work, &work), UWC_OK);
    assert_int_equal(uwc_calloc(BIG_TASKS, sizeof *line, &line), UWC_OK);
    for (int t = 0; t < BIG_TASKS; t++) {
        work[t] = uwc_rng_uniform(3, 0, (uint64_t)t);
    }
    double begin = uwc_now();
    uwc_scheduler *s = make(BIG_TASKS, work, BIG_WORKERS);
    for (int t = 0; t < BIG_TASKS; t++) {
        uwc_sched__scheduler_team(s, t, 1, 1 << t % 5);
        if (t % BIG_CHAIN > 0) {
            depend(s, t, t - 1);
        }
    }
    hello(s, 0, BIG_WORKERS - 1);
    assert_int_equal(run_big(s, line), BIG_TASKS);
    assert_int_equal(uwc_sched__scheduler_count(s, UWC_TASK_DONE), BIG_TASKS);
    assert_true(uwc_now() - begin < 2);
    uwc_sched__scheduler_destroy(&s);
    uwc_free(&work);
    uwc_free(&line);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(given_independent_tasks_when_two_workers_expect_the_longest_first),
        cmocka_unit_test(given_sisters_when_a_worker_is_free_expect_it_to_go_on_with_the_next_one),
        cmocka_unit_test(given_a_small_sister_when_larger_tasks_wait_expect_it_first),
        cmocka_unit_test(given_a_long_chain_when_assigning_expect_it_before_a_bigger_single_task),
        cmocka_unit_test(given_a_chain_when_solving_expect_its_order_and_idle_workers),
        cmocka_unit_test(given_tasks_of_an_earlier_session_when_started_expect_only_the_rest),
        cmocka_unit_test(given_a_task_that_fails_when_retried_expect_one_retry_and_skipped_dependents),
        cmocka_unit_test(given_a_lost_worker_when_it_comes_back_expect_its_result_to_count_once),
        cmocka_unit_test(given_a_given_up_task_when_a_lost_worker_solves_it_expect_dependents_to_run),
        cmocka_unit_test(given_all_workers_lost_when_tasks_remain_expect_finish),
        cmocka_unit_test(given_a_stop_when_tasks_run_expect_to_wait_for_them_only),
        cmocka_unit_test(given_idle_workers_when_tasks_are_fewer_expect_them_shared_in_powers_of_two),
        cmocka_unit_test(given_a_task_for_four_when_two_are_idle_expect_the_next_task_and_then_four),
        cmocka_unit_test(given_a_task_for_four_when_three_are_left_expect_two_to_do),
        cmocka_unit_test(given_a_team_when_a_member_is_lost_expect_the_others_free_and_the_task_again),
        cmocka_unit_test(given_workers_that_die_with_a_task_when_five_are_dead_expect_it_given_up),
        cmocka_unit_test(given_a_task_that_a_lost_worker_solves_when_others_have_it_expect_them_busy_until_they_report),
        cmocka_unit_test(given_many_tasks_and_workers_when_run_expect_no_search_through_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
