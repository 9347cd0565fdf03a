/* Capture: every rank runs the float network on its shards and keeps the activations at unit boundaries. Rank r takes shards r, r + size,
 * ... */
#include "sched_impl.h"

#include <string.h>

typedef struct capture {
    uwc_run *run;
    const uwc_plan *plan;
    uwc_dataset *data;
    uwc_reader *reader;
    uwc_exec *exec;
    uwc_cache *cache;    /* the run's; NULL on ranks that see frames only */
    uwc_scratch scratch; /* of such ranks */
    int *fetch;          /* boundary values that the network makes */
    int n_fetches;
    uwc_shard_monitor monitor;
    uint8_t missing[UWC_SHARDS];
} capture;

static bool is_remote(const capture *c) {
    return c->run->settings.message && uwc_comm_rank(c->run->comm) != 0;
}

/* Rank 0: which shards have to be worked on. */
static void find_missing(capture *c) {
    for (int shard = 0; shard < UWC_SHARDS; shard++) {
        for (int i = 0; i < c->plan->n_boundary && uwc_sched__shard_images(c->plan, shard) > 0; i++) {
            uwc_cache_key key = uwc_sched__key(c->plan->boundary[i], false);
            c->missing[shard] |= !uwc_cache_has(c->cache, key.text, shard);
        }
    }
}

static uwc_status open_reader(capture *c) {
    const uwc_plan *plan = c->plan;
    const uwc_run *run = c->run;
    const uwc_choice choice = {plan->images, plan->bad, plan->n_bad};
    uwc_span *span;
    int n;
    UWC_TRY(uwc_dataset_open(uwc_config_string(run->config, "data.calibration"), &run->preprocess, &choice, &c->data));
    uwc_status st = uwc_sched__spans(run->comm, plan->images, plan->batch, c->missing, &span, &n);
    if (st == UWC_OK) {
        st = uwc_reader_open(c->data, span, n, run->settings.threads, &c->reader);
    }
    uwc_free(&span);
    return st;
}

static uwc_status prepare(capture *c) {
    const uwc_plan *plan = c->plan;
    const uwc_run *run = c->run;
    UWC_TRY(open_reader(c));
    UWC_TRY(uwc_exec_create(plan->graph, plan->batch, run->settings.recon.backend, &c->exec));
    UWC_TRY(uwc_calloc(plan->n_boundary, sizeof *c->fetch, &c->fetch));
    for (int i = 0; i < plan->n_boundary; i++) {
        if (plan->maker[plan->boundary[i]] >= 0) {
            c->fetch[c->n_fetches++] = plan->boundary[i];
        }
    }
    return UWC_OK;
}

static void release(capture *c) {
    uwc_reader_close(&c->reader);
    uwc_dataset_close(&c->data);
    uwc_exec_destroy(&c->exec);
    uwc_cache_close(&c->cache);
    uwc_sched__scratch_close(&c->scratch);
    uwc_free(&c->fetch);
}

/* The boundary value's images of this batch: fetched, or the batch itself for the network's input. */
static const uwc_tensor *find_images(const capture *c, int value, const uwc_tensor **fetched, const uwc_tensor *batch) {
    for (int i = 0; i < c->n_fetches; i++) {
        if (c->fetch[i] == value) {
            return fetched[i];
        }
    }
    return batch;
}

static uwc_status run_batch(capture *c, const uwc_tensor **fetched, uwc_cache_writer **writer) {
    const uwc_tensor *batch;
    UWC_TRY(uwc_sched__monitor_poll(&c->monitor));
    UWC_TRY(uwc_reader_next(c->reader, &batch));
    if (c->n_fetches > 0) {
        UWC_TRY(uwc_exec_run(c->exec, batch->shape.dim[0], c->plan->graph->input, &batch, 1, c->fetch, c->n_fetches, fetched));
    }
    for (int i = 0; i < c->plan->n_boundary; i++) {
        const uwc_tensor *images = find_images(c, c->plan->boundary[i], fetched, batch);
        const char *name = c->plan->graph->value[c->plan->boundary[i]].name;
        UWC_TRY(uwc_tensor_check_finite(images, name));
        UWC_TRY(uwc_error_note(uwc_cache_writer_append(writer[i], images), "value %s", name));
    }
    return UWC_OK;
}

