#include "naive_layer.h"

#include "recon_impl.h"

/* The range search of a row of weights, and nearest rounding with it. */

/* sum g (q s - w)^2 with q = w / s rounded and clipped. */
static double rounding_error(const double *w, const double *g, int64_t n, int bits, double s) {
    int lo, hi;
    uwc_weights_range(bits, &lo, &hi);
    double sum = 0;
    for (int64_t i = 0; i < n; i++) {
        double away = clamped(w[i] / s, lo, hi) * s - w[i];
        sum += away * away * g[i];
    }
    return sum;
}

/* Weighted, at any number of columns, against the grid in plain loops. */
static void the_range_search_is_the_grid(void **state) {
    (void)state;
    enum { MOST = 20 };
    for (int64_t n = 1; n <= MOST; n++) {
        for (int bits = 2; bits <= 8; bits++) {
            double w[MOST], g[MOST], G[MOST * MOST] = {0}, scale;
            int zero;
            for (int64_t i = 0; i < n; i++) {
                w[i] = uwc_rng_normal(1000 + (uint64_t)bits, (uint64_t)n, (uint64_t)i);
                g[i] = G[i * n + i] = exp(3 * uwc_rng_normal(2000, (uint64_t)n, (uint64_t)i));
            }
            uwc_recon__search_scale(w, g, n, bits, false, &scale, &zero);
            assert_int_equal(zero, 0);
            double best = rounding_error(w, g, n, bits, naive_scale(G, n, w, bits));
            double tolerance = 1e-12 * g[0]; /* a scale is rounded to float32 */
            assert_true(is_short(bits, scale));
            assert_true(rounding_error(w, g, n, bits, scale) <= best * (1 + 1e-4) + tolerance);
        }
    }
}

static void nearest_rounding_takes_the_found_scale(void **state) {
    (void)state;
    enum { N = 50, STRIDE = 53 };
    float w[2 * STRIDE];
    for (int i = 0; i < 2 * STRIDE; i++) {
        w[i] = (float)uwc_rng_normal(1000, 0, (uint64_t)i);
    }
    for (int bits = 2; bits <= 8; bits++) {
        uwc_weights *weights;
        int lo, hi;
        uwc_weights_range(bits, &lo, &hi);
        must(uwc_weights_create(bits, 2, N, &weights));
        must(uwc_recon_nearest(w, STRIDE, false, weights));
        check_levels(weights, false);
        for (int r = 0; r < 2; r++) {
            double real[N], ones[N], scale, s = (double)weights->scale[r];
            int zero;
            for (int i = 0; i < N; i++) {
                real[i] = (double)w[r * STRIDE + i];
                ones[i] = 1;
            }
            uwc_recon__search_scale(real, ones, N, bits, false, &scale, &zero);
            assert_true(s == scale);
            for (int i = 0; i < N; i++) {
                assert_true(weights->q[r * N + i] == clamped(real[i] / s, lo, hi));
            }
        }
        uwc_weights_destroy(&weights);
    }
}

static void rows_of_zeros_have_a_scale(void **state) {
    (void)state;
    static const float w[12] = {0};
    for (int asymmetric = 0; asymmetric < 2; asymmetric++) {
        uwc_weights *weights;
        float real[12];
        must(uwc_weights_create(2, 3, 4, &weights));
        must(uwc_recon_nearest(w, 4, asymmetric == 1, weights));
        check_levels(weights, asymmetric == 1);
        uwc_weights_dequantize(weights, real);
        assert_memory_equal(real, w, sizeof w);
        uwc_weights_destroy(&weights);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_range_search_is_the_grid),
        cmocka_unit_test(nearest_rounding_takes_the_found_scale),
        cmocka_unit_test(rows_of_zeros_have_a_scale),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
