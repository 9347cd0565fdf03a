/* Operators with windows: Conv and pooling. */
#include "onnx_impl.h"

#include <string.h>

enum { WINDOW_RANK = 2 };

static uwc_status read_pair(const uwc_onnx__node *node, const char *name, int64_t *pair, bool *given) {
    int n;
    UWC_TRY(uwc_onnx__attribute_ints(node, name, pair, WINDOW_RANK, &n));
    UWC_CHECK(n < 0 || n == WINDOW_RANK, UWC_E_UNSUPPORTED, "%s of %d dimensions, only two are supported", name, n);
    for (int i = 0; n > 0 && i < WINDOW_RANK; i++) {
        UWC_CHECK(pair[i] >= 1 && pair[i] <= INT32_MAX, UWC_E_FORMAT, "%s is %lld", name, (long long)pair[i]);
    }
    *given = n > 0;
    return UWC_OK;
}

static uwc_status read_pads(const uwc_onnx__node *node, uwc_op *op) {
    static const struct {
        const char *name;
        uwc_auto_pad value;
    } known[] = {
        {"NOTSET", UWC_PAD_EXPLICIT}, {"SAME_UPPER", UWC_PAD_SAME_UPPER}, {"SAME_LOWER", UWC_PAD_SAME_LOWER}, {"VALID", UWC_PAD_VALID}};
    char text[32];
    int n;
    UWC_TRY(uwc_onnx__attribute_text(node, "auto_pad", "NOTSET", text));
    size_t which = 0;
    while (which < sizeof known / sizeof *known && strcmp(known[which].name, text) != 0) {
        which++;
    }
    UWC_CHECK(which < sizeof known / sizeof *known, UWC_E_FORMAT, "auto_pad is \"%s\"", text);
    op->auto_pad = known[which].value;
    if (op->auto_pad != UWC_PAD_EXPLICIT) {
        return UWC_OK;
    }
    UWC_TRY(uwc_onnx__attribute_ints(node, "pads", op->pad, 2 * WINDOW_RANK, &n));
    UWC_CHECK(n < 0 || n == 2 * WINDOW_RANK, UWC_E_UNSUPPORTED, "%d pads, only two dimensions are supported", n);
    for (int i = 0; i < 2 * WINDOW_RANK; i++) {
        UWC_CHECK(op->pad[i] >= 0 && op->pad[i] <= INT32_MAX, UWC_E_UNSUPPORTED, "pad %lld", (long long)op->pad[i]);
    }
    return UWC_OK;
}

static uwc_status read_window(const uwc_onnx__node *node, uwc_op *op, bool *has_kernel) {
    bool given;
    UWC_TRY(read_pair(node, "kernel_shape", op->kernel, has_kernel));
    UWC_TRY(read_pair(node, "strides", op->stride, &given));
    UWC_TRY(read_pair(node, "dilations", op->dilation, &given));
    return read_pads(node, op);
}

static uwc_status read_conv(const uwc_onnx__node *node, uwc_shape weights, uwc_op *op) {
    char text[128];
    bool has_kernel = false;
    UWC_CHECK(weights.rank == 2 + WINDOW_RANK, UWC_E_UNSUPPORTED, "weights %s: only two-dimensional convolutions are supported",
              uwc_shape_print(weights, text));
    UWC_TRY(read_window(node, op, &has_kernel));
    UWC_CHECK(!has_kernel || (op->kernel[0] == weights.dim[2] && op->kernel[1] == weights.dim[3]), UWC_E_SHAPE,
              "kernel_shape %lld x %lld, weights %s", (long long)op->kernel[0], (long long)op->kernel[1], uwc_shape_print(weights, text));
    op->kernel[0] = weights.dim[2];
    op->kernel[1] = weights.dim[3];
    UWC_TRY(uwc_onnx__attribute_int(node, "group", 1, &op->group));
    UWC_CHECK(op->group >= 1 && op->group <= INT32_MAX, UWC_E_FORMAT, "group is %lld", (long long)op->group);
    return UWC_OK;
}

