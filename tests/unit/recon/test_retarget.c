#include "naive_layer.h"

#include "recon_impl.h"

/* Least squares near the original weights, and the ridge that held-out samples choose, against plain loops over the samples. */

static void solutions_are_those_of_plain_loops(void **state) {
    (void)state;
    static const int64_t form[][3] = {/* samples, inputs, rows */ {300, 1, 1}, {300, 12, 5}, {9, 24, 5}, {500, 60, 3}};
    static const double part[] = {0.003, 0.1, 10};
    for (size_t k = 0; k < sizeof form / sizeof form[0]; k++) {
        layer_case own = random_case(k, form[k][0], form[k][1], form[k][2]);
        const uwc_layer_statistics s = statistics_of(&own);
        double *w = new_doubles(own.rows * (own.n + 1));
        for (size_t p = 0; p < sizeof part / sizeof part[0]; p++) {
            naive_metric wanted = naive_retarget(&own, part[p]);
            must(uwc_recon__retarget(&s, part[p], w));
            for (int64_t i = 0; i < own.rows * (own.n + 1); i++) {
                assert_true(fabs(w[i] - wanted.W[i]) < 1e-8 * (1 + fabs(wanted.W[i])));
            }
            free_metric(&wanted);
        }
        uwc_free(&w);
        free_case(&own);
    }
}

/* A small ridge fits the samples better, a large one stays nearer to the weights. */
static void the_ridge_goes_from_the_fit_to_the_weights(void **state) {
    (void)state;
    static const double part[] = {0.003, 0.03, 0.3, 3, 100, 1e9};
    layer_case own = random_case(5, 200, 20, 4);
    const uwc_layer_statistics s = statistics_of(&own);
    double *w = new_doubles(4 * 21), fit[6], far[6];
    for (int k = 0; k < 6; k++) {
        must(uwc_recon__retarget(&s, part[k], w));
        fit[k] = far[k] = 0;
        for (int64_t i = 0; i < 4 * 21; i++) {
            far[k] += i % 21 < 20 ? (w[i] - own.W0[i]) * (w[i] - own.W0[i]) : 0;
        }
        for (int64_t r = 0; r < 4; r++) {
            fit[k] += row_objective(&own, r, w + r * 21);
        }
        assert_true(k == 0 || (fit[k] > fit[k - 1] && far[k] < far[k - 1]));
    }
    assert_true(far[5] < 1e-12);
    uwc_free(&w);
    free_case(&own);
}

static void the_ridge_is_a_part_of_the_mean_diagonal(void **state) {
    (void)state;
    const double A[16] = {2, 9, 9, 9, 9, 4, 9, 9, 9, 9, 6, 9, 9, 9, 9, 100}, none[16] = {0};
    assert_true(fabs(uwc_recon__ridge(A, 3, 0.5) - 2) < 1e-15); /* the last entry is the bias's */
    assert_true(uwc_recon__ridge(A, 3, 0) == 1e-8);
    assert_true(uwc_recon__ridge(none, 3, 0.5) == 1e-8);
}

/* ---- the choice of the ridge ------------------------------------------------------------------------------------------------------ */

/* Samples in folds: p [count][groups][n+1], y [count][groups][rows], w0 [groups][rows][n+1]. */
typedef struct samples {
    int64_t groups, rows, n, count, each[UWC_FOLDS];
    double *p, *y, *w0;
} samples;

/* Targets are those of weights that are `away` from w0, with `noise`. */
static samples new_samples(uint64_t seed, int64_t groups, int64_t rows, int64_t n, const int64_t *each, double away, double noise) {
    samples out = {.groups = groups, .rows = rows, .n = n};
    const int64_t order = n + 1;
    for (int k = 0; k < UWC_FOLDS; k++) {
        out.each[k] = each[k];
        out.count += each[k];
    }
    out.p = new_doubles(out.count * groups * order);
    out.y = new_doubles(out.count * groups * rows);
    out.w0 = new_doubles(groups * rows * order);
    for (int64_t i = 0; i < groups * rows * order; i++) {
        out.w0[i] = uwc_rng_normal(seed, 1, (uint64_t)i) / sqrt((double)n);
    }
    for (int64_t i = 0; i < out.count * groups; i++) {
        double *p = out.p + i * order, common = uwc_rng_normal(seed, 2, (uint64_t)i);
        for (int64_t j = 0; j < n; j++) {
            p[j] = fmax(0.5 + 0.5 * common + uwc_rng_normal(seed, 3, (uint64_t)(i * n + j)), 0);
        }
        p[n] = 1;
        for (int64_t r = 0; r < rows; r++) {
            const int64_t row = i % groups * rows + r;
            double *y = &out.y[i * rows + r];
            *y = noise * uwc_rng_normal(seed, 4, (uint64_t)(i * rows + r));
            for (int64_t j = 0; j < order; j++) {
                *y += (out.w0[row * order + j] + away * uwc_rng_normal(seed, 5, (uint64_t)(row * order + j))) * p[j];
            }
        }
    }
    return out;
}

