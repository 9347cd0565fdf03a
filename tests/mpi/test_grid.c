#include "spread_fixture.h"

static void given_a_team_when_made_a_grid_expect_its_ranks(void **state) {
    (void)state;
    uwc_grid *grid;
    expect_ok(uwc_grid_create(everyone, &grid));
    assert_int_equal(uwc_grid_member(grid), uwc_comm_rank(comm));
    assert_int_equal(uwc_grid_members(grid), uwc_comm_size(comm));
    uwc_grid_destroy(&grid);
    expect_ok(uwc_grid_create_alone(NULL, NULL, &grid));
    assert_int_equal(uwc_grid_member(grid), 0);
    assert_int_equal(uwc_grid_members(grid), 1);
    int64_t most;
    expect_ok(uwc_grid_agree(grid, UWC_OK));
    expect_ok(uwc_grid_max(grid, 5, &most));
    assert_int_equal(most, 5);
    uwc_grid_destroy(&grid);
    assert_null(grid);
}

static void given_each_root_when_called_expect_its_bytes_and_the_maximum_everywhere(void **state) {
    (void)state;
    uwc_grid *grid;
    expect_ok(uwc_grid_create(everyone, &grid));
    for (int root = 0; root < uwc_comm_size(comm); root++) {
        double number = 10 + uwc_comm_rank(comm);
        expect_ok(uwc_grid_broadcast(grid, root, &number, sizeof number));
        assert_true(number == 10 + root);
        int64_t most;
        expect_ok(uwc_grid_max(grid, uwc_comm_rank(comm) == root ? 3 : -1, &most));
        assert_int_equal(most, 3);
        expect_ok(uwc_grid_broadcast(grid, root, NULL, 0));
    }
    uwc_grid_destroy(&grid);
}

static void given_a_failure_on_each_member_when_agreed_expect_it_everywhere(void **state) {
    (void)state;
    uwc_grid *grid;
    expect_ok(uwc_grid_create(everyone, &grid));
    for (int failing = 0; failing < uwc_comm_size(comm); failing++) {
        uwc_status mine = uwc_comm_rank(comm) == failing ? uwc_error_set(UWC_E_MATH, "number %d", failing) : UWC_OK;
        char text[32];
        snprintf(text, sizeof text, "number %d", failing);
        expect_error(uwc_grid_agree(grid, mine), UWC_E_MATH, text);
    }
    uwc_grid_destroy(&grid);
}

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(given_a_team_when_made_a_grid_expect_its_ranks),
        cmocka_unit_test(given_each_root_when_called_expect_its_bytes_and_the_maximum_everywhere),
        cmocka_unit_test(given_a_failure_on_each_member_when_agreed_expect_it_everywhere),
    };
    return run_with_mpi(argc, argv, tests, sizeof tests / sizeof tests[0]);
}
