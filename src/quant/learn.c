/* Fake quantization while it is learned: some values are left float, and gradients go back through it. */
#include <uwc/quant.h>

#include <uwc/vector.h>

#include <math.h>
#include <string.h>

enum { PART = 8192 };

/* A hash of 32 bits with low bias, cheap enough for every activation of every step. Source: Wellons, "Prospecting for hash functions",
 * 2018, the two-round function 16-21f0aaad-15-d35a2d97-15. */
UWC_VECTOR static void draw(uint32_t key, uint32_t first, uint32_t most, int64_t count, uint8_t *keep) {
    for (int64_t i = 0; i < count; i++) {
        uint32_t x = (first + (uint32_t)i) ^ key;
        x = (x ^ x >> 16) * UINT32_C(0x21f0aaad);
        x = (x ^ x >> 15) * UINT32_C(0xd35a2d97);
        x ^= x >> 15;
        keep[i] = x <= most;
    }
}

void uwc_drop_mask(uint64_t seed, uint64_t stream, double part, int64_t count, uint8_t *keep) {
    const double kept = fmin(part, 1) * 0x1p32; /* of all numbers that are drawn */
    if (!(kept >= 1)) {
        memset(keep, 0, (size_t)count);
        return;
    }
    const uint32_t most = (uint32_t)(kept - 1);
#pragma omp parallel for schedule(static)
    for (int64_t first = 0; first < count; first += PART) {
        uint32_t key = uwc_rng_u32(seed, stream, (uint64_t)first);
        draw(key, (uint32_t)first, most, count - first < PART ? count - first : PART, keep + first);
    }
}

typedef union bits {
    float real;
    uint32_t integer;
} bits;

/* keep is 0 or 1. Without a branch, so that loops become vectors. */
static inline float pick(uint8_t keep, float kept, float other) {
    bits a = {.real = kept}, b = {.real = other};
    uint32_t mask = 0 - (uint32_t)keep;
    bits both = {.integer = (a.integer & mask) | (b.integer & ~mask)};
    return both.real;
}

UWC_VECTOR static void mix(const uint8_t *keep, const float *from, int64_t count, float *restrict to) {
    for (int64_t i = 0; i < count; i++) {
        to[i] = pick(keep[i], from[i], to[i]);
    }
}

void uwc_drop_mix(const uint8_t *keep, const float *from, int64_t count, float *to) {
#pragma omp parallel for schedule(static)
    for (int64_t first = 0; first < count; first += PART) {
        mix(keep + first, from + first, count - first < PART ? count - first : PART, to + first);
    }
}

UWC_VECTOR static void apply_but(const uwc_quantizer *quantizer, const float *x, const uint8_t *keep, int64_t count, float *out) {
    const float scale = quantizer->scale, zero = (float)quantizer->zero;
    const float least = -zero, most = (float)((1 << quantizer->bits) - 1) - zero;
    for (int64_t i = 0; i < count; i++) {
        float level = rintf(x[i] / scale);
        level = level < least ? least : level;
        level = level > most ? most : level;
        out[i] = pick(keep[i], x[i], scale * level);
    }
}

void uwc_quantizer_apply_but(const uwc_quantizer *quantizer, const float *x, const uint8_t *keep, int64_t count, float *out) {
#pragma omp parallel for schedule(static)
    for (int64_t first = 0; first < count; first += PART) {
        apply_but(quantizer, x + first, keep + first, count - first < PART ? count - first : PART, out + first);
    }
}

/* One part: sums in lanes of a fixed order. `pass` receives what goes on to x. */
UWC_VECTOR static void backward(const uwc_quantizer *quantizer, const float *x, const float *grad, int64_t count, float *pass, double *by) {
    enum { LANES = 16 };
    const float scale = quantizer->scale, zero = (float)quantizer->zero;
    const float least = -zero, most = (float)((1 << quantizer->bits) - 1) - zero;
    float by_scale[LANES] = {0}, by_zero[LANES] = {0};
    int64_t i = 0;
    for (; i + LANES <= count; i += LANES) {
        for (int k = 0; k < LANES; k++) {
            float real = x[i + k] / scale, level = rintf(real), g = grad[i + k];
            float end = level < least ? least : most;
            int clipped = level < least || level > most;
            by_scale[k] += g * (clipped ? end : level - real);
            by_zero[k] -= clipped ? g * scale : 0;
            pass[i + k] = clipped ? 0 : g;
        }
    }
    for (; i < count; i++) {
        float real = x[i] / scale, level = rintf(real), g = grad[i];
        bool clipped = level < least || level > most;
        by_scale[0] += g * (clipped ? (level < least ? least : most) : level - real);
        by_zero[0] -= clipped ? g * scale : 0;
        pass[i] = clipped ? 0 : g;
    }
    for (int k = 0; k < LANES; k++) {
        by[0] += (double)by_scale[k];
        by[1] += (double)by_zero[k];
    }
}

/* Kept values let their gradient through and none to the step: it is taken out here and put back in `finish`. */
UWC_VECTOR static void take_kept(const uint8_t *keep, const float *grad, int64_t count, float *restrict out) {
    for (int64_t i = 0; i < count; i++) {
        out[i] = pick(keep[i], 0, grad[i]);
    }
}

UWC_VECTOR static void finish(const uint8_t *keep, const float *grad, int64_t count, float *restrict pass) {
    for (int64_t i = 0; i < count; i++) {
        pass[i] = pick(keep[i], grad[i], pass[i]);
    }
}

UWC_VECTOR static void add(const float *restrict pass, int64_t count, float *restrict grad_x) {
    for (int64_t i = 0; i < count; i++) {
        grad_x[i] += pass[i];
    }
}

/* n elements of everything. */
static void run_part(const uwc_quantizer *quantizer, const float *x, const uint8_t *keep, const float *grad_out, int64_t n, float *grad_x,
                     bool accumulate, double *by) {
    float grad[PART], pass[PART];
    if (keep != NULL) {
        take_kept(keep, grad_out, n, grad);
    }
    backward(quantizer, x, keep != NULL ? grad : grad_out, n, pass, by);
    if (keep != NULL && grad_x != NULL) {
        finish(keep, grad_out, n, pass);
    }
    if (grad_x != NULL && accumulate) {
        add(pass, n, grad_x);
    } else if (grad_x != NULL) {
        memcpy(grad_x, pass, (size_t)n * sizeof *pass);
    }
}

uwc_status uwc_quantizer_backward(const uwc_quantizer *quantizer, const float *x, const uint8_t *keep, const float *grad_out, int64_t count,
                                  float *grad_x, bool accumulate, double *grad_scale, double *grad_zero) {
    const int64_t parts = (count + PART - 1) / PART;
    double *by;
    UWC_TRY(uwc_calloc(2 * parts, sizeof *by, &by));
#pragma omp parallel for schedule(static)
    for (int64_t part = 0; part < parts; part++) {
        const int64_t first = part * PART, n = count - first < PART ? count - first : PART;
        run_part(quantizer, x + first, keep == NULL ? NULL : keep + first, grad_out + first, n, grad_x == NULL ? NULL : grad_x + first,
                 accumulate, by + 2 * part);
    }
    *grad_scale = *grad_zero = 0;
    for (int64_t part = 0; part < parts; part++) {
        *grad_scale += by[2 * part];
        *grad_zero += by[2 * part + 1];
    }
    uwc_free(&by);
    return UWC_OK;
}
