/* A worker: solves the units that the coordinator sends. After STOP, which may come in the middle of a unit, it says BYE and nothing else.
 */
#include "sched_impl.h"

#include <string.h>

typedef struct worker {
    uwc_run *run;
    uwc_cache *cache; /* the run's, NULL: activations come in messages */
    bool stopped;
} worker;

uwc_status uwc_sched__solve_unit(const uwc_run *run, int unit, uwc_cache *cache, uwc_status (*poll)(void *), void *self, uwc_outcome *out) {
    double start = uwc_now();
    uwc_unit_stream stream;
    uwc_unit_result *result = NULL;
    *out = (uwc_outcome){0};
    UWC_TRY(uwc_sched__stream_open(run->plan, unit, cache, &stream));
    stream.poll = poll;
    stream.poll_self = self;
    uwc_recon_options options = run->settings.recon;
    options.batch_bytes = run->plan->memory.unit[unit].batch_bytes;
    uwc_status st = uwc_recon_unit(stream.graph, &options, &stream.stream, &result);
    if (st == UWC_OK) {
        st = uwc_sched__stream_finish(&stream);
    }
    if (st == UWC_OK) {
        st = uwc_sched__unit_image(result, &out->image, &out->bytes);
    }
    uwc_unit_result_destroy(&result);
    uwc_sched__stream_close(&stream);
    out->seconds = uwc_now() - start;
    return uwc_error_note(st, "unit %s", run->plan->partition->unit[unit].name);
}

/* While a unit is solved the only frame that can come is STOP. */
static uwc_status poll_worker(void *self) {
    worker *w = self;
    uwc_frame frame;
    bool got;
    UWC_TRY(uwc_comm_receive(w->run->comm, 0, 0, &frame, &got));
    if (got) {
        w->stopped = frame.kind == UWC_MESSAGE_STOP;
        uwc_frame_clear(&frame);
        return w->stopped ? uwc_error_set(UWC_E_INTERRUPTED, "stopped by the coordinator")
                          : uwc_error_set(UWC_E_COMM, "a message came in the middle of a unit");
    }
    return uwc_sched__poll(w->run);
}

/* The files that belong to a unit. All of them are taken, also when one cannot be stored. */
static uwc_status receive_files(worker *w, int64_t files, uwc_cache *cache, uwc_status st) {
    while (files > 0 && !w->stopped) {
        uwc_frame frame;
        bool got;
        UWC_TRY(uwc_comm_receive(w->run->comm, 0, -1, &frame, &got));
        if (frame.kind == UWC_MESSAGE_STOP) {
            w->stopped = true;
        } else if (frame.kind != UWC_MESSAGE_FILE) {
            st = uwc_error_set(UWC_E_COMM, "a message of kind %d among files", frame.kind);
        } else if (st == UWC_OK) {
            st = uwc_sched__store_shard(w->run->plan, cache, &frame);
        }
        files -= frame.kind != UWC_MESSAGE_FILE || uwc_sched__ends_shard(&frame);
        uwc_frame_clear(&frame);
    }
    return st;
}

static uwc_status send_outputs(worker *w, int unit, uwc_cache *cache) {
    const uwc_plan *plan = w->run->plan;
    const uwc_unit *at = &plan->partition->unit[unit];
    for (int i = 0; i < at->n_outputs; i++) {
        for (int shard = 0; shard < UWC_SHARDS && uwc_sched__is_wanted(plan, unit, at->output[i]); shard++) {
            if (uwc_sched__shard_images(plan, shard) > 0) {
                UWC_TRY(uwc_sched__send_shard(w->run->comm, 0, cache, at->output[i], true, shard));
            }
        }
    }
    return UWC_OK;
}

static uwc_status send_result(worker *w, int unit, const uwc_outcome *outcome) {
    uwc_frame frame = {
        .kind = UWC_MESSAGE_RESULT, .arg = {unit, (int64_t)(outcome->seconds * 1e6)}, .payload = outcome->image, .bytes = outcome->bytes};
    return uwc_comm_send(w->run->comm, &frame);
}

static uwc_status send_failure(worker *w, int unit, uwc_status st) {
    uwc_error error = *uwc_error_last();
    error.status = st;
    uwc_frame frame = {.kind = UWC_MESSAGE_FAILED, .arg = {unit}, .payload = (char *)&error, .bytes = sizeof error};
    return uwc_comm_send(w->run->comm, &frame);
}

static uwc_status solve_with_files(worker *w, int unit, int64_t files, uwc_outcome *outcome) {
    uwc_scratch scratch;
    uwc_status st = uwc_sched__scratch_open(w->run->settings.cache, &scratch);
    st = receive_files(w, files, scratch.cache, st);
    if (st == UWC_OK && !w->stopped) {
        st = uwc_sched__solve_unit(w->run, unit, scratch.cache, poll_worker, w, outcome);
    }
    if (st == UWC_OK && !w->stopped) {
        st = send_outputs(w, unit, scratch.cache);
    }
    uwc_sched__scratch_close(&scratch);
    return st;
}

static uwc_status take_unit(worker *w, int64_t unit, int64_t files) {
    uwc_outcome outcome = {0};
    UWC_CHECK(unit >= 0 && unit < w->run->plan->partition->n_units, UWC_E_COMM, "unit %lld", (long long)unit);
    uwc_status st = w->cache == NULL ? solve_with_files(w, (int)unit, files, &outcome)
                                     : uwc_sched__solve_unit(w->run, (int)unit, w->cache, poll_worker, w, &outcome);
    if (w->stopped) {
        st = UWC_OK;
    } else if (st == UWC_OK) {
        st = send_result(w, (int)unit, &outcome);
    } else if (st != UWC_E_COMM) {
        st = send_failure(w, (int)unit, st);
    }
    uwc_free(&outcome.image);
    return st;
}

static uwc_status take_orders(worker *w) {
    UWC_TRY(uwc_sched__tell(w->run->comm, 0, UWC_MESSAGE_HELLO, 0, 0));
    while (!w->stopped) {
        uwc_frame frame;
        bool got;
        UWC_TRY(uwc_comm_receive(w->run->comm, 0, -1, &frame, &got));
        w->stopped = frame.kind == UWC_MESSAGE_STOP;
        uwc_status st = UWC_OK;
        if (frame.kind == UWC_MESSAGE_UNIT) {
            st = take_unit(w, frame.arg[0], frame.arg[1]);
        } else if (!w->stopped) {
            st = uwc_error_set(UWC_E_COMM, "the coordinator sent a message of kind %d", frame.kind);
        }
        uwc_frame_clear(&frame);
        UWC_TRY(st);
    }
    return UWC_OK;
}

uwc_status uwc_sched__work(uwc_run *run, uwc_cache *cache) {
    worker w = {.run = run, .cache = cache};
    uwc_status st = take_orders(&w);
    uwc_error error = *uwc_error_last();
    uwc_status told = uwc_sched__tell(run->comm, 0, UWC_MESSAGE_BYE, 0, 0); /* the coordinator waits for it, whatever happened */
    return st == UWC_OK ? told : uwc_error_restore(&error);
}
