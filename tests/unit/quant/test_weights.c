#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>
#include <uwc/quant.h>

/* Integer weights: ranges, copies, real values. */

static void ranges_are_twos_complement(void **state) {
    (void)state;
    static const int wanted[][3] = {{2, -2, 1}, {3, -4, 3}, {4, -8, 7}, {8, -128, 127}};
    for (size_t k = 0; k < sizeof wanted / sizeof wanted[0]; k++) {
        int lo, hi;
        uwc_weights_range(wanted[k][0], &lo, &hi);
        assert_int_equal(lo, wanted[k][1]);
        assert_int_equal(hi, wanted[k][2]);
    }
}

static uwc_weights *sample(void) {
    uwc_weights *weights;
    assert_int_equal(uwc_weights_create(8, 2, 3, &weights), UWC_OK);
    static const int8_t q[] = {-128, 0, 127, 5, -5, 1};
    memcpy(weights->q, q, sizeof q);
    weights->scale[0] = 0.5f;
    weights->scale[1] = 0.1f;
    weights->zero[0] = 127; /* a difference that does not fit eight bits */
    weights->zero[1] = -3;
    return weights;
}

static void dequantized_weights_are_scale_times_difference(void **state) {
    (void)state;
    uwc_weights *weights = sample();
    float out[6];
    uwc_weights_dequantize(weights, out);
    const float wanted[] = {0.5f * -255, 0.5f * -127, 0, 0.1f * 8, 0.1f * -2, 0.1f * 4};
    assert_memory_equal(out, wanted, sizeof wanted);
    uwc_weights_destroy(&weights);
    assert_null(weights);
}

static void copies_are_deep(void **state) {
    (void)state;
    uwc_weights *weights = sample(), *copy;
    assert_int_equal(uwc_weights_copy(weights, &copy), UWC_OK);
    assert_int_equal(copy->bits, 8);
    assert_int_equal(copy->rows, 2);
    assert_int_equal(copy->cols, 3);
    assert_memory_equal(copy->q, weights->q, 6);
    assert_memory_equal(copy->scale, weights->scale, 2 * sizeof(float));
    assert_memory_equal(copy->zero, weights->zero, 2 * sizeof(int32_t));
    weights->q[0] = 1;
    weights->scale[1] = 9;
    weights->zero[0] = 0;
    assert_int_equal(copy->q[0], -128);
    assert_true(copy->scale[1] == 0.1f);
    assert_int_equal(copy->zero[0], 127);
    uwc_weights_destroy(&weights);
    uwc_weights_destroy(&copy);
    uwc_weights_destroy(&copy);
}

static void bits_out_of_range_are_refused(void **state) {
    (void)state;
    uwc_weights *weights;
    assert_int_equal(uwc_weights_create(1, 2, 3, &weights), UWC_E_ARG);
    assert_null(weights);
    assert_int_equal(uwc_weights_create(9, 2, 3, &weights), UWC_E_ARG);
    assert_null(weights);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ranges_are_twos_complement),
        cmocka_unit_test(dequantized_weights_are_scale_times_difference),
        cmocka_unit_test(copies_are_deep),
        cmocka_unit_test(bits_out_of_range_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
