#include "naive_layer.h"

#include "recon_impl.h"

/* Rounding, descent and refit of some rows at once, against double loops over one row at a time. */

/* Some rows with their metric; the last three lanes are padding. */
typedef struct lattice {
    layer_case own;
    int bits;
    uwc_metric metric;
    double *G; /* [n,n] in the order of rounding */
    uwc_lanes lanes;
    float *memory;
} lattice;

enum { PADDING = 3 };

static void set_lane(lattice *out, int64_t l, int bits) {
    const int64_t n = out->metric.n, L = out->lanes.count;
    double *w = new_doubles(n);
    int lo, hi;
    uwc_weights_range(bits, &lo, &hi);
    for (int64_t j = 0; j < n && l < out->own.rows; j++) {
        w[j] = out->own.W0[l * (n + 1) + out->metric.order[j]];
        out->lanes.target[j * L + l] = (float)w[j];
    }
    out->lanes.scale[l] = l < out->own.rows ? (float)naive_scale(out->G, n, w, bits) : 1;
    out->lanes.least[l] = (float)(lo - (l % 5 == 4)); /* some lanes with a zero point */
    out->lanes.most[l] = (float)(hi - (l % 5 == 4));
    out->lanes.kept_loss[l] = INFINITY;
    uwc_free(&w);
}

static lattice new_lattice(uint64_t seed, int64_t n, int64_t count, int bits) {
    lattice out = {.own = random_case(seed, 4 * n + 20, n, count - PADDING), .bits = bits, .lanes = {.count = count}};
    must(uwc_recon__metric(n, out.own.A, 0.01, &out.metric));
    naive_metric m = naive_retarget(&out.own, 0.01);
    out.G = new_doubles(n * n);
    for (int64_t i = 0; i < n * n; i++) {
        out.G[i] = m.G[out.metric.order[i / n] * n + out.metric.order[i % n]];
    }
    free_metric(&m);
    must(uwc_calloc(6 * n * count, sizeof *out.memory, &out.memory));
    float **array[] = {&out.lanes.target, &out.lanes.pull, &out.lanes.level, &out.lanes.slope, &out.lanes.change, &out.lanes.kept};
    for (int k = 0; k < 6; k++) {
        *array[k] = out.memory + k * n * count;
    }
    for (int64_t l = 0; l < count; l++) {
        set_lane(&out, l, bits);
    }
    return out;
}

static void free_lattice(lattice *own) {
    uwc_recon__metric_clear(&own->metric);
    free_case(&own->own);
    uwc_free(&own->G);
    uwc_free(&own->memory);
}

/* Column l of [n][count] as doubles. */
static void read_lane(const lattice *own, const float *from, int64_t l, double *out) {
    for (int64_t j = 0; j < own->metric.n; j++) {
        out[j] = (double)from[j * own->lanes.count + l];
    }
}

static double loss_of(const lattice *own, int64_t l) {
    double *q = new_doubles(own->metric.n), *w = new_doubles(own->metric.n);
    read_lane(own, own->lanes.level, l, q);
    read_lane(own, own->lanes.target, l, w);
    double loss = naive_loss(own->G, own->metric.n, w, q, (double)own->lanes.scale[l]);
    uwc_free(&q);
    uwc_free(&w);
    return loss;
}

static void check_range(const lattice *own) {
    for (int64_t i = 0; i < own->metric.n * own->lanes.count; i++) {
        const int64_t l = i % own->lanes.count;
        float q = own->lanes.level[i];
        assert_true(q == rintf(q) && q >= own->lanes.least[l] && q <= own->lanes.most[l]);
        assert_true(l < own->own.rows || q == 0); /* padding */
    }
}

static void check_losses(const lattice *own) {
    for (int64_t l = 0; l < own->lanes.count; l++) {
        double wanted = loss_of(own, l);
        assert_true(fabs(own->lanes.loss[l] - wanted) <= 1e-4 * wanted);
        assert_true(l < own->own.rows || own->lanes.loss[l] == 0);
    }
}

/* Every size below, at and above a block of columns, with every number of lanes. */
static void for_all_sizes(void (*check)(lattice *own)) {
    static const int64_t size[] = {1, 2, 7, 31, 32, 33, 63, 64, 65, 97};
    for (size_t k = 0; k < sizeof size / sizeof size[0]; k++) {
        for (int64_t count = UWC_LANE_ALIGN; count <= UWC_MOST_LANES; count += UWC_LANE_ALIGN) {
            lattice own = new_lattice(k, size[k], count, 2 + (int)(k % 3));
            check(&own);
            free_lattice(&own);
        }
    }
}

