/* Element-wise operators of one input. */
#include "backward_impl.h"

#include <uwc/vector.h>

/* The slope at each of n elements, from the input or the output. One loop per operator, so that each is vectorised. */
UWC_VECTOR static void slopes(const uwc_op *op, int64_t n, const float *restrict x, const float *restrict y, float *restrict slope) {
    switch (op->kind) {
    case UWC_OP_RELU:
        for (int64_t i = 0; i < n; i++) {
            slope[i] = y[i] > 0.0f ? 1.0f : 0.0f;
        }
        break;
    case UWC_OP_CLIP:
        for (int64_t i = 0; i < n; i++) {
            slope[i] = ((y[i] > op->low) & (y[i] < op->high)) ? 1.0f : 0.0f;
        }
        break;
    case UWC_OP_LEAKY_RELU:
        for (int64_t i = 0; i < n; i++) {
            slope[i] = x[i] < 0.0f ? op->alpha : 1.0f;
        }
        break;
    case UWC_OP_HARD_SIGMOID:
        for (int64_t i = 0; i < n; i++) {
            float line = op->alpha * x[i] + op->beta;
            slope[i] = ((line > 0.0f) & (line < 1.0f)) ? op->alpha : 0.0f;
        }
        break;
    case UWC_OP_HARD_SWISH:
        for (int64_t i = 0; i < n; i++) {
            float line = x[i] * (1.0f / 3) + 0.5f;
            slope[i] = x[i] <= -3.0f ? 0.0f : x[i] >= 3.0f ? 1.0f : line;
        }
        break;
    case UWC_OP_SIGMOID:
        for (int64_t i = 0; i < n; i++) {
            slope[i] = y[i] * (1.0f - y[i]);
        }
        break;
    case UWC_OP_TANH:
        for (int64_t i = 0; i < n; i++) {
            slope[i] = 1.0f - y[i] * y[i];
        }
        break;
    case UWC_OP_IDENTITY:
        for (int64_t i = 0; i < n; i++) {
            slope[i] = 1.0f;
        }
        break;
    default:
        for (int64_t i = 0; i < n; i++) {
            slope[i] = (float)uwc_backward__slope(op, (double)x[i]);
        }
        break;
    }
}

UWC_VECTOR static void multiply(int64_t n, const float *dy, const float *slope, bool add, float *restrict dx) {
    for (int64_t i = 0; i < n; i++) {
        float value = dy[i] * slope[i];
        dx[i] = add ? dx[i] + value : value;
    }
}

uwc_status uwc_backward__unary(uwc_backward *b, const uwc_backward_call *call) {
    enum { PIECE = 1024 };
    const float *x = call->in[0]->f32, *y = call->out->f32, *dy = call->grad_out->f32;
    float *dx = call->grad_in[0]->f32;
    bool add = uwc_backward__adds(call, 0);
    int64_t count = uwc_shape_count(b->out);
#pragma omp parallel for schedule(static)
    for (int64_t first = 0; first < count; first += PIECE) {
        float slope[PIECE];
        int64_t n = count - first < PIECE ? count - first : PIECE;
        slopes(&b->op, n, x + first, y + first, slope);
        multiply(n, dy + first, slope, add, dx + first);
    }
    return UWC_OK;
}
