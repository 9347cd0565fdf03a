/* A sheet of rows with a random metric, whole and in panels. */
#ifndef UWC_TEST_SHEET_FIXTURE_H
#define UWC_TEST_SHEET_FIXTURE_H

#include "naive_layer.h"

#include "large.h"

enum { LANES = UWC_SIDE_BLOCK, ROWS = LANES - 3 }; /* some lanes have no row */

typedef struct desk {
    int64_t n;
    int bits;
    double *G, *R; /* [n,n], G = R^T R */
    double *w;     /* [ROWS][n] */
    uwc_sheet sheet;
    float *memory;
    uwc_sheet_panel panel;
} desk;

static inline void factor(desk *own) {
    const int64_t n = own->n;
    double *l = new_doubles(n * n);
    memcpy(l, own->G, (size_t)(n * n) * sizeof *l);
    must(uwc_cholesky(n, l));
    for (int64_t i = 0; i < n * n; i++) {
        own->R[i] = i % n >= i / n ? l[i % n * n + i / n] : 0;
    }
    uwc_free(&l);
}

/* G from fewer factors than inputs, plus a diagonal. */
static inline void fill_metric(desk *own) {
    const int64_t n = own->n, factors = n / 2 + 1;
    double *mix = new_doubles(n * factors);
    own->G = new_doubles(n * n);
    own->R = new_doubles(n * n);
    for (int64_t i = 0; i < n * factors; i++) {
        mix[i] = uwc_rng_normal(1, (uint64_t)n, (uint64_t)i);
    }
    for (int64_t i = 0; i < n; i++) {
        for (int64_t k = 0; k < n; k++) {
            own->G[i * n + k] = i == k ? 0.1 : 0;
            for (int64_t f = 0; f < factors; f++) {
                own->G[i * n + k] += mix[i * factors + f] * mix[k * factors + f] / (double)factors;
            }
        }
    }
    factor(own);
    uwc_free(&mix);
}

static inline void fill_rows(desk *own, double scale) {
    uwc_sheet *s = &own->sheet;
    int lo, hi;
    uwc_weights_range(own->bits, &lo, &hi);
    own->w = new_doubles(ROWS * own->n);
    for (int64_t i = 0; i < ROWS * own->n; i++) {
        own->w[i] = (double)(float)(0.1 * uwc_rng_normal(2, (uint64_t)own->n, (uint64_t)i));
        s->target[i % own->n * LANES + i / own->n] = (float)own->w[i];
    }
    for (int l = 0; l < LANES; l++) {
        s->least[l] = (float)lo;
        s->most[l] = (float)hi;
        for (int k = 0; k < UWC_SHEET_STARTS; k++) {
            s->scale[k][l] = uwc_scale_shorten(own->bits, (float)(scale * (0.7 + 0.1 * k)));
        }
    }
}

static inline desk new_desk(int64_t n, int bits) {
    enum { ARRAYS = 2 + UWC_SHEET_STARTS };
    desk own = {.n = n, .bits = bits, .sheet = {.n = n, .count = ROWS}, .panel = {.n = n}};
    const int64_t array = n * LANES;
    fill_metric(&own);
    must(uwc_calloc(ARRAYS * array, sizeof(float), &own.memory));
    must(uwc_calloc(UWC_SHEET_STARTS * UWC_PANEL * LANES, sizeof(float), &own.sheet.work));
    must(uwc_calloc(UWC_PANEL * n, sizeof(float), &own.panel.data));
    must(uwc_calloc(UWC_PANEL * UWC_PANEL, sizeof(float), &own.panel.corner));
    own.sheet.target = own.memory;
    own.sheet.level = own.memory + array;
    for (int k = 0; k < UWC_SHEET_STARTS; k++) {
        own.sheet.start[k] = own.memory + (2 + k) * array;
    }
    fill_rows(&own, 0.25 / (1 << (bits - 1)));
    return own;
}

static inline void free_desk(desk *own) {
    uwc_free(&own->G);
    uwc_free(&own->R);
    uwc_free(&own->w);
    uwc_free(&own->memory);
    uwc_free(&own->sheet.work);
    uwc_free(&own->panel.data);
    uwc_free(&own->panel.corner);
}

static inline int64_t panels_of(const desk *own) {
    return (own->n + UWC_PANEL - 1) / UWC_PANEL;
}

static inline void place(desk *own, int64_t k) {
    own->panel.first = k * UWC_PANEL;
    own->panel.end = own->panel.first + UWC_PANEL < own->n ? own->panel.first + UWC_PANEL : own->n;
}

/* The last panel of the factor first: what lies below the diagonal is never read. */
static inline const uwc_sheet_panel *factor_panel(desk *own, int64_t k) {
    place(own, k);
    const int64_t first = own->panel.first, width = own->n - first;
    for (int64_t i = first; i < own->panel.end; i++) {
        for (int64_t c = first; c < own->n; c++) {
            own->panel.data[(i - first) * width + c - first] = c >= i ? (float)own->R[i * own->n + c] : NAN;
        }
    }
    return &own->panel;
}

static inline const uwc_sheet_panel *metric_panel(desk *own, int64_t k) {
    place(own, k);
    const int64_t first = own->panel.first, end = own->panel.end;
    for (int64_t i = first; i < end; i++) {
        for (int64_t c = 0; c < end; c++) {
            own->panel.data[(i - first) * end + c] = c < i ? (float)own->G[i * own->n + c] : NAN;
        }
        for (int64_t c = first; c < end; c++) {
            own->panel.corner[(i - first) * (end - first) + c - first] = (float)own->G[i * own->n + c];
        }
    }
    return &own->panel;
}

/* Of a row, from what a start is away from W*. */
static inline double loss_away(const desk *own, const float *away, int64_t row) {
    double sum = 0;
    for (int64_t i = 0; i < own->n; i++) {
        for (int64_t k = 0; k < own->n; k++) {
            sum += (double)away[i * LANES + row] * own->G[i * own->n + k] * (double)away[k * LANES + row];
        }
    }
    return sum;
}

/* Levels of a row. */
static inline void read_levels(const desk *own, int64_t row, double *q) {
    for (int64_t i = 0; i < own->n; i++) {
        q[i] = (double)own->sheet.level[i * LANES + row];
        assert_true(q[i] == rint(q[i]) && q[i] >= (double)own->sheet.least[row] && q[i] <= (double)own->sheet.most[row]);
    }
}

/* Orders around the height of a panel. */
static const int64_t orders[] = {1, 7, 128, 131, 290};
enum { ORDERS = (int)(sizeof orders / sizeof orders[0]) };

#endif
