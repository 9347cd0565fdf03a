#include "scheduler.h"

#include "heap.h"

#include <assert.h>

/* Tasks that can begin are kept by the least team that they need, so that one that must wait hides no other. */
enum { CLASSES = 5 }; /* 1, 2, 4, 8, 16 */

typedef struct job {
    uwc_task_state state;
    int failures, losses;
    int open;   /* dependencies that are not done */
    int broken; /* those that are given up or skipped */
    int least, most;
    int behind; /* first edge to a dependent, plus one; 0: none */
    int sister; /* that its worker goes on with, plus one; 0: none */
} job;

typedef struct hand {
    uwc_worker_state state;
    int task;    /* BUSY, LOST; else -1 */
    int lead;    /* BUSY: of its team */
    int members; /* of the team that it leads */
    int wish;    /* task that it goes on with, plus one; 0: none */
} hand;

typedef struct edge {
    int task, next; /* a dependent; next edge of the same task, plus one */
} edge;

struct uwc_scheduler {
    job *task;
    double *path; /* [n_tasks] work of a task and of the longest chain behind it */
    hand *worker;
    int *member; /* [n_workers][UWC_SCHEDULER_TEAM] of the team that the worker leads */
    edge *edge;
    int *stack; /* [n_tasks] */
    int64_t edge_capacity;
    uwc_heap ready[CLASSES], idle;
    int n_tasks, n_workers, n_edges;
    int tasks_in[UWC_TASK_SKIPPED + 1], workers_in[UWC_WORKER_LOST + 1]; /* by state */
    bool started, stopped;
};

/* ---- before the first event --------------------------------------------------------------------------------------------------------- */

static uwc_status allocate(uwc_scheduler *scheduler) {
    int tasks = scheduler->n_tasks, workers = scheduler->n_workers;
    UWC_TRY(uwc_calloc(tasks, sizeof *scheduler->task, &scheduler->task));
    UWC_TRY(uwc_calloc(tasks, sizeof *scheduler->path, &scheduler->path));
    UWC_TRY(uwc_calloc(tasks, sizeof *scheduler->stack, &scheduler->stack));
    UWC_TRY(uwc_calloc(workers, sizeof *scheduler->worker, &scheduler->worker));
    UWC_TRY(uwc_calloc((int64_t)workers * UWC_SCHEDULER_TEAM, sizeof *scheduler->member, &scheduler->member));
    for (int c = 0; c < CLASSES; c++) {
        UWC_TRY(uwc_sched__heap_create(tasks, scheduler->path, &scheduler->ready[c]));
    }
    return uwc_sched__heap_create(workers, NULL, &scheduler->idle);
}

uwc_status uwc_sched__scheduler_create(int n_tasks, const double *work, int n_workers, uwc_scheduler **out) {
    uwc_scheduler *scheduler;
    *out = NULL;
    UWC_TRY(uwc_calloc(1, sizeof *scheduler, &scheduler));
    scheduler->n_tasks = n_tasks;
    scheduler->n_workers = n_workers;
    uwc_status st = allocate(scheduler);
    if (st != UWC_OK) {
        uwc_sched__scheduler_destroy(&scheduler);
        return st;
    }
    for (int t = 0; t < n_tasks; t++) {
        scheduler->path[t] = work[t];
        scheduler->task[t].least = scheduler->task[t].most = 1;
    }
    for (int w = 0; w < n_workers; w++) {
        scheduler->worker[w].task = -1;
    }
    scheduler->tasks_in[UWC_TASK_WAITING] = n_tasks;
    scheduler->workers_in[UWC_WORKER_ABSENT] = n_workers;
    *out = scheduler;
    return UWC_OK;
}

void uwc_sched__scheduler_destroy(uwc_scheduler **scheduler) {
    uwc_scheduler *at = *scheduler;
    if (at == NULL) {
        return;
    }
    uwc_free(&at->task);
    uwc_free(&at->path);
    uwc_free(&at->stack);
    uwc_free(&at->worker);
    uwc_free(&at->member);
    uwc_free(&at->edge);
    for (int c = 0; c < CLASSES; c++) {
        uwc_sched__heap_free(&at->ready[c]);
    }
    uwc_sched__heap_free(&at->idle);
    uwc_free(scheduler);
}

