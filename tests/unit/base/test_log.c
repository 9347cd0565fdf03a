#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <uwc/base.h>

static void test_given_levels_expect_lines_up_to_them(void **state) {
    (void)state;
    const char *const wanted[] = {"q\n", "q\ni 1\n", "q\ni 1\nd\n"};
    for (int level = UWC_LOG_QUIET; level <= UWC_LOG_DEBUG; level++) {
        char *text = NULL;
        size_t bytes;
        uwc_log log = {.stream = open_memstream(&text, &bytes), .level = (uwc_log_level)level};
        assert_non_null(log.stream);
        uwc_log_line(&log, UWC_LOG_QUIET, "q");
        uwc_log_line(&log, UWC_LOG_INFO, "i %d", 1);
        uwc_log_line(&log, UWC_LOG_DEBUG, "d");
        fclose(log.stream);
        assert_string_equal(text, wanted[level]);
        free(text);
    }
    uwc_log_line(NULL, UWC_LOG_QUIET, "silence");
    uwc_log_line(&(uwc_log){.level = UWC_LOG_DEBUG}, UWC_LOG_QUIET, "silence");
}

static void test_given_clock_expect_no_step_back(void **state) {
    (void)state;
    double last = uwc_now(), start = last;
    while (last < start + 0.01) {
        double now = uwc_now();
        assert_true(now >= last);
        last = now;
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_given_levels_expect_lines_up_to_them),
        cmocka_unit_test(test_given_clock_expect_no_step_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
