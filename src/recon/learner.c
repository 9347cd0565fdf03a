/* Descent on a unit's output error by the rounding of its weights and by the steps of its activations. Sources: Nagel et al., "Up or
 * down?", ICML 2020; Li, Gong, Tan, Yang, Hu, Zhang, Yu, Wang, Gu, "BRECQ", ICLR 2021; Wei, Gong, Li, Liu, Yu, "QDrop", ICLR 2022, with the
 * numbers of the latter two's programs. */
#include "recon_impl.h"

#include <uwc/gradient.h>
#include <uwc/vector.h>

#include <math.h>
#include <string.h>

#define ROUNDING_RATE 1e-3 /* of Adam on V */
#define STEP_RATE 4e-5     /* of Adam on the steps, falling to 0 as a cosine */
#define PENALTY 0.01       /* of roundings that are not settled */
#define WARM_UP 0.2        /* part of the iterations without it */
#define FIRST_BETA 20.0
#define LAST_BETA 2.0

typedef struct learner {
    uwc_paths *paths;
    const uwc_learning *learning;
    uwc_gradient *gradient;
    uwc_minibatch batch;
    uwc_tensor **grad_out; /* [n_outputs] */
    uwc_soft *soft;        /* [n_nodes]; count 0: none */
    uwc_adam *adam;        /* [n_nodes] */
    float *slope;          /* by the v of a layer */
    int *edge, n_edges;    /* values with a quantizer that no other unit shares */
    float *step, *by_step; /* [n_edges] */
    uwc_adam step_adam;
    uint8_t *keep; /* [elements of an input] */
} learner;

static uwc_status open_rounding(learner *l, uwc_weights *const *weights) {
    const uwc_graph *unit = l->paths->unit;
    int64_t most = 0;
    int layers = 0;
    for (int i = 0; i < unit->n_nodes; i++) {
        if (!uwc_op_is_weighted(unit->node[i].op.kind)) {
            continue;
        }
        UWC_TRY(uwc_recon__soft_open(weights[layers++], unit->value[unit->node[i].in[1]].constant->f32, &l->soft[i]));
        UWC_TRY(uwc_recon__adam_open(l->soft[i].count, &l->adam[i]));
        most = l->soft[i].count > most ? l->soft[i].count : most;
    }
    return uwc_calloc(most, sizeof *l->slope, &l->slope);
}

static uwc_status open_steps(learner *l) {
    const uwc_graph *quantized = l->paths->quantized;
    UWC_TRY(uwc_calloc(quantized->n_values, sizeof *l->edge, &l->edge));
    UWC_TRY(uwc_calloc(quantized->n_values, sizeof *l->step, &l->step));
    UWC_TRY(uwc_calloc(quantized->n_values, sizeof *l->by_step, &l->by_step));
    for (int v = 0; v < quantized->n_values; v++) {
        if (quantized->value[v].quantizer.bits > 0 && !quantized->value[v].shared) {
            l->edge[l->n_edges] = v;
            l->step[l->n_edges++] = quantized->value[v].quantizer.scale;
        }
    }
    return uwc_recon__adam_open(l->n_edges, &l->step_adam);
}

/* Rounding that is learned goes into the constants. */
static uwc_status edit_weights(uwc_graph *quantized) {
    for (int i = 0; i < quantized->n_nodes; i++) {
        float *weights;
        if (uwc_op_is_weighted(quantized->node[i].op.kind)) {
            UWC_TRY(uwc_graph_edit(quantized, quantized->node[i].in[1], &weights));
        }
    }
    return UWC_OK;
}

