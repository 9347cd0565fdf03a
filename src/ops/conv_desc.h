/* Private to ops: a convolution in oneDNN's terms, for its forward pass and its gradients. */
#ifndef UWC_OPS_CONV_DESC_H
#define UWC_OPS_CONV_DESC_H

#include "onednn.h"

typedef struct uwc_ops__conv_desc {
    dnnl_memory_desc_t x, weights, bias, y; /* activations as they lie; weights in the form that oneDNN likes best */
    uwc_ops__pair stride, gap, before, after;
} uwc_ops__conv_desc;

/* The convolution of `images` images; in[]: x, weights and perhaps bias. */
uwc_status uwc_ops__conv_describe(const uwc_op *op, const uwc_shape *in, uwc_shape out, int64_t images,
                                  uwc_ops__conv_desc *desc) UWC_MUST_USE;
/* Weights of `shape` as oneDNN names their axes: [O,I/g,kh,kw] or, with groups, [g,O/g,I/g,kh,kw]; as they are stored, or in any form. */
uwc_status uwc_ops__conv_describe_weights(const uwc_op *op, uwc_shape shape, bool as_stored, dnnl_memory_desc_t *desc) UWC_MUST_USE;
/* Images of one run of a primitive, a divisor of the batch: enough work to be worth a call, and enough rows for the weights to be worth
 * reading. */
int64_t uwc_ops__conv_images(const uwc_op *op, const uwc_shape *in, uwc_shape out);

#endif
