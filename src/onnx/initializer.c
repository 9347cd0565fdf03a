/* TensorProto to tensor. The product of the dimensions must match the bytes that are there before anything is allocated. */
#include "onnx_impl.h"

#include <stdlib.h>
#include <string.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "raw data of ONNX is little-endian and is copied as it lies");

typedef struct element {
    int32_t type;
    uwc_dtype dtype;     /* what it becomes */
    size_t bytes;        /* in the file */
    int32_t least, most; /* of types that live in int32_data */
} element;

static const element *find_element(int32_t type) {
    static const element table[] = {
        {ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT, UWC_F32, 4, 0, 0},
        {ONNX__TENSOR_PROTO__DATA_TYPE__UINT8, UWC_U8, 1, 0, UINT8_MAX},
        {ONNX__TENSOR_PROTO__DATA_TYPE__INT8, UWC_I8, 1, INT8_MIN, INT8_MAX},
        {ONNX__TENSOR_PROTO__DATA_TYPE__INT32, UWC_I32, 4, INT32_MIN, INT32_MAX},
        {ONNX__TENSOR_PROTO__DATA_TYPE__INT64, UWC_I64, 8, 0, 0},
        {ONNX__TENSOR_PROTO__DATA_TYPE__BOOL, UWC_BOOL, 1, 0, 1},
        {ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT16, UWC_F32, 2, 0, UINT16_MAX},
        {ONNX__TENSOR_PROTO__DATA_TYPE__DOUBLE, UWC_F32, 8, 0, 0},
        {ONNX__TENSOR_PROTO__DATA_TYPE__BFLOAT16, UWC_F32, 2, 0, UINT16_MAX},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        if (table[i].type == type) {
            return &table[i];
        }
    }
    return NULL;
}

static float from_bits(uint32_t bits) {
    float number;
    memcpy(&number, &bits, sizeof number);
    return number;
}

static float from_half(uint16_t half) {
    uint32_t sign = (uint32_t)(half & 0x8000u) << 16, exponent = half >> 10 & 0x1fu, fraction = half & 0x3ffu;
    if (exponent == 0) {
        float number = (float)fraction * 0x1p-24f;
        return sign != 0 ? -number : number;
    }
    return from_bits(sign | (exponent == 31 ? 0xffu : exponent + 112) << 23 | fraction << 13);
}

static float from_small_float(int32_t type, uint16_t bits) {
    return type == ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT16 ? from_half(bits) : from_bits((uint32_t)bits << 16);
}

static void decode_raw(const element *e, const uint8_t *raw, int64_t count, uwc_tensor *out) {
    for (int64_t i = 0; e->type == ONNX__TENSOR_PROTO__DATA_TYPE__DOUBLE && i < count; i++) {
        double number;
        memcpy(&number, raw + 8 * i, sizeof number);
        out->f32[i] = (float)number;
    }
    for (int64_t i = 0; e->bytes == 2 && i < count; i++) {
        uint16_t bits;
        memcpy(&bits, raw + 2 * i, sizeof bits);
        out->f32[i] = from_small_float(e->type, bits);
    }
    for (int64_t i = 0; e->dtype == UWC_BOOL && i < count; i++) {
        out->u8[i] = raw[i] != 0;
    }
    if (e->dtype != UWC_BOOL && e->bytes == uwc_dtype_bytes(e->dtype) && count > 0) {
        memcpy(out->data, raw, (size_t)count * e->bytes);
    }
}

/* int32_data holds all narrow types. */
static uwc_status decode_int32(const Onnx__TensorProto *proto, const element *e, uwc_tensor *out) {
    for (size_t i = 0; i < proto->n_int32_data; i++) {
        int32_t number = proto->int32_data[i];
        UWC_CHECK(number >= e->least && number <= e->most, UWC_E_FORMAT, "element %zu is %d, outside its type's range", i, number);
        switch (e->dtype) {
        case UWC_F32:
            out->f32[i] = from_small_float(e->type, (uint16_t)number);
            break;
        case UWC_I32:
            out->i32[i] = number;
            break;
        case UWC_I8:
            out->i8[i] = (int8_t)number;
            break;
        default:
            out->u8[i] = (uint8_t)number;
            break;
        }
    }
    return UWC_OK;
}

static size_t typed_count(const Onnx__TensorProto *proto) {
    switch (proto->data_type) {
    case ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT:
        return proto->n_float_data;
    case ONNX__TENSOR_PROTO__DATA_TYPE__DOUBLE:
        return proto->n_double_data;
    case ONNX__TENSOR_PROTO__DATA_TYPE__INT64:
        return proto->n_int64_data;
    default:
        return proto->n_int32_data;
    }
}

