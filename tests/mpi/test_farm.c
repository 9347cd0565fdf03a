/* The farm with tasks that are none: who does what, and what becomes of it when ranks fail or play dead. A rank that plays dead stops
 * looking at messages in the middle of a task, until rank 0 wakes it on a way of its own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "par_mpi.h"
#include "sched_impl.h"

#include <string.h>
#include <time.h>

enum { TASKS = 200, WAKE = UWC_PAR_TAG_SWAP + UWC_PAR_SWAPS };
#define SHORT 1.5 /* seconds: a patience that tests wait for */
#define LONG 20.0 /* seconds: for what comes at once, on a machine with other work */

static uwc_comm *comm; /* one per process: MPI starts once */

/* A farm under test. */
typedef struct field {
    int n_tasks;
    uwc_status (*work)(struct field *field, uwc_hand *hand, const uwc_assignment *a); /* NULL: nothing to do */
    double limit;
    bool works;
    int performed;  /* on this rank */
    int sleeper;    /* rank that plays dead in its first task, 0: none */
    bool insists;   /* the sleeper reports its result when it wakes, unless the first message says otherwise */
    bool all_sleep; /* all ranks but 0 are sleepers */
    bool woken;
    /* Rank 0. */
    uwc_scheduler *scheduler;
    int solved[TASKS], given_up[TASKS], members[TASKS];
    int order[TASKS], n_solved, n_given_up;
} field;

static void nap(double seconds) {
    nanosleep(&(struct timespec){.tv_sec = (time_t)seconds, .tv_nsec = (long)(1e9 * (seconds - (double)(time_t)seconds))}, NULL);
}

/* ---- playing dead -------------------------------------------------------------------------------------------------------------- */

static void wake(int rank) {
    assert_int_equal(MPI_Send("", 1, MPI_BYTE, rank, WAKE, comm->world), MPI_SUCCESS);
}

/* Looks at no frame meanwhile. */
static void play_dead(void) {
    char byte;
    MPI_Request request;
    assert_int_equal(MPI_Irecv(&byte, 1, MPI_BYTE, 0, WAKE, comm->world, &request), MPI_SUCCESS);
    assert_int_equal(uwc_par__wait(&request, "wake"), UWC_OK);
}

/* ---- tasks --------------------------------------------------------------------------------------------------------------------- */

/* Every seventh result is longer than what travels with a header. */
static size_t bytes_of(int task) {
    return task % 7 == 0 ? 5000 + (size_t)task : 1 + (size_t)task;
}

static char byte_of(int task, size_t i) {
    return (char)uwc_rng_u32(17, (uint64_t)task, i);
}

/* Wakes when others have the task, and finds that out behind the pulses of the meantime. */
static uwc_status sleep_in(const field *f, uwc_hand *hand) {
    play_dead();
    while (!f->insists) {
        const uwc_status st = uwc_sched__hand_poll(hand);
        if (st != UWC_OK) { /* and whoever asks again hears the same */
            assert_int_equal(uwc_sched__hand_poll(hand), st);
            return st;
        }
        nap(0.001);
    }
    return UWC_OK;
}

static uwc_status perform(uwc_hand *hand, const uwc_assignment *a, uwc_outcome *out) {
    field *f = hand->self;
    f->performed++;
    if (f->all_sleep && uwc_comm_rank(comm) == 0) { /* works only while it is alone */
        assert_int_equal(uwc_comm_lost(comm), uwc_comm_size(comm) - 1);
        assert_int_equal(a->members, 1);
    }
    if (f->sleeper == uwc_comm_rank(comm) && f->sleeper > 0 && f->performed == 1) {
        UWC_TRY(sleep_in(f, hand));
    }
    UWC_TRY(uwc_sched__hand_poll(hand));
    UWC_TRY(f->work != NULL ? f->work(f, hand, a) : UWC_OK);
    if (a->member > 0) {
        return UWC_OK;
    }
    out->bytes = bytes_of(a->task);
    out->seconds = 0.25;
    UWC_TRY(uwc_calloc((int64_t)out->bytes, 1, &out->image));
    for (size_t i = 0; i < out->bytes; i++) {
        out->image[i] = byte_of(a->task, i);
    }
    return UWC_OK;
}

