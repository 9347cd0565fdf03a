#include "recon_fixture.h"

/* Which values of a unit get a quantizer. */

enum { IMAGES = 40 };

static void edges_are_those_into_layers(void **state) {
    (void)state;
    const uwc_recon_options options = default_options();
    uwc_graph *unit = with_bits(residual_unit(), 4, 4);
    field images = new_field(unit, IMAGES, 1, 0.05);
    uwc_unit_result *result = reconstruct(unit, &options, &images);
    assert_int_equal(result->n_edges, 2);
    for (int i = 0; i < 2; i++) {
        int value = uwc_graph_find_value(unit, result->edge[i].value);
        assert_int_equal(result->edge[i].quantizer.bits, unit->value[value].activation_bits);
        assert_true(result->edge[i].quantizer.scale > 0);
    }
    assert_string_equal(result->edge[0].value, "x");
    assert_string_equal(result->edge[1].value, "ra");
    assert_int_equal(result->edge[1].quantizer.zero, 0); /* behind a relu */
    uwc_unit_result_destroy(&result);
    free_field(&images);
    uwc_graph_destroy(&unit);
    unit = with_bits(residual_unit(), 4, 32);
    images = new_field(unit, IMAGES, 1, 0.05);
    result = reconstruct(unit, &options, &images);
    assert_int_equal(result->n_edges, 0);
    uwc_unit_result_destroy(&result);
    free_field(&images);
    uwc_graph_destroy(&unit);
}

static void a_quantizer_that_is_there_stays(void **state) {
    (void)state;
    const uwc_recon_options options = default_options();
    uwc_graph *unit = with_bits(residual_unit(), 4, 4);
    const uwc_quantizer given = {4, 0.21f, 1};
    unit->value[unit->input[0]].quantizer = given;
    field images = new_field(unit, IMAGES, 1, 0.05);
    uwc_unit_result *result = reconstruct(unit, &options, &images);
    assert_string_equal(result->edge[0].value, "x");
    assert_memory_equal(&result->edge[0].quantizer, &given, sizeof given);
    uwc_unit_result_destroy(&result);
    free_field(&images);
    uwc_graph_destroy(&unit);
}

static void quantize_all_covers_sums_too(void **state) {
    (void)state;
    const uwc_recon_options options = default_options();
    uwc_graph *unit = residual_unit();
    must(uwc_graph_assign_bits(unit, &(uwc_bits){4, 6, 6, false, true}));
    field images = new_field(unit, IMAGES, 1, 0.05);
    uwc_unit_result *result = reconstruct(unit, &options, &images);
    assert_int_equal(result->n_edges, 5); /* x a ra b sum */
    uwc_graph *quantized;
    must(uwc_graph_copy(unit, &quantized));
    must(uwc_unit_result_apply(result, quantized));
    uwc_tensor *got = evaluate(quantized, quantized->output[0], images.quantized[0], UWC_BACKEND_FAST);
    assert_true(difference(got, images.written[0]) < 1e-4);
    uwc_tensor_destroy(&got);
    uwc_graph_destroy(&quantized);
    uwc_unit_result_destroy(&result);
    free_field(&images);
    uwc_graph_destroy(&unit);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(edges_are_those_into_layers),
        cmocka_unit_test(a_quantizer_that_is_there_stays),
        cmocka_unit_test(quantize_all_covers_sums_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
