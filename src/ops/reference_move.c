#include "ops_impl.h"

/* Reference of the operators that move elements: one logical index at a time. */

typedef struct place {
    int64_t stride[UWC_MAX_RANK], index[UWC_MAX_RANK];
} place;

static place place_of(const uwc_tensor *tensor) {
    place own = {.index = {0}};
    uwc_ops__strides(tensor->shape, tensor->layout, own.stride);
    return own;
}

static float *element(const uwc_tensor *tensor, const place *at) {
    return &tensor->f32[uwc_ops__offset(tensor->shape.rank, at->index, at->stride)];
}

static uwc_status run_reshape(uwc_kernel *kernel, const uwc_tensor *const *in, uwc_tensor *out) {
    (void)kernel;
    place from = place_of(in[0]), to = place_of(out);
    do {
        *element(out, &to) = *element(in[0], &from);
    } while (uwc_ops__next(in[0]->shape, from.index) && uwc_ops__next(out->shape, to.index));
    return UWC_OK;
}

static uwc_status run_transpose(uwc_kernel *kernel, const uwc_tensor *const *in, uwc_tensor *out) {
    place from = place_of(in[0]), to = place_of(out);
    do {
        for (int i = 0; i < out->shape.rank; i++) {
            from.index[kernel->op.perm[i]] = to.index[i];
        }
        *element(out, &to) = *element(in[0], &from);
    } while (uwc_ops__next(out->shape, to.index));
    return UWC_OK;
}

static uwc_status run_slice(uwc_kernel *kernel, const uwc_tensor *const *in, uwc_tensor *out) {
    place from = place_of(in[0]), to = place_of(out);
    do {
        from.index[0] = to.index[0];
        for (int i = 1; i < out->shape.rank; i++) {
            from.index[i] = kernel->op.start[i] + to.index[i] * kernel->op.step[i];
        }
        *element(out, &to) = *element(in[0], &from);
    } while (uwc_ops__next(out->shape, to.index));
    return UWC_OK;
}

static uwc_status run_pad(uwc_kernel *kernel, const uwc_tensor *const *in, uwc_tensor *out) {
    place from = place_of(in[0]), to = place_of(out);
    do {
        bool inside = true;
        for (int i = 0; i < out->shape.rank; i++) {
            from.index[i] = to.index[i] - kernel->op.before[i];
            inside = inside && from.index[i] >= 0 && from.index[i] < in[0]->shape.dim[i];
        }
        *element(out, &to) = inside ? *element(in[0], &from) : kernel->op.value;
    } while (uwc_ops__next(out->shape, to.index));
    return UWC_OK;
}

static uwc_status run_concat(uwc_kernel *kernel, const uwc_tensor *const *in, uwc_tensor *out) {
    int axis = kernel->op.axis;
    int64_t before = 0;
    for (int i = 0; i < kernel->n_in; i++) {
        place from = place_of(in[i]), to = place_of(out);
        uwc_shape shape = uwc_shape_batch(in[i]->shape, out->shape.dim[0]);
        from.stride[0] = kernel->is_constant[i] ? 0 : from.stride[0]; /* the same for every image */
        do {
            for (int d = 0; d < shape.rank; d++) {
                to.index[d] = from.index[d] + (d == axis ? before : 0);
            }
            *element(out, &to) = *element(in[i], &from);
        } while (uwc_ops__next(shape, from.index));
        before += shape.dim[axis];
    }
    return UWC_OK;
}

const uwc_ops__methods uwc_ops__reshape_ref = {.run = run_reshape};
const uwc_ops__methods uwc_ops__transpose_ref = {.run = run_transpose};
const uwc_ops__methods uwc_ops__slice_ref = {.run = run_slice};
const uwc_ops__methods uwc_ops__pad_ref = {.run = run_pad};
const uwc_ops__methods uwc_ops__concat_ref = {.run = run_concat, .keeps_constants = true};
