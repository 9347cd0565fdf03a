#include "store_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* OPEN_FILES: the shards of two values in both networks, for who reads images in random order; CHUNK: elements that are converted at a time
 */
enum { OPEN_FILES = 64, CHUNK = 1 << 14 };

/* A published file that is open: its elements are read in place, without HDF5. */
typedef struct shard_file {
    char *path; /* NULL: the slot is free */
    int file;
    int64_t place; /* of the first element, bytes */
    uwc_dtype dtype;
    uwc_shape shape;
    uint64_t used;
} shard_file;

struct uwc_cache {
    char *folder, *below; /* looked into for what is not in `folder`; NULL: nothing */
    uwc_dtype dtype;      /* of new files */
    uint64_t clock;
    shard_file slot[OPEN_FILES];
};

struct uwc_cache_writer {
    uwc_store__stream *stream;
    char *path;
    uwc_shape shape; /* of the whole shard */
    int64_t images;  /* so far */
    uwc_cache *cache;
};

static const char elements[] = "/x", dimensions[] = "/shape";

static uwc_status shard_path(const uwc_cache *cache, const char *key, int shard, char **out) {
    *out = NULL;
    UWC_CHECK(key[0] != '\0' && strchr(key, '/') == NULL && shard >= 0, UWC_E_ARG, "cache key \"%s\", shard %d", key, shard);
    char *name;
    UWC_TRY(uwc_format(&name, "%s_s%02d.h5", key, shard));
    uwc_status st = uwc_path_join(cache->folder, name, out);
    uwc_free(&name);
    return st;
}

static uwc_status shard_path_to_read(const uwc_cache *cache, const char *key, int shard, char **out) {
    UWC_TRY(shard_path(cache, key, shard, out));
    if (cache->below == NULL || uwc_file_exists(*out)) {
        return UWC_OK;
    }
    const uwc_cache below = {.folder = cache->below};
    uwc_free(out);
    return shard_path(&below, key, shard, out);
}

static void forget(shard_file *slot) {
    if (slot->path != NULL) {
        close(slot->file);
        uwc_free(&slot->path);
    }
}

/* After another file took the place of `path`. */
static void forget_path(uwc_cache *cache, const char *path) {
    for (int i = 0; i < OPEN_FILES; i++) {
        if (cache->slot[i].path != NULL && strcmp(cache->slot[i].path, path) == 0) {
            forget(&cache->slot[i]);
        }
    }
}

uwc_status uwc_cache_open(const char *folder, uwc_dtype dtype, uwc_cache **out) {
    *out = NULL;
    UWC_CHECK(dtype == UWC_F32 || dtype == UWC_F16, UWC_E_ARG, "a cache of %s", uwc_dtype_name(dtype));
    UWC_TRY(uwc_folder_make(folder));
    uwc_cache *cache;
    UWC_TRY(uwc_calloc(1, sizeof *cache, &cache));
    cache->dtype = dtype;
    uwc_status st = uwc_strdup(folder, &cache->folder);
    if (st != UWC_OK) {
        uwc_free(&cache);
    }
    *out = cache;
    return st;
}

uwc_status uwc_cache_read_below(uwc_cache *cache, const char *folder) {
    uwc_free(&cache->below);
    return uwc_strdup(folder, &cache->below);
}

void uwc_cache_close(uwc_cache **cache) {
    if (*cache == NULL) {
        return;
    }
    for (int i = 0; i < OPEN_FILES; i++) {
        forget(&(*cache)->slot[i]);
    }
    uwc_free(&(*cache)->folder);
    uwc_free(&(*cache)->below);
    uwc_free(cache);
}

bool uwc_cache_has(const uwc_cache *cache, const char *key, int shard) {
    char *path;
    if (shard_path_to_read(cache, key, shard, &path) != UWC_OK) {
        return false;
    }
    bool there = uwc_file_exists(path);
    uwc_free(&path);
    return there;
}

/* ---- writing ---- */

/* The shape in which the elements lie: [N,H,W,C] for an activation of [N,C,H,W]. */
static uwc_shape physical(uwc_shape shape) {
    return shape.rank == 4 ? uwc_shape_4d(shape.dim[0], shape.dim[2], shape.dim[3], shape.dim[1]) : shape;
}

static uwc_status writer_start(uwc_cache_writer *writer) {
    uwc_store__array shape = {dimensions, UWC_I64, uwc_shape_1d(writer->shape.rank), writer->shape.dim};
    uwc_store__array large = {elements, writer->cache->dtype, physical(writer->shape), NULL};
    return uwc_store__stream_open(writer->path, &shape, 1, &large, &writer->stream);
}

