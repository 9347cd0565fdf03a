/* inspect MODEL: the network's operators and its Basic-Units as plan.json would have them for one image. */
#include "cli_impl.h"

#include <uwc/onnx.h>

#include <string.h>

static uwc_status set_shape(uwc_json *object, const char *key, uwc_shape shape) {
    uwc_json *list = uwc_json_array();
    uwc_status st = UWC_OK;
    for (int i = 0; i < shape.rank && st == UWC_OK; i++) {
        st = uwc_json_append_int(list, shape.dim[i]);
    }
    if (st != UWC_OK) {
        uwc_json_release(&list);
        return st;
    }
    return uwc_json_set(object, key, list);
}

static uwc_status fill_value(const uwc_graph *graph, int index, uwc_json *out) {
    const uwc_value *value = &graph->value[index];
    UWC_TRY(uwc_json_set_string(out, "name", value->name));
    UWC_TRY(set_shape(out, "shape", value->shape));
    return uwc_json_set_int(out, "bits", value->activation_bits);
}

static uwc_status fill_layer(const uwc_graph *graph, int index, uwc_json *out) {
    const uwc_node *node = &graph->node[index];
    UWC_TRY(uwc_json_set_string(out, "name", node->name));
    return uwc_json_set_string(out, "operator", uwc_op_name(node->op.kind));
}

static int64_t node_parameters(const uwc_graph *graph, const uwc_node *node) {
    int64_t count = 0;
    for (int k = 0; k < node->n_in; k++) {
        const uwc_value *value = &graph->value[node->in[k]];
        count += value->constant != NULL ? uwc_shape_count(value->shape) : 0;
    }
    return count;
}

static uwc_status fill_node(const uwc_graph *graph, int index, uwc_json *out) {
    const uwc_node *node = &graph->node[index];
    uwc_shape out_shape = graph->value[node->out].shape, in[3];
    UWC_TRY(fill_layer(graph, index, out));
    UWC_TRY(set_shape(out, "output", out_shape));
    int64_t multiply_adds = 0;
    if (uwc_op_is_weighted(node->op.kind)) {
        for (int k = 0; k < node->n_in; k++) {
            in[k] = graph->value[node->in[k]].shape;
        }
        UWC_TRY(set_shape(out, "weights", in[1]));
        UWC_TRY(uwc_json_set_int(out, "weight_bits", node->weight_bits));
        multiply_adds = uwc_op_multiply_adds(&node->op, in, out_shape);
    }
    UWC_TRY(uwc_json_set_int(out, "multiply_adds", multiply_adds));
    return uwc_json_set_int(out, "parameters", node_parameters(graph, node));
}

static bool is_layer(const uwc_graph *graph, int index) {
    return uwc_op_is_weighted(graph->node[index].op.kind);
}

/* An array of objects under `key`: one for each of n indices (index NULL: 0 to n-1) that `wanted` (NULL: all) accepts. */
static uwc_status set_list(uwc_json *object, const char *key, const uwc_graph *graph, const int *index, int n,
                           bool (*wanted)(const uwc_graph *, int), uwc_status (*fill)(const uwc_graph *, int, uwc_json *)) {
    uwc_json *list = uwc_json_array();
    uwc_status st = UWC_OK;
    for (int i = 0; i < n && st == UWC_OK; i++) {
        int which = index == NULL ? i : index[i];
        if (wanted == NULL || wanted(graph, which)) {
            uwc_json *entry = uwc_json_object();
            st = fill(graph, which, entry);
            if (st == UWC_OK) {
                st = uwc_json_append(list, entry);
            } else {
                uwc_json_release(&entry);
            }
        }
    }
    if (st != UWC_OK) {
        uwc_json_release(&list);
        return st;
    }
    return uwc_json_set(object, key, list);
}

static uwc_status fill_unit(const uwc_graph *graph, const uwc_unit *unit, uwc_json *out) {
    int64_t cache = 0;
    for (int i = 0; i < unit->n_inputs; i++) {
        cache += uwc_shape_count(graph->value[unit->input[i]].shape) * (int64_t)sizeof(float);
    }
    UWC_TRY(uwc_json_set_string(out, "name", unit->name));
    UWC_TRY(set_list(out, "layers", graph, unit->node, unit->n_nodes, is_layer, fill_layer));
    UWC_TRY(set_list(out, "inputs", graph, unit->input, unit->n_inputs, NULL, fill_value));
    UWC_TRY(set_list(out, "outputs", graph, unit->output, unit->n_outputs, NULL, fill_value));
    UWC_TRY(uwc_json_set_int(out, "multiply_adds", unit->multiply_adds));
    UWC_TRY(uwc_json_set_int(out, "parameters", unit->parameters));
    UWC_TRY(uwc_json_set_real(out, "work", unit->work));
    return uwc_json_set_int(out, "cache_bytes", cache);
}

