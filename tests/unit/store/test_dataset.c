#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support/expect.h"
#include "support/folder.h"
#include <hdf5.h>
#include <math.h>
#include <uwc/store.h>

enum { IMAGES = 150, HEIGHT = 6, WIDTH = 8 };

static const uwc_preprocess plain = {.scale = 1.0, .std = {1.0, 1.0, 1.0}};
static const uwc_preprocess imagenet = {.scale = 0.00392156862745098, .mean = {0.485, 0.456, 0.406}, .std = {0.229, 0.224, 0.225}};

static uint8_t pixel(int64_t n, int64_t c, int64_t y, int64_t x) {
    return (uint8_t)(uwc_rng_u32(7, (uint64_t)(n * 16 + c), (uint64_t)(y * 1000 + x)) & 255);
}

/* [images,channels,HEIGHT,WIDTH] */
static uint8_t *make_u8(int64_t images, int64_t channels) {
    uint8_t *data;
    expect_ok(uwc_calloc(images * channels * HEIGHT * WIDTH, 1, &data));
    for (int64_t i = 0; i < images * channels * HEIGHT * WIDTH; i++) {
        data[i] = pixel(i / (channels * HEIGHT * WIDTH), i / (HEIGHT * WIDTH) % channels, i / WIDTH % HEIGHT, i % WIDTH);
    }
    return data;
}

static float *make_f32(int64_t images, int64_t channels) {
    uint8_t *from = make_u8(images, channels);
    float *data;
    expect_ok(uwc_calloc(images * channels * HEIGHT * WIDTH, sizeof *data, &data));
    for (int64_t i = 0; i < images * channels * HEIGHT * WIDTH; i++) {
        data[i] = (float)from[i];
    }
    uwc_free(&from);
    return data;
}

/* deflate: 0 contiguous; else in chunks of that many images */
static void write_hdf5(const char *path, const char *name, hid_t type, hid_t memory, int rank, const hsize_t *dim, const void *data,
                       hsize_t chunk) {
    hid_t file = uwc_file_exists(path) ? H5Fopen(path, H5F_ACC_RDWR, H5P_DEFAULT) : H5Fcreate(path, H5F_ACC_EXCL, H5P_DEFAULT, H5P_DEFAULT);
    hid_t space = H5Screate_simple(rank, dim, NULL), properties = H5Pcreate(H5P_DATASET_CREATE);
    if (chunk > 0) {
        hsize_t piece[4] = {chunk, dim[1], dim[2] / 2, dim[3]};
        H5Pset_chunk(properties, 4, piece);
        H5Pset_deflate(properties, 9);
    }
    hid_t set = H5Dcreate2(file, name, type, space, H5P_DEFAULT, properties, H5P_DEFAULT);
    assert_true(set >= 0);
    assert_true(data == NULL || H5Dwrite(set, memory, H5S_ALL, H5S_ALL, H5P_DEFAULT, data) >= 0);
    H5Dclose(set);
    H5Pclose(properties);
    H5Sclose(space);
    assert_true(H5Fclose(file) >= 0);
}

static void write_images(const char *path, int64_t channels, bool real, hsize_t chunk) {
    const hsize_t dim[4] = {IMAGES, (hsize_t)channels, HEIGHT, WIDTH};
    void *data = real ? (void *)make_f32(IMAGES, channels) : (void *)make_u8(IMAGES, channels);
    if (real) {
        write_hdf5(path, "/images", H5T_IEEE_F32BE, H5T_NATIVE_FLOAT, 4, dim, data, chunk);
    } else {
        write_hdf5(path, "/images", H5T_STD_U8LE, H5T_NATIVE_UINT8, 4, dim, data, chunk);
    }
    uwc_free(&data);
}

static float expected(const uwc_preprocess *p, int64_t channels, int64_t n, int64_t c, int64_t y, int64_t x) {
    uint8_t value = pixel(n, p->bgr && channels == 3 ? 2 - c : c, y, x);
    return ((float)value * (float)p->scale - (float)p->mean[c]) / (float)p->std[c];
}