static void free_samples(samples *own) {
    uwc_free(&own->p);
    uwc_free(&own->y);
    uwc_free(&own->w0);
}

/* Sample i belongs to the fold whose samples end behind it. */
static int fold_of(const samples *own, int64_t i) {
    int fold = 0;
    for (int64_t end = own->each[0]; i >= end; end += own->each[fold]) {
        fold++;
    }
    return fold;
}

/* As they are gathered: sums, the upper triangle only. */
static void fill_folds(const samples *own, uwc_statistics **folds) {
    const int64_t order = own->n + 1;
    for (int k = 0; k < UWC_FOLDS; k++) {
        must(uwc_recon__statistics_create(own->groups, own->rows, own->n, &folds[k]));
        folds[k]->count = own->each[k];
    }
    for (int64_t i = 0; i < own->count * own->groups; i++) {
        uwc_statistics *s = folds[fold_of(own, i / own->groups)];
        const double *p = own->p + i * order;
        const int64_t group = i % own->groups;
        for (int64_t a = 0; a < order; a++) {
            for (int64_t b = a; b < order; b++) {
                s->A[(group * order + a) * order + b] += p[a] * p[b];
            }
            for (int64_t r = 0; r < own->rows; r++) {
                s->Y[(group * order + a) * own->rows + r] += own->y[i * own->rows + r] * p[a];
            }
        }
    }
}

/* Weights [n+1] of a row with the least (w p - y)^2 over all samples outside of fold `held`, near w0. `inverse` of their H. */
static void train(const samples *own, int64_t row, int held, const double *inverse, double *w) {
    const int64_t order = own->n + 1, group = row / own->rows;
    const double *w0 = own->w0 + row * order;
    double *pull = new_doubles(order), count = 0;
    for (int64_t i = 0; i < own->count; i++) {
        if (fold_of(own, i) == held) {
            continue;
        }
        const double *p = own->p + (i * own->groups + group) * order;
        double rest = own->y[i * own->groups * own->rows + row];
        for (int64_t j = 0; j < order; j++) {
            rest -= w0[j] * p[j];
        }
        for (int64_t j = 0; j < order; j++) {
            pull[j] += rest * p[j];
        }
        count += 1;
    }
    for (int64_t a = 0; a < order; a++) {
        w[a] = w0[a];
        for (int64_t b = 0; b < order; b++) {
            w[a] += inverse[a * order + b] * pull[b] / count;
        }
    }
    uwc_free(&pull);
}

/* (mean p p^T + ridge)^-1 over the samples outside of fold `held`. */
static double *inverse_without(const samples *own, int64_t group, int held, double part) {
    const int64_t order = own->n + 1;
    double *H = new_doubles(order * order), mean = 0, count = (double)(own->count - own->each[held]);
    for (int64_t i = 0; i < own->count; i++) {
        const double *p = own->p + (i * own->groups + group) * order;
        for (int64_t k = 0; k < order * order && fold_of(own, i) != held; k++) {
            H[k] += p[k / order] * p[k % order] / count;
        }
    }
    for (int64_t j = 0; j < own->n; j++) {
        mean += H[j * (order + 1)] / (double)own->n;
    }
    for (int64_t j = 0; j < own->n; j++) {
        H[j * (order + 1)] += part * mean;
    }
    double *inverse = inverse_of(H, order);
    uwc_free(&H);
    return inverse;
}