/* ---- rank 0's part ------------------------------------------------------------------------------------------------------------- */

static const char *name_of(void *self, int task) {
    (void)self;
    (void)task;
    return "a task";
}

static double limit_of(void *self, int task) {
    (void)task;
    return ((field *)self)->limit;
}

static void wake_the_lost(field *f) {
    if (f->all_sleep && !f->woken && uwc_comm_lost(comm) == uwc_comm_size(comm) - 1) {
        f->woken = true;
        for (int r = 1; r < uwc_comm_size(comm); r++) {
            wake(r);
        }
    }
    if (f->sleeper > 0 && !f->woken && uwc_comm_is_lost(comm, f->sleeper)) {
        f->woken = true;
        wake(f->sleeper);
    }
}

static uwc_status solved(void *self, int task, const uwc_outcome *outcome) {
    field *f = self;
    f->solved[task]++;
    f->order[f->n_solved++] = task;
    f->members[task] = outcome->members;
    assert_int_equal(outcome->bytes, bytes_of(task));
    assert_true(outcome->seconds == 0.25);
    for (size_t i = 0; i < outcome->bytes; i++) {
        assert_int_equal(outcome->image[i], byte_of(task, i));
    }
    wake_the_lost(f);
    return UWC_OK;
}

static uwc_status given_up(void *self, int task, const uwc_error *error) {
    field *f = self;
    f->given_up[task]++;
    f->n_given_up++;
    assert_string_equal(error->text, "as it should");
    return UWC_OK;
}

/* ---- a farm, and what is left of it -------------------------------------------------------------------------------------------- */

/* Rank 0, before the farm. */
static void plan(field *f) {
    double work[TASKS];
    for (int t = 0; t < TASKS; t++) {
        work[t] = 1;
    }
    assert_int_equal(uwc_sched__scheduler_create(f->n_tasks, work, uwc_comm_size(comm), &f->scheduler), UWC_OK);
}

static void depend(field *f, int task, int on) {
    assert_int_equal(uwc_sched__scheduler_depend(f->scheduler, task, on), UWC_OK);
}

static uwc_status run(field *f, double patience) {
    uwc_comm_set_patience(comm, patience);
    uwc_hand hand = {.comm = comm, .self = f, .perform = perform};
    if (uwc_comm_rank(comm) != 0) {
        return uwc_sched__serve(&hand);
    }
    uwc_farm farm = {.hand = hand,
                     .scheduler = f->scheduler,
                     .name = name_of,
                     .limit = limit_of,
                     .solved = solved,
                     .given_up = given_up,
                     .n_tasks = f->n_tasks,
                     .works = f->works};
    uwc_status st = uwc_sched__lead(&farm);
    assert_true(farm.peak > 0);
    return st;
}

/* Frames that nobody has taken are not the next test's, and nobody is lost in it. */
static void clear(field *f) {
    uwc_frame frame;
    bool got = true;
    uwc_sched__scheduler_destroy(&f->scheduler);
    assert_int_equal(uwc_comm_barrier(comm), UWC_OK);
    while (got) {
        assert_int_equal(uwc_comm_receive(comm, -1, 0.05, &frame, &got), UWC_OK);
        uwc_frame_clear(&frame);
    }
    for (int r = 0; r < uwc_comm_size(comm); r++) {
        uwc_comm_find(comm, r);
    }
    assert_int_equal(uwc_comm_barrier(comm), UWC_OK);
}

static void expect_each_once(const field *f) {
    assert_int_equal(f->n_solved, f->n_tasks);
    assert_int_equal(f->n_given_up, 0);
    for (int t = 0; t < f->n_tasks; t++) {
        assert_int_equal(f->solved[t], 1);
    }
}

static bool leads(void) {
    return uwc_comm_rank(comm) == 0;
}

/* ---- all is well --------------------------------------------------------------------------------------------------------------- */

