#include <uwc/recon.h>

void uwc_unit_result_destroy(uwc_unit_result **out) {
    uwc_unit_result *result = *out;
    if (result == NULL) {
        return;
    }
    for (int i = 0; result->layer != NULL && i < result->n_layers; i++) {
        uwc_free(&result->layer[i].node);
        uwc_weights_destroy(&result->layer[i].weights);
        uwc_free(&result->layer[i].bias);
    }
    for (int i = 0; result->edge != NULL && i < result->n_edges; i++) {
        uwc_free(&result->edge[i].value);
    }
    uwc_free(&result->layer);
    uwc_free(&result->edge);
    uwc_free(out);
}

uwc_status uwc_unit_result_apply(const uwc_unit_result *result, uwc_graph *graph) {
    for (int i = 0; i < result->n_layers; i++) {
        const uwc_layer_result *layer = &result->layer[i];
        int node = uwc_graph_find_node(graph, layer->node);
        UWC_CHECK(node >= 0 && uwc_op_is_weighted(graph->node[node].op.kind), UWC_E_FORMAT,
                  "result for layer %s, which the network does not have", layer->node);
        UWC_TRY(uwc_graph_set_quantized(graph, node, layer->weights, layer->bias));
    }
    for (int i = 0; i < result->n_edges; i++) {
        int value = uwc_graph_find_value(graph, result->edge[i].value);
        UWC_CHECK(value >= 0 && graph->value[value].constant == NULL, UWC_E_FORMAT, "result for value %s, which the network does not have",
                  result->edge[i].value);
        graph->value[value].quantizer = result->edge[i].quantizer;
    }
    return UWC_OK;
}
