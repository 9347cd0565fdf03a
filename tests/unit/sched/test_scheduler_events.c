/* The scheduler with random events, against a plain model that searches through everything each time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "scheduler.h"

enum { TASKS = 18, WORKERS = 11, STEPS = 250, ROUNDS = 400 };

typedef struct model {
    uint64_t seed, draws;
    bool need[TASKS][TASKS];
    int least[TASKS], most[TASKS], failures[TASKS], losses[TASKS];
    double path[TASKS];
    uwc_task_state task[TASKS];
    uwc_worker_state worker[WORKERS];
    int has[WORKERS], team[WORKERS]; /* task and lead of a worker */
    bool stopped;
    uwc_scheduler *scheduler;
} model;

static int draw(model *m, int bound) {
    return (int)uwc_rng_below(m->seed, 7, m->draws++, bound);
}

/* ---- the model ----------------------------------------------------------------------------------------------------------------------- */

static int in_state(const model *m, uwc_worker_state state) {
    int count = 0;
    for (int w = 0; w < WORKERS; w++) {
        count += m->worker[w] == state;
    }
    return count;
}

/* Skipped is what waits and has something broken before it. */
static void revise(model *m) {
    for (int t = 0; t < TASKS; t++) {
        bool broken = false;
        for (int on = 0; on < t; on++) {
            broken = broken || (m->need[t][on] && (m->task[on] == UWC_TASK_FAILED || m->task[on] == UWC_TASK_SKIPPED));
        }
        if (m->task[t] == UWC_TASK_WAITING || m->task[t] == UWC_TASK_SKIPPED) {
            m->task[t] = broken ? UWC_TASK_SKIPPED : UWC_TASK_WAITING;
        }
    }
}

static bool is_ready(const model *m, int task) {
    for (int on = 0; on < task; on++) {
        if (m->need[task][on] && m->task[on] != UWC_TASK_DONE) {
            return false;
        }
    }
    return m->task[task] == UWC_TASK_WAITING && !m->stopped;
}

static int least_now(const model *m, int task) {
    int least = m->least[task];
    while (least > WORKERS - in_state(m, UWC_WORKER_LOST)) {
        least /= 2;
    }
    return least;
}

static uwc_action expected(const model *m, int *worker) {
    int idle = in_state(m, UWC_WORKER_IDLE), ready = 0, best = -1, size = 1;
    for (int t = 0; t < TASKS; t++) {
        ready += is_ready(m, t);
        bool fits = is_ready(m, t) && least_now(m, t) > 0 && least_now(m, t) <= idle;
        best = fits && (best < 0 || m->path[t] > m->path[best]) ? t : best;
    }
    if (best < 0) {
        bool wait = in_state(m, UWC_WORKER_BUSY) > 0 || (ready > 0 && in_state(m, UWC_WORKER_ABSENT) > 0);
        return (uwc_action){.kind = wait ? UWC_ACTION_WAIT : UWC_ACTION_FINISH, .task = -1};
    }
    while (2 * size <= m->most[best] && 2 * size * ready <= idle) {
        size *= 2;
    }
    size = size < least_now(m, best) ? least_now(m, best) : size;
    for (int w = 0, n = 0; n < size; w++) {
        if (m->worker[w] == UWC_WORKER_IDLE) {
            worker[n++] = w;
        }
    }
    return (uwc_action){.kind = UWC_ACTION_ASSIGN, .task = best, .members = size, .worker = worker};
}

static void release(model *m, int lead) {
    for (int w = 0; w < WORKERS; w++) {
        if (m->worker[w] == UWC_WORKER_BUSY && m->team[w] == lead) {
            m->worker[w] = UWC_WORKER_IDLE;
            m->has[w] = -1;
        }
    }
}

static bool again(model *m, int task) {
    bool given_up = m->failures[task] > UWC_SCHEDULER_RETRIES || m->losses[task] > UWC_SCHEDULER_LOSSES;
    m->task[task] = given_up ? UWC_TASK_FAILED : UWC_TASK_WAITING;
    revise(m);
    return given_up;
}

