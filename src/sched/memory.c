/* What a run takes: the memory of a rank in each phase and the bytes of the cache, from shapes alone. Where the limit asks for it, batches
 * become smaller; what does not fit even with one image at a time is an error. */
#include "sched_impl.h"

#include <sys/statvfs.h>

/* The program with its libraries, an image being decoded, samples, frames, and what malloc keeps back: measured, rounded up. */
#define BASE_BYTES ((int64_t)64 << 20)

/* Activations of one batch stay below this, unless the limit asks for less. A constant: results must not depend on the machine. */
#define BATCH_BYTES ((int64_t)64 << 20)
enum { NETWORK_BATCH_MOST = 16 }; /* what a shard of 256 images has: memory is the same from there on */

static int64_t more(int64_t a, int64_t b) {
    return a > b ? a : b;
}

/* Of an executor for passes over the network that fetch `fetch`, in batches of the plan: its buffers and kernels. */
static uwc_status pass_bytes(const uwc_plan *plan, bool quantized, const int *fetch, int n_fetches, int64_t *bytes) {
    const uwc_graph *graph = plan->graph;
    const int64_t shard = (plan->images + UWC_SHARDS - 1) / UWC_SHARDS;
    const int64_t size[] = {plan->batch, shard % plan->batch, plan->images / UWC_SHARDS % plan->batch};
    uwc_exec *exec;
    uwc_status st;
    UWC_TRY(uwc_exec_create_dry(graph, plan->batch, quantized, &exec));
    for (size_t i = 0; i < sizeof size / sizeof size[0]; i++) {
        if (size[i] > 0) {
            UWC_TRY_GOTO(st, uwc_exec_run_dry(exec, size[i], graph->input, graph->n_inputs, fetch, n_fetches), done);
        }
    }
    *bytes = uwc_exec_bytes(exec) + uwc_exec_kernel_bytes(exec);
    st = UWC_OK;
done:
    uwc_exec_destroy(&exec);
    return st;
}

/* Runs over the whole network, float for capture, float and quantized for evaluation, with two batches of images. */
static uwc_status measure_network(uwc_plan *plan) {
    const uwc_graph *graph = plan->graph;
    const int logits = uwc_graph_logits(graph);
    const int64_t weights = uwc_graph_constant_bytes(graph);
    const int64_t input = 2 * plan->batch * uwc_shape_count(graph->value[graph->input[0]].shape) * (int64_t)sizeof(float);
    int64_t capture, real, quantized;
    UWC_TRY(pass_bytes(plan, false, plan->boundary, plan->n_boundary, &capture));
    UWC_TRY(pass_bytes(plan, false, &logits, 1, &real));
    UWC_TRY(pass_bytes(plan, true, &logits, 1, &quantized));
    plan->memory.plan = BASE_BYTES + 3 * weights; /* the file, its message, the largest constant of the graph that is made of it */
    plan->memory.capture = BASE_BYTES + weights + input + capture;
    plan->memory.evaluate = BASE_BYTES + 2 * weights + input + real + quantized + weights / 2; /* and the file with integers */
    return UWC_OK;
}

/* Of a member of a team of need->members, with the largest batch that fits, or one image. */
static uwc_status measure_member(const uwc_plan *plan, const uwc_settings *settings, const uwc_graph *graph, uwc_unit_need *need) {
    uwc_recon_options options = settings->recon;
    for (options.batch_bytes = BATCH_BYTES;; options.batch_bytes /= 2) {
        uwc_recon_need recon;
        UWC_TRY(uwc_recon_memory(graph, &options, plan->images, need->members, &recon));
        need->bytes = BASE_BYTES + uwc_graph_constant_bytes(plan->graph) + recon.bytes; /* whose constants are the network's */
        need->batch_bytes = options.batch_bytes;
        need->batch = recon.batch;
        need->layer = recon.node < 0 ? -1 : uwc_graph_find_node(plan->graph, graph->node[recon.node].name);
        need->layer_bytes = recon.layer_bytes;
        need->could_spread = recon.could_spread;
        need->spreads = recon.spreads;
        if (need->bytes <= settings->memory_limit || need->batch == 1) {
            return UWC_OK;
        }
    }
}

