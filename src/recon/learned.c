/* The methods that learn the rounding, as they were published: what is learned when, from which inputs, towards what (docs/method.md). */
#include "recon_impl.h"

bool uwc_recon__learns_layers(uwc_method method) {
    return method == UWC_METHOD_ADAROUND;
}

bool uwc_recon__learns_units(uwc_method method) {
    return method == UWC_METHOD_BRECQ || method == UWC_METHOD_QDROP;
}

double uwc_recon_learning_work(const uwc_recon_options *options, const uwc_bits *bits, int64_t images, int64_t multiply_adds) {
    enum { PASSES = 4 }; /* forward, backward by activations and by weights, and about as much again between the products */
    double seen = 0;     /* images */
    if (uwc_recon__wants_adapting(options, bits->weight_bits, bits->activation_bits)) {
        seen = (double)options->adapt.steps * options->adapt.batch;
    } else if (uwc_recon__learns_layers(options->method) || uwc_recon__learns_units(options->method)) {
        seen = (double)options->iterations * (options->method == UWC_METHOD_BRECQ ? 1.25 : 1) * UWC_LEARN_BATCH;
    }
    return seen * PASSES * (double)multiply_adds / (double)images;
}

uwc_status uwc_recon__learn_layer(uwc_paths *p, int index, const uwc_recon_options *options, uwc_weights *weights) {
    const uwc_learning learning = {
        .iterations = options->iterations, .rounding = true, .most_kept = options->batch_bytes, .seed = options->seed};
    uwc_section section;
    uwc_status st = uwc_recon__section_open(p, index, options, &section);
    if (st == UWC_OK) {
        st = uwc_recon__learn(&section.paths, &learning, &weights);
    }
    uwc_recon__section_close(&section);
    return st;
}

/* Puts the weights of the result into the quantized unit. */
static uwc_status apply(uwc_paths *p, const uwc_unit_result *result) {
    int layers = 0;
    for (int i = 0; i < p->unit->n_nodes; i++) {
        if (uwc_op_is_weighted(p->unit->node[i].op.kind)) {
            const uwc_layer_result *layer = &result->layer[layers++];
            UWC_TRY(uwc_graph_set_quantized(p->quantized, i, layer->weights, layer->bias));
            UWC_TRY(uwc_exec_refresh(p->run_quantized, i));
        }
    }
    return UWC_OK;
}

/* The rounding with float activations in the unit, then their steps for what has been rounded. */
static uwc_status learn_in_turn(uwc_paths *p, const uwc_recon_options *options, const uwc_unit_result *result,
                                uwc_weights *const *weights) {
    const int64_t most_kept = options->batch_bytes, some = (options->iterations + 3) / 4;
    const uwc_learning rounding = {.iterations = options->iterations, .rounding = true, .most_kept = most_kept, .seed = options->seed};
    const uwc_learning steps = {.iterations = some, .steps = true, .most_kept = most_kept, .seed = options->seed};
    bool quantized = false;
    UWC_TRY(uwc_recon__learn(p, &rounding, weights));
    UWC_TRY(apply(p, result));
    for (int i = 0; i < p->unit->n_nodes; i++) {
        UWC_TRY(uwc_error_note(uwc_recon__choose_edges(p, i, options->seed), "layer %s", p->unit->node[i].name));
    }
    for (int v = 0; v < p->quantized->n_values; v++) {
        quantized = quantized || p->quantized->value[v].quantizer.bits > 0;
    }
    return quantized ? uwc_recon__learn(p, &steps, weights) : UWC_OK;
}

/* Rounding and steps at the same time, with half of the activations float. */
static uwc_status learn_together(uwc_paths *p, const uwc_recon_options *options, const uwc_unit_result *result,
                                 uwc_weights *const *weights) {
    const uwc_learning learning = {.iterations = options->iterations,
                                   .rounding = true,
                                   .steps = true,
                                   .drop = 0.5,
                                   .most_kept = options->batch_bytes,
                                   .seed = options->seed};
    UWC_TRY(uwc_recon__learn(p, &learning, weights));
    return apply(p, result);
}

uwc_status uwc_recon__learn_unit(uwc_paths *p, const uwc_recon_options *options, uwc_unit_result *result) {
    uwc_weights **weights;
    if (result->n_layers == 0) {
        return UWC_OK;
    }
    UWC_TRY(uwc_calloc(result->n_layers, sizeof *weights, &weights));
    for (int i = 0; i < result->n_layers; i++) {
        weights[i] = result->layer[i].weights;
    }
    uwc_status st =
        options->method == UWC_METHOD_BRECQ ? learn_in_turn(p, options, result, weights) : learn_together(p, options, result, weights);
    uwc_free(&weights);
    return st;
}
