#include "bench.h"

#include "recon_impl.h"

#include <uwc/onnx.h>

#include <string.h>

/* Reconstruction of single units of a network from random activations.
 *     bench_unit MODEL.onnx [seconds per row [images]]
 * Columns: milliseconds of one float pass of the unit over the images, and in multiples of it: the whole reconstruction, the statistics of
 * its layers, the solution of its layers, and what is left: forward passes, activation steps, the stream. */

enum { MAX_LAYERS = 8, UNIT_LAYERS = 3 };

/* A layer's statistics and solution by themselves. */
typedef struct layer {
    uwc_geometry geometry;
    uwc_tensor *x, *y;
    int64_t *position;
    uwc_rows rows;
    uwc_scratch *scratch;
    uwc_statistics *statistics, *finished; /* the first grows from run to run */
    double *W0, *cross, *bias;
    uwc_weights *weights;
} layer;

typedef struct job {
    uwc_graph *unit;
    int64_t images;
    uwc_exec *exec;
    uwc_tensor **input; /* [n_inputs] of all images */
    layer layer[MAX_LAYERS];
    int n_layers;
} job;

static void fill(uwc_tensor *tensor, uint64_t stream) {
    for (int64_t i = 0; i < uwc_shape_count(tensor->shape); i++) {
        tensor->f32[i] = (float)uwc_rng_u32(1, stream, (uint64_t)i) * 0x1p-31f - 0.5f;
    }
}

static uwc_status read_images(void *self, int input, bool quantized, int64_t first, uwc_tensor *out) {
    (void)quantized;
    uwc_tensor from = uwc_tensor_images(((job *)self)->input[input], first, out->shape.dim[0]);
    memcpy(out->f32, from.f32, uwc_tensor_bytes(out));
    return UWC_OK;
}

static uwc_status run_float(void *self) {
    job *own = self;
    const uwc_tensor *fetched;
    return uwc_exec_run(own->exec, own->images, own->unit->input, (const uwc_tensor *const *)own->input, own->unit->n_inputs,
                        own->unit->output, 1, &fetched);
}

static uwc_status run_unit(void *self) {
    job *own = self;
    uwc_recon_options options = {.method = UWC_METHOD_SECOND_ORDER, .damp = 0.01, .batch_bytes = 64 << 20};
    uwc_stream stream = {.self = own, .images = own->images, .read = read_images};
    uwc_unit_result *result;
    UWC_TRY(uwc_recon_unit(own->unit, &options, &stream, &result));
    uwc_unit_result_destroy(&result);
    return UWC_OK;
}

static uwc_status run_statistics(void *self) {
    job *own = self;
    for (int i = 0; i < own->n_layers; i++) {
        layer *l = &own->layer[i];
        UWC_TRY(uwc_recon__statistics_batch(l->statistics, &l->geometry, l->scratch, &l->rows));
    }
    return UWC_OK;
}

static uwc_status run_solution(void *self) {
    job *own = self;
    for (int i = 0; i < own->n_layers; i++) {
        layer *l = &own->layer[i];
        const int64_t order = l->geometry.cols + 1;
        for (int64_t g = 0; g < l->geometry.groups; g++) {
            uwc_recon__statistics_cross(l->finished, g, l->cross);
            uwc_layer_statistics s = {
                .rows = l->geometry.rows, .n = l->geometry.cols, .A = l->finished->A + g * order * order, .Y = l->cross, .W0 = l->W0};
            UWC_TRY(uwc_recon_layer(&s, &(uwc_layer_options){.ridge = 0.01, .damp = 0.01}, l->weights, l->bias));
        }
    }
    return UWC_OK;
}

static uwc_status make_layer(const uwc_graph *unit, const uwc_node *node, int64_t images, layer *l) {
    enum { ROWS = 1 << 17, LEAST = 128 };
    const uwc_value *value = unit->value;
    uwc_shape in = uwc_shape_batch(value[node->in[0]].shape, images), out = uwc_shape_batch(value[node->out].shape, images);
    uwc_geometry *g = &l->geometry;
    uwc_recon__geometry(&node->op, in, value[node->in[1]].shape, out, g);
    const int64_t all = g->out_height * g->out_width, wanted = ROWS / images > LEAST ? ROWS / images : LEAST;
    const int64_t n = all < wanted ? all : wanted, order = g->cols + 1;
    UWC_TRY(uwc_tensor_activation(in, &l->x));
    UWC_TRY(uwc_tensor_activation(out, &l->y));
    fill(l->x, 2);
    fill(l->y, 3);
    UWC_TRY(uwc_calloc(g->images * n, sizeof *l->position, &l->position));
    l->rows = (uwc_rows){.x = l->x->f32, .y = l->y->f32, .count = g->images * n, .position = l->position};
    for (int64_t i = 0; i < g->images * n; i++) {
        l->position[i] = i / n * all + i % n * all / n;
    }
    UWC_TRY(uwc_recon__scratch_create(g, &l->scratch));
    UWC_TRY(uwc_recon__statistics_create(g->groups, g->rows, g->cols, &l->statistics));
    UWC_TRY(uwc_recon__statistics_create(g->groups, g->rows, g->cols, &l->finished));
    UWC_TRY(uwc_calloc(g->rows * order, sizeof *l->cross, &l->cross));
    UWC_TRY(uwc_calloc(g->rows, sizeof *l->bias, &l->bias));
    UWC_TRY(uwc_calloc(g->rows * g->groups * order, sizeof *l->W0, &l->W0));
    uwc_recon__to_patch_order(g, value[node->in[1]].constant->f32, l->W0, order);
    UWC_TRY(uwc_recon__statistics_batch(l->finished, g, l->scratch, &l->rows));
    uwc_recon__statistics_finish(l->finished);
    return uwc_weights_create(4, g->rows, g->cols, &l->weights);
}