uwc_status uwc_sched__scheduler_depend(uwc_scheduler *scheduler, int task, int on) {
    assert(on >= 0 && on < task && task < scheduler->n_tasks && !scheduler->started);
    UWC_TRY(uwc_grow(&scheduler->edge, &scheduler->edge_capacity, scheduler->n_edges + 1, sizeof *scheduler->edge));
    scheduler->edge[scheduler->n_edges++] = (edge){.task = task, .next = scheduler->task[on].behind};
    scheduler->task[on].behind = scheduler->n_edges;
    return UWC_OK;
}

static void set_state(uwc_scheduler *scheduler, int task, uwc_task_state state) {
    scheduler->tasks_in[scheduler->task[task].state]--;
    scheduler->tasks_in[state]++;
    scheduler->task[task].state = state;
}

void uwc_sched__scheduler_preset(uwc_scheduler *scheduler, int task) {
    assert(!scheduler->started);
    set_state(scheduler, task, UWC_TASK_DONE);
}

void uwc_sched__scheduler_team(uwc_scheduler *scheduler, int task, int least, int most) {
    assert(!scheduler->started && least >= 1 && least <= most && most <= UWC_SCHEDULER_TEAM);
    assert((least & (least - 1)) == 0 && (most & (most - 1)) == 0);
    scheduler->task[task].least = least;
    scheduler->task[task].most = most;
}

void uwc_sched__scheduler_sister(uwc_scheduler *scheduler, int task, int sister) {
    assert(!scheduler->started && task != sister && sister < scheduler->n_tasks);
    scheduler->task[task].sister = sister + 1;
}

/* ---- tasks --------------------------------------------------------------------------------------------------------------------------- */

static int class_of(const uwc_scheduler *scheduler, int task) {
    int class = 0;
    while (1 << class < scheduler->task[task].least) {
        class ++;
    }
    return class;
}

static uwc_heap *heap_of(uwc_scheduler *scheduler, int task) {
    return &scheduler->ready[class_of(scheduler, task)];
}

/* Lets a task begin that waits for nothing but workers. */
static void offer(uwc_scheduler *scheduler, int task) {
    if (scheduler->task[task].state == UWC_TASK_WAITING && scheduler->task[task].open == 0) {
        uwc_sched__heap_add(heap_of(scheduler, task), task);
    }
}

/* Tasks are in topological order, so one backward sweep finds the longest chain behind each. */
static void start(uwc_scheduler *scheduler) {
    if (scheduler->started) {
        return;
    }
    scheduler->started = true;
    for (int t = scheduler->n_tasks - 1; t >= 0; t--) {
        double behind = 0;
        for (int e = scheduler->task[t].behind; e > 0; e = scheduler->edge[e - 1].next) {
            int after = scheduler->edge[e - 1].task;
            behind = scheduler->path[after] > behind ? scheduler->path[after] : behind;
            scheduler->task[after].open += scheduler->task[t].state != UWC_TASK_DONE;
        }
        scheduler->path[t] += behind;
    }
    for (int t = 0; t < scheduler->n_tasks; t++) {
        offer(scheduler, t);
    }
}

/* Tasks behind a broken one (step 1) are skipped, and wait again (step -1) where a lost worker has solved it after all. */
static void spread(uwc_scheduler *scheduler, int from, int step) {
    int n = 0;
    scheduler->stack[n++] = from;
    while (n > 0) {
        int at = scheduler->stack[--n];
        for (int e = scheduler->task[at].behind; e > 0; e = scheduler->edge[e - 1].next) {
            int after = scheduler->edge[e - 1].task;
            job *behind = &scheduler->task[after];
            uwc_task_state was = behind->state;
            behind->broken += step;
            uwc_task_state now = behind->broken > 0 ? UWC_TASK_SKIPPED : UWC_TASK_WAITING;
            if (was != now && (was == UWC_TASK_WAITING || was == UWC_TASK_SKIPPED)) {
                set_state(scheduler, after, now);
                scheduler->stack[n++] = after;
            }
        }
    }
}

static void finish(uwc_scheduler *scheduler, int task) {
    uwc_task_state was = scheduler->task[task].state;
    if (uwc_sched__heap_has(heap_of(scheduler, task), task)) {
        uwc_sched__heap_remove(heap_of(scheduler, task), task);
    }
    set_state(scheduler, task, UWC_TASK_DONE);
    if (was == UWC_TASK_FAILED || was == UWC_TASK_SKIPPED) {
        spread(scheduler, task, -1);
    }
    for (int e = scheduler->task[task].behind; e > 0; e = scheduler->edge[e - 1].next) {
        scheduler->task[scheduler->edge[e - 1].task].open--;
        offer(scheduler, scheduler->edge[e - 1].task);
    }
}

