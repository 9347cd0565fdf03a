#include "network.h"

#include <math.h>
#include <stdio.h>

#include "image.h"

enum { NAME = 64 };

/* Nodes are appended one behind the other; `st` keeps the first failure, after which nothing is added. */
typedef struct builder {
    uwc_graph *graph;
    uint64_t seed, stream; /* a stream of random numbers per tensor */
    uwc_status st;
} builder;

static int add_value(builder *b, const char *name, const char *suffix, uwc_shape shape, uwc_tensor *constant) {
    char full[NAME];
    int value = -1;
    snprintf(full, sizeof full, "%s%s", name, suffix);
    if (b->st == UWC_OK) {
        b->st = uwc_graph_add_value(b->graph, full, shape, constant, &value);
    } else {
        uwc_tensor_destroy(&constant);
    }
    return value;
}

/* A constant with mean `mean` and standard deviation `deviation`. */
static int add_constant(builder *b, const char *name, const char *suffix, uwc_shape shape, double mean, double deviation) {
    uwc_tensor *constant = NULL;
    if (b->st == UWC_OK) {
        b->st = uwc_tensor_create(UWC_F32, shape, UWC_PLAIN, &constant);
    }
    b->stream++;
    for (int64_t i = 0; b->st == UWC_OK && i < uwc_shape_count(shape); i++) {
        constant->f32[i] = (float)(mean + deviation * uwc_rng_normal(b->seed, b->stream, (uint64_t)i));
    }
    return add_value(b, name, suffix, shape, constant);
}

static int add_node(builder *b, const char *name, const uwc_op *op, const int *in, int n_in) {
    int out = add_value(b, name, "", (uwc_shape){0}, NULL);
    if (b->st == UWC_OK) {
        b->st = uwc_graph_add_node(b->graph, name, op, in, n_in, out, NULL);
    }
    return out;
}

typedef struct window {
    int64_t inputs, outputs, kernel, stride, group;
} window;

/* Convolution and normalization; `scale` is that of the normalization: below one it keeps a residual branch small at the start. */
static int add_conv(builder *b, const char *name, int x, window w, double scale) {
    uwc_op op = uwc_op_make(UWC_OP_CONV), norm = uwc_op_make(UWC_OP_BATCH_NORM);
    int64_t fan_in = w.inputs / w.group * w.kernel * w.kernel;
    for (int i = 0; i < 2; i++) {
        op.kernel[i] = w.kernel;
        op.stride[i] = w.stride;
    }
    for (int i = 0; i < 4; i++) {
        op.pad[i] = w.kernel / 2;
    }
    op.group = w.group;
    char norm_name[NAME];
    snprintf(norm_name, sizeof norm_name, "%s.norm", name);
    int weights =
        add_constant(b, name, ".weight", uwc_shape_4d(w.outputs, w.inputs / w.group, w.kernel, w.kernel), 0.0, sqrt(2.0 / (double)fan_in));
    int out = add_node(b, name, &op, (int[]){x, weights}, 2);
    static const char *const suffix[] = {".scale", ".bias", ".mean", ".variance"};
    const double value[] = {scale, 0.0, 0.0, 1.0};
    int in[5] = {out};
    for (int i = 0; i < 4; i++) {
        in[i + 1] = add_constant(b, norm_name, suffix[i], uwc_shape_1d(w.outputs), value[i], 0.0);
    }
    return add_node(b, norm_name, &norm, in, 5);
}

static int add_relu(builder *b, const char *name, int x) {
    uwc_op op = uwc_op_make(UWC_OP_RELU);
    return add_node(b, name, &op, &x, 1);
}

/* ReLU6. */
static int add_clip(builder *b, const char *name, int x) {
    uwc_op op = uwc_op_make(UWC_OP_CLIP);
    op.low = 0.0f;
    op.high = 6.0f;
    return add_node(b, name, &op, &x, 1);
}

