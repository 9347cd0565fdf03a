/* Convolutions by gathered patches and matrix products. A block of images is cut into runs of output rows whose patches stay in the cache.
 */
#include "backward_impl.h"

#include <uwc/vector.h>

#include <string.h>

enum { PATCH_FLOATS = 1 << 16 };

typedef struct conv {
    const uwc_op *op;
    int64_t images, h, w, channels, oh, ow, outputs;
    int64_t group_in, group_out, taps, patch; /* channels of a group; patch = taps * group_in */
    int64_t rows;                             /* output rows of a run */
    const float *x, *dy;
    float *weights; /* [groups, group_out, taps, group_in] */
    float *dx;
    bool add_x;
    float *patches; /* per block: patches, then their gradients, each [rows ow, patch] */
    uwc_backward_sums sums;
} conv;

static conv describe(uwc_backward *b, const uwc_backward_call *call) {
    conv c = {.op = &b->op, .images = b->in[0].dim[0], .channels = b->in[0].dim[1], .h = b->in[0].dim[2], .w = b->in[0].dim[3]};
    c.outputs = b->out.dim[1];
    c.oh = b->out.dim[2];
    c.ow = b->out.dim[3];
    c.group_in = c.channels / b->op.group;
    c.group_out = c.outputs / b->op.group;
    c.taps = b->op.kernel[0] * b->op.kernel[1];
    c.patch = c.taps * c.group_in;
    c.rows = PATCH_FLOATS / (c.ow * c.patch);
    c.rows = c.rows < 1 ? 1 : c.rows > c.oh ? c.oh : c.rows;
    c.x = call->in[0]->f32;
    c.dy = call->grad_out->f32;
    c.add_x = uwc_backward__adds(call, 0);
    c.sums = (uwc_backward_sums){.blocks = uwc_backward__blocks(c.images), .weights = c.outputs * c.patch, .outputs = c.outputs};
    return c;
}

static uwc_status take_scratch(conv *c, uwc_backward *b, bool want_weights, bool want_bias) {
    int64_t patches = 2 * c->rows * c->ow * c->patch, weights = c->sums.weights, blocks = c->sums.blocks;
    float *scratch;
    UWC_TRY(uwc_backward__scratch(b, weights + blocks * (patches + weights + c->outputs), &scratch));
    c->weights = scratch;
    c->patches = c->weights + weights;
    c->sums.partial = want_weights ? c->patches + blocks * patches : NULL;
    c->sums.biases = want_bias ? c->patches + blocks * (patches + weights) : NULL;
    return UWC_OK;
}

static void pack_weights(const conv *c, const float *weights) {
    for (int64_t o = 0; o < c->outputs; o++) {
        for (int64_t i = 0; i < c->group_in; i++) {
            for (int64_t tap = 0; tap < c->taps; tap++) {
                c->weights[(o * c->taps + tap) * c->group_in + i] = weights[(o * c->group_in + i) * c->taps + tap];
            }
        }
    }
}

/* One tap of an output row: outputs [*first, *end) of it read pixels of the image, the first of them at the offset returned. */
static int64_t tap_range(const conv *c, int64_t oy, int64_t tap, int64_t *first, int64_t *end) {
    const int64_t stride = c->op->stride[1], kx = tap % c->op->kernel[1] * c->op->dilation[1] - c->op->pad[1];
    const int64_t y = oy * c->op->stride[0] + tap / c->op->kernel[1] * c->op->dilation[0] - c->op->pad[0];
    *first = kx < 0 ? (stride - 1 - kx) / stride : 0;
    *first = *first > c->ow ? c->ow : *first;
    *end = y < 0 || y >= c->h || c->w <= kx ? 0 : (c->w - 1 - kx) / stride + 1;
    *end = *end > c->ow ? c->ow : *end;
    *end = *end < *first ? *first : *end;
    return *end > *first ? (y * c->w + *first * stride + kx) * c->channels : 0;
}

/* count outputs: of each, n channels of an image whose pixels are `step` apart, against a column of patches. */
static void copy_pixels(const float *image, int64_t step, int64_t count, int64_t n, float *patches, int64_t patch) {
    for (int64_t i = 0; i < count; i++) {
        memcpy(patches + i * patch, image + i * step, (size_t)n * sizeof *patches);
    }
}

UWC_VECTOR static void add_pixels(const float *restrict patches, int64_t patch, int64_t count, int64_t n, float *restrict image,
                                  int64_t step) {
    for (int64_t i = 0; i < count; i++) {
        for (int64_t k = 0; k < n; k++) {
            image[i * step + k] += patches[i * patch + k];
        }
    }
}

static void clear_pixels(int64_t count, int64_t n, float *patches, int64_t patch) {
    for (int64_t i = 0; i < count; i++) {
        memset(patches + i * patch, 0, (size_t)n * sizeof *patches);
    }
}