/* ---- events, both to the model and to the scheduler ------------------------------------------------------------------------------------
 */

static void hello(model *m, int w) {
    uwc_sched__scheduler_hello(m->scheduler, w);
    if (m->worker[w] != UWC_WORKER_BUSY) {
        m->worker[w] = UWC_WORKER_IDLE;
        m->has[w] = -1;
    }
}

/* The worker reports on the task that it has, or had when it was lost. */
static void solved(model *m, int w) {
    int task = m->has[w];
    bool news = m->task[task] != UWC_TASK_DONE;
    assert_int_equal(uwc_sched__scheduler_solved(m->scheduler, w, task), news);
    if (m->worker[w] == UWC_WORKER_BUSY) {
        release(m, m->team[w]);
    }
    m->worker[w] = UWC_WORKER_IDLE;
    m->has[w] = -1;
    m->task[task] = UWC_TASK_DONE;
    revise(m);
}

static void failed(model *m, int w) {
    int task = m->has[w];
    bool counts = m->worker[w] == UWC_WORKER_BUSY && m->task[task] == UWC_TASK_RUNNING, given_up = false;
    if (m->worker[w] == UWC_WORKER_BUSY) {
        release(m, m->team[w]);
    }
    m->worker[w] = UWC_WORKER_IDLE;
    m->has[w] = -1;
    if (counts) {
        m->failures[task]++;
        given_up = again(m, task);
    }
    assert_int_equal(uwc_sched__scheduler_failed(m->scheduler, w, task), given_up);
}

static void lost(model *m, int w) {
    int task = m->has[w];
    bool counts = m->worker[w] == UWC_WORKER_BUSY && m->task[task] == UWC_TASK_RUNNING, given_up = false;
    if (m->worker[w] == UWC_WORKER_BUSY) {
        release(m, m->team[w]);
    }
    m->worker[w] = UWC_WORKER_LOST;
    m->has[w] = task;
    if (counts) {
        m->losses[task]++;
        given_up = again(m, task);
    }
    assert_int_equal(uwc_sched__scheduler_lost(m->scheduler, w), given_up);
}

static uwc_action_kind next(model *m) {
    int worker[WORKERS];
    uwc_action want = expected(m, worker), action = uwc_sched__scheduler_next(m->scheduler);
    assert_int_equal(action.kind, want.kind);
    assert_int_equal(action.task, want.task);
    assert_int_equal(action.members, want.members);
    for (int i = 0; i < want.members; i++) {
        assert_int_equal(action.worker[i], worker[i]);
        m->worker[worker[i]] = UWC_WORKER_BUSY;
        m->has[worker[i]] = want.task;
        m->team[worker[i]] = worker[0];
    }
    if (want.kind == UWC_ACTION_ASSIGN) {
        m->task[want.task] = UWC_TASK_RUNNING;
    }
    return action.kind;
}

static void compare(const model *m) {
    int count[UWC_TASK_SKIPPED + 1] = {0};
    for (int t = 0; t < TASKS; t++) {
        count[m->task[t]]++;
        assert_int_equal(uwc_sched__scheduler_state(m->scheduler, t), m->task[t]);
    }
    for (int state = 0; state <= UWC_TASK_SKIPPED; state++) {
        assert_int_equal(uwc_sched__scheduler_count(m->scheduler, state), count[state]);
    }
    for (int w = 0; w < WORKERS; w++) {
        const int *team;
        int members = 0, n = uwc_sched__scheduler_team_of(m->scheduler, w, &team);
        assert_int_equal(uwc_sched__scheduler_worker(m->scheduler, w), m->worker[w]);
        assert_int_equal(uwc_sched__scheduler_task_of(m->scheduler, w), m->has[w]);
        for (int other = 0; other < WORKERS && m->worker[w] == UWC_WORKER_BUSY; other++) {
            if (m->worker[other] == UWC_WORKER_BUSY && m->team[other] == m->team[w]) {
                assert_true(members < n);
                assert_int_equal(team[members++], other);
            }
        }
        assert_int_equal(members, n);
    }
}

