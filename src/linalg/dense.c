#include "linalg_impl.h"

#include <cblas.h>
#include <lapacke.h>
#include <limits.h>
#include <math.h>

void uwc_linalg__one_thread(void) {
    openblas_set_num_threads(1);
}

static uwc_status enter(int64_t n) {
    UWC_CHECK(n >= 1 && n <= INT_MAX, UWC_E_ARG, "matrix of order %lld", (long long)n);
    uwc_linalg__one_thread();
    return UWC_OK;
}

/* LAPACK is column-major: its upper triangle is our lower one. */
uwc_status uwc_cholesky(int64_t n, double *a) {
    UWC_TRY(enter(n));
    lapack_int info = LAPACKE_dpotrf_work(LAPACK_COL_MAJOR, 'U', (lapack_int)n, a, (lapack_int)n);
    UWC_CHECK(info == 0, UWC_E_MATH, "matrix of order %lld is not positive definite (minor %d)", (long long)n, (int)info);
    for (int64_t i = 0; i < n; i++) { /* OpenBLAS lets NaN pass; one anywhere in a row reaches its diagonal */
        UWC_CHECK(isfinite(a[i * n + i]), UWC_E_MATH, "matrix of order %lld holds no finite numbers in row %lld", (long long)n,
                  (long long)i);
    }
    return UWC_OK;
}

uwc_status uwc_cholesky_solve(int64_t n, const double *l, int64_t rows, double *b) {
    UWC_TRY(enter(n));
    UWC_CHECK(rows >= 0 && rows <= INT_MAX, UWC_E_ARG, "%lld right-hand sides", (long long)rows);
    lapack_int info = LAPACKE_dpotrs_work(LAPACK_COL_MAJOR, 'U', (lapack_int)n, (lapack_int)rows, l, (lapack_int)n, b, (lapack_int)n);
    UWC_CHECK(info == 0, UWC_E_MATH, "triangular solve of order %lld (%d)", (long long)n, (int)info);
    return UWC_OK;
}

uwc_status uwc_triangle_invert(int64_t n, double *l) {
    UWC_TRY(enter(n));
    lapack_int info = LAPACKE_dtrtri_work(LAPACK_COL_MAJOR, 'U', 'N', (lapack_int)n, l, (lapack_int)n);
    UWC_CHECK(info == 0, UWC_E_MATH, "triangle of order %lld is singular (%d)", (long long)n, (int)info);
    return UWC_OK;
}

void uwc_dgemm(int64_t m, int64_t n, int64_t k, double alpha, const double *a, const double *b, double beta, double *c) {
    uwc_linalg__one_thread();
    cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (blasint)m, (blasint)n, (blasint)k, alpha, a, (blasint)k, b, (blasint)n, beta, c,
                (blasint)n);
}
