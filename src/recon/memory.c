/* What a reconstruction takes, from shapes alone: the same buffers as in paths.c, step.c, gather.c, second_order.c, learner.c
 * and errors.c. */
#include "large.h"

#include <uwc/gradient.h>

/* Sums alive at the worst moment of gathering: the finished folds, and of the last one half its tree and two of its shards. */
enum { PARTIALS = UWC_FOLDS - 1 + 3 };
_Static_assert(UWC_FOLD_SHARDS == 4, "PARTIALS is for a tree over four shards");

static int64_t more(int64_t a, int64_t b) {
    return a > b ? a : b;
}

/* One reconstruction, tried without data. */
typedef struct trial {
    const uwc_graph *unit;
    const uwc_recon_options *options;
    int64_t images, batch;
    int members;
    uwc_exec *real, *quantized, *nearest;
    int *fetch;
} trial;

static uwc_status open_trial(const uwc_graph *unit, const uwc_recon_options *options, int64_t images, int members, trial *t) {
    *t = (trial){.unit = unit, .options = options, .images = images, .members = members, .batch = uwc_recon__batch(unit, options)};
    UWC_TRY(uwc_exec_create_dry(unit, t->batch, false, &t->real));
    UWC_TRY(uwc_exec_create_dry(unit, t->batch, true, &t->quantized));
    UWC_TRY(uwc_exec_create_dry(unit, t->batch, true, &t->nearest));
    return uwc_calloc(unit->n_values, sizeof *t->fetch, &t->fetch);
}

static void close_trial(trial *t) {
    uwc_exec_destroy(&t->real);
    uwc_exec_destroy(&t->quantized);
    uwc_exec_destroy(&t->nearest);
    uwc_free(&t->fetch);
}

/* A path on the batches of a pass over `most` images: those of the largest shard and of the smallest one. */
static uwc_status run_batches(const trial *t, uwc_exec *exec, int64_t most, int64_t batch, const int *fetch, int n) {
    const uwc_stream stream = {.images = t->images};
    for (int shard = 0; shard < UWC_SHARDS; shard += UWC_SHARDS - 1) {
        const int64_t count = uwc_recon__images(&stream, shard, most).count, first = count < batch ? count : batch;
        if (first > 0) {
            UWC_TRY(uwc_exec_run_dry(exec, first, t->unit->input, t->unit->n_inputs, fetch, n));
        }
        if (count % batch > 0) {
            UWC_TRY(uwc_exec_run_dry(exec, count % batch, t->unit->input, t->unit->n_inputs, fetch, n));
        }
    }
    return UWC_OK;
}

static uwc_status run_pass(const trial *t, uwc_exec *exec, int64_t most, const int *fetch, int n) {
    return run_batches(t, exec, most, t->batch, fetch, n);
}

static void geometry_of(const trial *t, const uwc_node *node, uwc_geometry *out) {
    const uwc_value *value = t->unit->value;
    uwc_recon__geometry(&node->op, value[node->in[0]].shape, value[node->in[1]].shape, value[node->out].shape, out);
}

static uwc_sample sample_of(const trial *t, const uwc_geometry *g) {
    return uwc_recon__sample(t->options->positions, t->images, g->images * g->out_height * g->out_width);
}

/* Images of a layer's batches. */
static int64_t layer_batch(const trial *t, const uwc_geometry *g) {
    const uwc_stream stream = {.images = t->images};
    const int64_t most = uwc_recon__images(&stream, 0, sample_of(t, g).images).count;
    return uwc_recon__is_large(t->options, g) ? uwc_recon__large_batch(g, most, t->batch) : t->batch;
}

/* Both paths for the statistics of a layer, and the quantized one for its step. */
static uwc_status run_layer(trial *t, int index) {
    const uwc_node *node = &t->unit->node[index];
    uwc_geometry g;
    uwc_aim aim;
    int n = 0;
    geometry_of(t, node, &g);
    const int64_t images = sample_of(t, &g).images;
    UWC_TRY(run_pass(t, t->quantized, UWC_LOOK_IMAGES, node->in, 1));
    UWC_TRY(uwc_recon__aim(t->unit, index, t->options->target, &aim));
    t->fetch[n++] = node->in[0];
    for (int i = 0; i < aim.n_others; i++) {
        if (!aim.other_float[i]) {
            t->fetch[n++] = aim.other[i];
        }
    }
    uwc_recon__aim_clear(&aim);
    UWC_TRY(run_batches(t, t->real, images, layer_batch(t, &g), t->fetch, n));
    return run_batches(t, t->quantized, images, layer_batch(t, &g), t->fetch, n);
}

