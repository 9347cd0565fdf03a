/* Data of tensors in files beside the model. */
#include "onnx_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct place {
    const char *location;
    int64_t offset, length; /* length -1: not given */
} place;

static uwc_status parse_number(const char *key, const char *text, int64_t *out) {
    char *end;
    errno = 0;
    long long number = strtoll(text, &end, 10);
    UWC_CHECK(end != text && *end == '\0' && errno == 0 && number >= 0, UWC_E_FORMAT, "external %s is \"%s\"", key, text);
    *out = number;
    return UWC_OK;
}

static uwc_status read_place(const Onnx__TensorProto *proto, place *out) {
    *out = (place){.length = -1};
    for (size_t i = 0; i < proto->n_external_data; i++) {
        const char *key = proto->external_data[i]->key, *value = proto->external_data[i]->value;
        if (key == NULL || value == NULL) {
            continue;
        }
        if (strcmp(key, "location") == 0) {
            out->location = value;
        } else if (strcmp(key, "offset") == 0) {
            UWC_TRY(parse_number(key, value, &out->offset));
        } else if (strcmp(key, "length") == 0) {
            UWC_TRY(parse_number(key, value, &out->length));
        }
    }
    UWC_CHECK(out->location != NULL && out->location[0] != '\0', UWC_E_FORMAT, "external data without a location");
    return UWC_OK;
}

static bool is_inside(const char *folder, const char *path) {
    size_t length = strlen(folder);
    return strncmp(folder, path, length) == 0 && (path[length] == '/' || (length > 0 && folder[length - 1] == '/'));
}

/* Links are followed before the comparison, so that none leads out of the folder. */
static uwc_status resolve(const char *folder, const char *location, char **out) {
    char *joined = NULL, *real_folder = NULL, *real_path = NULL;
    uwc_status st;
    *out = NULL;
    UWC_CHECK(location[0] != '/', UWC_E_FORMAT, "external data in %s, outside the model's folder", location);
    UWC_TRY(uwc_path_join(folder, location, &joined));
    real_folder = realpath(folder, NULL);
    real_path = realpath(joined, NULL);
    UWC_CHECK_GOTO(st, real_folder != NULL && real_path != NULL, errno == ENOENT || errno == ENOTDIR ? UWC_E_NOTFOUND : UWC_E_IO, done,
                   "external data %s: %s", joined, strerror(errno));
    UWC_CHECK_GOTO(st, is_inside(real_folder, real_path), UWC_E_FORMAT, done, "external data in %s, outside the model's folder", location);
    st = uwc_strdup(real_path, out);
done:
    free(real_folder);
    free(real_path);
    uwc_free(&joined);
    return st;
}

static uwc_status read_range(int file, const char *path, int64_t offset, size_t bytes, uint8_t *out) {
    size_t have = 0;
    while (have < bytes) {
        ssize_t got = pread(file, out + have, bytes - have, (off_t)(offset + (int64_t)have));
        if (got < 0 && errno == EINTR) {
            continue;
        }
        UWC_CHECK(got >= 0, UWC_E_IO, "external data %s: %s", path, strerror(errno));
        UWC_CHECK(got > 0, UWC_E_FORMAT, "external data %s ended while it was read", path);
        have += (size_t)got;
    }
    return UWC_OK;
}

static uwc_status read_file(const char *path, int64_t offset, size_t bytes, uint8_t **out) {
    struct stat info;
    uwc_status st;
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* opening a pipe must not wait */
    UWC_CHECK(file >= 0, UWC_E_IO, "external data %s: %s", path, strerror(errno));
    UWC_CHECK_GOTO(st, fstat(file, &info) == 0 && S_ISREG(info.st_mode), UWC_E_FORMAT, done, "external data %s: not a regular file", path);
    UWC_CHECK_GOTO(st, offset <= info.st_size && bytes <= (uint64_t)(info.st_size - offset), UWC_E_FORMAT, done,
                   "external data %s has %lld bytes, not %zu from %lld on", path, (long long)info.st_size, bytes, (long long)offset);
    UWC_TRY_GOTO(st, uwc_calloc((int64_t)bytes, 1, out), done);
    st = read_range(file, path, offset, bytes, *out);
    if (st != UWC_OK) {
        uwc_free(out);
    }
done:
    close(file);
    return st;
}

uwc_status uwc_onnx__external_read(const Onnx__TensorProto *proto, const char *folder, size_t bytes, uint8_t **out) {
    place where;
    char *path;
    *out = NULL;
    UWC_CHECK(folder != NULL, UWC_E_UNSUPPORTED, "external data of a model that is not a file");
    UWC_TRY(read_place(proto, &where));
    UWC_CHECK(where.length < 0 || (size_t)where.length == bytes, UWC_E_FORMAT, "external length %lld where the shape needs %zu bytes",
              (long long)where.length, bytes);
    UWC_TRY(resolve(folder, where.location, &path));
    uwc_status st = read_file(path, where.offset, bytes, out);
    uwc_free(&path);
    return st;
}
