/* BatchNormalization: with fixed statistics (the operator of a network) and with those of the batch (training). Rows are images or
 * positions. */
#include "backward_impl.h"

#include <math.h>
#include <string.h>

/* Two sums per channel and block, in double. */
typedef struct channel_sums {
    int64_t rows, channels, blocks;
    double *sum; /* [blocks, 2, channels]; the first block's become the totals */
} channel_sums;

static uwc_status channel_sums_create(uwc_shape shape, channel_sums *s) {
    UWC_CHECK(shape.rank == 2 || shape.rank == 4, UWC_E_SHAPE, "normalization of rank %d", shape.rank);
    int64_t channels = shape.dim[1], count = uwc_shape_count(shape);
    UWC_CHECK(count > 0, UWC_E_SHAPE, "normalization of an empty batch");
    *s = (channel_sums){.rows = count / channels, .channels = channels, .blocks = uwc_backward__blocks(count / channels)};
    return uwc_calloc(2 * s->blocks * channels, sizeof *s->sum, &s->sum);
}

/* sum[0] += a, sum[1] += a (x - shift) with a = dy, or a = x - shift where dy is NULL. */
static void add_rows(const channel_sums *s, int64_t block, const float *x, const float *shift, const float *dy) {
    int64_t first = uwc_backward__block_first(s->rows, s->blocks, block), end = uwc_backward__block_first(s->rows, s->blocks, block + 1);
    double *sum = s->sum + 2 * block * s->channels, *product = sum + s->channels;
    for (int64_t at = first * s->channels; at < end * s->channels; at += s->channels) {
        for (int64_t c = 0; c < s->channels; c++) {
            double apart = (double)x[at + c] - (double)shift[c], a = dy == NULL ? apart : (double)dy[at + c];
            sum[c] += a;
            product[c] += a * apart;
        }
    }
}

static void channel_sums_run(const channel_sums *s, const float *x, const float *shift, const float *dy) {
#pragma omp parallel for schedule(static)
    for (int64_t block = 0; block < s->blocks; block++) {
        add_rows(s, block, x, shift, dy);
    }
    for (int64_t i = 2 * s->channels; i < 2 * s->blocks * s->channels; i++) {
        s->sum[i % (2 * s->channels)] += s->sum[i];
    }
}

/* out = factor x + offset per channel, or out += with `add`. */
static void scale_rows(int64_t rows, int64_t channels, const float *x, const float *factor, const float *offset, bool add, float *out) {
#pragma omp parallel for schedule(static)
    for (int64_t row = 0; row < rows; row++) {
        for (int64_t at = row * channels, c = 0; c < channels; c++) {
            float value = factor[c] * x[at + c] + offset[c];
            out[at + c] = add ? out[at + c] + value : value;
        }
    }
}

uwc_status uwc_batch_norm_train(const uwc_tensor *x, const float *scale, const float *bias, float epsilon, float *mean, float *variance,
                                uwc_tensor *out) {
    UWC_CHECK(uwc_shape_equal(x->shape, out->shape) && x->layout == out->layout, UWC_E_SHAPE, "normalization into another shape");
    channel_sums s;
    UWC_TRY(channel_sums_create(x->shape, &s));
    channel_sums_run(&s, x->f32, x->f32, NULL); /* about the first row: small differences keep their digits */
    float *factor = NULL;
    uwc_status st = uwc_calloc(2 * s.channels, sizeof *factor, &factor);
    for (int64_t c = 0; st == UWC_OK && c < s.channels; c++) {
        double apart = s.sum[c] / (double)s.rows, square = s.sum[s.channels + c] / (double)s.rows - apart * apart;
        mean[c] = (float)((double)x->f32[c] + apart);
        variance[c] = (float)fmax(square, 0.0);
        factor[c] = (float)((double)scale[c] / sqrt((double)variance[c] + (double)epsilon));
        factor[s.channels + c] = bias[c] - factor[c] * mean[c];
    }
    if (st == UWC_OK) {
        scale_rows(s.rows, s.channels, x->f32, factor, factor + s.channels, false, out->f32);
    }
    uwc_free(&factor);
    uwc_free(&s.sum);
    return st;
}

/* grad_x = (scale / sd) (dy - mean(dy) - normalized mean(dy normalized)) = by_dy dy + by_x (x - mean) + constant; [3, channels] into
 * `factor`. */
