#include "store_impl.h"

#include <string.h>

enum { BLOCK_IMAGES = 64, BLOCK_BYTES = 1 << 26, LARGEST_GROWTH = 8 };

/* Images are read a block at a time, whole chunks of the file, so that compressed chunks are unpacked once. */
typedef struct hdf5_source {
    char *path;
    hid_t file;
    uwc_store__set images;
    uwc_dtype dtype;
    int64_t block; /* images per block */
    int64_t first, count;
    unsigned char *data; /* [block][C][H][W], made at the first read */
} hdf5_source;

static const char images_path[] = "/images", labels_path[] = "/labels";

static void hdf5_close(void *self) {
    hdf5_source *s = self;
    uwc_store__set_close(&s->images);
    uwc_store__drop(s->file, H5Fclose);
    uwc_free(&s->data);
    uwc_free(&s->path);
    uwc_free(&s);
}

static uwc_status hdf5_measure(const void *self, int64_t image, int64_t *channels, int64_t *height, int64_t *width) {
    const hdf5_source *s = self;
    (void)image; /* all are alike */
    *channels = s->images.shape.dim[1];
    *height = s->images.shape.dim[2];
    *width = s->images.shape.dim[3];
    return UWC_OK;
}

static uwc_status read_block(hdf5_source *s, int64_t image) {
    int64_t all = s->images.shape.dim[0], first = image / s->block * s->block, count = all - first < s->block ? all - first : s->block;
    if (s->data == NULL) {
        UWC_TRY(uwc_calloc(uwc_shape_count(uwc_shape_batch(s->images.shape, s->block)), uwc_dtype_bytes(s->dtype), &s->data));
    }
    s->count = 0;
    UWC_TRY(uwc_store__set_read(&s->images, s->path, images_path, s->dtype, first, count, s->data));
    s->first = first;
    s->count = count;
    return UWC_OK;
}

static uwc_status hdf5_read(void *self, int64_t image, uwc_store__scratch *scratch, uwc_store__picture *out) {
    hdf5_source *s = self;
    (void)scratch; /* the block holds the images */
    if (image < s->first || image >= s->first + s->count) {
        UWC_TRY(read_block(s, image));
    }
    const int64_t *dim = s->images.shape.dim;
    size_t skip = (size_t)((image - s->first) * uwc_shape_per_image(s->images.shape)) * uwc_dtype_bytes(s->dtype);
    *out = (uwc_store__picture){s->dtype, dim[1], dim[2], dim[3], dim[2] * dim[3], dim[3], 1, s->data + skip};
    return UWC_OK;
}

static uwc_status hdf5_name(const void *self, int64_t image, char **out) {
    return uwc_store__number_name(((const hdf5_source *)self)->path, image, out);
}

static void hdf5_hash(const void *self, int64_t image, uint64_t *hash) {
    (void)image; /* all are alike */
    *hash = uwc_hash(*hash, ((const hdf5_source *)self)->images.shape.dim + 1, 3 * sizeof(int64_t));
}

/* Whole chunks up to BLOCK_IMAGES images or BLOCK_BYTES, at least one chunk unless that is far larger. */
static int64_t choose_block(const hdf5_source *s) {
    int64_t all = s->images.shape.dim[0], chunk = 1;
    int64_t fit = BLOCK_BYTES / (int64_t)uwc_dtype_bytes(s->dtype) / uwc_shape_per_image(s->images.shape);
    hsize_t dim[4];
    hid_t properties = H5Dget_create_plist(s->images.id);
    if (properties >= 0 && H5Pget_layout(properties) == H5D_CHUNKED && H5Pget_chunk(properties, 4, dim) == 4) {
        chunk = dim[0] < (hsize_t)all ? (int64_t)dim[0] : all;
    }
    uwc_store__drop(properties, H5Pclose);
    int64_t wanted = fit < 1 ? 1 : fit < BLOCK_IMAGES ? fit : BLOCK_IMAGES, block = wanted / chunk * chunk;
    if (block == 0) { /* very large chunks are unpacked again and again rather than kept */
        block = chunk / LARGEST_GROWTH <= fit ? chunk : wanted;
    }
    return block < all ? block : all;
}

