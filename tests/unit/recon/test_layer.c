#include "naive_layer.h"

/* One layer from its statistics, against plain loops, against all lattice points, and at its edges. */

static const double DAMP = 0.01;

typedef struct solution {
    uwc_weights *weights;
    double *bias, objective;
} solution;

static solution solve(const layer_case *own, int bits, bool asymmetric, double damp) {
    solution out;
    uwc_layer_statistics s = statistics_of(own);
    must(uwc_weights_create(bits, own->rows, own->n, &out.weights));
    out.bias = new_doubles(own->rows);
    const uwc_layer_options options = {.asymmetric = asymmetric, .ridge = damp, .damp = damp};
    must(uwc_recon_layer(&s, &options, out.weights, out.bias));
    out.objective = objective(own, out.weights, out.bias);
    return out;
}

static void free_solution(solution *own) {
    uwc_weights_destroy(&own->weights);
    uwc_free(&own->bias);
}

/* Nearest rounding of W0 with its own bias. */
static double nearest_objective(const layer_case *own, int bits, bool asymmetric) {
    const int64_t order = own->n + 1;
    float *w;
    double *bias = new_doubles(own->rows);
    uwc_weights *weights;
    must(uwc_calloc(own->rows * order, sizeof *w, &w));
    for (int64_t i = 0; i < own->rows * order; i++) {
        w[i] = (float)own->W0[i];
    }
    for (int64_t r = 0; r < own->rows; r++) {
        bias[r] = own->W0[r * order + own->n];
    }
    must(uwc_weights_create(bits, own->rows, own->n, &weights));
    must(uwc_recon_nearest(w, order, asymmetric, weights));
    double out = objective(own, weights, bias);
    uwc_weights_destroy(&weights);
    uwc_free(&w);
    uwc_free(&bias);
    return out;
}

static void layers_are_far_better_than_nearest_and_as_good_as_plain_loops(void **state) {
    (void)state;
    static const int64_t form[][5] = {/* bits, inputs, rows, samples, per cent of nearest rounding's objective at most */
                                      {8, 72, 16, 2000, 95}, {4, 72, 16, 2000, 65}, {3, 72, 17, 2000, 60},
                                      {2, 72, 16, 2000, 30}, {3, 130, 5, 1000, 50}, {5, 40, 33, 800, 85}};
    for (size_t k = 0; k < sizeof form / sizeof form[0]; k++) {
        const int bits = (int)form[k][0];
        layer_case own = random_case(k, form[k][3], form[k][1], form[k][2]);
        solution got = solve(&own, bits, false, DAMP);
        check_levels(got.weights, false);
        assert_true(got.objective < (double)form[k][4] / 100 * nearest_objective(&own, bits, false));
        assert_true(got.objective < 1.001 * naive_objective(&own, bits, DAMP));
        free_solution(&got);
        free_case(&own);
    }
}

/* All points of the lattice for one row: levels of the digits of `point`. */
static void read_point(int point, int n, int base, int lo, double *q) {
    for (int i = 0; i < n; i++, point /= base) {
        q[i] = lo + point % base;
    }
}

static double best_of_all_points(const double *G, int n, const double *w, double s) {
    double best = INFINITY, q[4];
    for (int point = 0; point < 256; point++) {
        read_point(point, n, 4, -2, q);
        best = fmin(best, naive_loss(G, n, w, q, s));
    }
    return best;
}

static void tiny_layers_are_near_the_best_of_all_lattice_points(void **state) {
    (void)state;
    enum { CASES = 60, ROWS = 4, N = 4 };
    double excess = 0;
    for (uint64_t seed = 0; seed < CASES; seed++) {
        layer_case own = random_case(100 + seed, 60, N, ROWS);
        naive_metric m = naive_retarget(&own, DAMP);
        solution got = solve(&own, 2, false, DAMP);
        for (int r = 0; r < ROWS; r++) {
            double q[N], s = (double)got.weights->scale[r];
            for (int i = 0; i < N; i++) {
                q[i] = got.weights->q[r * N + i];
            }
            double loss = naive_loss(m.G, N, m.W + r * (N + 1), q, s), best = best_of_all_points(m.G, N, m.W + r * (N + 1), s);
            assert_true(loss >= best * (1 - 1e-9));
            excess += (loss / best - 1) / (CASES * ROWS);
        }
        free_solution(&got);
        free_metric(&m);
        free_case(&own);
    }
    assert_true(excess < 0.03);
}

/* No single weight of any row can move to another level and lower the loss. */
static void no_single_move_helps(void **state) {
    (void)state;
    enum { N = 30, ROWS = 18 };
    for (int bits = 2; bits <= 4; bits++) {
        layer_case own = random_case(200, 400, N, ROWS);
        naive_metric m = naive_retarget(&own, DAMP);
        solution got = solve(&own, bits, false, DAMP);
        int lo, hi;
        uwc_weights_range(bits, &lo, &hi);
        for (int r = 0; r < ROWS; r++) {
            const double *w = m.W + r * (N + 1), s = (double)got.weights->scale[r];
            double q[N];
            for (int i = 0; i < N; i++) {
                q[i] = got.weights->q[r * N + i];
            }
            double loss = naive_loss(m.G, N, w, q, s);
            for (int i = 0; i < N; i++) {
                double kept = q[i];
                for (int level = lo; level <= hi; level++) {
                    q[i] = level;
                    assert_true(naive_loss(m.G, N, w, q, s) >= loss * (1 - 1e-9));
                }
                q[i] = kept;
            }
        }
        free_solution(&got);
        free_metric(&m);
        free_case(&own);
    }
}

