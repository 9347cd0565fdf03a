#include "trainer.h"

#include <math.h>
#include <string.h>

#include <uwc/backward.h>

static const double MOMENT1 = 0.9, MOMENT2 = 0.999, TINY = 1e-8, STATISTICS_MOMENTUM = 0.02;

enum { INPUTS = 5 }; /* most inputs of a node */

/* What belongs to a value: activations have `out`, both have `grad` if wanted, parameters the two moments. */
typedef struct slot {
    uwc_tensor *out, *grad, *moment1, *moment2;
    bool made; /* grad holds something in this step */
} slot;

typedef struct layer {
    uwc_kernel *kernel; /* NULL for normalization */
    uwc_backward *backward;
    float *mean, *variance; /* normalization: statistics of the batch */
} layer;

struct trainer {
    uwc_graph *graph;
    int64_t batch, steps;
    slot *slot;          /* [n_values] */
    layer *layer;        /* [n_nodes] */
    double beta1, beta2; /* powers of the decay rates */
};

static bool is_norm(const uwc_node *node) {
    return node->op.kind == UWC_OP_BATCH_NORM;
}

static int trained_inputs(const uwc_node *node) {
    return is_norm(node) ? 3 : uwc_op_is_weighted(node->op.kind) ? node->n_in : 1;
}

static uwc_shape batch_shape(const trainer *t, int value) {
    const uwc_value *v = &t->graph->value[value];
    return v->constant != NULL ? v->shape : uwc_shape_batch(v->shape, t->batch);
}

static uwc_status create_slot(trainer *t, int value) {
    slot *s = &t->slot[value];
    const uwc_value *v = &t->graph->value[value];
    uwc_shape shape = batch_shape(t, value);
    if (v->producer >= 0) {
        UWC_TRY(uwc_tensor_activation(shape, &s->out));
        UWC_TRY(uwc_tensor_activation(shape, &s->grad));
    }
    return UWC_OK;
}

static uwc_status create_parameters(trainer *t, const uwc_node *node) {
    for (int i = 1; i < trained_inputs(node); i++) {
        slot *s = &t->slot[node->in[i]];
        uwc_shape shape = t->graph->value[node->in[i]].shape;
        UWC_TRY(uwc_tensor_create(UWC_F32, shape, UWC_PLAIN, &s->grad));
        UWC_TRY(uwc_tensor_create(UWC_F32, shape, UWC_PLAIN, &s->moment1));
        UWC_TRY(uwc_tensor_create(UWC_F32, shape, UWC_PLAIN, &s->moment2));
    }
    return UWC_OK;
}

static uwc_status create_layer(trainer *t, int index) {
    const uwc_node *node = &t->graph->node[index];
    layer *l = &t->layer[index];
    UWC_CHECK(node->n_in <= INPUTS, UWC_E_UNSUPPORTED, "training with %d inputs of %s", node->n_in, node->name);
    UWC_TRY(create_parameters(t, node));
    if (is_norm(node)) {
        int64_t channels = t->graph->value[node->in[1]].shape.dim[0];
        UWC_TRY(uwc_calloc(channels, sizeof *l->mean, &l->mean));
        return uwc_calloc(channels, sizeof *l->variance, &l->variance);
    }
    uwc_shape in[INPUTS], out = batch_shape(t, node->out);
    const uwc_tensor *constant[INPUTS];
    for (int i = 0; i < node->n_in; i++) {
        in[i] = batch_shape(t, node->in[i]);
        constant[i] = t->graph->value[node->in[i]].constant;
    }
    UWC_TRY(uwc_kernel_create(&node->op, in, constant, node->n_in, out, UWC_BACKEND_FAST, &l->kernel));
    return uwc_backward_create(&node->op, in, node->n_in, out, &l->backward);
}

uwc_status trainer_create(uwc_graph *graph, int64_t batch, trainer **out) {
    trainer *t;
    *out = NULL;
    UWC_TRY(uwc_calloc(1, sizeof *t, &t));
    t->graph = graph;
    t->batch = batch;
    t->beta1 = t->beta2 = 1.0;
    uwc_status st;
    UWC_TRY_GOTO(st, uwc_calloc(graph->n_values, sizeof *t->slot, &t->slot), fail);
    UWC_TRY_GOTO(st, uwc_calloc(graph->n_nodes, sizeof *t->layer, &t->layer), fail);
    for (int i = 0; i < graph->n_values; i++) {
        UWC_TRY_GOTO(st, create_slot(t, i), fail);
    }
    for (int i = 0; i < graph->n_nodes; i++) {
        UWC_TRY_GOTO(st, create_layer(t, i), fail);
    }
    *out = t;
    return UWC_OK;
fail:
    trainer_destroy(&t);
    return st;
}

void trainer_destroy(trainer **out) {
    trainer *t = *out;
    if (t == NULL) {
        return;
    }
    for (int i = 0; t->slot != NULL && i < t->graph->n_values; i++) {
        uwc_tensor_destroy(&t->slot[i].out);
        uwc_tensor_destroy(&t->slot[i].grad);
        uwc_tensor_destroy(&t->slot[i].moment1);
        uwc_tensor_destroy(&t->slot[i].moment2);
    }
    for (int i = 0; t->layer != NULL && i < t->graph->n_nodes; i++) {
        uwc_kernel_destroy(&t->layer[i].kernel);
        uwc_backward_destroy(&t->layer[i].backward);
        uwc_free(&t->layer[i].mean);
        uwc_free(&t->layer[i].variance);
    }
    uwc_free(&t->slot);
    uwc_free(&t->layer);
    uwc_free(out);
}