static uwc_status open_job(const uwc_graph *graph, const uwc_unit *unit, int64_t images, job *own) {
    *own = (job){.images = images};
    UWC_TRY(uwc_graph_extract(graph, unit->node, unit->n_nodes, unit->output, unit->n_outputs, &own->unit));
    UWC_TRY(uwc_exec_create(own->unit, images, UWC_BACKEND_FAST, &own->exec));
    UWC_TRY(uwc_calloc(own->unit->n_inputs, sizeof *own->input, &own->input));
    for (int i = 0; i < own->unit->n_inputs; i++) {
        UWC_TRY(uwc_tensor_activation(uwc_shape_batch(own->unit->value[own->unit->input[i]].shape, images), &own->input[i]));
        fill(own->input[i], 1);
    }
    for (int i = 0; i < own->unit->n_nodes && own->n_layers < MAX_LAYERS; i++) {
        if (uwc_op_is_weighted(own->unit->node[i].op.kind)) {
            UWC_TRY(make_layer(own->unit, &own->unit->node[i], images, &own->layer[own->n_layers++]));
        }
    }
    return UWC_OK;
}

static void close_job(job *own) {
    for (int i = 0; i < own->n_layers; i++) {
        layer *l = &own->layer[i];
        uwc_tensor_destroy(&l->x);
        uwc_tensor_destroy(&l->y);
        uwc_free(&l->position);
        uwc_recon__scratch_destroy(&l->scratch);
        uwc_recon__statistics_destroy(&l->statistics);
        uwc_recon__statistics_destroy(&l->finished);
        uwc_free(&l->W0);
        uwc_free(&l->cross);
        uwc_free(&l->bias);
        uwc_weights_destroy(&l->weights);
    }
    for (int i = 0; own->input != NULL && i < own->unit->n_inputs; i++) {
        uwc_tensor_destroy(&own->input[i]);
    }
    uwc_free(&own->input);
    uwc_exec_destroy(&own->exec);
    uwc_graph_destroy(&own->unit);
}

static uwc_status bench_row(const uwc_graph *graph, const uwc_unit *unit, int64_t images, double seconds) {
    job own = {.unit = NULL};
    bench_runner runner[] = {{run_float, &own, .rounds = 0},
                             {run_unit, &own, .rounds = 0},
                             {run_statistics, &own, .rounds = 0},
                             {run_solution, &own, .rounds = 0}};
    uwc_status st;
    UWC_TRY_GOTO(st, open_job(graph, unit, images, &own), done);
    UWC_TRY_GOTO(st, run_float(&own), done); /* makes the kernels */
    UWC_TRY_GOTO(st, bench_race(runner, 4, seconds), done);
    double whole = bench_ratio(&runner[1], &runner[0]), sums = bench_ratio(&runner[2], &runner[0]),
           solution = bench_ratio(&runner[3], &runner[0]);
    printf("%-24s %d layers  float pass %9.2f ms  whole %7.2f  statistics %6.2f  solution %6.2f  rest %6.2f\n", unit->name, unit->n_layers,
           runner[0].best * 1e3, whole, sums, solution, whole - sums - solution);
done:
    close_job(&own);
    return st;
}

static uwc_status bench_units(const char *path, int64_t images, double seconds) {
    uwc_graph *graph;
    uwc_partition *partition = NULL;
    UWC_TRY(uwc_onnx_read(path, &graph));
    uwc_status st = uwc_graph_assign_bits(graph, &(uwc_bits){.weight_bits = 4, .activation_bits = 8, .first_last_bits = 8});
    UWC_TRY_GOTO(st, st, done);
    UWC_TRY_GOTO(st, uwc_partition_create(graph, UNIT_LAYERS, &partition), done);
    for (int i = 0; i < partition->n_units; i++) {
        UWC_TRY_GOTO(st, bench_row(graph, &partition->unit[i], images, seconds), done);
    }
done:
    uwc_partition_destroy(&partition);
    uwc_graph_destroy(&graph);
    return st;
}

int main(int argc, char **argv) {
    double seconds = 3;
    int64_t images = 64;
    if (argc < 2 || !bench_arguments(argc - 1, argv + 1, &seconds, &images)) {
        fprintf(stderr, "usage: %s MODEL.onnx [seconds per row [images]]\n", argv[0]);
        return 2;
    }
    return bench_exit(bench_units(argv[1], images, seconds));
}
