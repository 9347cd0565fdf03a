#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>
#include <uwc/tensor.h>

static void test_given_types_expect_bytes_and_names(void **state) {
    (void)state;
    const struct {
        uwc_dtype dtype;
        size_t bytes;
        const char *name;
    } type[] = {{UWC_F32, 4, "float32"}, {UWC_I64, 8, "int64"}, {UWC_I32, 4, "int32"},  {UWC_U8, 1, "uint8"},
                {UWC_I8, 1, "int8"},     {UWC_BOOL, 1, "bool"}, {UWC_F16, 2, "float16"}};
    for (size_t i = 0; i < sizeof type / sizeof type[0]; i++) {
        assert_int_equal(uwc_dtype_bytes(type[i].dtype), type[i].bytes);
        assert_string_equal(uwc_dtype_name(type[i].dtype), type[i].name);
    }
}

static void test_given_shapes_expect_counts(void **state) {
    (void)state;
    const int64_t huge = INT64_C(1) << 40;
    assert_int_equal(uwc_shape_count((uwc_shape){0}), 1);
    assert_int_equal(uwc_shape_per_image((uwc_shape){0}), 1);
    assert_int_equal(uwc_shape_count(uwc_shape_1d(7)), 7);
    assert_int_equal(uwc_shape_per_image(uwc_shape_1d(7)), 1);
    assert_int_equal(uwc_shape_count(uwc_shape_2d(7, 3)), 21);
    assert_int_equal(uwc_shape_count(uwc_shape_4d(2, 3, 4, 5)), 120);
    assert_int_equal(uwc_shape_per_image(uwc_shape_4d(2, 3, 4, 5)), 60);
    assert_int_equal(uwc_shape_count(uwc_shape_4d(2, 3, 0, 5)), 0);
    assert_true(uwc_shape_count(uwc_shape_2d(huge, huge)) == INT64_MAX);
    assert_true(uwc_shape_per_image(uwc_shape_make(3, (int64_t[]){1, huge, huge})) == INT64_MAX);
    assert_int_equal(uwc_shape_count(uwc_shape_make(3, (int64_t[]){huge, huge, 0})), 0);
}

static void test_given_shapes_expect_equality_of_dimensions_in_use(void **state) {
    (void)state;
    uwc_shape a = uwc_shape_2d(2, 3), b = uwc_shape_2d(2, 3);
    b.dim[4] = 9; /* not in use */
    assert_true(uwc_shape_equal(a, b));
    assert_false(uwc_shape_equal(a, uwc_shape_2d(3, 2)));
    assert_false(uwc_shape_equal(a, uwc_shape_make(3, (int64_t[]){2, 3, 0})));
    assert_true(uwc_shape_equal(uwc_shape_batch(a, 5), uwc_shape_2d(5, 3)));
    assert_int_equal(uwc_shape_layout(uwc_shape_4d(1, 1, 1, 1)), UWC_CHANNELS_LAST);
    assert_int_equal(uwc_shape_layout(a), UWC_PLAIN);
}

static void test_given_shapes_expect_text(void **state) {
    (void)state;
    struct {
        char text[128], guard;
    } room = {.guard = 'g'};
    assert_string_equal(uwc_shape_print((uwc_shape){0}, room.text), "[]");
    assert_ptr_equal(uwc_shape_print(uwc_shape_4d(1, 16, 32, -1), room.text), room.text);
    assert_string_equal(room.text, "[1,16,32,-1]");
    const int64_t m = INT64_MIN;
    uwc_shape_print(uwc_shape_make(6, (int64_t[]){m, m, m, m, m, m}), room.text); /* the longest there is */
    assert_int_equal(strlen(room.text), 127);
    assert_int_equal(room.guard, 'g');
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_given_types_expect_bytes_and_names),
        cmocka_unit_test(test_given_shapes_expect_counts),
        cmocka_unit_test(test_given_shapes_expect_equality_of_dimensions_in_use),
        cmocka_unit_test(test_given_shapes_expect_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
