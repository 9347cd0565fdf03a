/* The backward pass. The gradients of slots live from their last reader to their producer and share a pool of buffers. */
#include "gradient_impl.h"

#include <string.h>

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
        UWC_TRY(g->dry ? UWC_OK : uwc_calloc(count, sizeof(float), &g->pool[g->n_buffers].data));
        g->bytes += count * (int64_t)sizeof(float);
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
    if (!g->dry) {
        const uwc_tensor *raw = &g->slot[v];
        double by_scale, by_zero;
        UWC_TRY(uwc_quantizer_backward(&g->graph->value[v].quantizer, raw->f32, g->dropped ? g->kept[v] : NULL, g->grad[quantized].f32,
                                       uwc_shape_count(raw->shape), g->wants[v] ? g->grad[v].f32 : NULL, g->begun[v], &by_scale, &by_zero));
        g->scale[v] += by_scale;
        g->zero[v] += by_zero;
    }
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
        const int slot = uwc_graph__gradient_slot(g, node, k);
        in[k] = &g->slot[slot];
        grad_in[k] = NULL;
        if (g->wants[slot]) {
            UWC_TRY(take(g, slot));
            grad_in[k] = &g->grad[slot];
            accumulate[k] = g->begun[slot];
            g->begun[slot] = true;
        }
    }
    if (!g->dry) {
        UWC_TRY(uwc_backward_run(g->backward[index], in, &g->slot[node->out], &g->grad[node->out], grad_in, accumulate));
    }
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

/* No activation has a gradient yet. Those of constants begin with zero, which remains where they reach no output, or are added to. */
static void clear(uwc_gradient *g, bool adds) {
    const uwc_graph *graph = g->graph;
    for (int s = 0; s < 2 * graph->n_values; s++) {
        g->begun[s] = false;
        g->held[s] = -1;
    }
    for (int v = 0; v < graph->n_values; v++) {
        const bool trained = graph->value[v].constant != NULL && g->memory[v] != NULL;
        g->begun[v] = trained && adds;
        if (!adds) {
            g->scale[v] = g->zero[v] = 0;
        }
        if (trained && !adds) {
            memset(g->memory[v]->f32, 0, uwc_tensor_bytes(g->memory[v]));
        }
    }
    for (int i = 0; i < g->n_buffers; i++) {
        g->pool[i].used = false;
    }
}

static uwc_status begin(uwc_gradient *g, const uwc_tensor *const *grad_out) {
    const uwc_graph *graph = g->graph;
    for (int i = 0; i < graph->n_outputs; i++) {
        const int v = graph->output[i];
        if (!g->wants[v]) {
            continue;
        }
        UWC_TRY(take(g, v));
        if (!g->dry) {
            UWC_CHECK(uwc_shape_equal(grad_out[i]->shape, g->grad[v].shape), UWC_E_SHAPE, "gradient by %s", graph->value[v].name);
            memcpy(g->grad[v].f32, grad_out[i]->f32, uwc_tensor_bytes(&g->grad[v]));
        }
        g->begun[v] = true;
    }
    return UWC_OK;
}

/* The inputs have no node that would settle them; one that reaches no output has a gradient of zeros. */
static uwc_status end(uwc_gradient *g) {
    for (int i = 0; i < g->graph->n_inputs; i++) {
        const int v = g->graph->input[i];
        UWC_TRY(settle(g, v));
        if (g->wants[v] && !g->begun[v]) {
            UWC_TRY(take(g, v));
            if (!g->dry) {
                memset(g->grad[v].f32, 0, uwc_tensor_bytes(&g->grad[v]));
            }
        }
    }
    return UWC_OK;
}

static uwc_status backward(uwc_gradient *g, const uwc_tensor *const *grad_out, bool adds) {
    calls c = {0};
    uwc_status st;
    clear(g, adds);
    UWC_TRY_GOTO(st, open_calls(g->graph, &c), done);
    UWC_TRY_GOTO(st, begin(g, grad_out), done);
    for (int i = g->graph->n_nodes - 1; i >= 0; i--) {
        UWC_TRY_GOTO(st, uwc_error_note(back_node(g, i, c.in, c.grad_in, c.accumulate), "node %s", g->graph->node[i].name), done);
    }
    st = end(g);
done:
    uwc_free(&c.in);
    uwc_free(&c.grad_in);
    uwc_free(&c.accumulate);
    return st;
}

uwc_status uwc_gradient_backward(uwc_gradient *g, const uwc_tensor *const *grad_out) {
    return backward(g, grad_out, false);
}

uwc_status uwc_gradient_backward_more(uwc_gradient *g, const uwc_tensor *const *grad_out) {
    return backward(g, grad_out, true);
}

uwc_status uwc_gradient_bytes(const uwc_graph *graph, int64_t images, int64_t *out) {
    uwc_gradient *g;
    UWC_TRY(uwc_graph__gradient_create_dry(graph, images, false, &g));
    uwc_status st = uwc_gradient_backward(g, NULL);
    *out = g->bytes;
    uwc_gradient_destroy(&g);
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
