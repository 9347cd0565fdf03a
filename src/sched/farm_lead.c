/* The coordinator of a farm: carries out what the scheduler says, and hears what becomes of it. */
#include "farm.h"

#include <string.h>

#define HOUSEKEEPING 0.05     /* seconds between looks at the clock, at the deadlines and at the hooks */
enum { MOST_FRAMES = 10000 }; /* between two looks */
#define FAREWELL 30.0         /* seconds in which a rank leaves that is told to */
#define MEETING 0.5           /* seconds in which ranks come together before the first task is given out */
enum { SILENT_PULSES = 3 };   /* a rank that has left so many without an answer is lost */

/* What rank 0 has of another rank. */
typedef struct uwc_desk {
    int64_t round; /* of its last assignment */
    double since;  /* of that, or of the beginning */
    int pulses;    /* since a frame of it came */
    bool gone;     /* said BYE */
} uwc_desk;

static int ranks(const uwc_farm *farm) {
    return uwc_comm_size(farm->hand.comm);
}

static void set_fatal(uwc_farm *farm, const uwc_error *error) {
    if (farm->fatal.status == UWC_OK) {
        farm->fatal = *error;
    }
    uwc_sched__scheduler_stop(farm->scheduler);
}

/* Keeps a failure of the coordinator itself. */
static void note(uwc_farm *farm, uwc_status st) {
    if (st != UWC_OK) {
        uwc_error error = *uwc_error_last();
        error.status = st;
        set_fatal(farm, &error);
    }
}

/* Failures that another try or another task would meet again: they end the farm. */
static bool is_fatal(uwc_status st) {
    return st != UWC_E_MATH && st != UWC_E_NOMEM && st != UWC_E_LIBRARY && st != UWC_E_VALUE && st != UWC_E_SHAPE && st != UWC_E_COMM;
}

/* ---- ranks that are lost ------------------------------------------------------------------------------------------------------- */

/* The ranks of the team that `rank` is in, itself included. */
static int team_of(const uwc_farm *farm, int rank, int *out) {
    const int *worker;
    int members = uwc_sched__scheduler_team_of(farm->scheduler, rank, &worker);
    for (int m = 0; m < members; m++) {
        out[m] = worker[m];
    }
    return members;
}

/* Each try after the second has twice the time: one that fails may have met a dead rank. */
static double limit_of(const uwc_farm *farm, int task) {
    enum { MOST_DOUBLINGS = 10 };
    int doublings = farm->tries[task] < 2 ? 0 : farm->tries[task] - 2;
    return farm->limit(farm->hand.self, task) * (double)(1 << (doublings < MOST_DOUBLINGS ? doublings : MOST_DOUBLINGS));
}

static void lose(uwc_farm *farm, int rank, const char *why) {
    int task = uwc_sched__scheduler_task_of(farm->scheduler, rank);
    uwc_comm_lose(farm->hand.comm, rank);
    if (uwc_sched__scheduler_lost(farm->scheduler, rank)) {
        uwc_error error = {.status = UWC_E_COMM};
        snprintf(error.text, sizeof error.text, "%.200s: %s too often", farm->name(farm->hand.self, task), why);
        note(farm, farm->given_up(farm->hand.self, task, &error));
    }
}

/* A team that is silent: whoever lives answers the cancellation and is found again. */
static void lose_team(uwc_farm *farm, int rank) {
    int member[UWC_SHARDS], members = team_of(farm, rank, member);
    for (int m = 0; m < members; m++) {
        note(farm, uwc_sched__tell(farm->hand.comm, member[m], UWC_MESSAGE_CANCEL, farm->desk[member[m]].round, 0));
    }
    for (int m = 0; m < members; m++) {
        lose(farm, member[m], "no rank solved it in time,");
    }
}

/* Busy ranks have their tasks' time, the others answer pulses. */
static void check_deadlines(uwc_farm *farm, double now) {
    for (int r = 1; r < ranks(farm); r++) {
        uwc_desk *desk = &farm->desk[r];
        uwc_worker_state state = uwc_sched__scheduler_worker(farm->scheduler, r);
        int task = uwc_sched__scheduler_task_of(farm->scheduler, r);
        if (state == UWC_WORKER_BUSY && now - desk->since > limit_of(farm, task)) {
            uwc_log_line(farm->log, UWC_LOG_INFO, "rank %d has worked on %s for more than %.3g s: it goes to another", r,
                         farm->name(farm->hand.self, task), limit_of(farm, task));
            lose_team(farm, r);
        } else if ((state == UWC_WORKER_ABSENT || state == UWC_WORKER_IDLE) && desk->pulses > SILENT_PULSES) {
            uwc_log_line(farm->log, UWC_LOG_INFO, "rank %d does not answer", r);
            lose(farm, r, "no rank answers,");
        }
    }
}

