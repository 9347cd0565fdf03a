#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <string.h>
#include <uwc/quant.h>

/* Activations: fake quantization against the scalar definition, and the search of scale and zero point. */

enum { COUNT = 20000 };

/* The definition of quant.h, one value at a time: q = clamp(rint(x / scale) + zero, 0, 2^bits - 1), x' = scale (q - zero). */
static float by_definition(const uwc_quantizer *quantizer, float x) {
    double q = (double)rintf(x / quantizer->scale) + quantizer->zero, top = (1 << quantizer->bits) - 1;
    q = q < 0 ? 0 : q > top ? top : q;
    return quantizer->scale * (float)(q - quantizer->zero);
}

static double error_of(const uwc_quantizer *quantizer, const float *x, int64_t count) {
    double sum = 0;
    for (int64_t i = 0; i < count; i++) {
        double error = (double)by_definition(quantizer, x[i]) - (double)x[i];
        sum += error * error;
    }
    return sum;
}

/* The grid over the whole range of the values, zero among them. */
static uwc_quantizer min_max(int bits, const float *x, int64_t count) {
    float low = 0, high = 0;
    for (int64_t i = 0; i < count; i++) {
        low = fminf(low, x[i]);
        high = fmaxf(high, x[i]);
    }
    float scale = (high - low) / (float)((1 << bits) - 1);
    return (uwc_quantizer){.bits = bits, .scale = scale, .zero = (int32_t)rintf(-low / scale)};
}

typedef enum family { NORMAL, HEAVY, RECTIFIED, NEGATIVE, SHIFTED, FAMILIES } family;

static float draw(family kind, uint64_t seed, int64_t i) {
    double x = uwc_rng_normal(seed, (uint64_t)kind, (uint64_t)i);
    switch (kind) {
    case NORMAL:
        return (float)x;
    case HEAVY:
        return (float)(x * x * x);
    case RECTIFIED:
        return (float)fmax(x, 0);
    case NEGATIVE:
        return (float)-fabs(x * x);
    default:
        return (float)(x + 2);
    }
}

static float *draw_all(family kind, uint64_t seed, int64_t count) {
    float *x;
    assert_int_equal(uwc_calloc(count, sizeof *x, &x), UWC_OK);
    for (int64_t i = 0; i < count; i++) {
        x[i] = draw(kind, seed, i);
    }
    return x;
}

static void apply_is_the_definition(void **state) {
    (void)state;
    static const uwc_quantizer quantizer[] = {{8, 0.1f, 0}, {4, 0.25f, 7}, {2, 3.0f, 3}, {3, 0.7f, 1}, {8, 1e-3f, 255}};
    float *x = draw_all(HEAVY, 1, COUNT), *out;
    assert_int_equal(uwc_calloc(COUNT, sizeof *out, &out), UWC_OK);
    for (size_t k = 0; k < sizeof quantizer / sizeof quantizer[0]; k++) {
        uwc_quantizer_apply(&quantizer[k], x, COUNT, out);
        for (int64_t i = 0; i < COUNT; i++) {
            assert_true(out[i] == by_definition(&quantizer[k], x[i]));
        }
    }
    uwc_free(&x);
    uwc_free(&out);
}

static void ties_go_to_even_levels(void **state) {
    (void)state;
    const uwc_quantizer quantizer = {.bits = 4, .scale = 0.5f, .zero = 8};
    const float x[] = {0.25f, 0.75f, 1.25f, -0.25f, -0.75f, -1.25f}, wanted[] = {0, 1, 1, 0, -1, -1};
    float out[6];
    uwc_quantizer_apply(&quantizer, x, 6, out);
    for (int i = 0; i < 6; i++) {
        assert_true(out[i] == wanted[i]);
    }
}

static void values_outside_saturate(void **state) {
    (void)state;
    const uwc_quantizer quantizer = {.bits = 3, .scale = 0.5f, .zero = 2}; /* -1 .. 2.5 */
    const float x[] = {1e30f, -1e30f, 2.6f, -1.1f, INFINITY, -INFINITY}, wanted[] = {2.5f, -1, 2.5f, -1, 2.5f, -1};
    float out[6];
    uwc_quantizer_apply(&quantizer, x, 6, out);
    for (int i = 0; i < 6; i++) {
        assert_true(out[i] == wanted[i]);
    }
}

static void apply_works_in_place_and_touches_no_more(void **state) {
    (void)state;
    const uwc_quantizer quantizer = {.bits = 4, .scale = 0.3f, .zero = 5};
    static const int64_t count[] = {1, 15, 16, 8191, 8192, 8193, COUNT - 1};
    for (size_t k = 0; k < sizeof count / sizeof count[0]; k++) {
        float *x = draw_all(NORMAL, k, COUNT), *out, beyond = x[count[k]];
        assert_int_equal(uwc_calloc(COUNT, sizeof *out, &out), UWC_OK);
        uwc_quantizer_apply(&quantizer, x, count[k], out);
        uwc_quantizer_apply(&quantizer, x, count[k], x);
        assert_memory_equal(x, out, (size_t)count[k] * sizeof *x);
        assert_true(x[count[k]] == beyond);
        assert_true(out[count[k]] == 0);
        uwc_free(&x);
        uwc_free(&out);
    }
}

