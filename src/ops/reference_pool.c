#include "ops_impl.h"

#include <math.h>

/* Reference of the pooling operators and ReduceMean. */

typedef struct range {
    int64_t first, last, padded; /* inside the input; elements with the padding */
} range;

/* The window of output `at` along an axis. Beyond the explicit padding (ceil_mode) nothing counts. */
static range window(const uwc_op *op, int axis, int64_t at, int64_t size) {
    int64_t start = at * op->stride[axis] - op->pad[axis], end = start + op->kernel[axis], edge = size + op->pad[axis + 2];
    range own = {.first = start < 0 ? 0 : start, .last = end > size ? size : end};
    own.padded = (end > edge ? edge : end) - start;
    return own;
}

static float max_of(const uwc_tensor *x, int64_t n, int64_t c, range rows, range columns) {
    float largest = -INFINITY;
    for (int64_t h = rows.first; h < rows.last; h++) {
        for (int64_t v = columns.first; v < columns.last; v++) {
            largest = fmaxf(largest, x->f32[((n * x->shape.dim[2] + h) * x->shape.dim[3] + v) * x->shape.dim[1] + c]);
        }
    }
    return largest;
}

static double sum_of(const uwc_tensor *x, int64_t n, int64_t c, range rows, range columns) {
    double sum = 0;
    for (int64_t h = rows.first; h < rows.last; h++) {
        for (int64_t v = columns.first; v < columns.last; v++) {
            sum += (double)x->f32[((n * x->shape.dim[2] + h) * x->shape.dim[3] + v) * x->shape.dim[1] + c];
        }
    }
    return sum;
}

static float mean_of(const uwc_op *op, const uwc_tensor *x, int64_t n, int64_t c, range rows, range columns) {
    int64_t inside = (rows.last - rows.first) * (columns.last - columns.first);
    return (float)(sum_of(x, n, c, rows, columns) / (double)(op->count_include_pad ? rows.padded * columns.padded : inside));
}

static uwc_status run_pool(uwc_kernel *kernel, const uwc_tensor *const *in, uwc_tensor *out) {
    const uwc_op *op = &kernel->op;
    int64_t at = 0;
    for (int64_t n = 0; n < out->shape.dim[0]; n++) {
        for (int64_t h = 0; h < out->shape.dim[2]; h++) {
            for (int64_t v = 0; v < out->shape.dim[3]; v++) {
                range rows = window(op, 0, h, in[0]->shape.dim[2]), columns = window(op, 1, v, in[0]->shape.dim[3]);
                for (int64_t c = 0; c < out->shape.dim[1]; c++) {
                    out->f32[at++] =
                        op->kind == UWC_OP_MAX_POOL ? max_of(in[0], n, c, rows, columns) : mean_of(op, in[0], n, c, rows, columns);
                }
            }
        }
    }
    return UWC_OK;
}

/* Sums of all elements of x that fall on the same output, then one division. */
static uwc_status run_reduce_mean(uwc_kernel *kernel, const uwc_tensor *const *in, uwc_tensor *out) {
    int64_t x_stride[UWC_MAX_RANK], index[UWC_MAX_RANK] = {0}, y_stride[UWC_MAX_RANK] = {0};
    int64_t count = uwc_shape_count(out->shape);
    double *sum;
    UWC_TRY(uwc_calloc(count, sizeof *sum, &sum));
    uwc_ops__strides(in[0]->shape, in[0]->layout, x_stride);
    uwc_ops__reduced_strides(&kernel->op, in[0]->shape, out, y_stride);
    do {
        sum[uwc_ops__offset(in[0]->shape.rank, index, y_stride)] += (double)in[0]->f32[uwc_ops__offset(in[0]->shape.rank, index, x_stride)];
    } while (uwc_ops__next(in[0]->shape, index));
    for (int64_t i = 0; i < count; i++) {
        out->f32[i] = (float)(sum[i] / (double)(uwc_shape_count(in[0]->shape) / count));
    }
    uwc_free(&sum);
    return UWC_OK;
}

const uwc_ops__methods uwc_ops__pool_ref = {.run = run_pool};
const uwc_ops__methods uwc_ops__reduce_mean_ref = {.run = run_reduce_mean};
