#include <uwc/quant.h>

#include <string.h>

void uwc_weights_range(int bits, int *lo, int *hi) {
    *lo = -(1 << (bits - 1));
    *hi = (1 << (bits - 1)) - 1;
}

uwc_status uwc_weights_create(int bits, int64_t rows, int64_t cols, uwc_weights **out) {
    *out = NULL;
    UWC_CHECK(bits >= 2 && bits <= 8, UWC_E_ARG, "weights of %d bits (2 to 8)", bits);
    uwc_weights *weights;
    UWC_TRY(uwc_calloc(1, sizeof *weights, &weights));
    *weights = (uwc_weights){.bits = bits, .rows = rows, .cols = cols};
    uwc_status st;
    UWC_TRY_GOTO(st, uwc_calloc(rows * cols, sizeof *weights->q, &weights->q), fail);
    UWC_TRY_GOTO(st, uwc_calloc(rows, sizeof *weights->scale, &weights->scale), fail);
    UWC_TRY_GOTO(st, uwc_calloc(rows, sizeof *weights->zero, &weights->zero), fail);
    *out = weights;
    return UWC_OK;
fail:
    uwc_weights_destroy(&weights);
    return st;
}

uwc_status uwc_weights_copy(const uwc_weights *from, uwc_weights **out) {
    UWC_TRY(uwc_weights_create(from->bits, from->rows, from->cols, out));
    memcpy((*out)->q, from->q, (size_t)(from->rows * from->cols));
    memcpy((*out)->scale, from->scale, (size_t)from->rows * sizeof *from->scale);
    memcpy((*out)->zero, from->zero, (size_t)from->rows * sizeof *from->zero);
    return UWC_OK;
}

void uwc_weights_destroy(uwc_weights **weights) {
    if (*weights == NULL) {
        return;
    }
    uwc_free(&(*weights)->q);
    uwc_free(&(*weights)->scale);
    uwc_free(&(*weights)->zero);
    uwc_free(weights);
}

void uwc_weights_dequantize(const uwc_weights *weights, float *out) {
    for (int64_t r = 0; r < weights->rows; r++) {
        for (int64_t c = 0; c < weights->cols; c++) {
            out[r * weights->cols + c] = weights->scale[r] * (float)(weights->q[r * weights->cols + c] - weights->zero[r]);
        }
    }
}
