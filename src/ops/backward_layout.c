/* Operators that move elements: the gradient moves back. All are walks over logical dimensions with two sets of strides. */
#include "backward_impl.h"

#include <string.h>

void uwc_backward__strides(uwc_shape shape, uwc_layout layout, int64_t *stride) {
    static const int plain[UWC_MAX_RANK] = {0, 1, 2, 3, 4, 5}, channels_last[] = {0, 2, 3, 1};
    const int *order = layout == UWC_CHANNELS_LAST ? channels_last : plain;
    int64_t step = 1;
    for (int i = shape.rank - 1; i >= 0; i--) {
        stride[order[i]] = step;
        step *= shape.dim[order[i]];
    }
}

/* Axes in the order of falling strides of the target, so that it is written front to back. */
static void sort_axes(uwc_walk *walk) {
    for (int i = 1; i < walk->rank; i++) {
        for (int j = i; j > 0 && walk->to[j] > walk->to[j - 1]; j--) {
            int64_t dim = walk->dim[j], from = walk->from[j], to = walk->to[j];
            walk->dim[j] = walk->dim[j - 1];
            walk->from[j] = walk->from[j - 1];
            walk->to[j] = walk->to[j - 1];
            walk->dim[j - 1] = dim;
            walk->from[j - 1] = from;
            walk->to[j - 1] = to;
        }
    }
}

static void copy_row(int64_t count, const float *from, int64_t from_step, float scale, bool add, float *to, int64_t to_step) {
    for (int64_t i = 0; i < count; i++) {
        float value = scale * from[i * from_step];
        to[i * to_step] = add ? to[i * to_step] + value : value;
    }
}

void uwc_walk__copy(uwc_walk walk, const float *from, float scale, bool add, float *to) {
    if (walk.rank == 0) {
        walk = (uwc_walk){.rank = 1, .dim = {1}};
    }
    sort_axes(&walk);
    int last = walk.rank - 1;
    int64_t rows = 1;
    for (int axis = 0; axis < last; axis++) {
        rows *= walk.dim[axis];
    }
#pragma omp parallel for schedule(static)
    for (int64_t row = 0; row < rows; row++) {
        int64_t at_from = 0, at_to = 0, index = row;
        for (int axis = last - 1; axis >= 0; axis--) {
            at_from += index % walk.dim[axis] * walk.from[axis];
            at_to += index % walk.dim[axis] * walk.to[axis];
            index /= walk.dim[axis];
        }
        copy_row(walk.dim[last], from + at_from, walk.from[last], scale, add, to + at_to, walk.to[last]);
    }
}

/* A walk over all elements of `over`; the strides are those of the two tensors where they have the same axes. */
static uwc_walk walk_over(uwc_shape over) {
    uwc_walk walk = {.rank = over.rank};
    memcpy(walk.dim, over.dim, (size_t)over.rank * sizeof over.dim[0]);
    return walk;
}

static void zero(uwc_tensor *grad) {
    memset(grad->data, 0, uwc_tensor_bytes(grad));
}

void uwc_backward__mean(uwc_backward *b, const uwc_backward_call *call) {
    uwc_tensor *dx = call->grad_in[0];
    uwc_walk walk = walk_over(dx->shape);
    int64_t out[UWC_MAX_RANK], outputs = uwc_shape_count(b->out), count = outputs == 0 ? 1 : uwc_shape_count(b->in[0]) / outputs;
    bool keeps = b->out.rank == b->in[0].rank;
    uwc_backward__strides(dx->shape, dx->layout, walk.to);
    uwc_backward__strides(b->out, call->grad_out->layout, out);
    bool reduced[UWC_MAX_RANK] = {false};
    if (b->op.kind == UWC_OP_GLOBAL_AVERAGE_POOL) {
        reduced[2] = reduced[3] = true;
    }
    for (int i = 0; b->op.kind == UWC_OP_REDUCE_MEAN && i < b->op.n_axes; i++) {
        reduced[b->op.axes[i]] = true;
    }
    for (int axis = 0, left = 0; axis < walk.rank; axis++) {
        walk.from[axis] = reduced[axis] ? 0 : out[left];
        left += keeps || !reduced[axis];
    }
    uwc_walk__copy(walk, call->grad_out->f32, 1.0f / (float)count, uwc_backward__adds(call, 0), dx->f32);
}