static uwc_status set_units(const uwc_graph *graph, const uwc_partition *partition, uwc_json *out) {
    uwc_json *list = uwc_json_array();
    uwc_status st = UWC_OK;
    for (int u = 0; u < partition->n_units && st == UWC_OK; u++) {
        uwc_json *entry = uwc_json_object();
        st = fill_unit(graph, &partition->unit[u], entry);
        if (st == UWC_OK) {
            st = uwc_json_append(list, entry);
        } else {
            uwc_json_release(&entry);
        }
    }
    if (st != UWC_OK) {
        uwc_json_release(&list);
        return st;
    }
    return uwc_json_set(out, "units", list);
}

static uwc_status fill_network(const uwc_graph *graph, const char *path, uwc_json *out) {
    uwc_graph_sizes sizes;
    uwc_graph_measure(graph, &sizes);
    UWC_TRY(uwc_json_set_string(out, "model", path));
    UWC_TRY(uwc_json_set_int(out, "images", 1));
    UWC_TRY(set_list(out, "inputs", graph, graph->input, graph->n_inputs, NULL, fill_value));
    UWC_TRY(set_list(out, "outputs", graph, graph->output, graph->n_outputs, NULL, fill_value));
    UWC_TRY(uwc_json_set_int(out, "layers", sizes.weighted_nodes));
    UWC_TRY(uwc_json_set_int(out, "parameters", sizes.parameters));
    UWC_TRY(uwc_json_set_int(out, "multiply_adds", sizes.multiply_adds));
    UWC_TRY(uwc_json_set_int(out, "bytes_float", sizes.bytes_float));
    UWC_TRY(uwc_json_set_int(out, "bytes_packed", sizes.bytes_packed));
    return set_list(out, "nodes", graph, NULL, graph->n_nodes, NULL, fill_node);
}

/* A quantized file has its bits; a float one gets those of the configuration. */
static uwc_status assign_bits(uwc_graph *graph, const uwc_config *config) {
    for (int i = 0; i < graph->n_nodes; i++) {
        if (graph->node[i].quantized != NULL) {
            return UWC_OK;
        }
    }
    uwc_bits bits = {.weight_bits = (int)uwc_config_int(config, "quantize.weight_bits"),
                     .activation_bits = (int)uwc_config_int(config, "quantize.activation_bits"),
                     .first_last_bits = (int)uwc_config_int(config, "quantize.first_last_bits"),
                     .weights_asymmetric = strcmp(uwc_config_string(config, "quantize.weights"), "asymmetric") == 0,
                     .quantize_all = strcmp(uwc_config_string(config, "quantize.activations"), "all") == 0};
    return uwc_graph_assign_bits(graph, &bits);
}

/* Networks that are not to be calibrated, quantized ones among them, have none. */
static uwc_status set_memory(const uwc_graph *graph, const uwc_config *config, uwc_json *out) {
    uwc_json *memory;
    return uwc_plan_memory(graph, config, &memory) == UWC_OK ? uwc_json_set(out, "memory", memory) : UWC_OK;
}

static uwc_status describe(const char *path, const uwc_config *config, uwc_json *out) {
    uwc_graph *graph = NULL;
    uwc_partition *partition = NULL;
    uwc_status st;
    UWC_TRY_GOTO(st, uwc_onnx_read(path, &graph), done);
    UWC_TRY_GOTO(st, assign_bits(graph, config), done);
    UWC_TRY_GOTO(st, uwc_partition_create(graph, (int)uwc_config_int(config, "units.max_layers"), &partition), done);
    UWC_TRY_GOTO(st, fill_network(graph, path, out), done);
    UWC_TRY_GOTO(st, set_units(graph, partition, out), done);
    st = set_memory(graph, config, out);
done:
    uwc_partition_destroy(&partition);
    uwc_graph_destroy(&graph);
    return st;
}

uwc_status uwc_cli__inspect_model(uwc_cli__session *session) {
    const uwc_cli__arguments *arguments = session->arguments;
    uwc_config *config;
    UWC_TRY(uwc_cli__load_config(session, arguments->config, &config));
    uwc_json *network = uwc_json_object();
    uwc_status st = describe(arguments->operand, config, network);
    if (st == UWC_OK) {
        st =
            (arguments->given & UWC_FLAG_JSON) != 0 ? uwc_cli__print_json(session, network) : uwc_cli__print_network(network, session->out);
    }
    uwc_json_release(&network);
    uwc_config_destroy(&config);
    return st;
}
