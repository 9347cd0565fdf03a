/* Inputs of a run in the scratch folder of a test: a network, images of seeded pixels, a configuration. */
#ifndef UWC_TEST_RUN_FIXTURE_H
#define UWC_TEST_RUN_FIXTURE_H

#include "graph/graph_fixture.h"

#include "scratch.h"

#include <unistd.h>

enum { IMAGES = 37, CHANNELS = 3, SIDE = 8, PIXELS = SIDE * SIDE };

/* A pixel as the network sees it, -2 to 2. */
static inline float element_of(int64_t image, int channel, int pixel) {
    const int64_t place = (image * CHANNELS + channel) * PIXELS + pixel;
    return (float)(((double)uwc_rng_below(7, 1, (uint64_t)place, 256) / 255 - 0.5) / 0.25);
}

/* Images [first, first + count) without those in `bad`; the caller frees them. */
static inline uwc_tensor *images_of(int64_t first, int64_t count, const int64_t *bad, int n_bad) {
    uwc_tensor *out;
    must(uwc_tensor_activation(uwc_shape_4d(count, CHANNELS, SIDE, SIDE), &out));
    for (int64_t image = 0, at = 0; at < first + count; image++) {
        bool left_out = false;
        for (int k = 0; k < n_bad; k++) {
            left_out = left_out || bad[k] == image;
        }
        for (int64_t k = 0; !left_out && at >= first && k < CHANNELS * PIXELS; k++) {
            out->f32[(at - first) * CHANNELS * PIXELS + k] = element_of(image, (int)(k % CHANNELS), (int)(k / CHANNELS));
        }
        at += !left_out;
    }
    return out;
}

static inline void put_images(const char *path, int64_t side) {
    uwc_archive *file;
    uint8_t pixel[IMAGES * CHANNELS * (SIDE + 1) * (SIDE + 1)];
    const int64_t count = IMAGES * CHANNELS * side * side;
    for (int64_t i = 0; i < count; i++) {
        pixel[i] = (uint8_t)uwc_rng_below(7, 1, (uint64_t)i, 256);
    }
    must(uwc_archive_create(&file));
    must(uwc_archive_put(file, "/images", UWC_U8, uwc_shape_4d(IMAGES, CHANNELS, side, side), pixel));
    must(uwc_archive_publish(file, path));
    uwc_archive_close(&file);
}

static inline void set_path(uwc_config *config, const char *key, const char *path) {
    char *assignment;
    must(uwc_format(&assignment, "%s=%s", key, path));
    must(uwc_config_set(config, assignment));
    uwc_free(&assignment);
}

/* Writes `graph` and the images into the folder and names them; `more` (NULL ends it): further settings. The caller frees it. */
static inline uwc_config *new_config(void **state, const uwc_graph *graph, const char *const *more) {
    static const char *const usual[] = {"data.samples=36",
                                        "data.preprocess.mean=0.5",
                                        "data.preprocess.std=0.25",
                                        "units.max_layers=1",
                                        "reconstruct.adapt=off",
                                        "quantize.weight_bits=3",
                                        NULL};
    uwc_config *config;
    char *model = in_scratch(state, "net.onnx"), *images = in_scratch(state, "images.h5");
    must(uwc_onnx_write(graph, model));
    put_images(images, SIDE);
    must(uwc_config_create(&config));
    set_path(config, "model", model);
    set_path(config, "data.calibration", images);
    for (const char *const *at = usual; *at != NULL; at++) {
        must(uwc_config_set(config, *at));
    }
    for (const char *const *at = more; at != NULL && *at != NULL; at++) {
        must(uwc_config_set(config, *at));
    }
    uwc_free(&model);
    uwc_free(&images);
    return config;
}

static inline uwc_graph *finished(uwc_graph *graph, int output) {
    must(uwc_graph_add_output(graph, output));
    must(uwc_graph_finish(graph));
    return graph;
}

static inline int put_softmax(uwc_graph *graph, const char *name, int x) {
    uwc_op op = uwc_op_make(UWC_OP_SOFTMAX);
    op.axis = 1;
    return put_op(graph, name, &op, &x, 1);
}

/* One layer; a residual block; a layer and an operator that has no gradient; the head. */
static inline uwc_graph *small_network(void) {
    uwc_graph *graph = new_graph();
    int x = put_input(graph, "x", uwc_shape_4d(1, CHANNELS, SIDE, SIDE));
    int a = put_conv(graph, "a", x, (conv_form){CHANNELS, 6, 1, .pad = 0});
    int b = put_conv(graph, "b", put_unary(graph, "ra", UWC_OP_RELU, a), (conv_form){6, 6, 3, .pad = 1});
    int c = put_conv(graph, "c", put_binary(graph, "sum", UWC_OP_ADD, b, a), (conv_form){6, 5, 1, .pad = 0});
    return finished(graph, put_linear(graph, "head", put_pooled(graph, "flat", put_softmax(graph, "soft", c), 5), 5, 4));
}

#endif