static void train_factors(const channel_sums *s, const float *scale, float epsilon, const float *variance, float *factor) {
    double rows = (double)s->rows;
    for (int64_t c = 0; c < s->channels; c++) {
        double spread = (double)variance[c] + (double)epsilon, by_dy = (double)scale[c] / sqrt(spread);
        factor[c] = (float)by_dy;
        factor[s->channels + c] = (float)(-by_dy * s->sum[s->channels + c] / (rows * spread));
        factor[2 * s->channels + c] = (float)(-by_dy * s->sum[c] / rows);
    }
}

static void train_rows(const channel_sums *s, const float *factor, const uwc_tensor *x, const float *mean, const uwc_tensor *grad_out,
                       uwc_tensor *grad_x) {
    const float *by_x = factor + s->channels, *constant = by_x + s->channels;
#pragma omp parallel for schedule(static)
    for (int64_t row = 0; row < s->rows; row++) {
        for (int64_t at = row * s->channels, c = 0; c < s->channels; c++) {
            grad_x->f32[at + c] = factor[c] * grad_out->f32[at + c] + by_x[c] * (x->f32[at + c] - mean[c]) + constant[c];
        }
    }
}

uwc_status uwc_batch_norm_train_backward(const uwc_tensor *x, const float *scale, float epsilon, const float *mean, const float *variance,
                                         const uwc_tensor *grad_out, uwc_tensor *grad_x, float *grad_scale, float *grad_bias) {
    bool fits = uwc_shape_equal(x->shape, grad_out->shape) && uwc_shape_equal(x->shape, grad_x->shape);
    UWC_CHECK(fits && x->layout == grad_out->layout && x->layout == grad_x->layout, UWC_E_SHAPE,
              "gradient of a normalization of another shape");
    channel_sums s;
    UWC_TRY(channel_sums_create(x->shape, &s));
    channel_sums_run(&s, x->f32, mean, grad_out->f32);
    for (int64_t c = 0; c < s.channels; c++) {
        grad_bias[c] = (float)s.sum[c];
        grad_scale[c] = (float)(s.sum[s.channels + c] / sqrt((double)variance[c] + (double)epsilon));
    }
    float *factor;
    uwc_status st = uwc_calloc(3 * s.channels, sizeof *factor, &factor);
    if (st == UWC_OK) {
        train_factors(&s, scale, epsilon, variance, factor);
        train_rows(&s, factor, x, mean, grad_out, grad_x);
    }
    uwc_free(&factor);
    uwc_free(&s.sum);
    return st;
}

/* The operator of a network: x, scale, bias, mean, variance. */
static void store_sums(const channel_sums *s, const uwc_backward *b, const uwc_backward_call *call) {
    uwc_tensor *dscale = uwc_backward__grad(b, call, 1), *dbias = uwc_backward__grad(b, call, 2);
    for (int64_t c = 0; c < s->channels; c++) {
        double sd = sqrt((double)call->in[4]->f32[c] + (double)b->op.epsilon);
        float by_scale = (float)(s->sum[s->channels + c] / sd), by_bias = (float)s->sum[c];
        if (dscale != NULL) {
            dscale->f32[c] = by_scale + (uwc_backward__adds(call, 1) ? dscale->f32[c] : 0.0f);
        }
        if (dbias != NULL) {
            dbias->f32[c] = by_bias + (uwc_backward__adds(call, 2) ? dbias->f32[c] : 0.0f);
        }
    }
}

uwc_status uwc_backward__norm(uwc_backward *b, const uwc_backward_call *call) {
    UWC_CHECK(call->grad_in[3] == NULL && call->grad_in[4] == NULL, UWC_E_UNSUPPORTED, "BatchNormalization: gradient of its statistics");
    uwc_tensor *dx = uwc_backward__grad(b, call, 0);
    channel_sums s;
    UWC_TRY(channel_sums_create(b->in[0], &s));
    channel_sums_run(&s, call->in[0]->f32, call->in[3]->f32, call->grad_out->f32);
    store_sums(&s, b, call);
    float *factor = NULL;
    uwc_status st = dx == NULL ? UWC_OK : uwc_backward__scratch(b, 2 * s.channels, &factor);
    for (int64_t c = 0; factor != NULL && c < s.channels; c++) {
        factor[c] = (float)((double)call->in[1]->f32[c] / sqrt((double)call->in[4]->f32[c] + (double)b->op.epsilon));
        factor[s.channels + c] = 0.0f;
    }
    if (factor != NULL) {
        scale_rows(s.rows, s.channels, call->grad_out->f32, factor, factor + s.channels, uwc_backward__adds(call, 0), dx->f32);
    }
    uwc_free(&s.sum);
    return st;
}
