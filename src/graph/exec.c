/* Runs a graph or a part of it on batches. A value has two slots: raw, and quantized for the edges into weighted nodes. Buffers go back to
 * a pool as soon as the last reader has run, and element-wise operators write over their input where nobody else needs it. */
#include "graph_impl.h"

#include <assert.h>
#include <string.h>

enum { SIZES = 4 }; /* batch sizes whose kernels are kept: the full batch, remainders */

typedef struct kernels {
    int64_t images;
    uwc_kernel **kernel; /* [n_nodes] */
    bool *counted;       /* [n_nodes] would have a kernel, in a dry executor */
} kernels;

typedef struct buffer {
    float *data;
    int64_t count;
    bool free;
} buffer;

struct uwc_exec {
    const uwc_graph *graph;
    bool dry, quantizes; /* dry: counts buffers and has none, as if values with bits had quantizers or as if none had */
    int64_t batch;
    uwc_backend backend;
    kernels size[SIZES];
    int oldest; /* the slot of `size` that is replaced next */
    buffer *pool;
    int64_t pool_capacity;
    int n_buffers;
    int n_nodes, n_values; /* of the graph when this was created */
    bool *wanted;          /* [n_nodes] runs in the present call */
    int *uses;             /* [2 n_values] readers still to come, per slot */
    int *held;             /* [2 n_values] index of the buffer, -1: none (not made, or fed) */
    uwc_tensor *slot;      /* [2 n_values] views */
    bool *made;            /* [2 n_values] */
    uwc_slices *slices;    /* does the work where the batch has more than one slice, else NULL */
};

static uwc_status create(const uwc_graph *graph, int64_t batch, uwc_backend backend, bool dry, bool quantizes, uwc_exec **out) {
    *out = NULL;
    UWC_CHECK(batch >= 1, UWC_E_ARG, "batch of %lld images", (long long)batch);
    uwc_exec *exec;
    UWC_TRY(uwc_calloc(1, sizeof *exec, &exec));
    exec->graph = graph;
    exec->dry = dry;
    exec->quantizes = quantizes;
    exec->batch = batch;
    exec->backend = backend;
    exec->n_nodes = graph->n_nodes;
    exec->n_values = graph->n_values;
    int64_t slots = 2 * (int64_t)graph->n_values;
    uwc_status st;
    UWC_TRY_GOTO(st, uwc_calloc(graph->n_nodes, sizeof *exec->wanted, &exec->wanted), fail);
    UWC_TRY_GOTO(st, uwc_calloc(slots, sizeof *exec->uses, &exec->uses), fail);
    UWC_TRY_GOTO(st, uwc_calloc(slots, sizeof *exec->held, &exec->held), fail);
    UWC_TRY_GOTO(st, uwc_calloc(slots, sizeof *exec->slot, &exec->slot), fail);
    UWC_TRY_GOTO(st, uwc_calloc(slots, sizeof *exec->made, &exec->made), fail);
    for (int i = 0; i < SIZES; i++) {
        UWC_TRY_GOTO(st, uwc_calloc(graph->n_nodes, sizeof(uwc_kernel *), &exec->size[i].kernel), fail);
        UWC_TRY_GOTO(st, uwc_calloc(graph->n_nodes, sizeof(bool), &exec->size[i].counted), fail);
    }
    if (uwc_graph__slice_images(graph, batch) < batch) {
        UWC_TRY_GOTO(st, uwc_graph__slices_create(exec, graph, batch, dry, &exec->slices), fail);
    }
    *out = exec;
    return UWC_OK;
fail:
    uwc_exec_destroy(&exec);
    return st;
}

uwc_status uwc_exec_create(const uwc_graph *graph, int64_t batch, uwc_backend backend, uwc_exec **out) {
    return create(graph, batch, backend, false, false, out);
}

uwc_status uwc_exec_create_dry(const uwc_graph *graph, int64_t batch, bool quantized, uwc_exec **out) {
    return create(graph, batch, UWC_BACKEND_FAST, true, quantized, out);
}

uwc_status uwc_graph__exec_slice(const uwc_exec *exec, int64_t images, uwc_exec **out) {
    return create(exec->graph, images, exec->backend, exec->dry, exec->quantizes, out);
}

int64_t uwc_exec_bytes(const uwc_exec *exec) {
    int64_t count = 0;
    for (int i = 0; i < exec->n_buffers; i++) {
        count += exec->pool[i].count;
    }
    return count * (int64_t)sizeof(float) + (exec->slices == NULL ? 0 : uwc_graph__slices_bytes(exec->slices));
}

