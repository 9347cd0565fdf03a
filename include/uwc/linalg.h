/* linalg: dense symmetric algebra behind plain functions; LAPACK and BLAS headers live only in src/linalg. Floor 2; uses base.
 * Matrices are row-major double, [n,n] with leading dimension n. Runs on one thread, so that results do
 * not depend on how many there are; callers work on several matrices at once instead.
 */
#ifndef UWC_LINALG_H
#define UWC_LINALG_H

#include <uwc/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/* In place: the lower triangle of `a` becomes L with a = L L^T; the upper triangle is left. Errors: MATH (not positive definite). Local. */
uwc_status uwc_cholesky(int64_t n, double *a) UWC_MUST_USE;
/* Solves (L L^T) X^T = B^T in place for B [rows, n]: each row of B becomes the solution. Local. */
uwc_status uwc_cholesky_solve(int64_t n, const double *l, int64_t rows, double *b) UWC_MUST_USE;
/* In place: the lower triangle of `l` becomes that of L^-1; the upper triangle is left. Errors: MATH (zero on the diagonal). Local. */
uwc_status uwc_triangle_invert(int64_t n, double *l) UWC_MUST_USE;
/* c [m,n] = alpha a [m,k] b [k,n] + beta c. Local. */
void uwc_dgemm(int64_t m, int64_t n, int64_t k, double alpha, const double *a, const double *b, double beta, double *c);

#ifdef __cplusplus
}
#endif
#endif
