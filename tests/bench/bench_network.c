#include "bench.h"

#include <uwc/onnx.h>

/* One network's float forward pass at several batch sizes, by turns, against a matrix product of the same minute.
 *     bench_network MODEL.onnx [seconds [images]]
 * A row per batch size up to `images`: milliseconds per image, GFLOP/s of its multiply-adds, the ratio to sgemm at a large square. */

enum { SQUARE = 512, SIZES = 8 };

typedef struct job {
    const uwc_graph *graph;
    uwc_exec *exec;
    uwc_tensor *x;
    int64_t images;
} job;

static uwc_status open_job(const uwc_graph *graph, int64_t images, job *own) {
    *own = (job){.graph = graph, .images = images};
    UWC_TRY(uwc_tensor_activation(uwc_shape_batch(graph->value[graph->input[0]].shape, images), &own->x));
    for (int64_t i = 0; i < uwc_shape_count(own->x->shape); i++) {
        own->x->f32[i] = (float)uwc_rng_u32(1, 0, (uint64_t)i) * 0x1p-31f - 1.0f;
    }
    return uwc_exec_create(graph, images, UWC_BACKEND_FAST, &own->exec);
}

static void close_job(job *own) {
    uwc_exec_destroy(&own->exec);
    uwc_tensor_destroy(&own->x);
}

static uwc_status run_job(void *self) {
    job *own = self;
    const uwc_tensor *fetched;
    int logits = uwc_graph_logits(own->graph);
    return uwc_exec_run(own->exec, own->images, own->graph->input, &(const uwc_tensor *){own->x}, 1, &logits, 1, &fetched);
}

static uwc_status bench_graph(const uwc_graph *graph, double seconds, int64_t images) {
    bench_product square = {.m = 0};
    job own[SIZES] = {{.graph = NULL}};
    bench_runner runner[SIZES + 2];
    int n = 0;
    uwc_graph_sizes sizes;
    uwc_graph_measure(graph, &sizes);
    uwc_status st;
    UWC_TRY_GOTO(st, bench_product_open(SQUARE, SQUARE, SQUARE, &square), done);
    for (int64_t batch = 1; n < SIZES && batch <= images; batch *= 2, n++) {
        UWC_TRY_GOTO(st, open_job(graph, batch, &own[n]), done);
        runner[n] = (bench_runner){run_job, &own[n], .rounds = 0};
    }
    runner[n] = (bench_runner){bench_product_onednn, &square, .rounds = 0};
    runner[n + 1] = (bench_runner){bench_product_openblas, &square, .rounds = 0};
    UWC_TRY_GOTO(st, bench_race(runner, n + 2, 0), done); /* makes the kernels */
    UWC_TRY_GOTO(st, bench_race(runner, n + 2, seconds), done);
    for (int i = 0; i < n; i++) {
        double each = runner[i].best / (double)own[i].images, flops = 2 * (double)sizes.multiply_adds;
        printf("%s  batch %3lld: %8.3f ms per image  %6.1f GFLOP/s  square: %.2f\n", graph->name, (long long)own[i].images, each * 1e3,
               flops / each * 1e-9, bench_part(&runner[i], flops * (double)own[i].images, &runner[n], bench_product_flops(&square)));
    }
done:
    for (int i = 0; i < SIZES; i++) {
        close_job(&own[i]);
    }
    bench_product_close(&square);
    return st;
}

int main(int argc, char **argv) {
    double seconds = 20;
    int64_t images = 64;
    uwc_graph *graph;
    if (argc < 2 || !bench_arguments(argc - 1, argv + 1, &seconds, &images)) {
        fprintf(stderr, "usage: %s MODEL.onnx [seconds [images]]\n", argv[0]);
        return 2;
    }
    uwc_status st = uwc_onnx_read(argv[1], &graph);
    if (st == UWC_OK) {
        st = bench_graph(graph, seconds, images);
        uwc_graph_destroy(&graph);
    }
    return bench_exit(st);
}