int64_t uwc_exec_kernel_bytes(const uwc_exec *exec) {
    int64_t bytes = exec->slices == NULL ? 0 : uwc_graph__slices_kernel_bytes(exec->slices);
    for (int s = 0; s < SIZES; s++) {
        for (int i = 0; i < exec->n_nodes; i++) {
            bytes += exec->size[s].counted[i] ? uwc_graph__kernel_bytes(exec->graph, i) : 0;
        }
    }
    return bytes;
}

static void drop_kernels(uwc_exec *exec, kernels *size) {
    for (int i = 0; size->counted != NULL && i < exec->n_nodes; i++) {
        uwc_kernel_destroy(&size->kernel[i]);
        size->counted[i] = false;
    }
    size->images = 0;
}

void uwc_exec_destroy(uwc_exec **out) {
    uwc_exec *exec = *out;
    if (exec == NULL) {
        return;
    }
    uwc_graph__slices_destroy(&exec->slices);
    for (int i = 0; i < SIZES; i++) {
        drop_kernels(exec, &exec->size[i]);
        uwc_free(&exec->size[i].kernel);
        uwc_free(&exec->size[i].counted);
    }
    for (int i = 0; i < exec->n_buffers; i++) {
        uwc_free(&exec->pool[i].data);
    }
    uwc_free(&exec->pool);
    uwc_free(&exec->wanted);
    uwc_free(&exec->uses);
    uwc_free(&exec->held);
    uwc_free(&exec->slot);
    uwc_free(&exec->made);
    uwc_free(out);
}

uwc_status uwc_exec_refresh(uwc_exec *exec, int node) {
    UWC_CHECK(node < exec->n_nodes, UWC_E_ARG, "node %d of %d", node, exec->n_nodes);
    for (int s = 0; s < SIZES; s++) {
        for (int i = 0; i < exec->n_nodes; i++) {
            if (node < 0 || i == node) {
                uwc_kernel_destroy(&exec->size[s].kernel[i]);
            }
        }
    }
    if (exec->graph->n_values > exec->n_values) { /* a bias was added: a constant, which has no slot of its own to run in */
        int64_t slots = 2 * (int64_t)exec->graph->n_values;
        exec->n_values = exec->graph->n_values;
        uwc_free(&exec->uses);
        uwc_free(&exec->held);
        uwc_free(&exec->slot);
        uwc_free(&exec->made);
        UWC_TRY(uwc_calloc(slots, sizeof *exec->uses, &exec->uses));
        UWC_TRY(uwc_calloc(slots, sizeof *exec->held, &exec->held));
        UWC_TRY(uwc_calloc(slots, sizeof *exec->slot, &exec->slot));
        UWC_TRY(uwc_calloc(slots, sizeof *exec->made, &exec->made));
    }
    return exec->slices != NULL ? uwc_graph__slices_refresh(exec->slices, node) : UWC_OK;
}

/* The slot that input k of the node reads: raw (the value's index), or quantized (n_values behind it). */
static int slot_of(const uwc_exec *exec, const uwc_node *node, int k) {
    int value = node->in[k];
    const uwc_value *edge = &exec->graph->value[value];
    bool acts = exec->dry ? exec->quantizes && edge->activation_bits > 0 : edge->quantizer.bits > 0;
    bool quantized = acts && edge->constant == NULL && (exec->graph->quantize_all || (k == 0 && uwc_op_is_weighted(node->op.kind)));
    return quantized ? exec->n_values + value : value;
}

/* Walks back from the fetches: which nodes run, and how many readers every slot has. */
static uwc_status plan_run(uwc_exec *exec, const int *fetch, int n_fetches) {
    const uwc_graph *graph = exec->graph;
    memset(exec->wanted, 0, (size_t)exec->n_nodes * sizeof *exec->wanted);
    memset(exec->uses, 0, 2 * (size_t)exec->n_values * sizeof *exec->uses);
    for (int i = 0; i < n_fetches; i++) {
        exec->uses[fetch[i]]++;
    }
    for (int i = exec->n_nodes - 1; i >= 0; i--) {
        const uwc_node *node = &graph->node[i];
        int raw = node->out, quantized = exec->n_values + raw;
        if (exec->made[raw] || exec->uses[raw] + exec->uses[quantized] == 0) {
            continue;
        }
        exec->wanted[i] = true;
        for (int k = 0; k < node->n_in; k++) {
            if (graph->value[node->in[k]].constant == NULL) {
                exec->uses[slot_of(exec, node, k)]++;
            }
        }
    }
    for (int v = 0; v < exec->n_values; v++) {
        exec->uses[v] += exec->uses[exec->n_values + v] > 0; /* making the quantized slot reads the raw one */
        UWC_CHECK(exec->uses[v] == 0 || exec->made[v] || graph->value[v].producer >= 0, UWC_E_ARG, "value %s is needed and was not fed",
                  graph->value[v].name);
    }
    return UWC_OK;
}