/* Images of a batch of the descent, 0: there is none. */
static int64_t learning_batch(const trial *t) {
    const bool learns = uwc_recon__learns_layers(t->options->method) || uwc_recon__learns_units(t->options->method);
    return learns ? UWC_LEARN_BATCH : uwc_recon__adapts(t->unit, t->options) ? uwc_recon__adapt_images(t->options, t->batch) : 0;
}

/* The float path for the targets of an iteration, and both for the inputs of a layer that learns by itself. */
static uwc_status run_learning(trial *t) {
    const uwc_graph *unit = t->unit;
    const int64_t images = learning_batch(t), most = images < t->batch ? images : t->batch, rest = images % most;
    UWC_TRY(uwc_exec_run_dry(t->real, most, unit->input, unit->n_inputs, unit->output, unit->n_outputs));
    if (rest > 0) {
        UWC_TRY(uwc_exec_run_dry(t->real, rest, unit->input, unit->n_inputs, unit->output, unit->n_outputs));
    }
    if (uwc_recon__learns_layers(t->options->method)) {
        UWC_TRY(uwc_exec_run_dry(t->real, 1, unit->input, unit->n_inputs, unit->output, unit->n_outputs));
        UWC_TRY(uwc_exec_run_dry(t->quantized, 1, unit->input, unit->n_inputs, unit->output, unit->n_outputs));
    }
    return UWC_OK;
}

static uwc_status run_unit(trial *t) {
    const uwc_graph *unit = t->unit;
    const bool nearest = t->options->method == UWC_METHOD_NEAREST;
    for (int i = 0; i < unit->n_nodes && t->options->method == UWC_METHOD_SECOND_ORDER; i++) {
        if (uwc_op_is_weighted(unit->node[i].op.kind)) {
            UWC_TRY(run_layer(t, i));
        }
    }
    if (learning_batch(t) > 0) {
        UWC_TRY(run_learning(t));
    }
    UWC_TRY(run_pass(t, t->quantized, t->images, unit->output, unit->n_outputs));
    UWC_TRY(run_pass(t, t->real, UWC_LOOK_IMAGES, unit->output, unit->n_outputs));
    return nearest ? UWC_OK : run_pass(t, t->nearest, UWC_LOOK_IMAGES, unit->output, unit->n_outputs);
}

/* Beside the paths, while a layer is worked on: its sums and what makes them, the choice of its ridge, its solution. */
static int64_t layer_bytes(const trial *t, const uwc_node *node) {
    const int64_t real = (int64_t)sizeof(float), wide = (int64_t)sizeof(double);
    uwc_geometry g;
    geometry_of(t, node, &g);
    if (uwc_recon__is_large(t->options, &g)) {
        const int64_t own = uwc_recon__large_bytes(&g, sample_of(t, &g), layer_batch(t, &g), t->batch, t->members);
        return more(uwc_recon__choose_quantizer_bytes(), own);
    }
    const int64_t n = g.cols, order = n + 1, weights = g.groups * g.rows * order, own = wide * g.rows * order;
    const int64_t sums = uwc_recon__statistics_bytes(&g);
    if (t->options->method != UWC_METHOD_SECOND_ORDER) {
        return 2 * weights + uwc_recon__choose_quantizer_bytes();
    }
    int64_t in = uwc_shape_count(t->unit->value[node->in[0]].shape), out = uwc_shape_count(t->unit->value[node->out].shape);
    int64_t rows = t->batch * (real * (in + out) + wide * sample_of(t, &g).positions);
    int64_t gather = wide * weights + rows + uwc_recon__outputs_bytes(&g, sample_of(t, &g).positions > 0) + uwc_recon__scratch_bytes(&g) +
                     PARTIALS * sums;
    int64_t ridge = wide * weights + UWC_FOLDS * sums + uwc_recon__choose_ridge_bytes(g.rows, n);
    int64_t metric = (wide + 2 * real) * n * n, round = 2 * real * n * n + uwc_recon__round_rows_bytes(g.rows, n);
    int64_t solve = wide * weights + sums + 2 * own + more(wide * order * order, more(metric, round));
    return 2 * weights + more(uwc_recon__choose_quantizer_bytes(), more(gather, more(ridge, solve)));
}

static int64_t input_bytes(const trial *t) {
    int64_t count = 0;
    for (int i = 0; i < t->unit->n_inputs; i++) {
        count += uwc_shape_count(t->unit->value[t->unit->input[i]].shape);
    }
    return 2 * count * t->batch * (int64_t)sizeof(float);
}

