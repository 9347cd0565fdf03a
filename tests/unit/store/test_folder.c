#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support/expect.h"
#include "support/folder.h"
#include "images.h"
#include <sys/resource.h>
#include <uwc/store.h>

static void check_golden(const char *parent, const char *name, int64_t side, int64_t height, int64_t width, int most) {
    char *folder = make_folder(parent, name), *expected, *file;
    size_t bytes;
    uwc_preprocess p = plain;
    p.resize = side;
    put_golden(folder, name, name);
    if (side > 0) {
        expect_ok(uwc_format(&file, "%s.%d.rgb", name, (int)side));
    } else {
        expect_ok(uwc_format(&file, "%s.rgb", name));
    }
    read_golden(file, &expected, &bytes);
    uwc_tensor *out = read_one(folder, &p, 0);
    assert_true(uwc_shape_equal(out->shape, uwc_shape_4d(1, 3, height, width)));
    assert_int_equal(bytes, uwc_shape_count(out->shape));
    for (size_t i = 0; i < bytes; i++) {
        int found = (int)out->f32[i], wanted = (unsigned char)expected[i];
        if (abs(found - wanted) > most) {
            fail_msg("%s: byte %zu is %d, not %d", file, i, found, wanted);
        }
    }
    uwc_tensor_destroy(&out);
    uwc_free(&expected);
    uwc_free(&file);
    uwc_free(&folder);
}

static void test_given_png_of_each_kind_expect_pixels(void **state) {
    const char *const name[] = {
        "rgb.png",   "grey.png",       "bits.png", "two_bits.png",  "palette.png",    "palette_clear.png",   "clear_colour.png",
        "alpha.png", "grey_alpha.png", "deep.png", "deep_grey.png", "deep_alpha.png", "deep_grey_alpha.png", "interlaced.png"};
    for (size_t i = 0; i < sizeof name / sizeof name[0]; i++) {
        check_golden(*state, name[i], 0, 19, 29, 0);
    }
}

static void test_given_jpeg_of_each_kind_expect_pixels(void **state) {
    const char *const name[] = {"rgb.jpg",  "sharp.jpg",      "halved.jpg", "progressive.jpg", "grey.jpg",
                                "cmyk.jpg", "cmyk_plain.jpg", "ycck.jpg",   "kept_rgb.jpg"};
    for (size_t i = 0; i < sizeof name / sizeof name[0]; i++) {
        check_golden(*state, name[i], 0, 19, 29, 2);
    }
}

static void test_given_exif_orientation_expect_turned_image(void **state) {
    for (int orientation = 1; orientation <= 8; orientation++) {
        char name[32];
        snprintf(name, sizeof name, "turned%d.jpg", orientation);
        check_golden(*state, name, 0, orientation < 5 ? 19 : 29, orientation < 5 ? 29 : 19, 2);
    }
    check_golden(*state, "turned6.jpg", 12, 18, 12, 2);
    check_golden(*state, "turned6.png", 0, 29, 19, 0);
    check_golden(*state, "turned8_late.png", 0, 29, 19, 0);
}

static void test_given_resize_expect_antialiased_bilinear(void **state) {
    check_golden(*state, "rgb.png", 3, 3, 4, 0);
    check_golden(*state, "rgb.png", 12, 12, 18, 0);
    check_golden(*state, "rgb.png", 40, 40, 61, 0);
}

/* The crop of a resized image is a part of it, odd margins rounded down. */
static void test_given_resize_and_crop_expect_centre(void **state) {
    char *folder = make_folder(*state, "crop");
    put_golden(folder, "a.png", "rgb.png");
    uwc_preprocess p = plain;
    p.resize = 12;
    uwc_tensor *whole = read_one(folder, &p, 0);
    p.crop = 7; /* of 12 x 18: from row 2, column 5 */
    uwc_tensor *part = read_one(folder, &p, 0);
    assert_true(uwc_shape_equal(part->shape, uwc_shape_4d(1, 3, 7, 7)));
    for (int y = 0; y < 7; y++) {
        assert_memory_equal(part->f32 + y * 21, whole->f32 + (y + 2) * 54 + 15, 21 * sizeof(float));
    }
    uwc_tensor_destroy(&whole);
    uwc_tensor_destroy(&part);
    uwc_free(&folder);
}

