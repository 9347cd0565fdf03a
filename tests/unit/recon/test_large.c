#include "large_fixture.h"

/* Retargeting of a spread layer against that of small ones, and what is a spread layer. */

enum { ROWS = 70, IMAGES = 37 };

static void weights_are_retargeted_as_by_the_small_solver(void **state) {
    (void)state;
    static const double ridges[] = {0.001, 0.1, 10};
    for (int i = 0; i < 3; i++) {
        setting *own = gathered(ROWS, IMAGES, ridges[i]);
        uwc_large *l = &own->large;
        uwc_statistics *s = small_statistics(own);
        const int64_t order = l->n + 1;
        double *w0 = float_weights(own), *Y = new_doubles(ROWS * order), *w = new_doubles(ROWS * order), moved = 0, away = 0;
        uwc_recon__statistics_cross(s, 0, Y);
        must(uwc_recon__retarget(&(uwc_layer_statistics){.rows = ROWS, .n = l->n, .A = s->A, .Y = Y, .W0 = w0}, ridges[i], w));
        must(uwc_recon__large_retarget(l, own->part));
        for (int64_t j = 0; j < ROWS * l->n; j++) {
            const int64_t at = j / l->n * order + l->column[j % l->n];
            moved += (w[at] - w0[at]) * (w[at] - w0[at]);
            away += (l->own.w[j] - w[at]) * (l->own.w[j] - w[at]);
        }
        assert_true(moved > 0 && away < 1e-6 * moved);
        uwc_free(&w0);
        uwc_free(&Y);
        uwc_free(&w);
        uwc_recon__statistics_destroy(&s);
        free_setting(&own);
    }
}

static void an_infinite_ridge_keeps_the_weights(void **state) {
    (void)state;
    setting *own = gathered(ROWS, IMAGES, 0.01);
    uwc_large *l = &own->large;
    double *w0 = float_weights(own);
    must(uwc_recon__large_retarget(l, INFINITY));
    for (int64_t j = 0; j < ROWS * l->n; j++) {
        assert_true(l->own.w[j] == w0[j / l->n * (l->n + 1) + l->column[j % l->n]]);
    }
    uwc_free(&w0);
    free_setting(&own);
}

static void weights_that_are_not_finite_are_an_error(void **state) {
    (void)state;
    setting *own = gathered(ROWS, IMAGES, 0.01);
    own->large.own.w[3 * own->large.n + 5] = NAN;
    must_fail(uwc_recon__large_retarget(&own->large, INFINITY), UWC_E_MATH, "row 3");
    free_setting(&own);
}

static void wide_second_order_layers_of_one_group_are_large(void **state) {
    (void)state;
    uwc_recon_options options = default_options();
    uwc_geometry g = {.cols = 101, .groups = 1};
    assert_false(uwc_recon__is_large(&options, &g));
    options.distribute_above = 100;
    assert_true(uwc_recon__is_large(&options, &g));
    options.distribute_above = 101;
    assert_false(uwc_recon__is_large(&options, &g));
    options.distribute_above = 1;
    g.groups = 2;
    assert_false(uwc_recon__is_large(&options, &g));
    g.groups = 1;
    options.method = UWC_METHOD_NEAREST;
    assert_false(uwc_recon__is_large(&options, &g));
}

static void a_team_without_its_grid_is_refused(void **state) {
    (void)state;
    uwc_recon_options options = default_options();
    uwc_geometry g = {.cols = 101, .groups = 1, .rows = 2};
    uwc_stream stream = {.images = 3, .members = 2};
    uwc_large large;
    must_fail(uwc_recon__large_open(&g, &options, &stream, &large), UWC_E_ARG, "no grid");
    uwc_recon__large_close(&large);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(weights_are_retargeted_as_by_the_small_solver),
        cmocka_unit_test(an_infinite_ridge_keeps_the_weights),
        cmocka_unit_test(weights_that_are_not_finite_are_an_error),
        cmocka_unit_test(wide_second_order_layers_of_one_group_are_large),
        cmocka_unit_test(a_team_without_its_grid_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