void uwc_backward__concat(uwc_backward *b, const uwc_backward_call *call) {
    int64_t first = 0, out[UWC_MAX_RANK];
    uwc_backward__strides(b->out, call->grad_out->layout, out);
    for (int i = 0; i < b->n_in; i++) {
        uwc_tensor *dx = call->grad_in[i];
        if (dx != NULL) {
            uwc_walk walk = walk_over(dx->shape);
            memcpy(walk.from, out, sizeof out);
            uwc_backward__strides(dx->shape, dx->layout, walk.to);
            uwc_walk__copy(walk, call->grad_out->f32 + first * out[b->op.axis], 1.0f, uwc_backward__adds(call, i), dx->f32);
        }
        first += b->in[i].dim[b->op.axis];
    }
}

void uwc_backward__slice(uwc_backward *b, const uwc_backward_call *call) {
    uwc_tensor *dx = call->grad_in[0];
    uwc_walk walk = walk_over(b->out);
    int64_t first = 0;
    uwc_backward__strides(b->out, call->grad_out->layout, walk.from);
    uwc_backward__strides(dx->shape, dx->layout, walk.to);
    for (int axis = 1; axis < walk.rank; axis++) {
        first += b->op.start[axis] * walk.to[axis];
        walk.to[axis] *= b->op.step[axis];
    }
    if (!uwc_backward__adds(call, 0)) {
        zero(dx);
    }
    uwc_walk__copy(walk, call->grad_out->f32, 1.0f, true, dx->f32 + first);
}

void uwc_backward__pad(uwc_backward *b, const uwc_backward_call *call) {
    uwc_tensor *dx = call->grad_in[0];
    uwc_walk walk = walk_over(dx->shape);
    int64_t first = 0;
    uwc_backward__strides(b->out, call->grad_out->layout, walk.from);
    uwc_backward__strides(dx->shape, dx->layout, walk.to);
    for (int axis = 1; axis < walk.rank; axis++) {
        first += b->op.before[axis] * walk.from[axis];
    }
    uwc_walk__copy(walk, call->grad_out->f32 + first, 1.0f, uwc_backward__adds(call, 0), dx->f32);
}

void uwc_backward__transpose(uwc_backward *b, const uwc_backward_call *call) {
    uwc_tensor *dx = call->grad_in[0];
    uwc_walk walk = walk_over(dx->shape);
    int64_t out[UWC_MAX_RANK];
    uwc_backward__strides(b->out, call->grad_out->layout, out);
    uwc_backward__strides(dx->shape, dx->layout, walk.to);
    for (int axis = 0; axis < walk.rank; axis++) {
        walk.from[b->op.perm[axis]] = out[axis];
    }
    uwc_walk__copy(walk, call->grad_out->f32, 1.0f, uwc_backward__adds(call, 0), dx->f32);
}

/* The elements keep their logical row-major order, which is that of memory only without channels last: by way of a plain copy. */
uwc_status uwc_backward__reshape(uwc_backward *b, const uwc_backward_call *call) {
    uwc_tensor *dx = call->grad_in[0];
    if (dx == NULL) {
        return UWC_OK;
    }
    float *plain;
    UWC_TRY(uwc_backward__scratch(b, uwc_shape_count(b->out), &plain));
    uwc_walk walk = walk_over(b->out);
    uwc_backward__strides(b->out, call->grad_out->layout, walk.from);
    uwc_backward__strides(b->out, UWC_PLAIN, walk.to);
    uwc_walk__copy(walk, call->grad_out->f32, 1.0f, false, plain);
    walk = walk_over(dx->shape);
    uwc_backward__strides(dx->shape, UWC_PLAIN, walk.from);
    uwc_backward__strides(dx->shape, dx->layout, walk.to);
    uwc_walk__copy(walk, plain, 1.0f, uwc_backward__adds(call, 0), dx->f32);
    return UWC_OK;
}
