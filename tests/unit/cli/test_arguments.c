/* Command lines that are understood, and what is refused. The messages of the program are tested in tests/cli. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cli_impl.h"

#include <string.h>

enum { MOST_WORDS = 16 };

static uwc_status parse(const char *line, uwc_cli__arguments *out) {
    static char text[512];
    static char *argv[MOST_WORDS];
    int argc = 0;
    snprintf(text, sizeof text, "%s", line);
    for (char *word = strtok(text, " "); word != NULL && argc < MOST_WORDS; word = strtok(NULL, " ")) {
        argv[argc++] = word;
    }
    return uwc_cli__parse(argc, argv, out);
}

static void flags_take_values_in_every_form(void **state) {
    (void)state;
    static const char *const lines[] = {"uwc run c.yaml -o dir --set a=b --set c=d --resume -q",
                                        "uwc run -odir -sa=b -s c=d -r c.yaml --quiet",
                                        "uwc run --output=dir --set=a=b --set=c=d --resume --quiet -- c.yaml"};
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        uwc_cli__arguments a;
        assert_int_equal(parse(lines[i], &a), UWC_OK);
        assert_string_equal(a.command->name, "run");
        assert_string_equal(a.operand, "c.yaml");
        assert_string_equal(a.output, "dir");
        assert_int_equal(a.n_sets, 2);
        assert_string_equal(a.set[0], "a=b");
        assert_string_equal(a.set[1], "c=d");
        assert_int_equal(a.given, UWC_FLAG_OUTPUT | UWC_FLAG_SET | UWC_FLAG_RESUME | UWC_FLAG_QUIET);
    }
}

static void operands_may_look_like_flags(void **state) {
    (void)state;
    uwc_cli__arguments a;
    assert_int_equal(parse("uwc inspect -- -model.onnx", &a), UWC_OK);
    assert_string_equal(a.operand, "-model.onnx");
    assert_int_equal(parse("uwc inspect -", &a), UWC_OK);
    assert_string_equal(a.operand, "-");
    assert_int_equal(parse("uwc run c.yaml -o --resume", &a), UWC_OK); /* the word behind -o is its value */
    assert_string_equal(a.output, "--resume");
}

static void help_needs_no_operand(void **state) {
    (void)state;
    uwc_cli__arguments a;
    assert_int_equal(parse("uwc pack --help", &a), UWC_OK);
    assert_true((a.given & UWC_FLAG_HELP) != 0);
    assert_int_equal(parse("uwc --help", &a), UWC_OK);
    assert_string_equal(a.command->name, "help");
    assert_int_equal(parse("uwc help run", &a), UWC_OK);
    assert_string_equal(a.operand, "run");
}

static void what_does_not_fit_is_refused(void **state) {
    (void)state;
    static const char *const lines[] = {
        "uwc",          "uwc rum",         "uwc run",          "uwc run a b",   "uwc run a --bogus", "uwc run a -z",
        "uwc run a -o", "uwc run a --set", "uwc run a --set=", "uwc run a -rr", "uwc run a -r -r",   "uwc run a -o x -o y",
        "uwc pack a",   "uwc run a -q -v", "uwc run a --json", "uwc plan a -r", "uwc run a --res",   "uwc run a --resumed"};
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        uwc_cli__arguments a;
        if (parse(lines[i], &a) != UWC_E_ARG) {
            fail_msg("%s", lines[i]);
        }
    }
}

static void tables_are_consistent(void **state) {
    (void)state;
    int n_flags, n_commands;
    const uwc_cli__flag *flag = uwc_cli__flags(&n_flags);
    const uwc_cli__command *command = uwc_cli__commands(&n_commands);
    unsigned known = 0;
    for (int i = 0; i < n_flags; i++) {
        assert_true((known & flag[i].id) == 0);
        known |= flag[i].id;
        for (int j = 0; j < i; j++) {
            assert_string_not_equal(flag[i].name, flag[j].name);
            assert_false(flag[i].letter != 0 && flag[i].letter == flag[j].letter);
        }
    }
    for (int c = 0; c < n_commands; c++) {
        assert_true((command[c].flags & ~known) == 0 && (command[c].required & ~command[c].flags) == 0);
        assert_true((command[c].flags & UWC_FLAG_HELP) != 0);
        assert_ptr_equal(uwc_cli__find_command(command[c].name), &command[c]);
    }
}

static void results_are_named_after_the_configuration(void **state) {
    (void)state;
    static const char *const row[][2] = {
        {"configs/w4.yaml", "w4"}, {"w4.a.yml", "w4.a"}, {"./x/.hidden", ".hidden.run"}, {"plain", "plain.run"}};
    uwc_cli__arguments arguments = {0};
    uwc_cli__session session = {.arguments = &arguments};
    char *folder;
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        assert_int_equal(uwc_cli__output_folder(&session, row[i][0], &folder), UWC_OK);
        assert_string_equal(folder, row[i][1]);
        uwc_free(&folder);
    }
    arguments.output = "elsewhere";
    assert_int_equal(uwc_cli__output_folder(&session, "w4.yaml", &folder), UWC_OK);
    assert_string_equal(folder, "elsewhere");
    uwc_free(&folder);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(flags_take_values_in_every_form), cmocka_unit_test(operands_may_look_like_flags),
        cmocka_unit_test(help_needs_no_operand),           cmocka_unit_test(what_does_not_fit_is_refused),
        cmocka_unit_test(tables_are_consistent),           cmocka_unit_test(results_are_named_after_the_configuration),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
