/* The least-squares solution near the original weights, and the ridge that keeps it near: docs/method.md, step 3. */
#include "recon_impl.h"

#include <math.h>
#include <string.h>

double uwc_recon__ridge(const double *A, int64_t n, double part) {
    double mean = 0;
    for (int64_t i = 0; i < n; i++) {
        mean += A[i * (n + 1) + i] / (double)n;
    }
    return fmax(part * mean, 1e-8); /* a dead input stays solvable */
}

/* w [rows, n+1] = W0 + w (A + ridge)^-1; `factor` [n+1, n+1] is working memory. */
static uwc_status add_solution(const uwc_layer_statistics *s, double part, double *factor, double *w) {
    const int64_t n = s->n, order = n + 1;
    const double ridge = uwc_recon__ridge(s->A, n, part);
    memcpy(factor, s->A, (size_t)(order * order) * sizeof *factor);
    for (int64_t i = 0; i < n; i++) {
        factor[i * order + i] += ridge;
    }
    UWC_TRY(uwc_cholesky(order, factor));
    UWC_TRY(uwc_cholesky_solve(order, factor, s->rows, w));
    for (int64_t i = 0; i < s->rows * order; i++) {
        w[i] += s->W0[i];
        UWC_CHECK(isfinite(w[i]), UWC_E_MATH, "row %lld of the weights is not finite", (long long)(i / order));
    }
    return UWC_OK;
}

/* w = Y - W0 A. */
static void residual(const uwc_layer_statistics *s, double *w) {
    const int64_t order = s->n + 1;
    memcpy(w, s->Y, (size_t)(s->rows * order) * sizeof *w);
    uwc_dgemm(s->rows, order, order, -1, s->W0, s->A, 1, w);
}

uwc_status uwc_recon__retarget(const uwc_layer_statistics *s, double part, double *w) {
    double *factor;
    UWC_TRY(uwc_calloc((s->n + 1) * (s->n + 1), sizeof *factor, &factor));
    residual(s, w);
    uwc_status st = add_solution(s, part, factor, w);
    uwc_free(&factor);
    return st;
}

/* Ridges that are tried, rising; the last one all but keeps the weights. */
static const double candidate[] = {0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10, 100};

/* One group with a fold held out: means over the others, and sums over the fold itself. */
typedef struct holdout {
    int64_t n, rows, step; /* every step-th row of the layer is looked at */
    double *A, *Y, *W0;    /* [n+1,n+1], [rows,n+1]: of the training folds; Y and W0 of the rows that are looked at */
    const double *held_A;  /* of the fold, borrowed from it */
    double *held_Y;
    double *residual;             /* Y - W0 A */
    double *factor, *w, *product; /* working memory */
} holdout;

static void close_holdout(holdout *h) {
    uwc_free(&h->A);
    uwc_free(&h->Y);
    uwc_free(&h->W0);
    uwc_free(&h->held_Y);
    uwc_free(&h->residual);
    uwc_free(&h->factor);
    uwc_free(&h->w);
    uwc_free(&h->product);
}

/* How many rows are looked at, every step-th. */
static int64_t choose_rows(int64_t rows, int64_t *step) {
    enum { MOST_ROWS = 64 };
    *step = (rows + MOST_ROWS - 1) / MOST_ROWS;
    return (rows + *step - 1) / *step;
}

int64_t uwc_recon__choose_ridge_bytes(int64_t rows, int64_t n) {
    int64_t step, order = n + 1;
    return (int64_t)sizeof(double) *
           (2 * order * order + 6 * choose_rows(rows, &step) * order); /* A, its factor; Y twice, W0, Y - W0 A, w, w A */
}

static uwc_status open_holdout(const uwc_statistics *s, holdout *h) {
    int64_t step, order = s->cols + 1, rows = choose_rows(s->rows, &step);
    *h = (holdout){.n = s->cols, .rows = rows, .step = step};
    UWC_TRY(uwc_calloc(order * order, sizeof(double), &h->A));
    UWC_TRY(uwc_calloc(order * order, sizeof(double), &h->factor));
    UWC_TRY(uwc_calloc(rows * order, sizeof(double), &h->Y));
    UWC_TRY(uwc_calloc(rows * order, sizeof(double), &h->residual));
    UWC_TRY(uwc_calloc(rows * order, sizeof(double), &h->held_Y));
    UWC_TRY(uwc_calloc(rows * order, sizeof(double), &h->W0));
    UWC_TRY(uwc_calloc(rows * order, sizeof(double), &h->w));
    return uwc_calloc(rows * order, sizeof(double), &h->product);
}

static void fill_lower(uwc_statistics *s) {
    const int64_t order = s->cols + 1;
    for (int64_t group = 0; group < s->groups; group++) {
        double *A = s->A + group * order * order;
        for (int64_t i = 0; i < order; i++) {
            for (int64_t j = i + 1; j < order; j++) {
                A[j * order + i] = A[i * order + j];
            }
        }
    }
}

/* Adds what `s` holds of a group, times `factor`, of the rows that are looked at. */
static void add_cross(const uwc_statistics *s, int64_t group, double factor, const holdout *h, double *Y) {
    const int64_t order = h->n + 1;
    const double *cross = s->Y + group * order * s->rows;
    for (int64_t i = 0; i < order; i++) {
        for (int64_t r = 0; r < h->rows; r++) {
            Y[r * order + i] += factor * cross[i * s->rows + r * h->step];
        }
    }
}

static void add_square(const uwc_statistics *s, int64_t group, double factor, const holdout *h) {
    const int64_t squares = (h->n + 1) * (h->n + 1);
    const double *from = s->A + group * squares;
    for (int64_t i = 0; i < squares; i++) {
        h->A[i] += factor * from[i];
    }
}

