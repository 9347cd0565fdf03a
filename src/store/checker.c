#include "store_impl.h"

struct uwc_checker {
    uwc_dataset *dataset; /* without a shape */
    float *values;        /* of an image that was tried */
    int64_t capacity;
};

uwc_status uwc_checker_open(const char *path, const uwc_preprocess *preprocess, uwc_checker **out) {
    UWC_TRY(uwc_calloc(1, sizeof **out, out));
    uwc_status st = uwc_store__dataset_create(path, preprocess, NULL, &(*out)->dataset);
    if (st != UWC_OK) {
        uwc_checker_close(out);
    }
    return st;
}

void uwc_checker_close(uwc_checker **checker) {
    if (*checker == NULL) {
        return;
    }
    uwc_dataset_close(&(*checker)->dataset);
    uwc_free(&(*checker)->values);
    uwc_free(checker);
}

int64_t uwc_checker_images(const uwc_checker *checker) {
    return checker->dataset->images;
}

static uwc_status read_image(uwc_checker *checker, int64_t image, uwc_shape *shape) {
    if (shape->rank == 0) {
        UWC_TRY(uwc_store__dataset_shape(checker->dataset, image, shape));
    }
    UWC_TRY(uwc_grow(&checker->values, &checker->capacity, uwc_shape_per_image(*shape), sizeof *checker->values));
    return uwc_store__dataset_image(checker->dataset, image, *shape, &checker->dataset->work, checker->values);
}

uwc_status uwc_checker_try(uwc_checker *checker, int64_t image, uwc_shape *shape, bool *good) {
    uwc_shape found = *shape;
    uwc_status st = read_image(checker, image, &found);
    bool bad = st == UWC_E_FORMAT || st == UWC_E_SHAPE || st == UWC_E_VALUE;
    *good = st == UWC_OK;
    if (*good) {
        *shape = found;
    }
    return bad ? UWC_OK : st;
}
