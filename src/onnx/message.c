/* Building the messages of a file. */
#include "export_impl.h"

#include <string.h>

uwc_status uwc_onnx__list_add(uwc_onnx__list *list, void *item) {
    UWC_TRY(uwc_grow(&list->item, &list->capacity, list->n + 1, sizeof *list->item));
    list->item[list->n++] = item;
    return UWC_OK;
}

/* Adopts the block, also on failure. */
static uwc_status keep(uwc_onnx__export *ex, void *block) {
    uwc_status st = uwc_onnx__list_add(&ex->memory, block);
    if (st != UWC_OK) {
        uwc_free(&block);
    }
    return st;
}

uwc_status uwc_onnx__allocate(uwc_onnx__export *ex, int64_t count, size_t size, void *out) {
    UWC_TRY(uwc_calloc(count, size, out));
    return keep(ex, *(void **)out);
}

uwc_status uwc_onnx__text(uwc_onnx__export *ex, char **out, const char *format, ...) {
    va_list list;
    va_start(list, format);
    int length = vsnprintf(NULL, 0, format, list);
    va_end(list);
    UWC_CHECK(length >= 0, UWC_E_INTERNAL, "text format \"%s\"", format);
    UWC_TRY(uwc_onnx__allocate(ex, (int64_t)length + 1, 1, out));
    va_start(list, format);
    vsnprintf(*out, (size_t)length + 1, format, list);
    va_end(list);
    return UWC_OK;
}

static bool is_taken(const uwc_onnx__export *ex, const char *name) {
    for (int64_t i = 0; i < ex->made.n; i++) {
        if (strcmp(ex->made.item[i], name) == 0) {
            return true;
        }
    }
    return uwc_graph_find_value(ex->graph, name) >= 0;
}

uwc_status uwc_onnx__fresh_name(uwc_onnx__export *ex, const char *base, const char *suffix, char **out) {
    UWC_TRY(uwc_onnx__text(ex, out, "%s.%s", base, suffix));
    for (int i = 2; is_taken(ex, *out); i++) {
        UWC_TRY(uwc_onnx__text(ex, out, "%s.%s%d", base, suffix, i));
    }
    return uwc_onnx__list_add(&ex->made, *out);
}

uwc_status uwc_onnx__new_node(uwc_onnx__export *ex, const char *type, const char *name, const char *output, uwc_onnx__node **out) {
    UWC_TRY(uwc_onnx__allocate(ex, 1, sizeof **out, out));
    onnx__node_proto__init(*out);
    UWC_TRY(uwc_onnx__allocate(ex, 1, sizeof *(*out)->output, &(*out)->output));
    (*out)->op_type = (char *)type;
    (*out)->name = (char *)name;
    (*out)->output[0] = (char *)output;
    (*out)->n_output = 1;
    return uwc_onnx__list_add(&ex->node, *out);
}

uwc_status uwc_onnx__add_input(uwc_onnx__export *ex, uwc_onnx__node *node, const char *name) {
    char **bigger;
    UWC_TRY(uwc_onnx__allocate(ex, (int64_t)node->n_input + 1, sizeof *bigger, &bigger));
    if (node->n_input > 0) {
        memcpy(bigger, node->input, node->n_input * sizeof *bigger);
    }
    bigger[node->n_input++] = (char *)name;
    node->input = bigger;
    return UWC_OK;
}

static uwc_status new_attribute(uwc_onnx__export *ex, uwc_onnx__node *node, const char *name, int type, Onnx__AttributeProto **out) {
    Onnx__AttributeProto **bigger;
    UWC_TRY(uwc_onnx__allocate(ex, 1, sizeof **out, out));
    UWC_TRY(uwc_onnx__allocate(ex, (int64_t)node->n_attribute + 1, sizeof *bigger, &bigger));
    onnx__attribute_proto__init(*out);
    (*out)->name = (char *)name;
    (*out)->has_type = 1;
    (*out)->type = type;
    if (node->n_attribute > 0) {
        memcpy(bigger, node->attribute, node->n_attribute * sizeof *bigger);
    }
    bigger[node->n_attribute++] = *out;
    node->attribute = bigger;
    return UWC_OK;
}

