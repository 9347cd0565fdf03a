#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <omp.h>
#include <string.h>
#include <uwc/quant.h>

/* Masks of dropped values, and the gradients of fake quantization against plain loops and differences. */

enum { COUNT = 50001, MOST_COUNT = 200000 };

static void fill_normal(float *x, int64_t count, uint64_t stream) {
    for (int64_t i = 0; i < count; i++) {
        x[i] = (float)uwc_rng_normal(11, stream, (uint64_t)i);
    }
}

/* ---- masks ---------------------------------------------------------------------------------------------------------------------- */

static double sum_of(const uint8_t *keep, int64_t count) {
    double sum = 0;
    for (int64_t i = 0; i < count; i++) {
        assert_true(keep[i] <= 1);
        sum += keep[i];
    }
    return sum;
}

/* Within five standard deviations of a binomial count. */
static void assert_count(double sum, double count, double part) {
    assert_true(fabs(sum - part * count) <= 5 * sqrt(count * part * (1 - part)));
}

static void masks_hold_their_part(void **state) {
    (void)state;
    static uint8_t keep[MOST_COUNT];
    const double part[] = {0, 1e-4, 0.1, 0.5, 0.75, 0.999, 1};
    for (size_t i = 0; i < sizeof part / sizeof *part; i++) {
        for (uint64_t seed = 0; seed < 5; seed++) {
            uwc_drop_mask(seed, 3, part[i], MOST_COUNT, keep);
            assert_count(sum_of(keep, MOST_COUNT), MOST_COUNT, part[i]);
        }
    }
}

/* Elements that lie `lag` behind one another are kept independently, in one mask and in two. */
static void assert_independent(const uint8_t *a, const uint8_t *b, int64_t lag, double part) {
    double both = 0;
    for (int64_t i = 0; i + lag < MOST_COUNT; i++) {
        both += a[i] & b[i + lag];
    }
    assert_count(both, (double)(MOST_COUNT - lag), part * part);
}

static void elements_and_masks_are_independent(void **state) {
    (void)state;
    static uint8_t keep[MOST_COUNT], other[MOST_COUNT];
    const int64_t lag[] = {1, 2, 3, 4, 8, 16, 64, 255, 256, 4096, 8191, 8192, 8193, 16384, 65536};
    const double part[] = {0.5, 0.2};
    for (int p = 0; p < 2; p++) {
        uwc_drop_mask(1, 1, part[p], MOST_COUNT, keep);
        for (size_t i = 0; i < sizeof lag / sizeof *lag; i++) {
            assert_independent(keep, keep, lag[i], part[p]);
        }
        const uint64_t pair[][2] = {{1, 2}, {1, 3}, {2, 1}, {1, (uint64_t)1 << 16 | 1}, {1, (uint64_t)1 << 48 | 1}, {(uint64_t)1 << 40, 1}};
        for (size_t k = 0; k < sizeof pair / sizeof *pair; k++) {
            uwc_drop_mask(pair[k][0], pair[k][1], part[p], MOST_COUNT, other);
            for (int64_t shift = 0; shift < 3; shift++) {
                assert_independent(keep, other, shift, part[p]);
            }
        }
    }
}

/* Over many masks each element, and each pair of neighbours, is kept as often as it should be: chi-square over 64 places. */
static void no_place_is_preferred(void **state) {
    (void)state;
    enum { PLACES = 64, MASKS = 4000 };
    double kept[PLACES] = {0}, pairs[PLACES] = {0};
    for (uint64_t stream = 0; stream < MASKS; stream++) {
        uint8_t keep[PLACES + 1];
        uwc_drop_mask(5, stream, 0.5, PLACES + 1, keep);
        for (int i = 0; i < PLACES; i++) {
            kept[i] += keep[i];
            pairs[i] += keep[i] == keep[i + 1];
        }
    }
    double square[2] = {0};
    for (int i = 0; i < PLACES; i++) {
        square[0] += pow(kept[i] - 0.5 * MASKS, 2) / (0.25 * MASKS);
        square[1] += pow(pairs[i] - 0.5 * MASKS, 2) / (0.25 * MASKS);
    }
    for (int k = 0; k < 2; k++) { /* mean 64, standard deviation sqrt(128) */
        assert_true(fabs(square[k] - PLACES) < 5 * sqrt(2.0 * PLACES));
    }
}

