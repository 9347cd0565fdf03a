#include "recon_fixture.h"

#include "recon_impl.h"

/* Which layers of a unit have a key, and what makes it another one. */

enum { IMAGES = 20 };

typedef struct bed {
    uwc_graph *unit;
    field images;
    uwc_stream stream;
    uwc_recon_options options;
    uwc_paths paths;
    uwc_memo *memo;
} bed;

static void open_bed(bed *own) {
    must(uwc_recon__paths_open(own->unit, &own->options, &own->stream, &own->paths));
}

static bed new_bed(unit_maker *make, int weights, int activations) {
    bed own = {.unit = with_bits(make(), weights, activations), .options = default_options()};
    must(uwc_memo_create(1 << 20, &own.memo));
    own.images = new_field(own.unit, IMAGES, 1, 0);
    own.stream = stream_of(&own.images);
    own.stream.memo = own.memo;
    own.stream.same_float = 1;
    own.stream.same_quantized = 2;
    return own;
}

static void free_bed(bed *own) {
    uwc_recon__paths_close(&own->paths);
    free_field(&own->images);
    uwc_memo_destroy(&own->memo);
    uwc_graph_destroy(&own->unit);
}

static uint64_t sums(const bed *own, const char *layer) {
    const int node = uwc_graph_find_node(own->unit, layer);
    uwc_aim aim;
    uint64_t key;
    must(uwc_recon__aim(own->unit, node, own->options.target, &aim));
    must(uwc_recon__memo_key_sums(&own->paths, node, &aim, &own->options, &key));
    uwc_recon__aim_clear(&aim);
    return key;
}

static uint64_t targets(const bed *own, const char *layer) {
    uint64_t key;
    must(uwc_recon__memo_key_targets(&own->paths, uwc_graph_find_node(own->unit, layer), &own->options, &key));
    return key;
}

static void solve(bed *own, const char *layer) {
    const int node = uwc_graph_find_node(own->unit, layer);
    uwc_weights *weights;
    float bias[64] = {0};
    must(uwc_recon__nearest_node(own->unit, node, &weights));
    must(uwc_graph_set_quantized(own->paths.quantized, node, weights, bias));
    uwc_weights_destroy(&weights);
}

static void bits_of_layers_to_come_do_not_count(void **state) {
    (void)state;
    bed four = new_bed(residual_unit, 4, 32), two = new_bed(residual_unit, 2, 32), few = new_bed(residual_unit, 4, 4);
    for (bed *own = &four; own != NULL; own = own == &four ? &two : own == &two ? &few : NULL) {
        open_bed(own);
        assert_true(sums(own, "a") != 0 && targets(own, "a") != 0 && targets(own, "b") != 0);
        assert_true(sums(own, "a") == sums(&four, "a")); /* no quantizer is chosen yet */
        assert_true(targets(own, "b") == targets(&four, "b"));
        assert_true(targets(own, "a") != targets(own, "b") && targets(own, "a") != sums(own, "a"));
    }
    few.paths.quantized->value[few.paths.quantized->input[0]].quantizer = (uwc_quantizer){.bits = 4, .scale = 0.1f};
    assert_true(sums(&few, "a") != sums(&four, "a"));
    assert_true(targets(&few, "a") == targets(&four, "a"));
    free_bed(&four);
    free_bed(&two);
    free_bed(&few);
}

static void a_layer_behind_a_solved_one_has_no_sums_to_share(void **state) {
    (void)state;
    bed own = new_bed(residual_unit, 4, 32), joining = new_bed(joining_unit, 4, 32);
    open_bed(&own);
    const uint64_t before = targets(&own, "b");
    solve(&own, "a");
    assert_true(sums(&own, "b") == 0 && targets(&own, "b") == before);
    open_bed(&joining); /* q reads the unit's input, but makes up for p */
    solve(&joining, "p");
    assert_true(sums(&joining, "q") == 0);
    joining.options.target = UWC_TARGET_LAYER;
    assert_true(sums(&joining, "q") != 0);
    free_bed(&own);
    free_bed(&joining);
}

static void what_is_nobody_elses_has_no_key(void **state) {
    (void)state;
    for (int c = 0; c < 5; c++) {
        bed own = new_bed(residual_unit, 4, 32);
        own.stream.memo = c == 1 ? NULL : own.stream.memo;
        own.stream.members = c == 2 ? 2 : 0;
        own.stream.same_float = c == 3 ? 0 : 1;
        own.stream.same_quantized = c == 4 ? 0 : 2;
        open_bed(&own);
        assert_int_equal(sums(&own, "a") != 0, c == 0);
        assert_int_equal(targets(&own, "a") != 0, c == 0 || c == 4);
        free_bed(&own);
    }
}

static void all_that_the_rows_depend_on_counts(void **state) {
    (void)state;
    enum { CASES = 9 };
    uint64_t key[CASES];
    for (int c = 0; c < CASES; c++) {
        bed own = new_bed(residual_unit, 4, 32);
        own.stream.images -= c == 1;
        own.stream.same_float += c == 2;
        own.stream.same_quantized += c == 3;
        own.options.batch_bytes = c == 4 ? 1 : own.options.batch_bytes;
        own.options.positions += c == 5;
        own.options.seed += c == 6;
        own.options.backend = c == 7 ? UWC_BACKEND_REFERENCE : UWC_BACKEND_FAST;
        own.unit->value[own.unit->node[0].in[2]].constant->f32[0] += c == 8;
        open_bed(&own);
        key[c] = sums(&own, "a");
        for (int k = 0; k < c; k++) {
            assert_true(key[c] != key[k]);
        }
        free_bed(&own);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bits_of_layers_to_come_do_not_count),
        cmocka_unit_test(a_layer_behind_a_solved_one_has_no_sums_to_share),
        cmocka_unit_test(what_is_nobody_elses_has_no_key),
        cmocka_unit_test(all_that_the_rows_depend_on_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