static void test_given_float_images_when_resized_expect_unrounded_averages(void **state) {
    char *path = folder_path(*state, "f.h5");
    float data[16];
    uwc_archive *archive;
    for (int i = 0; i < 16; i++) {
        data[i] = (float)i * 1000.25f;
    }
    expect_ok(uwc_archive_create(&archive));
    expect_ok(uwc_archive_put(archive, "/images", UWC_F32, uwc_shape_4d(1, 1, 4, 4), data));
    expect_ok(uwc_archive_publish(archive, path));
    uwc_archive_close(&archive);
    uwc_preprocess p = plain;
    p.resize = 2;
    uwc_tensor *out = read_one(path, &p, 0);
    /* Halving weighs 3 3 1 of three inputs at the edge: (3 0 + 3 1 + 1 2) / 7 along each axis. */
    assert_float_equal(out->f32[0], 1000.25 * (5.0 / 7.0 + 4.0 * 5.0 / 7.0), 0.01);
    assert_float_equal(out->f32[3], 1000.25 * (15.0 - 5.0 / 7.0 - 4.0 * 5.0 / 7.0), 0.01);
    uwc_tensor_destroy(&out);
    uwc_free(&path);
}

/* ---- which images, in which order ---- */

static void check_order(const char *folder, const char *const *first_rows, const int64_t *labels, int64_t count) {
    uwc_dataset *dataset;
    uwc_tensor *out;
    uwc_preprocess p = plain;
    p.crop = 19;
    expect_ok(uwc_dataset_open(folder, &p, NULL, &dataset));
    assert_int_equal(uwc_dataset_images(dataset), count);
    assert_int_equal(uwc_dataset_has_labels(dataset), labels != NULL);
    expect_ok(uwc_tensor_activation(uwc_dataset_shape(dataset), &out));
    for (int64_t i = 0; i < count; i++) {
        char *expected;
        size_t bytes;
        expect_ok(uwc_dataset_read(dataset, i, out));
        read_golden(first_rows[i], &expected, &bytes);
        for (int k = 0; k < 57; k++) { /* the first row, columns 5 to 23 */
            assert_int_equal((int)out->f32[k], (unsigned char)expected[15 + k]);
        }
        uwc_free(&expected);
        if (labels != NULL) {
            assert_int_equal(uwc_dataset_label(dataset, i), labels[i]);
        }
    }
    uwc_tensor_destroy(&out);
    uwc_dataset_close(&dataset);
}

static void test_given_names_expect_byte_order(void **state) {
    char *folder = make_folder(*state, "order");
    put_golden(folder, "b.png", "rgb.png");
    put_golden(folder, "a10.PNG", "grey.png");
    put_golden(folder, "a2.png", "palette.png");
    put_golden(folder, "Z.png", "bits.png");
    put_golden(folder, ".hidden.png", "alpha.png");
    put_text(folder, "notes.txt", "no image");
    const char *const rows[] = {"bits.png.rgb", "grey.png.rgb", "palette.png.rgb", "rgb.png.rgb"};
    check_order(folder, rows, NULL, 4);
    put_text(folder, "labels.txt", "b.png 7\r\n\n Z.png \t 0 \na2.png 123");
    put_golden(folder, " Z.png", "bits.png");
    const char *const listed[] = {"rgb.png.rgb", "bits.png.rgb", "palette.png.rgb"};
    const int64_t labels[] = {7, 0, 123};
    check_order(folder, listed, labels, 3);
    uwc_free(&folder);
}

