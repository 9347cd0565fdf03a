#include "ops_impl.h"

#include <float.h>

/* Inference, fast backend and reference backend of every operator, in the order of UWC_OP_LIST. */
#define ROW_CONV uwc_ops__infer_conv, &uwc_ops__conv, &uwc_ops__conv_ref
#define ROW_LINEAR uwc_ops__infer_linear, &uwc_ops__linear, &uwc_ops__linear_ref
#define ROW_BATCH_NORM uwc_ops__infer_batch_norm, &uwc_ops__batch_norm, &uwc_ops__batch_norm_ref
#define ROW_LAYER_NORM uwc_ops__infer_layer_norm, &uwc_ops__layer_norm, &uwc_ops__layer_norm_ref
#define ROW_RELU uwc_ops__infer_same, &uwc_ops__pointwise, &uwc_ops__pointwise_ref
#define ROW_CLIP uwc_ops__infer_same, &uwc_ops__pointwise, &uwc_ops__pointwise_ref
#define ROW_LEAKY_RELU uwc_ops__infer_same, &uwc_ops__pointwise, &uwc_ops__pointwise_ref
#define ROW_SIGMOID uwc_ops__infer_same, &uwc_ops__sigmoid, &uwc_ops__pointwise_ref
#define ROW_TANH uwc_ops__infer_same, &uwc_ops__sigmoid, &uwc_ops__pointwise_ref
#define ROW_HARD_SIGMOID uwc_ops__infer_same, &uwc_ops__activation, &uwc_ops__pointwise_ref
#define ROW_HARD_SWISH uwc_ops__infer_same, &uwc_ops__activation, &uwc_ops__pointwise_ref
#define ROW_SILU uwc_ops__infer_same, &uwc_ops__sigmoid, &uwc_ops__pointwise_ref
#define ROW_GELU uwc_ops__infer_same, &uwc_ops__sigmoid, &uwc_ops__pointwise_ref
#define ROW_ERF uwc_ops__infer_same, &uwc_ops__activation, &uwc_ops__pointwise_ref
#define ROW_SQRT uwc_ops__infer_same, &uwc_ops__activation, &uwc_ops__pointwise_ref
#define ROW_SOFTMAX uwc_ops__infer_softmax, &uwc_ops__softmax, &uwc_ops__softmax_ref
#define ROW_ADD uwc_ops__infer_broadcast, &uwc_ops__broadcast, &uwc_ops__broadcast_ref
#define ROW_SUB uwc_ops__infer_broadcast, &uwc_ops__broadcast, &uwc_ops__broadcast_ref
#define ROW_MUL uwc_ops__infer_broadcast, &uwc_ops__broadcast, &uwc_ops__broadcast_ref
#define ROW_DIV uwc_ops__infer_broadcast, &uwc_ops__broadcast, &uwc_ops__broadcast_ref
#define ROW_CONCAT uwc_ops__infer_concat, &uwc_ops__concat, &uwc_ops__concat_ref
#define ROW_MAX_POOL uwc_ops__infer_pool, &uwc_ops__pool, &uwc_ops__pool_ref
#define ROW_AVERAGE_POOL uwc_ops__infer_pool, &uwc_ops__pool, &uwc_ops__pool_ref
#define ROW_GLOBAL_AVERAGE_POOL uwc_ops__infer_global_pool, &uwc_ops__reduce_mean, &uwc_ops__reduce_mean_ref
#define ROW_REDUCE_MEAN uwc_ops__infer_reduce_mean, &uwc_ops__reduce_mean, &uwc_ops__reduce_mean_ref
#define ROW_RESHAPE uwc_ops__infer_reshape, &uwc_ops__reshape, &uwc_ops__reshape_ref
#define ROW_TRANSPOSE uwc_ops__infer_transpose, &uwc_ops__transpose, &uwc_ops__transpose_ref
#define ROW_SLICE uwc_ops__infer_slice, &uwc_ops__slice, &uwc_ops__slice_ref
#define ROW_PAD uwc_ops__infer_pad, &uwc_ops__pad, &uwc_ops__pad_ref
#define ROW_IDENTITY uwc_ops__infer_same, &uwc_ops__pointwise, &uwc_ops__pointwise_ref

