/* The lock of a run directory, and scratch folders. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "scratch.h"

#include <fcntl.h>
#include <sys/stat.h>
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

static void age(const char *folder) {
    assert_int_equal(utimensat(AT_FDCWD, folder, (const struct timespec[]){{.tv_sec = 1000}, {.tv_sec = 1000}}, 0), 0);
}

static void given_scratch_folders_when_swept_expect_those_of_dead_owners_to_go(void **state) {
    char *used, *dead, *young;
    int used_lock, dead_lock, young_lock;
    assert_int_equal(setenv("TMPDIR", *state, 1), 0);
    assert_int_equal(uwc_sched__folder_scratch(&used, &used_lock), UWC_OK);
    assert_int_equal(uwc_sched__folder_scratch(&dead, &dead_lock), UWC_OK);
    assert_int_equal(uwc_sched__folder_scratch(&young, &young_lock), UWC_OK);
    close(dead_lock);
    close(young_lock);
    age(used);
    age(dead);
    uwc_sched__scratch_sweep();
    assert_true(uwc_file_exists(used));
    assert_false(uwc_file_exists(dead));
    assert_true(uwc_file_exists(young));
    close(used_lock);
    assert_int_equal(unsetenv("TMPDIR"), 0);
    uwc_free(&used);
    uwc_free(&dead);
    uwc_free(&young);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, make_scratch, drop_scratch)
    const struct CMUnitTest tests[] = {
        TEST(given_a_lock_when_a_second_owner_comes_expect_state_after_its_patience),
        TEST(given_an_owner_that_goes_when_a_second_one_waits_expect_the_lock),
        TEST(given_a_path_that_cannot_be_when_locked_expect_io),
        TEST(given_files_when_listed_expect_one_that_is_not_known),
        TEST(given_scratch_folders_when_swept_expect_those_of_dead_owners_to_go),
        TEST(given_a_tree_when_removed_expect_nothing_left),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
