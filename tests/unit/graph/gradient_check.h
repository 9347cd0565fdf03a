/* Gradients of a graph against central differences. The graph is evaluated node by node by the reference operators, with what is not
 * differentiable held as it is at the point in question: the level of a rounded value, the side of a kink that a value lies on, which
 * values were dropped. That makes the straight-through gradient the derivative of an ordinary function. */
#ifndef GRADIENT_CHECK_H
#define GRADIENT_CHECK_H

#include "graph_fixture.h"
#include "gradient_impl.h"

enum { CHECK_VALUES = 40, CHECK_IMAGES = 2, CHECK_OUTPUTS = 4 };
static const double CHECK_STEP = 1.0 / 256;

typedef struct gradient_check {
    uwc_graph *graph;
    uwc_tensor *x;
    uwc_tensor *base[CHECK_VALUES];                       /* values at the point */
    uwc_tensor *value[CHECK_VALUES];                      /* beside it */
    double scale_by[CHECK_VALUES], zero_by[CHECK_VALUES]; /* steps and zero points are that much larger */
    uint8_t *kept[CHECK_VALUES];                          /* borrowed; NULL: nothing was dropped */
    uwc_tensor *weight[CHECK_OUTPUTS];                    /* the scalar is sum(weight out) over the outputs */
} gradient_check;

static inline bool check_edge_quantized(const uwc_graph *graph, const uwc_node *node, int k) {
    bool acts = graph->quantize_all || (k == 0 && uwc_op_is_weighted(node->op.kind));
    return acts && graph->value[node->in[k]].constant == NULL && graph->value[node->in[k]].quantizer.bits > 0;
}

/* Element i of value v as an edge that is quantized sees it. */
static inline float check_quantized(const gradient_check *c, int v, int64_t i) {
    const uwc_quantizer *quantizer = &c->graph->value[v].quantizer;
    const float x = c->value[v]->f32[i], x0 = c->base[v]->f32[i];
    const double scale = (double)quantizer->scale, level = rint((double)(x0 / quantizer->scale));
    const double least = -quantizer->zero, most = least + (1 << quantizer->bits) - 1;
    if (c->kept[v] != NULL && c->kept[v][i] != 0) {
        return x;
    }
    if (level < least || level > most) {
        return (float)((scale + c->scale_by[v]) * ((level < least ? least : most) - c->zero_by[v]));
    }
    return (float)((double)x + (scale * level - (double)x0) + (level - (double)x0 / scale) * c->scale_by[v]);
}

static inline bool has_kinks(const uwc_op *op) {
    return op->kind == UWC_OP_RELU || op->kind == UWC_OP_CLIP;
}

static inline void evaluate_node(gradient_check *c, int index) {
    const uwc_node *node = &c->graph->node[index];
    const uwc_tensor *constant[5], *in[5];
    uwc_tensor *edge[5] = {NULL}, *out = c->value[node->out];
    uwc_shape shape[5];
    for (int k = 0; k < node->n_in; k++) {
        const int v = node->in[k];
        constant[k] = c->graph->value[v].constant;
        in[k] = constant[k] != NULL ? constant[k] : c->value[v];
        shape[k] = in[k]->shape;
        if (check_edge_quantized(c->graph, node, k)) {
            must(uwc_tensor_activation(shape[k], &edge[k]));
            for (int64_t i = 0; i < uwc_shape_count(shape[k]); i++) {
                edge[k]->f32[i] = check_quantized(c, v, i);
            }
            in[k] = edge[k];
        }
    }
    if (has_kinks(&node->op) && c->base[node->out] != out) {
        const uwc_tensor *y0 = c->base[node->out];
        for (int64_t i = 0; i < uwc_shape_count(out->shape); i++) {
            bool flat = y0->f32[i] <= 0 || (node->op.kind == UWC_OP_CLIP && y0->f32[i] >= node->op.high);
            out->f32[i] = flat ? y0->f32[i] : in[0]->f32[i];
        }
    } else {
        uwc_kernel *kernel;
        must(uwc_kernel_create(&node->op, shape, constant, node->n_in, out->shape, UWC_BACKEND_REFERENCE, &kernel));
        must(uwc_kernel_run(kernel, in, out));
        uwc_kernel_destroy(&kernel);
    }
    for (int k = 0; k < node->n_in; k++) {
        uwc_tensor_destroy(&edge[k]);
    }
}

static inline void evaluate_all(gradient_check *c) {
    memcpy(c->value[c->graph->input[0]]->f32, c->x->f32, uwc_tensor_bytes(c->x));
    for (int i = 0; i < c->graph->n_nodes; i++) {
        evaluate_node(c, i);
    }
}

