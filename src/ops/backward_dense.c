/* Linear: matrix products in tiles that depend on the shapes alone, each by one thread. Few rows are one block, whose tiles go straight
 * into the gradients; many are summed in blocks that are added up in order. */
#include "backward_impl.h"

#include <string.h>

enum { ROWS = 64, COLUMNS = 256, OUTPUTS = 64, BLOCK_ROWS = 256 };

typedef struct dense {
    int64_t rows, inputs, outputs, blocks;
    const float *x, *weights, *dy;
    bool add; /* to what the gradient of the present pass holds */
    float *dx;
    float *sums; /* for each block: [outputs, inputs] */
    float *biases;
} dense;

/* The work of tile t; what it writes, no other tile writes. */
typedef uwc_status (*tile_function)(const dense *d, int64_t t);

static int64_t smaller(int64_t a, int64_t b) {
    return a < b ? a : b;
}

static int64_t tiles_of(int64_t count, int64_t tile) {
    return (count + tile - 1) / tile;
}

static uwc_status run_tiles(const dense *d, int64_t tiles, tile_function run) {
    int worst = UWC_OK;
#pragma omp parallel for schedule(static) reduction(max : worst) if (d->rows * d->inputs * d->outputs > UWC_OPS__PARALLEL)
    for (int64_t t = 0; t < tiles; t++) {
        int st = (int)run(d, t);
        worst = st > worst ? st : worst;
    }
    /* The text of the error stayed with its thread. */
    UWC_CHECK(worst == UWC_OK, (uwc_status)worst, "Linear: matrix product of a gradient");
    return UWC_OK;
}

static uwc_status tile_by_input(const dense *d, int64_t t) {
    int64_t columns = tiles_of(d->inputs, COLUMNS), row = t / columns * ROWS, column = t % columns * COLUMNS;
    return uwc_sgemm(false, false, smaller(ROWS, d->rows - row), smaller(COLUMNS, d->inputs - column), d->outputs, d->dy + row * d->outputs,
                     d->outputs, d->weights + column, d->inputs, d->add ? 1.0f : 0.0f, d->dx + row * d->inputs + column, d->inputs);
}

static uwc_status tile_by_weights(const dense *d, int64_t t) {
    int64_t tiles = tiles_of(d->outputs, OUTPUTS), block = t / tiles, output = t % tiles * OUTPUTS;
    int64_t first = uwc_backward__block_first(d->rows, d->blocks, block);
    int64_t rows = uwc_backward__block_first(d->rows, d->blocks, block + 1) - first;
    return uwc_sgemm(true, false, smaller(OUTPUTS, d->outputs - output), d->inputs, rows, d->dy + first * d->outputs + output, d->outputs,
                     d->x + first * d->inputs, d->inputs, d->add ? 1.0f : 0.0f, d->sums + (block * d->outputs + output) * d->inputs,
                     d->inputs);
}

static uwc_status tile_by_bias(const dense *d, int64_t t) {
    int64_t first = uwc_backward__block_first(d->rows, d->blocks, t), end = uwc_backward__block_first(d->rows, d->blocks, t + 1);
    float *sum = d->biases + t * d->outputs;
    memset(sum, 0, (size_t)d->outputs * sizeof *sum);
    for (int64_t row = first; row < end; row++) {
        uwc_backward__add(sum, d->dy + row * d->outputs, d->outputs);
    }
    return UWC_OK;
}

static uwc_status by_weights(uwc_backward *b, dense *d, uwc_tensor *dw, bool add) {
    int64_t tiles = tiles_of(d->outputs, OUTPUTS), count = uwc_shape_count(dw->shape);
    d->sums = dw->f32;
    d->add = add && d->blocks == 1;
    if (d->blocks > 1) {
        UWC_TRY(uwc_backward__scratch(b, d->blocks * count, &d->sums));
    }
    UWC_TRY(run_tiles(d, d->blocks * tiles, tile_by_weights));
    if (d->blocks > 1) {
        uwc_backward__reduce(d->sums, d->blocks, count);
        uwc_backward__store(d->sums, dw, add);
    }
    return UWC_OK;
}

static uwc_status by_bias(uwc_backward *b, dense *d, uwc_tensor *db, bool add) {
    UWC_TRY(uwc_backward__scratch(b, d->blocks * d->outputs, &d->biases));
    UWC_TRY(run_tiles(d, d->blocks, tile_by_bias));
    uwc_backward__reduce(d->biases, d->blocks, d->outputs);
    uwc_backward__store(d->biases, db, add);
    return UWC_OK;
}

uwc_status uwc_backward__dense(uwc_backward *b, const uwc_backward_call *call) {
    uwc_tensor *dx = uwc_backward__grad(b, call, 0), *dw = uwc_backward__grad(b, call, 1), *db = uwc_backward__grad(b, call, 2);
    dense d = {.inputs = b->in[1].dim[1], .outputs = b->in[1].dim[0], .x = call->in[0]->f32, .weights = call->in[1]->f32};
    d.dy = call->grad_out->f32;
    d.rows = uwc_shape_count(b->out) / d.outputs;
    d.blocks = uwc_backward__blocks(tiles_of(d.rows, BLOCK_ROWS));
    if (dx != NULL) {
        d.dx = dx->f32;
        d.add = uwc_backward__adds(call, 0);
        UWC_TRY(run_tiles(&d, tiles_of(d.rows, ROWS) * tiles_of(d.inputs, COLUMNS), tile_by_input));
    }
    if (dw != NULL) {
        UWC_TRY(by_weights(b, &d, dw, uwc_backward__adds(call, 1)));
    }
    return db == NULL ? UWC_OK : by_bias(b, &d, db, uwc_backward__adds(call, 2));
}
