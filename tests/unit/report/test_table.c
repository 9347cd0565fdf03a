/* Aligned text, HTML and the words for numbers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <uwc/report.h>

#include <stdlib.h>
#include <string.h>

typedef uwc_status (*printer)(const uwc_table *, FILE *);

static char *print(const uwc_table *table, printer with) {
    char *text = NULL;
    size_t bytes;
    FILE *stream = open_memstream(&text, &bytes);
    assert_int_equal(with(table, stream), UWC_OK);
    fclose(stream);
    return text;
}

static uwc_table *sample(void) {
    static const char *const columns[] = {"<name", ">count", "<last", NULL};
    uwc_table *table;
    assert_int_equal(uwc_table_create(columns, &table), UWC_OK);
    uwc_table_cell(table, "b%d", 1);
    uwc_table_cell(table, "%d", 12345678);
    uwc_table_cell(table, "x");
    uwc_table_cell(table, "caf\xc3\xa9\033[2J");
    uwc_table_cell(table, "7");
    uwc_table_cell(table, "<&>");
    return table;
}

static void columns_are_aligned(void **state) {
    (void)state;
    uwc_table *table = sample();
    char *text = print(table, uwc_table_print);
    assert_string_equal(text, "name         count  last\n"
                              "b1        12345678  x\n"
                              "caf\xc3\xa9?[2J         7  <&>\n");
    free(text);
    text = print(table, uwc_table_html);
    assert_non_null(strstr(text, "<tr><th>name</th><th class=\"right\">count</th><th>last</th></tr>"));
    assert_non_null(strstr(text, "<td>&lt;&amp;&gt;</td></tr>"));
    free(text);
    uwc_table_destroy(&table);
    assert_null(table);
}

static void an_incomplete_row_is_an_error(void **state) {
    (void)state;
    uwc_table *table = sample();
    uwc_table_cell(table, "alone");
    assert_int_equal(uwc_table_print(table, stderr), UWC_E_INTERNAL);
    assert_int_equal(uwc_table_html(table, stderr), UWC_E_INTERNAL);
    uwc_table_destroy(&table);
}

static void numbers_have_three_digits_and_a_unit(void **state) {
    (void)state;
    static const struct {
        double value;
        const char *count, *bytes;
    } row[] = {{0, "0", "0 B"},
               {999, "999", "999 B"},
               {1000, "1.00 k", "1000 B"},
               {1024, "1.02 k", "1.00 KiB"},
               {40612345, "40.6 M", "38.7 MiB"},
               {999999, "1.00 M", "977 KiB"},
               {2147483648.0, "2.15 G", "2.00 GiB"},
               {3e15, "3.00 P", "2.66 PiB"}};
    char text[UWC_REPORT_TEXT];
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        assert_string_equal(uwc_report_count(row[i].value, text), row[i].count);
        assert_string_equal(uwc_report_bytes(row[i].value, text), row[i].bytes);
    }
}

static void seconds_become_minutes_and_hours(void **state) {
    (void)state;
    static const struct {
        double value;
        const char *text;
    } row[] = {{0.421, "0.42 s"},     {9.996, "10.0 s"},    {99.9, "99.9 s"},
               {99.97, "1 min 40 s"}, {185, "3 min 05 s"},  {3599, "59 min 59 s"},
               {3600, "1 h 00 min"},  {7800, "2 h 10 min"}, {-1, "?"}};
    char text[UWC_REPORT_TEXT];
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        assert_string_equal(uwc_report_seconds(row[i].value, text), row[i].text);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(columns_are_aligned),
        cmocka_unit_test(an_incomplete_row_is_an_error),
        cmocka_unit_test(numbers_have_three_digits_and_a_unit),
        cmocka_unit_test(seconds_become_minutes_and_hours),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
