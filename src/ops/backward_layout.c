/* Operators that move or average elements: the gradient moves back. */
#include "backward_impl.h"
#include "nest.h"

#include <string.h>

static void add_sheet(const uwc_ops__sheet *s) {
    for (int64_t r = 0; r < s->rows; r++) {
        float *to = s->at[0] + r * s->row_stride[0];
        const float *from = s->at[1] + r * s->row_stride[1];
        for (int64_t i = 0; i < s->n; i++) {
            to[i * s->stride[0]] += from[i * s->stride[1]];
        }
    }
}

/* to[index] = from[index], or += with `add`, for all indices of `over`. */
static void move(uwc_shape over, float *to, const int64_t *to_stride, const float *from, const int64_t *from_stride, bool add) {
    if (!add) {
        uwc_ops__copy(over, to, to_stride, from, from_stride);
        return;
    }
    int64_t stride[2][UWC_MAX_RANK];
    memcpy(stride[0], to_stride, sizeof stride[0]);
    memcpy(stride[1], from_stride, sizeof stride[1]);
    uwc_ops__nest nest = uwc_ops__nest_make(over, 2, (const int64_t(*)[UWC_MAX_RANK])stride);
    uwc_ops__nest_run(&nest, (float *[]){to, (float *)(uintptr_t)from}, add_sheet);
}

static void strides_of(const uwc_tensor *tensor, int64_t *stride) {
    uwc_ops__strides(tensor->shape, tensor->layout, stride);
}

uwc_status uwc_backward__mean(uwc_backward *b, const uwc_backward_call *call) {
    uwc_tensor *dx = call->grad_in[0];
    int64_t to[UWC_MAX_RANK] = {0}, from[UWC_MAX_RANK] = {0}, outputs = uwc_shape_count(b->out);
    float *share;
    UWC_TRY(uwc_backward__scratch(b, outputs, &share));
    for (int64_t i = 0; i < outputs; i++) {
        share[i] = call->grad_out->f32[i] / (float)(uwc_shape_count(b->in[0]) / outputs);
    }
    strides_of(dx, to);
    uwc_ops__reduced_strides(&b->op, b->in[0], call->grad_out, from);
    move(b->in[0], dx->f32, to, share, from, uwc_backward__adds(call, 0));
    return UWC_OK;
}

uwc_status uwc_backward__concat(uwc_backward *b, const uwc_backward_call *call) {
    int64_t first = 0, from[UWC_MAX_RANK] = {0}, to[UWC_MAX_RANK] = {0};
    strides_of(call->grad_out, from);
    for (int i = 0; i < b->n_in; i++) {
        uwc_tensor *dx = call->grad_in[i];
        if (dx != NULL) {
            strides_of(dx, to);
            move(b->in[i], dx->f32, to, call->grad_out->f32 + first * from[b->op.axis], from, uwc_backward__adds(call, i));
        }
        first += b->in[i].dim[b->op.axis];
    }
    return UWC_OK;
}

uwc_status uwc_backward__slice(uwc_backward *b, const uwc_backward_call *call) {
    uwc_tensor *dx = call->grad_in[0];
    int64_t first = 0, from[UWC_MAX_RANK] = {0}, to[UWC_MAX_RANK] = {0};
    strides_of(call->grad_out, from);
    strides_of(dx, to);
    for (int axis = 1; axis < b->out.rank; axis++) {
        first += b->op.start[axis] * to[axis];
        to[axis] *= b->op.step[axis];
    }
    bool add = uwc_backward__adds(call, 0);
    if (!add) {
        memset(dx->data, 0, uwc_tensor_bytes(dx));
    }
    move(b->out, dx->f32 + first, to, call->grad_out->f32, from, add);
    return UWC_OK;
}

uwc_status uwc_backward__pad(uwc_backward *b, const uwc_backward_call *call) {
    uwc_tensor *dx = call->grad_in[0];
    int64_t first = 0, from[UWC_MAX_RANK] = {0}, to[UWC_MAX_RANK] = {0};
    strides_of(call->grad_out, from);
    strides_of(dx, to);
    for (int axis = 1; axis < b->out.rank; axis++) {
        first += b->op.before[axis] * from[axis];
    }
    move(b->in[0], dx->f32, to, call->grad_out->f32 + first, from, uwc_backward__adds(call, 0));
    return UWC_OK;
}

uwc_status uwc_backward__transpose(uwc_backward *b, const uwc_backward_call *call) {
    uwc_tensor *dx = call->grad_in[0];
    int64_t out[UWC_MAX_RANK] = {0}, from[UWC_MAX_RANK] = {0}, to[UWC_MAX_RANK] = {0};
    strides_of(call->grad_out, out);
    strides_of(dx, to);
    for (int axis = 0; axis < b->out.rank; axis++) {
        from[b->op.perm[axis]] = out[axis];
    }
    move(b->in[0], dx->f32, to, call->grad_out->f32, from, uwc_backward__adds(call, 0));
    return UWC_OK;
}

/* The elements keep their logical row-major order, which is that of memory only without channels last: by way of a plain copy. */
uwc_status uwc_backward__reshape(uwc_backward *b, const uwc_backward_call *call) {
    uwc_tensor *dx = call->grad_in[0];
    int64_t from[UWC_MAX_RANK] = {0}, to[UWC_MAX_RANK] = {0};
    float *plain;
    UWC_TRY(uwc_backward__scratch(b, uwc_shape_count(b->out), &plain));
    strides_of(call->grad_out, from);
    uwc_ops__strides(b->out, UWC_PLAIN, to);
    move(b->out, plain, to, call->grad_out->f32, from, false);
    uwc_ops__strides(b->in[0], UWC_PLAIN, from);
    strides_of(dx, to);
    move(b->in[0], dx->f32, to, plain, from, uwc_backward__adds(call, 0));
    return UWC_OK;
}
