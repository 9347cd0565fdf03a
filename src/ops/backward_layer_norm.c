/* LayerNormalization: with z = (x - mean) / sd and g = dy scale, dx = (g - mean(g) - z mean(g z)) / sd along each line. */
#include "backward_impl.h"

#include <math.h>
#include <string.h>

typedef struct lines {
    int64_t count, length, inner; /* memory is [outer, length, inner] */
} lines;

static int64_t line_at(const lines *own, int64_t i) {
    return i / own->inner * own->inner * own->length + i % own->inner;
}

static void moments(const lines *own, const float *x, double epsilon, double *mean, double *by) {
    double sum = 0, square = 0;
    for (int64_t i = 0; i < own->length; i++) {
        sum += (double)x[i * own->inner];
    }
    *mean = sum / (double)own->length;
    for (int64_t i = 0; i < own->length; i++) {
        double apart = (double)x[i * own->inner] - *mean;
        square += apart * apart;
    }
    *by = 1 / sqrt(square / (double)own->length + epsilon);
}

static void input_gradient(const lines *own, const float *x, const float *dy, const float *scale, double epsilon, bool add, float *dx) {
    double mean, by, sum = 0, product = 0;
    moments(own, x, epsilon, &mean, &by);
    for (int64_t i = 0; i < own->length; i++) {
        double g = (double)dy[i * own->inner] * (double)scale[i];
        sum += g;
        product += g * ((double)x[i * own->inner] - mean) * by;
    }
    for (int64_t i = 0; i < own->length; i++) {
        double z = ((double)x[i * own->inner] - mean) * by, g = (double)dy[i * own->inner] * (double)scale[i];
        float value = (float)(by * (g - (sum + z * product) / (double)own->length));
        dx[i * own->inner] = add ? dx[i * own->inner] + value : value;
    }
}

/* Sums over lines in double, a block after the other: by scale [length], then by bias [length]. */
static void sum_block(const lines *own, int64_t first, int64_t end, const float *x, const float *dy, double epsilon, double *sums) {
    for (int64_t line = first; line < end; line++) {
        int64_t at = line_at(own, line);
        double mean, by;
        moments(own, x + at, epsilon, &mean, &by);
        for (int64_t i = 0; i < own->length; i++) {
            double g = (double)dy[at + i * own->inner];
            sums[i] += g * ((double)x[at + i * own->inner] - mean) * by;
            sums[own->length + i] += g;
        }
    }
}

static uwc_status parameter_gradients(const uwc_backward *b, const uwc_backward_call *call, const lines *own) {
    int64_t blocks = uwc_backward__blocks(own->count);
    double *sums;
    UWC_TRY(uwc_calloc(2 * blocks * own->length, sizeof *sums, &sums));
#pragma omp parallel for schedule(static)
    for (int64_t block = 0; block < blocks; block++) {
        sum_block(own, uwc_backward__block_first(own->count, blocks, block), uwc_backward__block_first(own->count, blocks, block + 1),
                  call->in[0]->f32, call->grad_out->f32, (double)b->op.epsilon, sums + 2 * block * own->length);
    }
    for (int64_t i = 2 * own->length; i < 2 * blocks * own->length; i++) {
        sums[i % (2 * own->length)] += sums[i];
    }
    for (int k = 1; k <= 2; k++) {
        uwc_tensor *grad = uwc_backward__grad(b, call, k);
        for (int64_t i = 0; grad != NULL && i < own->length; i++) {
            grad->f32[i] = (float)sums[(k - 1) * own->length + i] + (uwc_backward__adds(call, k) ? grad->f32[i] : 0.0f);
        }
    }
    uwc_free(&sums);
    return UWC_OK;
}

uwc_status uwc_backward__layer_norm(uwc_backward *b, const uwc_backward_call *call) {
    int64_t stride[UWC_MAX_RANK];
    uwc_ops__strides(b->out, call->out->layout, stride);
    lines own = {.length = b->out.dim[b->op.axis], .inner = stride[b->op.axis]};
    own.count = uwc_shape_count(b->out) / own.length;
    uwc_tensor *dx = uwc_backward__grad(b, call, 0);
    bool add = uwc_backward__adds(call, 0);
#pragma omp parallel for schedule(static) if (dx != NULL)
    for (int64_t i = 0; i < own.count; i++) {
        int64_t at = line_at(&own, i);
        if (dx != NULL) {
            input_gradient(&own, call->in[0]->f32 + at, call->grad_out->f32 + at, call->in[1]->f32, (double)b->op.epsilon, add,
                           dx->f32 + at);
        }
    }
    return parameter_gradients(b, call, &own);
}
