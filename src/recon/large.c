/* One very wide layer on a team: sums, retargeting, rounding (docs/method.md, "Very wide layers"). */
#include "large.h"

#include <math.h>
#include <string.h>

bool uwc_recon__is_large(const uwc_recon_options *options, const uwc_geometry *g) {
    return options->method == UWC_METHOD_SECOND_ORDER && options->distribute_above > 0 && g->groups == 1 &&
           g->cols > options->distribute_above;
}

/* Rows of a member: the last block of all may be short. */
static int64_t own_rows(int64_t rows, int member, int members) {
    int64_t count = 0;
    for (int64_t first = (int64_t)member * UWC_SIDE_BLOCK; first < rows; first += (int64_t)members * UWC_SIDE_BLOCK) {
        count += rows - first < UWC_SIDE_BLOCK ? rows - first : UWC_SIDE_BLOCK;
    }
    return count;
}

static int64_t sample_rows(int64_t rows) {
    const int64_t step = (rows + UWC_SIDE_BLOCK - 1) / UWC_SIDE_BLOCK;
    return (rows + step - 1) / step;
}

static uwc_status open_sides(int64_t count, int64_t n, uwc_sides *out) {
    out->count = count;
    UWC_TRY(uwc_calloc(count, sizeof *out->row, &out->row));
    UWC_TRY(uwc_calloc(count * n, sizeof *out->w, &out->w));
    return uwc_calloc(count * n, sizeof *out->y, &out->y);
}

static void close_sides(uwc_sides *sides) {
    uwc_free(&sides->row);
    uwc_free(&sides->w);
    uwc_free(&sides->y);
    sides->count = 0;
}

static uwc_status open_rows(uwc_large *l) {
    const int member = uwc_grid_member(l->grid), members = uwc_grid_members(l->grid);
    const int64_t n = l->n, sample = sample_rows(l->rows);
    UWC_TRY(uwc_calloc(n, sizeof *l->column, &l->column));
    UWC_TRY(uwc_calloc(n, sizeof *l->sum, &l->sum));
    UWC_TRY(uwc_calloc(n, sizeof *l->square, &l->square));
    UWC_TRY(uwc_calloc(l->rows, sizeof *l->target, &l->target));
    UWC_TRY(open_sides(own_rows(l->rows, member, members), n, &l->own));
    for (int64_t i = 0; i < l->own.count; i++) {
        l->own.row[i] = (i / UWC_SIDE_BLOCK * members + member) * UWC_SIDE_BLOCK + i % UWC_SIDE_BLOCK;
    }
    if (l->options->ridge == 0) {
        UWC_TRY(open_sides(sample, n, &l->sample));
    }
    for (int64_t i = 0; i < l->sample.count; i++) {
        l->sample.row[i] = i * l->rows / sample;
    }
    return UWC_OK;
}

uwc_status uwc_recon__large_open(const uwc_geometry *g, const uwc_recon_options *options, const uwc_stream *stream, uwc_large *l) {
    *l = (uwc_large){.options = options, .stream = stream, .grid = stream->team, .geometry = *g, .n = g->cols, .rows = g->rows};
    if (stream->members <= 1) {
        UWC_TRY(uwc_grid_create_alone(stream->poll, stream->self, &l->alone));
        l->grid = l->alone;
    }
    UWC_CHECK(l->grid != NULL && uwc_grid_members(l->grid) == (stream->members > 1 ? stream->members : 1), UWC_E_ARG,
              "%lld inputs are more than distribute_above, but the team has no grid of its size", (long long)l->n);
    UWC_TRY(uwc_grid_agree(l->grid, open_rows(l)));
    return uwc_spread_create(l->grid, l->n, &l->sums);
}

void uwc_recon__large_close(uwc_large *l) {
    uwc_spread_destroy(&l->sums);
    uwc_grid_destroy(&l->alone);
    close_sides(&l->own);
    close_sides(&l->sample);
    uwc_free(&l->column);
    uwc_free(&l->sum);
    uwc_free(&l->square);
    uwc_free(&l->target);
}

uwc_status uwc_recon__large_weights(const uwc_large *l, const float *weights, const uwc_sides *sides) {
    uwc_geometry one = l->geometry;
    double *ordered;
    one.rows = 1;
    UWC_TRY(uwc_calloc(l->n, sizeof *ordered, &ordered));
    for (int64_t i = 0; i < sides->count; i++) {
        uwc_recon__to_patch_order(&one, weights + sides->row[i] * l->n, ordered, l->n);
        for (int64_t k = 0; k < l->n; k++) {
            sides->w[i * l->n + k] = ordered[l->column[k]];
        }
    }
    uwc_free(&ordered);
    return UWC_OK;
}

void uwc_recon__large_moments(const uwc_large *l, double part, double *mean, double *diagonal) {
    const double count = (double)l->count;
    double sum = 0;
    for (int64_t k = 0; k < l->n; k++) {
        mean[k] = l->sum[k] / count;
        sum += l->square[k] / count;
    }
    const double ridge = fmax(part * sum / (double)l->n, 1e-8); /* a dead input stays solvable */
    for (int64_t k = 0; k < l->n; k++) {
        diagonal[k] = l->square[k] / count - mean[k] * mean[k] + ridge;
    }
}