uwc_status uwc_cache_writer_open(uwc_cache *cache, const char *key, int shard, uwc_shape per_image, int64_t images,
                                 uwc_cache_writer **out) {
    *out = NULL;
    UWC_CHECK(images >= 0 && per_image.rank >= 1, UWC_E_ARG, "cache %s: %lld images of rank %d", key, (long long)images, per_image.rank);
    uwc_cache_writer *writer;
    UWC_TRY(uwc_calloc(1, sizeof *writer, &writer));
    writer->cache = cache;
    writer->shape = uwc_shape_batch(per_image, images);
    uwc_status st = shard_path(cache, key, shard, &writer->path);
    if (st == UWC_OK) {
        st = writer_start(writer);
    }
    if (st != UWC_OK) {
        uwc_cache_writer_drop(&writer);
    }
    *out = writer;
    return st;
}

static uwc_status check_images(const char *path, const uwc_tensor *tensor, uwc_shape shape) {
    char found[128], wanted[128];
    UWC_CHECK(tensor->dtype == UWC_F32 && tensor->layout == uwc_shape_layout(tensor->shape), UWC_E_ARG, "%s: not a float32 activation",
              path);
    UWC_CHECK(tensor->shape.rank == shape.rank && uwc_shape_equal(uwc_shape_batch(tensor->shape, 1), uwc_shape_batch(shape, 1)),
              UWC_E_SHAPE, "%s: images of %s, not %s", path, uwc_shape_print(shape, wanted), uwc_shape_print(tensor->shape, found));
    return UWC_OK;
}

static uwc_status append_half(uwc_cache_writer *writer, const float *value, int64_t count) {
    const float *beyond = uwc_store__find_beyond_half(value, count);
    UWC_CHECK(beyond == NULL, UWC_E_VALUE, "%s: an activation of %g, float16 ends at %g: use run.cache: float32", writer->path,
              (double)*beyond, (double)UWC_STORE__HALF_MOST);
    for (int64_t first = 0; first < count; first += CHUNK) {
        uint16_t half[CHUNK];
        int64_t n = count - first < CHUNK ? count - first : CHUNK;
        uwc_store__to_half(value + first, n, half);
        UWC_TRY(uwc_store__stream_append(writer->stream, half, (size_t)n * sizeof half[0]));
    }
    return UWC_OK;
}

uwc_status uwc_cache_writer_append(uwc_cache_writer *writer, const uwc_tensor *images) {
    UWC_TRY(check_images(writer->path, images, writer->shape));
    int64_t count = images->shape.dim[0];
    UWC_CHECK(count <= writer->shape.dim[0] - writer->images, UWC_E_ARG, "%s: %lld images, only %lld are announced", writer->path,
              (long long)(writer->images + count), (long long)writer->shape.dim[0]);
    UWC_TRY(writer->cache->dtype == UWC_F16 ? append_half(writer, images->f32, uwc_shape_count(images->shape))
                                            : uwc_store__stream_append(writer->stream, images->data, uwc_tensor_bytes(images)));
    writer->images += count;
    return UWC_OK;
}

uwc_status uwc_cache_writer_publish(uwc_cache_writer **writer) {
    uwc_cache_writer *all = *writer;
    uwc_status st = UWC_OK;
    UWC_CHECK_GOTO(st, all->images == all->shape.dim[0], UWC_E_ARG, done, "%s: only %lld of %lld images were written", all->path,
                   (long long)all->images, (long long)all->shape.dim[0]);
    forget_path(all->cache, all->path);
    UWC_TRY_GOTO(st, uwc_store__stream_publish(&all->stream), done);
done:
    uwc_cache_writer_drop(writer);
    return st;
}

void uwc_cache_writer_drop(uwc_cache_writer **writer) {
    if (*writer == NULL) {
        return;
    }
    uwc_store__stream_drop(&(*writer)->stream);
    uwc_free(&(*writer)->path);
    uwc_free(writer);
}

/* ---- reading ---- */

static uwc_status read_dimensions(hid_t file, const char *path, uwc_shape *out) {
    uwc_store__set set;
    UWC_TRY(uwc_store__set_open(file, path, dimensions, &set));
    uwc_status st = UWC_OK;
    bool fits = set.shape.rank == 1 && set.shape.dim[0] >= 1 && set.shape.dim[0] <= UWC_MAX_RANK;
    if (fits) {
        *out = (uwc_shape){.rank = (int)set.shape.dim[0]};
        st = uwc_store__set_read(&set, path, dimensions, UWC_I64, 0, out->rank, out->dim);
    }
    uwc_store__set_close(&set);
    UWC_CHECK(fits, UWC_E_FORMAT, "%s: %s is no shape", path, dimensions);
    return st;
}

