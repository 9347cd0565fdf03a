/* Small units with random weights, and a stream of images for them that counts, checks and, where asked to, breaks off. */
#ifndef UWC_TEST_RECON_FIXTURE_H
#define UWC_TEST_RECON_FIXTURE_H

#include "graph/graph_fixture.h"

#include <uwc/recon.h>

/* ---- units ---------------------------------------------------------------------------------------------------------------------- */

static inline uwc_graph *finished_unit(uwc_graph *graph, int output) {
    must(uwc_graph_add_output(graph, output));
    must(uwc_graph_finish(graph));
    return graph;
}

static inline uwc_graph *residual_unit(void) {
    uwc_graph *graph = new_graph();
    int x = put_input(graph, "x", uwc_shape_4d(1, 8, 6, 6));
    int a = put_unary(graph, "ra", UWC_OP_RELU, put_conv(graph, "a", x, (conv_form){8, 8, 3, .pad = 1}));
    int b = put_conv(graph, "b", a, (conv_form){8, 8, 3, .pad = 1, .no_bias = true});
    return finished_unit(graph, put_unary(graph, "y", UWC_OP_RELU, put_binary(graph, "sum", UWC_OP_ADD, b, x)));
}

/* Expand, depthwise over 18 channels, project, shortcut. */
static inline uwc_graph *inverted_unit(void) {
    uwc_graph *graph = new_graph();
    int x = put_input(graph, "x", uwc_shape_4d(1, 6, 7, 7));
    int e = put_unary(graph, "re", UWC_OP_CLIP, put_conv(graph, "e", x, (conv_form){6, 18, 1, .pad = 0}));
    int d = put_unary(graph, "rd", UWC_OP_CLIP, put_conv(graph, "d", e, (conv_form){18, 18, 3, .pad = 1, .group = 18}));
    return finished_unit(graph, put_binary(graph, "sum", UWC_OP_ADD, put_conv(graph, "p", d, (conv_form){18, 6, 1, .pad = 0}), x));
}

static inline uwc_graph *head_unit(void) {
    uwc_graph *graph = new_graph();
    int x = put_input(graph, "x", uwc_shape_4d(1, 12, 4, 4)), c = put_conv(graph, "c", x, (conv_form){12, 10, 1, .pad = 0});
    int flat = put_pooled(graph, "flat", put_unary(graph, "rc", UWC_OP_RELU, c), 10);
    return finished_unit(graph, put_linear(graph, "head", flat, 10, 7));
}

/* Two layers into one sum, one of them with stride and groups. */
static inline uwc_graph *joining_unit(void) {
    uwc_graph *graph = new_graph();
    int x = put_input(graph, "x", uwc_shape_4d(1, 8, 8, 8)), p = put_conv(graph, "p", x, (conv_form){8, 12, 1, .stride = 2});
    int q = put_conv(graph, "q", put_unary(graph, "t", UWC_OP_TANH, x), (conv_form){8, 12, 3, .stride = 2, .pad = 1, .group = 2});
    return finished_unit(graph, put_unary(graph, "y", UWC_OP_RELU, put_binary(graph, "sum", UWC_OP_ADD, p, q)));
}

/* The layer that absorbs the sum's error comes first, a branch that is not solved yet joins it. */
static inline uwc_graph *early_unit(void) {
    uwc_graph *graph = new_graph();
    int x = put_input(graph, "x", uwc_shape_4d(1, 6, 6, 6)), a = put_conv(graph, "a", x, (conv_form){6, 6, 3, .pad = 1});
    int b = put_unary(graph, "rb", UWC_OP_RELU, put_conv(graph, "b", x, (conv_form){6, 6, 3, .pad = 1}));
    return finished_unit(graph, put_binary(graph, "sum", UWC_OP_ADD, a, b));
}

/* Two boundary inputs and two outputs. */
static inline uwc_graph *wide_unit(void) {
    uwc_graph *graph = new_graph(), *unit;
    int x = put_input(graph, "x", uwc_shape_4d(1, 5, 6, 6)), t = put_unary(graph, "t", UWC_OP_TANH, x);
    int a = put_conv(graph, "a", x, (conv_form){5, 5, 3, .pad = 1}), sum = put_binary(graph, "sum", UWC_OP_ADD, a, t);
    int b = put_conv(graph, "b", sum, (conv_form){5, 4, 1, .pad = 0});
    must(uwc_graph_add_output(graph, b));
    finished_unit(graph, sum);
    must(uwc_graph_extract(graph, (int[]){1, 2, 3}, 3, (int[]){sum, b}, 2, &unit));
    uwc_graph_destroy(&graph);
    return unit;
}

