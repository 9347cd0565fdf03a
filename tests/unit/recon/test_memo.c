#include "recon_fixture.h"

#include "recon_impl.h"

/* What a memo keeps and forgets; units that are solved with a warm one come out as without, and do without what is known. */

enum { IMAGES = 40 };

static uwc_kept targets_of(float value) {
    uwc_kept kept = {0};
    must(uwc_calloc(4, sizeof(float), &kept.targets));
    kept.targets[0] = value;
    return kept;
}

static void put(uwc_memo *memo, uint64_t key, int64_t bytes) {
    uwc_kept kept = targets_of((float)key);
    uwc_recon__memo_put(memo, key, bytes, &kept);
    assert_null(kept.targets); /* adopted, kept or not */
}

static bool has(uwc_memo *memo, uint64_t key) {
    uwc_kept kept;
    bool found = uwc_recon__memo_find(memo, key, &kept);
    assert_true(!found || kept.targets[0] == (float)key);
    return found;
}

static void what_was_used_last_stays(void **state) {
    (void)state;
    uwc_memo *memo;
    must(uwc_memo_create(100, &memo));
    put(memo, 1, 40);
    put(memo, 2, 40);
    assert_true(has(memo, 1) && has(memo, 2));
    assert_true(has(memo, 1));
    put(memo, 3, 40); /* 2 was not asked for since */
    assert_true(has(memo, 1) && !has(memo, 2) && has(memo, 3));
    put(memo, 4, 101);
    assert_true(!has(memo, 4) && has(memo, 1) && has(memo, 3)); /* what never fits drives nothing out */
    put(memo, 0, 1);
    assert_false(has(memo, 0));
    assert_true(uwc_recon__memo_room(memo, 60) && has(memo, 3) && !has(memo, 1));
    assert_false(uwc_recon__memo_room(memo, 101));
    put(memo, 5, 100);
    assert_true(has(memo, 5) && !has(memo, 3));
    uwc_memo_destroy(&memo);
    assert_null(memo);
}

static void without_a_memo_nothing_is_kept(void **state) {
    (void)state;
    put(NULL, 1, 1);
    assert_false(has(NULL, 1));
    assert_false(uwc_recon__memo_room(NULL, 0));
}

/* Reconstructs at some bits; *read: calls of the stream. */
static uwc_unit_result *solve(uwc_graph *unit, const uwc_recon_options *options, int weights, int activations, uwc_stream stream,
                              int64_t *read) {
    field *images = stream.self;
    uwc_unit_result *result;
    memset(images->next, 0, sizeof images->next);
    images->calls = 0;
    with_bits(unit, weights, activations);
    must(uwc_recon_unit(unit, options, &stream, &result));
    *read = images->calls;
    return result;
}

typedef struct shared {
    int activations;
    uint64_t same_quantized;
    double ridge;
} shared;

/* Four widths one after the other with one memo, each against the same without. */
static void check_widths(unit_maker *make, const shared *form, bool fewer) {
    static const int width[] = {8, 4, 3, 2};
    uwc_recon_options options = default_options();
    uwc_graph *unit = make();
    field images = new_field(unit, IMAGES, 1, form->same_quantized == 0 ? 0.05 : 0);
    uwc_stream stream = stream_of(&images);
    options.ridge = form->ridge;
    must(uwc_memo_create(1 << 26, &stream.memo));
    stream.same_float = 1;
    stream.same_quantized = form->same_quantized;
    for (int k = 0; k < 4; k++) {
        int64_t with, without;
        uwc_unit_result *warm = solve(unit, &options, width[k], form->activations, stream, &with);
        uwc_unit_result *alone = solve(unit, &options, width[k], form->activations, stream_of(&images), &without);
        assert_same_results(warm, alone);
        assert_true(k == 0 ? with == without : !fewer || with < without);
        uwc_unit_result_destroy(&warm);
        uwc_unit_result_destroy(&alone);
    }
    uwc_memo_destroy(&stream.memo);
    free_field(&images);
    uwc_graph_destroy(&unit);
}

static void widths_share_what_does_not_depend_on_them(void **state) {
    (void)state;
    static const shared form[] = {{32, 1, 0}, {32, 1, 0.01}, {4, 1, 0}, {32, 0, 0}, {8, 0, 0}};
    for (int u = 0; u < UNITS; u++) {
        for (size_t k = 0; k < sizeof form / sizeof form[0]; k++) {
            check_widths(unit_makers[u], &form[k], unit_makers[u] != early_unit || form[k].same_quantized != 0);
        }
    }
}

/* Something that the sums depend on differs: they are made again. */
static void others_find_nothing(void **state) {
    (void)state;
    enum { CASES = 9 };
    for (int c = 0; c < CASES; c++) {
        uwc_recon_options options = default_options();
        uwc_graph *unit = with_bits(residual_unit(), 4, 8);
        field images = new_field(unit, IMAGES, 1, 0), brighter = new_field(unit, IMAGES, 2, 0);
        uwc_stream stream = stream_of(&images);
        int64_t with, without;
        int bits = 8;
        must(uwc_memo_create(1 << 26, &stream.memo));
        stream.same_float = stream.same_quantized = 1;
        uwc_unit_result *first = solve(unit, &options, 4, bits, stream, &with);
        uwc_unit_result_destroy(&first);
        uwc_stream next = stream;
        float *weight = unit->value[unit->node[0].in[1]].constant->f32;
        options.seed += c == 0;
        options.positions += c == 1 ? 9 : 0;
        options.backend = c == 2 ? UWC_BACKEND_REFERENCE : options.backend;
        options.ridge += c == 3 ? 1 : 0;
        options.batch_bytes = c == 4 ? 1 << 10 : options.batch_bytes;
        weight[0] += c == 5 ? 1 : 0;
        bits = c == 6 ? 3 : bits;
        next.self = c == 7 ? &brighter : next.self;
        next.same_float += c == 7;
        next.same_quantized += c == 7;
        next.images -= c == 8;
        uwc_unit_result *warm = solve(unit, &options, 4, bits, next, &with);
        next.memo = NULL;
        uwc_unit_result *alone = solve(unit, &options, 4, bits, next, &without);
        assert_same_results(warm, alone);
        assert_true(c == 3 || c == 6 ? with <= without : with == without); /* these share targets */
        uwc_unit_result_destroy(&warm);
        uwc_unit_result_destroy(&alone);
        uwc_memo_destroy(&stream.memo);
        free_field(&images);
        free_field(&brighter);
        uwc_graph_destroy(&unit);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_used_last_stays),
        cmocka_unit_test(without_a_memo_nothing_is_kept),
        cmocka_unit_test(widths_share_what_does_not_depend_on_them),
        cmocka_unit_test(others_find_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