static void check_range(uwc_dataset *dataset, const uwc_preprocess *p, int64_t first, int64_t count) {
    uwc_tensor *out;
    uwc_shape shape = uwc_dataset_shape(dataset);
    int64_t channels = shape.dim[1], top = (HEIGHT - shape.dim[2]) / 2, left = (WIDTH - shape.dim[3]) / 2;
    expect_ok(uwc_tensor_activation(uwc_shape_batch(shape, count), &out));
    expect_ok(uwc_dataset_read(dataset, first, out));
    const float *at = out->f32;
    for (int64_t n = 0; n < count; n++) {
        for (int64_t y = 0; y < shape.dim[2]; y++) {
            for (int64_t x = 0; x < shape.dim[3]; x++) {
                for (int64_t c = 0; c < channels; c++) {
                    assert_true(*at++ == expected(p, channels, first + n, c, y + top, x + left));
                }
            }
        }
    }
    uwc_tensor_destroy(&out);
}

static void check_file(const char *path, const uwc_preprocess *p, int64_t channels) {
    uwc_dataset *dataset;
    expect_ok(uwc_dataset_open(path, p, NULL, &dataset));
    assert_int_equal(uwc_dataset_images(dataset), IMAGES);
    int64_t side = p->crop;
    assert_true(uwc_shape_equal(uwc_dataset_shape(dataset), uwc_shape_4d(1, channels, side ? side : HEIGHT, side ? side : WIDTH)));
    check_range(dataset, p, 0, 7);
    check_range(dataset, p, 60, 70); /* over the edges of blocks */
    check_range(dataset, p, 3, 1);
    check_range(dataset, p, IMAGES - 1, 1);
    check_range(dataset, p, IMAGES, 0);
    uwc_dataset_close(&dataset);
    assert_null(dataset);
}

static void test_given_hdf5_of_each_kind_expect_formula(void **state) {
    uwc_preprocess bgr = imagenet, cropped = imagenet;
    bgr.bgr = true;
    cropped.crop = 5;
    for (int kind = 0; kind < 16; kind++) {
        char name[32];
        snprintf(name, sizeof name, "kind%d.h5", kind);
        char *path = folder_path(*state, name);
        int64_t channels = kind & 1 ? 1 : 3;
        const hsize_t chunks[4] = {0, 1, 64, 1000 > IMAGES ? IMAGES : 1000};
        write_images(path, channels, kind & 2, chunks[kind >> 2]);
        check_file(path, &plain, channels);
        check_file(path, &imagenet, channels);
        check_file(path, &bgr, channels);
        check_file(path, &cropped, channels);
        uwc_free(&path);
    }
}

static void test_given_labels_of_each_type_expect_values(void **state) {
    const int64_t value[IMAGES] = {3, 0, 127, 5};
    const hsize_t all = IMAGES;
    const hid_t type[6] = {H5T_STD_I8LE, H5T_STD_U8LE, H5T_STD_I32BE, H5T_STD_U16LE, H5T_STD_I64LE, H5T_STD_U64LE};
    for (int i = 0; i < 6; i++) {
        char name[32];
        snprintf(name, sizeof name, "labels%d.h5", i);
        char *path = folder_path(*state, name);
        uwc_dataset *dataset;
        write_images(path, 3, false, 0);
        expect_ok(uwc_dataset_open(path, &plain, NULL, &dataset));
        assert_false(uwc_dataset_has_labels(dataset));
        uwc_dataset_close(&dataset);
        write_hdf5(path, "/labels", type[i], H5T_NATIVE_INT64, 1, &all, value, 0);
        expect_ok(uwc_dataset_open(path, &plain, &(uwc_choice){.samples = 3}, &dataset));
        assert_int_equal(uwc_dataset_images(dataset), 3);
        assert_true(uwc_dataset_has_labels(dataset));
        assert_int_equal(uwc_dataset_label(dataset, 0), 3);
        assert_int_equal(uwc_dataset_label(dataset, 2), 127);
        uwc_dataset_close(&dataset);
        uwc_free(&path);
    }
}

