#include "store_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void uwc_store__quiet(void) {
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
}

void uwc_store__drop(hid_t id, herr_t (*close_id)(hid_t)) {
    if (id >= 0) {
        close_id(id);
    }
}

hid_t uwc_store__type(uwc_dtype dtype) {
    switch (dtype) {
    case UWC_F32:
        return H5T_NATIVE_FLOAT;
    case UWC_I64:
        return H5T_NATIVE_INT64;
    case UWC_I32:
        return H5T_NATIVE_INT32;
    case UWC_I8:
        return H5T_NATIVE_INT8;
    case UWC_F16: /* see uwc_store__half_type */
    case UWC_U8:
    case UWC_BOOL:
        break;
    }
    return H5T_NATIVE_UINT8;
}

/* Sign, five bits of exponent, ten of fraction, bias 15, in the byte order of this machine. */
hid_t uwc_store__half_type(void) {
    hid_t type = H5Tcopy(H5T_NATIVE_FLOAT);
    bool made = type >= 0 && H5Tset_fields(type, 15, 10, 5, 0, 10) >= 0 && H5Tset_precision(type, 16) >= 0 && H5Tset_size(type, 2) >= 0 &&
                H5Tset_ebias(type, 15) >= 0;
    if (!made) {
        uwc_store__drop(type, H5Tclose);
        return H5I_INVALID_HID;
    }
    return type;
}

bool uwc_store__dtype_of(hid_t type, uwc_dtype *dtype, bool *exact) {
    H5T_class_t kind = H5Tget_class(type);
    size_t bytes = H5Tget_size(type);
    if (kind == H5T_FLOAT) {
        *dtype = UWC_F32;
        *exact = bytes == 4;
        return true;
    }
    if (kind != H5T_INTEGER || bytes > 8) {
        return false;
    }
    if (H5Tget_sign(type) == H5T_SGN_NONE) {
        *dtype = bytes == 1 ? UWC_U8 : bytes <= 3 ? UWC_I32 : UWC_I64;
        *exact = bytes == 1;
    } else {
        *dtype = bytes == 1 ? UWC_I8 : bytes <= 4 ? UWC_I32 : UWC_I64;
        *exact = bytes == uwc_dtype_bytes(*dtype);
    }
    return true;
}

char *uwc_store__type_print(hid_t type, char *text) {
    static const char *const other[] = {[H5T_TIME] = "time",        [H5T_STRING] = "string",        [H5T_BITFIELD] = "bit field",
                                        [H5T_OPAQUE] = "opaque",    [H5T_COMPOUND] = "compound",    [H5T_REFERENCE] = "reference",
                                        [H5T_ENUM] = "enumeration", [H5T_VLEN] = "variable-length", [H5T_ARRAY] = "array"};
    H5T_class_t kind = H5Tget_class(type);
    int bits = (int)(8 * H5Tget_size(type));
    if (kind == H5T_FLOAT) {
        snprintf(text, 32, "float%d", bits);
    } else if (kind == H5T_INTEGER) {
        snprintf(text, 32, "%sint%d", H5Tget_sign(type) == H5T_SGN_NONE ? "u" : "", bits);
    } else {
        snprintf(text, 32, "%s", kind >= H5T_TIME && kind <= H5T_ARRAY ? other[kind] : "unknown type");
    }
    return text;
}

hid_t uwc_store__timeless(hid_t kind) {
    hid_t list = H5Pcreate(kind);
    if (list >= 0) {
        H5Pset_obj_track_times(list, false);
    }
    return list;
}

/* What the system says about the path; HDF5 keeps its reasons to itself. */
static uwc_status check_readable(const char *path, bool *signature) {
    static const unsigned char magic[8] = {0x89, 'H', 'D', 'F', '\r', '\n', 0x1a, '\n'};
    unsigned char head[sizeof magic];
    struct stat info;
    int file = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (file < 0) {
        int code = errno;
        return uwc_error_set(code == ENOENT || code == ENOTDIR ? UWC_E_NOTFOUND : UWC_E_IO, "%s: open: %s", path, strerror(code));
    }
    bool regular = fstat(file, &info) == 0 && S_ISREG(info.st_mode);
    *signature = regular && read(file, head, sizeof head) == (ssize_t)sizeof head && memcmp(head, magic, sizeof magic) == 0;
    close(file);
    UWC_CHECK(regular, UWC_E_FORMAT, "%s: not a regular file", path);
    return UWC_OK;
}

