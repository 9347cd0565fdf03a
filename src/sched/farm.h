/* A farm: tasks for the ranks of a run. Rank 0 leads: the scheduler says who does what, the farm tells the ranks and hears of them. The
 * others serve. No call involves all ranks, so that ranks may die: their tasks go to others (docs/formats/protocol.md). */
#ifndef UWC_FARM_H
#define UWC_FARM_H

#include "scheduler.h"

#include <uwc/par.h>
#include <uwc/recon.h>
#include <uwc/sched.h>

typedef enum uwc_message {
    UWC_MESSAGE_HELLO = 1, /* to 0: ready; arg = round of the last task, 0: none */
    UWC_MESSAGE_TASK,   /* from 0: arg = task, round, member + 256 members, number of frames that follow; payload of a team: uwc_roster */
    UWC_MESSAGE_CANCEL, /* from 0: arg = round */
    UWC_MESSAGE_PULSE,  /* from 0: it lives; who has no task answers with HELLO */
    UWC_MESSAGE_SETUP,  /* from 0: arg = what; payload = what a task needs beside files */
    UWC_MESSAGE_FILE, /* arg = 2 value + quantized, shard + UWC_SHARDS chain, from, left; payload = bytes [from, ..) of a cache file, `left`
                         are to come */
    UWC_MESSAGE_RESULT, /* to 0: arg = task, round, microseconds; payload = result */
    UWC_MESSAGE_FAILED, /* to 0: arg = task, round; payload = uwc_error */
    UWC_MESSAGE_SHARD,  /* to 0: arg = shard, which has been worked on */
    UWC_MESSAGE_STOP,   /* from 0: no more tasks */
    UWC_MESSAGE_BYE,    /* to 0: arg = peak resident bytes; the last frame of this rank in this phase */
} uwc_message;

/* A frame without payload. */
uwc_status uwc_sched__tell(uwc_comm *comm, int peer, uwc_message kind, int64_t first, int64_t second) UWC_MUST_USE;

/* Ranks that work on one task together. */
typedef struct uwc_roster {
    double limit; /* seconds that a member waits for another */
    int32_t rank[UWC_SHARDS];
} uwc_roster;

typedef struct uwc_assignment {
    int task;
    int64_t round; /* numbers the assignments of a farm, from 1 */
    int member, members;
    uwc_roster team; /* members > 1 */
    int64_t files;   /* frames that follow */
} uwc_assignment;

/* What became of a task. */
typedef struct uwc_outcome {
    char *image; /* owned; NULL after a failure, and of members that do not lead */
    size_t bytes;
    double seconds;
    int members; /* who worked on it; 0: one */
} uwc_outcome;

typedef struct uwc_farm uwc_farm;

/* A rank at work. The members after `perform` are the farm's. */
typedef struct uwc_hand {
    uwc_comm *comm;
    const uwc_hooks *hooks;
    void *self;
    uwc_status (*perform)(struct uwc_hand *hand, const uwc_assignment *assignment, uwc_outcome *out);
    uwc_farm *farm; /* of rank 0, NULL elsewhere */
    int64_t round;  /* in work, 0: idle */
    int64_t last;   /* that has been in work last */
    bool stopped, cancelled;
    uwc_frame early; /* kind 0: none; the next task, which came before the one in work was left */
} uwc_hand;

/* As `poll` of a stream (self: the hand): what the coordinator says meanwhile. Errors: INTERRUPTED (stopped, cancelled; also at every
 * further call in this task), those of the hooks. */
uwc_status uwc_sched__hand_poll(void *hand) UWC_MUST_USE;
/* The next frame that belongs to the task in work, waited for. Errors: as uwc_sched__hand_poll. */
uwc_status uwc_sched__hand_receive(uwc_hand *hand, uwc_frame *out) UWC_MUST_USE;
/* Another rank than 0: serves until the coordinator has no more tasks. */
uwc_status uwc_sched__serve(uwc_hand *hand) UWC_MUST_USE;

/* Rank 0 of a farm. Callbacks return another status than OK to end the farm with it. The members after `works` are the farm's. */
struct uwc_farm {
    uwc_hand hand; /* of rank 0 itself; hand.self is given to all callbacks */
    uwc_scheduler *scheduler;
    const uwc_log *log;
    const char *(*name)(void *self, int task); /* for messages; borrowed until the next call */
    double (*limit)(void *self, int task);     /* seconds after which a task goes to others at the first try, as far as is known by now */
    int64_t (*files)(void *self, int task, int rank);
    uwc_status (*ship)(void *self, int task, int rank); /* sends them; NULL: none ever */
    uwc_status (*file)(void *self, const uwc_frame *frame);
    uwc_status (*solved)(void *self, int task, const uwc_outcome *outcome);
    uwc_status (*given_up)(void *self, int task, const uwc_error *error);
    int n_tasks;
    bool works;            /* rank 0 takes tasks too (of one member); else only while nobody else is there */
    struct uwc_desk *desk; /* [ranks] */
    int *tries;            /* [n_tasks] */
    int64_t round, peak;   /* bytes of the largest rank */
    double housekeeping;   /* when it is due */
    double pulse;          /* likewise */
    bool dismissed;
    uwc_error fatal; /* ends the farm; status OK: none */
};

/* For rank 0 at work itself: answers a frame that has come and sees to the rest. Errors: what ends the farm. */
uwc_status uwc_sched__farm_step(uwc_farm *farm) UWC_MUST_USE;
/* Until every task is done or given up. With farm->scheduler made; its workers are the ranks. */
uwc_status uwc_sched__lead(uwc_farm *farm) UWC_MUST_USE;

#endif
