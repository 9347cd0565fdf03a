/* Operators that move, cut or join elements. Flatten, Squeeze and Unsqueeze become Reshape. */
#include "onnx_impl.h"

#include <string.h>

static uwc_status emit_reshape(uwc_onnx__import *im, const uwc_onnx__node *node, uwc_shape target) {
    uwc_op op = uwc_op_make(UWC_OP_RESHAPE);
    op.target = target;
    return uwc_onnx__emit_unary(im, node, &op);
}

uwc_status uwc_onnx__import_reshape(uwc_onnx__import *im, const uwc_onnx__node *node) {
    int64_t dim[UWC_MAX_RANK];
    bool allow_zero;
    int n;
    UWC_TRY(uwc_onnx__ints_either(im, node, "shape", 1, dim, UWC_MAX_RANK, &n));
    UWC_TRY(uwc_onnx__attribute_bool(node, "allowzero", false, &allow_zero));
    UWC_CHECK(n >= 1, UWC_E_FORMAT, "a target of %d dimensions", n < 0 ? 0 : n);
    for (int i = 0; i < n; i++) {
        UWC_CHECK(dim[i] >= -1 && dim[i] <= INT32_MAX && !(allow_zero && dim[i] == 0), UWC_E_SHAPE, "dimension %d of the target is %lld", i,
                  (long long)dim[i]);
    }
    return uwc_onnx__flattens_for_gather(im, node, dim, n) ? uwc_onnx__import_flat(im, node)
                                                           : emit_reshape(im, node, uwc_shape_make(n, dim));
}

uwc_status uwc_onnx__import_flatten(uwc_onnx__import *im, const uwc_onnx__node *node) {
    uwc_shape shape;
    int axis;
    char text[128];
    UWC_TRY(uwc_onnx__value_shape(im, node, 0, &shape));
    UWC_TRY(uwc_onnx__attribute_axis(node, "axis", 1, &axis));
    UWC_CHECK(axis >= -shape.rank && axis <= shape.rank, UWC_E_SHAPE, "axis %d of %d dimensions", axis, shape.rank);
    axis = axis < 0 ? axis + shape.rank : axis;
    int64_t front = 1;
    for (int i = 0; i < axis; i++) {
        front *= shape.dim[i];
    }
    UWC_CHECK(axis >= 1 && front == 1, UWC_E_UNSUPPORTED, "axis %d of %s: only the batch may stay in front", axis,
              uwc_shape_print(shape, text));
    return emit_reshape(im, node, uwc_shape_2d(1, uwc_shape_count(shape)));
}

uwc_status uwc_onnx__import_squeeze(uwc_onnx__import *im, const uwc_onnx__node *node) {
    uwc_shape shape, target;
    bool mask[UWC_MAX_RANK];
    UWC_CHECK(uwc_onnx__attribute(node, "axes") != NULL || uwc_onnx__input_name(node, 1) != NULL, UWC_E_UNSUPPORTED,
              "without axes: the batch is not to be told from other dimensions of 1");
    UWC_TRY(uwc_onnx__value_shape(im, node, 0, &shape));
    UWC_TRY(uwc_onnx__squeezed(im, node, shape, mask, &target));
    UWC_CHECK(!mask[0], UWC_E_UNSUPPORTED, "of the batch");
    return emit_reshape(im, node, target);
}

uwc_status uwc_onnx__import_unsqueeze(uwc_onnx__import *im, const uwc_onnx__node *node) {
    uwc_shape shape, target;
    bool mask[UWC_MAX_RANK];
    UWC_TRY(uwc_onnx__value_shape(im, node, 0, &shape));
    UWC_TRY(uwc_onnx__unsqueezed(im, node, shape, mask, &target));
    UWC_CHECK(!mask[0], UWC_E_UNSUPPORTED, "in front of the batch");
    return emit_reshape(im, node, target);
}

