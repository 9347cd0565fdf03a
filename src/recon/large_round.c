/* Rounding of a spread layer. The panels of the factor, then those of the metric, go round; every member works on sheets of its own rows,
 * and hands them to all when they are done. */
#include "large.h"

#include <math.h>
#include <string.h>

/* SHEETS: of a member at a time; the panels go round once more for the next ones. Starts and FINE_BITS: see rows.c. */
enum { SHEETS = 4, FINE_BITS = 6, FITS = 2, SWEEPS = 12, ARRAYS = 2 + UWC_SHEET_STARTS };
enum { WORK = UWC_SHEET_STARTS * UWC_PANEL * UWC_SIDE_BLOCK };
static const double first_part = 0.65, last_part = 1.3; /* of the scale */

typedef struct job {
    const uwc_large *large;
    bool asymmetric;
    uwc_weights *weights;
    float *bias;
    double *mean, *diagonal; /* [n], of the metric */
    uwc_sheet *sheet;        /* [most] */
    int most, sheets;        /* at a time, in this round */
    int64_t first;           /* local row of the first sheet */
    float *memory;           /* of the sheets */
    uwc_sheet_panel panel;
    int8_t *ordered; /* [UWC_SIDE_BLOCK, n] levels of a sheet that is done, in the order of patches */
} job;

static int starts_of(const job *j) {
    return j->weights->bits < FINE_BITS ? UWC_SHEET_STARTS : 1;
}

/* ---- panels ------------------------------------------------------------------------------------------------------------------------- */

static void place_panel(job *j, int64_t k) {
    j->panel.n = j->large->n;
    j->panel.first = uwc_spread_first(k);
    j->panel.end = j->panel.first + uwc_spread_height(j->large->sums, k);
}

static uwc_status send_panel(const job *j, int64_t k, int64_t width) {
    const size_t bytes = (size_t)((j->panel.end - j->panel.first) * width) * sizeof(float);
    return uwc_grid_broadcast(j->large->grid, uwc_spread_owner(j->large->sums, k), j->panel.data, bytes);
}

static uwc_status factor_panel(job *j, int64_t k) {
    place_panel(j, k);
    const uwc_sheet_panel *p = &j->panel;
    const int64_t width = p->n - p->first;
    const double *rows = uwc_spread_rows(j->large->sums, k);
    for (int64_t i = 0; rows != NULL && i < p->end - p->first; i++) {
        for (int64_t c = i; c < width; c++) {
            p->data[i * width + c] = (float)rows[i * p->n + p->first + c];
        }
    }
    return send_panel(j, k, width);
}

static uwc_status metric_panel(job *j, int64_t k) {
    place_panel(j, k);
    const uwc_sheet_panel *p = &j->panel;
    const int64_t height = p->end - p->first;
    const double *rows = uwc_spread_rows(j->large->sums, k), part = 1 / (double)j->large->count;
    for (int64_t i = 0; rows != NULL && i < height; i++) {
        for (int64_t c = 0; c < p->first + i; c++) {
            p->data[i * p->end + c] = (float)(rows[i * p->n + c] * part - j->mean[p->first + i] * j->mean[c]);
        }
    }
    UWC_TRY(send_panel(j, k, p->end));
    for (int64_t i = 0; i < height; i++) {
        p->corner[i * height + i] = (float)j->diagonal[p->first + i];
        for (int64_t c = 0; c < i; c++) {
            p->corner[i * height + c] = p->corner[c * height + i] = p->data[i * p->end + p->first + c];
        }
    }
    return UWC_OK;
}

/* ---- sheets ------------------------------------------------------------------------------------------------------------------------- */

static void start_scales(const job *j, uwc_sheet *sheet, int64_t lane, double middle) {
    const int starts = starts_of(j);
    for (int s = 0; s < starts; s++) {
        const double part = starts == 1 ? 1 : first_part + (last_part - first_part) * s / (starts - 1);
        sheet->scale[s][lane] = uwc_scale_shorten(j->weights->bits, (float)(middle * part));
    }
}

