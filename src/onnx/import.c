/* What the importers of all operators share: inputs of a node, constants, values and nodes of the graph. */
#include "onnx_impl.h"

#include <string.h>

const char *uwc_onnx__input_name(const uwc_onnx__node *node, size_t index) {
    return index < node->n_input && node->input[index][0] != '\0' ? node->input[index] : NULL;
}

uwc_onnx__entry *uwc_onnx__input(const uwc_onnx__import *im, const uwc_onnx__node *node, size_t index) {
    const char *name = uwc_onnx__input_name(node, index);
    return name == NULL ? NULL : uwc_onnx__names_find(&im->names, name);
}

bool uwc_onnx__is_constant(const uwc_onnx__entry *entry) {
    return entry->state == UWC_ONNX__INITIALIZER || entry->state == UWC_ONNX__CONSTANT;
}

/* ---- constants --------------------------------------------------------------------------------------------------------------- */

static uwc_status load(uwc_onnx__import *im, uwc_onnx__entry *entry) {
    if (entry->state == UWC_ONNX__INITIALIZER) {
        UWC_TRY(uwc_onnx__tensor_read(entry->initializer, im->folder, &entry->constant));
        uwc_onnx__tensor_drop(entry->initializer);
        entry->state = UWC_ONNX__CONSTANT;
        if (entry->initializer->data_location == ONNX__TENSOR_PROTO__DATA_LOCATION__EXTERNAL) {
            im->budget += UWC_ONNX__COPIES * (int64_t)uwc_tensor_bytes(entry->constant);
        }
    }
    return UWC_OK;
}

uwc_status uwc_onnx__constant(uwc_onnx__import *im, const uwc_onnx__node *node, size_t index, const uwc_tensor **out) {
    *out = NULL;
    uwc_onnx__entry *entry = uwc_onnx__input(im, node, index);
    if (entry == NULL) {
        return UWC_OK;
    }
    UWC_CHECK(uwc_onnx__is_constant(entry), UWC_E_UNSUPPORTED, "input %zu (%s) must be a constant", index, entry->name);
    UWC_TRY(load(im, entry));
    *out = entry->constant;
    return UWC_OK;
}

uwc_status uwc_onnx__constant_ints(uwc_onnx__import *im, const uwc_onnx__node *node, size_t index, int64_t *out, int most, int *n) {
    const uwc_tensor *tensor;
    char text[128];
    *n = -1;
    UWC_TRY(uwc_onnx__constant(im, node, index, &tensor));
    if (tensor == NULL) {
        return UWC_OK;
    }
    UWC_CHECK(tensor->dtype == UWC_I64 || tensor->dtype == UWC_I32, UWC_E_FORMAT, "input %zu is %s, not int64", index,
              uwc_dtype_name(tensor->dtype));
    int64_t count = uwc_shape_count(tensor->shape);
    UWC_CHECK(tensor->shape.rank <= 1 && count <= most, UWC_E_UNSUPPORTED, "input %zu has shape %s, at most [%d] is supported", index,
              uwc_shape_print(tensor->shape, text), most);
    for (int64_t i = 0; i < count; i++) {
        out[i] = tensor->dtype == UWC_I64 ? tensor->i64[i] : tensor->i32[i];
    }
    *n = (int)count;
    return UWC_OK;
}

uwc_status uwc_onnx__constant_float(uwc_onnx__import *im, const uwc_onnx__node *node, size_t index, float *out) {
    const uwc_tensor *tensor;
    UWC_TRY(uwc_onnx__constant(im, node, index, &tensor));
    if (tensor == NULL) {
        return UWC_OK;
    }
    UWC_CHECK(tensor->dtype == UWC_F32 && uwc_shape_count(tensor->shape) == 1, UWC_E_FORMAT, "input %zu is not one float number", index);
    *out = tensor->f32[0];
    return uwc_onnx__finite(out, "an input");
}

uwc_status uwc_onnx__tensor_create(uwc_onnx__import *im, uwc_dtype dtype, uwc_shape shape, uwc_tensor **out) {
    char text[128];
    size_t bytes;
    *out = NULL;
    bool known = !__builtin_mul_overflow((size_t)uwc_shape_count(shape), uwc_dtype_bytes(dtype), &bytes);
    UWC_CHECK(known && im->budget >= 0 && bytes <= (size_t)im->budget, UWC_E_SHAPE,
              "a computed constant of shape %s: constants of this file need too much memory", uwc_shape_print(shape, text));
    im->budget -= (int64_t)bytes;
    return uwc_tensor_create(dtype, shape, UWC_PLAIN, out);
}

