/* The folder of a run: its lock, scratch folders. */
#include "sched_impl.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define SCRATCH_PREFIX "uwc-scratch-"
enum { SCRATCH_AGE = 60 }; /* seconds in which a new folder gets its lock */

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

static const char *scratch_base(void) {
    const char *base = getenv("TMPDIR");
    return base == NULL || base[0] == '\0' ? "/tmp" : base;
}

/* A folder whose owner was killed: nobody holds its lock, and it is not being made just now. */
static void remove_if_orphan(const char *folder) {
    char *path;
    struct stat info;
    if (stat(folder, &info) != 0 || info.st_uid != geteuid() || time(NULL) - info.st_mtime < SCRATCH_AGE) {
        return;
    }
    if (uwc_path_join(folder, "lock", &path) != UWC_OK) {
        return;
    }
    int file = open(path, O_RDWR | O_CLOEXEC);
    if (file >= 0 && flock(file, LOCK_EX | LOCK_NB) == 0) {
        uwc_sched__folder_remove(folder);
    }
    if (file >= 0) {
        close(file);
    }
    uwc_free(&path);
}

void uwc_sched__scratch_sweep(void) {
    DIR *list = opendir(scratch_base());
    char *path;
    if (list == NULL) {
        return;
    }
    for (const struct dirent *at = readdir(list); at != NULL; at = readdir(list)) {
        if (strncmp(at->d_name, SCRATCH_PREFIX, sizeof SCRATCH_PREFIX - 1) == 0 &&
            uwc_path_join(scratch_base(), at->d_name, &path) == UWC_OK) {
            remove_if_orphan(path);
            uwc_free(&path);
        }
    }
    closedir(list);
}

static uwc_status lock_scratch(const char *folder, int *lock) {
    char *path;
    UWC_TRY(uwc_path_join(folder, "lock", &path));
    uwc_status st = uwc_sched__lock(path, 0, lock);
    uwc_free(&path);
    return st;
}

uwc_status uwc_sched__folder_scratch(char **out, int *lock) {
    *lock = -1;
    UWC_TRY(uwc_path_join(scratch_base(), SCRATCH_PREFIX "XXXXXX", out));
    if (mkdtemp(*out) == NULL) {
        uwc_status st = uwc_error_set(UWC_E_IO, "%s: make folder: %s", *out, strerror(errno));
        uwc_free(out);
        return st;
    }
    uwc_status st = lock_scratch(*out, lock);
    if (st != UWC_OK) {
        uwc_sched__folder_remove(*out);
        uwc_free(out);
    }
    return st;
}
