/* Constants that are moved, cut, joined or made. */
#include "onnx_impl.h"

#include <string.h>

static uwc_status first_input(uwc_onnx__import *im, const uwc_onnx__node *node, const uwc_tensor **out) {
    UWC_TRY(uwc_onnx__constant(im, node, 0, out));
    UWC_CHECK(*out != NULL, UWC_E_FORMAT, "input 0 is missing");
    return UWC_OK;
}

static uwc_status reshaped(uwc_onnx__import *im, const uwc_tensor *x, uwc_shape shape, uwc_tensor **out) {
    char text[128], other[128];
    UWC_CHECK(uwc_shape_count(shape) == uwc_shape_count(x->shape), UWC_E_SHAPE, "%s as %s", uwc_shape_print(x->shape, text),
              uwc_shape_print(shape, other));
    UWC_TRY(uwc_onnx__tensor_create(im, x->dtype, shape, out));
    memcpy((*out)->data, x->data, uwc_tensor_bytes(x));
    return UWC_OK;
}

uwc_status uwc_onnx__fold_identity(uwc_onnx__import *im, const uwc_onnx__node *node, uwc_tensor **out) {
    const uwc_tensor *x;
    UWC_TRY(first_input(im, node, &x));
    return reshaped(im, x, x->shape, out);
}

uwc_status uwc_onnx__fold_squeeze(uwc_onnx__import *im, const uwc_onnx__node *node, uwc_tensor **out) {
    const uwc_tensor *x;
    uwc_shape shape;
    bool mask[UWC_MAX_RANK];
    UWC_TRY(first_input(im, node, &x));
    UWC_TRY(uwc_onnx__squeezed(im, node, x->shape, mask, &shape));
    return reshaped(im, x, shape, out);
}

uwc_status uwc_onnx__fold_unsqueeze(uwc_onnx__import *im, const uwc_onnx__node *node, uwc_tensor **out) {
    const uwc_tensor *x;
    uwc_shape shape;
    bool mask[UWC_MAX_RANK];
    UWC_TRY(first_input(im, node, &x));
    UWC_TRY(uwc_onnx__unsqueezed(im, node, x->shape, mask, &shape));
    return reshaped(im, x, shape, out);
}

uwc_status uwc_onnx__fold_reshape(uwc_onnx__import *im, const uwc_onnx__node *node, uwc_tensor **out) {
    const uwc_tensor *x;
    int64_t dim[UWC_MAX_RANK], known = 1;
    int n, open = -1;
    UWC_TRY(first_input(im, node, &x));
    UWC_TRY(uwc_onnx__constant_ints(im, node, 1, dim, UWC_MAX_RANK, &n));
    UWC_CHECK(n >= 0, UWC_E_FORMAT, "the target is missing");
    for (int i = 0; i < n; i++) {
        dim[i] = dim[i] == 0 && i < x->shape.rank ? x->shape.dim[i] : dim[i];
        UWC_CHECK(dim[i] > 0 || (dim[i] == -1 && open < 0), UWC_E_SHAPE, "dimension %d of the target is %lld", i, (long long)dim[i]);
        open = dim[i] == -1 ? i : open;
        UWC_CHECK(dim[i] == -1 || !__builtin_mul_overflow(known, dim[i], &known), UWC_E_SHAPE, "the target is too large");
    }
    if (open >= 0) {
        dim[open] = uwc_shape_count(x->shape) / known;
    }
    return reshaped(im, x, uwc_shape_make(n, dim), out);
}

/* Index of element `index` of a tensor of `shape` in another one: sum of (offset + coordinate * step) * stride. */
static int64_t map_index(uwc_shape shape, int64_t index, const int64_t *offset, const int64_t *step, const int64_t *stride) {
    int64_t source = 0;
    for (int i = shape.rank - 1; i >= 0; i--) {
        int64_t at = index % shape.dim[i];
        index /= shape.dim[i];
        source += (offset[i] + at * step[i]) * stride[i];
    }
    return source;
}

static void strides_of(uwc_shape shape, int64_t *stride) {
    int64_t product = 1;
    for (int i = shape.rank - 1; i >= 0; i--) {
        stride[i] = product;
        product *= shape.dim[i];
    }
}

