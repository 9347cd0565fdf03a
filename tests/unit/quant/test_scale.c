#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <uwc/quant.h>

/* Short scales: how short and how near they are, and that sums of levels with them are exact. */

static int kept_bits(int bits) {
    static const int kept[] = {0, 0, 6, 6, 6, 6, 6, 5, 4};
    return kept[bits];
}

/* The nearest m 2^e with m < 2^kept, ties to even m, by trying them all. */
static double nearest_by_search(int kept, double scale) {
    double best = 0, away = INFINITY;
    for (int e = -160; e <= 140; e++) {
        for (int m = 1 << (kept - 1); m < 1 << kept; m++) {
            double candidate = ldexp(m, e), now = fabs(candidate - scale);
            if (now < away || (now == away && m % 2 == 0)) {
                away = now;
                best = candidate;
            }
        }
    }
    return best;
}

static void the_nearest_short_scale_is_found(void **state) {
    (void)state;
    for (int bits = 2; bits <= 8; bits++) {
        for (uint64_t i = 0; i < 60; i++) {
            float scale = (float)exp(12 * uwc_rng_normal(1, (uint64_t)bits, i));
            assert_true((double)uwc_scale_shorten(bits, scale) == nearest_by_search(kept_bits(bits), (double)scale));
        }
    }
}

static void some_are_known_by_hand(void **state) {
    (void)state;
    static const struct {
        int bits;
        float scale, wanted;
    } known[] = {{4, 1, 1},   {4, 0.1f, 51 / 512.0f}, {8, 0.1f, 13 / 128.0f},   {7, 0.11f, 28 / 256.0f}, {2, 65, 64}, {2, 67, 68},
                 {8, 17, 16}, {8, 15.5f, 16},         {3, 1e-20f, 0x1.78p-67f}, {4, 0x1.fffffep0f, 2}};
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        assert_true(uwc_scale_shorten(known[i].bits, known[i].scale) == known[i].wanted);
    }
}

static void short_scales_stay(void **state) {
    (void)state;
    for (int bits = 2; bits <= 8; bits++) {
        for (int m = 1; m < 1 << kept_bits(bits); m++) {
            float scale = ldexpf((float)m, -m % 40);
            assert_true(uwc_scale_shorten(bits, scale) == scale);
        }
    }
}

/* Products of levels of 2 to 4 bits with two scales, added forwards, backwards and in 16 lanes with fused and with rounded products: all
 * the same as the sum of integers. With the scales as they were the orders differ. */
enum { TERMS = 1152, LANES = 16 };

static float in_lanes(const float *x, const float *w) {
    float lane[LANES] = {0}, sum = 0;
    for (int i = 0; i < TERMS; i++) {
        lane[i % LANES] = fmaf(x[i], w[i], lane[i % LANES]);
    }
    for (int k = 0; k < LANES; k++) {
        sum += lane[k];
    }
    return sum;
}

static bool orders_agree(int bits, uint64_t seed, float x_scale, float w_scale) {
    float x[TERMS], w[TERMS], forwards = 0, backwards = 0;
    int64_t exact = 0;
    for (int i = 0; i < TERMS; i++) {
        int64_t p = uwc_rng_below(seed, 0, (uint64_t)i, 1 << bits), q = uwc_rng_below(seed, 1, (uint64_t)i, 1 << bits) - (1 << (bits - 1));
        x[i] = x_scale * (float)p;
        w[i] = w_scale * (float)q;
        exact += p * q;
        forwards += x[i] * w[i];
    }
    for (int i = TERMS - 1; i >= 0; i--) {
        backwards += x[i] * w[i];
    }
    double wanted = (double)x_scale * (double)w_scale * (double)exact;
    return (double)forwards == wanted && backwards == forwards && in_lanes(x, w) == forwards;
}

static void sums_with_short_scales_are_exact(void **state) {
    (void)state;
    int without = 0;
    for (int bits = 2; bits <= 4; bits++) {
        for (uint64_t seed = 0; seed < 40; seed++) {
            float x_scale = (float)exp(uwc_rng_normal(2, 0, seed) - 2), w_scale = (float)exp(uwc_rng_normal(2, 1, seed) - 4);
            without += orders_agree(bits, seed, x_scale, w_scale);
            assert_true(orders_agree(bits, seed, uwc_scale_shorten(bits, x_scale), uwc_scale_shorten(bits, w_scale)));
        }
    }
    assert_int_equal(without, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_nearest_short_scale_is_found),
        cmocka_unit_test(some_are_known_by_hand),
        cmocka_unit_test(short_scales_stay),
        cmocka_unit_test(sums_with_short_scales_are_exact),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
