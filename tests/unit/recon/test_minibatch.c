#include "recon_fixture.h"

#include "recon_impl.h"

/* Random batches: which images, from which network, and what the float unit gives for them. */

enum { IMAGES = 40, SIZE = 6, NONE_KEPT = 0, ALL_KEPT = 1 << 30 };

typedef struct bench {
    uwc_graph *unit;
    field images;
    uwc_stream stream;
    uwc_paths paths;
    uwc_minibatch batch;
} bench;

static void open_bench(int64_t images, int64_t most, bench *b) {
    const uwc_recon_options options = default_options();
    b->unit = wide_unit();
    b->images = new_field(b->unit, images, 1, 0.05);
    b->stream = stream_of(&b->images);
    must(uwc_recon__paths_open(b->unit, &options, &b->stream, &b->paths));
    must(uwc_recon__minibatch_open(&b->paths, SIZE, most, &b->batch));
}

static void close_bench(bench *b) {
    uwc_recon__minibatch_close(&b->batch);
    uwc_recon__minibatch_close(&b->batch); /* once more does no harm */
    uwc_recon__paths_close(&b->paths);
    free_field(&b->images);
    uwc_graph_destroy(&b->unit);
}

static int shard_of(int64_t image, int64_t images) {
    for (int shard = 0; shard < UWC_SHARDS; shard++) {
        int64_t first, count;
        uwc_shard_range(images, shard, &first, &count);
        if (image >= first && image < first + count) {
            return shard;
        }
    }
    return -1;
}

/* Inputs are the quantized network's; targets what the float unit gives for the float ones. */
static void check_batch(bench *b) {
    const uwc_graph *unit = b->unit;
    uwc_exec *exec;
    const uwc_tensor *real[MOST_EDGES];
    must(uwc_exec_create(unit, IMAGES, UWC_BACKEND_REFERENCE, &exec));
    must(uwc_exec_run(exec, IMAGES, unit->input, (const uwc_tensor *const *)b->images.real, unit->n_inputs, unit->output, unit->n_outputs,
                      real));
    for (int64_t k = 0; k < SIZE; k++) {
        for (int i = 0; i < unit->n_inputs; i++) {
            uwc_tensor got = uwc_tensor_images(b->batch.input[i], k, 1),
                       wanted = uwc_tensor_images(b->images.quantized[i], b->batch.image[k], 1);
            assert_memory_equal(got.f32, wanted.f32, uwc_tensor_bytes(&wanted));
        }
        for (int i = 0; i < unit->n_outputs; i++) {
            uwc_tensor got = uwc_tensor_images(b->batch.target[i], k, 1), wanted = uwc_tensor_images(real[i], b->batch.image[k], 1);
            assert_true(difference(&got, &wanted) < 1e-4);
        }
    }
    uwc_exec_destroy(&exec);
}

static void batches_hold_what_they_say(void **state) {
    (void)state;
    bench b;
    open_bench(IMAGES, NONE_KEPT, &b);
    for (uint64_t step = 0; step < 3; step++) {
        must(uwc_recon__minibatch_draw(&b.batch, 7, step, 0));
        check_batch(&b);
    }
    must(uwc_recon__minibatch_judge(&b.batch, 0));
    check_batch(&b);
    close_bench(&b);
}

/* The same bits, without a look at the float inputs unless they are asked for. */
static void kept_targets_are_those_of_every_batch(void **state) {
    (void)state;
    bench anew, kept;
    open_bench(IMAGES, NONE_KEPT, &anew);
    open_bench(IMAGES, ALL_KEPT, &kept);
    const uwc_graph *unit = kept.unit;
    for (uint64_t step = 0; step < 8; step++) {
        kept.batch.wants_real = step == 7;
        const int before = kept.images.calls;
        must(uwc_recon__minibatch_draw(&anew.batch, 7, step, 0));
        must(uwc_recon__minibatch_draw(&kept.batch, 7, step, 0));
        check_batch(&kept);
        assert_int_equal(kept.images.calls - before, 1 + (step == 7 ? 2 : 1) * unit->n_inputs * SIZE);
        for (int i = 0; i < unit->n_outputs; i++) {
            assert_memory_equal(kept.batch.target[i]->f32, anew.batch.target[i]->f32, uwc_tensor_bytes(anew.batch.target[i]));
        }
    }
    for (int i = 0; i < unit->n_inputs; i++) {
        assert_memory_equal(kept.batch.real[i]->f32, anew.batch.real[i]->f32, uwc_tensor_bytes(anew.batch.real[i]));
    }
    close_bench(&anew);
    close_bench(&kept);
}

