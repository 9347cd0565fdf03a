/* Gemm and MatMul by a constant become Linear: x W^T + b with W [N,K] and b [N]. */
#include "onnx_impl.h"

#include <string.h>

static void transpose(const float *from, int64_t rows, int64_t cols, float *to) {
    for (int64_t r = 0; r < rows; r++) {
        for (int64_t c = 0; c < cols; c++) {
            to[c * rows + r] = from[r * cols + c];
        }
    }
}

static void multiply(uwc_tensor *tensor, float factor) {
    int64_t count = factor == 1.0f ? 0 : uwc_shape_count(tensor->shape);
    for (int64_t i = 0; i < count; i++) {
        tensor->f32[i] *= factor;
    }
}

/* Weights [N,K] as a tensor of the graph's own, from [N,K] or (flip) [K,N], times alpha. */
static uwc_status add_weights(uwc_onnx__import *im, const uwc_onnx__node *node, bool flip, float alpha, int *value) {
    const uwc_tensor *given;
    uwc_tensor *own = NULL;
    char text[128];
    UWC_TRY(uwc_onnx__constant(im, node, 1, &given));
    UWC_CHECK(given != NULL, UWC_E_FORMAT, "input 1 is missing");
    UWC_CHECK(given->shape.rank == 2 && given->dtype == UWC_F32, UWC_E_UNSUPPORTED,
              "weights %s of %s, only two dimensions of float32 are supported", uwc_shape_print(given->shape, text),
              uwc_dtype_name(given->dtype));
    if (flip) {
        int64_t rows = given->shape.dim[0], cols = given->shape.dim[1];
        UWC_TRY(uwc_onnx__tensor_create(im, UWC_F32, uwc_shape_2d(cols, rows), &own));
        transpose(given->f32, rows, cols, own->f32);
    } else {
        UWC_TRY(uwc_onnx__constant_take(im, node, 1, &own));
    }
    multiply(own, alpha);
    return uwc_onnx__add_constant(im, node->input[1], own, value);
}

/* Bias [N] from anything that broadcasts along the images, times beta. */
static uwc_status add_bias(uwc_onnx__import *im, const uwc_onnx__node *node, size_t index, int64_t rows, float beta, int *value) {
    const uwc_tensor *given;
    uwc_tensor *own;
    char text[128];
    UWC_TRY(uwc_onnx__constant(im, node, index, &given));
    UWC_CHECK(given->dtype == UWC_F32, UWC_E_UNSUPPORTED, "input %zu is %s, not float32", index, uwc_dtype_name(given->dtype));
    int64_t count = uwc_shape_count(given->shape), last = given->shape.rank == 0 ? 1 : given->shape.dim[given->shape.rank - 1];
    UWC_CHECK(given->shape.rank <= 2 && count == last && (count == 1 || count == rows), UWC_E_SHAPE, "bias %s for %lld outputs",
              uwc_shape_print(given->shape, text), (long long)rows);
    UWC_TRY(uwc_onnx__tensor_create(im, UWC_F32, uwc_shape_1d(rows), &own));
    for (int64_t i = 0; i < rows; i++) {
        own->f32[i] = given->f32[count == 1 ? 0 : i];
    }
    multiply(own, beta);
    return uwc_onnx__add_constant(im, node->input[index], own, value);
}

static uwc_status set_weights(uwc_onnx__import *im, const uwc_onnx__node *node, bool flip, int index) {
    const uwc_onnx__entry *entry = uwc_onnx__input(im, node, 1);
    uwc_weights *quantized;
    UWC_TRY(uwc_onnx__quantized_weights(entry, flip, &quantized));
    uwc_onnx__set_weights(im->graph, index, quantized, entry->lattice != NULL && entry->lattice->asymmetric);
    return UWC_OK;
}

uwc_status uwc_onnx__import_gemm(uwc_onnx__import *im, const uwc_onnx__node *node) {
    bool trans_a, trans_b;
    float alpha, beta;
    uwc_op op = uwc_op_make(UWC_OP_LINEAR);
    int in[3], n_in = 2, index;
    UWC_TRY(uwc_onnx__attribute_bool(node, "transA", false, &trans_a));
    UWC_TRY(uwc_onnx__attribute_bool(node, "transB", false, &trans_b));
    UWC_TRY(uwc_onnx__attribute_float(node, "alpha", 1, &alpha));
    UWC_TRY(uwc_onnx__attribute_float(node, "beta", 1, &beta));
    UWC_CHECK(!trans_a, UWC_E_UNSUPPORTED, "transA = 1");
    UWC_TRY(uwc_onnx__activation(im, node, 0, true, &in[0]));
    int rank = im->graph->value[in[0]].shape.rank;
    UWC_CHECK(rank == 2, UWC_E_SHAPE, "input of %d dimensions instead of 2", rank);
    UWC_TRY(add_weights(im, node, !trans_b, alpha, &in[1]));
    if (uwc_onnx__input_name(node, 2) != NULL) {
        UWC_TRY(add_bias(im, node, 2, im->graph->value[in[1]].shape.dim[0], beta, &in[n_in++]));
    }
    UWC_TRY(uwc_onnx__emit(im, node, node->output[0], &op, in, n_in, &index));
    return alpha == 1.0f ? set_weights(im, node, !trans_b, index) : UWC_OK;
}

/* The Add of a constant [N] that alone reads a MatMul: its bias. NULL where there is none; *index is the Add's constant input. */
static const uwc_onnx__node *find_bias(const uwc_onnx__import *im, const uwc_onnx__node *node, int64_t rows, size_t *index) {
    const uwc_onnx__entry *product = uwc_onnx__names_find(&im->names, node->output[0]);
    if (product->n_readers != 1 || product->reader < 0) {
        return NULL;
    }
    const uwc_onnx__node *reader = im->file->node[product->reader];
    if (strcmp(reader->op_type, "Add") != 0 || reader->n_input != 2 || reader->n_output == 0 || reader->output[0][0] == '\0') {
        return NULL;
    }
    *index = strcmp(reader->input[0], node->output[0]) == 0 ? 1 : 0;
    const uwc_onnx__entry *bias = uwc_onnx__input(im, reader, *index);
    if (bias == NULL || !uwc_onnx__is_constant(bias)) {
        return NULL;
    }
    bool vector = bias->constant != NULL ? bias->constant->shape.rank == 1 && bias->constant->shape.dim[0] == rows
                                         : bias->initializer->n_dims == 1 && bias->initializer->dims[0] == rows;
    return vector ? reader : NULL;
}

uwc_status uwc_onnx__import_matmul(uwc_onnx__import *im, const uwc_onnx__node *node) {
    uwc_op op = uwc_op_make(UWC_OP_LINEAR);
    int in[3], n_in = 2, index;
    size_t which;
    UWC_TRY(uwc_onnx__activation(im, node, 0, true, &in[0]));
    UWC_TRY(add_weights(im, node, true, 1, &in[1]));
    int64_t rows = im->graph->value[in[1]].shape.dim[0];
    const char *output = node->output[0];
    const uwc_onnx__node *sum = find_bias(im, node, rows, &which);
    if (sum != NULL) {
        UWC_TRY(add_bias(im, sum, which, rows, 1, &in[n_in++]));
        im->done[uwc_onnx__names_find(&im->names, output)->reader] = true;
        output = sum->output[0];
    }
    UWC_TRY(uwc_onnx__emit(im, node, output, &op, in, n_in, &index));
    return set_weights(im, node, true, index);
}
