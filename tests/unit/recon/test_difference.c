#include "recon_fixture.h"

#include "recon_impl.h"

/* Differences of tensors against plain loops. */

enum { IMAGES = 3 };

static uwc_tensor *random_tensor(uint64_t seed) {
    uwc_tensor *tensor;
    must(uwc_tensor_activation(uwc_shape_4d(IMAGES, 7, 9, 19), &tensor));
    for (int64_t i = 0; i < uwc_shape_count(tensor->shape); i++) {
        tensor->f32[i] = (float)(2 + uwc_rng_normal(seed, 0, (uint64_t)i));
    }
    return tensor;
}

static void errors_are_over_the_variance_of_the_targets(void **state) {
    (void)state;
    uwc_tensor *a[2] = {random_tensor(1), random_tensor(2)}, *b[2] = {random_tensor(3), random_tensor(4)};
    double sums[UWC_ERROR_SUMS] = {0}, sum = 0, square = 0, error = 0, count = 0;
    for (int k = 0; k < 2; k++) {
        uwc_recon__add_error(a[k], b[k], sums);
        for (int64_t i = 0; i < uwc_shape_count(a[k]->shape); i++) {
            double x = (double)a[k]->f32[i], y = (double)b[k]->f32[i];
            sum += x;
            square += x * x;
            error += (x - y) * (x - y);
            count++;
        }
    }
    double wanted = error / (square - sum * sum / count);
    assert_true(fabs(uwc_recon__relative_error(sums) / wanted - 1) < 1e-5);
    for (int k = 0; k < 2; k++) {
        uwc_tensor_destroy(&a[k]);
        uwc_tensor_destroy(&b[k]);
    }
}

static void targets_without_variance_give_a_number(void **state) {
    (void)state;
    uwc_tensor *a = random_tensor(1), *b = random_tensor(1);
    double sums[UWC_ERROR_SUMS] = {0};
    memset(a->f32, 0, uwc_tensor_bytes(a));
    uwc_recon__add_error(a, a, sums);
    assert_true(uwc_recon__relative_error(sums) == 0);
    uwc_recon__add_error(a, b, sums);
    assert_true(isfinite(uwc_recon__relative_error(sums)));
    uwc_tensor_destroy(&a);
    uwc_tensor_destroy(&b);
}

static void every_element_is_subtracted(void **state) {
    (void)state;
    uwc_tensor *a = random_tensor(1), *b = random_tensor(2), *out = random_tensor(3);
    uwc_recon__subtract(a, b, out);
    for (int64_t i = 0; i < uwc_shape_count(a->shape); i++) {
        assert_true(out->f32[i] == a->f32[i] - b->f32[i]);
    }
    uwc_tensor_destroy(&a);
    uwc_tensor_destroy(&b);
    uwc_tensor_destroy(&out);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(errors_are_over_the_variance_of_the_targets),
        cmocka_unit_test(targets_without_variance_give_a_number),
        cmocka_unit_test(every_element_is_subtracted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
