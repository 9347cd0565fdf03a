/* The second-order picture of a unit (docs/method.md): how much of the error of a change of its weights lies in the blocks of each layer,
 * and how much between layers. With random signs v on the unit's output and g_i = J_i^T v, mean g_i g_j^T = J_i^T J_j. Source: Hutchinson,
 * "A stochastic estimator of the trace of the influence matrix", 1990. */
#include "recon_impl.h"

#include <uwc/gradient.h>

#include <math.h>
#include <string.h>

enum { MOST_BATCH = 4 }; /* images of a pass: each pass gives one sample, so small ones give more of them for the same work */

/* The unit with a change of all weights and biases. */
typedef struct variant {
    uwc_graph *graph; /* activations unquantized */
    uwc_exec *exec;
    double *s;             /* [n_layers] v^T J_i delta_i of the present pass */
    double square, fourth; /* sums over the passes of (v^T J delta)^2 and of its square */
    uwc_change_error *out;
} variant;

typedef struct probe {
    uwc_paths paths;
    uwc_graph *base; /* the float unit, a bias in every layer */
    uwc_gradient *gradient;
    variant changes[UWC_CHANGES];
    int *layer; /* [n_layers] nodes */
    int n_layers;
    uwc_tensor **sign;        /* [n_outputs] */
    const uwc_tensor **other; /* [n_outputs] of a changed unit */
    int64_t images, step, batch;
    double sum, squares, count; /* over the elements of the float outputs */
} probe;

static void drop_quantizers(uwc_graph *graph) {
    for (int v = 0; v < graph->n_values; v++) {
        graph->value[v].quantizer = (uwc_quantizer){0};
    }
}

/* Nearest rounding of every layer, with the float biases. */
static uwc_status round_all(const uwc_graph *unit, uwc_graph *graph) {
    for (int i = 0; i < unit->n_nodes; i++) {
        const uwc_node *node = &unit->node[i];
        uwc_weights *weights;
        float *bias = NULL;
        if (!uwc_op_is_weighted(node->op.kind)) {
            continue;
        }
        UWC_TRY(uwc_recon__nearest_node(unit, i, &weights));
        uwc_status st = uwc_calloc(weights->rows, sizeof *bias, &bias);
        if (st == UWC_OK) {
            if (node->n_in == 3) {
                memcpy(bias, unit->value[node->in[2]].constant->f32, (size_t)weights->rows * sizeof *bias);
            }
            st = uwc_graph_set_quantized(graph, i, weights, bias);
        }
        uwc_weights_destroy(&weights);
        uwc_free(&bias);
        UWC_TRY(st);
    }
    return UWC_OK;
}

/* The float unit with the biases that `rounded` has: zeros where the unit has none. */
static uwc_status make_base(const uwc_graph *unit, const uwc_graph *rounded, uwc_graph **out) {
    UWC_TRY(uwc_graph_copy(rounded, out));
    for (int i = 0; i < unit->n_nodes; i++) {
        const uwc_node *from = &unit->node[i], *to = &(*out)->node[i];
        for (int k = 1; uwc_op_is_weighted(from->op.kind) && k < to->n_in; k++) {
            const size_t bytes = uwc_tensor_bytes((*out)->value[to->in[k]].constant);
            float *x;
            UWC_TRY(uwc_graph_edit(*out, to->in[k], &x));
            if (k < from->n_in) {
                memcpy(x, unit->value[from->in[k]].constant->f32, bytes);
            } else {
                memset(x, 0, bytes);
            }
        }
    }
    return UWC_OK;
}

static uwc_status make_graphs(probe *p, const uwc_unit_result *result) {
    const uwc_graph *unit = p->paths.unit;
    variant *rounded = &p->changes[UWC_CHANGE_NEAREST], *solved = &p->changes[UWC_CHANGE_RESULT];
    UWC_TRY(uwc_graph_copy(unit, &rounded->graph));
    UWC_TRY(round_all(unit, rounded->graph));
    drop_quantizers(rounded->graph);
    UWC_TRY(make_base(unit, rounded->graph, &p->base));
    if (result != NULL) {
        UWC_TRY(uwc_graph_copy(unit, &solved->graph));
        UWC_TRY(uwc_unit_result_apply(result, solved->graph));
        drop_quantizers(solved->graph);
    }
    return UWC_OK;
}