static void given_tasks_that_depend_when_all_is_well_expect_each_once_behind_what_it_needs(void **state) {
    (void)state;
    for (int works = 0; works < 2; works++) {
        field f = {.n_tasks = TASKS, .limit = LONG, .works = works};
        if (leads()) {
            plan(&f);
            for (int t = 3; t < TASKS; t++) {
                depend(&f, t, t / 2);
                depend(&f, t, t - 3);
            }
        }
        assert_int_equal(run(&f, LONG), UWC_OK);
        if (leads()) {
            expect_each_once(&f);
            int place[TASKS];
            for (int i = 0; i < TASKS; i++) {
                place[f.order[i]] = i;
            }
            for (int t = 3; t < TASKS; t++) {
                assert_true(place[t / 2] < place[t] && place[t - 3] < place[t]);
            }
            assert_true(f.performed == (uwc_comm_size(comm) == 1 ? TASKS : works ? f.performed : 0));
        }
        clear(&f);
    }
}

/* ---- failures ------------------------------------------------------------------------------------------------------------------ */

/* In a chain the first six rounds go to tasks 0..3 (task 3 twice), 4 and 5; task 6 fails in all rounds. */
static uwc_status fail_now_and_then(field *f, uwc_hand *hand, const uwc_assignment *a) {
    (void)f;
    (void)hand;
    bool fails = (a->task == 3 && a->round == 4) || a->task == 6;
    return fails ? uwc_error_set(UWC_E_MATH, "as it should") : UWC_OK;
}

static void given_a_chain_when_tasks_fail_expect_a_second_try_and_no_third(void **state) {
    (void)state;
    field f = {.n_tasks = 9, .limit = LONG, .work = fail_now_and_then};
    if (leads()) {
        plan(&f);
        for (int t = 1; t < f.n_tasks; t++) {
            depend(&f, t, t - 1);
        }
    }
    assert_int_equal(run(&f, LONG), UWC_OK);
    if (leads()) {
        assert_int_equal(f.n_solved, 6);
        for (int t = 0; t < f.n_tasks; t++) {
            assert_int_equal(f.solved[t], t < 6);
            assert_int_equal(f.given_up[t], t == 6);
            assert_int_equal(uwc_sched__scheduler_state(f.scheduler, t), t < 6    ? UWC_TASK_DONE
                                                                         : t == 6 ? UWC_TASK_FAILED
                                                                                  : UWC_TASK_SKIPPED);
        }
    }
    clear(&f);
}

/* The others are at work for as long as it takes. */
static uwc_status break_down(field *f, uwc_hand *hand, const uwc_assignment *a) {
    (void)f;
    if (a->task == 0) {
        return uwc_error_set(UWC_E_IO, "the disk is gone");
    }
    for (;;) {
        UWC_TRY(uwc_sched__hand_poll(hand));
        nap(0.001);
    }
}

static void given_a_fatal_failure_expect_the_end_for_all(void **state) {
    (void)state;
    field f = {.n_tasks = 20, .limit = LONG, .work = break_down};
    if (leads()) {
        plan(&f);
    }
    uwc_status st = run(&f, LONG);
    if (leads()) {
        assert_int_equal(st, UWC_E_IO);
        assert_string_equal(uwc_error_last()->text, "the disk is gone");
        assert_int_equal(f.n_solved, 0);
        assert_int_equal(uwc_comm_lost(comm), 0); /* all have said BYE */
    } else {
        assert_int_equal(st, UWC_OK);
        assert_true(f.performed <= 1);
    }
    clear(&f);
}

/* ---- teams --------------------------------------------------------------------------------------------------------------------- */

/* The members show each other whom they see in the team. */
static uwc_status swap_teams(field *f, uwc_hand *hand, const uwc_assignment *a) {
    (void)f;
    if (a->members == 1) {
        return UWC_OK;
    }
    assert_int_equal(a->members, 2);
    assert_int_equal(a->team.rank[a->member], uwc_comm_rank(comm));
    assert_true(a->team.rank[0] < a->team.rank[1] && a->team.limit > 0);
    const double mine[] = {a->task, (double)a->round, a->team.rank[0], a->team.rank[1], a->member};
    double theirs[5];
    UWC_TRY(uwc_comm_swap(comm, a->team.rank[1 - a->member], (int)a->round, mine, theirs, 5, uwc_sched__hand_poll, hand));
    assert_memory_equal(mine, theirs, 4 * sizeof mine[0]);
    assert_true(theirs[4] == 1 - a->member);
    for (int look = 0; look < 5 && a->member == 1; look++) { /* meanwhile the other one reports, and the next task comes */
        UWC_TRY(uwc_sched__hand_poll(hand));
        nap(0.001);
    }
    return UWC_OK;
}