/* The free buffer that fits best, or a new one. */
static uwc_status take_buffer(uwc_exec *exec, int64_t count, int *out) {
    int best = -1;
    for (int i = 0; i < exec->n_buffers; i++) {
        if (exec->pool[i].free && exec->pool[i].count >= count && (best < 0 || exec->pool[i].count < exec->pool[best].count)) {
            best = i;
        }
    }
    if (best < 0) {
        UWC_TRY(uwc_grow(&exec->pool, &exec->pool_capacity, exec->n_buffers + 1, sizeof *exec->pool));
        if (!exec->dry) {
            UWC_TRY(uwc_calloc(count, sizeof(float), &exec->pool[exec->n_buffers].data));
        }
        best = exec->n_buffers++;
        exec->pool[best].count = count;
    }
    exec->pool[best].free = false;
    *out = best;
    return UWC_OK;
}

/* Gives slot `to` memory: that of slot `from` (>= 0) where `from` has no reader but the present one, else a buffer. */
static uwc_status place(uwc_exec *exec, int to, int from, uwc_shape shape) {
    if (from >= 0 && exec->uses[from] == 1 && exec->held[from] >= 0) {
        exec->held[to] = exec->held[from];
        exec->held[from] = -1;
    } else {
        UWC_TRY(take_buffer(exec, uwc_shape_count(shape), &exec->held[to]));
    }
    exec->slot[to] = uwc_tensor_view(UWC_F32, shape, uwc_shape_layout(shape), exec->pool[exec->held[to]].data);
    exec->made[to] = true;
    return UWC_OK;
}

static void release(uwc_exec *exec, int slot) {
    if (--exec->uses[slot] == 0 && exec->held[slot] >= 0) {
        exec->pool[exec->held[slot]].free = true;
        exec->held[slot] = -1;
    }
}

static uwc_status make_quantized(uwc_exec *exec, int slot) {
    int raw = slot - exec->n_values;
    UWC_TRY(place(exec, slot, raw, exec->slot[raw].shape));
    if (!exec->dry) {
        uwc_quantizer_apply(&exec->graph->value[raw].quantizer, exec->slot[raw].f32, uwc_shape_count(exec->slot[raw].shape),
                            exec->slot[slot].f32);
    }
    release(exec, raw);
    return UWC_OK;
}

static kernels *kernels_for(uwc_exec *exec, int64_t images) {
    for (int i = 0; i < SIZES; i++) {
        if (exec->size[i].images == images) {
            return &exec->size[i];
        }
    }
    kernels *size = &exec->size[exec->oldest];
    exec->oldest = (exec->oldest + 1) % SIZES;
    drop_kernels(exec, size);
    size->images = images;
    return size;
}

static uwc_status make_kernel(uwc_exec *exec, const uwc_node *node, int64_t images, uwc_kernel **out) {
    uwc_shape *shape = NULL;
    const uwc_tensor **constant = NULL;
    uwc_status st;
    UWC_TRY_GOTO(st, uwc_calloc(node->n_in, sizeof *shape, &shape), done);
    UWC_TRY_GOTO(st, uwc_calloc(node->n_in, sizeof *constant, &constant), done);
    for (int k = 0; k < node->n_in; k++) {
        const uwc_value *value = &exec->graph->value[node->in[k]];
        constant[k] = value->constant;
        shape[k] = value->constant != NULL ? value->shape : uwc_shape_batch(value->shape, images);
    }
    st = uwc_kernel_create(&node->op, shape, constant, node->n_in, uwc_shape_batch(exec->graph->value[node->out].shape, images),
                           exec->backend, out);
done:
    uwc_free(&shape);
    uwc_free(&constant);
    return st;
}