static bool is_contiguous(hid_t set) {
    hid_t properties = H5Dget_create_plist(set);
    bool contiguous = properties >= 0 && H5Pget_layout(properties) == H5D_CONTIGUOUS && H5Pget_external_count(properties) == 0;
    uwc_store__drop(properties, H5Pclose);
    return contiguous;
}

static bool is_of_type(hid_t type, uwc_dtype *dtype) {
    hid_t half = uwc_store__half_type();
    bool is_half = half >= 0 && H5Tequal(type, half) > 0;
    uwc_store__drop(half, H5Tclose);
    *dtype = is_half ? UWC_F16 : UWC_F32;
    return is_half || H5Tequal(type, uwc_store__type(UWC_F32)) > 0;
}

/* Shape, type and place of the elements of a file image or file that HDF5 has opened. */
static uwc_status read_frame(hid_t file, const char *path, uwc_shape *shape, uwc_dtype *dtype, int64_t *place) {
    char found[128], wanted[128];
    uwc_store__set set;
    UWC_TRY(read_dimensions(file, path, shape));
    UWC_TRY(uwc_store__set_open(file, path, elements, &set));
    bool shapes = uwc_shape_equal(set.shape, physical(*shape)), native = is_of_type(set.type, dtype) && is_contiguous(set.id);
    haddr_t offset = H5Dget_offset(set.id);
    uwc_store__set_close(&set);
    UWC_CHECK(shapes, UWC_E_FORMAT, "%s: %s is %s, %s says %s", path, elements, uwc_shape_print(set.shape, found), dimensions,
              uwc_shape_print(*shape, wanted));
    UWC_CHECK(native, UWC_E_FORMAT, "%s: %s is not contiguous float32 or float16 of this machine", path, elements);
    UWC_CHECK(offset != HADDR_UNDEF || uwc_shape_count(*shape) == 0, UWC_E_FORMAT, "%s: %s has no data", path, elements);
    *place = offset == HADDR_UNDEF ? 0 : (int64_t)offset;
    return UWC_OK;
}

static uwc_status open_slot(shard_file *slot, const char *path) {
    hid_t file;
    UWC_TRY(uwc_store__open_file(path, &file));
    uwc_status st = read_frame(file, path, &slot->shape, &slot->dtype, &slot->place);
    uwc_store__drop(file, H5Fclose);
    UWC_TRY(st);
    slot->file = open(path, O_RDONLY | O_CLOEXEC);
    UWC_CHECK(slot->file >= 0, UWC_E_IO, "%s: open: %s", path, strerror(errno));
    st = uwc_strdup(path, &slot->path);
    if (st != UWC_OK) {
        close(slot->file);
    }
    return st;
}

static uwc_status find_slot(uwc_cache *cache, const char *path, shard_file **out) {
    shard_file *oldest = &cache->slot[0];
    for (int i = 0; i < OPEN_FILES; i++) {
        shard_file *slot = &cache->slot[i];
        if (slot->path != NULL && strcmp(slot->path, path) == 0) {
            slot->used = ++cache->clock;
            *out = slot;
            return UWC_OK;
        }
        if (slot->path == NULL || (oldest->path != NULL && slot->used < oldest->used)) {
            oldest = slot;
        }
    }
    forget(oldest);
    UWC_TRY(open_slot(oldest, path));
    oldest->used = ++cache->clock;
    *out = oldest;
    return UWC_OK;
}

static uwc_status read_half(const shard_file *slot, int64_t place, int64_t count, float *out) {
    for (int64_t first = 0; first < count; first += CHUNK) {
        uint16_t half[CHUNK];
        int64_t n = count - first < CHUNK ? count - first : CHUNK, step = (int64_t)sizeof half[0];
        UWC_TRY(uwc_store__read_at(slot->file, slot->path, place + first * step, half, (size_t)(n * step)));
        uwc_store__from_half(half, n, out + first);
    }
    return UWC_OK;
}

