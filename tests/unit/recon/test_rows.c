#include "naive_layer.h"

#include "recon_impl.h"

/* Rows on their way through the lattice, against all points of the lattice with the best scale for each, and against plain loops. */

typedef struct rows_case {
    layer_case own;
    naive_metric naive; /* G and W* in plain loops */
    uwc_metric metric;
} rows_case;

static rows_case new_rows(double centre, uint64_t seed, int64_t samples, int64_t n, int64_t rows) {
    rows_case out = {.own = random_case_around(centre, seed, samples, n, rows)};
    out.naive = naive_retarget(&out.own, 0.01);
    must(uwc_recon__metric(n, out.own.A, 0.01, &out.metric));
    return out;
}

static void free_rows(rows_case *own) {
    free_metric(&own->naive);
    free_case(&own->own);
    uwc_recon__metric_clear(&own->metric);
}

static uwc_weights *solve(const rows_case *own, int64_t rows, int bits, bool asymmetric) {
    uwc_weights *out;
    must(uwc_weights_create(bits, rows, own->own.n, &out));
    must(uwc_recon__round_rows(&own->metric, own->naive.W, asymmetric, out));
    check_levels(out, asymmetric);
    return out;
}

static double loss_of(const rows_case *own, const uwc_weights *got, int64_t row) {
    const int64_t n = own->own.n;
    double *q = new_doubles(n);
    for (int64_t j = 0; j < n; j++) {
        q[j] = got->q[row * n + j] - got->zero[row];
    }
    double loss = naive_loss(own->naive.G, n, own->naive.W + row * (n + 1), q, (double)got->scale[row]);
    uwc_free(&q);
    return loss;
}

/* The least loss over all levels, each with its best scale above zero. */
static double best_of_all(const rows_case *own, int64_t row, int lo, int hi) {
    const int64_t n = own->own.n;
    const double *w = own->naive.W + row * (n + 1);
    const int base = hi - lo + 1;
    int64_t points = 1;
    double best = INFINITY, q[4];
    for (int64_t j = 0; j < n; j++) {
        points *= base;
    }
    for (int64_t point = 0; point < points; point++) {
        int64_t left = point;
        for (int64_t j = 0; j < n; j++, left /= base) {
            q[j] = (double)(lo + left % base);
        }
        best = fmin(best, naive_loss(own->naive.G, n, w, q, naive_refit(own->naive.G, n, w, q, 1)));
    }
    return best;
}

/* That of every weight at the nearest level, with the scale and the zero point of the row. */
static double nearest_loss(const rows_case *own, int64_t row, int bits, bool asymmetric) {
    const int64_t n = own->own.n;
    const double *w = own->naive.W + row * (n + 1);
    double q[4], scale;
    int lo, hi, zero;
    uwc_weights_range(bits, &lo, &hi);
    uwc_recon__search_scale(w, own->metric.diagonal, n, bits, asymmetric, &scale, &zero);
    for (int64_t j = 0; j < n; j++) {
        q[j] = clamped(w[j] / scale, lo - zero, hi - zero);
    }
    return naive_loss(own->naive.G, n, w, q, scale);
}

static void tiny_rows_are_near_the_best_of_all(void **state) {
    (void)state;
    for (int asymmetric = 0; asymmetric < 2; asymmetric++) {
        for (int bits = 2; bits <= 3; bits++) {
            for (int64_t n = 2; n <= 4; n++) {
                double sum = 0, best = 0, nearest = 0;
                for (uint64_t seed = 0; seed < 8; seed++) {
                    rows_case own = new_rows(asymmetric == 1 ? 0.2 : 0, 100 + seed, 60, n, 4);
                    uwc_weights *got = solve(&own, 4, bits, asymmetric == 1);
                    int lo, hi;
                    uwc_weights_range(bits, &lo, &hi);
                    for (int64_t r = 0; r < 4; r++) {
                        double loss = loss_of(&own, got, r), least = best_of_all(&own, r, lo - got->zero[r], hi - got->zero[r]);
                        assert_true(loss > least * (1 - 1e-5) - 1e-12);
                        sum += loss;
                        best += least;
                        nearest += nearest_loss(&own, r, bits, asymmetric == 1);
                    }
                    uwc_weights_destroy(&got);
                    free_rows(&own);
                }
                assert_true(sum < 2 * best);
                assert_true(sum - best < 0.5 * (nearest - best));
            }
        }
    }
}

