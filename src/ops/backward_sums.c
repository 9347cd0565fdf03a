/* Sums over images and positions that do not depend on the number of threads: blocks fixed by the shapes, added up in order. */
#include "backward_impl.h"

#include <string.h>

#include <uwc/vector.h>

int64_t uwc_backward__blocks(int64_t count) {
    return count < UWC_BACKWARD_BLOCKS ? count : UWC_BACKWARD_BLOCKS;
}

int64_t uwc_backward__block_first(int64_t count, int64_t blocks, int64_t block) {
    return count / blocks * block + count % blocks * block / blocks;
}

UWC_VECTOR void uwc_backward__add(float *restrict to, const float *restrict more, int64_t n) {
    for (int64_t i = 0; i < n; i++) {
        to[i] += more[i];
    }
}

void uwc_backward__reduce(float *sums, int64_t blocks, int64_t terms) {
    enum { PIECE = 4096 };
#pragma omp parallel for schedule(static) if (terms > UWC_OPS__PARALLEL)
    for (int64_t first = 0; first < terms; first += PIECE) {
        int64_t n = terms - first < PIECE ? terms - first : PIECE;
        for (int64_t block = 1; block < blocks; block++) {
            uwc_backward__add(sums + first, sums + block * terms + first, n);
        }
    }
}

void uwc_backward__store(const float *from, uwc_tensor *grad, bool add) {
    int64_t count = uwc_shape_count(grad->shape);
    if (add) {
        uwc_backward__add(grad->f32, from, count);
    } else {
        memcpy(grad->f32, from, (size_t)count * sizeof *from);
    }
}
