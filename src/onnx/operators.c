/* The one table of operator types that can be imported. */
#include "onnx_impl.h"

#include <string.h>

#define IMPORT(name) uwc_onnx__import_##name
#define FOLD(name) uwc_onnx__fold_##name

static const uwc_onnx__operator table[] = {
    {"Conv", 7, "Conv", "two dimensions; weights and bias constant", IMPORT(conv), NULL},
    {"Gemm", 7, "Linear", "transA = 0; B and C constant, C one row", IMPORT(gemm), NULL},
    {"MatMul", 7, "Linear, Conv", "B a constant of two dimensions; an Add of a constant row behind it becomes the bias", IMPORT(matmul),
     NULL},
    {"BatchNormalization", 7, "Conv, Linear", "inference; folded into the layer in front, else a depthwise Conv", IMPORT(batch_norm), NULL},
    {"LayerNormalization", 17, "LayerNormalization", "over the last axis; scale and bias constant", IMPORT(layer_norm), NULL},
    {"Relu", 7, "Relu", "", IMPORT(relu), NULL},
    {"Clip", 7, "Clip", "bounds constant", IMPORT(clip), NULL},
    {"LeakyRelu", 7, "LeakyRelu", "", IMPORT(leaky_relu), NULL},
    {"Sigmoid", 7, "Sigmoid", "with Mul by its input: Silu", IMPORT(sigmoid), NULL},
    {"Tanh", 7, "Tanh", "", IMPORT(tanh), NULL},
    {"HardSigmoid", 7, "HardSigmoid", "with Mul by its input and alpha = 1/6, beta = 1/2: HardSwish", IMPORT(hard_sigmoid), NULL},
    {"HardSwish", 14, "HardSwish", "", IMPORT(hard_swish), NULL},
    {"Gelu", 20, "Gelu", "approximate = none", IMPORT(gelu), NULL},
    {"Erf", 9, "Erf", "in x (1 + erf(x / sqrt(2))) / 2: Gelu", IMPORT(erf), NULL},
    {"Sqrt", 7, "Sqrt", "", IMPORT(sqrt), NULL},
    {"Pow", 7, "Mul", "exponent 2", IMPORT(pow), NULL},
    {"Softmax", 7, "Softmax", "one axis, not the batch", IMPORT(softmax), NULL},
    {"Add", 7, "Add", "at most one constant; activations of the same rank", IMPORT(add), FOLD(add)},
    {"Sub", 7, "Sub", "as Add", IMPORT(sub), FOLD(sub)},
    {"Mul", 7, "Mul", "as Add; a constant per channel behind a layer goes into its weights", IMPORT(mul), FOLD(mul)},
    {"Div", 7, "Div", "as Add", IMPORT(div), FOLD(div)},
    {"Concat", 7, "Concat", "activations, not along the batch", IMPORT(concat), FOLD(concat)},
    {"MaxPool", 7, "MaxPool", "two dimensions; dilations 1; no indices", IMPORT(max_pool), NULL},
    {"AveragePool", 7, "AveragePool", "two dimensions; dilations 1", IMPORT(average_pool), NULL},
    {"GlobalAveragePool", 7, "GlobalAveragePool", "two dimensions", IMPORT(global_average_pool), NULL},
    {"ReduceMean", 7, "ReduceMean", "axes constant, not the batch", IMPORT(reduce_mean), NULL},
    {"Flatten", 7, "Reshape", "the batch stays in front", IMPORT(flatten), NULL},
    {"Reshape", 7, "Reshape", "shape constant; the batch stays in front", IMPORT(reshape), FOLD(reshape)},
    {"Transpose", 7, "Transpose", "the batch stays in front", IMPORT(transpose), FOLD(transpose)},
    {"Slice", 7, "Slice", "steps > 0, not of the batch", IMPORT(slice), FOLD(slice)},
    {"Split", 7, "Slice", "sizes constant, not of the batch; a Slice per part", IMPORT(split), NULL},
    {"Pad", 7, "Pad", "mode constant, pads >= 0, not of the batch", IMPORT(pad), NULL},
    {"Squeeze", 7, "Reshape", "axes given, not the batch", IMPORT(squeeze), FOLD(squeeze)},
    {"Unsqueeze", 7, "Reshape", "not in front of the batch", IMPORT(unsqueeze), FOLD(unsqueeze)},
    {"Identity", 7, "Identity", "none is left where no name needs it", IMPORT(identity), FOLD(identity)},
    {"Dropout", 7, "Identity", "inference", IMPORT(dropout), NULL},
    {"QuantizeLinear", 10, "a quantizer", "one float32 scale; int8 or uint8; DequantizeLinear behind it", IMPORT(quantize), NULL},
    {"DequantizeLinear", 10, "quantized weights", "of constants per row or tensor, or behind QuantizeLinear", IMPORT(dequantize), NULL},
    {"Shape", 7, "a constant", "the batch counts as 1", IMPORT(shape), NULL},
    {"Constant", 7, "", "value, value_int(s), value_float(s)", NULL, FOLD(constant)},
    {"ConstantOfShape", 9, "", "", NULL, FOLD(constant_of_shape)},
    {"Gather", 7, "Slice, Reshape",
     "of activations: one place along an axis, not the batch; or all elements in their order, as torch.as_strided writes it",
     IMPORT(gather), FOLD(gather)},
    {"Cast", 7, "", "float, double, int32, int64, bool", NULL, FOLD(cast)},
    {"Range", 11, "", "int64", NULL, FOLD(range)},
    {"Floor", 7, "", "float32", NULL, FOLD(floor)},
};

enum { COUNT = sizeof table / sizeof *table };

const uwc_onnx__operator *uwc_onnx__operator_find(const char *type) {
    for (int i = 0; i < COUNT; i++) {
        if (strcmp(table[i].name, type) == 0) {
            return &table[i];
        }
    }
    return NULL;
}

void uwc_onnx__operator_list(char *text, size_t bytes) {
    size_t used = 0;
    text[0] = '\0';
    for (int i = 0; i < COUNT && used < bytes; i++) {
        int more = snprintf(text + used, bytes - used, "%s%s", i == 0 ? "" : " ", table[i].name);
        used += more > 0 ? (size_t)more : 0;
    }
}

bool uwc_onnx_operator(int index, uwc_onnx_operator_info *out) {
    if (index < 0 || index >= COUNT) {
        return false;
    }
    const uwc_onnx__operator *row = &table[index];
    *out = (uwc_onnx_operator_info){
        .name = row->name, .since = row->since, .becomes = row->becomes, .limits = row->limits, .folds = row->fold != NULL};
    return true;
}
