#include "bench.h"
#include "layers.h"

#include "recon_impl.h"

#include <string.h>

/* Second-order statistics of layers against matrix products of the same minute.
 *     bench_statistics [seconds per row [images]]
 * Useful work is the upper triangle of A with its column of ones and Y: what a symmetric product has to do. Columns: GFLOP/s, the ratio to
 * the better of two libraries at a large square, and to the better of them at the whole product P^T [P T 1] of this shape. */

enum { SQUARE = 512, ROWS = 512, SMALL_ROWS = 128 }; /* positions per image: as reconstruct.positions chooses them */

typedef struct job {
    uwc_geometry geometry;
    uwc_tensor *x, *y;
    int64_t *position;
    uwc_rows rows;
    uwc_scratch *scratch;
    uwc_statistics *statistics;
    double flops;
} job;

static void choose_positions(job *own, int64_t per_image) {
    const uwc_geometry *g = &own->geometry;
    const int64_t all = g->out_height * g->out_width, n = all <= per_image ? all : per_image;
    own->rows = (uwc_rows){.x = own->x->f32, .y = own->y->f32, .count = g->images * n, .position = n == all ? NULL : own->position};
    for (int64_t i = 0; i < g->images * n; i++) {
        int64_t part = i % n * all / n, length = (i % n + 1) * all / n - part;
        own->position[i] = i / n * all + part + uwc_rng_below(1, 0, (uint64_t)i, length);
    }
}

static uwc_status open_job(const bench_layer *l, int64_t images, job *own) {
    uwc_op op;
    uwc_shape in[3], out;
    UWC_TRY(bench_describe(l, images, &op, in, &out));
    uwc_geometry *g = &own->geometry;
    uwc_recon__geometry(&op, in[0], in[1], out, g);
    UWC_TRY(uwc_tensor_activation(in[0], &own->x));
    UWC_TRY(uwc_tensor_activation(out, &own->y));
    bench_fill(own->x, 1);
    bench_fill(own->y, 2);
    UWC_TRY(uwc_calloc(uwc_shape_count(out), sizeof *own->position, &own->position));
    choose_positions(own, l->size < 33 && l->network[0] == 'R' ? SMALL_ROWS : ROWS);
    UWC_TRY(uwc_recon__scratch_create(g, &own->scratch));
    double n = (double)g->cols, each = (n + 1) * (n + 2) / 2 + (n + 1) * (double)g->rows;
    own->flops = 2 * each * (double)(g->groups * own->rows.count);
    return uwc_recon__statistics_create(g->groups, g->rows, g->cols, &own->statistics);
}

static void close_job(job *own) {
    uwc_tensor_destroy(&own->x);
    uwc_tensor_destroy(&own->y);
    uwc_free(&own->position);
    uwc_recon__scratch_destroy(&own->scratch);
    uwc_recon__statistics_destroy(&own->statistics);
}

static uwc_status run_job(void *self) {
    job *own = self;
    return uwc_recon__statistics_batch(own->statistics, &own->geometry, own->scratch, &own->rows);
}

/* What one network's layers sum up to: seconds at the present speed, and at the rate of the large square. */
typedef struct total {
    double seconds, attainable;
} total;

static uwc_status bench_row(const bench_layer *l, int64_t images, double seconds, bench_product *square, total *sum) {
    job own = {.flops = 0};
    bench_product same = {.m = 0};
    uwc_status st;
    UWC_TRY_GOTO(st, open_job(l, bench_images(l, images), &own), done);
    const uwc_geometry *g = &own.geometry;
    UWC_TRY_GOTO(st, bench_product_open(g->cols, g->cols + g->rows + 1, own.rows.count, &same), done);
    bench_runner runner[] = {{run_job, &own, .rounds = 0},
                             {bench_product_onednn, square, .rounds = 0},
                             {bench_product_openblas, square, .rounds = 0},
                             {bench_product_onednn, &same, .rounds = 0},
                             {bench_product_openblas, &same, .rounds = 0}};
    UWC_TRY_GOTO(st, bench_race(runner, g->groups == 1 ? 5 : 3, seconds), done);
    double part = bench_part(&runner[0], own.flops, &runner[1], bench_product_flops(square));
    bench_print(l);
    printf("  rows %6lld  cols %4lld  %9.1f us  %6.1f GFLOP/s  square: %.2f", (long long)own.rows.count, (long long)g->cols,
           runner[0].best * 1e6, own.flops / runner[0].best * 1e-9, part);
    if (g->groups == 1) {
        printf("  this shape: %.2f", bench_part(&runner[0], own.flops, &runner[3], bench_product_flops(&same)));
    }
    printf("\n");
    sum->seconds += l->times * own.flops / part;
    sum->attainable += l->times * own.flops;
done:
    bench_product_close(&same);
    close_job(&own);
    return st;
}

static uwc_status bench_network(const char *network, int64_t images, double seconds, bench_product *square) {
    total dense = {0}, depthwise = {0};
    for (int i = 0; i < BENCH_LAYERS; i++) {
        const bench_layer *l = &bench_layers[i];
        if (strcmp(l->network, network) == 0) {
            UWC_TRY(bench_row(l, images, seconds, square, l->group == 1 ? &dense : &depthwise));
        }
    }
    printf("%s, all dense layers by their time: %.2f of the square", network, dense.attainable / dense.seconds);
    if (depthwise.seconds > 0) {
        printf("; depthwise layers: %.2f", depthwise.attainable / depthwise.seconds);
    }
    printf("\n");
    return UWC_OK;
}

int main(int argc, char **argv) {
    double seconds = 0.5;
    int64_t images = 16;
    bench_product square = {.m = 0};
    if (!bench_arguments(argc, argv, &seconds, &images)) {
        return 2;
    }
    uwc_status st = bench_product_open(SQUARE, SQUARE, SQUARE, &square);
    if (st == UWC_OK) {
        st = bench_network("MobileNetV2", images, seconds, &square);
    }
    if (st == UWC_OK) {
        st = bench_network("ResNet-20", images, seconds, &square);
    }
    bench_product_close(&square);
    return bench_exit(st);
}
