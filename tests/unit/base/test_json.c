#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include "support/expect.h"
#include "support/folder.h"
#include <float.h>
#include <math.h>
#include <uwc/json.h>

static uwc_json *parse(const char *text) {
    uwc_json *json;
    expect_ok(uwc_json_parse(text, strlen(text), &json));
    return json;
}

static double through_text(double value) {
    uwc_json *object = uwc_json_object();
    char *text;
    double back;
    expect_ok(uwc_json_set_real(object, "x", value));
    expect_ok(uwc_json_print(object, 0, &text));
    uwc_json_release(&object);
    assert_null(object);
    object = parse(text);
    expect_ok(uwc_json_get_real(object, "x", &back));
    uwc_json_release(&object);
    uwc_free(&text);
    return back;
}

static void test_given_doubles_expect_same_bits_back(void **state) {
    (void)state;
    const double edge[] = {0.0,
                           -0.0,
                           1.0,
                           0.1,
                           -1.0 / 3.0,
                           DBL_MAX,
                           -DBL_MAX,
                           DBL_MIN,
                           4.9406564584124654e-324,
                           DBL_EPSILON,
                           1e22,
                           1e23,
                           123456789012345678.0};
    for (size_t i = 0; i < sizeof edge / sizeof edge[0]; i++) {
        double back = through_text(edge[i]);
        assert_memory_equal(&back, &edge[i], sizeof back);
    }
    for (uint64_t i = 0; i < 3000; i++) {
        uint64_t bits = (uint64_t)uwc_rng_u32(1, 0, i) << 32 | uwc_rng_u32(1, 1, i);
        double value, back;
        memcpy(&value, &bits, sizeof value);
        if (isfinite(value)) {
            back = through_text(value);
            assert_memory_equal(&back, &value, sizeof back);
        }
    }
}

static void test_given_every_kind_expect_values_back(void **state) {
    (void)state;
    uwc_json *object = uwc_json_object(), *array = uwc_json_array(), *inner = uwc_json_object();
    expect_ok(uwc_json_set_int(object, "int", INT64_MIN));
    expect_ok(uwc_json_set_bool(object, "bool", true));
    expect_ok(uwc_json_set_string(object, "string", "\"\\\n\xc3\xa4"));
    expect_ok(uwc_json_set_string(object, "none", NULL));
    expect_ok(uwc_json_set_real(object, "nan", NAN));
    expect_ok(uwc_json_append_int(array, 3));
    expect_ok(uwc_json_append_real(array, 2.5));
    expect_ok(uwc_json_append_real(array, -INFINITY));
    expect_ok(uwc_json_append_string(array, "s"));
    expect_ok(uwc_json_append(array, inner));
    expect_ok(uwc_json_set(object, "array", array));
    char *text;
    expect_ok(uwc_json_print(object, 2, &text));
    uwc_json_release(&object);
    object = parse(text);
    uwc_free(&text);
    int64_t whole;
    bool truth;
    double real;
    const char *string;
    const uwc_json *list, *child;
    expect_ok(uwc_json_get_int(object, "int", &whole));
    assert_true(whole == INT64_MIN);
    expect_ok(uwc_json_get_bool(object, "bool", &truth));
    assert_true(truth);
    expect_ok(uwc_json_get_string(object, "string", &string));
    assert_string_equal(string, "\"\\\n\xc3\xa4");
    assert_null(uwc_json_find(object, "none"));
    assert_null(uwc_json_find(object, "nan"));
    assert_null(uwc_json_find(object, "absent"));
    expect_ok(uwc_json_get_array(object, "array", &list));
    assert_int_equal(uwc_json_length(list), 5);
    expect_ok(uwc_json_number(uwc_json_at(list, 0), &real)); /* an integer is a number */
    assert_true(real == 3.0);
    expect_ok(uwc_json_number(uwc_json_at(list, 1), &real));
    assert_true(real == 2.5);
    expect_error(uwc_json_number(uwc_json_at(list, 2), &real), UWC_E_FORMAT, "number");
    assert_string_equal(uwc_json_text(uwc_json_at(list, 3)), "s");
    assert_null(uwc_json_text(uwc_json_at(list, 0)));
    assert_null(uwc_json_at(list, 5));
    assert_null(uwc_json_at(list, -1));
    expect_error(uwc_json_get_object(object, "array", &child), UWC_E_FORMAT, "array");
    uwc_json_release(&object);
}

