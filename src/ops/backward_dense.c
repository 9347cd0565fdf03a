/* Linear and the 1x1 convolution: with channels last both are one matrix product over all rows (images, or images and positions). */
#include "backward_impl.h"

#include <string.h>

typedef struct dense {
    int64_t rows, inputs, outputs;
    const float *x, *weights, *dy;
    float *dx;
    bool add_x;
    uwc_backward_sums sums; /* partial, biases NULL: not wanted */
} dense;

static uwc_status run_block(const dense *d, int64_t block) {
    int64_t first = uwc_backward__block_first(d->rows, d->sums.blocks, block);
    int64_t rows = uwc_backward__block_first(d->rows, d->sums.blocks, block + 1) - first;
    const float *x = d->x + first * d->inputs, *dy = d->dy + first * d->outputs;
    if (d->dx != NULL) {
        UWC_TRY(uwc_sgemm(false, false, rows, d->inputs, d->outputs, dy, d->outputs, d->weights, d->inputs, d->add_x ? 1.0f : 0.0f,
                          d->dx + first * d->inputs, d->inputs));
    }
    if (d->sums.partial != NULL) {
        UWC_TRY(uwc_sgemm(true, false, d->outputs, d->inputs, rows, dy, d->outputs, x, d->inputs, 0.0f,
                          d->sums.partial + block * d->sums.weights, d->inputs));
    }
    if (d->sums.biases != NULL) {
        float *biases = d->sums.biases + block * d->outputs;
        memset(biases, 0, (size_t)d->outputs * sizeof *biases);
        uwc_backward__sum_rows(dy, rows, d->outputs, biases);
    }
    return UWC_OK;
}

uwc_status uwc_backward__dense(uwc_backward *b, const uwc_backward_call *call) {
    uwc_tensor *dx = uwc_backward__grad(b, call, 0), *dw = uwc_backward__grad(b, call, 1), *db = uwc_backward__grad(b, call, 2);
    dense d = {.inputs = b->in[1].dim[1], .outputs = b->in[1].dim[0], .x = call->in[0]->f32, .weights = call->in[1]->f32};
    d.rows = uwc_shape_count(b->out) / d.outputs;
    d.dy = call->grad_out->f32;
    d.dx = dx == NULL ? NULL : dx->f32;
    d.add_x = uwc_backward__adds(call, 0);
    d.sums = (uwc_backward_sums){.blocks = uwc_backward__blocks(d.rows), .weights = d.inputs * d.outputs, .outputs = d.outputs};
    float *scratch;
    UWC_TRY(uwc_backward__scratch(b, d.sums.blocks * (d.sums.weights + d.outputs), &scratch));
    d.sums.partial = dw == NULL ? NULL : scratch;
    d.sums.biases = db == NULL ? NULL : scratch + d.sums.blocks * d.sums.weights;
    uwc_status status[UWC_BACKWARD_BLOCKS] = {UWC_OK};
#pragma omp parallel for schedule(static)
    for (int64_t block = 0; block < d.sums.blocks; block++) {
        status[block] = run_block(&d, block);
    }
    for (int64_t block = 0; block < d.sums.blocks; block++) {
        UWC_CHECK(status[block] == UWC_OK, status[block], "matrix product in the gradient of %s", uwc_op_name(b->op.kind));
    }
    if (dw != NULL) {
        uwc_backward__reduce_weights(&d.sums, 1, d.inputs, dw, uwc_backward__adds(call, 1));
    }
    if (db != NULL) {
        uwc_backward__reduce_bias(&d.sums, db, uwc_backward__adds(call, 2));
    }
    return UWC_OK;
}
