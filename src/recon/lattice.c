/* Rounding real weights W* to a lattice under the metric G, some rows at a time: a lane is a row. A row's level l stands for the value
 * scale * l, with least <= l <= most. Columns are in the metric's order and worked on in blocks: inside a block every column sees the moves
 * of the others at once, the rest of the matrix sees a block's moves as one product. Sources: Frantar, Singh, Alistarh, "Optimal Brain
 * Compression", NeurIPS 2022, and Frantar et al., "GPTQ", ICLR 2023 (error feedback through the Cholesky factor of the inverse metric); the
 * descent and the refit of the scale are in docs/method.md. */
#include "recon_impl.h"

#include <uwc/vector.h>

#include <math.h>
#include <string.h>

enum { SWEEPS = 50, BLOCK = 32 };

UWC_VECTOR static void add_outer(float *to, const float *factor, const float *g, int64_t count, int64_t lanes) {
    for (int64_t k = 0; k < count; k++) {
        for (int64_t l = 0; l < lanes; l++) {
            to[k * lanes + l] += factor[l] * g[k];
        }
    }
}

void uwc_recon__add_outer(float *to, const float *factor, const float *g, int64_t count, int64_t lanes) {
    add_outer(to, factor, g, count, lanes);
}

uwc_status uwc_recon__add_block(float *to, const float *factor, const float *g, int64_t stride, int64_t columns, int64_t count,
                                int64_t lanes) {
    return count > 0 ? uwc_sgemm(true, false, count, lanes, columns, g, stride, factor, lanes, 1, to, lanes) : UWC_OK;
}

/* level = the nearest one to the value; error = -(value - its value) / pivot, whose square is added to the loss. */
UWC_VECTOR static void round_column(const float *value, uwc_lanes *lanes, float pivot, float *level, float *error) {
    for (int64_t l = 0; l < lanes->count; l++) {
        float q = rintf(value[l] / lanes->scale[l]);
        q = q < lanes->least[l] ? lanes->least[l] : q;
        level[l] = q > lanes->most[l] ? lanes->most[l] : q;
        error[l] = (level[l] * lanes->scale[l] - value[l]) / pivot;
        lanes->loss[l] += (double)(error[l] * error[l]);
    }
}

uwc_status uwc_recon__round(const uwc_metric *metric, uwc_lanes *lanes) {
    const int64_t n = metric->n, L = lanes->count;
    float *work = lanes->slope, *error = lanes->change;
    memcpy(work, lanes->target, (size_t)(n * L) * sizeof *work);
    memset(lanes->loss, 0, sizeof lanes->loss);
    for (int64_t first = 0; first < n; first += BLOCK) {
        int64_t end = first + BLOCK < n ? first + BLOCK : n;
        for (int64_t j = first; j < end; j++) {
            const float *u = metric->U + j * n;
            round_column(work + j * L, lanes, u[j], lanes->level + j * L, error + j * L);
            add_outer(work + (j + 1) * L, error + j * L, u + j + 1, end - j - 1, L);
        }
        UWC_TRY(uwc_recon__add_block(work + end * L, error + first * L, metric->U + first * n + end, n, end - first, n - end, L));
    }
    return UWC_OK;
}

uwc_status uwc_recon__pull(const uwc_metric *metric, uwc_lanes *lanes) {
    return uwc_sgemm(true, false, metric->n, lanes->count, metric->n, metric->G, metric->n, lanes->target, lanes->count, 0, lanes->pull,
                     lanes->count);
}

static uwc_status start_slope(const uwc_metric *metric, uwc_lanes *lanes) {
    const int64_t n = metric->n, L = lanes->count;
    for (int64_t i = 0; i < n * L; i++) {
        lanes->change[i] = lanes->level[i] * lanes->scale[i % L] - lanes->target[i];
    }
    return uwc_sgemm(true, false, n, L, n, metric->G, n, lanes->change, L, 0, lanes->slope, L);
}

/* Moves a column of every lane to its minimum; says whether any lane moved. MARGIN keeps ties where they are: rounding errors of the slope
 * must not make a weight go to and fro. */
