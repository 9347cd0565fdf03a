/* The ranks that serve a farm. */
#include "farm.h"

#include <string.h>

uwc_status uwc_sched__tell(uwc_comm *comm, int peer, uwc_message kind, int64_t first, int64_t second) {
    return uwc_comm_send(comm, &(uwc_frame){.peer = peer, .kind = (int)kind, .arg = {first, second}});
}

static uwc_status poll_hooks(const uwc_hand *hand) {
    return hand->hooks != NULL && hand->hooks->poll != NULL ? hand->hooks->poll(hand->hooks->self) : UWC_OK;
}

/* *mine: the frame is an order about the farm, and has been obeyed. */
static uwc_status obey(uwc_hand *hand, const uwc_frame *frame, bool *mine) {
    *mine = frame->kind == UWC_MESSAGE_STOP || frame->kind == UWC_MESSAGE_CANCEL || frame->kind == UWC_MESSAGE_PULSE;
    if (frame->kind == UWC_MESSAGE_STOP) {
        hand->stopped = true;
        return uwc_error_set(UWC_E_INTERRUPTED, "stopped by the coordinator");
    }
    if (frame->kind == UWC_MESSAGE_CANCEL && frame->arg[0] == hand->round) {
        hand->cancelled = true;
        return uwc_error_set(UWC_E_INTERRUPTED, "cancelled by the coordinator");
    }
    return UWC_OK;
}

/* At most one frame, so that what comes behind a cancellation stays for the next task. The first member of a team may have reported, and
 * the coordinator have answered, before the others have seen their last message from it: that next task waits, with all that comes behind
 * it. */
static uwc_status poll_frames(uwc_hand *hand) {
    uwc_frame frame;
    bool got, mine = true;
    if (hand->early.kind != 0) {
        return UWC_OK;
    }
    UWC_TRY(uwc_comm_receive(hand->comm, 0, 0, &frame, &got));
    uwc_status st = got ? obey(hand, &frame, &mine) : UWC_OK;
    if (!mine && frame.kind == UWC_MESSAGE_TASK) {
        hand->early = frame;
        return st;
    }
    if (!mine) {
        st = uwc_error_set(UWC_E_COMM, "a message of kind %d came in the middle of a task", frame.kind);
    }
    uwc_frame_clear(&frame);
    return st;
}

/* The coordinator shows now and then that it lives, but it may lose patience with several ranks in turn. */
static uwc_status receive(uwc_hand *hand, uwc_frame *out) {
    const double most = 10 * uwc_comm_patience(hand->comm);
    bool got;
    if (hand->early.kind != 0) {
        *out = hand->early;
        hand->early = (uwc_frame){0};
        return UWC_OK;
    }
    UWC_TRY(uwc_comm_receive(hand->comm, 0, most, out, &got));
    if (!got) {
        uwc_comm_lose(hand->comm, 0);
        return uwc_error_set(UWC_E_COMM, "the coordinator is silent for %g s", most);
    }
    return UWC_OK;
}

uwc_status uwc_sched__hand_poll(void *self) {
    uwc_hand *hand = self;
    UWC_CHECK(!hand->stopped && !hand->cancelled, UWC_E_INTERRUPTED, "%s by the coordinator", hand->stopped ? "stopped" : "cancelled");
    UWC_TRY(hand->farm != NULL ? uwc_sched__farm_step(hand->farm) : poll_frames(hand));
    return poll_hooks(hand);
}

uwc_status uwc_sched__hand_receive(uwc_hand *hand, uwc_frame *out) {
    bool mine = true;
    while (mine) {
        UWC_TRY(receive(hand, out));
        uwc_status st = obey(hand, out, &mine);
        if (mine) {
            uwc_frame_clear(out);
        }
        UWC_TRY(st);
    }
    return UWC_OK;
}

