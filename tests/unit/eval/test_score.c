#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <string.h>
#include <uwc/eval.h>

/* Counts and errors of logits, by hand. */

enum { CLASSES = 7 };

static uwc_tensor logits(float *data, int64_t images) {
    return uwc_tensor_view(UWC_F32, uwc_shape_2d(images, CLASSES), UWC_PLAIN, data);
}

static void correct_images_are_counted(void **state) {
    (void)state;
    float real[3][CLASSES] = {{9, 1, 2, 3, 4, 5, 6}, {1, 2, 3, 4, 5, 6, 7}, {7, 6, 5, 4, 3, 2, 1}};
    float other[3][CLASSES] = {{9, 1, 2, 3, 4, 5, 6}, {7, 2, 3, 4, 5, 6, 1}, {6, 7, 5, 4, 3, 2, 1}};
    const int64_t label[] = {0, 0, 4}; /* float: rank 0, 6, 4; quantized: rank 0, 0, 4 */
    uwc_tensor a = logits(real[0], 3), b = logits(other[0], 3);
    uwc_score score = {0};
    assert_int_equal(uwc_score_count(&score, &a, &b, label), UWC_OK);
    assert_int_equal(score.images, 3);
    assert_int_equal(score.labelled, 3);
    assert_int_equal(score.float_top1, 1);
    assert_int_equal(score.float_top5, 2);
    assert_int_equal(score.quantized_top1, 2);
    assert_int_equal(score.quantized_top5, 3);
    assert_int_equal(score.agree, 1);
    assert_int_equal(score.elements, 3 * CLASSES);
}

static void ties_go_to_the_lower_class(void **state) {
    (void)state;
    float real[CLASSES] = {5, 5, 5, 5, 5, 5, 0}, other[CLASSES] = {5, 5, 0, 0, 0, 0, 0};
    uwc_tensor a = logits(real, 1), b = logits(other, 1);
    static const int64_t top1[] = {1, 0, 0, 0, 0, 0, 0}, top5[] = {1, 1, 1, 1, 1, 0, 0};
    for (int64_t label = 0; label < CLASSES; label++) {
        uwc_score score = {0};
        assert_int_equal(uwc_score_count(&score, &a, &b, &label), UWC_OK);
        assert_int_equal(score.float_top1, top1[label]);
        assert_int_equal(score.float_top5, top5[label]);
        assert_int_equal(score.agree, 1); /* both decide for class 0 */
    }
}

static void images_without_label_count_for_agreement_alone(void **state) {
    (void)state;
    float real[2][CLASSES] = {{1, 2}, {3, 2}}, other[2][CLASSES] = {{2, 1}, {2, 1}};
    const int64_t label[] = {-1, -1};
    uwc_tensor a = logits(real[0], 2), b = logits(other[0], 2);
    uwc_score score = {0};
    assert_int_equal(uwc_score_count(&score, &a, &b, label), UWC_OK);
    assert_int_equal(score.images, 2);
    assert_int_equal(score.labelled, 0);
    assert_int_equal(score.float_top1 + score.float_top5 + score.quantized_top1 + score.quantized_top5, 0);
    assert_int_equal(score.agree, 1);
}

static void a_label_beyond_the_classes_is_an_error(void **state) {
    (void)state;
    float real[2][CLASSES] = {{1}, {1}};
    const int64_t label[] = {CLASSES - 1, CLASSES};
    uwc_tensor a = logits(real[0], 2);
    uwc_score score = {0};
    assert_int_equal(uwc_score_count(&score, &a, NULL, label), UWC_E_FORMAT);
    assert_non_null(strstr(uwc_error_last()->text, "label 7"));
}

static void networks_with_other_logits_are_an_error(void **state) {
    (void)state;
    float data[4 * CLASSES] = {0};
    const int64_t label[] = {0, 0};
    uwc_tensor a = logits(data, 2), b = logits(data, 1);
    uwc_score score = {0};
    assert_int_equal(uwc_score_count(&score, &a, &b, label), UWC_E_SHAPE);
}

