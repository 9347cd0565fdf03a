/* Equalisation of channels inside a unit: where a layer's output reaches one other layer alone, through operators that commute with
 * positive factors, the channels of the activation between them are stretched to the same range, which one step for the whole tensor then
 * serves alike; the second layer's weights are divided by the same factors. The unit computes what it computed before. The second layer is
 * depthwise: each of its channels has a step of its own, so that its weights lose nothing, which those of a dense layer do
 * (docs/results.md). Source: Nagel, van Baalen, Blankevoort, Welling, "Data-Free Quantization Through Weight Equalization and Bias
 * Correction", ICCV 2019, section 4.1; here the ranges are measured, and the bound of a Clip is kept, so channels behind it are only
 * stretched as far as it allows. */
#include "recon_impl.h"

#include <math.h>

/* Layers `from` and `to` (nodes), and the activation that `to` reads. */
typedef struct link {
    int from, to, value;
    float bound;   /* of the Clip on the way, or INFINITY */
    bool averaged; /* the activation is a mean of what comes before */
} link;

static bool commutes(const uwc_op *op, link *way) {
    switch (op->kind) {
    case UWC_OP_RELU:
    case UWC_OP_MAX_POOL:
        return true;
    case UWC_OP_AVERAGE_POOL:
    case UWC_OP_GLOBAL_AVERAGE_POOL:
        way->averaged = true;
        return true;
    case UWC_OP_CLIP: /* the range of means does not tell how near to the bound its numbers come */
        way->bound = fminf(way->bound, op->high);
        return op->low == 0 && op->high > 0 && !way->averaged;
    default:
        return false;
    }
}

/* Every input channel has rows of its own. */
static bool is_depthwise(const uwc_graph *unit, const uwc_node *node) {
    return node->op.kind == UWC_OP_CONV && node->op.group > 1 && unit->value[node->in[1]].shape.dim[1] == 1;
}

/* No other node reads its weights and bias. */
static bool owns_constants(const uwc_graph *unit, int node) {
    for (int k = 1; k < unit->node[node].n_in; k++) {
        if (uwc_recon__only_reader(unit, unit->node[node].in[k]) != node) {
            return false;
        }
    }
    return true;
}

static bool find_link(const uwc_graph *unit, int to, link *out) {
    *out = (link){.to = to, .value = unit->node[to].in[0], .bound = INFINITY};
    if (!is_depthwise(unit, &unit->node[to]) || unit->value[out->value].activation_bits == 0) {
        return false;
    }
    for (int value = out->value, reader = to;;) {
        int node = unit->value[value].producer;
        if (node < 0 || uwc_recon__only_reader(unit, value) != reader) {
            return false;
        }
        if (unit->node[node].op.kind == UWC_OP_CONV) {
            out->from = node;
            return owns_constants(unit, node) && owns_constants(unit, to);
        }
        if (!commutes(&unit->node[node].op, out)) {
            return false;
        }
        value = unit->node[node].in[0];
        reader = node;
    }
}

/* top[c] = the largest magnitude of each channel, and of what it held. */
static void channel_tops(const uwc_tensor *x, int64_t channels, double *top) {
    int64_t count = uwc_shape_count(x->shape);
    for (int64_t i = 0; i < count; i += channels) {
        for (int64_t c = 0; c < channels; c++) {
            top[c] = fmax(top[c], fabs((double)x->f32[i + c]));
        }
    }
}

/* tops [UWC_SHARDS][channels] of the float path. */
static uwc_status measure(uwc_paths *p, int value, int64_t channels, double *tops) {
    int first, end;
    uwc_recon__my_shards(p->stream, &first, &end);
    for (int shard = first; shard < end; shard++) {
        uwc_images images = uwc_recon__images(p->stream, shard, UWC_LOOK_IMAGES);
        for (int64_t at = 0; at < images.count; at += p->batch) {
            const uwc_tensor *x;
            UWC_TRY(uwc_recon__paths_load(p, uwc_recon__images_part(images, at, p->batch), true, false));
            UWC_TRY(uwc_recon__paths_run(p, p->run_float, false, &value, 1, &x));
            channel_tops(x, channels, tops + shard * channels);
        }
    }
    return uwc_recon__combine(p->stream, tops, UWC_SHARDS * channels);
}

