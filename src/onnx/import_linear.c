/* Gemm and MatMul by a constant become Linear: x W^T + b with W [N,K] and b [N]. */
#include "onnx_impl.h"

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

static uwc_status set_weights(uwc_onnx__import *im, const uwc_onnx__node *node, bool flip, int index) {
    const uwc_onnx__entry *entry = uwc_onnx__input(im, node, 1);
    uwc_weights *quantized;
    UWC_TRY(uwc_onnx__quantized_weights(entry, flip, &quantized));
    uwc_onnx__set_weights(im->graph, index, quantized, entry->lattice != NULL && entry->lattice->asymmetric);
    return UWC_OK;
}

/* C of Gemm broadcasts to [M,N]; M is the number of images. */
static uwc_status check_gemm_bias(uwc_onnx__import *im, const uwc_onnx__node *node) {
    const uwc_tensor *bias;
    char text[128];
    UWC_TRY(uwc_onnx__constant(im, node, 2, &bias));
    int64_t last = bias->shape.rank == 0 ? 1 : bias->shape.dim[bias->shape.rank - 1];
    UWC_CHECK(bias->shape.rank <= 2 && uwc_shape_count(bias->shape) == last, UWC_E_SHAPE, "bias %s", uwc_shape_print(bias->shape, text));
    return UWC_OK;
}

typedef struct linear {
    bool flip; /* weights are [K,N] */
    float alpha, beta;
} linear;

static uwc_status emit_linear(uwc_onnx__import *im, const uwc_onnx__node *node, const linear *how) {
    uwc_op op = uwc_op_make(UWC_OP_LINEAR);
    int in[3], n_in = 2, index;
    const uwc_onnx__node *sum = NULL;
    size_t which;
    UWC_TRY(uwc_onnx__activation(im, node, 0, true, &in[0]));
    UWC_TRY(add_weights(im, node, how->flip, how->alpha, &in[1]));
    int64_t rows = im->graph->value[in[1]].shape.dim[0];
    if (uwc_onnx__input_name(node, 2) != NULL) {
        UWC_TRY(uwc_onnx__add_bias(im, node, 2, rows, how->beta, &in[n_in++]));
    } else {
        UWC_TRY(uwc_onnx__find_bias(im, node, rows, im->graph->value[in[0]].shape.rank, 0, &sum, &which));
    }
    if (sum != NULL) {
        UWC_TRY(uwc_onnx__add_bias(im, sum, which, rows, 1, &in[n_in++]));
    }
    UWC_TRY(uwc_onnx__emit(im, node, sum != NULL ? sum->output[0] : node->output[0], &op, in, n_in, &index));
    return how->alpha == 1.0f ? set_weights(im, node, how->flip, index) : UWC_OK;
}

uwc_status uwc_onnx__import_gemm(uwc_onnx__import *im, const uwc_onnx__node *node) {
    bool trans_a, trans_b;
    uwc_shape shape;
    linear how;
    UWC_TRY(uwc_onnx__attribute_bool(node, "transA", false, &trans_a));
    UWC_TRY(uwc_onnx__attribute_bool(node, "transB", false, &trans_b));
    UWC_TRY(uwc_onnx__attribute_float(node, "alpha", 1, &how.alpha));
    UWC_TRY(uwc_onnx__attribute_float(node, "beta", 1, &how.beta));
    how.flip = !trans_b;
    UWC_CHECK(!trans_a, UWC_E_UNSUPPORTED, "transA = 1");
    UWC_TRY(uwc_onnx__value_shape(im, node, 0, &shape));
    UWC_CHECK(shape.rank == 2, UWC_E_SHAPE, "input of %d dimensions instead of 2", shape.rank);
    if (uwc_onnx__input_name(node, 2) != NULL) {
        UWC_TRY(check_gemm_bias(im, node));
    }
    return emit_linear(im, node, &how);
}

uwc_status uwc_onnx__import_matmul(uwc_onnx__import *im, const uwc_onnx__node *node) {
    UWC_CHECK(node->n_input == 2, UWC_E_FORMAT, "%zu inputs", node->n_input);
    return emit_linear(im, node, &(linear){.flip = true, .alpha = 1, .beta = 1});
}
