/* Operators that work element by element, normalisation and Softmax. */
#include "onnx_impl.h"

#include <float.h>

uwc_status uwc_onnx__import_relu(uwc_onnx__import *im, const uwc_onnx__node *node) {
    uwc_op op = uwc_op_make(UWC_OP_RELU);
    return uwc_onnx__emit_unary(im, node, &op);
}

uwc_status uwc_onnx__import_sigmoid(uwc_onnx__import *im, const uwc_onnx__node *node) {
    uwc_op op = uwc_op_make(UWC_OP_SIGMOID);
    return uwc_onnx__emit_unary(im, node, &op);
}

uwc_status uwc_onnx__import_tanh(uwc_onnx__import *im, const uwc_onnx__node *node) {
    uwc_op op = uwc_op_make(UWC_OP_TANH);
    return uwc_onnx__emit_unary(im, node, &op);
}

/* Only an output of the graph needs a node, for its name; else the output is another name of the input, behind the same quantizer. */
uwc_status uwc_onnx__import_identity(uwc_onnx__import *im, const uwc_onnx__node *node) {
    uwc_op op = uwc_op_make(UWC_OP_IDENTITY);
    uwc_shape shape;
    uwc_onnx__entry *output = uwc_onnx__names_find(&im->names, node->output[0]);
    if (output->is_output) {
        return uwc_onnx__emit_unary(im, node, &op);
    }
    UWC_TRY(uwc_onnx__value_shape(im, node, 0, &shape));
    const uwc_onnx__entry *input = uwc_onnx__input(im, node, 0);
    output->state = UWC_ONNX__ACTIVATION;
    output->value = input->value;
    output->quantizer = input->quantizer;
    return UWC_OK;
}

uwc_status uwc_onnx__import_dropout(uwc_onnx__import *im, const uwc_onnx__node *node) {
    const uwc_tensor *training;
    UWC_TRY(uwc_onnx__constant(im, node, 2, &training));
    UWC_CHECK(training == NULL || (training->dtype == UWC_BOOL && uwc_shape_count(training->shape) == 1), UWC_E_FORMAT,
              "input 2 is not one bool");
    UWC_CHECK(training == NULL || training->u8[0] == 0, UWC_E_UNSUPPORTED, "training_mode is set");
    return uwc_onnx__import_identity(im, node);
}

uwc_status uwc_onnx__import_leaky_relu(uwc_onnx__import *im, const uwc_onnx__node *node) {
    uwc_op op = uwc_op_make(UWC_OP_LEAKY_RELU);
    UWC_TRY(uwc_onnx__attribute_float(node, "alpha", 0.01f, &op.alpha));
    return uwc_onnx__emit_unary(im, node, &op);
}

/* The Clip of a quantizer is no node of the graph: its output is another name of its input. */
static uwc_status alias_of_input(uwc_onnx__import *im, const uwc_onnx__node *node, int bits) {
    const uwc_onnx__entry *input = uwc_onnx__input(im, node, 0);
    uwc_onnx__entry *output = uwc_onnx__names_find(&im->names, node->output[0]);
    output->state = UWC_ONNX__ACTIVATION;
    output->value = input->value;
    output->clip_bits = bits;
    return UWC_OK;
}

uwc_status uwc_onnx__import_clip(uwc_onnx__import *im, const uwc_onnx__node *node) {
    uwc_op op = uwc_op_make(UWC_OP_CLIP);
    uwc_shape shape;
    int bits;
    UWC_TRY(uwc_onnx__attribute_float(node, "min", -FLT_MAX, &op.low));
    UWC_TRY(uwc_onnx__attribute_float(node, "max", FLT_MAX, &op.high));
    UWC_TRY(uwc_onnx__constant_float(im, node, 1, &op.low));
    UWC_TRY(uwc_onnx__constant_float(im, node, 2, &op.high));
    UWC_TRY(uwc_onnx__value_shape(im, node, 0, &shape));
    UWC_TRY(uwc_onnx__clip_of_quantizer(im, node, op.low, op.high, &bits));
    return bits > 0 ? alias_of_input(im, node, bits) : uwc_onnx__emit_unary(im, node, &op);
}

