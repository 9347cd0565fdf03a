#include "nest.h"

#include <string.h>

/* x W^T + b in blocks of rows and outputs; each block is one single-threaded product, so the sums do not depend on the threads. The bias is
 * added to the finished sum, as in conv.c. */

enum { ROWS = 64, OUTPUTS = 256 };

typedef struct linear {
    uwc_tensor *weights;      /* [O,I] shared with the caller: a layer can be most of a network */
    float *bias;              /* [O] */
    float *x_plain, *y_plain; /* row-major copies of activations that do not lie so, or NULL */
} linear;

static uwc_status set_weights(uwc_kernel *kernel, const uwc_tensor *weights, const uwc_tensor *bias) {
    linear *own = kernel->state;
    size_t outputs = (size_t)kernel->in[1].dim[0];
    uwc_tensor *shared;
    UWC_TRY(uwc_tensor_share(weights, &shared));
    uwc_tensor_destroy(&own->weights);
    own->weights = shared;
    if (bias != NULL) {
        memcpy(own->bias, bias->f32, outputs * sizeof own->bias[0]);
    } else {
        memset(own->bias, 0, outputs * sizeof own->bias[0]);
    }
    return UWC_OK;
}

static uwc_status prepare(uwc_kernel *kernel, const uwc_tensor *const *constant) {
    linear *own;
    UWC_TRY(uwc_calloc(1, sizeof *own, &own));
    kernel->state = own;
    UWC_TRY(uwc_calloc(kernel->in[1].dim[0], sizeof(float), &own->bias));
    if (uwc_shape_layout(kernel->out) != UWC_PLAIN) {
        UWC_TRY(uwc_calloc(uwc_shape_count(kernel->in[0]), sizeof(float), &own->x_plain));
        UWC_TRY(uwc_calloc(uwc_shape_count(kernel->out), sizeof(float), &own->y_plain));
    }
    return set_weights(kernel, constant[1], kernel->n_in > 2 ? constant[2] : NULL);
}

static void relayout(uwc_shape shape, uwc_layout from, const float *x, uwc_layout to, float *y) {
    int64_t from_stride[UWC_MAX_RANK], to_stride[UWC_MAX_RANK];
    uwc_ops__strides(shape, from, from_stride);
    uwc_ops__strides(shape, to, to_stride);
    uwc_ops__copy(shape, y, to_stride, x, from_stride);
}

static int64_t smaller(int64_t a, int64_t b) {
    return a < b ? a : b;
}

/* Block (r, o) of the output. */
static uwc_status multiply_block(const linear *own, int64_t r, int64_t o, int64_t rows, int64_t outputs, int64_t inputs, const float *x,
                                 float *y) {
    int64_t m = smaller(ROWS, rows - r), n = smaller(OUTPUTS, outputs - o);
    y += r * outputs + o;
    UWC_TRY(uwc_sgemm(false, true, m, n, inputs, x + r * inputs, inputs, own->weights->f32 + o * inputs, inputs, 0, y, outputs));
    for (int64_t i = 0; i < m; i++) {
        for (int64_t j = 0; j < n; j++) {
            y[i * outputs + j] += own->bias[o + j];
        }
    }
    return UWC_OK;
}

static uwc_status multiply(const linear *own, int64_t rows, int64_t outputs, int64_t inputs, const float *x, float *y) {
    int worst = UWC_OK;
    int64_t row_blocks = (rows + ROWS - 1) / ROWS, output_blocks = (outputs + OUTPUTS - 1) / OUTPUTS;
#pragma omp parallel for collapse(2) reduction(max : worst) if (rows * outputs * inputs > UWC_OPS__PARALLEL)
    for (int64_t o = 0; o < output_blocks; o++) {
        for (int64_t r = 0; r < row_blocks; r++) {
            int st = (int)multiply_block(own, r * ROWS, o * OUTPUTS, rows, outputs, inputs, x, y);
            worst = st > worst ? st : worst;
        }
    }
    /* The text of the error stayed with its thread. */
    UWC_CHECK(worst == UWC_OK, (uwc_status)worst, "Linear of %lld rows, %lld inputs, %lld outputs: sgemm", (long long)rows,
              (long long)inputs, (long long)outputs);
    return UWC_OK;
}

static uwc_status run(uwc_kernel *kernel, const uwc_tensor *const *in, uwc_tensor *out) {
    const linear *own = kernel->state;
    int64_t outputs = kernel->in[1].dim[0], inputs = kernel->in[1].dim[1], rows = uwc_shape_count(out->shape) / outputs;
    if (own->x_plain == NULL) {
        return multiply(own, rows, outputs, inputs, in[0]->f32, out->f32);
    }
    relayout(in[0]->shape, in[0]->layout, in[0]->f32, UWC_PLAIN, own->x_plain);
    UWC_TRY(multiply(own, rows, outputs, inputs, own->x_plain, own->y_plain));
    relayout(out->shape, UWC_PLAIN, own->y_plain, out->layout, out->f32);
    return UWC_OK;
}

static void release(uwc_kernel *kernel) {
    linear *own = kernel->state;
    if (own != NULL) {
        uwc_tensor_destroy(&own->weights);
        uwc_free(&own->bias);
        uwc_free(&own->x_plain);
        uwc_free(&own->y_plain);
    }
    uwc_free(&kernel->state);
}

const uwc_ops__methods uwc_ops__linear = {.prepare = prepare, .set_weights = set_weights, .run = run, .release = release};