static void keeping_has_a_limit(void **state) {
    (void)state;
    uwc_graph *unit = wide_unit();
    const int64_t bytes = uwc_recon__minibatch_kept_bytes(unit, IMAGES, ALL_KEPT);
    int64_t count = 0;
    for (int i = 0; i < unit->n_outputs; i++) {
        count += uwc_shape_count(uwc_shape_batch(unit->value[unit->output[i]].shape, 1));
    }
    assert_int_equal(bytes, count * IMAGES * (int64_t)sizeof(float));
    assert_int_equal(uwc_recon__minibatch_kept_bytes(unit, IMAGES, bytes), bytes);
    assert_int_equal(uwc_recon__minibatch_kept_bytes(unit, IMAGES, bytes - 1), 0);
    uwc_graph_destroy(&unit);
}

static void images_are_drawn_by_seed_and_step(void **state) {
    (void)state;
    bench b;
    int64_t drawn[3][SIZE];
    static const uint64_t key[3][2] = {{7, 1}, {7, 2}, {8, 1}};
    open_bench(IMAGES, NONE_KEPT, &b);
    for (int k = 0; k < 3; k++) {
        must(uwc_recon__minibatch_draw(&b.batch, key[k][0], key[k][1], 0));
        memcpy(drawn[k], b.batch.image, sizeof drawn[k]);
    }
    assert_memory_not_equal(drawn[0], drawn[1], sizeof drawn[0]);
    assert_memory_not_equal(drawn[0], drawn[2], sizeof drawn[0]);
    must(uwc_recon__minibatch_draw(&b.batch, 7, 1, 0));
    assert_memory_equal(drawn[0], b.batch.image, sizeof drawn[0]);
    close_bench(&b);
}

/* Every image is in one of the two lists, an eighth of them held out, and none of these is ever drawn. */
static void held_out_images_are_never_drawn(void **state) {
    (void)state;
    bench b;
    open_bench(IMAGES, NONE_KEPT, &b);
    assert_int_equal(b.batch.n_train + b.batch.n_judge, IMAGES);
    assert_in_range(b.batch.n_judge, IMAGES / 16, IMAGES / 4);
    for (uint64_t step = 0; step < 40; step++) {
        must(uwc_recon__minibatch_draw(&b.batch, 1, step, 0));
        for (int k = 0; k < SIZE; k++) {
            assert_false(uwc_recon__held_out(shard_of(b.batch.image[k], IMAGES)));
        }
    }
    bool seen[IMAGES] = {false};
    for (int64_t at = 0; at * SIZE < b.batch.n_judge; at++) {
        must(uwc_recon__minibatch_judge(&b.batch, at));
        for (int k = 0; k < SIZE; k++) {
            assert_true(uwc_recon__held_out(shard_of(b.batch.image[k], IMAGES)));
            seen[b.batch.image[k]] = true;
        }
    }
    for (int64_t i = 0; i < b.batch.n_judge; i++) {
        assert_true(seen[b.batch.judge[i]]);
    }
    close_bench(&b);
}

/* One image: it is all there is. */
static void few_images_are_enough(void **state) {
    (void)state;
    bench b;
    open_bench(1, ALL_KEPT, &b);
    must(uwc_recon__minibatch_draw(&b.batch, 1, 0, 0));
    must(uwc_recon__minibatch_judge(&b.batch, 0));
    for (int k = 0; k < SIZE; k++) {
        assert_int_equal(b.batch.image[k], 0);
    }
    close_bench(&b);
}

static void reading_can_be_interrupted(void **state) {
    (void)state;
    bench b;
    open_bench(IMAGES, NONE_KEPT, &b);
    b.images.stop_at = b.images.calls;
    b.images.stop = UWC_E_INTERRUPTED;
    assert_int_equal(uwc_recon__minibatch_draw(&b.batch, 1, 0, 0), UWC_E_INTERRUPTED);
    assert_string_equal(b.images.stopped, "poll");
    b.images.stop_at = b.images.calls + 3;
    assert_int_equal(uwc_recon__minibatch_draw(&b.batch, 1, 0, 0), UWC_E_INTERRUPTED);
    assert_string_equal(b.images.stopped, "read");
    close_bench(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(batches_hold_what_they_say),
        cmocka_unit_test(kept_targets_are_those_of_every_batch),
        cmocka_unit_test(keeping_has_a_limit),
        cmocka_unit_test(images_are_drawn_by_seed_and_step),
        cmocka_unit_test(held_out_images_are_never_drawn),
        cmocka_unit_test(few_images_are_enough),
        cmocka_unit_test(reading_can_be_interrupted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
