/* The folder of a run: its lock, scratch folders. */
#include "sched_impl.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

uwc_status uwc_sched__lock(const char *path, double seconds, int *file) {
    double end = uwc_now() + seconds;
    *file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    UWC_CHECK(*file >= 0, UWC_E_IO, "%s: open: %s", path, strerror(errno));
    while (flock(*file, LOCK_EX | LOCK_NB) != 0) {
        int code = errno;
        if (code != EINTR && (code != EWOULDBLOCK || uwc_now() >= end)) {
            close(*file);
            *file = -1;
            UWC_CHECK(code == EWOULDBLOCK, UWC_E_IO, "%s: lock: %s", path, strerror(code));
            return uwc_error_set(UWC_E_STATE, "%s: another run has held the lock for %.0f s", path, seconds);
        }
        nanosleep(&(struct timespec){.tv_nsec = 50 * 1000 * 1000}, NULL);
    }
    return UWC_OK;
}

static bool is_one_of(const char *name, const char *const *list) {
    while (*list != NULL && strcmp(*list, name) != 0) {
        list++;
    }
    return *list != NULL;
}

uwc_status uwc_sched__folder_other(const char *folder, const char *const *known, char *other, size_t size) {
    DIR *list = opendir(folder);
    UWC_CHECK(list != NULL, UWC_E_IO, "%s: list: %s", folder, strerror(errno));
    other[0] = '\0';
    for (const struct dirent *at = readdir(list); at != NULL; at = readdir(list)) {
        if (strcmp(at->d_name, ".") != 0 && strcmp(at->d_name, "..") != 0 && !is_one_of(at->d_name, known)) {
            snprintf(other, size, "%s", at->d_name);
        }
    }
    closedir(list);
    return UWC_OK;
}

static int remove_entry(const char *path, const struct stat *info, int kind, struct FTW *where) {
    (void)info;
    (void)kind;
    (void)where;
    remove(path);
    return 0;
}

void uwc_sched__folder_remove(const char *folder) {
    enum { OPEN_FOLDERS = 8 };
    nftw(folder, remove_entry, OPEN_FOLDERS, FTW_DEPTH | FTW_PHYS);
}

uwc_status uwc_sched__folder_scratch(char **out) {
    const char *base = getenv("TMPDIR");
    UWC_TRY(uwc_path_join(base == NULL || base[0] == '\0' ? "/tmp" : base, "uwc-XXXXXX", out));
    if (mkdtemp(*out) == NULL) {
        uwc_status st = uwc_error_set(UWC_E_IO, "%s: make folder: %s", *out, strerror(errno));
        uwc_free(out);
        return st;
    }
    return UWC_OK;
}
