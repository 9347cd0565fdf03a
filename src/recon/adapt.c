/* Adapting before rounding: the layers of a unit that are still float, and the steps of its activations, descend together on the error of
 * the unit's output with its activations quantized. Which of the states on the way is taken, or none, is judged on images that are held
 * out. */
#include "recon_impl.h"

#include <math.h>
#include <string.h>

enum { JUDGED_IMAGES = 96, JUDGEMENTS = 8, LEVELS = 3 };
_Static_assert(UWC_DESCENT_PARTS == 1 << (LEVELS - 1), "a tree over the parts of a batch");

/* Weights or a bias of a layer, or the scale of an activation's quantizer. */
typedef struct parameter {
    int value; /* of the graph */
    bool step; /* the scale of its quantizer, which is `free` shortened */
    float free;
    float *x, *best; /* x: in the graph, or `free`; best: a copy of the best so far */
    double size;     /* about the size of its elements: a step is a part of it */
    uwc_adam adam;
} parameter;

/* A step's images are UWC_DESCENT_PARTS parts, whose gradients are added as the leaves of a tree; the members of a team share them. */
typedef struct adapt {
    uwc_paths *paths;
    const uwc_recon_options *options;
    uwc_minibatch batch; /* a piece of a part */
    int64_t pieces;      /* of a part */
    uwc_gradient *gradient;
    uwc_tensor **grad; /* [n_outputs] by the outputs */
    parameter *parameter;
    int n_parameters;
    int64_t count; /* numbers of all parameters */
    double *sum;   /* [LEVELS][count] gradient of the step, and sums on the way to it */
    float *slope;  /* [count] the same, for Adam */
    double rate;   /* of the first step, as the options have it or less */
} adapt;

bool uwc_recon__wants_adapting(const uwc_recon_options *options, int weight_bits, int activation_bits) {
    enum { FINE_WEIGHTS = 4, FINE_ACTIVATIONS = 8 }; /* from these bits on the closed form alone is near enough (docs/adr/0011) */
    const bool pays = weight_bits < FINE_WEIGHTS || activation_bits < FINE_ACTIVATIONS || options->adapt.when == UWC_ADAPT_ALWAYS;
    return pays && options->method == UWC_METHOD_SECOND_ORDER && options->adapt.when != UWC_ADAPT_OFF;
}

bool uwc_recon__adapts(const uwc_graph *unit, const uwc_recon_options *options) {
    int weights = 8, activations = 32;
    for (int v = 0; v < unit->n_values; v++) {
        const int bits = unit->value[v].activation_bits;
        activations = bits > 0 && bits < activations ? bits : activations;
    }
    for (int i = 0; i < unit->n_nodes; i++) {
        const int bits = unit->node[i].weight_bits;
        weights = bits > 0 && bits < weights ? bits : weights;
    }
    return uwc_recon__wants_adapting(options, weights, activations) && uwc_gradient_exists(unit);
}

static double root_mean_square(const float *x, int64_t count) {
    double sum = 0;
    for (int64_t i = 0; i < count; i++) {
        sum += (double)x[i] * (double)x[i];
    }
    return sqrt(sum / (double)count);
}

/* x NULL: the step of the value's quantizer. */
static uwc_status add_parameter(adapt *a, int value, float *x, int64_t count, double size) {
    parameter *p = &a->parameter[a->n_parameters++];
    *p = (parameter){.value = value, .step = x == NULL, .free = (float)size, .x = x == NULL ? &p->free : x, .size = size};
    UWC_TRY(uwc_calloc(count, sizeof *p->best, &p->best));
    memcpy(p->best, p->x, (size_t)count * sizeof *p->x);
    a->count += count;
    return uwc_recon__adam_open(count, &p->adam);
}

/* What descends: all but solved layers, and steps that no other unit shares. */
static uwc_status list_parameters(adapt *a) {
    uwc_graph *graph = a->paths->quantized;
    UWC_TRY(uwc_calloc(2 * (int64_t)graph->n_nodes + graph->n_values, sizeof *a->parameter, &a->parameter));
    for (int i = 0; i < graph->n_nodes; i++) {
        const uwc_node *node = &graph->node[i];
        for (int k = 1; k < node->n_in && uwc_op_is_weighted(node->op.kind) && node->quantized == NULL; k++) {
            const int64_t count = uwc_shape_count(graph->value[node->in[k]].shape);
            float *x;
            UWC_TRY(uwc_graph_edit(graph, node->in[k], &x));
            double size = root_mean_square(x, count);
            if (k == 2) { /* a bias is of the size of what the weights give */
                const uwc_tensor *weights = graph->value[node->in[1]].constant;
                size = fmax(size, root_mean_square(weights->f32, uwc_shape_count(weights->shape)));
            }
            UWC_TRY(add_parameter(a, node->in[k], x, count, size));
        }
    }
    for (int v = 0; v < graph->n_values; v++) {
        const uwc_value *value = &graph->value[v];
        if (value->quantizer.bits > 0 && !value->shared) {
            UWC_TRY(add_parameter(a, v, NULL, 1, (double)value->quantizer.scale));
        }
    }
    return UWC_OK;
}