/* Before operator set 13 all axes from `axis` on are one: the same as one axis where the others have one element. */
static uwc_status old_softmax_axis(uwc_shape shape, int *axis) {
    char text[128];
    UWC_TRY(uwc_onnx__axis(*axis, shape.rank, axis));
    int first = *axis, longer = 0;
    for (int i = first; i < shape.rank; i++) {
        if (shape.dim[i] > 1) {
            *axis = i;
            longer++;
        }
    }
    UWC_CHECK(first > 0 && longer <= 1, UWC_E_UNSUPPORTED, "over all axes of %s from %d on", uwc_shape_print(shape, text), first);
    return UWC_OK;
}

uwc_status uwc_onnx__import_softmax(uwc_onnx__import *im, const uwc_onnx__node *node) {
    uwc_op op = uwc_op_make(UWC_OP_SOFTMAX);
    uwc_shape shape;
    UWC_TRY(uwc_onnx__value_shape(im, node, 0, &shape));
    UWC_TRY(uwc_onnx__attribute_axis(node, "axis", im->opset < 13 ? 1 : -1, &op.axis));
    if (im->opset < 13) {
        UWC_TRY(old_softmax_axis(shape, &op.axis));
    }
    return uwc_onnx__emit_unary(im, node, &op);
}

/* Shapes are aligned at their ends: with another rank, the batch of one input would meet another axis of the other. */
static uwc_status check_alignment(const uwc_value *a, const uwc_value *b) {
    char text[128], other[128];
    bool aligned = (a->constant != NULL && a->shape.rank < b->shape.rank) || (b->constant != NULL && b->shape.rank < a->shape.rank) ||
                   a->shape.rank == b->shape.rank;
    UWC_CHECK(aligned, UWC_E_UNSUPPORTED, "shapes %s and %s: the batch would not meet the batch", uwc_shape_print(a->shape, text),
              uwc_shape_print(b->shape, other));
    return UWC_OK;
}

static uwc_status import_binary(uwc_onnx__import *im, const uwc_onnx__node *node, uwc_op_kind kind) {
    uwc_op op = uwc_op_make(kind);
    int in[2];
    UWC_TRY(uwc_onnx__operand(im, node, 0, &in[0]));
    UWC_TRY(uwc_onnx__operand(im, node, 1, &in[1]));
    UWC_TRY(check_alignment(&im->graph->value[in[0]], &im->graph->value[in[1]]));
    return uwc_onnx__emit(im, node, node->output[0], &op, in, 2, NULL);
}

uwc_status uwc_onnx__import_add(uwc_onnx__import *im, const uwc_onnx__node *node) {
    return import_binary(im, node, UWC_OP_ADD);
}

uwc_status uwc_onnx__import_sub(uwc_onnx__import *im, const uwc_onnx__node *node) {
    return import_binary(im, node, UWC_OP_SUB);
}

uwc_status uwc_onnx__import_mul(uwc_onnx__import *im, const uwc_onnx__node *node) {
    return import_binary(im, node, UWC_OP_MUL);
}

uwc_status uwc_onnx__import_div(uwc_onnx__import *im, const uwc_onnx__node *node) {
    return import_binary(im, node, UWC_OP_DIV);
}

uwc_status uwc_onnx__import_batch_norm(uwc_onnx__import *im, const uwc_onnx__node *node) {
    uwc_op op = uwc_op_make(UWC_OP_BATCH_NORM);
    bool training;
    int64_t spatial;
    int in[5];
    UWC_TRY(uwc_onnx__attribute_float(node, "epsilon", 1e-5f, &op.epsilon));
    UWC_TRY(uwc_onnx__attribute_bool(node, "training_mode", false, &training));
    UWC_TRY(uwc_onnx__attribute_int(node, "spatial", 1, &spatial));
    UWC_CHECK(!training && spatial == 1, UWC_E_UNSUPPORTED, "training_mode %d, spatial %lld", training, (long long)spatial);
    for (size_t i = 0; i < 5; i++) {
        const uwc_tensor *tensor;
        if (i == 0) { /* it becomes part of a layer, or one */
            UWC_TRY(uwc_onnx__activation(im, node, i, true, &in[i]));
            continue;
        }
        UWC_TRY(uwc_onnx__constant(im, node, i, &tensor));
        UWC_TRY(uwc_onnx__operand(im, node, i, &in[i]));
    }
    return uwc_onnx__emit(im, node, node->output[0], &op, in, 5, NULL);
}