/* Error feedback ends where plain loops end, but for ties of float32, and its loss is that of its levels. */
static void check_round(lattice *own) {
    const int64_t n = own->metric.n;
    double *w = new_doubles(n), *q = new_doubles(n), sum = 0, wanted = 0;
    must(uwc_recon__round(&own->metric, &own->lanes));
    check_range(own);
    check_losses(own);
    for (int64_t l = 0; l < own->own.rows; l++) {
        const double scale = (double)own->lanes.scale[l];
        read_lane(own, own->lanes.target, l, w);
        naive_feedback(own->G, n, w, scale, (int)own->lanes.least[l], (int)own->lanes.most[l], q);
        sum += own->lanes.loss[l];
        wanted += naive_loss(own->G, n, w, q, scale);
    }
    assert_true(fabs(sum - wanted) <= 0.02 * wanted);
    uwc_free(&w);
    uwc_free(&q);
}

static void rounding_is_error_feedback(void **state) {
    (void)state;
    for_all_sizes(check_round);
}

static void check_pull(lattice *own) {
    const int64_t n = own->metric.n, L = own->lanes.count;
    must(uwc_recon__pull(&own->metric, &own->lanes));
    for (int64_t l = 0; l < L; l++) {
        for (int64_t j = 0; j < n; j++) {
            double sum = 0, size = 1e-30;
            for (int64_t i = 0; i < n; i++) {
                double part = (double)own->lanes.target[i * L + l] * own->G[i * n + j];
                sum += part;
                size += fabs(part);
            }
            assert_true(fabs((double)own->lanes.pull[j * L + l] - sum) < 1e-5 * size);
        }
    }
}

static void the_pull_is_the_product_with_the_metric(void **state) {
    (void)state;
    for_all_sizes(check_pull);
}

/* No weight of lane l can go to another level and gain more than what keeps ties in place. */
static void check_minimum(const lattice *own, int64_t l) {
    const int64_t n = own->metric.n;
    const double s = (double)own->lanes.scale[l], loss = loss_of(own, l);
    double *q = new_doubles(n), *w = new_doubles(n);
    read_lane(own, own->lanes.level, l, q);
    read_lane(own, own->lanes.target, l, w);
    for (int64_t j = 0; j < n; j++) {
        const double kept = q[j], tie = 1e-3 * s * s * own->G[j * n + j];
        for (int step = -1; step <= 1; step += 2) {
            q[j] = kept + step;
            if (q[j] >= (double)own->lanes.least[l] && q[j] <= (double)own->lanes.most[l]) {
                assert_true(naive_loss(own->G, n, w, q, s) > loss - tie - 1e-5 * loss);
            }
        }
        q[j] = kept;
    }
    uwc_free(&q);
    uwc_free(&w);
}

/* From levels at random and from those of error feedback. */
static void check_descent(lattice *own) {
    const int64_t n = own->metric.n, L = own->lanes.count;
    double before[UWC_MOST_LANES], start = 0, end = 0; /* sums from random levels */
    for (int fed = 0; fed < 2; fed++) {
        for (int64_t i = 0; i < n * L; i++) {
            const int64_t l = i % L, levels = (int64_t)(own->lanes.most[l] - own->lanes.least[l]) + 1;
            own->lanes.level[i] = l < own->own.rows ? own->lanes.least[l] + (float)uwc_rng_below(7, 1, (uint64_t)i, levels) : 0;
        }
        if (fed == 1) {
            must(uwc_recon__round(&own->metric, &own->lanes));
        }
        for (int64_t l = 0; l < L; l++) {
            before[l] = loss_of(own, l);
        }
        must(uwc_recon__descend(&own->metric, &own->lanes));
        check_range(own);
        check_losses(own);
        for (int64_t l = 0; l < own->own.rows; l++) {
            assert_true(own->lanes.loss[l] <= before[l] * (1 + 1e-5));
            start += fed == 0 ? before[l] : 0;
            end += fed == 0 ? own->lanes.loss[l] : 0;
        }
        for (int64_t l = 0; l<own->own.rows; l += n> 40 ? 7 : 1) {
            check_minimum(own, l);
        }
    }
    assert_true(end < 0.5 * start);
}

static void descent_ends_in_a_minimum_of_single_moves(void **state) {
    (void)state;
    for_all_sizes(check_descent);
}

/* (Q - W) G behind a descent, which the refit relies on. */
static void check_slope(lattice *own) {
    const int64_t n = own->metric.n, L = own->lanes.count;
    must(uwc_recon__round(&own->metric, &own->lanes));
    must(uwc_recon__descend(&own->metric, &own->lanes));
    for (int64_t l = 0; l < L; l++) {
        for (int64_t j = 0; j < n; j++) {
            double sum = 0, size = 1e-30;
            for (int64_t i = 0; i < n; i++) {
                double q = (double)own->lanes.level[i * L + l] * (double)own->lanes.scale[l];
                sum += (q - (double)own->lanes.target[i * L + l]) * own->G[i * n + j];
                size += (fabs(q) + fabs((double)own->lanes.target[i * L + l])) * fabs(own->G[i * n + j]);
            }
            assert_true(fabs((double)own->lanes.slope[j * L + l] - sum) < 1e-5 * size);
        }
    }
}

