#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "store_impl.h"
#include "support/expect.h"

static uwc_status parse(const char *text, uwc_store__listing *out) {
    char *copy;
    *out = (uwc_store__listing){0};
    expect_ok(uwc_strdup(text, &copy));
    uwc_status st = uwc_store__labels_parse("labels.txt", copy, strlen(text), out);
    uwc_free(&copy);
    return st;
}

static void test_given_lines_expect_names_labels_and_numbers(void **state) {
    static const struct {
        const char *name;
        int64_t label, line;
    } wanted[] = {{"a.png", 7, 1}, {" with blanks .jpg", -3, 3}, {"b/c.png", 0, 5}, {"7", 8, 6}};
    uwc_store__listing list;
    (void)state;
    expect_ok(parse("a.png 7\r\n\n with blanks .jpg \t -3 \n \t \nb/c.png\t+0\n7 8", &list));
    assert_int_equal(list.count, 4);
    for (int i = 0; i < 4; i++) {
        assert_string_equal(list.entry[i].name, wanted[i].name);
        assert_int_equal(list.entry[i].label, wanted[i].label);
        assert_int_equal(list.entry[i].line, wanted[i].line);
    }
    uwc_store__listing_free(&list);
    expect_ok(parse("", &list));
    assert_int_equal(list.count, 0);
}

static void test_given_bad_line_expect_its_number(void **state) {
    static const char *const bad[] = {"a.png", "a.png x", "a.png 1.5", "3", "a.png 99999999999999999999", " 3", "a.png 0x"};
    uwc_store__listing list;
    char text[64];
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        snprintf(text, sizeof text, "z.png 1\n\n%s\n", bad[i]);
        expect_error(parse(text, &list), UWC_E_FORMAT, "labels.txt: line 3: ");
        assert_int_equal(list.count, 1);
        uwc_store__listing_free(&list);
    }
    char zeros[] = "a.png\0 1";
    expect_error(uwc_store__labels_parse("labels.txt", zeros, 8, &list), UWC_E_FORMAT, "not a text");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_given_lines_expect_names_labels_and_numbers),
        cmocka_unit_test(test_given_bad_line_expect_its_number),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
