/* An error is a status and a part of its one line. Include after cmocka.h. */
#ifndef UWC_TEST_EXPECT_H
#define UWC_TEST_EXPECT_H

#include <string.h>
#include <uwc/base.h>

static inline void expect_error(uwc_status found, uwc_status wanted, const char *part) {
    if (found != wanted || strstr(uwc_error_last()->text, part) == NULL) {
        fail_msg("status %d \"%s\", not %d with \"%s\"", (int)found, found == UWC_OK ? "" : uwc_error_last()->text, (int)wanted, part);
    }
    assert_null(strchr(uwc_error_last()->text, '\n'));
}

static inline void expect_ok(uwc_status found) {
    if (found != UWC_OK) {
        fail_msg("status %d: %s", (int)found, uwc_error_last()->text);
    }
}

#endif
