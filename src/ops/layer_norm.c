#include "ops_impl.h"

#include <math.h>

/* LayerNormalization along one axis, which splits memory into [outer, axis, inner]. */

/* One line of `length` elements that lie `stride` apart. The mean is taken out before squares are summed: small variances keep their
 * digits. */
static void normalize(const float *x, float *y, int64_t length, int64_t stride, float epsilon, const float *scale, const float *bias) {
    double sum = 0, square = 0;
    for (int64_t i = 0; i < length; i++) {
        sum += (double)x[i * stride];
    }
    float mean = (float)(sum / (double)length);
    for (int64_t i = 0; i < length; i++) {
        double apart = (double)(x[i * stride] - mean);
        square += apart * apart;
    }
    float factor = (float)(1 / sqrt(square / (double)length + (double)epsilon));
    for (int64_t i = 0; i < length; i++) {
        y[i * stride] = (x[i * stride] - mean) * factor * scale[i] + bias[i];
    }
}

static uwc_status run(uwc_kernel *kernel, const uwc_tensor *const *in, uwc_tensor *out) {
    int64_t stride[UWC_MAX_RANK], count = uwc_shape_count(out->shape), length = out->shape.dim[kernel->op.axis];
    uwc_ops__strides(out->shape, out->layout, stride);
    int64_t inner = stride[kernel->op.axis], lines = count / length;
#pragma omp parallel for if (count > UWC_OPS__PARALLEL)
    for (int64_t i = 0; i < lines; i++) {
        int64_t at = i / inner * inner * length + i % inner;
        normalize(in[0]->f32 + at, out->f32 + at, length, inner, kernel->op.epsilon, in[1]->f32, in[2]->f32);
    }
    return UWC_OK;
}

/* The reference goes by logical index. */
static uwc_status run_reference(uwc_kernel *kernel, const uwc_tensor *const *in, uwc_tensor *out) {
    int64_t stride[UWC_MAX_RANK], index[UWC_MAX_RANK] = {0};
    int axis = kernel->op.axis;
    int64_t length = out->shape.dim[axis];
    uwc_shape lines = out->shape;
    lines.dim[axis] = 1;
    uwc_ops__strides(out->shape, out->layout, stride);
    do {
        int64_t at = uwc_ops__offset(lines.rank, index, stride);
        double mean = 0, variance = 0;
        for (int64_t i = 0; i < length; i++) {
            mean += (double)in[0]->f32[at + i * stride[axis]] / (double)length;
        }
        for (int64_t i = 0; i < length; i++) {
            variance += pow((double)in[0]->f32[at + i * stride[axis]] - mean, 2) / (double)length;
        }
        for (int64_t i = 0; i < length; i++) {
            double apart = ((double)in[0]->f32[at + i * stride[axis]] - mean) / sqrt(variance + (double)kernel->op.epsilon);
            out->f32[at + i * stride[axis]] = (float)(apart * (double)in[1]->f32[i] + (double)in[2]->f32[i]);
        }
    } while (uwc_ops__next(lines, index));
    return UWC_OK;
}

const uwc_ops__methods uwc_ops__layer_norm = {.run = run, .keeps_constants = true};
const uwc_ops__methods uwc_ops__layer_norm_ref = {.run = run_reference, .keeps_constants = true};
