/* Forward with everything kept, then backward. A value has two slots as in exec.c: raw, and quantized for the edges into weighted nodes.
 * The gradients of slots live from their last reader to their producer and share a pool of buffers. */
#include "graph_impl.h"

#include <uwc/backward.h>
#include <uwc/gradient.h>

#include <string.h>

typedef struct buffer {
    float *data;
    int64_t count;
    bool used;
} buffer;

struct uwc_gradient {
    const uwc_graph *graph;
    int64_t images;
    uwc_kernel **kernel;     /* [n_nodes] */
    uwc_backward **backward; /* [n_nodes] */
    int *shares;             /* [n_values] value whose memory this one takes over, -1: its own */
    bool *wants;             /* [2 n_values] slots with a gradient */
    uwc_tensor **memory;     /* [2 n_values] owned; constants: their gradient, in the first half */
    uwc_tensor *slot;        /* [2 n_values] views */
    uint8_t **kept;          /* [n_values] of the last forward pass with drops */
    bool dropped;            /* the last forward pass had drops */
    uwc_tensor *grad;        /* [2 n_values] views */
    int *held;               /* [2 n_values] buffer, -1: none */
    bool *begun;             /* [2 n_values] and [n_values] of constants in the first half: holds a part of the sum */
    double *scale, *zero;    /* [n_values] */
    buffer *pool;
    int64_t pool_capacity;
    int n_buffers;
};

bool uwc_gradient_exists(const uwc_graph *graph) {
    for (int i = 0; i < graph->n_nodes; i++) {
        const uwc_node *node = &graph->node[i];
        if (!uwc_backward_exists(node->op.kind) || (node->op.kind == UWC_OP_LINEAR && graph->value[node->in[0]].shape.rank == 4)) {
            return false;
        }
    }
    return true;
}

static bool is_quantized(const uwc_graph *graph, const uwc_node *node, int k) {
    const uwc_value *edge = &graph->value[node->in[k]];
    bool acts = graph->quantize_all || (k == 0 && uwc_op_is_weighted(node->op.kind));
    return acts && edge->constant == NULL && edge->quantizer.bits > 0;
}

static int slot_of(const uwc_graph *graph, const uwc_node *node, int k) {
    return node->in[k] + (is_quantized(graph, node, k) ? graph->n_values : 0);
}

static bool is_trained(const uwc_graph *graph, const uwc_node *node, int k) {
    return uwc_op_is_weighted(node->op.kind) && graph->value[node->in[k]].constant != NULL;
}

/* The Relu or Clip at `node` may overwrite its input: nobody else reads that, and the gradient needs the output alone. */
static uwc_status shares_memory(const uwc_graph *graph, int index, bool *out) {
    const uwc_node *node = &graph->node[index];
    const int in = node->in[0];
    int *readers, n;
    *out = false;
    if ((node->op.kind != UWC_OP_RELU && node->op.kind != UWC_OP_CLIP) || graph->value[in].producer < 0 || is_quantized(graph, node, 0)) {
        return UWC_OK;
    }
    for (int i = 0; i < graph->n_outputs; i++) {
        if (graph->output[i] == in) {
            return UWC_OK;
        }
    }
    UWC_TRY(uwc_graph_readers(graph, in, &readers, &n));
    *out = n == 1 && uwc_op_is_weighted(graph->node[graph->value[in].producer].op.kind);
    uwc_free(&readers);
    return UWC_OK;
}

/* Which slots hold values, and which have gradients: those that depend on a trained constant or on a step. */
static uwc_status plan(uwc_gradient *g, bool with_inputs) {
    const uwc_graph *graph = g->graph;
    for (int v = 0; v < graph->n_values; v++) {
        g->shares[v] = -1;
    }
    for (int i = 0; i < graph->n_inputs; i++) {
        g->wants[graph->input[i]] = with_inputs;
    }
    for (int i = 0; i < graph->n_nodes; i++) {
        const uwc_node *node = &graph->node[i];
        bool shares, wants = false;
        for (int k = 0; k < node->n_in; k++) {
            int slot = slot_of(graph, node, k);
            g->wants[slot] = g->wants[slot] || slot >= graph->n_values || is_trained(graph, node, k);
            wants = wants || g->wants[slot];
        }
        g->wants[node->out] = wants;
        UWC_TRY(shares_memory(graph, i, &shares));
        g->shares[node->out] = shares ? node->in[0] : -1;
    }
    return UWC_OK;
}

