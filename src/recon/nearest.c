#include "recon_impl.h"

#include <math.h>

uwc_status uwc_recon_nearest(const float *w, int64_t stride, bool asymmetric, uwc_weights *weights) {
    const int64_t n = weights->cols;
    int lo, hi;
    uwc_weights_range(weights->bits, &lo, &hi);
    double *row, *ones;
    UWC_TRY(uwc_calloc(2 * n, sizeof *row, &row));
    ones = row + n;
    for (int64_t j = 0; j < n; j++) {
        ones[j] = 1;
    }
    for (int64_t r = 0; r < weights->rows; r++) {
        double scale;
        int zero;
        for (int64_t j = 0; j < n; j++) {
            row[j] = (double)w[r * stride + j];
        }
        uwc_recon__search_scale(row, ones, n, weights->bits, asymmetric, &scale, &zero);
        weights->scale[r] = (float)scale;
        weights->zero[r] = zero;
        for (int64_t j = 0; j < n; j++) {
            weights->q[r * n + j] = (int8_t)fmin(fmax(rint(row[j] / scale) + zero, lo), hi);
        }
    }
    uwc_free(&row);
    return UWC_OK;
}

uwc_status uwc_recon__nearest_node(const uwc_graph *graph, int index, uwc_weights **out) {
    const uwc_node *node = &graph->node[index];
    const uwc_tensor *w = graph->value[node->in[1]].constant;
    int64_t cols = uwc_shape_per_image(w->shape);
    UWC_TRY(uwc_weights_create(node->weight_bits, w->shape.dim[0], cols, out));
    uwc_status st = uwc_recon_nearest(w->f32, cols, node->weight_asymmetric, *out);
    if (st != UWC_OK) {
        uwc_weights_destroy(out);
    }
    return st;
}