static void expect_refused(const char *path, const uwc_preprocess *p, int64_t samples, uwc_status wanted, const char *part) {
    uwc_dataset *dataset;
    expect_error(uwc_dataset_open(path, p, &(uwc_choice){.samples = samples}, &dataset), wanted, part);
    assert_null(dataset);
}

static void test_given_malformed_hdf5_expect_what_was_found(void **state) {
    const struct {
        hid_t type;
        int rank;
        hsize_t dim[4];
        uwc_status status;
        const char *part;
    } bad[] = {
        {H5T_STD_I16LE, 4, {2, 3, 4, 4}, UWC_E_FORMAT, "int16"},   {H5T_IEEE_F64LE, 4, {2, 3, 4, 4}, UWC_E_FORMAT, "float64"},
        {H5T_C_S1, 4, {2, 3, 4, 4}, UWC_E_FORMAT, "string"},       {H5T_STD_U8LE, 3, {2, 3, 4}, UWC_E_SHAPE, "[2,3,4]"},
        {H5T_STD_U8LE, 4, {0, 3, 4, 4}, UWC_E_SHAPE, "[0,3,4,4]"}, {H5T_STD_U8LE, 4, {2, 2, 4, 4}, UWC_E_SHAPE, "[2,2,4,4]"},
        {H5T_STD_U8LE, 4, {2, 3, 0, 4}, UWC_E_SHAPE, "[2,3,0,4]"},
    };
    const char zeros[2048] = {0};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char name[32];
        snprintf(name, sizeof name, "bad%zu.h5", i);
        char *path = folder_path(*state, name);
        write_hdf5(path, "/images", bad[i].type, bad[i].type, bad[i].rank, bad[i].dim, zeros, 0);
        expect_refused(path, &plain, 0, bad[i].status, bad[i].part);
        expect_refused(path, &plain, 0, bad[i].status, name);
        uwc_free(&path);
    }
    char *path = folder_path(*state, "labels.h5");
    const hsize_t few = IMAGES - 1;
    expect_refused(path, &plain, 0, UWC_E_NOTFOUND, "labels.h5");
    write_hdf5(path, "/other", H5T_STD_U8LE, H5T_NATIVE_UINT8, 1, &few, NULL, 0);
    expect_refused(path, &plain, 0, UWC_E_FORMAT, "no dataset /images");
    unlink(path);
    write_images(path, 3, false, 0);
    write_hdf5(path, "/labels", H5T_STD_I32LE, H5T_NATIVE_INT32, 1, &few, zeros, 0);
    expect_refused(path, &plain, 0, UWC_E_SHAPE, "[149] for 150 images");
    unlink(path);
    const hsize_t all = IMAGES;
    write_images(path, 3, false, 0);
    write_hdf5(path, "/labels", H5T_IEEE_F32LE, H5T_NATIVE_FLOAT, 1, &all, zeros, 0);
    expect_refused(path, &plain, 0, UWC_E_FORMAT, "float32");
    unlink(path);
    const hsize_t vast[4] = {1 << 20, 3, 1 << 12, 1 << 12};
    write_hdf5(path, "/images", H5T_STD_U8LE, H5T_NATIVE_UINT8, 4, vast, NULL, 0);
    expect_refused(path, &plain, 0, UWC_E_FORMAT, "/images was never written");
    folder_write(path, "not an HDF5 file at all", 23);
    expect_refused(path, &plain, 0, UWC_E_FORMAT, "labels.h5: not an HDF5 file");
    folder_write(path, "", 0);
    expect_refused(path, &plain, 0, UWC_E_FORMAT, "labels.h5");
    uwc_free(&path);
}