/* Depthwise 3x3, ReLU6, pointwise, ReLU. */
static int add_separable(builder *b, const char *name, int x, int64_t inputs, int64_t outputs, int64_t stride) {
    char text[4][NAME];
    static const char *const suffix[] = {".depthwise", ".clip", ".pointwise", ".relu"};
    for (int i = 0; i < 4; i++) {
        snprintf(text[i], sizeof text[i], "%s%s", name, suffix[i]);
    }
    x = add_clip(b, text[1], add_conv(b, text[0], x, (window){inputs, inputs, 3, stride, inputs}, 1.0));
    return add_relu(b, text[3], add_conv(b, text[2], x, (window){inputs, outputs, 1, 1, 1}, 1.0));
}

/* relu(x + conv(relu(conv(x)))) */
static int add_residual(builder *b, const char *name, int x, int64_t channels) {
    char text[5][NAME];
    static const char *const suffix[] = {".first", ".first.relu", ".second", ".add", ".relu"};
    for (int i = 0; i < 5; i++) {
        snprintf(text[i], sizeof text[i], "%s%s", name, suffix[i]);
    }
    window w = {channels, channels, 3, 1, 1};
    int inner = add_relu(b, text[1], add_conv(b, text[0], x, w, 1.0));
    uwc_op op = uwc_op_make(UWC_OP_ADD);
    int sum = add_node(b, text[3], &op, (int[]){x, add_conv(b, text[2], inner, w, 0.3)}, 2);
    return add_relu(b, text[4], sum);
}

static int add_head(builder *b, int x, int64_t channels) {
    uwc_op pool = uwc_op_make(UWC_OP_GLOBAL_AVERAGE_POOL), flatten = uwc_op_make(UWC_OP_RESHAPE), linear = uwc_op_make(UWC_OP_LINEAR);
    flatten.target = uwc_shape_2d(0, -1);
    x = add_node(b, "pool", &pool, &x, 1);
    x = add_node(b, "flatten", &flatten, &x, 1);
    int weights = add_constant(b, "head", ".weight", uwc_shape_2d(IMAGE_CLASSES, channels), 0.0, sqrt(0.5 / (double)channels));
    int bias = add_constant(b, "head", ".bias", uwc_shape_1d(IMAGE_CLASSES), 0.0, 0.0);
    return add_node(b, "logits", &linear, (int[]){x, weights, bias}, 3);
}

static int add_layers(builder *b, int x) {
    x = add_relu(b, "stem.relu", add_conv(b, "stem", x, (window){IMAGE_CHANNELS, 16, 3, 1, 1}, 1.0));
    x = add_separable(b, "reduce", x, 16, 32, 2);
    x = add_residual(b, "block1", x, 32);
    x = add_relu(b, "widen.relu", add_conv(b, "widen", x, (window){32, 48, 3, 2, 1}, 1.0));
    x = add_separable(b, "mix", x, 48, 64, 1);
    x = add_residual(b, "block2", x, 64);
    return add_head(b, x, 64);
}

uwc_status network_create(uint64_t seed, uwc_graph **out) {
    builder b = {.seed = seed, .st = UWC_OK};
    *out = NULL;
    UWC_TRY(uwc_graph_create("quickstart", &b.graph));
    int x = add_value(&b, "image", "", uwc_shape_4d(1, IMAGE_CHANNELS, IMAGE_SIDE, IMAGE_SIDE), NULL);
    int logits = add_layers(&b, x);
    uwc_status st = b.st;
    UWC_TRY_GOTO(st, st, fail);
    UWC_TRY_GOTO(st, uwc_graph_add_input(b.graph, x), fail);
    UWC_TRY_GOTO(st, uwc_graph_add_output(b.graph, logits), fail);
    UWC_TRY_GOTO(st, uwc_graph_finish(b.graph), fail);
    *out = b.graph;
    return UWC_OK;
fail:
    uwc_graph_destroy(&b.graph);
    return st;
}
