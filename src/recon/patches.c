#include "recon_impl.h"

#include <string.h>

void uwc_recon__geometry(const uwc_op *op, uwc_shape in, uwc_shape weights, uwc_shape out, uwc_geometry *g) {
    *g = (uwc_geometry){
        .kernel = {1, 1}, .stride = {1, 1}, .dilation = {1, 1}, .groups = 1, .height = 1, .width = 1, .out_height = 1, .out_width = 1};
    if (op->kind == UWC_OP_CONV) {
        g->images = in.dim[0];
        g->channels = in.dim[1];
        g->height = in.dim[2];
        g->width = in.dim[3];
        g->out_height = out.dim[2];
        g->out_width = out.dim[3];
        memcpy(g->kernel, op->kernel, sizeof g->kernel);
        memcpy(g->stride, op->stride, sizeof g->stride);
        memcpy(g->dilation, op->dilation, sizeof g->dilation);
        memcpy(g->pad, op->pad, sizeof g->pad);
        g->groups = op->group;
    } else {
        g->channels = weights.dim[1];
        g->images = uwc_shape_count(in) / g->channels;
    }
    g->group_channels = g->channels / g->groups;
    g->rows = weights.dim[0] / g->groups;
    g->cols = g->group_channels * g->kernel[0] * g->kernel[1];
    g->direct = g->groups == 1 && g->cols == g->channels && g->stride[0] == 1 && g->stride[1] == 1 && g->pad[0] == 0 && g->pad[1] == 0 &&
                g->out_height == g->height && g->out_width == g->width;
}

/* One patch of one image. Where all channels are in the group, neighbouring pixels of a row are neighbours in the patch. */
static void one_patch(const uwc_geometry *g, const float *image, int64_t oy, int64_t ox, int64_t channel, float *out) {
    const int64_t left = ox * g->stride[1] - g->pad[1], top = oy * g->stride[0] - g->pad[0];
    const bool whole = g->groups == 1 && g->dilation[1] == 1 && left >= 0 && left + g->kernel[1] <= g->width;
    const int64_t runs = whole ? 1 : g->kernel[1], length = whole ? g->kernel[1] * g->channels : g->group_channels;
    for (int64_t ky = 0; ky < g->kernel[0]; ky++) {
        int64_t y = top + ky * g->dilation[0];
        for (int64_t kx = 0; kx < runs; kx++, out += length) {
            int64_t x = left + kx * g->dilation[1];
            if (y < 0 || y >= g->height || x < 0 || x >= g->width) {
                memset(out, 0, (size_t)length * sizeof *out);
            } else {
                memcpy(out, image + (y * g->width + x) * g->channels + channel, (size_t)length * sizeof *out);
            }
        }
    }
}

/* Brings the inside of a later patch into the cache: positions that are sampled lie too far apart for the processor to guess. */
static void prefetch_patch(const uwc_geometry *g, const float *image, int64_t oy, int64_t ox, int64_t channel) {
    enum { LINE = 16 };
    const int64_t x = ox * g->stride[1], length = g->groups == 1 ? g->kernel[1] * g->channels : g->group_channels;
    for (int64_t ky = 0; ky < g->kernel[0]; ky++) {
        const float *from = image + ((oy * g->stride[0] + ky) * g->width + x) * g->channels + channel;
        for (int64_t i = 0; i < length; i += LINE) {
            __builtin_prefetch(from + i);
        }
    }
}

void uwc_recon__patches(const uwc_geometry *g, const float *x, int64_t group, int64_t first, int64_t count, const int64_t *list, float *out,
                        int64_t stride) {
    enum { AHEAD = 8 };
    const int64_t pixels = g->out_height * g->out_width, image_size = g->height * g->width * g->channels,
                  channel = group * g->group_channels;
#pragma omp parallel for schedule(static)
    for (int64_t i = 0; i < count; i++) {
        int64_t position = list == NULL ? first + i : list[first + i], pixel = position % pixels;
        if (list != NULL && i + AHEAD < count) {
            int64_t next = list[first + i + AHEAD];
            prefetch_patch(g, x + next / pixels * image_size, next % pixels / g->out_width, next % pixels % g->out_width, channel);
        }
        one_patch(g, x + position / pixels * image_size, pixel / g->out_width, pixel % g->out_width, channel, out + i * stride);
    }
}

void uwc_recon__to_patch_order(const uwc_geometry *g, const float *weights, double *out, int64_t out_stride) {
    const int64_t area = g->kernel[0] * g->kernel[1];
    for (int64_t o = 0; o < g->rows * g->groups; o++) {
        for (int64_t c = 0; c < g->group_channels; c++) {
            for (int64_t k = 0; k < area; k++) {
                out[o * out_stride + k * g->group_channels + c] = (double)weights[o * g->cols + c * area + k];
            }
        }
    }
}

void uwc_recon__into_patch_order(const uwc_geometry *g, const int8_t *q, int8_t *out) {
    const int64_t area = g->kernel[0] * g->kernel[1];
    for (int64_t o = 0; o < g->rows * g->groups; o++) {
        for (int64_t c = 0; c < g->group_channels; c++) {
            for (int64_t k = 0; k < area; k++) {
                out[o * g->cols + k * g->group_channels + c] = q[o * g->cols + c * area + k];
            }
        }
    }
}

void uwc_recon__from_patch_order(const uwc_geometry *g, const int8_t *q, int8_t *out) {
    const int64_t area = g->kernel[0] * g->kernel[1];
    for (int64_t o = 0; o < g->rows * g->groups; o++) {
        for (int64_t c = 0; c < g->group_channels; c++) {
            for (int64_t k = 0; k < area; k++) {
                out[o * g->cols + c * area + k] = q[o * g->cols + k * g->group_channels + c];
            }
        }
    }
}