static uwc_status measure_unit(uwc_plan *plan, const uwc_settings *settings, int index) {
    const uwc_unit *unit = &plan->partition->unit[index];
    uwc_unit_need *need = &plan->memory.unit[index];
    uwc_graph *graph;
    UWC_TRY(uwc_graph_extract(plan->graph, unit->node, unit->n_nodes, unit->output, unit->n_outputs, &graph));
    need->members = 1;
    uwc_status st = measure_member(plan, settings, graph, need);
    while (st == UWC_OK && need->spreads && need->bytes > settings->memory_limit && need->members < UWC_SHARDS) {
        need->members *= 2;
        st = measure_member(plan, settings, graph, need);
    }
    uwc_graph_destroy(&graph);
    return uwc_error_note(st, "unit %s", unit->name);
}

uwc_status uwc_sched__measure(uwc_plan *plan, const uwc_settings *settings) {
    UWC_TRY(uwc_calloc(plan->partition->n_units, sizeof *plan->memory.unit, &plan->memory.unit));
    for (int64_t bytes = BATCH_BYTES;; bytes /= 2) {
        plan->batch = uwc_graph_batch(plan->graph, bytes, NETWORK_BATCH_MOST);
        UWC_TRY(measure_network(plan));
        if (more(plan->memory.capture, plan->memory.evaluate) <= settings->memory_limit || plan->batch == 1) {
            break;
        }
    }
    for (int u = 0; u < plan->partition->n_units; u++) {
        UWC_TRY(measure_unit(plan, settings, u));
        plan->memory.solve = more(plan->memory.solve, plan->memory.unit[u].bytes);
    }
    return UWC_OK;
}

uwc_status uwc_sched__check_memory(const uwc_plan *plan, int64_t limit) {
    const struct {
        const char *name;
        int64_t bytes;
    } phase[] = {{"plan", plan->memory.plan}, {"capture", plan->memory.capture}, {"evaluate", plan->memory.evaluate}};
    for (int u = 0; u < plan->partition->n_units; u++) {
        const uwc_unit_need *need = &plan->memory.unit[u];
        char advice[96] = "";
        if (need->could_spread > 0) {
            snprintf(advice, sizeof advice, "; run.distribute_above: %lld spreads this layer over a team",
                     (long long)need->could_spread - 1);
        }
        UWC_CHECK(need->bytes <= limit, UWC_E_CONFIG,
                  "unit %s needs %lld bytes of memory with one image at a time, %lld of them for layer %s; run.memory_limit allows %lld%s",
                  plan->partition->unit[u].name, (long long)need->bytes, (long long)need->layer_bytes,
                  need->layer < 0 ? "-" : plan->graph->node[need->layer].name, (long long)limit, advice);
    }
    for (size_t i = 0; i < sizeof phase / sizeof phase[0]; i++) {
        UWC_CHECK(phase[i].bytes <= limit, UWC_E_CONFIG, "the phase %s needs %lld bytes of memory; run.memory_limit allows %lld",
                  phase[i].name, (long long)phase[i].bytes, (long long)limit);
    }
    return UWC_OK;
}

/* ---- the cache ---- */

int64_t uwc_sched__value_bytes(const uwc_plan *plan, uwc_dtype dtype, int value) {
    return plan->images * uwc_shape_count(plan->graph->value[value].shape) * (int64_t)uwc_dtype_bytes(dtype);
}

int64_t uwc_sched__cache_bytes(const uwc_plan *plan, uwc_dtype dtype, const uwc_cache *cache) {
    int64_t bytes = 0;
    for (int i = 0; i < plan->n_boundary; i++) {
        int value = plan->boundary[i], maker = plan->maker[value];
        if (cache == NULL || !uwc_sched__cached(plan, cache, value, false)) {
            bytes += uwc_sched__value_bytes(plan, dtype, value);
        }
        if (maker >= 0 && uwc_sched__is_wanted(plan, maker, value) && (cache == NULL || !uwc_sched__cached(plan, cache, value, true))) {
            bytes += uwc_sched__value_bytes(plan, dtype, value);
        }
    }
    return bytes;
}

uwc_status uwc_sched__check_space(const char *folder, int64_t bytes) {
    struct statvfs disk;
    if (statvfs(folder, &disk) != 0) {
        return UWC_OK; /* where the system does not tell, the writes will */
    }
    unsigned long long room = (unsigned long long)disk.f_bavail * disk.f_frsize;
    UWC_CHECK((unsigned long long)bytes <= room, UWC_E_IO, "%s: the cache needs %lld bytes more, %llu are free there", folder,
              (long long)bytes, room);
    return UWC_OK;
}
