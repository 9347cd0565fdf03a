/* Copies: whole graphs, and parts of them as graphs of their own. Constants are shared until one of the graphs changes its own. */
#include "graph_impl.h"

#include <string.h>

static uwc_status copy_value(const uwc_value *from, uwc_graph *to, int *out) {
    uwc_tensor *constant = NULL;
    if (from->constant != NULL) {
        UWC_TRY(uwc_tensor_share(from->constant, &constant));
    }
    UWC_TRY(uwc_graph_add_value(to, from->name, from->shape, constant, out));
    to->value[*out].activation_bits = from->activation_bits;
    to->value[*out].quantizer = from->quantizer;
    to->value[*out].shared = from->shared;
    return UWC_OK;
}

/* Copies a node whose values have the indices map[] in the new graph. */
static uwc_status copy_node(const uwc_node *from, const int *map, uwc_graph *to) {
    int *in, index;
    UWC_TRY(uwc_calloc(from->n_in, sizeof *in, &in));
    for (int k = 0; k < from->n_in; k++) {
        in[k] = map[from->in[k]];
    }
    uwc_status st = uwc_graph_add_node(to, from->name, &from->op, in, from->n_in, map[from->out], &index);
    uwc_free(&in);
    UWC_TRY(st);
    uwc_node *node = &to->node[index];
    node->weight_bits = from->weight_bits;
    node->weight_asymmetric = from->weight_asymmetric;
    return from->quantized == NULL ? UWC_OK : uwc_weights_copy(from->quantized, &node->quantized);
}

static uwc_status new_map(const uwc_graph *graph, int **map) {
    UWC_TRY(uwc_calloc(graph->n_values, sizeof **map, map));
    for (int i = 0; i < graph->n_values; i++) {
        (*map)[i] = -1;
    }
    return UWC_OK;
}

static uwc_status copy_mapped(const uwc_graph *graph, int value, int *map, uwc_graph *to) {
    return map[value] >= 0 ? UWC_OK : copy_value(&graph->value[value], to, &map[value]);
}

uwc_status uwc_graph_copy(const uwc_graph *graph, uwc_graph **out) {
    int *map = NULL;
    uwc_graph *to = NULL;
    uwc_status st;
    *out = NULL;
    UWC_TRY_GOTO(st, new_map(graph, &map), done);
    UWC_TRY_GOTO(st, uwc_graph_create(graph->name, &to), done);
    to->quantize_all = graph->quantize_all;
    for (int i = 0; i < graph->n_values; i++) {
        UWC_TRY_GOTO(st, copy_mapped(graph, i, map, to), done);
    }
    for (int i = 0; i < graph->n_inputs; i++) {
        UWC_TRY_GOTO(st, uwc_graph_add_input(to, map[graph->input[i]]), done);
    }
    for (int i = 0; i < graph->n_nodes; i++) {
        UWC_TRY_GOTO(st, copy_node(&graph->node[i], map, to), done);
    }
    for (int i = 0; i < graph->n_outputs; i++) {
        UWC_TRY_GOTO(st, uwc_graph_add_output(to, map[graph->output[i]]), done);
    }
    *out = to;
    to = NULL;
done:
    uwc_graph_destroy(&to);
    uwc_free(&map);
    return st;
}

/* Values that the nodes read and none of them makes become inputs. */
static uwc_status extract_inputs(const uwc_graph *graph, const int *nodes, int n_nodes, const bool *inside, int *map, uwc_graph *to) {
    for (int i = 0; i < n_nodes; i++) {
        const uwc_node *node = &graph->node[nodes[i]];
        for (int k = 0; k < node->n_in; k++) {
            const uwc_value *value = &graph->value[node->in[k]];
            bool known = map[node->in[k]] >= 0;
            UWC_TRY(copy_mapped(graph, node->in[k], map, to));
            bool outside = value->constant == NULL && (value->producer < 0 || !inside[value->producer]);
            if (!known && outside) {
                UWC_TRY(uwc_graph_add_input(to, map[node->in[k]]));
            }
        }
        UWC_TRY(copy_mapped(graph, node->out, map, to));
    }
    return UWC_OK;
}

/* Values of the new graph whose quantizer acts on other nodes of the old one too. */
static void mark_shared(const uwc_graph *graph, const bool *inside, const int *map, uwc_graph *to) {
    for (int i = 0; i < graph->n_nodes; i++) {
        const uwc_node *node = &graph->node[i];
        for (int k = 0; k < node->n_in && !inside[i]; k++) {
            bool acts = graph->quantize_all || (k == 0 && uwc_op_is_weighted(node->op.kind));
            if (acts && map[node->in[k]] >= 0) {
                to->value[map[node->in[k]]].shared = true;
            }
        }
    }
}

uwc_status uwc_graph_extract(const uwc_graph *graph, const int *nodes, int n_nodes, const int *outputs, int n_outputs, uwc_graph **out) {
    int *map = NULL;
    bool *inside = NULL;
    uwc_graph *to = NULL;
    uwc_status st;
    *out = NULL;
    UWC_TRY_GOTO(st, new_map(graph, &map), done);
    UWC_TRY_GOTO(st, uwc_calloc(graph->n_nodes, sizeof *inside, &inside), done);
    UWC_TRY_GOTO(st, uwc_graph_create(graph->name, &to), done);
    to->quantize_all = graph->quantize_all;
    for (int i = 0; i < n_nodes; i++) {
        inside[nodes[i]] = true;
    }
    UWC_TRY_GOTO(st, extract_inputs(graph, nodes, n_nodes, inside, map, to), done);
    for (int i = 0; i < n_nodes; i++) {
        UWC_TRY_GOTO(st, copy_node(&graph->node[nodes[i]], map, to), done);
    }
    mark_shared(graph, inside, map, to);
    for (int i = 0; i < n_outputs; i++) {
        UWC_CHECK_GOTO(st, map[outputs[i]] >= 0, UWC_E_ARG, done, "value %s is not made by the nodes taken out",
                       graph->value[outputs[i]].name);
        UWC_TRY_GOTO(st, uwc_graph_add_output(to, map[outputs[i]]), done);
    }
    *out = to;
    to = NULL;
done:
    uwc_graph_destroy(&to);
    uwc_free(&inside);
    uwc_free(&map);
    return st;
}
