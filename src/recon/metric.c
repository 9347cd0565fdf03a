/* The metric of a layer's rounding: G without its mean part, in the order of rounding, and the factor of its inverse. */
#include "recon_impl.h"

#include <string.h>

void uwc_recon__metric_clear(uwc_metric *m) {
    uwc_free(&m->G);
    uwc_free(&m->U);
    uwc_free(&m->diagonal);
    uwc_free(&m->order);
}

/* Insertion into a sorted list would be quadratic, so merge. */
void uwc_recon__sort_columns(const double *key, int64_t n, int *order, int *spare) {
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

/* U upper with inverse(G) = U^T U: with M the Cholesky factor of G in the reverse order, U is M^-1 turned by 180 degrees. `reversed` holds
 * G in the reverse order. */
static uwc_status factor(int64_t n, double *reversed, float *U) {
    UWC_TRY(uwc_cholesky(n, reversed));
    UWC_TRY(uwc_triangle_invert(n, reversed));
    for (int64_t i = 0; i < n; i++) {
        for (int64_t j = i; j < n; j++) {
            U[i * n + j] = (float)reversed[(n - 1 - i) * n + (n - 1 - j)];
        }
    }
    return UWC_OK;
}

static double centred(const double *A, int64_t n, int64_t i, int64_t j) {
    return A[i * (n + 1) + j] - A[i * (n + 1) + n] * A[j * (n + 1) + n];
}

uwc_status uwc_recon__metric(int64_t n, const double *A, double damp, uwc_metric *m) {
    const double ridge = uwc_recon__ridge(A, n, damp);
    int *spare = NULL;
    double *reversed = NULL;
    uwc_status st;
    *m = (uwc_metric){.n = n};
    UWC_TRY_GOTO(st, uwc_calloc(n * n, sizeof *m->G, &m->G), done);
    UWC_TRY_GOTO(st, uwc_calloc(n * n, sizeof *m->U, &m->U), done);
    UWC_TRY_GOTO(st, uwc_calloc(n, sizeof *m->diagonal, &m->diagonal), done);
    UWC_TRY_GOTO(st, uwc_calloc(n, sizeof *m->order, &m->order), done);
    UWC_TRY_GOTO(st, uwc_calloc(n, sizeof *spare, &spare), done);
    UWC_TRY_GOTO(st, uwc_calloc(n * n, sizeof *reversed, &reversed), done);
    for (int64_t i = 0; i < n; i++) {
        m->diagonal[i] = centred(A, n, i, i) + ridge;
    }
    uwc_recon__sort_columns(m->diagonal, n, m->order, spare);
    for (int64_t i = 0; i < n; i++) {
        for (int64_t j = 0; j < n; j++) {
            double value = i == j ? m->diagonal[m->order[i]] : centred(A, n, m->order[i], m->order[j]);
            m->G[i * n + j] = (float)value;
            reversed[(n - 1 - i) * n + (n - 1 - j)] = value;
        }
    }
    st = factor(n, reversed, m->U);
done:
    uwc_free(&spare);
    uwc_free(&reversed);
    if (st != UWC_OK) {
        uwc_recon__metric_clear(m);
    }
    return st;
}
