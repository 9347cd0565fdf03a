/* Float outputs of a weighted layer at chosen positions, from its float input: a target costs a few rows of a product instead of a forward
 * pass. */
#include "recon_impl.h"

#include <uwc/vector.h>

#include <string.h>

enum { TILE = 1024, PART = 128 }; /* positions whose patches are made at once; positions of one product */

struct uwc_outputs {
    const float *weights; /* [groups*rows, cols] in the order of patches; depthwise layers: [cols, channels] */
    float *ordered;       /* owned: they, where ONNX's order is another */
    float *bias;          /* [groups*rows] */
    float *patches;       /* [TILE, cols]; NULL where none were needed so far */
    float *rows;          /* [TILE, rows] */
};

void uwc_recon__outputs_destroy(uwc_outputs **out) {
    uwc_outputs *o = *out;
    if (o == NULL) {
        return;
    }
    uwc_free(&o->ordered);
    uwc_free(&o->bias);
    uwc_free(&o->patches);
    uwc_free(&o->rows);
    uwc_free(out);
}

static bool lie_in_order(const uwc_geometry *g) {
    return g->kernel[0] * g->kernel[1] == 1 && !uwc_recon__is_depthwise(g);
}

static uwc_status order_weights(const uwc_geometry *g, const float *weights, uwc_outputs *o) {
    const int64_t rows = g->groups * g->rows;
    uwc_geometry one = *g; /* row by row: all in double would be twice the weights */
    double *ordered;
    o->weights = weights;
    if (lie_in_order(g)) {
        return UWC_OK;
    }
    UWC_TRY(uwc_calloc(rows * g->cols, sizeof *o->ordered, &o->ordered));
    o->weights = o->ordered;
    one.rows = one.groups = 1;
    UWC_TRY(uwc_calloc(g->cols, sizeof *ordered, &ordered));
    for (int64_t r = 0; r < rows; r++) {
        uwc_recon__to_patch_order(&one, weights + r * g->cols, ordered, g->cols);
        for (int64_t c = 0; c < g->cols; c++) {
            o->ordered[uwc_recon__is_depthwise(g) ? c * rows + r : r * g->cols + c] = (float)ordered[c];
        }
    }
    uwc_free(&ordered);
    return UWC_OK;
}

uwc_status uwc_recon__outputs_create(const uwc_geometry *g, const float *weights, const float *bias, uwc_outputs **out) {
    const int64_t rows = g->groups * g->rows;
    uwc_outputs *o;
    uwc_status st;
    *out = NULL;
    UWC_TRY(uwc_calloc(1, sizeof *o, &o));
    UWC_TRY_GOTO(st, uwc_calloc(rows, sizeof *o->bias, &o->bias), fail);
    UWC_TRY_GOTO(st, uwc_calloc(TILE * g->rows, sizeof *o->rows, &o->rows), fail);
    UWC_TRY_GOTO(st, order_weights(g, weights, o), fail);
    if (bias != NULL) {
        memcpy(o->bias, bias, (size_t)rows * sizeof *bias);
    }
    *out = o;
    return UWC_OK;
fail:
    uwc_recon__outputs_destroy(&o);
    return st;
}

int64_t uwc_recon__outputs_bytes(const uwc_geometry *g, bool listed) {
    const int64_t rows = g->groups * g->rows, ordered = lie_in_order(g) ? 0 : rows * g->cols;
    const int64_t patches = listed || !g->direct ? TILE * g->cols : 0;
    return (int64_t)sizeof(float) * (ordered + rows + patches + TILE * g->rows);
}

/* y += w x, element by element. */
UWC_VECTOR static void multiply_add(const float *w, const float *x, int64_t n, float *y) {
    for (int64_t i = 0; i < n; i++) {
        y[i] += w[i] * x[i];
    }
}

static void depthwise_outputs(const uwc_outputs *o, const uwc_geometry *g, const float *x, int64_t position, float *y) {
    const int64_t pixels = g->out_height * g->out_width, image = position / pixels, pixel = position % pixels;
    const float *base = x + image * g->height * g->width * g->channels, *w = o->weights;
    memcpy(y, o->bias, (size_t)g->channels * sizeof *y);
    for (int64_t ky = 0; ky < g->kernel[0]; ky++) {
        int64_t row = pixel / g->out_width * g->stride[0] - g->pad[0] + ky * g->dilation[0];
        for (int64_t kx = 0; kx < g->kernel[1]; kx++, w += g->channels) {
            int64_t column = pixel % g->out_width * g->stride[1] - g->pad[1] + kx * g->dilation[1];
            if (row >= 0 && row < g->height && column >= 0 && column < g->width) {
                multiply_add(w, base + (row * g->width + column) * g->channels, g->channels, y);
            }
        }
    }
}

/* Rows [first, first+count) of the list, one group. */
static uwc_status tile_outputs(uwc_outputs *o, const uwc_geometry *g, const float *x, int64_t group, int64_t first, int64_t count,
                               const int64_t *position, float *y) {
    const bool in_place = g->direct && position == NULL;
    if (!in_place && o->patches == NULL) {
        UWC_TRY(uwc_calloc(TILE * g->cols, sizeof *o->patches, &o->patches));
    }
    const float *patches = in_place ? x + first * g->channels : o->patches, *weights = o->weights + group * g->rows * g->cols;
    const int64_t parts = (count + PART - 1) / PART, stride = g->groups * g->rows;
    int64_t failed = 0;
    if (!in_place) {
        uwc_recon__patches(g, x, group, first, count, position, o->patches, g->cols);
    }
#pragma omp parallel for schedule(static) reduction(+ : failed)
    for (int64_t part = 0; part < parts; part++) {
        int64_t from = part * PART, n = count - from < PART ? count - from : PART;
        failed += uwc_sgemm(false, true, n, g->rows, g->cols, patches + from * g->cols, g->cols, weights, g->cols, 0,
                            o->rows + from * g->rows, g->rows) != UWC_OK;
        for (int64_t i = from; i < from + n; i++) {
            float *to = y + (position == NULL ? first + i : position[first + i]) * stride + group * g->rows;
            for (int64_t r = 0; r < g->rows; r++) {
                to[r] = o->rows[i * g->rows + r] + o->bias[group * g->rows + r];
            }
        }
    }
    UWC_CHECK(failed == 0, UWC_E_LIBRARY, "matrix product of %lld columns", (long long)g->cols);
    return UWC_OK;
}

uwc_status uwc_recon__outputs_run(uwc_outputs *o, const uwc_geometry *g, const float *x, const int64_t *position, int64_t count, float *y) {
    if (uwc_recon__is_depthwise(g)) {
#pragma omp parallel for schedule(static)
        for (int64_t i = 0; i < count; i++) {
            int64_t at = position == NULL ? i : position[i];
            depthwise_outputs(o, g, x, at, y + at * g->channels);
        }
        return UWC_OK;
    }
    for (int64_t group = 0; group < g->groups; group++) {
        for (int64_t first = 0; first < count; first += TILE) {
            UWC_TRY(tile_outputs(o, g, x, group, first, count - first < TILE ? count - first : TILE, position, y));
        }
    }
    return UWC_OK;
}
