#include "ops_impl.h"

#include <math.h>

/* Activation functions that need no vector code of oneDNN's: the hard ones, Erf and Sqrt. In place where x and y are the same. Comparisons
 * are written so that NaN stays NaN. */

static void hard_sigmoid(const float *x, float *y, int64_t count, float alpha, float beta) {
#pragma omp parallel for simd if (count > UWC_OPS__PARALLEL)
    for (int64_t i = 0; i < count; i++) {
        float line = alpha * x[i] + beta, above = line < 0 ? 0 : line;
        y[i] = above > 1 ? 1 : above;
    }
}

static void hard_swish(const float *x, float *y, int64_t count) {
#pragma omp parallel for simd if (count > UWC_OPS__PARALLEL)
    for (int64_t i = 0; i < count; i++) {
        float line = x[i] * (1.0f / 6) + 0.5f, above = line < 0 ? 0 : line;
        y[i] = x[i] * (above > 1 ? 1 : above);
    }
}

static void error_function(const float *x, float *y, int64_t count) {
#pragma omp parallel for if (count > UWC_OPS__PARALLEL)
    for (int64_t i = 0; i < count; i++) {
        y[i] = erff(x[i]);
    }
}

static void square_root(const float *x, float *y, int64_t count) {
#pragma omp parallel for if (count > UWC_OPS__PARALLEL)
    for (int64_t i = 0; i < count; i++) {
        y[i] = sqrtf(x[i]);
    }
}

static uwc_status run(uwc_kernel *kernel, const uwc_tensor *const *in, uwc_tensor *out) {
    const uwc_op *op = &kernel->op;
    int64_t count = uwc_shape_count(out->shape);
    switch (op->kind) {
    case UWC_OP_HARD_SIGMOID:
        hard_sigmoid(in[0]->f32, out->f32, count, op->alpha, op->beta);
        break;
    case UWC_OP_HARD_SWISH:
        hard_swish(in[0]->f32, out->f32, count);
        break;
    case UWC_OP_ERF:
        error_function(in[0]->f32, out->f32, count);
        break;
    default: /* Sqrt */
        square_root(in[0]->f32, out->f32, count);
        break;
    }
    return UWC_OK;
}

const uwc_ops__methods uwc_ops__activation = {.run = run};
