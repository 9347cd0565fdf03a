/* The scheduler: a state machine over units and workers. It moves no message, opens no file and reads no clock: events go in, actions come
 * out. */
#ifndef UWC_SCHEDULER_H
#define UWC_SCHEDULER_H

#include <uwc/base.h>

typedef enum uwc_unit_state {
    UWC_UNIT_WAITING, /* for the units it depends on, or for a worker */
    UWC_UNIT_RUNNING,
    UWC_UNIT_DONE,
    UWC_UNIT_FAILED,  /* given up */
    UWC_UNIT_SKIPPED, /* depends on a failed one */
} uwc_unit_state;

typedef enum uwc_worker_state { UWC_WORKER_ABSENT, UWC_WORKER_IDLE, UWC_WORKER_BUSY, UWC_WORKER_LOST } uwc_worker_state;

typedef enum uwc_action_kind { UWC_ACTION_ASSIGN, UWC_ACTION_WAIT, UWC_ACTION_FINISH } uwc_action_kind;

typedef struct uwc_action {
    uwc_action_kind kind;
    int worker, unit; /* ASSIGN */
} uwc_action;

typedef struct uwc_scheduler uwc_scheduler;

/* A unit is tried 1 + UWC_SCHEDULER_RETRIES times before it is given up. */
enum { UWC_SCHEDULER_RETRIES = 2 };

/* `work`: estimated cost of each unit, copied. Local. */
uwc_status uwc_sched__scheduler_create(int n_units, const double *work, int n_workers, uwc_scheduler **out) UWC_MUST_USE;
void uwc_sched__scheduler_destroy(uwc_scheduler **scheduler);
/* `unit` needs `on`, on < unit (units are in topological order). Before the first event. Local. */
uwc_status uwc_sched__scheduler_depend(uwc_scheduler *scheduler, int unit, int on) UWC_MUST_USE;
/* The unit was solved by an earlier session. Before the first event. Local. */
void uwc_sched__scheduler_preset(uwc_scheduler *scheduler, int unit);

/* Events. A worker that reports is idle afterwards, a lost one too when it is heard of again. Local. */
void uwc_sched__scheduler_hello(uwc_scheduler *scheduler, int worker);
/* True if this is news; false if the unit was solved by another worker meanwhile. Local. */
bool uwc_sched__scheduler_solved(uwc_scheduler *scheduler, int worker, int unit);
/* True if the unit is given up now (and its dependents with it), false if it will be tried again. Local. */
bool uwc_sched__scheduler_failed(uwc_scheduler *scheduler, int worker, int unit);
/* The worker is silent for too long: its unit goes to another. True if that unit is given up now. Local. */
bool uwc_sched__scheduler_lost(uwc_scheduler *scheduler, int worker);
/* No more assignments. Local. */
void uwc_sched__scheduler_stop(uwc_scheduler *scheduler);

/* What to do now: ASSIGN (the state already says so), WAIT for an event, FINISH. Longest remaining chain of work first; ties go to the
 * lower unit and the lower worker. Local. */
uwc_action uwc_sched__scheduler_next(uwc_scheduler *scheduler);

uwc_unit_state uwc_sched__scheduler_state(const uwc_scheduler *scheduler, int unit);
uwc_worker_state uwc_sched__scheduler_worker(const uwc_scheduler *scheduler, int worker);
/* Unit that a busy or lost worker has, else -1. Local. */
int uwc_sched__scheduler_unit_of(const uwc_scheduler *scheduler, int worker);
int uwc_sched__scheduler_count(const uwc_scheduler *scheduler, uwc_unit_state state);

#endif
