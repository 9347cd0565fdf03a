/* Networks on a data set: a farm over the shards of its images. */
#include "sched_impl.h"

#include <math.h>
#include <string.h>

#define TRIAL_BATCH_BYTES ((int64_t)64 << 20)
enum { TRIAL_BATCH_MOST = 64 };
enum { SETUP_BAD, SETUP_MODEL }; /* of SETUP frames: numbers of images that are left out; bytes of the quantized network */

/* What a rank has of the trial. */
typedef struct trial_state {
    const uwc_trial *trial;
    uwc_bad_images bad; /* rank 0 */
    int64_t *left_out, n_left_out;
    uwc_graph *received; /* the quantized network where it is not shared */
    const uwc_graph *quantized;
    uwc_dataset *data;
    uwc_exec *exec, *run_quantized;
    int64_t batch;
    uwc_cache *kept; /* float logits of earlier trials; NULL: none are kept */
    char key[32];
    uwc_score score[UWC_SHARDS]; /* rank 0 */
    uint8_t *set_up;             /* rank 0: [ranks] */
    int64_t done;
    double start, slowest; /* seconds of a shard, 0: none yet */
    uwc_farm farm;         /* rank 0 */
} trial_state;

/* ---- one rank ------------------------------------------------------------------------------------------------------------------ */

static uwc_status take_setup(trial_state *s, const uwc_frame *frame) {
    UWC_CHECK(frame->kind == UWC_MESSAGE_SETUP, UWC_E_COMM, "a message of kind %d", frame->kind);
    if (frame->arg[0] == SETUP_MODEL) {
        uwc_graph_destroy(&s->received);
        return uwc_onnx_parse(frame->payload, frame->bytes, NULL, &s->received);
    }
    s->n_left_out = (int64_t)(frame->bytes / sizeof *s->left_out);
    uwc_free(&s->left_out);
    UWC_TRY(uwc_calloc(s->n_left_out, sizeof *s->left_out, &s->left_out));
    if (s->n_left_out > 0) {
        memcpy(s->left_out, frame->payload, (size_t)s->n_left_out * sizeof *s->left_out);
    }
    return UWC_OK;
}

static uwc_status find_quantized(trial_state *s) {
    const uwc_trial *t = s->trial;
    s->quantized = t->quantized;
    if (t->quantized == NULL && t->model != NULL) {
        UWC_TRY(s->received == NULL ? uwc_onnx_read(t->model, &s->received) : UWC_OK);
        s->quantized = s->received;
    }
    return UWC_OK;
}

/* The float logits of other images, or of other batches, have another key. */
static uwc_status open_kept(trial_state *s) {
    uint64_t hash;
    UWC_TRY(uwc_dataset_fingerprint(s->data, &hash));
    hash = uwc_hash(hash, &s->batch, sizeof s->batch);
    hash = s->n_left_out > 0 ? uwc_hash(hash, s->left_out, (size_t)s->n_left_out * sizeof *s->left_out) : hash;
    snprintf(s->key, sizeof s->key, "logits-%016llx", (unsigned long long)hash);
    return uwc_cache_open(s->trial->kept, UWC_F32, &s->kept);
}

/* Before the first shard. */
static uwc_status prepare(trial_state *s) {
    const uwc_trial *t = s->trial;
    char have[128], want[128];
    const uwc_choice choice = {.n_bad = s->n_left_out, .bad = s->left_out};
    UWC_TRY(find_quantized(s));
    UWC_TRY(uwc_dataset_open(t->data, t->preprocess, &choice, &s->data));
    uwc_shape images = uwc_dataset_shape(s->data), input = t->network->value[t->network->input[0]].shape;
    UWC_CHECK(uwc_shape_equal(images, input), UWC_E_SHAPE, "%s: images of %s after preprocessing, the network takes %s", t->data,
              uwc_shape_print(images, have), uwc_shape_print(input, want));
    s->batch = t->batch > 0 ? t->batch : uwc_graph_batch(t->network, TRIAL_BATCH_BYTES, TRIAL_BATCH_MOST);
    UWC_TRY(t->kept != NULL ? open_kept(s) : UWC_OK);
    UWC_TRY(uwc_exec_create(t->network, s->batch, t->backend, &s->exec));
    return s->quantized == NULL ? UWC_OK : uwc_exec_create(s->quantized, s->batch, t->backend, &s->run_quantized);
}