static uwc_status take_parameter(uwc_onnx__import *im, const uwc_onnx__node *node, size_t index, int *value) {
    uwc_tensor *tensor;
    UWC_TRY(uwc_onnx__constant_take(im, node, index, &tensor));
    return uwc_onnx__add_constant(im, node->input[index], tensor, value);
}

uwc_status uwc_onnx__import_conv(uwc_onnx__import *im, const uwc_onnx__node *node) {
    const uwc_tensor *weights;
    uwc_op op = uwc_op_make(UWC_OP_CONV);
    int in[3], n_in = 2, index;
    const uwc_onnx__node *sum = NULL;
    size_t which;
    UWC_TRY(uwc_onnx__activation(im, node, 0, true, &in[0]));
    UWC_TRY(uwc_onnx__constant(im, node, 1, &weights));
    UWC_CHECK(weights != NULL, UWC_E_FORMAT, "input 1 is missing");
    UWC_TRY(read_conv(node, weights->shape, &op));
    int64_t rows = weights->shape.dim[0];
    UWC_TRY(take_parameter(im, node, 1, &in[1]));
    if (uwc_onnx__input_name(node, 2) != NULL) {
        UWC_TRY(take_parameter(im, node, 2, &in[n_in++]));
    } else {
        UWC_TRY(uwc_onnx__find_bias(im, node, rows, 2 + WINDOW_RANK, WINDOW_RANK, &sum, &which));
    }
    if (sum != NULL) {
        UWC_TRY(uwc_onnx__add_bias(im, sum, which, rows, 1, &in[n_in++]));
    }
    UWC_TRY(uwc_onnx__emit(im, node, sum != NULL ? sum->output[0] : node->output[0], &op, in, n_in, &index));
    const uwc_onnx__entry *entry = uwc_onnx__input(im, node, 1);
    uwc_weights *quantized;
    UWC_TRY(uwc_onnx__quantized_weights(entry, false, &quantized));
    uwc_onnx__set_weights(im->graph, index, quantized, entry->lattice != NULL && entry->lattice->asymmetric);
    return UWC_OK;
}

static uwc_status read_pool(const uwc_onnx__node *node, uwc_op *op) {
    bool has_kernel = false;
    UWC_TRY(read_window(node, op, &has_kernel));
    UWC_CHECK(has_kernel, UWC_E_FORMAT, "kernel_shape is missing");
    UWC_CHECK(op->dilation[0] == 1 && op->dilation[1] == 1, UWC_E_UNSUPPORTED, "dilations %lld %lld, only 1 is supported",
              (long long)op->dilation[0], (long long)op->dilation[1]);
    return uwc_onnx__attribute_bool(node, "ceil_mode", false, &op->ceil_mode);
}

uwc_status uwc_onnx__import_max_pool(uwc_onnx__import *im, const uwc_onnx__node *node) {
    uwc_op op = uwc_op_make(UWC_OP_MAX_POOL);
    UWC_TRY(read_pool(node, &op));
    return uwc_onnx__emit_unary(im, node, &op);
}

uwc_status uwc_onnx__import_average_pool(uwc_onnx__import *im, const uwc_onnx__node *node) {
    uwc_op op = uwc_op_make(UWC_OP_AVERAGE_POOL);
    UWC_TRY(read_pool(node, &op));
    UWC_TRY(uwc_onnx__attribute_bool(node, "count_include_pad", false, &op.count_include_pad));
    return uwc_onnx__emit_unary(im, node, &op);
}

uwc_status uwc_onnx__import_global_average_pool(uwc_onnx__import *im, const uwc_onnx__node *node) {
    uwc_op op = uwc_op_make(UWC_OP_GLOBAL_AVERAGE_POOL);
    return uwc_onnx__emit_unary(im, node, &op);
}
