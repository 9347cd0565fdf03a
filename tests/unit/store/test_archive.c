#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support/expect.h"
#include "support/folder.h"
#include <string.h>
#include <uwc/store.h>

static int setup(void **state) {
    return folder_setup(state);
}

static void fill(uwc_archive *archive) {
    float x[6] = {0.0f, 1.0f, -2.5f, 3e38f, 1e-40f, 0.1f};
    int64_t wide[2] = {INT64_MIN, INT64_MAX};
    int8_t small[3] = {-128, 0, 127};
    expect_ok(uwc_archive_put(archive, "/layers/0/w", UWC_F32, uwc_shape_2d(2, 3), x));
    expect_ok(uwc_archive_put(archive, "/layers/0/q", UWC_I8, uwc_shape_1d(3), small));
    expect_ok(uwc_archive_put(archive, "/layers/12/wide", UWC_I64, uwc_shape_1d(2), wide));
    expect_ok(uwc_archive_put(archive, "/scalar", UWC_F32, (uwc_shape){0}, &x[2]));
    expect_ok(uwc_archive_put(archive, "/none", UWC_F32, uwc_shape_2d(0, 3), NULL));
    expect_ok(uwc_archive_put_string(archive, "/name", "unit \xc3\xa4"));
    expect_ok(uwc_archive_put_string(archive, "/empty", ""));
}

static void check_contents(const uwc_archive *archive) {
    float x[6];
    int64_t wide[2];
    int32_t middle[2];
    char *text;
    uwc_tensor *tensor;
    uwc_dtype dtype;
    uwc_shape shape;
    expect_ok(uwc_archive_get(archive, "/layers/0/w", UWC_F32, 0, 2, x));
    assert_true(x[2] == -2.5f && x[3] == 3e38f && x[4] == 1e-40f && x[5] == 0.1f);
    expect_ok(uwc_archive_get(archive, "/layers/0/w", UWC_F32, 1, 1, x));
    assert_true(x[0] == 3e38f);
    expect_ok(uwc_archive_get(archive, "/layers/12/wide", UWC_I64, 0, 2, wide));
    assert_true(wide[0] == INT64_MIN && wide[1] == INT64_MAX);
    expect_ok(uwc_archive_get(archive, "/layers/0/q", UWC_I32, 1, 2, middle));
    assert_int_equal(middle[1], 127);
    expect_ok(uwc_archive_get(archive, "/scalar", UWC_F32, 0, 1, x));
    assert_true(x[0] == -2.5f);
    expect_ok(uwc_archive_get_tensor(archive, "/none", UWC_F32, &tensor));
    assert_int_equal(uwc_shape_count(tensor->shape), 0);
    uwc_tensor_destroy(&tensor);
    expect_ok(uwc_archive_shape(archive, "/layers/0/q", &dtype, &shape));
    assert_true(dtype == UWC_I8 && shape.rank == 1 && shape.dim[0] == 3);
    expect_ok(uwc_archive_get_string(archive, "/name", &text));
    assert_string_equal(text, "unit \xc3\xa4");
    uwc_free(&text);
    expect_ok(uwc_archive_get_string(archive, "/empty", &text));
    assert_string_equal(text, "");
    uwc_free(&text);
    assert_true(uwc_archive_has(archive, "/layers/12"));
    assert_false(uwc_archive_has(archive, "/layers/13/w"));
}

static void test_given_file_when_read_expect_contents(void **state) {
    char *path = folder_path(*state, "a.h5");
    uwc_archive *archive;
    expect_ok(uwc_archive_create(&archive));
    fill(archive);
    expect_ok(uwc_archive_publish(archive, path));
    uwc_archive_close(&archive);
    assert_null(archive);
    expect_ok(uwc_archive_open(path, &archive));
    check_contents(archive);
    uwc_archive_close(&archive);
    uwc_free(&path);
}

static void test_given_image_when_read_expect_contents(void **state) {
    (void)state;
    char *image;
    size_t bytes;
    uwc_archive *archive;
    expect_ok(uwc_archive_create(&archive));
    fill(archive);
    expect_ok(uwc_archive_image(archive, &image, &bytes));
    uwc_archive_close(&archive);
    expect_ok(uwc_archive_open_image("frame", image, bytes, &archive));
    check_contents(archive);
    uwc_archive_close(&archive);
    uwc_free(&image);
}

