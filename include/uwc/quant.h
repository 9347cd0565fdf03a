/* quant: affine quantizers of activations and weights. Floor 2; uses tensor. */
#ifndef UWC_QUANT_H
#define UWC_QUANT_H

#include <uwc/tensor.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Per tensor: q = clamp(rint(x / scale) + zero, 0, 2^bits - 1), x' = scale (q - zero). rint rounds ties to even, the division is a float32
 * division (as QuantizeLinear of ONNX). 0 is always representable: 0 <= zero < 2^bits. bits == 0: no quantizer. */
typedef struct uwc_quantizer {
    int bits;
    float scale;
    int32_t zero;
} uwc_quantizer;

/* Weights [rows, cols] as integers: w' = scale[row] (q - zero[row]), q in [-2^(bits-1), 2^(bits-1)-1]; symmetric: zero is 0. */
typedef struct uwc_weights {
    int bits;
    int64_t rows, cols;
    int8_t *q;     /* [rows, cols] */
    float *scale;  /* [rows], > 0 */
    int32_t *zero; /* [rows] */
} uwc_weights;

/* The nearest scale with few significant bits: 6, and 12 - bits where levels have `bits` > 6. Every scale that is chosen for levels of
 * `bits` bits is such a one. A product of an activation and a weight, and a sum of such products, is then an integer times a power of two;
 * while the integer is below 2^24, float32 holds it exactly, so that a layer's sum is the same in whatever order a program adds. Local. */
float uwc_scale_shorten(int bits, float scale);

/* Least and largest level of weights at `bits`. Local. */
void uwc_weights_range(int bits, int *lo, int *hi);
uwc_status uwc_weights_create(int bits, int64_t rows, int64_t cols, uwc_weights **out) UWC_MUST_USE;
uwc_status uwc_weights_copy(const uwc_weights *weights, uwc_weights **out) UWC_MUST_USE;
void uwc_weights_destroy(uwc_weights **weights);
/* out [rows, cols] = scale (q - zero) in float32. Local. */
void uwc_weights_dequantize(const uwc_weights *weights, float *out);

/* Fake quantization of `count` values, in place allowed. Local. */
void uwc_quantizer_apply(const uwc_quantizer *quantizer, const float *x, int64_t count, float *out);
/* The scale (a short one) and zero point with the least mean square error over `count` values, searched on a grid of clipping ranges; the
 * zero point is 0 where no value is negative. Deterministic. Local. */
uwc_status uwc_quantizer_search(int bits, const float *x, int64_t count, uwc_quantizer *out) UWC_MUST_USE;

/* ---- learning ------------------------------------------------------------------------------------------------------------------ */

/* keep[i] = 1 with probability `part`, else 0, from (seed, stream, i) alone. Local. */
void uwc_drop_mask(uint64_t seed, uint64_t stream, double part, int64_t count, uint8_t *keep);
/* to[i] = from[i] where keep[i]. Local. */
void uwc_drop_mix(const uint8_t *keep, const float *from, int64_t count, float *to);
/* out[i] = x[i] where keep[i], else its fake quantization; in place allowed. Local. */
void uwc_quantizer_apply_but(const uwc_quantizer *quantizer, const float *x, const uint8_t *keep, int64_t count, float *out);
/* Gradients of uwc_quantizer_apply_but (keep NULL: of uwc_quantizer_apply) from grad_out: rounding is passed straight through, values that
 * are clipped pass nothing. grad_x (NULL: not wanted; may be grad_out unless `accumulate`) is overwritten or, with `accumulate`, added to;
 * *grad_scale, *grad_zero by the scale and by the zero point taken as a real number. The sums are the same at any number of threads.
 * Errors: NOMEM. Source: Esser et al., "Learned step size quantization", ICLR 2020, equations 3 and 5. Local. */
uwc_status uwc_quantizer_backward(const uwc_quantizer *quantizer, const float *x, const uint8_t *keep, const float *grad_out, int64_t count,
                                  float *grad_x, bool accumulate, double *grad_scale, double *grad_zero) UWC_MUST_USE;

#ifdef __cplusplus
}
#endif
#endif
