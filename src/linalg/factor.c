/* Cholesky factor of a spread matrix. The loop is that of ScaLAPACK's p?potrf on a grid of one row (factor a panel, hand it round, update
 * what lies behind), but every update has one panel's shape, so that no digit depends on who has which panels. ScaLAPACK updates all
 * panels of a member by one product, whose kernels add in another order where its shape is another. */
#include "linalg_impl.h"
#include "scalapack.h"

#include <cblas.h>
#include <lapacke.h>
#include <math.h>

/* Rows of R from the updated panel, in place. To LAPACK, which is column-major, our rows are columns and R is a lower triangle. */
static uwc_status factor_panel(const uwc_spread *spread, int64_t panel) {
    const int64_t n = spread->n, first = uwc_spread_first(panel), height = uwc_spread_height(spread, panel), rest = n - first - height;
    double *corner = uwc_spread_rows(spread, panel) + first;
    lapack_int info = LAPACKE_dpotrf_work(LAPACK_COL_MAJOR, 'L', (lapack_int)height, corner, (lapack_int)n);
    UWC_CHECK(info == 0, UWC_E_MATH, "matrix of order %lld is not positive definite (minor %lld)", (long long)n, (long long)(first + info));
    for (int64_t i = 0; i < height; i++) { /* OpenBLAS lets NaN pass */
        UWC_CHECK(isfinite(corner[i * n + i]), UWC_E_MATH, "matrix of order %lld holds no finite numbers in row %lld", (long long)n,
                  (long long)(first + i));
    }
    if (rest > 0) {
        cblas_dtrsm(CblasColMajor, CblasRight, CblasLower, CblasTrans, CblasNonUnit, (blasint)rest, (blasint)height, 1, corner, (blasint)n,
                    corner + height, (blasint)n);
    }
    return UWC_OK;
}

/* Takes the part of the rows `behind` [height, n - from], columns from `from` on, out of a panel below them. */
static void update_panel(const uwc_spread *spread, int64_t panel, const double *behind, int64_t height, int64_t from) {
    const int64_t n = spread->n, first = uwc_spread_first(panel), own = uwc_spread_height(spread, panel), rest = n - first - own;
    const blasint stride = (blasint)(n - from);
    const double *left = behind + first - from;
    double *corner = uwc_spread_rows(spread, panel) + first;
    cblas_dsyrk(CblasColMajor, CblasLower, CblasNoTrans, (blasint)own, (blasint)height, -1, left, stride, 1, corner, (blasint)n);
    if (rest > 0) {
        cblas_dgemm(CblasColMajor, CblasNoTrans, CblasTrans, (blasint)rest, (blasint)own, (blasint)height, -1, left + own, stride, left,
                    stride, 1, corner + own, (blasint)n);
    }
}

static uwc_status factor_and_fetch(const uwc_spread *spread, int64_t panel, double *behind) {
    const int64_t end = uwc_spread_first(panel) + uwc_spread_height(spread, panel);
    const bool mine = uwc_spread_owner(spread, panel) == spread->grid->member;
    UWC_TRY(uwc_grid_agree(spread->grid, mine ? factor_panel(spread, panel) : UWC_OK));
    return end < spread->n ? uwc_linalg__fetch(spread, panel, end, spread->n, behind) : UWC_OK;
}

uwc_status uwc_spread_factor(const uwc_spread *spread) {
    const int64_t panels = uwc_spread_panels(spread);
    double *behind; /* the diagonal, in a panel that is done */
    uwc_status st = UWC_OK;
    UWC_TRY(uwc_linalg__panel_buffer(spread, &behind));
    uwc_linalg__one_thread();
    for (int64_t k = 0; k < panels && st == UWC_OK; k++) {
        st = factor_and_fetch(spread, k, behind);
#pragma omp parallel for schedule(dynamic, 1)
        for (int64_t j = k + 1; j < panels; j++) {
            if (uwc_spread_owner(spread, j) == spread->grid->member && st == UWC_OK) {
                update_panel(spread, j, behind, uwc_spread_height(spread, k), uwc_spread_first(k + 1));
            }
        }
    }
    uwc_free(&behind);
    return st;
}

/* A grid of the team's processes. */
static uwc_status open_context(const uwc_grid *grid, MPI_Comm *comm, int *handle, int *context) {
    int started = 0;
    MPI_Initialized(&started);
    UWC_CHECK(started, UWC_E_STATE, "ScaLAPACK needs MPI, which is not started");
    UWC_TRY(uwc_par__team_connect(grid->team, comm));
    *handle = Csys2blacs_handle(*comm);
    *context = *handle;
    Cblacs_gridinit(context, "R", 1, grid->members);
    return UWC_OK;
}

uwc_status uwc_spread_factor_scalapack(const uwc_spread *spread) {
    const int n = (int)spread->n, one = 1;
    int handle = 0, context = 0, info = 0;
    MPI_Comm comm;
    UWC_TRY(open_context(spread->grid, &comm, &handle, &context));
    const int description[] = {1, context, n, n, UWC_PANEL, UWC_PANEL, 0, 0, n}; /* dense, block-cyclic from the first process on */
    uwc_linalg__one_thread();
    pdpotrf_("L", &n, spread->data, &one, &one, description, &info, 1);
    Cblacs_gridexit(context);
    Cfree_blacs_system_handle(handle);
    MPI_Comm_free(&comm);
    uwc_status st = UWC_OK;
    for (int64_t k = 0; k < uwc_spread_panels(spread) && info == 0 && st == UWC_OK; k++) {
        const double *rows = uwc_spread_rows(spread, k);
        for (int64_t i = 0; rows != NULL && i < uwc_spread_height(spread, k); i++) {
            info = isfinite(rows[i * n + uwc_spread_first(k) + i]) ? info : n;
        }
    }
    if (info != 0) {
        st = uwc_error_set(UWC_E_MATH, "matrix of order %d is not positive definite (p?potrf: %d)", n, info);
    }
    return uwc_grid_agree(spread->grid, st);
}