/* After a try that came to nothing. True if it was the last one. */
static bool try_again(uwc_scheduler *scheduler, int task) {
    const job *at = &scheduler->task[task];
    if (at->failures > UWC_SCHEDULER_RETRIES || at->losses > UWC_SCHEDULER_LOSSES) {
        set_state(scheduler, task, UWC_TASK_FAILED);
        spread(scheduler, task, 1);
        return true;
    }
    set_state(scheduler, task, UWC_TASK_WAITING);
    offer(scheduler, task);
    return false;
}

/* ---- workers --------------------------------------------------------------------------------------------------------------------------
 */

static void set_worker(uwc_scheduler *scheduler, int worker, uwc_worker_state state, int task) {
    hand *at = &scheduler->worker[worker];
    if (at->state == UWC_WORKER_IDLE) {
        uwc_sched__heap_remove(&scheduler->idle, worker);
    }
    scheduler->workers_in[at->state]--;
    scheduler->workers_in[state]++;
    at->state = state;
    at->task = task;
    if (state == UWC_WORKER_IDLE) {
        uwc_sched__heap_add(&scheduler->idle, worker);
    }
}

static void free_team(uwc_scheduler *scheduler, int lead) {
    for (int m = 0; m < scheduler->worker[lead].members; m++) {
        set_worker(scheduler, scheduler->member[lead * UWC_SCHEDULER_TEAM + m], UWC_WORKER_IDLE, -1);
    }
}

/* The worker reports on a task. Whether it had been given it and nobody has dissolved its team since. */
static bool free_reporter(uwc_scheduler *scheduler, int worker, int task) {
    assert(worker >= 0 && worker < scheduler->n_workers && task >= 0 && task < scheduler->n_tasks);
    const hand *at = &scheduler->worker[worker];
    start(scheduler);
    if (at->state == UWC_WORKER_BUSY && at->task == task) {
        free_team(scheduler, at->lead);
        return true;
    }
    uwc_sched__scheduler_hello(scheduler, worker);
    return false;
}

void uwc_sched__scheduler_hello(uwc_scheduler *scheduler, int worker) {
    assert(worker >= 0 && worker < scheduler->n_workers);
    start(scheduler);
    if (scheduler->worker[worker].state != UWC_WORKER_BUSY) {
        set_worker(scheduler, worker, UWC_WORKER_IDLE, -1);
    }
}

bool uwc_sched__scheduler_solved(uwc_scheduler *scheduler, int worker, int task) {
    (void)free_reporter(scheduler, worker, task);
    scheduler->worker[worker].wish = scheduler->task[task].sister;
    if (scheduler->task[task].state == UWC_TASK_DONE) {
        return false;
    }
    finish(scheduler, task);
    return true;
}

bool uwc_sched__scheduler_failed(uwc_scheduler *scheduler, int worker, int task) {
    if (!free_reporter(scheduler, worker, task) || scheduler->task[task].state != UWC_TASK_RUNNING) {
        return false;
    }
    scheduler->task[task].failures++;
    return try_again(scheduler, task);
}

bool uwc_sched__scheduler_lost(uwc_scheduler *scheduler, int worker) {
    assert(worker >= 0 && worker < scheduler->n_workers);
    const hand *at = &scheduler->worker[worker];
    int task = at->task;
    bool had = at->state == UWC_WORKER_BUSY;
    start(scheduler);
    if (had) {
        free_team(scheduler, at->lead);
    }
    set_worker(scheduler, worker, UWC_WORKER_LOST, task);
    if (!had || scheduler->task[task].state != UWC_TASK_RUNNING) {
        return false;
    }
    scheduler->task[task].losses++;
    return try_again(scheduler, task);
}

void uwc_sched__scheduler_stop(uwc_scheduler *scheduler) {
    scheduler->stopped = true;
}

/* ---- actions --------------------------------------------------------------------------------------------------------------------------
 */

/* The largest power of two that is not above n >= 1. */
static int power_below(int n) {
    int power = 1;
    while (power <= n / 2) {
        power *= 2;
    }
    return power;
}