static void test_given_class_folders_expect_labels(void **state) {
    char *folder = make_folder(*state, "classes"), *cat = make_folder(folder, "cat"), *ant = make_folder(folder, "ant");
    char *empty = make_folder(folder, "bee"), *hidden = make_folder(folder, ".git");
    put_golden(cat, "1.png", "rgb.png");
    put_golden(cat, "0.png", "grey.png");
    put_golden(ant, "9.png", "bits.png");
    put_golden(hidden, "9.png", "bits.png");
    put_text(folder, "readme.txt", "");
    const char *const rows[] = {"bits.png.rgb", "grey.png.rgb", "rgb.png.rgb"};
    const int64_t labels[] = {0, 2, 2};
    check_order(folder, rows, labels, 3);
    uwc_free(&folder);
    uwc_free(&cat);
    uwc_free(&ant);
    uwc_free(&empty);
    uwc_free(&hidden);
}

static void expect_refused(const char *folder, const uwc_preprocess *p, int64_t samples, uwc_status wanted, const char *part) {
    uwc_dataset *dataset;
    expect_error(uwc_dataset_open(folder, p, &(uwc_choice){.samples = samples}, &dataset), wanted, part);
    assert_null(dataset);
}

static void test_given_bad_folders_expect_errors(void **state) {
    char *folder = make_folder(*state, "bad");
    expect_refused(folder, &plain, 0, UWC_E_FORMAT, "bad: a folder without images");
    put_golden(folder, "a.png", "rgb.png");
    expect_refused(folder, &plain, 2, UWC_E_CONFIG, "2 images asked for, 1 are there");
    put_text(folder, "labels.txt", "a.png 1\nb.png 2\n");
    expect_refused(folder, &plain, 0, UWC_E_NOTFOUND, "labels.txt: line 2: no file b.png");
    const char *const bad[] = {"a.png\n", "a.png x\n", "a.png 1.5\n", "\n3\n", "a.png 99999999999999999999\n", " 3\n"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        put_text(folder, "labels.txt", bad[i]);
        expect_refused(folder, &plain, 0, UWC_E_FORMAT, "labels.txt: line");
    }
    put_file(folder, "labels.txt", "a.png\0 1", 8);
    expect_refused(folder, &plain, 0, UWC_E_FORMAT, "not a text");
    put_text(folder, "labels.txt", "\n");
    expect_refused(folder, &plain, 0, UWC_E_FORMAT, "without images");
    uwc_free(&folder);
}

static void expect_unread(const char *folder, const uwc_preprocess *p, int64_t image, uwc_status wanted, const char *part) {
    uwc_dataset *dataset;
    uwc_tensor *out;
    expect_ok(uwc_dataset_open(folder, p, NULL, &dataset));
    expect_ok(uwc_tensor_activation(uwc_dataset_shape(dataset), &out));
    expect_error(uwc_dataset_read(dataset, image, out), wanted, part);
    uwc_tensor_destroy(&out);
    uwc_dataset_close(&dataset);
}

static void test_given_images_of_two_sizes_expect_advice(void **state) {
    char *folder = make_folder(*state, "sizes");
    put_golden(folder, "a.jpg", "turned1.jpg");
    put_golden(folder, "b.jpg", "turned6.jpg");
    expect_unread(folder, &plain, 1, UWC_E_SHAPE, "b.jpg: 19x29 pixels, not 29x19 as the others: set crop or letterbox");
    uwc_preprocess p = plain;
    p.crop = 19;
    uwc_tensor *out = read_one(folder, &p, 1);
    uwc_tensor_destroy(&out);
    p.crop = 20;
    expect_refused(folder, &p, 0, UWC_E_SHAPE, "a.jpg: crop 20 does not fit into 29x19");
    uwc_free(&folder);
}

/* ---- damaged images ---- */

static void test_given_foreign_files_expect_their_names(void **state) {
    char *folder = make_folder(*state, "foreign");
    put_golden(folder, "a.png", "rgb.png");
    put_file(folder, "b.jpg", "", 0);
    put_text(folder, "c.jpg", "a text that was renamed");
    put_golden(folder, "d.jpg", "rgb.png"); /* the contents count */
    expect_unread(folder, &plain, 1, UWC_E_FORMAT, "b.jpg: neither JPEG nor PNG (0 bytes)");
    expect_unread(folder, &plain, 2, UWC_E_FORMAT, "c.jpg: neither JPEG nor PNG");
    uwc_tensor *out = read_one(folder, &plain, 3);
    uwc_tensor_destroy(&out);
    uwc_free(&folder);
}

