/* Error feedback through the panels of the factor that keeps the best partial roundings of every row (see beam.c): one in each of the
 * sheet's arrays of starts, whose lanes are the rows. */
#include "large.h"

#include <math.h>
#include <string.h>

enum { LANES = UWC_SIDE_BLOCK, WIDTH = UWC_BEAM_WIDTH };
_Static_assert((int)UWC_SHEET_STARTS == (int)WIDTH, "a partial rounding lies where a start lay");

typedef struct choice {
    int parent[WIDTH][LANES], line[WIDTH][LANES]; /* of the column, and of the panel so far */
    bool moved;
} choice;

void uwc_recon__sheet_beam_begin(uwc_sheet *sheet) {
    for (int k = 0; k < WIDTH; k++) {
        for (int l = 0; l < LANES; l++) {
            sheet->loss[k][l] = k == 0 ? 0 : INFINITY;
        }
    }
}

/* One row of lanes in each of the arrays: every partial rounding becomes its parent. */
static void inherit(float *const *array, int64_t at, int (*parent)[LANES]) {
    float before[WIDTH][LANES];
    for (int k = 0; k < WIDTH; k++) {
        memcpy(before[k], array[k] + at * LANES, sizeof before[k]);
    }
    for (int k = 0; k < WIDTH; k++) {
        for (int l = 0; l < LANES; l++) {
            array[k][at * LANES + l] = before[parent[k][l]][l];
        }
    }
}

static float *sums_of(const uwc_sheet *sheet, int k) {
    return sheet->work + k * UWC_PANEL * LANES;
}

/* The best ways to go on with a column; `i`: its row in the panel. */
static void round_column(uwc_sheet *sheet, int64_t column, int64_t i, float pivot, choice *c) {
    const float *target = sheet->target + column * LANES;
    c->moved = false;
    for (int l = 0; l < LANES; l++) {
        const float scale = sheet->scale[0][l];
        uwc_shortlist list = {.n = 0};
        for (int k = 0; k < WIDTH && isfinite(sheet->loss[k][l]); k++) {
            const float value = target[l] - sums_of(sheet, k)[i * LANES + l] / pivot;
            uwc_recon__extend(&list, scale, sheet->least[l], sheet->most[l], value, 1 / pivot, sheet->loss[k][l], k);
        }
        for (int k = 0; k < WIDTH; k++) {
            const int from = k < list.n ? k : 0;
            sheet->loss[k][l] = k < list.n ? list.loss[k] : INFINITY;
            sheet->start[k][column * LANES + l] = list.level[from] * scale - target[l];
            c->parent[k][l] = list.parent[from];
            c->moved = c->moved || list.parent[from] != k;
        }
    }
}

static void follow(uwc_sheet *sheet, const uwc_sheet_panel *p, int64_t i, choice *c) {
    float *sum[WIDTH];
    int before[WIDTH][LANES];
    for (int k = 0; k < WIDTH; k++) {
        sum[k] = sums_of(sheet, k);
    }
    for (int64_t at = 0; at < i; at++) {
        inherit(sum, at, c->parent);
    }
    for (int64_t at = p->first + i + 1; at < p->end; at++) {
        inherit(sheet->start, at, c->parent);
    }
    memcpy(before, c->line, sizeof before);
    for (int k = 0; k < WIDTH; k++) {
        for (int l = 0; l < LANES; l++) {
            c->line[k][l] = before[c->parent[k][l]][l];
        }
    }
}

static uwc_status open_panel(const uwc_sheet *sheet, const uwc_sheet_panel *p, choice *c) {
    const int64_t height = p->end - p->first, width = p->n - p->first;
    for (int k = 0; k < WIDTH; k++) {
        for (int l = 0; l < LANES; l++) {
            c->line[k][l] = k;
        }
        memset(sums_of(sheet, k), 0, (size_t)(UWC_PANEL * LANES) * sizeof(float));
        if (p->end < p->n) {
            UWC_TRY(uwc_sgemm(false, false, height, LANES, p->n - p->end, p->data + height, width, sheet->start[k] + p->end * LANES, LANES,
                              0, sums_of(sheet, k), LANES));
        }
    }
    return UWC_OK;
}

uwc_status uwc_recon__sheet_beam(uwc_sheet *sheet, const uwc_sheet_panel *p) {
    const int64_t height = p->end - p->first, width = p->n - p->first;
    float column[UWC_PANEL];
    choice c;
    UWC_TRY(open_panel(sheet, p, &c));
    for (int64_t i = height - 1; i >= 0; i--) {
        round_column(sheet, p->first + i, i, p->data[i * width + i], &c);
        if (c.moved) {
            follow(sheet, p, i, &c);
        }
        for (int64_t k = 0; k < i; k++) {
            column[k] = p->data[k * width + i];
        }
        for (int k = 0; k < WIDTH; k++) {
            uwc_recon__add_outer(sums_of(sheet, k), sheet->start[k] + (p->first + i) * LANES, column, i, LANES);
        }
    }
    for (int64_t at = p->end; at < p->n; at++) {
        inherit(sheet->start, at, c.line);
    }
    return UWC_OK;
}
