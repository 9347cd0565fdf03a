/* Statistics of depthwise layers: one small matrix per channel, so the vectors run over channels. */
#include "recon_impl.h"

#include <uwc/vector.h>

#include <string.h>

enum {
    CHANNELS = 16,
    CHUNK = 256,
    MAX_AREA = 49
}; /* channels worked on together; positions per float32 sum; largest kernel area with pointers on the stack */

bool uwc_recon__is_depthwise(const uwc_geometry *g) {
    return g->groups > 1 && g->group_channels == 1 && g->rows == 1 && g->cols <= MAX_AREA;
}

typedef struct tap_list {
    const float *at[MAX_AREA];
} tap_list;

static void find_taps(const uwc_geometry *g, const float *x, const float *zeros, int64_t position, tap_list *taps) {
    const int64_t pixels = g->out_height * g->out_width, image = position / pixels, pixel = position % pixels;
    const float *base = x + image * g->height * g->width * g->channels;
    int64_t tap = 0;
    for (int64_t ky = 0; ky < g->kernel[0]; ky++) {
        int64_t row = pixel / g->out_width * g->stride[0] - g->pad[0] + ky * g->dilation[0];
        for (int64_t kx = 0; kx < g->kernel[1]; kx++) {
            int64_t column = pixel % g->out_width * g->stride[1] - g->pad[1] + kx * g->dilation[1];
            bool inside = row >= 0 && row < g->height && column >= 0 && column < g->width;
            taps->at[tap++] = inside ? base + (row * g->width + column) * g->channels : zeros;
        }
    }
}

/* sums[pair][lane] += products of one position; pairs (i <= j) of taps, then taps alone, then y with taps, y, y^2. */
UWC_VECTOR static void add_position(const tap_list *taps, const float *y, int64_t area, int64_t channel, int64_t lanes,
                                    float (*sums)[CHANNELS]) {
    float value[MAX_AREA][CHANNELS], target[CHANNELS] = {0};
    for (int64_t i = 0; i < area; i++) {
        const float *from = taps->at[i] + channel;
        for (int k = 0; k < CHANNELS; k++) {
            value[i][k] = k < lanes ? from[k] : 0;
        }
    }
    memcpy(target, y + channel, (size_t)lanes * sizeof(float));
    int64_t pair = 0;
    for (int64_t i = 0; i < area; i++) {
        for (int64_t j = i; j < area; j++, pair++) {
            for (int k = 0; k < CHANNELS; k++) {
                sums[pair][k] += value[i][k] * value[j][k];
            }
        }
    }
    for (int64_t i = 0; i < area; i++, pair++) {
        for (int k = 0; k < CHANNELS; k++) {
            sums[pair][k] += value[i][k];
            sums[pair + area][k] += value[i][k] * target[k];
        }
    }
    pair += area;
    for (int k = 0; k < CHANNELS; k++) {
        sums[pair][k] += target[k];
        sums[pair + 1][k] += target[k] * target[k];
    }
}

/* Adds the float32 sums of `lanes` channels to the doubles; returns the sum of y^2. */
static double flush(uwc_statistics *s, int64_t area, int64_t channel, int64_t lanes, float (*sums)[CHANNELS], int64_t positions) {
    const int64_t order = area + 1, pairs = area * (area + 1) / 2;
    double square = 0;
    for (int64_t k = 0; k < lanes; k++) {
        double *A = s->A + (channel + k) * order * order, *Y = s->Y + (channel + k) * order;
        int64_t pair = 0;
        for (int64_t i = 0; i < area; i++) {
            for (int64_t j = i; j < area; j++, pair++) {
                A[i * order + j] += (double)sums[pair][k];
            }
        }
        for (int64_t i = 0; i < area; i++) {
            A[i * order + area] += (double)sums[pairs + i][k];
            Y[i] += (double)sums[pairs + area + i][k];
        }
        Y[area] += (double)sums[pairs + 2 * area][k];
        A[order * order - 1] += (double)positions;
        square += (double)sums[pairs + 2 * area + 1][k];
    }
    return square;
}

static double channel_block(uwc_statistics *s, const uwc_geometry *g, const uwc_rows *rows, const float *zeros, int64_t channel) {
    enum { SUMS = MAX_AREA * (MAX_AREA + 1) / 2 + 2 * MAX_AREA + 2 };
    float sums[SUMS][CHANNELS];
    const int64_t area = g->cols, positions = rows->count;
    const int64_t lanes = g->channels - channel < CHANNELS ? g->channels - channel : CHANNELS;
    const size_t used = (size_t)(area * (area + 1) / 2 + 2 * area + 2);
    double square = 0;
    for (int64_t first = 0; first < positions; first += CHUNK) {
        int64_t end = first + CHUNK < positions ? first + CHUNK : positions;
        memset(sums, 0, used * sizeof sums[0]);
        for (int64_t i = first; i < end; i++) {
            int64_t position = rows->position == NULL ? i : rows->position[i];
            tap_list taps;
            find_taps(g, rows->x, zeros, position, &taps);
            add_position(&taps, rows->y + position * g->channels, area, channel, lanes, sums);
        }
        square += flush(s, area, channel, lanes, sums, end - first);
    }
    return square;
}

void uwc_recon__depthwise_batch(uwc_statistics *s, const uwc_geometry *g, const uwc_rows *rows, const float *zeros) {
    enum { MOST_BLOCKS = 4096 };
    double square[MOST_BLOCKS];
    const int64_t blocks = (g->channels + CHANNELS - 1) / CHANNELS;
    for (int64_t base = 0; base < blocks; base += MOST_BLOCKS) {
        int64_t n = blocks - base < MOST_BLOCKS ? blocks - base : MOST_BLOCKS;
#pragma omp parallel for schedule(static)
        for (int64_t b = 0; b < n; b++) {
            square[b] = channel_block(s, g, rows, zeros, (base + b) * CHANNELS);
        }
        for (int64_t b = 0; b < n; b++) {
            s->square += square[b];
        }
    }
}
