/* Activation functions, Pow, Sqrt and LayerNormalization. */
#include "onnx_impl.h"

#include <string.h>

uwc_status uwc_onnx__import_hard_sigmoid(uwc_onnx__import *im, const uwc_onnx__node *node) {
    uwc_op op = uwc_op_make(UWC_OP_HARD_SIGMOID);
    UWC_TRY(uwc_onnx__attribute_float(node, "alpha", op.alpha, &op.alpha));
    UWC_TRY(uwc_onnx__attribute_float(node, "beta", op.beta, &op.beta));
    return uwc_onnx__emit_unary(im, node, &op);
}

uwc_status uwc_onnx__import_hard_swish(uwc_onnx__import *im, const uwc_onnx__node *node) {
    uwc_op op = uwc_op_make(UWC_OP_HARD_SWISH);
    return uwc_onnx__emit_unary(im, node, &op);
}

uwc_status uwc_onnx__import_gelu(uwc_onnx__import *im, const uwc_onnx__node *node) {
    uwc_op op = uwc_op_make(UWC_OP_GELU);
    char form[32];
    UWC_TRY(uwc_onnx__attribute_text(node, "approximate", "none", form));
    UWC_CHECK(strcmp(form, "none") == 0, UWC_E_UNSUPPORTED, "approximate \"%s\", only \"none\" is supported", form);
    return uwc_onnx__emit_unary(im, node, &op);
}

uwc_status uwc_onnx__import_erf(uwc_onnx__import *im, const uwc_onnx__node *node) {
    uwc_op op = uwc_op_make(UWC_OP_ERF);
    return uwc_onnx__emit_unary(im, node, &op);
}

uwc_status uwc_onnx__import_sqrt(uwc_onnx__import *im, const uwc_onnx__node *node) {
    uwc_op op = uwc_op_make(UWC_OP_SQRT);
    return uwc_onnx__emit_unary(im, node, &op);
}

/* The square, as a product. */
uwc_status uwc_onnx__import_pow(uwc_onnx__import *im, const uwc_onnx__node *node) {
    uwc_op op = uwc_op_make(UWC_OP_MUL);
    const uwc_tensor *exponent;
    int value;
    UWC_TRY(uwc_onnx__activation(im, node, 0, false, &value));
    UWC_TRY(uwc_onnx__constant(im, node, 1, &exponent));
    UWC_CHECK(exponent != NULL && uwc_shape_count(exponent->shape) == 1, UWC_E_UNSUPPORTED, "exponent is not one number");
    bool square = exponent->dtype == UWC_F32   ? exponent->f32[0] == 2
                  : exponent->dtype == UWC_I64 ? exponent->i64[0] == 2
                                               : exponent->dtype == UWC_I32 && exponent->i32[0] == 2;
    UWC_CHECK(square, UWC_E_UNSUPPORTED, "exponent other than 2");
    return uwc_onnx__emit(im, node, node->output[0], &op, (int[]){value, value}, 2, NULL);
}

uwc_status uwc_onnx__import_layer_norm(uwc_onnx__import *im, const uwc_onnx__node *node) {
    uwc_op op = uwc_op_make(UWC_OP_LAYER_NORM);
    uwc_shape shape;
    uwc_tensor *zero;
    int in[3], axis;
    UWC_TRY(uwc_onnx__attribute_float(node, "epsilon", op.epsilon, &op.epsilon));
    UWC_TRY(uwc_onnx__attribute_axis(node, "axis", -1, &op.axis));
    UWC_TRY(uwc_onnx__value_shape(im, node, 0, &shape));
    UWC_TRY(uwc_onnx__axis(op.axis, shape.rank, &axis));
    UWC_CHECK(axis == shape.rank - 1, UWC_E_UNSUPPORTED, "over axis %d and those behind it, only the last one is supported", axis);
    UWC_CHECK(op.epsilon >= 0, UWC_E_VALUE, "epsilon is %g", (double)op.epsilon);
    UWC_TRY(uwc_onnx__activation(im, node, 0, false, &in[0]));
    UWC_TRY(uwc_onnx__operand(im, node, 1, &in[1]));
    if (uwc_onnx__input_name(node, 2) != NULL) {
        UWC_TRY(uwc_onnx__operand(im, node, 2, &in[2]));
    } else {
        UWC_TRY(uwc_onnx__tensor_create(im, UWC_F32, uwc_shape_1d(shape.dim[axis]), &zero));
        UWC_TRY(uwc_onnx__add_constant(im, node->input[1], zero, &in[2]));
    }
    return uwc_onnx__emit(im, node, node->output[0], &op, in, 3, NULL);
}
