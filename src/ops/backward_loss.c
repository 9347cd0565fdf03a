/* Softmax and cross-entropy as one function: their gradient together is the difference of two distributions. */
#include "backward_impl.h"

#include <math.h>

/* -log softmax(logits)[label]; grad (or NULL) = weight (softmax - one at the label). */
static double row_loss(const float *logits, int64_t classes, int32_t label, double weight, float *grad) {
    double largest = -INFINITY, sum = 0.0;
    for (int64_t c = 0; c < classes; c++) {
        largest = fmax(largest, (double)logits[c]);
    }
    for (int64_t c = 0; c < classes; c++) {
        sum += exp((double)logits[c] - largest);
    }
    for (int64_t c = 0; grad != NULL && c < classes; c++) {
        grad[c] = (float)(weight * (exp((double)logits[c] - largest) / sum - (c == label ? 1.0 : 0.0)));
    }
    return log(sum) + largest - (double)logits[label];
}

uwc_status uwc_cross_entropy(const uwc_tensor *logits, const int32_t *label, double *loss, uwc_tensor *grad) {
    char text[128];
    UWC_CHECK(logits->shape.rank == 2 && logits->dtype == UWC_F32, UWC_E_SHAPE, "logits %s", uwc_shape_print(logits->shape, text));
    UWC_CHECK(grad == NULL || uwc_shape_equal(grad->shape, logits->shape), UWC_E_SHAPE, "gradient of another shape than its logits %s",
              uwc_shape_print(logits->shape, text));
    int64_t images = logits->shape.dim[0], classes = logits->shape.dim[1];
    for (int64_t i = 0; i < images; i++) {
        UWC_CHECK(label[i] >= 0 && label[i] < classes, UWC_E_VALUE, "label %d of image %lld, but %lld classes", label[i], (long long)i,
                  (long long)classes);
    }
    double sum = 0.0, weight = 1.0 / (double)images;
    for (int64_t i = 0; i < images; i++) {
        sum += row_loss(logits->f32 + i * classes, classes, label[i], weight, grad == NULL ? NULL : grad->f32 + i * classes);
    }
    *loss = sum * weight;
    return UWC_OK;
}
