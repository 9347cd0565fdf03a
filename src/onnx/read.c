/* A model file: its header, inputs, nodes and outputs, in this order. */
#include "onnx_impl.h"

#include <string.h>

enum { LEAST_IR = 3, MOST_IR = 10, LEAST_OPSET = 7, MOST_OPSET = 21 };

static bool is_default_domain(const char *domain) {
    return domain == NULL || domain[0] == '\0' || strcmp(domain, "ai.onnx") == 0;
}

static uwc_status check_header(uwc_onnx__import *im, const Onnx__ModelProto *model) {
    UWC_CHECK(model->graph != NULL, UWC_E_FORMAT, "no graph in it: is this an ONNX file?");
    UWC_CHECK(model->ir_version >= LEAST_IR && model->ir_version <= MOST_IR, UWC_E_UNSUPPORTED, "IR version %lld (supported: %d to %d)",
              (long long)model->ir_version, LEAST_IR, MOST_IR);
    for (size_t i = 0; i < model->n_opset_import; i++) {
        if (is_default_domain(model->opset_import[i]->domain)) {
            im->opset = model->opset_import[i]->version;
        }
    }
    UWC_CHECK(im->opset >= LEAST_OPSET && im->opset <= MOST_OPSET, UWC_E_UNSUPPORTED, "operator set %lld (supported: %d to %d)",
              (long long)im->opset, LEAST_OPSET, MOST_OPSET);
    im->model = model;
    im->file = model->graph;
    return UWC_OK;
}

static uwc_status check_node(const uwc_onnx__node *node, size_t index) {
    const char *name = node->name == NULL ? "" : node->name;
    UWC_CHECK(node->op_type != NULL && node->op_type[0] != '\0', UWC_E_FORMAT, "node %zu \"%s\" has no operator type", index, name);
    UWC_CHECK(node->n_output > 0 && node->output[0][0] != '\0', UWC_E_FORMAT, "node %zu \"%s\" (%s) has no output", index, name,
              node->op_type);
    if (uwc_onnx__operator_find(node->op_type) == NULL || !is_default_domain(node->domain)) {
        char list[UWC_ERROR_TEXT];
        uwc_onnx__operator_list(list, sizeof list);
        return uwc_error_set(UWC_E_UNSUPPORTED, "node \"%.80s\": operator %s%s%.60s (supported: %s)",
                             name[0] != '\0' ? name : node->output[0], is_default_domain(node->domain) ? "" : node->domain,
                             is_default_domain(node->domain) ? "" : ".", node->op_type, list);
    }
    return UWC_OK;
}

/* ---- inputs and outputs --------------------------------------------------------------------------------------------------------- */

static uwc_status read_dimension(const Onnx__TensorShapeProto *proto, int axis, int64_t *out) {
    const Onnx__TensorShapeProto__Dimension *dim = proto->dim[axis];
    if (!dim->has_dim_value) {
        UWC_CHECK(axis == 0, UWC_E_SHAPE, "dimension %d (\"%.60s\") is not fixed", axis, dim->dim_param == NULL ? "" : dim->dim_param);
        *out = 0;
        return UWC_OK;
    }
    UWC_CHECK(dim->dim_value > 0 || axis == 0, UWC_E_SHAPE, "dimension %d is %lld", axis, (long long)dim->dim_value);
    UWC_CHECK(dim->dim_value <= (axis == 0 ? 1 : INT32_MAX), UWC_E_SHAPE, "dimension %d is %lld; %s", axis, (long long)dim->dim_value,
              axis == 0 ? "the batch must be dynamic or 1" : "too large");
    *out = dim->dim_value;
    return UWC_OK;
}

