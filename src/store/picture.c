#include "store_impl.h"

#include <math.h>
#include <string.h>

enum { LARGEST_SQUARE = 8192 }; /* MOST_PIXELS */

uwc_status uwc_store__preprocess_check(const uwc_preprocess *preprocess) {
    UWC_CHECK(preprocess->resize >= 0 && preprocess->crop >= 0, UWC_E_CONFIG, "preprocess: resize %lld, crop %lld",
              (long long)preprocess->resize, (long long)preprocess->crop);
    UWC_CHECK(preprocess->letterbox >= 0 && preprocess->letterbox <= LARGEST_SQUARE, UWC_E_CONFIG, "preprocess: letterbox %lld",
              (long long)preprocess->letterbox);
    UWC_CHECK(preprocess->letterbox == 0 || (preprocess->resize == 0 && preprocess->crop == 0), UWC_E_CONFIG,
              "preprocess: letterbox %lld excludes resize and crop", (long long)preprocess->letterbox);
    UWC_CHECK(preprocess->pad >= 0 && preprocess->pad <= 255, UWC_E_CONFIG, "preprocess: pad %lld", (long long)preprocess->pad);
    UWC_CHECK(isfinite(preprocess->scale) && preprocess->scale != 0.0, UWC_E_CONFIG, "preprocess: scale %g", preprocess->scale);
    for (int c = 0; c < 3; c++) {
        UWC_CHECK(isfinite(preprocess->mean[c]), UWC_E_CONFIG, "preprocess: mean[%d] is %g", c, preprocess->mean[c]);
        UWC_CHECK(isfinite(preprocess->std[c]) && preprocess->std[c] != 0.0, UWC_E_CONFIG, "preprocess: std[%d] is %g", c,
                  preprocess->std[c]);
    }
    return UWC_OK;
}

/* Size after resizing: the short side becomes `resize`, or the long one `letterbox`. The other is cut to whole pixels. */
static void find_size(const uwc_preprocess *preprocess, int64_t *height, int64_t *width) {
    bool fit = preprocess->letterbox > 0;
    int64_t side = fit ? preprocess->letterbox : preprocess->resize;
    if (side == 0) {
        return;
    }
    int64_t lead = fit == (*height > *width) ? *height : *width; /* the side that is told */
    int64_t rows = side * *height / lead, columns = side * *width / lead;
    *height = rows > 0 ? rows : 1;
    *width = columns > 0 ? columns : 1;
}

uwc_status uwc_store__find_window(const uwc_preprocess *preprocess, const char *name, int64_t height, int64_t width,
                                  uwc_store__window *out) {
    int64_t crop = preprocess->crop, old_height = height, old_width = width;
    UWC_CHECK(preprocess->resize <= UWC_STORE__MOST_PIXELS, UWC_E_CONFIG, "preprocess: resize %lld", (long long)preprocess->resize);
    find_size(preprocess, &height, &width);
    UWC_CHECK(height <= UWC_STORE__MOST_PIXELS / width, UWC_E_SHAPE,
              "%s: %lldx%lld pixels resized to %lldx%lld, at most %lld pixels are allowed", name, (long long)old_width,
              (long long)old_height, (long long)width, (long long)height, (long long)UWC_STORE__MOST_PIXELS);
    UWC_CHECK(crop <= height && crop <= width, UWC_E_SHAPE, "%s: crop %lld does not fit into %lldx%lld pixels", name, (long long)crop,
              (long long)width, (long long)height);
    int64_t rows = crop > 0 ? crop : height, columns = crop > 0 ? crop : width;
    *out = (uwc_store__window){height, width, (height - rows) / 2, (width - columns) / 2, rows, columns};
    return UWC_OK;
}

uwc_status uwc_store__preprocess_size(const uwc_preprocess *preprocess, const char *name, int64_t *height, int64_t *width) {
    uwc_store__window window = {0};
    UWC_TRY(uwc_store__find_window(preprocess, name, *height, *width, &window));
    *height = preprocess->letterbox > 0 ? preprocess->letterbox : window.rows;
    *width = preprocess->letterbox > 0 ? preprocess->letterbox : window.columns;
    return UWC_OK;
}

