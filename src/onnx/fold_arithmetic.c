/* Arithmetic on constants: the chains that compute shapes and scales. */
#include "onnx_impl.h"

#include <math.h>
#include <string.h>

typedef enum arithmetic { ADD, SUB, MUL, DIV } arithmetic;

static int64_t get_int(const uwc_tensor *tensor, int64_t i) {
    switch (tensor->dtype) {
    case UWC_I64:
        return tensor->i64[i];
    case UWC_I32:
        return tensor->i32[i];
    case UWC_I8:
        return tensor->i8[i];
    default:
        return tensor->u8[i];
    }
}

static void set_int(uwc_tensor *tensor, int64_t i, int64_t number) {
    switch (tensor->dtype) {
    case UWC_I64:
        tensor->i64[i] = number;
        break;
    case UWC_I32:
        tensor->i32[i] = (int32_t)number;
        break;
    default:
        tensor->u8[i] = number != 0;
        break;
    }
}

static uwc_status integer_result(arithmetic what, int64_t a, int64_t b, int64_t *out) {
    bool overflow = false;
    switch (what) {
    case ADD:
        overflow = __builtin_add_overflow(a, b, out);
        break;
    case SUB:
        overflow = __builtin_sub_overflow(a, b, out);
        break;
    case MUL:
        overflow = __builtin_mul_overflow(a, b, out);
        break;
    case DIV:
        UWC_CHECK(b != 0, UWC_E_VALUE, "%lld divided by 0", (long long)a);
        overflow = a == INT64_MIN && b == -1;
        *out = overflow ? 0 : a / b;
        break;
    }
    UWC_CHECK(!overflow, UWC_E_VALUE, "overflow of %lld and %lld", (long long)a, (long long)b);
    return UWC_OK;
}

static float float_result(arithmetic what, float a, float b) {
    return what == ADD ? a + b : what == SUB ? a - b : what == MUL ? a * b : a / b;
}

/* Shape of two tensors under numpy's broadcasting. */
static uwc_status broadcast(uwc_shape a, uwc_shape b, uwc_shape *out) {
    char text[128], other[128];
    *out = (uwc_shape){.rank = a.rank > b.rank ? a.rank : b.rank};
    for (int i = 1; i <= out->rank; i++) {
        int64_t p = i <= a.rank ? a.dim[a.rank - i] : 1, q = i <= b.rank ? b.dim[b.rank - i] : 1;
        UWC_CHECK(p == q || p == 1 || q == 1, UWC_E_SHAPE, "shapes %s and %s", uwc_shape_print(a, text), uwc_shape_print(b, other));
        out->dim[out->rank - i] = p == 1 ? q : p;
    }
    return UWC_OK;
}

/* Index in a tensor of `shape` of element `index` of the broadcast shape. */
static int64_t source_index(uwc_shape shape, uwc_shape wide, int64_t index) {
    int64_t source = 0, stride = 1;
    for (int i = 1; i <= shape.rank; i++) {
        int64_t at = index % wide.dim[wide.rank - i];
        index /= wide.dim[wide.rank - i];
        source += shape.dim[shape.rank - i] == 1 ? 0 : at * stride;
        stride *= shape.dim[shape.rank - i];
    }
    return source;
}

static uwc_status compute(arithmetic what, const uwc_tensor *a, const uwc_tensor *b, uwc_tensor *out) {
    int64_t count = uwc_shape_count(out->shape);
    for (int64_t i = 0; i < count; i++) {
        int64_t p = source_index(a->shape, out->shape, i), q = source_index(b->shape, out->shape, i), number = 0;
        if (out->dtype == UWC_F32) {
            out->f32[i] = float_result(what, a->f32[p], b->f32[q]);
            continue;
        }
        UWC_TRY(integer_result(what, get_int(a, p), get_int(b, q), &number));
        UWC_CHECK(out->dtype == UWC_I64 || (number >= INT32_MIN && number <= INT32_MAX), UWC_E_VALUE, "%lld in int32", (long long)number);
        set_int(out, i, number);
    }
    return UWC_OK;
}

