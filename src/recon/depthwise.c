/* Statistics of depthwise layers: one small matrix per channel, so the vectors run over channels. What a position gives to 16 channels is a
 * list of vectors: the taps, the target and a one. Its products with itself, in blocks of BLOCK x BLOCK that stay in registers, are all
 * sums that are wanted. */
#include "recon_impl.h"

#include <uwc/vector.h>

#include <omp.h>
#include <stdatomic.h>
#include <string.h>

enum {
    CHANNELS = 16, /* of one vector */
    TILE = 16,     /* positions that are packed together */
    CHUNK = 1024,  /* positions per float32 sum, a multiple of TILE */
    BLOCK = 3,
    PART = 16,    /* blocks of channels that one thread packs together */
    MAX_AREA = 49 /* largest kernel area */
};

typedef float vector __attribute__((vector_size(CHANNELS * sizeof(float))));

bool uwc_recon__is_depthwise(const uwc_geometry *g) {
    return g->groups > 1 && g->group_channels == 1 && g->rows == 1 && g->cols <= MAX_AREA;
}

/* Blocks along one side of the matrix of products. */
static int64_t side_of(int64_t area) {
    return (area + 2 + BLOCK - 1) / BLOCK;
}

static int64_t sums_of(int64_t area) {
    return side_of(area) * (side_of(area) + 1) / 2 * BLOCK * BLOCK;
}

/* Packed vectors of a tile; one more, so that the blocks of channels do not share their places in the cache. */
static int64_t stride_of(int64_t area) {
    return TILE * side_of(area) * BLOCK + 1;
}

struct uwc_depthwise {
    vector *sums;   /* [blocks of channels][blocks i <= j][BLOCK][BLOCK] */
    vector *packed; /* [blocks of channels][TILE][vectors]; what is not taps or target stays as it was made */
    float *zeros;   /* [channels]: what taps in the padding read */
    double *square; /* [blocks of channels]: sum of y^2 */
};

void uwc_recon__depthwise_close(uwc_depthwise **depthwise) {
    if (*depthwise != NULL) {
        uwc_free(&(*depthwise)->sums);
        uwc_free(&(*depthwise)->packed);
        uwc_free(&(*depthwise)->zeros);
        uwc_free(&(*depthwise)->square);
        uwc_free(depthwise);
    }
}

uwc_status uwc_recon__depthwise_open(const uwc_geometry *g, uwc_depthwise **out) {
    const int64_t blocks = (g->channels + CHANNELS - 1) / CHANNELS, stride = stride_of(g->cols), width = side_of(g->cols) * BLOCK;
    uwc_depthwise *own;
    uwc_status st;
    *out = NULL;
    UWC_TRY(uwc_calloc(1, sizeof *own, &own));
    UWC_TRY_GOTO(st, uwc_calloc(blocks * sums_of(g->cols), sizeof *own->sums, &own->sums), fail);
    UWC_TRY_GOTO(st, uwc_calloc(blocks * stride, sizeof *own->packed, &own->packed), fail);
    UWC_TRY_GOTO(st, uwc_calloc(g->channels, sizeof *own->zeros, &own->zeros), fail);
    UWC_TRY_GOTO(st, uwc_calloc(blocks, sizeof *own->square, &own->square), fail);
    for (int64_t i = 0; i < blocks * TILE; i++) {
        own->packed[i / TILE * stride + i % TILE * width + g->cols + 1] += 1.0f; /* the one behind taps and target */
    }
    *out = own;
    return UWC_OK;
fail:
    uwc_recon__depthwise_close(&own);
    return st;
}

int64_t uwc_recon__depthwise_bytes(const uwc_geometry *g) {
    const int64_t blocks = (g->channels + CHANNELS - 1) / CHANNELS;
    return blocks * ((sums_of(g->cols) + stride_of(g->cols)) * (int64_t)sizeof(vector) + (int64_t)sizeof(double)) +
           g->channels * (int64_t)sizeof(float);
}