static bool is_alone(const uwc_farm *farm) {
    return uwc_comm_lost(farm->hand.comm) == ranks(farm) - 1;
}

/* ---- frames -------------------------------------------------------------------------------------------------------------------- */

static void take_failure(uwc_farm *farm, int rank, int task, const uwc_error *error) {
    int member[UWC_SHARDS], members = team_of(farm, rank, member);
    bool given_up = uwc_sched__scheduler_failed(farm->scheduler, rank, task);
    for (int m = 0; m < members; m++) {
        if (member[m] != rank) {
            note(farm, uwc_sched__tell(farm->hand.comm, member[m], UWC_MESSAGE_CANCEL, farm->desk[member[m]].round, 0));
        }
    }
    if (is_fatal(error->status)) {
        set_fatal(farm, error);
    } else if (given_up) {
        note(farm, farm->given_up(farm->hand.self, task, error));
    } else {
        uwc_log_line(farm->log, UWC_LOG_INFO, "%s (is tried again)", error->text);
    }
}

static void take_outcome(uwc_farm *farm, int rank, int task, const uwc_outcome *outcome) {
    if (uwc_sched__scheduler_solved(farm->scheduler, rank, task)) {
        note(farm, farm->solved(farm->hand.self, task, outcome));
    }
}

static uwc_status take_report(uwc_farm *farm, const uwc_frame *frame) {
    int task = (int)frame->arg[0];
    if (frame->kind == UWC_MESSAGE_RESULT) {
        int member[UWC_SHARDS];
        uwc_outcome outcome = {.image = frame->payload,
                               .bytes = frame->bytes,
                               .seconds = 1e-6 * (double)frame->arg[2],
                               .members = team_of(farm, frame->peer, member)};
        take_outcome(farm, frame->peer, task, &outcome);
        return UWC_OK;
    }
    uwc_error error;
    UWC_CHECK(frame->bytes == sizeof error, UWC_E_COMM, "rank %d sent a failure of %zu bytes", frame->peer, frame->bytes);
    memcpy(&error, frame->payload, sizeof error);
    error.text[UWC_ERROR_TEXT - 1] = '\0';
    if (frame->arg[1] == farm->desk[frame->peer].round && uwc_sched__scheduler_task_of(farm->scheduler, frame->peer) == task) {
        take_failure(farm, frame->peer, task, &error);
    } else {
        uwc_sched__scheduler_hello(farm->scheduler, frame->peer);
    }
    return UWC_OK;
}

static uwc_status handle(uwc_farm *farm, const uwc_frame *frame) {
    uwc_desk *desk = &farm->desk[frame->peer];
    desk->pulses = 0;
    uwc_comm_find(farm->hand.comm, frame->peer);
    switch (frame->kind) {
    case UWC_MESSAGE_HELLO:
        if (frame->arg[0] == desk->round) { /* else it has been given something else already */
            uwc_sched__scheduler_hello(farm->scheduler, frame->peer);
        }
        return UWC_OK;
    case UWC_MESSAGE_BYE:
        desk->gone = true;
        farm->peak = frame->arg[0] > farm->peak ? frame->arg[0] : farm->peak;
        if (!farm->dismissed) {
            uwc_log_line(farm->log, UWC_LOG_INFO, "rank %d has left", frame->peer);
            lose(farm, frame->peer, "ranks leave,");
        }
        return UWC_OK;
    case UWC_MESSAGE_FILE:
        return farm->file(farm->hand.self, frame);
    case UWC_MESSAGE_RESULT:
    case UWC_MESSAGE_FAILED:
        UWC_CHECK(frame->arg[0] >= 0 && frame->arg[0] < farm->n_tasks, UWC_E_COMM, "rank %d sent a message for task %lld", frame->peer,
                  (long long)frame->arg[0]);
        return take_report(farm, frame);
    default:
        return uwc_error_set(UWC_E_COMM, "rank %d sent a message of kind %d", frame->peer, frame->kind);
    }
}