static int64_t divide_up(int64_t count, int64_t parts) {
    return (count + parts - 1) / parts;
}

/* A part goes through in pieces that are no larger than other batches of the unit. */
static int64_t count_pieces(const uwc_recon_options *options, int64_t batch) {
    return divide_up(divide_up(options->adapt.batch, UWC_DESCENT_PARTS), batch);
}

int64_t uwc_recon__adapt_images(const uwc_recon_options *options, int64_t batch) {
    return divide_up(divide_up(options->adapt.batch, UWC_DESCENT_PARTS), count_pieces(options, batch));
}

static uwc_status open_adapt(uwc_paths *p, const uwc_recon_options *options, adapt *a) {
    const uwc_graph *graph = p->quantized;
    const int64_t images = uwc_recon__adapt_images(options, p->batch);
    a->paths = p;
    a->options = options;
    a->rate = options->adapt.rate;
    a->pieces = count_pieces(options, p->batch);
    UWC_TRY(uwc_recon__minibatch_open(p, images, options->batch_bytes, &a->batch));
    UWC_TRY(list_parameters(a)); /* before the gradient looks at the constants that are edited */
    UWC_TRY(uwc_gradient_create(graph, images, false, &a->gradient));
    UWC_TRY(uwc_calloc(graph->n_outputs, sizeof *a->grad, &a->grad));
    for (int i = 0; i < graph->n_outputs; i++) {
        UWC_TRY(uwc_tensor_activation(a->batch.target[i]->shape, &a->grad[i]));
    }
    UWC_TRY(uwc_calloc(LEVELS * a->count, sizeof *a->sum, &a->sum));
    return uwc_calloc(a->count, sizeof *a->slope, &a->slope);
}

static void close_adapt(adapt *a) {
    for (int i = 0; i < a->n_parameters; i++) {
        uwc_free(&a->parameter[i].best);
        uwc_recon__adam_close(&a->parameter[i].adam);
    }
    uwc_free(&a->parameter);
    for (int i = 0; a->grad != NULL && i < a->paths->quantized->n_outputs; i++) {
        uwc_tensor_destroy(&a->grad[i]);
    }
    uwc_free(&a->grad);
    uwc_free(&a->sum);
    uwc_free(&a->slope);
    uwc_gradient_destroy(&a->gradient);
    uwc_recon__minibatch_close(&a->batch);
}

/* Error of the present state on the images that are held out, over their variance. */
static uwc_status judge(adapt *a, double *error) {
    const int64_t most = a->batch.n_judge < JUDGED_IMAGES ? a->batch.n_judge : JUDGED_IMAGES;
    double sum[UWC_ERROR_SUMS] = {0};
    for (int64_t at = 0; at * a->batch.size < most; at++) {
        UWC_TRY(uwc_recon__minibatch_judge(&a->batch, at));
        UWC_TRY(uwc_gradient_forward(a->gradient, (const uwc_tensor *const *)a->batch.input, NULL));
        for (int i = 0; i < a->paths->quantized->n_outputs; i++) {
            uwc_recon__add_error(a->batch.target[i], uwc_gradient_value(a->gradient, a->paths->quantized->output[i]), sum);
        }
    }
    *error = uwc_recon__relative_error(sum);
    return UWC_OK;
}

/* The steps as far as they have come, with few significant bits like all scales. */
static void take_steps(const adapt *a) {
    for (int i = 0; i < a->n_parameters; i++) {
        const parameter *p = &a->parameter[i];
        if (p->step) {
            uwc_quantizer *quantizer = &a->paths->quantized->value[p->value].quantizer;
            quantizer->scale = uwc_scale_shorten(quantizer->bits, p->free);
        }
    }
}

/* output - target is the gradient of half the square error, up to a factor that Adam does not see. */
static uwc_status differentiate(adapt *a, int64_t step, int64_t part, int64_t piece) {
    const int64_t first = (part * a->pieces + piece) * a->batch.size;
    const uint64_t key = (uint64_t)((step * UWC_DESCENT_PARTS + part) * a->pieces + piece);
    const uwc_drop drop = {.part = a->options->adapt.drop, .seed = a->options->seed, .step = key};
    const uwc_graph *graph = a->paths->quantized;
    const uwc_tensor *const *grad = (const uwc_tensor *const *)a->grad;
    UWC_TRY(uwc_recon__minibatch_draw(&a->batch, a->options->seed, (uint64_t)step, first));
    UWC_TRY(uwc_gradient_forward(a->gradient, (const uwc_tensor *const *)a->batch.input, drop.part > 0 ? &drop : NULL));
    for (int i = 0; i < graph->n_outputs; i++) {
        uwc_recon__subtract(uwc_gradient_value(a->gradient, graph->output[i]), a->batch.target[i], a->grad[i]);
    }
    return piece == 0 ? uwc_gradient_backward(a->gradient, grad) : uwc_gradient_backward_more(a->gradient, grad);
}

