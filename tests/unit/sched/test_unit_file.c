/* Unit files: what is written is read back, the same result gives the same bytes, and damaged bytes are refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sched_impl.h"

#include <string.h>

enum { ROWS = 3, COLS = 5 };

static uwc_unit_result *make_result(int bits) {
    uwc_unit_result *result;
    assert_int_equal(uwc_calloc(1, sizeof *result, &result), UWC_OK);
    result->n_layers = 2;
    result->n_edges = 1;
    assert_int_equal(uwc_calloc(2, sizeof *result->layer, &result->layer), UWC_OK);
    assert_int_equal(uwc_calloc(1, sizeof *result->edge, &result->edge), UWC_OK);
    int lo, hi;
    uwc_weights_range(bits, &lo, &hi);
    for (int k = 0; k < 2; k++) {
        uwc_layer_result *layer = &result->layer[k];
        assert_int_equal(uwc_format(&layer->node, "layer/%d", k), UWC_OK);
        assert_int_equal(uwc_weights_create(bits, ROWS, COLS, &layer->weights), UWC_OK);
        assert_int_equal(uwc_calloc(ROWS, sizeof *layer->bias, &layer->bias), UWC_OK);
        for (int i = 0; i < ROWS * COLS; i++) {
            layer->weights->q[i] = (int8_t)(lo + uwc_rng_below(1, (uint64_t)k, (uint64_t)i, hi - lo + 1));
        }
        for (int r = 0; r < ROWS; r++) {
            layer->weights->scale[r] = 0.25f * (float)(r + 1);
            layer->weights->zero[r] = k == 0 ? 0 : r;
            layer->bias[r] = -0.1f * (float)r;
        }
    }
    assert_int_equal(uwc_strdup("value", &result->edge[0].value), UWC_OK);
    result->edge[0].quantizer = (uwc_quantizer){.bits = 4, .scale = 0.5f, .zero = 3};
    result->nmse_before = 0.25;
    result->nmse_after = 0.125;
    result->seconds = 7; /* not part of the file */
    return result;
}

static void given_a_result_when_written_and_read_expect_the_same(void **state) {
    (void)state;
    for (int bits = 2; bits <= 8; bits++) {
        uwc_unit_result *result = make_result(bits), *back;
        char *image;
        size_t bytes;
        assert_int_equal(uwc_sched__unit_image(result, &image, &bytes), UWC_OK);
        assert_int_equal(uwc_sched__unit_parse("test", image, bytes, &back), UWC_OK);
        assert_int_equal(back->n_layers, 2);
        assert_int_equal(back->n_edges, 1);
        for (int k = 0; k < 2; k++) {
            const uwc_layer_result *a = &result->layer[k], *b = &back->layer[k];
            assert_string_equal(a->node, b->node);
            assert_int_equal(b->weights->bits, bits);
            assert_int_equal(b->weights->rows, ROWS);
            assert_int_equal(b->weights->cols, COLS);
            assert_memory_equal(a->weights->q, b->weights->q, ROWS * COLS);
            assert_memory_equal(a->weights->scale, b->weights->scale, ROWS * sizeof(float));
            assert_memory_equal(a->weights->zero, b->weights->zero, ROWS * sizeof(int32_t));
            assert_memory_equal(a->bias, b->bias, ROWS * sizeof(float));
        }
        assert_string_equal(back->edge[0].value, "value");
        assert_memory_equal(&back->edge[0].quantizer, &result->edge[0].quantizer, sizeof(uwc_quantizer));
        assert_true(back->nmse_before == 0.25 && back->nmse_after == 0.125);
        uwc_free(&image);
        uwc_unit_result_destroy(&result);
        uwc_unit_result_destroy(&back);
    }
}

static void given_other_seconds_when_written_expect_the_same_bytes(void **state) {
    (void)state;
    uwc_unit_result *result = make_result(4);
    char *first, *second;
    size_t n, m;
    assert_int_equal(uwc_sched__unit_image(result, &first, &n), UWC_OK);
    result->seconds = 99;
    assert_int_equal(uwc_sched__unit_image(result, &second, &m), UWC_OK);
    assert_int_equal(n, m);
    assert_memory_equal(first, second, n);
    uwc_free(&first);
    uwc_free(&second);
    uwc_unit_result_destroy(&result);
}

static void expect_refused(const uwc_unit_result *result) {
    uwc_unit_result *back;
    char *image;
    size_t bytes;
    assert_int_equal(uwc_sched__unit_image(result, &image, &bytes), UWC_OK);
    assert_int_equal(uwc_sched__unit_parse("test", image, bytes, &back), UWC_E_FORMAT);
    assert_null(back);
    uwc_free(&image);
}

static void given_values_out_of_range_when_read_expect_format(void **state) {
    (void)state;
    uwc_unit_result *result = make_result(3);
    result->layer[1].weights->q[4] = 4;
    expect_refused(result);
    result->layer[1].weights->q[4] = -4;
    result->layer[0].weights->scale[2] = 0;
    expect_refused(result);
    result->layer[0].weights->scale[2] = 1;
    result->edge[0].quantizer.zero = 16;
    expect_refused(result);
    result->edge[0].quantizer.zero = 0;
    result->edge[0].quantizer.bits = 9;
    expect_refused(result);
    uwc_unit_result_destroy(&result);
}

static void given_cut_bytes_when_read_expect_a_refusal(void **state) {
    (void)state;
    uwc_unit_result *result = make_result(4), *back;
    char *image;
    size_t bytes;
    assert_int_equal(uwc_sched__unit_image(result, &image, &bytes), UWC_OK);
    for (size_t cut = 0; cut < bytes; cut += 97) {
        assert_int_not_equal(uwc_sched__unit_parse("test", image, cut, &back), UWC_OK);
        assert_null(back);
    }
    uwc_free(&image);
    uwc_unit_result_destroy(&result);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(given_a_result_when_written_and_read_expect_the_same),
        cmocka_unit_test(given_other_seconds_when_written_expect_the_same_bytes),
        cmocka_unit_test(given_values_out_of_range_when_read_expect_format),
        cmocka_unit_test(given_cut_bytes_when_read_expect_a_refusal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