static void gather_elements(const uwc_tensor *x, const int64_t *offset, const int64_t *step, const int64_t *stride, uwc_tensor *out) {
    size_t bytes = uwc_dtype_bytes(x->dtype);
    int64_t count = uwc_shape_count(out->shape);
    for (int64_t i = 0; i < count; i++) {
        memcpy(out->u8 + (size_t)i * bytes, x->u8 + (size_t)map_index(out->shape, i, offset, step, stride) * bytes, bytes);
    }
}

uwc_status uwc_onnx__fold_transpose(uwc_onnx__import *im, const uwc_onnx__node *node, uwc_tensor **out) {
    const uwc_tensor *x;
    int64_t perm[UWC_MAX_RANK], of_x[UWC_MAX_RANK], stride[UWC_MAX_RANK];
    const int64_t offset[UWC_MAX_RANK] = {0}, step[UWC_MAX_RANK] = {1, 1, 1, 1, 1, 1};
    int n;
    unsigned seen = 0;
    UWC_TRY(first_input(im, node, &x));
    UWC_TRY(uwc_onnx__attribute_ints(node, "perm", perm, UWC_MAX_RANK, &n));
    int rank = x->shape.rank;
    UWC_CHECK(n < 0 || n == rank, UWC_E_SHAPE, "perm of %d numbers for %d dimensions", n, rank);
    strides_of(x->shape, of_x);
    uwc_shape shape = {.rank = rank};
    for (int i = 0; i < rank; i++) {
        int64_t from = n < 0 ? rank - 1 - i : perm[i];
        UWC_CHECK(from >= 0 && from < rank && (seen >> from & 1u) == 0, UWC_E_SHAPE, "perm holds %lld", (long long)from);
        seen |= 1u << from;
        shape.dim[i] = x->shape.dim[from];
        stride[i] = of_x[from];
    }
    UWC_TRY(uwc_onnx__tensor_create(im, x->dtype, shape, out));
    gather_elements(x, offset, step, stride, *out);
    return UWC_OK;
}

static int64_t clamp_end(int64_t at, int64_t size) {
    at = at < 0 ? at + size : at;
    return at < 0 ? 0 : at > size ? size : at;
}

uwc_status uwc_onnx__fold_slice(uwc_onnx__import *im, const uwc_onnx__node *node, uwc_tensor **out) {
    const uwc_tensor *x;
    uwc_onnx__slice slice;
    int64_t stride[UWC_MAX_RANK];
    UWC_TRY(first_input(im, node, &x));
    UWC_TRY(uwc_onnx__slice_read(im, node, x->shape, &slice));
    strides_of(x->shape, stride);
    uwc_shape shape = {.rank = x->shape.rank};
    for (int i = 0; i < shape.rank; i++) {
        int64_t start = clamp_end(slice.start[i], x->shape.dim[i]), end = clamp_end(slice.end[i], x->shape.dim[i]);
        UWC_CHECK(end > start || shape.rank == 1, UWC_E_SHAPE, "nothing between %lld and %lld", (long long)start, (long long)end);
        shape.dim[i] = end > start ? (end - start + slice.step[i] - 1) / slice.step[i] : 0;
        slice.start[i] = start;
    }
    UWC_TRY(uwc_onnx__tensor_create(im, x->dtype, shape, out));
    gather_elements(x, slice.start, slice.step, stride, *out);
    return UWC_OK;
}

/* out[a, i, b] = x[a, index[i], b]: a in front of the axis, b behind it. */
static uwc_status copy_gathered(const uwc_tensor *x, int axis, const uwc_tensor *index, uwc_tensor *out) {
    int64_t front = 1, behind = 1, size = x->shape.dim[axis], picks = uwc_shape_count(index->shape);
    for (int i = 0; i < x->shape.rank; i++) {
        front *= i < axis ? x->shape.dim[i] : 1;
        behind *= i > axis ? x->shape.dim[i] : 1;
    }
    size_t bytes = (size_t)behind * uwc_dtype_bytes(x->dtype);
    for (int64_t i = 0; i < picks; i++) {
        int64_t at = index->dtype == UWC_I64 ? index->i64[i] : index->i32[i];
        UWC_CHECK(at >= -size && at < size, UWC_E_SHAPE, "index %lld of %lld elements", (long long)at, (long long)size);
        at = at < 0 ? at + size : at;
        for (int64_t a = 0; a < front; a++) {
            memcpy(out->u8 + (size_t)(a * picks + i) * bytes, x->u8 + (size_t)(a * size + at) * bytes, bytes);
        }
    }
    return UWC_OK;
}

