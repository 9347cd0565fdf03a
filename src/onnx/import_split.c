/* Split becomes one Slice per part. */
#include "onnx_impl.h"

/* Length of every part along the axis: given, or equal but for a shorter last one. */
static uwc_status read_parts(uwc_onnx__import *im, const uwc_onnx__node *node, int64_t length, int64_t *part) {
    int most = (int)node->n_output, n;
    int64_t sum = 0;
    UWC_TRY(uwc_onnx__ints_either(im, node, "split", 1, part, most, &n));
    UWC_CHECK(n < 0 || n == most, UWC_E_FORMAT, "%d parts for %d outputs", n, most);
    for (int i = 0; n < 0 && i < most; i++) {
        int64_t equal = (length + most - 1) / most;
        part[i] = i + 1 < most ? equal : length - equal * (most - 1);
    }
    for (int i = 0; i < most; i++) {
        UWC_CHECK(part[i] > 0 && part[i] <= length, UWC_E_SHAPE, "part %d has length %lld of %lld", i, (long long)part[i],
                  (long long)length);
        sum += part[i];
    }
    UWC_CHECK(sum == length, UWC_E_SHAPE, "parts of %lld in all, the axis has %lld", (long long)sum, (long long)length);
    return UWC_OK;
}

static uwc_status emit_parts(uwc_onnx__import *im, const uwc_onnx__node *node, int axis, const int64_t *part) {
    int64_t start = 0;
    for (size_t i = 0; i < node->n_output; i++) {
        uwc_op op = uwc_op_make(UWC_OP_SLICE);
        int value;
        op.start[axis] = start;
        op.end[axis] = start += part[i];
        if (node->output[i][0] != '\0') {
            UWC_TRY(uwc_onnx__activation(im, node, 0, false, &value));
            UWC_TRY(uwc_onnx__emit(im, node, node->output[i], &op, &value, 1, NULL));
        }
    }
    return UWC_OK;
}

uwc_status uwc_onnx__import_split(uwc_onnx__import *im, const uwc_onnx__node *node) {
    uwc_shape shape;
    int axis;
    int64_t *part;
    UWC_CHECK(node->n_output <= INT32_MAX / 2, UWC_E_FORMAT, "%zu outputs", node->n_output);
    UWC_TRY(uwc_onnx__value_shape(im, node, 0, &shape));
    UWC_TRY(uwc_onnx__attribute_axis(node, "axis", 0, &axis));
    UWC_TRY(uwc_onnx__axis(axis, shape.rank, &axis));
    UWC_CHECK(axis > 0, UWC_E_UNSUPPORTED, "of the batch");
    UWC_TRY(uwc_calloc((int64_t)node->n_output, sizeof *part, &part));
    uwc_status st = read_parts(im, node, shape.dim[axis], part);
    if (st == UWC_OK) {
        st = emit_parts(im, node, axis, part);
    }
    uwc_free(&part);
    return st;
}
