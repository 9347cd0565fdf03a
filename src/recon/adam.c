/* Gradient descent with a step size of each parameter's own. Source: Kingma, Ba, "Adam", ICLR 2015, algorithm 1. */
#include "recon_impl.h"

#include <uwc/vector.h>

#include <math.h>
#include <string.h>

uwc_status uwc_recon__adam_open(int64_t count, uwc_adam *out) {
    *out = (uwc_adam){.count = count};
    UWC_TRY(uwc_calloc(count, sizeof *out->first, &out->first));
    return uwc_calloc(count, sizeof *out->second, &out->second);
}

void uwc_recon__adam_close(uwc_adam *adam) {
    uwc_free(&adam->first);
    uwc_free(&adam->second);
}

void uwc_recon__adam_forget(uwc_adam *adam) {
    memset(adam->first, 0, (size_t)adam->count * sizeof *adam->first);
    memset(adam->second, 0, (size_t)adam->count * sizeof *adam->second);
    adam->steps = 0;
}

UWC_VECTOR static void step(float *first, float *second, const float *grad, int64_t count, float rate, float root, float *x) {
    const float decay1 = 0.9f, decay2 = 0.999f, epsilon = 1e-8f;
    for (int64_t i = 0; i < count; i++) {
        first[i] = decay1 * first[i] + (1 - decay1) * grad[i];
        second[i] = decay2 * second[i] + (1 - decay2) * grad[i] * grad[i];
        x[i] -= rate * first[i] / (sqrtf(second[i]) * root + epsilon);
    }
}

void uwc_recon__adam_step(uwc_adam *adam, const float *grad, double rate, float *x) {
    adam->steps++;
    double bias1 = 1 - pow(0.9, (double)adam->steps), bias2 = 1 - pow(0.999, (double)adam->steps);
    step(adam->first, adam->second, grad, adam->count, (float)(rate / bias1), (float)(1 / sqrt(bias2)), x);
}
