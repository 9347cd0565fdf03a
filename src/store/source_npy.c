/* .npy, versions 1 to 3: magic, version, length of the header, header (a Python dictionary), elements.
 * Source: NumPy Enhancement Proposal 1, "A simple file format for NumPy arrays". */
#include "store_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAGIC_BYTES = 6, LONGEST_HEADER = 1 << 16 };
static const char magic[MAGIC_BYTES + 1] = "\x93NUMPY";

typedef struct npy_source {
    char *path;
    int file;
    int64_t place; /* of the first element */
    uwc_dtype dtype;
    uwc_shape shape;
} npy_source;

bool uwc_store__is_npy(const char *path) {
    char head[MAGIC_BYTES];
    int file = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (file < 0) {
        return false;
    }
    bool same = read(file, head, sizeof head) == (ssize_t)sizeof head && memcmp(head, magic, MAGIC_BYTES) == 0;
    close(file);
    return same;
}

static void npy_close(void *self) {
    npy_source *s = self;
    if (s->file >= 0) {
        close(s->file);
    }
    uwc_free(&s->path);
    uwc_free(&s);
}

static uwc_status npy_measure(const void *self, int64_t image, int64_t *channels, int64_t *height, int64_t *width) {
    const npy_source *s = self;
    (void)image; /* all are alike */
    *channels = s->shape.dim[1];
    *height = s->shape.dim[2];
    *width = s->shape.dim[3];
    return UWC_OK;
}

static uwc_status npy_read(void *self, int64_t image, uwc_store__scratch *scratch, uwc_store__picture *out) {
    const npy_source *s = self;
    const int64_t *dim = s->shape.dim;
    int64_t bytes = uwc_shape_per_image(s->shape) * (int64_t)uwc_dtype_bytes(s->dtype);
    UWC_TRY(uwc_grow(&scratch->bytes, &scratch->capacity, bytes, 1));
    UWC_TRY(uwc_store__read_at(s->file, s->path, s->place + image * bytes, scratch->bytes, (size_t)bytes));
    *out = (uwc_store__picture){s->dtype, dim[1], dim[2], dim[3], dim[2] * dim[3], dim[3], 1, scratch->bytes};
    return UWC_OK;
}

static uwc_status npy_name(const void *self, int64_t image, char **out) {
    return uwc_store__number_name(((const npy_source *)self)->path, image, out);
}

static void npy_hash(const void *self, int64_t image, uint64_t *hash) {
    (void)image; /* all are alike */
    *hash = uwc_hash(*hash, ((const npy_source *)self)->shape.dim + 1, 3 * sizeof(int64_t));
}

/* The text behind 'key': in the header, spaces skipped; NULL if absent. */
static const char *find_value(const char *header, const char *key) {
    const char *at = strstr(header, key);
    if (at == NULL) {
        return NULL;
    }
    at += strlen(key);
    at += strspn(at, " ");
    if (*at != ':') {
        return NULL;
    }
    at++;
    return at + strspn(at, " ");
}

static uwc_status parse_type(const char *path, const char *header, uwc_dtype *out) {
    const char *value = find_value(header, "'descr'");
    UWC_CHECK(value != NULL && *value == '\'', UWC_E_FORMAT, "%s: .npy header without a plain 'descr'", path);
    value++;
    int length = (int)strcspn(value, "'");
    if (length == 3 && memcmp(value, "|u1", 3) == 0) {
        *out = UWC_U8;
    } else if (length == 3 && memcmp(value, "<f4", 3) == 0) {
        *out = UWC_F32;
    } else {
        return uwc_error_set(UWC_E_FORMAT, "%s: elements are '%.*s', not '|u1' (uint8) or '<f4' (float32)", path, length > 40 ? 40 : length,
                             value);
    }
    return UWC_OK;
}

