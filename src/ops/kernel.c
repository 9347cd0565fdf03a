#include "ops_impl.h"

#include <omp.h>

/* The kernel object: checks that all operators share, then the backend's methods. */

static bool must_be_constant(uwc_op_kind kind, int input) {
    return input > 0 && (uwc_op_is_weighted(kind) || kind == UWC_OP_BATCH_NORM || kind == UWC_OP_LAYER_NORM);
}

static bool may_be_constant(uwc_op_kind kind, int input) {
    bool mixes = kind == UWC_OP_ADD || kind == UWC_OP_SUB || kind == UWC_OP_MUL || kind == UWC_OP_DIV || kind == UWC_OP_CONCAT;
    return mixes || must_be_constant(kind, input);
}

static uwc_status check_constant(const char *name, int input, const uwc_tensor *constant, uwc_shape shape) {
    char a[128], b[128];
    UWC_CHECK(constant->dtype == UWC_F32, UWC_E_UNSUPPORTED, "%s: input %d is a constant of %s", name, input,
              uwc_dtype_name(constant->dtype));
    UWC_CHECK(constant->layout == UWC_PLAIN, UWC_E_ARG, "%s: input %d is a constant that does not lie plain", name, input);
    UWC_CHECK(uwc_shape_equal(constant->shape, shape), UWC_E_SHAPE, "%s: input %d is %s, its constant %s", name, input,
              uwc_shape_print(shape, a), uwc_shape_print(constant->shape, b));
    return UWC_OK;
}

static uwc_status check_activation(const char *name, int input, uwc_shape shape, uwc_shape out) {
    char a[128], b[128];
    UWC_CHECK(shape.rank >= 1 && shape.dim[0] == out.dim[0], UWC_E_SHAPE, "%s: input %d is %s, the output %s", name, input,
              uwc_shape_print(shape, a), uwc_shape_print(out, b));
    return UWC_OK;
}

static uwc_status check_inputs(const uwc_kernel *kernel, const uwc_tensor *const *constant) {
    const char *name = uwc_op_name(kernel->op.kind);
    int activations = 0;
    for (int i = 0; i < kernel->n_in; i++) {
        bool is_constant = constant[i] != NULL;
        UWC_CHECK(is_constant ? may_be_constant(kernel->op.kind, i) : !must_be_constant(kernel->op.kind, i), UWC_E_UNSUPPORTED,
                  is_constant ? "%s: input %d is a constant" : "%s: input %d is not a constant", name, i);
        UWC_TRY(is_constant ? check_constant(name, i, constant[i], kernel->in[i]) : check_activation(name, i, kernel->in[i], kernel->out));
        activations += !is_constant;
    }
    UWC_CHECK(activations >= 1, UWC_E_UNSUPPORTED, "%s of constants only", name);
    return UWC_OK;
}

/* Broadcasting aligns the last axes, so the batch of an activation stays in front only at the output's own rank. */
static uwc_status check_ranks(const uwc_kernel *kernel) {
    char a[128], b[128];
    if (uwc_ops__find(kernel->op.kind)->infer != uwc_ops__infer_broadcast) {
        return UWC_OK;
    }
    for (int i = 0; i < kernel->n_in; i++) {
        UWC_CHECK(kernel->is_constant[i] || kernel->in[i].rank == kernel->out.rank, UWC_E_UNSUPPORTED, "%s: activation %s broadcast to %s",
                  uwc_op_name(kernel->op.kind), uwc_shape_print(kernel->in[i], a), uwc_shape_print(kernel->out, b));
    }
    return UWC_OK;
}

/* The shapes for one image must give the output's: what the backends rely on. */
static uwc_status check_inferred(uwc_kernel *kernel) {
    char a[128], b[128];
    uwc_shape *one, out;
    UWC_TRY(uwc_calloc(kernel->n_in, sizeof *one, &one));
    for (int i = 0; i < kernel->n_in; i++) {
        one[i] = kernel->is_constant[i] ? kernel->in[i] : uwc_shape_batch(kernel->in[i], 1);
    }
    uwc_status st = uwc_op_infer(&kernel->op, one, kernel->n_in, &out);
    uwc_free(&one);
    UWC_TRY(st);
    UWC_CHECK(uwc_shape_equal(uwc_shape_batch(out, kernel->out.dim[0]), kernel->out), UWC_E_SHAPE, "%s gives %s, not %s",
              uwc_op_name(kernel->op.kind), uwc_shape_print(out, a), uwc_shape_print(kernel->out, b));
    return UWC_OK;
}