static uwc_status run_node(uwc_exec *exec, int index, kernels *size) {
    const uwc_node *node = &exec->graph->node[index];
    if (exec->dry) {
        size->counted[index] = true;
    } else if (size->kernel[index] == NULL) {
        UWC_TRY(make_kernel(exec, node, size->images, &size->kernel[index]));
    }
    const uwc_tensor **in;
    UWC_TRY(uwc_calloc(node->n_in, sizeof *in, &in));
    int first = slot_of(exec, node, 0);
    uwc_status st = UWC_OK;
    for (int k = 0; k < node->n_in && st == UWC_OK; k++) {
        int slot = slot_of(exec, node, k);
        if (slot >= exec->n_values && !exec->made[slot]) {
            st = make_quantized(exec, slot);
        }
        in[k] = &exec->slot[slot];
    }
    if (st == UWC_OK) {
        bool in_place = uwc_op_in_place(node->op.kind) && exec->graph->value[node->in[0]].constant == NULL &&
                        uwc_shape_equal(exec->graph->value[node->in[0]].shape, exec->graph->value[node->out].shape);
        st = place(exec, node->out, in_place ? first : -1, uwc_shape_batch(exec->graph->value[node->out].shape, size->images));
    }
    if (st == UWC_OK && !exec->dry) {
        st = uwc_kernel_run(size->kernel[index], in, &exec->slot[node->out]);
    }
    for (int k = 0; k < node->n_in && st == UWC_OK; k++) {
        if (exec->graph->value[node->in[k]].constant == NULL) {
            release(exec, slot_of(exec, node, k));
        }
    }
    uwc_free(&in);
    return st;
}

static uwc_status feed_value(uwc_exec *exec, int value, const uwc_tensor *tensor, int64_t images) {
    uwc_shape shape = uwc_shape_batch(exec->graph->value[value].shape, images);
    char got[128], wanted[128];
    UWC_CHECK(uwc_shape_equal(tensor->shape, shape) && tensor->layout == uwc_shape_layout(shape), UWC_E_SHAPE,
              "value %s: fed %s, expected %s", exec->graph->value[value].name, uwc_shape_print(tensor->shape, got),
              uwc_shape_print(shape, wanted));
    exec->slot[value] = *tensor;
    exec->slot[value].owned = false;
    exec->made[value] = true;
    return UWC_OK;
}

uwc_status uwc_exec_run(uwc_exec *exec, int64_t images, const int *feed, const uwc_tensor *const *fed, int n_feeds, const int *fetch,
                        int n_fetches, const uwc_tensor **fetched) {
    UWC_CHECK(images >= 1 && images <= exec->batch, UWC_E_ARG, "%lld images, prepared for 1 to %lld", (long long)images,
              (long long)exec->batch);
    for (int i = 0; i < exec->n_buffers; i++) {
        exec->pool[i].free = true;
    }
    for (int i = 0; i < 2 * exec->n_values; i++) {
        exec->made[i] = false;
        exec->held[i] = -1;
    }
    for (int i = 0; i < n_feeds; i++) {
        UWC_TRY(feed_value(exec, feed[i], fed[i], images));
    }
    UWC_TRY(plan_run(exec, fetch, n_fetches));
    if (exec->slices != NULL) {
        return uwc_graph__slices_run(exec->slices, images, feed, fed, n_feeds, fetch, n_fetches, fetched);
    }
    kernels *size = kernels_for(exec, images);
    for (int i = 0; i < exec->n_nodes; i++) {
        if (exec->wanted[i]) {
            UWC_TRY(uwc_error_note(run_node(exec, i, size), "node %s", exec->graph->node[i].name));
        }
    }
    for (int i = 0; i < n_fetches; i++) {
        fetched[i] = &exec->slot[fetch[i]];
    }
    return UWC_OK;
}

uwc_status uwc_exec_run_dry(uwc_exec *exec, int64_t images, const int *feed, int n_feeds, const int *fetch, int n_fetches) {
    uwc_tensor *fed = NULL;
    const uwc_tensor **feeds = NULL, **fetched = NULL;
    uwc_status st;
    assert(exec->dry);
    UWC_TRY_GOTO(st, uwc_calloc(n_feeds, sizeof *fed, &fed), done);
    UWC_TRY_GOTO(st, uwc_calloc(n_feeds, sizeof *feeds, &feeds), done);
    UWC_TRY_GOTO(st, uwc_calloc(n_fetches, sizeof *fetched, &fetched), done);
    for (int i = 0; i < n_feeds; i++) {
        uwc_shape shape = uwc_shape_batch(exec->graph->value[feed[i]].shape, images);
        fed[i] = uwc_tensor_view(UWC_F32, shape, uwc_shape_layout(shape), NULL);
        feeds[i] = &fed[i];
    }
    st = uwc_exec_run(exec, images, feed, feeds, n_feeds, fetch, n_fetches, fetched);
done:
    uwc_free(&fed);
    uwc_free(&feeds);
    uwc_free(&fetched);
    return st;
}