/* Reads the bytes as image 1 of a folder whose image 0 is whole. */
static uwc_status decode(const char *folder, const char *name, const char *data, size_t bytes) {
    uwc_dataset *dataset;
    uwc_tensor *out;
    put_file(folder, name, data, bytes);
    expect_ok(uwc_dataset_open(folder, &plain, NULL, &dataset));
    expect_ok(uwc_tensor_activation(uwc_dataset_shape(dataset), &out));
    uwc_status st = uwc_dataset_read(dataset, 1, out);
    uwc_tensor_destroy(&out);
    uwc_dataset_close(&dataset);
    return st;
}

/* The last bytes of a JPEG end its stream; without them the decoder has all pixels and may not miss any. */
static void test_given_truncated_images_expect_format_error(void **state) {
    const struct {
        const char *name;
        size_t spare;
    } image[] = {{"rgb.jpg", 4}, {"progressive.jpg", 4}, {"cmyk.jpg", 4},       {"turned6.jpg", 4},
                 {"rgb.png", 0}, {"deep.png", 0},        {"interlaced.png", 0}, {"palette_clear.png", 0}};
    char *folder = make_folder(*state, "truncated");
    put_golden(folder, "0.png", "rgb.png");
    for (size_t i = 0; i < sizeof image / sizeof image[0]; i++) {
        char *data;
        size_t bytes;
        read_golden(image[i].name, &data, &bytes);
        for (size_t length = 0; length + image[i].spare < bytes; length++) {
            expect_error(decode(folder, "1.img.jpg", data, length), UWC_E_FORMAT, "1.img.jpg");
        }
        uwc_free(&data);
    }
    uwc_free(&folder);
}

/* Any byte changed: pixels or an error, nothing else. */
static void test_given_damaged_images_expect_no_crash(void **state) {
    const char *const name[] = {"rgb.jpg", "progressive.jpg", "turned6.jpg", "grey.png", "palette_clear.png"};
    char *folder = make_folder(*state, "damaged");
    put_golden(folder, "0.png", "rgb.png");
    int refused = 0;
    for (size_t i = 0; i < sizeof name / sizeof name[0]; i++) {
        char *data;
        size_t bytes;
        read_golden(name[i], &data, &bytes);
        for (size_t at = 0; at < bytes; at++) {
            char held = data[at];
            data[at] = (char)(uwc_rng_u32(1, i, at) & 255);
            uwc_status st = decode(folder, "1.jpg", data, bytes);
            refused += st != UWC_OK;
            assert_true(st == UWC_OK || st == UWC_E_FORMAT || st == UWC_E_SHAPE);
            data[at] = held;
        }
        uwc_free(&data);
    }
    assert_true(refused > 100);
    uwc_free(&folder);
}

