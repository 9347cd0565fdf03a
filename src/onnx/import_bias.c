/* The bias of a weighted operator: its third input, or an Add of a constant behind it. */
#include "onnx_impl.h"

#include <string.h>

uwc_status uwc_onnx__add_bias(uwc_onnx__import *im, const uwc_onnx__node *node, size_t index, int64_t rows, float factor, int *value) {
    const uwc_tensor *given;
    uwc_tensor *own;
    char text[128];
    UWC_TRY(uwc_onnx__constant(im, node, index, &given));
    UWC_CHECK(given->dtype == UWC_F32, UWC_E_UNSUPPORTED, "input %zu is %s, not float32", index, uwc_dtype_name(given->dtype));
    int64_t count = uwc_shape_count(given->shape);
    UWC_CHECK(count == 1 || count == rows, UWC_E_SHAPE, "bias %s for %lld outputs", uwc_shape_print(given->shape, text), (long long)rows);
    UWC_TRY(uwc_onnx__tensor_create(im, UWC_F32, uwc_shape_1d(rows), &own));
    for (int64_t i = 0; i < rows; i++) {
        own->f32[i] = given->f32[count == 1 ? 0 : i];
    }
    for (int64_t i = 0; factor != 1.0f && i < rows; i++) {
        own->f32[i] *= factor;
    }
    return uwc_onnx__add_constant(im, node->input[index], own, value);
}

/* [rows] with `behind` dimensions of 1 behind it, and any number in front. */
static bool is_along_rows(uwc_shape shape, int64_t rows, int behind) {
    int axis = shape.rank - 1 - behind;
    for (int i = 0; i < shape.rank; i++) {
        if (shape.dim[i] != (i == axis ? rows : 1)) {
            return false;
        }
    }
    return axis >= 0;
}

uwc_status uwc_onnx__find_bias(uwc_onnx__import *im, const uwc_onnx__node *node, int64_t rows, int rank, int behind,
                               const uwc_onnx__node **sum, size_t *index) {
    const uwc_onnx__entry *product = uwc_onnx__names_find(&im->names, node->output[0]);
    *sum = NULL;
    if (product->n_readers != 1 || product->reader < 0) {
        return UWC_OK;
    }
    const uwc_onnx__node *reader = im->file->node[product->reader];
    if (strcmp(reader->op_type, "Add") != 0 || reader->n_input != 2) {
        return UWC_OK;
    }
    *index = strcmp(reader->input[0], node->output[0]) == 0 ? 1 : 0;
    const uwc_onnx__entry *bias = uwc_onnx__input(im, reader, *index);
    if (bias == NULL || !uwc_onnx__is_constant(bias)) {
        return UWC_OK;
    }
    const uwc_tensor *tensor;
    UWC_TRY(uwc_onnx__constant(im, reader, *index, &tensor));
    if (tensor->dtype == UWC_F32 && tensor->shape.rank <= rank && is_along_rows(tensor->shape, rows, behind)) {
        *sum = reader;
        im->done[product->reader] = true;
    }
    return UWC_OK;
}