uwc_status uwc_onnx__import_transpose(uwc_onnx__import *im, const uwc_onnx__node *node) {
    uwc_op op = uwc_op_make(UWC_OP_TRANSPOSE);
    int64_t perm[UWC_MAX_RANK];
    uwc_shape shape;
    int n;
    UWC_TRY(uwc_onnx__value_shape(im, node, 0, &shape));
    UWC_TRY(uwc_onnx__attribute_ints(node, "perm", perm, UWC_MAX_RANK, &n));
    UWC_CHECK(n < 0 || n == shape.rank, UWC_E_SHAPE, "perm of %d numbers for %d dimensions", n, shape.rank);
    for (int i = 0; i < shape.rank; i++) {
        UWC_CHECK(n < 0 || (perm[i] >= 0 && perm[i] < shape.rank), UWC_E_SHAPE, "perm holds %lld", (long long)perm[i]);
        op.perm[i] = n < 0 ? shape.rank - 1 - i : (int)perm[i];
    }
    return uwc_onnx__emit_unary(im, node, &op);
}

uwc_status uwc_onnx__import_slice(uwc_onnx__import *im, const uwc_onnx__node *node) {
    uwc_op op = uwc_op_make(UWC_OP_SLICE);
    uwc_onnx__slice slice;
    uwc_shape shape;
    UWC_TRY(uwc_onnx__value_shape(im, node, 0, &shape));
    UWC_TRY(uwc_onnx__slice_read(im, node, shape, &slice));
    bool whole = slice.start[0] == 0 && slice.step[0] == 1 && (slice.end[0] >= INT32_MAX || (!im->dynamic_batch && slice.end[0] == 1));
    UWC_CHECK(whole, UWC_E_UNSUPPORTED, "of the batch");
    for (int i = 0; i < shape.rank; i++) {
        op.start[i] = slice.start[i];
        op.end[i] = slice.end[i];
        op.step[i] = slice.step[i];
    }
    return uwc_onnx__emit_unary(im, node, &op);
}

static uwc_status read_pads(uwc_onnx__import *im, const uwc_onnx__node *node, int rank, uwc_op *op) {
    int64_t pads[2 * UWC_MAX_RANK], axes[UWC_MAX_RANK];
    int n, n_axes;
    UWC_TRY(uwc_onnx__ints_either(im, node, "pads", 1, pads, 2 * UWC_MAX_RANK, &n));
    UWC_TRY(uwc_onnx__constant_ints(im, node, 3, axes, UWC_MAX_RANK, &n_axes));
    int count = n_axes < 0 ? rank : n_axes;
    UWC_CHECK(n == 2 * count, UWC_E_FORMAT, "%d pads for %d axes", n < 0 ? 0 : n, count);
    for (int i = 0; i < count; i++) {
        int axis;
        UWC_TRY(uwc_onnx__axis(n_axes < 0 ? i : axes[i], rank, &axis));
        UWC_CHECK(pads[i] >= 0 && pads[i] <= INT32_MAX && pads[count + i] >= 0 && pads[count + i] <= INT32_MAX, UWC_E_UNSUPPORTED,
                  "pads %lld and %lld of axis %d", (long long)pads[i], (long long)pads[count + i], axis);
        op->before[axis] = pads[i];
        op->after[axis] = pads[count + i];
    }
    return UWC_OK;
}

uwc_status uwc_onnx__import_pad(uwc_onnx__import *im, const uwc_onnx__node *node) {
    uwc_op op = uwc_op_make(UWC_OP_PAD);
    uwc_shape shape;
    char mode[32];
    UWC_TRY(uwc_onnx__attribute_text(node, "mode", "constant", mode));
    UWC_CHECK(strcmp(mode, "constant") == 0, UWC_E_UNSUPPORTED, "mode \"%s\", only \"constant\" is supported", mode);
    UWC_TRY(uwc_onnx__value_shape(im, node, 0, &shape));
    UWC_TRY(uwc_onnx__attribute_float(node, "value", 0, &op.value));
    UWC_TRY(uwc_onnx__constant_float(im, node, 2, &op.value));
    UWC_TRY(read_pads(im, node, shape.rank, &op));
    return uwc_onnx__emit_unary(im, node, &op);
}

