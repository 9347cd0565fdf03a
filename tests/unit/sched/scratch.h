/* A folder of its own for each test of a group. */
#ifndef UWC_TEST_SCRATCH_H
#define UWC_TEST_SCRATCH_H

#include "sched_impl.h"

#include <stdlib.h>
#include <string.h>

static inline int make_scratch(void **state) {
    char *folder = strdup("uwc-test-XXXXXX");
    if (folder == NULL || mkdtemp(folder) == NULL) {
        return -1;
    }
    *state = folder;
    return 0;
}

static inline int drop_scratch(void **state) {
    char *folder = *state;
    uwc_sched__folder_remove(folder);
    free(folder);
    return 0;
}

/* folder/name; owned by the caller. */
static inline char *in_scratch(void **state, const char *name) {
    char *path;
    assert_int_equal(uwc_path_join(*state, name, &path), UWC_OK);
    return path;
}

#endif
