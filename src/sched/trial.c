/* Networks on a data set: rank r counts the shards r, r + size, ... */
#include "sched_impl.h"

#include <string.h>

#define TRIAL_BATCH_BYTES ((int64_t)64 << 20)
enum { TRIAL_BATCH_MOST = 64 };

typedef struct run_state {
    const uwc_trial *trial;
    uwc_dataset *data;
    uwc_exec *exec, *quantized;
    int64_t batch;
    uwc_score score[UWC_SHARDS];
    int64_t done, total;
    double start;
} run_state;

static uwc_status prepare(run_state *s) {
    const uwc_trial *t = s->trial;
    char have[128], want[128];
    UWC_CHECK(t->network->n_inputs == 1, UWC_E_UNSUPPORTED, "the network has %d inputs, not one", t->network->n_inputs);
    UWC_TRY(uwc_dataset_open(t->data, t->preprocess, 0, &s->data));
    uwc_shape images = uwc_dataset_shape(s->data), input = t->network->value[t->network->input[0]].shape;
    UWC_CHECK(uwc_shape_equal(images, input), UWC_E_SHAPE, "%s: images of %s after preprocessing, the network takes %s", t->data,
              uwc_shape_print(images, have), uwc_shape_print(input, want));
    s->batch = t->batch > 0 ? t->batch : uwc_graph_batch(t->network, TRIAL_BATCH_BYTES, TRIAL_BATCH_MOST);
    UWC_TRY(uwc_exec_create(t->network, s->batch, t->backend, &s->exec));
    return t->quantized == NULL ? UWC_OK : uwc_exec_create(t->quantized, s->batch, t->backend, &s->quantized);
}

static uwc_status run_network(uwc_exec *exec, const uwc_graph *graph, const uwc_tensor *batch, const uwc_tensor **logits) {
    int output = uwc_graph_logits(graph);
    return uwc_exec_run(exec, batch->shape.dim[0], graph->input, &batch, 1, &output, 1, logits);
}

static uwc_status count_batch(run_state *s, int shard, int64_t first, uwc_tensor *batch) {
    const uwc_trial *t = s->trial;
    const uwc_tensor *logits, *quantized = NULL;
    int64_t label[TRIAL_BATCH_MOST];
    UWC_TRY(uwc_dataset_read(s->data, first, batch));
    UWC_TRY(run_network(s->exec, t->network, batch, &logits));
    if (t->quantized != NULL) {
        UWC_TRY(run_network(s->quantized, t->quantized, batch, &quantized));
    }
    for (int64_t i = 0; i < batch->shape.dim[0]; i++) {
        label[i] = uwc_dataset_has_labels(s->data) ? uwc_dataset_label(s->data, first + i) : -1;
    }
    return uwc_score_count(&s->score[shard], logits, quantized, label);
}

static uwc_status count_shard(run_state *s, int shard) {
    int64_t first, count;
    const uwc_trial *t = s->trial;
    uwc_shard_range(uwc_dataset_images(s->data), shard, &first, &count);
    for (int64_t at = 0; at < count; at += s->batch) {
        int64_t now = count - at < s->batch ? count - at : s->batch;
        uwc_tensor *batch;
        UWC_TRY(t->hooks != NULL && t->hooks->poll != NULL ? t->hooks->poll(t->hooks->self) : UWC_OK);
        UWC_TRY(uwc_tensor_activation(uwc_shape_batch(t->network->value[t->network->input[0]].shape, now), &batch));
        uwc_status st = count_batch(s, shard, first + at, batch);
        uwc_tensor_destroy(&batch);
        UWC_TRY(st);
    }
    return UWC_OK;
}

/* Rank 0 tells of its own shards: they are a fair sample of all. */
static void show(const run_state *s) {
    const uwc_trial *t = s->trial;
    if (uwc_comm_rank(t->comm) == 0 && t->hooks != NULL && t->hooks->progress != NULL) {
        double seconds = uwc_now() - s->start;
        t->hooks->progress(t->hooks->self,
                           &(uwc_progress){.phase = UWC_PHASE_EVALUATE,
                                           .done = s->done,
                                           .total = s->total,
                                           .seconds = seconds,
                                           .seconds_left = s->done == 0 ? -1 : seconds / (double)s->done * (double)(s->total - s->done)});
    }
}

static uwc_status count_shards(run_state *s) {
    int rank = uwc_comm_rank(s->trial->comm), size = uwc_comm_size(s->trial->comm);
    s->total = (UWC_SHARDS - rank + size - 1) / size;
    show(s);
    for (int shard = rank; shard < UWC_SHARDS; shard += size) {
        UWC_TRY(count_shard(s, shard));
        s->done++;
        show(s);
    }
    return UWC_OK;
}

/* Collective. */
static uwc_status add_scores(const run_state *s, uwc_score *total) {
    char **parts;
    size_t *sizes;
    int size = uwc_comm_size(s->trial->comm);
    UWC_TRY(uwc_comm_gather(s->trial->comm, 0, s->score, sizeof s->score, &parts, &sizes));
    *total = (uwc_score){0};
    for (int shard = 0; parts != NULL && shard < UWC_SHARDS; shard++) {
        uwc_score part;
        memcpy(&part, parts[shard % size] + (size_t)shard * sizeof part, sizeof part);
        uwc_score_add(total, &part);
    }
    for (int r = 0; parts != NULL && r < size; r++) {
        uwc_free(&parts[r]);
    }
    uwc_free(&parts);
    uwc_free(&sizes);
    return UWC_OK;
}

uwc_status uwc_sched__try_networks(const uwc_trial *trial, uwc_score *total) {
    run_state *s = NULL;
    uwc_status st = uwc_calloc(1, sizeof *s, &s);
    if (st == UWC_OK) {
        *s = (run_state){.trial = trial, .start = uwc_now()};
        st = prepare(s);
    }
    if (st == UWC_OK) {
        st = count_shards(s);
    }
    st = uwc_comm_agree(trial->comm, st);
    if (st == UWC_OK) {
        st = add_scores(s, total);
    }
    if (s != NULL) {
        uwc_dataset_close(&s->data);
        uwc_exec_destroy(&s->exec);
        uwc_exec_destroy(&s->quantized);
        uwc_free(&s);
    }
    return st;
}
