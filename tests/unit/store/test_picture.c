#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support/expect.h"
#include "support/folder.h"
#include "images.h"

static uwc_preprocess boxed(int64_t side) {
    uwc_preprocess p = plain;
    p.letterbox = side;
    p.pad = 114;
    return p;
}

static void check_box(const char *parent, const char *name, int64_t side, int most) {
    char *folder = make_folder(parent, name), *expected, *file;
    size_t bytes;
    uwc_preprocess p = boxed(side);
    put_golden(folder, name, name);
    expect_ok(uwc_format(&file, "%s.box%d.rgb", name, (int)side));
    read_golden(file, &expected, &bytes);
    uwc_tensor *out = read_one(folder, &p, 0);
    assert_true(uwc_shape_equal(out->shape, uwc_shape_4d(1, 3, side, side)));
    assert_int_equal(bytes, uwc_shape_count(out->shape));
    for (size_t i = 0; i < bytes; i++) {
        assert_in_range(abs((int)out->f32[i] - (unsigned char)expected[i]), 0, most);
    }
    uwc_tensor_destroy(&out);
    uwc_free(&expected);
    uwc_free(&file);
    uwc_free(&folder);
}

static void test_given_letterbox_expect_upper_left_and_pad(void **state) {
    check_box(*state, "rgb.png", 16, 0);
    check_box(*state, "rgb.png", 40, 0);
    check_box(*state, "turned6.jpg", 16, 2);
}

/* The pad is a pixel value: scale, mean and std follow. */
static void test_given_pad_expect_it_normalised(void **state) {
    char *folder = make_folder(*state, "pad");
    uwc_preprocess p = {.letterbox = 29, .pad = 51, .bgr = true, .scale = 1.0 / 255.0, .mean = {0.1, 0.2, 0.3}, .std = {0.5, 0.25, 2.0}};
    put_golden(folder, "a.png", "rgb.png");
    uwc_tensor *out = read_one(folder, &p, 0);
    const float *last = out->f32 + uwc_shape_count(out->shape) - 3;
    assert_float_equal(last[0], 0.2, 1e-6);
    assert_float_equal(last[1], 0.0, 1e-6);
    assert_float_equal(last[2], -0.05, 1e-6);
    char *expected;
    size_t bytes;
    read_golden("rgb.png.rgb", &expected, &bytes); /* 29 wide already: copied, blue first */
    assert_float_equal(out->f32[0], ((unsigned char)expected[2] / 255.0 - 0.1) / 0.5, 1e-5);
    uwc_tensor_destroy(&out);
    uwc_free(&expected);
    uwc_free(&folder);
}

static void write_floats(const char *path, const float *data) {
    uwc_archive *archive;
    expect_ok(uwc_archive_create(&archive));
    expect_ok(uwc_archive_put(archive, "/images", UWC_F32, uwc_shape_4d(1, 1, 1, 2), data));
    expect_ok(uwc_archive_publish(archive, path));
    uwc_archive_close(&archive);
}

static void test_given_float_images_when_letterboxed_expect_values_and_pad(void **state) {
    char *path = folder_path(*state, "float.h5");
    const float data[2] = {-3.5f, 1000.25f}, expected[4] = {-3.5f, 1000.25f, 7.0f, 7.0f};
    uwc_preprocess p = boxed(2);
    p.pad = 7;
    write_floats(path, data);
    uwc_tensor *out = read_one(path, &p, 0);
    assert_memory_equal(out->f32, expected, sizeof expected);
    uwc_tensor_destroy(&out);
    uwc_free(&path);
}

/* A strip keeps one pixel of its width. */
static void test_given_thin_image_expect_one_pixel(void **state) {
    char *path = folder_path(*state, "thin.h5");
    uint8_t column[40];
    memset(column, 200, sizeof column);
    uwc_archive *archive;
    expect_ok(uwc_archive_create(&archive));
    expect_ok(uwc_archive_put(archive, "/images", UWC_U8, uwc_shape_4d(1, 1, 40, 1), column));
    expect_ok(uwc_archive_publish(archive, path));
    uwc_archive_close(&archive);
    uwc_preprocess p = boxed(4);
    uwc_tensor *out = read_one(path, &p, 0);
    for (int i = 0; i < 16; i++) {
        assert_true(out->f32[i] == (i % 4 == 0 ? 200.0f : 114.0f));
    }
    uwc_tensor_destroy(&out);
    uwc_free(&path);
}