static uwc_status open_learner(uwc_paths *p, const uwc_learning *learning, uwc_weights *const *weights, learner *l) {
    const uwc_graph *unit = p->unit;
    int64_t input = 0;
    *l = (learner){.paths = p, .learning = learning};
    UWC_TRY(uwc_recon__minibatch_open(p, UWC_LEARN_BATCH, learning->most_kept, &l->batch));
    uwc_recon__minibatch_train_all(&l->batch);
    l->batch.wants_real = learning->drop > 0;
    UWC_TRY(learning->rounding ? edit_weights(p->quantized) : UWC_OK); /* before the gradient looks at them */
    UWC_TRY(uwc_gradient_create(p->quantized, UWC_LEARN_BATCH, false, &l->gradient));
    UWC_TRY(uwc_calloc(unit->n_outputs, sizeof *l->grad_out, &l->grad_out));
    for (int i = 0; i < unit->n_outputs; i++) {
        UWC_TRY(uwc_tensor_activation(l->batch.target[i]->shape, &l->grad_out[i]));
    }
    for (int i = 0; i < unit->n_inputs; i++) {
        int64_t count = uwc_shape_count(l->batch.input[i]->shape);
        input = count > input ? count : input;
    }
    UWC_TRY(uwc_calloc(learning->drop > 0 ? input : 0, sizeof *l->keep, &l->keep));
    UWC_TRY(uwc_calloc(unit->n_nodes, sizeof *l->soft, &l->soft));
    UWC_TRY(uwc_calloc(unit->n_nodes, sizeof *l->adam, &l->adam));
    if (learning->rounding) {
        UWC_TRY(open_rounding(l, weights));
    }
    return learning->steps ? open_steps(l) : UWC_OK;
}

static void close_learner(learner *l) {
    for (int i = 0; l->grad_out != NULL && i < l->paths->unit->n_outputs; i++) {
        uwc_tensor_destroy(&l->grad_out[i]);
    }
    for (int i = 0; l->adam != NULL && i < l->paths->unit->n_nodes; i++) {
        uwc_recon__soft_close(&l->soft[i]);
        uwc_recon__adam_close(&l->adam[i]);
    }
    uwc_gradient_destroy(&l->gradient);
    uwc_recon__minibatch_close(&l->batch);
    uwc_recon__adam_close(&l->step_adam);
    void *arrays[] = {&l->grad_out, &l->soft, &l->adam, &l->slope, &l->edge, &l->step, &l->by_step, &l->keep};
    for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++) {
        uwc_free(arrays[i]);
    }
}

static int64_t count_values(const uwc_graph *graph, const int *value, int n) {
    int64_t count = 0;
    for (int i = 0; i < n; i++) {
        count += uwc_shape_count(graph->value[value[i]].shape);
    }
    return count;
}

uwc_status uwc_recon__learn_bytes(const uwc_graph *unit, int64_t images, int64_t *out) {
    enum { SUMS = 16, LEARNED = 6 }; /* of a weight: partial sums of its gradient in backward.h and adapt.c; numbers of its rounding */
    int64_t most = 0, weights = 0;
    UWC_TRY(uwc_gradient_bytes(unit, images, out));
    for (int v = 0; v < unit->n_values; v++) {
        const int64_t count = uwc_shape_count(unit->value[v].shape);
        const bool constant = unit->value[v].constant != NULL;
        weights += constant ? count : 0;
        most = !constant && count > most ? count : most; /* working memory of a gradient, at most */
    }
    const int64_t inputs = count_values(unit, unit->input, unit->n_inputs), outputs = count_values(unit, unit->output, unit->n_outputs);
    const int64_t image = 3 * inputs + 2 * outputs + most;
    *out += (int64_t)sizeof(float) * (images * image + (SUMS + LEARNED) * weights);
    return UWC_OK;
}

/* ---- one iteration ------------------------------------------------------------------------------------------------------------- */

/* Where an activation at the unit's entry is dropped it is that of the float network, not the unquantized one of the quantized network:
 * Wei et al., section 4.2. */
static void drop_inputs(learner *l, const uwc_drop *drop) {
    for (int i = 0; i < l->paths->unit->n_inputs; i++) {
        const uwc_tensor *real = l->batch.real[i];
        const int64_t count = uwc_shape_count(real->shape);
        uwc_drop_keep(drop, l->paths->unit->input[i], count, l->keep);
        uwc_drop_mix(l->keep, real->f32, count, l->batch.input[i]->f32);
    }
}

/* Of the sum over channels, mean over images and positions, of the squared error. */
static void differentiate_error(const uwc_tensor *got, const uwc_tensor *target, uwc_tensor *grad) {
    const uwc_shape shape = got->shape;
    const int64_t count = uwc_shape_count(shape), channels = shape.dim[shape.rank == 4 ? 1 : shape.rank - 1];
    const float factor = (float)(2.0 * (double)channels / (double)count);
#pragma omp parallel for simd schedule(static)
    for (int64_t i = 0; i < count; i++) {
        grad->f32[i] = factor * (got->f32[i] - target->f32[i]);
    }
}

