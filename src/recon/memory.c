/* What a reconstruction takes, from shapes alone: the same buffers as in paths.c, gather.c, layer.c, unit.c and last_pass.c. */
#include "recon_impl.h"

enum { PARTIALS = 5, SAMPLE_IMAGES = 8 }; /* sums alive in the tree over UWC_SHARDS shards; images per shard in the sample of a step */

static int64_t more(int64_t a, int64_t b) {
    return a > b ? a : b;
}

static int64_t less(int64_t a, int64_t b) {
    return a < b ? a : b;
}

/* How many batch sizes runs over `images` in batches of `batch` have: kernels are made for each. */
static int count_sizes(int64_t images, int64_t batch) {
    const int64_t shard[2] = {(images + UWC_SHARDS - 1) / UWC_SHARDS, images / UWC_SHARDS};
    int64_t size[8];
    int n = 0;
    for (int k = 0; k < 4; k++) {
        int64_t count = k < 2 ? shard[k] : less(shard[k - 2], SAMPLE_IMAGES);
        for (int part = 0; part < 2; part++) {
            int64_t now = part == 0 ? less(count, batch) : count % batch;
            bool known = now == 0;
            for (int i = 0; i < n; i++) {
                known = known || size[i] == now;
            }
            if (!known) {
                size[n++] = now;
            }
        }
    }
    return n < UWC_EXEC_SIZES ? n : UWC_EXEC_SIZES;
}

/* Of W* and what rounds it: see uwc_recon_layer. */
static int64_t solver_elements(const uwc_geometry *g) {
    const int64_t order = g->cols + 1, square = order * order, lanes = (g->rows + UWC_LANES - 1) / UWC_LANES * UWC_LANES;
    return square + 2 * g->rows * order + more(square, 2 * square + more(square, 6 * g->cols * lanes));
}

/* Beside the paths: while the statistics are gathered, and while the layer is solved. */
static int64_t layer_bytes(const uwc_graph *unit, const uwc_node *node, const uwc_recon_options *options, int64_t batch) {
    uwc_geometry g;
    const uwc_shape in = unit->value[node->in[0]].shape, out = unit->value[node->out].shape;
    uwc_recon__geometry(&node->op, in, unit->value[node->in[1]].shape, out, &g);
    const int64_t order = g.cols + 1, statistics = g.groups * order * (order + g.rows), weights = g.groups * g.rows * order;
    const int64_t real = (int64_t)sizeof(float), wide = (int64_t)sizeof(double);
    if (options->method == UWC_METHOD_NEAREST) {
        return weights * (wide + 1);
    }
    int64_t rows = real * batch * (uwc_shape_count(in) + uwc_shape_count(out)) + wide * batch * g.out_height * g.out_width;
    int64_t gather = rows + uwc_recon__scratch_bytes(&g) + wide * PARTIALS * statistics;
    int64_t solve = wide * (statistics + weights + solver_elements(&g));
    return more(gather, solve) + 2 * weights;
}

static int64_t input_bytes(const uwc_graph *unit, int64_t batch) {
    int64_t count = 0;
    for (int i = 0; i < unit->n_inputs; i++) {
        count += uwc_shape_count(unit->value[unit->input[i]].shape);
    }
    return count * batch * (int64_t)sizeof(float);
}

/* One run of each path for a layer: float its target and the branches that join it, quantized its input and those branches. */
static uwc_status run_layer(const uwc_graph *unit, int node, const uwc_recon_options *options, int64_t images, uwc_exec *real,
                            uwc_exec *quantized) {
    uwc_aim aim;
    int *fetch = NULL;
    UWC_TRY(uwc_recon__aim(unit, node, options->target, &aim));
    uwc_status st = uwc_calloc(aim.n_others + 1, sizeof *fetch, &fetch);
    for (int i = 0; i < aim.n_others && st == UWC_OK; i++) {
        fetch[i + 1] = aim.other[i];
    }
    if (st == UWC_OK) {
        fetch[0] = aim.sum;
        st = uwc_exec_run_dry(real, images, unit->input, unit->n_inputs, fetch, aim.n_others + 1);
    }
    if (st == UWC_OK) {
        fetch[0] = unit->node[node].in[0];
        st = uwc_exec_run_dry(quantized, images, unit->input, unit->n_inputs, fetch, aim.n_others + 1);
    }
    uwc_free(&fetch);
    uwc_recon__aim_clear(&aim);
    return st;
}

static uwc_status run_outputs(const uwc_graph *unit, int64_t images, uwc_exec *exec) {
    return uwc_exec_run_dry(exec, images, unit->input, unit->n_inputs, unit->output, unit->n_outputs);
}

/* Buffers of the two paths at the end, and of the unit with nearest rounding that the last pass runs beside them. */
static uwc_status path_bytes(const uwc_graph *unit, const uwc_recon_options *options, int64_t images, int64_t *paths, int64_t *nearest) {
    uwc_exec *real = NULL, *quantized = NULL, *rounded = NULL;
    uwc_status st;
    UWC_TRY_GOTO(st, uwc_exec_create_dry(unit, images, false, &real), done);
    UWC_TRY_GOTO(st, uwc_exec_create_dry(unit, images, true, &quantized), done);
    UWC_TRY_GOTO(st, uwc_exec_create_dry(unit, images, true, &rounded), done);
    for (int i = 0; i < unit->n_nodes && options->method != UWC_METHOD_NEAREST; i++) {
        if (uwc_op_is_weighted(unit->node[i].op.kind)) {
            UWC_TRY_GOTO(st, run_layer(unit, i, options, images, real, quantized), done);
        }
    }
    UWC_TRY_GOTO(st, run_outputs(unit, images, real), done);
    UWC_TRY_GOTO(st, run_outputs(unit, images, quantized), done);
    UWC_TRY_GOTO(st, run_outputs(unit, images, rounded), done);
    *paths = uwc_exec_bytes(real) + uwc_exec_bytes(quantized);
    *nearest = options->method == UWC_METHOD_NEAREST ? 0 : uwc_exec_bytes(rounded);
done:
    uwc_exec_destroy(&real);
    uwc_exec_destroy(&quantized);
    uwc_exec_destroy(&rounded);
    return st;
}

uwc_status uwc_recon_memory(const uwc_graph *unit, const uwc_recon_options *options, int64_t images, uwc_recon_need *out) {
    const int64_t batch = uwc_recon__batch(unit, options), run = less(batch, (images + UWC_SHARDS - 1) / UWC_SHARDS);
    int64_t paths, nearest, weights = uwc_graph_constant_bytes(unit), kernels = count_sizes(images, batch) * uwc_graph_kernel_bytes(unit);
    UWC_TRY(path_bytes(unit, options, run, &paths, &nearest));
    *out = (uwc_recon_need){.batch = batch, .node = -1};
    for (int i = 0; i < unit->n_nodes; i++) {
        if (uwc_op_is_weighted(unit->node[i].op.kind)) {
            int64_t bytes = layer_bytes(unit, &unit->node[i], options, batch);
            if (bytes > out->layer_bytes) {
                out->layer_bytes = bytes;
                out->node = i;
            }
        }
    }
    int64_t last = options->method == UWC_METHOD_NEAREST ? 0 : nearest + weights + kernels;
    out->bytes = paths + 2 * (input_bytes(unit, batch) + weights + kernels) + more(out->layer_bytes, last);
    return UWC_OK;
}
