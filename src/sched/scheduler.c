#include "scheduler.h"

#include <assert.h>

typedef struct task {
    uwc_unit_state state;
    double path; /* its work and that of the longest chain behind it */
    int tries;
    int open; /* dependencies that are not done */
} task;

typedef struct hand {
    uwc_worker_state state;
    int unit; /* BUSY, LOST; else -1 */
} hand;

typedef struct edge {
    int unit, on;
} edge;

struct uwc_scheduler {
    task *unit;
    hand *worker;
    edge *edge;
    int64_t edge_capacity;
    int n_units, n_workers, n_edges;
    bool started, stopped;
};

uwc_status uwc_sched__scheduler_create(int n_units, const double *work, int n_workers, uwc_scheduler **out) {
    uwc_scheduler *scheduler;
    *out = NULL;
    UWC_TRY(uwc_calloc(1, sizeof *scheduler, &scheduler));
    scheduler->n_units = n_units;
    scheduler->n_workers = n_workers;
    uwc_status st = uwc_calloc(n_units, sizeof *scheduler->unit, &scheduler->unit);
    if (st == UWC_OK) {
        st = uwc_calloc(n_workers, sizeof *scheduler->worker, &scheduler->worker);
    }
    if (st != UWC_OK) {
        uwc_sched__scheduler_destroy(&scheduler);
        return st;
    }
    for (int u = 0; u < n_units; u++) {
        scheduler->unit[u].path = work[u];
    }
    for (int w = 0; w < n_workers; w++) {
        scheduler->worker[w].unit = -1;
    }
    *out = scheduler;
    return UWC_OK;
}

void uwc_sched__scheduler_destroy(uwc_scheduler **scheduler) {
    if (*scheduler != NULL) {
        uwc_free(&(*scheduler)->unit);
        uwc_free(&(*scheduler)->worker);
        uwc_free(&(*scheduler)->edge);
        uwc_free(scheduler);
    }
}

uwc_status uwc_sched__scheduler_depend(uwc_scheduler *scheduler, int unit, int on) {
    assert(on >= 0 && on < unit && unit < scheduler->n_units && !scheduler->started);
    UWC_TRY(uwc_grow(&scheduler->edge, &scheduler->edge_capacity, scheduler->n_edges + 1, sizeof *scheduler->edge));
    scheduler->edge[scheduler->n_edges++] = (edge){.unit = unit, .on = on};
    return UWC_OK;
}

void uwc_sched__scheduler_preset(uwc_scheduler *scheduler, int unit) {
    assert(!scheduler->started);
    scheduler->unit[unit].state = UWC_UNIT_DONE;
}

/* Units are in topological order, so one backward sweep finds the longest chain behind each. */
static void start(uwc_scheduler *scheduler) {
    scheduler->started = true;
    for (int u = scheduler->n_units - 1; u >= 0; u--) {
        double behind = 0;
        for (int e = 0; e < scheduler->n_edges; e++) {
            const edge *at = &scheduler->edge[e];
            if (at->on == u && scheduler->unit[at->unit].path > behind) {
                behind = scheduler->unit[at->unit].path;
            }
            scheduler->unit[u].open += at->unit == u && scheduler->unit[at->on].state != UWC_UNIT_DONE;
        }
        scheduler->unit[u].path += behind;
    }
}

static void free_worker(uwc_scheduler *scheduler, int worker) {
    assert(worker >= 0 && worker < scheduler->n_workers);
    if (!scheduler->started) {
        start(scheduler);
    }
    scheduler->worker[worker].state = UWC_WORKER_IDLE;
    scheduler->worker[worker].unit = -1;
}

void uwc_sched__scheduler_hello(uwc_scheduler *scheduler, int worker) {
    free_worker(scheduler, worker);
}

/* Units behind a failed one are skipped, and wait again where a lost worker has solved it after all. */
static void revise_skipped(uwc_scheduler *scheduler) {
    for (int u = 0; u < scheduler->n_units; u++) {
        task *at = &scheduler->unit[u];
        if (at->state != UWC_UNIT_WAITING && at->state != UWC_UNIT_SKIPPED) {
            continue;
        }
        at->state = UWC_UNIT_WAITING;
        for (int e = 0; e < scheduler->n_edges; e++) {
            uwc_unit_state on = scheduler->unit[scheduler->edge[e].on].state;
            if (scheduler->edge[e].unit == u && (on == UWC_UNIT_FAILED || on == UWC_UNIT_SKIPPED)) {
                at->state = UWC_UNIT_SKIPPED;
            }
        }
    }
}