static void the_slope_is_that_of_the_last_levels(void **state) {
    (void)state;
    for_all_sizes(check_slope);
}

static void check_refit(lattice *own) {
    const int64_t n = own->metric.n;
    double *w = new_doubles(n), *q = new_doubles(n);
    float before[UWC_MOST_LANES];
    must(uwc_recon__pull(&own->metric, &own->lanes));
    must(uwc_recon__round(&own->metric, &own->lanes));
    must(uwc_recon__descend(&own->metric, &own->lanes));
    memcpy(before, own->lanes.scale, sizeof before);
    uwc_recon__refit(&own->metric, own->bits, &own->lanes);
    int refitted = 0;
    for (int64_t l = 0; l < own->lanes.count; l++) {
        read_lane(own, own->lanes.target, l, w);
        read_lane(own, own->lanes.level, l, q);
        double wanted = naive_refit(own->G, n, w, q, (double)before[l]), found = (double)own->lanes.scale[l];
        assert_true(is_short(own->bits, found));
        assert_true(found == naive_short(own->bits, wanted * (1 + 1e-4)) || found == naive_short(own->bits, wanted * (1 - 1e-4)));
        refitted += own->lanes.scale[l] != before[l];
        assert_true(l < own->own.rows || own->lanes.scale[l] == 1); /* padding: all levels are zero */
        if (l < own->own.rows) {
            assert_true(loss_of(own, l) <= own->lanes.loss[l] * (1 + 1e-5));
        }
    }
    assert_true(n < 7 || refitted > 0); /* a short scale often stays the best one */
    uwc_free(&w);
    uwc_free(&q);
}

static void the_refitted_scale_is_that_of_least_squares(void **state) {
    (void)state;
    for_all_sizes(check_refit);
}

/* Levels that point away from the weights would need a negative scale: it stays. */
static void scales_stay_positive(void **state) {
    (void)state;
    lattice own = new_lattice(3, 20, 16, 4);
    must(uwc_recon__pull(&own.metric, &own.lanes));
    must(uwc_recon__round(&own.metric, &own.lanes));
    must(uwc_recon__descend(&own.metric, &own.lanes)); /* makes slope; below it is that of the opposite levels */
    for (int64_t i = 0; i < 20 * 16; i++) {
        own.lanes.level[i] = -own.lanes.level[i];
        own.lanes.slope[i] = -own.lanes.slope[i] - 2 * own.lanes.pull[i]; /* -(Q - W) G - 2 W G = (-Q - W) G */
    }
    float before[UWC_MOST_LANES];
    memcpy(before, own.lanes.scale, sizeof before);
    uwc_recon__refit(&own.metric, own.bits, &own.lanes);
    assert_memory_equal(own.lanes.scale, before, sizeof before);
    free_lattice(&own);
}

static void only_what_is_better_is_kept(void **state) {
    (void)state;
    lattice own = new_lattice(4, 9, 16, 3);
    const double first[] = {5, 5, 5, NAN}, second[] = {4, 5, 6, 3};
    const float levels[] = {2, 1, 1, 2}; /* round of the four lanes that is kept */
    for (int round = 1; round <= 2; round++) {
        for (int64_t l = 0; l < 16; l++) {
            own.lanes.loss[l] = round == 1 ? first[l % 4] : second[l % 4];
            own.lanes.scale[l] = (float)(10 * round);
        }
        for (int64_t i = 0; i < 9 * 16; i++) {
            own.lanes.level[i] = (float)round;
        }
        uwc_recon__keep(&own.metric, &own.lanes);
    }
    for (int64_t i = 0; i < 9 * 16; i++) {
        assert_true(own.lanes.kept[i] == levels[i % 4]);
        assert_true(own.lanes.kept_scale[i % 16] == 10 * levels[i % 4]);
        assert_true(own.lanes.kept_loss[i % 16] == (levels[i % 4] == 1 ? first[i % 4] : second[i % 4]));
    }
    free_lattice(&own);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rounding_is_error_feedback),
        cmocka_unit_test(the_pull_is_the_product_with_the_metric),
        cmocka_unit_test(descent_ends_in_a_minimum_of_single_moves),
        cmocka_unit_test(the_slope_is_that_of_the_last_levels),
        cmocka_unit_test(the_refitted_scale_is_that_of_least_squares),
        cmocka_unit_test(scales_stay_positive),
        cmocka_unit_test(only_what_is_better_is_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
