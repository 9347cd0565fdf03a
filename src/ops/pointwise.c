#include "onednn.h"

#include <uwc/vector.h>

#include <string.h>

/* Element-wise operators of one input. In place where x and y are the same. */

/* Comparisons are written so that NaN stays NaN. The pragmas say that x and y are the same or apart, which the compiler cannot know. */
UWC_VECTOR static void relu(const float *x, float *y, int64_t count) {
#pragma omp simd
    for (int64_t i = 0; i < count; i++) {
        y[i] = x[i] < 0 ? 0 : x[i];
    }
}

UWC_VECTOR static void clip(const float *x, float *y, int64_t count, float low, float high) {
#pragma omp simd
    for (int64_t i = 0; i < count; i++) {
        float above = x[i] < low ? low : x[i];
        y[i] = above > high ? high : above;
    }
}

UWC_VECTOR static void leaky_relu(const float *x, float *y, int64_t count, float alpha) {
#pragma omp simd
    for (int64_t i = 0; i < count; i++) {
        float scaled = alpha * x[i];
        y[i] = x[i] < 0 ? scaled : x[i];
    }
}

static void run_part(const uwc_op *op, const float *x, float *y, int64_t count) {
    switch (op->kind) {
    case UWC_OP_RELU:
        relu(x, y, count);
        break;
    case UWC_OP_CLIP:
        clip(x, y, count, op->low, op->high);
        break;
    case UWC_OP_LEAKY_RELU:
        leaky_relu(x, y, count, op->alpha);
        break;
    default: /* Identity */
        memmove(y, x, (size_t)count * sizeof *y);
        break;
    }
}

static uwc_status run(uwc_kernel *kernel, const uwc_tensor *const *in, uwc_tensor *out) {
    enum { PART = 8192 };
    const int64_t count = uwc_shape_count(out->shape);
#pragma omp parallel for schedule(static) if (count > UWC_OPS__PARALLEL)
    for (int64_t first = 0; first < count; first += PART) {
        run_part(&kernel->op, in[0]->f32 + first, out->f32 + first, count - first < PART ? count - first : PART);
    }
    return UWC_OK;
}

static dnnl_alg_kind_t algorithm(uwc_op_kind kind) {
    switch (kind) {
    case UWC_OP_SIGMOID:
        return dnnl_eltwise_logistic;
    case UWC_OP_TANH:
        return dnnl_eltwise_tanh;
    case UWC_OP_SILU:
        return dnnl_eltwise_swish;
    default:
        return dnnl_eltwise_gelu_erf;
    }
}

/* Sigmoid, Tanh, Silu and Gelu by oneDNN, which has vector code for the exponential. The state is the primitive. */
static uwc_status prepare_sigmoid(uwc_kernel *kernel, const uwc_tensor *const *constant) {
    (void)constant;
    const char *name = uwc_op_name(kernel->op.kind);
    dnnl_memory_desc_t flat;
    dnnl_eltwise_desc_t desc;
    UWC_TRY(uwc_calloc(1, sizeof(uwc_ops__primitive), &kernel->state));
    UWC_TRY(uwc_ops__describe(name, uwc_shape_1d(uwc_shape_count(kernel->out)), dnnl_x, &flat));
    const float alpha = 1; /* of swish */
    UWC_TRY(uwc_ops__dnnl(name, "descriptor",
                          dnnl_eltwise_forward_desc_init(&desc, dnnl_forward_inference, algorithm(kernel->op.kind), &flat, alpha, 0)));
    UWC_TRY(uwc_ops__primitive_open(kernel->state, name, &desc, NULL));
    UWC_TRY(uwc_ops__primitive_add(kernel->state, DNNL_ARG_SRC, false));
    return uwc_ops__primitive_add(kernel->state, DNNL_ARG_DST, false);
}

static uwc_status run_sigmoid(uwc_kernel *kernel, const uwc_tensor *const *in, uwc_tensor *out) {
    return uwc_ops__primitive_run(kernel->state, in[0]->f32, out->f32);
}

static void release_sigmoid(uwc_kernel *kernel) {
    if (kernel->state != NULL) {
        uwc_ops__primitive_close(kernel->state);
    }
    uwc_free(&kernel->state);
}

const uwc_ops__methods uwc_ops__pointwise = {.run = run};
const uwc_ops__methods uwc_ops__sigmoid = {.prepare = prepare_sigmoid, .run = run_sigmoid, .release = release_sigmoid};
