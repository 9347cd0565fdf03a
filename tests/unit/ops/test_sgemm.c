#include "ops_fixture.h"

/* The matrix product against the sums of its definition, and its independence of threads. */

typedef struct product {
    bool trans_a, trans_b;
    int64_t m, n, k, lda, ldb, ldc;
    float beta;
    uwc_tensor *a, *b, *c;
} product;

static uwc_tensor *matrix(int64_t rows, int64_t ld, uint64_t seed) {
    uwc_tensor *made;
    assert_int_equal(uwc_tensor_create(UWC_F32, uwc_shape_2d(rows, ld), UWC_PLAIN, &made), UWC_OK);
    fill(made, seed, 1);
    return made;
}

static product roll_product(uint64_t seed, int64_t most) {
    dice die = {.seed = seed};
    product own = {.trans_a = seed % 2 == 1, .trans_b = seed / 2 % 2 == 1, .beta = (float)(seed / 4 % 3) / 2};
    own.m = roll(&die, 1, most);
    own.n = roll(&die, 1, most);
    own.k = roll(&die, 1, most);
    own.lda = (own.trans_a ? own.m : own.k) + roll(&die, 0, 5);
    own.ldb = (own.trans_b ? own.k : own.n) + roll(&die, 0, 5);
    own.ldc = own.n + roll(&die, 0, 5);
    own.a = matrix(own.trans_a ? own.k : own.m, own.lda, seed);
    own.b = matrix(own.trans_b ? own.n : own.k, own.ldb, seed + 1000);
    own.c = matrix(own.m, own.ldc, seed + 2000);
    return own;
}

static void drop_product(product *own) {
    uwc_tensor_destroy(&own->a);
    uwc_tensor_destroy(&own->b);
    uwc_tensor_destroy(&own->c);
}

static uwc_status multiply(const product *own, float *c) {
    return uwc_sgemm(own->trans_a, own->trans_b, own->m, own->n, own->k, own->a->f32, own->lda, own->b->f32, own->ldb, own->beta, c,
                     own->ldc);
}

static double by_definition(const product *own, int64_t i, int64_t j) {
    double sum = (double)own->beta * (double)own->c->f32[i * own->ldc + j];
    for (int64_t l = 0; l < own->k; l++) {
        sum += (double)own->a->f32[own->trans_a ? l * own->lda + i : i * own->lda + l] *
               (double)own->b->f32[own->trans_b ? j * own->ldb + l : l * own->ldb + j];
    }
    return sum;
}

static void sgemm_is_the_definition(void **state) {
    (void)state;
    for (uint64_t seed = 0; seed < 96; seed++) {
        product own = roll_product(seed, seed < 84 ? 40 : 200);
        uwc_tensor *result;
        assert_int_equal(uwc_tensor_copy(own.c, &result), UWC_OK);
        assert_int_equal(multiply(&own, result->f32), UWC_OK);
        for (int64_t i = 0; i < own.m; i++) {
            for (int64_t j = 0; j < own.ldc; j++) {
                double got = (double)result->f32[i * own.ldc + j];
                if (j >= own.n) { /* behind the row: not touched */
                    assert_true(got == (double)own.c->f32[i * own.ldc + j]);
                } else if (!(fabs(got - by_definition(&own, i, j)) <= 1e-6 * (double)(own.k + 10))) {
                    fail_msg("%d %d: [%lld,%lld] is %.9g", own.trans_a, own.trans_b, (long long)i, (long long)j, got);
                }
            }
        }
        uwc_tensor_destroy(&result);
        drop_product(&own);
    }
}

enum { COPIES = 4 };

static void sgemm_is_the_same_at_any_number_of_threads(void **state) {
    (void)state;
    for (uint64_t seed = 0; seed < 24; seed++) {
        product own = roll_product(seed, seed < 12 ? 60 : 500);
        uwc_tensor *copy[COPIES + 2];
        int st[COPIES] = {0};
        for (int i = 0; i < COPIES + 2; i++) {
            assert_int_equal(uwc_tensor_copy(own.c, &copy[i]), UWC_OK);
        }
        uwc_ops_set_threads(1);
        assert_int_equal(multiply(&own, copy[COPIES]->f32), UWC_OK);
        uwc_ops_set_threads(2);
        assert_int_equal(multiply(&own, copy[COPIES + 1]->f32), UWC_OK);
        assert_same_bytes(copy[COPIES], copy[COPIES + 1]);
#pragma omp parallel for num_threads(2)
        for (int i = 0; i < COPIES; i++) {
            st[i] = (int)multiply(&own, copy[i]->f32);
        }
        for (int i = 0; i < COPIES; i++) {
            assert_int_equal(st[i], UWC_OK);
            assert_same_bytes(copy[i], copy[COPIES]);
        }
        for (int i = 0; i < COPIES + 2; i++) {
            uwc_tensor_destroy(&copy[i]);
        }
        drop_product(&own);
    }
}

static void sgemm_refuses_short_rows(void **state) {
    (void)state;
    float a[4] = {1, 2, 3, 4}, c[4];
    assert_int_equal(uwc_sgemm(false, false, 2, 2, 2, a, 1, a, 2, 0, c, 2), UWC_E_ARG);
    assert_int_equal(uwc_sgemm(false, false, 2, 2, 2, a, 2, a, 2, 0, c, 1), UWC_E_ARG);
    assert_int_equal(uwc_sgemm(false, false, -2, 2, 2, a, 2, a, 2, 0, c, 2), UWC_E_ARG);
}

static void the_instruction_set_has_a_name(void **state) {
    (void)state;
    assert_true(strlen(uwc_ops_isa()) > 0);
    assert_ptr_equal(uwc_ops_isa(), uwc_ops_isa());
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sgemm_is_the_definition),
        cmocka_unit_test(sgemm_is_the_same_at_any_number_of_threads),
        cmocka_unit_test(sgemm_refuses_short_rows),
        cmocka_unit_test(the_instruction_set_has_a_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
