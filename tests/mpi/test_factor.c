/* The spread factor against LAPACK's on one process, against ScaLAPACK's on the same grid, and its bytes against those of a grid of one. */
#include "spread_fixture.h"

typedef uwc_status (*factor_function)(const uwc_spread *spread);
static const double UNTOUCHED = 7;

/* L of the whole matrix, M = L L^T: our R is its transpose. */
static double *reference(int64_t n) {
    double *l = whole_matrix(n);
    expect_ok(uwc_cholesky(n, l));
    return l;
}

static void check_factor(const uwc_spread *spread, int64_t n, const double *l) {
    for (int64_t i = 0; i < n; i++) {
        const double *row = row_of(spread, n, i);
        for (int64_t k = 0; row != NULL && k < n; k++) {
            assert_true(k < i ? row[k] == UNTOUCHED : fabs(row[k] - l[k * n + i]) < 1e-12 * sqrt((double)n));
        }
    }
}

static void check(factor_function factor) {
    uwc_grid *grid;
    expect_ok(uwc_grid_create(everyone, &grid));
    for (int o = 0; o < ORDERS; o++) {
        const int64_t n = orders[o];
        uwc_spread *spread;
        double *l = reference(n);
        expect_ok(uwc_spread_create(grid, n, &spread));
        fill(spread, n, true, UNTOUCHED);
        expect_ok(factor(spread));
        check_factor(spread, n, l);
        uwc_spread_destroy(&spread);
        uwc_free(&l);
    }
    uwc_grid_destroy(&grid);
}

static void given_any_order_when_factored_expect_lapacks_factor(void **state) {
    (void)state;
    check(uwc_spread_factor);
}

static void given_any_order_when_factored_by_scalapack_expect_lapacks_factor(void **state) {
    (void)state;
    check(uwc_spread_factor_scalapack);
}

static void given_a_team_when_factored_expect_the_bytes_of_one_process(void **state) {
    (void)state;
    uwc_grid *grid, *alone;
    expect_ok(uwc_grid_create(everyone, &grid));
    expect_ok(uwc_grid_create_alone(NULL, NULL, &alone));
    for (int o = 0; o < ORDERS; o++) {
        const int64_t n = orders[o];
        uwc_spread *spread, *whole;
        expect_ok(uwc_spread_create(grid, n, &spread));
        expect_ok(uwc_spread_create(alone, n, &whole));
        fill(spread, n, true, UNTOUCHED);
        fill(whole, n, true, UNTOUCHED);
        expect_ok(uwc_spread_factor(spread));
        expect_ok(uwc_spread_factor(whole));
        for (int64_t i = 0; i < n; i++) {
            const double *row = row_of(spread, n, i);
            if (row != NULL) {
                assert_memory_equal(row, row_of(whole, n, i), (size_t)n * sizeof *row);
            }
        }
        uwc_spread_destroy(&spread);
        uwc_spread_destroy(&whole);
    }
    uwc_grid_destroy(&grid);
    uwc_grid_destroy(&alone);
}

/* What is wrong lies in one member's rows; all learn of it. */
static void spoil_and_expect(factor_function factor, int64_t row, double value, const char *text) {
    const int64_t n = 300;
    uwc_grid *grid;
    uwc_spread *spread;
    expect_ok(uwc_grid_create(everyone, &grid));
    expect_ok(uwc_spread_create(grid, n, &spread));
    fill(spread, n, true, 0);
    double *own = row_of(spread, n, row);
    if (own != NULL) {
        own[row] = value;
    }
    expect_error(factor(spread), UWC_E_MATH, text);
    uwc_spread_destroy(&spread);
    uwc_grid_destroy(&grid);
}

static void given_no_positive_definite_matrix_when_factored_expect_error_everywhere(void **state) {
    (void)state;
    for (int64_t row = 0; row < 300; row += 130) {
        char text[64];
        snprintf(text, sizeof text, "order 300 is not positive definite (minor %d)", (int)row + 1);
        spoil_and_expect(uwc_spread_factor, row, -1, text);
        spoil_and_expect(uwc_spread_factor_scalapack, row, -1, "order 300 is not positive definite (p?potrf: ");
        spoil_and_expect(uwc_spread_factor, row, NAN, "order 300");
        spoil_and_expect(uwc_spread_factor_scalapack, row, NAN, "order 300");
    }
}

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(given_any_order_when_factored_expect_lapacks_factor),
        cmocka_unit_test(given_any_order_when_factored_by_scalapack_expect_lapacks_factor),
        cmocka_unit_test(given_a_team_when_factored_expect_the_bytes_of_one_process),
        cmocka_unit_test(given_no_positive_definite_matrix_when_factored_expect_error_everywhere),
    };
    return run_with_mpi(argc, argv, tests, sizeof tests / sizeof tests[0]);
}