static void test_given_letterbox_with_others_expect_refusal(void **state) {
    char *folder = make_folder(*state, "both");
    uwc_dataset *dataset;
    put_golden(folder, "a.png", "rgb.png");
    uwc_preprocess p = boxed(16);
    p.resize = 16;
    expect_error(uwc_dataset_open(folder, &p, NULL, &dataset), UWC_E_CONFIG, "letterbox 16 excludes resize and crop");
    p = boxed(16);
    p.crop = 16;
    expect_error(uwc_dataset_open(folder, &p, NULL, &dataset), UWC_E_CONFIG, "letterbox 16 excludes resize and crop");
    p = boxed(1 << 20);
    expect_error(uwc_dataset_open(folder, &p, NULL, &dataset), UWC_E_CONFIG, "letterbox 1048576");
    p = boxed(16);
    p.pad = 256;
    expect_error(uwc_dataset_open(folder, &p, NULL, &dataset), UWC_E_CONFIG, "pad 256");
    uwc_free(&folder);
}

static void expect_placement(const char *path, const uwc_preprocess *p, const uwc_placement *wanted) {
    uwc_dataset *dataset;
    uwc_placement found;
    expect_ok(uwc_dataset_open(path, p, NULL, &dataset));
    expect_ok(uwc_dataset_placement(dataset, 0, &found));
    assert_int_equal(found.height, wanted->height);
    assert_int_equal(found.width, wanted->width);
    for (int i = 0; i < 2; i++) {
        assert_float_equal(found.scale[i], wanted->scale[i], 1e-12);
        assert_float_equal(found.offset[i], wanted->offset[i], 1e-12);
    }
    uwc_dataset_close(&dataset);
}

static void test_given_each_frame_expect_placement_also_when_packed(void **state) {
    char *folder = make_folder(*state, "place"), *packed = folder_path(*state, "place.h5");
    put_golden(folder, "a.jpg", "turned6.jpg"); /* 29 high, 19 wide when the right way up */
    const struct {
        int64_t resize, crop, letterbox;
        uwc_placement wanted;
    } row[] = {
        {0, 0, 0, {29, 19, {1, 1}, {0, 0}}},
        {0, 0, 58, {29, 19, {2, 2}, {0, 0}}},
        {0, 0, 16, {29, 19, {16 / 29.0, 10 / 19.0}, {0, 0}}}, /* 16 * 19 / 29 = 10.5 */
        {12, 7, 0, {29, 19, {18 / 29.0, 12 / 19.0}, {-5, -2}}},
        {0, 11, 0, {29, 19, {1, 1}, {-9, -4}}},
    };
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        uwc_preprocess p = plain;
        p.resize = row[i].resize;
        p.crop = row[i].crop;
        p.letterbox = row[i].letterbox;
        expect_placement(folder, &p, &row[i].wanted);
        expect_ok(uwc_dataset_pack(folder, &p, NULL, 1, packed));
        expect_placement(packed, &p, &row[i].wanted);
        expect_placement(packed, &plain, &row[i].wanted);
    }
    uwc_free(&folder);
    uwc_free(&packed);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_given_letterbox_expect_upper_left_and_pad),
        cmocka_unit_test(test_given_pad_expect_it_normalised),
        cmocka_unit_test(test_given_float_images_when_letterboxed_expect_values_and_pad),
        cmocka_unit_test(test_given_thin_image_expect_one_pixel),
        cmocka_unit_test(test_given_letterbox_with_others_expect_refusal),
        cmocka_unit_test(test_given_each_frame_expect_placement_also_when_packed),
    };
    return cmocka_run_group_tests(tests, folder_setup, folder_teardown);
}