UWC_VECTOR static bool move(const uwc_lanes *lanes, float *level, const float *slope, float curvature, float *change) {
    const float MARGIN = 1e-4f;
    float moved = 0;
    for (int64_t l = 0; l < lanes->count; l++) {
        float wanted = level[l] - slope[l] / (curvature * lanes->scale[l]), q = rintf(wanted);
        q = q < lanes->least[l] ? lanes->least[l] : q;
        q = q > lanes->most[l] ? lanes->most[l] : q;
        q = fabsf(wanted - level[l]) < 0.5f + MARGIN ? level[l] : q;
        change[l] = (q - level[l]) * lanes->scale[l];
        moved += fabsf(q - level[l]);
        level[l] = q;
    }
    return moved > 0;
}

/* One sweep over all columns; *any: something moved. */
static uwc_status sweep(const uwc_metric *metric, uwc_lanes *lanes, bool *any) {
    const int64_t n = metric->n, L = lanes->count;
    *any = false;
    for (int64_t first = 0; first < n; first += BLOCK) {
        int64_t end = first + BLOCK < n ? first + BLOCK : n;
        bool moved = false;
        for (int64_t j = first; j < end; j++) {
            const float *g = metric->G + j * n;
            float *change = lanes->change + j * L;
            if (move(lanes, lanes->level + j * L, lanes->slope + j * L, fmaxf(g[j], 1e-12f), change)) {
                add_outer(lanes->slope + first * L, change, g + first, end - first, L);
                moved = true;
            }
        }
        if (moved) {
            const float *change = lanes->change + first * L, *g = metric->G + first * n;
            UWC_TRY(uwc_recon__add_block(lanes->slope, change, g, n, end - first, first, L));
            UWC_TRY(uwc_recon__add_block(lanes->slope + end * L, change, g + end, n, end - first, n - end, L));
            *any = true;
        }
    }
    return UWC_OK;
}

static void measure_loss(int64_t n, uwc_lanes *lanes) {
    const int64_t L = lanes->count;
    memset(lanes->loss, 0, sizeof lanes->loss);
    for (int64_t j = 0; j < n; j++) {
        for (int64_t l = 0; l < L; l++) {
            int64_t i = j * L + l;
            lanes->loss[l] += ((double)lanes->level[i] * (double)lanes->scale[l] - (double)lanes->target[i]) * (double)lanes->slope[i];
        }
    }
}

uwc_status uwc_recon__descend(const uwc_metric *metric, uwc_lanes *lanes) {
    bool any = true;
    UWC_TRY(start_slope(metric, lanes));
    for (int i = 0; i < SWEEPS && any; i++) {
        UWC_TRY(sweep(metric, lanes, &any));
    }
    measure_loss(metric->n, lanes);
    return UWC_OK;
}

/* The loss is a parabola over the scale: the nearest short one is the best short one. */
void uwc_recon__refit(const uwc_metric *metric, int bits, uwc_lanes *lanes) {
    double above[UWC_MOST_LANES] = {0}, below[UWC_MOST_LANES] = {0};
    for (int64_t j = 0; j < metric->n; j++) {
        for (int64_t l = 0; l < lanes->count; l++) {
            int64_t i = j * lanes->count + l;
            above[l] += (double)lanes->level[i] * (double)lanes->pull[i];
            below[l] += (double)lanes->level[i] * ((double)lanes->slope[i] + (double)lanes->pull[i]); /* l G Q = s l G l */
        }
    }
    for (int64_t l = 0; l < lanes->count; l++) {
        double curvature = below[l] / (double)lanes->scale[l];
        if (curvature > 0 && above[l] > 0) {
            lanes->scale[l] = uwc_scale_shorten(bits, fmaxf((float)(above[l] / curvature), 1e-20f));
        }
    }
}

void uwc_recon__keep(const uwc_metric *metric, uwc_lanes *lanes) {
    const int64_t L = lanes->count;
    for (int64_t l = 0; l < L; l++) {
        if (!(lanes->loss[l] < lanes->kept_loss[l])) {
            continue;
        }
        lanes->kept_loss[l] = lanes->loss[l];
        lanes->kept_scale[l] = lanes->scale[l];
        for (int64_t j = 0; j < metric->n; j++) {
            lanes->kept[j * L + l] = lanes->level[j * L + l];
        }
    }
}
