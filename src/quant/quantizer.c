#include <uwc/quant.h>

#include <uwc/vector.h>

#include <math.h>

UWC_VECTOR static void apply(const uwc_quantizer *quantizer, const float *x, int64_t count, float *out) {
    const float scale = quantizer->scale, zero = (float)quantizer->zero;
    const float least = -zero, most = (float)((1 << quantizer->bits) - 1) - zero;
    for (int64_t i = 0; i < count; i++) {
        float level = rintf(x[i] / scale);
        level = level < least ? least : level;
        level = level > most ? most : level;
        out[i] = scale * level;
    }
}

void uwc_quantizer_apply(const uwc_quantizer *quantizer, const float *x, int64_t count, float *out) {
    enum { PART = 8192 };
#pragma omp parallel for schedule(static)
    for (int64_t first = 0; first < count; first += PART) {
        apply(quantizer, x + first, count - first < PART ? count - first : PART, out + first);
    }
}

/* Sum of squared errors; the additions are in a fixed order of 16 lanes. */
UWC_VECTOR static double square_error(const uwc_quantizer *quantizer, const float *x, int64_t count) {
    enum { LANES = 16, BLOCK = 4096 };
    const float scale = quantizer->scale, zero = (float)quantizer->zero;
    const float least = -zero, most = (float)((1 << quantizer->bits) - 1) - zero;
    double total = 0;
    for (int64_t first = 0; first < count; first += BLOCK) {
        int64_t end = first + BLOCK < count ? first + BLOCK : count;
        float lane[LANES] = {0};
        int64_t i = first;
        for (; i + LANES <= end; i += LANES) {
            for (int k = 0; k < LANES; k++) {
                float level = rintf(x[i + k] / scale);
                level = level < least ? least : level;
                level = level > most ? most : level;
                float error = scale * level - x[i + k];
                lane[k] += error * error;
            }
        }
        for (; i < end; i++) {
            float level = fminf(fmaxf(rintf(x[i] / scale), least), most);
            lane[0] += (scale * level - x[i]) * (scale * level - x[i]);
        }
        for (int k = 0; k < LANES; k++) {
            total += (double)lane[k];
        }
    }
    return total;
}

static void range_of(const float *x, int64_t count, float *low, float *high) {
    *low = *high = 0;
    for (int64_t i = 0; i < count; i++) {
        *low = x[i] < *low ? x[i] : *low;
        *high = x[i] > *high ? x[i] : *high;
    }
}

/* The quantizer whose real range is closest to [low, high] with an integer zero point. */
static uwc_quantizer for_range(int bits, float low, float high) {
    int top = (1 << bits) - 1;
    uwc_quantizer quantizer = {.bits = bits, .scale = (high - low) / (float)top};
    if (!(quantizer.scale >= 1e-20f)) {
        quantizer.scale = 1.0f; /* all values are zero: any step represents them */
    }
    float zero = rintf(-low / quantizer.scale);
    quantizer.zero = (int32_t)fminf(fmaxf(zero, 0), (float)top);
    return quantizer;
}

static void consider(uwc_quantizer candidate, const float *x, int64_t count, double *best, uwc_quantizer *out) {
    double error = square_error(&candidate, x, count);
    if (error < *best) {
        *best = error;
        *out = candidate;
    }
}

/* Ends of the range shrink on a coarse grid, first together and then each for itself, and finally on a fine grid around the best. */
uwc_status uwc_quantizer_search(int bits, const float *x, int64_t count, uwc_quantizer *out) {
    UWC_CHECK(bits >= 2 && bits <= 8, UWC_E_ARG, "activations of %d bits (2 to 8)", bits);
    float low, high;
    range_of(x, count, &low, &high);
    double best = INFINITY;
    *out = for_range(bits, low, high);
    if (high <= low) {
        return UWC_OK;
    }
    float keep_low = 1, keep_high = 1;
    enum { COARSE = 40, FINE = 10 };
    for (int i = COARSE; i >= 4; i--) {
        float part = (float)i / COARSE;
        double before = best;
        consider(for_range(bits, low * part, high * part), x, count, &best, out);
        keep_low = keep_high = best < before ? part : keep_high;
    }
    for (int end = 0; end < 2; end++) {
        if ((end == 0 ? low : high) == 0) {
            continue;
        }
        float *keep = end == 0 ? &keep_low : &keep_high, centre = *keep;
        for (int i = -FINE; i <= FINE; i++) {
            float part = centre * (1 + (float)i / (4 * FINE)), other_low = end == 0 ? part : keep_low,
                  other_high = end == 0 ? keep_high : part;
            double before = best;
            consider(for_range(bits, low * other_low, high * other_high), x, count, &best, out);
            *keep = best < before ? part : *keep;
        }
    }
    return UWC_OK;
}
