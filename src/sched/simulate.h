/* The scheduler on a machine that is not there: a coordinator that handles one message after the other, workers that take as long as they
 * are said to. */
#ifndef UWC_SIMULATE_H
#define UWC_SIMULATE_H

#include <uwc/recon.h>

typedef struct uwc_sim_task {
    uwc_recon_work seconds;     /* of one worker */
    double in_bytes, out_bytes; /* messages to each member, and from the lead */
    int most;                   /* members */
} uwc_sim_task;

typedef struct uwc_sim_edge {
    int task, on;
} uwc_sim_edge;

typedef struct uwc_sim_load {
    uwc_sim_task *task;
    uwc_sim_edge *edge;
    int n_tasks, n_edges;
    int64_t task_capacity, edge_capacity;
} uwc_sim_load;

/* Seconds of the coordinator. */
typedef struct uwc_sim_prices {
    double message, byte; /* to send or to take */
    double publish;       /* a result: file and journal, on disk */
} uwc_sim_prices;

/* What no schedule can beat: the longest chain with the largest teams, all work on all workers, all that the coordinator does. */
typedef enum uwc_sim_bound { UWC_BOUND_CHAIN, UWC_BOUND_WORKERS, UWC_BOUND_COORDINATOR, UWC_BOUNDS } uwc_sim_bound;

typedef struct uwc_sim_result {
    double seconds;     /* from the first message to the last result */
    double busy;        /* worker seconds */
    double coordinator; /* seconds in which it is busy */
    double bytes;       /* of messages */
    double bound[UWC_BOUNDS];
    uwc_sim_bound bottleneck; /* the largest bound */
} uwc_sim_result;

/* Tasks in topological order; the new one is the last. Local. */
uwc_status uwc_sched__sim_add(uwc_sim_load *load, const uwc_sim_task *task) UWC_MUST_USE;
/* The last task needs `on`. Local. */
uwc_status uwc_sched__sim_depend(uwc_sim_load *load, int on) UWC_MUST_USE;
void uwc_sched__sim_clear(uwc_sim_load *load);
/* On so many ranks: one works without messages, of more than one the first coordinates. Local. */
uwc_status uwc_sched__simulate(const uwc_sim_load *load, const uwc_sim_prices *prices, int ranks, uwc_sim_result *out) UWC_MUST_USE;

#endif