/* Sum of squares over what is held out in turn. */
static double held_out_error(const samples *own, double part) {
    const int64_t order = own->n + 1, step = (own->rows + 63) / 64;
    double *w = new_doubles(order), sum = 0;
    for (int held = 0; held < UWC_FOLDS; held++) {
        for (int64_t group = 0; group < own->groups && own->each[held] > 0; group++) {
            double *inverse = inverse_without(own, group, held, part);
            for (int64_t row = group * own->rows; row < (group + 1) * own->rows; row += step) {
                train(own, row, held, inverse, w);
                for (int64_t i = 0; i < own->count; i++) {
                    double error = own->y[i * own->groups * own->rows + row];
                    for (int64_t j = 0; j < order && fold_of(own, i) == held; j++) {
                        error -= w[j] * own->p[(i * own->groups + group) * order + j];
                    }
                    sum += fold_of(own, i) == held ? error * error : 0;
                }
            }
            uwc_free(&inverse);
        }
    }
    uwc_free(&w);
    return sum;
}

static const uwc_stream alone = {.members = 1};

static double chosen(const samples *own) {
    uwc_statistics *folds[UWC_FOLDS];
    double part = 0;
    fill_folds(own, folds);
    must(uwc_recon__choose_ridge(&alone, folds, own->w0, &part));
    for (int k = 0; k < UWC_FOLDS; k++) {
        uwc_recon__statistics_destroy(&folds[k]);
    }
    return part;
}

static const double candidate[] = {0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10, 100};
enum { CANDIDATES = sizeof candidate / sizeof candidate[0] };

static double brute_force(const samples *own) {
    double best = INFINITY, part = 0;
    for (int c = 0; c < CANDIDATES; c++) {
        double error = held_out_error(own, candidate[c]);
        if (error < best) {
            best = error;
            part = candidate[c];
        }
    }
    return part;
}

static void the_ridge_is_that_of_brute_force(void **state) {
    (void)state;
    static const struct {
        int64_t groups, rows, n, each[UWC_FOLDS];
        double away, noise;
    } form[] = {
        {1, 3, 6, {20, 20, 20, 20}, 0.1, 0.3},  {1, 3, 6, {20, 20, 20, 20}, 0.1, 1},   {1, 2, 12, {9, 12, 7, 10}, 0.2, 0.5},
        {3, 2, 5, {15, 14, 13, 12}, 0.2, 0.5},  {1, 130, 4, {6, 5, 5, 5}, 0.2, 0.6},   {2, 300, 3, {5, 5, 4, 4}, 0.2, 0.4},
        {1, 3, 6, {30, 30, 0, 0}, 0.2, 0.5},    {1, 3, 6, {12, 0, 1, 0}, 0.2, 0.5},    {4, 1, 9, {40, 40, 40, 39}, 0.05, 0.4},
        {1, 1, 1, {10, 10, 10, 10}, 0.05, 0.2}, {1, 4, 10, {60, 60, 60, 60}, 0.05, 1},
    };
    bool seen[CANDIDATES] = {false};
    for (size_t k = 0; k < sizeof form / sizeof form[0]; k++) {
        for (uint64_t seed = 0; seed < 3; seed++) {
            samples own = new_samples(10 * k + seed, form[k].groups, form[k].rows, form[k].n, form[k].each, form[k].away, form[k].noise);
            const double part = chosen(&own);
            assert_true(part == brute_force(&own));
            for (int c = 0; c < CANDIDATES; c++) {
                seen[c] = seen[c] || part == candidate[c];
            }
            free_samples(&own);
        }
    }
    int different = 0;
    for (int c = 0; c < CANDIDATES; c++) {
        different += seen[c];
    }
    assert_true(different >= 5); /* the cases are not all of one kind */
}

/* Of many rows every fourth is looked at: the odd ones do not matter, some of the even ones do. */
static void some_of_many_rows_choose_the_ridge(void **state) {
    (void)state;
    static const int64_t each[UWC_FOLDS] = {40, 40, 40, 40};
    for (int64_t first = 0; first < 2; first++) {
        samples own = new_samples(3, 1, 200, 5, each, 0.3, 0);
        for (int64_t i = 0; i < own.count * 200; i++) {
            own.y[i] += i % 2 == first ? 20 * uwc_rng_normal(3, 9, (uint64_t)i) : 0;
        }
        assert_true(first == 0 ? chosen(&own) >= 1 : chosen(&own) == 0.003);
        free_samples(&own);
    }
}

