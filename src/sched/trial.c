/* Networks on a data set: rank r counts the shards r, r + size, ... */
#include "sched_impl.h"

#include <string.h>

#define TRIAL_BATCH_BYTES ((int64_t)64 << 20)
enum { TRIAL_BATCH_MOST = 64 };

typedef struct run_state {
    const uwc_trial *trial;
    uwc_dataset *data;
    uwc_reader *reader;
    uwc_exec *exec, *quantized;
    int64_t batch;
    uwc_score score[UWC_SHARDS];
    int64_t done, total;
    double start;
} run_state;

/* Collective. */
static uwc_status find_bad(const uwc_trial *t, uwc_bad_images *out) {
    uwc_status st = UWC_OK;
    *out = (uwc_bad_images){0};
    if (t->network->n_inputs != 1) {
        st = uwc_error_set(UWC_E_UNSUPPORTED, "the network has %d inputs, not one", t->network->n_inputs);
    }
    UWC_TRY(uwc_comm_agree(t->comm, st));
    uwc_survey survey = {.comm = t->comm,
                         .hooks = t->hooks,
                         .data = t->data,
                         .preprocess = t->preprocess,
                         .shape = t->network->value[t->network->input[0]].shape};
    return t->skip ? uwc_sched__survey(&survey, out) : UWC_OK;
}

static uwc_status open_data(run_state *s, const uwc_bad_images *bad) {
    const uwc_trial *t = s->trial;
    uwc_choice choice = {.n_bad = bad->count};
    int64_t *numbers;
    UWC_TRY(uwc_sched__bad_numbers(bad, &numbers));
    choice.bad = numbers;
    uwc_status st = uwc_dataset_open(t->data, t->preprocess, &choice, &s->data);
    uwc_free(&numbers);
    return st;
}

static uwc_status open_reader(run_state *s) {
    uwc_span *span;
    int n;
    uwc_status st = uwc_sched__spans(s->trial->comm, uwc_dataset_images(s->data), s->batch, NULL, &span, &n);
    if (st == UWC_OK) {
        st = uwc_reader_open(s->data, span, n, s->trial->threads, &s->reader);
    }
    uwc_free(&span);
    return st;
}

static uwc_status prepare(run_state *s, const uwc_bad_images *bad) {
    const uwc_trial *t = s->trial;
    char have[128], want[128];
    UWC_TRY(open_data(s, bad));
    uwc_shape images = uwc_dataset_shape(s->data), input = t->network->value[t->network->input[0]].shape;
    UWC_CHECK(uwc_shape_equal(images, input), UWC_E_SHAPE, "%s: images of %s after preprocessing, the network takes %s", t->data,
              uwc_shape_print(images, have), uwc_shape_print(input, want));
    s->batch = t->batch > 0 ? t->batch : uwc_graph_batch(t->network, TRIAL_BATCH_BYTES, TRIAL_BATCH_MOST);
    UWC_TRY(open_reader(s));
    UWC_TRY(uwc_exec_create(t->network, s->batch, t->backend, &s->exec));
    return t->quantized == NULL ? UWC_OK : uwc_exec_create(t->quantized, s->batch, t->backend, &s->quantized);
}

static uwc_status run_network(uwc_exec *exec, const uwc_graph *graph, const uwc_tensor *batch, const uwc_tensor **logits) {
    int output = uwc_graph_logits(graph);
    return uwc_exec_run(exec, batch->shape.dim[0], graph->input, &batch, 1, &output, 1, logits);
}

static uwc_status count_batch(run_state *s, int shard, int64_t first) {
    const uwc_trial *t = s->trial;
    const uwc_tensor *batch, *logits, *quantized = NULL;
    int64_t label[TRIAL_BATCH_MOST];
    UWC_TRY(uwc_reader_next(s->reader, &batch));
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
    for (int64_t at = 0; at < count; at += s->batch) { /* the spans of the reader */
        UWC_TRY(t->hooks != NULL && t->hooks->poll != NULL ? t->hooks->poll(t->hooks->self) : UWC_OK);
        UWC_TRY(count_batch(s, shard, first + at));
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

uwc_status uwc_sched__try_networks(const uwc_trial *trial, uwc_score *total, uwc_bad_images *bad) {
    run_state *s = NULL;
    UWC_TRY(find_bad(trial, bad));
    uwc_status st = uwc_calloc(1, sizeof *s, &s);
    if (st == UWC_OK) {
        *s = (run_state){.trial = trial, .start = uwc_now()};
        st = prepare(s, bad);
    }
    if (st == UWC_OK) {
        st = count_shards(s);
    }
    st = uwc_comm_agree(trial->comm, st);
    if (st == UWC_OK) {
        st = add_scores(s, total);
    }
    if (s != NULL) {
        uwc_reader_close(&s->reader);
        uwc_dataset_close(&s->data);
        uwc_exec_destroy(&s->exec);
        uwc_exec_destroy(&s->quantized);
        uwc_free(&s);
    }
    return st;
}