/* For the integers that were chosen, no other short scale is better by more than a trifle. */
static void the_scale_is_the_best_for_the_integers(void **state) {
    (void)state;
    enum { N = 40, ROWS = 30 };
    layer_case own = random_case(250, 400, N, ROWS);
    naive_metric m = naive_retarget(&own, DAMP);
    for (int bits = 2; bits <= 4; bits++) {
        solution got = solve(&own, bits, false, DAMP);
        double loss = 0, best = 0;
        for (int r = 0; r < ROWS; r++) {
            const double *w = m.W + r * (N + 1);
            double q[N], s = (double)got.weights->scale[r];
            for (int i = 0; i < N; i++) {
                q[i] = got.weights->q[r * N + i];
            }
            loss += naive_loss(m.G, N, w, q, s);
            best += naive_loss(m.G, N, w, q, naive_short(bits, naive_refit(m.G, N, w, q, s)));
        }
        assert_true(loss < 1.0005 * best);
        free_solution(&got);
    }
    free_metric(&m);
    free_case(&own);
}

/* The bias is the best one for the integers: no other constant lowers the objective. */
static void the_bias_is_the_best_for_the_integers(void **state) {
    (void)state;
    layer_case own = random_case(300, 500, 20, 6);
    solution got = solve(&own, 3, false, DAMP);
    for (int64_t r = 0; r < own.rows; r++) {
        double kept = got.bias[r];
        for (int side = -1; side <= 1; side += 2) {
            got.bias[r] = kept + side * 1e-4;
            assert_true(objective(&own, got.weights, got.bias) > got.objective);
        }
        got.bias[r] = kept;
    }
    free_solution(&got);
    free_case(&own);
}

/* Sums of the objectives of symmetric [0] and asymmetric [1] weights over a few layers. */
static void compare_grids(double centre, int bits, double sum[2]) {
    sum[0] = sum[1] = 0;
    for (uint64_t seed = 0; seed < 6; seed++) {
        layer_case own = random_case_around(centre, 400 + seed, 600, 36, 8);
        for (int asymmetric = 0; asymmetric < 2; asymmetric++) {
            solution got = solve(&own, bits, asymmetric == 1, DAMP);
            check_levels(got.weights, asymmetric == 1);
            sum[asymmetric] += got.objective;
            free_solution(&got);
        }
        free_case(&own);
    }
}

/* Weights around zero lose nothing, those on one side of it gain. */
static void asymmetric_weights_are_no_worse(void **state) {
    (void)state;
    for (int bits = 2; bits <= 4; bits++) {
        double sum[2];
        compare_grids(0, bits, sum);
        assert_true(sum[1] < sum[0]);
        compare_grids(0.3, bits, sum);
        assert_true(sum[1] < 0.9 * sum[0]);
    }
}

static void kill_input(layer_case *own, int64_t input) {
    const int64_t order = own->n + 1;
    for (int64_t i = 0; i < order; i++) {
        own->A[i * order + input] = own->A[input * order + i] = 0;
    }
    for (int64_t r = 0; r < own->rows; r++) {
        own->Y[r * order + input] = 0;
    }
}

static void assert_finite_solution(const layer_case *own, const solution *got) {
    assert_true(isfinite(got->objective));
    check_levels(got->weights, false);
    for (int64_t r = 0; r < own->rows; r++) {
        assert_true(isfinite(got->bias[r]));
    }
}

static void dead_inputs_do_no_harm(void **state) {
    (void)state;
    layer_case own = random_case(500, 300, 12, 5);
    kill_input(&own, 0);
    kill_input(&own, 7);
    solution got = solve(&own, 4, false, DAMP);
    assert_finite_solution(&own, &got);
    assert_true(got.objective < nearest_objective(&own, 4, false));
    free_solution(&got);
    for (int64_t i = 0; i < own.n; i++) {
        kill_input(&own, i);
    }
    got = solve(&own, 4, false, DAMP); /* nothing is left but the bias, which then is the mean */
    assert_finite_solution(&own, &got);
    for (int64_t r = 0; r < own.rows; r++) {
        assert_true(fabs(got.bias[r] - own.Y[r * 13 + 12]) < 1e-9);
    }
    free_solution(&got);
    free_case(&own);
}