static uwc_status parse_shape(const char *path, const char *header, uwc_shape *out) {
    const char *at = find_value(header, "'shape'");
    UWC_CHECK(at != NULL && *at == '(', UWC_E_FORMAT, "%s: .npy header without 'shape'", path);
    at++;
    *out = (uwc_shape){0};
    for (at += strspn(at, " "); *at != ')'; at += strspn(at, " ")) {
        char *end;
        UWC_CHECK(*at >= '0' && *at <= '9' && out->rank < UWC_MAX_RANK, UWC_E_FORMAT, "%s: .npy header with a broken 'shape'", path);
        errno = 0;
        out->dim[out->rank++] = strtoll(at, &end, 10);
        UWC_CHECK(errno == 0, UWC_E_FORMAT, "%s: .npy header with a dimension out of range", path);
        at = end + strspn(end, " ");
        UWC_CHECK(*at == ',' || *at == ')', UWC_E_FORMAT, "%s: .npy header with a broken 'shape'", path);
        at += *at == ',' ? 1 : 0;
    }
    return UWC_OK;
}

static uwc_status parse_header(npy_source *s, const char *header) {
    const char *order = find_value(header, "'fortran_order'");
    bool plain = order != NULL && strncmp(order, "False", 5) == 0, fortran = order != NULL && strncmp(order, "True", 4) == 0;
    UWC_CHECK(!fortran, UWC_E_FORMAT, "%s: the array is in Fortran order, C order is read", s->path);
    UWC_CHECK(plain, UWC_E_FORMAT, "%s: .npy header without a plain 'fortran_order'", s->path);
    UWC_TRY(parse_type(s->path, header, &s->dtype));
    UWC_TRY(parse_shape(s->path, header, &s->shape));
    return uwc_store__check_images(s->path, s->shape);
}

/* All elements must be there: what is missing is said at the start, not in the middle of a run. */
static uwc_status check_length(const npy_source *s) {
    struct stat info;
    int64_t bytes;
    UWC_CHECK(fstat(s->file, &info) == 0, UWC_E_IO, "%s: stat: %s", s->path, strerror(errno));
    bool counted = !__builtin_mul_overflow(uwc_shape_count(s->shape), (int64_t)uwc_dtype_bytes(s->dtype), &bytes);
    UWC_CHECK(counted && bytes <= (int64_t)info.st_size - s->place, UWC_E_FORMAT, "%s: truncated: %lld bytes of elements for %lld images",
              s->path, (long long)((int64_t)info.st_size - s->place), (long long)s->shape.dim[0]);
    return UWC_OK;
}

static uwc_status read_header(npy_source *s) {
    unsigned char head[12];
    char *header;
    UWC_TRY(uwc_store__read_at(s->file, s->path, 0, head, MAGIC_BYTES + 4));
    int version = head[MAGIC_BYTES];
    UWC_CHECK(memcmp(head, magic, MAGIC_BYTES) == 0 && version >= 1 && version <= 3, UWC_E_FORMAT, "%s: .npy of an unknown version",
              s->path);
    int64_t start = version == 1 ? 10 : 12, length = head[8] | head[9] << 8;
    if (version > 1) {
        UWC_TRY(uwc_store__read_at(s->file, s->path, 0, head, sizeof head));
        length |= (int64_t)head[10] << 16 | (int64_t)head[11] << 24;
    }
    UWC_CHECK(length <= LONGEST_HEADER, UWC_E_FORMAT, "%s: .npy header of %lld bytes", s->path, (long long)length);
    UWC_TRY(uwc_calloc(length + 1, 1, &header));
    uwc_status st = uwc_store__read_at(s->file, s->path, start, header, (size_t)length);
    s->place = start + length;
    if (st == UWC_OK) {
        st = parse_header(s, header);
    }
    uwc_free(&header);
    return st == UWC_OK ? check_length(s) : st;
}

uwc_status uwc_store__source_npy(const char *path, uwc_store__source *out) {
    npy_source *s;
    UWC_TRY(uwc_calloc(1, sizeof *s, &s));
    s->file = -1;
    *out = (uwc_store__source){
        .concurrent = true, .self = s, .measure = npy_measure, .read = npy_read, .name = npy_name, .hash = npy_hash, .close = npy_close};
    UWC_TRY(uwc_strdup(path, &s->path));
    s->file = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    UWC_CHECK(s->file >= 0, UWC_E_IO, "%s: open: %s", path, strerror(errno));
    UWC_TRY(read_header(s));
    out->images = s->shape.dim[0];
    return UWC_OK;
}
