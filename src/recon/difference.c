/* Differences between what a unit gives and what it should give. */
#include "recon_impl.h"

#include <uwc/vector.h>

#include <string.h>

/* Indices of the sums. */
enum { SUM, SQUARE, ERROR, COUNT };
_Static_assert(COUNT + 1 == UWC_ERROR_SUMS, "one place per sum");

typedef float vector __attribute__((vector_size(8 * sizeof(float))));

/* Sum and square of a, square of a - b: eight fixed lanes per block of 1,024. */
UWC_VECTOR static void add_block(const float *a, const float *b, int64_t n, double *sum) {
    vector s = {0}, q = {0}, e = {0};
    int64_t i = 0;
    for (; i + 8 <= n; i += 8) {
        vector x, y;
        memcpy(&x, a + i, sizeof x);
        memcpy(&y, b + i, sizeof y);
        s += x;
        q += x * x;
        e += (x - y) * (x - y);
    }
    for (; i < n; i++) {
        s[0] += a[i];
        q[0] += a[i] * a[i];
        e[0] += (a[i] - b[i]) * (a[i] - b[i]);
    }
    for (int k = 0; k < 8; k++) {
        sum[SUM] += (double)s[k];
        sum[SQUARE] += (double)q[k];
        sum[ERROR] += (double)e[k];
    }
}

void uwc_recon__add_error(const uwc_tensor *target, const uwc_tensor *got, double *sum) {
    enum { BLOCK = 1024 };
    int64_t count = uwc_shape_count(target->shape);
    double own[UWC_ERROR_SUMS] = {0};
    for (int64_t first = 0; first < count; first += BLOCK) {
        add_block(target->f32 + first, got->f32 + first, count - first < BLOCK ? count - first : BLOCK, own);
    }
    own[COUNT] = (double)count;
    for (int i = 0; i < UWC_ERROR_SUMS; i++) {
        sum[i] += own[i];
    }
}

double uwc_recon__relative_error(const double *sum) {
    double mean = sum[SUM] / sum[COUNT], variance = sum[SQUARE] / sum[COUNT] - mean * mean;
    return sum[ERROR] / sum[COUNT] / (variance > 1e-30 ? variance : 1e-30);
}

UWC_VECTOR static void subtract(const float *a, const float *b, int64_t count, float *out) {
    for (int64_t i = 0; i < count; i++) {
        out[i] = a[i] - b[i];
    }
}

void uwc_recon__subtract(const uwc_tensor *a, const uwc_tensor *b, const uwc_tensor *out) {
    enum { PART = 8192 };
    const int64_t count = uwc_shape_count(a->shape);
#pragma omp parallel for schedule(static)
    for (int64_t first = 0; first < count; first += PART) {
        subtract(a->f32 + first, b->f32 + first, count - first < PART ? count - first : PART, out->f32 + first);
    }
}
