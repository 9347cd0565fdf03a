/* One operator of a graph as a node of a file. */
#include "export_impl.h"

#include <math.h>

typedef struct writer {
    uwc_onnx__export *ex;
    const uwc_node *node;
    const uwc_op *op;
    uwc_shape in; /* of input 0 */
} writer;

/* The node of the file with the first n inputs, activations or float constants. */
static uwc_status put_node(const writer *w, const char *type, int n, uwc_onnx__node **out) {
    UWC_TRY(uwc_onnx__new_node(w->ex, type, w->node->name, w->ex->graph->value[w->node->out].name, out));
    for (int k = 0; k < n; k++) {
        const char *name = uwc_onnx__read_name(w->ex, w->node, k);
        if (w->ex->graph->value[w->node->in[k]].constant != NULL) {
            UWC_TRY(uwc_onnx__put_constant(w->ex, w->node->in[k], &name));
        }
        UWC_TRY(uwc_onnx__add_input(w->ex, *out, name));
    }
    return UWC_OK;
}

static uwc_status put_window(const writer *w, uwc_onnx__node *node) {
    UWC_TRY(uwc_onnx__put_ints(w->ex, node, "kernel_shape", w->op->kernel, 2));
    UWC_TRY(uwc_onnx__put_ints(w->ex, node, "strides", w->op->stride, 2));
    return uwc_onnx__put_ints(w->ex, node, "pads", w->op->pad, 4);
}

/* The bias as third input of the node or, where it must stay as it is, added behind it. `inside`: the operator has a third input. */
static uwc_status put_bias(const writer *w, uwc_onnx__node *node, bool inside) {
    const char *name, *output = node->output[0];
    char *between;
    uwc_onnx__node *sum;
    if (w->node->n_in < 3) {
        return UWC_OK;
    }
    if (inside && !uwc_onnx__bias_would_change(w->ex, w->node)) {
        UWC_TRY(uwc_onnx__put_constant(w->ex, w->node->in[2], &name));
        return uwc_onnx__add_input(w->ex, node, name);
    }
    UWC_TRY(uwc_onnx__fresh_name(w->ex, output, "product", &between));
    node->output[0] = between;
    UWC_TRY(uwc_onnx__put_added_bias(w->ex, w->node->in[2], w->op->kind == UWC_OP_CONV ? 2 : 0, &name));
    UWC_TRY(uwc_onnx__new_node(w->ex, "Add", between, output, &sum));
    UWC_TRY(uwc_onnx__add_input(w->ex, sum, between));
    return uwc_onnx__add_input(w->ex, sum, name);
}

static uwc_status put_conv(const writer *w) {
    uwc_onnx__node *node;
    const char *weights;
    UWC_TRY(uwc_onnx__put_weights(w->ex, w->node, false, &weights));
    UWC_TRY(put_node(w, "Conv", 1, &node));
    UWC_TRY(uwc_onnx__add_input(w->ex, node, weights));
    UWC_TRY(put_window(w, node));
    UWC_TRY(uwc_onnx__put_ints(w->ex, node, "dilations", w->op->dilation, 2));
    UWC_TRY(uwc_onnx__put_int(w->ex, node, "group", w->op->group));
    return put_bias(w, node, true);
}

static uwc_status put_gemm(const writer *w) {
    uwc_onnx__node *node;
    const char *weights;
    UWC_TRY(uwc_onnx__put_weights(w->ex, w->node, false, &weights));
    UWC_TRY(put_node(w, "Gemm", 1, &node));
    UWC_TRY(uwc_onnx__add_input(w->ex, node, weights));
    UWC_TRY(uwc_onnx__put_int(w->ex, node, "transB", 1));
    return put_bias(w, node, true);
}

/* Gemm has two dimensions only. */
static uwc_status put_matmul(const writer *w) {
    uwc_onnx__node *node;
    const char *weights;
    UWC_TRY(uwc_onnx__put_weights(w->ex, w->node, true, &weights));
    UWC_TRY(put_node(w, "MatMul", 1, &node));
    UWC_TRY(uwc_onnx__add_input(w->ex, node, weights));
    return put_bias(w, node, false);
}

