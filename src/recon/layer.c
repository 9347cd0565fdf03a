/* One layer from its statistics: retarget, eliminate the bias, round, refit (docs/method.md, steps 3 to 6). */
#include "recon_impl.h"

#include <math.h>
#include <string.h>

enum { REFITS = 6 };

/* Scales tried beside the one of the range search, as multiples of it: the search does not know the metric's off-diagonal part. */
static const double scale_factor[] = {1.0, 0.8, 0.86, 0.93, 1.07, 1.15};

/* W* = W0 + (Y - W0 A) (A + ridge)^-1 into `w` [rows, n+1]; `a` [n+1,n+1] becomes A + ridge. */
static uwc_status retarget(const uwc_layer_statistics *s, double damp, double *a, double *w) {
    const int64_t n = s->n, order = n + 1;
    double mean = 0, *factor;
    memcpy(a, s->A, (size_t)(order * order) * sizeof *a);
    for (int64_t i = 0; i < n; i++) {
        mean += s->A[i * order + i] / (double)n;
    }
    for (int64_t i = 0; i < n; i++) {
        a[i * order + i] += fmax(damp * mean, 1e-8); /* a dead input stays solvable */
    }
    UWC_TRY(uwc_calloc(order * order, sizeof *factor, &factor));
    memcpy(factor, a, (size_t)(order * order) * sizeof *a);
    memcpy(w, s->Y, (size_t)(s->rows * order) * sizeof *w);
    uwc_dgemm(s->rows, order, order, -1, s->W0, s->A, 1, w);
    uwc_status st = uwc_cholesky(order, factor);
    if (st == UWC_OK) {
        st = uwc_cholesky_solve(order, factor, s->rows, w);
    }
    for (int64_t i = 0; i < s->rows * order && st == UWC_OK; i++) {
        w[i] += s->W0[i];
        if (!isfinite(w[i])) {
            st = uwc_error_set(UWC_E_MATH, "row %lld of the weights is not finite", (long long)(i / order));
        }
    }
    uwc_free(&factor);
    return st;
}

typedef struct shared {
    double *G, *U, *diagonal;
    int *order;
} shared;

static void free_shared(shared *m) {
    uwc_free(&m->G);
    uwc_free(&m->U);
    uwc_free(&m->diagonal);
    uwc_free(&m->order);
}

/* Columns by falling diagonal, ties by index: insertion into a sorted list would be quadratic, so merge. */
static void sort_columns(const double *key, int64_t n, int *order, int *spare) {
    for (int64_t i = 0; i < n; i++) {
        order[i] = (int)i;
    }
    for (int64_t width = 1; width < n; width *= 2) {
        for (int64_t left = 0; left < n; left += 2 * width) {
            int64_t middle = left + width < n ? left + width : n, right = left + 2 * width < n ? left + 2 * width : n;
            int64_t a = left, b = middle;
            for (int64_t k = left; k < right; k++) {
                bool first = a < middle && (b >= right || key[order[a]] >= key[order[b]]);
                spare[k] = order[first ? a++ : b++];
            }
        }
        memcpy(order, spare, (size_t)n * sizeof *order);
    }
}

/* U upper with inverse(G[order][order]) = U^T U: with M the Cholesky factor of G in the reverse order, U is M^-1 turned by 180 degrees. */
static uwc_status factor_metric(int64_t n, shared *m) {
    double *reversed;
    UWC_TRY(uwc_calloc(n * n, sizeof *reversed, &reversed));
    for (int64_t i = 0; i < n; i++) {
        for (int64_t j = 0; j < n; j++) {
            reversed[i * n + j] = m->G[(int64_t)m->order[n - 1 - i] * n + m->order[n - 1 - j]];
        }
    }
    uwc_status st = uwc_cholesky(n, reversed);
    if (st == UWC_OK) {
        st = uwc_triangle_invert(n, reversed);
    }
    for (int64_t i = 0; i < n; i++) {
        for (int64_t j = i; j < n; j++) {
            m->U[i * n + j] = reversed[(n - 1 - i) * n + (n - 1 - j)];
        }
    }
    uwc_free(&reversed);
    return st;
}

