/* Reconstruction of one Basic-Unit, layer by layer in the order of the data flow (docs/method.md). */
#include "recon_impl.h"

#include <string.h>

/* Solves one group of a layer from its statistics, in the order of patches. */
static uwc_status solve_group(const uwc_statistics *s, int64_t group, const double *w0, bool asymmetric, double damp, uwc_weights *part,
                              double *bias) {
    const int64_t order = s->cols + 1;
    double *cross;
    UWC_TRY(uwc_calloc(s->rows * order, sizeof *cross, &cross));
    uwc_recon__statistics_cross(s, group, cross);
    uwc_layer_statistics layer = {.rows = s->rows, .n = s->cols, .A = s->A + group * order * order, .Y = cross, .W0 = w0};
    uwc_status st = uwc_recon_layer(&layer, asymmetric, damp, part, bias);
    uwc_free(&cross);
    return st;
}

static bool inputs_are_zero(const uwc_statistics *s, int64_t group) {
    const int64_t order = s->cols + 1;
    for (int64_t i = 0; i < s->cols; i++) {
        if (s->A[group * order * order + i * order + i] > 0) {
            return false;
        }
    }
    return true;
}

/* All groups; `weights` in the order of patches holds nearest rounding, which groups without input keep. */
static uwc_status solve_groups(const uwc_statistics *s, const double *w0, bool asymmetric, double damp, uwc_weights *weights,
                               double *bias) {
    const int64_t order = s->cols + 1;
    uwc_status st = UWC_OK;
    for (int64_t group = 0; group < s->groups && st == UWC_OK; group++) {
        int64_t row = group * s->rows;
        for (int64_t r = 0; r < s->rows; r++) {
            bias[row + r] = w0[(row + r) * order + s->cols];
        }
        if (inputs_are_zero(s, group)) {
            continue;
        }
        uwc_weights part = {.bits = weights->bits,
                            .rows = s->rows,
                            .cols = s->cols,
                            .q = weights->q + row * s->cols,
                            .scale = weights->scale + row,
                            .zero = weights->zero + row};
        st = uwc_error_note(solve_group(s, group, w0 + row * order, asymmetric, damp, &part, bias + row), "group %lld", (long long)group);
    }
    return st;
}

typedef struct parameters {
    uwc_weights *weights; /* in ONNX's order */
    float *bias;
} parameters;

/* W0 [rows, cols+1] with the bias behind, in the order of patches. */
static uwc_status float_weights(const uwc_graph *unit, const uwc_node *node, const uwc_geometry *g, double **out) {
    const int64_t rows = g->rows * g->groups, order = g->cols + 1;
    UWC_TRY(uwc_calloc(rows * order, sizeof **out, out));
    uwc_recon__to_patch_order(g, unit->value[node->in[1]].constant->f32, *out, order);
    for (int64_t r = 0; r < rows; r++) {
        (*out)[r * order + g->cols] = node->n_in == 3 ? (double)unit->value[node->in[2]].constant->f32[r] : 0;
    }
    return UWC_OK;
}

static uwc_status solve_second_order(uwc_paths *p, int index, const uwc_recon_options *options, parameters *out) {
    const uwc_node *node = &p->unit->node[index];
    uwc_aim aim = {0};
    uwc_statistics *statistics = NULL;
    uwc_weights *ordered = NULL;
    double *w0 = NULL, *bias = NULL;
    uwc_geometry g;
    uwc_recon__geometry(&node->op, p->unit->value[node->in[0]].shape, p->unit->value[node->in[1]].shape, p->unit->value[node->out].shape,
                        &g);
    uwc_status st;
    UWC_TRY_GOTO(st, uwc_recon__aim(p->unit, index, options->target, &aim), done);
    UWC_TRY_GOTO(st, uwc_recon__gather(p, index, &aim, options, &statistics), done);
    UWC_TRY_GOTO(st, float_weights(p->unit, node, &g, &w0), done);
    UWC_TRY_GOTO(st, uwc_calloc(g.rows * g.groups, sizeof *bias, &bias), done);
    UWC_TRY_GOTO(st, uwc_weights_copy(out->weights, &ordered), done);
    uwc_recon__into_patch_order(&g, out->weights->q, ordered->q);
    UWC_TRY_GOTO(st, solve_groups(statistics, w0, node->weight_asymmetric, options->damp, ordered, bias), done);
    uwc_recon__from_patch_order(&g, ordered->q, out->weights->q);
    memcpy(out->weights->scale, ordered->scale, (size_t)ordered->rows * sizeof *ordered->scale);
    memcpy(out->weights->zero, ordered->zero, (size_t)ordered->rows * sizeof *ordered->zero);
    for (int64_t r = 0; r < ordered->rows; r++) {
        out->bias[r] = (float)bias[r];
    }
done:
    uwc_recon__aim_clear(&aim);
    uwc_recon__statistics_destroy(&statistics);
    uwc_weights_destroy(&ordered);
    uwc_free(&w0);
    uwc_free(&bias);
    return st;
}