static bool is_read_quantized(const uwc_graph *graph, int value) {
    for (int i = 0; i < graph->n_nodes; i++) {
        for (int k = 0; k < graph->node[i].n_in; k++) {
            if (graph->node[i].in[k] == value && is_quantized(graph, &graph->node[i], k)) {
                return true;
            }
        }
    }
    return false;
}

/* Memory of a value, and of the gradients of trained constants. */
static uwc_status make_value(uwc_gradient *g, int v) {
    const uwc_value *value = &g->graph->value[v];
    const uwc_shape shape = uwc_shape_batch(value->shape, g->images);
    const int quantized = g->graph->n_values + v;
    if (value->constant != NULL) {
        g->slot[v] = *value->constant;
        if (g->wants[v]) {
            UWC_TRY(uwc_tensor_create(UWC_F32, value->shape, UWC_PLAIN, &g->memory[v]));
            g->grad[v] = *g->memory[v];
        }
        return UWC_OK;
    }
    if (value->producer >= 0) {
        if (g->shares[v] < 0) {
            UWC_TRY(uwc_tensor_activation(shape, &g->memory[v]));
        }
        g->slot[v] = g->shares[v] < 0 ? *g->memory[v] : g->slot[g->shares[v]];
    }
    if (is_read_quantized(g->graph, v)) {
        UWC_TRY(uwc_tensor_activation(shape, &g->memory[quantized]));
        g->slot[quantized] = *g->memory[quantized];
    }
    return UWC_OK;
}

static uwc_status make_node(uwc_gradient *g, int index) {
    const uwc_node *node = &g->graph->node[index];
    const uwc_shape out = uwc_shape_batch(g->graph->value[node->out].shape, g->images);
    uwc_shape *shape = NULL;
    const uwc_tensor **constant = NULL;
    uwc_status st;
    UWC_TRY_GOTO(st, uwc_calloc(node->n_in, sizeof *shape, &shape), done);
    UWC_TRY_GOTO(st, uwc_calloc(node->n_in, sizeof *constant, &constant), done);
    for (int k = 0; k < node->n_in; k++) {
        const uwc_value *value = &g->graph->value[node->in[k]];
        constant[k] = value->constant;
        shape[k] = value->constant != NULL ? value->shape : uwc_shape_batch(value->shape, g->images);
    }
    UWC_TRY_GOTO(st, uwc_kernel_create(&node->op, shape, constant, node->n_in, out, UWC_BACKEND_FAST, &g->kernel[index]), done);
    st = uwc_backward_create(&node->op, shape, node->n_in, out, &g->backward[index]);
done:
    uwc_free(&shape);
    uwc_free(&constant);
    return uwc_error_note(st, "node %s", node->name);
}

static uwc_status make_arrays(uwc_gradient *g) {
    const int64_t nodes = g->graph->n_nodes, values = g->graph->n_values;
    UWC_TRY(uwc_calloc(nodes, sizeof *g->kernel, &g->kernel));
    UWC_TRY(uwc_calloc(nodes, sizeof *g->backward, &g->backward));
    UWC_TRY(uwc_calloc(values, sizeof *g->shares, &g->shares));
    UWC_TRY(uwc_calloc(2 * values, sizeof *g->wants, &g->wants));
    UWC_TRY(uwc_calloc(2 * values, sizeof *g->memory, &g->memory));
    UWC_TRY(uwc_calloc(2 * values, sizeof *g->slot, &g->slot));
    UWC_TRY(uwc_calloc(values, sizeof *g->kept, &g->kept));
    UWC_TRY(uwc_calloc(2 * values, sizeof *g->grad, &g->grad));
    UWC_TRY(uwc_calloc(2 * values, sizeof *g->held, &g->held));
    UWC_TRY(uwc_calloc(2 * values, sizeof *g->begun, &g->begun));
    UWC_TRY(uwc_calloc(values, sizeof *g->scale, &g->scale));
    return uwc_calloc(values, sizeof *g->zero, &g->zero);
}

