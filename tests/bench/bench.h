/* What the benchmarks share: alternating timings, and the machine's own matrix product to compare with. Other work on the machine slows all
 * that is timed in the same rounds, so ratios hold where absolute numbers do not. */
#ifndef UWC_BENCH_H
#define UWC_BENCH_H

#include <stdlib.h>

#include <uwc/ops.h>

#include <cblas.h>

/* One thing to be timed. */
typedef struct bench_runner {
    uwc_status (*run)(void *self);
    void *self;
    double best; /* seconds */
} bench_runner;

/* Runs all by turns for `seconds`, at least once each, and keeps the best time of each. */
static inline uwc_status bench_race(bench_runner *runner, int n, double seconds) {
    const double start = uwc_now();
    for (int i = 0; i < n; i++) {
        runner[i].best = 1e30;
    }
    do {
        for (int i = 0; i < n; i++) {
            double begin = uwc_now();
            UWC_TRY(runner[i].run(runner[i].self));
            double taken = uwc_now() - begin;
            runner[i].best = taken < runner[i].best ? taken : runner[i].best;
        }
    } while (uwc_now() - start < seconds);
    return UWC_OK;
}

/* C[m,n] = A^T B for A [k,m], B [k,n], as the statistics need it, by one of two libraries. */
typedef struct bench_product {
    int64_t m, n, k;
    uwc_tensor *a, *b, *c;
} bench_product;

static inline uwc_status bench_product_open(int64_t m, int64_t n, int64_t k, bench_product *own) {
    *own = (bench_product){.m = m, .n = n, .k = k};
    UWC_TRY(uwc_tensor_create(UWC_F32, uwc_shape_2d(k, m), UWC_PLAIN, &own->a));
    UWC_TRY(uwc_tensor_create(UWC_F32, uwc_shape_2d(k, n), UWC_PLAIN, &own->b));
    return uwc_tensor_create(UWC_F32, uwc_shape_2d(m, n), UWC_PLAIN, &own->c);
}

static inline void bench_product_close(bench_product *own) {
    uwc_tensor_destroy(&own->a);
    uwc_tensor_destroy(&own->b);
    uwc_tensor_destroy(&own->c);
}

static inline double bench_product_flops(const bench_product *own) {
    return 2.0 * (double)own->m * (double)own->n * (double)own->k;
}

static inline uwc_status bench_product_onednn(void *self) {
    const bench_product *p = self;
    return uwc_sgemm(true, false, p->m, p->n, p->k, p->a->f32, p->m, p->b->f32, p->n, 0, p->c->f32, p->n);
}

static inline uwc_status bench_product_openblas(void *self) {
    const bench_product *p = self;
    cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, (blasint)p->m, (blasint)p->n, (blasint)p->k, 1, p->a->f32, (blasint)p->m,
                p->b->f32, (blasint)p->n, 0, p->c->f32, (blasint)p->n);
    return UWC_OK;
}

static inline double bench_least(double a, double b) {
    return a < b ? a : b;
}

/* bench_NAME [seconds per row [images]]; false: wrong usage, said on stderr. */
static inline bool bench_arguments(int argc, char **argv, double *seconds, int64_t *images) {
    *seconds = argc > 1 ? atof(argv[1]) : *seconds;
    *images = argc > 2 ? atoll(argv[2]) : *images;
    if (argc > 3 || *seconds < 0 || *images < 1) {
        fprintf(stderr, "usage: %s [seconds per row [images]]\n", argv[0]);
        return false;
    }
    uwc_ops_set_threads(1);
    return true;
}

static inline int bench_exit(uwc_status st) {
    if (st != UWC_OK) {
        fprintf(stderr, "%s\n", uwc_error_last()->text);
    }
    return uwc_status_exit(st);
}

#endif
