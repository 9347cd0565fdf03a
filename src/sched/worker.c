/* A rank that solves a unit, alone or as a member of a team: with the run's cache, or with files that come before the unit and go after it.
 */
#include "sched_impl.h"

#include <string.h>

/* One unit on this rank. */
typedef struct unit_task {
    const uwc_run *run;
    uwc_memo *memo;
    int chain, unit;
    uwc_hand *hand;
    const uwc_assignment *assignment;
    uwc_team *team;
} unit_task;

/* Runs that share float activations have the same numbers for those of the same values. */
static void share(const unit_task *t, uwc_unit_stream *s) {
    uint64_t same;
    bool quantized = false;
    if (t->memo == NULL || t->run->captured == NULL) {
        return;
    }
    same = uwc_hash(UWC_HASH_INIT, t->run->captured, strlen(t->run->captured));
    for (int i = 0; i < s->graph->n_inputs; i++) {
        same = uwc_hash(same, &s->input[i], sizeof s->input[i]);
        quantized = quantized || uwc_sched__reads_quantized(t->run->plan, t->unit, s->input[i]);
    }
    s->stream.memo = t->memo;
    s->stream.same_float = same;
    s->stream.same_quantized = quantized ? 0 : same;
}

static uwc_status reconstruct(const unit_task *t, uwc_cache *cache, uwc_unit_result **result) {
    uwc_unit_stream stream;
    uwc_grid *grid = NULL;
    UWC_TRY(uwc_sched__stream_open(t->run->plan, t->unit, cache, &stream));
    stream.poll = uwc_sched__hand_poll;
    stream.poll_self = t->hand;
    share(t, &stream);
    const uwc_unit_need *need = &t->run->plan->memory.unit[t->unit];
    uwc_recon_options options = t->run->settings.recon;
    options.batch_bytes = need->batch_bytes;
    uwc_status st = uwc_grid_create(t->team, &grid);
    if (st == UWC_OK) {
        uwc_sched__team_join(t->team, grid, &stream);
        st = uwc_recon_unit(stream.graph, &options, &stream.stream, result);
    }
    if (st == UWC_OK) {
        st = uwc_sched__stream_finish(&stream);
    }
    uwc_grid_destroy(&grid);
    uwc_sched__stream_close(&stream);
    return st;
}

static uwc_status receive_files(const unit_task *t, uwc_cache *cache) {
    for (int64_t files = t->assignment->files; files > 0;) {
        uwc_frame frame;
        UWC_TRY(uwc_sched__hand_receive(t->hand, &frame));
        uwc_status st = frame.kind == UWC_MESSAGE_FILE ? uwc_sched__store_shard(t->run->plan, cache, &frame)
                                                       : uwc_error_set(UWC_E_COMM, "a message of kind %d among files", frame.kind);
        files -= uwc_sched__ends_shard(&frame);
        uwc_frame_clear(&frame);
        UWC_TRY(st);
    }
    return UWC_OK;
}

/* The shards that this member has written. */
static uwc_status send_outputs(const unit_task *t, uwc_cache *cache) {
    const uwc_plan *plan = t->run->plan;
    const uwc_unit *at = &plan->partition->unit[t->unit];
    const int each = UWC_SHARDS / t->assignment->members, first = t->assignment->member * each;
    for (int i = 0; i < at->n_outputs; i++) {
        for (int shard = first; shard < first + each && uwc_sched__is_wanted(plan, t->unit, at->output[i]); shard++) {
            const uwc_shard_name name = {.chain = t->chain, .value = at->output[i], .quantized = true, .shard = shard};
            if (uwc_sched__shard_images(plan, shard) > 0) {
                UWC_TRY(uwc_sched__send_shard(t->hand->comm, 0, cache, name));
            }
        }
    }
    return UWC_OK;
}

static uwc_status solve_in_place(const unit_task *t, uwc_unit_result **result) {
    uwc_cache *cache;
    uwc_status st = uwc_sched__cache_open(t->run, &cache);
    if (st == UWC_OK) {
        st = reconstruct(t, cache, result);
    }
    uwc_cache_close(&cache);
    return st;
}

static uwc_status solve_with_files(const unit_task *t, uwc_unit_result **result) {
    uwc_scratch scratch;
    UWC_TRY(uwc_sched__scratch_open(t->run->settings.cache, &scratch));
    uwc_status st = receive_files(t, scratch.cache);
    if (st == UWC_OK) {
        st = reconstruct(t, scratch.cache, result);
    }
    if (st == UWC_OK) {
        st = send_outputs(t, scratch.cache);
    }
    uwc_sched__scratch_close(&scratch);
    return st;
}

uwc_status uwc_sched__solve_task(const uwc_chains *chains, uwc_hand *hand, const uwc_assignment *assignment, uwc_outcome *out) {
    double start = uwc_now();
    unit_task t = {.memo = chains->memo, .hand = hand, .assignment = assignment};
    uwc_unit_result *result = NULL;
    UWC_CHECK(assignment->task < chains->first[chains->n], UWC_E_COMM, "unit %d", assignment->task);
    t.chain = uwc_sched__chain_of(chains, assignment->task, &t.unit);
    t.run = chains->run[t.chain];
    bool remote = t.run->settings.message && uwc_comm_rank(hand->comm) != 0;
    uwc_ops_set_threads(t.run->settings.threads);
    uwc_status st = uwc_sched__team_open(hand, assignment, &t.team);
    if (st == UWC_OK) {
        st = remote ? solve_with_files(&t, &result) : solve_in_place(&t, &result);
    }
    if (st == UWC_OK) {
        st = uwc_sched__team_meet(t.team); /* the outputs of all members are there */
    }
    if (st == UWC_OK && assignment->member == 0) {
        st = uwc_sched__unit_image(result, &out->image, &out->bytes);
    }
    uwc_unit_result_destroy(&result);
    uwc_team_destroy(&t.team);
    out->seconds = uwc_now() - start;
    return uwc_error_note(st, "unit %s", t.run->plan->partition->unit[t.unit].name);
}