bool uwc_sched__scheduler_solved(uwc_scheduler *scheduler, int worker, int unit) {
    free_worker(scheduler, worker);
    if (scheduler->unit[unit].state == UWC_UNIT_DONE) {
        return false;
    }
    scheduler->unit[unit].state = UWC_UNIT_DONE;
    for (int e = 0; e < scheduler->n_edges; e++) {
        scheduler->unit[scheduler->edge[e].unit].open -= scheduler->edge[e].on == unit;
    }
    revise_skipped(scheduler);
    return true;
}

static void give_up(uwc_scheduler *scheduler, int unit) {
    scheduler->unit[unit].state = UWC_UNIT_FAILED;
    revise_skipped(scheduler);
}

/* Whether another worker has the unit. */
static bool in_work(const uwc_scheduler *scheduler, int unit) {
    for (int w = 0; w < scheduler->n_workers; w++) {
        if (scheduler->worker[w].state == UWC_WORKER_BUSY && scheduler->worker[w].unit == unit) {
            return true;
        }
    }
    return false;
}

static bool try_again(uwc_scheduler *scheduler, int unit) {
    task *at = &scheduler->unit[unit];
    if (at->state != UWC_UNIT_RUNNING || in_work(scheduler, unit)) {
        return true;
    }
    at->state = UWC_UNIT_WAITING;
    return ++at->tries <= UWC_SCHEDULER_RETRIES;
}

bool uwc_sched__scheduler_failed(uwc_scheduler *scheduler, int worker, int unit) {
    free_worker(scheduler, worker);
    if (try_again(scheduler, unit)) {
        return false;
    }
    give_up(scheduler, unit);
    return true;
}

bool uwc_sched__scheduler_lost(uwc_scheduler *scheduler, int worker) {
    int unit = scheduler->worker[worker].unit;
    scheduler->worker[worker].state = UWC_WORKER_LOST;
    if (unit < 0 || try_again(scheduler, unit)) {
        return false;
    }
    give_up(scheduler, unit);
    return true;
}

void uwc_sched__scheduler_stop(uwc_scheduler *scheduler) {
    scheduler->stopped = true;
}

/* The unit to begin with, -1: none can begin now. */
static int best_unit(const uwc_scheduler *scheduler) {
    int best = -1;
    for (int u = 0; u < scheduler->n_units; u++) {
        const task *at = &scheduler->unit[u];
        if (at->state == UWC_UNIT_WAITING && at->open == 0 && (best < 0 || at->path > scheduler->unit[best].path)) {
            best = u;
        }
    }
    return best;
}

static int worker_in(const uwc_scheduler *scheduler, uwc_worker_state state) {
    for (int w = 0; w < scheduler->n_workers; w++) {
        if (scheduler->worker[w].state == state) {
            return w;
        }
    }
    return -1;
}

uwc_action uwc_sched__scheduler_next(uwc_scheduler *scheduler) {
    if (!scheduler->started) {
        start(scheduler);
    }
    int unit = scheduler->stopped ? -1 : best_unit(scheduler), worker = worker_in(scheduler, UWC_WORKER_IDLE);
    if (unit >= 0 && worker >= 0) {
        scheduler->unit[unit].state = UWC_UNIT_RUNNING;
        scheduler->worker[worker].state = UWC_WORKER_BUSY;
        scheduler->worker[worker].unit = unit;
        return (uwc_action){.kind = UWC_ACTION_ASSIGN, .worker = worker, .unit = unit};
    }
    bool hope = unit >= 0 && worker_in(scheduler, UWC_WORKER_ABSENT) >= 0;
    if (hope || worker_in(scheduler, UWC_WORKER_BUSY) >= 0) {
        return (uwc_action){.kind = UWC_ACTION_WAIT, .worker = -1, .unit = -1};
    }
    return (uwc_action){.kind = UWC_ACTION_FINISH, .worker = -1, .unit = -1};
}

uwc_unit_state uwc_sched__scheduler_state(const uwc_scheduler *scheduler, int unit) {
    return scheduler->unit[unit].state;
}

uwc_worker_state uwc_sched__scheduler_worker(const uwc_scheduler *scheduler, int worker) {
    return scheduler->worker[worker].state;
}

int uwc_sched__scheduler_unit_of(const uwc_scheduler *scheduler, int worker) {
    return scheduler->worker[worker].unit;
}

int uwc_sched__scheduler_count(const uwc_scheduler *scheduler, uwc_unit_state state) {
    int count = 0;
    for (int u = 0; u < scheduler->n_units; u++) {
        count += scheduler->unit[u].state == state;
    }
    return count;
}
