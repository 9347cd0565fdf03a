/* HDF5 lays the file out in memory (contiguous, allocated early, not filled) and is closed; all that comes before the large dataset is
 * written, then its elements as they arrive. A full disk is so an ordinary error of write(2), not a file that HDF5 can neither flush nor
 * close. */
#include "store_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

struct uwc_store__stream {
    char *path, *temporary;
    int file;
    int64_t at, end; /* bytes from the start of the file */
};

static uwc_status system_error(const uwc_store__stream *stream, const char *what) {
    return uwc_error_set(UWC_E_IO, "%s: %s: %s", stream->temporary, what, strerror(errno));
}

static hid_t make_large(hid_t file, const uwc_store__array *large) {
    hsize_t dim[UWC_MAX_RANK];
    for (int i = 0; i < large->shape.rank; i++) {
        dim[i] = (hsize_t)large->shape.dim[i];
    }
    hid_t space = H5Screate_simple(large->shape.rank, dim, NULL), properties = uwc_store__timeless(H5P_DATASET_CREATE);
    H5Pset_alloc_time(properties, H5D_ALLOC_TIME_EARLY);
    H5Pset_fill_time(properties, H5D_FILL_TIME_NEVER);
    hid_t half = large->dtype == UWC_F16 ? uwc_store__half_type() : H5I_INVALID_HID;
    hid_t set = H5Dcreate2(file, large->path, large->dtype == UWC_F16 ? half : uwc_store__type(large->dtype), space, H5P_DEFAULT,
                           properties, H5P_DEFAULT);
    uwc_store__drop(half, H5Tclose);
    uwc_store__drop(properties, H5Pclose);
    uwc_store__drop(space, H5Sclose);
    return set;
}

/* Where the first element lies. A dataset without elements has no place, and needs none. */
static uwc_status lay_out(uwc_store__stream *stream, hid_t file, const uwc_store__array *small, int smalls, const uwc_store__array *large) {
    for (int i = 0; i < smalls; i++) {
        UWC_TRY(uwc_store__set_write(file, stream->temporary, small[i].path, small[i].dtype, small[i].shape, small[i].data));
    }
    hid_t set = make_large(file, large);
    haddr_t place = set < 0 ? HADDR_UNDEF : H5Dget_offset(set);
    uwc_store__drop(set, H5Dclose);
    int64_t count = uwc_shape_count(large->shape);
    UWC_CHECK(set >= 0 && (place != HADDR_UNDEF || count == 0), UWC_E_LIBRARY, "%s: HDF5 makes no room for %s", stream->temporary,
              large->path);
    stream->at = count == 0 ? 0 : (int64_t)place;
    stream->end = stream->at + count * (int64_t)uwc_dtype_bytes(large->dtype);
    return UWC_OK;
}

/* Memory ends soon behind the last thing that HDF5 wrote, the file where the last element will end. */
static uwc_status write_frame(uwc_store__stream *stream, const uwc_store__array *small, int smalls, const uwc_store__array *large) {
    uwc_store__caught caught;
    hid_t file;
    UWC_TRY(uwc_store__create_in_memory(&caught, &file));
    uwc_status st = lay_out(stream, file, small, smalls, large), closed = uwc_store__close_in_memory(&file, &caught);
    st = st == UWC_OK ? closed : st;
    if (st == UWC_OK) {
        int64_t head = stream->end > stream->at ? stream->at : caught.end;
        head = head < (int64_t)caught.bytes ? head : (int64_t)caught.bytes;
        st = uwc_store__write_at(stream->file, stream->temporary, 0, caught.image, (size_t)head);
    }
    if (st == UWC_OK && ftruncate(stream->file, (off_t)caught.end) != 0) {
        st = system_error(stream, "make room");
    }
    uwc_free(&caught.image);
    return st;
}

uwc_status uwc_store__stream_open(const char *path, const uwc_store__array *small, int smalls, const uwc_store__array *large,
                                  uwc_store__stream **out) {
    uwc_status st;
    uwc_store__stream *stream;
    *out = NULL;
    UWC_CHECK(uwc_shape_count(large->shape) <= INT64_MAX / 16, UWC_E_ARG, "%s: %s has too many elements", path, large->path);
    UWC_TRY(uwc_calloc(1, sizeof *stream, &stream));
    stream->file = -1;
    UWC_TRY_GOTO(st, uwc_strdup(path, &stream->path), done);
    UWC_TRY_GOTO(st, uwc_format(&stream->temporary, "%s.tmp", path), done);
    stream->file = open(stream->temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (stream->file < 0) {
        st = system_error(stream, "create");
        goto done;
    }
    UWC_TRY_GOTO(st, write_frame(stream, small, smalls, large), done);
    *out = stream;
    stream = NULL;
done:
    uwc_store__stream_drop(&stream);
    return st;
}

uwc_status uwc_store__stream_append(uwc_store__stream *stream, const void *data, size_t bytes) {
    UWC_CHECK((int64_t)bytes <= stream->end - stream->at, UWC_E_ARG, "%s: %zu bytes more than there is room for", stream->temporary,
              bytes - (size_t)(stream->end - stream->at));
    UWC_TRY(uwc_store__write_at(stream->file, stream->temporary, stream->at, data, bytes));
    stream->at += (int64_t)bytes;
    return UWC_OK;
}

uwc_status uwc_store__stream_publish(uwc_store__stream **stream) {
    uwc_store__stream *all = *stream;
    uwc_status st = UWC_OK;
    UWC_CHECK_GOTO(st, all->at == all->end, UWC_E_ARG, done, "%s: %lld bytes are missing", all->path, (long long)(all->end - all->at));
    int outcome = close(all->file);
    all->file = -1;
    if (outcome != 0) {
        st = system_error(all, "close");
        goto done;
    }
    UWC_TRY_GOTO(st, uwc_file_publish(all->temporary, all->path), done);
done:
    uwc_store__stream_drop(stream);
    return st;
}

void uwc_store__stream_drop(uwc_store__stream **stream) {
    uwc_store__stream *all = *stream;
    if (all == NULL) {
        return;
    }
    if (all->file >= 0) {
        close(all->file);
    }
    if (all->temporary != NULL) {
        unlink(all->temporary); /* gone already when it was published */
    }
    uwc_free(&all->temporary);
    uwc_free(&all->path);
    uwc_free(stream);
}
