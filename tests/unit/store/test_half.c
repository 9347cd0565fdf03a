#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "store_impl.h"
#include "support/expect.h"
#include <math.h>

enum { HALVES = 1 << 16, FINITE = 0x7c00 }; /* FINITE: magnitudes below are numbers */

/* By the definition of the format. */
static double meaning(uint16_t half) {
    int exponent = half >> 10 & 31, fraction = half & 1023;
    double magnitude = exponent == 0 ? ldexp(fraction, -24) : ldexp(1024 + fraction, exponent - 25);
    return (half & 0x8000) != 0 ? -magnitude : magnitude;
}

static uint16_t convert(float value) {
    uint16_t half;
    uwc_store__to_half(&value, 1, &half);
    return half;
}

static void test_given_every_half_expect_its_value_and_back(void **state) {
    (void)state;
    static uint16_t half[HALVES], back[HALVES];
    static float value[HALVES];
    int64_t n = 0;
    for (int bits = 0; bits < HALVES; bits++) {
        if ((bits & 0x7fff) < FINITE) {
            half[n++] = (uint16_t)bits;
        }
    }
    uwc_store__from_half(half, n, value);
    for (int64_t i = 0; i < n; i++) {
        assert_true((double)value[i] == meaning(half[i]) && !signbit(value[i]) == (half[i] < 0x8000));
    }
    uwc_store__to_half(value, n, back);
    assert_memory_equal(back, half, (size_t)n * sizeof half[0]);
}

/* Between two neighbours: the nearer one, in the middle the even one, whether above or below zero. */
static void test_given_values_between_halves_expect_nearest_and_even(void **state) {
    (void)state;
    static float middle[FINITE], opposite[FINITE], below[FINITE], above[FINITE];
    static uint16_t half[4][FINITE];
    const int n = FINITE - 1;
    for (int i = 0; i < n; i++) {
        middle[i] = (float)((meaning((uint16_t)i) + meaning((uint16_t)(i + 1))) / 2);
        opposite[i] = -middle[i];
        below[i] = nextafterf(middle[i], 0);
        above[i] = nextafterf(middle[i], INFINITY);
    }
    const float *value[4] = {middle, opposite, below, above};
    for (int k = 0; k < 4; k++) {
        uwc_store__to_half(value[k], n, half[k]);
    }
    for (int i = 0; i < n; i++) {
        int even = i + (i & 1);
        assert_int_equal(half[0][i], even);
        assert_int_equal(half[1][i], even | 0x8000);
        assert_int_equal(half[2][i], i);
        assert_int_equal(half[3][i], i + 1);
    }
    assert_int_equal(convert(65504.0f), FINITE - 1);
    assert_int_equal(convert(1e-30f), 0);
    assert_int_equal(convert(-1e-30f), 0x8000);
}

static void test_given_infinity_and_nan_in_a_file_expect_them(void **state) {
    (void)state;
    const uint16_t half[3] = {0x7c00, 0xfc00, 0x7e00};
    float value[3];
    uwc_store__from_half(half, 3, value);
    assert_true(isinf(value[0]) && value[0] > 0 && isinf(value[1]) && value[1] < 0 && isnan(value[2]));
}

static void test_given_value_beyond_range_expect_it_found(void **state) {
    (void)state;
    enum { N = (1 << 16) + 100 };
    static float value[N];
    const float beyond[] = {65505.0f, -65505.0f, 1e30f, INFINITY, -INFINITY, NAN};
    value[3] = 65504.0f;
    value[4] = -65504.0f;
    assert_null(uwc_store__find_beyond_half(value, N));
    for (size_t i = 0; i < sizeof beyond / sizeof beyond[0]; i++) {
        const int64_t place[] = {0, 17, (1 << 16) - 1, 1 << 16, N - 1};
        for (size_t k = 0; k < sizeof place / sizeof place[0]; k++) {
            value[place[k]] = beyond[i];
            assert_ptr_equal(uwc_store__find_beyond_half(value, N), &value[place[k]]);
            value[place[k]] = 0;
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_given_every_half_expect_its_value_and_back),
        cmocka_unit_test(test_given_values_between_halves_expect_nearest_and_even),
        cmocka_unit_test(test_given_infinity_and_nan_in_a_file_expect_them),
        cmocka_unit_test(test_given_value_beyond_range_expect_it_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
