/* The one table of operator types that can be imported. */
#include "onnx_impl.h"

#include <string.h>

#define IMPORT(name) uwc_onnx__import_##name
#define FOLD(name) uwc_onnx__fold_##name

static const uwc_onnx__operator table[] = {
    {"Conv", IMPORT(conv), NULL},
    {"Gemm", IMPORT(gemm), NULL},
    {"MatMul", IMPORT(matmul), NULL},
    {"BatchNormalization", IMPORT(batch_norm), NULL},
    {"LayerNormalization", IMPORT(layer_norm), NULL},
    {"Relu", IMPORT(relu), NULL},
    {"Clip", IMPORT(clip), NULL},
    {"LeakyRelu", IMPORT(leaky_relu), NULL},
    {"Sigmoid", IMPORT(sigmoid), NULL},
    {"Tanh", IMPORT(tanh), NULL},
    {"HardSigmoid", IMPORT(hard_sigmoid), NULL},
    {"HardSwish", IMPORT(hard_swish), NULL},
    {"Gelu", IMPORT(gelu), NULL},
    {"Erf", IMPORT(erf), NULL},
    {"Sqrt", IMPORT(sqrt), NULL},
    {"Pow", IMPORT(pow), NULL},
    {"Softmax", IMPORT(softmax), NULL},
    {"Add", IMPORT(add), FOLD(add)},
    {"Sub", IMPORT(sub), FOLD(sub)},
    {"Mul", IMPORT(mul), FOLD(mul)},
    {"Div", IMPORT(div), FOLD(div)},
    {"Concat", IMPORT(concat), FOLD(concat)},
    {"MaxPool", IMPORT(max_pool), NULL},
    {"AveragePool", IMPORT(average_pool), NULL},
    {"GlobalAveragePool", IMPORT(global_average_pool), NULL},
    {"ReduceMean", IMPORT(reduce_mean), NULL},
    {"Flatten", IMPORT(flatten), NULL},
    {"Reshape", IMPORT(reshape), FOLD(reshape)},
    {"Transpose", IMPORT(transpose), FOLD(transpose)},
    {"Slice", IMPORT(slice), FOLD(slice)},
    {"Split", IMPORT(split), NULL},
    {"Pad", IMPORT(pad), NULL},
    {"Squeeze", IMPORT(squeeze), FOLD(squeeze)},
    {"Unsqueeze", IMPORT(unsqueeze), FOLD(unsqueeze)},
    {"Identity", IMPORT(identity), FOLD(identity)},
    {"Dropout", IMPORT(dropout), NULL},
    {"QuantizeLinear", IMPORT(quantize), NULL},
    {"DequantizeLinear", IMPORT(dequantize), NULL},
    {"Shape", IMPORT(shape), NULL},
    {"Constant", NULL, FOLD(constant)},
    {"ConstantOfShape", NULL, FOLD(constant_of_shape)},
    {"Gather", IMPORT(gather), FOLD(gather)},
    {"Cast", NULL, FOLD(cast)},
    {"Range", NULL, FOLD(range)},
    {"Floor", NULL, FOLD(floor)},
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