/* At most one frame; waits up to `seconds` for it. A rank that dies in the middle of a frame is lost. */
static uwc_status take_frame(uwc_farm *farm, double seconds, bool *got) {
    uwc_frame frame;
    *got = false;
    uwc_status st = uwc_comm_receive(farm->hand.comm, -1, seconds, &frame, got);
    if (st == UWC_E_COMM && frame.peer > 0) {
        uwc_log_line(farm->log, UWC_LOG_INFO, "%s", uwc_error_last()->text);
        lose(farm, frame.peer, "ranks die,");
        return UWC_OK;
    }
    UWC_TRY(st);
    st = *got ? handle(farm, &frame) : UWC_OK;
    uwc_frame_clear(&frame);
    return st;
}

/* ---- assignments --------------------------------------------------------------------------------------------------------------- */

static uwc_status send_task(uwc_farm *farm, const uwc_assignment *a, int rank) {
    void *self = farm->hand.self;
    int64_t files = farm->ship == NULL ? 0 : farm->files(self, a->task, rank);
    uwc_frame frame = {.peer = rank, .kind = UWC_MESSAGE_TASK, .arg = {a->task, a->round, a->member + 256 * a->members, files}};
    if (a->members > 1) {
        frame.payload = (char *)(uintptr_t)&a->team;
        frame.bytes = sizeof a->team;
    }
    UWC_TRY(uwc_comm_send(farm->hand.comm, &frame));
    return files > 0 ? farm->ship(self, a->task, rank) : UWC_OK;
}

static void perform(uwc_farm *farm, const uwc_assignment *a) {
    uwc_outcome outcome = {0};
    farm->hand.round = a->round;
    uwc_status st = farm->hand.perform(&farm->hand, a, &outcome);
    farm->hand.round = 0;
    if (st == UWC_OK) {
        take_outcome(farm, 0, a->task, &outcome);
    } else if (farm->fatal.status == UWC_OK) {
        uwc_error error = *uwc_error_last();
        error.status = st;
        take_failure(farm, 0, a->task, &error);
    }
    uwc_free(&outcome.image);
}

static void assign(uwc_farm *farm, const uwc_action *action) {
    uwc_assignment a = {.task = action->task, .round = ++farm->round, .members = action->members};
    farm->tries[a.task]++;
    a.team.limit = limit_of(farm, a.task);
    for (int m = 0; m < a.members; m++) {
        a.team.rank[m] = action->worker[m];
        uwc_desk *desk = &farm->desk[action->worker[m]];
        desk->round = a.round;
        desk->since = uwc_now();
    }
    if (a.team.rank[0] == 0) {
        perform(farm, &a);
        return;
    }
    for (; a.member < a.members; a.member++) {
        uwc_status st = send_task(farm, &a, a.team.rank[a.member]);
        if (st == UWC_E_COMM) {
            uwc_log_line(farm->log, UWC_LOG_INFO, "%s", uwc_error_last()->text);
            lose_team(farm, a.team.rank[a.member]);
            return;
        }
        note(farm, st);
    }
}

/* What has to be done now and then. */
static uwc_status keep_house(uwc_farm *farm) {
    const uwc_hooks *hooks = farm->hand.hooks;
    double now = uwc_now();
    if (now >= farm->housekeeping) {
        farm->housekeeping = now + HOUSEKEEPING;
        check_deadlines(farm, now);
    }
    for (int r = 1; r < ranks(farm) && now >= farm->pulse; r++) { /* who works does not answer them */
        farm->desk[r].pulses += uwc_sched__scheduler_worker(farm->scheduler, r) != UWC_WORKER_BUSY;
        UWC_TRY(uwc_sched__tell(farm->hand.comm, r, UWC_MESSAGE_PULSE, 0, 0));
    }
    farm->pulse = now >= farm->pulse ? now + uwc_comm_patience(farm->hand.comm) : farm->pulse;
    bool idle = farm->hand.round == 0; /* else its own task asks */
    return idle && hooks != NULL && hooks->poll != NULL ? hooks->poll(hooks->self) : UWC_OK;
}

/* Where all others are lost, until one is found. */
static void stand_in(uwc_farm *farm) {
    uwc_worker_state state = uwc_sched__scheduler_worker(farm->scheduler, 0);
    if (is_alone(farm) && state == UWC_WORKER_LOST) {
        uwc_log_line(farm->log, UWC_LOG_INFO, "no other rank is left: rank 0 goes on alone");
        uwc_sched__scheduler_hello(farm->scheduler, 0);
    } else if (!farm->works && !is_alone(farm) && state == UWC_WORKER_IDLE) {
        uwc_sched__scheduler_lost(farm->scheduler, 0); /* no team has rank 0 */
    }
}

