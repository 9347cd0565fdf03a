#include "store_impl.h"

/* One image on its way into the file. */
typedef struct packing {
    uwc_store__source source;
    uwc_preprocess preprocess;
    uwc_store__stream *stream;
    uwc_store__scratch framed;
    int64_t height, width; /* of the first image */
    unsigned char *planes; /* [3][height][width] */
} packing;

static uwc_status start(packing *p, const char *path) {
    int64_t channels;
    char *name;
    UWC_TRY(p->source.measure(p->source.self, 0, &channels, &p->height, &p->width));
    UWC_TRY(p->source.name(p->source.self, 0, &name));
    uwc_status st = uwc_store__preprocess_size(&p->preprocess, name, &p->height, &p->width);
    uwc_free(&name);
    UWC_TRY(st);
    UWC_TRY(uwc_calloc(3 * p->height * p->width, 1, &p->planes));
    uwc_store__array labels = {"/labels", UWC_I64, uwc_shape_1d(p->source.images), p->source.labels};
    uwc_store__array images = {"/images", UWC_U8, uwc_shape_4d(p->source.images, 3, p->height, p->width), NULL};
    return uwc_store__stream_open(path, &labels, p->source.labels == NULL ? 0 : 1, &images, &p->stream);
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

static uwc_status pack_image(packing *p, int64_t image, const char *name) {
    uwc_store__picture raw, framed;
    UWC_TRY(p->source.read(p->source.self, image, &raw));
    UWC_TRY(uwc_store__frame(&p->preprocess, name, &raw, &p->framed, &framed));
    UWC_TRY(uwc_store__check_alike(name, &framed, 3, p->height, p->width));
    to_planes(&framed, p->planes);
    return uwc_store__stream_append(p->stream, p->planes, (size_t)(3 * p->height * p->width));
}

static uwc_status pack_all(packing *p) {
    for (int64_t i = 0; i < p->source.images; i++) {
        char *name;
        UWC_TRY(p->source.name(p->source.self, i, &name));
        uwc_status st = pack_image(p, i, name);
        uwc_free(&name);
        UWC_TRY(st);
    }
    return uwc_store__stream_publish(&p->stream);
}

uwc_status uwc_dataset_pack(const char *folder, const uwc_preprocess *preprocess, const char *path) {
    packing p = {.preprocess = *preprocess};
    UWC_TRY(uwc_store__preprocess_check(preprocess));
    UWC_CHECK(uwc_file_exists(folder), UWC_E_NOTFOUND, "%s: no such folder", folder);
    UWC_CHECK(uwc_file_is_folder(folder), UWC_E_FORMAT, "%s: not a folder of images", folder);
    uwc_status st = uwc_store__source_folder(folder, &p.source);
    if (st == UWC_OK) {
        st = start(&p, path);
    }
    if (st == UWC_OK) {
        st = pack_all(&p);
    }
    uwc_store__stream_drop(&p.stream);
    uwc_store__source_close(&p.source);
    uwc_free(&p.framed.bytes);
    uwc_free(&p.planes);
    return st;
}
