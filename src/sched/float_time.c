/* The yardstick of a run's cost: one warm float pass over the decoded calibration images, best of three. */
#include "sched_impl.h"

enum { PASSES = 3 };
#define ENOUGH_SECONDS 20.0 /* no further pass after this time */

/* The network's input as the cache holds it; only the network's own time counts. */
static uwc_status time_shard(const uwc_plan *plan, uwc_exec *exec, uwc_cache *cache, int shard, double *seconds) {
    const uwc_graph *graph = plan->graph;
    int input = graph->input[0], logits = uwc_graph_logits(graph);
    uwc_cache_key key = uwc_sched__key(input, false);
    int64_t count = uwc_sched__shard_images(plan, shard);
    for (int64_t at = 0; at < count; at += plan->batch) {
        int64_t now = count - at < plan->batch ? count - at : plan->batch;
        uwc_tensor *batch;
        UWC_TRY(uwc_tensor_activation(uwc_shape_batch(graph->value[input].shape, now), &batch));
        uwc_status st = uwc_cache_read(cache, key.text, shard, at, batch);
        if (st == UWC_OK) {
            const uwc_tensor *fed = batch, *fetched;
            double start = uwc_now();
            st = uwc_exec_run(exec, now, &input, &fed, 1, &logits, 1, &fetched);
            *seconds += uwc_now() - start;
        }
        uwc_tensor_destroy(&batch);
        UWC_TRY(st);
    }
    return UWC_OK;
}

static uwc_status time_passes(const uwc_run *run, uwc_exec *exec, uwc_cache *cache, double *best) {
    double spent = 0, ignored = 0;
    UWC_TRY(time_shard(run->plan, exec, cache, 0, &ignored)); /* kernels and memory are warm now */
    *best = -1;
    for (int pass = 0; pass < PASSES && spent < ENOUGH_SECONDS; pass++) {
        double seconds = 0;
        for (int shard = 0; shard < UWC_SHARDS; shard++) {
            UWC_TRY(uwc_sched__poll(run));
            UWC_TRY(time_shard(run->plan, exec, cache, shard, &seconds));
        }
        *best = *best < 0 || seconds < *best ? seconds : *best;
        spent += seconds;
    }
    return UWC_OK;
}

static uwc_status measure(const uwc_run *run, double *seconds) {
    uwc_cache *cache;
    uwc_exec *exec = NULL;
    UWC_TRY(uwc_sched__cache_open(run, &cache));
    uwc_status st = uwc_exec_create(run->plan->graph, run->plan->batch, run->settings.recon.backend, &exec);
    if (st == UWC_OK) {
        st = time_passes(run, exec, cache, seconds);
    }
    uwc_exec_destroy(&exec);
    uwc_cache_close(&cache);
    return st;
}

uwc_status uwc_sched__time_float(uwc_run *run) {
    double seconds = 0;
    if (uwc_comm_rank(run->comm) != 0 || uwc_sched__find_event(run, "float_forward", NULL, 0) != NULL) {
        return UWC_OK;
    }
    UWC_TRY(uwc_error_note(measure(run, &seconds), "float pass"));
    uwc_json *event = uwc_json_object();
    uwc_status st = uwc_json_set_string(event, "event", "float_forward");
    if (st == UWC_OK) {
        st = uwc_json_set_real(event, "seconds", seconds);
    }
    if (st != UWC_OK) {
        uwc_json_release(&event);
        return st;
    }
    return uwc_sched__record(run, event);
}

double uwc_sched__float_rate(const uwc_run *run) {
    const uwc_json *event = uwc_sched__find_event(run, "float_forward", NULL, 0);
    double seconds, work = 0;
    if (event == NULL || uwc_json_get_real(event, "seconds", &seconds) != UWC_OK) {
        return 0;
    }
    for (int u = 0; u < run->plan->partition->n_units; u++) {
        work += (double)run->plan->partition->unit[u].multiply_adds * (double)run->plan->images;
    }
    return work > 0 ? seconds / work : 0;
}