static uwc_status open_reader(const trial_state *s, int shard, uwc_reader **out) {
    uint8_t wanted[UWC_SHARDS] = {0};
    uwc_span *span;
    int n;
    wanted[shard] = 1;
    uwc_status st = uwc_sched__spans(NULL, uwc_dataset_images(s->data), s->batch, wanted, &span, &n);
    if (st == UWC_OK) {
        st = uwc_reader_open(s->data, span, n, s->trial->threads, out);
    }
    uwc_free(&span);
    return st;
}

static uwc_status run_network(uwc_exec *exec, const uwc_graph *graph, const uwc_tensor *batch, const uwc_tensor **logits) {
    int output = uwc_graph_logits(graph);
    return uwc_exec_run(exec, batch->shape.dim[0], graph->input, &batch, 1, &output, 1, logits);
}

/* One shard on its way. */
typedef struct trial_shard {
    int number;
    int64_t first; /* image */
    uwc_reader *reader;
    bool known;               /* the float logits are kept */
    uwc_cache_writer *writer; /* else they are written here; NULL: not kept */
} trial_shard;

/* The float logits of a batch `at` images behind the beginning of its shard: kept ones in *own, to be destroyed, or new ones. */
static uwc_status find_logits(const trial_state *s, const trial_shard *shard, int64_t at, const uwc_tensor *batch, uwc_tensor **own,
                              const uwc_tensor **logits) {
    const uwc_graph *network = s->trial->network;
    *own = NULL;
    if (shard->known) {
        UWC_TRY(uwc_tensor_activation(uwc_shape_batch(network->value[uwc_graph_logits(network)].shape, batch->shape.dim[0]), own));
        *logits = *own;
        return uwc_cache_read(s->kept, s->key, shard->number, at, *own);
    }
    UWC_TRY(run_network(s->exec, network, batch, logits));
    return shard->writer == NULL ? UWC_OK : uwc_cache_writer_append(shard->writer, *logits);
}

static uwc_status count_batch(const trial_state *s, const trial_shard *shard, int64_t at, uwc_score *score) {
    const uwc_tensor *batch, *logits, *quantized = NULL;
    uwc_tensor *own;
    int64_t label[TRIAL_BATCH_MOST];
    UWC_TRY(uwc_reader_next(shard->reader, &batch));
    uwc_status st = find_logits(s, shard, at, batch, &own, &logits);
    if (st == UWC_OK && s->quantized != NULL) {
        st = run_network(s->run_quantized, s->quantized, batch, &quantized);
    }
    for (int64_t i = 0; i < batch->shape.dim[0]; i++) {
        label[i] = uwc_dataset_has_labels(s->data) ? uwc_dataset_label(s->data, shard->first + at + i) : -1;
    }
    if (st == UWC_OK) {
        st = uwc_score_count(score, logits, quantized, label);
    }
    uwc_tensor_destroy(&own);
    return st;
}

static uwc_status open_shard(const trial_state *s, int64_t count, trial_shard *shard) {
    const uwc_graph *network = s->trial->network;
    UWC_TRY(open_reader(s, shard->number, &shard->reader));
    shard->known = s->kept != NULL && uwc_cache_has(s->kept, s->key, shard->number);
    if (s->kept == NULL || shard->known || count == 0) {
        return UWC_OK;
    }
    const uwc_shape logits = network->value[uwc_graph_logits(network)].shape;
    return uwc_cache_writer_open(s->kept, s->key, shard->number, logits, count, &shard->writer);
}

static uwc_status count_shard(const trial_state *s, uwc_hand *hand, int number, uwc_score *score) {
    int64_t count;
    trial_shard shard = {.number = number};
    uwc_shard_range(uwc_dataset_images(s->data), number, &shard.first, &count);
    uwc_status st = open_shard(s, count, &shard);
    for (int64_t at = 0; at < count && st == UWC_OK; at += s->batch) { /* the spans of the reader */
        st = uwc_sched__hand_poll(hand);
        if (st == UWC_OK) {
            st = count_batch(s, &shard, at, score);
        }
    }
    if (st == UWC_OK && shard.writer != NULL) {
        st = uwc_cache_writer_publish(&shard.writer);
    }
    uwc_cache_writer_drop(&shard.writer);
    uwc_reader_close(&shard.reader);
    return st;
}

