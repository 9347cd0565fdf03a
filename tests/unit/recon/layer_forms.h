/* Forms of weighted layers, with their inputs, for tests of patches and statistics. */
#ifndef UWC_TEST_LAYER_FORMS_H
#define UWC_TEST_LAYER_FORMS_H

#include "graph/graph_fixture.h"

#include "recon_impl.h"

typedef struct layer_form {
    const char *name;
    int64_t channels, rows, group, kernel, stride, dilation, pad, side, images; /* rows: all output channels */
} layer_form;

static const layer_form conv_forms[] = {
    {"3x3", 3, 5, 1, 3, 1, 1, 1, 6, 2},
    {"3x3, stride 2", 4, 7, 1, 3, 2, 1, 1, 9, 2},
    {"3x3, dilation 2", 2, 3, 1, 3, 1, 2, 2, 8, 1},
    {"5x5, no pad", 2, 3, 1, 5, 2, 1, 0, 11, 2},
    {"1x1", 9, 4, 1, 1, 1, 1, 0, 5, 3},
    {"1x1, stride 2", 5, 4, 1, 1, 2, 1, 0, 7, 2},
    {"1x1 with pad", 3, 2, 1, 1, 1, 1, 1, 4, 2},
    {"groups", 8, 6, 2, 3, 1, 1, 1, 6, 2},
    {"groups, stride", 9, 3, 3, 3, 2, 1, 1, 7, 2},
    {"more than a tile", 4, 3, 1, 3, 1, 1, 1, 20, 3},
    {"several blocks", 24, 9, 1, 3, 1, 1, 1, 5, 2},
    {"many rows", 3, 210, 1, 3, 1, 1, 1, 4, 1},
    {"depthwise 5", 5, 5, 5, 3, 1, 1, 1, 6, 2},
    {"depthwise 16", 16, 16, 16, 3, 2, 1, 1, 9, 2},
    {"depthwise 17", 17, 17, 17, 5, 1, 1, 2, 7, 2},
    {"depthwise 33", 33, 33, 33, 3, 1, 2, 2, 9, 1},
    {"depthwise 2", 2, 2, 2, 7, 1, 1, 3, 20, 2},
    {"depthwise 1x1", 20, 20, 20, 1, 1, 1, 0, 5, 2},
    {"depthwise 8x8", 3, 3, 3, 8, 2, 1, 3, 17, 2},
    {"depthwise, multiplier 2", 4, 8, 4, 3, 1, 1, 1, 6, 2},
};

static inline uwc_op op_of(const layer_form *form) {
    uwc_op op = uwc_op_make(UWC_OP_CONV);
    op.group = form->group;
    for (int i = 0; i < 2; i++) {
        op.kernel[i] = form->kernel;
        op.stride[i] = form->stride;
        op.dilation[i] = form->dilation;
        op.pad[i] = op.pad[i + 2] = form->pad;
    }
    op.pad[1] += form->kernel > 3; /* left and top, H and W are not the same thing */
    return op;
}

typedef struct layer {
    uwc_op op;
    uwc_shape in, weights, out; /* of a batch */
    uwc_geometry geometry;
    uwc_tensor *x, *w;
} layer;

static inline layer make_layer(const layer_form *form, uint64_t seed) {
    layer own = {.op = op_of(form), .in = uwc_shape_4d(1, form->channels, form->side, form->side + 1)};
    own.weights = uwc_shape_4d(form->rows, form->channels / form->group, form->kernel, form->kernel);
    must(uwc_op_infer(&own.op, (uwc_shape[]){own.in, own.weights}, 2, &own.out));
    own.in = uwc_shape_batch(own.in, form->images);
    own.out = uwc_shape_batch(own.out, form->images);
    uwc_recon__geometry(&own.op, own.in, own.weights, own.out, &own.geometry);
    must(uwc_tensor_activation(own.in, &own.x));
    must(uwc_tensor_create(UWC_F32, own.weights, UWC_PLAIN, &own.w));
    fill_normal(own.x, seed, 1);
    fill_normal(own.w, seed + 1, 1);
    return own;
}

/* [images, in] times [out, in]. */
static inline layer make_linear(uwc_shape in, int64_t rows, uint64_t seed) {
    layer own = {.op = uwc_op_make(UWC_OP_LINEAR), .in = in, .out = in, .weights = uwc_shape_2d(rows, in.dim[in.rank - 1])};
    own.out.dim[in.rank - 1] = rows;
    uwc_recon__geometry(&own.op, own.in, own.weights, own.out, &own.geometry);
    must(uwc_tensor_activation(own.in, &own.x));
    must(uwc_tensor_create(UWC_F32, own.weights, UWC_PLAIN, &own.w));
    fill_normal(own.x, seed, 1);
    fill_normal(own.w, seed + 1, 1);
    return own;
}

static inline void free_layer(layer *own) {
    uwc_tensor_destroy(&own->x);
    uwc_tensor_destroy(&own->w);
}

static inline int64_t positions_of(const layer *own) {
    return own->op.kind == UWC_OP_CONV ? own->out.dim[0] * own->out.dim[2] * own->out.dim[3] : own->geometry.images;
}

/* The number that weight (channel, ky, kx) of a group meets at a position, by the definition of the convolution; 0 in the padding. */
static inline double tap(const layer *own, int64_t position, int64_t group, int64_t channel, int64_t ky, int64_t kx) {
    if (own->op.kind == UWC_OP_LINEAR) {
        return (double)own->x->f32[position * own->weights.dim[1] + channel];
    }
    const int64_t h = own->in.dim[2], w = own->in.dim[3], oh = own->out.dim[2], ow = own->out.dim[3];
    int64_t image = position / (oh * ow), y = position / ow % oh * own->op.stride[0] - own->op.pad[0] + ky * own->op.dilation[0];
    int64_t x = position % ow * own->op.stride[1] - own->op.pad[1] + kx * own->op.dilation[1];
    if (y < 0 || y >= h || x < 0 || x >= w) {
        return 0;
    }
    int64_t all = own->in.dim[1], each = all / own->op.group;
    return (double)own->x->f32[((image * h + y) * w + x) * all + group * each + channel];
}

/* Row of patches in the order (ky, kx, channel), with a 1 behind: out [cols+1]. */
static inline void naive_patch(const layer *own, int64_t position, int64_t group, double *out) {
    bool conv = own->op.kind == UWC_OP_CONV;
    int64_t at = 0, kh = conv ? own->weights.dim[2] : 1, kw = conv ? own->weights.dim[3] : 1;
    for (int64_t ky = 0; ky < kh; ky++) {
        for (int64_t kx = 0; kx < kw; kx++) {
            for (int64_t c = 0; c < own->weights.dim[1]; c++) {
                out[at++] = tap(own, position, group, c, ky, kx);
            }
        }
    }
    out[at] = 1;
}

#endif