/* One start and six refits in plain loops: many starts are better where the lattice is coarse, and where it is fine one is as good. */
static void rows_are_at_least_as_good_as_plain_loops(void **state) {
    (void)state;
    for (int bits = 2; bits <= 8; bits++) {
        rows_case own = new_rows(0, 200 + (uint64_t)bits, 300, 33, 17);
        uwc_weights *got = solve(&own, 17, bits, false);
        double sum = 0, wanted = 0, *ignored = new_doubles(34);
        for (int64_t r = 0; r < 17; r++) {
            sum += loss_of(&own, got, r);
            wanted += naive_row(&own.own, &own.naive, r, bits, ignored);
        }
        assert_true(sum < (bits < 6 ? 1 : 1.1) * wanted);
        uwc_free(&ignored);
        uwc_weights_destroy(&got);
        free_rows(&own);
    }
}

static void assert_same_rows(const uwc_weights *a, const uwc_weights *b, int64_t rows) {
    assert_memory_equal(a->q, b->q, (size_t)(rows * a->cols));
    assert_memory_equal(a->scale, b->scale, (size_t)rows * sizeof *a->scale);
    assert_memory_equal(a->zero, b->zero, (size_t)rows * sizeof *a->zero);
}

/* Every row is solved, in whatever block it lies, on however many threads. */
static void blocks_and_threads_do_not_matter(void **state) {
    (void)state;
    static const int64_t count[] = {1, 15, 16, 17, 48, 49, 97, 385, 500};
    static const int bits[] = {2, 5, 6, 8};
    rows_case own = new_rows(0.1, 300, 120, 20, 500);
    for (size_t b = 0; b < sizeof bits / sizeof bits[0]; b++) {
        for (int asymmetric = 0; asymmetric < 2; asymmetric++) {
            uwc_ops_set_threads(1);
            uwc_weights *all = solve(&own, 500, bits[b], asymmetric == 1);
            for (size_t k = 0; k < sizeof count / sizeof count[0]; k++) {
                for (int threads = 1; threads <= 3; threads += 2) {
                    uwc_ops_set_threads(threads);
                    uwc_weights *some = solve(&own, count[k], bits[b], asymmetric == 1);
                    assert_same_rows(some, all, count[k]);
                    uwc_weights_destroy(&some);
                }
            }
            uwc_weights_destroy(&all);
        }
    }
    free_rows(&own);
}

/* No row is forgotten or mistaken for another one: with a fine lattice each is near its own weights. */
static void rows_stay_in_their_places(void **state) {
    (void)state;
    rows_case own = new_rows(0, 400, 200, 35, 130);
    uwc_weights *got = solve(&own, 130, 8, false);
    for (int64_t r = 0; r < 130; r++) {
        for (int64_t j = 0; j < 35; j++) {
            double away = (double)got->scale[r] * got->q[r * 35 + j] - own.naive.W[r * 36 + j];
            assert_true(fabs(away) < 8 * (double)got->scale[r]);
        }
    }
    uwc_weights_destroy(&got);
    free_rows(&own);
}

/* Rows of zeros between others have a scale and levels that stand for zero. */
static void rows_of_zeros_stay_zero(void **state) {
    (void)state;
    for (int asymmetric = 0; asymmetric < 2; asymmetric++) {
        rows_case own = new_rows(0, 500, 100, 10, 20);
        memset(own.naive.W + 7 * 11, 0, 11 * sizeof(double));
        uwc_weights *got = solve(&own, 20, 3, asymmetric == 1);
        for (int64_t j = 0; j < 10; j++) {
            assert_int_equal(got->q[7 * 10 + j], got->zero[7]);
        }
        uwc_weights_destroy(&got);
        free_rows(&own);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tiny_rows_are_near_the_best_of_all),
        cmocka_unit_test(rows_are_at_least_as_good_as_plain_loops),
        cmocka_unit_test(blocks_and_threads_do_not_matter),
        cmocka_unit_test(rows_stay_in_their_places),
        cmocka_unit_test(rows_of_zeros_stay_zero),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
