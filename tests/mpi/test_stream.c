/* Products and solutions with a spread matrix, right-hand sides dealt out in blocks, against plain loops and against one process. */
#include "spread_fixture.h"

enum { SIDES = 3 * UWC_SIDE_BLOCK + 9 }; /* the fourth rank has few, a fifth would have none */

static double side(int64_t row, int64_t k) {
    return uwc_rng_normal(8, (uint64_t)row, (uint64_t)k);
}

/* Rows of this grid's member: every members-th block. Returns how many; index[] says which. */
static int64_t deal(const uwc_grid *grid, int64_t *index) {
    int64_t count = 0;
    for (int64_t r = 0; r < SIDES; r++) {
        if (r / UWC_SIDE_BLOCK % uwc_grid_members(grid) == uwc_grid_member(grid)) {
            index[count++] = r;
        }
    }
    return count;
}

static double *own_sides(int64_t n, int64_t count, const int64_t *index) {
    double *x = new_doubles(count * n);
    for (int64_t i = 0; i < count * n; i++) {
        x[i] = side(index[i / n], i % n);
    }
    return x;
}

typedef struct solved {
    int64_t index[SIDES], count;
    double *product, *solution;
} solved;

/* -x A and x A^-1 for the rows of this member. */
static solved run(uwc_team *team, int64_t n) {
    solved out;
    uwc_grid *grid;
    uwc_spread *spread;
    double *diagonal = new_doubles(n), *mean = new_doubles(n);
    expect_ok(team == NULL ? uwc_grid_create_alone(NULL, NULL, &grid) : uwc_grid_create(team, &grid));
    expect_ok(uwc_spread_create(grid, n, &spread));
    fill(spread, n, false, 99);
    out.count = deal(grid, out.index);
    double *x = own_sides(n, out.count, out.index);
    for (int64_t i = 0; i < n; i++) {
        diagonal[i] = element(n, i, i);
    }
    out.product = new_doubles(out.count * n);
    out.solution = own_sides(n, out.count, out.index);
    expect_ok(uwc_spread_subtract(spread, diagonal, out.count, x, out.product));
    expect_ok(uwc_spread_lift(spread, 1, mean, diagonal));
    expect_ok(uwc_spread_factor(spread));
    expect_ok(uwc_spread_solve(spread, out.count, out.solution));
    uwc_free(&x);
    uwc_free(&diagonal);
    uwc_free(&mean);
    uwc_spread_destroy(&spread);
    uwc_grid_destroy(&grid);
    return out;
}

static void free_solved(solved *own) {
    uwc_free(&own->product);
    uwc_free(&own->solution);
}

static double dot(int64_t n, const double *a, const double *b) {
    double sum = 0;
    for (int64_t i = 0; i < n; i++) {
        sum += a[i] * b[i];
    }
    return sum;
}

static void given_sides_on_all_members_when_multiplied_and_solved_expect_plain_sums(void **state) {
    (void)state;
    for (int o = 0; o < ORDERS; o++) {
        const int64_t n = orders[o];
        solved got = run(everyone, n);
        double *A = whole_matrix(n);
        for (int64_t r = 0; r < got.count; r += 7) {
            double *x = own_sides(n, 1, &got.index[r]);
            for (int64_t k = 0; k < n; k++) {
                assert_true(fabs(got.product[r * n + k] + dot(n, x, A + k * n)) < 1e-10 * (double)n);
                assert_true(fabs(dot(n, got.solution + r * n, A + k * n) - x[k]) < 1e-10 * (double)n);
            }
            uwc_free(&x);
        }
        uwc_free(&A);
        free_solved(&got);
    }
}

static void given_a_team_when_multiplied_and_solved_expect_the_bytes_of_one_process(void **state) {
    (void)state;
    for (int o = 0; o < ORDERS; o++) {
        const int64_t n = orders[o];
        solved got = run(everyone, n), whole = run(NULL, n);
        for (int64_t r = 0; r < got.count; r++) {
            assert_memory_equal(got.product + r * n, whole.product + got.index[r] * n, (size_t)n * sizeof(double));
            assert_memory_equal(got.solution + r * n, whole.solution + got.index[r] * n, (size_t)n * sizeof(double));
        }
        free_solved(&got);
        free_solved(&whole);
    }
}

static void given_sums_and_means_when_lifted_expect_the_covariance(void **state) {
    (void)state;
    const int64_t n = 300;
    const double scale = 0.25;
    uwc_grid *grid;
    uwc_spread *spread;
    double *mean = new_doubles(n), *diagonal = new_doubles(n);
    for (int64_t i = 0; i < n; i++) {
        mean[i] = side(0, i);
        diagonal[i] = (double)i;
    }
    expect_ok(uwc_grid_create(everyone, &grid));
    expect_ok(uwc_spread_create(grid, n, &spread));
    fill(spread, n, false, 99);
    expect_ok(uwc_spread_lift(spread, scale, mean, diagonal));
    for (int64_t i = 0; i < n; i++) {
        const double *row = row_of(spread, n, i);
        for (int64_t k = 0; row != NULL && k < n; k++) {
            double want = k < i ? element(n, i, k) : k == i ? (double)i : scale * element(n, i, k) - mean[i] * mean[k];
            assert_true(row[k] == want);
        }
    }
    uwc_free(&mean);
    uwc_free(&diagonal);
    uwc_spread_destroy(&spread);
    uwc_grid_destroy(&grid);
}

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(given_sides_on_all_members_when_multiplied_and_solved_expect_plain_sums),
        cmocka_unit_test(given_a_team_when_multiplied_and_solved_expect_the_bytes_of_one_process),
        cmocka_unit_test(given_sums_and_means_when_lifted_expect_the_covariance),
    };
    return run_with_mpi(argc, argv, tests, sizeof tests / sizeof tests[0]);
}