typedef uwc_graph *unit_maker(void);
static unit_maker *const unit_makers[] = {residual_unit, inverted_unit, head_unit, joining_unit, early_unit, wide_unit};
enum { UNITS = sizeof unit_makers / sizeof unit_makers[0] };

static inline uwc_graph *with_bits(uwc_graph *unit, int weights, int activations) {
    must(uwc_graph_assign_bits(unit, &(uwc_bits){weights, activations, activations == 32 ? weights : activations, false, false}));
    for (int i = 0; i < unit->n_nodes; i++) {
        if (uwc_op_is_weighted(unit->node[i].op.kind)) {
            unit->node[i].weight_bits = weights;
        }
    }
    return unit;
}

/* ---- images ------------------------------------------------------------------------------------------------------------------------ */

enum { MOST_EDGES = 4 };

typedef struct field {
    const uwc_graph *unit;
    int64_t images;
    uwc_tensor *real[MOST_EDGES], *quantized[MOST_EDGES]; /* per input, all images */
    uwc_tensor *written[MOST_EDGES];                      /* per output */
    int64_t next[MOST_EDGES];                             /* image expected by the next write */
    int64_t calls;
    int64_t stop_at; /* the call (of all callbacks) that ends with `stop`; -1: none */
    uwc_status stop;
    char stopped[16]; /* the callback that was stopped */
} field;

/* Rectified mixtures of a few patterns: neighbouring channels and pixels are correlated, as activations are. */
static inline void fill_scene(uwc_tensor *tensor, uint64_t seed) {
    enum { PATTERNS = 6 };
    const int64_t per_image = uwc_shape_per_image(tensor->shape);
    for (int64_t n = 0; n < tensor->shape.dim[0]; n++) {
        for (int64_t i = 0; i < per_image; i++) {
            double value = 0.3 + 0.3 * uwc_rng_normal(seed, 1, (uint64_t)(n * per_image + i));
            for (int64_t k = 0; k < PATTERNS; k++) {
                value +=
                    0.5 * uwc_rng_normal(seed, 2, (uint64_t)(n * PATTERNS + k)) * uwc_rng_normal(seed, 3, (uint64_t)(i * PATTERNS + k));
            }
            tensor->f32[n * per_image + i] = (float)fmax(value, 0);
        }
    }
}

/* `noise`: how far the quantized network's inputs are from the float ones. */
static inline field new_field(const uwc_graph *unit, int64_t images, uint64_t seed, double noise) {
    field own = {.unit = unit, .images = images, .stop_at = -1};
    for (int i = 0; i < unit->n_inputs; i++) {
        must(uwc_tensor_activation(uwc_shape_batch(unit->value[unit->input[i]].shape, images), &own.real[i]));
        fill_scene(own.real[i], seed + (uint64_t)i);
        must(uwc_tensor_copy(own.real[i], &own.quantized[i]));
        for (int64_t k = 0; k < uwc_shape_count(own.real[i]->shape); k++) {
            own.quantized[i]->f32[k] += (float)(noise * uwc_rng_normal(seed, 9 + (uint64_t)i, (uint64_t)k));
        }
    }
    for (int i = 0; i < unit->n_outputs; i++) {
        must(uwc_tensor_activation(uwc_shape_batch(unit->value[unit->output[i]].shape, images), &own.written[i]));
    }
    return own;
}

/* Images from very dark to very bright: sums then depend on their order. */
static inline void spread_brightness(field *own, uint64_t seed) {
    for (int i = 0; i < own->unit->n_inputs; i++) {
        const int64_t per_image = uwc_shape_per_image(own->real[i]->shape);
        for (int64_t k = 0; k < own->images * per_image; k++) {
            float gain = (float)pow(10, 7 * uwc_rng_uniform(seed, 20, (uint64_t)(k / per_image)) - 5);
            own->real[i]->f32[k] *= gain;
            own->quantized[i]->f32[k] *= gain;
        }
    }
}

