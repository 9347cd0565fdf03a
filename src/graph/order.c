/* From a list of nodes to a network that later floors can rely on: order, shapes, checks. */
#include "graph_impl.h"

#include <string.h>

static uwc_status set_producers(uwc_graph *graph) {
    for (int i = 0; i < graph->n_values; i++) {
        graph->value[i].producer = -1;
    }
    for (int i = 0; i < graph->n_nodes; i++) {
        graph->value[graph->node[i].out].producer = i;
    }
    return UWC_OK;
}

static bool ready(const uwc_graph *graph, const uwc_node *node, const bool *placed) {
    for (int k = 0; k < node->n_in; k++) {
        int producer = graph->value[node->in[k]].producer;
        if (producer >= 0 && !placed[producer]) {
            return false;
        }
    }
    return true;
}

/* Kahn's algorithm, always taking the first node of the file that is ready: a sorted file keeps its order. */
uwc_status uwc_graph__sort(uwc_graph *graph) {
    bool *placed = NULL;
    int *order = NULL, done = 0;
    uwc_node *sorted = NULL;
    uwc_status st;
    UWC_TRY(set_producers(graph));
    UWC_TRY_GOTO(st, uwc_calloc(graph->n_nodes, sizeof *placed, &placed), end);
    UWC_TRY_GOTO(st, uwc_calloc(graph->n_nodes, sizeof *order, &order), end);
    UWC_TRY_GOTO(st, uwc_calloc(graph->n_nodes, sizeof *sorted, &sorted), end);
    int first = 0; /* every node in front of it is placed */
    while (done < graph->n_nodes) {
        while (first < graph->n_nodes && placed[first]) {
            first++;
        }
        int next = first;
        while (next < graph->n_nodes && (placed[next] || !ready(graph, &graph->node[next], placed))) {
            next++;
        }
        UWC_CHECK_GOTO(st, next < graph->n_nodes, UWC_E_FORMAT, end, "node %s lies on a cycle or behind one", graph->node[first].name);
        placed[next] = true;
        order[done++] = next;
    }
    for (int i = 0; i < graph->n_nodes; i++) {
        sorted[i] = graph->node[order[i]];
    }
    memcpy(graph->node, sorted, (size_t)graph->n_nodes * sizeof *sorted);
    st = set_producers(graph);
end:
    uwc_free(&placed);
    uwc_free(&order);
    uwc_free(&sorted);
    return st;
}

static bool is_input(const uwc_graph *graph, int value) {
    for (int i = 0; i < graph->n_inputs; i++) {
        if (graph->input[i] == value) {
            return true;
        }
    }
    return false;
}

static uwc_status check_inputs(const uwc_graph *graph, const uwc_node *node) {
    int least, most;
    uwc_op_arity(node->op.kind, &least, &most);
    UWC_CHECK(node->n_in >= least && (most < 0 || node->n_in <= most), UWC_E_FORMAT, "%d inputs", node->n_in);
    uwc_op_kind kind = node->op.kind;
    bool has_parameters = uwc_op_is_weighted(kind) || kind == UWC_OP_BATCH_NORM || kind == UWC_OP_LAYER_NORM, any_activation = false;
    for (int k = 0; k < node->n_in; k++) {
        const uwc_value *value = &graph->value[node->in[k]];
        UWC_CHECK(value->constant != NULL || value->producer >= 0 || is_input(graph, node->in[k]), UWC_E_FORMAT, "input %s is made nowhere",
                  value->name);
        UWC_CHECK(!has_parameters || k == 0 || value->constant != NULL, UWC_E_UNSUPPORTED, "input %s must be a constant", value->name);
        UWC_CHECK(!has_parameters || k > 0 || value->constant == NULL, UWC_E_UNSUPPORTED, "input %s is a constant", value->name);
        UWC_CHECK(value->constant == NULL || value->constant->dtype == UWC_F32, UWC_E_UNSUPPORTED, "constant %s is %s, not float32",
                  value->name, uwc_dtype_name(value->constant->dtype));
        any_activation = any_activation || value->constant == NULL;
    }
    UWC_CHECK(any_activation, UWC_E_UNSUPPORTED, "all its inputs are constants");
    return UWC_OK;
}

static uwc_status infer_node(uwc_graph *graph, uwc_node *node) {
    uwc_shape *shape;
    UWC_TRY(uwc_calloc(node->n_in, sizeof *shape, &shape));
    for (int k = 0; k < node->n_in; k++) {
        shape[k] = graph->value[node->in[k]].shape;
    }
    uwc_shape out = {0};
    uwc_status st = uwc_op_infer(&node->op, shape, node->n_in, &out);
    uwc_free(&shape);
    UWC_TRY(st);
    char text[128];
    UWC_CHECK(out.rank >= 1 && out.dim[0] == 1, UWC_E_UNSUPPORTED, "output %s: the batch does not stay in front",
              uwc_shape_print(out, text));
    for (int i = 0; i < out.rank; i++) {
        UWC_CHECK(out.dim[i] > 0, UWC_E_SHAPE, "output %s is empty", uwc_shape_print(out, text));
    }
    UWC_CHECK(uwc_shape_count(out) <= INT64_C(1) << 36, UWC_E_SHAPE, "output %s is too large", uwc_shape_print(out, text));
    graph->value[node->out].shape = out;
    return UWC_OK;
}

uwc_status uwc_graph_finish(uwc_graph *graph) {
    UWC_CHECK(graph->n_inputs == 1, UWC_E_UNSUPPORTED, "network %s has %d inputs, one is supported", graph->name, graph->n_inputs);
    UWC_CHECK(graph->n_outputs >= 1, UWC_E_FORMAT, "network %s has no output", graph->name);
    UWC_CHECK(graph->n_nodes >= 1, UWC_E_FORMAT, "network %s has no operators", graph->name);
    UWC_TRY(uwc_graph__sort(graph));
    for (int i = 0; i < graph->n_values; i++) {
        if (graph->value[i].constant != NULL) {
            UWC_TRY(uwc_tensor_check_finite(graph->value[i].constant, graph->value[i].name));
        }
    }
    for (int i = 0; i < graph->n_inputs; i++) {
        uwc_value *input = &graph->value[graph->input[i]];
        char text[128];
        UWC_CHECK(input->shape.rank >= 1, UWC_E_SHAPE, "input %s has no batch dimension", input->name);
        input->shape.dim[0] = 1;
        for (int k = 1; k < input->shape.rank; k++) {
            UWC_CHECK(input->shape.dim[k] > 0, UWC_E_SHAPE, "input %s: shape %s is not known", input->name,
                      uwc_shape_print(input->shape, text));
        }
    }
    for (int i = 0; i < graph->n_nodes; i++) {
        uwc_node *node = &graph->node[i];
        uwc_status st = check_inputs(graph, node);
        if (st == UWC_OK) {
            st = infer_node(graph, node);
        }
        UWC_TRY(uwc_error_note(st, "node %s (%s)", node->name, uwc_op_name(node->op.kind)));
    }
    for (int i = 0; i < graph->n_outputs; i++) {
        const uwc_value *output = &graph->value[graph->output[i]];
        UWC_CHECK(output->producer >= 0, UWC_E_FORMAT, "output %s is made by no node", output->name);
    }
    return UWC_OK;
}
