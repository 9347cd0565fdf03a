#include "graph_impl.h"

#include <string.h>

uwc_status uwc_graph_create(const char *name, uwc_graph **out) {
    *out = NULL;
    uwc_graph *graph;
    UWC_TRY(uwc_calloc(1, sizeof *graph, &graph));
    uwc_status st = uwc_strdup(name, &graph->name);
    if (st != UWC_OK) {
        uwc_graph_destroy(&graph);
        return st;
    }
    *out = graph;
    return UWC_OK;
}

void uwc_graph__clear_node(uwc_node *node) {
    uwc_free(&node->name);
    uwc_free(&node->in);
    uwc_weights_destroy(&node->quantized);
}

void uwc_graph__clear_value(uwc_value *value) {
    uwc_free(&value->name);
    uwc_tensor_destroy(&value->constant);
}

void uwc_graph_destroy(uwc_graph **out) {
    uwc_graph *graph = *out;
    if (graph == NULL) {
        return;
    }
    for (int i = 0; i < graph->n_nodes; i++) {
        uwc_graph__clear_node(&graph->node[i]);
    }
    for (int i = 0; i < graph->n_values; i++) {
        uwc_graph__clear_value(&graph->value[i]);
    }
    uwc_free(&graph->node);
    uwc_free(&graph->value);
    uwc_free(&graph->input);
    uwc_free(&graph->output);
    uwc_free(&graph->name);
    uwc_free(out);
}

uwc_status uwc_graph_add_value(uwc_graph *graph, const char *name, uwc_shape shape, uwc_tensor *constant, int *out) {
    uwc_value value = {.shape = constant != NULL ? constant->shape : shape, .constant = constant, .producer = -1};
    uwc_status st = UWC_OK;
    UWC_CHECK_GOTO(st, name != NULL && name[0] != '\0', UWC_E_FORMAT, fail, "a value without a name");
    UWC_CHECK_GOTO(st, uwc_graph_find_value(graph, name) < 0, UWC_E_FORMAT, fail, "two values are named %s", name);
    UWC_TRY_GOTO(st, uwc_strdup(name, &value.name), fail);
    UWC_TRY_GOTO(st, uwc_grow(&graph->value, &graph->value_capacity, graph->n_values + 1, sizeof value), fail);
    graph->value[graph->n_values] = value;
    *out = graph->n_values++;
    return UWC_OK;
fail:
    uwc_graph__clear_value(&value);
    return st;
}

uwc_status uwc_graph_add_node(uwc_graph *graph, const char *name, const uwc_op *op, const int *in, int n_in, int output, int *out) {
    UWC_CHECK(output >= 0 && output < graph->n_values, UWC_E_ARG, "node %s: output %d of %d values", name, output, graph->n_values);
    uwc_value *made = &graph->value[output];
    UWC_CHECK(made->producer < 0 && made->constant == NULL, UWC_E_FORMAT, "node %s: %s is made elsewhere already", name, made->name);
    for (int i = 0; i < graph->n_inputs; i++) {
        UWC_CHECK(graph->input[i] != output, UWC_E_FORMAT, "node %s: %s is an input of the network", name, made->name);
    }
    uwc_node node = {.op = *op, .n_in = n_in, .out = output};
    uwc_status st;
    UWC_TRY_GOTO(st, uwc_strdup(name, &node.name), fail);
    UWC_TRY_GOTO(st, uwc_calloc(n_in, sizeof *node.in, &node.in), fail);
    memcpy(node.in, in, (size_t)n_in * sizeof *in);
    UWC_TRY_GOTO(st, uwc_grow(&graph->node, &graph->node_capacity, graph->n_nodes + 1, sizeof node), fail);
    graph->node[graph->n_nodes] = node;
    made->producer = graph->n_nodes;
    if (out != NULL) {
        *out = graph->n_nodes;
    }
    graph->n_nodes++;
    return UWC_OK;
fail:
    uwc_graph__clear_node(&node);
    return st;
}

uwc_status uwc_graph__set_inputs(uwc_graph *graph, int node, const int *in, int n_in) {
    int *copy;
    UWC_TRY(uwc_calloc(n_in, sizeof *copy, &copy));
    memcpy(copy, in, (size_t)n_in * sizeof *in);
    uwc_free(&graph->node[node].in);
    graph->node[node].in = copy;
    graph->node[node].n_in = n_in;
    return UWC_OK;
}

static uwc_status append_index(int **list, int *n, int index) {
    int64_t capacity = *n;
    UWC_TRY(uwc_grow(list, &capacity, *n + 1, sizeof **list));
    (*list)[(*n)++] = index;
    return UWC_OK;
}

uwc_status uwc_graph_add_input(uwc_graph *graph, int value) {
    UWC_CHECK(graph->value[value].producer < 0 && graph->value[value].constant == NULL, UWC_E_FORMAT, "input %s is made by a node",
              graph->value[value].name);
    return append_index(&graph->input, &graph->n_inputs, value);
}