uwc_status uwc_onnx__import_concat(uwc_onnx__import *im, const uwc_onnx__node *node) {
    uwc_op op = uwc_op_make(UWC_OP_CONCAT);
    int *in;
    UWC_CHECK(node->n_input >= 1 && node->n_input <= INT32_MAX / 2, UWC_E_FORMAT, "%zu inputs", node->n_input);
    UWC_CHECK(uwc_onnx__attribute(node, "axis") != NULL, UWC_E_FORMAT, "axis is missing");
    UWC_TRY(uwc_onnx__attribute_axis(node, "axis", 1, &op.axis));
    UWC_TRY(uwc_calloc((int64_t)node->n_input, sizeof *in, &in));
    uwc_status st = UWC_OK;
    for (size_t i = 0; st == UWC_OK && i < node->n_input; i++) {
        st = uwc_onnx__activation(im, node, i, false, &in[i]);
    }
    if (st == UWC_OK) {
        st = uwc_onnx__emit(im, node, node->output[0], &op, in, (int)node->n_input, NULL);
    }
    uwc_free(&in);
    return st;
}

uwc_status uwc_onnx__import_reduce_mean(uwc_onnx__import *im, const uwc_onnx__node *node) {
    uwc_op op = uwc_op_make(UWC_OP_REDUCE_MEAN);
    uwc_shape shape;
    bool mask[UWC_MAX_RANK], no_axes_no_op;
    int n;
    UWC_TRY(uwc_onnx__value_shape(im, node, 0, &shape));
    UWC_TRY(uwc_onnx__attribute_bool(node, "keepdims", true, &op.keepdims));
    UWC_TRY(uwc_onnx__attribute_bool(node, "noop_with_empty_axes", false, &no_axes_no_op));
    UWC_TRY(uwc_onnx__axes(im, node, shape.rank, mask, &n));
    if (n <= 0 && no_axes_no_op) {
        return uwc_onnx__import_identity(im, node);
    }
    UWC_CHECK(n > 0 && !mask[0], UWC_E_UNSUPPORTED, "over the batch");
    op.n_axes = 0;
    for (int i = 0; i < shape.rank; i++) {
        if (mask[i]) {
            op.axes[op.n_axes++] = i;
        }
    }
    return uwc_onnx__emit_unary(im, node, &op);
}

/* The shape of an activation is known: the batch counts as 1. */
uwc_status uwc_onnx__import_shape(uwc_onnx__import *im, const uwc_onnx__node *node) {
    const uwc_onnx__entry *entry = uwc_onnx__input(im, node, 0);
    uwc_tensor *tensor;
    uwc_shape shape;
    int64_t start, end;
    if (entry != NULL && uwc_onnx__is_constant(entry)) {
        const uwc_tensor *constant;
        UWC_TRY(uwc_onnx__constant(im, node, 0, &constant));
        shape = constant->shape;
    } else {
        UWC_TRY(uwc_onnx__value_shape(im, node, 0, &shape));
    }
    UWC_TRY(uwc_onnx__attribute_int(node, "start", 0, &start));
    UWC_TRY(uwc_onnx__attribute_int(node, "end", shape.rank, &end));
    start = start < 0 ? start + shape.rank : start;
    end = end < 0 ? end + shape.rank : end;
    start = start < 0 ? 0 : start > shape.rank ? shape.rank : start;
    end = end < start ? start : end > shape.rank ? shape.rank : end;
    UWC_TRY(uwc_onnx__tensor_create(im, UWC_I64, uwc_shape_1d(end - start), &tensor));
    memcpy(tensor->data, shape.dim + start, (size_t)(end - start) * sizeof shape.dim[0]);
    uwc_onnx__set_constant(im, node->output[0], tensor);
    return UWC_OK;
}