static uwc_status make_outputs(probe *p, uwc_curvature *out) {
    UWC_TRY(uwc_calloc(p->base->n_nodes, sizeof *p->layer, &p->layer));
    UWC_TRY(uwc_calloc(p->base->n_nodes, sizeof *out->layer, &out->layer));
    for (int i = 0; i < p->base->n_nodes; i++) {
        if (uwc_op_is_weighted(p->base->node[i].op.kind)) {
            UWC_TRY(uwc_strdup(p->base->node[i].name, &out->layer[p->n_layers]));
            p->layer[p->n_layers] = i;
            out->n_layers = ++p->n_layers;
        }
    }
    for (int c = 0; c < UWC_CHANGES; c++) {
        variant *change = &p->changes[c];
        change->out = &out->change[c];
        if (change->graph != NULL) {
            UWC_TRY(uwc_calloc((int64_t)p->n_layers * p->n_layers, sizeof *change->out->term, &change->out->term));
            UWC_TRY(uwc_calloc(p->n_layers, sizeof *change->s, &change->s));
        }
    }
    return UWC_OK;
}

static uwc_status open_probe(probe *p, const uwc_graph *unit, const uwc_recon_options *options, const uwc_stream *stream,
                             const uwc_unit_result *result) {
    UWC_TRY(uwc_recon__paths_open(unit, options, stream, &p->paths));
    if (result != NULL && uwc_recon__is_equalised(unit, options)) {
        UWC_TRY(uwc_recon__equalise(&p->paths)); /* as the result was */
    }
    UWC_TRY(make_graphs(p, result));
    const int64_t most = p->paths.batch < MOST_BATCH ? p->paths.batch : MOST_BATCH;
    p->batch = p->images < most ? p->images : most;
    p->step = stream->images / p->images;
    p->images -= p->images % p->batch;
    UWC_TRY(uwc_gradient_create(p->base, p->batch, false, &p->gradient));
    for (int c = 0; c < UWC_CHANGES; c++) {
        if (p->changes[c].graph != NULL) {
            UWC_TRY(uwc_exec_create(p->changes[c].graph, p->batch, options->backend, &p->changes[c].exec));
        }
    }
    UWC_TRY(uwc_calloc(unit->n_outputs, sizeof(uwc_tensor *), &p->sign));
    UWC_TRY(uwc_calloc(unit->n_outputs, sizeof *p->other, &p->other));
    for (int i = 0; i < unit->n_outputs; i++) {
        UWC_TRY(uwc_tensor_activation(uwc_shape_batch(unit->value[unit->output[i]].shape, p->batch), &p->sign[i]));
    }
    return UWC_OK;
}

static void close_probe(probe *p) {
    for (int c = 0; c < UWC_CHANGES; c++) {
        uwc_exec_destroy(&p->changes[c].exec);
        uwc_graph_destroy(&p->changes[c].graph);
        uwc_free(&p->changes[c].s);
    }
    for (int i = 0; p->sign != NULL && i < p->base->n_outputs; i++) {
        uwc_tensor_destroy(&p->sign[i]);
    }
    uwc_free(&p->sign);
    uwc_free(&p->other);
    uwc_free(&p->layer);
    uwc_gradient_destroy(&p->gradient);
    uwc_graph_destroy(&p->base);
    uwc_recon__paths_close(&p->paths);
}

/* ---- one batch ----------------------------------------------------------------------------------------------------------------- */

static void draw_image(uint64_t seed, uint64_t stream, uint64_t base, int64_t count, float *sign) {
    for (int64_t word = 0; 32 * word < count; word++) {
        uint32_t bits = uwc_rng_u32(seed, stream, base + (uint64_t)word);
        for (int64_t i = 32 * word; i < count && i < 32 * (word + 1); i++) {
            sign[i] = (bits & 1) != 0 ? 1 : -1;
            bits >>= 1;
        }
    }
}

