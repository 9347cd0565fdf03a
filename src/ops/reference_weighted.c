#include "ops_impl.h"

/* Reference of Conv and Linear: the sums of the definition, in double. The state is the weights and the bias. */

typedef struct weighted {
    uwc_tensor *weights, *bias; /* bias NULL: none */
} weighted;

static uwc_status set_weights(uwc_kernel *kernel, const uwc_tensor *weights, const uwc_tensor *bias) {
    weighted *own = kernel->state;
    uwc_tensor_destroy(&own->weights);
    uwc_tensor_destroy(&own->bias);
    UWC_TRY(uwc_tensor_copy(weights, &own->weights));
    return bias != NULL ? uwc_tensor_copy(bias, &own->bias) : UWC_OK;
}

static uwc_status prepare(uwc_kernel *kernel, const uwc_tensor *const *constant) {
    UWC_TRY(uwc_calloc(1, sizeof(weighted), &kernel->state));
    return set_weights(kernel, constant[1], kernel->n_in > 2 ? constant[2] : NULL);
}

static void release(uwc_kernel *kernel) {
    weighted *own = kernel->state;
    if (own != NULL) {
        uwc_tensor_destroy(&own->weights);
        uwc_tensor_destroy(&own->bias);
    }
    uwc_free(&kernel->state);
}

/* One output of a convolution: image n, channel o, window that starts at (top, left) of the input, which may be in the padding. */
static double window_sum(const uwc_op *op, const uwc_tensor *x, const uwc_tensor *w, int64_t n, int64_t o, int64_t top, int64_t left) {
    int64_t per_group = w->shape.dim[1], first = o / (w->shape.dim[0] / op->group) * per_group;
    int64_t channels = x->shape.dim[1], height = x->shape.dim[2], width = x->shape.dim[3];
    double sum = 0;
    for (int64_t c = 0; c < per_group; c++) {
        for (int64_t i = 0; i < op->kernel[0]; i++) {
            for (int64_t j = 0; j < op->kernel[1]; j++) {
                int64_t h = top + i * op->dilation[0], v = left + j * op->dilation[1];
                if (h >= 0 && h < height && v >= 0 && v < width) {
                    double weight = w->f32[((o * per_group + c) * op->kernel[0] + i) * op->kernel[1] + j];
                    sum += weight * x->f32[((n * height + h) * width + v) * channels + first + c];
                }
            }
        }
    }
    return sum;
}

static uwc_status run_conv(uwc_kernel *kernel, const uwc_tensor *const *in, uwc_tensor *out) {
    const weighted *own = kernel->state;
    const uwc_op *op = &kernel->op;
    int64_t at = 0;
    for (int64_t n = 0; n < out->shape.dim[0]; n++) {
        for (int64_t h = 0; h < out->shape.dim[2]; h++) {
            for (int64_t v = 0; v < out->shape.dim[3]; v++) {
                for (int64_t o = 0; o < out->shape.dim[1]; o++) {
                    double sum = window_sum(op, in[0], own->weights, n, o, h * op->stride[0] - op->pad[0], v * op->stride[1] - op->pad[1]);
                    out->f32[at++] = (float)(sum + (own->bias != NULL ? (double)own->bias->f32[o] : 0));
                }
            }
        }
    }
    return UWC_OK;
}

static uwc_status run_linear(uwc_kernel *kernel, const uwc_tensor *const *in, uwc_tensor *out) {
    const weighted *own = kernel->state;
    int64_t x_stride[UWC_MAX_RANK], y_stride[UWC_MAX_RANK], index[UWC_MAX_RANK] = {0};
    int last = out->shape.rank - 1;
    int64_t inputs = own->weights->shape.dim[1];
    uwc_ops__strides(in[0]->shape, in[0]->layout, x_stride);
    uwc_ops__strides(out->shape, out->layout, y_stride);
    do {
        int64_t o = index[last];
        const float *x = in[0]->f32 + uwc_ops__offset(last, index, x_stride);
        double sum = own->bias != NULL ? (double)own->bias->f32[o] : 0;
        for (int64_t i = 0; i < inputs; i++) {
            sum += (double)x[i * x_stride[last]] * (double)own->weights->f32[o * inputs + i];
        }
        out->f32[uwc_ops__offset(last + 1, index, y_stride)] = (float)sum;
    } while (uwc_ops__next(out->shape, index));
    return UWC_OK;
}

const uwc_ops__methods uwc_ops__conv_ref = {.prepare = prepare, .set_weights = set_weights, .run = run_conv, .release = release};
const uwc_ops__methods uwc_ops__linear_ref = {.prepare = prepare, .set_weights = set_weights, .run = run_linear, .release = release};