static const uwc_ops__row table[UWC_OP_COUNT] = {
#define ROW(kind, name, least, most, text) [UWC_OP_##kind] = {name, text, least, most, ROW_##kind},
    UWC_OP_LIST(ROW)
#undef ROW
};

const uwc_ops__row *uwc_ops__find(uwc_op_kind kind) {
    return &table[kind];
}

const char *uwc_op_name(uwc_op_kind kind) {
    return table[kind].name;
}

const char *uwc_op_description(uwc_op_kind kind) {
    return table[kind].description;
}

void uwc_op_arity(uwc_op_kind kind, int *least, int *most) {
    *least = table[kind].least;
    *most = table[kind].most;
}

static void default_windows(uwc_op *op) {
    for (int i = 0; i < 2; i++) {
        op->stride[i] = op->dilation[i] = 1;
    }
}

static void default_slice(uwc_op *op) {
    for (int i = 0; i < UWC_MAX_RANK; i++) {
        op->end[i] = INT64_MAX;
        op->step[i] = 1;
    }
}

uwc_op uwc_op_make(uwc_op_kind kind) {
    uwc_op op = {.kind = kind};
    switch (kind) {
    case UWC_OP_CONV:
        op.group = 1;
        default_windows(&op);
        break;
    case UWC_OP_MAX_POOL:
    case UWC_OP_AVERAGE_POOL:
        default_windows(&op);
        break;
    case UWC_OP_BATCH_NORM:
        op.epsilon = 1e-5f;
        break;
    case UWC_OP_LAYER_NORM:
        op.epsilon = 1e-5f;
        op.axis = -1;
        break;
    case UWC_OP_HARD_SIGMOID:
        op.alpha = 0.2f;
        op.beta = 0.5f;
        break;
    case UWC_OP_CLIP:
        op.low = -FLT_MAX;
        op.high = FLT_MAX;
        break;
    case UWC_OP_LEAKY_RELU:
        op.alpha = 0.01f;
        break;
    case UWC_OP_SOFTMAX:
        op.axis = -1;
        break;
    case UWC_OP_REDUCE_MEAN:
        op.keepdims = true;
        break;
    case UWC_OP_SLICE:
        default_slice(&op);
        break;
    default:
        break;
    }
    return op;
}

bool uwc_op_is_weighted(uwc_op_kind kind) {
    return kind == UWC_OP_CONV || kind == UWC_OP_LINEAR;
}

bool uwc_op_in_place(uwc_op_kind kind) {
    switch (kind) {
    case UWC_OP_BATCH_NORM:
    case UWC_OP_RELU:
    case UWC_OP_CLIP:
    case UWC_OP_LEAKY_RELU:
    case UWC_OP_SIGMOID:
    case UWC_OP_TANH:
    case UWC_OP_HARD_SIGMOID:
    case UWC_OP_HARD_SWISH:
    case UWC_OP_SILU:
    case UWC_OP_GELU:
    case UWC_OP_ERF:
    case UWC_OP_SQRT:
    case UWC_OP_ADD:
    case UWC_OP_SUB:
    case UWC_OP_MUL:
    case UWC_OP_DIV:
    case UWC_OP_IDENTITY:
        return true;
    default:
        return false;
    }
}

int64_t uwc_op_multiply_adds(const uwc_op *op, const uwc_shape *in, uwc_shape out) {
    if (!uwc_op_is_weighted(op->kind)) {
        return 0;
    }
    /* Every element of the output is one inner product as long as a row of the weights. */
    return uwc_shape_per_image(out) * uwc_shape_per_image(in[1]);
}
