#include "batch.h"

static void convert(const uint8_t *pixels, float *image) {
    enum { AREA = IMAGE_SIDE * IMAGE_SIDE };
    for (int at = 0; at < AREA; at++) {
        for (int c = 0; c < IMAGE_CHANNELS; c++) {
            image[at * IMAGE_CHANNELS + c] = (float)(((double)pixels[c * AREA + at] * (1.0 / 255.0) - BATCH_MEAN) / BATCH_STD);
        }
    }
}

void batch_draw(image_set set, int64_t first, uwc_tensor *images, int32_t *label) {
#pragma omp parallel for schedule(static)
    for (int64_t i = 0; i < images->shape.dim[0]; i++) {
        uint8_t pixels[IMAGE_BYTES];
        image_draw(set, first + i, pixels, &label[i]);
        convert(pixels, images->f32 + i * IMAGE_BYTES);
    }
}
