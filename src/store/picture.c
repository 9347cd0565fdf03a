#include "store_impl.h"

#include <math.h>
#include <string.h>

uwc_status uwc_store__preprocess_check(const uwc_preprocess *preprocess) {
    UWC_CHECK(preprocess->resize >= 0 && preprocess->crop >= 0, UWC_E_CONFIG, "preprocess: resize %lld, crop %lld",
              (long long)preprocess->resize, (long long)preprocess->crop);
    UWC_CHECK(isfinite(preprocess->scale) && preprocess->scale != 0.0, UWC_E_CONFIG, "preprocess: scale %g", preprocess->scale);
    for (int c = 0; c < 3; c++) {
        UWC_CHECK(isfinite(preprocess->mean[c]), UWC_E_CONFIG, "preprocess: mean[%d] is %g", c, preprocess->mean[c]);
        UWC_CHECK(isfinite(preprocess->std[c]) && preprocess->std[c] != 0.0, UWC_E_CONFIG, "preprocess: std[%d] is %g", c,
                  preprocess->std[c]);
    }
    return UWC_OK;
}

/* The window of the resized picture that is kept. The long side is cut to whole pixels. */
static uwc_status find_window(const uwc_preprocess *preprocess, const char *name, int64_t height, int64_t width, uwc_store__window *out) {
    int64_t side = preprocess->resize, crop = preprocess->crop;
    if (side > 0) {
        UWC_CHECK(side <= UWC_STORE__MOST_PIXELS, UWC_E_CONFIG, "preprocess: resize %lld", (long long)side);
        int64_t old_height = height, old_width = width;
        height = old_height <= old_width ? side : side * old_height / old_width;
        width = old_height <= old_width ? side * old_width / old_height : side;
        UWC_CHECK(height <= UWC_STORE__MOST_PIXELS / width, UWC_E_SHAPE,
                  "%s: %lldx%lld pixels resized to %lldx%lld, at most %lld pixels are allowed", name, (long long)old_width,
                  (long long)old_height, (long long)width, (long long)height, (long long)UWC_STORE__MOST_PIXELS);
    }
    UWC_CHECK(crop <= height && crop <= width, UWC_E_SHAPE, "%s: crop %lld does not fit into %lldx%lld pixels", name, (long long)crop,
              (long long)width, (long long)height);
    int64_t rows = crop > 0 ? crop : height, columns = crop > 0 ? crop : width;
    *out = (uwc_store__window){height, width, (height - rows) / 2, (width - columns) / 2, rows, columns};
    return UWC_OK;
}

uwc_status uwc_store__preprocess_size(const uwc_preprocess *preprocess, const char *name, int64_t *height, int64_t *width) {
    uwc_store__window window = {0};
    UWC_TRY(find_window(preprocess, name, *height, *width, &window));
    *height = window.rows;
    *width = window.columns;
    return UWC_OK;
}

uwc_status uwc_store__frame(const uwc_preprocess *preprocess, const char *name, const uwc_store__picture *in, uwc_store__scratch *scratch,
                            uwc_store__picture *out) {
    uwc_store__window window = {0};
    UWC_TRY(find_window(preprocess, name, in->height, in->width, &window));
    if (window.height != in->height || window.width != in->width) {
        return uwc_store__resample(in, &window, scratch, out);
    }
    *out = *in;
    out->height = window.rows;
    out->width = window.columns;
    int64_t skip = window.top * in->row_step + window.left * in->pixel_step;
    out->data = (const unsigned char *)in->data + skip * (int64_t)uwc_dtype_bytes(in->dtype);
    return UWC_OK;
}

uwc_status uwc_store__check_alike(const char *name, const uwc_store__picture *picture, int64_t channels, int64_t height, int64_t width) {
    UWC_CHECK(picture->channels == channels && picture->height == height && picture->width == width, UWC_E_SHAPE,
              "%s: %lldx%lld pixels where the first image has %lldx%lld: set crop", name, (long long)picture->width,
              (long long)picture->height, (long long)width, (long long)height);
    return UWC_OK;
}

typedef struct affine {
    float scale, mean, std;
} affine;

static float apply(affine a, float pixel) {
    return (pixel * a.scale - a.mean) / a.std;
}

static void normalise_u8(affine a, const uwc_store__picture *in, const uint8_t *plane, float *out) {
    float value[256];
    for (int i = 0; i < 256; i++) {
        value[i] = apply(a, (float)i);
    }
    for (int64_t y = 0; y < in->height; y++) {
        for (int64_t x = 0; x < in->width; x++) {
            out[(y * in->width + x) * in->channels] = value[plane[y * in->row_step + x * in->pixel_step]];
        }
    }
}

/* False where a value is NaN or infinite. */
static bool normalise_f32(affine a, const uwc_store__picture *in, const float *plane, float *out) {
    bool finite = true;
    for (int64_t y = 0; y < in->height; y++) {
        for (int64_t x = 0; x < in->width; x++) {
            float value = apply(a, plane[y * in->row_step + x * in->pixel_step]);
            finite &= isfinite(value) != 0;
            out[(y * in->width + x) * in->channels] = value;
        }
    }
    return finite;
}

uwc_status uwc_store__normalise(const uwc_preprocess *preprocess, const char *name, const uwc_store__picture *in, float *out) {
    for (int64_t c = 0; c < in->channels; c++) {
        int64_t stored = preprocess->bgr && in->channels == 3 ? 2 - c : c;
        affine a = {(float)preprocess->scale, (float)preprocess->mean[c], (float)preprocess->std[c]};
        if (in->dtype == UWC_U8) {
            normalise_u8(a, in, (const uint8_t *)in->data + stored * in->channel_step, out + c);
        } else {
            bool finite = normalise_f32(a, in, (const float *)in->data + stored * in->channel_step, out + c);
            UWC_CHECK(finite, UWC_E_VALUE, "%s: a pixel is NaN or infinite", name);
        }
    }
    return UWC_OK;
}
