/* Every row of a spread matrix is somewhere, once; no member has much more than its part. */
#include "spread_fixture.h"

static void given_any_order_when_spread_expect_each_row_once(void **state) {
    (void)state;
    uwc_grid *grid;
    expect_ok(uwc_grid_create(everyone, &grid));
    for (int o = 0; o < ORDERS; o++) {
        const int64_t n = orders[o];
        uwc_spread *spread;
        expect_ok(uwc_spread_create(grid, n, &spread));
        int64_t rows = 0, own = 0;
        for (int64_t p = 0; p < uwc_spread_panels(spread); p++) {
            const bool mine = uwc_spread_rows(spread, p) != NULL;
            assert_int_equal(uwc_spread_first(p), rows);
            assert_int_equal(mine, uwc_spread_owner(spread, p) == uwc_comm_rank(comm));
            rows += uwc_spread_height(spread, p);
            own += mine ? uwc_spread_height(spread, p) : 0;
        }
        assert_int_equal(rows, n);
        int64_t most;
        expect_ok(uwc_comm_max(comm, own, &most));
        assert_int_equal(uwc_spread_bytes(n, uwc_comm_size(comm)), (most + UWC_PANEL) * n * (int64_t)sizeof(double));
        assert_true(most <= n / uwc_comm_size(comm) + UWC_PANEL);
        fill(spread, n, true, -1); /* all of the memory is ours */
        uwc_spread_destroy(&spread);
    }
    uwc_grid_destroy(&grid);
}

static void given_more_than_scalapack_counts_when_spread_expect_error(void **state) {
    (void)state;
    uwc_grid *grid;
    uwc_spread *spread;
    expect_ok(uwc_grid_create(everyone, &grid));
    expect_error(uwc_spread_create(grid, 200000, &spread), UWC_E_UNSUPPORTED, "2^31");
    assert_null(spread);
    expect_error(uwc_spread_create(grid, 0, &spread), UWC_E_ARG, "order 0");
    uwc_grid_destroy(&grid);
}

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(given_any_order_when_spread_expect_each_row_once),
        cmocka_unit_test(given_more_than_scalapack_counts_when_spread_expect_error),
    };
    return run_with_mpi(argc, argv, tests, sizeof tests / sizeof tests[0]);
}