static void small_layers_are_solved(void **state) {
    (void)state;
    static const int64_t size[][2] = {{1, 1}, {1, 5}, {6, 1}, {2, 16}, {3, 17}};
    for (size_t k = 0; k < sizeof size / sizeof size[0]; k++) {
        for (int bits = 2; bits <= 8; bits++) {
            layer_case own = random_case(600 + k, 200, size[k][0], size[k][1]);
            solution got = solve(&own, bits, false, DAMP);
            assert_finite_solution(&own, &got);
            assert_true(got.objective <= nearest_objective(&own, bits, false) * (1 + 1e-9));
            free_solution(&got);
            got = solve(&own, bits, true, DAMP);
            check_levels(got.weights, true);
            free_solution(&got);
            free_case(&own);
        }
    }
}

/* Fewer samples than inputs, and inputs that are copies of each other. */
static void singular_statistics_are_solved_with_a_ridge(void **state) {
    (void)state;
    layer_case own = random_case(700, 9, 24, 5);
    solution got = solve(&own, 4, false, DAMP);
    assert_finite_solution(&own, &got);
    assert_true(got.objective < nearest_objective(&own, 4, false));
    free_solution(&got);
    free_case(&own);
}

static void without_ridge_singular_statistics_are_an_error_or_solved(void **state) {
    (void)state;
    layer_case own = random_case(700, 9, 24, 5);
    for (int64_t i = 0; i < 25 * 25; i++) {
        own.A[i] *= 1e12; /* the least ridge of 1e-8 is nothing here */
    }
    own.A[24 * 25 + 24] = 1;
    uwc_layer_statistics s = statistics_of(&own);
    uwc_weights *weights;
    double bias[5];
    must(uwc_weights_create(4, 5, 24, &weights));
    must_fail(uwc_recon_layer(&s, &(uwc_layer_options){0}, weights, bias), UWC_E_MATH, "positive definite");
    uwc_weights_destroy(&weights);
    free_case(&own);
}

static void numbers_that_are_not_finite_are_an_error(void **state) {
    (void)state;
    uwc_weights *weights;
    double bias[3];
    must(uwc_weights_create(4, 3, 6, &weights));
    for (int k = 0; k < 3; k++) {
        layer_case own = random_case(800, 50, 6, 3);
        double *field[] = {own.A, own.Y, own.W0};
        field[k][8] = k == 1 ? INFINITY : NAN;
        uwc_layer_statistics s = statistics_of(&own);
        assert_int_equal(uwc_recon_layer(&s, &(uwc_layer_options){.ridge = DAMP, .damp = DAMP}, weights, bias), UWC_E_MATH);
        free_case(&own);
    }
    uwc_weights_destroy(&weights);
}

static void weights_of_another_shape_are_refused(void **state) {
    (void)state;
    layer_case own = random_case(800, 50, 6, 3);
    uwc_layer_statistics s = statistics_of(&own);
    uwc_weights *weights;
    double bias[3];
    must(uwc_weights_create(4, 3, 7, &weights));
    must_fail(uwc_recon_layer(&s, &(uwc_layer_options){.ridge = DAMP, .damp = DAMP}, weights, bias), UWC_E_SHAPE, "3 x 7");
    uwc_weights_destroy(&weights);
    free_case(&own);
}

/* Rows are solved in groups; a row's solution must not depend on its companions, nor on the threads. */
static void rows_are_independent_of_companions_and_threads(void **state) {
    (void)state;
    layer_case own = random_case(900, 300, 27, 40), part = own;
    uwc_ops_set_threads(1);
    solution all = solve(&own, 3, false, DAMP);
    uwc_ops_set_threads(2);
    solution again = solve(&own, 3, false, DAMP);
    assert_memory_equal(all.weights->q, again.weights->q, 40 * 27);
    assert_memory_equal(all.weights->scale, again.weights->scale, 40 * sizeof(float));
    assert_memory_equal(all.bias, again.bias, 40 * sizeof(double));
    part.rows = 7;
    part.Y += 21 * 28;
    part.W0 += 21 * 28;
    part.square += 21;
    solution some = solve(&part, 3, false, DAMP);
    assert_memory_equal(some.weights->q, all.weights->q + 21 * 27, 7 * 27);
    assert_memory_equal(some.weights->scale, all.weights->scale + 21, 7 * sizeof(float));
    free_solution(&all);
    free_solution(&again);
    free_solution(&some);
    free_case(&own);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(layers_are_far_better_than_nearest_and_as_good_as_plain_loops),
        cmocka_unit_test(tiny_layers_are_near_the_best_of_all_lattice_points),
        cmocka_unit_test(no_single_move_helps),
        cmocka_unit_test(the_scale_is_the_best_for_the_integers),
        cmocka_unit_test(the_bias_is_the_best_for_the_integers),
        cmocka_unit_test(asymmetric_weights_are_no_worse),
        cmocka_unit_test(dead_inputs_do_no_harm),
        cmocka_unit_test(small_layers_are_solved),
        cmocka_unit_test(singular_statistics_are_solved_with_a_ridge),
        cmocka_unit_test(without_ridge_singular_statistics_are_an_error_or_solved),
        cmocka_unit_test(numbers_that_are_not_finite_are_an_error),
        cmocka_unit_test(weights_of_another_shape_are_refused),
        cmocka_unit_test(rows_are_independent_of_companions_and_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