uwc_status uwc_gradient_create(const uwc_graph *graph, int64_t images, bool with_inputs, uwc_gradient **out) {
    uwc_gradient *g;
    uwc_status st;
    *out = NULL;
    UWC_TRY(uwc_calloc(1, sizeof *g, &g));
    g->graph = graph;
    g->images = images;
    UWC_TRY_GOTO(st, make_arrays(g), fail);
    UWC_TRY_GOTO(st, plan(g, with_inputs), fail);
    for (int v = 0; v < graph->n_values; v++) {
        if (graph->value[v].producer < 0) {
            UWC_TRY_GOTO(st, make_value(g, v), fail);
        }
    }
    for (int i = 0; i < graph->n_nodes; i++) { /* in this order, so that what is shared is there */
        UWC_TRY_GOTO(st, make_value(g, graph->node[i].out), fail);
        UWC_TRY_GOTO(st, make_node(g, i), fail);
    }
    *out = g;
    return UWC_OK;
fail:
    uwc_gradient_destroy(&g);
    return st;
}

void uwc_gradient_destroy(uwc_gradient **out) {
    uwc_gradient *g = *out;
    if (g == NULL) {
        return;
    }
    for (int i = 0; i < g->graph->n_nodes; i++) {
        if (g->kernel != NULL) {
            uwc_kernel_destroy(&g->kernel[i]);
        }
        if (g->backward != NULL) {
            uwc_backward_destroy(&g->backward[i]);
        }
    }
    for (int s = 0; g->memory != NULL && s < 2 * g->graph->n_values; s++) {
        uwc_tensor_destroy(&g->memory[s]);
    }
    for (int v = 0; g->kept != NULL && v < g->graph->n_values; v++) {
        uwc_free(&g->kept[v]);
    }
    for (int i = 0; i < g->n_buffers; i++) {
        uwc_free(&g->pool[i].data);
    }
    void *arrays[] = {&g->kernel, &g->backward, &g->shares, &g->wants, &g->memory, &g->slot, &g->kept,
                      &g->grad,   &g->held,     &g->begun,  &g->scale, &g->zero,   &g->pool};
    for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++) {
        uwc_free(arrays[i]);
    }
    uwc_free(out);
}

/* ---- forward ------------------------------------------------------------------------------------------------------------------- */

void uwc_drop_keep(const uwc_drop *drop, int value, int64_t count, uint8_t *keep) {
    uwc_drop_mask(drop->seed, drop->step << 16 | (uint64_t)value, drop->part, count, keep);
}

static uwc_status quantize_value(uwc_gradient *g, int v, const uwc_drop *drop) {
    const uwc_quantizer *quantizer = &g->graph->value[v].quantizer;
    const uwc_tensor *raw = &g->slot[v];
    float *out = g->slot[g->graph->n_values + v].f32;
    const int64_t count = uwc_shape_count(raw->shape);
    if (drop == NULL) {
        uwc_quantizer_apply(quantizer, raw->f32, count, out);
        return UWC_OK;
    }
    if (g->kept[v] == NULL) {
        UWC_TRY(uwc_calloc(count, sizeof *g->kept[v], &g->kept[v]));
    }
    uwc_drop_keep(drop, v, count, g->kept[v]);
    uwc_quantizer_apply_but(quantizer, raw->f32, g->kept[v], count, out);
    return UWC_OK;
}

static uwc_status run_node(uwc_gradient *g, int index) {
    const uwc_graph *graph = g->graph;
    const uwc_node *node = &graph->node[index];
    const uwc_tensor **in;
    UWC_TRY(uwc_calloc(node->n_in, sizeof *in, &in));
    for (int k = 0; k < node->n_in; k++) {
        in[k] = &g->slot[slot_of(graph, node, k)];
    }
    uwc_status st = UWC_OK;
    if (uwc_op_is_weighted(node->op.kind)) {
        st = uwc_kernel_set_weights(g->kernel[index], in[1], node->n_in == 3 ? in[2] : NULL);
    }
    if (st == UWC_OK) {
        st = uwc_kernel_run(g->kernel[index], in, &g->slot[node->out]);
    }
    uwc_free(&in);
    return uwc_error_note(st, "node %s", node->name);
}