static uwc_status scale_layers(uwc_graph *graph, const link *l, const double *factor) {
    const uwc_node *from = &graph->node[l->from], *to = &graph->node[l->to];
    const uwc_shape a = graph->value[from->in[1]].shape, b = graph->value[to->in[1]].shape;
    float *rows, *cols, *bias = NULL;
    UWC_TRY(uwc_graph_edit(graph, from->in[1], &rows));
    UWC_TRY(uwc_graph_edit(graph, to->in[1], &cols));
    if (from->n_in == 3) {
        UWC_TRY(uwc_graph_edit(graph, from->in[2], &bias));
    }
    const int64_t inputs = uwc_shape_per_image(a), area = b.dim[2] * b.dim[3], group_rows = b.dim[0] / to->op.group;
    for (int64_t c = 0; c < a.dim[0]; c++) {
        for (int64_t i = 0; i < inputs; i++) {
            rows[c * inputs + i] = (float)((double)rows[c * inputs + i] * factor[c]);
        }
        if (bias != NULL) {
            bias[c] = (float)((double)bias[c] * factor[c]);
        }
    }
    for (int64_t o = 0; o < b.dim[0]; o++) {
        for (int64_t k = 0; k < area; k++) {
            cols[o * area + k] = (float)((double)cols[o * area + k] / factor[o / group_rows]);
        }
    }
    return UWC_OK;
}

static void choose_factors(const link *l, int64_t channels, const double *tops, double *factor) {
    const double MOST = 32;
    double range = 0;
    for (int64_t c = 0; c < channels; c++) {
        factor[c] = 0;
        for (int shard = 0; shard < UWC_SHARDS; shard++) {
            factor[c] = fmax(factor[c], tops[shard * channels + c]);
        }
        range = fmax(range, factor[c]);
    }
    range = isfinite(l->bound) ? (double)l->bound : range;
    for (int64_t c = 0; c < channels; c++) {
        factor[c] = factor[c] > 0 ? fmin(range / factor[c], MOST) : 1;
    }
}

static uwc_status equalise_link(uwc_paths *p, const link *l) {
    const int64_t channels = p->unit->value[l->value].shape.dim[1];
    double *tops = NULL, *factor = NULL;
    uwc_status st;
    UWC_TRY_GOTO(st, uwc_calloc(UWC_SHARDS * channels, sizeof *tops, &tops), done);
    UWC_TRY_GOTO(st, uwc_calloc(channels, sizeof *factor, &factor), done);
    UWC_TRY_GOTO(st, measure(p, l->value, channels, tops), done);
    choose_factors(l, channels, tops, factor);
    UWC_TRY_GOTO(st, scale_layers(p->real, l, factor), done);
    UWC_TRY_GOTO(st, scale_layers(p->quantized, l, factor), done);
    UWC_TRY_GOTO(st, uwc_exec_refresh(p->run_float, -1), done);
    st = uwc_exec_refresh(p->run_quantized, -1);
done:
    uwc_free(&tops);
    uwc_free(&factor);
    return st;
}

bool uwc_recon__is_equalised(const uwc_graph *unit, const uwc_recon_options *options) {
    link l;
    bool found = false;
    for (int i = 0; i < unit->n_nodes; i++) {
        found = found || find_link(unit, i, &l);
    }
    return found && options->equalise && options->method != UWC_METHOD_NEAREST;
}

uwc_status uwc_recon__equalise(uwc_paths *p) {
    for (int i = 0; i < p->unit->n_nodes; i++) {
        link l;
        if (find_link(p->unit, i, &l)) {
            UWC_TRY(uwc_error_note(equalise_link(p, &l), "layer %s", p->unit->node[i].name));
        }
    }
    return UWC_OK;
}
