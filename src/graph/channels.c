/* Networks that work on [N,H,W,C] between two Transposes come back to [N,C,H,W]: a Transpose moves behind the operators that follow it
 * until it meets its inverse, and both disappear. A Linear becomes a 1x1 convolution on the way, a normalisation of the last axis one of
 * axis 1. Activations lie channels-last in memory anyway. */
#include "graph_impl.h"

static bool has_order(const uwc_graph *graph, const uwc_node *node, const int *perm) {
    bool same = node->op.kind == UWC_OP_TRANSPOSE && graph->value[node->in[0]].shape.rank == 4;
    for (int i = 0; same && i < 4; i++) {
        same = node->op.perm[i] == perm[i];
    }
    return same;
}

static const int to_last[] = {0, 2, 3, 1}, to_first[] = {0, 3, 1, 2};

/* The node of the transposition that makes `value` for one reader alone, or -1. */
static int private_transpose(const uwc_graph *graph, int value, const int *perm, int reader) {
    int producer = graph->value[value].producer;
    bool fits = producer >= 0 && graph->value[value].quantizer.bits == 0 && has_order(graph, &graph->node[producer], perm) &&
                !uwc_graph__has_other_use(graph, value, reader);
    return fits ? producer : -1;
}

/* The input that is an activation, where there is one alone. */
static int activation_of(const uwc_graph *graph, const uwc_node *node) {
    int found = -1;
    for (int k = 0; k < node->n_in; k++) {
        if (graph->value[node->in[k]].constant == NULL) {
            found = found < 0 ? k : node->n_in;
        }
    }
    return found < node->n_in ? found : -1;
}

/* The constant of an operator gets another shape with as many elements; false where other nodes read it as it is. */
static bool reshape_constant(uwc_graph *graph, int node, int k, uwc_shape shape) {
    int value = graph->node[node].in[k];
    if (uwc_graph__has_other_use(graph, value, node)) {
        return false;
    }
    graph->value[value].shape = shape;
    graph->value[value].constant->shape = shape;
    return true;
}

static bool turn_linear(uwc_graph *graph, int index) {
    uwc_node *node = &graph->node[index];
    uwc_shape weights = graph->value[node->in[1]].shape;
    if (!reshape_constant(graph, index, 1, uwc_shape_4d(weights.dim[0], weights.dim[1], 1, 1))) {
        return false;
    }
    node->op = uwc_op_make(UWC_OP_CONV);
    node->op.kernel[0] = node->op.kernel[1] = 1;
    return true;
}

/* A constant along the last axis comes to lie along axis 1; one number fits everywhere. */
static bool turn_operand(uwc_graph *graph, int index, int k) {
    uwc_shape shape = graph->value[graph->node[index].in[k]].shape;
    if (uwc_shape_count(shape) == 1) {
        return shape.rank <= 1;
    }
    return shape.rank == 1 && reshape_constant(graph, index, k, uwc_shape_make(3, (int64_t[]){shape.dim[0], 1, 1}));
}

/* The operator as it is in front of the transposition; false where it has no such form. */
static bool turn(uwc_graph *graph, int index, int activation) {
    uwc_node *node = &graph->node[index];
    switch (node->op.kind) {
    case UWC_OP_LINEAR:
        return turn_linear(graph, index);
    case UWC_OP_LAYER_NORM:
        node->op.axis = node->op.axis == 3 ? 1 : node->op.axis == 1 ? 2 : 3;
        return true;
    case UWC_OP_ADD:
    case UWC_OP_SUB:
    case UWC_OP_MUL:
    case UWC_OP_DIV:
        return turn_operand(graph, index, 1 - activation);
    case UWC_OP_BATCH_NORM:
        return false;
    default: /* element-wise */
        return uwc_op_in_place(node->op.kind);
    }
}

/* The operator and the transposition in front of it change places; the value between them is the one that was there. */
static void swap(uwc_graph *graph, int transpose, int index, int activation) {
    uwc_node moved = graph->node[index], last = graph->node[transpose];
    moved.in[activation] = last.in[0];
    last.in[0] = last.out;
    last.out = moved.out;
    moved.out = last.in[0];
    graph->node[transpose] = moved;
    graph->node[index] = last;
    graph->value[moved.out].producer = transpose;
    graph->value[last.out].producer = index;
}

static void sink(uwc_graph *graph, int index) {
    int k = activation_of(graph, &graph->node[index]);
    int transpose = k < 0 ? -1 : private_transpose(graph, graph->node[index].in[k], to_last, index);
    if (transpose >= 0 && turn(graph, index, k)) {
        uwc_shape shape = graph->value[graph->node[transpose].in[0]].shape, out = graph->value[graph->node[index].out].shape;
        graph->value[graph->node[transpose].out].shape = uwc_shape_4d(shape.dim[0], out.dim[3], out.dim[1], out.dim[2]);
        swap(graph, transpose, index, k);
    }
}

/* What made the value in front of the pair makes the one behind it. */
static void cancel(uwc_graph *graph, int index) {
    uwc_node *back = &graph->node[index];
    int there = has_order(graph, back, to_first) ? private_transpose(graph, back->in[0], to_last, index) : -1;
    if (there < 0) {
        return;
    }
    int from = graph->node[there].in[0], to = back->out, producer = graph->value[from].producer;
    if (producer < 0 || graph->value[from].quantizer.bits > 0 || uwc_graph__has_other_use(graph, from, there)) {
        return;
    }
    graph->node[producer].out = to;
    graph->value[to].producer = producer;
    back->out = from; /* the pair reads itself, and is pruned */
    graph->value[from].producer = index;
}

uwc_status uwc_graph__channels_first(uwc_graph *graph) {
    for (int i = 0; i < graph->n_nodes; i++) {
        sink(graph, i);
        cancel(graph, i);
    }
    return uwc_graph__prune(graph);
}