/* ---- one step --------------------------------------------------------------------------------------------------------------------------
 */

static const uwc_tensor *value_of(const trainer *t, int value, const uwc_tensor *images) {
    const uwc_tensor *constant = t->graph->value[value].constant;
    return constant != NULL ? constant : value == t->graph->input[0] ? images : t->slot[value].out;
}

static float *parameter(const trainer *t, const uwc_node *node, int i) {
    return t->graph->value[node->in[i]].constant->f32;
}

static void follow(float *running, const float *present, int64_t count, double share) {
    for (int64_t i = 0; i < count; i++) {
        running[i] = (float)((1.0 - share) * (double)running[i] + share * (double)present[i]);
    }
}

static uwc_status forward_norm(trainer *t, const uwc_node *node, layer *l, const uwc_tensor *x) {
    int64_t channels = t->graph->value[node->in[1]].shape.dim[0];
    UWC_TRY(uwc_batch_norm_train(x, parameter(t, node, 1), parameter(t, node, 2), node->op.epsilon, l->mean, l->variance,
                                 t->slot[node->out].out));
    double share = t->steps == 0 ? 1.0 : STATISTICS_MOMENTUM;
    follow(parameter(t, node, 3), l->mean, channels, share);
    follow(parameter(t, node, 4), l->variance, channels, share);
    return UWC_OK;
}

static uwc_status forward(trainer *t, const uwc_tensor *images) {
    for (int i = 0; i < t->graph->n_nodes; i++) {
        const uwc_node *node = &t->graph->node[i];
        const uwc_tensor *in[INPUTS];
        for (int k = 0; k < node->n_in; k++) {
            in[k] = value_of(t, node->in[k], images);
        }
        if (is_norm(node)) {
            UWC_TRY(forward_norm(t, node, &t->layer[i], in[0]));
            continue;
        }
        if (uwc_op_is_weighted(node->op.kind)) {
            UWC_TRY(uwc_kernel_set_weights(t->layer[i].kernel, in[1], node->n_in == 3 ? in[2] : NULL));
        }
        UWC_TRY(uwc_kernel_run(t->layer[i].kernel, in, t->slot[node->out].out));
    }
    return UWC_OK;
}

static uwc_status backward_norm(trainer *t, const uwc_node *node, const layer *l, const uwc_tensor *x) {
    return uwc_batch_norm_train_backward(x, parameter(t, node, 1), node->op.epsilon, l->mean, l->variance, t->slot[node->out].grad,
                                         t->slot[node->in[0]].grad, t->slot[node->in[1]].grad->f32, t->slot[node->in[2]].grad->f32);
}

static uwc_status backward_node(trainer *t, int index, const uwc_tensor *images) {
    const uwc_node *node = &t->graph->node[index];
    const uwc_tensor *in[INPUTS];
    uwc_tensor *grad[INPUTS];
    bool add[INPUTS];
    for (int k = 0; k < node->n_in; k++) {
        slot *s = &t->slot[node->in[k]];
        in[k] = value_of(t, node->in[k], images);
        grad[k] = s->grad;
        add[k] = s->made;
        s->made = true;
    }
    if (is_norm(node)) { /* alone behind its convolution: nothing to add to */
        return backward_norm(t, node, &t->layer[index], in[0]);
    }
    return uwc_backward_run(t->layer[index].backward, in, t->slot[node->out].out, t->slot[node->out].grad, grad, add);
}

static uwc_status backward(trainer *t, const uwc_tensor *images, const int32_t *label, double *loss) {
    for (int i = 0; i < t->graph->n_values; i++) {
        t->slot[i].made = false;
    }
    slot *logits = &t->slot[t->graph->output[0]];
    UWC_TRY(uwc_cross_entropy(logits->out, label, loss, logits->grad));
    for (int i = t->graph->n_nodes - 1; i >= 0; i--) {
        UWC_TRY(backward_node(t, i, images));
    }
    return UWC_OK;
}

static void descend(trainer *t, int value, double rate) {
    slot *s = &t->slot[value];
    float *w = t->graph->value[value].constant->f32;
    for (int64_t i = 0; i < uwc_shape_count(s->grad->shape); i++) {
        double g = (double)s->grad->f32[i];
        double first = MOMENT1 * (double)s->moment1->f32[i] + (1.0 - MOMENT1) * g;
        double second = MOMENT2 * (double)s->moment2->f32[i] + (1.0 - MOMENT2) * g * g;
        s->moment1->f32[i] = (float)first;
        s->moment2->f32[i] = (float)second;
        w[i] -= (float)(rate * (first / (1.0 - t->beta1)) / (sqrt(second / (1.0 - t->beta2)) + TINY));
    }
}

uwc_status trainer_step(trainer *t, const uwc_tensor *images, const int32_t *label, double rate, double *loss) {
    UWC_TRY(forward(t, images));
    UWC_TRY(backward(t, images, label, loss));
    t->steps++;
    t->beta1 *= MOMENT1;
    t->beta2 *= MOMENT2;
    for (int i = 0; i < t->graph->n_values; i++) {
        if (t->slot[i].moment1 != NULL) {
            descend(t, i, rate);
        }
    }
    return UWC_OK;
}
