#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include "support/expect.h"
#include "support/folder.h"
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <uwc/base.h>

static void check_contents(const char *path, const char *wanted, size_t length) {
    char *data;
    size_t bytes;
    expect_ok(uwc_file_read(path, &data, &bytes));
    assert_int_equal(bytes, length);
    assert_memory_equal(data, wanted, length);
    assert_int_equal(data[length], '\0');
    uwc_free(&data);
}

static void test_given_written_file_expect_contents(void **state) {
    char *path = folder_path(*state, "a"), *temporary = folder_path(*state, "a.tmp");
    expect_ok(uwc_file_write(path, "x\0y\n", 4));
    check_contents(path, "x\0y\n", 4);
    expect_ok(uwc_file_write(path, "", 0)); /* in place of the other */
    check_contents(path, "", 0);
    assert_true(uwc_file_exists(path));
    assert_false(uwc_file_exists(temporary));
    uwc_free(&path);
    uwc_free(&temporary);
}

static void test_given_closed_temporary_expect_it_published(void **state) {
    char *path = folder_path(*state, "b"), *temporary = folder_path(*state, "b.part");
    folder_write(temporary, "new", 3);
    folder_write(path, "old", 3);
    expect_ok(uwc_file_publish(temporary, path));
    check_contents(path, "new", 3);
    assert_false(uwc_file_exists(temporary));
    expect_error(uwc_file_publish(temporary, path), UWC_E_IO, "b.part");
    check_contents(path, "new", 3);
    uwc_free(&path);
    uwc_free(&temporary);
}

static void test_given_unreadable_paths_expect_errors(void **state) {
    char *none = folder_path(*state, "none"), *pipe = folder_path(*state, "pipe"), *data = (char *)state;
    size_t bytes = 1;
    expect_error(uwc_file_read(none, &data, &bytes), UWC_E_NOTFOUND, "none");
    assert_null(data);
    assert_int_equal(bytes, 0);
    expect_error(uwc_file_read(*state, &data, &bytes), UWC_E_FORMAT, "not a regular file");
    assert_int_equal(mkfifo(pipe, 0600), 0);
    expect_error(uwc_file_read(pipe, &data, &bytes), UWC_E_FORMAT, "not a regular file"); /* and does not wait for a writer */
    expect_error(uwc_file_write(*state, "x", 1), UWC_E_IO, "rename");
    uwc_free(&none);
    none = folder_path(*state, "no/where");
    expect_error(uwc_file_write(none, "x", 1), UWC_E_IO, "no/where");
    uwc_free(&none);
    uwc_free(&pipe);
}

static void test_given_full_disk_expect_old_file_kept(void **state) {
    char *path = folder_path(*state, "c"), *temporary = folder_path(*state, "c.tmp"), *large;
    struct rlimit before;
    expect_ok(uwc_file_write(path, "old", 3));
    assert_int_equal(symlink("/dev/full", temporary), 0);
    expect_error(uwc_file_write(path, "new", 3), UWC_E_IO, "No space left");
    check_contents(path, "old", 3);
    assert_false(uwc_file_exists(temporary));
    expect_ok(uwc_calloc(100000, 1, &large));
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    signal(SIGXFSZ, SIG_IGN);
    const struct rlimit small = {50000, before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    uwc_status st = uwc_file_write(path, large, 100000);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    expect_error(st, UWC_E_IO, "c.tmp");
    check_contents(path, "old", 3);
    assert_false(uwc_file_exists(temporary));
    uwc_free(&large);
    uwc_free(&path);
    uwc_free(&temporary);
}

static void test_given_folders_expect_them_made(void **state) {
    char *deep = folder_path(*state, "d/e//f/"), *file = folder_path(*state, "file"), *below = folder_path(*state, "file/x");
    expect_ok(uwc_folder_make(deep));
    assert_true(uwc_file_is_folder(deep));
    expect_ok(uwc_folder_make(deep));
    folder_write(file, "", 0);
    assert_false(uwc_file_is_folder(file));
    expect_error(uwc_folder_make(file), UWC_E_IO, "file");
    expect_error(uwc_folder_make(below), UWC_E_IO, "file");
    expect_error(uwc_folder_make(""), UWC_E_ARG, "name");
    expect_ok(uwc_folder_make("/"));
    expect_ok(uwc_folder_make("."));
    uwc_free(&deep);
    uwc_free(&file);
    uwc_free(&below);
}

static void test_given_paths_expect_parts(void **state) {
    (void)state;
    const char *const joined[][3] = {{"a", "b", "a/b"}, {"a/", "b", "a/b"}, {"", "b", "b"},
                                     {NULL, "b", "b"},  {"a", "/b", "/b"},  {"/", "b", "/b"}};
    const char *const folder[][2] = {{"a/b", "a"}, {"b", "."}, {"/b", "/"}, {"/a/b/c", "/a/b"}, {"", "."}};
    char *text;
    for (size_t i = 0; i < sizeof joined / sizeof joined[0]; i++) {
        expect_ok(uwc_path_join(joined[i][0], joined[i][1], &text));
        assert_string_equal(text, joined[i][2]);
        uwc_free(&text);
    }
    for (size_t i = 0; i < sizeof folder / sizeof folder[0]; i++) {
        expect_ok(uwc_path_folder(folder[i][0], &text));
        assert_string_equal(text, folder[i][1]);
        uwc_free(&text);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_given_written_file_expect_contents),   cmocka_unit_test(test_given_closed_temporary_expect_it_published),
        cmocka_unit_test(test_given_unreadable_paths_expect_errors), cmocka_unit_test(test_given_full_disk_expect_old_file_kept),
        cmocka_unit_test(test_given_folders_expect_them_made),       cmocka_unit_test(test_given_paths_expect_parts),
    };
    return cmocka_run_group_tests(tests, folder_setup, folder_teardown);
}