static uwc_status read_input_shape(uwc_onnx__import *im, const Onnx__ValueInfoProto *info, uwc_shape *out) {
    const Onnx__TypeProto__Tensor *tensor = info->type == NULL ? NULL : info->type->tensor_type;
    char text[128];
    UWC_CHECK(tensor != NULL && tensor->shape != NULL, UWC_E_SHAPE, "its shape is not given");
    UWC_CHECK(tensor->elem_type == ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT, UWC_E_UNSUPPORTED, "data type %d, only float is supported",
              tensor->elem_type);
    UWC_CHECK(tensor->shape->n_dim >= 1 && tensor->shape->n_dim <= UWC_MAX_RANK, UWC_E_UNSUPPORTED, "%zu dimensions", tensor->shape->n_dim);
    *out = (uwc_shape){.rank = (int)tensor->shape->n_dim};
    for (int i = 0; i < out->rank; i++) {
        UWC_TRY(read_dimension(tensor->shape, i, &out->dim[i]));
    }
    im->dynamic_batch = im->dynamic_batch || out->dim[0] != 1;
    out->dim[0] = 1;
    UWC_CHECK(uwc_shape_count(*out) <= INT32_MAX, UWC_E_SHAPE, "shape %s: too large", uwc_shape_print(*out, text));
    return UWC_OK;
}

static uwc_status add_input(uwc_onnx__import *im, const Onnx__ValueInfoProto *info) {
    uwc_onnx__entry *entry = uwc_onnx__names_find(&im->names, info->name);
    uwc_shape shape;
    if (entry->initializer != NULL) {
        return UWC_OK;
    }
    UWC_TRY(uwc_error_note(read_input_shape(im, info, &shape), "input %s", info->name));
    UWC_TRY(uwc_graph_add_value(im->graph, info->name, shape, NULL, &entry->value));
    UWC_TRY(uwc_grow(&im->edge, &im->edge_capacity, im->graph->n_values, sizeof *im->edge));
    entry->state = UWC_ONNX__ACTIVATION;
    return uwc_graph_add_input(im->graph, entry->value);
}

static uwc_status add_output(uwc_onnx__import *im, const char *name) {
    const uwc_onnx__entry *entry = uwc_onnx__names_find(&im->names, name);
    UWC_CHECK(entry->state == UWC_ONNX__ACTIVATION, UWC_E_UNSUPPORTED,
              "output %s of the graph is a constant or not the first output of its node", name);
    UWC_CHECK(entry->quantizer.bits == 0, UWC_E_UNSUPPORTED, "output %s of the graph is quantized", name);
    UWC_CHECK(im->graph->value[entry->value].producer >= 0, UWC_E_UNSUPPORTED, "output %s of the graph is its input", name);
    for (int i = 0; i < im->graph->n_outputs; i++) {
        UWC_CHECK(im->graph->output[i] != entry->value, UWC_E_FORMAT, "two outputs of the graph are %s", name);
    }
    return uwc_graph_add_output(im->graph, entry->value);
}

/* ---- nodes ------------------------------------------------------------------------------------------------------------------------ */

static bool all_constant(const uwc_onnx__import *im, const uwc_onnx__node *node) {
    for (size_t i = 0; i < node->n_input; i++) {
        const uwc_onnx__entry *entry = uwc_onnx__input(im, node, i);
        if (entry != NULL && !uwc_onnx__is_constant(entry)) {
            return false;
        }
    }
    return true;
}

static uwc_status fold(uwc_onnx__import *im, const uwc_onnx__node *node, const uwc_onnx__operator *operator) {
    uwc_tensor *tensor = NULL;
    uwc_status st = operator->fold(im, node, &tensor);
    if (st != UWC_OK) {
        uwc_tensor_destroy(&tensor);
        return st;
    }
    uwc_onnx__set_constant(im, node->output[0], tensor);
    return UWC_OK;
}