static void load_lane(const job *j, uwc_sheet *sheet, int64_t first, int64_t lane) {
    const int64_t n = j->large->n;
    const bool wanted = lane < sheet->count;
    const double *w = wanted ? j->large->own.w + (first + lane) * n : NULL;
    double scale = 1;
    int lo, hi;
    uwc_weights_range(j->weights->bits, &lo, &hi);
    sheet->zero[lane] = 0;
    if (wanted) {
        uwc_recon__search_scale(w, j->diagonal, n, j->weights->bits, j->asymmetric, &scale, &sheet->zero[lane]);
    }
    for (int64_t k = 0; k < n; k++) {
        sheet->target[k * UWC_SIDE_BLOCK + lane] = wanted ? (float)w[k] : 0;
    }
    sheet->least[lane] = (float)(lo - sheet->zero[lane]);
    sheet->most[lane] = (float)(hi - sheet->zero[lane]);
    start_scales(j, sheet, lane, scale);
}

static void load_sheets(job *j, int64_t first) {
    const uwc_sides *own = &j->large->own;
    j->first = first;
    for (j->sheets = 0; j->sheets < j->most && first + (int64_t)j->sheets * UWC_SIDE_BLOCK < own->count; j->sheets++) {
        uwc_sheet *sheet = &j->sheet[j->sheets];
        const int64_t at = first + (int64_t)j->sheets * UWC_SIDE_BLOCK;
        sheet->count = own->count - at < UWC_SIDE_BLOCK ? own->count - at : UWC_SIDE_BLOCK;
        memset(sheet->loss, 0, sizeof sheet->loss);
#pragma omp parallel for schedule(dynamic, 1)
        for (int64_t lane = 0; lane < UWC_SIDE_BLOCK; lane++) {
            load_lane(j, sheet, at, lane);
        }
    }
}

/* After a pass over the panels; before its end nobody leaves. */
static uwc_status agree(const job *j, int64_t failed) {
    const uwc_status mine = failed == 0 ? UWC_OK : uwc_error_set(UWC_E_LIBRARY, "matrix product of %lld columns", (long long)j->large->n);
    return uwc_grid_agree(j->large->grid, mine);
}

/* All starts of all sheets at once through the panels of the factor, from the last one on. */
static uwc_status round_starts(job *j) {
    const int starts = starts_of(j);
    int64_t failed = 0;
    for (int64_t k = uwc_spread_panels(j->large->sums) - 1; k >= 0; k--) {
        UWC_TRY(factor_panel(j, k));
#pragma omp parallel for schedule(dynamic, 1) reduction(+ : failed)
        for (int t = 0; t < j->sheets * starts; t++) {
            failed += uwc_recon__sheet_round(&j->sheet[t / starts], t % starts, &j->panel) != UWC_OK;
        }
    }
    return agree(j, failed);
}

static uwc_status search_beam(job *j) {
    int64_t failed = 0;
    for (int s = 0; s < j->sheets; s++) {
        uwc_recon__sheet_choose(&j->sheet[s], starts_of(j));
        uwc_recon__sheet_beam_begin(&j->sheet[s]);
    }
    for (int64_t k = uwc_spread_panels(j->large->sums) - 1; k >= 0; k--) {
        UWC_TRY(factor_panel(j, k));
#pragma omp parallel for schedule(dynamic, 1) reduction(+ : failed)
        for (int s = 0; s < j->sheets; s++) {
            failed += uwc_recon__sheet_beam(&j->sheet[s], &j->panel) != UWC_OK;
        }
    }
    return agree(j, failed);
}

static uwc_status round_sheets(job *j) {
    UWC_TRY(round_starts(j));
    if (starts_of(j) > 1) {
        UWC_TRY(search_beam(j));
    }
    for (int s = 0; s < j->sheets; s++) {
        uwc_recon__sheet_take(&j->sheet[s]);
    }
    return UWC_OK;
}

