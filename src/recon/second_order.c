/* The closed form for one layer of a unit: statistics on both paths, a ridge from what is held out, the groups one after the other. */
#include "large.h"

#include <string.h>

/* Solves one group of a layer from its statistics, in the order of patches. */
static uwc_status solve_group(const uwc_statistics *s, int64_t group, const double *w0, const uwc_layer_options *options, uwc_weights *part,
                              double *bias) {
    const int64_t order = s->cols + 1;
    double *cross;
    UWC_TRY(uwc_calloc(s->rows * order, sizeof *cross, &cross));
    uwc_recon__statistics_cross(s, group, cross);
    uwc_layer_statistics layer = {.rows = s->rows, .n = s->cols, .A = s->A + group * order * order, .Y = cross, .W0 = w0};
    uwc_status st = uwc_recon_layer(&layer, options, part, bias);
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
static uwc_status solve_groups(const uwc_statistics *s, const double *w0, const uwc_layer_options *options, uwc_weights *weights,
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
        st = uwc_error_note(solve_group(s, group, w0 + row * order, options, &part, bias + row), "group %lld", (long long)group);
    }
    return st;
}

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

/* The sums of a layer and the ridge that their folds choose. */
static uwc_status make_sums(uwc_paths *p, int index, const uwc_aim *aim, const uwc_recon_options *options, const double *w0,
                            uwc_kept *out) {
    uwc_statistics *folds[UWC_FOLDS] = {NULL};
    uwc_status st;
    *out = (uwc_kept){.ridge = options->ridge};
    UWC_TRY_GOTO(st, uwc_recon__gather(p, index, aim, options, folds), done);
    if (options->ridge == 0) {
        UWC_TRY_GOTO(st, uwc_recon__choose_ridge(p->stream, folds, w0, &out->ridge), done);
    }
    uwc_recon__merge(folds);
    out->sums = folds[0];
    folds[0] = NULL;
done:
    for (int k = 0; k < UWC_FOLDS; k++) {
        uwc_recon__statistics_destroy(&folds[k]);
    }
    return st;
}

/* Sums to weights and bias. */
static uwc_status solve_layer(const uwc_geometry *g, const uwc_statistics *sums, const double *w0, const uwc_layer_options *options,
                              uwc_weights *weights, float *bias) {
    uwc_weights *ordered = NULL;
    double *solved = NULL;
    uwc_status st;
    UWC_TRY_GOTO(st, uwc_calloc(g->rows * g->groups, sizeof *solved, &solved), done);
    UWC_TRY_GOTO(st, uwc_weights_copy(weights, &ordered), done);
    uwc_recon__into_patch_order(g, weights->q, ordered->q);
    UWC_TRY_GOTO(st, solve_groups(sums, w0, options, ordered, solved), done);
    uwc_recon__from_patch_order(g, ordered->q, weights->q);
    memcpy(weights->scale, ordered->scale, (size_t)ordered->rows * sizeof *ordered->scale);
    memcpy(weights->zero, ordered->zero, (size_t)ordered->rows * sizeof *ordered->zero);
    for (int64_t r = 0; r < ordered->rows; r++) {
        bias[r] = (float)solved[r];
    }
done:
    uwc_weights_destroy(&ordered);
    uwc_free(&solved);
    return st;
}

uwc_status uwc_recon__solve_node(uwc_paths *p, int index, const uwc_recon_options *options, uwc_weights *weights, float *bias) {
    const uwc_node *node = &p->unit->node[index];
    const uwc_value *value = p->unit->value;
    uwc_aim aim = {0};
    uwc_kept kept = {0};
    uint64_t key = 0;
    bool known = false;
    double *w0 = NULL;
    uwc_geometry g;
    uwc_recon__geometry(&node->op, value[node->in[0]].shape, value[node->in[1]].shape, value[node->out].shape, &g);
    uwc_status st;
    if (uwc_recon__is_large(options, &g)) {
        return uwc_recon__solve_large(p, index, options, weights, bias);
    }
    UWC_TRY_GOTO(st, uwc_recon__aim(p->unit, index, options->target, &aim), done);
    UWC_TRY_GOTO(st, uwc_recon__memo_key_sums(p, index, &aim, options, &key), done);
    UWC_TRY_GOTO(st, float_weights(uwc_recon__source(p), &uwc_recon__source(p)->node[index], &g, &w0), done);
    known = uwc_recon__memo_find(p->stream->memo, key, &kept);
    if (!known) {
        UWC_TRY_GOTO(st, make_sums(p, index, &aim, options, w0, &kept), done);
    }
    const uwc_layer_options layer = {.asymmetric = node->weight_asymmetric, .ridge = kept.ridge, .damp = options->damp};
    st = solve_layer(&g, kept.sums, w0, &layer, weights, bias);
done:
    if (!known && kept.sums != NULL) {
        uwc_recon__memo_put(p->stream->memo, key, uwc_recon__statistics_bytes(&g), &kept);
    }
    uwc_recon__aim_clear(&aim);
    uwc_free(&w0);
    return st;
}
