#include "sheet_fixture.h"

/* Rounding and descent through panels, against plain loops over the whole metric. */

/* Backwards, each weight to its best level for the levels behind it: minimises the row of R that it is the first of. */
static void naive_round(const desk *own, const double *w, double scale, int lo, int hi, double *q) {
    for (int64_t i = own->n - 1; i >= 0; i--) {
        const double *R = own->R + i * own->n;
        double rest = 0;
        for (int64_t k = i + 1; k < own->n; k++) {
            rest += R[k] * (q[k] * scale - w[k]);
        }
        q[i] = clamped((w[i] - rest / R[i]) / scale, lo, hi);
    }
}

static void round_all(desk *own) {
    memset(own->sheet.loss, 0, sizeof own->sheet.loss);
    for (int64_t k = panels_of(own) - 1; k >= 0; k--) {
        const uwc_sheet_panel *panel = factor_panel(own, k);
        for (int s = 0; s < UWC_SHEET_STARTS; s++) {
            must(uwc_recon__sheet_round(&own->sheet, s, panel));
        }
    }
}

static void descend_all(desk *own) {
    int sweeps = 0;
    uwc_recon__sheet_fit_begin(&own->sheet);
    for (int64_t k = 0; k < panels_of(own); k++) {
        must(uwc_recon__sheet_fit(&own->sheet, metric_panel(own, k)));
    }
    uwc_recon__sheet_fit_end(&own->sheet, own->bits);
    do {
        own->sheet.moved = false;
        for (int64_t k = 0; k < panels_of(own); k++) {
            must(uwc_recon__sheet_sweep(&own->sheet, metric_panel(own, k)));
        }
        assert_true(++sweeps < 100);
    } while (own->sheet.moved);
}

static void starts_are_rounded_as_by_plain_loops(void **state) {
    (void)state;
    for (int o = 0; o < ORDERS; o++) {
        desk own = new_desk(orders[o], 3);
        double *q = new_doubles(own.n);
        int64_t other = 0;
        round_all(&own);
        for (int s = 0; s < UWC_SHEET_STARTS; s++) {
            for (int64_t r = 0; r < ROWS; r += 5) {
                const double scale = (double)own.sheet.scale[s][r], loss = loss_away(&own, own.sheet.start[s], r);
                assert_true(fabs(own.sheet.loss[s][r] - loss) < 1e-3 * loss + 1e-9);
                naive_round(&own, own.w + r * own.n, scale, -4, 3, q);
                for (int64_t i = 0; i < own.n; i++) {
                    other += fabs((double)own.sheet.start[s][i * LANES + r] + own.w[r * own.n + i] - q[i] * scale) > 0.01 * scale;
                }
            }
        }
        assert_true(other <= own.n); /* single precision decides a few ties another way, and what follows from them */
        uwc_free(&q);
        free_desk(&own);
    }
}

/* Error feedback through the inverse, in the order of falling diagonal, gives the same integers. */
static void feedback_is_that_of_the_inverse(void **state) {
    (void)state;
    desk own = new_desk(40, 3);
    double *q = new_doubles(own.n), *p = new_doubles(own.n);
    for (int64_t i = 0; i < own.n; i++) { /* a rising diagonal: the last weight comes first */
        own.G[i * own.n + i] += 2 + 0.2 * (double)i;
    }
    for (int64_t i = 1; i < own.n; i++) {
        own.G[i * (own.n + 1)] = fmax(own.G[i * (own.n + 1)], own.G[(i - 1) * (own.n + 1)] + 1e-3);
    }
    factor(&own);
    for (int64_t r = 0; r < ROWS; r++) {
        naive_round(&own, own.w + r * own.n, 0.06, -4, 3, q);
        naive_feedback(own.G, own.n, own.w + r * own.n, 0.06, -4, 3, p);
        assert_memory_equal(p, q, (size_t)own.n * sizeof *p);
    }
    uwc_free(&p);
    uwc_free(&q);
    free_desk(&own);
}

