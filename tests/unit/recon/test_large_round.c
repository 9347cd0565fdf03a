#include "large_fixture.h"

/* Integers, scales and biases of a spread layer against the small layers' solver on the same statistics. */

enum { ROWS = 150, IMAGES = 40 };

static const double DAMP = 0.05, RIDGE = 0.05;

typedef struct solution {
    uwc_weights *weights;
    float *bias;
} solution;

static solution new_solution(int bits, int64_t n) {
    solution out;
    must(uwc_weights_create(bits, ROWS, n, &out.weights));
    must(uwc_calloc(ROWS, sizeof *out.bias, &out.bias));
    return out;
}

static void free_solution(solution *own) {
    uwc_weights_destroy(&own->weights);
    uwc_free(&own->bias);
}

/* Sum over the rows of mean (w p + b - y)^2, less what does not depend on w; `weights` in the order of patches. */
static double objective_of(const uwc_statistics *s, const uwc_weights *weights, const double *bias) {
    const int64_t n = s->cols, order = n + 1;
    double *v = new_doubles(order), *y = new_doubles(ROWS * order), sum = 0;
    uwc_recon__statistics_cross(s, 0, y);
    for (int64_t r = 0; r < ROWS; r++) {
        for (int64_t i = 0; i < order; i++) {
            v[i] = i < n ? (double)weights->scale[r] * (weights->q[r * n + i] - weights->zero[r]) : bias[r];
        }
        for (int64_t i = 0; i < order; i++) {
            double product = 0;
            for (int64_t k = 0; k < order; k++) {
                product += s->A[i * order + k] * v[k];
            }
            sum += v[i] * (product - 2 * y[r * order + i]);
        }
    }
    uwc_free(&v);
    uwc_free(&y);
    return sum + s->square;
}

static double small_objective(setting *own, const uwc_statistics *s, int bits, bool asymmetric) {
    const uwc_layer_options options = {.asymmetric = asymmetric, .ridge = RIDGE, .damp = DAMP};
    double *w0 = float_weights(own), *y = new_doubles(ROWS * (s->cols + 1)), bias[ROWS];
    solution out = new_solution(bits, s->cols);
    uwc_recon__statistics_cross(s, 0, y);
    must(uwc_recon_layer(&(uwc_layer_statistics){.rows = ROWS, .n = s->cols, .A = s->A, .Y = y, .W0 = w0}, &options, out.weights, bias));
    const double objective = objective_of(s, out.weights, bias);
    free_solution(&out);
    uwc_free(&w0);
    uwc_free(&y);
    return objective;
}

static double large_objective(setting *own, const uwc_statistics *s, int bits, bool asymmetric) {
    double bias[ROWS];
    solution out = new_solution(bits, s->cols);
    own->options.damp = DAMP;
    must(uwc_recon__large_retarget(&own->large, own->part));
    must(uwc_recon__large_factor(&own->large, DAMP));
    must(uwc_recon__large_round(&own->large, asymmetric, out.weights, out.bias));
    check_levels(out.weights, asymmetric);
    int8_t *ordered;
    must(uwc_calloc(ROWS * s->cols, 1, &ordered));
    uwc_recon__into_patch_order(&own->geometry, out.weights->q, ordered);
    memcpy(out.weights->q, ordered, (size_t)(ROWS * s->cols));
    uwc_free(&ordered);
    for (int64_t r = 0; r < ROWS; r++) {
        bias[r] = (double)out.bias[r];
    }
    const double objective = objective_of(s, out.weights, bias);
    bias[0] += 1e-2; /* no other bias is better */
    assert_true(objective_of(s, out.weights, bias) > objective);
    bias[0] -= 2e-2;
    assert_true(objective_of(s, out.weights, bias) > objective);
    free_solution(&out);
    return objective;
}

static void rows_are_as_good_as_the_small_solvers(void **state) {
    (void)state;
    for (int bits = 2; bits <= 8; bits++) {
        for (int asymmetric = 0; asymmetric < 2; asymmetric++) {
            setting *own = gathered(ROWS, IMAGES, RIDGE);
            uwc_statistics *s = small_statistics(own);
            const double small = small_objective(own, s, bits, asymmetric == 1), large = large_objective(own, s, bits, asymmetric == 1);
            print_message("%d bits: small %.6g, large %.6g\n", bits, small, large);
            assert_true(large < (bits == 2 ? 1.08 : 1.04) * small);
            uwc_recon__statistics_destroy(&s);
            free_setting(&own);
        }
    }
}

static void rows_too_large_for_single_precision_are_an_error(void **state) {
    (void)state;
    setting *own = gathered(ROWS, IMAGES, RIDGE);
    solution out = new_solution(4, own->large.n);
    must(uwc_recon__large_retarget(&own->large, INFINITY));
    must(uwc_recon__large_factor(&own->large, DAMP));
    own->large.own.w[70 * own->large.n] = 1e60;
    must_fail(uwc_recon__large_round(&own->large, false, out.weights, out.bias), UWC_E_MATH, "row ");
    free_solution(&out);
    free_setting(&own);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_are_as_good_as_the_small_solvers),
        cmocka_unit_test(rows_too_large_for_single_precision_are_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
