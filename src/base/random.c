/* Source: Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011: Philox4x32 with 10 rounds. */
#include <uwc/base.h>

#include <math.h>

static void philox(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4]) {
    uint32_t c0 = counter[0], c1 = counter[1], c2 = counter[2], c3 = counter[3], k0 = key[0], k1 = key[1];
    for (int round = 0; round < 10; round++) {
        uint64_t a = UINT64_C(0xD2511F53) * c0, b = UINT64_C(0xCD9E8D57) * c2;
        uint32_t next0 = (uint32_t)(b >> 32) ^ c1 ^ k0, next2 = (uint32_t)(a >> 32) ^ c3 ^ k1;
        c1 = (uint32_t)b;
        c3 = (uint32_t)a;
        c0 = next0;
        c2 = next2;
        k0 += UINT32_C(0x9E3779B9);
        k1 += UINT32_C(0xBB67AE85);
    }
    out[0] = c0;
    out[1] = c1;
    out[2] = c2;
    out[3] = c3;
}

static void block(uint64_t seed, uint64_t stream, uint64_t index, uint32_t out[4]) {
    const uint32_t counter[4] = {(uint32_t)index, (uint32_t)(index >> 32), (uint32_t)stream, (uint32_t)(stream >> 32)};
    const uint32_t key[2] = {(uint32_t)seed, (uint32_t)(seed >> 32)};
    philox(counter, key, out);
}

/* (0, 1): the middle of one of 2^32 equal intervals. */
static double open_unit(uint32_t bits) {
    return ((double)bits + 0.5) * 0x1p-32;
}

uint32_t uwc_rng_u32(uint64_t seed, uint64_t stream, uint64_t index) {
    uint32_t out[4];
    block(seed, stream, index, out);
    return out[0];
}

double uwc_rng_uniform(uint64_t seed, uint64_t stream, uint64_t index) {
    return open_unit(uwc_rng_u32(seed, stream, index));
}

double uwc_rng_normal(uint64_t seed, uint64_t stream, uint64_t index) {
    uint32_t out[4];
    block(seed, stream, index, out);
    return sqrt(-2.0 * log(open_unit(out[0]))) * cos(6.283185307179586 * open_unit(out[1]));
}

int64_t uwc_rng_below(uint64_t seed, uint64_t stream, uint64_t index, int64_t bound) {
    if (bound <= 1) {
        return 0;
    }
    uint32_t out[4];
    block(seed, stream, index, out);
    uint64_t wide = (uint64_t)out[0] << 32 | out[1];
    return (int64_t)(wide % (uint64_t)bound); /* bias below bound / 2^64 */
}

uint64_t uwc_hash(uint64_t hash, const void *data, size_t bytes) {
    const unsigned char *byte = data;
    for (size_t i = 0; i < bytes; i++) {
        hash = (hash ^ byte[i]) * UINT64_C(0x100000001b3);
    }
    return hash;
}
