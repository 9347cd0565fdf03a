/* A folder of images as one HDF5 file: what is slow, decoding and resizing, is done once. */
#include "store_impl.h"

enum { BATCH_IMAGES = 8 };

/* Images on their way into the file. */
typedef struct packing {
    uwc_dataset *dataset; /* gives pixels as they are */
    uwc_reader *reader;
    uwc_store__stream *stream;
    int64_t *labels, *sizes;
    uint8_t *planes; /* [C][H][W] */
} packing;

/* Labels, and the sizes of the images as they are now: of all, before anything is written. */
static uwc_status gather(packing *p) {
    int64_t images = p->dataset->images;
    UWC_TRY(uwc_calloc(images, sizeof *p->labels, &p->labels));
    UWC_TRY(uwc_calloc(2 * images, sizeof *p->sizes, &p->sizes));
    for (int64_t i = 0; i < images; i++) {
        uwc_placement placement;
        UWC_TRY(uwc_dataset_placement(p->dataset, i, &placement));
        p->sizes[2 * i] = placement.height;
        p->sizes[2 * i + 1] = placement.width;
        p->labels[i] = uwc_dataset_has_labels(p->dataset) ? uwc_dataset_label(p->dataset, i) : 0;
    }
    return UWC_OK;
}

static uwc_status start(packing *p, const char *path) {
    const uwc_preprocess *steps = &p->dataset->whole;
    const int64_t value[UWC_STORE__PACKED_VALUES] = {steps->resize, steps->crop, steps->letterbox, steps->pad};
    int64_t images = p->dataset->images;
    uwc_shape shape = uwc_shape_batch(p->dataset->shape, images);
    const uwc_store__array small[] = {{UWC_STORE__PACKED_PATH, UWC_I64, uwc_shape_1d(UWC_STORE__PACKED_VALUES), value},
                                      {UWC_STORE__SIZES_PATH, UWC_I64, uwc_shape_2d(images, 2), p->sizes},
                                      {"/labels", UWC_I64, uwc_shape_1d(images), p->labels}};
    const uwc_store__array large = {"/images", UWC_U8, shape, NULL};
    UWC_TRY(uwc_calloc(uwc_shape_per_image(shape), 1, &p->planes));
    return uwc_store__stream_open(path, small, uwc_dataset_has_labels(p->dataset) ? 3 : 2, &large, &p->stream);
}

static uwc_status open_reader(packing *p, int threads) {
    int64_t images = p->dataset->images;
    int n = (int)((images + BATCH_IMAGES - 1) / BATCH_IMAGES);
    uwc_span *span;
    UWC_TRY(uwc_calloc(n, sizeof *span, &span));
    for (int i = 0; i < n; i++) {
        int64_t first = (int64_t)i * BATCH_IMAGES, left = images - first;
        span[i] = (uwc_span){first, left < BATCH_IMAGES ? left : BATCH_IMAGES};
    }
    uwc_status st = uwc_reader_open(p->dataset, span, n, threads, &p->reader);
    uwc_free(&span);
    return st;
}

/* From channels last, where every value is a whole pixel value. */
static void to_planes(const float *from, int64_t channels, int64_t pixels, uint8_t *to) {
    for (int64_t c = 0; c < channels; c++) {
        for (int64_t i = 0; i < pixels; i++) {
            *to++ = (uint8_t)from[i * channels + c];
        }
    }
}

static uwc_status pack_batch(packing *p) {
    const uwc_tensor *batch;
    const int64_t *dim = p->dataset->shape.dim;
    int64_t step = uwc_shape_per_image(p->dataset->shape);
    UWC_TRY(uwc_reader_next(p->reader, &batch));
    for (int64_t i = 0; i < batch->shape.dim[0]; i++) {
        to_planes(batch->f32 + i * step, dim[1], dim[2] * dim[3], p->planes);
        UWC_TRY(uwc_store__stream_append(p->stream, p->planes, (size_t)step));
    }
    return UWC_OK;
}

static uwc_status pack_all(packing *p, int threads, const char *path) {
    UWC_TRY(gather(p));
    UWC_TRY(start(p, path));
    UWC_TRY(open_reader(p, threads));
    for (int64_t done = 0; done < p->dataset->images; done += BATCH_IMAGES) {
        UWC_TRY(pack_batch(p));
    }
    return uwc_store__stream_publish(&p->stream);
}

uwc_status uwc_dataset_pack(const char *folder, const uwc_preprocess *preprocess, const uwc_choice *choice, int threads, const char *path) {
    packing p = {0};
    uwc_preprocess pixels = *preprocess;
    pixels.bgr = false;
    pixels.scale = 1.0;
    for (int c = 0; c < 3; c++) {
        pixels.mean[c] = 0.0;
        pixels.std[c] = 1.0;
    }
    UWC_CHECK(uwc_file_exists(folder), UWC_E_NOTFOUND, "%s: no such folder", folder);
    UWC_CHECK(uwc_file_is_folder(folder), UWC_E_FORMAT, "%s: not a folder of images", folder);
    UWC_TRY(uwc_dataset_open(folder, &pixels, choice, &p.dataset));
    uwc_status st = pack_all(&p, threads, path);
    uwc_reader_close(&p.reader);
    uwc_store__stream_drop(&p.stream);
    uwc_dataset_close(&p.dataset);
    uwc_free(&p.labels);
    uwc_free(&p.sizes);
    uwc_free(&p.planes);
    return st;
}
