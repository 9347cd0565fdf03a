/* Attributes of a node, read by name and type. */
#include "onnx_impl.h"

#include <float.h>
#include <math.h>
#include <string.h>

enum { TEXT = 32 };

const Onnx__AttributeProto *uwc_onnx__attribute(const uwc_onnx__node *node, const char *name) {
    for (size_t i = 0; i < node->n_attribute; i++) {
        if (node->attribute[i]->name != NULL && strcmp(node->attribute[i]->name, name) == 0) {
            return node->attribute[i];
        }
    }
    return NULL;
}

/* Files from before IR 3 have no type. */
static uwc_status find_typed(const uwc_onnx__node *node, const char *name, int type, const Onnx__AttributeProto **out) {
    *out = uwc_onnx__attribute(node, name);
    UWC_CHECK(*out == NULL || !(*out)->has_type || (*out)->type == type, UWC_E_FORMAT, "attribute %s is of type %d, not %d", name,
              (*out)->type, type);
    return UWC_OK;
}

uwc_status uwc_onnx__attribute_int(const uwc_onnx__node *node, const char *name, int64_t fallback, int64_t *out) {
    const Onnx__AttributeProto *attribute;
    UWC_TRY(find_typed(node, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INT, &attribute));
    *out = attribute == NULL ? fallback : attribute->i;
    return UWC_OK;
}

uwc_status uwc_onnx__attribute_bool(const uwc_onnx__node *node, const char *name, bool fallback, bool *out) {
    int64_t number;
    UWC_TRY(uwc_onnx__attribute_int(node, name, fallback, &number));
    UWC_CHECK(number == 0 || number == 1, UWC_E_FORMAT, "attribute %s is %lld, not 0 or 1", name, (long long)number);
    *out = number == 1;
    return UWC_OK;
}

uwc_status uwc_onnx__attribute_axis(const uwc_onnx__node *node, const char *name, int fallback, int *out) {
    int64_t number;
    UWC_TRY(uwc_onnx__attribute_int(node, name, fallback, &number));
    UWC_CHECK(number >= -UWC_MAX_RANK && number < UWC_MAX_RANK, UWC_E_SHAPE, "attribute %s is %lld", name, (long long)number);
    *out = (int)number;
    return UWC_OK;
}

uwc_status uwc_onnx__attribute_float(const uwc_onnx__node *node, const char *name, float fallback, float *out) {
    const Onnx__AttributeProto *attribute;
    UWC_TRY(find_typed(node, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOAT, &attribute));
    *out = attribute == NULL ? fallback : attribute->f;
    return uwc_onnx__finite(out, name);
}

uwc_status uwc_onnx__attribute_ints(const uwc_onnx__node *node, const char *name, int64_t *out, int most, int *n) {
    const Onnx__AttributeProto *attribute;
    *n = -1;
    UWC_TRY(find_typed(node, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INTS, &attribute));
    if (attribute == NULL) {
        return UWC_OK;
    }
    UWC_CHECK(attribute->n_ints <= (size_t)most, UWC_E_UNSUPPORTED, "attribute %s has %zu numbers, at most %d are supported", name,
              attribute->n_ints, most);
    *n = (int)attribute->n_ints;
    if (*n > 0) {
        memcpy(out, attribute->ints, (size_t)*n * sizeof *out);
    }
    return UWC_OK;
}

uwc_status uwc_onnx__attribute_text(const uwc_onnx__node *node, const char *name, const char *fallback, char *out) {
    const Onnx__AttributeProto *attribute;
    UWC_TRY(find_typed(node, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__STRING, &attribute));
    const char *text = attribute == NULL ? fallback : (const char *)attribute->s.data;
    size_t length = attribute == NULL ? strlen(fallback) : attribute->s.len;
    UWC_CHECK(length < TEXT, UWC_E_FORMAT, "attribute %s has %zu characters", name, length);
    memset(out, 0, TEXT);
    if (length > 0) {
        memcpy(out, text, length);
    }
    return UWC_OK;
}

uwc_status uwc_onnx__attribute_tensor(const uwc_onnx__node *node, const char *name, const char *folder, uwc_tensor **out) {
    const Onnx__AttributeProto *attribute;
    *out = NULL;
    UWC_TRY(find_typed(node, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__TENSOR, &attribute));
    if (attribute == NULL) {
        return UWC_OK;
    }
    UWC_CHECK(attribute->t != NULL, UWC_E_FORMAT, "attribute %s holds no tensor", name);
    return uwc_onnx__tensor_read(attribute->t, folder, out);
}

uwc_status uwc_onnx__ints_either(uwc_onnx__import *im, const uwc_onnx__node *node, const char *name, size_t index, int64_t *out, int most,
                                 int *n) {
    if (uwc_onnx__attribute(node, name) != NULL) {
        return uwc_onnx__attribute_ints(node, name, out, most, n);
    }
    return uwc_onnx__constant_ints(im, node, index, out, most, n);
}

uwc_status uwc_onnx__finite(float *number, const char *what) {
    UWC_CHECK(!isnan(*number), UWC_E_VALUE, "%s is not a number", what);
    *number = *number > FLT_MAX ? FLT_MAX : *number < -FLT_MAX ? -FLT_MAX : *number;
    return UWC_OK;
}

uwc_status uwc_onnx__axis(int64_t axis, int rank, int *out) {
    UWC_CHECK(axis >= -rank && axis < rank, UWC_E_SHAPE, "axis %lld of %d dimensions", (long long)axis, rank);
    *out = (int)(axis < 0 ? axis + rank : axis);
    return UWC_OK;
}
