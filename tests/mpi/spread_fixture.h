/* A symmetric matrix that every rank can compute, spread over all of them, and MPI around the tests. */
#ifndef UWC_TEST_SPREAD_FIXTURE_H
#define UWC_TEST_SPREAD_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <string.h>

#include <uwc/linalg.h>

#include "support/expect.h"

static uwc_comm *comm;     /* one per process: MPI starts once */
static uwc_team *everyone; /* its ranks */

/* Orders around the height of a panel, and more panels than ranks. */
static const int64_t orders[] = {1, 5, 127, 128, 129, 300, 777};
enum { ORDERS = (int)(sizeof orders / sizeof orders[0]) };

/* Symmetric, and positive definite for its diagonal. */
static inline double element(int64_t n, int64_t i, int64_t k) {
    const uint64_t low = (uint64_t)(i < k ? i : k), high = (uint64_t)(i < k ? k : i);
    return uwc_rng_normal(7, low, high) + (i == k ? 3 * sqrt((double)n) : 0);
}

/* The entries [i,k] with `triangle` false k < i, true k >= i; the others are `rest`. */
static inline void fill(const uwc_spread *spread, int64_t n, bool triangle, double rest) {
    for (int64_t p = 0; p < uwc_spread_panels(spread); p++) {
        double *rows = uwc_spread_rows(spread, p);
        for (int64_t i = 0; rows != NULL && i < uwc_spread_height(spread, p); i++) {
            for (int64_t k = 0; k < n; k++) {
                const int64_t row = uwc_spread_first(p) + i;
                rows[i * n + k] = (k >= row) == triangle ? element(n, row, k) : rest;
            }
        }
    }
}

/* Row i of this rank's, else NULL. */
static inline double *row_of(const uwc_spread *spread, int64_t n, int64_t i) {
    double *rows = uwc_spread_rows(spread, i / UWC_PANEL);
    return rows == NULL ? NULL : rows + i % UWC_PANEL * n;
}

static inline double *new_doubles(int64_t count) {
    double *out;
    expect_ok(uwc_calloc(count, sizeof *out, &out));
    return out;
}

static inline double *whole_matrix(int64_t n) {
    double *out = new_doubles(n * n);
    for (int64_t i = 0; i < n * n; i++) {
        out[i] = element(n, i / n, i % n);
    }
    return out;
}

static inline int run_with_mpi(int argc, char **argv, const struct CMUnitTest *tests, size_t n) {
    if (uwc_par_start(&argc, &argv, &comm) != UWC_OK) {
        return 1;
    }
    expect_ok(uwc_team_create(comm, NULL, uwc_comm_size(comm), 1, &everyone));
    int failed = _cmocka_run_group_tests("tests", tests, n, NULL, NULL);
    uwc_team_destroy(&everyone);
    uwc_par_stop(&comm);
    return failed != 0;
}

#endif
