#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support/expect.h"
#include "support/folder.h"
#include "images.h"
#include <dirent.h>

enum { IMAGES = 30 };

/* IMAGES files of four kinds, one of which may be broken. */
static char *make_set(const char *parent, const char *name, int broken) {
    static const char *const kind[] = {"rgb.png", "grey.jpg", "turned2.jpg", "cmyk.jpg"};
    char *folder = make_folder(parent, name), file[32];
    for (int i = 0; i < IMAGES; i++) {
        snprintf(file, sizeof file, "%02d.img.png", i);
        put_golden(folder, file, kind[i * 7 % 4]);
        if (i == broken) {
            put_text(folder, file, "broken");
        }
    }
    return folder;
}

static const uwc_span spans[] = {{0, 4}, {4, 4}, {8, 1}, {20, 10}, {3, 7}, {3, 7}, {29, 1}};
enum { SPANS = (int)(sizeof spans / sizeof spans[0]) };

/* Every batch is what uwc_dataset_read gives. */
static void check_batches(const char *path, int threads) {
    uwc_dataset *ahead, *plainly;
    uwc_reader *reader;
    const uwc_tensor *batch;
    expect_ok(uwc_dataset_open(path, &plain, NULL, &ahead));
    expect_ok(uwc_dataset_open(path, &plain, NULL, &plainly));
    expect_ok(uwc_reader_open(ahead, spans, SPANS, threads, &reader));
    for (int i = 0; i < SPANS; i++) {
        uwc_tensor *wanted;
        expect_ok(uwc_tensor_activation(uwc_shape_batch(uwc_dataset_shape(plainly), spans[i].count), &wanted));
        expect_ok(uwc_dataset_read(plainly, spans[i].first, wanted));
        expect_ok(uwc_reader_next(reader, &batch));
        assert_true(uwc_shape_equal(batch->shape, wanted->shape));
        assert_int_equal(batch->layout, wanted->layout);
        usleep(i % 2 * 5000); /* the threads fill the other buffer meanwhile */
        assert_memory_equal(batch->data, wanted->data, uwc_tensor_bytes(wanted));
        uwc_tensor_destroy(&wanted);
    }
    expect_error(uwc_reader_next(reader, &batch), UWC_E_ARG, "behind the last of 7");
    uwc_reader_close(&reader);
    assert_null(reader);
    uwc_dataset_close(&ahead);
    uwc_dataset_close(&plainly);
}

static void test_given_any_threads_expect_the_same_batches(void **state) {
    char *folder = make_set(*state, "any", -1), *packed = folder_path(*state, "any.h5");
    expect_ok(uwc_dataset_pack(folder, &plain, NULL, 1, packed));
    for (int threads = 0; threads <= 9; threads += 3) {
        check_batches(folder, threads);
        check_batches(packed, threads); /* HDF5: without threads */
    }
    uwc_free(&folder);
    uwc_free(&packed);
}

/* The record of a thread's error comes to the caller, at the batch that it belongs to; batches behind it still come. */
static void test_given_broken_image_expect_its_error_at_its_batch(void **state) {
    char *folder = make_set(*state, "broken", 21);
    for (int threads = 1; threads <= 4; threads += 3) {
        uwc_dataset *dataset;
        uwc_reader *reader;
        const uwc_tensor *batch;
        expect_ok(uwc_dataset_open(folder, &plain, NULL, &dataset));
        expect_ok(uwc_reader_open(dataset, spans, SPANS, threads, &reader));
        for (int i = 0; i < SPANS; i++) {
            uwc_status st = uwc_reader_next(reader, &batch);
            if (i == 3) {
                expect_error(st, UWC_E_FORMAT, "21.img.png: neither JPEG nor PNG");
            } else {
                expect_ok(st);
            }
        }
        uwc_reader_close(&reader);
        uwc_dataset_close(&dataset);
    }
    uwc_free(&folder);
}

/* Of several broken images the first of the batch is named, whichever thread comes first. */
static void test_given_many_broken_images_expect_the_first(void **state) {
    char *folder = make_set(*state, "many", 5);
    put_text(folder, "06.img.png", "broken, too");
    put_text(folder, "07.img.png", "broken, too");
    for (int attempt = 0; attempt < 20; attempt++) {
        uwc_dataset *dataset;
        uwc_reader *reader;
        const uwc_tensor *batch;
        expect_ok(uwc_dataset_open(folder, &plain, NULL, &dataset));
        expect_ok(uwc_reader_open(dataset, &(uwc_span){0, IMAGES}, 1, 4, &reader));
        expect_error(uwc_reader_next(reader, &batch), UWC_E_FORMAT, "05.img.png");
        uwc_reader_close(&reader);
        uwc_dataset_close(&dataset);
    }
    uwc_free(&folder);
}

static int count_threads(void) {
    DIR *list = opendir("/proc/self/task");
    int entries = 0;
    assert_non_null(list);
    while (readdir(list) != NULL) {
        entries++;
    }
    closedir(list);
    return entries - 2; /* "." and ".." */
}

/* Closed at any moment, a reader leaves no thread and no memory behind (which the sanitizers see). */
static void test_given_reader_closed_early_expect_no_thread_left(void **state) {
    char *folder = make_set(*state, "early", -1);
    int before = count_threads();
    for (int taken = 0; taken <= 2; taken++) {
        uwc_dataset *dataset;
        uwc_reader *reader;
        const uwc_tensor *batch;
        expect_ok(uwc_dataset_open(folder, &plain, NULL, &dataset));
        expect_ok(uwc_reader_open(dataset, spans, SPANS, 3, &reader));
        assert_int_equal(count_threads(), before + 3);
        for (int i = 0; i < taken; i++) {
            expect_ok(uwc_reader_next(reader, &batch));
        }
        uwc_reader_close(&reader);
        uwc_dataset_close(&dataset);
        for (int i = 0; i < 100 && count_threads() > before; i++) { /* a joined thread may be listed for a moment */
            usleep(1000);
        }
        assert_int_equal(count_threads(), before);
    }
    uwc_free(&folder);
}

static void test_given_no_or_bad_spans_expect_nothing_or_error(void **state) {
    char *folder = make_set(*state, "spans", -1);
    const uwc_span bad[] = {{-1, 2}, {0, 0}, {25, 6}, {31, 1}};
    uwc_dataset *dataset;
    uwc_reader *reader;
    const uwc_tensor *batch;
    expect_ok(uwc_dataset_open(folder, &plain, NULL, &dataset));
    for (int i = 0; i < 4; i++) {
        expect_error(uwc_reader_open(dataset, &bad[i], 1, 1, &reader), UWC_E_ARG, "of 30");
        assert_null(reader);
    }
    expect_ok(uwc_reader_open(dataset, NULL, 0, 2, &reader));
    expect_error(uwc_reader_next(reader, &batch), UWC_E_ARG, "behind the last of 0");
    uwc_reader_close(&reader);
    uwc_reader_close(&reader);
    uwc_dataset_close(&dataset);
    uwc_free(&folder);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_given_any_threads_expect_the_same_batches),
        cmocka_unit_test(test_given_broken_image_expect_its_error_at_its_batch),
        cmocka_unit_test(test_given_many_broken_images_expect_the_first),
        cmocka_unit_test(test_given_reader_closed_early_expect_no_thread_left),
        cmocka_unit_test(test_given_no_or_bad_spans_expect_nothing_or_error),
    };
    return cmocka_run_group_tests(tests, folder_setup, folder_teardown);
}