static uwc_status solve_node(uwc_paths *p, int index, const uwc_recon_options *options, uwc_layer_result *out) {
    const uwc_node *node = &p->unit->node[index];
    parameters solved = {0};
    uwc_status st;
    UWC_CHECK(p->unit->value[node->in[0]].shape.rank != 4 || node->op.kind == UWC_OP_CONV, UWC_E_UNSUPPORTED,
              "a matrix product over four dimensions");
    UWC_TRY_GOTO(st, uwc_strdup(node->name, &out->node), done);
    UWC_TRY_GOTO(st, uwc_recon__nearest_node(p->unit, index, &solved.weights), done);
    UWC_TRY_GOTO(st, uwc_calloc(solved.weights->rows, sizeof *solved.bias, &solved.bias), done);
    if (node->n_in == 3) {
        memcpy(solved.bias, p->unit->value[node->in[2]].constant->f32, (size_t)solved.weights->rows * sizeof *solved.bias);
    }
    if (options->method == UWC_METHOD_SECOND_ORDER) {
        UWC_TRY_GOTO(st, solve_second_order(p, index, options, &solved), done);
    }
    UWC_TRY_GOTO(st, uwc_graph_set_quantized(p->quantized, index, solved.weights, solved.bias), done);
    st = uwc_exec_refresh(p->run_quantized, index);
    out->weights = solved.weights;
    out->bias = solved.bias;
    return st;
done:
    uwc_weights_destroy(&solved.weights);
    uwc_free(&solved.bias);
    return st;
}

/* Quantizers of the edges into a node that have none yet. */
static uwc_status choose_edges(uwc_paths *p, int index, const uwc_recon_options *options) {
    const uwc_node *node = &p->unit->node[index];
    for (int k = 0; k < node->n_in; k++) {
        const uwc_value *edge = &p->quantized->value[node->in[k]];
        bool acts = p->unit->quantize_all || (k == 0 && uwc_op_is_weighted(node->op.kind));
        if (acts && edge->constant == NULL && edge->activation_bits > 0 && edge->quantizer.bits == 0) {
            UWC_TRY(uwc_recon__choose_quantizer(p, node->in[k], options->seed));
        }
    }
    return UWC_OK;
}

static uwc_status solve_nodes(uwc_paths *p, const uwc_recon_options *options, uwc_unit_result *result) {
    UWC_TRY(uwc_calloc(p->unit->n_nodes, sizeof *result->layer, &result->layer));
    for (int i = 0; i < p->unit->n_nodes; i++) {
        const uwc_node *node = &p->unit->node[i];
        uwc_status st = choose_edges(p, i, options);
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
    uwc_paths paths = {.unit = unit};
    uwc_unit_result *result = NULL;
    double start = uwc_now();
    uwc_status st;
    UWC_TRY_GOTO(st, uwc_calloc(1, sizeof *result, &result), done);
    UWC_TRY_GOTO(st, uwc_recon__paths_open(unit, options, stream, &paths), done);
    UWC_TRY_GOTO(st, solve_nodes(&paths, options, result), done);
    UWC_TRY_GOTO(st, list_edges(paths.quantized, result), done);
    UWC_TRY_GOTO(st, uwc_recon__last_pass(&paths, options, result), done);
    result->seconds = uwc_now() - start;
    *out = result;
    result = NULL;
done:
    uwc_unit_result_destroy(&result);
    uwc_recon__paths_close(&paths);
    return st;
}