static uwc_status perform(uwc_hand *hand, const uwc_assignment *a, uwc_outcome *out) {
    trial_state *s = hand->self;
    uwc_score *score;
    const double start = uwc_now();
    for (int64_t i = 0; i < a->files; i++) {
        uwc_frame frame;
        UWC_TRY(uwc_sched__hand_receive(hand, &frame));
        uwc_status st = take_setup(s, &frame);
        uwc_frame_clear(&frame);
        UWC_TRY(st);
    }
    UWC_CHECK(a->task < UWC_SHARDS, UWC_E_COMM, "shard %d", a->task);
    UWC_TRY(s->exec == NULL ? prepare(s) : UWC_OK);
    UWC_TRY(uwc_calloc(1, sizeof *score, &score));
    out->image = (char *)score;
    out->bytes = sizeof *score;
    uwc_status st = count_shard(s, hand, a->task, score);
    out->seconds = uwc_now() - start;
    return st;
}

/* ---- rank 0 -------------------------------------------------------------------------------------------------------------------- */

static const char *name_of(void *self, int task) {
    (void)self;
    static const char *const name[UWC_SHARDS] = {"shard 0",  "shard 1",  "shard 2",  "shard 3", "shard 4",  "shard 5",
                                                 "shard 6",  "shard 7",  "shard 8",  "shard 9", "shard 10", "shard 11",
                                                 "shard 12", "shard 13", "shard 14", "shard 15"};
    return name[task];
}

/* The shards are alike. */
static double limit_of(void *self, int task) {
    const double least = 30, slack = 10;
    const trial_state *s = self;
    (void)task;
    return s->trial->deadline > 0 ? s->trial->deadline : s->slowest > 0 ? least + slack * s->slowest : INFINITY;
}

static int64_t count_setup(void *self, int task, int rank) {
    const trial_state *s = self;
    (void)task;
    return s->set_up[rank] ? 0 : s->trial->ship ? 2 : 1;
}

static uwc_status send_setup(void *self, int task, int rank) {
    trial_state *s = self;
    (void)task;
    s->set_up[rank] = 1;
    uwc_frame frame = {.peer = rank,
                       .kind = UWC_MESSAGE_SETUP,
                       .arg = {SETUP_BAD},
                       .payload = (char *)s->left_out,
                       .bytes = (size_t)s->n_left_out * sizeof *s->left_out};
    UWC_TRY(uwc_comm_send(s->trial->comm, &frame));
    if (!s->trial->ship) {
        return UWC_OK;
    }
    uwc_frame model = {.peer = rank, .kind = UWC_MESSAGE_SETUP, .arg = {SETUP_MODEL}};
    UWC_TRY(uwc_file_read(s->trial->model, &model.payload, &model.bytes));
    uwc_status st = uwc_comm_send(s->trial->comm, &model);
    uwc_free(&model.payload);
    return st;
}

static uwc_status take_file(void *self, const uwc_frame *frame) {
    (void)self;
    return uwc_error_set(UWC_E_COMM, "rank %d sent a file", frame->peer);
}

static void show(const trial_state *s) {
    const uwc_trial *t = s->trial;
    if (t->hooks != NULL && t->hooks->progress != NULL) {
        double seconds = uwc_now() - s->start;
        t->hooks->progress(t->hooks->self,
                           &(uwc_progress){.phase = UWC_PHASE_EVALUATE,
                                           .done = s->done,
                                           .total = UWC_SHARDS,
                                           .seconds = seconds,
                                           .seconds_left = s->done == 0 ? -1 : seconds / (double)s->done * (double)(UWC_SHARDS - s->done)});
    }
}

static uwc_status keep_score(void *self, int task, const uwc_outcome *outcome) {
    trial_state *s = self;
    UWC_CHECK(outcome->bytes == sizeof s->score[task], UWC_E_COMM, "a score of %zu bytes", outcome->bytes);
    memcpy(&s->score[task], outcome->image, outcome->bytes);
    s->slowest = outcome->seconds > s->slowest ? outcome->seconds : s->slowest;
    s->done++;
    show(s);
    return UWC_OK;
}