/* `only_fold`: nodes that read activations are left for later. */
static uwc_status import_node(uwc_onnx__import *im, int index, bool only_fold) {
    const uwc_onnx__node *node = im->file->node[index];
    const uwc_onnx__operator *operator= uwc_onnx__operator_find(node->op_type);
    bool folds = operator->fold != NULL && all_constant(im, node);
    uwc_status st = UWC_OK;
    if (folds) {
        st = fold(im, node, operator);
    } else if (!only_fold && operator->import != NULL) {
        st = operator->import(im, node);
    } else if (!only_fold) {
        st = uwc_error_set(UWC_E_UNSUPPORTED, "supported on constants only, and %s is none", node->input[0]);
    }
    im->done[index] = im->done[index] || folds || !only_fold;
    return uwc_error_note(st, "node \"%.100s\" (%s)", node->name != NULL && node->name[0] != '\0' ? node->name : node->output[0],
                          node->op_type);
}

/* Constants first, so that a node may look at what its readers read beside it. */
static uwc_status import_nodes(uwc_onnx__import *im) {
    for (int pass = 0; pass < 2; pass++) {
        for (size_t i = 0; i < im->file->n_node; i++) {
            if (!im->done[im->order[i]]) {
                UWC_TRY(import_node(im, im->order[i], pass == 0));
            }
        }
    }
    return UWC_OK;
}

static uwc_status import_graph(uwc_onnx__import *im) {
    const char *name = im->file->name;
    for (size_t i = 0; i < im->file->n_node; i++) {
        UWC_TRY(check_node(im->file->node[i], i));
    }
    UWC_TRY(uwc_onnx__names_create(im->file, &im->names));
    UWC_TRY(uwc_onnx__order(im->file, &im->names, &im->order));
    UWC_TRY(uwc_calloc((int64_t)im->file->n_node, sizeof *im->done, &im->done));
    UWC_TRY(uwc_graph_create(name == NULL || name[0] == '\0' ? "graph" : name, &im->graph));
    for (size_t i = 0; i < im->file->n_input; i++) {
        UWC_TRY(add_input(im, im->file->input[i]));
    }
    UWC_TRY(import_nodes(im));
    for (size_t i = 0; i < im->file->n_output; i++) {
        UWC_TRY(add_output(im, im->file->output[i]->name));
    }
    UWC_TRY(uwc_onnx__settle_quantizers(im));
    UWC_TRY(uwc_graph_finish(im->graph));
    return uwc_graph_simplify(im->graph);
}

static uwc_status import_model(const Onnx__ModelProto *model, const char *folder, int64_t budget, uwc_graph **out) {
    uwc_onnx__import im = {.folder = folder, .budget = budget};
    uwc_status st = check_header(&im, model);
    if (st == UWC_OK) {
        st = import_graph(&im);
    }
    uwc_onnx__names_destroy(&im.names);
    uwc_free(&im.order);
    uwc_free(&im.done);
    uwc_free(&im.edge);
    if (st != UWC_OK) {
        uwc_graph_destroy(&im.graph);
    }
    *out = im.graph;
    return st;
}

uwc_status uwc_onnx_parse(const void *bytes, size_t size, const char *folder, uwc_graph **out) {
    const int64_t least_budget = INT64_C(64) << 20;
    *out = NULL;
    UWC_CHECK(size > 0, UWC_E_FORMAT, "the model is empty");
    Onnx__ModelProto *model = onnx__model_proto__unpack(NULL, size, bytes);
    UWC_CHECK(model != NULL, UWC_E_FORMAT, "%zu bytes that are no ONNX model (not a valid protobuf message)", size);
    uwc_status st = import_model(model, folder, least_budget + UWC_ONNX__COPIES * (int64_t)size, out);
    onnx__model_proto__free_unpacked(model, NULL);
    return st;
}

uwc_status uwc_onnx_read(const char *path, uwc_graph **out) {
    char *bytes, *folder = NULL;
    size_t size;
    *out = NULL;
    UWC_TRY(uwc_file_read(path, &bytes, &size));
    uwc_status st = uwc_path_folder(path, &folder);
    if (st == UWC_OK) {
        st = uwc_error_note(uwc_onnx_parse(bytes, size, folder, out), "%s", path);
    }
    uwc_free(&folder);
    uwc_free(&bytes);
    return st;
}