static uwc_status put_linear(const writer *w) {
    return w->in.rank == 2 ? put_gemm(w) : put_matmul(w);
}

static uwc_status put_pool(const writer *w) {
    uwc_onnx__node *node;
    bool average = w->op->kind == UWC_OP_AVERAGE_POOL;
    UWC_TRY(put_node(w, average ? "AveragePool" : "MaxPool", 1, &node));
    UWC_TRY(put_window(w, node));
    UWC_TRY(uwc_onnx__put_int(w->ex, node, "ceil_mode", w->op->ceil_mode));
    return average ? uwc_onnx__put_int(w->ex, node, "count_include_pad", w->op->count_include_pad) : UWC_OK;
}

static uwc_status put_clip(const writer *w) {
    uwc_onnx__node *node;
    UWC_TRY(put_node(w, "Clip", 1, &node));
    UWC_TRY(uwc_onnx__put_float_input(w->ex, node, "min", w->op->low));
    return uwc_onnx__put_float_input(w->ex, node, "max", w->op->high);
}

static uwc_status put_reduce_mean(const writer *w) {
    uwc_onnx__node *node;
    int64_t axes[UWC_MAX_RANK];
    for (int i = 0; i < w->op->n_axes; i++) {
        axes[i] = w->op->axes[i];
    }
    UWC_TRY(put_node(w, "ReduceMean", 1, &node));
    UWC_TRY(uwc_onnx__put_ints(w->ex, node, "axes", axes, w->op->n_axes));
    return uwc_onnx__put_int(w->ex, node, "keepdims", w->op->keepdims);
}

/* 0 keeps the batch, whatever it is. */
static uwc_status put_reshape(const writer *w) {
    uwc_onnx__node *node;
    int64_t target[UWC_MAX_RANK] = {0};
    for (int i = 1; i < w->op->target.rank; i++) {
        target[i] = w->op->target.dim[i];
    }
    UWC_TRY(put_node(w, "Reshape", 1, &node));
    return uwc_onnx__put_int_input(w->ex, node, "shape", target, w->op->target.rank);
}

static uwc_status put_transpose(const writer *w) {
    uwc_onnx__node *node;
    int64_t perm[UWC_MAX_RANK];
    for (int i = 0; i < w->in.rank; i++) {
        perm[i] = w->op->perm[i];
    }
    UWC_TRY(put_node(w, "Transpose", 1, &node));
    return uwc_onnx__put_ints(w->ex, node, "perm", perm, w->in.rank);
}

/* All axes but the batch. */
static uwc_status put_slice(const writer *w) {
    uwc_onnx__node *node;
    int64_t axes[UWC_MAX_RANK];
    for (int i = 1; i < w->in.rank; i++) {
        axes[i] = i;
    }
    int n = w->in.rank - 1;
    UWC_TRY(put_node(w, "Slice", 1, &node));
    UWC_TRY(uwc_onnx__put_int_input(w->ex, node, "starts", w->op->start + 1, n));
    UWC_TRY(uwc_onnx__put_int_input(w->ex, node, "ends", w->op->end + 1, n));
    UWC_TRY(uwc_onnx__put_int_input(w->ex, node, "axes", axes + 1, n));
    return uwc_onnx__put_int_input(w->ex, node, "steps", w->op->step + 1, n);
}

static uwc_status put_pad(const writer *w) {
    uwc_onnx__node *node;
    int64_t pads[2 * UWC_MAX_RANK];
    for (int i = 0; i < w->in.rank; i++) {
        pads[i] = w->op->before[i];
        pads[w->in.rank + i] = w->op->after[i];
    }
    UWC_TRY(put_node(w, "Pad", 1, &node));
    UWC_TRY(uwc_onnx__put_int_input(w->ex, node, "pads", pads, 2 * w->in.rank));
    return uwc_onnx__put_float_input(w->ex, node, "value", w->op->value);
}

