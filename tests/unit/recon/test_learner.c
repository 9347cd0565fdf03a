#include "recon_fixture.h"

#include "recon_impl.h"

/* One descent: it moves what it is told to move, and the result is what the quantized unit was trained for. */

enum { IMAGES = 48 };

typedef struct scene {
    uwc_graph *unit;
    field images;
    uwc_stream stream;
    uwc_paths paths;
    uwc_weights *weights[8];
} scene;

/* A unit with nearest rounding and all quantizers. */
static void open_scene(scene *s, uwc_graph *unit) {
    const uwc_recon_options options = default_options();
    int layers = 0;
    *s = (scene){.unit = unit, .images = new_field(unit, IMAGES, 1, 0.05)};
    s->stream = stream_of(&s->images);
    must(uwc_recon__paths_open(unit, &options, &s->stream, &s->paths));
    for (int i = 0; i < unit->n_nodes; i++) {
        const uwc_node *node = &unit->node[i];
        must(uwc_recon__choose_edges(&s->paths, i, 1));
        if (uwc_op_is_weighted(node->op.kind)) {
            float none[32] = {0};
            uwc_weights **weights = &s->weights[layers++];
            must(uwc_recon__nearest_node(unit, i, weights));
            must(uwc_graph_set_quantized(s->paths.quantized, i, *weights, node->n_in == 3 ? unit->value[node->in[2]].constant->f32 : none));
            must(uwc_exec_refresh(s->paths.run_quantized, i));
        }
    }
}

static void close_scene(scene *s) {
    for (int i = 0; i < 8; i++) {
        uwc_weights_destroy(&s->weights[i]);
    }
    uwc_recon__paths_close(&s->paths);
    free_field(&s->images);
    uwc_graph_destroy(&s->unit);
}

/* Error of the first output on all images, with the graph as it is. */
static double error_of(const scene *s) {
    uwc_tensor *real = evaluate(s->unit, s->unit->output[0], s->images.real[0], UWC_BACKEND_REFERENCE);
    uwc_tensor *got = evaluate(s->paths.quantized, s->unit->output[0], s->images.quantized[0], UWC_BACKEND_REFERENCE);
    double sum = 0;
    for (int64_t i = 0; i < uwc_shape_count(real->shape); i++) {
        sum += pow((double)real->f32[i] - (double)got->f32[i], 2);
    }
    uwc_tensor_destroy(&real);
    uwc_tensor_destroy(&got);
    return sum;
}

static void roundings_alone_are_learned(void **state) {
    (void)state;
    scene s;
    open_scene(&s, with_bits(residual_unit(), 3, 4));
    const double before = error_of(&s);
    const float step = s.paths.quantized->value[s.unit->input[0]].quantizer.scale;
    must(uwc_recon__learn(&s.paths, &(uwc_learning){.iterations = 500, .rounding = true, .seed = 1}, s.weights));
    for (int layer = 0, i = 0; i < s.unit->n_nodes; i++) {
        if (!uwc_op_is_weighted(s.unit->node[i].op.kind)) {
            continue;
        }
        const uwc_node *node = &s.paths.quantized->node[i];
        float bias[32];
        memcpy(bias, s.paths.quantized->value[node->in[2]].constant->f32, (size_t)s.weights[layer]->rows * sizeof *bias);
        must(uwc_graph_set_quantized(s.paths.quantized, i, s.weights[layer++], bias));
    }
    assert_true(error_of(&s) < 0.9 * before);
    assert_true(s.paths.quantized->value[s.unit->input[0]].quantizer.scale == step);
    close_scene(&s);
}

/* From steps that are too large, and with the weights as they are. */
static void steps_alone_are_learned(void **state) {
    (void)state;
    scene s;
    open_scene(&s, with_bits(residual_unit(), 8, 4));
    uwc_quantizer *input = &s.paths.quantized->value[s.unit->input[0]].quantizer;
    const float best = input->scale, first = 1.2f * best;
    input->scale = first;
    const double before = error_of(&s);
    uwc_weights *was;
    must(uwc_weights_copy(s.weights[0], &was));
    must(uwc_recon__learn(&s.paths, &(uwc_learning){.iterations = 2000, .steps = true, .seed = 1}, s.weights));
    assert_true(input->scale < first && error_of(&s) < before);
    assert_memory_equal(was->q, s.weights[0]->q, (size_t)(was->rows * was->cols));
    assert_true(fabs((double)first - (double)input->scale) <= 2000 * 4e-5 / 2 * 1.01); /* a cosine has the mean 1/2 */
    uwc_weights_destroy(&was);
    close_scene(&s);
}

/* With everything dropped the descent sees the float unit with soft weights: no step moves. */
static void dropped_activations_are_those_of_the_float_network(void **state) {
    (void)state;
    scene s;
    open_scene(&s, with_bits(residual_unit(), 3, 2));
    for (int64_t i = 0; i < uwc_shape_count(s.images.quantized[0]->shape); i++) {
        s.images.quantized[0]->f32[i] = NAN; /* must not be looked at */
    }
    const float scale = s.paths.quantized->value[s.unit->input[0]].quantizer.scale;
    const uwc_learning all = {.iterations = 20, .rounding = true, .steps = true, .drop = 1, .seed = 1};
    must(uwc_recon__learn(&s.paths, &all, s.weights));
    const uwc_tensor *w = s.paths.quantized->value[s.paths.quantized->node[0].in[1]].constant;
    must(uwc_tensor_check_finite(w, "weights"));
    assert_true(s.paths.quantized->value[s.unit->input[0]].quantizer.scale == scale);
    close_scene(&s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(roundings_alone_are_learned),
        cmocka_unit_test(steps_alone_are_learned),
        cmocka_unit_test(dropped_activations_are_those_of_the_float_network),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