/* An element depends on (seed, stream, its place) alone. */
static void masks_depend_on_the_place_alone(void **state) {
    (void)state;
    static uint8_t all[MOST_COUNT], keep[MOST_COUNT];
    uwc_drop_mask(2, 9, 0.5, MOST_COUNT, all);
    const int64_t count[] = {1, 100, 8191, 8192, 8193, 100000};
    for (size_t i = 0; i < sizeof count / sizeof *count; i++) {
        memset(keep, 7, sizeof keep);
        uwc_drop_mask(2, 9, 0.5, count[i], keep);
        assert_memory_equal(keep, all, (size_t)count[i]);
        assert_int_equal(keep[count[i]], 7);
    }
    const int before = omp_get_max_threads();
    for (int threads = 1; threads <= 3; threads++) {
        omp_set_num_threads(threads);
        uwc_drop_mask(2, 9, 0.5, MOST_COUNT, keep);
        assert_memory_equal(keep, all, MOST_COUNT);
    }
    omp_set_num_threads(before);
}

/* ---- quantization --------------------------------------------------------------------------------------------------------------- */

static const uwc_quantizer QUANTIZER[] = {{4, 0.2f, 7}, {2, 0.7f, 1}, {8, 0.011f, 0}, {3, 0.25f, 7}};
enum { QUANTIZERS = sizeof QUANTIZER / sizeof *QUANTIZER };

static void kept_values_stay_float(void **state) {
    (void)state;
    static float x[COUNT], out[COUNT], quantized[COUNT];
    static uint8_t keep[COUNT];
    fill_normal(x, COUNT, 0);
    uwc_drop_mask(1, 0, 0.4, COUNT, keep);
    for (int q = 0; q < QUANTIZERS; q++) {
        uwc_quantizer_apply(&QUANTIZER[q], x, COUNT, quantized);
        uwc_quantizer_apply_but(&QUANTIZER[q], x, keep, COUNT, out);
        for (int64_t i = 0; i < COUNT; i++) {
            assert_true(out[i] == (keep[i] != 0 ? x[i] : quantized[i]));
        }
        memcpy(quantized, x, sizeof x);
        uwc_quantizer_apply_but(&QUANTIZER[q], quantized, keep, COUNT, quantized); /* in place */
        assert_memory_equal(quantized, out, sizeof out);
    }
}

typedef struct passed {
    float *x; /* [COUNT] */
    double scale, zero;
} passed;

/* The gradients element by element: Esser et al., equation 3, and for the zero point what they say of the offset. */
static void back_plain(const uwc_quantizer *quantizer, const float *x, const uint8_t *keep, const float *grad, int64_t count, passed *out) {
    const double least = -quantizer->zero, most = least + (1 << quantizer->bits) - 1;
    out->scale = out->zero = 0;
    for (int64_t i = 0; i < count; i++) {
        const double real = (double)(x[i] / quantizer->scale), level = rint(real), g = (double)grad[i];
        const bool low = level<least, high = level> most;
        if (keep != NULL && keep[i] != 0) {
            out->x[i] = grad[i];
            continue;
        }
        out->x[i] = low || high ? 0 : grad[i];
        out->scale += g * (low ? least : high ? most : level - real);
        out->zero += low || high ? -g * (double)quantizer->scale : 0;
    }
}

static void assert_number(double got, double wanted, double error) {
    if (!(fabs(got - wanted) <= error * (1 + fabs(wanted)))) {
        fail_msg("%g instead of %g", got, wanted);
    }
}

