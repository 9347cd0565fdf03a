#include "recon_fixture.h"

#include "recon_impl.h"

/* The inputs of a batch: the images that were asked for, from the network that was asked for. */

static void check_loaded(const uwc_paths *p, const field *images, uwc_images part, bool quantized) {
    for (int i = 0; i < p->unit->n_inputs; i++) {
        const uwc_tensor *got = quantized ? p->feed_quantized[i] : p->feed_float[i];
        const uwc_tensor *all = quantized ? images->quantized[i] : images->real[i];
        assert_int_equal(got->shape.dim[0], part.count);
        for (int64_t k = 0; k < part.count; k++) {
            uwc_tensor one = uwc_tensor_images(got, k, 1), wanted = uwc_tensor_images(all, part.first + k * part.step, 1);
            assert_memory_equal(one.f32, wanted.f32, uwc_tensor_bytes(&wanted));
        }
    }
}

static void images_are_loaded_at_any_distance(void **state) {
    (void)state;
    static const uwc_images part[] = {{0, 1, 3}, {5, 1, 1}, {2, 4, 3}, {1, 9, 2}, {19, 3, 1}, {17, 1, 3}, {0, 19, 2}};
    const uwc_recon_options options = default_options();
    uwc_graph *unit = wide_unit();
    field images = new_field(unit, 20, 1, 0.05);
    uwc_stream stream = stream_of(&images);
    uwc_paths paths;
    must(uwc_recon__paths_open(unit, &options, &stream, &paths));
    assert_true(paths.batch >= 3 && unit->n_inputs == 2);
    for (size_t k = 0; k < sizeof part / sizeof part[0]; k++) {
        must(uwc_recon__paths_load(&paths, part[k], true, true));
        check_loaded(&paths, &images, part[k], false);
        check_loaded(&paths, &images, part[k], true);
    }
    uwc_recon__paths_close(&paths);
    free_field(&images);
    uwc_graph_destroy(&unit);
}

/* Neighbours are one call, others one each; a path that nobody asks for costs none; the poll comes first. */
static void no_more_is_read_than_asked_for(void **state) {
    (void)state;
    const uwc_recon_options options = default_options();
    uwc_graph *unit = wide_unit();
    field images = new_field(unit, 20, 1, 0.05);
    uwc_stream stream = stream_of(&images);
    uwc_paths paths;
    must(uwc_recon__paths_open(unit, &options, &stream, &paths));
    images.calls = 0;
    must(uwc_recon__paths_load(&paths, (uwc_images){0, 1, 3}, true, false));
    assert_int_equal(images.calls, 1 + 2);
    must(uwc_recon__paths_load(&paths, (uwc_images){4, 5, 3}, false, true));
    assert_int_equal(images.calls, 3 + 1 + 2 * 3);
    check_loaded(&paths, &images, (uwc_images){0, 1, 3}, false);
    check_loaded(&paths, &images, (uwc_images){4, 5, 3}, true);
    images.stop_at = images.calls;
    images.stop = UWC_E_INTERRUPTED;
    assert_int_equal(uwc_recon__paths_load(&paths, (uwc_images){0, 1, 3}, true, true), UWC_E_INTERRUPTED);
    assert_string_equal(images.stopped, "poll");
    uwc_recon__paths_close(&paths);
    uwc_recon__paths_close(&paths); /* once more does no harm */
    free_field(&images);
    uwc_graph_destroy(&unit);
}

/* Runs take as many images as were loaded; each path has inputs and weights of its own. */
static void runs_are_those_of_the_unit(void **state) {
    (void)state;
    const uwc_recon_options options = default_options();
    uwc_graph *unit = residual_unit();
    field images = new_field(unit, 20, 1, 0.05);
    uwc_stream stream = stream_of(&images);
    uwc_paths paths;
    must(uwc_recon__paths_open(unit, &options, &stream, &paths));
    for (int quantized = 0; quantized < 2; quantized++) {
        uwc_tensor *all = evaluate(unit, unit->output[0], (quantized == 1 ? images.quantized : images.real)[0], UWC_BACKEND_REFERENCE);
        for (int64_t count = 1; count <= 3; count++) {
            const uwc_tensor *got;
            must(uwc_recon__paths_load(&paths, (uwc_images){2, 5, count}, quantized == 0, quantized == 1));
            must(uwc_recon__paths_run(&paths, quantized == 1 ? paths.run_quantized : paths.run_float, quantized == 1, unit->output, 1,
                                      &got));
            assert_int_equal(got->shape.dim[0], count);
            for (int64_t i = 0; i < count; i++) {
                uwc_tensor one = uwc_tensor_images(got, i, 1), wanted = uwc_tensor_images(all, 2 + 5 * i, 1);
                assert_true(difference(&wanted, &one) < 1e-5);
            }
        }
        uwc_tensor_destroy(&all);
    }
    uwc_recon__paths_close(&paths);
    free_field(&images);
    uwc_graph_destroy(&unit);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(images_are_loaded_at_any_distance),
        cmocka_unit_test(no_more_is_read_than_asked_for),
        cmocka_unit_test(runs_are_those_of_the_unit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