static void gather(const conv *c, const float *image, int64_t top, int64_t rows, float *patches) {
    const int64_t n = c->group_in, patch = c->patch, step = c->op->stride[1] * c->channels;
    for (int64_t oy = top; oy < top + rows; oy++) {
        for (int64_t tap = 0; tap < c->taps; tap++) {
            float *column = patches + (oy - top) * c->ow * patch + tap * n;
            int64_t first, end, at = tap_range(c, oy, tap, &first, &end);
            clear_pixels(first, n, column, patch);
            copy_pixels(image + at, step, end - first, n, column + first * patch, patch);
            clear_pixels(c->ow - end, n, column + end * patch, patch);
        }
    }
}

static void scatter(const conv *c, const float *patches, int64_t top, int64_t rows, float *image) {
    const int64_t n = c->group_in, patch = c->patch, step = c->op->stride[1] * c->channels;
    for (int64_t oy = top; oy < top + rows; oy++) {
        for (int64_t tap = 0; tap < c->taps; tap++) {
            const float *column = patches + (oy - top) * c->ow * patch + tap * n;
            int64_t first, end, at = tap_range(c, oy, tap, &first, &end);
            add_pixels(column + first * patch, patch, end - first, n, image + at, step);
        }
    }
}

/* One group of one run of output rows; dy points at the run's first row. */
static uwc_status run_rows(const conv *c, int64_t block, int64_t group, int64_t image, int64_t first, int64_t rows) {
    int64_t positions = rows * c->ow, pixels = image * c->h * c->w * c->channels + group * c->group_in;
    float *patches = c->patches + block * 2 * c->rows * c->ow * c->patch, *grad = patches + c->rows * c->ow * c->patch;
    const float *dy = c->dy + (image * c->oh + first) * c->ow * c->outputs + group * c->group_out;
    if (c->sums.partial != NULL) {
        float *dw = c->sums.partial + block * c->sums.weights + group * c->group_out * c->patch;
        gather(c, c->x + pixels, first, rows, patches);
        UWC_TRY(uwc_sgemm(true, false, c->group_out, c->patch, positions, dy, c->outputs, patches, c->patch, 1.0f, dw, c->patch));
    }
    if (c->dx != NULL) {
        const float *weights = c->weights + group * c->group_out * c->patch;
        UWC_TRY(uwc_sgemm(false, false, positions, c->patch, c->group_out, dy, c->outputs, weights, c->patch, 0.0f, grad, c->patch));
        scatter(c, grad, first, rows, c->dx + pixels);
    }
    return UWC_OK;
}

static uwc_status run_image(const conv *c, int64_t block, int64_t image) {
    int64_t pixels = c->h * c->w * c->channels;
    if (c->dx != NULL && !c->add_x) {
        memset(c->dx + image * pixels, 0, (size_t)pixels * sizeof *c->dx);
    }
    for (int64_t first = 0; first < c->oh; first += c->rows) {
        int64_t rows = c->oh - first < c->rows ? c->oh - first : c->rows;
        for (int64_t group = 0; group < c->op->group; group++) {
            UWC_TRY(run_rows(c, block, group, image, first, rows));
        }
    }
    if (c->sums.biases != NULL) {
        int64_t positions = c->oh * c->ow;
        uwc_backward__sum_rows(c->dy + image * positions * c->outputs, positions, c->outputs, c->sums.biases + block * c->outputs);
    }
    return UWC_OK;
}

static uwc_status run_block(const conv *c, int64_t block) {
    if (c->sums.partial != NULL) {
        memset(c->sums.partial + block * c->sums.weights, 0, (size_t)c->sums.weights * sizeof(float));
    }
    if (c->sums.biases != NULL) {
        memset(c->sums.biases + block * c->outputs, 0, (size_t)c->outputs * sizeof(float));
    }
    int64_t end = uwc_backward__block_first(c->images, c->sums.blocks, block + 1);
    for (int64_t image = uwc_backward__block_first(c->images, c->sums.blocks, block); image < end; image++) {
        UWC_TRY(run_image(c, block, image));
    }
    return UWC_OK;
}

uwc_status uwc_backward__conv(uwc_backward *b, const uwc_backward_call *call) {
    uwc_tensor *dx = uwc_backward__grad(b, call, 0), *dw = uwc_backward__grad(b, call, 1), *db = uwc_backward__grad(b, call, 2);
    conv c = describe(b, call);
    UWC_TRY(take_scratch(&c, b, dw != NULL, db != NULL));
    pack_weights(&c, call->in[1]->f32);
    c.dx = dx == NULL ? NULL : dx->f32;
    uwc_status status[UWC_BACKWARD_BLOCKS] = {UWC_OK};
#pragma omp parallel for schedule(static)
    for (int64_t block = 0; block < c.sums.blocks; block++) {
        status[block] = run_block(&c, block);
    }
    for (int64_t block = 0; block < c.sums.blocks; block++) {
        UWC_CHECK(status[block] == UWC_OK, status[block], "matrix product in the gradient of a convolution");
    }
    if (dw != NULL) {
        uwc_backward__reduce_weights(&c.sums, c.taps, c.group_in, dw, uwc_backward__adds(call, 1));
    }
    if (db != NULL) {
        uwc_backward__reduce_bias(&c.sums, db, uwc_backward__adds(call, 2));
    }
    return UWC_OK;
}
