#include "sheet_fixture.h"

/* The search that keeps several partial roundings, through panels. */

static void plain_round(desk *own) {
    memset(own->sheet.loss, 0, sizeof own->sheet.loss);
    for (int64_t k = panels_of(own) - 1; k >= 0; k--) {
        must(uwc_recon__sheet_round(&own->sheet, 0, factor_panel(own, k)));
    }
}

static void search(desk *own) {
    uwc_recon__sheet_beam_begin(&own->sheet);
    for (int64_t k = panels_of(own) - 1; k >= 0; k--) {
        must(uwc_recon__sheet_beam(&own->sheet, factor_panel(own, k)));
    }
}

static void the_best_of_several_is_better_than_one(void **state) {
    (void)state;
    for (int o = 0; o < ORDERS; o++) {
        desk own = new_desk(orders[o], 2);
        double *q = new_doubles(own.n), plain = 0, best = 0;
        plain_round(&own);
        for (int64_t r = 0; r < ROWS; r++) {
            plain += own.sheet.loss[0][r];
        }
        search(&own);
        uwc_recon__sheet_take(&own.sheet);
        for (int64_t r = 0; r < ROWS; r++) {
            const double loss = naive_loss(own.G, own.n, own.w + r * own.n, (read_levels(&own, r, q), q), (double)own.sheet.scale[0][r]);
            assert_true(fabs(loss - own.sheet.loss[0][r]) < 1e-3 * loss + 1e-9); /* levels and loss belong together */
            assert_true(own.sheet.loss[0][r] <= own.sheet.loss[1][r]);
            best += loss;
        }
        assert_true(own.n < 8 ? best <= plain * (1 + 1e-5) : best < 0.99 * plain);
        uwc_free(&q);
        free_desk(&own);
    }
}

/* Every partial rounding goes on to two of four levels, so a little is missed of all 64 points. */
static void tiny_rows_are_near_the_best_of_all_points(void **state) {
    (void)state;
    desk own = new_desk(3, 2);
    double found = 0, least = 0;
    search(&own);
    for (int64_t r = 0; r < ROWS; r++) {
        double best = INFINITY;
        for (int point = 0; point < 64; point++) {
            const double q[] = {point % 4 - 2, point / 4 % 4 - 2, point / 16 - 2};
            best = fmin(best, naive_loss(own.G, 3, own.w + 3 * r, q, (double)own.sheet.scale[0][r]));
        }
        assert_true(own.sheet.loss[0][r] > best * (1 - 1e-4) - 1e-9);
        found += own.sheet.loss[0][r];
        least += best;
    }
    print_message("%g of the least loss\n", found / least);
    assert_true(found < 1.05 * least);
    free_desk(&own);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_best_of_several_is_better_than_one),
        cmocka_unit_test(tiny_rows_are_near_the_best_of_all_points),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