uwc_status uwc_onnx__put_int(uwc_onnx__export *ex, uwc_onnx__node *node, const char *name, int64_t number) {
    Onnx__AttributeProto *attribute;
    UWC_TRY(new_attribute(ex, node, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INT, &attribute));
    attribute->has_i = 1;
    attribute->i = number;
    return UWC_OK;
}

uwc_status uwc_onnx__put_float(uwc_onnx__export *ex, uwc_onnx__node *node, const char *name, float number) {
    Onnx__AttributeProto *attribute;
    UWC_TRY(new_attribute(ex, node, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOAT, &attribute));
    attribute->has_f = 1;
    attribute->f = number;
    return UWC_OK;
}

uwc_status uwc_onnx__put_ints(uwc_onnx__export *ex, uwc_onnx__node *node, const char *name, const int64_t *number, int n) {
    Onnx__AttributeProto *attribute;
    UWC_TRY(new_attribute(ex, node, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INTS, &attribute));
    UWC_TRY(uwc_onnx__allocate(ex, n, sizeof *attribute->ints, &attribute->ints));
    memcpy(attribute->ints, number, (size_t)n * sizeof *number);
    attribute->n_ints = (size_t)n;
    return UWC_OK;
}

uwc_status uwc_onnx__put_tensor(uwc_onnx__export *ex, const char *name, int32_t type, uwc_shape shape, const void *data, size_t bytes) {
    Onnx__TensorProto *tensor;
    UWC_TRY(uwc_onnx__allocate(ex, 1, sizeof *tensor, &tensor));
    onnx__tensor_proto__init(tensor);
    UWC_TRY(uwc_onnx__allocate(ex, shape.rank, sizeof *tensor->dims, &tensor->dims));
    memcpy(tensor->dims, shape.dim, (size_t)shape.rank * sizeof *shape.dim);
    tensor->n_dims = (size_t)shape.rank;
    tensor->has_data_type = 1;
    tensor->data_type = type;
    tensor->name = (char *)name;
    tensor->has_raw_data = 1;
    tensor->raw_data = (ProtobufCBinaryData){.data = (uint8_t *)data, .len = bytes};
    return uwc_onnx__list_add(&ex->initializer, tensor);
}

static uwc_status put_input(uwc_onnx__export *ex, uwc_onnx__node *node, const char *suffix, int32_t type, uwc_shape shape, const void *data,
                            size_t bytes) {
    char *name;
    void *copy;
    UWC_TRY(uwc_onnx__fresh_name(ex, node->output[0], suffix, &name));
    UWC_TRY(uwc_onnx__allocate(ex, (int64_t)bytes, 1, &copy));
    memcpy(copy, data, bytes);
    UWC_TRY(uwc_onnx__put_tensor(ex, name, type, shape, copy, bytes));
    return uwc_onnx__add_input(ex, node, name);
}

uwc_status uwc_onnx__put_int_input(uwc_onnx__export *ex, uwc_onnx__node *node, const char *suffix, const int64_t *number, int n) {
    return put_input(ex, node, suffix, ONNX__TENSOR_PROTO__DATA_TYPE__INT64, uwc_shape_1d(n), number, (size_t)n * sizeof *number);
}

uwc_status uwc_onnx__put_float_input(uwc_onnx__export *ex, uwc_onnx__node *node, const char *suffix, float number) {
    return put_input(ex, node, suffix, ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT, (uwc_shape){0}, &number, sizeof number);
}

uwc_status uwc_onnx__put_metadata(uwc_onnx__export *ex, const char *prefix, const char *name, const char *value) {
    Onnx__StringStringEntryProto *entry;
    UWC_TRY(uwc_onnx__allocate(ex, 1, sizeof *entry, &entry));
    onnx__string_string_entry_proto__init(entry);
    UWC_TRY(uwc_onnx__text(ex, &entry->key, "%s%s", prefix, name));
    UWC_TRY(uwc_onnx__text(ex, &entry->value, "%s", value));
    return uwc_onnx__list_add(&ex->metadata, entry);
}