static void test_given_bad_requests_expect_errors(void **state) {
    char *path = folder_path(*state, "requests.h5");
    write_images(path, 3, false, 64);
    expect_refused(path, &plain, IMAGES + 1, UWC_E_CONFIG, "151 images asked for, 150 are there");
    uwc_preprocess p = plain;
    p.crop = WIDTH;
    expect_refused(path, &p, 0, UWC_E_SHAPE, "requests.h5: image 0: crop 8 does not fit into 8x6");
    p = plain;
    p.std[1] = 0.0;
    expect_refused(path, &p, 0, UWC_E_CONFIG, "std[1]");
    p = plain;
    p.mean[2] = NAN;
    expect_refused(path, &p, 0, UWC_E_CONFIG, "mean[2]");
    p = plain;
    p.scale = 0.0;
    expect_refused(path, &p, 0, UWC_E_CONFIG, "scale");
    p = plain;
    p.resize = -1;
    expect_refused(path, &p, 0, UWC_E_CONFIG, "resize -1");
    uwc_dataset *dataset;
    uwc_tensor *tensor;
    expect_ok(uwc_dataset_open(path, &plain, &(uwc_choice){.samples = 10}, &dataset));
    expect_ok(uwc_tensor_activation(uwc_shape_4d(4, 3, HEIGHT, WIDTH), &tensor));
    expect_error(uwc_dataset_read(dataset, 7, tensor), UWC_E_ARG, "4 images from 7 on, of 10");
    tensor->layout = UWC_PLAIN;
    expect_error(uwc_dataset_read(dataset, 0, tensor), UWC_E_ARG, "activation");
    uwc_tensor_destroy(&tensor);
    expect_ok(uwc_tensor_activation(uwc_shape_4d(4, 3, WIDTH, HEIGHT), &tensor));
    expect_error(uwc_dataset_read(dataset, 0, tensor), UWC_E_SHAPE, "[4,3,8,6]");
    uwc_tensor_destroy(&tensor);
    uwc_dataset_close(&dataset);
    uwc_free(&path);
}

static void test_given_nan_or_infinity_expect_number_of_image(void **state) {
    const float poison[2] = {NAN, -INFINITY};
    for (int i = 0; i < 2; i++) {
        char *path = folder_path(*state, i == 0 ? "nan.h5" : "inf.h5");
        float *data = make_f32(IMAGES, 3);
        const hsize_t dim[4] = {IMAGES, 3, HEIGHT, WIDTH};
        data[(70 * 3 + 2) * HEIGHT * WIDTH + 11] = poison[i];
        write_hdf5(path, "/images", H5T_IEEE_F32LE, H5T_NATIVE_FLOAT, 4, dim, data, 0);
        uwc_free(&data);
        uwc_dataset *dataset;
        uwc_tensor *tensor;
        expect_ok(uwc_dataset_open(path, &imagenet, NULL, &dataset));
        expect_ok(uwc_tensor_activation(uwc_shape_4d(70, 3, HEIGHT, WIDTH), &tensor));
        expect_ok(uwc_dataset_read(dataset, 0, tensor));
        expect_error(uwc_dataset_read(dataset, 1, tensor), UWC_E_VALUE, i == 0 ? "nan.h5: image 70" : "inf.h5: image 70");
        uwc_tensor_destroy(&tensor);
        uwc_dataset_close(&dataset);
        uwc_free(&path);
    }
}

static uint64_t fingerprint(const char *path, const uwc_preprocess *p, int64_t samples) {
    uwc_dataset *dataset;
    uint64_t hash;
    expect_ok(uwc_dataset_open(path, p, &(uwc_choice){.samples = samples}, &dataset));
    expect_ok(uwc_dataset_fingerprint(dataset, &hash));
    uwc_dataset_close(&dataset);
    return hash;
}

static void test_given_other_data_expect_other_fingerprint(void **state) {
    char *path = folder_path(*state, "print.h5"), *moved = folder_path(*state, "moved.h5"), *other = folder_path(*state, "other.h5");
    write_images(path, 3, false, 0);
    uint64_t hash = fingerprint(path, &plain, 0);
    assert_true(hash == fingerprint(path, &plain, 0));
    assert_true(hash == fingerprint(path, &plain, IMAGES));
    assert_false(hash == fingerprint(path, &plain, IMAGES - 1));
    assert_false(hash == fingerprint(path, &imagenet, 0));
    uwc_preprocess p = plain;
    p.bgr = true;
    assert_false(hash == fingerprint(path, &p, 0));
    assert_int_equal(rename(path, moved), 0);
    assert_true(hash == fingerprint(moved, &plain, 0));
    const hsize_t dim[4] = {IMAGES, 3, HEIGHT, WIDTH};
    uint8_t *data = make_u8(IMAGES, 3);
    data[5] ^= 1;
    write_hdf5(other, "/images", H5T_STD_U8LE, H5T_NATIVE_UINT8, 4, dim, data, 0);
    assert_false(hash == fingerprint(other, &plain, 0));
    uwc_free(&data);
    uwc_free(&path);
    uwc_free(&moved);
    uwc_free(&other);
}

