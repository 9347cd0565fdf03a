#include "simulate.h"

#include "heap.h"
#include "sched_impl.h"
#include "scheduler.h"

uwc_status uwc_sched__sim_add(uwc_sim_load *load, const uwc_sim_task *task) {
    UWC_TRY(uwc_grow(&load->task, &load->task_capacity, load->n_tasks + 1, sizeof *load->task));
    load->task[load->n_tasks++] = *task;
    return UWC_OK;
}

uwc_status uwc_sched__sim_depend(uwc_sim_load *load, int on) {
    UWC_TRY(uwc_grow(&load->edge, &load->edge_capacity, load->n_edges + 1, sizeof *load->edge));
    load->edge[load->n_edges++] = (uwc_sim_edge){.task = load->n_tasks - 1, .on = on};
    return UWC_OK;
}

void uwc_sched__sim_clear(uwc_sim_load *load) {
    uwc_free(&load->task);
    uwc_free(&load->edge);
    *load = (uwc_sim_load){0};
}

typedef struct machine {
    const uwc_sim_load *load;
    uwc_sim_prices prices;
    int workers;
    uwc_scheduler *scheduler;
    double *sent; /* [workers] when the worker's next message was sent, negated: the first one has the largest key */
    uwc_heap messages;
    double now; /* the coordinator is free from then on */
    uwc_sim_result *result;
} machine;

static double duration(const uwc_sim_task *task, int members) {
    return uwc_sched__team_cost(&task->seconds, members);
}

/* The largest team that the workers can form for a task. */
static int largest_team(const machine *m, const uwc_sim_task *task) {
    int members = 1;
    while (2 * members <= task->most && 2 * members <= m->workers) {
        members *= 2;
    }
    return members;
}

/* ---- events -------------------------------------------------------------------------------------------------------------------------- */

static void spend(machine *m, double seconds) {
    m->now += seconds;
    m->result->coordinator += seconds;
}

static void expect(machine *m, int worker, double when) {
    m->sent[worker] = -when;
    uwc_sched__heap_add(&m->messages, worker);
}

/* The next message, HELLO or a result; the coordinator waits for it. */
static void take(machine *m) {
    int worker = uwc_sched__heap_first(&m->messages), task = uwc_sched__scheduler_task_of(m->scheduler, worker);
    uwc_sched__heap_remove(&m->messages, worker);
    m->now = -m->sent[worker] > m->now ? -m->sent[worker] : m->now;
    if (task < 0) {
        spend(m, m->prices.message);
        uwc_sched__scheduler_hello(m->scheduler, worker);
        return;
    }
    const double bytes = m->load->task[task].out_bytes;
    spend(m, m->prices.message + bytes * m->prices.byte + m->prices.publish);
    m->result->bytes += bytes;
    (void)uwc_sched__scheduler_solved(m->scheduler, worker, task);
}

/* A team begins when its last member has all it needs. */
static void assign(machine *m, uwc_action action) {
    const uwc_sim_task *task = &m->load->task[action.task];
    spend(m, action.members * (m->prices.message + task->in_bytes * m->prices.byte));
    m->result->bytes += action.members * task->in_bytes;
    m->result->busy += action.members * duration(task, action.members);
    expect(m, action.worker[0], m->now + duration(task, action.members));
}

/* The coordinator takes what has arrived before it gives out anything: what is idle then can be shared out. */
static bool has_arrived(const machine *m) {
    int first = uwc_sched__heap_first(&m->messages);
    return first >= 0 && -m->sent[first] <= m->now;
}

static void run(machine *m) {
    for (int w = 0; w < m->workers; w++) {
        expect(m, w, 0);
    }
    for (;;) {
        while (has_arrived(m)) {
            take(m);
        }
        uwc_action action = uwc_sched__scheduler_next(m->scheduler);
        if (action.kind == UWC_ACTION_FINISH) {
            break;
        }
        if (action.kind == UWC_ACTION_ASSIGN) {
            assign(m, action);
        } else {
            take(m);
        }
    }
    m->result->seconds = m->now;
}

/* ---- bounds -------------------------------------------------------------------------------------------------------------------------- */

static uwc_status find_bounds(machine *m) {
    const uwc_sim_load *load = m->load;
    double *path, *bound = m->result->bound;
    UWC_TRY(uwc_calloc(load->n_tasks, sizeof *path, &path));
    for (int t = 0, e = 0; t < load->n_tasks; t++) {
        const uwc_sim_task *task = &load->task[t];
        for (; e < load->n_edges && load->edge[e].task == t; e++) {
            double before = path[load->edge[e].on];
            path[t] = before > path[t] ? before : path[t];
        }
        path[t] += duration(task, largest_team(m, task)) + 2 * m->prices.message + (task->in_bytes + task->out_bytes) * m->prices.byte +
                   m->prices.publish;
        bound[UWC_BOUND_CHAIN] = path[t] > bound[UWC_BOUND_CHAIN] ? path[t] : bound[UWC_BOUND_CHAIN];
        bound[UWC_BOUND_WORKERS] += duration(task, 1) / m->workers;
    }
    bound[UWC_BOUND_COORDINATOR] = m->result->coordinator;
    for (int b = 0; b < UWC_BOUNDS; b++) {
        m->result->bottleneck = bound[b] > bound[m->result->bottleneck] ? (uwc_sim_bound)b : m->result->bottleneck;
    }
    uwc_free(&path);
    return UWC_OK;
}

/* ---- the whole ----------------------------------------------------------------------------------------------------------------------- */

static uwc_status open_scheduler(machine *m) {
    const uwc_sim_load *load = m->load;
    double *work;
    UWC_TRY(uwc_calloc(load->n_tasks, sizeof *work, &work));
    for (int t = 0; t < load->n_tasks; t++) {
        work[t] = duration(&load->task[t], 1);
    }
    uwc_status st = uwc_sched__scheduler_create(load->n_tasks, work, m->workers, &m->scheduler);
    uwc_free(&work);
    for (int t = 0; t < load->n_tasks && st == UWC_OK; t++) {
        uwc_sched__scheduler_team(m->scheduler, t, 1, load->task[t].most);
    }
    for (int e = 0; e < load->n_edges && st == UWC_OK; e++) {
        st = uwc_sched__scheduler_depend(m->scheduler, load->edge[e].task, load->edge[e].on);
    }
    return st;
}

uwc_status uwc_sched__simulate(const uwc_sim_load *load, const uwc_sim_prices *prices, int ranks, uwc_sim_result *out) {
    *out = (uwc_sim_result){0};
    machine m = {.load = load, .prices = *prices, .workers = ranks > 1 ? ranks - 1 : 1, .result = out};
    if (ranks == 1) {
        m.prices.message = m.prices.byte = 0;
    }
    uwc_status st;
    UWC_TRY_GOTO(st, uwc_calloc(m.workers, sizeof *m.sent, &m.sent), done);
    UWC_TRY_GOTO(st, uwc_sched__heap_create(m.workers, m.sent, &m.messages), done);
    UWC_TRY_GOTO(st, open_scheduler(&m), done);
    run(&m);
    st = find_bounds(&m);
done:
    uwc_sched__scheduler_destroy(&m.scheduler);
    uwc_sched__heap_free(&m.messages);
    uwc_free(&m.sent);
    return st;
}
