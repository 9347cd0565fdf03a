#include "ops_impl.h"

/* GlobalAveragePool and ReduceMean; sums in double, in one order. */

enum { CHANNELS = 64 }; /* summed together */

/* Means over the pixels of one image for `n` <= CHANNELS channels that lie side by side, pixels `step` apart. */
static void mean_pixels(const float *x, float *y, int64_t pixels, int64_t step, int64_t n) {
    double sum[CHANNELS] = {0};
    for (int64_t p = 0; p < pixels; p++) {
#pragma omp simd
        for (int64_t c = 0; c < n; c++) {
            sum[c] += (double)x[p * step + c];
        }
    }
    for (int64_t c = 0; c < n; c++) {
        y[c] = (float)(sum[c] / (double)pixels);
    }
}

static void mean_images(const uwc_tensor *in, uwc_tensor *out) {
    int64_t images = in->shape.dim[0], channels = in->shape.dim[1], pixels = in->shape.dim[2] * in->shape.dim[3];
    int64_t blocks = (channels + CHANNELS - 1) / CHANNELS;
#pragma omp parallel for collapse(2) if (images * channels * pixels > UWC_OPS__PARALLEL)
    for (int64_t n = 0; n < images; n++) {
        for (int64_t b = 0; b < blocks; b++) {
            int64_t first = b * CHANNELS, count = channels - first < CHANNELS ? channels - first : CHANNELS;
            mean_pixels(in->f32 + n * pixels * channels + first, out->f32 + n * channels + first, pixels, channels, count);
        }
    }
}

/* Splits the axes of the input into those that stay and those that are summed; the others have one element. */
static void split_axes(const int64_t *y_stride, uwc_shape in, uwc_shape *stays, uwc_shape *summed) {
    *stays = *summed = in;
    for (int i = 0; i < in.rank; i++) {
        *(y_stride[i] != 0 ? &summed->dim[i] : &stays->dim[i]) = 1;
    }
}

static void unravel(uwc_shape shape, int64_t at, int64_t *index) {
    for (int i = shape.rank - 1; i >= 0; i--) {
        index[i] = at % shape.dim[i];
        at /= shape.dim[i];
    }
}

static void mean_any(const uwc_op *op, const uwc_tensor *in, uwc_tensor *out) {
    int64_t x_stride[UWC_MAX_RANK], y_stride[UWC_MAX_RANK];
    uwc_shape stays, summed;
    uwc_ops__strides(in->shape, in->layout, x_stride);
    uwc_ops__reduced_strides(op, in->shape, out, y_stride);
    split_axes(y_stride, in->shape, &stays, &summed);
    int64_t outputs = uwc_shape_count(stays), terms = uwc_shape_count(summed);
#pragma omp parallel for if (outputs * terms > UWC_OPS__PARALLEL)
    for (int64_t i = 0; i < outputs; i++) {
        int64_t place[UWC_MAX_RANK], term[UWC_MAX_RANK] = {0};
        unravel(stays, i, place);
        const float *x = in->f32 + uwc_ops__offset(stays.rank, place, x_stride);
        double sum = 0;
        do {
            sum += (double)x[uwc_ops__offset(summed.rank, term, x_stride)];
        } while (uwc_ops__next(summed, term));
        out->f32[uwc_ops__offset(stays.rank, place, y_stride)] = (float)(sum / (double)terms);
    }
}

static uwc_status run(uwc_kernel *kernel, const uwc_tensor *const *in, uwc_tensor *out) {
    const uwc_op *op = &kernel->op;
    bool over_pixels =
        op->kind == UWC_OP_GLOBAL_AVERAGE_POOL || (in[0]->shape.rank == 4 && op->n_axes == 2 && op->axes[0] == 2 && op->axes[1] == 3);
    if (over_pixels) {
        mean_images(in[0], out);
    } else {
        mean_any(op, in[0], out);
    }
    return UWC_OK;
}

const uwc_ops__methods uwc_ops__reduce_mean = {.run = run};