/* The node that makes `output` of one input more; named after its output where it is not the operator's own. */
static uwc_status put_step(const writer *w, const char *type, const char *output, const char *input, uwc_onnx__node **out) {
    bool last = output == w->ex->graph->value[w->node->out].name;
    UWC_TRY(uwc_onnx__new_node(w->ex, type, last ? w->node->name : output, output, out));
    return uwc_onnx__add_input(w->ex, *out, input);
}

/* Silu and HardSwish: x times a gate, which operator set 13 has. */
static uwc_status put_gated(const writer *w) {
    const char *x = uwc_onnx__read_name(w->ex, w->node, 0), *output = w->ex->graph->value[w->node->out].name;
    bool hard = w->op->kind == UWC_OP_HARD_SWISH;
    uwc_onnx__node *gate, *product;
    char *between;
    UWC_TRY(uwc_onnx__fresh_name(w->ex, output, "gate", &between));
    UWC_TRY(put_step(w, hard ? "HardSigmoid" : "Sigmoid", between, x, &gate));
    if (hard) {
        UWC_TRY(uwc_onnx__put_float(w->ex, gate, "alpha", 1.0f / 6));
        UWC_TRY(uwc_onnx__put_float(w->ex, gate, "beta", 0.5f));
    }
    UWC_TRY(put_step(w, "Mul", output, x, &product));
    return uwc_onnx__add_input(w->ex, product, between);
}

/* x (1 + erf(x / sqrt(2))) / 2; Gelu itself came with operator set 20. */
static uwc_status put_gelu(const writer *w) {
    static const char *const type[] = {"Div", "Erf", "Add", "Mul", "Mul"}, *const suffix[] = {"scaled", "erf", "sum", "product", NULL};
    const char *x = uwc_onnx__read_name(w->ex, w->node, 0), *output = w->ex->graph->value[w->node->out].name, *read = x;
    const float number[] = {sqrtf(2), 0, 1, 0, 0.5f};
    for (int i = 0; i < 5; i++) {
        char *made = NULL;
        uwc_onnx__node *node;
        if (suffix[i] != NULL) {
            UWC_TRY(uwc_onnx__fresh_name(w->ex, output, suffix[i], &made));
        }
        UWC_TRY(put_step(w, type[i], made == NULL ? output : made, read, &node));
        if (number[i] > 0) {
            UWC_TRY(uwc_onnx__put_float_input(w->ex, node, "by", number[i]));
        } else if (i == 3) {
            UWC_TRY(uwc_onnx__add_input(w->ex, node, x));
        }
        read = made;
    }
    return UWC_OK;
}

/* Axis `axis` to the end, or back from there: node `name`. */
static uwc_status put_turned(const writer *w, bool back, const char *name, const char *output, const char *input) {
    uwc_onnx__node *node;
    int64_t perm[UWC_MAX_RANK];
    int last = w->in.rank - 1, axis = w->op->axis;
    for (int i = 0, from = 0; i < last; i++, from++) {
        from += from == axis;
        perm[back ? from : i] = back ? i : from;
    }
    perm[back ? axis : last] = back ? last : axis;
    UWC_TRY(uwc_onnx__new_node(w->ex, "Transpose", name, output, &node));
    UWC_TRY(uwc_onnx__add_input(w->ex, node, input));
    return uwc_onnx__put_ints(w->ex, node, "perm", perm, w->in.rank);
}