uwc_status uwc_onnx__constant_take(uwc_onnx__import *im, const uwc_onnx__node *node, size_t index, uwc_tensor **out) {
    const uwc_tensor *tensor;
    *out = NULL;
    UWC_TRY(uwc_onnx__constant(im, node, index, &tensor));
    UWC_CHECK(tensor != NULL, UWC_E_FORMAT, "input %zu is missing", index);
    UWC_CHECK(tensor->dtype == UWC_F32, UWC_E_UNSUPPORTED, "input %zu is %s, not float32", index, uwc_dtype_name(tensor->dtype));
    uwc_onnx__entry *entry = uwc_onnx__input(im, node, index);
    if (entry->n_readers == 1) {
        *out = entry->constant;
        entry->constant = NULL;
        entry->state = UWC_ONNX__UNDEFINED;
        return UWC_OK;
    }
    UWC_TRY(uwc_onnx__tensor_create(im, UWC_F32, tensor->shape, out));
    memcpy((*out)->data, tensor->data, uwc_tensor_bytes(tensor));
    return UWC_OK;
}

void uwc_onnx__set_constant(uwc_onnx__import *im, const char *name, uwc_tensor *tensor) {
    uwc_onnx__entry *entry = uwc_onnx__names_find(&im->names, name);
    entry->constant = tensor;
    entry->state = UWC_ONNX__CONSTANT;
}

/* ---- values ------------------------------------------------------------------------------------------------------------------ */

static uwc_status check_activation(const uwc_onnx__entry *entry, size_t index) {
    UWC_CHECK(entry != NULL, UWC_E_FORMAT, "input %zu is missing", index);
    UWC_CHECK(!uwc_onnx__is_constant(entry), UWC_E_UNSUPPORTED, "input %zu (%s) is a constant", index, entry->name);
    UWC_CHECK(entry->state == UWC_ONNX__ACTIVATION, UWC_E_UNSUPPORTED, "input %zu (%s) is not the first output of its node", index,
              entry->name);
    UWC_CHECK(!entry->is_levels, UWC_E_UNSUPPORTED, "%s, the output of a QuantizeLinear, is read without DequantizeLinear", entry->name);
    UWC_CHECK(!entry->is_flat, UWC_E_UNSUPPORTED, "%s, a Reshape to one dimension, mixes the images", entry->name);
    return UWC_OK;
}

uwc_status uwc_onnx__activation(uwc_onnx__import *im, const uwc_onnx__node *node, size_t index, bool weighted, int *value) {
    const uwc_onnx__entry *entry = uwc_onnx__input(im, node, index);
    UWC_TRY(check_activation(entry, index));
    *value = entry->value;
    uwc_onnx__edge *edge = &im->edge[entry->value];
    if (entry->quantizer.bits == 0) {
        *(weighted ? &edge->weighted_raw : &edge->other_raw) = true;
        return UWC_OK;
    }
    const uwc_quantizer *have = &edge->quantizer, *now = &entry->quantizer;
    UWC_CHECK(have->bits == 0 || (have->bits == now->bits && have->scale == now->scale && have->zero == now->zero), UWC_E_UNSUPPORTED,
              "%s is read through two different quantizers", im->graph->value[entry->value].name);
    edge->quantizer = entry->quantizer;
    *(weighted ? &edge->weighted : &edge->other) = true;
    return UWC_OK;
}

uwc_status uwc_onnx__value_shape(const uwc_onnx__import *im, const uwc_onnx__node *node, size_t index, uwc_shape *out) {
    const uwc_onnx__entry *entry = uwc_onnx__input(im, node, index);
    UWC_TRY(check_activation(entry, index));
    *out = im->graph->value[entry->value].shape;
    return UWC_OK;
}

/* A name that neither the file nor the graph has: base, base.1, base.2 ... The first use of a name of the file keeps it. */
static uwc_status unique_name(int (*find)(const uwc_graph *, const char *), const uwc_graph *graph, const uwc_onnx__names *names,
                              const char *base, char **out) {
    UWC_TRY(uwc_strdup(base, out));
    for (int i = 1; find(graph, *out) >= 0 || (i > 1 && names != NULL && uwc_onnx__names_find(names, *out) != NULL); i++) {
        uwc_free(out);
        UWC_TRY(uwc_format(out, "%s.%d", base, i));
    }
    return UWC_OK;
}

static uwc_status new_value(uwc_onnx__import *im, const char *name, uwc_shape shape, uwc_tensor *constant, int *out) {
    UWC_TRY(uwc_graph_add_value(im->graph, name, shape, constant, out));
    return uwc_grow(&im->edge, &im->edge_capacity, im->graph->n_values, sizeof *im->edge);
}

