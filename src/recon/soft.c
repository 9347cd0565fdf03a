/* A layer's rounding while it is learned: every weight lies between two neighbouring levels, at h(V) of the way. Source: Nagel, Amjad, van
 * Baalen, Louizos, Blankevoort, "Up or down? Adaptive rounding for post-training quantization", ICML 2020, equations 21 to 24. */
#include "recon_impl.h"

#include <uwc/vector.h>

#include <math.h>
#include <string.h>

/* The rectified sigmoid h(V) = clip(sigmoid(V) (ZETA - GAMMA) + GAMMA, 0, 1). */
static const float ZETA = 1.1f, GAMMA = -0.1f;
#define SETTLED (-10.0f) /* h is 0 there, and so is its slope */
enum { PART = 4096 };

typedef union bits {
    float real;
    int32_t integer;
} bits;

/* 2^x for |x| < 126, to 2e-7: the C library's has no vector form, and its last digits depend on the machine. */
static inline float power_of_two(float x) {
    float whole = rintf(x), t = (x - whole) * 0.693147181f;
    float series = 1 + t * (1 + t * (0.5f + t * (1.66666667e-1f + t * (4.16666667e-2f + t * (8.33333333e-3f + t * 1.38888889e-3f)))));
    bits scale = {.integer = ((int32_t)whole + 127) << 23};
    return series * scale.real;
}

/* log2 x for normal x > 0, to 2e-7 of the larger of it and 1: x = 2^e m with m in [0.707, 1.414), by the series of atanh. */
static inline float logarithm(float x) {
    bits all = {.real = x};
    int32_t exponent = (all.integer - 0x3f3504f3) >> 23;
    bits m = {.integer = all.integer - exponent * (1 << 23)};
    float s = (m.real - 1) / (m.real + 1), square = s * s;
    float series = 1 + square * (0.333333333f + square * (0.2f + square * (0.142857143f + square * 0.111111111f)));
    return (float)exponent + 2.88539008f * s * series;
}

static inline float sigmoid(float v) {
    float x = v * -1.44269504f;
    x = x < -100 ? -100 : x;
    x = x > 100 ? 100 : x;
    return 1 / (1 + power_of_two(x));
}

UWC_VECTOR static void weigh(const float *v, const float *level, const float *scale, int64_t count, float *w) {
    for (int64_t i = 0; i < count; i++) {
        float h = sigmoid(v[i]) * (ZETA - GAMMA) + GAMMA;
        h = h < 0 ? 0 : h;
        h = h > 1 ? 1 : h;
        w[i] = scale[i] * (level[i] + h);
    }
}

/* By V, of the loss whose gradient by the weights is `grad`, and of weight * sum (1 - |2h - 1|^beta). */
UWC_VECTOR static void differentiate(const float *v, const float *scale, const float *grad, int64_t count, float weight, float beta,
                                     float *restrict out) {
    for (int64_t i = 0; i < count; i++) {
        float s = sigmoid(v[i]), h = s * (ZETA - GAMMA) + GAMMA;
        float free = (float)((h >= 0) & (h <= 1)); /* no branch, so that the loop becomes vectors */
        float slope = free * (ZETA - GAMMA) * s * (1 - s);
        float side = 2 * h - 1, exponent = (beta - 1) * logarithm(fabsf(side) + 1e-7f);
        exponent = exponent < -100 ? -100 : exponent;
        float pull = 2 * weight * beta * power_of_two(exponent);
        out[i] = (grad[i] * scale[i] - copysignf(pull, side)) * slope;
    }
}

/* The level below w / scale, less the zero point, and V from what is left. Weights that the lattice does not reach stay at its end. */
static void split(double w, double scale, int zero, int lo, int hi, float *level, float *v) {
    double real = w / scale, below = floor(real), part = real - below;
    if (below + zero < lo || below + zero >= hi) {
        *level = (float)((below + zero < lo ? lo : hi) - zero);
        *v = SETTLED;
        return;
    }
    *level = (float)below;
    *v = (float)-log(((double)ZETA - (double)GAMMA) / (part - (double)GAMMA) - 1);
}

uwc_status uwc_recon__soft_open(const uwc_weights *weights, const float *w, uwc_soft *out) {
    const int64_t n = weights->rows * weights->cols;
    int lo, hi;
    uwc_weights_range(weights->bits, &lo, &hi);
    *out = (uwc_soft){.count = n};
    UWC_TRY(uwc_calloc(n, sizeof *out->level, &out->level));
    UWC_TRY(uwc_calloc(n, sizeof *out->scale, &out->scale));
    UWC_TRY(uwc_calloc(n, sizeof *out->v, &out->v));
    for (int64_t i = 0; i < n; i++) {
        const int64_t row = i / weights->cols;
        out->scale[i] = weights->scale[row];
        split((double)w[i], (double)weights->scale[row], weights->zero[row], lo, hi, &out->level[i], &out->v[i]);
    }
    return UWC_OK;
}

void uwc_recon__soft_close(uwc_soft *soft) {
    uwc_free(&soft->level);
    uwc_free(&soft->scale);
    uwc_free(&soft->v);
}

void uwc_recon__soft_weights(const uwc_soft *soft, float *w) {
#pragma omp parallel for schedule(static)
    for (int64_t first = 0; first < soft->count; first += PART) {
        const int64_t n = soft->count - first < PART ? soft->count - first : PART;
        weigh(soft->v + first, soft->level + first, soft->scale + first, n, w + first);
    }
}

void uwc_recon__soft_gradient(const uwc_soft *soft, const float *grad, double weight, double beta, float *out) {
#pragma omp parallel for schedule(static)
    for (int64_t first = 0; first < soft->count; first += PART) {
        const int64_t n = soft->count - first < PART ? soft->count - first : PART;
        differentiate(soft->v + first, soft->scale + first, grad + first, n, (float)weight, (float)beta, out + first);
    }
}

void uwc_recon__soft_harden(const uwc_soft *soft, uwc_weights *weights) {
    for (int64_t i = 0; i < soft->count; i++) {
        const int up = soft->v[i] >= 0; /* h >= 1/2 */
        weights->q[i] = (int8_t)((int)soft->level[i] + up + weights->zero[i / weights->cols]);
    }
}