/* Of the descent: of all layers at once, or of the one that needs most. */
static uwc_status learning_bytes(const trial *t, int64_t *out) {
    *out = 0;
    if (learning_batch(t) > 0 && !uwc_recon__learns_layers(t->options->method)) {
        return uwc_recon__learn_bytes(t->unit, learning_batch(t), out);
    }
    for (int i = 0; i < t->unit->n_nodes && uwc_recon__learns_layers(t->options->method); i++) {
        uwc_graph *section;
        int64_t bytes = 0;
        if (!uwc_op_is_weighted(t->unit->node[i].op.kind)) {
            continue;
        }
        UWC_TRY(uwc_recon__section_graph(t->unit, i, &section));
        uwc_status st = uwc_recon__learn_bytes(section, UWC_LEARN_BATCH, &bytes);
        uwc_graph_destroy(&section);
        UWC_TRY(st);
        *out = more(*out, bytes);
    }
    return UWC_OK;
}

static bool is_spread(const trial *t, const uwc_node *node) {
    uwc_geometry g;
    geometry_of(t, node, &g);
    return uwc_recon__is_large(t->options, &g);
}

/* Inputs of a layer that a lower limit would spread. */
static int64_t could_spread(const trial *t, const uwc_node *node) {
    uwc_recon_options lower = *t->options;
    uwc_geometry g;
    geometry_of(t, node, &g);
    lower.distribute_above = g.cols - 1;
    return uwc_recon__is_large(&lower, &g) && !is_spread(t, node) ? g.cols : 0;
}

static uwc_status add_bytes(const trial *t, uwc_recon_need *out) {
    int64_t learning;
    UWC_TRY(learning_bytes(t, &learning));
    const int64_t weights = uwc_graph_constant_bytes(t->unit);
    const bool nearest = t->options->method == UWC_METHOD_NEAREST, adapts = uwc_recon__adapts(t->unit, t->options);
    int64_t solved = adapts ? weights : 0, most = 0; /* constants that the quantized path has for itself; they and a layer */
    *out = (uwc_recon_need){.batch = t->batch, .node = -1};
    for (int i = 0; i < t->unit->n_nodes; i++) {
        const uwc_node *node = &t->unit->node[i];
        if (!uwc_op_is_weighted(node->op.kind)) {
            continue;
        }
        const int64_t bytes = layer_bytes(t, node);
        out->spreads = out->spreads || is_spread(t, node);
        if (bytes > out->layer_bytes) {
            out->layer_bytes = bytes;
            out->could_spread = could_spread(t, node);
            out->node = i;
        }
        most = more(most, solved + bytes);
        solved += adapts ? 0 : (int64_t)uwc_tensor_bytes(t->unit->value[node->in[1]].constant);
    }
    int64_t paths = uwc_exec_bytes(t->real) + uwc_exec_bytes(t->quantized) + input_bytes(t);
    int64_t kernels = uwc_exec_kernel_bytes(t->real) + uwc_exec_kernel_bytes(t->quantized);
    int64_t adapted = adapts ? weights + uwc_exec_bytes(t->quantized) + uwc_exec_kernel_bytes(t->quantized) : 0;
    int64_t equalised = uwc_recon__is_equalised(t->unit, t->options) ? weights : 0;
    int64_t own = uwc_recon__learns_layers(t->options->method) ? paths + kernels : 0; /* of a layer's section */
    int64_t last = weights + (nearest ? 0 : weights + uwc_exec_bytes(t->nearest) + uwc_exec_kernel_bytes(t->nearest));
    int64_t integers = weights / 2; /* of two */
    out->bytes = paths + kernels + equalised + adapted + integers + more(more(most, weights + own + learning), last);
    return UWC_OK;
}

uwc_status uwc_recon_memory(const uwc_graph *unit, const uwc_recon_options *options, int64_t images, int members, uwc_recon_need *out) {
    trial t;
    UWC_CHECK(!uwc_recon__learns_units(options->method) || uwc_gradient_exists(unit), UWC_E_UNSUPPORTED,
              "an operator without gradient: the methods brecq and qdrop cannot learn through it");
    uwc_status st = open_trial(unit, options, images, members, &t);
    if (st == UWC_OK) {
        st = run_unit(&t);
    }
    if (st == UWC_OK) {
        st = add_bytes(&t, out);
    }
    close_trial(&t);
    return st;
}