static uwc_status read_task(const uwc_frame *frame, uwc_assignment *out) {
    *out = (uwc_assignment){.task = (int)frame->arg[0],
                            .round = frame->arg[1],
                            .member = (int)(frame->arg[2] % 256),
                            .members = (int)(frame->arg[2] / 256),
                            .files = frame->arg[3]};
    const bool team = out->members > 1;
    bool sound = out->task >= 0 && out->members >= 1 && out->members <= UWC_SHARDS && out->member < out->members && out->files >= 0;
    UWC_CHECK(sound && frame->bytes == (team ? sizeof out->team : 0), UWC_E_COMM, "an assignment of task %lld, member %d of %d",
              (long long)frame->arg[0], out->member, out->members);
    if (team) {
        memcpy(&out->team, frame->payload, sizeof out->team);
    }
    return UWC_OK;
}

static uwc_status report(uwc_hand *hand, const uwc_assignment *a, uwc_status st, uwc_outcome *outcome) {
    if (hand->stopped || (st == UWC_OK && a->member > 0)) {
        return UWC_OK;
    }
    if (hand->cancelled) {
        hand->cancelled = false;
        return uwc_sched__tell(hand->comm, 0, UWC_MESSAGE_HELLO, a->round, 0);
    }
    if (st == UWC_OK) {
        uwc_frame frame = {.kind = UWC_MESSAGE_RESULT,
                           .arg = {a->task, a->round, (int64_t)(outcome->seconds * 1e6)},
                           .payload = outcome->image,
                           .bytes = outcome->bytes};
        return uwc_comm_send(hand->comm, &frame);
    }
    uwc_error error = *uwc_error_last();
    error.status = st;
    uwc_frame frame = {.kind = UWC_MESSAGE_FAILED, .arg = {a->task, a->round}, .payload = (char *)&error, .bytes = sizeof error};
    return uwc_comm_send(hand->comm, &frame);
}

static uwc_status take_task(uwc_hand *hand, const uwc_frame *frame) {
    uwc_assignment assignment;
    uwc_outcome outcome = {0};
    UWC_TRY(read_task(frame, &assignment));
    hand->round = hand->last = assignment.round;
    uwc_status st = report(hand, &assignment, hand->perform(hand, &assignment, &outcome), &outcome);
    hand->round = 0;
    uwc_free(&outcome.image);
    return st;
}

static uwc_status serve(uwc_hand *hand) {
    UWC_TRY(uwc_sched__tell(hand->comm, 0, UWC_MESSAGE_HELLO, 0, 0));
    while (!hand->stopped) {
        uwc_frame frame;
        UWC_TRY(receive(hand, &frame));
        bool mine;
        uwc_status st = obey(hand, &frame, &mine);
        if (hand->stopped) {
            st = UWC_OK;
        } else if (mine) { /* a pulse, or a task is cancelled that has been done, or has never come as a team could not be formed */
            st = uwc_sched__tell(hand->comm, 0, UWC_MESSAGE_HELLO, frame.kind == UWC_MESSAGE_CANCEL ? frame.arg[0] : hand->last, 0);
        } else if (frame.kind == UWC_MESSAGE_TASK) {
            st = take_task(hand, &frame);
        } else if (frame.kind != UWC_MESSAGE_FILE && frame.kind != UWC_MESSAGE_SETUP) { /* those of a task that has failed here */
            st = uwc_error_set(UWC_E_COMM, "the coordinator sent a message of kind %d", frame.kind);
        }
        uwc_frame_clear(&frame);
        UWC_TRY(st);
    }
    return UWC_OK;
}

uwc_status uwc_sched__serve(uwc_hand *hand) {
    uwc_status st = serve(hand);
    uwc_error error = *uwc_error_last();
    uwc_frame_clear(&hand->early);
    uwc_status told =
        uwc_sched__tell(hand->comm, 0, UWC_MESSAGE_BYE, uwc_peak_rss(), 0); /* the coordinator waits for it, whatever happened */
    return st == UWC_OK ? told : uwc_error_restore(&error);
}