static void test_given_missing_or_other_members_expect_their_names(void **state) {
    (void)state;
    uwc_json *object = parse("{\"a\": \"text\", \"b\": 1.5, \"c\": null, \"d\": {}}");
    int64_t whole;
    double real;
    bool truth;
    const char *text;
    const uwc_json *child;
    expect_error(uwc_json_get_int(object, "b", &whole), UWC_E_FORMAT, "\"b\" is no integer");
    expect_error(uwc_json_get_int(object, "x", &whole), UWC_E_FORMAT, "\"x\" is missing");
    expect_error(uwc_json_get_real(object, "a", &real), UWC_E_FORMAT, "\"a\"");
    expect_error(uwc_json_get_bool(object, "b", &truth), UWC_E_FORMAT, "\"b\"");
    expect_error(uwc_json_get_string(object, "b", &text), UWC_E_FORMAT, "\"b\"");
    expect_error(uwc_json_get_string(object, "c", &text), UWC_E_FORMAT, "\"c\" is missing");
    expect_error(uwc_json_get_array(object, "d", &child), UWC_E_FORMAT, "\"d\"");
    expect_ok(uwc_json_get_object(object, "d", &child));
    assert_int_equal(uwc_json_length(child), 0);
    uwc_json_release(&object);
}

static void test_given_object_when_iterated_expect_insertion_order(void **state) {
    (void)state;
    uwc_json *object = uwc_json_object();
    const char *key;
    const uwc_json *value;
    void *cursor = NULL;
    char name[8];
    for (int i = 0; i < 100; i++) {
        snprintf(name, sizeof name, "k%d", i * 37 % 100);
        expect_ok(uwc_json_set_int(object, name, i));
    }
    for (int i = 0; i < 100; i++) {
        double real;
        assert_true(uwc_json_next(object, &cursor, &key, &value));
        snprintf(name, sizeof name, "k%d", i * 37 % 100);
        assert_string_equal(key, name);
        expect_ok(uwc_json_number(value, &real));
        assert_true(real == i);
    }
    assert_false(uwc_json_next(object, &cursor, &key, &value));
    uwc_json_release(&object);
}

static void test_given_broken_values_expect_errors_not_leaks(void **state) {
    (void)state;
    uwc_json *object = uwc_json_object(), *child = uwc_json_object(), *shared = uwc_json_array();
    expect_error(uwc_json_set(NULL, "a", child), UWC_E_NOMEM, "a");
    expect_error(uwc_json_set(object, "a", NULL), UWC_E_NOMEM, "a");
    expect_error(uwc_json_set_string(object, "path", "caf\xe9"), UWC_E_FORMAT, "path");
    expect_error(uwc_json_append_string(shared, "\xff"), UWC_E_FORMAT, "UTF-8");
    expect_ok(uwc_json_set(object, "s", uwc_json_retain(shared)));
    uwc_json_release(&object);
    expect_ok(uwc_json_append_int(shared, 1)); /* still ours */
    assert_int_equal(uwc_json_length(shared), 1);
    uwc_json_release(&shared);
    uwc_json_release(&shared);
}

static void test_given_bad_text_expect_line(void **state) {
    (void)state;
    const char *const bad[] = {"",
                               "{",
                               "{\"a\": 1,}",
                               "nonsense",
                               "{\"a\": 1} x",
                               "{\"a\": 1, \"a\": 2}",
                               "[1e999]",
                               "[99999999999999999999]",
                               "[\"\xff\"]",
                               "[\"\\u0000\"]",
                               "[NaN]"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        uwc_json *json;
        expect_error(uwc_json_parse(bad[i], strlen(bad[i]), &json), UWC_E_FORMAT, "no valid JSON");
        assert_null(json);
    }
    uwc_json *json;
    expect_error(uwc_json_parse("{\n\n\"a\" 1}", 10, &json), UWC_E_FORMAT, "line 3");
    char deep[100000];
    memset(deep, '[', sizeof deep);
    expect_error(uwc_json_parse(deep, sizeof deep, &json), UWC_E_FORMAT, "line 1");
}

static void test_given_file_expect_value_back(void **state) {
    char *path = folder_path(*state, "v.json"), *text;
    size_t bytes;
    uwc_json *object = uwc_json_object(), *back;
    int64_t value;
    expect_ok(uwc_json_set_int(object, "a", 1));
    expect_ok(uwc_json_write(path, object));
    uwc_json_release(&object);
    expect_ok(uwc_file_read(path, &text, &bytes));
    assert_string_equal(text, "{\n  \"a\": 1\n}\n");
    uwc_free(&text);
    expect_ok(uwc_json_read(path, &back));
    expect_ok(uwc_json_get_int(back, "a", &value));
    assert_int_equal(value, 1);
    uwc_json_release(&back);
    folder_write(path, "{\"a\":", 5);
    expect_error(uwc_json_read(path, &back), UWC_E_FORMAT, "v.json: line 1");
    assert_null(back);
    unlink(path);
    expect_error(uwc_json_read(path, &back), UWC_E_NOTFOUND, "v.json");
    uwc_free(&path);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_given_doubles_expect_same_bits_back),
        cmocka_unit_test(test_given_every_kind_expect_values_back),
        cmocka_unit_test(test_given_missing_or_other_members_expect_their_names),
        cmocka_unit_test(test_given_object_when_iterated_expect_insertion_order),
        cmocka_unit_test(test_given_broken_values_expect_errors_not_leaks),
        cmocka_unit_test(test_given_bad_text_expect_line),
        cmocka_unit_test(test_given_file_expect_value_back),
    };
    return cmocka_run_group_tests(tests, folder_setup, folder_teardown);
}
