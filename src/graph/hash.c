#include <uwc/graph.h>

#include <string.h>

/* Fields one by one: a struct's padding has no value. */
#define MIX(hash, field) ((hash) = uwc_hash((hash), &(field), sizeof(field)))

static uint64_t mix_text(uint64_t hash, const char *text) {
    return uwc_hash(hash, text, strlen(text) + 1);
}

static uint64_t mix_shape(uint64_t hash, const uwc_shape *shape) {
    MIX(hash, shape->rank);
    return uwc_hash(hash, shape->dim, (size_t)shape->rank * sizeof shape->dim[0]);
}

static uint64_t mix_op(uint64_t hash, const uwc_op *op) {
    MIX(hash, op->kind);
    MIX(hash, op->kernel);
    MIX(hash, op->stride);
    MIX(hash, op->dilation);
    MIX(hash, op->pad);
    MIX(hash, op->auto_pad);
    MIX(hash, op->group);
    MIX(hash, op->ceil_mode);
    MIX(hash, op->count_include_pad);
    MIX(hash, op->keepdims);
    MIX(hash, op->alpha);
    MIX(hash, op->beta);
    MIX(hash, op->low);
    MIX(hash, op->high);
    MIX(hash, op->epsilon);
    MIX(hash, op->value);
    MIX(hash, op->axis);
    MIX(hash, op->n_axes);
    MIX(hash, op->axes);
    MIX(hash, op->perm);
    MIX(hash, op->start);
    MIX(hash, op->end);
    MIX(hash, op->step);
    MIX(hash, op->before);
    MIX(hash, op->after);
    return mix_shape(hash, &op->target);
}

static uint64_t mix_value(uint64_t hash, const uwc_value *value) {
    hash = mix_text(hash, value->name);
    hash = mix_shape(hash, &value->shape);
    MIX(hash, value->activation_bits);
    MIX(hash, value->quantizer.bits);
    MIX(hash, value->quantizer.scale);
    MIX(hash, value->quantizer.zero);
    return value->constant == NULL ? hash : uwc_hash(hash, value->constant->data, uwc_tensor_bytes(value->constant));
}

static uint64_t mix_node(uint64_t hash, const uwc_node *node, const uwc_graph *graph) {
    hash = mix_text(hash, node->name);
    hash = mix_op(hash, &node->op);
    for (int k = 0; k < node->n_in; k++) {
        hash = mix_value(hash, &graph->value[node->in[k]]);
    }
    hash = mix_value(hash, &graph->value[node->out]);
    MIX(hash, node->weight_bits);
    MIX(hash, node->weight_asymmetric);
    if (node->quantized != NULL) {
        const uwc_weights *w = node->quantized;
        MIX(hash, w->bits);
        hash = uwc_hash(hash, w->q, (size_t)(w->rows * w->cols));
        hash = uwc_hash(hash, w->scale, (size_t)w->rows * sizeof *w->scale);
        hash = uwc_hash(hash, w->zero, (size_t)w->rows * sizeof *w->zero);
    }
    return hash;
}

uwc_status uwc_graph_hash(const uwc_graph *graph, uint64_t *out) {
    uint64_t hash = mix_text(UWC_HASH_INIT, graph->name);
    MIX(hash, graph->quantize_all);
    for (int i = 0; i < graph->n_inputs; i++) {
        hash = mix_value(hash, &graph->value[graph->input[i]]);
    }
    for (int i = 0; i < graph->n_nodes; i++) {
        hash = mix_node(hash, &graph->node[i], graph);
    }
    for (int i = 0; i < graph->n_outputs; i++) {
        hash = mix_text(hash, graph->value[graph->output[i]].name);
    }
    *out = hash;
    return UWC_OK;
}
