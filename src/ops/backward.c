/* Handles, checks and the table of gradients. */
#include "backward_impl.h"

#include <string.h>

static uwc_backward_function function_of(uwc_op_kind kind) {
    static const uwc_backward_function function[UWC_OP_COUNT] = {
        [UWC_OP_CONV] = uwc_backward__conv,
        [UWC_OP_LINEAR] = uwc_backward__dense,
        [UWC_OP_BATCH_NORM] = uwc_backward__norm,
        [UWC_OP_LAYER_NORM] = uwc_backward__layer_norm,
        [UWC_OP_RELU] = uwc_backward__unary,
        [UWC_OP_CLIP] = uwc_backward__unary,
        [UWC_OP_LEAKY_RELU] = uwc_backward__unary,
        [UWC_OP_SIGMOID] = uwc_backward__unary,
        [UWC_OP_TANH] = uwc_backward__unary,
        [UWC_OP_HARD_SIGMOID] = uwc_backward__unary,
        [UWC_OP_HARD_SWISH] = uwc_backward__unary,
        [UWC_OP_SILU] = uwc_backward__unary,
        [UWC_OP_GELU] = uwc_backward__unary,
        [UWC_OP_ERF] = uwc_backward__unary,
        [UWC_OP_SQRT] = uwc_backward__unary,
        [UWC_OP_IDENTITY] = uwc_backward__unary,
        [UWC_OP_ADD] = uwc_backward__binary,
        [UWC_OP_SUB] = uwc_backward__binary,
        [UWC_OP_MUL] = uwc_backward__binary,
        [UWC_OP_CONCAT] = uwc_backward__concat,
        [UWC_OP_MAX_POOL] = uwc_backward__pool,
        [UWC_OP_AVERAGE_POOL] = uwc_backward__pool,
        [UWC_OP_GLOBAL_AVERAGE_POOL] = uwc_backward__mean,
        [UWC_OP_REDUCE_MEAN] = uwc_backward__mean,
        [UWC_OP_RESHAPE] = uwc_backward__reshape,
        [UWC_OP_TRANSPOSE] = uwc_backward__transpose,
        [UWC_OP_SLICE] = uwc_backward__slice,
        [UWC_OP_PAD] = uwc_backward__pad,
    };
    return kind < UWC_OP_COUNT ? function[kind] : NULL;
}

bool uwc_backward_exists(uwc_op_kind kind) {
    return function_of(kind) != NULL;
}

uwc_status uwc_backward_create(const uwc_op *op, const uwc_shape *in, int n_in, uwc_shape out, uwc_backward **backward) {
    int least, most;
    *backward = NULL;
    uwc_op_arity(op->kind, &least, &most);
    UWC_CHECK(n_in >= least && (most < 0 || n_in <= most), UWC_E_ARG, "%d inputs of %s", n_in, uwc_op_name(op->kind));
    UWC_CHECK(function_of(op->kind) != NULL, UWC_E_UNSUPPORTED, "no gradient of %s", uwc_op_name(op->kind));
    UWC_CHECK(op->kind != UWC_OP_LINEAR || in[0].rank != 4, UWC_E_UNSUPPORTED, "no gradient of Linear on an input of rank 4");
    uwc_backward *b;
    UWC_TRY(uwc_calloc(1, sizeof *b, &b));
    uwc_status st = uwc_calloc(n_in, sizeof *b->in, &b->in);
    if (st != UWC_OK) {
        uwc_free(&b);
        return st;
    }
    b->op = *op;
    b->n_in = n_in;
    b->out = out;
    memcpy(b->in, in, (size_t)n_in * sizeof *in);
    *backward = b;
    return UWC_OK;
}

void uwc_backward_destroy(uwc_backward **backward) {
    if (*backward == NULL) {
        return;
    }
    uwc_backward__conv_close(&(*backward)->conv);
    uwc_free(&(*backward)->in);
    uwc_free(&(*backward)->scratch);
    uwc_free(backward);
}

uwc_tensor *uwc_backward__grad(const uwc_backward *b, const uwc_backward_call *call, int i) {
    return i < b->n_in ? call->grad_in[i] : NULL;
}

bool uwc_backward__adds(const uwc_backward_call *call, int i) {
    return call->accumulate != NULL && call->accumulate[i];
}

uwc_status uwc_backward__scratch(uwc_backward *b, int64_t count, float **out) {
    if (count > b->capacity) {
        uwc_free(&b->scratch);
        b->capacity = 0;
        UWC_TRY(uwc_calloc(count, sizeof *b->scratch, &b->scratch));
        b->capacity = count;
    }
    *out = b->scratch;
    return UWC_OK;
}

static uwc_status check_tensor(const uwc_backward *b, const uwc_tensor *tensor, uwc_shape shape, uwc_layout layout, const char *what) {
    char text[128], expected[128];
    const char *name = uwc_op_name(b->op.kind);
    UWC_CHECK(tensor != NULL && tensor->dtype == UWC_F32, UWC_E_ARG, "%s: %s is no float32 tensor", name, what);
    UWC_CHECK(uwc_shape_equal(tensor->shape, shape), UWC_E_SHAPE, "%s: %s %s instead of %s", name, what,
              uwc_shape_print(tensor->shape, text), uwc_shape_print(shape, expected));
    UWC_CHECK(tensor->layout == layout, UWC_E_SHAPE, "%s: %s in another layout than it should be", name, what);
    return UWC_OK;
}

/* Layout that input i must have; operators that walk by strides take constants of rank 4, which are plain, beside activations. */
static uwc_layout layout_of(const uwc_backward *b, const uwc_backward_call *call, int i) {
    if (uwc_op_is_weighted(b->op.kind)) {
        return i == 0 ? uwc_shape_layout(b->in[0]) : UWC_PLAIN;
    }
    return b->n_in == 1 || b->op.kind == UWC_OP_BATCH_NORM || b->op.kind == UWC_OP_LAYER_NORM ? uwc_shape_layout(b->in[i])
                                                                                              : call->in[i]->layout;
}

static uwc_status check_call(const uwc_backward *b, const uwc_backward_call *call) {
    UWC_TRY(check_tensor(b, call->out, b->out, uwc_shape_layout(b->out), "output"));
    UWC_TRY(check_tensor(b, call->grad_out, b->out, call->out->layout, "gradient of the output"));
    for (int i = 0; i < b->n_in; i++) {
        UWC_CHECK(call->in[i] != NULL, UWC_E_ARG, "%s: input %d is missing", uwc_op_name(b->op.kind), i);
        UWC_TRY(check_tensor(b, call->in[i], b->in[i], layout_of(b, call, i), "input"));
        if (call->grad_in[i] != NULL) {
            UWC_TRY(check_tensor(b, call->grad_in[i], b->in[i], call->in[i]->layout, "gradient of an input"));
        }
    }
    return UWC_OK;
}

uwc_status uwc_backward_run(uwc_backward *backward, const uwc_tensor *const *in, const uwc_tensor *out, const uwc_tensor *grad_out,
                            uwc_tensor *const *grad_in, const bool *accumulate) {
    uwc_backward_call call = {.in = in, .out = out, .grad_out = grad_out, .grad_in = grad_in, .accumulate = accumulate};
    UWC_TRY(check_call(backward, &call));
    bool nothing = backward->n_in == 1 && grad_in[0] == NULL;
    return nothing ? UWC_OK : function_of(backward->op.kind)(backward, &call);
}
