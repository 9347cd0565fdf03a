/* The distinct convolutions of three networks, and how to make one as a kernel. */
#ifndef UWC_BENCH_LAYERS_H
#define UWC_BENCH_LAYERS_H

#include <uwc/ops.h>

typedef struct bench_layer {
    const char *network;
    int times;                                                           /* in the network */
    int64_t inputs, outputs, size, kernel, stride, group, before, after; /* size: of the input; padding in front and behind */
} bench_layer;

static const bench_layer bench_layers[] = {
    {"MobileNetV2", 1, 3, 32, 224, 3, 2, 1, 0, 1},     {"MobileNetV2", 1, 32, 32, 112, 3, 1, 32, 1, 1},
    {"MobileNetV2", 1, 32, 16, 112, 1, 1, 1, 0, 0},    {"MobileNetV2", 1, 16, 96, 112, 1, 1, 1, 0, 0},
    {"MobileNetV2", 1, 96, 96, 112, 3, 2, 96, 0, 1},   {"MobileNetV2", 1, 96, 24, 56, 1, 1, 1, 0, 0},
    {"MobileNetV2", 2, 24, 144, 56, 1, 1, 1, 0, 0},    {"MobileNetV2", 1, 144, 144, 56, 3, 1, 144, 1, 1},
    {"MobileNetV2", 1, 144, 24, 56, 1, 1, 1, 0, 0},    {"MobileNetV2", 1, 144, 144, 56, 3, 2, 144, 0, 1},
    {"MobileNetV2", 1, 144, 32, 28, 1, 1, 1, 0, 0},    {"MobileNetV2", 3, 32, 192, 28, 1, 1, 1, 0, 0},
    {"MobileNetV2", 2, 192, 192, 28, 3, 1, 192, 1, 1}, {"MobileNetV2", 2, 192, 32, 28, 1, 1, 1, 0, 0},
    {"MobileNetV2", 1, 192, 192, 28, 3, 2, 192, 0, 1}, {"MobileNetV2", 1, 192, 64, 14, 1, 1, 1, 0, 0},
    {"MobileNetV2", 4, 64, 384, 14, 1, 1, 1, 0, 0},    {"MobileNetV2", 4, 384, 384, 14, 3, 1, 384, 1, 1},
    {"MobileNetV2", 3, 384, 64, 14, 1, 1, 1, 0, 0},    {"MobileNetV2", 1, 384, 96, 14, 1, 1, 1, 0, 0},
    {"MobileNetV2", 3, 96, 576, 14, 1, 1, 1, 0, 0},    {"MobileNetV2", 2, 576, 576, 14, 3, 1, 576, 1, 1},
    {"MobileNetV2", 2, 576, 96, 14, 1, 1, 1, 0, 0},    {"MobileNetV2", 1, 576, 576, 14, 3, 2, 576, 0, 1},
    {"MobileNetV2", 1, 576, 160, 7, 1, 1, 1, 0, 0},    {"MobileNetV2", 3, 160, 960, 7, 1, 1, 1, 0, 0},
    {"MobileNetV2", 3, 960, 960, 7, 3, 1, 960, 1, 1},  {"MobileNetV2", 2, 960, 160, 7, 1, 1, 1, 0, 0},
    {"MobileNetV2", 1, 960, 320, 7, 1, 1, 1, 0, 0},    {"MobileNetV2", 1, 320, 1280, 7, 1, 1, 1, 0, 0},
    {"ResNet-20", 1, 3, 16, 32, 3, 1, 1, 1, 1},        {"ResNet-20", 6, 16, 16, 32, 3, 1, 1, 1, 1},
    {"ResNet-20", 1, 16, 32, 32, 3, 2, 1, 1, 1},       {"ResNet-20", 5, 32, 32, 16, 3, 1, 1, 1, 1},
    {"ResNet-20", 1, 32, 64, 16, 3, 2, 1, 1, 1},       {"ResNet-20", 5, 64, 64, 8, 3, 1, 1, 1, 1},
    {"ResNet-50", 1, 3, 64, 224, 7, 2, 1, 3, 3},       {"ResNet-50", 1, 64, 64, 56, 1, 1, 1, 0, 0},
    {"ResNet-50", 3, 64, 64, 56, 3, 1, 1, 1, 1},       {"ResNet-50", 4, 64, 256, 56, 1, 1, 1, 0, 0},
    {"ResNet-50", 2, 256, 64, 56, 1, 1, 1, 0, 0},      {"ResNet-50", 1, 256, 128, 56, 1, 1, 1, 0, 0},
    {"ResNet-50", 1, 128, 128, 56, 3, 2, 1, 1, 1},     {"ResNet-50", 4, 128, 512, 28, 1, 1, 1, 0, 0},
    {"ResNet-50", 1, 256, 512, 56, 1, 2, 1, 0, 0},     {"ResNet-50", 3, 512, 128, 28, 1, 1, 1, 0, 0},
    {"ResNet-50", 3, 128, 128, 28, 3, 1, 1, 1, 1},     {"ResNet-50", 1, 512, 256, 28, 1, 1, 1, 0, 0},
    {"ResNet-50", 1, 256, 256, 28, 3, 2, 1, 1, 1},     {"ResNet-50", 6, 256, 1024, 14, 1, 1, 1, 0, 0},
    {"ResNet-50", 1, 512, 1024, 28, 1, 2, 1, 0, 0},    {"ResNet-50", 5, 1024, 256, 14, 1, 1, 1, 0, 0},
    {"ResNet-50", 5, 256, 256, 14, 3, 1, 1, 1, 1},     {"ResNet-50", 1, 1024, 512, 14, 1, 1, 1, 0, 0},
    {"ResNet-50", 1, 512, 512, 14, 3, 2, 1, 1, 1},     {"ResNet-50", 3, 512, 2048, 7, 1, 1, 1, 0, 0},
    {"ResNet-50", 1, 1024, 2048, 14, 1, 2, 1, 0, 0},   {"ResNet-50", 2, 2048, 512, 7, 1, 1, 1, 0, 0},
    {"ResNet-50", 2, 512, 512, 7, 3, 1, 1, 1, 1},
};