/* ---- .npy ---- */

static void write_npy(const char *path, int version, const char *dictionary, const void *data, size_t bytes) {
    unsigned char head[12] = {0x93, 'N', 'U', 'M', 'P', 'Y', (unsigned char)version, 0};
    size_t start = version == 1 ? 10 : 12, length = strlen(dictionary);
    for (size_t i = 8; i < start; i++) {
        head[i] = (unsigned char)(length >> 8 * (i - 8));
    }
    char *all;
    expect_ok(uwc_calloc((int64_t)(start + length + bytes), 1, &all));
    memcpy(all, head, start);
    memcpy(all + start, dictionary, length);
    memcpy(all + start + length, data, bytes);
    folder_write(path, all, start + length + bytes);
    uwc_free(&all);
}

static void test_given_npy_expect_formula(void **state) {
    char *path = folder_path(*state, "a.npy");
    uint8_t *u8 = make_u8(IMAGES, 3);
    float *f32 = make_f32(IMAGES, 1);
    uwc_preprocess cropped = imagenet;
    cropped.crop = 4;
    cropped.bgr = true;
    for (int version = 1; version <= 3; version++) {
        write_npy(path, version, "{'descr': '|u1', 'fortran_order': False, 'shape': (150, 3, 6, 8), }    \n", u8,
                  IMAGES * 3 * HEIGHT * WIDTH);
        check_file(path, &imagenet, 3);
        check_file(path, &cropped, 3);
        write_npy(path, version, "{'shape': (150,1,6,8), 'fortran_order':False,'descr': '<f4'}\n", f32,
                  IMAGES * HEIGHT * WIDTH * sizeof *f32);
        check_file(path, &imagenet, 1);
    }
    uwc_dataset *dataset;
    expect_ok(uwc_dataset_open(path, &plain, NULL, &dataset));
    assert_false(uwc_dataset_has_labels(dataset));
    uwc_dataset_close(&dataset);
    uwc_free(&u8);
    uwc_free(&f32);
    uwc_free(&path);
}

