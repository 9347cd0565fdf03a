#include <uwc/base.h>

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static uwc_status system_error(const char *what, const char *path) {
    return uwc_error_set(UWC_E_IO, "%s: %s: %s", path, what, strerror(errno));
}

static uwc_status open_error(const char *path) {
    bool absent = errno == ENOENT || errno == ENOTDIR;
    return absent ? uwc_error_set(UWC_E_NOTFOUND, "%s: %s", path, strerror(errno)) : system_error("open", path);
}

uwc_status uwc_file_read(const char *path, char **out, size_t *bytes) {
    uwc_status st = UWC_OK;
    char *data = NULL;
    struct stat info;
    *out = NULL;
    *bytes = 0;
    int file = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC); /* a pipe must not keep the program waiting */
    if (file < 0) {
        return open_error(path);
    }
    if (fstat(file, &info) != 0) {
        st = system_error("stat", path);
        goto done;
    }
    UWC_CHECK_GOTO(st, S_ISREG(info.st_mode), UWC_E_FORMAT, done, "%s: not a regular file", path);
    UWC_TRY_GOTO(st, uwc_calloc((int64_t)info.st_size + 1, 1, &data), done);
    size_t have = 0;
    while (have < (size_t)info.st_size) {
        ssize_t got = read(file, data + have, (size_t)info.st_size - have);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            st = system_error("read", path);
            goto done;
        }
        if (got == 0) {
            break;
        }
        have += (size_t)got;
    }
    data[have] = '\0';
    *bytes = have;
    *out = data;
    data = NULL;
done:
    uwc_free(&data);
    close(file);
    return st;
}

static uwc_status sync_path(const char *path, int flags) {
    int file = open(path, flags | O_CLOEXEC);
    if (file < 0) {
        return system_error("open", path);
    }
    uwc_status st = UWC_OK;
    if (fsync(file) != 0 && errno != EINVAL && errno != EROFS) {
        st = system_error("fsync", path);
    }
    close(file);
    return st;
}

uwc_status uwc_file_publish(const char *temporary, const char *path) {
    UWC_TRY(sync_path(temporary, O_RDONLY));
    if (rename(temporary, path) != 0) {
        return system_error("rename", path);
    }
    char *folder;
    UWC_TRY(uwc_path_folder(path, &folder));
    uwc_status st = sync_path(folder, O_RDONLY | O_DIRECTORY);
    uwc_free(&folder);
    return st;
}

static uwc_status write_all(int file, const char *path, const char *data, size_t bytes) {
    while (bytes > 0) {
        ssize_t put = write(file, data, bytes);
        if (put < 0 && errno == EINTR) {
            continue;
        }
        if (put < 0) {
            return system_error("write", path);
        }
        data += put;
        bytes -= (size_t)put;
    }
    return UWC_OK;
}

uwc_status uwc_file_write(const char *path, const void *data, size_t bytes) {
    char *temporary;
    UWC_TRY(uwc_format(&temporary, "%s.tmp", path));
    uwc_status st;
    int file = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (file < 0) {
        st = system_error("create", temporary);
        uwc_free(&temporary);
        return st;
    }
    st = write_all(file, temporary, data, bytes);
    if (close(file) != 0 && st == UWC_OK) {
        st = system_error("close", temporary);
    }
    if (st == UWC_OK) {
        st = uwc_file_publish(temporary, path);
    }
    if (st != UWC_OK) {
        unlink(temporary);
    }
    uwc_free(&temporary);
    return st;
}

bool uwc_file_exists(const char *path) {
    struct stat info;
    return stat(path, &info) == 0;
}

bool uwc_file_is_folder(const char *path) {
    struct stat info;
    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

uwc_status uwc_folder_make(const char *path) {
    char *part;
    UWC_CHECK(path[0] != '\0', UWC_E_ARG, "a folder without a name");
    UWC_TRY(uwc_strdup(path, &part));
    uwc_status st = UWC_OK;
    for (char *cut = part + 1; st == UWC_OK; cut++) {
        if (*cut == '/' || *cut == '\0') {
            char held = *cut;
            *cut = '\0';
            if (mkdir(part, 0777) != 0 && !uwc_file_is_folder(part)) {
                st = system_error("make folder", part);
            }
            *cut = held;
            if (held == '\0') {
                break;
            }
        }
    }
    uwc_free(&part);
    return st;
}

uwc_status uwc_path_join(const char *folder, const char *name, char **out) {
    if (name[0] == '/' || folder == NULL || folder[0] == '\0') {
        return uwc_strdup(name, out);
    }
    size_t length = strlen(folder);
    return uwc_format(out, "%s%s%s", folder, folder[length - 1] == '/' ? "" : "/", name);
}

uwc_status uwc_path_folder(const char *path, char **out) {
    const char *slash = strrchr(path, '/');
    if (slash == NULL) {
        return uwc_strdup(".", out);
    }
    return uwc_format(out, "%.*s", slash == path ? 1 : (int)(slash - path), path);
}