/* The window of the resized picture. */
static uwc_status cut(const uwc_store__picture *in, const uwc_store__window *window, uwc_store__scratch *scratch, uwc_store__picture *out) {
    if (window->height != in->height || window->width != in->width) {
        return uwc_store__resample(in, window, scratch, out);
    }
    *out = *in;
    out->height = window->rows;
    out->width = window->columns;
    int64_t skip = window->top * in->row_step + window->left * in->pixel_step;
    out->data = (const unsigned char *)in->data + skip * (int64_t)uwc_dtype_bytes(in->dtype);
    return UWC_OK;
}

/* Row y of `in` to the beginning of row y of a picture whose channels lie together. */
static void copy_row(const uwc_store__picture *in, int64_t y, int64_t line, unsigned char *to) {
    int64_t first = y * in->row_step, at = y * line;
    for (int64_t x = 0; x < in->width; x++) {
        for (int64_t c = 0; c < in->channels; c++, at++) {
            int64_t from = first + x * in->pixel_step + c * in->channel_step;
            if (in->dtype == UWC_U8) {
                to[at] = ((const uint8_t *)in->data)[from];
            } else {
                ((float *)to)[at] = ((const float *)in->data)[from];
            }
        }
    }
}

static void fill(uwc_dtype dtype, int64_t count, int64_t value, unsigned char *to) {
    if (dtype == UWC_U8) {
        memset(to, (int)value, (size_t)count);
        return;
    }
    for (int64_t i = 0; i < count; i++) {
        ((float *)to)[i] = (float)value;
    }
}

/* The picture in the upper left corner of a square of `pad`. */
static uwc_status lay_on_square(const uwc_preprocess *preprocess, const uwc_store__picture *in, uwc_store__scratch *scratch,
                                uwc_store__picture *out) {
    int64_t side = preprocess->letterbox, line = side * in->channels;
    UWC_TRY(uwc_grow(&scratch->bytes, &scratch->capacity, side * line * (int64_t)uwc_dtype_bytes(in->dtype), 1));
    *out = (uwc_store__picture){in->dtype, in->channels, side, side, 1, line, in->channels, scratch->bytes};
    fill(in->dtype, side * line, preprocess->pad, scratch->bytes);
    for (int64_t y = 0; y < in->height; y++) {
        copy_row(in, y, line, scratch->bytes);
    }
    return UWC_OK;
}

uwc_status uwc_store__frame(const uwc_preprocess *preprocess, const char *name, const uwc_store__picture *in, uwc_store__work *work,
                            uwc_store__picture *out) {
    uwc_store__window window = {0};
    UWC_TRY(uwc_store__find_window(preprocess, name, in->height, in->width, &window));
    if (preprocess->letterbox == 0) {
        return cut(in, &window, &work->resized, out);
    }
    uwc_store__picture fitted;
    UWC_TRY(cut(in, &window, &work->resized, &fitted));
    return lay_on_square(preprocess, &fitted, &work->square, out);
}

void uwc_store__work_free(uwc_store__work *work) {
    uwc_free(&work->pixels.bytes);
    uwc_free(&work->resized.bytes);
    uwc_free(&work->square.bytes);
    *work = (uwc_store__work){0};
}

uwc_status uwc_store__check_alike(const char *name, const uwc_store__picture *picture, int64_t channels, int64_t height, int64_t width) {
    UWC_CHECK(picture->channels == channels, UWC_E_SHAPE, "%s: %lld channels, not %lld", name, (long long)picture->channels,
              (long long)channels);
    UWC_CHECK(picture->height == height && picture->width == width, UWC_E_SHAPE,
              "%s: %lldx%lld pixels, not %lldx%lld as the others: set crop or letterbox", name, (long long)picture->width,
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
