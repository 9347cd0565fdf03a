/* uwc_draw: writes pictures of one set as HDF5: /images uint8 [N,3,32,32] and /labels int32 [N]. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <uwc/uwc.h>

#include "image.h"

static uwc_status draw(image_set set, int64_t images, const char *path) {
    uint8_t *pixels = NULL;
    int32_t *label = NULL;
    uwc_archive *archive = NULL;
    uwc_status st;
    UWC_TRY_GOTO(st, uwc_calloc(images * IMAGE_BYTES, sizeof *pixels, &pixels), done);
    UWC_TRY_GOTO(st, uwc_calloc(images, sizeof *label, &label), done);
    for (int64_t i = 0; i < images; i++) {
        image_draw(set, i, pixels + i * IMAGE_BYTES, &label[i]);
    }
    UWC_TRY_GOTO(st, uwc_archive_create(&archive), done);
    uwc_shape shape = uwc_shape_4d(images, IMAGE_CHANNELS, IMAGE_SIDE, IMAGE_SIDE);
    UWC_TRY_GOTO(st, uwc_archive_put(archive, "/images", UWC_U8, shape, pixels), done);
    UWC_TRY_GOTO(st, uwc_archive_put(archive, "/labels", UWC_I32, uwc_shape_1d(images), label), done);
    UWC_TRY_GOTO(st, uwc_archive_publish(archive, path), done);
done:
    uwc_archive_close(&archive);
    uwc_free(&pixels);
    uwc_free(&label);
    return st;
}

int main(int argc, char **argv) {
    bool calibration = argc == 4 && strcmp(argv[1], "calibration") == 0, test = argc == 4 && strcmp(argv[1], "test") == 0;
    long long images = argc == 4 ? atoll(argv[2]) : 0;
    if ((!calibration && !test) || images < 1 || images > 1000000) {
        fprintf(stderr, "usage: uwc_draw calibration|test IMAGES FILE.h5\n");
        return 2;
    }
    uwc_status st = draw(calibration ? IMAGE_CALIBRATION : IMAGE_TEST, images, argv[3]);
    if (st != UWC_OK) {
        fprintf(stderr, "uwc_draw: %s\n", uwc_error_last()->text);
    }
    return uwc_status_exit(st);
}
