/* Seeded values for the constants of a network of the zoo: its table has a line `COUNT MEAN SPREAD` per constant, in the order in which
 * they lie in `weights.bin`. */
#ifndef UWC_TEST_ZOO_WEIGHTS_H
#define UWC_TEST_ZOO_WEIGHTS_H

#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

/* The finaliser of splitmix64 (Steele, Lea, Flood, OOPSLA 2014). */
static inline uint64_t zoo_mix(uint64_t x) {
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

/* Mean 0, variance 1, between -3.5 and 3.5: the sum of the four quarters of a hash. */
static inline float zoo_value(uint64_t index) {
    uint64_t bits = zoo_mix(index + UINT64_C(0x9e3779b97f4a7c15));
    int64_t sum = 0;
    for (int i = 0; i < 4; i++) {
        sum += (int64_t)(bits >> (16 * i) & 0xffff);
    }
    return (float)(sum - 2 * 65535) * (1.7320508f / 65536);
}

/* Writes one constant; `first` numbers its first element over all constants. */
static inline bool zoo_fill_constant(FILE *to, uint64_t first, uint64_t count, float mean, float spread) {
    enum { PIECE = 4096 };
    float piece[PIECE];
    for (uint64_t done = 0; done < count;) {
        uint64_t n = count - done < PIECE ? count - done : PIECE;
        for (uint64_t i = 0; i < n; i++) {
            piece[i] = mean + spread * zoo_value(first + done + i);
        }
        if (fwrite(piece, sizeof piece[0], n, to) != n) {
            return false;
        }
        done += n;
    }
    return true;
}

/* From the table into a file of float32; false where one of them cannot be read or written. */
static inline bool zoo_fill(const char *table, const char *path) {
    FILE *from = fopen(table, "r"), *to = fopen(path, "wb");
    uint64_t count, first = 0;
    float mean, spread;
    int fields = from == NULL || to == NULL ? 0 : EOF;
    bool written = true;
    while (fields != 0 && written && (fields = fscanf(from, "%" SCNu64 " %f %f", &count, &mean, &spread)) == 3) {
        written = zoo_fill_constant(to, first, count, mean, spread);
        first += count;
    }
    if (from != NULL) {
        fclose(from);
    }
    return (to == NULL || fclose(to) == 0) && written && fields == EOF && first > 0;
}

#endif
