/* Sums over images and positions that do not depend on the number of threads: blocks fixed by the shapes, added up in order. */
#include "backward_impl.h"

int64_t uwc_backward__blocks(int64_t count) {
    return count < UWC_BACKWARD_BLOCKS ? count : UWC_BACKWARD_BLOCKS;
}

int64_t uwc_backward__block_first(int64_t count, int64_t blocks, int64_t block) {
    return count / blocks * block + count % blocks * block / blocks;
}

void uwc_backward__sum_rows(const float *dy, int64_t rows, int64_t outputs, float *sums) {
    for (int64_t r = 0; r < rows; r++, dy += outputs) {
        for (int64_t o = 0; o < outputs; o++) {
            sums[o] += dy[o];
        }
    }
}

static void store(float *to, double sum, bool add) {
    *to = add ? *to + (float)sum : (float)sum;
}

void uwc_backward__reduce_bias(const uwc_backward_sums *sums, uwc_tensor *grad, bool add) {
    for (int64_t o = 0; o < sums->outputs; o++) {
        double sum = 0.0;
        for (int64_t block = 0; block < sums->blocks; block++) {
            sum += (double)sums->biases[block * sums->outputs + o];
        }
        store(&grad->f32[o], sum, add);
    }
}

void uwc_backward__reduce_weights(const uwc_backward_sums *sums, int64_t taps, int64_t channels, uwc_tensor *grad, bool add) {
    int64_t rows = sums->weights / (taps * channels);
#pragma omp parallel for schedule(static)
    for (int64_t row = 0; row < rows; row++) {
        for (int64_t tap = 0; tap < taps; tap++) {
            for (int64_t c = 0; c < channels; c++) {
                const float *partial = sums->partial + (row * taps + tap) * channels + c;
                double sum = 0.0;
                for (int64_t block = 0; block < sums->blocks; block++) {
                    sum += (double)partial[block * sums->weights];
                }
                store(&grad->f32[(row * channels + c) * taps + tap], sum, add);
            }
        }
    }
}