/* The gradient by all parameters of the pieces since the last call of uwc_gradient_backward. */
static void take_gradient(const adapt *a, double *sum) {
    for (int i = 0; i < a->n_parameters; i++) {
        const parameter *p = &a->parameter[i];
        const float *by = p->step ? NULL : uwc_gradient_by(a->gradient, p->value)->f32;
        for (int64_t k = 0; k < p->adam.count; k++) {
            sum[k] = p->step ? uwc_gradient_by_scale(a->gradient, p->value) : (double)by[k];
        }
        sum += p->adam.count;
    }
}

/* sum[count] = the gradient of some parts, a power of two of them, added pairwise; behind it is room for the levels below. */
static uwc_status add_parts(adapt *a, int64_t step, int64_t first, int64_t parts, double *sum) {
    if (parts > 1) {
        UWC_TRY(add_parts(a, step, first, parts / 2, sum));
        UWC_TRY(add_parts(a, step, first + parts / 2, parts / 2, sum + a->count));
        for (int64_t k = 0; k < a->count; k++) {
            sum[k] += sum[a->count + k];
        }
        return UWC_OK;
    }
    for (int64_t piece = 0; piece < a->pieces; piece++) {
        UWC_TRY(differentiate(a, step, first, piece));
    }
    take_gradient(a, sum);
    return UWC_OK;
}

/* Of the whole batch: what is this member's, then the others'. In larger teams than there are parts some members have none. */
static uwc_status add_batch(adapt *a, int64_t step) {
    const uwc_stream *stream = a->paths->stream;
    const int members = stream->members > 1 ? stream->members : 1, each = members > UWC_DESCENT_PARTS ? members / UWC_DESCENT_PARTS : 1;
    const int64_t parts = UWC_DESCENT_PARTS * each / members;
    if (stream->member % each == 0) {
        UWC_TRY(add_parts(a, step, stream->member / each * parts, parts, a->sum));
    } else {
        memset(a->sum, 0, (size_t)a->count * sizeof *a->sum);
    }
    return members > 1 ? stream->combine(stream->self, a->sum, a->count) : UWC_OK;
}

static uwc_status descend(adapt *a, int step) {
    const uwc_adapt_options *o = &a->options->adapt;
    const double pi = 3.14159265358979323846, rate = a->rate * 0.5 * (1 + cos(pi * step / o->steps));
    const float *slope = a->slope;
    UWC_TRY(add_batch(a, step));
    for (int64_t k = 0; k < a->count; k++) {
        a->slope[k] = (float)a->sum[k];
    }
    for (int i = 0; i < a->n_parameters; i++) {
        parameter *p = &a->parameter[i];
        uwc_recon__adam_step(&p->adam, slope, rate * p->size, p->x);
        slope += p->adam.count;
        if (p->step) {
            p->free = fmaxf(p->free, (float)(0.1 * p->size));
        }
    }
    take_steps(a);
    return UWC_OK;
}

static void copy_parameters(const adapt *a, bool to_best) {
    for (int i = 0; i < a->n_parameters; i++) {
        const parameter *p = &a->parameter[i];
        memcpy(to_best ? p->best : p->x, to_best ? p->x : p->best, (size_t)p->adam.count * sizeof *p->x);
    }
    take_steps(a);
}

/* The rate was too high: on from the best state, with half of it. */
static void go_back(adapt *a) {
    copy_parameters(a, false);
    a->rate /= 2;
    for (int i = 0; i < a->n_parameters; i++) {
        uwc_recon__adam_forget(&a->parameter[i].adam);
    }
}

static uwc_status run(adapt *a, bool *better) {
    const int steps = a->options->adapt.steps, every = (steps + JUDGEMENTS - 1) / JUDGEMENTS;
    double best, error;
    UWC_TRY(judge(a, &best));
    for (int step = 0; step < steps; step++) {
        UWC_TRY(descend(a, step));
        if ((step + 1) % every != 0 && step + 1 < steps) {
            continue;
        }
        UWC_TRY(judge(a, &error));
        if (error < best) {
            best = error;
            *better = true;
            copy_parameters(a, true);
        } else {
            go_back(a);
        }
    }
    copy_parameters(a, false);
    return UWC_OK;
}

uwc_status uwc_recon__adapt(uwc_paths *p, const uwc_recon_options *options, bool *better) {
    adapt a = {0};
    *better = false;
    uwc_status st = open_adapt(p, options, &a);
    if (st == UWC_OK) {
        st = run(&a, better);
    }
    close_adapt(&a);
    return st == UWC_OK ? uwc_exec_refresh(p->run_quantized, -1) : st;
}
