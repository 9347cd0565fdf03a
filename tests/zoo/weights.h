/* Seeded values for the constants of a network of the zoo: its table has a line `OUTER SUMMED INNER MEAN SPREAD` per constant
 * [OUTER,SUMMED,INNER], in the order in which they lie in `weights.bin`. With SUMMED > 1 a tenth of the mean over
 * that axis is taken out. */
#ifndef UWC_TEST_ZOO_WEIGHTS_H
#define UWC_TEST_ZOO_WEIGHTS_H

#include <inttypes.h>
#include <stdbool.h>
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

#define ZOO_BALANCE 0.1

typedef struct zoo_constant {
    uint64_t outer, summed, inner;
    float mean, spread;
} zoo_constant;

static inline bool zoo_read_constant(FILE *table, zoo_constant *c) {
    return fscanf(table, "%" SCNu64 " %" SCNu64 " %" SCNu64 " %f %f", &c->outer, &c->summed, &c->inner, &c->mean, &c->spread) == 5;
}

static inline uint64_t zoo_count(const zoo_constant *c) {
    return c->outer * c->summed * c->inner;
}

/* [summed, inner], the first element being number `first` over all constants. */
static inline void zoo_fill_block(const zoo_constant *c, uint64_t first, float *block) {
    for (uint64_t i = 0; i < c->summed * c->inner; i++) {
        block[i] = c->mean + c->spread * zoo_value(first + i);
    }
    for (uint64_t k = 0; c->summed > 1 && k < c->inner; k++) {
        double sum = 0;
        for (uint64_t i = 0; i < c->summed; i++) {
            sum += (double)block[i * c->inner + k];
        }
        for (uint64_t i = 0; i < c->summed; i++) {
            block[i * c->inner + k] -= (float)(ZOO_BALANCE * sum / (double)c->summed);
        }
    }
}

static inline bool zoo_fill_constant(const zoo_constant *c, uint64_t first, FILE *to) {
    uint64_t n = c->summed * c->inner;
    float *block = malloc(n * sizeof *block);
    bool written = block != NULL;
    for (uint64_t o = 0; written && o < c->outer; o++) {
        zoo_fill_block(c, first + o * n, block);
        written = fwrite(block, sizeof *block, n, to) == n;
    }
    free(block);
    return written;
}

/* From the table into a file of float32; false where one of them cannot be read or written. */
static inline bool zoo_fill(const char *table, const char *path) {
    FILE *from = fopen(table, "r"), *to = fopen(path, "wb");
    uint64_t first = 0;
    zoo_constant c;
    bool good = from != NULL && to != NULL;
    while (good && zoo_read_constant(from, &c)) {
        good = zoo_fill_constant(&c, first, to);
        first += zoo_count(&c);
    }
    good = good && feof(from) && first > 0;
    if (from != NULL) {
        fclose(from);
    }
    return (to == NULL || fclose(to) == 0) && good;
}

#endif
