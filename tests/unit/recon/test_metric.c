#include "naive_layer.h"

#include "recon_impl.h"

/* The metric of rounding: its order, its matrix and the factor of its inverse. */

/* G without the mean part and with the ridge, in the order of patches, in plain loops. */
static double *naive_matrix(const layer_case *own, double damp) {
    const int64_t n = own->n, order = n + 1;
    double *G = new_doubles(n * n), mean = 0;
    for (int64_t i = 0; i < n; i++) {
        mean += own->A[i * order + i];
    }
    for (int64_t i = 0; i < n; i++) {
        for (int64_t j = 0; j < n; j++) {
            G[i * n + j] = own->A[i * order + j] - own->A[i * order + n] * own->A[j * order + n];
        }
        G[i * n + i] += fmax(damp * mean / (double)n, 1e-8);
    }
    return G;
}

static void check_order(const uwc_metric *m, const double *diagonal) {
    bool *seen;
    must(uwc_calloc(m->n, sizeof *seen, &seen));
    for (int64_t i = 0; i < m->n; i++) {
        assert_in_range(m->order[i], 0, m->n - 1);
        assert_false(seen[m->order[i]]);
        seen[m->order[i]] = true;
        if (i > 0) {
            double before = diagonal[m->order[i - 1]], now = diagonal[m->order[i]];
            assert_true(before > now || (before == now && m->order[i - 1] < m->order[i]));
        }
    }
    uwc_free(&seen);
}

/* U^T U against the inverse of G, both in the order of rounding. */
static void check_factor(const uwc_metric *m, const double *G) {
    const int64_t n = m->n;
    double *ordered = new_doubles(n * n);
    for (int64_t i = 0; i < n * n; i++) {
        ordered[i] = G[m->order[i / n] * n + m->order[i % n]];
        assert_true(fabs((double)m->G[i] - ordered[i]) <= 1e-6 * (1e-9 + fabs(ordered[i])));
    }
    double *inverse = inverse_of(ordered, n), size = 0;
    for (int64_t i = 0; i < n * n; i++) {
        size = fmax(size, fabs(inverse[i]));
    }
    for (int64_t i = 0; i < n; i++) {
        for (int64_t j = 0; j < n; j++) {
            double sum = 0;
            for (int64_t k = 0; k < n; k++) {
                sum += (double)m->U[k * n + i] * (double)m->U[k * n + j];
            }
            assert_true(fabs(sum - inverse[i * n + j]) < 2e-6 * size);
            assert_true(j >= i || m->U[i * n + j] == 0);
        }
        assert_true(m->U[i * n + i] > 0);
    }
    uwc_free(&ordered);
    uwc_free(&inverse);
}

static void the_factor_is_that_of_the_inverse(void **state) {
    (void)state;
    static const int64_t size[] = {1, 2, 3, 7, 31, 32, 33, 64, 90};
    static const double damp[] = {0.01, 1};
    for (size_t k = 0; k < sizeof size / sizeof size[0]; k++) {
        for (size_t d = 0; d < sizeof damp / sizeof damp[0]; d++) {
            layer_case own = random_case(k, 300, size[k], 1);
            double *G = naive_matrix(&own, damp[d]);
            uwc_metric m;
            must(uwc_recon__metric(own.n, own.A, damp[d], &m));
            assert_int_equal(m.n, own.n);
            for (int64_t i = 0; i < own.n; i++) {
                assert_true(fabs(m.diagonal[i] / G[i * own.n + i] - 1) < 1e-12);
            }
            check_order(&m, m.diagonal);
            check_factor(&m, G);
            uwc_recon__metric_clear(&m);
            assert_true(m.G == NULL && m.U == NULL && m.diagonal == NULL && m.order == NULL);
            uwc_free(&G);
            free_case(&own);
        }
    }
}

/* A [n+1,n+1] of uncorrelated inputs without mean. */
static double *diagonal_case(const double *diagonal, int64_t n) {
    double *A = new_doubles((n + 1) * (n + 1));
    for (int64_t i = 0; i < n; i++) {
        A[i * (n + 2)] = diagonal[i];
    }
    A[n * (n + 2)] = 1;
    return A;
}

static void columns_of_the_same_size_keep_their_order(void **state) {
    (void)state;
    static const double diagonal[] = {2, 5, 2, 5, 1, 5, 2, 9, 1, 1, 2};
    static const int wanted[] = {7, 1, 3, 5, 0, 2, 6, 10, 4, 8, 9};
    double *A = diagonal_case(diagonal, 11);
    uwc_metric m;
    must(uwc_recon__metric(11, A, 0.01, &m));
    assert_memory_equal(m.order, wanted, sizeof wanted);
    uwc_recon__metric_clear(&m);
    uwc_free(&A);
}

/* Inputs that are always zero have the ridge to stand on, those whose mean is more than their square do not. */
static void what_is_not_positive_definite_is_an_error(void **state) {
    (void)state;
    uwc_metric m;
    double *A = diagonal_case((double[]){0, 0, 0}, 3);
    must(uwc_recon__metric(3, A, 0.01, &m));
    assert_true(m.G[0] > 0);
    uwc_recon__metric_clear(&m);
    A[1 * 4 + 3] = A[3 * 4 + 1] = 1; /* a mean without a square */
    must_fail(uwc_recon__metric(3, A, 0.01, &m), UWC_E_MATH, "positive definite");
    assert_true(m.G == NULL && m.U == NULL && m.diagonal == NULL && m.order == NULL);
    A[1 * 4 + 3] = A[3 * 4 + 1] = 0;
    A[0 * 4 + 1] = A[1 * 4 + 0] = NAN;
    must_fail(uwc_recon__metric(3, A, 0.01, &m), UWC_E_MATH, "finite");
    uwc_free(&A);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_factor_is_that_of_the_inverse),
        cmocka_unit_test(columns_of_the_same_size_keep_their_order),
        cmocka_unit_test(what_is_not_positive_definite_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