static void given_teams_of_two_expect_both_to_see_the_same(void **state) {
    (void)state;
    field f = {.n_tasks = 60, .limit = LONG, .work = swap_teams};
    if (leads()) {
        plan(&f);
        for (int t = 0; t < f.n_tasks; t++) {
            uwc_sched__scheduler_team(f.scheduler, t, 2, 2);
        }
    }
    assert_int_equal(run(&f, LONG), UWC_OK);
    if (leads()) {
        expect_each_once(&f);
        for (int t = 0; t < f.n_tasks && uwc_comm_size(comm) > 1; t++) {
            assert_int_equal(f.members[t], uwc_comm_size(comm) > 2 ? 2 : 1);
        }
    }
    clear(&f);
}

/* Five pulses long; the first member has reported before the others have looked up. */
static uwc_status work_long(field *f, uwc_hand *hand, const uwc_assignment *a) {
    UWC_TRY(swap_teams(f, hand, a));
    for (double end = uwc_now() + 5 * SHORT; uwc_now() < end; nap(0.01)) {
        UWC_TRY(uwc_sched__hand_poll(hand));
    }
    nap(a->member > 0 ? SHORT / 3 : 0);
    return UWC_OK;
}

static void given_a_team_that_works_for_long_expect_none_of_it_lost(void **state) {
    (void)state;
    field f = {.n_tasks = 1, .limit = LONG, .work = work_long};
    if (uwc_comm_size(comm) < 3) { /* no team without rank 0 */
        return;
    }
    if (leads()) {
        plan(&f);
        uwc_sched__scheduler_team(f.scheduler, 0, 2, 2);
    }
    assert_int_equal(run(&f, SHORT), UWC_OK);
    if (leads()) {
        expect_each_once(&f);
        assert_int_equal(uwc_comm_lost(comm), 0);
    }
    clear(&f);
}

/* ---- ranks that play dead ------------------------------------------------------------------------------------------------------ */

/* All tasks together take about two seconds of those who are there. */
static uwc_status take_time(field *f, uwc_hand *hand, const uwc_assignment *a) {
    UWC_TRY(swap_teams(f, hand, a));
    nap(0.01 * (uwc_comm_size(comm) - 2));
    return uwc_sched__hand_poll(hand);
}

static uwc_status take_turns(field *f, uwc_hand *hand, const uwc_assignment *a) {
    UWC_TRY(swap_teams(f, hand, a));
    nap(0.01);
    return uwc_sched__hand_poll(hand);
}

/* The last rank plays dead in its first task, and comes back when rank 0 has lost it. */
static void expect_the_sleeper_found(field *f, int team) {
    const int last = uwc_comm_size(comm) - 1;
    if (last < 2) {
        return;
    }
    f->n_tasks = TASKS;
    f->limit = 0.5;
    f->sleeper = last;
    f->work = take_time;
    if (leads()) {
        plan(f);
        for (int t = 0; t < TASKS; t++) {
            uwc_sched__scheduler_team(f->scheduler, t, 1, team);
        }
    }
    uwc_status st = run(f, 2);
    if (leads()) {
        expect_each_once(f);
        assert_true(f->woken);
    }
    assert_int_equal(st, UWC_OK);
    assert_true(leads() || f->performed > 1);
    clear(f);
}

static void given_a_rank_that_sleeps_in_a_task_expect_others_to_do_it_and_the_rank_to_be_found(void **state) {
    (void)state;
    field f = {0};
    expect_the_sleeper_found(&f, 1);
}

static void given_a_late_result_expect_the_task_to_count_once(void **state) {
    (void)state;
    field f = {.insists = true};
    expect_the_sleeper_found(&f, 1);
}

/* Members that wait for it give up when rank 0 says so, and are found as well. */
static void given_a_member_that_sleeps_expect_other_teams_to_do_its_task(void **state) {
    (void)state;
    field f = {0};
    expect_the_sleeper_found(&f, 2);
}