/* G = A + ridge without the mean part, from `a` [n+1,n+1] as left by retarget. */
static uwc_status make_metric(int64_t n, const double *a, shared *m) {
    const int64_t order = n + 1;
    int *spare = NULL;
    uwc_status st;
    UWC_TRY_GOTO(st, uwc_calloc(n * n, sizeof *m->G, &m->G), done);
    UWC_TRY_GOTO(st, uwc_calloc(n * n, sizeof *m->U, &m->U), done);
    UWC_TRY_GOTO(st, uwc_calloc(n, sizeof *m->diagonal, &m->diagonal), done);
    UWC_TRY_GOTO(st, uwc_calloc(n, sizeof *m->order, &m->order), done);
    UWC_TRY_GOTO(st, uwc_calloc(n, sizeof *spare, &spare), done);
    for (int64_t i = 0; i < n; i++) {
        for (int64_t j = 0; j < n; j++) {
            m->G[i * n + j] = a[i * order + j] - a[i * order + n] * a[j * order + n];
        }
        m->diagonal[i] = m->G[i * n + i];
    }
    sort_columns(m->diagonal, n, m->order, spare);
    st = factor_metric(n, m);
done:
    uwc_free(&spare);
    return st;
}

typedef struct rows_job {
    const uwc_metric *metric;
    const double *diagonal;
    const double *w; /* [rows, n+1] W* */
    int64_t rows;
    bool asymmetric;
    uwc_weights *out;
    int64_t first; /* row of lane 0 */
} rows_job;

static void load_lanes(const rows_job *job, const double *row, uwc_lanes *lanes, double *scale, int *zero) {
    const int64_t n = job->metric->n;
    memset(lanes->target, 0, (size_t)n * UWC_LANES * sizeof(double));
    int lo, hi;
    uwc_weights_range(job->out->bits, &lo, &hi);
    for (int l = 0; l < UWC_LANES; l++) {
        scale[l] = 1;
        zero[l] = 0;
        if (job->first + l < job->rows) {
            const double *w = row + l * (n + 1);
            uwc_recon__search_scale(w, job->diagonal, n, job->out->bits, job->asymmetric, &scale[l], &zero[l]);
            for (int64_t j = 0; j < n; j++) {
                lanes->target[j * UWC_LANES + l] = w[j];
            }
        }
        lanes->least[l] = lo - zero[l];
        lanes->most[l] = hi - zero[l];
        lanes->kept_loss[l] = INFINITY;
    }
}

static void store_lanes(const rows_job *job, const uwc_lanes *lanes, const int *zero) {
    const int64_t n = job->metric->n;
    for (int l = 0; l < UWC_LANES && job->first + l < job->rows; l++) {
        int64_t row = job->first + l;
        job->out->scale[row] = (float)lanes->kept_scale[l];
        job->out->zero[row] = zero[l];
        for (int64_t j = 0; j < n; j++) {
            job->out->q[row * n + j] = (int8_t)(lanes->kept[j * UWC_LANES + l] + zero[l]);
        }
    }
}

/* Rounds UWC_LANES rows: every start scale once, then the refits from the best. */
static void solve_rows(const rows_job *job, uwc_lanes *lanes) {
    double scale[UWC_LANES];
    int zero[UWC_LANES];
    load_lanes(job, job->w + job->first * (job->metric->n + 1), lanes, scale, zero);
    uwc_recon__pull(job->metric, lanes);
    for (size_t k = 0; k < sizeof scale_factor / sizeof scale_factor[0]; k++) {
        for (int l = 0; l < UWC_LANES; l++) {
            lanes->scale[l] = (double)(float)(scale[l] * scale_factor[k]);
        }
        uwc_recon__round(job->metric, lanes);
        uwc_recon__descend(job->metric, lanes);
        uwc_recon__keep(job->metric, lanes);
    }
    memcpy(lanes->scale, lanes->kept_scale, sizeof lanes->scale);
    memcpy(lanes->level, lanes->kept, (size_t)job->metric->n * UWC_LANES * sizeof(double));
    uwc_recon__descend(job->metric, lanes);
    for (int k = 0; k < REFITS; k++) {
        uwc_recon__refit(job->metric, lanes);
        uwc_recon__descend(job->metric, lanes);
        uwc_recon__keep(job->metric, lanes);
    }
    store_lanes(job, lanes, zero);
}