/* Positions in the other folds than `held`. */
static int64_t training_count(uwc_statistics *const *folds, int held) {
    int64_t count = 0;
    for (int k = 0; k < UWC_FOLDS; k++) {
        count += k == held ? 0 : folds[k]->count;
    }
    return count;
}

static void load_holdout(uwc_statistics *const *folds, int64_t group, int held, const double *w0, holdout *h) {
    const int64_t order = h->n + 1;
    const double share = 1 / (double)training_count(folds, held);
    memset(h->A, 0, (size_t)(order * order) * sizeof(double));
    memset(h->Y, 0, (size_t)(h->rows * order) * sizeof(double));
    memset(h->held_Y, 0, (size_t)(h->rows * order) * sizeof(double));
    for (int k = 0; k < UWC_FOLDS; k++) {
        add_cross(folds[k], group, k == held ? 1 : share, h, k == held ? h->held_Y : h->Y);
        if (k != held) {
            add_square(folds[k], group, share, h);
        }
    }
    h->held_A = folds[held]->A + group * order * order;
    for (int64_t r = 0; r < h->rows; r++) {
        memcpy(h->W0 + r * order, w0 + (group * folds[0]->rows + r * h->step) * order, (size_t)order * sizeof(double));
    }
}

/* Sum over the fold of (w p - y)^2, less the part that does not depend on w. */
static double held_error(const holdout *h, const double *w) {
    const int64_t order = h->n + 1;
    double error = 0;
    uwc_dgemm(h->rows, order, order, 1, w, h->held_A, 0, h->product);
    for (int64_t i = 0; i < h->rows * order; i++) {
        error += w[i] * (h->product[i] - 2 * h->held_Y[i]);
    }
    return error;
}

enum { CANDIDATES = sizeof candidate / sizeof candidate[0] };
enum { USUAL = 5 }; /* so many are looked at, on average over the layers of ResNet-20 and MobileNetV2 */

double uwc_recon__choose_ridge_work(int64_t rows, int64_t n) {
    int64_t step;
    const double order = (double)n + 1, seen = (double)choose_rows(rows, &step);
    return UWC_FOLDS * (USUAL * (order * order * order / 3 + 2 * seen * order * order) + seen * order * order);
}

/* Where candidates are compared. */
typedef struct contest {
    const uwc_stream *stream;
    uwc_statistics *const *folds;
    const double *w0;
    holdout hold;
    double error[CANDIDATES];
} contest;

/* Adds to the errors of candidates [from, to). */
static uwc_status add_errors(contest *own, int64_t group, int held, int from, int to, double *error) {
    holdout *h = &own->hold;
    load_holdout(own->folds, group, held, own->w0, h);
    uwc_layer_statistics s = {.rows = h->rows, .n = h->n, .A = h->A, .Y = h->Y, .W0 = h->W0};
    residual(&s, h->residual);
    for (int c = from; c < to; c++) {
        memcpy(h->w, h->residual, (size_t)(h->rows * (h->n + 1)) * sizeof *h->w);
        UWC_TRY(add_solution(&s, candidate[c], h->factor, h->w));
        error[c] += held_error(h, h->w);
    }
    return UWC_OK;
}

/* Few images do not fill every fold. */
static bool is_held(uwc_statistics *const *folds, int fold) {
    return folds[fold]->count > 0 && training_count(folds, fold) > 0;
}

/* The errors of candidates [from, to), summed over the folds. Folds fall to the members of a team by turns. */
static uwc_status measure(contest *own, int from, int to) {
    const int members = own->stream->members > 1 ? own->stream->members : 1;
    double error[UWC_FOLDS][CANDIDATES] = {{0}};
    for (int held = own->stream->member % members; held < UWC_FOLDS; held += members) {
        for (int64_t group = 0; is_held(own->folds, held) && group < own->folds[0]->groups; group++) {
            UWC_TRY(add_errors(own, group, held, from, to, error[held]));
        }
    }
    UWC_TRY(uwc_recon__combine(own->stream, error[0], UWC_FOLDS * CANDIDATES));
    for (int c = from; c < to; c++) {
        own->error[c] = 0;
        for (int held = 0; held < UWC_FOLDS; held++) {
            own->error[c] += error[held][c];
        }
    }
    return UWC_OK;
}

static int best_of(const contest *own, int from, int to) {
    int best = from;
    for (int c = from + 1; c < to; c++) {
        best = own->error[c] < own->error[best] ? c : best;
    }
    return best;
}

/* From three candidates in the middle on, downhill: errors fall towards the best one and rise behind it. */
static uwc_status search(contest *own, int *best) {
    int from = 2, to = 5;
    UWC_TRY(measure(own, from, to));
    for (*best = best_of(own, from, to); (*best == from && from > 0) || (*best == to - 1 && to < CANDIDATES);
         *best = best_of(own, from, to)) {
        const int next = *best == from && from > 0 ? --from : to++;
        UWC_TRY(measure(own, next, next + 1));
    }
    return UWC_OK;
}

uwc_status uwc_recon__choose_ridge(const uwc_stream *stream, uwc_statistics *const *folds, const double *w0, double *ridge) {
    contest own = {.stream = stream, .folds = folds, .w0 = w0};
    int best = 1; /* where nothing can be held out */
    bool any = false;
    for (int k = 0; k < UWC_FOLDS; k++) {
        fill_lower(folds[k]);
        any = any || is_held(folds, k);
    }
    uwc_status st = any ? open_holdout(folds[0], &own.hold) : UWC_OK;
    if (st == UWC_OK && any) {
        st = search(&own, &best);
    }
    *ridge = candidate[best];
    close_holdout(&own.hold);
    return st;
}
