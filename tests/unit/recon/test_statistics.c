#include "layer_forms.h"

/* Statistics of layers against double loops over positions. */

typedef struct sums {
    double *A, *Y, square; /* means: [groups][cols+1][cols+1], [groups][rows][cols+1] */
} sums;

/* One batch; `every` = 1: all positions, otherwise a list of every so many'th. */
static uwc_status add_batch(uwc_statistics *statistics, const uwc_geometry *g, const float *x, const float *y, int64_t every) {
    const int64_t positions = g->images * g->out_height * g->out_width;
    uwc_scratch *scratch = NULL;
    int64_t *list;
    must(uwc_calloc(positions, sizeof *list, &list));
    uwc_rows rows = {.x = x, .y = y, .position = every == 1 ? NULL : list};
    for (int64_t p = 0; p < positions; p += every) {
        list[rows.count++] = p;
    }
    uwc_status st = uwc_recon__scratch_create(g, &scratch);
    if (st == UWC_OK) {
        st = uwc_recon__statistics_batch(statistics, g, scratch, &rows);
    }
    uwc_recon__scratch_destroy(&scratch);
    uwc_free(&list);
    return st;
}

static sums naive(const layer *own, const float *y, int64_t every) {
    const uwc_geometry *g = &own->geometry;
    const int64_t order = g->cols + 1, all = g->rows * g->groups, positions = (positions_of(own) + every - 1) / every;
    double *patch;
    sums out = {0};
    must(uwc_calloc(g->groups * order * order, sizeof *out.A, &out.A));
    must(uwc_calloc(all * order, sizeof *out.Y, &out.Y));
    must(uwc_calloc(order, sizeof *patch, &patch));
    for (int64_t group = 0; group < g->groups; group++) {
        double *A = out.A + group * order * order;
        for (int64_t p = 0; p < positions_of(own); p += every) {
            naive_patch(own, p, group, patch);
            for (int64_t i = 0; i < order; i++) {
                for (int64_t j = 0; j < order; j++) {
                    A[i * order + j] += patch[i] * patch[j] / (double)positions;
                }
            }
            for (int64_t r = group * g->rows; r < (group + 1) * g->rows; r++) {
                double target = (double)y[p * all + r];
                out.square += target * target / (double)positions;
                for (int64_t i = 0; i < order; i++) {
                    out.Y[r * order + i] += target * patch[i] / (double)positions;
                }
            }
        }
    }
    uwc_free(&patch);
    return out;
}

static void free_sums(sums *own) {
    uwc_free(&own->A);
    uwc_free(&own->Y);
}

static double gap(const double *a, const double *b, int64_t count) {
    double most = 0, size = 1e-30;
    for (int64_t i = 0; i < count; i++) {
        most = fmax(most, fabs(a[i] - b[i]));
        size = fmax(size, fabs(b[i]));
    }
    return most / size;
}

static uwc_statistics *new_statistics(const uwc_geometry *g) {
    uwc_statistics *statistics;
    must(uwc_recon__statistics_create(g->groups, g->rows, g->cols, &statistics));
    return statistics;
}

static float *targets(const layer *own, uint64_t seed) {
    const int64_t count = positions_of(own) * own->geometry.rows * own->geometry.groups;
    float *y;
    must(uwc_calloc(count, sizeof *y, &y));
    for (int64_t i = 0; i < count; i++) {
        y[i] = (float)uwc_rng_normal(seed, 5, (uint64_t)i);
    }
    return y;
}

static void compare(const layer *own, uint64_t seed, int64_t every) {
    const uwc_geometry *g = &own->geometry;
    const int64_t order = g->cols + 1;
    float *y = targets(own, seed);
    uwc_statistics *got = new_statistics(g);
    must(add_batch(got, g, own->x->f32, y, every));
    assert_int_equal(got->count, (positions_of(own) + every - 1) / every);
    uwc_recon__statistics_finish(got);
    sums wanted = naive(own, y, every);
    double *cross;
    must(uwc_calloc(g->rows * order, sizeof *cross, &cross));
    assert_true(gap(got->A, wanted.A, g->groups * order * order) < 2e-6);
    for (int64_t group = 0; group < g->groups; group++) {
        const double *A = got->A + group * order * order;
        uwc_recon__statistics_cross(got, group, cross);
        assert_true(gap(cross, wanted.Y + group * g->rows * order, g->rows * order) < 1e-5);
        assert_true(A[order * order - 1] == 1); /* the bias entry */
        for (int64_t i = 0; i < order; i++) {
            for (int64_t j = 0; j < i; j++) {
                assert_true(A[i * order + j] == A[j * order + i]);
            }
        }
    }
    assert_true(fabs(got->square / wanted.square - 1) < 1e-5);
    uwc_free(&cross);
    uwc_free(&y);
    free_sums(&wanted);
    uwc_recon__statistics_destroy(&got);
    assert_null(got);
}

