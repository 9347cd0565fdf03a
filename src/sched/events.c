/* What the journal says about a run: sessions, the seconds of its phases, and other events (docs/formats/journal.md). */
#include "sched_impl.h"

#include <string.h>

uwc_status uwc_sched__record(uwc_run *run, uwc_json *event) {
    uwc_status st = event == NULL ? uwc_error_set(UWC_E_NOMEM, "journal event") : UWC_OK;
    if (st == UWC_OK) {
        st = uwc_json_append(run->events, uwc_json_retain(event));
    }
    if (st != UWC_OK) {
        uwc_json_release(&event);
        return st;
    }
    return uwc_sched__journal_append(run->journal, event);
}

static uwc_status record_seconds(uwc_run *run, const char *kind, uwc_phase phase, double seconds) {
    if (uwc_comm_rank(run->comm) != 0) {
        return UWC_OK;
    }
    uwc_json *event = uwc_json_object();
    uwc_status st = uwc_json_set_string(event, "event", kind);
    if (st == UWC_OK) {
        st = uwc_json_set_string(event, "phase", uwc_phase_name(phase));
    }
    if (st == UWC_OK) {
        st = uwc_json_set_real(event, "seconds", seconds);
    }
    if (st != UWC_OK) {
        uwc_json_release(&event);
        return st;
    }
    return uwc_sched__record(run, event);
}

uwc_status uwc_sched__record_phase(uwc_run *run, uwc_phase phase, double seconds) {
    return record_seconds(run, "phase", phase, seconds);
}

uwc_status uwc_sched__record_elapsed(uwc_run *run, uwc_phase phase, double seconds) {
    return record_seconds(run, "elapsed", phase, seconds);
}

uwc_status uwc_sched__record_session(uwc_run *run) {
    uwc_json *event = uwc_json_object();
    uwc_status st = uwc_json_set_string(event, "event", "session");
    if (st == UWC_OK) {
        st = uwc_json_set_int(event, "ranks", uwc_comm_size(run->comm));
    }
    if (st != UWC_OK) {
        uwc_json_release(&event);
        return st;
    }
    return uwc_sched__record(run, event);
}

static bool is_kind(const uwc_json *event, const char *kind) {
    const char *text = uwc_json_text(uwc_json_find(event, "event"));
    return text != NULL && strcmp(text, kind) == 0;
}

const uwc_json *uwc_sched__find_event(const uwc_run *run, const char *kind, const char *key, int64_t value) {
    for (int64_t i = uwc_json_length(run->events) - 1; i >= 0; i--) {
        const uwc_json *event = uwc_json_at(run->events, i);
        int64_t have;
        if (is_kind(event, kind) &&
            (key == NULL || (uwc_json_find(event, key) != NULL && uwc_json_get_int(event, key, &have) == UWC_OK && have == value))) {
            return event;
        }
    }
    return NULL;
}

double uwc_sched__phase_seconds(const uwc_run *run, uwc_phase phase) {
    bool adds_up = phase == UWC_PHASE_CAPTURE || phase == UWC_PHASE_SOLVE;
    double sum = 0, session = 0, last = -1;
    for (int64_t i = 0; i < uwc_json_length(run->events); i++) {
        const uwc_json *event = uwc_json_at(run->events, i), *seconds = uwc_json_find(event, "seconds");
        const char *name = uwc_json_text(uwc_json_find(event, "phase"));
        double value;
        if (is_kind(event, "session")) {
            sum += session;
            session = 0;
        } else if (name != NULL && seconds != NULL && strcmp(name, uwc_phase_name(phase)) == 0 &&
                   uwc_json_number(seconds, &value) == UWC_OK) {
            session = value > session ? value : session;
            last = value;
        }
    }
    return last < 0 ? -1 : adds_up ? sum + session : last;
}