/* Where the taps and the target of a tile's positions lie, for channel 0. */
typedef struct tile {
    int64_t count, area;
    const float *at[TILE + 1][MAX_AREA + 1]; /* one more, to be read ahead */
} tile;

static void find_taps(const uwc_geometry *g, const float *x, const float *zeros, int64_t position, const float **at) {
    const int64_t pixels = g->out_height * g->out_width, image = position / pixels, pixel = position % pixels;
    const int64_t top = pixel / g->out_width * g->stride[0] - g->pad[0], left = pixel % g->out_width * g->stride[1] - g->pad[1];
    const float *base = x + image * g->height * g->width * g->channels;
    for (int64_t ky = 0; ky < g->kernel[0]; ky++) {
        for (int64_t kx = 0; kx < g->kernel[1]; kx++) {
            int64_t row = top + ky * g->dilation[0], column = left + kx * g->dilation[1];
            bool inside = row >= 0 && row < g->height && column >= 0 && column < g->width;
            *at++ = inside ? base + (row * g->width + column) * g->channels : zeros;
        }
    }
}

static void find_tile(const uwc_geometry *g, const uwc_rows *rows, const float *zeros, int64_t first, tile *out) {
    out->area = g->cols;
    out->count = rows->count - first < TILE ? rows->count - first : TILE;
    for (int64_t i = 0; i < out->count; i++) {
        int64_t position = rows->position == NULL ? first + i : rows->position[first + i];
        find_taps(g, rows->x, zeros, position, out->at[i]);
        out->at[i][g->cols] = rows->y + position * g->channels;
    }
    memcpy(out->at[out->count], out->at[out->count - 1], sizeof out->at[0]);
}

/* Blocks [begin, end) of the tile into packed [blocks][stride_of]: channels are read one after the other, the ones of the next position go
 * to the cache. */
UWC_VECTOR static void pack_tile(const tile *from, int64_t begin, int64_t end, int64_t stride, vector *packed) {
    const int64_t width = side_of(from->area) * BLOCK;
    for (int64_t i = 0; i < from->count; i++) {
        for (int64_t k = 0; k <= from->area; k++) {
            const float *at = from->at[i][k], *next = from->at[i + 1][k];
            vector *to = packed + i * width + k;
            for (int64_t b = begin; b < end; b++) {
                __builtin_prefetch(next + b * CHANNELS);
                memcpy(to + b * stride, at + b * CHANNELS, sizeof *to);
            }
        }
    }
}

/* The same for a block of fewer channels. */
static void pack_rest(const tile *from, int64_t block, int64_t lanes, int64_t stride, vector *packed) {
    const int64_t width = side_of(from->area) * BLOCK;
    for (int64_t i = 0; i < from->count; i++) {
        for (int64_t k = 0; k <= from->area; k++) {
            memcpy(packed + block * stride + i * width + k, from->at[i][k] + block * CHANNELS, (size_t)lanes * sizeof(float));
        }
    }
}

/* sums [BLOCK][BLOCK] += products of BLOCK vectors at `left` and BLOCK at `right` of every position. Names instead of arrays, and the fence
 * that keeps the compiler from reading a vector again for every product, leave the loop with nothing but six reads and nine products. */
UWC_VECTOR static void multiply(const vector *left, const vector *right, int64_t count, int64_t width, vector *sums) {
    vector s00 = sums[0], s01 = sums[1], s02 = sums[2], s10 = sums[3], s11 = sums[4], s12 = sums[5], s20 = sums[6], s21 = sums[7],
           s22 = sums[8];
    for (int64_t p = 0; p < count; p++, left += width, right += width) {
        const vector l0 = left[0], l1 = left[1], l2 = left[2], r0 = right[0], r1 = right[1], r2 = right[2];
        atomic_signal_fence(memory_order_seq_cst);
        s00 += l0 * r0;
        s01 += l0 * r1;
        s02 += l0 * r2;
        s10 += l1 * r0;
        s11 += l1 * r1;
        s12 += l1 * r2;
        s20 += l2 * r0;
        s21 += l2 * r1;
        s22 += l2 * r2;
    }
    const vector result[BLOCK * BLOCK] = {s00, s01, s02, s10, s11, s12, s20, s21, s22};
    memcpy(sums, result, sizeof result);
}

