/* eval: what a network is worth on images: top-k, agreement with the float network, error of the logits. Floor 4; uses graph.
 * Sums are kept per shard and combined in a fixed order, so that the numbers do not depend on the number of ranks.
 */
#ifndef UWC_EVAL_H
#define UWC_EVAL_H

#include <uwc/graph.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Plain sums over images; sent between ranks as bytes. */
typedef struct uwc_score {
    int64_t images, labelled;
    int64_t float_top1, float_top5, quantized_top1, quantized_top5; /* correct ones */
    int64_t agree;                                                  /* images with the float network's top-1 */
    int64_t elements;                                               /* logits compared */
    double float_sum, float_square, error_square;                   /* sums over logits */
} uwc_score;

/* Adds `from` to `to`. Local. */
void uwc_score_add(uwc_score *to, const uwc_score *from);
/* Counts a batch of logits [n, classes...] (flattened behind the batch); `quantized` may be NULL, label[i] < 0 means none. Ties go to the
 * lower class. Local. */
uwc_status uwc_score_count(uwc_score *score, const uwc_tensor *logits, const uwc_tensor *quantized, const int64_t *label) UWC_MUST_USE;
/* mean (q - f)^2 over all logits, divided by the variance of the float logits. Local. */
double uwc_score_logit_nmse(const uwc_score *score);

#ifdef __cplusplus
}
#endif
#endif