static uwc_status make_lanes(int64_t n, int64_t blocks, uwc_lanes **lanes, double **memory) {
    enum { ARRAYS = 6 };
    *memory = NULL;
    UWC_TRY(uwc_calloc(blocks, sizeof **lanes, lanes));
    UWC_TRY(uwc_calloc(blocks * ARRAYS * n * UWC_LANES, sizeof **memory, memory));
    double *at = *memory;
    for (int64_t b = 0; b < blocks; b++) {
        double **array[ARRAYS] = {&(*lanes)[b].target, &(*lanes)[b].pull, &(*lanes)[b].level,
                                  &(*lanes)[b].slope,  &(*lanes)[b].work, &(*lanes)[b].kept};
        for (int k = 0; k < ARRAYS; k++, at += n * UWC_LANES) {
            *array[k] = at;
        }
    }
    return UWC_OK;
}

static uwc_status round_rows(const uwc_metric *metric, const double *diagonal, const double *w, bool asymmetric, uwc_weights *out) {
    const int64_t blocks = (out->rows + UWC_LANES - 1) / UWC_LANES;
    uwc_lanes *lanes = NULL;
    double *memory = NULL;
    uwc_status st = make_lanes(metric->n, blocks, &lanes, &memory);
    if (st == UWC_OK) {
#pragma omp parallel for schedule(dynamic, 1)
        for (int64_t b = 0; b < blocks; b++) {
            rows_job job = {metric, diagonal, w, out->rows, asymmetric, out, b * UWC_LANES};
            solve_rows(&job, &lanes[b]);
        }
    }
    uwc_free(&lanes);
    uwc_free(&memory);
    return st;
}

/* b = b* + (w* - q) m, with the scales as they are stored. */
static void solve_bias(const uwc_weights *q, const double *w, const double *a, double *bias) {
    const int64_t n = q->cols, order = n + 1;
    for (int64_t r = 0; r < q->rows; r++) {
        bias[r] = w[r * order + n];
        for (int64_t j = 0; j < n; j++) {
            double value = (double)(q->scale[r] * (float)(q->q[r * n + j] - q->zero[r]));
            bias[r] += (w[r * order + j] - value) * a[j * order + n];
        }
    }
}

uwc_status uwc_recon_layer(const uwc_layer_statistics *s, bool asymmetric, double damp, uwc_weights *weights, double *bias) {
    UWC_CHECK(weights->rows == s->rows && weights->cols == s->n, UWC_E_SHAPE, "weights of %lld x %lld for statistics of %lld x %lld",
              (long long)weights->rows, (long long)weights->cols, (long long)s->rows, (long long)s->n);
    const int64_t order = s->n + 1;
    double *a = NULL, *w = NULL;
    shared m = {0};
    uwc_status st;
    UWC_TRY_GOTO(st, uwc_calloc(order * order, sizeof *a, &a), done);
    UWC_TRY_GOTO(st, uwc_calloc(s->rows * order, sizeof *w, &w), done);
    UWC_TRY_GOTO(st, retarget(s, damp, a, w), done);
    UWC_TRY_GOTO(st, make_metric(s->n, a, &m), done);
    uwc_metric metric = {.n = s->n, .G = m.G, .U = m.U, .order = m.order};
    UWC_TRY_GOTO(st, round_rows(&metric, m.diagonal, w, asymmetric, weights), done);
    solve_bias(weights, w, a, bias);
done:
    free_shared(&m);
    uwc_free(&a);
    uwc_free(&w);
    return st;
}