static uwc_status open_images(hdf5_source *s) {
    char words[32];
    bool exact;
    UWC_TRY(uwc_store__set_open(s->file, s->path, images_path, &s->images));
    bool numbers = uwc_store__dtype_of(s->images.type, &s->dtype, &exact);
    UWC_CHECK(numbers && exact && (s->dtype == UWC_U8 || s->dtype == UWC_F32), UWC_E_FORMAT, "%s: %s is %s, not uint8 or float32", s->path,
              images_path, uwc_store__type_print(s->images.type, words));
    UWC_TRY(uwc_store__check_images(s->path, s->images.shape));
    s->block = choose_block(s);
    return UWC_OK;
}

static uwc_status read_labels(const hdf5_source *s, int64_t **out) {
    char text[128];
    uwc_store__set set;
    uwc_dtype stored;
    bool exact;
    int64_t images = s->images.shape.dim[0];
    UWC_TRY(uwc_store__set_open(s->file, s->path, labels_path, &set));
    uwc_status st = UWC_OK;
    UWC_CHECK_GOTO(st, uwc_store__dtype_of(set.type, &stored, &exact) && stored != UWC_F32, UWC_E_FORMAT, done, "%s: %s is %s, not integer",
                   s->path, labels_path, uwc_store__type_print(set.type, text));
    UWC_CHECK_GOTO(st, set.shape.rank == 1 && set.shape.dim[0] == images, UWC_E_SHAPE, done, "%s: %s is %s for %lld images", s->path,
                   labels_path, uwc_shape_print(set.shape, text), (long long)images);
    UWC_TRY_GOTO(st, uwc_calloc(images, sizeof **out, out), done);
    UWC_TRY_GOTO(st, uwc_store__set_read(&set, s->path, labels_path, UWC_I64, 0, images, *out), done);
done:
    uwc_store__set_close(&set);
    return st;
}

/* int64 numbers [count] or [count / columns, columns] into `out`. */
static uwc_status read_numbers(const hdf5_source *s, const char *path, int64_t count, int64_t *out) {
    char text[128];
    uwc_store__set set;
    UWC_TRY(uwc_store__set_open(s->file, s->path, path, &set));
    uwc_status st = UWC_OK;
    bool fits = set.shape.rank > 0 && uwc_shape_count(set.shape) == count;
    UWC_CHECK_GOTO(st, fits, UWC_E_SHAPE, done, "%s: %s is %s, not %lld numbers", s->path, path, uwc_shape_print(set.shape, text),
                   (long long)count);
    UWC_TRY_GOTO(st, uwc_store__set_read(&set, s->path, path, UWC_I64, 0, set.shape.dim[0], out), done);
done:
    uwc_store__set_close(&set);
    return st;
}

/* What `uwc pack` says that it did. */
static uwc_status read_packed(const hdf5_source *s, uwc_store__source *out) {
    int64_t value[UWC_STORE__PACKED_VALUES];
    UWC_TRY(read_numbers(s, UWC_STORE__PACKED_PATH, UWC_STORE__PACKED_VALUES, value));
    out->packed = (uwc_store__packed){true, value[0], value[1], value[2], value[3]};
    UWC_TRY(uwc_calloc(2 * out->images, sizeof *out->sizes, &out->sizes));
    return read_numbers(s, UWC_STORE__SIZES_PATH, 2 * out->images, out->sizes);
}

uwc_status uwc_store__source_hdf5(const char *path, uwc_store__source *out) {
    hdf5_source *s;
    UWC_TRY(uwc_calloc(1, sizeof *s, &s));
    s->file = s->images.id = s->images.type = H5I_INVALID_HID;
    *out = (uwc_store__source){
        .self = s, .measure = hdf5_measure, .read = hdf5_read, .name = hdf5_name, .hash = hdf5_hash, .close = hdf5_close};
    UWC_TRY(uwc_strdup(path, &s->path));
    UWC_TRY(uwc_store__open_file(path, &s->file));
    UWC_TRY(open_images(s));
    out->images = s->images.shape.dim[0];
    if (uwc_store__has(s->file, UWC_STORE__PACKED_PATH)) {
        UWC_TRY(read_packed(s, out));
    }
    return uwc_store__has(s->file, labels_path) ? read_labels(s, &out->labels) : UWC_OK;
}