/* ONNX normalises the last axes alone. */
static uwc_status put_layer_norm(const writer *w) {
    const char *read = uwc_onnx__read_name(w->ex, w->node, 0), *output = w->ex->graph->value[w->node->out].name, *constant;
    char *there, *back = NULL, *last = NULL;
    bool turned = w->op->axis != w->in.rank - 1;
    uwc_onnx__node *node;
    if (turned) {
        UWC_TRY(uwc_onnx__fresh_name(w->ex, output, "turned", &there));
        UWC_TRY(uwc_onnx__fresh_name(w->ex, output, "normal", &back));
        UWC_TRY(uwc_onnx__fresh_name(w->ex, output, "back", &last)); /* the node's own name stays with the normalisation */
        UWC_TRY(put_turned(w, false, there, there, read));
        read = there;
    }
    UWC_TRY(uwc_onnx__new_node(w->ex, "LayerNormalization", w->node->name, turned ? back : output, &node));
    UWC_TRY(uwc_onnx__add_input(w->ex, node, read));
    for (int k = 1; k <= 2; k++) {
        UWC_TRY(uwc_onnx__put_constant(w->ex, w->node->in[k], &constant));
        UWC_TRY(uwc_onnx__add_input(w->ex, node, constant));
    }
    UWC_TRY(uwc_onnx__put_float(w->ex, node, "epsilon", w->op->epsilon));
    w->ex->opset = w->ex->opset < 17 ? 17 : w->ex->opset;
    return turned ? put_turned(w, true, last, output, back) : UWC_OK;
}

/* Operators with nothing but inputs and at most one attribute. */
static uwc_status put_plain(const writer *w) {
    uwc_onnx__node *node;
    UWC_TRY(put_node(w, uwc_op_name(w->op->kind), w->node->n_in, &node));
    switch (w->op->kind) {
    case UWC_OP_BATCH_NORM:
        return uwc_onnx__put_float(w->ex, node, "epsilon", w->op->epsilon);
    case UWC_OP_LEAKY_RELU:
        return uwc_onnx__put_float(w->ex, node, "alpha", w->op->alpha);
    case UWC_OP_HARD_SIGMOID:
        UWC_TRY(uwc_onnx__put_float(w->ex, node, "alpha", w->op->alpha));
        return uwc_onnx__put_float(w->ex, node, "beta", w->op->beta);
    case UWC_OP_SOFTMAX:
    case UWC_OP_CONCAT:
        return uwc_onnx__put_int(w->ex, node, "axis", w->op->axis);
    default:
        return UWC_OK;
    }
}

uwc_status uwc_onnx__put_operator(uwc_onnx__export *ex, const uwc_node *node) {
    static uwc_status (*const put[UWC_OP_COUNT])(const writer *) = {
        [UWC_OP_CONV] = put_conv,
        [UWC_OP_LINEAR] = put_linear,
        [UWC_OP_BATCH_NORM] = put_plain,
        [UWC_OP_RELU] = put_plain,
        [UWC_OP_CLIP] = put_clip,
        [UWC_OP_LEAKY_RELU] = put_plain,
        [UWC_OP_SIGMOID] = put_plain,
        [UWC_OP_TANH] = put_plain,
        [UWC_OP_HARD_SIGMOID] = put_plain,
        [UWC_OP_HARD_SWISH] = put_gated,
        [UWC_OP_SILU] = put_gated,
        [UWC_OP_GELU] = put_gelu,
        [UWC_OP_ERF] = put_plain,
        [UWC_OP_SQRT] = put_plain,
        [UWC_OP_LAYER_NORM] = put_layer_norm,
        [UWC_OP_SOFTMAX] = put_plain,
        [UWC_OP_ADD] = put_plain,
        [UWC_OP_SUB] = put_plain,
        [UWC_OP_MUL] = put_plain,
        [UWC_OP_DIV] = put_plain,
        [UWC_OP_CONCAT] = put_plain,
        [UWC_OP_MAX_POOL] = put_pool,
        [UWC_OP_AVERAGE_POOL] = put_pool,
        [UWC_OP_GLOBAL_AVERAGE_POOL] = put_plain,
        [UWC_OP_REDUCE_MEAN] = put_reduce_mean,
        [UWC_OP_RESHAPE] = put_reshape,
        [UWC_OP_TRANSPOSE] = put_transpose,
        [UWC_OP_SLICE] = put_slice,
        [UWC_OP_PAD] = put_pad,
        [UWC_OP_IDENTITY] = put_plain,
    };
    writer w = {.ex = ex, .node = node, .op = &node->op, .in = ex->graph->value[node->in[0]].shape};
    return uwc_error_note(put[node->op.kind](&w), "node %s (%s)", node->name, uwc_op_name(node->op.kind));
}