/* The fewest workers that a task of a class begins with; 0: nobody is left. */
static int need(const uwc_scheduler *scheduler, int class) {
    int alive = scheduler->n_workers - scheduler->workers_in[UWC_WORKER_LOST];
    return alive >= 1 << class ? 1 << class : alive > 0 ? power_below(alive) : 0;
}

/* The task to begin with, -1: none can begin now. */
static int best_task(const uwc_scheduler *scheduler) {
    int best = -1;
    for (int c = 0; c < CLASSES; c++) {
        int first = uwc_sched__heap_first(&scheduler->ready[c]), workers = need(scheduler, c);
        bool fits = first >= 0 && workers > 0 && workers <= scheduler->idle.n;
        if (fits && (best < 0 || uwc_sched__heap_before(&scheduler->ready[c], first, best))) {
            best = first;
        }
    }
    return best;
}

/* What the first idle worker goes on with, -1: nothing, or it cannot begin. */
static int wished_task(uwc_scheduler *scheduler) {
    const int lead = uwc_sched__heap_first(&scheduler->idle), task = lead < 0 ? -1 : scheduler->worker[lead].wish - 1;
    if (task < 0 || !uwc_sched__heap_has(heap_of(scheduler, task), task)) {
        return -1;
    }
    return need(scheduler, class_of(scheduler, task)) <= scheduler->idle.n ? task : -1;
}

static int ready_tasks(const uwc_scheduler *scheduler) {
    int count = 0;
    for (int c = 0; c < CLASSES; c++) {
        count += scheduler->ready[c].n;
    }
    return count;
}

static int team_size(const uwc_scheduler *scheduler, int task) {
    const job *at = &scheduler->task[task];
    int share = scheduler->idle.n / ready_tasks(scheduler);
    int size = power_below(share < 1 ? 1 : share > at->most ? at->most : share);
    int least = need(scheduler, class_of(scheduler, task));
    return size < least ? least : size;
}

static uwc_action assign(uwc_scheduler *scheduler, int task) {
    int size = team_size(scheduler, task), lead = uwc_sched__heap_first(&scheduler->idle);
    int *member = &scheduler->member[lead * UWC_SCHEDULER_TEAM];
    for (int m = 0; m < size; m++) {
        member[m] = uwc_sched__heap_first(&scheduler->idle);
        set_worker(scheduler, member[m], UWC_WORKER_BUSY, task);
        scheduler->worker[member[m]].lead = lead;
    }
    scheduler->worker[lead].members = size;
    uwc_sched__heap_remove(heap_of(scheduler, task), task);
    set_state(scheduler, task, UWC_TASK_RUNNING);
    return (uwc_action){.kind = UWC_ACTION_ASSIGN, .task = task, .members = size, .worker = member};
}

uwc_action uwc_sched__scheduler_next(uwc_scheduler *scheduler) {
    start(scheduler);
    int wished = wished_task(scheduler), task = scheduler->stopped ? -1 : wished >= 0 ? wished : best_task(scheduler);
    if (task >= 0) {
        return assign(scheduler, task);
    }
    bool hope = !scheduler->stopped && ready_tasks(scheduler) > 0 && scheduler->workers_in[UWC_WORKER_ABSENT] > 0;
    bool wait = hope || scheduler->workers_in[UWC_WORKER_BUSY] > 0;
    return (uwc_action){.kind = wait ? UWC_ACTION_WAIT : UWC_ACTION_FINISH, .task = -1};
}

uwc_task_state uwc_sched__scheduler_state(const uwc_scheduler *scheduler, int task) {
    return scheduler->task[task].state;
}

uwc_worker_state uwc_sched__scheduler_worker(const uwc_scheduler *scheduler, int worker) {
    return scheduler->worker[worker].state;
}

int uwc_sched__scheduler_task_of(const uwc_scheduler *scheduler, int worker) {
    return scheduler->worker[worker].task;
}

int uwc_sched__scheduler_team_of(const uwc_scheduler *scheduler, int worker, const int **workers) {
    const hand *at = &scheduler->worker[worker];
    *workers = NULL;
    if (at->state != UWC_WORKER_BUSY) {
        return 0;
    }
    *workers = &scheduler->member[at->lead * UWC_SCHEDULER_TEAM];
    return scheduler->worker[at->lead].members;
}

int uwc_sched__scheduler_count(const uwc_scheduler *scheduler, uwc_task_state state) {
    return scheduler->tasks_in[state];
}
