#include "recon_fixture.h"

#include "recon_impl.h"

/* The rows of a batch, for the layer that absorbs the error of a residual unit's shortcut. */

enum { CHANNELS = 8, SIDE = 6, PIXELS = SIDE * SIDE, IMAGES = 20 };

typedef struct bed {
    uwc_graph *unit;
    field images;
    uwc_stream stream;
    uwc_recon_options options;
    uwc_paths paths;
    uwc_aim aim;
    uwc_pass pass;
} bed;

static bed *new_bed(int64_t positions) {
    bed *own;
    must(uwc_calloc(1, sizeof *own, &own));
    own->unit = with_bits(residual_unit(), 4, 32);
    own->images = new_field(own->unit, IMAGES, 1, 0.1);
    own->stream = stream_of(&own->images);
    own->options = default_options();
    own->options.positions = positions;
    const int node = uwc_graph_find_node(own->unit, "b");
    must(uwc_recon__paths_open(own->unit, &own->options, &own->stream, &own->paths));
    must(uwc_recon__aim(own->unit, node, UWC_TARGET_UNIT, &own->aim));
    must(uwc_recon__pass_open(&own->paths, node, &own->aim, &own->options, &own->pass));
    return own;
}

static void free_bed(bed **own) {
    uwc_recon__pass_close(&(*own)->pass);
    uwc_recon__aim_clear(&(*own)->aim);
    uwc_recon__paths_close(&(*own)->paths);
    free_field(&(*own)->images);
    uwc_graph_destroy(&(*own)->unit);
    uwc_free(own);
}

/* Of images first, first + 2, ...: x is the quantized path's, y the float sum without the quantized shortcut, at the rows' positions. */
static void check_rows(bed *own, int64_t first, int64_t count, int64_t positions) {
    const uwc_images images = {.first = first, .step = 2, .count = count};
    uwc_tensor *in = evaluate(own->unit, uwc_graph_find_value(own->unit, "ra"), own->images.quantized[0], UWC_BACKEND_REFERENCE);
    uwc_tensor *sum = evaluate(own->unit, uwc_graph_find_value(own->unit, "sum"), own->images.real[0], UWC_BACKEND_REFERENCE);
    uwc_geometry g;
    uwc_rows rows;
    uwc_recon__pass_geometry(&own->pass, count, &g);
    must(uwc_recon__pass_rows(&own->pass, images, &g, &rows));
    assert_int_equal(rows.count, count * positions);
    assert_int_equal(rows.position == NULL, positions == PIXELS);
    for (int64_t i = 0; i < rows.count; i++) {
        const int64_t at = rows.position == NULL ? i : rows.position[i], image = first + 2 * (i / positions);
        assert_true(at / PIXELS == i / positions && (i % positions == 0 || rows.position == NULL || at > rows.position[i - 1]));
        for (int64_t c = 0; c < CHANNELS; c++) {
            const int64_t from = (image * PIXELS + at % PIXELS) * CHANNELS + c;
            assert_true(fabsf(rows.x[at * CHANNELS + c] - in->f32[from]) < 1e-5f);
            assert_true(fabsf(rows.y[at * CHANNELS + c] - (sum->f32[from] - own->images.quantized[0]->f32[from])) < 1e-4f);
        }
    }
    uwc_tensor_destroy(&in);
    uwc_tensor_destroy(&sum);
}

static void all_positions_have_input_and_target(void **state) {
    (void)state;
    bed *own = new_bed(0);
    check_rows(own, 0, own->paths.batch < 8 ? own->paths.batch : 8, PIXELS);
    check_rows(own, 5, 1, PIXELS);
    free_bed(&own);
}

static void some_positions_of_every_image_have_input_and_target(void **state) {
    (void)state;
    bed *own = new_bed(5);
    check_rows(own, 0, own->paths.batch < 8 ? own->paths.batch : 8, 5);
    check_rows(own, 3, 1, 5);
    free_bed(&own);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_positions_have_input_and_target),
        cmocka_unit_test(some_positions_of_every_image_have_input_and_target),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
