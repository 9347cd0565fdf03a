#include "ops_impl.h"

/* Inference of the operators that move elements without changing them. */

uwc_status uwc_ops__infer_concat(uwc_op *op, const uwc_shape *in, int n_in, uwc_shape *out) {
    char a[128], b[128];
    UWC_TRY(uwc_ops__infer_axis(op, in[0].rank, &op->axis));
    *out = in[0];
    for (int i = 1; i < n_in; i++) {
        uwc_shape expected = in[0];
        if (in[i].rank == in[0].rank) {
            expected.dim[op->axis] = in[i].dim[op->axis];
        }
        UWC_CHECK(uwc_shape_equal(expected, in[i]), UWC_E_SHAPE, "Concat along axis %d of %s and %s", op->axis, uwc_shape_print(in[0], a),
                  uwc_shape_print(in[i], b));
        UWC_CHECK(!__builtin_add_overflow(out->dim[op->axis], in[i].dim[op->axis], &out->dim[op->axis]), UWC_E_SHAPE,
                  "Concat of %d inputs along axis %d is too long", n_in, op->axis);
    }
    return UWC_OK;
}

/* 0 in the target copies a dimension; *open = the place of -1, or -1. */
static uwc_status resolve_known(const uwc_op *op, uwc_shape in, uwc_shape *out, int *open) {
    char a[128], b[128];
    UWC_CHECK(op->target.rank >= 1 && op->target.rank <= UWC_MAX_RANK, UWC_E_UNSUPPORTED, "Reshape to rank %d", op->target.rank);
    *out = op->target;
    *open = -1;
    for (int i = 0; i < out->rank; i++) {
        bool copies = out->dim[i] == 0;
        UWC_CHECK(out->dim[i] >= -1 && (!copies || i < in.rank) && (out->dim[i] != -1 || *open < 0), UWC_E_SHAPE, "Reshape of %s to %s",
                  uwc_shape_print(in, a), uwc_shape_print(op->target, b));
        if (copies) {
            out->dim[i] = in.dim[i];
        }
        if (out->dim[i] == -1) {
            *open = i;
            out->dim[i] = 1;
        }
    }
    return UWC_OK;
}

uwc_status uwc_ops__infer_reshape(uwc_op *op, const uwc_shape *in, int n_in, uwc_shape *out) {
    (void)n_in;
    char a[128], b[128];
    int open = -1;
    UWC_TRY(resolve_known(op, in[0], out, &open));
    int64_t count = uwc_shape_count(in[0]), known = uwc_shape_count(*out);
    UWC_CHECK(open >= 0 ? count % known == 0 : count == known, UWC_E_SHAPE, "Reshape of %s to %s", uwc_shape_print(in[0], a),
              uwc_shape_print(op->target, b));
    if (open >= 0) {
        out->dim[open] = count / known;
    }
    UWC_CHECK(out->dim[0] == 1, UWC_E_UNSUPPORTED, "Reshape of %s to %s moves the batch", uwc_shape_print(in[0], a),
              uwc_shape_print(op->target, b));
    op->target = *out;
    return UWC_OK;
}

uwc_status uwc_ops__infer_transpose(uwc_op *op, const uwc_shape *in, int n_in, uwc_shape *out) {
    (void)n_in;
    bool seen[UWC_MAX_RANK] = {false};
    *out = in[0];
    for (int i = 0; i < in[0].rank; i++) {
        int from = op->perm[i];
        UWC_CHECK(from >= 0 && from < in[0].rank && !seen[from], UWC_E_ARG, "Transpose: %d is not the axis for place %d of %d", from, i,
                  in[0].rank);
        seen[from] = true;
        out->dim[i] = in[0].dim[from];
    }
    UWC_CHECK(op->perm[0] == 0, UWC_E_UNSUPPORTED, "Transpose moves the batch to another place");
    return UWC_OK;
}

/* ONNX: negative positions count from the end, then all are clamped into the axis. */
static int64_t clamp_position(int64_t position, int64_t size) {
    position += position < 0 ? size : 0;
    return position < 0 ? 0 : position > size ? size : position;
}

uwc_status uwc_ops__infer_slice(uwc_op *op, const uwc_shape *in, int n_in, uwc_shape *out) {
    (void)n_in;
    char text[128];
    *out = in[0];
    for (int i = 0; i < in[0].rank; i++) {
        UWC_CHECK(op->step[i] != 0, UWC_E_ARG, "Slice: step 0 of axis %d", i);
        UWC_CHECK(op->step[i] > 0, UWC_E_UNSUPPORTED, "Slice: step %lld of axis %d", (long long)op->step[i], i);
        op->start[i] = clamp_position(op->start[i], in[0].dim[i]);
        op->end[i] = clamp_position(op->end[i], in[0].dim[i]);
        UWC_CHECK(op->start[i] < op->end[i], UWC_E_SHAPE, "Slice from %lld to %lld of axis %d of %s is empty", (long long)op->start[i],
                  (long long)op->end[i], i, uwc_shape_print(in[0], text));
        out->dim[i] = (op->end[i] - op->start[i] - 1) / op->step[i] + 1;
    }
    return UWC_OK;
}

uwc_status uwc_ops__infer_pad(uwc_op *op, const uwc_shape *in, int n_in, uwc_shape *out) {
    (void)n_in;
    *out = in[0];
    for (int i = 0; i < in[0].rank; i++) {
        UWC_CHECK(op->before[i] >= 0 && op->after[i] >= 0, UWC_E_UNSUPPORTED, "Pad by %lld and %lld along axis %d",
                  (long long)op->before[i], (long long)op->after[i], i);
        UWC_CHECK(i > 0 || (op->before[0] == 0 && op->after[0] == 0), UWC_E_UNSUPPORTED, "Pad of the batch");
        UWC_CHECK(!__builtin_add_overflow(out->dim[i], op->before[i], &out->dim[i]) &&
                      !__builtin_add_overflow(out->dim[i], op->after[i], &out->dim[i]),
                  UWC_E_SHAPE, "Pad by %lld and %lld along axis %d", (long long)op->before[i], (long long)op->after[i], i);
    }
    return UWC_OK;
}
