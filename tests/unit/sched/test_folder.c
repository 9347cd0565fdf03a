/* The lock of a run directory, and scratch folders. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "scratch.h"

#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void given_a_lock_when_a_second_owner_comes_expect_state_after_its_patience(void **state) {
    char *path = in_scratch(state, "lock");
    int first, second;
    assert_int_equal(uwc_sched__lock(path, 0, &first), UWC_OK);
    double start = uwc_now();
    assert_int_equal(uwc_sched__lock(path, 0.2, &second), UWC_E_STATE);
    assert_true(uwc_now() - start >= 0.2);
    assert_int_equal(second, -1);
    close(first);
    assert_int_equal(uwc_sched__lock(path, 0, &second), UWC_OK);
    close(second);
    uwc_free(&path);
}

static void given_an_owner_that_goes_when_a_second_one_waits_expect_the_lock(void **state) {
    char *path = in_scratch(state, "lock");
    int ready[2], file;
    assert_int_equal(pipe(ready), 0);
    pid_t owner = fork();
    if (owner == 0) {
        bool locked = uwc_sched__lock(path, 0, &file) == UWC_OK && write(ready[1], "x", 1) == 1;
        nanosleep(&(struct timespec){.tv_nsec = 200 * 1000 * 1000}, NULL);
        _exit(locked ? 0 : 1); /* the lock goes with the process */
    }
    char byte;
    assert_int_equal(read(ready[0], &byte, 1), 1);
    assert_int_equal(uwc_sched__lock(path, 10, &file), UWC_OK);
    close(file);
    close(ready[0]);
    close(ready[1]);
    int status;
    assert_int_equal(waitpid(owner, &status, 0), owner);
    assert_int_equal(status, 0);
    uwc_free(&path);
}

static void given_a_path_that_cannot_be_when_locked_expect_io(void **state) {
    char *path = in_scratch(state, "absent/lock");
    int file;
    assert_int_equal(uwc_sched__lock(path, 0, &file), UWC_E_IO);
    uwc_free(&path);
}

static void given_files_when_listed_expect_one_that_is_not_known(void **state) {
    static const char *const known[] = {"lock", "config.json", NULL};
    char *lock = in_scratch(state, "lock"), *plan = in_scratch(state, "plan.json"), other[64];
    assert_int_equal(uwc_sched__folder_other(*state, known, other, sizeof other), UWC_OK);
    assert_string_equal(other, "");
    assert_int_equal(uwc_file_write(lock, "", 0), UWC_OK);
    assert_int_equal(uwc_sched__folder_other(*state, known, other, sizeof other), UWC_OK);
    assert_string_equal(other, "");
    assert_int_equal(uwc_file_write(plan, "", 0), UWC_OK);
    assert_int_equal(uwc_sched__folder_other(*state, known, other, sizeof other), UWC_OK);
    assert_string_equal(other, "plan.json");
    assert_int_equal(uwc_sched__folder_other(lock, known, other, sizeof other), UWC_E_IO);
    uwc_free(&lock);
    uwc_free(&plan);
}

static void given_a_tree_when_removed_expect_nothing_left(void **state) {
    char *folder = in_scratch(state, "a/b/c"), *file = in_scratch(state, "a/b/file"), *top = in_scratch(state, "a");
    assert_int_equal(uwc_folder_make(folder), UWC_OK);
    assert_int_equal(uwc_file_write(file, "x", 1), UWC_OK);
    uwc_sched__folder_remove(top);
    assert_false(uwc_file_exists(top));
    uwc_free(&folder);
    uwc_free(&file);
    uwc_free(&top);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, make_scratch, drop_scratch)
    const struct CMUnitTest tests[] = {
        TEST(given_a_lock_when_a_second_owner_comes_expect_state_after_its_patience),
        TEST(given_an_owner_that_goes_when_a_second_one_waits_expect_the_lock),
        TEST(given_a_path_that_cannot_be_when_locked_expect_io),
        TEST(given_files_when_listed_expect_one_that_is_not_known),
        TEST(given_a_tree_when_removed_expect_nothing_left),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
