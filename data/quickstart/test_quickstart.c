#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <uwc/uwc.h>

#include "batch.h"
#include "network.h"
#include "trainer.h"

enum { PICTURES = 24, BATCH = 24, STEPS = 12 };

static void compare_set(image_set set, const char *path) {
    uint8_t *committed, drawn[IMAGE_BYTES];
    int32_t labels[PICTURES], label;
    uwc_archive *archive;
    assert_int_equal(UWC_OK, uwc_archive_open(path, &archive));
    assert_int_equal(UWC_OK, uwc_calloc(PICTURES * IMAGE_BYTES, 1, &committed));
    assert_int_equal(UWC_OK, uwc_archive_get(archive, "/images", UWC_U8, 0, PICTURES, committed));
    assert_int_equal(UWC_OK, uwc_archive_get(archive, "/labels", UWC_I32, 0, PICTURES, labels));
    for (int i = 0; i < PICTURES; i++) {
        image_draw(set, i, drawn, &label);
        assert_int_equal(labels[i], label);
        assert_memory_equal(committed + i * IMAGE_BYTES, drawn, IMAGE_BYTES);
    }
    uwc_free(&committed);
    uwc_archive_close(&archive);
}

static void given_the_committed_sets_then_drawing_gives_them_again(void **state) {
    (void)state;
    compare_set(IMAGE_CALIBRATION, QUICKSTART_FOLDER "/calibration.h5");
    compare_set(IMAGE_TEST, QUICKSTART_FOLDER "/test.h5");
}

/* A few steps on one batch; *hash = that of the trained network. */
static void train_briefly(int threads, double *first, double *last, uint64_t *hash) {
    uwc_graph *graph;
    uwc_tensor *images;
    trainer *t;
    int32_t label[BATCH];
    uwc_ops_set_threads(threads);
    assert_int_equal(UWC_OK, network_create(5, &graph));
    assert_int_equal(UWC_OK, uwc_tensor_activation(uwc_shape_4d(BATCH, IMAGE_CHANNELS, IMAGE_SIDE, IMAGE_SIDE), &images));
    assert_int_equal(UWC_OK, trainer_create(graph, BATCH, &t));
    batch_draw(IMAGE_TRAINING, 0, images, label);
    for (int step = 0; step < STEPS; step++) {
        assert_int_equal(UWC_OK, trainer_step(t, images, label, 2e-3, last));
        *first = step == 0 ? *last : *first;
    }
    assert_int_equal(UWC_OK, uwc_graph_hash(graph, hash));
    trainer_destroy(&t);
    uwc_tensor_destroy(&images);
    uwc_graph_destroy(&graph);
}

static void given_a_few_steps_then_the_loss_falls_alike_at_any_number_of_threads(void **state) {
    (void)state;
    double first[2], last[2];
    uint64_t hash[2];
    for (int i = 0; i < 2; i++) {
        train_briefly(i + 1, &first[i], &last[i], &hash[i]);
        assert_true(first[i] > 2.0 && last[i] < 0.8 * first[i]);
    }
    assert_true(first[0] == first[1] && last[0] == last[1]);
    assert_true(hash[0] == hash[1]);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(given_the_committed_sets_then_drawing_gives_them_again),
        cmocka_unit_test(given_a_few_steps_then_the_loss_falls_alike_at_any_number_of_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