static uwc_status run_batch(learner *l, int64_t iteration) {
    const uwc_graph *quantized = l->paths->quantized;
    const uwc_drop drop = {l->learning->drop, l->learning->seed, (uint64_t)iteration};
    const bool drops = drop.part > 0;
    UWC_TRY(uwc_recon__minibatch_draw(&l->batch, l->learning->seed, (uint64_t)iteration, 0));
    if (drops) {
        drop_inputs(l, &drop);
    }
    UWC_TRY(uwc_gradient_forward(l->gradient, (const uwc_tensor *const *)l->batch.input, drops ? &drop : NULL));
    for (int i = 0; i < quantized->n_outputs; i++) {
        differentiate_error(uwc_gradient_value(l->gradient, quantized->output[i]), l->batch.target[i], l->grad_out[i]);
    }
    return uwc_gradient_backward(l->gradient, (const uwc_tensor *const *)l->grad_out);
}

static void move_rounding(learner *l, int64_t iteration) {
    const uwc_graph *quantized = l->paths->quantized;
    const double part = (double)iteration / (double)l->learning->iterations, left = (1 - part) / (1 - WARM_UP);
    const double weight = part < WARM_UP ? 0 : PENALTY, beta = LAST_BETA + (FIRST_BETA - LAST_BETA) * (left < 1 ? left : 1);
    for (int i = 0; i < quantized->n_nodes; i++) {
        if (l->soft[i].count > 0) {
            const uwc_tensor *grad = uwc_gradient_by(l->gradient, quantized->node[i].in[1]);
            uwc_recon__soft_gradient(&l->soft[i], grad->f32, weight, beta, l->slope);
            uwc_recon__adam_step(&l->adam[i], l->slope, ROUNDING_RATE, l->soft[i].v);
        }
    }
}

static void move_steps(learner *l, int64_t iteration) {
    const double rate = STEP_RATE * (1 + cos(acos(-1) * (double)iteration / (double)l->learning->iterations)) / 2;
    for (int i = 0; i < l->n_edges; i++) {
        l->by_step[i] = (float)uwc_gradient_by_scale(l->gradient, l->edge[i]);
    }
    uwc_recon__adam_step(&l->step_adam, l->by_step, rate, l->step);
    for (int i = 0; i < l->n_edges; i++) {
        uwc_quantizer *quantizer = &l->paths->quantized->value[l->edge[i]].quantizer;
        const float least = 1e-3f * quantizer->scale; /* a step stays positive */
        l->step[i] = l->step[i] > least ? l->step[i] : least;
        quantizer->scale = uwc_scale_shorten(quantizer->bits, l->step[i]);
    }
}

static void take_soft_weights(learner *l) {
    const uwc_graph *quantized = l->paths->quantized;
    for (int i = 0; i < quantized->n_nodes; i++) {
        if (l->soft[i].count > 0) {
            uwc_recon__soft_weights(&l->soft[i], quantized->value[quantized->node[i].in[1]].constant->f32);
        }
    }
}

static void harden(const learner *l, uwc_weights *const *weights) {
    int layers = 0;
    for (int i = 0; i < l->paths->unit->n_nodes; i++) {
        if (l->soft[i].count > 0) {
            uwc_recon__soft_harden(&l->soft[i], weights[layers++]);
        }
    }
}

uwc_status uwc_recon__learn(uwc_paths *p, const uwc_learning *learning, uwc_weights *const *weights) {
    learner l;
    uwc_status st;
    UWC_TRY_GOTO(st, open_learner(p, learning, weights, &l), done);
    take_soft_weights(&l);
    for (int64_t i = 0; i < learning->iterations; i++) {
        UWC_TRY_GOTO(st, run_batch(&l, i), done);
        move_rounding(&l, i);
        take_soft_weights(&l);
        if (learning->steps) {
            move_steps(&l, i);
        }
    }
    harden(&l, weights);
done:
    close_learner(&l);
    return st;
}
