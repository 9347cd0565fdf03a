/* Files in frames, and rank 0's ear for them while all ranks capture. */
#include "sched_impl.h"

#include <string.h>
#include <unistd.h>

enum { PIECE = 4 << 20 }; /* bytes of a file in one frame: memory must not grow with the number of images */

uwc_status uwc_sched__send_shard(uwc_comm *comm, int peer, uwc_cache *cache, uwc_shard_name name) {
    uwc_cache_key key = uwc_sched__key(name.value, name.quantized);
    int64_t from = 0, left = 1;
    while (left > 0) {
        uwc_frame frame = {.peer = peer, .kind = UWC_MESSAGE_FILE};
        UWC_TRY(uwc_cache_piece(cache, key.text, name.shard, from, PIECE, &frame.payload, &frame.bytes, &left));
        const int64_t arg[4] = {2 * (int64_t)name.value + name.quantized, name.shard + UWC_SHARDS * (int64_t)name.chain, from, left};
        memcpy(frame.arg, arg, sizeof arg);
        from += (int64_t)frame.bytes;
        uwc_status st = uwc_comm_send(comm, &frame);
        uwc_free(&frame.payload);
        UWC_TRY(st);
    }
    return UWC_OK;
}

bool uwc_sched__ends_shard(const uwc_frame *frame) {
    return frame->arg[3] == 0;
}

int64_t uwc_sched__frame_chain(const uwc_frame *frame) {
    return frame->arg[1] / UWC_SHARDS;
}

uwc_status uwc_sched__store_shard(const uwc_plan *plan, uwc_cache *cache, const uwc_frame *frame) {
    const int64_t value = frame->arg[0] / 2;
    bool sound = frame->arg[0] >= 0 && value < plan->graph->n_values && frame->arg[1] >= 0;
    UWC_CHECK(sound, UWC_E_COMM, "rank %d sent value %lld, shard %lld", frame->peer, (long long)value, (long long)frame->arg[1]);
    uwc_cache_key key = uwc_sched__key((int)value, frame->arg[0] % 2 != 0);
    return uwc_cache_store_piece(cache, key.text, (int)(frame->arg[1] % UWC_SHARDS), frame->peer, frame->arg[2], frame->payload,
                                 frame->bytes, frame->arg[3]);
}

uwc_status uwc_sched__scratch_open(uwc_dtype dtype, uwc_scratch *out) {
    *out = (uwc_scratch){0};
    UWC_TRY(uwc_sched__folder_scratch(&out->folder, &out->lock));
    uwc_status st = uwc_cache_open(out->folder, dtype, &out->cache);
    if (st != UWC_OK) {
        uwc_sched__scratch_close(out);
    }
    return st;
}

void uwc_sched__scratch_close(uwc_scratch *scratch) {
    uwc_cache_close(&scratch->cache);
    if (scratch->folder != NULL) {
        uwc_sched__folder_remove(scratch->folder);
        uwc_free(&scratch->folder);
        close(scratch->lock);
    }
}

static uwc_status count_shard(uwc_shard_monitor *m) {
    m->done++;
    double seconds = uwc_now() - m->start;
    uwc_sched__progress(m->run, &(uwc_progress){.phase = m->phase,
                                                .done = m->done,
                                                .total = m->total,
                                                .seconds = seconds,
                                                .seconds_left = seconds / (double)m->done * (double)(m->total - m->done)});
    return uwc_sched__record_elapsed(m->run, m->phase, seconds);
}

static uwc_status handle(uwc_shard_monitor *m, const uwc_frame *frame) {
    switch (frame->kind) {
    case UWC_MESSAGE_FILE:
        return uwc_sched__store_shard(m->run->plan, m->cache, frame);
    case UWC_MESSAGE_SHARD:
        return count_shard(m);
    case UWC_MESSAGE_BYE:
        m->byes++;
        return UWC_OK;
    default:
        return uwc_error_set(UWC_E_COMM, "rank %d sent a message of kind %d", frame->peer, frame->kind);
    }
}

/* *got: a frame came within `seconds`. */
static uwc_status take(uwc_shard_monitor *m, double seconds, bool *got) {
    uwc_frame frame;
    UWC_TRY(uwc_comm_receive(m->run->comm, -1, seconds, &frame, got));
    uwc_status st = *got ? handle(m, &frame) : UWC_OK;
    uwc_frame_clear(&frame);
    return st;
}

uwc_status uwc_sched__monitor_poll(uwc_shard_monitor *m) {
    bool got = uwc_comm_rank(m->run->comm) == 0;
    while (got && m->byes < uwc_comm_size(m->run->comm) - 1) {
        UWC_TRY(take(m, 0, &got));
    }
    return uwc_sched__poll(m->run);
}

uwc_status uwc_sched__monitor_finish(uwc_shard_monitor *m, uwc_status st) {
    if (uwc_comm_rank(m->run->comm) != 0) {
        uwc_error error = *uwc_error_last();
        uwc_status told = uwc_sched__tell(m->run->comm, 0, UWC_MESSAGE_BYE, 0, 0);
        return st == UWC_OK ? told : uwc_error_restore(&error);
    }
    while (m->byes < uwc_comm_size(m->run->comm) - 1) {
        bool got;
        uwc_error error = *uwc_error_last();
        uwc_status now = take(m, -1, &got);
        if (now == UWC_E_COMM) {
            return now; /* nobody can be waited for any more */
        }
        if (st == UWC_OK) {
            st = now;
        } else {
            uwc_error_restore(&error);
        }
    }
    return st;
}

uwc_status uwc_sched__monitor_shard(uwc_shard_monitor *m, int shard) {
    if (uwc_comm_rank(m->run->comm) != 0) {
        return uwc_sched__tell(m->run->comm, 0, UWC_MESSAGE_SHARD, shard, 0);
    }
    return count_shard(m);
}
