#include "conv_desc.h"

uwc_status uwc_ops__conv_describe_weights(const uwc_op *op, uwc_shape shape, bool as_stored, dnnl_memory_desc_t *desc) {
    if (op->group > 1) {
        shape = uwc_shape_make(5, (int64_t[]){op->group, shape.dim[0] / op->group, shape.dim[1], shape.dim[2], shape.dim[3]});
    }
    dnnl_format_tag_t stored = op->group > 1 ? dnnl_goihw : dnnl_oihw;
    return uwc_ops__describe("Conv", shape, as_stored ? stored : dnnl_format_tag_any, desc);
}

uwc_status uwc_ops__conv_describe(const uwc_op *op, const uwc_shape *in, uwc_shape out, int64_t images, uwc_ops__conv_desc *desc) {
    desc->stride = uwc_ops__pair_of(op->stride[0], op->stride[1]);
    desc->gap = uwc_ops__pair_of(op->dilation[0] - 1, op->dilation[1] - 1);
    desc->before = uwc_ops__pair_of(op->pad[0], op->pad[1]);
    desc->after = uwc_ops__pair_of(op->pad[2], op->pad[3]);
    UWC_TRY(uwc_ops__describe("Conv", uwc_shape_batch(in[0], images), dnnl_nhwc, &desc->x));
    UWC_TRY(uwc_ops__describe("Conv", uwc_shape_batch(out, images), dnnl_nhwc, &desc->y));
    UWC_TRY(uwc_ops__conv_describe_weights(op, in[1], false, &desc->weights));
    return uwc_ops__describe("Conv", uwc_shape_1d(out.dim[1]), dnnl_x, &desc->bias);
}

int64_t uwc_ops__conv_images(const uwc_op *op, const uwc_shape *in, uwc_shape out) {
    static const int64_t least_work = 4000000, least_rows = 256;
    int64_t batch = out.dim[0], rows = out.dim[2] * out.dim[3], work = uwc_op_multiply_adds(op, in, out), images = 1;
    while (images < batch && (images * work < least_work || images * rows < least_rows || batch % images != 0)) {
        images++;
    }
    return images;
}