uwc_status uwc_onnx__fold_gather(uwc_onnx__import *im, const uwc_onnx__node *node, uwc_tensor **out) {
    const uwc_tensor *x, *index;
    int axis;
    UWC_TRY(first_input(im, node, &x));
    UWC_TRY(uwc_onnx__constant(im, node, 1, &index));
    UWC_CHECK(index != NULL && (index->dtype == UWC_I64 || index->dtype == UWC_I32), UWC_E_FORMAT, "indices are missing or not int64");
    UWC_TRY(uwc_onnx__attribute_axis(node, "axis", 0, &axis));
    UWC_TRY(uwc_onnx__axis(axis, x->shape.rank, &axis));
    uwc_shape shape = {.rank = x->shape.rank - 1 + index->shape.rank};
    UWC_CHECK(shape.rank <= UWC_MAX_RANK, UWC_E_UNSUPPORTED, "%d dimensions", shape.rank);
    for (int i = 0, k = 0; i < x->shape.rank; i++) {
        for (int j = 0; i == axis && j < index->shape.rank; j++) {
            shape.dim[k++] = index->shape.dim[j];
        }
        if (i != axis) {
            shape.dim[k++] = x->shape.dim[i];
        }
    }
    UWC_TRY(uwc_onnx__tensor_create(im, x->dtype, shape, out));
    return copy_gathered(x, axis, index, *out);
}

static uwc_status concat_shape(uwc_onnx__import *im, const uwc_onnx__node *node, int *axis, uwc_shape *shape) {
    const uwc_tensor *first, *part;
    UWC_TRY(first_input(im, node, &first));
    UWC_TRY(uwc_onnx__attribute_axis(node, "axis", 0, axis));
    UWC_TRY(uwc_onnx__axis(*axis, first->shape.rank, axis));
    *shape = first->shape;
    shape->dim[*axis] = 0;
    for (size_t k = 0; k < node->n_input; k++) {
        UWC_TRY(uwc_onnx__constant(im, node, k, &part));
        UWC_CHECK(part != NULL && part->dtype == first->dtype && part->shape.rank == shape->rank, UWC_E_SHAPE,
                  "input %zu is missing or of another kind than input 0", k);
        for (int i = 0; i < shape->rank; i++) {
            UWC_CHECK(i == *axis || part->shape.dim[i] == shape->dim[i], UWC_E_SHAPE, "input %zu differs in dimension %d", k, i);
        }
        UWC_CHECK(!__builtin_add_overflow(shape->dim[*axis], part->shape.dim[*axis], &shape->dim[*axis]), UWC_E_SHAPE, "too large");
    }
    return UWC_OK;
}

uwc_status uwc_onnx__fold_concat(uwc_onnx__import *im, const uwc_onnx__node *node, uwc_tensor **out) {
    uwc_shape shape;
    int axis;
    UWC_TRY(concat_shape(im, node, &axis, &shape));
    const uwc_tensor *part;
    UWC_TRY(first_input(im, node, &part));
    UWC_TRY(uwc_onnx__tensor_create(im, part->dtype, shape, out));
    int64_t front = 1;
    for (int i = 0; i < axis; i++) {
        front *= shape.dim[i];
    }
    size_t row = front == 0 ? 0 : uwc_tensor_bytes(*out) / (size_t)front, at = 0;
    for (size_t k = 0; k < node->n_input; k++) {
        UWC_TRY(uwc_onnx__constant(im, node, k, &part));
        size_t bytes = front == 0 ? 0 : uwc_tensor_bytes(part) / (size_t)front;
        for (int64_t a = 0; a < front; a++) {
            memcpy((*out)->u8 + (size_t)a * row + at, part->u8 + (size_t)a * bytes, bytes);
        }
        at += bytes;
    }
    return UWC_OK;
}

