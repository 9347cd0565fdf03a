/* Gather of activations: one place along an axis, or all elements in their order. */
#include "onnx_impl.h"

#include <string.h>

/* torch.as_strided comes as all elements in one row, from which a Gather takes them in the same order: another name of the input until
 * then. */
bool uwc_onnx__flattens_for_gather(const uwc_onnx__import *im, const uwc_onnx__node *node, const int64_t *dim, int n) {
    const uwc_onnx__entry *output = uwc_onnx__names_find(&im->names, node->output[0]), *input = uwc_onnx__input(im, node, 0);
    bool private = n == 1 && dim[0] == -1 && output->n_readers == 1 && output->reader >= 0;
    const uwc_onnx__node *reader = private ? im->file->node[output->reader] : NULL;
    return reader != NULL && strcmp(reader->op_type, "Gather") == 0 && uwc_onnx__input(im, reader, 0) == output &&
           input->quantizer.bits == 0;
}

uwc_status uwc_onnx__import_flat(uwc_onnx__import *im, const uwc_onnx__node *node) {
    uwc_onnx__entry *output = uwc_onnx__names_find(&im->names, node->output[0]);
    uwc_shape shape;
    UWC_TRY(uwc_onnx__value_shape(im, node, 0, &shape));
    output->state = UWC_ONNX__ACTIVATION;
    output->value = uwc_onnx__input(im, node, 0)->value;
    output->is_flat = true;
    return UWC_OK;
}

/* With the batch counted as 1 the indices must be 0, 1, 2 ...; what they are for more images follows, as images are not mixed. */
static uwc_status import_all(uwc_onnx__import *im, const uwc_onnx__node *node, const uwc_tensor *index, int axis) {
    const uwc_onnx__entry *input = uwc_onnx__input(im, node, 0);
    uwc_op op = uwc_op_make(UWC_OP_RESHAPE);
    int64_t count = uwc_shape_count(index->shape);
    UWC_CHECK(axis == 0 && index->shape.rank > 0, UWC_E_UNSUPPORTED, "one of all elements");
    UWC_CHECK(count == uwc_shape_count(im->graph->value[input->value].shape), UWC_E_UNSUPPORTED, "of a part of the elements");
    for (int64_t i = 0; i < count; i++) {
        UWC_CHECK(index->i64[i] == i, UWC_E_UNSUPPORTED, "index %lld in place %lld: another order of elements", (long long)index->i64[i],
                  (long long)i);
    }
    im->edge[input->value].other_raw = true;
    op.target = index->shape;
    return uwc_onnx__emit(im, node, node->output[0], &op, &input->value, 1, NULL);
}

/* x[:, i]: a slice of one element, and the axis away. */
static uwc_status import_one(uwc_onnx__import *im, const uwc_onnx__node *node, int64_t index, int axis) {
    uwc_op slice = uwc_op_make(UWC_OP_SLICE), reshape = uwc_op_make(UWC_OP_RESHAPE);
    uwc_shape shape;
    int value, part;
    UWC_TRY(uwc_onnx__value_shape(im, node, 0, &shape));
    UWC_TRY(uwc_onnx__axis(axis, shape.rank, &axis));
    UWC_CHECK(axis > 0, UWC_E_UNSUPPORTED, "one of the images");
    UWC_CHECK(index >= -shape.dim[axis] && index < shape.dim[axis], UWC_E_SHAPE, "index %lld of %lld elements", (long long)index,
              (long long)shape.dim[axis]);
    slice.start[axis] = index < 0 ? index + shape.dim[axis] : index;
    slice.end[axis] = slice.start[axis] + 1;
    for (int i = 0; i < shape.rank; i++) {
        if (i != axis) {
            reshape.target.dim[reshape.target.rank++] = shape.dim[i];
        }
    }
    UWC_TRY(uwc_onnx__activation(im, node, 0, false, &value));
    UWC_TRY(uwc_onnx__emit_between(im, node, &slice, &value, 1, &part));
    return uwc_onnx__emit(im, node, node->output[0], &reshape, &part, 1, NULL);
}

uwc_status uwc_onnx__import_gather(uwc_onnx__import *im, const uwc_onnx__node *node) {
    const uwc_onnx__entry *input = uwc_onnx__input(im, node, 0);
    const uwc_tensor *index;
    int axis;
    UWC_TRY(uwc_onnx__constant(im, node, 1, &index));
    UWC_TRY(uwc_onnx__attribute_axis(node, "axis", 0, &axis));
    UWC_CHECK(index != NULL && index->dtype == UWC_I64, UWC_E_FORMAT, "indices are missing or not int64");
    if (input != NULL && input->is_flat) {
        return import_all(im, node, index, axis);
    }
    UWC_CHECK(index->shape.rank == 0, UWC_E_UNSUPPORTED, "of several places, only one is supported");
    return import_one(im, node, index->i64[0], axis);
}