static uwc_status decode_typed(const Onnx__TensorProto *proto, const element *e, uwc_tensor *out) {
    size_t count = typed_count(proto);
    if (count == 0) {
        return UWC_OK;
    }
    switch (proto->data_type) {
    case ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT:
        memcpy(out->f32, proto->float_data, count * sizeof *out->f32);
        return UWC_OK;
    case ONNX__TENSOR_PROTO__DATA_TYPE__DOUBLE:
        for (size_t i = 0; i < count; i++) {
            out->f32[i] = (float)proto->double_data[i];
        }
        return UWC_OK;
    case ONNX__TENSOR_PROTO__DATA_TYPE__INT64:
        memcpy(out->i64, proto->int64_data, count * sizeof *out->i64);
        return UWC_OK;
    default:
        return decode_int32(proto, e, out);
    }
}

/* An empty list is the only tensor without elements that has a meaning here. */
static uwc_status read_shape(const Onnx__TensorProto *proto, uwc_shape *out) {
    UWC_CHECK(proto->n_dims <= UWC_MAX_RANK, UWC_E_UNSUPPORTED, "%zu dimensions, at most %d are supported", proto->n_dims, UWC_MAX_RANK);
    for (size_t i = 0; i < proto->n_dims; i++) {
        UWC_CHECK(proto->dims[i] > 0 || (proto->dims[i] == 0 && proto->n_dims == 1), UWC_E_SHAPE, "dimension %zu is %lld", i,
                  (long long)proto->dims[i]);
    }
    *out = uwc_shape_make((int)proto->n_dims, proto->dims);
    return UWC_OK;
}

static uwc_status check_length(uwc_shape shape, size_t have, size_t bytes_each) {
    char text[128];
    size_t expected;
    bool fits = !__builtin_mul_overflow((size_t)uwc_shape_count(shape), bytes_each, &expected);
    UWC_CHECK(fits && expected == have, UWC_E_FORMAT, "shape %s does not match %zu bytes of data", uwc_shape_print(shape, text), have);
    return UWC_OK;
}

static uwc_status read_external(const Onnx__TensorProto *proto, const element *e, const char *folder, uwc_shape shape, uwc_tensor **out) {
    size_t bytes;
    char text[128];
    UWC_CHECK(!__builtin_mul_overflow((size_t)uwc_shape_count(shape), e->bytes, &bytes) && bytes < SIZE_MAX / 4, UWC_E_SHAPE,
              "shape %s is too large", uwc_shape_print(shape, text));
    uint8_t *raw;
    UWC_TRY(uwc_onnx__external_read(proto, folder, bytes, &raw));
    uwc_status st = uwc_tensor_create(e->dtype, shape, UWC_PLAIN, out);
    if (st == UWC_OK) {
        decode_raw(e, raw, uwc_shape_count(shape), *out);
    }
    uwc_free(&raw);
    return st;
}

static uwc_status read_inline(const Onnx__TensorProto *proto, const element *e, uwc_shape shape, uwc_tensor **out) {
    if (proto->has_raw_data) {
        UWC_TRY(check_length(shape, proto->raw_data.len, e->bytes));
        UWC_TRY(uwc_tensor_create(e->dtype, shape, UWC_PLAIN, out));
        decode_raw(e, proto->raw_data.data, uwc_shape_count(shape), *out);
        return UWC_OK;
    }
    UWC_TRY(check_length(shape, typed_count(proto), 1));
    UWC_TRY(uwc_tensor_create(e->dtype, shape, UWC_PLAIN, out));
    uwc_status st = decode_typed(proto, e, *out);
    if (st != UWC_OK) {
        uwc_tensor_destroy(out);
    }
    return st;
}

uwc_status uwc_onnx__tensor_read(const Onnx__TensorProto *proto, const char *folder, uwc_tensor **out) {
    *out = NULL;
    const element *e = find_element(proto->data_type);
    const char *name = proto->name == NULL ? "" : proto->name;
    UWC_CHECK(e != NULL, UWC_E_UNSUPPORTED,
              "tensor %s: data type %d (supported: float, float16, bfloat16, double, int8, uint8, int32, int64, bool)", name,
              proto->data_type);
    uwc_shape shape;
    uwc_status st = read_shape(proto, &shape);
    if (st == UWC_OK) {
        bool external = proto->data_location == ONNX__TENSOR_PROTO__DATA_LOCATION__EXTERNAL;
        st = external ? read_external(proto, e, folder, shape, out) : read_inline(proto, e, shape, out);
    }
    return uwc_error_note(st, "tensor %s", name);
}

void uwc_onnx__tensor_drop(Onnx__TensorProto *proto) {
    free(proto->raw_data.data);
    proto->raw_data = (ProtobufCBinaryData){.len = 0};
}
