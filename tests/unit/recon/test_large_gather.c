#include "large_fixture.h"

/* The sums of a spread layer against the small layers' statistics, which other tests compare with plain loops. */

enum { ROWS = 70, IMAGES = 37 };

static void inputs_are_a_permutation_by_rising_diagonal(void **state) {
    (void)state;
    setting *own = gathered(ROWS, IMAGES, 0.01);
    const uwc_large *l = &own->large;
    bool seen[180] = {false};
    double lower = 0, upper = 0;
    for (int64_t k = 0; k < l->n; k++) {
        assert_true(l->column[k] >= 0 && l->column[k] < l->n && !seen[l->column[k]]);
        seen[l->column[k]] = true;
    }
    double *mean = new_doubles(l->n), *diagonal = new_doubles(l->n);
    uwc_recon__large_moments(l, 0.01, mean, diagonal);
    for (int64_t k = 0; k < l->n / 4; k++) { /* the first images' order is about that of all */
        lower += diagonal[k];
        upper += diagonal[l->n - 1 - k];
    }
    assert_true(lower < 0.8 * upper);
    uwc_free(&mean);
    uwc_free(&diagonal);
    free_setting(&own);
}

static void sums_are_those_of_the_small_solver(void **state) {
    (void)state;
    setting *own = gathered(ROWS, IMAGES, 0.01);
    const uwc_large *l = &own->large;
    uwc_statistics *s = small_statistics(own);
    const int64_t order = l->n + 1;
    const double N = (double)l->count, size = 4;
    assert_int_equal(l->count, s->count);
    for (int64_t k = 0; k < l->n; k++) {
        const int64_t at = l->column[k];
        const double *row = uwc_spread_rows(l->sums, k / UWC_PANEL) + k % UWC_PANEL * l->n;
        assert_true(is_near(l->sum[k] / N, s->A[at * order + l->n], size));
        assert_true(is_near(l->square[k] / N, s->A[at * order + at], size));
        for (int64_t i = 0; i < k; i++) {
            assert_true(is_near(row[i] / N, s->A[at * order + l->column[i]], size));
        }
        for (int64_t r = 0; r < ROWS; r++) {
            assert_true(is_near(l->own.y[r * l->n + k] / N, s->Y[at * ROWS + r], size));
        }
    }
    for (int64_t r = 0; r < ROWS; r++) {
        assert_int_equal(l->own.row[r], r);
        assert_true(is_near(l->target[r] / N, s->Y[l->n * ROWS + r], size));
    }
    uwc_recon__statistics_destroy(&s);
    free_setting(&own);
}

static void batches_follow_from_the_shapes(void **state) {
    (void)state;
    const uwc_geometry small = {.images = 1, .height = 1, .width = 1, .channels = 1000, .out_height = 1, .out_width = 1, .rows = 10};
    uwc_geometry big = small;
    big.channels = 4 << 20;
    assert_int_equal(uwc_recon__large_batch(&small, 64, 16), 16);
    assert_int_equal(uwc_recon__large_batch(&small, 20, 16), 5); /* four steps, so that one can be held out */
    assert_int_equal(uwc_recon__large_batch(&small, 3, 16), 1);
    assert_int_equal(uwc_recon__large_batch(&big, 64, 16), 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(inputs_are_a_permutation_by_rising_diagonal),
        cmocka_unit_test(sums_are_those_of_the_small_solver),
        cmocka_unit_test(batches_follow_from_the_shapes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
