#include <uwc/quant.h>

#include <math.h>

/* Significant bits of a scale, and of a level times its scale where levels have more bits than that leaves. */
enum { SCALE_BITS = 6, VALUE_BITS = 12 };

float uwc_scale_shorten(int bits, float scale) {
    const int kept = VALUE_BITS - bits < SCALE_BITS ? VALUE_BITS - bits : SCALE_BITS;
    int exponent;
    float part = frexpf(scale, &exponent); /* [1/2, 1) */
    return ldexpf(rintf(ldexpf(part, kept)), exponent - kept);
}