/* The signs of an image depend on the seed, the probe and the image alone. */
static void draw_signs(const probe *p, uint64_t seed, uint64_t number, int64_t first) {
    uint64_t base = 0; /* words of the outputs before */
    for (int o = 0; o < p->base->n_outputs; o++) {
        const int64_t per_image = uwc_shape_per_image(p->sign[o]->shape);
        for (int64_t n = 0; n < p->batch; n++) {
            draw_image(seed, number << 32 | (uint64_t)(first + n * p->step), base, per_image, p->sign[o]->f32 + n * per_image);
        }
        base += (uint64_t)(per_image + 31) / 32;
    }
}

/* Of the gradient by a constant and the change of this constant. */
static double inner_product(const float *gradient, const float *changed, const float *base, int64_t count) {
    double sum = 0;
    for (int64_t i = 0; i < count; i++) {
        sum += (double)gradient[i] * ((double)changed[i] - (double)base[i]);
    }
    return sum;
}

/* Cross terms of different images of the batch vanish in the mean, as their signs are independent. */
static void add_sample(const probe *p, variant *change) {
    double sum = 0;
    for (int i = 0; i < p->n_layers; i++) {
        const uwc_node *base = &p->base->node[p->layer[i]], *changed = &change->graph->node[p->layer[i]];
        change->s[i] = 0;
        for (int k = 1; k < base->n_in; k++) {
            const uwc_tensor *gradient = uwc_gradient_by(p->gradient, base->in[k]);
            change->s[i] += inner_product(gradient->f32, change->graph->value[changed->in[k]].constant->f32,
                                          p->base->value[base->in[k]].constant->f32, uwc_shape_count(gradient->shape));
        }
        sum += change->s[i];
    }
    for (int i = 0; i < p->n_layers; i++) {
        for (int j = 0; j < p->n_layers; j++) {
            change->out->term[i * p->n_layers + j] += change->s[i] * change->s[j];
        }
    }
    change->square += sum * sum;
    change->fourth += sum * sum * sum * sum;
}

static void add_outputs(probe *p) {
    for (int o = 0; o < p->base->n_outputs; o++) {
        const uwc_tensor *real = uwc_gradient_value(p->gradient, p->base->output[o]);
        for (int64_t i = 0; i < uwc_shape_count(real->shape); i++) {
            p->sum += (double)real->f32[i];
            p->squares += (double)real->f32[i] * (double)real->f32[i];
        }
        p->count += (double)uwc_shape_count(real->shape);
    }
}

static uwc_status measure(probe *p, variant *change) {
    UWC_TRY(uwc_recon__paths_run(&p->paths, change->exec, false, change->graph->output, change->graph->n_outputs, p->other));
    for (int o = 0; o < p->base->n_outputs; o++) {
        const uwc_tensor *real = uwc_gradient_value(p->gradient, p->base->output[o]);
        for (int64_t i = 0; i < uwc_shape_count(real->shape); i++) {
            const double difference = (double)p->other[o]->f32[i] - (double)real->f32[i];
            change->out->measured += difference * difference;
        }
    }
    return UWC_OK;
}

static uwc_status probe_batch(probe *p, int64_t first, int probes, uint64_t seed) {
    UWC_TRY(uwc_recon__paths_load(&p->paths, (uwc_images){first, p->step, p->batch}, true, false));
    UWC_TRY(uwc_gradient_forward(p->gradient, p->paths.feed_float, NULL));
    add_outputs(p);
    for (int c = 0; c < UWC_CHANGES; c++) {
        if (p->changes[c].graph != NULL) {
            UWC_TRY(measure(p, &p->changes[c]));
        }
    }
    for (int k = 0; k < probes; k++) {
        draw_signs(p, seed, (uint64_t)k, first);
        UWC_TRY(uwc_gradient_backward(p->gradient, (const uwc_tensor *const *)p->sign));
        for (int c = 0; c < UWC_CHANGES; c++) {
            if (p->changes[c].graph != NULL) {
                add_sample(p, &p->changes[c]);
            }
        }
    }
    return UWC_OK;
}