uwc_status uwc_gradient_forward(uwc_gradient *g, const uwc_tensor *const *fed, const uwc_drop *drop) {
    const uwc_graph *graph = g->graph;
    g->dropped = drop != NULL;
    for (int i = 0; i < graph->n_inputs; i++) {
        const int v = graph->input[i];
        UWC_CHECK(uwc_shape_equal(fed[i]->shape, uwc_shape_batch(graph->value[v].shape, g->images)), UWC_E_SHAPE,
                  "value %s: fed another shape than prepared for", graph->value[v].name);
        g->slot[v] = *fed[i];
        g->slot[v].owned = false;
        if (g->memory[graph->n_values + v] != NULL) {
            UWC_TRY(quantize_value(g, v, drop));
        }
    }
    for (int i = 0; i < graph->n_nodes; i++) {
        const int v = graph->node[i].out;
        UWC_TRY(run_node(g, i));
        if (g->memory[graph->n_values + v] != NULL) {
            UWC_TRY(quantize_value(g, v, drop));
        }
    }
    return UWC_OK;
}

const uwc_tensor *uwc_gradient_value(const uwc_gradient *g, int value) {
    for (int v = 0; v < g->graph->n_values; v++) {
        if (g->shares[v] == value) {
            return NULL;
        }
    }
    return &g->slot[value];
}

/* ---- backward ------------------------------------------------------------------------------------------------------------------ */

/* Gives the gradient of a slot memory, if it has none. */
static uwc_status take(uwc_gradient *g, int slot) {
    const int v = slot % g->graph->n_values;
    const uwc_value *value = &g->graph->value[v];
    const uwc_shape shape = uwc_shape_batch(value->shape, g->images);
    const int64_t count = uwc_shape_count(shape);
    int best = -1;
    if (value->constant != NULL || g->held[slot] >= 0) {
        return UWC_OK;
    }
    for (int i = 0; i < g->n_buffers; i++) {
        if (!g->pool[i].used && g->pool[i].count >= count && (best < 0 || g->pool[i].count < g->pool[best].count)) {
            best = i;
        }
    }
    if (best < 0) {
        UWC_TRY(uwc_grow(&g->pool, &g->pool_capacity, g->n_buffers + 1, sizeof *g->pool));
        UWC_TRY(uwc_calloc(count, sizeof(float), &g->pool[g->n_buffers].data));
        best = g->n_buffers++;
        g->pool[best].count = count;
    }
    g->pool[best].used = true;
    g->held[slot] = best;
    g->grad[slot] = uwc_tensor_view(UWC_F32, shape, uwc_shape_layout(shape), g->pool[best].data);
    return UWC_OK;
}

static void release(uwc_gradient *g, int slot) {
    if (g->held[slot] >= 0) {
        g->pool[g->held[slot]].used = false;
        g->held[slot] = -1;
    }
}

/* All readers of v have run: what came to its quantized slot goes through the quantizer to the raw one. */
static uwc_status settle(uwc_gradient *g, int v) {
    const int quantized = g->graph->n_values + v;
    if (!g->begun[quantized]) {
        return UWC_OK;
    }
    if (g->wants[v]) {
        UWC_TRY(take(g, v));
    }
    const uwc_tensor *raw = &g->slot[v];
    UWC_TRY(uwc_quantizer_backward(&g->graph->value[v].quantizer, raw->f32, g->dropped ? g->kept[v] : NULL, g->grad[quantized].f32,
                                   uwc_shape_count(raw->shape), g->wants[v] ? g->grad[v].f32 : NULL, g->begun[v], &g->scale[v],
                                   &g->zero[v]));
    g->begun[v] = g->wants[v];
    release(g, quantized);
    return UWC_OK;
}

