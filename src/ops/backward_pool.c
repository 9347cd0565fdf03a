/* Pooling over windows; images are independent, so each is one task. */
#include "backward_impl.h"

#include <string.h>

#include <uwc/vector.h>

/* Channels that are worked on together. */
enum { TILE = 64 };

typedef struct pool {
    const uwc_op *op;
    int64_t channels, h, w, oh, ow;
} pool;

/* The part of an output's window that lies in the image: rows [y0, y1), columns [x0, x1), and the number of elements that the mean divides
 * by. */
typedef struct window {
    int64_t y0, y1, x0, x1, divisor;
} window;

static int64_t at_most(int64_t a, int64_t b) {
    return a < b ? a : b;
}

static int64_t at_least(int64_t a, int64_t b) {
    return a > b ? a : b;
}

static window window_at(const pool *p, int64_t oy, int64_t ox) {
    const uwc_op *op = p->op;
    int64_t y = oy * op->stride[0] - op->pad[0], x = ox * op->stride[1] - op->pad[1];
    window v = {.y0 = at_least(y, 0), .x0 = at_least(x, 0)};
    v.y1 = at_most(y + op->kernel[0], p->h);
    v.x1 = at_most(x + op->kernel[1], p->w);
    /* With ceil_mode a window may reach behind the padding: that part never counts. */
    int64_t padded = (at_most(y + op->kernel[0], p->h + op->pad[2]) - y) * (at_most(x + op->kernel[1], p->w + op->pad[3]) - x);
    v.divisor = op->count_include_pad ? padded : (v.y1 - v.y0) * (v.x1 - v.x0);
    return v;
}

/* The n channels from `first` on: where each one's largest element lies in the image, the first of equal ones. */
UWC_VECTOR static void find_largest(const pool *p, const window *v, int64_t first, int64_t n, const float *x, int32_t *place) {
    float best[TILE];
    for (int64_t c = 0; c < n; c++) {
        best[c] = x[(v->y0 * p->w + v->x0) * p->channels + first + c];
        place[c] = (int32_t)(v->y0 * p->w + v->x0);
    }
    for (int64_t y = v->y0; y < v->y1; y++) {
        for (int64_t column = v->x0; column < v->x1; column++) {
            const float *pixel = x + (y * p->w + column) * p->channels + first;
            int32_t here = (int32_t)(y * p->w + column);
            for (int64_t c = 0; c < n; c++) {
                place[c] = pixel[c] > best[c] ? here : place[c];
                best[c] = pixel[c] > best[c] ? pixel[c] : best[c];
            }
        }
    }
}

static void max_window(const pool *p, const window *v, const float *x, const float *dy, float *dx) {
    for (int64_t first = 0; first < p->channels; first += TILE) {
        int64_t n = at_most(TILE, p->channels - first);
        int32_t place[TILE];
        find_largest(p, v, first, n, x, place);
        for (int64_t c = 0; c < n; c++) {
            dx[place[c] * p->channels + first + c] += dy[first + c];
        }
    }
}

static void average_window(const pool *p, const window *v, const float *dy, float *dx) {
    float share = 1.0f / (float)v->divisor;
    for (int64_t y = v->y0; y < v->y1; y++) {
        for (int64_t x = v->x0; x < v->x1; x++) {
            for (int64_t c = 0; c < p->channels; c++) {
                dx[(y * p->w + x) * p->channels + c] += share * dy[c];
            }
        }
    }
}

/* x NULL: average. */
static void pool_image(const pool *p, const float *x, const float *dy, float *dx) {
    for (int64_t oy = 0; oy < p->oh; oy++) {
        for (int64_t ox = 0; ox < p->ow; ox++, dy += p->channels) {
            window v = window_at(p, oy, ox);
            if (v.y0 >= v.y1 || v.x0 >= v.x1) {
                continue;
            }
            if (x == NULL) {
                average_window(p, &v, dy, dx);
            } else {
                max_window(p, &v, x, dy, dx);
            }
        }
    }
}

uwc_status uwc_backward__pool(uwc_backward *b, const uwc_backward_call *call) {
    const float *x = b->op.kind == UWC_OP_MAX_POOL ? call->in[0]->f32 : NULL;
    pool p = {&b->op, b->in[0].dim[1], b->in[0].dim[2], b->in[0].dim[3], b->out.dim[2], b->out.dim[3]};
    int64_t pixels = p.channels * p.h * p.w, outputs = p.channels * p.oh * p.ow;
    bool add = uwc_backward__adds(call, 0);
    const float *dy = call->grad_out->f32;
    float *dx = call->grad_in[0]->f32;
#pragma omp parallel for schedule(static)
    for (int64_t n = 0; n < b->out.dim[0]; n++) {
        if (!add) {
            memset(dx + n * pixels, 0, (size_t)pixels * sizeof *dx);
        }
        pool_image(&p, x == NULL ? NULL : x + n * pixels, dy + n * outputs, dx + n * pixels);
    }
    return UWC_OK;
}
