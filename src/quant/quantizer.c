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

/* The quantizer whose real range is closest to [low, high] with a short scale and an integer zero point. */
static uwc_quantizer for_range(int bits, float low, float high) {
    int top = (1 << bits) - 1;
    uwc_quantizer quantizer = {.bits = bits, .scale = (high - low) / (float)top};
    if (!(quantizer.scale >= 1e-20f)) {
        quantizer.scale = 1.0f; /* all values are zero: any step represents them */
    }
    quantizer.scale = uwc_scale_shorten(bits, quantizer.scale);
    float zero = rintf(-low / quantizer.scale);
    quantizer.zero = (int32_t)fminf(fmaxf(zero, 0), (float)top);
    return quantizer;
}

typedef struct search {
    int bits;
    const float *x;
    int64_t count;
    float low, high; /* of the values */
    float keep[2];   /* parts of low and high in the best range */
    double best;     /* its error */
    uwc_quantizer *out;
} search;

static void consider(search *s, float part_low, float part_high) {
    uwc_quantizer candidate = for_range(s->bits, s->low * part_low, s->high * part_high);
    double error = square_error(&candidate, s->x, s->count);
    if (error < s->best) {
        s->best = error;
        *s->out = candidate;
        s->keep[0] = part_low;
        s->keep[1] = part_high;
    }
}

static void consider_end(search *s, int end, float part) {
    consider(s, end == 0 ? part : s->keep[0], end == 0 ? s->keep[1] : part);
}

/* Ends of the range shrink on a coarse grid, first together and then each for itself, and finally on a fine grid around the best. */
uwc_status uwc_quantizer_search(int bits, const float *x, int64_t count, uwc_quantizer *out) {
    enum { COARSE = 40, LEAST = 4, FINE = 10 };
    UWC_CHECK(bits >= 2 && bits <= 8, UWC_E_ARG, "activations of %d bits (2 to 8)", bits);
    search s = {.bits = bits, .x = x, .count = count, .keep = {1, 1}, .best = INFINITY, .out = out};
    range_of(x, count, &s.low, &s.high);
    *out = for_range(bits, s.low, s.high);
    if (s.high <= s.low) {
        return UWC_OK;
    }
    for (int i = COARSE; i >= LEAST; i--) {
        consider(&s, (float)i / COARSE, (float)i / COARSE);
    }
    for (int end = 0; end < 2 && s.low < 0 && s.high > 0; end++) {
        for (int i = COARSE; i >= 0; i--) {
            consider_end(&s, end, (float)i / COARSE);
        }
    }
    for (int end = 0; end < 2; end++) {
        float centre = (end == 0 ? s.low : s.high) == 0 ? 0 : s.keep[end];
        for (int i = -FINE; i <= FINE && centre > 0; i++) {
            consider_end(&s, end, centre * (1 + (float)i / (4 * FINE)));
        }
    }
    return UWC_OK;
}
