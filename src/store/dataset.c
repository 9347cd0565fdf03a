#include "store_impl.h"

#include <string.h>

enum { HASHED_IMAGES = 8 };

static bool has_steps(int64_t resize, int64_t crop, int64_t letterbox) {
    return resize > 0 || crop > 0 || letterbox > 0;
}

/* What was done when the file was packed is not done again. */
static uwc_status settle_steps(const char *path, const uwc_store__packed *packed, uwc_dataset *dataset) {
    uwc_preprocess *left = &dataset->preprocess, *whole = &dataset->whole;
    *whole = *left;
    if (!packed->known || !has_steps(packed->resize, packed->crop, packed->letterbox)) {
        return UWC_OK;
    }
    bool same = left->resize == packed->resize && left->crop == packed->crop && left->letterbox == packed->letterbox &&
                (left->letterbox == 0 || left->pad == packed->pad);
    UWC_CHECK(same || !has_steps(left->resize, left->crop, left->letterbox), UWC_E_CONFIG,
              "%s was packed with resize %lld, crop %lld, letterbox %lld, pad %lld: ask for the same, for none, or pack again", path,
              (long long)packed->resize, (long long)packed->crop, (long long)packed->letterbox, (long long)packed->pad);
    whole->resize = packed->resize;
    whole->crop = packed->crop;
    whole->letterbox = packed->letterbox;
    left->resize = left->crop = left->letterbox = 0;
    return UWC_OK;
}

/* Images of the source without those that are left out. */
static uwc_status choose(const char *path, const uwc_choice *choice, uwc_dataset *dataset) {
    int64_t there = dataset->source.images, good = there - choice->n_bad;
    for (int64_t i = 0; i < choice->n_bad; i++) {
        bool ascends = choice->bad[i] >= 0 && choice->bad[i] < there && (i == 0 || choice->bad[i] > choice->bad[i - 1]);
        UWC_CHECK(ascends, UWC_E_CONFIG, "%s: image %lld of %lld cannot be left out", path, (long long)choice->bad[i], (long long)there);
    }
    UWC_CHECK(good > 0, UWC_E_FORMAT, "%s: none of %lld images can be used", path, (long long)there);
    UWC_CHECK(choice->samples <= good, UWC_E_CONFIG, "%s: %lld images asked for, %lld are there", path, (long long)choice->samples,
              (long long)good);
    dataset->images = choice->samples > 0 ? choice->samples : good;
    if (choice->n_bad == 0) {
        return UWC_OK;
    }
    UWC_TRY(uwc_calloc(dataset->images, sizeof *dataset->place, &dataset->place));
    for (int64_t i = 0, place = 0, bad = 0; i < dataset->images; place++) {
        if (bad < choice->n_bad && choice->bad[bad] == place) {
            bad++;
        } else {
            dataset->place[i++] = place;
        }
    }
    return UWC_OK;
}

uwc_status uwc_store__dataset_create(const char *path, const uwc_preprocess *preprocess, const uwc_choice *choice, uwc_dataset **out) {
    static const uwc_choice all = {0};
    uwc_dataset *dataset;
    UWC_TRY(uwc_store__preprocess_check(preprocess));
    UWC_TRY(uwc_calloc(1, sizeof *dataset, &dataset));
    *out = dataset;
    dataset->preprocess = *preprocess;
    UWC_TRY(uwc_store__source_open(path, &dataset->source));
    UWC_TRY(settle_steps(path, &dataset->source.packed, dataset));
    return choose(path, choice == NULL ? &all : choice, dataset);
}

uwc_status uwc_store__dataset_shape(const uwc_dataset *dataset, int64_t place, uwc_shape *out) {
    int64_t channels, height, width;
    char *name;
    const uwc_store__source *source = &dataset->source;
    UWC_TRY(source->measure(source->self, place, &channels, &height, &width));
    UWC_TRY(source->name(source->self, place, &name));
    uwc_status st = uwc_store__preprocess_size(&dataset->preprocess, name, &height, &width);
    uwc_free(&name);
    *out = uwc_shape_4d(1, channels, height, width);
    return st;
}

int64_t uwc_store__dataset_place(const uwc_dataset *dataset, int64_t image) {
    return dataset->place == NULL ? image : dataset->place[image];
}