/* At the finest lattices clipping brings nothing and the step, which has few significant bits, must be rounded up. */
static void search_beats_the_whole_range(void **state) {
    (void)state;
    const double short_step = 1 + 1 / 8.0;
    for (int bits = 2; bits <= 8; bits++) {
        for (family kind = 0; kind < FAMILIES; kind++) {
            float *x = draw_all(kind, (uint64_t)bits, COUNT);
            uwc_quantizer found, whole = min_max(bits, x, COUNT);
            assert_int_equal(uwc_quantizer_search(bits, x, COUNT, &found), UWC_OK);
            assert_int_equal(found.bits, bits);
            assert_true(found.zero >= 0 && found.zero < 1 << bits);
            double got = error_of(&found, x, COUNT), simple = error_of(&whole, x, COUNT);
            assert_true(got <= simple * (bits <= 6 ? 1 + 1e-6 : short_step * short_step));
            if (bits <= 4) {
                assert_true(got < 0.8 * simple); /* clipping pays where levels are few */
            }
            uwc_free(&x);
        }
    }
}

/* No pair of scale and zero point on a much finer grid is clearly better. */
static void search_is_near_the_best(void **state) {
    (void)state;
    enum { STEPS = 160, FEW = 3000 };
    for (family kind = 0; kind < FAMILIES; kind++) {
        float *x = draw_all(kind, 3, FEW);
        uwc_quantizer found, whole = min_max(3, x, FEW);
        assert_int_equal(uwc_quantizer_search(3, x, FEW, &found), UWC_OK);
        double best = INFINITY;
        for (int zero = 0; zero < 8; zero++) {
            for (int i = 1; i <= STEPS; i++) {
                uwc_quantizer other = {.bits = 3, .scale = whole.scale * (float)i * 1.2f / STEPS, .zero = zero};
                best = fmin(best, error_of(&other, x, FEW));
            }
        }
        assert_true(error_of(&found, x, FEW) <= 1.02 * best);
        uwc_free(&x);
    }
}

static void zero_is_always_representable(void **state) {
    (void)state;
    for (int bits = 2; bits <= 8; bits++) {
        for (family kind = 0; kind < FAMILIES; kind++) {
            float *x = draw_all(kind, 5, 500), zero = 0;
            uwc_quantizer found;
            assert_int_equal(uwc_quantizer_search(bits, x, 500, &found), UWC_OK);
            assert_true(by_definition(&found, 0) == 0);
            uwc_quantizer_apply(&found, &zero, 1, &zero);
            assert_true(zero == 0);
            uwc_free(&x);
        }
    }
}

static void the_zero_point_lies_at_the_end_of_one_signed_values(void **state) {
    (void)state;
    float *x = draw_all(RECTIFIED, 7, COUNT);
    uwc_quantizer found;
    assert_int_equal(uwc_quantizer_search(4, x, COUNT, &found), UWC_OK);
    assert_int_equal(found.zero, 0);
    uwc_free(&x);
    x = draw_all(NEGATIVE, 7, COUNT);
    assert_int_equal(uwc_quantizer_search(4, x, COUNT, &found), UWC_OK);
    assert_int_equal(found.zero, 15);
    uwc_free(&x);
}

static void zeros_alone_stay_zero(void **state) {
    (void)state;
    float x[40] = {0}, out[40];
    uwc_quantizer found;
    assert_int_equal(uwc_quantizer_search(4, x, 40, &found), UWC_OK);
    assert_true(found.scale > 0 && isfinite(found.scale));
    assert_int_equal(found.zero, 0);
    uwc_quantizer_apply(&found, x, 40, out);
    assert_memory_equal(out, x, sizeof x);
}

static void tiny_and_huge_values_have_a_usable_scale(void **state) {
    (void)state;
    static const float size[] = {1e-38f, 1e-30f, 1e-10f, 1e10f, 1e18f};
    for (size_t k = 0; k < sizeof size / sizeof size[0]; k++) {
        float x[64];
        for (int i = 0; i < 64; i++) {
            x[i] = size[k] * draw(NORMAL, 9, i);
        }
        uwc_quantizer found;
        assert_int_equal(uwc_quantizer_search(8, x, 64, &found), UWC_OK);
        assert_true(found.scale > 0 && isfinite(found.scale));
        assert_true(found.zero >= 0 && found.zero < 256);
    }
}

static void lattice_values_come_back_exactly(void **state) {
    (void)state;
    float x[160];
    for (int i = 0; i < 160; i++) {
        x[i] = 0.375f * (float)(i % 16);
    }
    uwc_quantizer found;
    assert_int_equal(uwc_quantizer_search(4, x, 160, &found), UWC_OK);
    assert_true(error_of(&found, x, 160) < 1e-9);
}

static void bits_out_of_range_are_refused(void **state) {
    (void)state;
    static const int bits[] = {-1, 0, 1, 9, 32};
    float x[4] = {1, 2, 3, 4};
    uwc_quantizer found;
    for (size_t k = 0; k < sizeof bits / sizeof bits[0]; k++) {
        assert_int_equal(uwc_quantizer_search(bits[k], x, 4, &found), UWC_E_ARG);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(apply_is_the_definition),
        cmocka_unit_test(ties_go_to_even_levels),
        cmocka_unit_test(values_outside_saturate),
        cmocka_unit_test(apply_works_in_place_and_touches_no_more),
        cmocka_unit_test(search_beats_the_whole_range),
        cmocka_unit_test(search_is_near_the_best),
        cmocka_unit_test(zero_is_always_representable),
        cmocka_unit_test(the_zero_point_lies_at_the_end_of_one_signed_values),
        cmocka_unit_test(zeros_alone_stay_zero),
        cmocka_unit_test(tiny_and_huge_values_have_a_usable_scale),
        cmocka_unit_test(lattice_values_come_back_exactly),
        cmocka_unit_test(bits_out_of_range_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
