#include "bench.h"
#include "layers.h"

#include <uwc/linalg.h>
#include <uwc/recon.h>

/* Retargeting and rounding of single layers, from statistics of correlated random inputs.
 *     bench_layer [seconds per row [bits]]
 * Columns: milliseconds of all groups of a layer, nanoseconds per weight, the same in matrix products: how many multiply-adds of sgemm at a
 * large square the time is worth, divided by rows * cols^2. */

enum { SQUARE = 512, BASE = 64 }; /* BASE: independent sources of the inputs */

typedef struct job {
    int64_t groups, rows, n;
    double *A, *Y, *W0, *bias;
    uwc_weights *weights;
} job;

/* Inputs p = M u with u of BASE independent values, plus noise: A = M M^T + 0.1 I, and a 1 for the bias; Y is W0 A with noise. */
static void fill_statistics(job *own) {
    const int64_t n = own->n, order = n + 1;
    for (int64_t i = 0; i < n; i++) {
        for (int64_t j = 0; j <= i; j++) {
            double sum = i == j ? 0.1 : 0;
            for (int k = 0; k < BASE; k++) {
                sum += uwc_rng_uniform(1, (uint64_t)i, (uint64_t)k) * uwc_rng_uniform(1, (uint64_t)j, (uint64_t)k) / BASE;
            }
            own->A[i * order + j] = own->A[j * order + i] = sum;
        }
    }
    own->A[n * order + n] = 1;
    for (int64_t r = 0; r < own->rows; r++) {
        for (int64_t i = 0; i < order; i++) {
            own->W0[r * order + i] = 0.05 * uwc_rng_normal(2, (uint64_t)r, (uint64_t)i);
        }
    }
    uwc_dgemm(own->rows, order, order, 1, own->W0, own->A, 0, own->Y);
    for (int64_t i = 0; i < own->rows * order; i++) {
        own->Y[i] *= 1 + 0.01 * uwc_rng_normal(3, 0, (uint64_t)i);
    }
}

static uwc_status open_job(const bench_layer *l, int bits, job *own) {
    *own = (job){.groups = l->group, .rows = l->outputs / l->group, .n = l->inputs / l->group * l->kernel * l->kernel};
    const int64_t order = own->n + 1;
    UWC_TRY(uwc_calloc(order * order, sizeof(double), &own->A));
    UWC_TRY(uwc_calloc(own->rows * order, sizeof(double), &own->Y));
    UWC_TRY(uwc_calloc(own->rows * order, sizeof(double), &own->W0));
    UWC_TRY(uwc_calloc(own->rows, sizeof(double), &own->bias));
    fill_statistics(own);
    return uwc_weights_create(bits, own->rows, own->n, &own->weights);
}

static void close_job(job *own) {
    uwc_free(&own->A);
    uwc_free(&own->Y);
    uwc_free(&own->W0);
    uwc_free(&own->bias);
    uwc_weights_destroy(&own->weights);
}

static uwc_status run_job(void *self) {
    job *own = self;
    uwc_layer_statistics statistics = {.rows = own->rows, .n = own->n, .A = own->A, .Y = own->Y, .W0 = own->W0};
    for (int64_t group = 0; group < own->groups; group++) {
        UWC_TRY(uwc_recon_layer(&statistics, &(uwc_layer_options){.ridge = 0.01, .damp = 0.01}, own->weights, own->bias));
    }
    return UWC_OK;
}

static uwc_status bench_row(const bench_layer *l, int bits, double seconds, bench_product *square, double *total) {
    job own = {.groups = 0};
    uwc_status st;
    UWC_TRY_GOTO(st, open_job(l, bits, &own), done);
    bench_runner runner[] = {
        {run_job, &own, .rounds = 0}, {bench_product_onednn, square, .rounds = 0}, {bench_product_openblas, square, .rounds = 0}};
    UWC_TRY_GOTO(st, bench_race(runner, 3, seconds), done);
    double weights = (double)(own.groups * own.rows * own.n);
    double products = 1 / bench_part(&runner[0], 2 * weights * (double)own.n, &runner[1], bench_product_flops(square));
    bench_print(l);
    printf("  %9.2f ms  %8.1f ns per weight  %6.1f products\n", runner[0].best * 1e3, runner[0].best / weights * 1e9, products);
    *total += l->times * runner[0].best;
done:
    close_job(&own);
    return st;
}

int main(int argc, char **argv) {
    double seconds = 0.5, total = 0;
    int64_t bits = 4;
    bench_product square = {.m = 0};
    if (!bench_arguments(argc, argv, &seconds, &bits)) {
        return 2;
    }
    uwc_status st = bench_product_open(SQUARE, SQUARE, SQUARE, &square);
    for (int i = 0; i < BENCH_LAYERS && st == UWC_OK; i++) {
        if (bench_layers[i].network[0] == 'M') {
            st = bench_row(&bench_layers[i], (int)bits, seconds, &square, &total);
        }
    }
    printf("MobileNetV2, all convolutions at %lld bits: %.2f s\n", (long long)bits, total);
    bench_product_close(&square);
    return bench_exit(st);
}
