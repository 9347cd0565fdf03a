/* Which weights and edges get how many bits, and what that is worth in bytes. */
#include <uwc/graph.h>

static void first_and_last(const uwc_graph *graph, int *first, int *last) {
    *first = *last = -1;
    for (int i = 0; i < graph->n_nodes; i++) {
        if (uwc_op_is_weighted(graph->node[i].op.kind)) {
            *first = *first < 0 ? i : *first;
            *last = i;
        }
    }
}

static void raise_bits(uwc_graph *graph, int value, int bits) {
    if (graph->value[value].constant == NULL && graph->value[value].activation_bits < bits) {
        graph->value[value].activation_bits = bits;
    }
}

/* Operators that hand a value on unchanged or element-wise: an edge behind them is still "the first layer's output". */
static bool passes_on(uwc_op_kind kind) {
    switch (kind) {
    case UWC_OP_RELU:
    case UWC_OP_CLIP:
    case UWC_OP_LEAKY_RELU:
    case UWC_OP_SIGMOID:
    case UWC_OP_TANH:
    case UWC_OP_HARD_SIGMOID:
    case UWC_OP_HARD_SWISH:
    case UWC_OP_SILU:
    case UWC_OP_GELU:
    case UWC_OP_BATCH_NORM:
    case UWC_OP_LAYER_NORM:
    case UWC_OP_IDENTITY:
    case UWC_OP_MAX_POOL:
    case UWC_OP_MUL:
        return true;
    default:
        return false;
    }
}

/* Marks the values between the first weighted node and the next ones: its output as they read it. */
static uwc_status raise_first_output(uwc_graph *graph, int first, int bits) {
    bool *of_first;
    UWC_TRY(uwc_calloc(graph->n_values, sizeof *of_first, &of_first));
    of_first[graph->node[first].out] = true;
    for (int i = first + 1; i < graph->n_nodes; i++) {
        const uwc_node *node = &graph->node[i];
        bool from_first = passes_on(node->op.kind);
        for (int k = 0; k < node->n_in; k++) {
            from_first = from_first && (of_first[node->in[k]] || graph->value[node->in[k]].constant != NULL);
        }
        of_first[node->out] = from_first;
    }
    for (int v = 0; v < graph->n_values; v++) {
        if (of_first[v] && graph->value[v].activation_bits > 0) {
            raise_bits(graph, v, bits);
        }
    }
    uwc_free(&of_first);
    return UWC_OK;
}

uwc_status uwc_graph_assign_bits(uwc_graph *graph, const uwc_bits *bits) {
    int first, last;
    first_and_last(graph, &first, &last);
    UWC_CHECK(first >= 0, UWC_E_UNSUPPORTED, "network %s has no Conv, Gemm or MatMul by a constant: nothing to quantize", graph->name);
    graph->quantize_all = bits->quantize_all;
    for (int v = 0; v < graph->n_values; v++) {
        graph->value[v].activation_bits = 0;
        graph->value[v].quantizer = (uwc_quantizer){0};
    }
    bool quantize_activations = bits->activation_bits <= 8;
    for (int i = 0; i < graph->n_nodes; i++) {
        uwc_node *node = &graph->node[i];
        if (!uwc_op_is_weighted(node->op.kind)) {
            for (int k = 0; bits->quantize_all && quantize_activations && k < node->n_in; k++) {
                raise_bits(graph, node->in[k], bits->activation_bits);
            }
            continue;
        }
        bool outer = i == first || i == last;
        node->weight_bits = outer ? bits->first_last_bits : bits->weight_bits;
        node->weight_asymmetric = bits->weights_asymmetric;
        if (quantize_activations) {
            raise_bits(graph, node->in[0], outer ? bits->first_last_bits : bits->activation_bits);
        }
    }
    return quantize_activations ? raise_first_output(graph, first, bits->first_last_bits) : UWC_OK;
}

static int64_t packed_bytes(const uwc_node *node, int64_t weights, int64_t rows, bool has_bias) {
    int64_t bias = has_bias ? rows * 4 : 0;
    if (node->weight_bits == 0) {
        return weights * 4 + bias;
    }
    int64_t zero_points = node->weight_asymmetric ? rows : 0; /* one byte each; symmetric weights need none */
    return (weights * node->weight_bits + 7) / 8 + rows * 4 + zero_points + bias;
}

void uwc_graph_measure(const uwc_graph *graph, uwc_graph_sizes *out) {
    *out = (uwc_graph_sizes){0};
    for (int i = 0; i < graph->n_nodes; i++) {
        const uwc_node *node = &graph->node[i];
        if (!uwc_op_is_weighted(node->op.kind)) {
            continue;
        }
        uwc_shape in[3];
        for (int k = 0; k < node->n_in; k++) {
            in[k] = graph->value[node->in[k]].shape;
        }
        int64_t weights = uwc_shape_count(in[1]), biases = node->n_in == 3 ? uwc_shape_count(in[2]) : 0;
        out->weighted_nodes++;
        out->parameters += weights + biases;
        out->multiply_adds += uwc_op_multiply_adds(&node->op, in, graph->value[node->out].shape);
        out->bytes_float += 4 * (weights + biases);
        out->bytes_packed += packed_bytes(node, weights, in[1].dim[0], biases > 0);
    }
}
