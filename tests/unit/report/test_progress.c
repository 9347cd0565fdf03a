/* What progress prints: lines for files, one redrawn line for terminals, nothing when quiet. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <uwc/report.h>

#include <stdlib.h>
#include <string.h>

/* A run of two units as it looks with this log. */
static char *show(uwc_log_level level, bool terminal, int columns) {
    char *text = NULL;
    size_t bytes;
    uwc_log log = {.stream = open_memstream(&text, &bytes), .level = level, .terminal = terminal};
    uwc_display *display;
    assert_int_equal(uwc_display_create(&log, columns, &display), UWC_OK);
    uwc_display_phase(display, "capture", 0, 16, 0, -1);
    uwc_display_phase(display, "capture", 4, 16, 1, 3);
    uwc_display_phase(display, "capture", 16, 16, 4, 0);
    uwc_display_phase(display, "solve", 0, 2, 0, -1);
    uwc_display_unit(display, "stem\033[2J", 0.05, 0.001234, 1.5);
    uwc_display_phase(display, "solve", 1, 2, 1.5, 65);
    uwc_display_phase(display, "solve", 1, 2, 2, 64);
    uwc_display_phase(display, "solve", 1, 2, 20, 46);
    uwc_display_failure(display, "head");
    uwc_display_phase(display, "solve", 1, 2, 25, -1);
    uwc_display_destroy(&display);
    fclose(log.stream);
    return text;
}

static void files_get_a_line_per_event(void **state) {
    (void)state;
    char *text = show(UWC_LOG_INFO, false, 0);
    assert_string_equal(text, "capture  16/16  in 4.00 s\n"
                              "solve    1/2  left 65.0 s  stem?[2J  error 0.05 -> 0.00123  (1.50 s)\n"
                              "solve    1/2  left 46.0 s\n"
                              "solve    1/2  head  not solved\n");
    free(text);
}

static void terminals_get_one_line_that_is_drawn_again(void **state) {
    (void)state;
    char *text = show(UWC_LOG_INFO, true, 0);
    assert_non_null(strstr(text, "\r\033[Kcapture  [####............] 4/16  left 3.00 s"));
    assert_non_null(strstr(text, "[################] 16/16  in 4.00 s\n"));
    assert_non_null(strstr(text, "[########........] 1/2  left 46.0 s  stem?[2J  error 0.05 -> 0.00123"));
    assert_int_equal(text[strlen(text) - 1], '\n'); /* destroy leaves the cursor on a fresh line */
    assert_null(strstr(text, "\033[2J"));
    free(text);
}

static void drawn_lines_never_wrap(void **state) {
    (void)state;
    char *text = show(UWC_LOG_INFO, true, 60);
    assert_non_null(strstr(text, "\r\033[Ksolve    [########........] 1/2  left 46.0 s  stem?[2J  erro\r"));
    for (char *line = strtok(text, "\r\n"); line != NULL; line = strtok(NULL, "\r\n")) {
        assert_true(strlen(line) <= 60 + strlen("\033[K"));
    }
    free(text);
}

static void quiet_is_silent(void **state) {
    (void)state;
    for (int terminal = 0; terminal < 2; terminal++) {
        char *text = show(UWC_LOG_QUIET, terminal == 1, 80);
        assert_string_equal(text, "");
        free(text);
    }
    uwc_display *display;
    assert_int_equal(uwc_display_create(NULL, 0, &display), UWC_OK);
    uwc_display_phase(display, "solve", 1, 1, 1, 0);
    uwc_display_destroy(&display);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_get_a_line_per_event),
        cmocka_unit_test(terminals_get_one_line_that_is_drawn_again),
        cmocka_unit_test(drawn_lines_never_wrap),
        cmocka_unit_test(quiet_is_silent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
