/* Convolutions with one channel per group: plain loops, vectors along the channels. */
#include "backward_impl.h"

#include <string.h>

typedef struct depthwise {
    const uwc_op *op;
    int64_t images, channels, h, w, oh, ow, taps;
    const float *x, *dy;
    float *weights; /* [taps, channels] */
    float *dx;
    bool add_x;
    uwc_backward_sums sums; /* partial: [taps, channels] per block */
} depthwise;

static void transpose(const float *from, int64_t rows, int64_t columns, float *to) {
    for (int64_t r = 0; r < rows; r++) {
        for (int64_t c = 0; c < columns; c++) {
            to[c * rows + r] = from[r * columns + c];
        }
    }
}

static void add_input(float *restrict dx, const float *restrict dy, const float *restrict weights, int64_t channels) {
    for (int64_t c = 0; c < channels; c++) {
        dx[c] += dy[c] * weights[c];
    }
}

/* All taps of one output position. */
static void run_position(const depthwise *d, int64_t image, int64_t oy, int64_t ox, float *partial) {
    const float *dy = d->dy + ((image * d->oh + oy) * d->ow + ox) * d->channels;
    for (int64_t tap = 0; tap < d->taps; tap++) {
        int64_t y = oy * d->op->stride[0] + tap / d->op->kernel[1] * d->op->dilation[0] - d->op->pad[0];
        int64_t x = ox * d->op->stride[1] + tap % d->op->kernel[1] * d->op->dilation[1] - d->op->pad[1];
        if (y < 0 || y >= d->h || x < 0 || x >= d->w) {
            continue;
        }
        int64_t at = ((image * d->h + y) * d->w + x) * d->channels;
        if (d->dx != NULL) {
            add_input(d->dx + at, dy, d->weights + tap * d->channels, d->channels);
        }
        if (partial != NULL) {
            add_input(partial + tap * d->channels, dy, d->x + at, d->channels);
        }
    }
}

static void run_block(const depthwise *d, int64_t block) {
    float *partial = d->sums.partial == NULL ? NULL : d->sums.partial + block * d->sums.weights;
    float *biases = d->sums.biases == NULL ? NULL : d->sums.biases + block * d->channels;
    int64_t first = uwc_backward__block_first(d->images, d->sums.blocks, block), pixels = d->h * d->w * d->channels;
    int64_t end = uwc_backward__block_first(d->images, d->sums.blocks, block + 1);
    if (partial != NULL) {
        memset(partial, 0, (size_t)d->sums.weights * sizeof *partial);
    }
    if (d->dx != NULL && !d->add_x) {
        memset(d->dx + first * pixels, 0, (size_t)((end - first) * pixels) * sizeof *d->dx);
    }
    for (int64_t image = first; image < end; image++) {
        for (int64_t position = 0; position < d->oh * d->ow; position++) {
            run_position(d, image, position / d->ow, position % d->ow, partial);
        }
    }
    if (biases != NULL) {
        int64_t positions = d->oh * d->ow;
        memset(biases, 0, (size_t)d->channels * sizeof *biases);
        uwc_backward__sum_rows(d->dy + first * positions * d->channels, (end - first) * positions, d->channels, biases);
    }
}

static depthwise describe(const uwc_backward *b, const uwc_backward_call *call) {
    depthwise d = {.op = &b->op, .images = b->in[0].dim[0], .channels = b->in[0].dim[1], .h = b->in[0].dim[2], .w = b->in[0].dim[3]};
    d.oh = b->out.dim[2];
    d.ow = b->out.dim[3];
    d.taps = b->op.kernel[0] * b->op.kernel[1];
    d.x = call->in[0]->f32;
    d.dy = call->grad_out->f32;
    d.add_x = uwc_backward__adds(call, 0);
    d.sums = (uwc_backward_sums){.blocks = uwc_backward__blocks(d.images), .weights = d.taps * d.channels, .outputs = d.channels};
    return d;
}

uwc_status uwc_backward__depthwise(uwc_backward *b, const uwc_backward_call *call) {
    uwc_tensor *dx = uwc_backward__grad(b, call, 0), *dw = uwc_backward__grad(b, call, 1), *db = uwc_backward__grad(b, call, 2);
    depthwise d = describe(b, call);
    UWC_TRY(uwc_backward__scratch(b, d.sums.weights + d.sums.blocks * (d.sums.weights + d.channels), &d.weights));
    transpose(call->in[1]->f32, d.channels, d.taps, d.weights);
    d.dx = dx == NULL ? NULL : dx->f32;
    d.sums.partial = dw == NULL ? NULL : d.weights + d.sums.weights;
    d.sums.biases = db == NULL ? NULL : d.weights + d.sums.weights * (1 + d.sums.blocks);
#pragma omp parallel for schedule(static)
    for (int64_t block = 0; block < d.sums.blocks; block++) {
        run_block(&d, block);
    }
    if (dw != NULL) { /* one row of [taps, channels] becomes [channels, taps] */
        uwc_backward__reduce_weights(&d.sums, d.taps, d.channels, dw, uwc_backward__adds(call, 1));
    }
    if (db != NULL) {
        uwc_backward__reduce_bias(&d.sums, db, uwc_backward__adds(call, 2));
    }
    return UWC_OK;
}
