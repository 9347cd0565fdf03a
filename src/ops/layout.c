#include "ops_impl.h"

/* Where the element of a logical index lies. */

void uwc_ops__strides(uwc_shape shape, uwc_layout layout, int64_t *stride) {
    if (layout == UWC_CHANNELS_LAST) {
        stride[1] = 1;
        stride[3] = shape.dim[1];
        stride[2] = shape.dim[3] * stride[3];
        stride[0] = shape.dim[2] * stride[2];
        return;
    }
    int64_t step = 1;
    for (int i = shape.rank - 1; i >= 0; i--) {
        stride[i] = step;
        step *= shape.dim[i];
    }
}

void uwc_ops__broadcast_strides(const uwc_tensor *operand, uwc_shape to, int64_t *stride) {
    int64_t own[UWC_MAX_RANK];
    int behind = to.rank - operand->shape.rank;
    uwc_ops__strides(operand->shape, operand->layout, own);
    for (int i = 0; i < to.rank; i++) {
        bool repeated = i < behind || operand->shape.dim[i - behind] == 1;
        stride[i] = repeated ? 0 : own[i - behind];
    }
}

bool uwc_ops__next(uwc_shape shape, int64_t *index) {
    for (int i = shape.rank - 1; i >= 0; i--) {
        if (++index[i] < shape.dim[i]) {
            return true;
        }
        index[i] = 0;
    }
    return false;
}

int64_t uwc_ops__offset(int rank, const int64_t *index, const int64_t *stride) {
    int64_t offset = 0;
    for (int i = 0; i < rank; i++) {
        offset += index[i] * stride[i];
    }
    return offset;
}

/* The axes over which an operator takes the mean, as a mask. */
static unsigned reduced_axes(const uwc_op *op) {
    if (op->kind == UWC_OP_GLOBAL_AVERAGE_POOL) {
        return 1u << 2 | 1u << 3;
    }
    unsigned mask = 0;
    for (int i = 0; i < op->n_axes; i++) {
        mask |= 1u << op->axes[i];
    }
    return mask;
}

void uwc_ops__reduced_strides(const uwc_op *op, uwc_shape in, const uwc_tensor *out, int64_t *stride) {
    int64_t own[UWC_MAX_RANK];
    unsigned mask = reduced_axes(op);
    bool kept = out->shape.rank == in.rank;
    uwc_ops__strides(out->shape, out->layout, own);
    for (int i = 0, at = 0; i < in.rank; i++) {
        bool reduced = (mask >> i & 1) != 0;
        stride[i] = reduced ? 0 : own[kept ? i : at];
        at += !reduced;
    }
}
