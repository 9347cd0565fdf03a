#include <uwc/eval.h>

#include <math.h>

void uwc_score_add(uwc_score *to, const uwc_score *from) {
    to->images += from->images;
    to->labelled += from->labelled;
    to->float_top1 += from->float_top1;
    to->float_top5 += from->float_top5;
    to->quantized_top1 += from->quantized_top1;
    to->quantized_top5 += from->quantized_top5;
    to->agree += from->agree;
    to->elements += from->elements;
    to->float_sum += from->float_sum;
    to->float_square += from->float_square;
    to->error_square += from->error_square;
}

static int64_t best_class(const float *logits, int64_t classes) {
    int64_t best = 0;
    for (int64_t c = 1; c < classes; c++) {
        best = logits[c] > logits[best] ? c : best;
    }
    return best;
}

/* Classes in front of `label`: with a larger logit, or an equal one and a lower index. */
static int64_t rank_of(const float *logits, int64_t classes, int64_t label) {
    int64_t rank = 0;
    for (int64_t c = 0; c < classes; c++) {
        rank += logits[c] > logits[label] || (logits[c] == logits[label] && c < label);
    }
    return rank;
}

static void count_label(const float *logits, int64_t classes, int64_t label, int64_t *top1, int64_t *top5) {
    int64_t rank = rank_of(logits, classes, label);
    *top1 += rank < 1;
    *top5 += rank < 5;
}

static void count_logits(uwc_score *score, const float *real, const float *quantized, int64_t classes) {
    score->elements += classes;
    for (int64_t c = 0; c < classes; c++) {
        double value = (double)real[c], error = quantized == NULL ? 0 : (double)quantized[c] - value;
        score->float_sum += value;
        score->float_square += value * value;
        score->error_square += error * error;
    }
}

uwc_status uwc_score_count(uwc_score *score, const uwc_tensor *logits, const uwc_tensor *quantized, const int64_t *label) {
    const int64_t images = logits->shape.dim[0], classes = uwc_shape_per_image(logits->shape);
    UWC_CHECK(quantized == NULL || uwc_shape_equal(quantized->shape, logits->shape), UWC_E_SHAPE, "logits of two networks differ in shape");
    for (int64_t i = 0; i < images; i++) {
        const float *real = logits->f32 + i * classes, *other = quantized == NULL ? NULL : quantized->f32 + i * classes;
        count_logits(score, real, other, classes);
        score->images++;
        score->agree += other == NULL || best_class(real, classes) == best_class(other, classes);
        if (label[i] < 0) {
            continue;
        }
        UWC_CHECK(label[i] < classes, UWC_E_FORMAT, "label %lld of an image, the network has %lld classes", (long long)label[i],
                  (long long)classes);
        score->labelled++;
        count_label(real, classes, label[i], &score->float_top1, &score->float_top5);
        if (other != NULL) {
            count_label(other, classes, label[i], &score->quantized_top1, &score->quantized_top5);
        }
    }
    return UWC_OK;
}

double uwc_score_logit_nmse(const uwc_score *score) {
    if (score->elements == 0) {
        return 0;
    }
    const double n = (double)score->elements, mean = score->float_sum / n, variance = score->float_square / n - mean * mean;
    return variance > 0 ? score->error_square / n / variance : 0;
}
