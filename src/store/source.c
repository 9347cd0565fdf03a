#include "store_impl.h"

#include <string.h>

uwc_status uwc_store__source_open(const char *path, uwc_store__source *out) {
    if (uwc_file_is_folder(path)) {
        return uwc_store__source_folder(path, out);
    }
    return uwc_store__is_npy(path) ? uwc_store__source_npy(path, out) : uwc_store__source_hdf5(path, out);
}

void uwc_store__source_close(uwc_store__source *source) {
    if (source->self != NULL) {
        source->close(source->self);
    }
    uwc_free(&source->labels);
    uwc_free(&source->sizes);
    *source = (uwc_store__source){0};
}

uwc_status uwc_store__number_name(const char *path, int64_t image, char **out) {
    return uwc_format(out, "%s: image %lld", path, (long long)image);
}

uwc_status uwc_store__check_images(const char *path, uwc_shape shape) {
    char text[128];
    uwc_shape_print(shape, text);
    UWC_CHECK(shape.rank == 4, UWC_E_SHAPE, "%s: images are %s, not [N,C,H,W]", path, text);
    UWC_CHECK(shape.dim[0] > 0, UWC_E_SHAPE, "%s: images are %s: there is none", path, text);
    UWC_CHECK(shape.dim[1] == 1 || shape.dim[1] == 3, UWC_E_SHAPE, "%s: images are %s, not of 1 or 3 channels", path, text);
    UWC_CHECK(shape.dim[2] > 0 && shape.dim[3] > 0 && shape.dim[2] <= UWC_STORE__MOST_PIXELS / shape.dim[3], UWC_E_SHAPE,
              "%s: images are %s: 1 to %lld pixels are allowed", path, text, (long long)UWC_STORE__MOST_PIXELS);
    return UWC_OK;
}
