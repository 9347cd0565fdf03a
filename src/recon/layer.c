/* One layer from its statistics: retarget, eliminate the bias, round, refit (docs/method.md, steps 3 to 6). */
#include "recon_impl.h"

/* b = b* + (w* - q) m, with the scales as they are stored. */
static void solve_bias(const uwc_layer_statistics *s, const uwc_weights *q, const double *w, double *bias) {
    const int64_t n = q->cols, order = n + 1;
    for (int64_t r = 0; r < q->rows; r++) {
        bias[r] = w[r * order + n];
        for (int64_t j = 0; j < n; j++) {
            double value = (double)(q->scale[r] * (float)(q->q[r * n + j] - q->zero[r]));
            bias[r] += (w[r * order + j] - value) * s->A[j * order + n];
        }
    }
}

uwc_status uwc_recon_layer(const uwc_layer_statistics *s, const uwc_layer_options *options, uwc_weights *weights, double *bias) {
    UWC_CHECK(weights->rows == s->rows && weights->cols == s->n, UWC_E_SHAPE, "weights of %lld x %lld for statistics of %lld x %lld",
              (long long)weights->rows, (long long)weights->cols, (long long)s->rows, (long long)s->n);
    double *w = NULL;
    uwc_metric metric = {0};
    uwc_status st;
    UWC_TRY_GOTO(st, uwc_calloc(s->rows * (s->n + 1), sizeof *w, &w), done);
    UWC_TRY_GOTO(st, uwc_recon__retarget(s, options->ridge, w), done);
    UWC_TRY_GOTO(st, uwc_recon__metric(s->n, s->A, options->damp, &metric), done);
    UWC_TRY_GOTO(st, uwc_recon__round_rows(&metric, w, options->asymmetric, weights), done);
    solve_bias(s, weights, w, bias);
done:
    uwc_recon__metric_clear(&metric);
    uwc_free(&w);
    return st;
}
