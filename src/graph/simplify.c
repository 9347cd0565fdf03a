/* Batch normalisation and constant factors into the layer in front of them; identities and dead ends away. */
#include "graph_impl.h"

#include <math.h>
#include <string.h>

/* factor and offset [C] of y = factor x + offset. */
static uwc_status affine_of(const uwc_graph *graph, const uwc_node *norm, double **factor, double **offset, int64_t *channels) {
    const float *parameter[4];
    for (int k = 0; k < 4; k++) {
        parameter[k] = graph->value[norm->in[k + 1]].constant->f32;
    }
    *channels = uwc_shape_count(graph->value[norm->in[1]].shape);
    UWC_TRY(uwc_calloc(*channels, sizeof **factor, factor));
    UWC_TRY(uwc_calloc(*channels, sizeof **offset, offset));
    for (int64_t c = 0; c < *channels; c++) {
        double variance = (double)parameter[3][c] + (double)norm->op.epsilon;
        UWC_CHECK(variance > 0, UWC_E_VALUE, "node %s: variance %g of channel %lld", norm->name, variance, (long long)c);
        (*factor)[c] = (double)parameter[0][c] / sqrt(variance);
        (*offset)[c] = (double)parameter[1][c] - (double)parameter[2][c] * (*factor)[c];
    }
    return UWC_OK;
}

/* Gives the node constants of its own: weights of `shape` (copied from `from` where there is one) and bias [rows]. */
static uwc_status own_parameters(uwc_graph *graph, int index, uwc_shape shape, float **weights, float **bias) {
    int w, b;
    const char *const base = graph->value[graph->node[index].out].name;
    UWC_TRY(uwc_graph__add_constant(graph, base, "folded_weights", shape, &w));
    UWC_TRY(uwc_graph__add_constant(graph, base, "folded_bias", uwc_shape_1d(shape.dim[0]), &b));
    const uwc_node *node = &graph->node[index];
    *weights = graph->value[w].constant->f32;
    *bias = graph->value[b].constant->f32;
    if (uwc_op_is_weighted(node->op.kind)) {
        const uwc_tensor *old = graph->value[node->in[1]].constant;
        memcpy(*weights, old->f32, uwc_tensor_bytes(old));
        if (node->n_in == 3) {
            memcpy(*bias, graph->value[node->in[2]].constant->f32, (size_t)shape.dim[0] * sizeof **bias);
        }
    }
    return uwc_graph__set_inputs(graph, index, (int[]){node->in[0], w, b}, 3);
}

/* Folds normalisation `index` into the weighted node `layer`, whose only reader it is; the normalisation becomes an identity. */
static uwc_status fold_into_layer(uwc_graph *graph, int index, int layer, const double *factor, const double *offset) {
    float *weights, *bias;
    uwc_shape shape = graph->value[graph->node[layer].in[1]].shape;
    UWC_TRY(own_parameters(graph, layer, shape, &weights, &bias));
    int64_t cols = uwc_shape_per_image(shape);
    for (int64_t o = 0; o < shape.dim[0]; o++) {
        for (int64_t i = 0; i < cols; i++) {
            weights[o * cols + i] = (float)(weights[o * cols + i] * factor[o]);
        }
        bias[o] = (float)(bias[o] * factor[o] + offset[o]);
    }
    graph->node[index].op = uwc_op_make(UWC_OP_IDENTITY);
    graph->node[index].n_in = 1;
    return UWC_OK;
}

/* No layer in front: a 1x1 depthwise convolution of its own. */
static uwc_status turn_into_depthwise(uwc_graph *graph, int index, const double *factor, const double *offset, int64_t channels) {
    UWC_CHECK(graph->value[graph->node[index].in[0]].shape.rank == 4, UWC_E_UNSUPPORTED,
              "node %s: BatchNormalization of %d dimensions without a layer in front", graph->node[index].name,
              graph->value[graph->node[index].in[0]].shape.rank);
    float *weights, *bias;
    UWC_TRY(own_parameters(graph, index, uwc_shape_4d(channels, 1, 1, 1), &weights, &bias));
    for (int64_t c = 0; c < channels; c++) {
        weights[c] = (float)factor[c];
        bias[c] = (float)offset[c];
    }
    uwc_op op = uwc_op_make(UWC_OP_CONV);
    op.kernel[0] = op.kernel[1] = 1;
    op.group = channels;
    graph->node[index].op = op;
    return UWC_OK;
}