/* A header alone must not make the program take memory. */
static void test_given_huge_headers_expect_refusal_without_memory(void **state) {
    char *folder = make_folder(*state, "huge"), *data;
    size_t bytes;
    int64_t before = uwc_peak_rss();
    read_golden("rgb.png", &data, &bytes);
    memcpy(data + 16, "\0\0\x4e\x20\0\0\x4e\x20", 8); /* 20,000 x 20,000 */
    put_file(folder, "a.png", data, bytes);
    expect_refused(folder, &plain, 0, UWC_E_FORMAT, "a.png: PNG of 20000x20000");
    memcpy(data + 16, "\x7f\xff\xff\xff\x7f\xff\xff\xff", 8);
    put_file(folder, "a.png", data, bytes);
    expect_refused(folder, &plain, 0, UWC_E_FORMAT, "a.png: PNG of 2147483647x2147483647");
    uwc_free(&data);
    read_golden("rgb.jpg", &data, &bytes);
    for (size_t at = 0; at + 9 < bytes; at++) {
        if ((unsigned char)data[at] == 0xff && (unsigned char)data[at + 1] == 0xc0) {
            memcpy(data + at + 5, "\x4e\x20\x4e\x20", 4);
        }
    }
    put_file(folder, "a.png", data, bytes);
    expect_refused(folder, &plain, 0, UWC_E_FORMAT, "a.png: JPEG of 20000x20000");
    uwc_free(&data);
    assert_true(uwc_peak_rss() - before < 64 << 20);
    uwc_preprocess p = plain;
    p.resize = 60000000;
    put_golden(folder, "a.png", "rgb.png");
    expect_refused(folder, &p, 0, UWC_E_SHAPE, "at most 67108864 pixels");
    uwc_free(&folder);
}

static uint64_t fingerprint(const char *folder) {
    uwc_dataset *dataset;
    uint64_t hash;
    expect_ok(uwc_dataset_open(folder, &plain, NULL, &dataset));
    expect_ok(uwc_dataset_fingerprint(dataset, &hash));
    uwc_dataset_close(&dataset);
    return hash;
}

static void test_given_renamed_image_expect_other_fingerprint(void **state) {
    char *folder = make_folder(*state, "print"), *from = folder_path(folder, "b.png"), *to = folder_path(folder, "c.png");
    put_golden(folder, "a.png", "rgb.png");
    put_golden(folder, "b.png", "grey.png");
    uint64_t hash = fingerprint(folder);
    assert_true(hash == fingerprint(folder));
    assert_int_equal(rename(from, to), 0);
    assert_false(hash == fingerprint(folder));
    assert_int_equal(rename(to, from), 0);
    assert_true(hash == fingerprint(folder));
    put_golden(folder, "b.png", "bits.png");
    assert_false(hash == fingerprint(folder));
    uwc_free(&folder);
    uwc_free(&from);
    uwc_free(&to);
}

/* ---- packing ---- */

static void check_packed(const char *folder, const char *packed, const uwc_preprocess *full) {
    uwc_preprocess normalise = *full;
    normalise.resize = normalise.crop = 0;
    uwc_dataset *from, *to;
    uwc_tensor *a, *b;
    expect_ok(uwc_dataset_open(folder, full, NULL, &from));
    expect_ok(uwc_dataset_open(packed, &normalise, NULL, &to));
    int64_t images = uwc_dataset_images(from);
    assert_int_equal(uwc_dataset_images(to), images);
    assert_int_equal(uwc_dataset_has_labels(to), uwc_dataset_has_labels(from));
    assert_true(uwc_shape_equal(uwc_dataset_shape(from), uwc_dataset_shape(to)));
    expect_ok(uwc_tensor_activation(uwc_shape_batch(uwc_dataset_shape(from), images), &a));
    expect_ok(uwc_tensor_activation(uwc_shape_batch(uwc_dataset_shape(from), images), &b));
    expect_ok(uwc_dataset_read(from, 0, a));
    expect_ok(uwc_dataset_read(to, 0, b));
    assert_memory_equal(a->data, b->data, uwc_tensor_bytes(a));
    for (int64_t i = 0; i < images && uwc_dataset_has_labels(from); i++) {
        assert_int_equal(uwc_dataset_label(to, i), uwc_dataset_label(from, i));
    }
    uwc_tensor_destroy(&a);
    uwc_tensor_destroy(&b);
    uwc_dataset_close(&from);
    uwc_dataset_close(&to);
}

