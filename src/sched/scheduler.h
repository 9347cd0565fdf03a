/* The scheduler: a state machine over tasks and workers. It moves no message, opens no file and reads no clock: events go in, actions come
 * out. A task is done by a team of workers, the first of whom leads it and reports. An event costs O(log n), and what it frees or skips. */
#ifndef UWC_SCHEDULER_H
#define UWC_SCHEDULER_H

#include <uwc/base.h>

typedef enum uwc_task_state {
    UWC_TASK_WAITING, /* for the tasks it depends on, or for workers */
    UWC_TASK_RUNNING,
    UWC_TASK_DONE,
    UWC_TASK_FAILED,  /* given up */
    UWC_TASK_SKIPPED, /* depends on a failed one */
} uwc_task_state;

typedef enum uwc_worker_state { UWC_WORKER_ABSENT, UWC_WORKER_IDLE, UWC_WORKER_BUSY, UWC_WORKER_LOST } uwc_worker_state;

typedef enum uwc_action_kind { UWC_ACTION_ASSIGN, UWC_ACTION_WAIT, UWC_ACTION_FINISH } uwc_action_kind;

typedef struct uwc_action {
    uwc_action_kind kind;
    int task, members; /* ASSIGN, else -1 and 0 */
    const int *worker; /* [members], ascending, borrowed until the next call; worker[0] leads */
} uwc_action;

typedef struct uwc_scheduler uwc_scheduler;

enum {
    UWC_SCHEDULER_RETRIES = 1, /* a task that fails more often is given up */
    UWC_SCHEDULER_LOSSES = 4,  /* so is one that loses more workers: one or two may have died of something else */
    UWC_SCHEDULER_TEAM = 16,   /* workers of a team at most */
};

/* `work`: estimated cost of each task for one worker, copied. Local. */
uwc_status uwc_sched__scheduler_create(int n_tasks, const double *work, int n_workers, uwc_scheduler **out) UWC_MUST_USE;
void uwc_sched__scheduler_destroy(uwc_scheduler **scheduler);
/* `task` needs `on`, on < task (tasks are in topological order). Before the first event. Local. */
uwc_status uwc_sched__scheduler_depend(uwc_scheduler *scheduler, int task, int on) UWC_MUST_USE;
/* The task was done by an earlier session. Before the first event. Local. */
void uwc_sched__scheduler_preset(uwc_scheduler *scheduler, int task);
/* Teams of least .. most workers may have the task (powers of two up to UWC_SCHEDULER_TEAM); without this, one worker. Before the first
 * event. Local. */
void uwc_sched__scheduler_team(uwc_scheduler *scheduler, int task, int least, int most);
/* Who has done `task` begins with `sister` next, if that can begin then. Before the first event. Local. */
void uwc_sched__scheduler_sister(uwc_scheduler *scheduler, int task, int sister);

/* Events. A worker that is heard of is idle afterwards, a lost one too, unless it has another task. A report frees the whole team. */

/* The worker is there. Local. */
void uwc_sched__scheduler_hello(uwc_scheduler *scheduler, int worker);
/* From the lead. True if this is news; false if the task was solved by others meanwhile. Others who still have the task keep it until they
 * report. Local. */
bool uwc_sched__scheduler_solved(uwc_scheduler *scheduler, int worker, int task);
/* From any member. True if the task is given up now (and its dependents with it), false if it will be tried again. Local. */
bool uwc_sched__scheduler_failed(uwc_scheduler *scheduler, int worker, int task);
/* The worker is silent for too long: its team is dissolved, its task goes to others. True if that task is given up now. Local. */
bool uwc_sched__scheduler_lost(uwc_scheduler *scheduler, int worker);
/* No more assignments. Local. */
void uwc_sched__scheduler_stop(uwc_scheduler *scheduler);

/* What to do now: ASSIGN (the state already says so), WAIT for an event, FINISH. Of the tasks that a team can be formed for, the one with
 * the longest remaining chain of work is first, after a sister of what the first idle worker did last; ties go to the lower task. Idle
 * workers are shared out evenly among the tasks that can begin, lower numbers first. Where fewer than `least` workers are not lost, those
 * who are left are enough. Local. */
uwc_action uwc_sched__scheduler_next(uwc_scheduler *scheduler);

uwc_task_state uwc_sched__scheduler_state(const uwc_scheduler *scheduler, int task);
uwc_worker_state uwc_sched__scheduler_worker(const uwc_scheduler *scheduler, int worker);
/* Task that a busy or lost worker has, else -1. Local. */
int uwc_sched__scheduler_task_of(const uwc_scheduler *scheduler, int worker);
/* Members of the team that a busy worker is in, else 0. *workers: as in uwc_action. Local. */
int uwc_sched__scheduler_team_of(const uwc_scheduler *scheduler, int worker, const int **workers);
int uwc_sched__scheduler_count(const uwc_scheduler *scheduler, uwc_task_state state);

#endif
