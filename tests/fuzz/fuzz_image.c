/* Any bytes are pixels or refused; a size that was announced is the size that comes. */
#include "store_impl.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds, const char *what) {
    if (!holds) {
        fprintf(stderr, "%s: %s\n", what, uwc_error_last()->text);
        abort();
    }
}

/* Touches every pixel, so that a sanitizer sees one that is not there. */
static unsigned sum_pixels(const uwc_store__picture *p) {
    unsigned sum = 0;
    for (int64_t y = 0; y < p->height; y++) {
        for (int64_t x = 0; x < p->width; x++) {
            const unsigned char *at = (const unsigned char *)p->data + y * p->row_step + x * p->pixel_step;
            sum += at[0] + at[p->channel_step] + at[2 * p->channel_step];
        }
    }
    return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static volatile unsigned sink;
    bool jpeg = uwc_store__is_jpeg(data, size);
    uwc_store__scratch scratch = {0};
    uwc_store__picture picture;
    int64_t height, width;
    if (!jpeg && !uwc_store__is_png(data, size)) {
        return 0;
    }
    uwc_status st =
        jpeg ? uwc_store__jpeg_measure("image", data, size, &height, &width) : uwc_store__png_measure("image", data, size, &height, &width);
    if (st == UWC_OK && height * width <= 1 << 20) { /* larger ones are only slow */
        st = jpeg ? uwc_store__jpeg_decode("image", data, size, &scratch, &picture)
                  : uwc_store__png_decode("image", data, size, &scratch, &picture);
        check(st != UWC_OK || (picture.height == height && picture.width == width && picture.channels == 3), "of the announced size");
        sink = st == UWC_OK ? sum_pixels(&picture) : sink;
    }
    check(st == UWC_OK || st == UWC_E_FORMAT, "pixels or a format error");
    uwc_free(&scratch.bytes);
    return 0;
}
