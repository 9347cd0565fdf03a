/* linalg: dense symmetric algebra behind plain functions; LAPACK, BLAS and ScaLAPACK live only in src/linalg. Floor 2; uses base, par.
 * Matrices are row-major double, [n,n] with leading dimension n. Every call of BLAS or LAPACK runs on one thread and has a shape that
 * follows from the problem alone, so that results depend neither on the threads nor on the members of a team.
 */
#ifndef UWC_LINALG_H
#define UWC_LINALG_H

#include <uwc/par.h>

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

/* ---- symmetric matrices spread over a team ------------------------------------------------------------------------------------------ */

/* The members of a team, in their order. */
typedef struct uwc_grid uwc_grid;
/* `team` is borrowed and outlives the grid. Local. */
uwc_status uwc_grid_create(uwc_team *team, uwc_grid **out) UWC_MUST_USE;
/* This process alone, which needs no MPI; `poll` (may be NULL) as in uwc_team_watch. Local. */
uwc_status uwc_grid_create_alone(uwc_status (*poll)(void *self), void *self, uwc_grid **out) UWC_MUST_USE;
void uwc_grid_destroy(uwc_grid **grid);
int uwc_grid_member(const uwc_grid *grid);
int uwc_grid_members(const uwc_grid *grid);
/* As uwc_team_poll, uwc_team_agree, uwc_team_max and uwc_team_broadcast. All collective functions below call it for every panel, so that a
 * long one can be ended, alone too. Collective but for the first. */
uwc_status uwc_grid_poll(const uwc_grid *grid) UWC_MUST_USE;
uwc_status uwc_grid_agree(const uwc_grid *grid, uwc_status mine) UWC_MUST_USE;
uwc_status uwc_grid_max(const uwc_grid *grid, int64_t mine, int64_t *out) UWC_MUST_USE;
uwc_status uwc_grid_broadcast(const uwc_grid *grid, int root, void *data, size_t bytes) UWC_MUST_USE;

/* Rows of a matrix that lie together, and rows of right-hand sides that are worked on together: parts of the definition of results. */
enum { UWC_PANEL = 128, UWC_SIDE_BLOCK = 64 };

/* A square [n,n] in panels of UWC_PANEL rows, dealt out in turn (ScaLAPACK's block-cyclic columns on a grid of one row: its columns are our
 * rows). One array serves two matrices: a symmetric one, A, in the entries [i,k] with k < i (its diagonal the caller keeps), and a
 * triangle in the others. */
typedef struct uwc_spread uwc_spread;
/* Zeros. Errors: MEMORY, UNSUPPORTED (more on one member than ScaLAPACK can count). Collective. */
uwc_status uwc_spread_create(const uwc_grid *grid, int64_t n, uwc_spread **out) UWC_MUST_USE;
void uwc_spread_destroy(uwc_spread **spread);
/* Bytes of the largest member's part, with what the functions below work with. Local. */
int64_t uwc_spread_bytes(int64_t n, int members);
/* How many panels there are; the first row of one, and how many rows it has; whose it is. Local. */
int64_t uwc_spread_panels(const uwc_spread *spread);
int64_t uwc_spread_first(int64_t panel);
int64_t uwc_spread_height(const uwc_spread *spread, int64_t panel);
int uwc_spread_owner(const uwc_spread *spread, int64_t panel);
/* The rows [height, n] of a panel of this member's, NULL for another's. Local. */
double *uwc_spread_rows(const uwc_spread *spread, int64_t panel);
/* out -= x A for this member's rows x [rows, n] (any number, 0 too) and out [rows, n]; `diagonal` [n] of A. Collective. */
uwc_status uwc_spread_subtract(const uwc_spread *spread, const double *diagonal, int64_t rows, const double *x, double *out) UWC_MUST_USE;
/* The triangle becomes that of scale A - mean mean^T, with `diagonal` in place of its own; mean [n]. Collective. */
uwc_status uwc_spread_lift(const uwc_spread *spread, double scale, const double *mean, const double *diagonal) UWC_MUST_USE;
/* In place: the triangle of a symmetric M becomes R with M = R^T R. Errors: MATH (not positive definite). Collective. */
uwc_status uwc_spread_factor(const uwc_spread *spread) UWC_MUST_USE;
/* The same by ScaLAPACK's p?potrf, whose last digits depend on the members' number, in a communicator of MPI: a member that dies in it
 * leaves the others waiting for ever, whatever poll says. Errors: as above; STATE (MPI is not started). Collective. */
uwc_status uwc_spread_factor_scalapack(const uwc_spread *spread) UWC_MUST_USE;
/* In place: each row x of this member's [rows, n] becomes x (R^T R)^-1. Collective. */
uwc_status uwc_spread_solve(const uwc_spread *spread, int64_t rows, double *x) UWC_MUST_USE;

#ifdef __cplusplus
}
#endif
#endif
