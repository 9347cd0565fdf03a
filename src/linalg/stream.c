/* Products and solutions with a spread matrix: its panels come by one after the other, and every member works on its own right-hand sides,
 * in blocks of UWC_SIDE_BLOCK rows. */
#include "linalg_impl.h"

#include <cblas.h>

static int64_t smaller(int64_t a, int64_t b) {
    return a < b ? a : b;
}

/* Where a panel lies in the matrix. */
typedef struct place {
    int64_t n, first, height, end; /* end: of its rows */
} place;

static place place_of(const uwc_spread *spread, int64_t panel) {
    place at = {.n = spread->n, .first = uwc_spread_first(panel), .height = uwc_spread_height(spread, panel)};
    at.end = at.first + at.height;
    return at;
}

/* c [m,n] += alpha a [m,k] b, or b^T; row-major. */
static void add_product(bool transpose, int64_t m, int64_t n, int64_t k, double alpha, const double *a, int64_t lda, const double *b,
                        int64_t ldb, double *c, int64_t ldc) {
    if (m > 0 && n > 0 && k > 0) {
        cblas_dgemm(CblasRowMajor, CblasNoTrans, transpose ? CblasTrans : CblasNoTrans, (blasint)m, (blasint)n, (blasint)k, alpha, a,
                    (blasint)lda, b, (blasint)ldb, 1, c, (blasint)ldc);
    }
}

static void subtract_block(place at, const double *panel, const double *corner, int64_t rows, const double *x, double *out) {
    add_product(false, rows, at.first, at.height, -1, x + at.first, at.n, panel, at.end, out, at.n);
    add_product(true, rows, at.height, at.first, -1, x, at.n, panel, at.end, out + at.first, at.n);
    add_product(false, rows, at.height, at.height, -1, x + at.first, at.n, corner, at.height, out + at.first, at.n);
}

/* The square of a panel on the diagonal, with both halves. */
static void make_corner(place at, const double *panel, const double *diagonal, double *corner) {
    for (int64_t i = 0; i < at.height; i++) {
        corner[i * at.height + i] = diagonal[at.first + i];
        for (int64_t k = 0; k < i; k++) {
            corner[i * at.height + k] = corner[k * at.height + i] = panel[i * at.end + at.first + k];
        }
    }
}

uwc_status uwc_spread_subtract(const uwc_spread *spread, const double *diagonal, int64_t rows, const double *x, double *out) {
    double *panel, *corner = NULL;
    UWC_TRY(uwc_linalg__panel_buffer(spread, &panel));
    uwc_status st = uwc_grid_agree(spread->grid, uwc_calloc(UWC_PANEL * UWC_PANEL, sizeof *corner, &corner));
    uwc_linalg__one_thread();
    for (int64_t k = 0; k < uwc_spread_panels(spread) && st == UWC_OK; k++) {
        const place at = place_of(spread, k);
        st = uwc_linalg__fetch(spread, k, 0, at.end, panel);
        make_corner(at, panel, diagonal, corner);
#pragma omp parallel for schedule(dynamic, 1)
        for (int64_t r = 0; r < rows; r += UWC_SIDE_BLOCK) {
            subtract_block(at, panel, corner, smaller(UWC_SIDE_BLOCK, rows - r), x + r * at.n, out + r * at.n);
        }
    }
    uwc_free(&panel);
    uwc_free(&corner);
    return st;
}

/* Columns of the panel that lie behind the diagonal of this member's rows [first, first + height). */
static void lift_rows(place at, const double *panel, double scale, const double *mean, int64_t first, int64_t height, double *rows) {
    for (int64_t i = first; i < first + height; i++) {
        for (int64_t k = i < at.first ? at.first : i + 1; k < at.end; k++) {
            rows[(i - first) * at.n + k] = scale * panel[(k - at.first) * at.end + i] - mean[i] * mean[k];
        }
    }
}

uwc_status uwc_spread_lift(const uwc_spread *spread, double scale, const double *mean, const double *diagonal) {
    double *panel;
    uwc_status st = UWC_OK;
    UWC_TRY(uwc_linalg__panel_buffer(spread, &panel));
    for (int64_t k = 0; k < uwc_spread_panels(spread) && st == UWC_OK; k++) {
        const place at = place_of(spread, k);
        st = uwc_linalg__fetch(spread, k, 0, at.end, panel);
#pragma omp parallel for schedule(dynamic, 1)
        for (int64_t j = 0; j <= k; j++) {
            double *rows = uwc_spread_rows(spread, j);
            if (rows != NULL) {
                lift_rows(at, panel, scale, mean, uwc_spread_first(j), uwc_spread_height(spread, j), rows);
            }
        }
        double *own = uwc_spread_rows(spread, k);
        for (int64_t i = 0; own != NULL && i < at.height; i++) {
            own[i * at.n + at.first + i] = diagonal[at.first + i];
        }
    }
    uwc_free(&panel);
    return st;
}

/* y R = x, one panel's columns: those behind it see what it became. `panel` has the columns from its first row on. */
static void forward_block(place at, const double *panel, int64_t rows, double *x) {
    const int64_t width = at.n - at.first;
    cblas_dtrsm(CblasRowMajor, CblasRight, CblasUpper, CblasNoTrans, CblasNonUnit, (blasint)rows, (blasint)at.height, 1, panel,
                (blasint)width, x + at.first, (blasint)at.n);
    add_product(false, rows, at.n - at.end, at.height, -1, x + at.first, at.n, panel + at.height, width, x + at.end, at.n);
}

/* x R^T = y, one panel's columns, those behind it done. */
static void backward_block(place at, const double *panel, int64_t rows, double *x) {
    const int64_t width = at.n - at.first;
    add_product(true, rows, at.height, at.n - at.end, -1, x + at.end, at.n, panel + at.height, width, x + at.first, at.n);
    cblas_dtrsm(CblasRowMajor, CblasRight, CblasUpper, CblasTrans, CblasNonUnit, (blasint)rows, (blasint)at.height, 1, panel,
                (blasint)width, x + at.first, (blasint)at.n);
}

uwc_status uwc_spread_solve(const uwc_spread *spread, int64_t rows, double *x) {
    const int64_t panels = uwc_spread_panels(spread);
    double *panel;
    uwc_status st = UWC_OK;
    UWC_TRY(uwc_linalg__panel_buffer(spread, &panel));
    uwc_linalg__one_thread();
    for (int64_t step = 0; step < 2 * panels && st == UWC_OK; step++) {
        const bool forward = step < panels;
        const int64_t k = forward ? step : 2 * panels - 1 - step;
        const place at = place_of(spread, k);
        st = uwc_linalg__fetch(spread, k, at.first, at.n, panel);
#pragma omp parallel for schedule(dynamic, 1)
        for (int64_t r = 0; r < rows; r += UWC_SIDE_BLOCK) {
            (forward ? forward_block : backward_block)(at, panel, smaller(UWC_SIDE_BLOCK, rows - r), x + r * at.n);
        }
    }
    uwc_free(&panel);
    return st;
}