/* At the point itself: the base. kept (or NULL): masks of the forward pass that is checked. */
static inline void check_base(gradient_check *c, uint8_t *const *kept) {
    for (int v = 0; v < c->graph->n_values; v++) {
        c->kept[v] = kept == NULL ? NULL : kept[v];
        uwc_tensor_destroy(&c->base[v]);
    }
    uwc_tensor *beside[CHECK_VALUES];
    memcpy(beside, c->value, sizeof beside);
    for (int v = 0; v < c->graph->n_values; v++) {
        if (c->graph->value[v].constant == NULL) {
            must(uwc_tensor_activation(uwc_shape_batch(c->graph->value[v].shape, CHECK_IMAGES), &c->base[v]));
        }
    }
    memcpy(c->value, c->base, sizeof beside);
    evaluate_all(c);
    memcpy(c->value, beside, sizeof beside);
}

/* `graph` is adopted. */
static inline void check_open(gradient_check *c, uwc_graph *graph) {
    *c = (gradient_check){.graph = graph};
    assert_true(graph->n_values <= CHECK_VALUES && graph->n_outputs <= CHECK_OUTPUTS);
    c->x = random_images(graph->value[graph->input[0]].shape, CHECK_IMAGES, 5);
    for (int v = 0; v < graph->n_values; v++) {
        if (graph->value[v].constant == NULL) {
            must(uwc_tensor_activation(uwc_shape_batch(graph->value[v].shape, CHECK_IMAGES), &c->value[v]));
        }
    }
    for (int i = 0; i < graph->n_outputs; i++) {
        c->weight[i] = random_images(graph->value[graph->output[i]].shape, CHECK_IMAGES, 100 + (uint64_t)i);
    }
    check_base(c, NULL);
}

static inline void check_close(gradient_check *c) {
    for (int v = 0; v < CHECK_VALUES; v++) {
        uwc_tensor_destroy(&c->base[v]);
        uwc_tensor_destroy(&c->value[v]);
    }
    for (int i = 0; i < CHECK_OUTPUTS; i++) {
        uwc_tensor_destroy(&c->weight[i]);
    }
    uwc_tensor_destroy(&c->x);
    uwc_graph_destroy(&c->graph);
}

static inline double check_scalar(gradient_check *c) {
    double sum = 0;
    evaluate_all(c);
    for (int k = 0; k < c->graph->n_outputs; k++) {
        const uwc_tensor *out = c->value[c->graph->output[k]], *base = c->base[c->graph->output[k]];
        for (int64_t i = 0; i < uwc_shape_count(out->shape); i++) { /* less a constant: small numbers are more precise */
            sum += (double)c->weight[k]->f32[i] * ((double)out->f32[i] - (double)base->f32[i]);
        }
    }
    return sum;
}

/* The two runs and what lies between. */
static inline double check_slope_float(gradient_check *c, float *parameter) {
    const float kept = *parameter, above = kept + (float)CHECK_STEP, below = kept - (float)CHECK_STEP;
    *parameter = above;
    double sum = check_scalar(c);
    *parameter = below;
    sum -= check_scalar(c);
    *parameter = kept;
    return sum / ((double)above - (double)below);
}

static inline double check_slope(gradient_check *c, double *parameter) {
    *parameter = CHECK_STEP;
    double sum = check_scalar(c);
    *parameter = -CHECK_STEP;
    sum -= check_scalar(c);
    *parameter = 0;
    return sum / (2 * CHECK_STEP);
}

/* `error`: part of the tensor's largest gradient. */
static inline void check_tensor_gradient(gradient_check *c, const uwc_tensor *grad, uwc_tensor *by, const char *name, double error) {
    const double bound = error * (largest_value(grad) + 1e-3);
    assert_true(uwc_shape_equal(grad->shape, by->shape) && grad->layout == by->layout);
    for (int64_t i = 0; i < uwc_shape_count(by->shape); i++) {
        const double slope = check_slope_float(c, &by->f32[i]);
        if (!(fabs(slope - (double)grad->f32[i]) <= bound)) {
            fail_msg("%s [%lld]: %g instead of %g", name, (long long)i, (double)grad->f32[i], slope);
        }
    }
}

static inline void check_number(double got, double wanted, const char *name, double error) {
    if (!(fabs(got - wanted) <= error * (1 + fabs(wanted)))) {
        fail_msg("%s: %g instead of %g", name, got, wanted);
    }
}

/* All gradients of g, whose passes have run at the point of c. */
static inline void check_all_gradients(gradient_check *c, const uwc_gradient *g, double error) {
    for (int v = 0; v < c->graph->n_values; v++) {
        const uwc_value *value = &c->graph->value[v];
        const uwc_tensor *grad = uwc_gradient_by(g, v);
        if (grad != NULL) {
            check_tensor_gradient(c, grad, value->constant != NULL ? value->constant : c->x, value->name, error);
        }
        if (value->constant == NULL) {
            check_number(uwc_gradient_by_scale(g, v), check_slope(c, &c->scale_by[v]), value->name, error);
            check_number(uwc_gradient_by_zero(g, v), check_slope(c, &c->zero_by[v]), value->name, error);
        }
    }
}