static void noise_asks_for_a_large_ridge(void **state) {
    (void)state;
    for (uint64_t seed = 0; seed < 5; seed++) {
        samples few = new_samples(seed, 1, 4, 20, (int64_t[]){6, 6, 6, 6}, 0, 3);
        samples many = new_samples(seed, 1, 4, 20, (int64_t[]){200, 200, 200, 200}, 0.3, 0.01);
        assert_true(chosen(&few) >= 10);
        assert_true(chosen(&many) <= 0.01);
        free_samples(&few);
        free_samples(&many);
    }
}

/* One fold alone cannot be held out: some ridge comes out all the same, and groups without input do no harm either. */
static void folds_without_samples_do_no_harm(void **state) {
    (void)state;
    static const int64_t each[][UWC_FOLDS] = {{1, 0, 0, 0}, {12, 0, 0, 0}, {0, 0, 0, 5}, {1, 1, 0, 0}, {1, 1, 1, 1}};
    for (size_t k = 0; k < sizeof each / sizeof each[0]; k++) {
        samples own = new_samples(k, 2, 3, 5, each[k], 0.2, 0.5);
        double part = chosen(&own);
        assert_true(part >= candidate[0] && part <= candidate[CANDIDATES - 1]);
        for (int64_t i = 0; i < own.count; i++) {
            memset(own.p + i * 12, 0, 5 * sizeof *own.p);
        }
        part = chosen(&own);
        assert_true(part >= candidate[0] && part <= candidate[CANDIDATES - 1]);
        free_samples(&own);
    }
}

static void sums_that_are_not_finite_are_an_error(void **state) {
    (void)state;
    static const int64_t each[UWC_FOLDS] = {10, 10, 10, 10};
    samples own = new_samples(1, 1, 2, 3, each, 0.1, 0.1);
    uwc_statistics *folds[UWC_FOLDS];
    double part;
    own.p[25 * 4 + 1] = NAN;
    fill_folds(&own, folds);
    assert_int_equal(uwc_recon__choose_ridge(&alone, folds, own.w0, &part), UWC_E_MATH);
    for (int k = 0; k < UWC_FOLDS; k++) {
        uwc_recon__statistics_destroy(&folds[k]);
    }
    free_samples(&own);
}

/* Ends the search with what a member has to add first. */
static uwc_status listen(void *self, double *sum, int64_t count) {
    assert_int_equal(count, UWC_FOLDS * CANDIDATES);
    memcpy(self, sum, (size_t)count * sizeof *sum);
    return uwc_error_set(UWC_E_COMM, "heard");
}

/* Every fold falls to one member. */
static void members_share_the_folds(void **state) {
    (void)state;
    static const int64_t each[UWC_FOLDS] = {15, 14, 13, 12};
    samples own = new_samples(7, 3, 2, 5, each, 0.2, 0.5);
    for (int members = 2; members <= 2 * UWC_FOLDS; members *= 2) {
        for (int m = 0; m < members; m++) {
            uwc_statistics *folds[UWC_FOLDS];
            double heard[UWC_FOLDS][CANDIDATES], part;
            const uwc_stream stream = {.self = heard, .combine = listen, .member = m, .members = members};
            fill_folds(&own, folds);
            assert_int_equal(uwc_recon__choose_ridge(&stream, folds, own.w0, &part), UWC_E_COMM);
            for (int k = 0; k < UWC_FOLDS; k++) {
                assert_true((heard[k][3] != 0) == (k % members == m));
                uwc_recon__statistics_destroy(&folds[k]);
            }
        }
    }
    free_samples(&own);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(solutions_are_those_of_plain_loops),
        cmocka_unit_test(the_ridge_goes_from_the_fit_to_the_weights),
        cmocka_unit_test(the_ridge_is_a_part_of_the_mean_diagonal),
        cmocka_unit_test(the_ridge_is_that_of_brute_force),
        cmocka_unit_test(some_of_many_rows_choose_the_ridge),
        cmocka_unit_test(noise_asks_for_a_large_ridge),
        cmocka_unit_test(folds_without_samples_do_no_harm),
        cmocka_unit_test(sums_that_are_not_finite_are_an_error),
        cmocka_unit_test(members_share_the_folds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
