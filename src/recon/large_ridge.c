/* The ridge of a spread layer: a factorisation for each of a few candidates, of what the first three quarters of the samples give, and the
 * error of the sample's rows on the rest. All members do the same. */
#include "large.h"

#include <math.h>
#include <string.h>

/* The last one keeps the weights. */
static const double candidate[UWC_LARGE_RIDGES] = {0.01, 0.1, 1, 10, INFINITY};

uwc_status uwc_recon__large_ridge_open(const uwc_large *l, int64_t tile, uwc_large_ridge *out) {
    const int64_t count = l->sample.count;
    *out = (uwc_large_ridge){.count = count, .n = l->n};
    UWC_TRY(uwc_calloc(UWC_LARGE_RIDGES * count * l->n, sizeof *out->w, &out->w));
    UWC_TRY(uwc_calloc(UWC_LARGE_RIDGES * count, sizeof *out->bias, &out->bias));
    return uwc_calloc(tile * UWC_LARGE_RIDGES * count, sizeof *out->got, &out->got);
}

void uwc_recon__large_ridge_close(uwc_large_ridge *ridge) {
    uwc_free(&ridge->w);
    uwc_free(&ridge->bias);
    uwc_free(&ridge->got);
}

int64_t uwc_recon__large_ridge_bytes(int64_t rows, int64_t n, int64_t tile) {
    const int64_t count = rows < UWC_SIDE_BLOCK ? rows : UWC_SIDE_BLOCK;
    return UWC_LARGE_RIDGES * count * (int64_t)sizeof(float) * (n + tile) + count * n * (int64_t)sizeof(double);
}

/* W0 + delta (NULL: none) and its bias, t / N - w m. */
static void store(const uwc_large *l, const double *delta, uwc_large_ridge *ridge, int which) {
    const int64_t n = l->n, count = l->sample.count;
    for (int64_t r = 0; r < count; r++) {
        float *out = ridge->w + (which * count + r) * n;
        double bias = l->target[l->sample.row[r]] / (double)l->count;
        for (int64_t k = 0; k < n; k++) {
            const double w = l->sample.w[r * n + k] + (delta == NULL ? 0 : delta[r * n + k]);
            out[k] = (float)w;
            bias -= w * l->sum[k] / (double)l->count;
        }
        ridge->bias[which * count + r] = bias;
    }
}

uwc_status uwc_recon__large_ridge_solve(const uwc_large *l, uwc_large_ridge *ridge) {
    const uwc_sides *sample = &l->sample;
    double *delta = NULL;
    uwc_status st = uwc_grid_agree(l->grid, uwc_calloc(sample->count * l->n, sizeof *delta, &delta));
    if (st == UWC_OK) {
        st = uwc_recon__large_difference(l, sample);
    }
    for (int c = 0; c < UWC_LARGE_RIDGES && st == UWC_OK; c++) {
        if (isinf(candidate[c])) {
            store(l, NULL, ridge, c);
            continue;
        }
        memcpy(delta, sample->y, (size_t)(sample->count * l->n) * sizeof *delta);
        st = uwc_recon__large_factor(l, candidate[c]);
        if (st == UWC_OK) {
            st = uwc_spread_solve(l->sums, sample->count, delta);
        }
        if (st == UWC_OK) {
            store(l, delta, ridge, c);
        }
    }
    uwc_free(&delta);
    return st;
}

uwc_status uwc_recon__large_ridge_judge(uwc_large_ridge *ridge, const float *input, const float *target, int64_t stride, int64_t count) {
    const int64_t columns = UWC_LARGE_RIDGES * ridge->count;
    UWC_TRY(uwc_sgemm(false, true, count, columns, ridge->n, input, stride, ridge->w, ridge->n, 0, ridge->got, columns));
    for (int64_t i = 0; i < count; i++) {
        for (int64_t k = 0; k < columns; k++) {
            const double away = (double)ridge->got[i * columns + k] + ridge->bias[k] - (double)target[i * stride + k % ridge->count];
            ridge->error[k / ridge->count] += away * away;
        }
    }
    return UWC_OK;
}

double uwc_recon__large_ridge_best(const uwc_large_ridge *ridge) {
    int best = UWC_LARGE_RIDGES - 1;
    for (int c = 0; c < UWC_LARGE_RIDGES - 1; c++) {
        best = ridge->error[c] < ridge->error[best] ? c : best;
    }
    return candidate[best];
}