uwc_status uwc_graph_add_output(uwc_graph *graph, int value) {
    return append_index(&graph->output, &graph->n_outputs, value);
}

int uwc_graph_find_value(const uwc_graph *graph, const char *name) {
    for (int i = 0; i < graph->n_values; i++) {
        if (strcmp(graph->value[i].name, name) == 0) {
            return i;
        }
    }
    return -1;
}

int uwc_graph_find_node(const uwc_graph *graph, const char *name) {
    for (int i = 0; i < graph->n_nodes; i++) {
        if (strcmp(graph->node[i].name, name) == 0) {
            return i;
        }
    }
    return -1;
}

int uwc_graph_logits(const uwc_graph *graph) {
    int value = graph->output[0], producer = graph->value[value].producer;
    if (producer >= 0 && graph->node[producer].op.kind == UWC_OP_SOFTMAX) {
        return graph->node[producer].in[0];
    }
    return value;
}

bool uwc_graph__has_other_use(const uwc_graph *graph, int value, int node) {
    for (int i = 0; i < graph->n_outputs; i++) {
        if (graph->output[i] == value) {
            return true;
        }
    }
    for (int i = 0; i < graph->n_nodes; i++) {
        for (int k = 0; i != node && k < graph->node[i].n_in; k++) {
            if (graph->node[i].in[k] == value) {
                return true;
            }
        }
    }
    return false;
}

uwc_status uwc_graph_readers(const uwc_graph *graph, int value, int **out, int *n) {
    *out = NULL;
    *n = 0;
    int *list;
    UWC_TRY(uwc_calloc(graph->n_nodes, sizeof *list, &list));
    for (int i = 0; i < graph->n_nodes; i++) {
        for (int k = 0; k < graph->node[i].n_in; k++) {
            if (graph->node[i].in[k] == value) {
                list[(*n)++] = i;
                break;
            }
        }
    }
    *out = list;
    return UWC_OK;
}

uwc_status uwc_graph__add_constant(uwc_graph *graph, const char *base, const char *suffix, uwc_shape shape, int *out) {
    char *name = NULL;
    uwc_tensor *tensor;
    uwc_status st = uwc_format(&name, "%s.%s", base, suffix);
    for (int i = 1; st == UWC_OK && uwc_graph_find_value(graph, name) >= 0; i++) {
        uwc_free(&name);
        st = uwc_format(&name, "%s.%s.%d", base, suffix, i);
    }
    if (st == UWC_OK) {
        st = uwc_tensor_create(UWC_F32, shape, UWC_PLAIN, &tensor);
    }
    if (st == UWC_OK) {
        st = uwc_graph_add_value(graph, name, shape, tensor, out);
    }
    uwc_free(&name);
    return st;
}

/* Weights and bias that belong to weighted node `index` alone, zero where they are new. */
static uwc_status own_parameters(uwc_graph *graph, int index, int64_t rows) {
    int in[3] = {graph->node[index].in[0], graph->node[index].in[1], -1};
    const char *const base = graph->value[graph->node[index].out].name;
    if (uwc_graph__has_other_use(graph, in[1], index)) {
        UWC_TRY(uwc_graph__add_constant(graph, base, "weights", graph->value[in[1]].shape, &in[1]));
    }
    if (graph->node[index].n_in == 3) {
        in[2] = graph->node[index].in[2];
    }
    if (in[2] < 0 || uwc_graph__has_other_use(graph, in[2], index)) {
        UWC_TRY(uwc_graph__add_constant(graph, base, "bias", uwc_shape_1d(rows), &in[2]));
    }
    return uwc_graph__set_inputs(graph, index, in, 3);
}

uwc_status uwc_graph_edit(uwc_graph *graph, int value, float **out) {
    UWC_TRY(uwc_tensor_part(graph->value[value].constant));
    *out = graph->value[value].constant->f32;
    return UWC_OK;
}

uwc_status uwc_graph_set_quantized(uwc_graph *graph, int index, const uwc_weights *quantized, const float *bias) {
    uwc_node *node = &graph->node[index];
    const uwc_shape shape = graph->value[node->in[1]].shape;
    UWC_CHECK(quantized->rows == shape.dim[0] && quantized->rows * quantized->cols == uwc_shape_count(shape), UWC_E_SHAPE,
              "node %s: %lld x %lld quantized weights", node->name, (long long)quantized->rows, (long long)quantized->cols);
    float *weights, *biases;
    uwc_weights *copy;
    UWC_TRY(own_parameters(graph, index, quantized->rows));
    UWC_TRY(uwc_graph_edit(graph, node->in[1], &weights));
    UWC_TRY(uwc_graph_edit(graph, node->in[2], &biases));
    UWC_TRY(uwc_weights_copy(quantized, &copy));
    uwc_weights_destroy(&node->quantized);
    node->quantized = copy;
    uwc_weights_dequantize(copy, weights);
    memcpy(biases, bias, (size_t)quantized->rows * sizeof *bias);
    return UWC_OK;
}
