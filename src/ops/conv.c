#include "onednn.h"

/* Convolution by oneDNN: activations as they lie, weights in the form that it likes best. The state is the primitive. */

/* The weights as oneDNN names their axes: [O,I/g,kh,kw] or, with groups, [g,O/g,I/g,kh,kw]. */
static uwc_status describe_weights(const uwc_kernel *kernel, bool as_stored, dnnl_memory_desc_t *desc) {
    uwc_shape shape = kernel->in[1];
    int64_t group = kernel->op.group;
    if (group > 1) {
        shape = uwc_shape_make(5, (int64_t[]){group, shape.dim[0] / group, shape.dim[1], shape.dim[2], shape.dim[3]});
    }
    dnnl_format_tag_t stored = group > 1 ? dnnl_goihw : dnnl_oihw;
    return uwc_ops__describe("Conv", shape, as_stored ? stored : dnnl_format_tag_any, desc);
}

static uwc_status describe_bias(const uwc_kernel *kernel, dnnl_memory_desc_t *desc) {
    return uwc_ops__describe("Conv", uwc_shape_1d(kernel->in[1].dim[0]), dnnl_x, desc);
}

static uwc_status describe_conv(const uwc_kernel *kernel, dnnl_convolution_desc_t *desc) {
    const uwc_op *op = &kernel->op;
    dnnl_memory_desc_t x, w, b, y;
    uwc_ops__pair stride = uwc_ops__pair_of(op->stride[0], op->stride[1]), before = uwc_ops__pair_of(op->pad[0], op->pad[1]),
                  after = uwc_ops__pair_of(op->pad[2], op->pad[3]), gap = uwc_ops__pair_of(op->dilation[0] - 1, op->dilation[1] - 1);
    UWC_TRY(uwc_ops__describe("Conv", kernel->in[0], dnnl_nhwc, &x));
    UWC_TRY(uwc_ops__describe("Conv", kernel->out, dnnl_nhwc, &y));
    UWC_TRY(describe_weights(kernel, false, &w));
    UWC_TRY(describe_bias(kernel, &b));
    return uwc_ops__dnnl("Conv", "descriptor",
                         dnnl_dilated_convolution_forward_desc_init(desc, dnnl_forward_inference, dnnl_convolution_direct, &x, &w, &b, &y,
                                                                    stride.at, gap.at, before.at, after.at));
}

static uwc_status set_weights(uwc_kernel *kernel, const uwc_tensor *weights, const uwc_tensor *bias) {
    uwc_ops__primitive *own = kernel->state;
    dnnl_memory_desc_t desc;
    UWC_TRY(describe_weights(kernel, true, &desc));
    UWC_TRY(uwc_ops__primitive_fill(own, DNNL_ARG_WEIGHTS, &desc, weights->f32));
    uwc_tensor *zero = NULL;
    if (bias == NULL) {
        UWC_TRY(uwc_tensor_create(UWC_F32, uwc_shape_1d(kernel->in[1].dim[0]), UWC_PLAIN, &zero));
    }
    uwc_status st = describe_bias(kernel, &desc);
    if (st == UWC_OK) {
        st = uwc_ops__primitive_fill(own, DNNL_ARG_BIAS, &desc, bias != NULL ? bias->f32 : zero->f32);
    }
    uwc_tensor_destroy(&zero);
    return st;
}

static uwc_status prepare(uwc_kernel *kernel, const uwc_tensor *const *constant) {
    dnnl_convolution_desc_t desc;
    uwc_ops__primitive *own;
    UWC_TRY(uwc_calloc(1, sizeof *own, &own));
    kernel->state = own;
    UWC_TRY(describe_conv(kernel, &desc));
    UWC_TRY(uwc_ops__primitive_open(own, "Conv", &desc));
    UWC_TRY(uwc_ops__primitive_add(own, DNNL_ARG_WEIGHTS, true));
    UWC_TRY(uwc_ops__primitive_add(own, DNNL_ARG_BIAS, true));
    UWC_TRY(uwc_ops__primitive_add(own, DNNL_ARG_SRC, false));
    UWC_TRY(uwc_ops__primitive_add(own, DNNL_ARG_DST, false));
    return set_weights(kernel, constant[1], kernel->n_in > 2 ? constant[2] : NULL);
}

static uwc_status run(uwc_kernel *kernel, const uwc_tensor *const *in, uwc_tensor *out) {
    return uwc_ops__primitive_run(kernel->state, in[0]->f32, out->f32);
}

static void release(uwc_kernel *kernel) {
    if (kernel->state != NULL) {
        uwc_ops__primitive_close(kernel->state);
    }
    uwc_free(&kernel->state);
}

const uwc_ops__methods uwc_ops__conv = {.prepare = prepare, .set_weights = set_weights, .run = run, .release = release};
