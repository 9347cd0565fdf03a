#include "recon_fixture.h"

/* The stream of a unit: its callbacks, its end before the end, and images that cannot be used. */

/* Every single call of the stream may be the one that ends the work: with its status, no result, and nothing left behind (the
 * sanitizers look). */
static void every_callback_can_end_the_work(void **state) {
    (void)state;
    static const uwc_status stop[] = {UWC_E_INTERRUPTED, UWC_E_IO, UWC_E_COMM};
    const uwc_recon_options options = default_options();
    uwc_graph *unit = with_bits(wide_unit(), 4, 4);
    field images = new_field(unit, 18, 1, 0.05);
    uwc_unit_result *result = reconstruct(unit, &options, &images);
    const int64_t calls = images.calls;
    assert_true(calls > 100);
    uwc_unit_result_destroy(&result);
    int reads = 0, writes = 0, polls = 0;
    for (int64_t at = 0; at < calls; at++) {
        uwc_stream stream = stream_of(&images);
        images.calls = 0;
        images.stop_at = at;
        images.stop = stop[at % 3];
        memset(images.next, 0, sizeof images.next);
        assert_int_equal(uwc_recon_unit(unit, &options, &stream, &result), images.stop);
        assert_null(result);
        assert_int_equal(uwc_error_last()->status, images.stop);
        assert_int_equal(images.calls, at + 1); /* nothing is called any more */
        reads += strcmp(images.stopped, "read") == 0;
        writes += strcmp(images.stopped, "write") == 0;
        polls += strcmp(images.stopped, "poll") == 0;
    }
    assert_true(reads > 0 && writes > 0 && polls > 0);
    free_field(&images);
    uwc_graph_destroy(&unit);
}

static void streams_need_neither_write_nor_poll(void **state) {
    (void)state;
    const uwc_recon_options options = default_options();
    uwc_graph *unit = with_bits(head_unit(), 4, 4);
    field images = new_field(unit, 20, 1, 0.05);
    uwc_unit_result *with = reconstruct(unit, &options, &images), *without;
    uwc_stream stream = {.self = &images, .images = 20, .read = field_read};
    must(uwc_recon_unit(unit, &options, &stream, &without));
    assert_same_results(with, without);
    uwc_unit_result_destroy(&with);
    uwc_unit_result_destroy(&without);
    free_field(&images);
    uwc_graph_destroy(&unit);
}

static void what_cannot_be_solved_is_refused(void **state) {
    (void)state;
    const uwc_recon_options options = default_options();
    uwc_unit_result *result;
    uwc_graph *unit = residual_unit();
    field images = new_field(unit, 4, 1, 0);
    uwc_stream stream = stream_of(&images);
    must_fail(uwc_recon_unit(unit, &options, &stream, &result), UWC_E_ARG, "layer a has no bits");
    assert_null(result);
    stream.images = 0;
    must_fail(uwc_recon_unit(with_bits(unit, 4, 4), &options, &stream, &result), UWC_E_ARG, "no calibration images");
    free_field(&images);
    uwc_graph_destroy(&unit);
    uwc_graph *graph = new_graph();
    int x = put_input(graph, "x", uwc_shape_4d(1, 3, 4, 5));
    unit = with_bits(finished_unit(graph, put_linear(graph, "product", x, 5, 4)), 4, 32);
    images = new_field(unit, 4, 1, 0);
    stream = stream_of(&images);
    must_fail(uwc_recon_unit(unit, &options, &stream, &result), UWC_E_UNSUPPORTED, "layer product");
    free_field(&images);
    uwc_graph_destroy(&unit);
}

/* NaN from the stream ends as an error, not as weights. */
static void images_that_are_not_finite_are_an_error(void **state) {
    (void)state;
    const uwc_recon_options options = default_options();
    for (int side = 0; side < 2; side++) {
        uwc_graph *unit = with_bits(residual_unit(), 4, 32);
        field images = new_field(unit, 40, 1, 0.05);
        (side == 0 ? images.real : images.quantized)[0]->f32[777] = NAN;
        uwc_stream stream = stream_of(&images);
        uwc_unit_result *result;
        must_fail(uwc_recon_unit(unit, &options, &stream, &result), UWC_E_MATH, "layer a");
        assert_null(result);
        free_field(&images);
        uwc_graph_destroy(&unit);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_callback_can_end_the_work),
        cmocka_unit_test(streams_need_neither_write_nor_poll),
        cmocka_unit_test(what_cannot_be_solved_is_refused),
        cmocka_unit_test(images_that_are_not_finite_are_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