/* ---- the whole ------------------------------------------------------------------------------------------------------------------- */

/* Sums to what the error of a unit is given in. */
static void finish(const probe *p, int probes, variant *change) {
    const double mean = p->sum / p->count, variance = fmax(p->squares / p->count - mean * mean, 1e-30);
    const double samples = (double)(p->images / p->batch) * probes, part = 1 / (p->count * variance);
    for (int i = 0; i < p->n_layers * p->n_layers; i++) {
        change->out->term[i] *= part / probes;
    }
    change->out->measured *= part;
    const double one = change->square / samples, spread = fmax(change->fourth / samples - one * one, 0);
    change->out->noise = sqrt(spread / samples) * (double)(p->images / p->batch) * part;
}

uwc_status uwc_recon_curvature(const uwc_graph *unit, const uwc_recon_options *options, const uwc_stream *stream,
                               const uwc_unit_result *result, int64_t images, int probes, uwc_curvature **out) {
    *out = NULL;
    UWC_CHECK(stream->images > 0 && images > 0 && probes > 0, UWC_E_ARG, "curvature of no images or without probes");
    UWC_CHECK(uwc_gradient_exists(unit), UWC_E_UNSUPPORTED, "an operator of the unit has no gradient");
    probe p = {.images = images < stream->images ? images : stream->images};
    uwc_curvature *curvature = NULL;
    uwc_status st;
    UWC_TRY_GOTO(st, uwc_calloc(1, sizeof *curvature, &curvature), done);
    UWC_TRY_GOTO(st, open_probe(&p, unit, options, stream, result), done);
    UWC_TRY_GOTO(st, make_outputs(&p, curvature), done);
    for (int64_t at = 0; at < p.images; at += p.batch) {
        UWC_TRY_GOTO(st, probe_batch(&p, at * p.step, probes, options->seed), done);
    }
    for (int c = 0; c < UWC_CHANGES; c++) {
        if (p.changes[c].graph != NULL) {
            finish(&p, probes, &p.changes[c]);
        }
    }
    *out = curvature;
    curvature = NULL;
done:
    uwc_curvature_destroy(&curvature);
    close_probe(&p);
    return st;
}

void uwc_curvature_destroy(uwc_curvature **out) {
    uwc_curvature *curvature = *out;
    if (curvature == NULL) {
        return;
    }
    for (int i = 0; i < curvature->n_layers; i++) {
        uwc_free(&curvature->layer[i]);
    }
    uwc_free(&curvature->layer);
    for (int c = 0; c < UWC_CHANGES; c++) {
        uwc_free(&curvature->change[c].term);
    }
    uwc_free(out);
}

/* Over the blocks of layers [from, end) with layers [other, other_end). */
static double block_sum(const uwc_curvature *curvature, uwc_change which, int from, int end, int other, int other_end) {
    double sum = 0;
    for (int i = from; i < end; i++) {
        for (int j = other; j < other_end; j++) {
            sum += curvature->change[which].term[i * curvature->n_layers + j];
        }
    }
    return sum;
}

double uwc_curvature_diagonal(const uwc_curvature *curvature, uwc_change which) {
    double sum = 0;
    for (int i = 0; i < curvature->n_layers; i++) {
        sum += curvature->change[which].term[i * curvature->n_layers + i];
    }
    return sum;
}

double uwc_curvature_total(const uwc_curvature *curvature, uwc_change which) {
    return block_sum(curvature, which, 0, curvature->n_layers, 0, curvature->n_layers);
}

double uwc_curvature_interaction(const uwc_curvature *curvature, uwc_change which, int split) {
    const int n = curvature->n_layers;
    const double first = block_sum(curvature, which, 0, split, 0, split);
    const double second = block_sum(curvature, which, split, n, split, n);
    const double between = block_sum(curvature, which, 0, split, split, n);
    return first > 0 && second > 0 ? fabs(between) / sqrt(first * second) : 0;
}
