/* A folder of images as one HDF5 file: what is slow, decoding and resizing, is done once. */
#include "store_impl.h"

/* Images on their way into the file. */
typedef struct packing {
    uwc_dataset *dataset;
    uwc_store__stream *stream;
    int64_t *labels, *sizes;
    unsigned char *planes; /* [3][height][width] */
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

static void to_planes(const uwc_store__picture *from, unsigned char *to) {
    for (int64_t c = 0; c < from->channels; c++) {
        for (int64_t y = 0; y < from->height; y++) {
            const unsigned char *at = (const unsigned char *)from->data + c * from->channel_step + y * from->row_step;
            for (int64_t x = 0; x < from->width; x++) {
                *to++ = at[x * from->pixel_step];
            }
        }
    }
}

static uwc_status pack_image(packing *p, int64_t image) {
    uwc_dataset *d = p->dataset;
    uwc_store__picture framed;
    UWC_TRY(uwc_store__dataset_picture(d, uwc_store__dataset_place(d, image), d->shape, &d->work, &framed));
    to_planes(&framed, p->planes);
    return uwc_store__stream_append(p->stream, p->planes, (size_t)uwc_shape_per_image(d->shape));
}

static uwc_status pack_all(packing *p, const char *path) {
    UWC_TRY(gather(p));
    UWC_TRY(start(p, path));
    for (int64_t i = 0; i < p->dataset->images; i++) {
        UWC_TRY(pack_image(p, i));
    }
    return uwc_store__stream_publish(&p->stream);
}

uwc_status uwc_dataset_pack(const char *folder, const uwc_preprocess *preprocess, const uwc_choice *choice, const char *path) {
    packing p = {0};
    UWC_CHECK(uwc_file_exists(folder), UWC_E_NOTFOUND, "%s: no such folder", folder);
    UWC_CHECK(uwc_file_is_folder(folder), UWC_E_FORMAT, "%s: not a folder of images", folder);
    UWC_TRY(uwc_dataset_open(folder, preprocess, choice, &p.dataset));
    uwc_status st = pack_all(&p, path);
    uwc_store__stream_drop(&p.stream);
    uwc_dataset_close(&p.dataset);
    uwc_free(&p.labels);
    uwc_free(&p.sizes);
    uwc_free(&p.planes);
    return st;
}
