#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support/expect.h"
#include "support/folder.h"
#include "images.h"
#include <math.h>

/* Which images of the set cannot be used, as a text of 0 and 1. */
static void expect_bad(const char *path, const uwc_preprocess *p, uwc_shape shape, const char *wanted) {
    uwc_checker *checker;
    expect_ok(uwc_checker_open(path, p, &checker));
    assert_int_equal(uwc_checker_images(checker), strlen(wanted));
    for (int64_t i = 0; i < uwc_checker_images(checker); i++) {
        bool good;
        expect_ok(uwc_checker_try(checker, i, &shape, &good));
        assert_int_equal(!good, wanted[i] - '0');
    }
    uwc_checker_close(&checker);
    assert_null(checker);
}

static void put_part(const char *folder, const char *as, const char *name, size_t part) {
    char *data;
    size_t bytes;
    read_golden(name, &data, &bytes);
    put_file(folder, as, data, part < bytes ? part : bytes);
    uwc_free(&data);
}

/* A JPEG whose header announces 20,000 x 20,000 pixels. */
static void put_huge(const char *folder, const char *as) {
    char *data;
    size_t bytes;
    read_golden("rgb.jpg", &data, &bytes);
    for (size_t at = 0; at + 9 < bytes; at++) {
        if ((unsigned char)data[at] == 0xff && (unsigned char)data[at + 1] == 0xc0) {
            memcpy(data + at + 5, "\x4e\x20\x4e\x20", 4);
        }
    }
    put_file(folder, as, data, bytes);
    uwc_free(&data);
}

/* 1x1, grey */
static const unsigned char dot[] = "\x89\x50\x4e\x47\x0d\x0a\x1a\x0a\x00\x00\x00\x0d\x49\x48\x44\x52\x00\x00\x00\x01\x00\x00\x00\x01\x08"
                                   "\x00\x00\x00\x00\x3a\x7e\x9b\x55\x00\x00\x00\x0a\x49\x44\x41\x54\x78\x9c\x63\x68\x00\x00\x00\x82\x00"
                                   "\x81\x77\xcd\x72\xb6\x00\x00\x00\x00\x49\x45\x4e\x44\xae\x42\x60\x82";

static char *make_bad_folder(const char *parent, const char *name) {
    char *folder = make_folder(parent, name);
    put_part(folder, "0.jpg", "rgb.jpg", 500);
    put_golden(folder, "1.png", "rgb.png");
    put_file(folder, "2.jpg", "", 0);
    put_text(folder, "3.jpg", "a text that was renamed");
    put_file(folder, "4.png", dot, sizeof dot - 1);
    put_huge(folder, "5.jpg");
    put_golden(folder, "6.jpg", "turned6.jpg");
    put_part(folder, "7.png", "deep.png", 3000);
    put_golden(folder, "8.jpg", "cmyk.jpg");
    return folder;
}

static void test_given_bad_images_expect_them_found(void **state) {
    char *folder = make_bad_folder(*state, "bad");
    uwc_preprocess resized = plain, boxed = plain;
    resized.resize = 12;
    resized.crop = 12;
    boxed.letterbox = 12;
    int64_t before = uwc_peak_rss();
    /*                                                             012345678 */
    expect_bad(folder, &plain, uwc_shape_4d(1, 3, 19, 29), /*   */ "101111110");
    expect_bad(folder, &plain, (uwc_shape){0}, /*               */ "101111110");
    expect_bad(folder, &plain, uwc_shape_4d(1, 3, 1, 1), /*     */ "111101111");
    expect_bad(folder, &resized, uwc_shape_4d(1, 3, 12, 12), /* */ "101101010");
    expect_bad(folder, &boxed, uwc_shape_4d(1, 3, 12, 12), /*   */ "101101010");
    expect_bad(folder, &resized, uwc_shape_4d(1, 1, 12, 12), /* */ "111111111");
    assert_true(uwc_peak_rss() - before < 64 << 20);
    uwc_free(&folder);
}

static void test_given_bad_image_expect_its_name_and_reason(void **state) {
    char *folder = make_bad_folder(*state, "names");
    const char *const reason[] = {"0.jpg: JPEG cannot be decoded",
                                  NULL,
                                  "2.jpg: neither JPEG nor PNG (0 bytes)",
                                  "3.jpg: neither JPEG nor PNG",
                                  "4.png: 1x1 pixels, not 29x19",
                                  "5.jpg: JPEG of 20000x20000",
                                  "6.jpg: 19x29 pixels, not 29x19",
                                  "7.png: PNG cannot be decoded: truncated",
                                  NULL};
    uwc_checker *checker;
    uwc_shape shape = {0};
    expect_ok(uwc_checker_open(folder, &plain, &checker));
    for (int i = 0; i < 9; i++) {
        bool good;
        expect_ok(uwc_checker_try(checker, i, &shape, &good));
        assert_int_equal(good, reason[i] == NULL);
        if (!good) {
            assert_non_null(strstr(uwc_error_last()->text, reason[i]));
            assert_null(strchr(uwc_error_last()->text, '\n'));
        }
    }
    assert_true(uwc_shape_equal(shape, uwc_shape_4d(1, 3, 19, 29)));
    uwc_checker_close(&checker);
    uwc_free(&folder);
}