uwc_status uwc_store__open_file(const char *path, hid_t *file) {
    bool signature;
    *file = H5I_INVALID_HID;
    uwc_store__quiet();
    UWC_TRY(check_readable(path, &signature));
    hid_t access = H5Pcreate(H5P_FILE_ACCESS);
    H5Pset_file_locking(access, false, true); /* published files never change, and some shared file systems refuse locks */
    H5Pset_fclose_degree(access, H5F_CLOSE_STRONG);
    *file = H5Fopen(path, H5F_ACC_RDONLY, access);
    uwc_store__drop(access, H5Pclose);
    UWC_CHECK(*file >= 0, UWC_E_FORMAT, "%s: %s", path, signature ? "truncated or damaged HDF5 file" : "not an HDF5 file");
    return UWC_OK;
}

/* Calls `visit` for "/a", "/a/b", ... up to the whole path; stops when it returns false. */
static bool each_prefix(const char *path, bool whole, bool (*visit)(hid_t file, const char *prefix), hid_t file) {
    char prefix[256];
    size_t length = strlen(path);
    if (length == 0 || length >= sizeof prefix) {
        return false;
    }
    for (size_t i = 1; i <= length; i++) {
        if (path[i] == '/' || (path[i] == '\0' && whole)) {
            memcpy(prefix, path, i);
            prefix[i] = '\0';
            if (!visit(file, prefix)) {
                return false;
            }
        }
    }
    return true;
}

static bool link_exists(hid_t file, const char *prefix) {
    return H5Lexists(file, prefix, H5P_DEFAULT) > 0;
}

static bool make_group(hid_t file, const char *prefix) {
    if (link_exists(file, prefix)) {
        return true;
    }
    hid_t properties = uwc_store__timeless(H5P_GROUP_CREATE);
    hid_t group = H5Gcreate2(file, prefix, H5P_DEFAULT, properties, H5P_DEFAULT);
    uwc_store__drop(properties, H5Pclose);
    uwc_store__drop(group, H5Gclose);
    return group >= 0;
}

uwc_status uwc_store__make_groups(hid_t file, const char *name, const char *path) {
    UWC_CHECK(path[0] == '/' && each_prefix(path, false, make_group, file), UWC_E_LIBRARY, "%s: no group for %s", name, path);
    return UWC_OK;
}

bool uwc_store__has(hid_t file, const char *path) {
    return each_prefix(path, true, link_exists, file);
}

static uwc_status read_shape(hid_t id, const char *name, const char *path, uwc_shape *out) {
    hsize_t dim[H5S_MAX_RANK];
    hid_t space = H5Dget_space(id);
    int rank = H5Sget_simple_extent_ndims(space);
    bool simple = rank >= 0 && H5Sget_simple_extent_type(space) != H5S_NULL && H5Sget_simple_extent_dims(space, dim, NULL) >= 0;
    uwc_store__drop(space, H5Sclose);
    UWC_CHECK(simple, UWC_E_FORMAT, "%s: %s has no shape", name, path);
    UWC_CHECK(rank <= UWC_MAX_RANK, UWC_E_FORMAT, "%s: %s has %d dimensions, at most %d are read", name, path, rank, UWC_MAX_RANK);
    *out = (uwc_shape){.rank = rank};
    for (int i = 0; i < rank; i++) {
        UWC_CHECK(dim[i] <= INT64_MAX, UWC_E_FORMAT, "%s: %s has a dimension of %llu", name, path, (unsigned long long)dim[i]);
        out->dim[i] = (int64_t)dim[i];
    }
    return UWC_OK;
}

uwc_status uwc_store__set_open(hid_t file, const char *name, const char *path, uwc_store__set *out) {
    *out = (uwc_store__set){.id = H5I_INVALID_HID, .type = H5I_INVALID_HID};
    UWC_CHECK(uwc_store__has(file, path), UWC_E_FORMAT, "%s: no dataset %s", name, path);
    out->id = H5Dopen2(file, path, H5P_DEFAULT);
    UWC_CHECK(out->id >= 0, UWC_E_FORMAT, "%s: %s is damaged or no dataset", name, path);
    out->type = H5Dget_type(out->id);
    uwc_status st =
        out->type >= 0 ? read_shape(out->id, name, path, &out->shape) : uwc_error_set(UWC_E_FORMAT, "%s: %s has no type", name, path);
    if (st == UWC_OK && uwc_shape_count(out->shape) > 0 && H5Dget_storage_size(out->id) == 0) {
        st = uwc_error_set(UWC_E_FORMAT, "%s: %s was never written", name, path); /* a small file may announce any size */
    }
    if (st != UWC_OK) {
        uwc_store__set_close(out);
    }
    return st;
}