/* Rank 0 alone is awake; the others come back when all is over, and find nobody to serve. */
static void given_all_others_asleep_expect_rank_0_to_do_the_rest(void **state) {
    (void)state;
    const int rank = uwc_comm_rank(comm);
    field f = {.n_tasks = 20, .limit = 0.3, .sleeper = rank};
    if (leads()) {
        plan(&f);
    }
    uwc_status st = run(&f, 0.2);
    if (leads()) {
        assert_int_equal(st, UWC_OK);
        expect_each_once(&f);
        assert_int_equal(f.performed, f.n_tasks);
        assert_int_equal(uwc_comm_lost(comm), uwc_comm_size(comm) - 1);
        for (int r = 1; r < uwc_comm_size(comm); r++) {
            wake(r);
        }
    } else {
        assert_int_equal(st, UWC_E_COMM);
        assert_string_equal(uwc_error_last()->text, "the coordinator is silent for 2 s");
        assert_int_equal(f.performed, 1);
    }
    clear(&f);
}

/* While rank 0 is alone it works, all alone; later it does not, so it is in no team that it would have to lead beside all else. */
static void given_ranks_that_come_back_to_a_rank_0_at_work_expect_it_to_step_back(void **state) {
    (void)state;
    const int rank = uwc_comm_rank(comm);
    field f = {.n_tasks = TASKS, .limit = 0.5, .sleeper = rank, .all_sleep = true, .work = take_turns};
    if (uwc_comm_size(comm) == 1) {
        return;
    }
    if (leads()) {
        plan(&f);
        for (int t = 0; t < TASKS; t++) {
            uwc_sched__scheduler_team(f.scheduler, t, 1, 2);
        }
    }
    uwc_status st = run(&f, 2);
    assert_int_equal(st, UWC_OK);
    if (leads()) {
        expect_each_once(&f);
        assert_true(f.woken && f.performed >= 1);
    } else {
        assert_true(f.performed > 1);
    }
    clear(&f);
}

/* Silent from the start: rank 0 does not wait for its HELLO, and for its BYE only as long as it is patient. */
static void given_a_rank_that_never_comes_expect_the_others_to_finish(void **state) {
    (void)state;
    const int last = uwc_comm_size(comm) - 1;
    field f = {.n_tasks = 50, .limit = LONG};
    if (last == 0) {
        return;
    }
    if (leads()) {
        plan(&f);
    }
    if (uwc_comm_rank(comm) == last) {
        play_dead();
        clear(&f);
        return;
    }
    double start = uwc_now();
    uwc_status st = run(&f, 1);
    if (leads()) {
        expect_each_once(&f);
        assert_true(uwc_comm_is_lost(comm, last));
        assert_true(uwc_now() - start < LONG);
        wake(last);
    }
    assert_int_equal(st, UWC_OK);
    clear(&f);
}

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(given_tasks_that_depend_when_all_is_well_expect_each_once_behind_what_it_needs),
        cmocka_unit_test(given_a_chain_when_tasks_fail_expect_a_second_try_and_no_third),
        cmocka_unit_test(given_a_fatal_failure_expect_the_end_for_all),
        cmocka_unit_test(given_teams_of_two_expect_both_to_see_the_same),
        cmocka_unit_test(given_a_team_that_works_for_long_expect_none_of_it_lost),
        cmocka_unit_test(given_a_rank_that_sleeps_in_a_task_expect_others_to_do_it_and_the_rank_to_be_found),
        cmocka_unit_test(given_a_late_result_expect_the_task_to_count_once),
        cmocka_unit_test(given_a_member_that_sleeps_expect_other_teams_to_do_its_task),
        cmocka_unit_test(given_all_others_asleep_expect_rank_0_to_do_the_rest),
        cmocka_unit_test(given_ranks_that_come_back_to_a_rank_0_at_work_expect_it_to_step_back),
        cmocka_unit_test(given_a_rank_that_never_comes_expect_the_others_to_finish),
    };
    if (uwc_par_start(&argc, &argv, &comm) != UWC_OK) {
        return 1;
    }
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    uwc_par_stop(&comm);
    return failed != 0;
}
