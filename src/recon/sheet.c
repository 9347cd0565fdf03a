/* Rounding of a sheet of rows that sees the metric or its factor one panel at a time, where lattice.c has them whole. With G = R^T R the
 * loss of a row is |R (q - w)|^2: going backwards, each column's best level follows from the levels behind it and one row of R. This is the
 * rounding of error feedback through the factor of the inverse, without the inverse. Source: Babai, "On Lovasz' lattice reduction and the
 * nearest lattice point problem", Combinatorica 6 (1986); that the two are one: Chen, Hoefler, Alistarh, "The Geometry of LLM
 * Quantization: GPTQ as Babai's Nearest Plane Algorithm", arXiv 2507.18553 (2025). */
#include "large.h"

#include <uwc/vector.h>

#include <math.h>
#include <string.h>

enum { LANES = UWC_SIDE_BLOCK };

/* After uwc_recon__sheet_take the starts' memory is that of descent: how far Q is from W*, and the products of G with it that lie behind
 * a column's panel; before uwc_recon__sheet_fit_end those of the levels and of W*. */
enum { AWAY, BEHIND, BEHIND_TARGET };

/* ---- error feedback ------------------------------------------------------------------------------------------------------------------ */

/* sum: what the levels behind add to the row of R. */
UWC_VECTOR static void round_column(const uwc_sheet *sheet, int start, const float *target, float pivot, const float *sum, float *away,
                                    double *loss) {
    for (int l = 0; l < LANES; l++) {
        const float scale = sheet->scale[start][l];
        float q = rintf((target[l] - sum[l] / pivot) / scale);
        q = q < sheet->least[l] ? sheet->least[l] : q;
        q = q > sheet->most[l] ? sheet->most[l] : q;
        away[l] = q * scale - target[l];
        const double rest = (double)(pivot * away[l] + sum[l]);
        loss[l] += rest * rest;
    }
}

uwc_status uwc_recon__sheet_round(uwc_sheet *sheet, int start, const uwc_sheet_panel *p) {
    float sum[UWC_PANEL * LANES], column[UWC_PANEL], *away = sheet->start[start];
    const int64_t height = p->end - p->first, width = p->n - p->first;
    memset(sum, 0, sizeof sum);
    if (p->end < p->n) {
        UWC_TRY(
            uwc_sgemm(false, false, height, LANES, p->n - p->end, p->data + height, width, away + p->end * LANES, LANES, 0, sum, LANES));
    }
    for (int64_t i = height - 1; i >= 0; i--) {
        float *own = away + (p->first + i) * LANES;
        round_column(sheet, start, sheet->target + (p->first + i) * LANES, p->data[i * width + i], sum + i * LANES, own,
                     sheet->loss[start]);
        for (int64_t k = 0; k < i; k++) {
            column[k] = p->data[k * width + i];
        }
        uwc_recon__add_outer(sum, own, column, i, LANES);
    }
    return UWC_OK;
}

void uwc_recon__sheet_choose(uwc_sheet *sheet, int starts) {
    for (int l = 0; l < LANES; l++) {
        int best = 0;
        for (int s = 1; s < starts; s++) {
            best = sheet->loss[s][l] < sheet->loss[best][l] ? s : best;
        }
        sheet->scale[0][l] = sheet->scale[best][l];
    }
}

void uwc_recon__sheet_take(uwc_sheet *sheet) {
    for (int64_t i = 0; i < sheet->n * LANES; i++) {
        sheet->level[i] = rintf((sheet->start[0][i] + sheet->target[i]) / sheet->scale[0][i % LANES]);
    }
}

/* ---- the best scale --------------------------------------------------------------------------------------------------------------------
 */

void uwc_recon__sheet_fit_begin(uwc_sheet *sheet) {
    memset(sheet->cross, 0, sizeof sheet->cross);
    memset(sheet->norm, 0, sizeof sheet->norm);
    memset(sheet->start[BEHIND], 0, (size_t)(sheet->n * LANES) * sizeof(float));
    memset(sheet->start[BEHIND_TARGET], 0, (size_t)(sheet->n * LANES) * sizeof(float));
}

/* out = the panel times x, columns before it; `behind` gains its transpose times x's own columns. */
static uwc_status multiply_both(const uwc_sheet_panel *p, const float *x, float *before, float *behind) {
    const int64_t height = p->end - p->first;
    if (p->first == 0) {
        memset(before, 0, (size_t)(height * LANES) * sizeof *before);
        return UWC_OK;
    }
    UWC_TRY(uwc_sgemm(false, false, height, LANES, p->first, p->data, p->end, x, LANES, 0, before, LANES));
    return uwc_sgemm(true, false, p->first, LANES, height, p->data, p->end, x + p->first * LANES, LANES, 1, behind, LANES);
}

