#include "recon_fixture.h"

#include "recon_impl.h"

/* Adam against its definition in double precision, and on a bowl. */

static void steps_are_those_of_the_definition(void **state) {
    (void)state;
    enum { COUNT = 37, STEPS = 50 };
    float x[COUNT] = {0}, grad[COUNT];
    double wanted[COUNT] = {0}, first[COUNT] = {0}, second[COUNT] = {0};
    uwc_adam adam;
    must(uwc_recon__adam_open(COUNT, &adam));
    for (int step = 1; step <= STEPS; step++) {
        const double rate = 0.01 / step;
        for (int i = 0; i < COUNT; i++) {
            grad[i] = (float)uwc_rng_normal(3, (uint64_t)step, (uint64_t)i);
            double g = (double)grad[i];
            first[i] = 0.9 * first[i] + 0.1 * g;
            second[i] = 0.999 * second[i] + 0.001 * g * g;
            wanted[i] -= rate * (first[i] / (1 - pow(0.9, step))) / (sqrt(second[i] / (1 - pow(0.999, step))) + 1e-8);
        }
        uwc_recon__adam_step(&adam, grad, rate, x);
    }
    for (int i = 0; i < COUNT; i++) {
        assert_true(fabs((double)x[i] - wanted[i]) < 1e-5);
    }
    uwc_recon__adam_close(&adam);
}

static void forgetting_is_a_new_beginning(void **state) {
    (void)state;
    const float one[2] = {3, -0.5F}, other[2] = {-1, 2};
    float x[2] = {0}, wanted[2] = {0};
    uwc_adam used, fresh;
    must(uwc_recon__adam_open(2, &used));
    must(uwc_recon__adam_open(2, &fresh));
    uwc_recon__adam_step(&used, one, 0.1, x);
    uwc_recon__adam_forget(&used);
    x[0] = x[1] = 0;
    for (int step = 0; step < 3; step++) {
        uwc_recon__adam_step(&used, step % 2 == 0 ? other : one, 0.1, x);
        uwc_recon__adam_step(&fresh, step % 2 == 0 ? other : one, 0.1, wanted);
    }
    assert_memory_equal(x, wanted, sizeof x);
    uwc_recon__adam_close(&used);
    uwc_recon__adam_close(&fresh);
}

/* Axes of very different curvature are descended alike. */
static void bowls_are_descended(void **state) {
    (void)state;
    float x[2] = {1, -2};
    uwc_adam adam;
    must(uwc_recon__adam_open(2, &adam));
    for (int step = 0; step < 2000; step++) {
        const float grad[2] = {1000 * (x[0] - 3), 0.001F * (x[1] - 1)};
        uwc_recon__adam_step(&adam, grad, 0.02 * (1 - step / 2000.0), x);
    }
    assert_true(fabsf(x[0] - 3) < 0.02F && fabsf(x[1] - 1) < 0.02F);
    uwc_recon__adam_close(&adam);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(steps_are_those_of_the_definition),
        cmocka_unit_test(forgetting_is_a_new_beginning),
        cmocka_unit_test(bowls_are_descended),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
