/* What the benchmarks share: timings by turns, and the machine's own matrix product to compare with. Times are those of the processor, in
 * one thread. Other work on the machine slows all that is timed in the same round, so ratios, which are medians over the rounds, hold where
 * absolute numbers do not. */
#ifndef UWC_BENCH_H
#define UWC_BENCH_H

#include <stdlib.h>
#include <time.h>

#include <uwc/ops.h>

#include <cblas.h>

enum { BENCH_ROUNDS = 400 };

/* One thing to be timed. */
typedef struct bench_runner {
    uwc_status (*run)(void *self);
    void *self;
    double seconds[BENCH_ROUNDS]; /* of every round */
    int rounds;
    double best;
} bench_runner;

static inline double bench_now(void) {
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* Runs all by turns for `seconds`, at least once each. */
static inline uwc_status bench_race(bench_runner *runner, int n, double seconds) {
    const double start = bench_now();
    for (int round = 0; round < BENCH_ROUNDS && (round == 0 || bench_now() - start < seconds); round++) {
        for (int i = 0; i < n; i++) {
            double begin = bench_now();
            UWC_TRY(runner[i].run(runner[i].self));
            double taken = bench_now() - begin;
            runner[i].seconds[round] = taken;
            runner[i].best = round == 0 || taken < runner[i].best ? taken : runner[i].best;
            runner[i].rounds = round + 1;
        }
    }
    return UWC_OK;
}

static inline int bench_order(const void *a, const void *b) {
    const double *x = a, *y = b;
    return *x < *y ? -1 : *x > *y;
}

/* How many times as long as `b` `a` takes: median over the rounds of one race. */
static inline double bench_ratio(const bench_runner *a, const bench_runner *b) {
    double ratio[BENCH_ROUNDS];
    for (int i = 0; i < a->rounds; i++) {
        ratio[i] = a->seconds[i] / b->seconds[i];
    }
    qsort(ratio, (size_t)a->rounds, sizeof ratio[0], bench_order);
    return ratio[a->rounds / 2];
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

static inline double bench_most(double a, double b) {
    return a > b ? a : b;
}

/* The rate of `flops` in the time of `a`, as a part of the better rate of two products of `product_flops`. */
static inline double bench_part(const bench_runner *a, double flops, const bench_runner *product, double product_flops) {
    return flops / product_flops / bench_most(bench_ratio(a, &product[0]), bench_ratio(a, &product[1]));
}

/* bench_NAME [seconds per row [images]]; false: wrong usage, said on stderr. */
static inline bool bench_arguments(int argc, char **argv, double *seconds, int64_t *images) {
    *seconds = argc > 1 ? atof(argv[1]) : *seconds;
    *images = argc > 2 ? atoll(argv[2]) : *images;
    if (argc > 3 || *seconds < 0 || *images < 1) {
        fprintf(stderr, "usage: %s [seconds per row [images]]\n", argv[0]);
        return false;
    }
    setvbuf(stdout, NULL, _IOLBF, 0); /* rows appear as they are done */
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
