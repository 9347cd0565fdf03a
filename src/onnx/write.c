/* A graph as a model file. */
#include "export_impl.h"

#include <uwc/version.h>

enum { IR = 7, OPSET = 13, NEWER_IR = 8, NEWER_OPSET = 15 /* from which on NEWER_IR belongs to it */ };

static void destroy(uwc_onnx__export *ex) {
    for (int64_t i = 0; i < ex->memory.n; i++) {
        uwc_free(&ex->memory.item[i]);
    }
    uwc_free(&ex->memory.item);
    uwc_free(&ex->node.item);
    uwc_free(&ex->initializer.item);
    uwc_free(&ex->metadata.item);
    uwc_free(&ex->made.item);
    uwc_free(&ex->quantized_name);
    uwc_free(&ex->constant_name);
    uwc_free(&ex->named);
}

static uwc_status put_value_info(uwc_onnx__export *ex, const uwc_value *value, Onnx__ValueInfoProto **out) {
    Onnx__TypeProto *type;
    Onnx__TypeProto__Tensor *tensor;
    Onnx__TensorShapeProto *shape;
    UWC_TRY(uwc_onnx__allocate(ex, 1, sizeof **out, out));
    UWC_TRY(uwc_onnx__allocate(ex, 1, sizeof *type, &type));
    UWC_TRY(uwc_onnx__allocate(ex, 1, sizeof *tensor, &tensor));
    UWC_TRY(uwc_onnx__allocate(ex, 1, sizeof *shape, &shape));
    onnx__value_info_proto__init(*out);
    onnx__type_proto__init(type);
    onnx__type_proto__tensor__init(tensor);
    onnx__tensor_shape_proto__init(shape);
    (*out)->name = value->name;
    (*out)->type = type;
    type->tensor_type = tensor;
    tensor->has_elem_type = 1;
    tensor->elem_type = ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT;
    tensor->shape = shape;
    UWC_TRY(uwc_onnx__allocate(ex, value->shape.rank, sizeof *shape->dim, &shape->dim));
    for (int i = 0; i < value->shape.rank; i++) {
        UWC_TRY(uwc_onnx__allocate(ex, 1, sizeof *shape->dim[i], &shape->dim[i]));
        onnx__tensor_shape_proto__dimension__init(shape->dim[i]);
        shape->dim[i]->has_dim_value = i > 0;
        shape->dim[i]->dim_value = i > 0 ? value->shape.dim[i] : 0;
        shape->dim[i]->dim_param = i > 0 ? NULL : "N";
    }
    shape->n_dim = (size_t)value->shape.rank;
    return UWC_OK;
}

static uwc_status put_values(uwc_onnx__export *ex, const int *value, int n, Onnx__ValueInfoProto ***out) {
    UWC_TRY(uwc_onnx__allocate(ex, n, sizeof **out, out));
    for (int i = 0; i < n; i++) {
        UWC_TRY(put_value_info(ex, &ex->graph->value[value[i]], &(*out)[i]));
    }
    return UWC_OK;
}

static uwc_status put_nodes(uwc_onnx__export *ex) {
    const uwc_graph *graph = ex->graph;
    for (int i = 0; i < graph->n_inputs; i++) {
        UWC_TRY(uwc_onnx__put_quantizer(ex, graph->input[i]));
    }
    for (int i = 0; i < graph->n_nodes; i++) {
        UWC_TRY(uwc_onnx__put_operator(ex, &graph->node[i]));
        UWC_TRY(uwc_onnx__put_quantizer(ex, graph->node[i].out));
    }
    return graph->quantize_all ? uwc_onnx__put_metadata(ex, UWC_ONNX__QUANTIZE_ALL, "", "true") : UWC_OK;
}

static uwc_status fill_graph(uwc_onnx__export *ex, Onnx__GraphProto *file) {
    const uwc_graph *graph = ex->graph;
    UWC_TRY(put_nodes(ex));
    UWC_TRY(put_values(ex, graph->input, graph->n_inputs, &file->input));
    UWC_TRY(put_values(ex, graph->output, graph->n_outputs, &file->output));
    file->n_input = (size_t)graph->n_inputs;
    file->n_output = (size_t)graph->n_outputs;
    file->name = graph->name[0] != '\0' ? graph->name : "graph";
    file->node = (uwc_onnx__node **)ex->node.item;
    file->n_node = (size_t)ex->node.n;
    file->initializer = (Onnx__TensorProto **)ex->initializer.item;
    file->n_initializer = (size_t)ex->initializer.n;
    return UWC_OK;
}

static uwc_status pack(uwc_onnx__export *ex, Onnx__GraphProto *file, char **out, size_t *size) {
    Onnx__ModelProto model = ONNX__MODEL_PROTO__INIT;
    Onnx__OperatorSetIdProto opset = ONNX__OPERATOR_SET_ID_PROTO__INIT, *opsets[] = {&opset};
    opset.domain = "";
    opset.has_version = 1;
    opset.version = ex->opset;
    model.has_ir_version = 1;
    model.ir_version = ex->opset < NEWER_OPSET ? IR : NEWER_IR;
    model.producer_name = "uwc";
    model.producer_version = UWC_VERSION;
    model.graph = file;
    model.opset_import = opsets;
    model.n_opset_import = 1;
    model.metadata_props = (Onnx__StringStringEntryProto **)ex->metadata.item;
    model.n_metadata_props = (size_t)ex->metadata.n;
    *size = onnx__model_proto__get_packed_size(&model);
    UWC_CHECK(*size <= INT32_MAX, UWC_E_UNSUPPORTED, "a model of %zu bytes: protobuf ends at 2 GiB", *size);
    UWC_TRY(uwc_calloc((int64_t)*size, 1, out));
    onnx__model_proto__pack(&model, (uint8_t *)*out);
    return UWC_OK;
}

uwc_status uwc_onnx_serialize(const uwc_graph *graph, char **out, size_t *size) {
    uwc_onnx__export ex = {.graph = graph, .opset = OPSET};
    Onnx__GraphProto file = ONNX__GRAPH_PROTO__INIT;
    uwc_status st;
    *out = NULL;
    *size = 0;
    UWC_TRY_GOTO(st, uwc_calloc(graph->n_values, sizeof *ex.quantized_name, &ex.quantized_name), done);
    UWC_TRY_GOTO(st, uwc_calloc(graph->n_values, sizeof *ex.constant_name, &ex.constant_name), done);
    UWC_TRY_GOTO(st, uwc_calloc(graph->n_values, sizeof *ex.named, &ex.named), done);
    UWC_TRY_GOTO(st, fill_graph(&ex, &file), done);
    st = pack(&ex, &file, out, size);
done:
    destroy(&ex);
    return st;
}

uwc_status uwc_onnx_write(const uwc_graph *graph, const char *path) {
    char *bytes;
    size_t size;
    UWC_TRY(uwc_onnx_serialize(graph, &bytes, &size));
    uwc_status st = uwc_file_write(path, bytes, size);
    uwc_free(&bytes);
    return st;
}