static uwc_action next_action(uwc_farm *farm) {
    for (;;) {
        stand_in(farm);
        uwc_action action = uwc_sched__scheduler_next(farm->scheduler);
        if (action.kind != UWC_ACTION_ASSIGN || farm->fatal.status != UWC_OK) {
            return action;
        }
        assign(farm, &action);
    }
}

/* Waits at most so long for a frame, answers all that have come, sees to the rest: a rank is late only when nothing has come of it. */
static void step(uwc_farm *farm, double seconds) {
    bool got = true;
    for (int frames = 0; frames < MOST_FRAMES && got && farm->fatal.status == UWC_OK; frames++) {
        note(farm, take_frame(farm, frames == 0 ? seconds : 0, &got));
    }
    if (farm->fatal.status == UWC_OK) {
        next_action(farm); /* now that all ranks are known that have nothing to do */
    }
    note(farm, keep_house(farm));
}

uwc_status uwc_sched__farm_step(uwc_farm *farm) {
    step(farm, 0);
    return farm->fatal.status == UWC_OK ? UWC_OK : uwc_error_restore(&farm->fatal);
}

/* ---- the whole ----------------------------------------------------------------------------------------------------------------- */

static bool is_waited_for(const uwc_farm *farm, int rank) {
    return !farm->desk[rank].gone && !uwc_comm_is_lost(farm->hand.comm, rank);
}

/* Ranks in the middle of a task see STOP there, so this does not take long. Results that are on their way are kept. */
static void dismiss(uwc_farm *farm) {
    const double patience = uwc_comm_patience(farm->hand.comm), end = uwc_now() + (patience < FAREWELL ? patience : FAREWELL);
    farm->dismissed = true;
    for (int r = 1; r < ranks(farm); r++) {
        note(farm, uwc_sched__tell(farm->hand.comm, r, UWC_MESSAGE_STOP, 0, 0));
    }
    for (int r = 1; r < ranks(farm); r++) {
        while (is_waited_for(farm, r) && uwc_now() < end) {
            bool got;
            note(farm, take_frame(farm, 0.1, &got));
        }
        if (is_waited_for(farm, r)) {
            uwc_log_line(farm->log, UWC_LOG_INFO, "rank %d does not answer", r);
            uwc_comm_lose(farm->hand.comm, r);
        }
    }
}

/* The first teams are better formed when everybody is there. */
static void await_ranks(uwc_farm *farm, double end) {
    for (int r = 1; r < ranks(farm); r++) {
        bool got = true;
        while (farm->fatal.status == UWC_OK && uwc_sched__scheduler_worker(farm->scheduler, r) == UWC_WORKER_ABSENT && uwc_now() < end) {
            note(farm, take_frame(farm, end - uwc_now(), &got));
        }
    }
}

static void lead(uwc_farm *farm) {
    const double start = uwc_now();
    for (int r = 0; r < ranks(farm); r++) {
        farm->desk[r].since = start;
        if (r > 0 && uwc_comm_is_lost(farm->hand.comm, r)) {
            uwc_sched__scheduler_lost(farm->scheduler, r);
        }
    }
    if (farm->works || is_alone(farm)) {
        uwc_sched__scheduler_hello(farm->scheduler, 0);
    } else {
        uwc_sched__scheduler_lost(farm->scheduler, 0); /* not counted on */
    }
    await_ranks(farm, start + MEETING);
    while (farm->fatal.status == UWC_OK && next_action(farm).kind != UWC_ACTION_FINISH) {
        step(farm, HOUSEKEEPING);
    }
    dismiss(farm);
}

uwc_status uwc_sched__lead(uwc_farm *farm) {
    farm->hand.farm = farm;
    farm->peak = uwc_peak_rss();
    uwc_status st = uwc_calloc(ranks(farm), sizeof *farm->desk, &farm->desk);
    if (st == UWC_OK) {
        st = uwc_calloc(farm->n_tasks, sizeof *farm->tries, &farm->tries);
    }
    if (st == UWC_OK) {
        lead(farm);
    }
    uwc_free(&farm->desk);
    uwc_free(&farm->tries);
    UWC_TRY(st);
    farm->peak = uwc_peak_rss() > farm->peak ? uwc_peak_rss() : farm->peak;
    return farm->fatal.status == UWC_OK ? UWC_OK : uwc_error_restore(&farm->fatal);
}
