#include "recon_fixture.h"

#include "recon_impl.h"

/* Soft rounding against its definition in double precision. */

enum { ROWS = 3, COLS = 37, COUNT = ROWS * COLS };

static double rectified(double v) {
    return fmin(fmax(1.2 / (1 + exp(-v)) - 0.1, 0), 1);
}

static uwc_weights *lattice(int bits, bool asymmetric) {
    uwc_weights *weights;
    must(uwc_weights_create(bits, ROWS, COLS, &weights));
    for (int r = 0; r < ROWS; r++) {
        weights->scale[r] = 0.1f + 0.07f * (float)r;
        weights->zero[r] = asymmetric ? r - 1 : 0;
    }
    return weights;
}

/* Weights of which some lie beyond the ends of the lattice, and some on a level. */
static void fill(const uwc_weights *weights, float *w) {
    for (int i = 0; i < COUNT; i++) {
        const float scale = weights->scale[i / COLS];
        w[i] = scale * (float)((double)(1 << (weights->bits - 1)) * 0.8 * uwc_rng_normal(3, 1, (uint64_t)i));
        w[i] = i % 9 == 0 ? scale * (float)(i % 2) : w[i];
    }
}

static const struct {
    int bits;
    bool asymmetric;
} lattices[] = {{2, false}, {3, true}, {4, false}, {4, true}, {8, true}};
enum { LATTICES = sizeof lattices / sizeof lattices[0] };

static void it_begins_at_the_weights(void **state) {
    (void)state;
    for (int k = 0; k < LATTICES; k++) {
        uwc_weights *weights = lattice(lattices[k].bits, lattices[k].asymmetric);
        uwc_soft soft;
        float w[COUNT], got[COUNT];
        int lo, hi, beyond = 0;
        uwc_weights_range(weights->bits, &lo, &hi);
        fill(weights, w);
        must(uwc_recon__soft_open(weights, w, &soft));
        assert_int_equal(soft.count, COUNT);
        uwc_recon__soft_weights(&soft, got);
        for (int i = 0; i < COUNT; i++) {
            const double scale = (double)weights->scale[i / COLS], zero = weights->zero[i / COLS];
            const double reached = fmin(fmax((double)w[i], scale * (lo - zero)), scale * (hi - zero));
            assert_true(fabs((double)got[i] - reached) < 2e-6 * scale * (1 << weights->bits));
            beyond += reached != (double)w[i];
        }
        assert_true(weights->bits == 8 || beyond > 3);
        uwc_recon__soft_close(&soft);
        uwc_weights_destroy(&weights);
    }
}

static void weights_follow_the_rectified_sigmoid(void **state) {
    (void)state;
    uwc_weights *weights = lattice(4, true);
    uwc_soft soft;
    float w[COUNT], got[COUNT];
    fill(weights, w);
    must(uwc_recon__soft_open(weights, w, &soft));
    for (int i = 0; i < COUNT; i++) {
        soft.v[i] = i == 0 ? -1e4f : i == 1 ? 1e4f : (float)(3 * uwc_rng_normal(4, 1, (uint64_t)i));
    }
    uwc_recon__soft_weights(&soft, got);
    for (int i = 0; i < COUNT; i++) {
        double wanted = (double)soft.scale[i] * ((double)soft.level[i] + rectified((double)soft.v[i]));
        assert_true(fabs((double)got[i] - wanted) < 1e-6 * (double)soft.scale[i] * 16);
    }
    uwc_recon__soft_close(&soft);
    uwc_weights_destroy(&weights);
}

/* grad * w + weight (1 - |2h - 1|^beta) of element i. */
static double loss_at(const uwc_soft *soft, int i, double v, double grad, double weight, double beta) {
    double h = rectified(v);
    return grad * (double)soft->scale[i] * ((double)soft->level[i] + h) + weight * (1 - pow(fabs(2 * h - 1), beta));
}

static void gradients_are_those_of_finite_differences(void **state) {
    (void)state;
    static const double betas[] = {20, 7.3, 2};
    uwc_weights *weights = lattice(4, false);
    uwc_soft soft;
    float w[COUNT], grad[COUNT], got[COUNT];
    fill(weights, w);
    must(uwc_recon__soft_open(weights, w, &soft));
    for (size_t b = 0; b < sizeof betas / sizeof betas[0]; b++) {
        int compared = 0;
        for (int i = 0; i < COUNT; i++) {
            grad[i] = (float)uwc_rng_normal(5, 1, (uint64_t)i);
            soft.v[i] = i == 0 ? 0 : (float)(1.5 * uwc_rng_normal(5, 2, (uint64_t)i));
        }
        uwc_recon__soft_gradient(&soft, grad, 0.3, betas[b], got);
        for (int i = 0; i < COUNT; i++) {
            const double v = (double)soft.v[i], step = 1e-5, s = 1.2 / (1 + exp(-v)) - 0.1;
            if (fabs(s) < 1e-3 || fabs(s - 1) < 1e-3) {
                continue; /* a kink */
            }
            double up = loss_at(&soft, i, v + step, (double)grad[i], 0.3, betas[b]);
            double down = loss_at(&soft, i, v - step, (double)grad[i], 0.3, betas[b]);
            double wanted = (up - down) / (2 * step);
            assert_true(fabs((double)got[i] - wanted) < 2e-5 * (1 + fabs(wanted)));
            compared++;
        }
        assert_true(compared > COUNT * 3 / 4);
    }
    uwc_recon__soft_close(&soft);
    uwc_weights_destroy(&weights);
}

/* Up or down, never further, and nothing leaves the lattice. */
static void hardening_takes_the_nearer_level(void **state) {
    (void)state;
    for (int k = 0; k < LATTICES; k++) {
        uwc_weights *weights = lattice(lattices[k].bits, lattices[k].asymmetric);
        uwc_soft soft;
        float w[COUNT], real[COUNT], slope[COUNT], zero[COUNT] = {0};
        int lo, hi;
        uwc_weights_range(weights->bits, &lo, &hi);
        fill(weights, w);
        must(uwc_recon__soft_open(weights, w, &soft));
        uwc_recon__soft_harden(&soft, weights);
        uwc_weights_dequantize(weights, real);
        uwc_recon__soft_gradient(&soft, zero, 1, 2, slope);
        for (int i = 0; i < COUNT; i++) {
            const double scale = (double)weights->scale[i / COLS], z = weights->zero[i / COLS];
            const bool reached = (double)w[i] >= scale * (lo - z) && (double)w[i] <= scale * (hi - z);
            assert_true(weights->q[i] >= lo && weights->q[i] <= hi);
            assert_true(!reached || fabs((double)real[i] - (double)w[i]) <= 0.5 * scale * (1 + 1e-5));
            assert_true(reached || weights->q[i] == ((double)w[i] < 0 ? lo : hi));
            assert_true(reached || slope[i] == 0); /* what lies beyond does not move */
        }
        uwc_recon__soft_close(&soft);
        uwc_weights_destroy(&weights);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_begins_at_the_weights),
        cmocka_unit_test(weights_follow_the_rectified_sigmoid),
        cmocka_unit_test(gradients_are_those_of_finite_differences),
        cmocka_unit_test(hardening_takes_the_nearer_level),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