/* ---- rounds -------------------------------------------------------------------------------------------------------------------------- */

static void begin(model *m) {
    double work[TASKS];
    for (int t = 0; t < TASKS; t++) {
        work[t] = 1 + draw(m, 5);
        m->least[t] = 1 << (draw(m, 2) == 0 ? 0 : draw(m, 5));
        m->most[t] = m->least[t];
        while (m->most[t] < UWC_SCHEDULER_TEAM && draw(m, 2) == 0) {
            m->most[t] *= 2;
        }
        for (int on = 0; on < t; on++) {
            m->need[t][on] = draw(m, 9) == 0;
        }
    }
    for (int t = TASKS - 1; t >= 0; t--) {
        double behind = 0;
        for (int after = t + 1; after < TASKS; after++) {
            behind = m->need[after][t] && m->path[after] > behind ? m->path[after] : behind;
        }
        m->path[t] = work[t] + behind;
    }
    assert_int_equal(uwc_sched__scheduler_create(TASKS, work, WORKERS, &m->scheduler), UWC_OK);
    for (int t = 0; t < TASKS; t++) {
        uwc_sched__scheduler_team(m->scheduler, t, m->least[t], m->most[t]);
        for (int on = 0; on < t; on++) {
            if (m->need[t][on]) {
                assert_int_equal(uwc_sched__scheduler_depend(m->scheduler, t, on), UWC_OK);
            }
        }
        if (draw(m, 10) == 0) {
            uwc_sched__scheduler_preset(m->scheduler, t);
            m->task[t] = UWC_TASK_DONE;
        }
    }
    for (int w = 0; w < WORKERS; w++) {
        m->has[w] = -1;
    }
}

static void step(model *m) {
    int w = draw(m, WORKERS), what = draw(m, 100);
    bool reports = m->has[w] >= 0;
    if (what < 45) {
        next(m);
    } else if (what < 50 || (what < 60 && m->worker[w] == UWC_WORKER_ABSENT)) {
        hello(m, w);
    } else if (what < 80 && reports) {
        solved(m, m->worker[w] == UWC_WORKER_BUSY ? m->team[w] : w);
    } else if (what < 90 && reports) {
        failed(m, w);
    } else if (what > 96) {
        lost(m, w);
    }
}

/* All workers come back and nothing fails: whatever is not given up gets done. */
static void finish(model *m) {
    for (int w = 0; w < WORKERS; w++) {
        hello(m, w);
    }
    uwc_action_kind kind;
    while ((kind = next(m)) != UWC_ACTION_FINISH) {
        for (int w = 0; w < WORKERS && kind == UWC_ACTION_WAIT; w++) {
            if (m->worker[w] == UWC_WORKER_BUSY && m->team[w] == w) {
                solved(m, w);
                break;
            }
        }
        compare(m);
    }
    assert_int_equal(uwc_sched__scheduler_count(m->scheduler, UWC_TASK_RUNNING), 0);
    assert_true(m->stopped || uwc_sched__scheduler_count(m->scheduler, UWC_TASK_WAITING) == 0);
}

static void given_random_events_when_compared_with_a_plain_model_expect_the_same(void **state) {
    (void)state;
    int given_up = 0, skipped = 0;
    for (uint64_t round = 0; round < ROUNDS; round++) {
        model m = {.seed = round};
        begin(&m);
        for (int i = 0; i < STEPS; i++) {
            step(&m);
            compare(&m);
            if (round % 4 == 0 && i == STEPS / 2) {
                uwc_sched__scheduler_stop(m.scheduler);
                m.stopped = true;
            }
        }
        given_up += uwc_sched__scheduler_count(m.scheduler, UWC_TASK_FAILED);
        skipped += uwc_sched__scheduler_count(m.scheduler, UWC_TASK_SKIPPED);
        finish(&m);
        uwc_sched__scheduler_destroy(&m.scheduler);
    }
    assert_true(given_up > ROUNDS / 10 && skipped > ROUNDS / 10); /* the rounds went through what they are for */
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(given_random_events_when_compared_with_a_plain_model_expect_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
