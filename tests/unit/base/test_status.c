#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <string.h>
#include <uwc/base.h>

static void test_given_every_status_expect_text_and_exit(void **state) {
    (void)state;
    for (int i = 0; i < UWC_STATUS_COUNT; i++) {
        assert_true(strlen(uwc_status_text((uwc_status)i)) > 1);
        assert_string_not_equal(uwc_status_text((uwc_status)i), "unknown status");
        assert_in_range(uwc_status_exit((uwc_status)i), 0, 3);
        assert_int_equal(uwc_status_exit((uwc_status)i) == 0, i == UWC_OK);
    }
    assert_int_equal(uwc_status_exit(UWC_E_CONFIG), 2);
    assert_int_equal(uwc_status_exit(UWC_E_NOMEM), 1);
    assert_int_equal(uwc_status_exit(UWC_E_UNITS), 3);
    assert_string_equal(uwc_status_text((uwc_status)99), "unknown status");
    assert_int_equal(uwc_status_exit((uwc_status)99), 1);
}

static void test_given_error_expect_record(void **state) {
    (void)state;
    assert_int_equal(uwc_error_set(UWC_E_SHAPE, "%s has %d rows", "w", 3), UWC_E_SHAPE);
    assert_int_equal(uwc_error_last()->status, UWC_E_SHAPE);
    assert_string_equal(uwc_error_last()->text, "w has 3 rows");
    assert_int_equal(uwc_error_note(UWC_E_SHAPE, "layer %d", 7), UWC_E_SHAPE);
    assert_string_equal(uwc_error_last()->text, "layer 7: w has 3 rows");
    assert_int_equal(uwc_error_note(UWC_OK, "unused"), UWC_OK);
    assert_string_equal(uwc_error_last()->text, "layer 7: w has 3 rows");
    assert_int_equal(uwc_error_set(UWC_E_IO, "again %s", uwc_error_last()->text), UWC_E_IO); /* quotes itself */
    assert_string_equal(uwc_error_last()->text, "again layer 7: w has 3 rows");
}

/* One line of at most UWC_ERROR_TEXT - 1 bytes, whatever the names hold. */
static void test_given_control_characters_and_length_expect_one_line(void **state) {
    (void)state;
    char name[2 * UWC_ERROR_TEXT];
    memset(name, 'x', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    uwc_error_set(UWC_E_FORMAT, "%s", name);
    assert_int_equal(strlen(uwc_error_last()->text), UWC_ERROR_TEXT - 1);
    uwc_error_note(UWC_E_FORMAT, "%s", name);
    assert_int_equal(strlen(uwc_error_last()->text), UWC_ERROR_TEXT - 1);
    uwc_error_set(UWC_E_FORMAT, "a\nb\tc\r\x1b[31m\x7f");
    assert_string_equal(uwc_error_last()->text, "a b c  [31m ");
    uwc_error_note(UWC_E_FORMAT, "d\n");
    assert_string_equal(uwc_error_last()->text, "d : a b c  [31m ");
}

static void test_given_record_from_elsewhere_expect_it_mended(void **state) {
    (void)state;
    uwc_error error = {.status = UWC_E_MATH};
    memset(error.text, 'y', sizeof error.text);
    error.text[1] = '\n';
    assert_int_equal(uwc_error_restore(&error), UWC_E_MATH);
    assert_int_equal(uwc_error_last()->status, UWC_E_MATH);
    assert_int_equal(strlen(uwc_error_last()->text), UWC_ERROR_TEXT - 1);
    assert_int_equal(uwc_error_last()->text[1], ' ');
}

static void *fail_elsewhere(void *unused) {
    (void)unused;
    uwc_error_set(UWC_E_IO, "in a thread");
    return NULL;
}

static void test_given_failure_in_other_thread_expect_own_record_kept(void **state) {
    (void)state;
    pthread_t thread;
    uwc_error_set(UWC_E_ARG, "here");
    assert_int_equal(pthread_create(&thread, NULL, fail_elsewhere, NULL), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_string_equal(uwc_error_last()->text, "here");
}

static uwc_status check_positive(int value) {
    UWC_CHECK(value > 0, UWC_E_VALUE, "%d is not positive", value);
    return UWC_OK;
}

static uwc_status try_both(int first, int second, int *done) {
    UWC_TRY(check_positive(first));
    *done = 1;
    UWC_TRY(check_positive(second));
    *done = 2;
    return UWC_OK;
}

static uwc_status try_goto(int first, int second, int *freed) {
    uwc_status st = UWC_OK;
    UWC_TRY_GOTO(st, check_positive(first), done);
    UWC_CHECK_GOTO(st, second > 0, UWC_E_ARG, done, "second %d", second);
done:
    *freed += 1;
    return st;
}

static void test_given_macros_expect_first_failure(void **state) {
    (void)state;
    int done = 0, freed = 0;
    assert_int_equal(try_both(1, 1, &done), UWC_OK);
    assert_int_equal(done, 2);
    assert_int_equal(try_both(1, -2, &done), UWC_E_VALUE);
    assert_int_equal(done, 1);
    assert_string_equal(uwc_error_last()->text, "-2 is not positive");
    assert_int_equal(try_goto(1, 1, &freed), UWC_OK);
    assert_int_equal(try_goto(0, 1, &freed), UWC_E_VALUE);
    assert_int_equal(try_goto(1, 0, &freed), UWC_E_ARG);
    assert_int_equal(freed, 3);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_given_every_status_expect_text_and_exit),
        cmocka_unit_test(test_given_error_expect_record),
        cmocka_unit_test(test_given_control_characters_and_length_expect_one_line),
        cmocka_unit_test(test_given_record_from_elsewhere_expect_it_mended),
        cmocka_unit_test(test_given_failure_in_other_thread_expect_own_record_kept),
        cmocka_unit_test(test_given_macros_expect_first_failure),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
