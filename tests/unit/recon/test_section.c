#include "recon_fixture.h"

#include "recon_impl.h"

/* A layer as a unit of its own sees what the unit around it makes. */

enum { IMAGES = 12 };

typedef struct place {
    unit_maker *unit;
    const char *layer, *in, *out; /* out: with the activation function */
} place;

/* Value `name` of a graph on all images of the field, by the reference operators. */
static uwc_tensor *value_of(const uwc_graph *graph, const char *name, uwc_tensor *const *fed) {
    uwc_exec *exec;
    const uwc_tensor *got;
    uwc_tensor *copy;
    int value = uwc_graph_find_value(graph, name);
    assert_true(value >= 0);
    must(uwc_exec_create(graph, IMAGES, UWC_BACKEND_REFERENCE, &exec));
    must(uwc_exec_run(exec, IMAGES, graph->input, (const uwc_tensor *const *)fed, graph->n_inputs, &value, 1, &got));
    must(uwc_tensor_copy(got, &copy));
    uwc_exec_destroy(&exec);
    return copy;
}

static void check_images(const uwc_section *section, bool quantized, const uwc_tensor *wanted) {
    uwc_tensor *got;
    must(uwc_tensor_activation(uwc_shape_batch(wanted->shape, 1), &got));
    for (int64_t i = IMAGES - 1; i >= 0; i--) {
        must(section->stream.read(section->stream.self, 0, quantized, i, got));
        uwc_tensor image = uwc_tensor_images(wanted, i, 1);
        assert_true(difference(got, &image) < 1e-4);
    }
    uwc_tensor_destroy(&got);
}

static void check_place(const place *at) {
    const uwc_recon_options options = default_options();
    uwc_graph *unit = with_bits(at->unit(), 4, 4);
    field images = new_field(unit, IMAGES, 1, 0.3);
    uwc_stream stream = stream_of(&images);
    uwc_paths paths;
    uwc_section section;
    must(uwc_recon__paths_open(unit, &options, &stream, &paths));
    int node = uwc_graph_find_node(unit, at->layer);
    for (int i = 0; i < node; i++) { /* the layers before it are solved */
        must(uwc_recon__choose_edges(&paths, i, 1));
        if (uwc_op_is_weighted(unit->node[i].op.kind)) {
            uwc_weights *weights;
            float bias[32] = {0};
            must(uwc_recon__nearest_node(unit, i, &weights));
            must(uwc_graph_set_quantized(paths.quantized, i, weights, bias));
            must(uwc_exec_refresh(paths.run_quantized, i));
            uwc_weights_destroy(&weights);
        }
    }
    must(uwc_recon__choose_edges(&paths, node, 1));
    must(uwc_recon__section_open(&paths, node, &options, &section));
    uwc_tensor *real = value_of(unit, at->in, images.real), *rounded = value_of(paths.quantized, at->in, images.quantized);
    assert_true(difference(real, rounded) > 0.01);
    check_images(&section, false, real);
    check_images(&section, true, rounded);
    const uwc_graph *own = section.paths.quantized;
    assert_string_equal(own->value[own->output[0]].name, at->out);
    assert_string_equal(own->value[own->input[0]].name, at->in);
    assert_int_equal(own->value[own->input[0]].quantizer.bits, 4);
    assert_true(own->value[own->input[0]].quantizer.scale ==
                paths.quantized->value[uwc_graph_find_value(paths.quantized, at->in)].quantizer.scale);
    assert_int_equal(section.paths.unit->value[0].quantizer.bits, 0); /* the float path has none */
    uwc_tensor_destroy(&real);
    uwc_tensor_destroy(&rounded);
    uwc_recon__section_close(&section);
    uwc_recon__paths_close(&paths);
    free_field(&images);
    uwc_graph_destroy(&unit);
}

static void layers_see_the_paths_around_them(void **state) {
    (void)state;
    static const place places[] = {
        {residual_unit, "a", "x", "ra"},  {residual_unit, "b", "ra", "b"}, /* an Add comes behind it */
        {inverted_unit, "d", "re", "rd"}, {inverted_unit, "p", "rd", "p"}, {head_unit, "head", "flat", "head"},
    };
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        check_place(&places[i]);
    }
}

static void a_stop_of_the_stream_goes_through(void **state) {
    (void)state;
    const uwc_recon_options options = default_options();
    uwc_graph *unit = with_bits(residual_unit(), 4, 4);
    field images = new_field(unit, IMAGES, 1, 0.3);
    uwc_stream stream = stream_of(&images);
    uwc_paths paths;
    uwc_section section;
    uwc_tensor *got;
    must(uwc_recon__paths_open(unit, &options, &stream, &paths));
    must(uwc_recon__section_open(&paths, 0, &options, &section));
    must(uwc_tensor_activation(uwc_shape_batch(unit->value[unit->input[0]].shape, 1), &got));
    images.stop_at = images.calls;
    images.stop = UWC_E_INTERRUPTED;
    must_fail(section.stream.read(section.stream.self, 0, true, 0, got), UWC_E_INTERRUPTED, "stopped in read");
    images.stop_at = images.calls;
    must_fail(section.stream.poll(section.stream.self), UWC_E_INTERRUPTED, "stopped in poll");
    uwc_tensor_destroy(&got);
    uwc_recon__section_close(&section);
    uwc_recon__paths_close(&paths);
    free_field(&images);
    uwc_graph_destroy(&unit);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(layers_see_the_paths_around_them),
        cmocka_unit_test(a_stop_of_the_stream_goes_through),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
