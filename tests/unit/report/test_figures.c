/* Pareto marks, CSV, and the final table from JSON. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "report_impl.h"

#include <stdlib.h>
#include <string.h>

static uwc_json *parse(const char *text) {
    uwc_json *json;
    assert_int_equal(uwc_json_parse(text, strlen(text), &json), UWC_OK);
    return json;
}

static char *print(const char *json_text, uwc_status (*with)(const uwc_json *, FILE *)) {
    uwc_json *json = parse(json_text);
    char *text = NULL;
    size_t bytes;
    FILE *stream = open_memstream(&text, &bytes);
    assert_int_equal(with(json, stream), UWC_OK);
    fclose(stream);
    uwc_json_release(&json);
    return text;
}

static void check_pareto(const char *text, const char *wanted) {
    uwc_json *rows = parse(text);
    bool *optimal;
    assert_int_equal(uwc_figure__pareto(rows, &optimal), UWC_OK);
    for (int64_t i = 0; i < uwc_json_length(rows); i++) {
        if (optimal[i] != (wanted[i] == '*')) {
            fail_msg("row %d of %s", (int)i, text);
        }
    }
    uwc_free(&optimal);
    uwc_json_release(&rows);
}

#define ROW(bytes, top1) "{\"bytes\":{\"packed\":" #bytes "},\"quantized\":{\"top1\":" #top1 "}}"
#define BLIND(bytes, nmse) "{\"bytes\":{\"packed\":" #bytes "},\"logit_nmse\":" #nmse "}"

static void a_row_is_optimal_if_none_beats_it(void **state) {
    (void)state;
    check_pareto("[" ROW(1, 0.5) "," ROW(2, 0.7) "," ROW(3, 0.6) "]", "**.");
    check_pareto("[" ROW(2, 0.5) "," ROW(2, 0.5) "]", "**"); /* neither beats its equal */
    check_pareto("[" ROW(2, 0.5) "," ROW(2, 0.6) "," ROW(1, 0.6) "]", "..*");
    check_pareto("[" BLIND(1, 0.9) "," BLIND(2, 0.1) "," BLIND(3, 0.2) "]", "**.");
    check_pareto("[" ROW(2, 0.5) "," BLIND(1, 0.0) ",{},3]", "*...");
    check_pareto("[]", "");
}

static void csv_has_a_column_per_scalar(void **state) {
    (void)state;
    char *text =
        print("[{\"model\":\"a,\\\"b\\\"\",\"float\":{\"top1\":0.5},\"units\":[1]},{\"float\":{\"top1\":1,\"top5\":0.1}}]", uwc_report_csv);
    assert_string_equal(text, "model,float.top1,float.top5\n"
                              "\"a,\"\"b\"\"\",0.5,\n"
                              ",1,0.10000000000000001\n");
    free(text);
}

static void absent_figures_are_left_out(void **state) {
    (void)state;
    char *text = print("{\"logit_nmse\":0.25,\"bytes\":{\"float\":1024},\"seconds\":{\"solve\":2}}", uwc_report_metrics);
    assert_null(strstr(text, "top-1"));
    assert_non_null(strstr(text, "0.25"));
    assert_non_null(strstr(text, "1.00 KiB"));
    assert_non_null(strstr(text, "2.00 s"));
    free(text);
    text = print("{\"float\":{\"top1\":0.9},\"quantized\":{\"top1\":0.875},\"agreement\":1}", uwc_report_metrics);
    assert_non_null(strstr(text, "top-1                90.00 %    87.50 %\n"));
    assert_non_null(strstr(text, "100.00 %"));
    assert_null(strstr(text, "top-5"));
    free(text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_row_is_optimal_if_none_beats_it),
        cmocka_unit_test(csv_has_a_column_per_scalar),
        cmocka_unit_test(absent_figures_are_left_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