/* The layer of float weights whose output, with the channels along axis 1, `index` alone reads as `value`; -1 where there is none. */
static int layer_of(const uwc_graph *graph, int value, int index) {
    int layer = graph->value[value].producer;
    bool foldable = layer >= 0 && uwc_op_is_weighted(graph->node[layer].op.kind) && graph->node[layer].quantized == NULL &&
                    !uwc_graph__has_other_use(graph, value, index) &&
                    (graph->node[layer].op.kind == UWC_OP_CONV || graph->value[value].shape.rank == 2);
    return foldable ? layer : -1;
}

static uwc_status fold_norm(uwc_graph *graph, int index) {
    int layer = layer_of(graph, graph->node[index].in[0], index);
    double *factor = NULL, *offset = NULL;
    int64_t channels = 0;
    uwc_status st = affine_of(graph, &graph->node[index], &factor, &offset, &channels);
    if (st == UWC_OK) {
        st =
            layer >= 0 ? fold_into_layer(graph, index, layer, factor, offset) : turn_into_depthwise(graph, index, factor, offset, channels);
    }
    uwc_free(&factor);
    uwc_free(&offset);
    return st;
}

/* One number, or one per channel: [C,1,1] behind a Conv, [C] behind a Linear, ones in front of it or not. */
static bool is_per_channel(uwc_shape factor, uwc_shape out) {
    int axis = factor.rank - (out.rank - 1);
    if (uwc_shape_count(factor) == 1) {
        return factor.rank <= out.rank;
    }
    return factor.rank <= out.rank && axis >= 0 && uwc_shape_count(factor) == out.dim[1] && factor.dim[axis] == out.dim[1];
}

/* A constant factor behind a layer, such as the layer scale of ConvNeXt, goes into its weights. */
static uwc_status fold_factor(uwc_graph *graph, int index) {
    const uwc_node *node = &graph->node[index];
    int constant = graph->value[node->in[0]].constant != NULL ? 0 : 1, layer = layer_of(graph, node->in[1 - constant], index);
    const uwc_tensor *given = graph->value[node->in[constant]].constant;
    const uwc_shape out = graph->value[node->out].shape;
    if (layer < 0 || given == NULL || !is_per_channel(given->shape, out) || graph->value[node->in[1 - constant]].quantizer.bits > 0) {
        return UWC_OK;
    }
    double *factor = NULL, *zero = NULL;
    uwc_status st = uwc_calloc(out.dim[1], sizeof *factor, &factor);
    if (st == UWC_OK) {
        st = uwc_calloc(out.dim[1], sizeof *zero, &zero);
    }
    for (int64_t c = 0; st == UWC_OK && c < out.dim[1]; c++) {
        factor[c] = (double)given->f32[uwc_shape_count(given->shape) == 1 ? 0 : c];
    }
    if (st == UWC_OK) {
        graph->node[index].in[0] = node->in[1 - constant];
        st = fold_into_layer(graph, index, layer, factor, zero);
    }
    uwc_free(&factor);
    uwc_free(&zero);
    return st;
}

static bool is_output(const uwc_graph *graph, int value) {
    for (int i = 0; i < graph->n_outputs; i++) {
        if (graph->output[i] == value) {
            return true;
        }
    }
    return false;
}

static void replace_input(uwc_graph *graph, int old, int by) {
    for (int i = 0; i < graph->n_nodes; i++) {
        for (int k = 0; k < graph->node[i].n_in; k++) {
            if (graph->node[i].in[k] == old) {
                graph->node[i].in[k] = by;
            }
        }
    }
}