static uwc_status give_up(void *self, int task, const uwc_error *error) {
    (void)self;
    (void)task;
    return uwc_error_restore(error);
}

static uwc_status poll_alone(void *self) {
    const uwc_trial *t = self;
    UWC_TRY(uwc_comm_pulse(t->comm));
    return t->hooks != NULL && t->hooks->poll != NULL ? t->hooks->poll(t->hooks->self) : UWC_OK;
}

/* All ranks look, where all are known to be there. */
static uwc_status find_bad(trial_state *s) {
    const uwc_trial *t = s->trial;
    const bool loose = uwc_comm_is_loose(t->comm);
    const uwc_hooks alone = {.self = (void *)(uintptr_t)t, .poll = poll_alone};
    const uwc_survey survey = {.comm = loose ? NULL : t->comm,
                               .hooks = loose ? &alone : t->hooks,
                               .data = t->data,
                               .preprocess = t->preprocess,
                               .shape = t->network->value[t->network->input[0]].shape};
    UWC_CHECK(t->network->n_inputs == 1, UWC_E_UNSUPPORTED, "the network has %d inputs, not one", t->network->n_inputs);
    bool looks = t->skip && (survey.comm != NULL || uwc_comm_rank(t->comm) == 0);
    UWC_TRY(looks ? uwc_sched__survey(&survey, &s->bad) : UWC_OK);
    s->n_left_out = s->bad.count;
    return uwc_sched__bad_numbers(&s->bad, &s->left_out);
}

static uwc_status lead(trial_state *s, uwc_score *total) {
    const double work[UWC_SHARDS] = {0};
    uwc_status st;
    UWC_TRY(uwc_sched__scheduler_create(UWC_SHARDS, work, uwc_comm_size(s->trial->comm), &s->farm.scheduler));
    UWC_TRY_GOTO(st, uwc_calloc(uwc_comm_size(s->trial->comm), 1, &s->set_up), done);
    show(s);
    UWC_TRY_GOTO(st, uwc_sched__lead(&s->farm), done);
    *total = (uwc_score){0};
    for (int shard = 0; shard < UWC_SHARDS; shard++) {
        uwc_score_add(total, &s->score[shard]);
    }
done:
    uwc_sched__scheduler_destroy(&s->farm.scheduler);
    uwc_free(&s->set_up);
    return st;
}

/* ---- the whole ----------------------------------------------------------------------------------------------------------------- */

static void close_state(trial_state *s) {
    uwc_dataset_close(&s->data);
    uwc_exec_destroy(&s->exec);
    uwc_exec_destroy(&s->run_quantized);
    uwc_graph_destroy(&s->received);
    uwc_cache_close(&s->kept);
    uwc_free(&s->left_out);
}

uwc_status uwc_sched__try_networks(const uwc_trial *trial, uwc_score *total, uwc_bad_images *bad, int64_t *peak) {
    trial_state *s;
    uwc_status st = uwc_calloc(1, sizeof *s, &s);
    if (st == UWC_OK) {
        *s = (trial_state){.trial = trial, .start = uwc_now()};
        st = find_bad(s);
    }
    st = uwc_comm_agree(trial->comm, st);
    uwc_comm_loosen(trial->comm);
    if (st == UWC_OK) {
        s->farm = (uwc_farm){.hand = {.comm = trial->comm, .hooks = trial->hooks, .self = s, .perform = perform},
                             .log = trial->log,
                             .name = name_of,
                             .limit = limit_of,
                             .files = count_setup,
                             .ship = send_setup,
                             .file = take_file,
                             .solved = keep_score,
                             .given_up = give_up,
                             .n_tasks = UWC_SHARDS,
                             .works = true};
        st = uwc_comm_agree(trial->comm, uwc_comm_rank(trial->comm) == 0 ? lead(s, total) : uwc_sched__serve(&s->farm.hand));
        *peak = s->farm.peak > *peak ? s->farm.peak : *peak;
    }
    if (s != NULL) {
        *bad = s->bad;
        close_state(s);
        uwc_free(&s);
    }
    return st;
}