/* A second apart and under other names: neither clocks nor paths reach the bytes. */
static void test_given_same_contents_later_expect_same_bytes(void **state) {
    char *image[2];
    size_t bytes[2];
    (void)state;
    for (int i = 0; i < 2; i++) {
        uwc_archive *archive;
        expect_ok(uwc_archive_create(&archive));
        fill(archive);
        expect_ok(uwc_archive_image(archive, &image[i], &bytes[i]));
        uwc_archive_close(&archive);
        if (i == 0) {
            for (double start = uwc_now(); uwc_now() < start + 1.1;) {
            }
        }
    }
    assert_int_equal(bytes[0], bytes[1]);
    assert_memory_equal(image[0], image[1], bytes[0]);
    uwc_free(&image[0]);
    uwc_free(&image[1]);
}

static void test_given_bad_requests_expect_one_line_each(void **state) {
    char *path = folder_path(*state, "b.h5"), *other = folder_path(*state, "no.h5");
    float x[6];
    char *text;
    uwc_tensor *tensor;
    uwc_archive *archive;
    expect_ok(uwc_archive_create(&archive));
    fill(archive);
    expect_error(uwc_archive_put(archive, "/scalar", UWC_F32, (uwc_shape){0}, x), UWC_E_ARG, "/scalar");
    expect_error(uwc_archive_put(archive, "/scalar/below", UWC_F32, (uwc_shape){0}, x), UWC_E_LIBRARY, "/scalar/below");
    expect_ok(uwc_archive_publish(archive, path));
    uwc_archive_close(&archive);
    expect_ok(uwc_archive_open(path, &archive));
    expect_error(uwc_archive_put(archive, "/new", UWC_F32, (uwc_shape){0}, x), UWC_E_ARG, "/new");
    expect_error(uwc_archive_get(archive, "/nowhere", UWC_F32, 0, 1, x), UWC_E_FORMAT, "b.h5: no dataset /nowhere");
    expect_error(uwc_archive_get(archive, "/layers", UWC_F32, 0, 1, x), UWC_E_FORMAT, "/layers");
    expect_error(uwc_archive_get(archive, "/layers/0/w", UWC_F32, 1, 2, x), UWC_E_SHAPE, "/layers/0/w [2,3]");
    expect_error(uwc_archive_get(archive, "/layers/0/w", UWC_F32, INT64_MAX, 2, x), UWC_E_SHAPE, "/layers/0/w");
    expect_error(uwc_archive_get_tensor(archive, "/name", UWC_F32, &tensor), UWC_E_FORMAT, "string");
    assert_null(tensor);
    expect_error(uwc_archive_get_string(archive, "/scalar", &text), UWC_E_FORMAT, "float32");
    assert_null(text);
    uwc_archive_close(&archive);
    expect_error(uwc_archive_open(other, &archive), UWC_E_NOTFOUND, "no.h5");
    assert_null(archive);
    expect_error(uwc_archive_open(*state, &archive), UWC_E_FORMAT, "not a regular file");
    uwc_free(&path);
    uwc_free(&other);
}

/* Every length below the whole is refused; at none of them does anything crash. */
static void test_given_truncated_files_expect_format_error(void **state) {
    char *path = folder_path(*state, "t.h5"), *image;
    size_t bytes;
    uwc_archive *archive;
    expect_ok(uwc_archive_create(&archive));
    fill(archive);
    expect_ok(uwc_archive_image(archive, &image, &bytes));
    uwc_archive_close(&archive);
    folder_write(path, image, bytes);
    expect_ok(uwc_archive_open(path, &archive));
    uwc_archive_close(&archive);
    for (size_t length = 0; length < bytes; length += length < 256 ? 1 : 61) {
        char *part; /* of its own size, so that reading beyond is seen */
        expect_ok(uwc_calloc((int64_t)length, 1, &part));
        memcpy(part, image, length);
        expect_error(uwc_archive_open_image("part", part, length, &archive), UWC_E_FORMAT, "part");
        uwc_free(&part);
        folder_write(path, image, length);
        expect_error(uwc_archive_open(path, &archive), UWC_E_FORMAT, "t.h5");
    }
    uwc_free(&image);
    uwc_free(&path);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_given_file_when_read_expect_contents),        cmocka_unit_test(test_given_image_when_read_expect_contents),
        cmocka_unit_test(test_given_same_contents_later_expect_same_bytes), cmocka_unit_test(test_given_bad_requests_expect_one_line_each),
        cmocka_unit_test(test_given_truncated_files_expect_format_error),
    };
    return cmocka_run_group_tests(tests, setup, folder_teardown);
}