static uwc_status make(uwc_kernel *kernel, const uwc_shape *in, const uwc_tensor *const *constant) {
    UWC_TRY(uwc_calloc(kernel->n_in, sizeof *kernel->in, &kernel->in));
    UWC_TRY(uwc_calloc(kernel->n_in, sizeof *kernel->is_constant, &kernel->is_constant));
    UWC_TRY(uwc_calloc(kernel->n_in, sizeof *kernel->constant, &kernel->constant));
    UWC_TRY(uwc_calloc(kernel->n_in, sizeof *kernel->operand, &kernel->operand));
    for (int i = 0; i < kernel->n_in; i++) {
        kernel->in[i] = in[i];
        kernel->is_constant[i] = constant[i] != NULL;
    }
    UWC_TRY(check_inputs(kernel, constant));
    UWC_TRY(check_inferred(kernel));
    UWC_TRY(check_ranks(kernel));
    for (int i = 0; kernel->methods->keeps_constants && i < kernel->n_in; i++) {
        if (constant[i] != NULL) {
            UWC_TRY(uwc_tensor_share(constant[i], &kernel->constant[i]));
        }
    }
    return kernel->methods->prepare != NULL ? kernel->methods->prepare(kernel, constant) : UWC_OK;
}

uwc_status uwc_kernel_create(const uwc_op *op, const uwc_shape *in, const uwc_tensor *const *constant, int n_in, uwc_shape out,
                             uwc_backend backend, uwc_kernel **kernel) {
    const uwc_ops__row *row = uwc_ops__find(op->kind);
    *kernel = NULL;
    UWC_CHECK(n_in >= row->least && (row->most < 0 || n_in <= row->most), UWC_E_ARG, "%s with %d inputs", row->name, n_in);
    UWC_CHECK(out.rank >= 1 && out.dim[0] >= 1, UWC_E_SHAPE, "%s without a batch", row->name);
    uwc_kernel *made;
    UWC_TRY(uwc_calloc(1, sizeof *made, &made));
    made->op = *op;
    made->methods = backend == UWC_BACKEND_REFERENCE ? row->reference : row->fast;
    made->n_in = n_in;
    made->out = out;
    uwc_status st = make(made, in, constant);
    if (st != UWC_OK) {
        uwc_kernel_destroy(&made);
        return st;
    }
    *kernel = made;
    return UWC_OK;
}

uwc_status uwc_kernel_set_weights(uwc_kernel *kernel, const uwc_tensor *weights, const uwc_tensor *bias) {
    const char *name = uwc_op_name(kernel->op.kind);
    UWC_CHECK(kernel->methods->set_weights != NULL, UWC_E_ARG, "%s has no weights", name);
    UWC_TRY(check_constant(name, 1, weights, kernel->in[1]));
    if (bias != NULL) {
        UWC_TRY(check_constant(name, 2, bias, uwc_shape_1d(kernel->in[1].dim[0])));
    }
    return kernel->methods->set_weights(kernel, weights, bias);
}

static uwc_status check_tensor(const uwc_kernel *kernel, const char *what, const uwc_tensor *tensor, uwc_shape shape) {
    char a[128], b[128];
    UWC_CHECK(tensor->dtype == UWC_F32 && uwc_shape_equal(tensor->shape, shape), UWC_E_SHAPE, "%s: %s is %s %s, the kernel's %s",
              uwc_op_name(kernel->op.kind), what, uwc_dtype_name(tensor->dtype), uwc_shape_print(tensor->shape, a),
              uwc_shape_print(shape, b));
    UWC_CHECK(tensor->layout == uwc_shape_layout(shape), UWC_E_ARG, "%s: %s does not lie in the layout of activations",
              uwc_op_name(kernel->op.kind), what);
    return UWC_OK;
}

uwc_status uwc_kernel_run(uwc_kernel *kernel, const uwc_tensor *const *in, uwc_tensor *out) {
    UWC_TRY(check_tensor(kernel, "the output", out, kernel->out));
    for (int i = 0; i < kernel->n_in; i++) {
        if (!kernel->is_constant[i]) {
            UWC_TRY(check_tensor(kernel, "an input", in[i], kernel->in[i]));
        }
        kernel->operand[i] = kernel->is_constant[i] ? kernel->constant[i] : in[i];
    }
    return kernel->methods->run(kernel, kernel->operand, out);
}

void uwc_kernel_destroy(uwc_kernel **kernel) {
    uwc_kernel *old = *kernel;
    if (old == NULL) {
        return;
    }
    if (old->methods->release != NULL) {
        old->methods->release(old);
    }
    for (int i = 0; old->constant != NULL && i < old->n_in; i++) {
        uwc_tensor_destroy(&old->constant[i]);
    }
    uwc_free(&old->constant);
    uwc_free(&old->operand);
    uwc_free(&old->is_constant);
    uwc_free(&old->in);
    uwc_free(kernel);
}

void uwc_ops_set_threads(int threads) {
    omp_set_num_threads(threads < 1 ? 1 : threads);
}
