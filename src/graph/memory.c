/* What running a graph takes, from shapes alone. */
#include "graph_impl.h"

/* The last node that reads `value`; n_nodes for an output of the network. */
static int last_use(const uwc_graph *graph, int value) {
    for (int i = 0; i < graph->n_outputs; i++) {
        if (graph->output[i] == value) {
            return graph->n_nodes;
        }
    }
    for (int i = graph->n_nodes - 1; i >= 0; i--) {
        for (int k = 0; k < graph->node[i].n_in; k++) {
            if (graph->node[i].in[k] == value) {
                return i;
            }
        }
    }
    return -1;
}

/* Input k of a node is one of the inputs in front of it. */
static bool is_repeated(const uwc_node *node, int k) {
    for (int j = 0; j < k; j++) {
        if (node->in[j] == node->in[k]) {
            return true;
        }
    }
    return false;
}

/* Elements alive at the worst moment of a run on one image, everything kept until its last reader. */
static int64_t peak_elements(const uwc_graph *graph) {
    int64_t live = 0, peak = 0;
    for (int i = 0; i < graph->n_inputs; i++) {
        live += uwc_shape_count(graph->value[graph->input[i]].shape);
    }
    for (int i = 0; i < graph->n_nodes; i++) {
        const uwc_node *node = &graph->node[i];
        live += uwc_shape_count(graph->value[node->out].shape);
        peak = live > peak ? live : peak;
        for (int k = 0; k < node->n_in; k++) {
            const uwc_value *value = &graph->value[node->in[k]];
            if (value->constant == NULL && !is_repeated(node, k) && last_use(graph, node->in[k]) == i) {
                live -= uwc_shape_count(value->shape);
            }
        }
    }
    return peak;
}

int64_t uwc_graph_batch(const uwc_graph *graph, int64_t bytes, int64_t most) {
    int64_t batch = bytes / (4 * peak_elements(graph) + 1);
    batch = batch > most ? most : batch;
    return batch < 1 ? 1 : batch;
}

static int64_t up(int64_t count, int64_t step) {
    return (count + step - 1) / step * step;
}

/* oneDNN pads channels to its vectors: those of a group, or the groups themselves where each has one. Linear has the graph's. */
static int64_t weight_elements(const uwc_node *node, uwc_shape weights) {
    enum { LANES = 16 };
    if (node->op.kind != UWC_OP_CONV) {
        return 0;
    }
    int64_t group = node->op.group, rows = weights.dim[0] / group, area = weights.dim[2] * weights.dim[3];
    return rows == 1 && weights.dim[1] == 1 ? up(group, LANES) * area : group * up(rows, LANES) * up(weights.dim[1], LANES) * area;
}

int64_t uwc_graph__kernel_bytes(const uwc_graph *graph, int index) {
    enum { CODE = 64 << 10 }; /* and what else a primitive keeps: measured, rounded up */
    const uwc_node *node = &graph->node[index];
    return uwc_op_is_weighted(node->op.kind) ? CODE + (int64_t)sizeof(float) * weight_elements(node, graph->value[node->in[1]].shape) : 0;
}

int64_t uwc_graph_constant_bytes(const uwc_graph *graph) {
    int64_t bytes = 0;
    for (int v = 0; v < graph->n_values; v++) {
        bytes += graph->value[v].constant == NULL ? 0 : (int64_t)uwc_tensor_bytes(graph->value[v].constant);
    }
    return bytes;
}
