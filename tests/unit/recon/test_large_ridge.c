#include "large_fixture.h"

/* The candidates' solutions and errors against plain loops; the choice on samples that want much or little. */

enum { ROWS = 70, IMAGES = 37 };

/* Errors of some made-up positions: inputs and targets of any kind will do. */
static void errors_are_plain_sums_over_the_positions(void **state) {
    (void)state;
    enum { POSITIONS = 9 };
    setting *own = gathered(ROWS, IMAGES, 0);
    uwc_large *l = &own->large;
    uwc_large_ridge ridge;
    const int64_t stride = l->n + l->sample.count;
    double want[UWC_LARGE_RIDGES] = {0};
    float *tile;
    assert_int_equal(l->sample.count, ROWS / 2);
    must(uwc_recon__large_ridge_open(l, POSITIONS, &ridge));
    must(uwc_calloc(POSITIONS * stride, sizeof *tile, &tile));
    for (int64_t i = 0; i < POSITIONS * stride; i++) {
        tile[i] = (float)uwc_rng_normal(3, 0, (uint64_t)i);
    }
    memset(l->sample.y, 0, (size_t)(l->sample.count * l->n) * sizeof *l->sample.y); /* any sums will do, too */
    must(uwc_recon__large_ridge_solve(l, &ridge));
    must(uwc_recon__large_ridge_judge(&ridge, tile, tile + l->n, stride, POSITIONS));
    for (int64_t k = 0; k < UWC_LARGE_RIDGES * l->sample.count; k++) {
        for (int64_t i = 0; i < POSITIONS; i++) {
            double away = ridge.bias[k] - (double)tile[i * stride + l->n + k % l->sample.count];
            for (int64_t c = 0; c < l->n; c++) {
                away += (double)ridge.w[k * l->n + c] * (double)tile[i * stride + c];
            }
            want[k / l->sample.count] += away * away;
        }
    }
    int best = 0;
    for (int c = 0; c < UWC_LARGE_RIDGES; c++) {
        assert_true(fabs(ridge.error[c] - want[c]) < 1e-4 * want[c]);
        best = want[c] < want[best] ? c : best;
    }
    const double candidate[UWC_LARGE_RIDGES] = {0.01, 0.1, 1, 10, INFINITY};
    assert_true(uwc_recon__large_ridge_best(&ridge) == candidate[best]);
    uwc_free(&tile);
    uwc_recon__large_ridge_close(&ridge);
    free_setting(&own);
}

/* The candidates are the small solver's solutions, from what is there. */
static void candidates_are_the_small_solvers_solutions(void **state) {
    (void)state;
    const double candidate[UWC_LARGE_RIDGES - 1] = {0.01, 0.1, 1, 10};
    setting *own = gathered(ROWS, IMAGES, 0);
    uwc_large *l = &own->large;
    uwc_statistics *s = small_statistics(own);
    const int64_t order = l->n + 1;
    double *w0 = float_weights(own), *Y = new_doubles(ROWS * order), *w = new_doubles(ROWS * order);
    uwc_large_ridge ridge;
    uwc_recon__statistics_cross(s, 0, Y);
    for (int64_t i = 0; i < l->sample.count * l->n; i++) { /* sums of all positions, not of the first three quarters */
        l->sample.y[i] = l->own.y[l->sample.row[i / l->n] * l->n + i % l->n];
    }
    must(uwc_recon__large_ridge_open(l, 1, &ridge));
    must(uwc_recon__large_ridge_solve(l, &ridge));
    for (int c = 0; c < UWC_LARGE_RIDGES - 1; c++) {
        must(uwc_recon__retarget(&(uwc_layer_statistics){.rows = ROWS, .n = l->n, .A = s->A, .Y = Y, .W0 = w0}, candidate[c], w));
        for (int64_t i = 0; i < l->sample.count; i++) {
            const double *row = w + l->sample.row[i] * order;
            assert_true(fabs(ridge.bias[c * l->sample.count + i] - row[l->n]) < 1e-3);
            for (int64_t k = 0; k < l->n; k++) {
                assert_true(fabs((double)ridge.w[(c * l->sample.count + i) * l->n + k] - row[l->column[k]]) < 1e-4);
            }
        }
    }
    uwc_recon__large_ridge_close(&ridge);
    uwc_free(&w0);
    uwc_free(&Y);
    uwc_free(&w);
    uwc_recon__statistics_destroy(&s);
    free_setting(&own);
}

/* By the held-out folds of the small solver. */
static double small_choice(setting *own) {
    uwc_statistics *folds[UWC_FOLDS] = {NULL};
    double *w0 = float_weights(own), part;
    must(uwc_recon__gather(&own->paths, 0, &own->aim, &own->options, folds));
    must(uwc_recon__choose_ridge(own->paths.stream, folds, w0, &part));
    for (int k = 0; k < UWC_FOLDS; k++) {
        uwc_recon__statistics_destroy(&folds[k]);
    }
    uwc_free(&w0);
    return part;
}

/* Inputs that differ much want other weights, inputs that hardly differ none. */
static void the_choice_follows_the_samples(void **state) {
    (void)state;
    setting *rough = gathered_with(8, 160, 0, 1), *fine = gathered_with(8, 160, 0, 0.01), *few = gathered(8, 5, 0);
    print_message("chosen %g and %g, by the small solver %g and %g\n", rough->part, fine->part, small_choice(rough), small_choice(fine));
    assert_true(rough->part <= 0.1 && small_choice(rough) <= 0.3);
    assert_true(fine->part >= 10 && small_choice(fine) >= 10);
    assert_true(few->part == 1); /* one step: nothing can be held out */
    free_setting(&rough);
    free_setting(&fine);
    free_setting(&few);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(errors_are_plain_sums_over_the_positions),
        cmocka_unit_test(candidates_are_the_small_solvers_solutions),
        cmocka_unit_test(the_choice_follows_the_samples),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