static uwc_status fold(uwc_onnx__import *im, const uwc_onnx__node *node, arithmetic what, uwc_tensor **out) {
    const uwc_tensor *a, *b;
    uwc_shape shape;
    UWC_TRY(uwc_onnx__constant(im, node, 0, &a));
    UWC_TRY(uwc_onnx__constant(im, node, 1, &b));
    UWC_CHECK(a != NULL && b != NULL, UWC_E_FORMAT, "an input is missing");
    UWC_CHECK(a->dtype == b->dtype && (a->dtype == UWC_F32 || a->dtype == UWC_I64 || a->dtype == UWC_I32), UWC_E_UNSUPPORTED,
              "constants of %s and %s", uwc_dtype_name(a->dtype), uwc_dtype_name(b->dtype));
    UWC_TRY(broadcast(a->shape, b->shape, &shape));
    UWC_TRY(uwc_onnx__tensor_create(im, a->dtype, shape, out));
    return compute(what, a, b, *out);
}

uwc_status uwc_onnx__fold_add(uwc_onnx__import *im, const uwc_onnx__node *node, uwc_tensor **out) {
    return fold(im, node, ADD, out);
}

uwc_status uwc_onnx__fold_sub(uwc_onnx__import *im, const uwc_onnx__node *node, uwc_tensor **out) {
    return fold(im, node, SUB, out);
}

uwc_status uwc_onnx__fold_mul(uwc_onnx__import *im, const uwc_onnx__node *node, uwc_tensor **out) {
    return fold(im, node, MUL, out);
}

uwc_status uwc_onnx__fold_div(uwc_onnx__import *im, const uwc_onnx__node *node, uwc_tensor **out) {
    return fold(im, node, DIV, out);
}

uwc_status uwc_onnx__fold_floor(uwc_onnx__import *im, const uwc_onnx__node *node, uwc_tensor **out) {
    const uwc_tensor *x;
    UWC_TRY(uwc_onnx__constant(im, node, 0, &x));
    UWC_CHECK(x != NULL, UWC_E_FORMAT, "input 0 is missing");
    UWC_CHECK(x->dtype == UWC_F32, UWC_E_FORMAT, "input 0 is %s, not float32", uwc_dtype_name(x->dtype));
    UWC_TRY(uwc_onnx__tensor_create(im, UWC_F32, x->shape, out));
    for (int64_t i = 0; i < uwc_shape_count(x->shape); i++) {
        (*out)->f32[i] = floorf(x->f32[i]);
    }
    return UWC_OK;
}

static uwc_status cast_element(const uwc_tensor *from, int64_t i, uwc_tensor *to) {
    if (to->dtype == UWC_F32) {
        to->f32[i] = from->dtype == UWC_F32 ? from->f32[i] : (float)get_int(from, i);
        return UWC_OK;
    }
    if (to->dtype == UWC_BOOL) {
        set_int(to, i, from->dtype == UWC_F32 ? from->f32[i] != 0 : get_int(from, i) != 0);
        return UWC_OK;
    }
    if (from->dtype == UWC_F32) {
        UWC_CHECK(fabsf(from->f32[i]) < 0x1p62f, UWC_E_VALUE, "%g as an integer", (double)from->f32[i]);
    }
    int64_t number = from->dtype == UWC_F32 ? (int64_t)from->f32[i] : get_int(from, i);
    UWC_CHECK(to->dtype == UWC_I64 || (number >= INT32_MIN && number <= INT32_MAX), UWC_E_VALUE, "%lld as int32", (long long)number);
    set_int(to, i, number);
    return UWC_OK;
}

uwc_status uwc_onnx__fold_cast(uwc_onnx__import *im, const uwc_onnx__node *node, uwc_tensor **out) {
    const uwc_tensor *x;
    int64_t type;
    uwc_dtype dtype = UWC_F32;
    UWC_TRY(uwc_onnx__constant(im, node, 0, &x));
    UWC_CHECK(x != NULL, UWC_E_FORMAT, "input 0 is missing");
    UWC_TRY(uwc_onnx__attribute_int(node, "to", 0, &type));
    switch (type) {
    case ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT:
    case ONNX__TENSOR_PROTO__DATA_TYPE__DOUBLE:
        break;
    case ONNX__TENSOR_PROTO__DATA_TYPE__INT64:
        dtype = UWC_I64;
        break;
    case ONNX__TENSOR_PROTO__DATA_TYPE__INT32:
        dtype = UWC_I32;
        break;
    case ONNX__TENSOR_PROTO__DATA_TYPE__BOOL:
        dtype = UWC_BOOL;
        break;
    default:
        return uwc_error_set(UWC_E_UNSUPPORTED, "to data type %lld", (long long)type);
    }
    UWC_TRY(uwc_onnx__tensor_create(im, dtype, x->shape, out));
    for (int64_t i = 0; i < uwc_shape_count(x->shape); i++) {
        UWC_TRY(cast_element(x, i, *out));
    }
    return UWC_OK;
}