/* A file that went away or may not be read is not a bad image. */
static void test_given_lost_file_expect_error(void **state) {
    char *folder = make_bad_folder(*state, "lost"), *path = folder_path(folder, "1.png");
    uwc_checker *checker;
    uwc_shape shape = {0};
    bool good;
    expect_ok(uwc_checker_open(folder, &plain, &checker));
    assert_int_equal(unlink(path), 0);
    expect_error(uwc_checker_try(checker, 1, &shape, &good), UWC_E_NOTFOUND, "1.png");
    uwc_checker_close(&checker);
    uwc_free(&path);
    uwc_free(&folder);
}

static void test_given_nan_in_hdf5_expect_it_found(void **state) {
    char *path = folder_path(*state, "nan.h5");
    float data[4 * 3 * 2 * 2] = {0};
    uwc_archive *archive;
    data[2 * 12 + 5] = NAN;
    expect_ok(uwc_archive_create(&archive));
    expect_ok(uwc_archive_put(archive, "/images", UWC_F32, uwc_shape_4d(4, 3, 2, 2), data));
    expect_ok(uwc_archive_publish(archive, path));
    uwc_archive_close(&archive);
    expect_bad(path, &plain, uwc_shape_4d(1, 3, 2, 2), "0010");
    uwc_free(&path);
}

/* ---- a data set without them ---- */

static void test_given_choice_expect_the_others(void **state) {
    char *bad = make_bad_folder(*state, "choice"), *good = make_folder(*state, "good");
    const int64_t left_out[] = {0, 2, 3, 5, 7}, last_label[] = {8, 1, 4, 6, 8};
    put_golden(good, "1.png", "rgb.png");
    put_file(good, "4.png", dot, sizeof dot - 1);
    put_golden(good, "6.jpg", "turned6.jpg");
    put_golden(good, "8.jpg", "cmyk.jpg");
    put_text(bad, "labels.txt", "0.jpg 0\n1.png 1\n2.jpg 2\n3.jpg 3\n4.png 4\n5.jpg 5\n6.jpg 6\n7.png 7\n8.jpg 8\n");
    uwc_preprocess p = plain;
    p.letterbox = 12;
    for (int64_t samples = 0; samples <= 4; samples++) {
        uwc_choice chosen = {samples, left_out, 5}, first = {.samples = samples};
        uwc_dataset *a, *b;
        uwc_tensor *x, *y;
        uint64_t hash[2];
        expect_ok(uwc_dataset_open(bad, &p, &chosen, &a));
        expect_ok(uwc_dataset_open(good, &p, &first, &b));
        int64_t images = samples == 0 ? 4 : samples;
        assert_int_equal(uwc_dataset_images(a), images);
        expect_ok(uwc_tensor_activation(uwc_shape_4d(images, 3, 12, 12), &x));
        expect_ok(uwc_tensor_activation(uwc_shape_4d(images, 3, 12, 12), &y));
        expect_ok(uwc_dataset_read(a, 0, x));
        expect_ok(uwc_dataset_read(b, 0, y));
        assert_memory_equal(x->data, y->data, uwc_tensor_bytes(x));
        assert_int_equal(uwc_dataset_label(a, images - 1), last_label[samples]);
        expect_ok(uwc_dataset_fingerprint(a, &hash[0]));
        expect_ok(uwc_dataset_fingerprint(b, &hash[1]));
        assert_true(hash[0] == hash[1]);
        uwc_tensor_destroy(&x);
        uwc_tensor_destroy(&y);
        uwc_dataset_close(&a);
        uwc_dataset_close(&b);
    }
    uwc_free(&bad);
    uwc_free(&good);
}

static void test_given_choice_that_cannot_be_expect_error(void **state) {
    char *folder = make_folder(*state, "cannot");
    uwc_dataset *dataset;
    put_golden(folder, "0.png", "rgb.png");
    put_golden(folder, "1.png", "grey.png");
    const int64_t number[][2] = {{0, 1}, {1, 0}, {1, 2}, {-1, 0}};
    expect_error(uwc_dataset_open(folder, &plain, &(uwc_choice){2, number[0], 1}, &dataset), UWC_E_CONFIG,
                 "2 images asked for, 1 are there");
    expect_error(uwc_dataset_open(folder, &plain, &(uwc_choice){0, number[0], 2}, &dataset), UWC_E_FORMAT, "none of 2 images");
    for (int i = 1; i < 4; i++) {
        expect_error(uwc_dataset_open(folder, &plain, &(uwc_choice){0, number[i], 2}, &dataset), UWC_E_CONFIG, "cannot be left out");
    }
    uwc_free(&folder);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_given_bad_images_expect_them_found), cmocka_unit_test(test_given_bad_image_expect_its_name_and_reason),
        cmocka_unit_test(test_given_lost_file_expect_error),       cmocka_unit_test(test_given_nan_in_hdf5_expect_it_found),
        cmocka_unit_test(test_given_choice_expect_the_others),     cmocka_unit_test(test_given_choice_that_cannot_be_expect_error),
    };
    return cmocka_run_group_tests(tests, folder_setup, folder_teardown);
}
