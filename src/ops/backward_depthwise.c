/* The gradient by weights and bias of convolutions with one channel per group and windows larger than 3x3, for which oneDNN falls back to a
 * slow form. Vectors run along the channels. */
#include "backward_impl.h"

#include <string.h>

#include <uwc/vector.h>

/* Channels whose sums stay in the nearest cache. */
enum { TILE = 64 };

/* What happens along one row of the output. */
typedef struct row {
    int64_t ow, w, channels, taps, stride, dilation, pad; /* taps: columns of the window */
} row;

typedef struct depthwise {
    const uwc_op *op;
    row row;
    int64_t images, h, oh, weights, blocks, terms; /* weights: [taps, channels] */
    const float *x, *dy;
    float *sums; /* for each block: weights, then biases */
} depthwise;

static inline void add_products(float *restrict sum, const float *restrict a, const float *restrict b, int64_t n) {
    for (int64_t c = 0; c < n; c++) {
        sum[c] += a[c] * b[c];
    }
}

/* n channels of one row of x and of dy; sum: that of the window's first column. */
UWC_VECTOR static void add_row(const row *r, const float *x, const float *dy, int64_t n, float *sum) {
    for (int64_t ox = 0; ox < r->ow; ox++, dy += r->channels) {
        for (int64_t tap = 0; tap < r->taps; tap++) {
            int64_t at = ox * r->stride + tap * r->dilation - r->pad;
            if (at < 0 || at >= r->w) {
                continue;
            }
            if (n == TILE) { /* a loop of known length */
                add_products(sum + tap * r->channels, x + at * r->channels, dy, TILE);
            } else {
                add_products(sum + tap * r->channels, x + at * r->channels, dy, n);
            }
        }
    }
}

static void add_image(const depthwise *d, int64_t image, int64_t channel, int64_t n, float *sum) {
    const row *r = &d->row;
    for (int64_t oy = 0; oy < d->oh; oy++) {
        const float *dy = d->dy + (image * d->oh + oy) * r->ow * r->channels + channel;
        for (int64_t tap = 0; tap < d->op->kernel[0]; tap++) {
            int64_t y = oy * d->op->stride[0] + tap * d->op->dilation[0] - d->op->pad[0];
            if (y >= 0 && y < d->h) {
                add_row(r, d->x + (image * d->h + y) * r->w * r->channels + channel, dy, n, sum + tap * r->taps * r->channels + channel);
            }
        }
    }
}

static void run_block(const depthwise *d, int64_t block) {
    int64_t first = uwc_backward__block_first(d->images, d->blocks, block), positions = d->oh * d->row.ow, channels = d->row.channels;
    int64_t end = uwc_backward__block_first(d->images, d->blocks, block + 1);
    float *sum = d->sums + block * d->terms;
    memset(sum, 0, (size_t)d->terms * sizeof *sum);
    for (int64_t image = first; image < end; image++) {
        for (int64_t channel = 0; channel < channels; channel += TILE) {
            add_image(d, image, channel, channels - channel < TILE ? channels - channel : TILE, sum);
        }
    }
    for (int64_t position = first * positions; position < end * positions; position++) {
        uwc_backward__add(sum + d->weights, d->dy + position * channels, channels);
    }
}

bool uwc_backward__is_large_depthwise(const uwc_backward *b) {
    const int64_t *kernel = b->op.kernel;
    return b->in[1].dim[1] == 1 && b->op.group == b->out.dim[1] && (kernel[0] > 3 || kernel[1] > 3);
}

uwc_status uwc_backward__large_depthwise(uwc_backward *b, const uwc_backward_call *call) {
    uwc_tensor *dw = uwc_backward__grad(b, call, 1), *db = uwc_backward__grad(b, call, 2);
    int64_t taps = b->op.kernel[0] * b->op.kernel[1], channels = b->in[0].dim[1];
    depthwise d = {.op = &b->op, .images = b->in[0].dim[0], .h = b->in[0].dim[2], .oh = b->out.dim[2], .weights = taps * channels};
    d.row = (row){b->out.dim[3], b->in[0].dim[3], channels, b->op.kernel[1], b->op.stride[1], b->op.dilation[1], b->op.pad[1]};
    d.blocks = uwc_backward__blocks(d.images);
    d.terms = d.weights + channels;
    d.x = call->in[0]->f32;
    d.dy = call->grad_out->f32;
    UWC_TRY(uwc_backward__scratch(b, d.blocks * d.terms, &d.sums));
#pragma omp parallel for schedule(static)
    for (int64_t block = 0; block < d.blocks; block++) {
        run_block(&d, block);
    }
    uwc_backward__reduce(d.sums, d.blocks, d.terms);
    for (int64_t i = 0; dw != NULL && i < d.weights; i++) { /* [taps, channels] becomes [channels, taps] */
        float *to = &dw->f32[i % channels * taps + i / channels];
        *to = d.sums[i] + (uwc_backward__adds(call, 1) ? *to : 0.0f);
    }
    if (db != NULL) {
        uwc_backward__store(d.sums + d.weights, db, uwc_backward__adds(call, 2));
    }
    return UWC_OK;
}