/* sum += a b, lane by lane. */
static void add_dot(const float *a, const float *b, int64_t count, double factor, double *sum) {
    for (int64_t i = 0; i < count; i++) {
        for (int l = 0; l < LANES; l++) {
            sum[l] += factor * (double)a[i * LANES + l] * (double)b[i * LANES + l];
        }
    }
}

uwc_status uwc_recon__sheet_fit(uwc_sheet *sheet, const uwc_sheet_panel *p) {
    float before[UWC_PANEL * LANES];
    const int64_t height = p->end - p->first;
    const float *level = sheet->level + p->first * LANES, *target = sheet->target + p->first * LANES;
    UWC_TRY(multiply_both(p, sheet->target, before, sheet->start[BEHIND_TARGET]));
    add_dot(level, before, height, 1, sheet->cross);
    UWC_TRY(multiply_both(p, sheet->level, before, sheet->start[BEHIND]));
    add_dot(target, before, height, 1, sheet->cross);
    add_dot(level, before, height, 2, sheet->norm);
    UWC_TRY(uwc_sgemm(false, false, height, LANES, height, p->corner, height, level, LANES, 0, before, LANES));
    add_dot(target, before, height, 1, sheet->cross);
    add_dot(level, before, height, 1, sheet->norm);
    return UWC_OK;
}

void uwc_recon__sheet_fit_end(uwc_sheet *sheet, int bits) {
    float *scale = sheet->scale[0];
    for (int l = 0; l < LANES; l++) { /* the loss is a parabola over the scale: the nearest short one is the best short one */
        if (sheet->norm[l] > 0 && sheet->cross[l] > 0) {
            scale[l] = uwc_scale_shorten(bits, fmaxf((float)(sheet->cross[l] / sheet->norm[l]), 1e-20f));
        }
    }
    for (int64_t i = 0; i < sheet->n * LANES; i++) {
        const float s = scale[i % LANES];
        sheet->start[AWAY][i] = sheet->level[i] * s - sheet->target[i];
        sheet->start[BEHIND][i] = sheet->start[BEHIND][i] * s - sheet->start[BEHIND_TARGET][i];
    }
}

/* ---- descent ---------------------------------------------------------------------------------------------------------------------------
 */

/* Every lane's level to its minimum; says whether any moved. MARGIN: see lattice.c. */
UWC_VECTOR static bool move(const uwc_sheet *sheet, const float *target, const float *slope, float curvature, float *level, float *away,
                            float *change) {
    const float MARGIN = 1e-4f;
    float moved = 0;
    for (int l = 0; l < LANES; l++) {
        const float scale = sheet->scale[0][l], wanted = level[l] - slope[l] / (curvature * scale);
        float q = rintf(wanted);
        q = q < sheet->least[l] ? sheet->least[l] : q;
        q = q > sheet->most[l] ? sheet->most[l] : q;
        q = fabsf(wanted - level[l]) < 0.5f + MARGIN ? level[l] : q;
        change[l] = (q - level[l]) * scale;
        moved += fabsf(q - level[l]);
        level[l] = q;
        away[l] = q * scale - target[l];
    }
    return moved > 0;
}

uwc_status uwc_recon__sheet_sweep(uwc_sheet *sheet, const uwc_sheet_panel *p) {
    float slope[UWC_PANEL * LANES], change[LANES];
    const int64_t height = p->end - p->first;
    float *away = sheet->start[AWAY], *behind = sheet->start[BEHIND], *own = away + p->first * LANES;
    memcpy(slope, behind + p->first * LANES, (size_t)(height * LANES) * sizeof *slope);
    memset(behind + p->first * LANES, 0, (size_t)(height * LANES) * sizeof *slope); /* the panels to come fill it for the next sweep */
    if (p->first > 0) {
        UWC_TRY(uwc_sgemm(false, false, height, LANES, p->first, p->data, p->end, away, LANES, 1, slope, LANES));
    }
    UWC_TRY(uwc_sgemm(false, false, height, LANES, height, p->corner, height, own, LANES, 1, slope, LANES));
    for (int64_t i = 0; i < height; i++) {
        const float *g = p->corner + i * height;
        const int64_t at = (p->first + i) * LANES;
        if (move(sheet, sheet->target + at, slope + i * LANES, fmaxf(g[i], 1e-12f), sheet->level + at, away + at, change)) {
            uwc_recon__add_outer(slope, change, g, height, LANES);
            sheet->moved = true;
        }
    }
    return p->first > 0 ? uwc_sgemm(true, false, p->first, LANES, height, p->data, p->end, own, LANES, 1, behind, LANES) : UWC_OK;
}
