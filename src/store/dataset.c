#include "store_impl.h"

#include <string.h>

struct uwc_dataset {
    uwc_store__source source;
    uwc_preprocess preprocess;
    int64_t images;
    uwc_shape shape; /* [1,C,H,W] preprocessed */
    uwc_store__scratch scratch;
};

enum { HASHED_IMAGES = 8 };

static uwc_status open_source(const char *path, uwc_store__source *out) {
    if (uwc_file_is_folder(path)) {
        return uwc_store__source_folder(path, out);
    }
    return uwc_store__is_npy(path) ? uwc_store__source_npy(path, out) : uwc_store__source_hdf5(path, out);
}

/* The first image says what all must come out as. */
static uwc_status find_shape(uwc_dataset *dataset) {
    int64_t channels, height, width;
    char *name;
    uwc_store__source *source = &dataset->source;
    UWC_TRY(source->measure(source->self, 0, &channels, &height, &width));
    UWC_TRY(source->name(source->self, 0, &name));
    uwc_status st = uwc_store__preprocess_size(&dataset->preprocess, name, &height, &width);
    uwc_free(&name);
    dataset->shape = uwc_shape_4d(1, channels, height, width);
    return st;
}

uwc_status uwc_dataset_open(const char *path, const uwc_preprocess *preprocess, int64_t samples, uwc_dataset **out) {
    uwc_status st;
    uwc_dataset *dataset;
    *out = NULL;
    UWC_TRY(uwc_store__preprocess_check(preprocess));
    UWC_TRY(uwc_calloc(1, sizeof *dataset, &dataset));
    dataset->preprocess = *preprocess;
    UWC_TRY_GOTO(st, open_source(path, &dataset->source), done);
    UWC_CHECK_GOTO(st, samples <= dataset->source.images, UWC_E_CONFIG, done, "%s: %lld images asked for, %lld are there", path,
                   (long long)samples, (long long)dataset->source.images);
    dataset->images = samples > 0 ? samples : dataset->source.images;
    UWC_TRY_GOTO(st, find_shape(dataset), done);
    *out = dataset;
    dataset = NULL;
done:
    uwc_dataset_close(&dataset);
    return st;
}

void uwc_dataset_close(uwc_dataset **dataset) {
    if (*dataset == NULL) {
        return;
    }
    uwc_store__source_close(&(*dataset)->source);
    uwc_free(&(*dataset)->scratch.bytes);
    uwc_free(dataset);
}

int64_t uwc_dataset_images(const uwc_dataset *dataset) {
    return dataset->images;
}

uwc_shape uwc_dataset_shape(const uwc_dataset *dataset) {
    return dataset->shape;
}

bool uwc_dataset_has_labels(const uwc_dataset *dataset) {
    return dataset->source.labels != NULL;
}

int64_t uwc_dataset_label(const uwc_dataset *dataset, int64_t image) {
    return dataset->source.labels[image];
}

static uwc_status read_image(uwc_dataset *dataset, int64_t image, const char *name, float *out) {
    uwc_store__picture raw, framed;
    const int64_t *dim = dataset->shape.dim;
    UWC_TRY(dataset->source.read(dataset->source.self, image, &raw));
    UWC_TRY(uwc_store__frame(&dataset->preprocess, name, &raw, &dataset->scratch, &framed));
    UWC_TRY(uwc_store__check_alike(name, &framed, dim[1], dim[2], dim[3]));
    return uwc_store__normalise(&dataset->preprocess, name, &framed, out);
}

uwc_status uwc_dataset_read(uwc_dataset *dataset, int64_t first, uwc_tensor *out) {
    char found[128], wanted[128];
    int64_t count = out->shape.rank == 4 ? out->shape.dim[0] : 0, step = uwc_shape_per_image(dataset->shape);
    UWC_CHECK(out->dtype == UWC_F32 && out->layout == UWC_CHANNELS_LAST, UWC_E_ARG, "images go into a float32 activation");
    UWC_CHECK(uwc_shape_equal(out->shape, uwc_shape_batch(dataset->shape, count)), UWC_E_SHAPE, "images of %s do not go into %s",
              uwc_shape_print(dataset->shape, wanted), uwc_shape_print(out->shape, found));
    UWC_CHECK(first >= 0 && first <= dataset->images - count, UWC_E_ARG, "%lld images from %lld on, of %lld", (long long)count,
              (long long)first, (long long)dataset->images);
    for (int64_t i = 0; i < count; i++) {
        char *name;
        UWC_TRY(dataset->source.name(dataset->source.self, first + i, &name));
        uwc_status st = read_image(dataset, first + i, name, out->f32 + i * step);
        uwc_free(&name);
        UWC_TRY(st);
    }
    return UWC_OK;
}

/* ---- fingerprint ---- */

static uint64_t hash_real(uint64_t hash, double value) {
    return uwc_hash(hash, &value, sizeof value);
}

static uint64_t hash_preprocess(uint64_t hash, const uwc_preprocess *preprocess) {
    const int64_t sizes[3] = {preprocess->resize, preprocess->crop, preprocess->bgr};
    hash = uwc_hash(hash, sizes, sizeof sizes);
    hash = hash_real(hash, preprocess->scale);
    for (int c = 0; c < 3; c++) {
        hash = hash_real(hash_real(hash, preprocess->mean[c]), preprocess->std[c]);
    }
    return hash;
}

static uint64_t hash_picture(uint64_t hash, const uwc_store__picture *picture) {
    size_t bytes = uwc_dtype_bytes(picture->dtype);
    for (int64_t c = 0; c < picture->channels; c++) {
        for (int64_t y = 0; y < picture->height; y++) {
            for (int64_t x = 0; x < picture->width; x++) {
                int64_t at = c * picture->channel_step + y * picture->row_step + x * picture->pixel_step;
                hash = uwc_hash(hash, (const unsigned char *)picture->data + at * (int64_t)bytes, bytes);
            }
        }
    }
    return hash;
}

uwc_status uwc_dataset_fingerprint(uwc_dataset *dataset, uint64_t *out) {
    uwc_store__source *source = &dataset->source;
    uint64_t hash = uwc_hash(UWC_HASH_INIT, &dataset->images, sizeof dataset->images);
    hash = uwc_hash(hash, dataset->shape.dim, 4 * sizeof dataset->shape.dim[0]);
    hash = hash_preprocess(hash, &dataset->preprocess);
    UWC_TRY(source->hash(source->self, dataset->images, &hash));
    int64_t most = dataset->images < HASHED_IMAGES ? dataset->images : HASHED_IMAGES;
    for (int64_t i = 0; i < most; i++) {
        uwc_store__picture picture;
        UWC_TRY(source->read(source->self, most == 1 ? 0 : i * (dataset->images - 1) / (most - 1), &picture));
        hash = hash_picture(hash, &picture);
    }
    *out = hash;
    return UWC_OK;
}