static uwc_status run_shard(capture *c, int shard, uwc_cache *cache, uwc_cache_writer **writer, const uwc_tensor **fetched) {
    int64_t first, count;
    const uwc_graph *graph = c->plan->graph;
    uwc_shard_range(c->plan->images, shard, &first, &count);
    for (int i = 0; i < c->plan->n_boundary; i++) {
        uwc_cache_key key = uwc_sched__key(c->plan->boundary[i], false);
        UWC_TRY(uwc_cache_writer_open(cache, key.text, shard, graph->value[c->plan->boundary[i]].shape, count, &writer[i]));
    }
    for (int64_t at = 0; at < count; at += c->plan->batch) { /* the spans of the reader */
        UWC_TRY(run_batch(c, fetched, writer));
    }
    for (int i = 0; i < c->plan->n_boundary; i++) {
        UWC_TRY(uwc_cache_writer_publish(&writer[i]));
    }
    return UWC_OK;
}

static uwc_status capture_shard(capture *c, int shard, uwc_cache *cache) {
    uwc_cache_writer **writer;
    const uwc_tensor **fetched = NULL;
    UWC_TRY(uwc_calloc(c->plan->n_boundary, sizeof *writer, &writer));
    uwc_status st = uwc_calloc(c->plan->n_boundary, sizeof *fetched, &fetched);
    if (st == UWC_OK) {
        st = uwc_error_note(run_shard(c, shard, cache, writer, fetched), "shard %d", shard);
    }
    for (int i = 0; i < c->plan->n_boundary; i++) {
        uwc_cache_writer_drop(&writer[i]);
    }
    uwc_free(&writer);
    uwc_free(&fetched);
    return st;
}

/* A rank that sees frames only: through its scratch folder to rank 0. */
static uwc_status ship_shard(capture *c, int shard) {
    UWC_TRY(uwc_sched__scratch_open(c->run->settings.cache, &c->scratch));
    uwc_status st = capture_shard(c, shard, c->scratch.cache);
    for (int i = 0; i < c->plan->n_boundary && st == UWC_OK; i++) {
        st = uwc_sched__send_shard(c->run->comm, 0, c->scratch.cache, (uwc_shard_name){.value = c->plan->boundary[i], .shard = shard});
    }
    uwc_sched__scratch_close(&c->scratch);
    return st;
}

static uwc_status work(capture *c) {
    int rank = uwc_comm_rank(c->run->comm), size = uwc_comm_size(c->run->comm);
    for (int shard = rank; shard < UWC_SHARDS; shard += size) {
        if (c->missing[shard]) {
            UWC_TRY(is_remote(c) ? ship_shard(c, shard) : capture_shard(c, shard, c->cache));
            UWC_TRY(uwc_sched__monitor_shard(&c->monitor, shard));
        }
    }
    return UWC_OK;
}

static int count_missing(const capture *c) {
    int count = 0;
    for (int shard = 0; shard < UWC_SHARDS; shard++) {
        count += c->missing[shard];
    }
    return count;
}

/* Collective. */
static uwc_status capture_all(capture *c) {
    bool first = uwc_comm_rank(c->run->comm) == 0;
    uwc_status st = is_remote(c) ? UWC_OK : uwc_sched__captured_open(c->run, &c->cache);
    if (st == UWC_OK && first) {
        find_missing(c);
        st = uwc_sched__check_space(c->run->folder, uwc_sched__cache_bytes(c->plan, c->run->settings.cache, c->cache));
    }
    UWC_TRY(uwc_comm_agree(c->run->comm, st));
    UWC_TRY(uwc_comm_broadcast(c->run->comm, 0, c->missing, sizeof c->missing));
    c->monitor =
        (uwc_shard_monitor){.run = c->run, .phase = UWC_PHASE_CAPTURE, .cache = c->cache, .total = count_missing(c), .start = uwc_now()};
    uwc_sched__progress(c->run, &(uwc_progress){.phase = UWC_PHASE_CAPTURE, .total = c->monitor.total, .seconds_left = -1});
    if (c->monitor.total == 0) {
        return UWC_OK;
    }
    st = prepare(c);
    if (st == UWC_OK) {
        st = work(c);
    }
    return uwc_comm_agree(c->run->comm, uwc_sched__monitor_finish(&c->monitor, st));
}

uwc_status uwc_phase_capture(uwc_run *run) {
    UWC_TRY(uwc_sched__plan_load(run, false));
    double start = uwc_now();
    capture c = {.run = run, .plan = run->plan};
    uwc_status st = capture_all(&c);
    double seconds = uwc_now() - start;
    bool worked = c.monitor.total > 0;
    release(&c);
    if (st == UWC_OK && worked) {
        st = uwc_sched__record_phase(run, UWC_PHASE_CAPTURE, seconds);
    }
    if (st == UWC_OK) {
        st = uwc_sched__time_float(run);
    }
    return uwc_comm_agree(run->comm, st);
}