/* The first image says what all must come out as. */
uwc_status uwc_dataset_open(const char *path, const uwc_preprocess *preprocess, const uwc_choice *choice, uwc_dataset **out) {
    *out = NULL;
    uwc_status st = uwc_store__dataset_create(path, preprocess, choice, out);
    if (st == UWC_OK) {
        st = uwc_store__dataset_shape(*out, uwc_store__dataset_place(*out, 0), &(*out)->shape);
    }
    if (st != UWC_OK) {
        uwc_dataset_close(out);
    }
    return st;
}

void uwc_dataset_close(uwc_dataset **dataset) {
    if (*dataset == NULL) {
        return;
    }
    uwc_store__source_close(&(*dataset)->source);
    uwc_store__work_free(&(*dataset)->work);
    uwc_free(&(*dataset)->place);
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
    return dataset->source.labels[uwc_store__dataset_place(dataset, image)];
}

static uwc_status read_named(const uwc_dataset *dataset, int64_t place, const char *name, uwc_shape shape, uwc_store__work *work,
                             float *out) {
    uwc_store__picture raw, framed;
    UWC_TRY(dataset->source.read(dataset->source.self, place, &work->pixels, &raw));
    UWC_TRY(uwc_store__frame(&dataset->preprocess, name, &raw, work, &framed));
    UWC_TRY(uwc_store__check_alike(name, &framed, shape.dim[1], shape.dim[2], shape.dim[3]));
    return uwc_store__normalise(&dataset->preprocess, name, &framed, out);
}

uwc_status uwc_store__dataset_image(const uwc_dataset *dataset, int64_t place, uwc_shape shape, uwc_store__work *work, float *out) {
    char *name;
    UWC_TRY(dataset->source.name(dataset->source.self, place, &name));
    uwc_status st = read_named(dataset, place, name, shape, work, out);
    uwc_free(&name);
    return st;
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
        int64_t place = uwc_store__dataset_place(dataset, first + i);
        UWC_TRY(uwc_store__dataset_image(dataset, place, dataset->shape, &dataset->work, out->f32 + i * step));
    }
    return UWC_OK;
}

uwc_status uwc_dataset_placement(const uwc_dataset *dataset, int64_t image, uwc_placement *out) {
    int64_t place = uwc_store__dataset_place(dataset, image), channels;
    const uwc_store__source *source = &dataset->source;
    uwc_store__window window = {0};
    char *name;
    if (source->sizes != NULL) {
        out->height = source->sizes[2 * place];
        out->width = source->sizes[2 * place + 1];
    } else {
        UWC_TRY(source->measure(source->self, place, &channels, &out->height, &out->width));
    }
    UWC_TRY(source->name(source->self, place, &name));
    uwc_status st = uwc_store__find_window(&dataset->whole, name, out->height, out->width, &window);
    uwc_free(&name);
    UWC_TRY(st);
    out->scale[0] = (double)window.height / (double)out->height;
    out->scale[1] = (double)window.width / (double)out->width;
    out->offset[0] = -(double)window.top;
    out->offset[1] = -(double)window.left;
    return UWC_OK;
}

/* ---- fingerprint ---- */

static uint64_t hash_real(uint64_t hash, double value) {
    return uwc_hash(hash, &value, sizeof value);
}

static uint64_t hash_preprocess(uint64_t hash, const uwc_preprocess *preprocess) {
    const int64_t sizes[5] = {preprocess->resize, preprocess->crop, preprocess->letterbox, preprocess->pad, preprocess->bgr};
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
    for (int64_t i = 0; i < dataset->images; i++) {
        source->hash(source->self, uwc_store__dataset_place(dataset, i), &hash);
    }
    int64_t most = dataset->images < HASHED_IMAGES ? dataset->images : HASHED_IMAGES;
    for (int64_t i = 0; i < most; i++) {
        uwc_store__picture picture;
        int64_t image = most == 1 ? 0 : i * (dataset->images - 1) / (most - 1);
        UWC_TRY(source->read(source->self, uwc_store__dataset_place(dataset, image), &dataset->work.pixels, &picture));
        hash = hash_picture(hash, &picture);
    }
    *out = hash;
    return UWC_OK;
}