uwc_status uwc_onnx__add_constant(uwc_onnx__import *im, const char *name, uwc_tensor *tensor, int *value) {
    char *unique = NULL;
    uwc_status st = uwc_tensor_check_finite(tensor, name);
    if (st == UWC_OK) {
        st = unique_name(uwc_graph_find_value, im->graph, &im->names, name, &unique);
    }
    if (st != UWC_OK) {
        uwc_tensor_destroy(&tensor);
        return st;
    }
    st = new_value(im, unique, tensor->shape, tensor, value);
    uwc_free(&unique);
    return st;
}

uwc_status uwc_onnx__operand(uwc_onnx__import *im, const uwc_onnx__node *node, size_t index, int *value) {
    uwc_onnx__entry *entry = uwc_onnx__input(im, node, index);
    UWC_CHECK(entry != NULL, UWC_E_FORMAT, "input %zu is missing", index);
    if (!uwc_onnx__is_constant(entry)) {
        return uwc_onnx__activation(im, node, index, false, value);
    }
    if (entry->value < 0) {
        const uwc_tensor *tensor;
        uwc_tensor *own;
        UWC_TRY(uwc_onnx__constant(im, node, index, &tensor));
        UWC_CHECK(tensor->dtype == UWC_F32, UWC_E_UNSUPPORTED, "input %zu is %s, not float32", index, uwc_dtype_name(tensor->dtype));
        UWC_TRY(uwc_tensor_copy(tensor, &own));
        UWC_TRY(uwc_onnx__add_constant(im, entry->name, own, &entry->value));
    }
    *value = entry->value;
    return UWC_OK;
}

/* ---- nodes --------------------------------------------------------------------------------------------------------------------- */

static uwc_status infer(const uwc_onnx__import *im, uwc_op *op, const int *in, int n_in, uwc_shape *out) {
    uwc_shape *shape;
    char text[128];
    UWC_TRY(uwc_calloc(n_in, sizeof *shape, &shape));
    for (int i = 0; i < n_in; i++) {
        shape[i] = im->graph->value[in[i]].shape;
    }
    uwc_status st = uwc_op_infer(op, shape, n_in, out);
    uwc_free(&shape);
    UWC_TRY(st);
    for (int i = 0; i < out->rank; i++) {
        UWC_CHECK(out->dim[i] > 0, UWC_E_SHAPE, "output of shape %s", uwc_shape_print(*out, text));
    }
    UWC_CHECK(uwc_shape_count(*out) <= INT32_MAX, UWC_E_SHAPE, "output of shape %s: too large", uwc_shape_print(*out, text));
    return UWC_OK;
}

/* The operator as a node of the graph, named after the file's node, with a new value `output`. */
static uwc_status add_node(uwc_onnx__import *im, const uwc_onnx__node *node, const char *output, uwc_op *op, const int *in, int n_in,
                           int *value, int *index) {
    uwc_shape shape;
    char *name;
    UWC_TRY(infer(im, op, in, n_in, &shape));
    UWC_TRY(new_value(im, output, shape, NULL, value));
    const char *base = node->name != NULL && node->name[0] != '\0' ? node->name : output;
    UWC_TRY(unique_name(uwc_graph_find_node, im->graph, NULL, base, &name));
    uwc_status st = uwc_graph_add_node(im->graph, name, op, in, n_in, *value, index);
    uwc_free(&name);
    return st;
}

uwc_status uwc_onnx__emit_between(uwc_onnx__import *im, const uwc_onnx__node *node, uwc_op *op, const int *in, int n_in, int *value) {
    char *base, *name = NULL;
    UWC_TRY(uwc_format(&base, "%s.%s", node->output[0], uwc_op_name(op->kind)));
    uwc_status st = unique_name(uwc_graph_find_value, im->graph, &im->names, base, &name);
    if (st == UWC_OK) {
        st = add_node(im, node, name, op, in, n_in, value, NULL);
    }
    uwc_free(&base);
    uwc_free(&name);
    return st;
}

uwc_status uwc_onnx__emit(uwc_onnx__import *im, const uwc_onnx__node *node, const char *output, uwc_op *op, const int *in, int n_in,
                          int *index) {
    int value;
    UWC_TRY(add_node(im, node, output, op, in, n_in, &value, index));
    uwc_onnx__entry *entry = uwc_onnx__names_find(&im->names, output);
    entry->state = UWC_ONNX__ACTIVATION;
    entry->value = value;
    return UWC_OK;
}

uwc_status uwc_onnx__emit_unary(uwc_onnx__import *im, const uwc_onnx__node *node, uwc_op *op) {
    int value;
    UWC_TRY(uwc_onnx__activation(im, node, 0, false, &value));
    return uwc_onnx__emit(im, node, node->output[0], op, &value, 1, NULL);
}