static void test_given_malformed_npy_expect_what_was_found(void **state) {
    const struct {
        const char *header;
        uwc_status status;
        const char *part;
    } bad[] = {
        {"{'descr': '<f8', 'fortran_order': False, 'shape': (1, 3, 2, 2), }", UWC_E_FORMAT, "'<f8'"},
        {"{'descr': '>f4', 'fortran_order': False, 'shape': (1, 3, 2, 2), }", UWC_E_FORMAT, "'>f4'"},
        {"{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1, 3, 2, 2), }", UWC_E_FORMAT, "descr"},
        {"{'descr': '|u1', 'fortran_order': True, 'shape': (1, 3, 2, 2), }", UWC_E_FORMAT, "Fortran"},
        {"{'descr': '|u1', 'fortran_order': Maybe, 'shape': (1, 3, 2, 2), }", UWC_E_FORMAT, "fortran_order"},
        {"{'descr': '|u1', 'shape': (1, 3, 2, 2), }", UWC_E_FORMAT, "fortran_order"},
        {"{'descr': '|u1', 'fortran_order': False, 'shape': (3, 2, 2), }", UWC_E_SHAPE, "[3,2,2]"},
        {"{'descr': '|u1', 'fortran_order': False, 'shape': (), }", UWC_E_SHAPE, "[]"},
        {"{'descr': '|u1', 'fortran_order': False, 'shape': (0, 3, 2, 2), }", UWC_E_SHAPE, "[0,3,2,2]"},
        {"{'descr': '|u1', 'fortran_order': False, 'shape': (1, 5, 2, 2), }", UWC_E_SHAPE, "[1,5,2,2]"},
        {"{'descr': '|u1', 'fortran_order': False, 'shape': (1, 3, -2, 2), }", UWC_E_FORMAT, "shape"},
        {"{'descr': '|u1', 'fortran_order': False, 'shape': (1, 3, 2 2), }", UWC_E_FORMAT, "shape"},
        {"{'descr': '|u1', 'fortran_order': False, 'shape': (1, 3, 2, 2", UWC_E_FORMAT, "shape"},
        {"{'descr': '|u1', 'fortran_order': False, 'shape': (1, 1, 1, 1, 1, 1, 1), }", UWC_E_FORMAT, "shape"},
        {"{'descr': '|u1', 'fortran_order': False, 'shape': (99999999999999999999, 3, 2, 2), }", UWC_E_FORMAT, "out of range"},
        {"{'descr': '|u1', 'fortran_order': False, 'shape': (1, 3, 4000000000, 4000000000), }", UWC_E_SHAPE, "pixels"},
        {"{'descr': '|u1', 'fortran_order': False, 'shape': (9223372036854775807, 3, 2, 2), }", UWC_E_FORMAT, "truncated"},
        {"{'descr': '|u1', 'fortran_order': False, 'shape': (2, 3, 2, 2), }", UWC_E_FORMAT, "truncated: 12 bytes of elements for 2 images"},
    };
    const unsigned char data[12] = {0};
    char *path = folder_path(*state, "bad.npy");
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        write_npy(path, 1, bad[i].header, data, sizeof data);
        expect_refused(path, &plain, 0, bad[i].status, bad[i].part);
        expect_refused(path, &plain, 0, bad[i].status, "bad.npy");
    }
    write_npy(path, 4, bad[0].header, data, sizeof data);
    expect_refused(path, &plain, 0, UWC_E_FORMAT, "version");
    folder_write(path, "\x93NUMPY\x02\x00\xff\xff\xff\xff", 12);
    expect_refused(path, &plain, 0, UWC_E_FORMAT, "header of 4294967295 bytes");
    uwc_free(&path);
}

/* Any single byte of the header changed, and any length cut: an error or a data set, never a crash. */
static void test_given_damaged_npy_headers_expect_no_crash(void **state) {
    const char *header = "{'descr': '|u1', 'fortran_order': False, 'shape': (2, 3, 2, 2), }\n";
    unsigned char data[24] = {0}, whole[128];
    char *path = folder_path(*state, "fuzz.npy"), *bytes;
    size_t length;
    write_npy(path, 1, header, data, sizeof data);
    expect_ok(uwc_file_read(path, &bytes, &length));
    int refused = 0;
    for (size_t at = 0; at < length - sizeof data; at++) {
        for (int value = 0; value < 256; value += value < 128 ? 1 : 17) {
            uwc_dataset *dataset;
            memcpy(whole, bytes, length);
            whole[at] = (unsigned char)value;
            folder_write(path, whole, length);
            refused += uwc_dataset_open(path, &plain, NULL, &dataset) != UWC_OK;
            uwc_dataset_close(&dataset);
        }
    }
    assert_true(refused > 1000);
    for (size_t cut = 0; cut < length; cut++) {
        folder_write(path, bytes, cut);
        expect_refused(path, &plain, 0, UWC_E_FORMAT, "fuzz.npy");
    }
    uwc_free(&bytes);
    uwc_free(&path);
}

int main(void) {
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_given_hdf5_of_each_kind_expect_formula),
        cmocka_unit_test(test_given_labels_of_each_type_expect_values),
        cmocka_unit_test(test_given_malformed_hdf5_expect_what_was_found),
        cmocka_unit_test(test_given_bad_requests_expect_errors),
        cmocka_unit_test(test_given_nan_or_infinity_expect_number_of_image),
        cmocka_unit_test(test_given_other_data_expect_other_fingerprint),
        cmocka_unit_test(test_given_npy_expect_formula),
        cmocka_unit_test(test_given_malformed_npy_expect_what_was_found),
        cmocka_unit_test(test_given_damaged_npy_headers_expect_no_crash),
    };
    return cmocka_run_group_tests(tests, folder_setup, folder_teardown);
}
