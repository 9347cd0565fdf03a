#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <string.h>
#include <uwc/linalg.h>

/* Dense algebra against plain loops. */

static double *draw(uint64_t seed, int64_t count) {
    double *x;
    assert_int_equal(uwc_calloc(count, sizeof *x, &x), UWC_OK);
    for (int64_t i = 0; i < count; i++) {
        x[i] = uwc_rng_normal(seed, 0, (uint64_t)i);
    }
    return x;
}

static double *copy(const double *x, int64_t count) {
    double *out;
    assert_int_equal(uwc_calloc(count, sizeof *out, &out), UWC_OK);
    memcpy(out, x, (size_t)count * sizeof *x);
    return out;
}

/* c = alpha a b + beta c, every element for itself. */
static void multiply(int64_t m, int64_t n, int64_t k, double alpha, const double *a, const double *b, double beta, double *c) {
    for (int64_t i = 0; i < m; i++) {
        for (int64_t j = 0; j < n; j++) {
            double sum = 0;
            for (int64_t l = 0; l < k; l++) {
                sum += a[i * k + l] * b[l * n + j];
            }
            c[i * n + j] = alpha * sum + beta * c[i * n + j];
        }
    }
}

/* X^T X / n + 0.1 of random X: positive definite. */
static double *definite(uint64_t seed, int64_t n) {
    double *x = draw(seed, n * n), *a = draw(seed + 1, n * n);
    for (int64_t i = 0; i < n; i++) {
        for (int64_t j = 0; j < n; j++) {
            double sum = i == j ? 0.1 : 0;
            for (int64_t k = 0; k < n; k++) {
                sum += x[k * n + i] * x[k * n + j] / (double)n;
            }
            a[i * n + j] = sum;
        }
    }
    uwc_free(&x);
    return a;
}

static double largest_difference(const double *a, const double *b, int64_t count) {
    double most = 0;
    for (int64_t i = 0; i < count; i++) {
        most = fmax(most, fabs(a[i] - b[i]));
    }
    return most;
}

static const int64_t order[] = {1, 2, 7, 64, 129, 200};
enum { ORDERS = sizeof order / sizeof order[0] };

static void cholesky_gives_the_lower_factor(void **state) {
    (void)state;
    for (int k = 0; k < ORDERS; k++) {
        const int64_t n = order[k];
        double *a = definite(k, n), *l = copy(a, n * n), *product = copy(a, n * n);
        assert_int_equal(uwc_cholesky(n, l), UWC_OK);
        for (int64_t i = 0; i < n; i++) {
            assert_true(l[i * n + i] > 0);
            for (int64_t j = 0; j < n; j++) {
                double sum = 0;
                for (int64_t m = 0; m <= (i < j ? i : j); m++) {
                    sum += l[i * n + m] * l[j * n + m];
                }
                product[i * n + j] = sum;
                assert_true(j <= i || l[i * n + j] == a[i * n + j]); /* the upper triangle is left */
            }
        }
        assert_true(largest_difference(product, a, n * n) < 1e-11);
        uwc_free(&a);
        uwc_free(&l);
        uwc_free(&product);
    }
}

static void solve_inverts_the_product(void **state) {
    (void)state;
    for (int k = 0; k < ORDERS; k++) {
        const int64_t n = order[k], rows = 5;
        double *a = definite(k, n), *l = copy(a, n * n), *b = draw(9, rows * n), *x = copy(b, rows * n), *back = draw(10, rows * n);
        assert_int_equal(uwc_cholesky(n, l), UWC_OK);
        assert_int_equal(uwc_cholesky_solve(n, l, rows, x), UWC_OK);
        multiply(rows, n, n, 1, x, a, 0, back); /* a is symmetric: x a = (a x^T)^T */
        assert_true(largest_difference(back, b, rows * n) < 1e-9);
        uwc_free(&a);
        uwc_free(&l);
        uwc_free(&b);
        uwc_free(&x);
        uwc_free(&back);
    }
}

static void the_inverse_of_a_triangle_is_its_inverse(void **state) {
    (void)state;
    for (int k = 0; k < ORDERS; k++) {
        const int64_t n = order[k];
        double *a = definite(k, n), *l = copy(a, n * n);
        assert_int_equal(uwc_cholesky(n, l), UWC_OK);
        double *inverse = copy(l, n * n);
        assert_int_equal(uwc_triangle_invert(n, inverse), UWC_OK);
        for (int64_t i = 0; i < n; i++) {
            for (int64_t j = 0; j < n; j++) {
                double sum = 0;
                for (int64_t m = j; m <= i; m++) {
                    sum += l[i * n + m] * inverse[m * n + j];
                }
                assert_true(fabs(sum - (i == j)) < 1e-10);
                assert_true(j <= i || inverse[i * n + j] == l[i * n + j]);
            }
        }
        uwc_free(&a);
        uwc_free(&l);
        uwc_free(&inverse);
    }
}

static void products_are_those_of_plain_loops(void **state) {
    (void)state;
    static const int64_t size[][3] = {{1, 1, 1}, {3, 5, 7}, {16, 73, 73}, {130, 9, 65}};
    static const double factor[][2] = {{1, 0}, {-1, 1}, {0.5, 2}};
    for (size_t k = 0; k < sizeof size / sizeof size[0]; k++) {
        for (size_t f = 0; f < sizeof factor / sizeof factor[0]; f++) {
            const int64_t m = size[k][0], n = size[k][1], depth = size[k][2];
            double *a = draw(1, m * depth), *b = draw(2, depth * n), *c = draw(3, m * n), *wanted = copy(c, m * n);
            uwc_dgemm(m, n, depth, factor[f][0], a, b, factor[f][1], c);
            multiply(m, n, depth, factor[f][0], a, b, factor[f][1], wanted);
            assert_true(largest_difference(c, wanted, m * n) < 1e-11);
            uwc_free(&a);
            uwc_free(&b);
            uwc_free(&c);
            uwc_free(&wanted);
        }
    }
}

static void matrices_that_are_not_definite_are_refused(void **state) {
    (void)state;
    double indefinite[] = {1, 2, 2, 1}, singular[] = {1, 1, 1, 1}, zero[] = {0}, none[] = {NAN, 0, 0, 1};
    assert_int_equal(uwc_cholesky(2, indefinite), UWC_E_MATH);
    assert_int_equal(uwc_cholesky(2, singular), UWC_E_MATH);
    assert_int_equal(uwc_cholesky(1, zero), UWC_E_MATH);
    assert_int_equal(uwc_cholesky(2, none), UWC_E_MATH);
    double triangle[] = {1, 0, 3, 0};
    assert_int_equal(uwc_triangle_invert(2, triangle), UWC_E_MATH);
}

static void orders_that_lapack_cannot_count_are_refused(void **state) {
    (void)state;
    double one = 1;
    assert_int_equal(uwc_cholesky(0, &one), UWC_E_ARG);
    assert_int_equal(uwc_cholesky(INT64_C(1) << 31, &one), UWC_E_ARG);
    assert_int_equal(uwc_triangle_invert(-1, &one), UWC_E_ARG);
    assert_int_equal(uwc_cholesky_solve(1, &one, INT64_C(1) << 31, &one), UWC_E_ARG);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cholesky_gives_the_lower_factor),
        cmocka_unit_test(solve_inverts_the_product),
        cmocka_unit_test(the_inverse_of_a_triangle_is_its_inverse),
        cmocka_unit_test(products_are_those_of_plain_loops),
        cmocka_unit_test(matrices_that_are_not_definite_are_refused),
        cmocka_unit_test(orders_that_lapack_cannot_count_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
