#include "nest.h"

/* Operators that move elements, as strided copies. */

static void strides_of(const uwc_tensor *tensor, int64_t *stride) {
    uwc_ops__strides(tensor->shape, tensor->layout, stride);
}

static uwc_status run_transpose(uwc_kernel *kernel, const uwc_tensor *const *in, uwc_tensor *out) {
    int64_t own[UWC_MAX_RANK], from[UWC_MAX_RANK], to[UWC_MAX_RANK];
    strides_of(in[0], own);
    strides_of(out, to);
    for (int i = 0; i < out->shape.rank; i++) {
        from[i] = own[kernel->op.perm[i]];
    }
    uwc_ops__copy(out->shape, out->f32, to, in[0]->f32, from);
    return UWC_OK;
}

static uwc_status run_slice(uwc_kernel *kernel, const uwc_tensor *const *in, uwc_tensor *out) {
    int64_t from[UWC_MAX_RANK], to[UWC_MAX_RANK];
    strides_of(in[0], from);
    strides_of(out, to);
    const float *first = in[0]->f32 + uwc_ops__offset(in[0]->shape.rank, kernel->op.start, from);
    for (int i = 1; i < out->shape.rank; i++) {
        from[i] *= kernel->op.step[i];
    }
    uwc_ops__copy(out->shape, out->f32, to, first, from);
    return UWC_OK;
}

static uwc_status run_pad(uwc_kernel *kernel, const uwc_tensor *const *in, uwc_tensor *out) {
    int64_t from[UWC_MAX_RANK], to[UWC_MAX_RANK], count = uwc_shape_count(out->shape);
    float value = kernel->op.value;
    strides_of(in[0], from);
    strides_of(out, to);
#pragma omp parallel for simd if (count > UWC_OPS__PARALLEL)
    for (int64_t i = 0; i < count; i++) {
        out->f32[i] = value;
    }
    float *inside = out->f32 + uwc_ops__offset(out->shape.rank, kernel->op.before, to);
    uwc_ops__copy(in[0]->shape, inside, to, in[0]->f32, from);
    return UWC_OK;
}

static uwc_status run_concat(uwc_kernel *kernel, const uwc_tensor *const *in, uwc_tensor *out) {
    int64_t from[UWC_MAX_RANK], to[UWC_MAX_RANK], before = 0;
    int axis = kernel->op.axis;
    strides_of(out, to);
    for (int i = 0; i < kernel->n_in; i++) {
        strides_of(in[i], from);
        if (kernel->is_constant[i]) {
            from[0] = 0; /* the same for every image */
        }
        uwc_ops__copy(uwc_shape_batch(in[i]->shape, out->shape.dim[0]), out->f32 + before * to[axis], to, in[i]->f32, from);
        before += in[i]->shape.dim[axis];
    }
    return UWC_OK;
}

/* Reshape keeps ONNX's order of elements. Between channels-last shapes it goes through a row-major copy: the state, or NULL. */
static uwc_status prepare_reshape(uwc_kernel *kernel, const uwc_tensor *const *constant) {
    (void)constant;
    bool detour = kernel->in[0].rank == 4 && kernel->out.rank == 4 && !uwc_shape_equal(kernel->in[0], kernel->out);
    return detour ? uwc_calloc(uwc_shape_count(kernel->out), sizeof(float), &kernel->state) : UWC_OK;
}

static void relayout(uwc_shape shape, const float *x, uwc_layout from, float *y, uwc_layout to) {
    int64_t x_stride[UWC_MAX_RANK], y_stride[UWC_MAX_RANK];
    uwc_ops__strides(shape, from, x_stride);
    uwc_ops__strides(shape, to, y_stride);
    uwc_ops__copy(shape, y, y_stride, x, x_stride);
}

static uwc_status run_reshape(uwc_kernel *kernel, const uwc_tensor *const *in, uwc_tensor *out) {
    const float *x = in[0]->f32;
    if (uwc_shape_equal(in[0]->shape, out->shape)) {
        relayout(out->shape, x, out->layout, out->f32, out->layout);
    } else if (kernel->state != NULL) {
        relayout(in[0]->shape, x, in[0]->layout, kernel->state, UWC_PLAIN);
        relayout(out->shape, kernel->state, UWC_PLAIN, out->f32, out->layout);
    } else if (out->layout == UWC_PLAIN) {
        relayout(in[0]->shape, x, in[0]->layout, out->f32, UWC_PLAIN);
    } else {
        relayout(out->shape, x, UWC_PLAIN, out->f32, out->layout);
    }
    return UWC_OK;
}

static void release_reshape(uwc_kernel *kernel) {
    uwc_free(&kernel->state);
}

const uwc_ops__methods uwc_ops__transpose = {.run = run_transpose};
const uwc_ops__methods uwc_ops__slice = {.run = run_slice};
const uwc_ops__methods uwc_ops__pad = {.run = run_pad};
const uwc_ops__methods uwc_ops__concat = {.run = run_concat, .keeps_constants = true};
const uwc_ops__methods uwc_ops__reshape = {.prepare = prepare_reshape, .run = run_reshape, .release = release_reshape};
