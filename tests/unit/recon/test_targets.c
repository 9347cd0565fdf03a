#include "recon_fixture.h"

#include "recon_impl.h"

/* Float outputs that one pass makes and the next one finds. */

enum { CHANNELS = 8, SIDE = 6, PIXELS = SIDE * SIDE, IMAGES = 20 };

typedef struct bed {
    uwc_graph *unit;
    field images;
    uwc_stream stream;
    uwc_recon_options options;
    uwc_paths paths;
    uwc_aim aim;
    int node;
} bed;

static bed *new_bed(int64_t positions, uwc_memo *memo) {
    bed *own;
    must(uwc_calloc(1, sizeof *own, &own));
    own->unit = with_bits(residual_unit(), 4, 32);
    own->images = new_field(own->unit, IMAGES, 1, 0.1);
    own->stream = stream_of(&own->images);
    own->stream.memo = memo;
    own->stream.same_float = 1;
    own->options = default_options();
    own->options.positions = positions;
    own->node = uwc_graph_find_node(own->unit, "b");
    must(uwc_recon__paths_open(own->unit, &own->options, &own->stream, &own->paths));
    must(uwc_recon__aim(own->unit, own->node, UWC_TARGET_UNIT, &own->aim));
    return own;
}

static void free_bed(bed **own) {
    uwc_recon__aim_clear(&(*own)->aim);
    uwc_recon__paths_close(&(*own)->paths);
    free_field(&(*own)->images);
    uwc_graph_destroy(&(*own)->unit);
    uwc_free(own);
}

/* The targets of the first `shards` shards, in the order of the pass; returns their number. *known: they were found. */
static int64_t run_pass(bed *own, int shards, float *out, bool *known) {
    uwc_pass pass;
    int64_t n = 0;
    must(uwc_recon__pass_open(&own->paths, own->node, &own->aim, &own->options, &pass));
    must(uwc_recon__targets_open(&pass, own->node, &own->options, &pass.targets));
    *known = pass.targets.known != NULL;
    for (int shard = 0; shard < shards; shard++) {
        uwc_images all = uwc_recon__images(&own->stream, shard, pass.sample.images);
        for (int64_t at = 0; at < all.count; at += own->paths.batch) {
            uwc_images part = uwc_recon__images_part(all, at, own->paths.batch);
            uwc_geometry g;
            uwc_rows rows;
            uwc_recon__pass_geometry(&pass, part.count, &g);
            must(uwc_recon__pass_rows(&pass, part, &g, &rows));
            for (int64_t i = 0; i < rows.count; i++, n += CHANNELS) {
                memcpy(out + n, rows.y + (rows.position == NULL ? i : rows.position[i]) * CHANNELS, CHANNELS * sizeof *out);
            }
        }
    }
    uwc_recon__pass_close(&pass);
    return n;
}

static void a_second_pass_finds_the_targets_of_the_first(void **state) {
    (void)state;
    static const int64_t positions[] = {0, 5};
    static float first[IMAGES * PIXELS * CHANNELS], second[IMAGES * PIXELS * CHANNELS];
    for (int k = 0; k < 2; k++) {
        uwc_memo *memo;
        bool known;
        must(uwc_memo_create(1 << 20, &memo));
        bed *own = new_bed(positions[k], memo);
        const int64_t n = run_pass(own, UWC_SHARDS, first, &known);
        assert_int_equal(n, IMAGES * CHANNELS * (k == 0 ? PIXELS : 5));
        assert_false(known);
        assert_int_equal(run_pass(own, UWC_SHARDS, second, &known), n);
        assert_true(known);
        assert_memory_equal(first, second, (size_t)n * sizeof *first);
        uwc_tensor *sum = evaluate(own->unit, uwc_graph_find_value(own->unit, "sum"), own->images.real[0], UWC_BACKEND_REFERENCE);
        for (int64_t i = 0; k == 0 && i < n; i++) { /* all positions come in the order of the images */
            assert_true(fabsf(second[i] - (sum->f32[i] - own->images.quantized[0]->f32[i])) < 1e-4f);
        }
        uwc_tensor_destroy(&sum);
        free_bed(&own);
        uwc_memo_destroy(&memo);
    }
}

static void a_pass_that_breaks_off_keeps_nothing(void **state) {
    (void)state;
    static float y[IMAGES * PIXELS * CHANNELS];
    uwc_memo *memo;
    bool known;
    must(uwc_memo_create(1 << 20, &memo));
    bed *own = new_bed(0, memo);
    run_pass(own, UWC_SHARDS - 1, y, &known);
    run_pass(own, UWC_SHARDS, y, &known);
    assert_false(known);
    free_bed(&own);
    uwc_memo_destroy(&memo);
}

static void targets_that_have_no_room_are_made_again(void **state) {
    (void)state;
    static float y[IMAGES * PIXELS * CHANNELS];
    for (int k = 0; k < 2; k++) {
        uwc_memo *memo;
        bool known;
        must(uwc_memo_create(IMAGES * PIXELS * CHANNELS * (int64_t)sizeof(float) - k, &memo));
        bed *own = new_bed(0, memo);
        run_pass(own, UWC_SHARDS, y, &known);
        run_pass(own, UWC_SHARDS, y, &known);
        assert_int_equal(known, k == 0);
        free_bed(&own);
        uwc_memo_destroy(&memo);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_second_pass_finds_the_targets_of_the_first),
        cmocka_unit_test(a_pass_that_breaks_off_keeps_nothing),
        cmocka_unit_test(targets_that_have_no_room_are_made_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
