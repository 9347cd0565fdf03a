/* A scratch folder per test program, and files in it. Include after cmocka.h. */
#ifndef UWC_TEST_FOLDER_H
#define UWC_TEST_FOLDER_H

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uwc/base.h>

/* *state = path of a new folder. */
static inline int folder_setup(void **state) {
    const char *parent = getenv("TMPDIR");
    char *path = NULL;
    if (uwc_format(&path, "%s/uwc_test_XXXXXX", parent == NULL ? "/tmp" : parent) != UWC_OK || mkdtemp(path) == NULL) {
        return -1;
    }
    *state = path;
    return 0;
}

static inline int folder_remove_one(const char *path, const struct stat *info, int kind, struct FTW *place) {
    (void)info;
    (void)kind;
    (void)place;
    return remove(path);
}

static inline int folder_teardown(void **state) {
    char *path = *state;
    int outcome = nftw(path, folder_remove_one, 16, FTW_DEPTH | FTW_PHYS);
    uwc_free(&path);
    return outcome;
}

/* folder/name, owned by the caller. */
static inline char *folder_path(const char *folder, const char *name) {
    char *path;
    assert_int_equal(uwc_path_join(folder, name, &path), UWC_OK);
    return path;
}

static inline void folder_write(const char *path, const void *data, size_t bytes) {
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(data, 1, bytes, file), bytes);
    assert_int_equal(fclose(file), 0);
}

#endif