static void multiply_tile(const vector *packed, int64_t count, int64_t side, vector *sums) {
    for (int64_t i = 0; i < side; i++) {
        for (int64_t j = i; j < side; j++, sums += BLOCK * BLOCK) {
            multiply(packed + i * BLOCK, packed + j * BLOCK, count, side * BLOCK, sums);
        }
    }
}

/* The sum of products of vectors i <= j, as 16 channels. */
static const float *sum_of(const vector *sums, int64_t side, int64_t i, int64_t j) {
    const int64_t a = i / BLOCK, b = j / BLOCK, block = a * side - a * (a - 1) / 2 + b - a;
    return (const float *)&sums[block * BLOCK * BLOCK + i % BLOCK * BLOCK + j % BLOCK];
}

/* Adds the float32 sums of `lanes` channels to the doubles and clears them; returns the sum of y^2. */
static double flush(uwc_statistics *s, int64_t channel, int64_t lanes, vector *sums) {
    const int64_t area = s->cols, order = area + 1, side = side_of(area);
    double square = 0;
    for (int64_t i = 0; i <= area; i++) {
        for (int64_t j = i; j < area + 2; j++) {
            const float *from = sum_of(sums, side, i, j);
            for (int64_t k = 0; k < lanes; k++) {
                double *A = s->A + (channel + k) * order * order, *Y = s->Y + (channel + k) * order;
                if (i == area && j == area) {
                    square += (double)from[k];
                } else if (i == area) {
                    Y[area] += (double)from[k];
                } else if (j == area) {
                    Y[i] += (double)from[k];
                } else {
                    A[i * order + (j < area ? j : area)] += (double)from[k];
                }
            }
        }
    }
    memset(sums, 0, (size_t)sums_of(area) * sizeof *sums);
    return square;
}

/* Blocks [begin, end) of channels. */
static void some_blocks(uwc_statistics *s, const uwc_geometry *g, const uwc_rows *rows, uwc_depthwise *own, int64_t begin, int64_t end) {
    const int64_t side = side_of(g->cols), each = sums_of(g->cols), stride = stride_of(g->cols), whole = g->channels / CHANNELS;
    tile now;
    for (int64_t first = 0; first < rows->count; first += TILE) {
        find_tile(g, rows, own->zeros, first, &now);
        pack_tile(&now, begin, end < whole ? end : whole, stride, own->packed);
        if (end > whole) {
            pack_rest(&now, whole, g->channels % CHANNELS, stride, own->packed);
        }
        bool last = (first + TILE) % CHUNK == 0 || first + TILE >= rows->count;
        for (int64_t b = begin; b < end; b++) {
            multiply_tile(own->packed + b * stride, now.count, side, own->sums + b * each);
            own->square[b] += last ? flush(s, b * CHANNELS, b < whole ? CHANNELS : g->channels % CHANNELS, own->sums + b * each) : 0;
        }
    }
}

void uwc_recon__depthwise_batch(uwc_statistics *s, const uwc_geometry *g, const uwc_rows *rows, uwc_depthwise *own) {
    const int64_t blocks = (g->channels + CHANNELS - 1) / CHANNELS, order = g->cols + 1, share = (blocks - 1) / omp_get_max_threads() + 1;
    const int64_t part = share < PART ? share : PART;
    memset(own->square, 0, (size_t)blocks * sizeof *own->square);
#pragma omp parallel for schedule(static)
    for (int64_t b = 0; b < blocks; b += part) {
        some_blocks(s, g, rows, own, b, b + part < blocks ? b + part : blocks);
    }
    for (int64_t b = 0; b < blocks; b++) {
        s->square += own->square[b];
    }
    for (int64_t c = 0; c < g->channels; c++) {
        s->A[(c + 1) * order * order - 1] += (double)rows->count;
    }
}