/* All sheets through all panels of the metric. */
static uwc_status pass_metric(job *j, uwc_status (*work)(uwc_sheet *sheet, const uwc_sheet_panel *panel)) {
    int64_t failed = 0;
    for (int64_t k = 0; k < uwc_spread_panels(j->large->sums); k++) {
        UWC_TRY(metric_panel(j, k));
#pragma omp parallel for schedule(dynamic, 1) reduction(+ : failed)
        for (int s = 0; s < j->sheets; s++) {
            failed += work(&j->sheet[s], &j->panel) != UWC_OK;
        }
    }
    return agree(j, failed);
}

static uwc_status fit_sheets(job *j) {
    for (int s = 0; s < j->sheets; s++) {
        uwc_recon__sheet_fit_begin(&j->sheet[s]);
    }
    UWC_TRY(pass_metric(j, uwc_recon__sheet_fit));
    for (int s = 0; s < j->sheets; s++) {
        uwc_recon__sheet_fit_end(&j->sheet[s], j->weights->bits);
    }
    return UWC_OK;
}

/* A sheet where nothing moves stays as it is in further sweeps, so it does not matter that all sweep as often as the one that needs most.
 */
static uwc_status descend_sheets(job *j) {
    int64_t moved = 1;
    for (int sweep = 0; sweep < SWEEPS && moved > 0; sweep++) {
        int64_t mine = 0;
        for (int s = 0; s < j->sheets; s++) {
            j->sheet[s].moved = false;
        }
        UWC_TRY(pass_metric(j, uwc_recon__sheet_sweep));
        for (int s = 0; s < j->sheets; s++) {
            mine += j->sheet[s].moved;
        }
        UWC_TRY(uwc_grid_max(j->large->grid, mine, &moved));
    }
    return UWC_OK;
}

/* ---- results ------------------------------------------------------------------------------------------------------------------------ */

/* b = t / N - q m. */
static float bias_of(const job *j, const uwc_sheet *sheet, int64_t lane, int64_t row) {
    const uwc_large *l = j->large;
    double bias = l->target[row] / (double)l->count;
    for (int64_t k = 0; k < l->n; k++) {
        bias -= (double)(sheet->scale[0][lane] * sheet->level[k * UWC_SIDE_BLOCK + lane]) * j->mean[k];
    }
    return (float)bias;
}

static uwc_status store_sheet(const job *j, const uwc_sheet *sheet, int64_t row) {
    const uwc_large *l = j->large;
    for (int64_t lane = 0; lane < sheet->count; lane++) {
        UWC_CHECK(isfinite(sheet->loss[0][lane]) && isfinite(sheet->norm[lane]), UWC_E_MATH, "row %lld is too large for single precision",
                  (long long)(row + lane));
        j->weights->scale[row + lane] = sheet->scale[0][lane];
        j->weights->zero[row + lane] = sheet->zero[lane];
        j->bias[row + lane] = bias_of(j, sheet, lane, row + lane);
        for (int64_t k = 0; k < l->n; k++) {
            const int level = (int)sheet->level[k * UWC_SIDE_BLOCK + lane] + sheet->zero[lane];
            j->ordered[lane * l->n + l->column[k]] = (int8_t)level;
        }
    }
    uwc_geometry part = l->geometry;
    part.rows = sheet->count;
    uwc_recon__from_patch_order(&part, j->ordered, j->weights->q + row * l->n);
    return UWC_OK;
}

/* Rows [row, row + count), from the member that has them to all. */
static uwc_status share_rows(const job *j, int member, int64_t row, int64_t count) {
    const uwc_grid *grid = j->large->grid;
    const uwc_weights *w = j->weights;
    UWC_TRY(uwc_grid_broadcast(grid, member, w->q + row * w->cols, (size_t)(count * w->cols)));
    UWC_TRY(uwc_grid_broadcast(grid, member, w->scale + row, (size_t)count * sizeof *w->scale));
    UWC_TRY(uwc_grid_broadcast(grid, member, w->zero + row, (size_t)count * sizeof *w->zero));
    return uwc_grid_broadcast(grid, member, j->bias + row, (size_t)count * sizeof *j->bias);
}