static void the_float_network_alone_is_counted(void **state) {
    (void)state;
    float real[CLASSES] = {0, 1};
    const int64_t label = 1;
    uwc_tensor a = logits(real, 1);
    uwc_score score = {0};
    assert_int_equal(uwc_score_count(&score, &a, NULL, &label), UWC_OK);
    assert_int_equal(score.float_top1, 1);
    assert_int_equal(score.quantized_top1, 0);
    assert_true(score.error_square == 0);
}

static void the_error_of_logits_is_normalised_by_their_variance(void **state) {
    (void)state;
    float real[2][CLASSES] = {{1, 2, 3, 4, 5, 6, 7}, {3, 3, 3, 3, 3, 3, 10}}, other[2][CLASSES];
    double sum = 0, error = 0, spread = 0;
    for (int i = 0; i < 2 * CLASSES; i++) {
        double change = 0.25 * (i % 3);
        other[i / CLASSES][i % CLASSES] = real[i / CLASSES][i % CLASSES] + (float)change;
        sum += (double)real[i / CLASSES][i % CLASSES];
        error += change * change;
    }
    for (int i = 0; i < 2 * CLASSES; i++) {
        double away = (double)real[i / CLASSES][i % CLASSES] - sum / (2 * CLASSES);
        spread += away * away;
    }
    const int64_t label[] = {-1, -1};
    uwc_tensor a = logits(real[0], 2), b = logits(other[0], 2);
    uwc_score score = {0};
    assert_int_equal(uwc_score_count(&score, &a, &b, label), UWC_OK);
    assert_true(fabs(uwc_score_logit_nmse(&score) - error / spread) < 1e-12);
}

static void an_empty_score_has_no_error(void **state) {
    (void)state;
    uwc_score score = {0};
    assert_true(uwc_score_logit_nmse(&score) == 0);
}

/* Two halves added are the whole, field by field. */
static void parts_add_up(void **state) {
    (void)state;
    float real[4][CLASSES], other[4][CLASSES];
    int64_t label[4];
    for (int i = 0; i < 4 * CLASSES; i++) { /* small integers: sums are exact */
        real[i / CLASSES][i % CLASSES] = (float)uwc_rng_below(1, 0, (uint64_t)i, 9);
        other[i / CLASSES][i % CLASSES] = (float)uwc_rng_below(1, 1, (uint64_t)i, 9);
    }
    for (int i = 0; i < 4; i++) {
        label[i] = uwc_rng_below(1, 2, (uint64_t)i, CLASSES + 1) - 1;
    }
    uwc_score whole = {0}, first = {0}, second = {0};
    uwc_tensor a = logits(real[0], 4), b = logits(other[0], 4);
    assert_int_equal(uwc_score_count(&whole, &a, &b, label), UWC_OK);
    uwc_tensor a0 = uwc_tensor_images(&a, 0, 1), b0 = uwc_tensor_images(&b, 0, 1);
    uwc_tensor a1 = uwc_tensor_images(&a, 1, 3), b1 = uwc_tensor_images(&b, 1, 3);
    assert_int_equal(uwc_score_count(&first, &a0, &b0, label), UWC_OK);
    assert_int_equal(uwc_score_count(&second, &a1, &b1, label + 1), UWC_OK);
    uwc_score_add(&first, &second);
    assert_memory_equal(&first, &whole, sizeof whole);
    assert_true(whole.labelled > 0 && whole.error_square > 0 && whole.float_square > 0 && whole.float_sum > 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(correct_images_are_counted),
        cmocka_unit_test(ties_go_to_the_lower_class),
        cmocka_unit_test(images_without_label_count_for_agreement_alone),
        cmocka_unit_test(a_label_beyond_the_classes_is_an_error),
        cmocka_unit_test(networks_with_other_logits_are_an_error),
        cmocka_unit_test(the_float_network_alone_is_counted),
        cmocka_unit_test(the_error_of_logits_is_normalised_by_their_variance),
        cmocka_unit_test(an_empty_score_has_no_error),
        cmocka_unit_test(parts_add_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
