#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include "support/expect.h"
#include <uwc/base.h>

static void test_given_sizes_expect_zeroed_aligned_memory(void **state) {
    (void)state;
    for (int64_t count = 0; count < 300; count += 7) {
        unsigned char *memory;
        expect_ok(uwc_calloc(count, 3, &memory));
        assert_non_null(memory);
        assert_int_equal((uintptr_t)memory % 64, 0);
        for (int64_t i = 0; i < (count == 0 ? 1 : count) * 3; i++) {
            assert_int_equal(memory[i], 0);
            memory[i] = 0xff; /* what the next one must not show */
        }
        uwc_free(&memory);
        assert_null(memory);
        uwc_free(&memory);
    }
}

static void test_given_impossible_sizes_expect_no_memory(void **state) {
    (void)state;
    char *memory = (char *)state;
    expect_error(uwc_calloc(-1, 1, &memory), UWC_E_NOMEM, "-1");
    assert_null(memory);
    expect_error(uwc_calloc(INT64_MAX, 16, &memory), UWC_E_NOMEM, "16 bytes");
    expect_error(uwc_calloc(INT64_MAX, 2, &memory), UWC_E_NOMEM, "bytes");
    expect_error(uwc_calloc(INT64_MAX - 7, 1, &memory), UWC_E_NOMEM, "bytes");
    assert_null(memory);
}

static void test_given_growing_array_expect_contents_and_zeros(void **state) {
    (void)state;
    int32_t *array = NULL;
    int64_t capacity = 0;
    for (int32_t count = 1; count <= 1000; count++) {
        int64_t before = capacity;
        expect_ok(uwc_grow(&array, &capacity, count, sizeof *array));
        assert_true(capacity >= count);
        for (int64_t i = before; i < capacity; i++) {
            assert_int_equal(array[i], 0);
        }
        array[count - 1] = count;
    }
    for (int32_t i = 0; i < 1000; i++) {
        assert_int_equal(array[i], i + 1);
    }
    int32_t *same = array;
    expect_ok(uwc_grow(&array, &capacity, 5, sizeof *array));
    assert_ptr_equal(array, same);
    expect_error(uwc_grow(&array, &capacity, INT64_MAX, sizeof *array), UWC_E_NOMEM, "4 bytes");
    assert_ptr_equal(array, same);
    assert_int_equal(array[999], 1000);
    uwc_free(&array);
}

static void test_given_strings_expect_copies(void **state) {
    (void)state;
    char *text;
    expect_ok(uwc_strdup("", &text));
    assert_string_equal(text, "");
    uwc_free(&text);
    expect_ok(uwc_format(&text, "%s/%03d", "units", 7));
    assert_string_equal(text, "units/007");
    char *longer;
    expect_ok(uwc_format(&longer, "%0500d%s", 1, text));
    assert_int_equal(strlen(longer), 509);
    uwc_free(&text);
    uwc_free(&longer);
}

static void test_given_touched_memory_expect_it_in_peak(void **state) {
    (void)state;
    char *memory;
    int64_t before = uwc_peak_rss();
    assert_true(before > 100000);
    expect_ok(uwc_calloc(64 << 20, 1, &memory));
    for (int64_t i = 0; i < 64 << 20; i += 4096) {
        memory[i] = 1;
    }
    assert_true(uwc_peak_rss() >= before + (60 << 20));
    assert_int_equal(memory[4096], 1);
    uwc_free(&memory);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_given_sizes_expect_zeroed_aligned_memory),
        cmocka_unit_test(test_given_impossible_sizes_expect_no_memory),
        cmocka_unit_test(test_given_growing_array_expect_contents_and_zeros),
        cmocka_unit_test(test_given_strings_expect_copies),
        cmocka_unit_test(test_given_touched_memory_expect_it_in_peak),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