static void statistics_of_convolutions(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof conv_forms / sizeof conv_forms[0]; i++) {
        layer own = make_layer(&conv_forms[i], i);
        compare(&own, i, 1);
        compare(&own, i, 3); /* as where positions are sampled */
        free_layer(&own);
    }
}

static void statistics_of_linear_layers(void **state) {
    (void)state;
    const uwc_shape in[] = {uwc_shape_2d(5, 7), uwc_shape_2d(1, 3), uwc_shape_make(3, (int64_t[]){3, 4, 6}), uwc_shape_2d(40, 200),
                            uwc_shape_2d(1500, 17)};
    for (size_t i = 0; i < sizeof in / sizeof in[0]; i++) {
        layer own = make_linear(in[i], 6, i);
        compare(&own, i, 1);
        compare(&own, i, 3); /* as where positions are sampled */
        free_layer(&own);
    }
}

static void only_one_channel_per_group_is_depthwise(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof conv_forms / sizeof conv_forms[0]; i++) {
        const layer_form *form = &conv_forms[i];
        layer own = make_layer(form, i);
        bool wanted = form->group > 1 && form->group == form->channels && form->rows == form->group && form->kernel < 8;
        assert_true(uwc_recon__is_depthwise(&own.geometry) == wanted);
        free_layer(&own);
    }
}

/* Two batches give the sums of both; so does adding the statistics of each. */
static void batches_add_up(void **state) {
    (void)state;
    static const size_t which[] = {0, 7, 13};
    for (size_t k = 0; k < sizeof which / sizeof which[0]; k++) {
        layer a = make_layer(&conv_forms[which[k]], 1), b = make_layer(&conv_forms[which[k]], 2);
        const uwc_geometry *g = &a.geometry;
        const int64_t order = g->cols + 1;
        float *ya = targets(&a, 3), *yb = targets(&b, 4);
        uwc_statistics *both = new_statistics(g), *one = new_statistics(g), *other = new_statistics(g);
        must(add_batch(both, g, a.x->f32, ya, 1));
        must(add_batch(both, g, b.x->f32, yb, 1));
        must(add_batch(one, g, a.x->f32, ya, 1));
        must(add_batch(other, g, b.x->f32, yb, 1));
        uwc_recon__statistics_add(one, other);
        assert_int_equal(both->count, 2 * positions_of(&a));
        assert_int_equal(one->count, both->count);
        uwc_recon__statistics_finish(both);
        uwc_recon__statistics_finish(one);
        sums first = naive(&a, ya, 1), second = naive(&b, yb, 1);
        for (int64_t i = 0; i < g->groups * order * order; i++) {
            first.A[i] = (first.A[i] + second.A[i]) / 2;
        }
        assert_true(gap(both->A, first.A, g->groups * order * order) < 2e-6);
        assert_true(gap(one->A, both->A, g->groups * order * order) < 1e-12);
        assert_true(gap(one->Y, both->Y, g->groups * order * g->rows) < 1e-12);
        assert_true(fabs(one->square - both->square) < 1e-12 * both->square);
        free_sums(&first);
        free_sums(&second);
        uwc_free(&ya);
        uwc_free(&yb);
        uwc_recon__statistics_destroy(&both);
        uwc_recon__statistics_destroy(&one);
        uwc_recon__statistics_destroy(&other);
        free_layer(&a);
        free_layer(&b);
    }
}

static void threads_do_not_change_a_bit(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof conv_forms / sizeof conv_forms[0]; i++) {
        layer own = make_layer(&conv_forms[i], i);
        const uwc_geometry *g = &own.geometry;
        const int64_t order = g->cols + 1;
        float *y = targets(&own, i);
        uwc_statistics *got[3];
        for (int k = 0; k < 3; k++) {
            uwc_ops_set_threads(k + 1);
            got[k] = new_statistics(g);
            must(add_batch(got[k], g, own.x->f32, y, 1));
            assert_memory_equal(got[k]->A, got[0]->A, (size_t)(g->groups * order * order) * sizeof(double));
            assert_memory_equal(got[k]->Y, got[0]->Y, (size_t)(g->groups * order * g->rows) * sizeof(double));
            assert_true(got[k]->square == got[0]->square);
        }
        for (int k = 0; k < 3; k++) {
            uwc_recon__statistics_destroy(&got[k]);
        }
        uwc_free(&y);
        free_layer(&own);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(statistics_of_convolutions),
        cmocka_unit_test(statistics_of_linear_layers),
        cmocka_unit_test(only_one_channel_per_group_is_depthwise),
        cmocka_unit_test(batches_add_up),
        cmocka_unit_test(threads_do_not_change_a_bit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
