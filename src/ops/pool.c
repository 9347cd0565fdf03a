#include "onednn.h"

/* Pooling by oneDNN. The state is the primitive, or NULL where oneDNN's definition is another and the reference runs. */

/* Padding behind the input that the last window reaches: what oneDNN wants to be told, it has no ceil_mode. */
static int64_t reach(const uwc_kernel *kernel, int axis) {
    const uwc_op *op = &kernel->op;
    int64_t needed = (kernel->out.dim[2 + axis] - 1) * op->stride[axis] + op->kernel[axis] - op->pad[axis] - kernel->in[0].dim[2 + axis];
    return needed > op->pad[axis + 2] ? needed : op->pad[axis + 2];
}

static dnnl_alg_kind_t algorithm(const uwc_op *op) {
    return op->kind == UWC_OP_MAX_POOL ? dnnl_pooling_max
           : op->count_include_pad     ? dnnl_pooling_avg_include_padding
                                       : dnnl_pooling_avg_exclude_padding;
}

static uwc_status describe_pool(const uwc_kernel *kernel, uwc_ops__pair after, dnnl_pooling_desc_t *desc) {
    const uwc_op *op = &kernel->op;
    const char *name = uwc_op_name(op->kind);
    dnnl_memory_desc_t x, y;
    uwc_ops__pair stride = uwc_ops__pair_of(op->stride[0], op->stride[1]), size = uwc_ops__pair_of(op->kernel[0], op->kernel[1]),
                  before = uwc_ops__pair_of(op->pad[0], op->pad[1]);
    UWC_TRY(uwc_ops__describe(name, kernel->in[0], dnnl_nhwc, &x));
    UWC_TRY(uwc_ops__describe(name, kernel->out, dnnl_nhwc, &y));
    return uwc_ops__dnnl(
        name, "descriptor",
        dnnl_pooling_forward_desc_init(desc, dnnl_forward_inference, algorithm(op), &x, &y, stride.at, size.at, before.at, after.at));
}

static uwc_status prepare(uwc_kernel *kernel, const uwc_tensor *const *constant) {
    (void)constant;
    dnnl_pooling_desc_t desc;
    const uwc_op *op = &kernel->op;
    uwc_ops__pair after = uwc_ops__pair_of(reach(kernel, 0), reach(kernel, 1));
    bool beyond = after.at[0] > op->pad[2] || after.at[1] > op->pad[3];
    if (beyond && op->kind == UWC_OP_AVERAGE_POOL && op->count_include_pad) {
        return UWC_OK; /* oneDNN would count what ceil_mode added */
    }
    UWC_TRY(uwc_calloc(1, sizeof(uwc_ops__primitive), &kernel->state));
    UWC_TRY(describe_pool(kernel, after, &desc));
    UWC_TRY(uwc_ops__primitive_open(kernel->state, uwc_op_name(op->kind), &desc, NULL));
    UWC_TRY(uwc_ops__primitive_add(kernel->state, DNNL_ARG_SRC, false));
    return uwc_ops__primitive_add(kernel->state, DNNL_ARG_DST, false);
}

static uwc_status run(uwc_kernel *kernel, const uwc_tensor *const *in, uwc_tensor *out) {
    if (kernel->state == NULL) {
        return uwc_ops__pool_ref.run(kernel, in, out);
    }
    return uwc_ops__primitive_run(kernel->state, in[0]->f32, out->f32);
}

static void release(uwc_kernel *kernel) {
    if (kernel->state != NULL) {
        uwc_ops__primitive_close(kernel->state);
    }
    uwc_free(&kernel->state);
}

const uwc_ops__methods uwc_ops__pool = {.prepare = prepare, .run = run, .release = release};