static void gradients_are_those_of_a_plain_loop(void **state) {
    (void)state;
    static float x[COUNT], grad[COUNT], plain[COUNT], got[COUNT];
    static uint8_t keep[COUNT];
    const int64_t count[] = {1, 15, 16, 17, 8192, 8209, COUNT};
    fill_normal(x, COUNT, 1);
    fill_normal(grad, COUNT, 2);
    uwc_drop_mask(1, 0, 0.4, COUNT, keep);
    for (int t = 0; t < 2 * QUANTIZERS * 7; t++) {
        const uwc_quantizer *quantizer = &QUANTIZER[t / 14];
        const uint8_t *mask = t % 2 == 0 ? NULL : keep;
        const int64_t n = count[t / 2 % 7];
        passed expected = {.x = plain};
        double scale = 99, zero = 99; /* overwritten */
        back_plain(quantizer, x, mask, grad, n, &expected);
        assert_int_equal(UWC_OK, uwc_quantizer_backward(quantizer, x, mask, grad, n, got, false, &scale, &zero));
        assert_memory_equal(got, plain, (size_t)n * sizeof *got);
        const double spread = sqrt((double)n) * 1e-5;
        assert_number(scale, expected.scale, spread);
        assert_number(zero, expected.zero, spread);
        for (int64_t i = 0; i < n; i++) {
            got[i] = x[i];
        }
        double again[2];
        assert_int_equal(UWC_OK, uwc_quantizer_backward(quantizer, x, mask, grad, n, got, true, &again[0], &again[1]));
        for (int64_t i = 0; i < n; i++) {
            assert_true(got[i] == x[i] + plain[i]);
        }
        assert_true(again[0] == scale && again[1] == zero);
        assert_int_equal(UWC_OK, uwc_quantizer_backward(quantizer, x, mask, grad, n, NULL, false, &again[0], &again[1]));
        assert_true(again[0] == scale && again[1] == zero);
        memcpy(got, grad, (size_t)n * sizeof *got); /* over grad_out */
        assert_int_equal(UWC_OK, uwc_quantizer_backward(quantizer, x, mask, got, n, got, false, &again[0], &again[1]));
        assert_memory_equal(got, plain, (size_t)n * sizeof *got);
        assert_true(again[0] == scale && again[1] == zero);
    }
}

/* sum(grad out) of the values beyond the ends, where the quantizer itself is differentiable by its scale: differences of the function that
 * users see. Inside, out - x is what rounding leaves, (level - x / scale) scale: its derivative at a fixed remainder. */
static void steps_are_differences_where_values_clip(void **state) {
    (void)state;
    enum { N = 400 };
    float x[N], grad[N], out[N];
    fill_normal(grad, N, 3);
    for (int64_t i = 0; i < N; i++) {
        x[i] = (i % 2 == 0 ? 1.0f : -1.0f) * (2 + 0.01f * (float)i);
    }
    const uwc_quantizer at = {4, 0.2f, 7}; /* -1.4 to 1.6 */
    double by_scale, by_zero, sum[2];
    assert_int_equal(UWC_OK, uwc_quantizer_backward(&at, x, NULL, grad, N, NULL, false, &by_scale, &by_zero));
    for (int side = 0; side < 2; side++) {
        uwc_quantizer beside = at;
        beside.scale += side == 0 ? 0.01f : -0.01f;
        uwc_quantizer_apply(&beside, x, N, out);
        sum[side] = 0;
        for (int64_t i = 0; i < N; i++) {
            sum[side] += (double)grad[i] * (double)out[i];
        }
    }
    assert_number(by_scale, (sum[0] - sum[1]) / ((double)(at.scale + 0.01f) - (double)(at.scale - 0.01f)), 1e-4);
    for (int side = 0; side < 2; side++) {
        uwc_quantizer beside = at;
        beside.zero += side == 0 ? 1 : -1;
        uwc_quantizer_apply(&beside, x, N, out);
        sum[side] = 0;
        for (int64_t i = 0; i < N; i++) {
            sum[side] += (double)grad[i] * (double)out[i];
        }
    }
    assert_number(by_zero, (sum[0] - sum[1]) / 2, 1e-4);
}

static void threads_change_nothing(void **state) {
    (void)state;
    static float x[COUNT], grad[COUNT], got[3][COUNT];
    static uint8_t keep[COUNT];
    double scale[3], zero[3];
    fill_normal(x, COUNT, 4);
    fill_normal(grad, COUNT, 5);
    uwc_drop_mask(1, 0, 0.4, COUNT, keep);
    const int before = omp_get_max_threads();
    for (int t = 0; t < 3; t++) {
        omp_set_num_threads(t + 1);
        assert_int_equal(UWC_OK, uwc_quantizer_backward(&QUANTIZER[0], x, keep, grad, COUNT, got[t], false, &scale[t], &zero[t]));
        assert_memory_equal(got[t], got[0], sizeof got[0]);
        assert_true(scale[t] == scale[0] && zero[t] == zero[0]);
    }
    omp_set_num_threads(before);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(masks_hold_their_part),
        cmocka_unit_test(elements_and_masks_are_independent),
        cmocka_unit_test(no_place_is_preferred),
        cmocka_unit_test(masks_depend_on_the_place_alone),
        cmocka_unit_test(kept_values_stay_float),
        cmocka_unit_test(gradients_are_those_of_a_plain_loop),
        cmocka_unit_test(steps_are_differences_where_values_clip),
        cmocka_unit_test(threads_change_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