enum { BENCH_LAYERS = sizeof bench_layers / sizeof bench_layers[0] };

/* Images of 32 x 32 are small: eight for one of 224 x 224. */
static inline int64_t bench_images(const bench_layer *l, int64_t images) {
    return l->size <= 32 && l->network[0] == 'R' && l->network[7] == '2' ? 8 * images : images;
}

/* in: x, weights, bias, with `images` in front of x. */
static inline uwc_status bench_describe(const bench_layer *l, int64_t images, uwc_op *op, uwc_shape *in, uwc_shape *out) {
    *op = uwc_op_make(UWC_OP_CONV);
    op->group = l->group;
    for (int i = 0; i < 2; i++) {
        op->kernel[i] = l->kernel;
        op->stride[i] = l->stride;
        op->pad[i] = l->before;
        op->pad[i + 2] = l->after;
    }
    in[0] = uwc_shape_4d(1, l->inputs, l->size, l->size);
    in[1] = uwc_shape_4d(l->outputs, l->inputs / l->group, l->kernel, l->kernel);
    in[2] = uwc_shape_1d(l->outputs);
    UWC_TRY(uwc_op_infer(op, in, 3, out));
    in[0] = uwc_shape_batch(in[0], images);
    *out = uwc_shape_batch(*out, images);
    return UWC_OK;
}

static inline void bench_fill(uwc_tensor *tensor, uint64_t stream) {
    for (int64_t i = 0; i < uwc_shape_count(tensor->shape); i++) {
        tensor->f32[i] = (float)uwc_rng_u32(1, stream, (uint64_t)i) * 0x1p-31f - 1.0f;
    }
}

static inline void bench_print(const bench_layer *l) {
    printf("%-11s %4lld -> %4lld  %3lldx%-3lld k%lld s%lld g%-3lld", l->network, (long long)l->inputs, (long long)l->outputs,
           (long long)l->size, (long long)l->size, (long long)l->kernel, (long long)l->stride, (long long)l->group);
}

#endif