uwc_status uwc_onnx__fold_constant_of_shape(uwc_onnx__import *im, const uwc_onnx__node *node, uwc_tensor **out) {
    int64_t dim[UWC_MAX_RANK];
    int n;
    uwc_tensor *value;
    UWC_TRY(uwc_onnx__constant_ints(im, node, 0, dim, UWC_MAX_RANK, &n));
    UWC_CHECK(n >= 0, UWC_E_FORMAT, "input 0 is missing");
    for (int i = 0; i < n; i++) {
        UWC_CHECK(dim[i] > 0 || (dim[i] == 0 && n == 1), UWC_E_SHAPE, "dimension %d is %lld", i, (long long)dim[i]);
    }
    UWC_TRY(uwc_onnx__attribute_tensor(node, "value", im->folder, &value));
    uwc_status st = UWC_OK;
    UWC_CHECK_GOTO(st, value == NULL || uwc_shape_count(value->shape) == 1, UWC_E_FORMAT, done, "value is not one number");
    UWC_TRY_GOTO(st, uwc_onnx__tensor_create(im, value == NULL ? UWC_F32 : value->dtype, uwc_shape_make(n, dim), out), done);
    size_t bytes = uwc_dtype_bytes((*out)->dtype);
    for (int64_t i = 0; value != NULL && i < uwc_shape_count((*out)->shape); i++) {
        memcpy((*out)->u8 + (size_t)i * bytes, value->data, bytes);
    }
done:
    uwc_tensor_destroy(&value);
    return st;
}

/* value_int, value_ints, value_float and value_floats. */
static uwc_status constant_of_numbers(uwc_onnx__import *im, const uwc_onnx__node *node, uwc_tensor **out) {
    const Onnx__AttributeProto *one_int = uwc_onnx__attribute(node, "value_int"), *ints = uwc_onnx__attribute(node, "value_ints"),
                               *one_float = uwc_onnx__attribute(node, "value_float"), *floats = uwc_onnx__attribute(node, "value_floats");
    const uwc_shape scalar = {0};
    if (one_int != NULL) {
        UWC_TRY(uwc_onnx__tensor_create(im, UWC_I64, scalar, out));
        (*out)->i64[0] = one_int->i;
    } else if (one_float != NULL) {
        UWC_TRY(uwc_onnx__tensor_create(im, UWC_F32, scalar, out));
        (*out)->f32[0] = one_float->f;
    } else if (ints != NULL) {
        UWC_TRY(uwc_onnx__tensor_create(im, UWC_I64, uwc_shape_1d((int64_t)ints->n_ints), out));
        memcpy((*out)->data, ints->n_ints > 0 ? (const void *)ints->ints : "", ints->n_ints * sizeof *ints->ints);
    } else if (floats != NULL) {
        UWC_TRY(uwc_onnx__tensor_create(im, UWC_F32, uwc_shape_1d((int64_t)floats->n_floats), out));
        memcpy((*out)->data, floats->n_floats > 0 ? (const void *)floats->floats : "", floats->n_floats * sizeof *floats->floats);
    } else {
        return uwc_error_set(UWC_E_UNSUPPORTED, "no value, value_int, value_ints, value_float or value_floats");
    }
    return UWC_OK;
}

uwc_status uwc_onnx__fold_constant(uwc_onnx__import *im, const uwc_onnx__node *node, uwc_tensor **out) {
    UWC_TRY(uwc_onnx__attribute_tensor(node, "value", im->folder, out));
    return *out != NULL ? UWC_OK : constant_of_numbers(im, node, out);
}

uwc_status uwc_onnx__fold_range(uwc_onnx__import *im, const uwc_onnx__node *node, uwc_tensor **out) {
    const int64_t most = INT64_C(1) << 40;
    const uwc_tensor *bound[3];
    int64_t number[3];
    for (size_t k = 0; k < 3; k++) {
        UWC_TRY(uwc_onnx__constant(im, node, k, &bound[k]));
        UWC_CHECK(bound[k] != NULL && bound[k]->dtype == UWC_I64 && uwc_shape_count(bound[k]->shape) == 1, UWC_E_UNSUPPORTED,
                  "input %zu is not one int64", k);
        number[k] = bound[k]->i64[0];
        UWC_CHECK(number[k] > -most && number[k] < most, UWC_E_UNSUPPORTED, "input %zu is %lld", k, (long long)number[k]);
    }
    UWC_CHECK(number[2] != 0, UWC_E_VALUE, "a step of 0");
    int64_t way = number[2] > 0 ? number[1] - number[0] : number[0] - number[1], step = number[2] > 0 ? number[2] : -number[2];
    UWC_TRY(uwc_onnx__tensor_create(im, UWC_I64, uwc_shape_1d(way > 0 ? (way - 1) / step + 1 : 0), out));
    for (int64_t i = 0; i < uwc_shape_count((*out)->shape); i++) {
        (*out)->i64[i] = number[0] + i * number[2];
    }
    return UWC_OK;
}