static uwc_status share_round(const job *j) {
    const uwc_large *l = j->large;
    const int members = uwc_grid_members(l->grid);
    uwc_status st = UWC_OK;
    for (int s = 0; s < j->sheets && st == UWC_OK; s++) {
        st = store_sheet(j, &j->sheet[s], l->own.row[j->first + (int64_t)s * UWC_SIDE_BLOCK]);
    }
    UWC_TRY(uwc_grid_agree(l->grid, st));
    for (int64_t s = 0; s < (int64_t)j->most * members; s++) {
        const int64_t row = j->first * members + s * UWC_SIDE_BLOCK;
        if (row < l->rows) {
            UWC_TRY(share_rows(j, (int)(s % members), row, l->rows - row < UWC_SIDE_BLOCK ? l->rows - row : UWC_SIDE_BLOCK));
        }
    }
    return UWC_OK;
}

/* ---- the whole ------------------------------------------------------------------------------------------------------------------------
 */

/* The same on all members. */
static int sheets_at_once(int64_t rows, int members) {
    const int64_t each = (int64_t)members * UWC_SIDE_BLOCK, sheets = (rows + each - 1) / each;
    return sheets < SHEETS ? (int)sheets : SHEETS;
}

static uwc_status open_job(job *j) {
    const int64_t n = j->large->n, array = n * UWC_SIDE_BLOCK;
    UWC_TRY(uwc_calloc(n, sizeof *j->mean, &j->mean));
    UWC_TRY(uwc_calloc(n, sizeof *j->diagonal, &j->diagonal));
    UWC_TRY(uwc_calloc(j->most, sizeof *j->sheet, &j->sheet));
    UWC_TRY(uwc_calloc(j->most * (ARRAYS * array + WORK), sizeof *j->memory, &j->memory));
    UWC_TRY(uwc_calloc(UWC_PANEL * n, sizeof(float), &j->panel.data));
    UWC_TRY(uwc_calloc(UWC_PANEL * UWC_PANEL, sizeof(float), &j->panel.corner));
    UWC_TRY(uwc_calloc(array, 1, &j->ordered));
    float *at = j->memory;
    for (int s = 0; s < j->most; s++) {
        j->sheet[s].n = n;
        j->sheet[s].target = at;
        j->sheet[s].level = at + array;
        for (int k = 0; k < UWC_SHEET_STARTS; k++) {
            j->sheet[s].start[k] = at + (2 + k) * array;
        }
        j->sheet[s].work = at + ARRAYS * array;
        at += ARRAYS * array + WORK;
    }
    return UWC_OK;
}

static void close_job(job *j) {
    uwc_free(&j->mean);
    uwc_free(&j->diagonal);
    uwc_free(&j->sheet);
    uwc_free(&j->memory);
    uwc_free(&j->panel.data);
    uwc_free(&j->panel.corner);
    uwc_free(&j->ordered);
}

static uwc_status run_round(job *j, int64_t first) {
    load_sheets(j, first);
    UWC_TRY(round_sheets(j));
    for (int k = 0; k < (starts_of(j) == 1 ? 1 : FITS); k++) {
        UWC_TRY(fit_sheets(j));
        UWC_TRY(descend_sheets(j));
    }
    return share_round(j);
}

uwc_status uwc_recon__large_round(const uwc_large *l, bool asymmetric, uwc_weights *weights, float *bias) {
    job j = {.large = l, .asymmetric = asymmetric, .weights = weights, .bias = bias};
    const int members = uwc_grid_members(l->grid);
    j.most = sheets_at_once(l->rows, members);
    const int64_t each = (int64_t)j.most * UWC_SIDE_BLOCK;
    uwc_status st = uwc_grid_agree(l->grid, open_job(&j));
    if (st == UWC_OK) {
        uwc_recon__large_moments(l, l->options->damp, j.mean, j.diagonal);
    }
    for (int64_t first = 0; first * members < l->rows && st == UWC_OK; first += each) { /* all members have as many rounds */
        st = run_round(&j, first);
    }
    close_job(&j);
    return st;
}

int64_t uwc_recon__large_round_bytes(int64_t rows, int64_t n, int members) {
    return ((int64_t)sheets_at_once(rows, members) * ARRAYS * UWC_SIDE_BLOCK + UWC_PANEL) * n * (int64_t)sizeof(float) + UWC_SIDE_BLOCK * n;
}