/* An identity disappears unless it joins an input of the network to an output. Where it makes an output, the node in front makes that
 * instead. */
static void bypass_identity(uwc_graph *graph, int index) {
    uwc_node *node = &graph->node[index];
    int from = node->in[0], to = node->out, producer = graph->value[from].producer;
    if (graph->value[to].quantizer.bits > 0) {
        return; /* its readers see another value than those of `from` */
    }
    if (!is_output(graph, to)) {
        replace_input(graph, to, from);
        node->in[0] = to; /* reads itself from nowhere: no use of `from`, and pruned */
    } else if (producer >= 0 && !is_output(graph, from) && graph->value[from].quantizer.bits == 0) {
        graph->node[producer].out = to;
        graph->value[to].producer = producer;
        graph->value[from].producer = -1;
        replace_input(graph, from, to);
        node->in[0] = to;
        node->out = from; /* pruned: nobody reads `from` any more */
        graph->value[from].producer = index;
    }
}

uwc_status uwc_graph__prune(uwc_graph *graph) {
    bool *node_used = NULL, *value_used = NULL;
    int *value_index = NULL;
    uwc_status st;
    UWC_TRY_GOTO(st, uwc_calloc(graph->n_nodes, sizeof *node_used, &node_used), end);
    UWC_TRY_GOTO(st, uwc_calloc(graph->n_values, sizeof *value_used, &value_used), end);
    UWC_TRY_GOTO(st, uwc_calloc(graph->n_values, sizeof *value_index, &value_index), end);
    for (int i = 0; i < graph->n_outputs; i++) {
        value_used[graph->output[i]] = true;
    }
    for (int i = 0; i < graph->n_inputs; i++) {
        value_used[graph->input[i]] = true;
    }
    for (int i = graph->n_nodes - 1; i >= 0; i--) {
        node_used[i] = value_used[graph->node[i].out];
        for (int k = 0; node_used[i] && k < graph->node[i].n_in; k++) {
            value_used[graph->node[i].in[k]] = true;
        }
    }
    int values = 0, nodes = 0;
    for (int i = 0; i < graph->n_values; i++) {
        if (value_used[i]) {
            value_index[i] = values;
            graph->value[values++] = graph->value[i];
        } else {
            uwc_graph__clear_value(&graph->value[i]);
        }
    }
    for (int i = 0; i < graph->n_nodes; i++) {
        if (!node_used[i]) {
            uwc_graph__clear_node(&graph->node[i]);
            continue;
        }
        uwc_node node = graph->node[i];
        for (int k = 0; k < node.n_in; k++) {
            node.in[k] = value_index[node.in[k]];
        }
        node.out = value_index[node.out];
        graph->node[nodes++] = node;
    }
    for (int i = 0; i < graph->n_outputs; i++) {
        graph->output[i] = value_index[graph->output[i]];
    }
    for (int i = 0; i < graph->n_inputs; i++) {
        graph->input[i] = value_index[graph->input[i]];
    }
    graph->n_values = values;
    graph->n_nodes = nodes;
    st = uwc_graph__sort(graph);
end:
    uwc_free(&node_used);
    uwc_free(&value_used);
    uwc_free(&value_index);
    return st;
}

uwc_status uwc_graph_simplify(uwc_graph *graph) {
    UWC_TRY(uwc_graph__fuse(graph));
    UWC_TRY(uwc_graph__channels_first(graph));
    for (int i = 0; i < graph->n_nodes; i++) {
        if (graph->node[i].op.kind == UWC_OP_BATCH_NORM) {
            UWC_TRY(fold_norm(graph, i));
        }
        if (graph->node[i].op.kind == UWC_OP_MUL) {
            UWC_TRY(fold_factor(graph, i));
        }
        if (graph->node[i].op.kind == UWC_OP_IDENTITY) {
            bypass_identity(graph, i);
        }
    }
    UWC_TRY(uwc_graph__prune(graph));
    return uwc_graph_finish(graph);
}
