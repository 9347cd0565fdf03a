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

static void one_patch(const uwc_geometry *g, const float *image, int64_t oy, int64_t ox, int64_t channel, float *out) {
    const size_t bytes = (size_t)g->group_channels * sizeof *out;
    for (int64_t ky = 0; ky < g->kernel[0]; ky++) {
        int64_t y = oy * g->stride[0] - g->pad[0] + ky * g->dilation[0];
        for (int64_t kx = 0; kx < g->kernel[1]; kx++, out += g->group_channels) {
            int64_t x = ox * g->stride[1] - g->pad[1] + kx * g->dilation[1];
            if (y < 0 || y >= g->height || x < 0 || x >= g->width) {
                memset(out, 0, bytes);
            } else {
                memcpy(out, image + (y * g->width + x) * g->channels + channel, bytes);
            }
        }
    }
}

void uwc_recon__patches(const uwc_geometry *g, const float *x, int64_t group, int64_t first, int64_t count, const int64_t *list,
                        float *out) {
    const int64_t pixels = g->out_height * g->out_width, image_size = g->height * g->width * g->channels;
#pragma omp parallel for schedule(static)
    for (int64_t i = 0; i < count; i++) {
        int64_t position = list == NULL ? first + i : list[first + i], image = position / pixels, pixel = position % pixels;
        one_patch(g, x + image * image_size, pixel / g->out_width, pixel % g->out_width, group * g->group_channels, out + i * g->cols);
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