static inline void free_field(field *own) {
    for (int i = 0; i < MOST_EDGES; i++) {
        uwc_tensor_destroy(&own->real[i]);
        uwc_tensor_destroy(&own->quantized[i]);
        uwc_tensor_destroy(&own->written[i]);
    }
}

static inline uwc_status count_call(field *own, const char *name) {
    if (own->calls++ == own->stop_at) {
        snprintf(own->stopped, sizeof own->stopped, "%s", name);
        return uwc_error_set(own->stop, "stopped in %s", name);
    }
    return UWC_OK;
}

static inline uwc_status field_read(void *self, int input, bool quantized, int64_t first, uwc_tensor *out) {
    field *own = self;
    UWC_TRY(count_call(own, "read"));
    int64_t count = out->shape.dim[0];
    assert_true(input >= 0 && input < own->unit->n_inputs && count > 0 && first >= 0 && first + count <= own->images);
    uwc_tensor part = uwc_tensor_images(quantized ? own->quantized[input] : own->real[input], first, count);
    assert_true(uwc_shape_equal(part.shape, out->shape) && part.layout == out->layout);
    memcpy(out->f32, part.f32, uwc_tensor_bytes(out));
    return UWC_OK;
}

static inline uwc_status field_write(void *self, int output, int64_t first, const uwc_tensor *images) {
    field *own = self;
    UWC_TRY(count_call(own, "write"));
    assert_true(output >= 0 && output < own->unit->n_outputs && first == own->next[output]);
    uwc_tensor part = uwc_tensor_images(own->written[output], first, images->shape.dim[0]);
    assert_true(uwc_shape_equal(part.shape, images->shape) && part.layout == images->layout);
    memcpy(part.f32, images->f32, uwc_tensor_bytes(images));
    own->next[output] = first + images->shape.dim[0];
    return UWC_OK;
}

static inline uwc_status field_poll(void *self) {
    return count_call(self, "poll");
}

static inline uwc_stream stream_of(field *own) {
    return (uwc_stream){.self = own, .images = own->images, .read = field_read, .write = field_write, .poll = field_poll};
}

static inline uwc_recon_options default_options(void) {
    return (uwc_recon_options){.method = UWC_METHOD_SECOND_ORDER,
                               .target = UWC_TARGET_UNIT,
                               .equalise = true,
                               .ridge = 0.01,
                               .damp = 0.01,
                               .seed = 1,
                               .backend = UWC_BACKEND_FAST,
                               .batch_bytes = 64 << 10};
}

static inline uwc_unit_result *reconstruct(const uwc_graph *unit, const uwc_recon_options *options, field *images) {
    uwc_unit_result *result;
    uwc_stream stream = stream_of(images);
    must(uwc_recon_unit(unit, options, &stream, &result));
    return result;
}

static inline void assert_same_results(const uwc_unit_result *a, const uwc_unit_result *b) {
    assert_int_equal(a->n_layers, b->n_layers);
    assert_int_equal(a->n_edges, b->n_edges);
    for (int i = 0; i < a->n_layers; i++) {
        const uwc_weights *v = a->layer[i].weights, *w = b->layer[i].weights;
        assert_string_equal(a->layer[i].node, b->layer[i].node);
        assert_true(v->bits == w->bits && v->rows == w->rows && v->cols == w->cols);
        assert_memory_equal(v->q, w->q, (size_t)(v->rows * v->cols));
        assert_memory_equal(v->scale, w->scale, (size_t)v->rows * sizeof *v->scale);
        assert_memory_equal(v->zero, w->zero, (size_t)v->rows * sizeof *v->zero);
        assert_memory_equal(a->layer[i].bias, b->layer[i].bias, (size_t)v->rows * sizeof(float));
    }
    for (int i = 0; i < a->n_edges; i++) {
        assert_string_equal(a->edge[i].value, b->edge[i].value);
        assert_memory_equal(&a->edge[i].quantizer, &b->edge[i].quantizer, sizeof a->edge[i].quantizer);
    }
    assert_true(a->nmse_before == b->nmse_before);
    assert_true(a->nmse_after == b->nmse_after);
}

#endif
