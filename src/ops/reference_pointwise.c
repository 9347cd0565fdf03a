#include "ops_impl.h"

#include <math.h>

/* Reference of the element-wise operators, BatchNormalization and Softmax. */

/* Comparisons are written so that NaN stays NaN. */
static double function(const uwc_op *op, double x) {
    switch (op->kind) {
    case UWC_OP_RELU:
        return x < 0 ? 0 : x;
    case UWC_OP_CLIP:
        return x < (double)op->low ? (double)op->low : x > (double)op->high ? (double)op->high : x;
    case UWC_OP_LEAKY_RELU:
        return x < 0 ? (double)op->alpha * x : x;
    case UWC_OP_SIGMOID:
        return 1 / (1 + exp(-x));
    case UWC_OP_TANH:
        return tanh(x);
    case UWC_OP_HARD_SIGMOID:
        return fmin(fmax((double)op->alpha * x + (double)op->beta, 0), 1);
    case UWC_OP_HARD_SWISH:
        return x * fmin(fmax(x / 6 + 0.5, 0), 1);
    case UWC_OP_SILU:
        return x / (1 + exp(-x));
    case UWC_OP_GELU:
        return x * (1 + erf(x / sqrt(2))) / 2;
    case UWC_OP_ERF:
        return erf(x);
    case UWC_OP_SQRT:
        return sqrt(x);
    default: /* Identity */
        return x;
    }
}

static uwc_status run_pointwise(uwc_kernel *kernel, const uwc_tensor *const *in, uwc_tensor *out) {
    int64_t count = uwc_shape_count(out->shape);
    for (int64_t i = 0; i < count; i++) {
        out->f32[i] = (float)function(&kernel->op, (double)in[0]->f32[i]);
    }
    return UWC_OK;
}

static uwc_status run_broadcast(uwc_kernel *kernel, const uwc_tensor *const *in, uwc_tensor *out) {
    int64_t a_stride[UWC_MAX_RANK], b_stride[UWC_MAX_RANK], y_stride[UWC_MAX_RANK], index[UWC_MAX_RANK] = {0};
    int rank = out->shape.rank;
    uwc_ops__broadcast_strides(in[0], out->shape, a_stride);
    uwc_ops__broadcast_strides(in[1], out->shape, b_stride);
    uwc_ops__strides(out->shape, out->layout, y_stride);
    do {
        float a = in[0]->f32[uwc_ops__offset(rank, index, a_stride)], b = in[1]->f32[uwc_ops__offset(rank, index, b_stride)];
        float *y = &out->f32[uwc_ops__offset(rank, index, y_stride)];
        switch (kernel->op.kind) {
        case UWC_OP_ADD:
            *y = a + b;
            break;
        case UWC_OP_SUB:
            *y = a - b;
            break;
        case UWC_OP_MUL:
            *y = a * b;
            break;
        default:
            *y = a / b;
            break;
        }
    } while (uwc_ops__next(out->shape, index));
    return UWC_OK;
}

static uwc_status run_batch_norm(uwc_kernel *kernel, const uwc_tensor *const *in, uwc_tensor *out) {
    int64_t stride[UWC_MAX_RANK], index[UWC_MAX_RANK] = {0};
    uwc_ops__strides(out->shape, out->layout, stride);
    do {
        int64_t c = index[1], at = uwc_ops__offset(out->shape.rank, index, stride);
        double scale = in[1]->f32[c], bias = in[2]->f32[c], mean = in[3]->f32[c], variance = in[4]->f32[c];
        out->f32[at] = (float)(((double)in[0]->f32[at] - mean) / sqrt(variance + (double)kernel->op.epsilon) * scale + bias);
    } while (uwc_ops__next(out->shape, index));
    return UWC_OK;
}

/* Softmax of one line of `count` elements that lie `stride` apart. */
static void softmax_line(const float *x, float *y, int64_t count, int64_t stride) {
    double largest = -INFINITY, sum = 0;
    for (int64_t i = 0; i < count; i++) {
        largest = fmax(largest, (double)x[i * stride]);
    }
    for (int64_t i = 0; i < count; i++) {
        sum += exp((double)x[i * stride] - largest);
    }
    for (int64_t i = 0; i < count; i++) {
        y[i * stride] = (float)(exp((double)x[i * stride] - largest) / sum);
    }
}

static uwc_status run_softmax(uwc_kernel *kernel, const uwc_tensor *const *in, uwc_tensor *out) {
    int64_t stride[UWC_MAX_RANK], index[UWC_MAX_RANK] = {0};
    int axis = kernel->op.axis;
    uwc_shape lines = out->shape;
    lines.dim[axis] = 1;
    uwc_ops__strides(out->shape, out->layout, stride);
    do {
        int64_t at = uwc_ops__offset(lines.rank, index, stride);
        softmax_line(in[0]->f32 + at, out->f32 + at, out->shape.dim[axis], stride[axis]);
    } while (uwc_ops__next(lines, index));
    return UWC_OK;
}

const uwc_ops__methods uwc_ops__pointwise_ref = {.run = run_pointwise};
const uwc_ops__methods uwc_ops__broadcast_ref = {.run = run_broadcast, .keeps_constants = true};
const uwc_ops__methods uwc_ops__batch_norm_ref = {.run = run_batch_norm, .keeps_constants = true};
const uwc_ops__methods uwc_ops__softmax_ref = {.run = run_softmax};
