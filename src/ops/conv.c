#include "conv_desc.h"

#include <omp.h>

/* Convolution by oneDNN: activations as they lie, weights in the form that it likes best.
 *
 * oneDNN's choice of blocks, and with it the order of sums, depends on the number of threads. So the primitives are made for one thread and
 * a fixed number of images, and the threads share the batch.
 *
 * oneDNN would start its sums from the bias. It is added to the finished sum instead: where the sum is exact, as that of few-bit levels
 * with short scales is (quant.h), the output is then the same in every program that adds the bias last. */

typedef struct conv {
    int64_t images;           /* of one run of a primitive; divides the batch */
    int lanes;                /* threads that run at the same time */
    uwc_ops__primitive *lane; /* [lanes] the first owns the weights */
} conv;

static uwc_status describe_bias(const uwc_kernel *kernel, dnnl_memory_desc_t *desc) {
    return uwc_ops__describe("Conv", uwc_shape_4d(1, kernel->in[1].dim[0], 1, 1), dnnl_nhwc, desc);
}

static uwc_status describe_conv(const uwc_kernel *kernel, int64_t images, dnnl_convolution_desc_t *desc) {
    uwc_ops__conv_desc c;
    UWC_TRY(uwc_ops__conv_describe(&kernel->op, kernel->in, kernel->out, images, &c));
    return uwc_ops__dnnl("Conv", "descriptor",
                         dnnl_dilated_convolution_forward_desc_init(desc, dnnl_forward_inference, dnnl_convolution_direct, &c.x, &c.weights,
                                                                    NULL, &c.y, c.stride.at, c.gap.at, c.before.at, c.after.at));
}

static uwc_status set_weights(uwc_kernel *kernel, const uwc_tensor *weights, const uwc_tensor *bias) {
    uwc_ops__primitive *own = ((conv *)kernel->state)->lane;
    dnnl_memory_desc_t desc;
    UWC_TRY(uwc_ops__conv_describe_weights(&kernel->op, kernel->in[1], true, &desc));
    UWC_TRY(uwc_ops__primitive_fill(own, DNNL_ARG_WEIGHTS, &desc, weights->f32));
    uwc_tensor *zero = NULL;
    if (bias == NULL) {
        UWC_TRY(uwc_tensor_create(UWC_F32, uwc_shape_1d(kernel->in[1].dim[0]), UWC_PLAIN, &zero));
    }
    uwc_status st = describe_bias(kernel, &desc);
    if (st == UWC_OK) {
        st = uwc_ops__primitive_fill(own, UWC_OPS__ADDED, &desc, bias != NULL ? bias->f32 : zero->f32);
    }
    uwc_tensor_destroy(&zero);
    return st;
}

static uwc_status open_lane(const uwc_kernel *kernel, const conv *own, uwc_ops__primitive *lane) {
    dnnl_convolution_desc_t desc;
    dnnl_memory_desc_t bias;
    UWC_TRY(describe_conv(kernel, own->images, &desc));
    UWC_TRY(describe_bias(kernel, &bias));
    int threads = uwc_ops__alone_begin();
    uwc_status st = uwc_ops__primitive_open(lane, "Conv", &desc, &bias);
    uwc_ops__alone_end(threads);
    UWC_TRY(st);
    UWC_TRY(uwc_ops__primitive_add(lane, DNNL_ARG_SRC, false));
    UWC_TRY(uwc_ops__primitive_add(lane, DNNL_ARG_DST, false));
    if (lane == own->lane) {
        UWC_TRY(uwc_ops__primitive_add(lane, DNNL_ARG_WEIGHTS, true));
        return uwc_ops__primitive_add(lane, UWC_OPS__ADDED, true);
    }
    UWC_TRY(uwc_ops__primitive_borrow(lane, DNNL_ARG_WEIGHTS, own->lane));
    return uwc_ops__primitive_borrow(lane, UWC_OPS__ADDED, own->lane);
}

static uwc_status prepare(uwc_kernel *kernel, const uwc_tensor *const *constant) {
    conv *own;
    UWC_TRY(uwc_calloc(1, sizeof *own, &own));
    kernel->state = own;
    own->images = uwc_ops__conv_images(&kernel->op, kernel->in, kernel->out);
    int64_t runs = kernel->out.dim[0] / own->images, threads = omp_get_max_threads();
    int lanes = (int)(runs < threads ? runs : threads);
    UWC_TRY(uwc_calloc(lanes, sizeof *own->lane, &own->lane));
    while (own->lanes < lanes) {
        UWC_TRY(open_lane(kernel, own, &own->lane[own->lanes++]));
    }
    return set_weights(kernel, constant[1], kernel->n_in > 2 ? constant[2] : NULL);
}

/* The share of a lane: images one after the other in memory. */
static uwc_status run_lane(const uwc_kernel *kernel, int lane, const float *x, float *y) {
    const conv *own = kernel->state;
    int64_t runs = kernel->out.dim[0] / own->images, end = (lane + 1) * runs / own->lanes;
    int64_t x_step = own->images * uwc_shape_per_image(kernel->in[0]), y_step = own->images * uwc_shape_per_image(kernel->out);
    uwc_status st = UWC_OK;
    int threads = uwc_ops__alone_begin();
    for (int64_t i = lane * runs / own->lanes; i < end && st == UWC_OK; i++) {
        st = uwc_ops__primitive_run(&own->lane[lane], x + i * x_step, y + i * y_step);
    }
    uwc_ops__alone_end(threads);
    return st;
}

static uwc_status run(uwc_kernel *kernel, const uwc_tensor *const *in, uwc_tensor *out) {
    int lanes = ((const conv *)kernel->state)->lanes, worst = UWC_OK;
#pragma omp parallel for schedule(static) reduction(max : worst) if (lanes > 1)
    for (int lane = 0; lane < lanes; lane++) {
        int st = (int)run_lane(kernel, lane, in[0]->f32, out->f32);
        worst = st > worst ? st : worst;
    }
    /* The text of the error stayed with its thread. */
    UWC_CHECK(worst == UWC_OK, (uwc_status)worst, "Conv: oneDNN execution");
    return UWC_OK;
}

static void release(uwc_kernel *kernel) {
    conv *own = kernel->state;
    for (int i = 0; own != NULL && i < own->lanes; i++) {
        uwc_ops__primitive_close(&own->lane[i]);
    }
    if (own != NULL) {
        uwc_free(&own->lane);
    }
    uwc_free(&kernel->state);
}

const uwc_ops__methods uwc_ops__conv = {.prepare = prepare, .set_weights = set_weights, .run = run, .release = release};