uwc_status uwc_recon__large_factor(const uwc_large *l, double part) {
    double *mean = NULL, *diagonal = NULL;
    uwc_status st = uwc_calloc(l->n, sizeof *mean, &mean);
    if (st == UWC_OK) {
        st = uwc_calloc(l->n, sizeof *diagonal, &diagonal);
    }
    st = uwc_grid_agree(l->grid, st);
    if (st == UWC_OK) {
        uwc_recon__large_moments(l, part, mean, diagonal);
        st = uwc_spread_lift(l->sums, 1 / (double)l->count, mean, diagonal);
    }
    if (st == UWC_OK) {
        st = (l->options->scalapack ? uwc_spread_factor_scalapack : uwc_spread_factor)(l->sums);
    }
    uwc_free(&mean);
    uwc_free(&diagonal);
    return st;
}

/* With sums S of products, s of inputs, t of targets over N positions: (Y - W S) / N - (t - W s) s^T / N^2. */
uwc_status uwc_recon__large_difference(const uwc_large *l, const uwc_sides *sides) {
    const double part = 1 / (double)l->count;
    UWC_TRY(uwc_spread_subtract(l->sums, l->square, sides->count, sides->w, sides->y));
    for (int64_t i = 0; i < sides->count; i++) {
        const double *w = sides->w + i * l->n;
        double *y = sides->y + i * l->n, rest = l->target[sides->row[i]] * part;
        for (int64_t k = 0; k < l->n; k++) {
            rest -= w[k] * l->sum[k] * part;
        }
        for (int64_t k = 0; k < l->n; k++) {
            y[k] = y[k] * part - rest * l->sum[k] * part;
        }
    }
    return UWC_OK;
}

uwc_status uwc_recon__large_retarget(uwc_large *l, double part) {
    const uwc_sides *own = &l->own;
    uwc_status st = UWC_OK;
    if (isfinite(part)) {
        UWC_TRY(uwc_recon__large_difference(l, own));
        UWC_TRY(uwc_recon__large_factor(l, part));
        UWC_TRY(uwc_spread_solve(l->sums, own->count, own->y));
        for (int64_t i = 0; i < own->count * l->n; i++) {
            own->w[i] += own->y[i];
        }
    }
    for (int64_t i = 0; i < own->count * l->n && st == UWC_OK; i++) {
        if (!isfinite(own->w[i])) {
            st = uwc_error_set(UWC_E_MATH, "row %lld of the weights is not finite", (long long)own->row[i / l->n]);
        }
    }
    uwc_free(&l->own.y);
    return uwc_grid_agree(l->grid, st);
}

static bool inputs_are_zero(const uwc_large *l) {
    for (int64_t k = 0; k < l->n; k++) {
        if (l->square[k] > 0) {
            return false;
        }
    }
    return true;
}

uwc_status uwc_recon__solve_large(uwc_paths *p, int index, const uwc_recon_options *options, uwc_weights *weights, float *bias) {
    const uwc_node *node = &p->unit->node[index];
    const uwc_value *value = p->unit->value;
    uwc_large large = {.grid = NULL};
    uwc_aim aim = {0};
    uwc_geometry g;
    double part = options->ridge;
    uwc_status st;
    uwc_recon__geometry(&node->op, value[node->in[0]].shape, value[node->in[1]].shape, value[node->out].shape, &g);
    UWC_TRY_GOTO(st, uwc_recon__large_open(&g, options, p->stream, &large), done);
    UWC_TRY_GOTO(st, uwc_recon__aim(p->unit, index, options->target, &aim), done);
    UWC_TRY_GOTO(st, uwc_recon__large_gather(&large, p, index, &aim, &part), done);
    if (inputs_are_zero(&large)) {
        st = uwc_recon_nearest(uwc_recon__source(p)->value[node->in[1]].constant->f32, g.cols, node->weight_asymmetric, weights);
        goto done;
    }
    UWC_TRY_GOTO(st, uwc_recon__large_retarget(&large, part), done);
    UWC_TRY_GOTO(st, uwc_recon__large_factor(&large, options->damp), done);
    st = uwc_recon__large_round(&large, node->weight_asymmetric, weights, bias);
done:
    uwc_recon__aim_clear(&aim);
    uwc_recon__large_close(&large);
    return st;
}

int64_t uwc_recon__large_bytes(const uwc_geometry *g, uwc_sample sample, int64_t images, int64_t batch, int members) {
    const int64_t wide = (int64_t)sizeof(double), n = g->cols, own = own_rows(g->rows, 0, members), looked = sample_rows(g->rows);
    const int64_t gather = 2 * wide * n * looked + uwc_recon__large_gather_bytes(g, sample, images, batch, members);
    const int64_t solve = wide * n * own, round = uwc_recon__large_round_bytes(g->rows, n, members);
    int64_t most = gather + solve;
    most = round > most ? round : most;
    return uwc_spread_bytes(n, members) + wide * n * own + 8 * wide * n + most;
}