/* ---- networks -------------------------------------------------------------------------------------------------------------------- */

enum { CHECK_CHANNELS = 4 };

/* Quantizers of four bits, some of which clip, on the inputs of all weighted nodes or, with `all`, on every activation. */
static inline uwc_graph *check_quantizers(uwc_graph *graph, bool all) {
    graph->quantize_all = all;
    for (int i = 0; i < graph->n_nodes; i++) {
        for (int k = 0; k < graph->node[i].n_in; k++) {
            uwc_value *value = &graph->value[graph->node[i].in[k]];
            if (value->constant == NULL && (all || (k == 0 && uwc_op_is_weighted(graph->node[i].op.kind)))) {
                value->quantizer = (uwc_quantizer){.bits = 4, .scale = 0.1f + 0.017f * (float)(graph->node[i].in[k] % 4), .zero = 6};
            }
        }
    }
    return graph;
}

static inline uwc_graph *check_finish(uwc_graph *graph, const int *output, int n_outputs) {
    for (int i = 0; i < n_outputs; i++) {
        must(uwc_graph_add_output(graph, output[i]));
    }
    must(uwc_graph_finish(graph));
    return graph;
}

static inline int check_input(uwc_graph *graph) {
    return put_input(graph, "x", uwc_shape_4d(1, CHECK_CHANNELS, 5, 5));
}

/* Convolutions of each kind; Relu and Clip over the convolution's memory. */
static inline uwc_graph *chain_network(void) {
    uwc_graph *graph = new_graph();
    int a = put_conv(graph, "a", check_input(graph), (conv_form){CHECK_CHANNELS, 6, 3, .pad = 1});
    int b = put_conv(graph, "b", put_unary(graph, "a.relu", UWC_OP_RELU, a), (conv_form){6, 6, 3, .stride = 2, .pad = 1, .group = 6});
    int c = put_conv(graph, "c", put_unary(graph, "b.clip", UWC_OP_CLIP, b), (conv_form){6, 3, 1, .no_bias = true});
    return check_finish(graph, &c, 1);
}

/* A value that is read quantized and raw and is an output as well; several outputs. */
static inline uwc_graph *residual_network(void) {
    uwc_graph *graph = new_graph();
    conv_form same = {CHECK_CHANNELS, CHECK_CHANNELS, 3, .pad = 1};
    int r = put_unary(graph, "r", UWC_OP_RELU, put_conv(graph, "a", check_input(graph), same));
    int y = put_unary(graph, "y", UWC_OP_RELU, put_binary(graph, "sum", UWC_OP_ADD, put_conv(graph, "b", r, same), r));
    int z = put_conv(graph, "z", y, (conv_form){CHECK_CHANNELS, 2, 1, .pad = 0});
    return check_finish(graph, (int[]){z, r, y}, 3);
}

/* A Concat, a value that one node reads twice, smooth functions. */
static inline uwc_graph *branch_network(void) {
    uwc_graph *graph = new_graph();
    int x = check_input(graph), a = put_conv(graph, "a", x, (conv_form){CHECK_CHANNELS, CHECK_CHANNELS, 1, .pad = 0});
    int twice = put_binary(graph, "twice", UWC_OP_ADD, a, a), square = put_binary(graph, "square", UWC_OP_MUL, a, a);
    uwc_op concat = uwc_op_make(UWC_OP_CONCAT);
    concat.axis = 1;
    int all = put_op(graph, "all", &concat, (int[]){x, twice, square, x}, 4);
    int b = put_unary(graph, "b.silu", UWC_OP_SILU, put_conv(graph, "b", all, (conv_form){4 * CHECK_CHANNELS, 5, 3, .pad = 0}));
    int y = put_linear(graph, "y", put_pooled(graph, "b.flat", b, 5), 5, 3);
    return check_finish(graph, &y, 1);
}

/* Two convolutions with the same constants, and one that reaches no output. */
static inline uwc_graph *shared_network(void) {
    uwc_graph *graph = new_graph();
    conv_form same = {CHECK_CHANNELS, CHECK_CHANNELS, 3, .pad = 1};
    int a = put_conv(graph, "a", check_input(graph), same), r = put_unary(graph, "r", UWC_OP_RELU, a);
    const uwc_node *first = &graph->node[uwc_graph_find_node(graph, "a")];
    const uwc_op op = first->op;
    int b = put_op(graph, "b", &op, (int[]){r, first->in[1], first->in[2]}, 3);
    put_conv(graph, "nowhere", r, same);
    return check_finish(graph, &b, 1);
}

#endif
