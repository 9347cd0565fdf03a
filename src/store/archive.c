#include "store_impl.h"

#include <string.h>

struct uwc_archive {
    hid_t file;
    char *name; /* in messages */
    bool open;  /* created and not sealed: takes further datasets */
    uwc_store__caught caught;
};

static uwc_status wrap(const char *name, uwc_archive **out) {
    *out = NULL;
    uwc_archive *archive;
    UWC_TRY(uwc_calloc(1, sizeof *archive, &archive));
    archive->file = H5I_INVALID_HID;
    uwc_status st = uwc_strdup(name, &archive->name);
    if (st != UWC_OK) {
        uwc_free(&archive);
    }
    *out = archive;
    return st;
}

uwc_status uwc_archive_create(uwc_archive **out) {
    UWC_TRY(wrap("new archive", out));
    uwc_status st = uwc_store__create_in_memory(&(*out)->caught, &(*out)->file);
    if (st != UWC_OK) {
        uwc_archive_close(out);
        return st;
    }
    (*out)->open = true;
    return UWC_OK;
}

uwc_status uwc_archive_open(const char *path, uwc_archive **out) {
    UWC_TRY(wrap(path, out));
    uwc_status st = uwc_store__open_file(path, &(*out)->file);
    if (st != UWC_OK) {
        uwc_archive_close(out);
    }
    return st;
}

uwc_status uwc_archive_open_image(const char *name, const void *image, size_t bytes, uwc_archive **out) {
    UWC_TRY(wrap(name, out));
    uwc_status st = uwc_store__open_image(name, image, bytes, &(*out)->file);
    if (st != UWC_OK) {
        uwc_archive_close(out);
    }
    return st;
}

void uwc_archive_close(uwc_archive **archive) {
    if (*archive == NULL) {
        return;
    }
    uwc_store__drop((*archive)->file, H5Fclose);
    uwc_free(&(*archive)->caught.image); /* HDF5 has handed it over by now, if it made one */
    uwc_free(&(*archive)->name);
    uwc_free(archive);
}

/* HDF5 gives the bytes away when it closes the file; what follows reads from them. */
static uwc_status seal(uwc_archive *archive) {
    uwc_store__caught *caught = &archive->caught;
    if (archive->open) {
        archive->open = false;
        UWC_TRY(uwc_store__close_in_memory(&archive->file, caught));
        UWC_CHECK(caught->end <= (int64_t)caught->bytes, UWC_E_LIBRARY, "%s: HDF5 left its end unwritten", archive->name);
        UWC_TRY(uwc_store__open_image(archive->name, caught->image, (size_t)caught->end, &archive->file));
    }
    UWC_CHECK(caught->image != NULL, UWC_E_ARG, "%s: an archive open for reading has no image", archive->name);
    return UWC_OK;
}

uwc_status uwc_archive_image(uwc_archive *archive, char **out, size_t *bytes) {
    *out = NULL;
    *bytes = 0;
    UWC_TRY(seal(archive));
    UWC_TRY(uwc_calloc(archive->caught.end, 1, out));
    *bytes = (size_t)archive->caught.end;
    memcpy(*out, archive->caught.image, *bytes);
    return UWC_OK;
}

uwc_status uwc_archive_publish(uwc_archive *archive, const char *path) {
    UWC_TRY(seal(archive));
    return uwc_file_write(path, archive->caught.image, (size_t)archive->caught.end);
}

static uwc_status check_new(const uwc_archive *archive, const char *path) {
    UWC_CHECK(archive->open, UWC_E_ARG, "%s: open for reading, %s cannot be put", archive->name, path);
    UWC_CHECK(!uwc_store__has(archive->file, path), UWC_E_ARG, "%s: %s is there already", archive->name, path);
    return UWC_OK;
}

uwc_status uwc_archive_put(uwc_archive *archive, const char *path, uwc_dtype dtype, uwc_shape shape, const void *data) {
    UWC_TRY(check_new(archive, path));
    return uwc_store__set_write(archive->file, archive->name, path, dtype, shape, data);
}

uwc_status uwc_archive_put_string(uwc_archive *archive, const char *path, const char *text) {
    UWC_TRY(check_new(archive, path));
    return uwc_store__text_write(archive->file, archive->name, path, text);
}

bool uwc_archive_has(const uwc_archive *archive, const char *path) {
    return uwc_store__has(archive->file, path);
}

uwc_status uwc_archive_shape(const uwc_archive *archive, const char *path, uwc_dtype *dtype, uwc_shape *shape) {
    char text[32];
    uwc_store__set set;
    bool exact;
    UWC_TRY(uwc_store__set_open(archive->file, archive->name, path, &set));
    *shape = set.shape;
    uwc_status st = UWC_OK;
    if (!uwc_store__dtype_of(set.type, dtype, &exact)) {
        st = uwc_error_set(UWC_E_FORMAT, "%s: %s holds %s, not numbers", archive->name, path, uwc_store__type_print(set.type, text));
    }
    uwc_store__set_close(&set);
    return st;
}

uwc_status uwc_archive_get(const uwc_archive *archive, const char *path, uwc_dtype dtype, int64_t first, int64_t count, void *out) {
    uwc_store__set set;
    UWC_TRY(uwc_store__set_open(archive->file, archive->name, path, &set));
    uwc_status st = uwc_store__set_read(&set, archive->name, path, dtype, first, count, out);
    uwc_store__set_close(&set);
    return st;
}

uwc_status uwc_archive_get_tensor(const uwc_archive *archive, const char *path, uwc_dtype dtype, uwc_tensor **out) {
    uwc_store__set set;
    *out = NULL;
    UWC_TRY(uwc_store__set_open(archive->file, archive->name, path, &set));
    uwc_status st = uwc_tensor_create(dtype, set.shape, UWC_PLAIN, out);
    if (st == UWC_OK) {
        st = uwc_store__set_read(&set, archive->name, path, dtype, 0, set.shape.rank == 0 ? 1 : set.shape.dim[0], (*out)->data);
    }
    if (st != UWC_OK) {
        uwc_tensor_destroy(out);
    }
    uwc_store__set_close(&set);
    return st;
}

uwc_status uwc_archive_get_string(const uwc_archive *archive, const char *path, char **out) {
    uwc_store__set set;
    *out = NULL;
    UWC_TRY(uwc_store__set_open(archive->file, archive->name, path, &set));
    uwc_status st = uwc_store__text_read(&set, archive->name, path, out);
    uwc_store__set_close(&set);
    return st;
}