void uwc_store__set_close(uwc_store__set *set) {
    uwc_store__drop(set->type, H5Tclose);
    uwc_store__drop(set->id, H5Dclose);
    *set = (uwc_store__set){.id = H5I_INVALID_HID, .type = H5I_INVALID_HID};
}

static hid_t make_space(uwc_shape shape) {
    hsize_t dim[UWC_MAX_RANK] = {0};
    for (int i = 0; i < shape.rank; i++) {
        dim[i] = (hsize_t)shape.dim[i];
    }
    return shape.rank == 0 ? H5Screate(H5S_SCALAR) : H5Screate_simple(shape.rank, dim, NULL);
}

static hid_t select_rows(const uwc_store__set *set, int64_t first, int64_t count) {
    hsize_t start[UWC_MAX_RANK] = {(hsize_t)first}, number[UWC_MAX_RANK];
    hid_t space = H5Dget_space(set->id);
    for (int i = 0; i < set->shape.rank; i++) {
        number[i] = (hsize_t)(i == 0 ? count : set->shape.dim[i]);
    }
    if (space >= 0 && set->shape.rank > 0 && H5Sselect_hyperslab(space, H5S_SELECT_SET, start, NULL, number, NULL) < 0) {
        uwc_store__drop(space, H5Sclose);
        space = H5I_INVALID_HID;
    }
    return space;
}

uwc_status uwc_store__set_read(const uwc_store__set *set, const char *name, const char *path, uwc_dtype dtype, int64_t first, int64_t count,
                               void *out) {
    char text[128];
    uwc_dtype stored;
    bool exact;
    UWC_CHECK(uwc_store__dtype_of(set->type, &stored, &exact), UWC_E_FORMAT, "%s: %s holds %s, not numbers", name, path,
              uwc_store__type_print(set->type, text));
    int64_t rows = set->shape.rank == 0 ? 1 : set->shape.dim[0];
    UWC_CHECK(first >= 0 && count >= 0 && first <= rows - count, UWC_E_SHAPE, "%s: %s %s has no %lld rows from %lld on", name, path,
              uwc_shape_print(set->shape, text), (long long)count, (long long)first);
    uwc_shape wanted = set->shape.rank == 0 ? set->shape : uwc_shape_batch(set->shape, count);
    if (uwc_shape_count(wanted) == 0) {
        return UWC_OK;
    }
    hid_t from = select_rows(set, first, count), to = make_space(wanted);
    herr_t outcome = from >= 0 && to >= 0 ? H5Dread(set->id, uwc_store__type(dtype), to, from, H5P_DEFAULT, out) : -1;
    uwc_store__drop(from, H5Sclose);
    uwc_store__drop(to, H5Sclose);
    UWC_CHECK(outcome >= 0, UWC_E_FORMAT, "%s: %s cannot be read: truncated or damaged", name, path);
    return UWC_OK;
}

uwc_status uwc_store__set_write(hid_t file, const char *name, const char *path, uwc_dtype dtype, uwc_shape shape, const void *data) {
    UWC_TRY(uwc_store__make_groups(file, name, path));
    hid_t space = make_space(shape), properties = uwc_store__timeless(H5P_DATASET_CREATE), type = uwc_store__type(dtype);
    hid_t set = H5Dcreate2(file, path, type, space, H5P_DEFAULT, properties, H5P_DEFAULT);
    herr_t outcome = set < 0 ? -1 : uwc_shape_count(shape) == 0 ? 0 : H5Dwrite(set, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, data);
    uwc_store__drop(set, H5Dclose);
    uwc_store__drop(properties, H5Pclose);
    uwc_store__drop(space, H5Sclose);
    UWC_CHECK(outcome >= 0, UWC_E_LIBRARY, "%s: %s cannot be written", name, path);
    return UWC_OK;
}
