/* float32 to IEEE half precision and back, in arithmetic that compilers turn into vectors: the same bits on every machine. HDF5's own
 * conversion takes tens of times as long. */
#include "store_impl.h"

#include <uwc/vector.h>

#include <math.h>
#include <string.h>

static inline uint32_t bits_of(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static inline float value_of(uint32_t bits) {
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* Without a branch, which would keep the compiler from vectors: it must not work out a float that is perhaps not wanted. */
static inline uint32_t choose(bool first, uint32_t a, uint32_t b) {
    const uint32_t mask = UINT32_C(0) - first;
    return (a & mask) | (b & ~mask);
}

/* Of a magnitude up to 65504. Added to 0.5, what is below the normal numbers is rounded by the addition itself: its last place is the least
 * half. Above, the bias changes and thirteen bits go, to even. */
static inline uint16_t to_half(float value) {
    const uint32_t sign = bits_of(value) & UINT32_C(0x80000000), magnitude = bits_of(value) ^ sign;
    const uint32_t least = UINT32_C(113) << 23; /* 2^-14 */
    uint32_t below = bits_of(value_of(magnitude) + 0.5f) - bits_of(0.5f);
    uint32_t normal = (magnitude - (UINT32_C(112) << 23) + UINT32_C(0xfff) + ((magnitude >> 13) & 1)) >> 13;
    return (uint16_t)(choose(magnitude < least, below, normal) | sign >> 16);
}

static inline float from_half(uint16_t half) {
    const uint32_t magnitude = half & UINT32_C(0x7fff), exponent = magnitude >> 10, sign = (half & UINT32_C(0x8000)) << 16;
    uint32_t normal = (magnitude << 13) + (UINT32_C(112) << 23);
    uint32_t below = bits_of(value_of((magnitude << 13) + (UINT32_C(113) << 23)) - value_of(UINT32_C(113) << 23));
    uint32_t special = normal + (UINT32_C(112) << 23);
    return value_of(choose(exponent == 0, below, choose(exponent == 31, special, normal)) | sign);
}

UWC_VECTOR void uwc_store__to_half(const float *restrict from, int64_t count, uint16_t *restrict to) {
    for (int64_t i = 0; i < count; i++) {
        to[i] = to_half(from[i]);
    }
}

UWC_VECTOR void uwc_store__from_half(const uint16_t *restrict from, int64_t count, float *restrict to) {
    for (int64_t i = 0; i < count; i++) {
        to[i] = from_half(from[i]);
    }
}

UWC_VECTOR static int count_beyond(const float *value, int64_t count) {
    int beyond = 0;
    for (int64_t i = 0; i < count; i++) {
        beyond += !(fabsf(value[i]) <= UWC_STORE__HALF_MOST);
    }
    return beyond;
}

/* In blocks: the count stays in range, and one that is met is looked at again. */
const float *uwc_store__find_beyond_half(const float *value, int64_t count) {
    enum { BLOCK = 1 << 16 };
    for (int64_t first = 0; first < count; first += BLOCK) {
        int64_t n = count - first < BLOCK ? count - first : BLOCK;
        if (count_beyond(value + first, n) == 0) {
            continue;
        }
        for (int64_t i = first; i < first + n; i++) {
            if (!(fabsf(value[i]) <= UWC_STORE__HALF_MOST)) {
                return &value[i];
            }
        }
    }
    return NULL;
}
