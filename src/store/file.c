#include "store_impl.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

uwc_status uwc_store__read_at(int file, const char *path, int64_t place, void *to, size_t bytes) {
    char *at = to;
    while (bytes > 0) {
        ssize_t got = pread(file, at, bytes, (off_t)place);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        UWC_CHECK(got >= 0, UWC_E_IO, "%s: read: %s", path, strerror(errno));
        UWC_CHECK(got > 0, UWC_E_FORMAT, "%s: truncated: %zu bytes are missing", path, bytes);
        at += got;
        place += got;
        bytes -= (size_t)got;
    }
    return UWC_OK;
}

uwc_status uwc_store__write_at(int file, const char *path, int64_t place, const void *from, size_t bytes) {
    const char *at = from;
    while (bytes > 0) {
        ssize_t put = pwrite(file, at, bytes, (off_t)place);
        if (put < 0 && errno == EINTR) {
            continue;
        }
        UWC_CHECK(put > 0, UWC_E_IO, "%s: write: %s", path, strerror(errno));
        at += put;
        place += put;
        bytes -= (size_t)put;
    }
    return UWC_OK;
}