static void test_given_packed_folder_expect_same_bits(void **state) {
    char *folder = make_folder(*state, "packing"), *packed = folder_path(*state, "packed.h5"), *bytes[2];
    size_t size[2];
    uwc_preprocess p = {.resize = 14, .crop = 11, .bgr = true, .scale = 1.0 / 255.0, .mean = {0.4, 0.5, 0.6}, .std = {0.2, 0.3, 0.25}};
    put_golden(folder, "a.png", "rgb.png");
    put_golden(folder, "b.jpg", "turned7.jpg");
    put_golden(folder, "c.jpg", "cmyk.jpg");
    put_golden(folder, "d.png", "palette_clear.png");
    for (int labelled = 0; labelled < 2; labelled++) {
        if (labelled) {
            put_text(folder, "labels.txt", "d.png 5\nb.jpg -1\na.png 999\n");
        }
        for (int i = 0; i < 2; i++) {
            expect_ok(uwc_dataset_pack(folder, &p, NULL, 1 + 3 * i, packed));
            expect_ok(uwc_file_read(packed, &bytes[i], &size[i]));
        }
        check_packed(folder, packed, &p);
        assert_int_equal(size[0], size[1]);
        assert_memory_equal(bytes[0], bytes[1], size[0]);
        uwc_free(&bytes[0]);
        uwc_free(&bytes[1]);
    }
    uwc_free(&folder);
    uwc_free(&packed);
}

static void test_given_folder_that_cannot_be_packed_expect_no_file(void **state) {
    char *folder = make_folder(*state, "unpackable"), *packed = folder_path(*state, "none.h5"),
         *temporary = folder_path(*state, "none.h5.tmp");
    put_golden(folder, "a.png", "rgb.png");
    put_golden(folder, "b.jpg", "turned6.jpg");
    expect_error(uwc_dataset_pack(folder, &plain, NULL, 1, packed), UWC_E_SHAPE, "b.jpg");
    put_text(folder, "b.jpg", "no image");
    expect_error(uwc_dataset_pack(folder, &plain, NULL, 1, packed), UWC_E_FORMAT, "b.jpg");
    expect_error(uwc_dataset_pack(packed, &plain, NULL, 1, packed), UWC_E_NOTFOUND, "none.h5");
    assert_false(uwc_file_exists(packed));
    assert_false(uwc_file_exists(temporary));
    put_text(*state, "file.h5", "");
    char *file = folder_path(*state, "file.h5"), *nowhere = folder_path(*state, "nowhere/none.h5");
    expect_error(uwc_dataset_pack(file, &plain, NULL, 1, packed), UWC_E_FORMAT, "not a folder");
    put_golden(folder, "b.jpg", "rgb.png");
    expect_error(uwc_dataset_pack(folder, &plain, NULL, 1, nowhere), UWC_E_IO, "nowhere/none.h5");
    uwc_free(&file);
    uwc_free(&nowhere);
    uwc_free(&folder);
    uwc_free(&packed);
    uwc_free(&temporary);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_given_png_of_each_kind_expect_pixels),
        cmocka_unit_test(test_given_jpeg_of_each_kind_expect_pixels),
        cmocka_unit_test(test_given_exif_orientation_expect_turned_image),
        cmocka_unit_test(test_given_resize_expect_antialiased_bilinear),
        cmocka_unit_test(test_given_resize_and_crop_expect_centre),
        cmocka_unit_test(test_given_float_images_when_resized_expect_unrounded_averages),
        cmocka_unit_test(test_given_names_expect_byte_order),
        cmocka_unit_test(test_given_class_folders_expect_labels),
        cmocka_unit_test(test_given_bad_folders_expect_errors),
        cmocka_unit_test(test_given_images_of_two_sizes_expect_advice),
        cmocka_unit_test(test_given_foreign_files_expect_their_names),
        cmocka_unit_test(test_given_truncated_images_expect_format_error),
        cmocka_unit_test(test_given_damaged_images_expect_no_crash),
        cmocka_unit_test(test_given_huge_headers_expect_refusal_without_memory),
        cmocka_unit_test(test_given_renamed_image_expect_other_fingerprint),
        cmocka_unit_test(test_given_packed_folder_expect_same_bits),
        cmocka_unit_test(test_given_folder_that_cannot_be_packed_expect_no_file),
    };
    return cmocka_run_group_tests(tests, folder_setup, folder_teardown);
}