static void the_best_start_of_each_row_is_taken(void **state) {
    (void)state;
    desk own = new_desk(131, 3);
    int best[ROWS];
    round_all(&own);
    for (int r = 0; r < ROWS; r++) {
        best[r] = 0;
        for (int s = 1; s < UWC_SHEET_STARTS; s++) {
            best[r] = loss_away(&own, own.sheet.start[s], r) < loss_away(&own, own.sheet.start[best[r]], r) ? s : best[r];
        }
    }
    float scale[UWC_SHEET_STARTS][LANES];
    memcpy(scale, own.sheet.scale, sizeof scale);
    uwc_recon__sheet_choose(&own.sheet, UWC_SHEET_STARTS);
    for (int r = 0; r < ROWS; r++) {
        assert_true(own.sheet.scale[0][r] == scale[best[r]][r]);
    }
    free_desk(&own);
}

/* After descent: the scale is the best short one for the levels it was fitted to, and no single move lowers the loss. */
static void descent_ends_where_no_move_helps(void **state) {
    (void)state;
    for (int o = 0; o < ORDERS; o++) {
        desk own = new_desk(orders[o], 3);
        double *q = new_doubles(own.n), *before = new_doubles(ROWS * own.n);
        round_all(&own);
        uwc_recon__sheet_choose(&own.sheet, 1);
        uwc_recon__sheet_take(&own.sheet);
        for (int64_t r = 0; r < ROWS; r++) {
            read_levels(&own, r, before + r * own.n);
        }
        float scale[LANES];
        memcpy(scale, own.sheet.scale[0], sizeof scale);
        descend_all(&own);
        for (int64_t r = 0; r < ROWS; r += 3) {
            const double *w = own.w + r * own.n, *p = before + r * own.n, s = (double)own.sheet.scale[0][r];
            const double fitted = naive_loss(own.G, own.n, w, p, s);
            assert_true(fitted <= naive_loss(own.G, own.n, w, p, (double)scale[r]) * (1 + 1e-5));
            read_levels(&own, r, q);
            const double loss = naive_loss(own.G, own.n, w, q, s);
            assert_true(loss <= fitted * (1 + 1e-5));
            for (int64_t i = 0; i < own.n; i += 11) {
                for (int step = -1; step <= 1; step += 2) {
                    if (q[i] + step >= -4 && q[i] + step <= 3) {
                        q[i] += step;
                        assert_true(naive_loss(own.G, own.n, w, q, s) > loss * (1 - 1e-3));
                        q[i] -= step;
                    }
                }
            }
        }
        uwc_free(&q);
        uwc_free(&before);
        free_desk(&own);
    }
}

static void sums_for_the_scale_are_plain_sums(void **state) {
    (void)state;
    desk own = new_desk(290, 4);
    double *q = new_doubles(own.n);
    round_all(&own);
    uwc_recon__sheet_take(&own.sheet);
    uwc_recon__sheet_fit_begin(&own.sheet);
    for (int64_t k = 0; k < panels_of(&own); k++) {
        must(uwc_recon__sheet_fit(&own.sheet, metric_panel(&own, k)));
    }
    for (int64_t r = 0; r < ROWS; r += 7) {
        double cross = 0, norm = 0;
        read_levels(&own, r, q);
        for (int64_t i = 0; i < own.n * own.n; i++) {
            cross += q[i / own.n] * own.G[i] * own.w[r * own.n + i % own.n];
            norm += q[i / own.n] * own.G[i] * q[i % own.n];
        }
        assert_true(fabs(own.sheet.cross[r] - cross) < 1e-4 * fabs(cross) + 1e-6);
        assert_true(fabs(own.sheet.norm[r] - norm) < 1e-4 * norm);
    }
    uwc_free(&q);
    free_desk(&own);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(starts_are_rounded_as_by_plain_loops), cmocka_unit_test(feedback_is_that_of_the_inverse),
        cmocka_unit_test(the_best_start_of_each_row_is_taken),  cmocka_unit_test(descent_ends_where_no_move_helps),
        cmocka_unit_test(sums_for_the_scale_are_plain_sums),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
