/* Reconstruction of one Basic-Unit, layer by layer in the order of the data flow (docs/method.md). */
#include "large.h"

#include <string.h>

/* Nearest rounding, unless the layer is so wide that this alone takes long: then what solves it makes all of them. */
static uwc_status begin_weights(const uwc_paths *p, int index, const uwc_recon_options *options, uwc_weights **out) {
    const uwc_node *node = &p->unit->node[index];
    const uwc_value *value = p->unit->value;
    uwc_geometry g;
    uwc_recon__geometry(&node->op, value[node->in[0]].shape, value[node->in[1]].shape, value[node->out].shape, &g);
    return uwc_recon__is_large(options, &g) ? uwc_weights_create(node->weight_bits, g.rows, g.cols, out)
                                            : uwc_recon__nearest_node(uwc_recon__source(p), index, out);
}

static uwc_status solve_node(uwc_paths *p, int index, const uwc_recon_options *options, uwc_layer_result *out) {
    const uwc_node *node = &p->unit->node[index];
    uwc_weights *weights = NULL;
    float *bias = NULL;
    uwc_status st;
    UWC_CHECK(p->unit->value[node->in[0]].shape.rank != 4 || node->op.kind == UWC_OP_CONV, UWC_E_UNSUPPORTED,
              "a matrix product over four dimensions");
    UWC_TRY_GOTO(st, uwc_strdup(node->name, &out->node), done);
    UWC_TRY_GOTO(st, begin_weights(p, index, options, &weights), done);
    UWC_TRY_GOTO(st, uwc_calloc(weights->rows, sizeof *bias, &bias), done);
    if (node->n_in == 3) {
        memcpy(bias, uwc_recon__source(p)->value[node->in[2]].constant->f32, (size_t)weights->rows * sizeof *bias);
    }
    if (options->method == UWC_METHOD_SECOND_ORDER) {
        UWC_TRY_GOTO(st, uwc_recon__solve_node(p, index, options, weights, bias), done);
    } else if (uwc_recon__learns_layers(options->method)) {
        UWC_TRY_GOTO(st, uwc_recon__learn_layer(p, index, options, weights), done);
    }
    UWC_TRY_GOTO(st, uwc_graph_set_quantized(p->quantized, index, weights, bias), done);
    st = uwc_exec_refresh(p->run_quantized, index);
    out->weights = weights;
    out->bias = bias;
    return st;
done:
    uwc_weights_destroy(&weights);
    uwc_free(&bias);
    return st;
}

/* Adapts what is float, before the node `index` is solved; the first time all edges need quantizers, which they lose where that brought
 * nothing. */
static uwc_status adapt(uwc_paths *p, int index, const uwc_recon_options *options) {
    const bool again = p->adapted != NULL;
    bool better = false;
    for (int i = index; i < p->unit->n_nodes && !again; i++) {
        UWC_TRY(uwc_recon__choose_edges(p, i, options->seed));
    }
    UWC_TRY(uwc_recon__adapt(p, options, &better));
    if (better) {
        return uwc_recon__paths_adapted(p, options);
    }
    for (int v = 0; v < p->quantized->n_values && !again; v++) {
        p->quantized->value[v].quantizer = p->unit->value[v].quantizer;
    }
    return UWC_OK;
}

static uwc_status solve_nodes(uwc_paths *p, const uwc_recon_options *options, uwc_unit_result *result) {
    UWC_TRY(uwc_calloc(p->unit->n_nodes, sizeof *result->layer, &result->layer));
    for (int i = 0; i < p->unit->n_nodes; i++) {
        const uwc_node *node = &p->unit->node[i];
        const bool again = options->adapt.progressive && p->adapted != NULL && uwc_op_is_weighted(node->op.kind);
        uwc_status st = UWC_OK;
        if (uwc_recon__adapts(p->unit, options) && (i == 0 || (again && result->n_layers > 0))) {
            st = adapt(p, i, options);
        }
        if (st == UWC_OK && options->method != UWC_METHOD_BRECQ) {
            st = uwc_recon__choose_edges(p, i, options->seed);
        }
        if (st == UWC_OK && uwc_op_is_weighted(node->op.kind)) {
            UWC_CHECK(node->weight_bits > 0, UWC_E_ARG, "layer %s has no bits assigned", node->name);
            result->n_layers++;
            st = solve_node(p, i, options, &result->layer[result->n_layers - 1]);
        }
        UWC_TRY(uwc_error_note(st, "layer %s", node->name));
    }
    return UWC_OK;
}

static uwc_status list_edges(const uwc_graph *quantized, uwc_unit_result *result) {
    UWC_TRY(uwc_calloc(quantized->n_values, sizeof *result->edge, &result->edge));
    for (int v = 0; v < quantized->n_values; v++) {
        if (quantized->value[v].quantizer.bits > 0) {
            uwc_edge_result *edge = &result->edge[result->n_edges];
            edge->quantizer = quantized->value[v].quantizer;
            UWC_TRY(uwc_strdup(quantized->value[v].name, &edge->value));
            result->n_edges++;
        }
    }
    return UWC_OK;
}

uwc_status uwc_recon_unit(const uwc_graph *unit, const uwc_recon_options *options, const uwc_stream *stream, uwc_unit_result **out) {
    *out = NULL;
    UWC_CHECK(stream->images > 0, UWC_E_ARG, "no calibration images");
    uwc_paths paths = {0};
    uwc_unit_result *result = NULL;
    double start = uwc_now();
    uwc_status st;
    UWC_TRY_GOTO(st, uwc_calloc(1, sizeof *result, &result), done);
    UWC_TRY_GOTO(st, uwc_recon__paths_open(unit, options, stream, &paths), done);
    if (uwc_recon__is_equalised(unit, options)) {
        UWC_TRY_GOTO(st, uwc_recon__equalise(&paths), done);
    }
    UWC_TRY_GOTO(st, solve_nodes(&paths, options, result), done);
    if (uwc_recon__learns_units(options->method)) {
        UWC_TRY_GOTO(st, uwc_recon__learn_unit(&paths, options, result), done);
    }
    UWC_TRY_GOTO(st, list_edges(paths.quantized, result), done);
    UWC_TRY_GOTO(st, uwc_recon__emit(&paths), done);
    UWC_TRY_GOTO(st, uwc_recon__measure(&paths, options, result), done);
    result->seconds = uwc_now() - start;
    *out = result;
    result = NULL;
done:
    uwc_unit_result_destroy(&result);
    uwc_recon__paths_close(&paths);
    return st;
}
