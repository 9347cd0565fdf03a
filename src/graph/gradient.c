/* A graph made ready for gradients, and its forward pass with everything kept. */
#include "gradient_impl.h"

bool uwc_gradient_exists(const uwc_graph *graph) {
    for (int i = 0; i < graph->n_nodes; i++) {
        const uwc_node *node = &graph->node[i];
        if (!uwc_backward_exists(node->op.kind) || (node->op.kind == UWC_OP_LINEAR && graph->value[node->in[0]].shape.rank == 4)) {
            return false;
        }
    }
    return true;
}

/* A dry one counts what values with bits will need when they have their quantizers. */
static bool is_quantized(const uwc_gradient *g, const uwc_node *node, int k) {
    const uwc_value *edge = &g->graph->value[node->in[k]];
    bool acts = g->graph->quantize_all || (k == 0 && uwc_op_is_weighted(node->op.kind));
    return acts && edge->constant == NULL && (edge->quantizer.bits > 0 || (g->dry && edge->activation_bits > 0));
}

int uwc_graph__gradient_slot(const uwc_gradient *g, const uwc_node *node, int k) {
    return node->in[k] + (is_quantized(g, node, k) ? g->graph->n_values : 0);
}

static bool is_trained(const uwc_graph *graph, const uwc_node *node, int k) {
    return uwc_op_is_weighted(node->op.kind) && graph->value[node->in[k]].constant != NULL;
}

/* The Relu or Clip at `node` may overwrite its input: nobody else reads that, and the gradient needs the output alone. */
static uwc_status shares_memory(const uwc_gradient *g, int index, bool *out) {
    const uwc_graph *graph = g->graph;
    const uwc_node *node = &graph->node[index];
    const int in = node->in[0];
    int *readers, n;
    *out = false;
    if ((node->op.kind != UWC_OP_RELU && node->op.kind != UWC_OP_CLIP) || graph->value[in].producer < 0 || is_quantized(g, node, 0)) {
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
            int slot = uwc_graph__gradient_slot(g, node, k);
            g->wants[slot] = g->wants[slot] || slot >= graph->n_values || is_trained(graph, node, k);
            wants = wants || g->wants[slot];
        }
        g->wants[node->out] = wants;
        UWC_TRY(shares_memory(g, i, &shares));
        g->shares[node->out] = shares ? node->in[0] : -1;
    }
    return UWC_OK;
}

static bool is_read_quantized(const uwc_gradient *g, int value) {
    const uwc_graph *graph = g->graph;
    for (int i = 0; i < graph->n_nodes; i++) {
        for (int k = 0; k < graph->node[i].n_in; k++) {
            if (graph->node[i].in[k] == value && is_quantized(g, &graph->node[i], k)) {
                return true;
            }
        }
    }
    return false;
}

static uwc_status make_memory(uwc_gradient *g, uwc_shape shape, uwc_layout layout, uwc_tensor **memory, uwc_tensor *view) {
    g->bytes += uwc_shape_count(shape) * (int64_t)sizeof(float);
    if (!g->dry) {
        UWC_TRY(uwc_tensor_create(UWC_F32, shape, layout, memory));
        *view = **memory;
        view->owned = false;
    }
    return UWC_OK;
}

/* Memory of a value, or of the gradient of a trained constant. */
static uwc_status make_value(uwc_gradient *g, int v) {
    const uwc_value *value = &g->graph->value[v];
    const uwc_shape shape = uwc_shape_batch(value->shape, g->images);
    const int quantized = g->graph->n_values + v;
    if (value->constant != NULL) {
        g->slot[v] = *value->constant;
        return g->wants[v] ? make_memory(g, value->shape, UWC_PLAIN, &g->memory[v], &g->grad[v]) : UWC_OK;
    }
    if (g->shares[v] >= 0) {
        g->slot[v] = g->slot[g->shares[v]];
    } else if (value->producer >= 0) {
        UWC_TRY(make_memory(g, shape, uwc_shape_layout(shape), &g->memory[v], &g->slot[v]));
    }
    if (is_read_quantized(g, v)) {
        UWC_TRY(make_memory(g, shape, uwc_shape_layout(shape), &g->memory[quantized], &g->slot[quantized]));
        g->bytes += g->dry ? uwc_shape_count(shape) : 0; /* a mask, if values are dropped */
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

static uwc_status create(const uwc_graph *graph, int64_t images, bool with_inputs, bool dry, uwc_gradient **out) {
    uwc_gradient *g;
    uwc_status st;
    *out = NULL;
    UWC_CHECK(images >= 1, UWC_E_ARG, "gradients of %lld images", (long long)images);
    UWC_TRY(uwc_calloc(1, sizeof *g, &g));
    g->graph = graph;
    g->images = images;
    g->dry = dry;
    UWC_TRY_GOTO(st, make_arrays(g), fail);
    UWC_TRY_GOTO(st, plan(g, with_inputs), fail);
    for (int v = 0; v < graph->n_values; v++) {
        if (graph->value[v].producer < 0) {
            UWC_TRY_GOTO(st, make_value(g, v), fail);
        }
    }
    for (int i = 0; i < graph->n_nodes; i++) { /* in this order, so that what is shared is there */
        UWC_TRY_GOTO(st, make_value(g, graph->node[i].out), fail);
        UWC_TRY_GOTO(st, dry ? UWC_OK : make_node(g, i), fail);
    }
    *out = g;
    return UWC_OK;
fail:
    uwc_gradient_destroy(&g);
    return st;
}

uwc_status uwc_gradient_create(const uwc_graph *graph, int64_t images, bool with_inputs, uwc_gradient **out) {
    return create(graph, images, with_inputs, false, out);
}

uwc_status uwc_graph__gradient_create_dry(const uwc_graph *graph, int64_t images, bool with_inputs, uwc_gradient **out) {
    return create(graph, images, with_inputs, true, out);
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
        g->bytes += count;
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
        in[k] = &g->slot[uwc_graph__gradient_slot(g, node, k)];
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
