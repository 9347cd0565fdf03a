#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <string.h>
#include <uwc/base.h>

/* Known answers of Random123 (Salmon et al. 2011, kat_vectors, philox4x32 10): counter = {index, stream}, key = seed, little words first.
 */
static void test_given_known_answers_expect_them(void **state) {
    (void)state;
    const struct {
        uint64_t seed, stream, index;
        uint32_t out[2];
    } known[] = {
        {0, 0, 0, {0x6627e8d5, 0xe169c58d}},
        {UINT64_MAX, UINT64_MAX, UINT64_MAX, {0x408f276d, 0x41c83b0e}},
        {UINT64_C(0x299f31d0a4093822), UINT64_C(0x0370734413198a2e), UINT64_C(0x85a308d3243f6a88), {0xd16cfe09, 0x94fdcceb}},
    };
    for (int i = 0; i < 3; i++) {
        uint64_t wide = (uint64_t)known[i].out[0] << 32 | known[i].out[1];
        assert_int_equal(uwc_rng_u32(known[i].seed, known[i].stream, known[i].index), known[i].out[0]);
        assert_int_equal(uwc_rng_below(known[i].seed, known[i].stream, known[i].index, INT64_MAX), wide % INT64_MAX);
        assert_true(uwc_rng_uniform(known[i].seed, known[i].stream, known[i].index) == (known[i].out[0] + 0.5) / 4294967296.0);
    }
}

static void test_given_many_uniform_numbers_expect_moments(void **state) {
    (void)state;
    enum { N = 200000 };
    double sum = 0.0, squares = 0.0;
    for (uint64_t i = 0; i < N; i++) {
        double u = uwc_rng_uniform(1, 2, i);
        assert_true(u > 0.0 && u < 1.0);
        sum += u;
        squares += u * u;
    }
    assert_float_equal(sum / N, 0.5, 4.0 * sqrt(1.0 / 12.0 / N));
    assert_float_equal(squares / N, 1.0 / 3.0, 4.0 * sqrt(4.0 / 45.0 / N));
}

static void test_given_many_normal_numbers_expect_moments(void **state) {
    (void)state;
    enum { N = 200000 };
    double power[5] = {0.0}, product = 0.0, last = 0.0;
    for (uint64_t i = 0; i < N; i++) {
        double x = uwc_rng_normal(3, 4, i), p = 1.0;
        assert_true(isfinite(x));
        for (int k = 0; k < 5; k++, p *= x) {
            power[k] += p / N;
        }
        product += x * last / N;
        last = x;
    }
    double sigma = 1.0 / sqrt(N);
    assert_float_equal(power[1], 0.0, 4.0 * sigma);
    assert_float_equal(power[2], 1.0, 4.0 * sqrt(2.0) * sigma);
    assert_float_equal(power[3], 0.0, 4.0 * sqrt(15.0) * sigma);
    assert_float_equal(power[4], 3.0, 4.0 * sqrt(96.0) * sigma);
    assert_float_equal(product, 0.0, 4.0 * sigma);
}

static void test_given_bound_expect_even_spread(void **state) {
    (void)state;
    enum { N = 70000, BOUND = 7 };
    int64_t seen[BOUND] = {0};
    for (uint64_t i = 0; i < N; i++) {
        int64_t value = uwc_rng_below(5, 6, i, BOUND);
        assert_in_range(value, 0, BOUND - 1);
        seen[value]++;
    }
    for (int i = 0; i < BOUND; i++) {
        assert_float_equal((double)seen[i], (double)N / BOUND, 5.0 * sqrt((double)N / BOUND));
    }
    for (int64_t bound = -1; bound <= 1; bound++) {
        assert_int_equal(uwc_rng_below(5, 6, 0, bound), 0);
    }
}

/* Fowler, Noll, Vo: known answers of FNV-1a, 64 bit. */
static void test_given_texts_expect_known_hashes(void **state) {
    (void)state;
    assert_true(uwc_hash(UWC_HASH_INIT, "", 0) == UWC_HASH_INIT);
    assert_true(uwc_hash(UWC_HASH_INIT, "a", 1) == UINT64_C(0xaf63dc4c8601ec8c));
    assert_true(uwc_hash(UWC_HASH_INIT, "foobar", 6) == UINT64_C(0x85944171f73967e8));
    assert_true(uwc_hash(uwc_hash(UWC_HASH_INIT, "foo", 3), "bar", 3) == UINT64_C(0x85944171f73967e8));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_given_known_answers_expect_them),          cmocka_unit_test(test_given_many_uniform_numbers_expect_moments),
        cmocka_unit_test(test_given_many_normal_numbers_expect_moments), cmocka_unit_test(test_given_bound_expect_even_spread),
        cmocka_unit_test(test_given_texts_expect_known_hashes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