static uwc_status read_slot(const shard_file *slot, int64_t first, uwc_tensor *out) {
    UWC_TRY(check_images(slot->path, out, slot->shape));
    int64_t count = out->shape.dim[0];
    UWC_CHECK(first >= 0 && first <= slot->shape.dim[0] - count, UWC_E_ARG, "%s: %lld images from %lld on, of %lld", slot->path,
              (long long)count, (long long)first, (long long)slot->shape.dim[0]);
    int64_t place = slot->place + first * uwc_shape_per_image(slot->shape) * (int64_t)uwc_dtype_bytes(slot->dtype);
    return slot->dtype == UWC_F16 ? read_half(slot, place, uwc_shape_count(out->shape), out->f32)
                                  : uwc_store__read_at(slot->file, slot->path, place, out->data, uwc_tensor_bytes(out));
}

uwc_status uwc_cache_read(uwc_cache *cache, const char *key, int shard, int64_t first, uwc_tensor *out) {
    char *path;
    shard_file *slot;
    UWC_TRY(shard_path_to_read(cache, key, shard, &path));
    uwc_status st = find_slot(cache, path, &slot);
    uwc_free(&path);
    UWC_TRY(st);
    return read_slot(slot, first, out);
}

/* ---- file images in pieces ---- */

uwc_status uwc_cache_piece(uwc_cache *cache, const char *key, int shard, int64_t from, size_t most, char **out, size_t *bytes,
                           int64_t *left) {
    char *path;
    struct stat info;
    *out = NULL;
    UWC_TRY(shard_path_to_read(cache, key, shard, &path));
    uwc_status st = UWC_OK;
    int file = open(path, O_RDONLY | O_CLOEXEC);
    UWC_CHECK_GOTO(st, file >= 0 && fstat(file, &info) == 0, errno == ENOENT ? UWC_E_NOTFOUND : UWC_E_IO, done, "%s: %s", path,
                   strerror(errno));
    UWC_CHECK_GOTO(st, from >= 0 && from <= (int64_t)info.st_size, UWC_E_ARG, done, "%s: no byte %lld", path, (long long)from);
    int64_t rest = (int64_t)info.st_size - from;
    *bytes = rest < (int64_t)most ? (size_t)rest : most;
    *left = rest - (int64_t)*bytes;
    UWC_TRY_GOTO(st, uwc_calloc((int64_t)*bytes, 1, out), done);
    st = uwc_store__read_at(file, path, from, *out, *bytes);
done:
    if (file >= 0) {
        close(file);
    }
    if (st != UWC_OK) {
        uwc_free(out);
    }
    uwc_free(&path);
    return st;
}

/* Pieces come in order, so the file ends where the next one begins. */
static uwc_status add_piece(const char *path, int64_t from, const void *piece, size_t bytes) {
    struct stat info;
    int file = open(path, O_WRONLY | O_CLOEXEC | (from == 0 ? O_CREAT | O_TRUNC : 0), 0666);
    UWC_CHECK(file >= 0, UWC_E_IO, "%s: create: %s", path, strerror(errno));
    uwc_status st = UWC_OK;
    if (fstat(file, &info) != 0 || (int64_t)info.st_size != from) {
        st = uwc_error_set(UWC_E_FORMAT, "%s: a piece from byte %lld on does not come next", path, (long long)from);
    } else {
        st = uwc_store__write_at(file, path, from, piece, bytes);
    }
    if (close(file) != 0 && st == UWC_OK) {
        st = uwc_error_set(UWC_E_IO, "%s: close: %s", path, strerror(errno));
    }
    return st;
}

static uwc_status check_file(const char *path) {
    hid_t file;
    uwc_shape shape;
    uwc_dtype dtype;
    int64_t place;
    UWC_TRY(uwc_store__open_file(path, &file));
    uwc_status st = read_frame(file, path, &shape, &dtype, &place);
    uwc_store__drop(file, H5Fclose);
    return st;
}

uwc_status uwc_cache_store_piece(uwc_cache *cache, const char *key, int shard, int sender, int64_t from, const void *piece, size_t bytes,
                                 int64_t left) {
    char *path, *temporary = NULL;
    UWC_TRY(shard_path(cache, key, shard, &path));
    uwc_status st;
    UWC_TRY_GOTO(st, uwc_format(&temporary, "%s.%d.tmp", path, sender), done);
    UWC_TRY_GOTO(st, add_piece(temporary, from, piece, bytes), done);
    if (left == 0) {
        UWC_TRY_GOTO(st, check_file(temporary), done);
        forget_path(cache, path);
        st = uwc_file_publish(temporary, path);
    }
done:
    if (st != UWC_OK && temporary != NULL) {
        unlink(temporary);
    }
    uwc_free(&temporary);
    uwc_free(&path);
    return st;
}