static uwc_status back_node(uwc_gradient *g, int index, const uwc_tensor **in, uwc_tensor **grad_in, bool *accumulate) {
    const uwc_node *node = &g->graph->node[index];
    UWC_TRY(settle(g, node->out));
    if (!g->begun[node->out]) {
        return UWC_OK; /* reaches no output */
    }
    for (int k = 0; k < node->n_in; k++) {
        const int slot = slot_of(g->graph, node, k);
        in[k] = &g->slot[slot];
        grad_in[k] = NULL;
        if (g->wants[slot]) {
            UWC_TRY(take(g, slot));
            grad_in[k] = &g->grad[slot];
            accumulate[k] = g->begun[slot];
            g->begun[slot] = true;
        }
    }
    UWC_TRY(uwc_backward_run(g->backward[index], in, &g->slot[node->out], &g->grad[node->out], grad_in, accumulate));
    release(g, node->out);
    return UWC_OK;
}

/* [nodes' most inputs] of each. */
typedef struct calls {
    const uwc_tensor **in;
    uwc_tensor **grad_in;
    bool *accumulate;
} calls;

static uwc_status open_calls(const uwc_graph *graph, calls *c) {
    int most = 1;
    for (int i = 0; i < graph->n_nodes; i++) {
        most = graph->node[i].n_in > most ? graph->node[i].n_in : most;
    }
    UWC_TRY(uwc_calloc(most, sizeof *c->in, &c->in));
    UWC_TRY(uwc_calloc(most, sizeof *c->grad_in, &c->grad_in));
    return uwc_calloc(most, sizeof *c->accumulate, &c->accumulate);
}

/* Everything to zero, then the gradients by the outputs. */
static uwc_status begin(uwc_gradient *g, const uwc_tensor *const *grad_out) {
    const uwc_graph *graph = g->graph;
    for (int s = 0; s < 2 * graph->n_values; s++) {
        g->begun[s] = false;
        g->held[s] = -1;
        if (s < graph->n_values) {
            g->scale[s] = g->zero[s] = 0;
            if (graph->value[s].constant != NULL && g->memory[s] != NULL) {
                memset(g->memory[s]->f32, 0, uwc_tensor_bytes(g->memory[s]));
            }
        }
    }
    for (int i = 0; i < g->n_buffers; i++) {
        g->pool[i].used = false;
    }
    for (int i = 0; i < graph->n_outputs; i++) {
        const int v = graph->output[i];
        if (g->wants[v]) {
            UWC_TRY(take(g, v));
            UWC_CHECK(uwc_shape_equal(grad_out[i]->shape, g->grad[v].shape), UWC_E_SHAPE, "gradient by %s", graph->value[v].name);
            memcpy(g->grad[v].f32, grad_out[i]->f32, uwc_tensor_bytes(&g->grad[v]));
            g->begun[v] = true;
        }
    }
    return UWC_OK;
}

uwc_status uwc_gradient_backward(uwc_gradient *g, const uwc_tensor *const *grad_out) {
    calls c = {0};
    uwc_status st;
    UWC_TRY_GOTO(st, open_calls(g->graph, &c), done);
    UWC_TRY_GOTO(st, begin(g, grad_out), done);
    for (int i = g->graph->n_nodes - 1; i >= 0; i--) {
        UWC_TRY_GOTO(st, uwc_error_note(back_node(g, i, c.in, c.grad_in, c.accumulate), "node %s", g->graph->node[i].name), done);
    }
    for (int i = 0; i < g->graph->n_inputs; i++) {
        UWC_TRY_GOTO(st, settle(g, g->graph->input[i]), done);
    }
done:
    uwc_free(&c.in);
    uwc_free(&c.grad_in);
    uwc_free(&c.accumulate);
    return st;
}

const uwc_tensor *uwc_gradient_by(const uwc_gradient *g, int value) {
    if (!g->wants[value] || (g->graph->value[value].constant == NULL && g->graph->value[value].producer >= 0)) {
        return NULL;
    }
    return &g->grad[value];
}

double uwc_gradient_by_scale(const uwc_gradient *g, int value) {
    return g->scale[value];
}

double uwc_gradient_by_zero(const uwc_gradient *g, int value) {
    return g->zero[value];
}
