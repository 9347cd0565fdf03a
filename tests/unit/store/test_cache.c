#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "store_impl.h"
#include "support/expect.h"
#include "support/folder.h"
#include <math.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

enum { CHANNELS = 3, HEIGHT = 4, WIDTH = 5 };

static uwc_shape batch(int64_t images) {
    return uwc_shape_4d(images, CHANNELS, HEIGHT, WIDTH);
}

/* Image n holds 1000 n + its element's number. */
static uwc_tensor *make_images(int64_t first, int64_t count) {
    uwc_tensor *tensor;
    expect_ok(uwc_tensor_activation(batch(count), &tensor));
    int64_t each = uwc_shape_per_image(tensor->shape);
    for (int64_t i = 0; i < count * each; i++) {
        tensor->f32[i] = (float)(1000 * (first + i / each) + i % each);
    }
    return tensor;
}

static uwc_status append(uwc_cache_writer *writer, int64_t first, int64_t count) {
    uwc_tensor *tensor = make_images(first, count);
    uwc_status st = uwc_cache_writer_append(writer, tensor);
    uwc_tensor_destroy(&tensor);
    return st;
}

static void write_shard(uwc_cache *cache, const char *key, int shard, int64_t images) {
    uwc_cache_writer *writer;
    expect_ok(uwc_cache_writer_open(cache, key, shard, batch(1), images, &writer));
    for (int64_t first = 0; first < images; first += 3) {
        expect_ok(append(writer, first, images - first < 3 ? images - first : 3));
    }
    expect_ok(uwc_cache_writer_publish(&writer));
    assert_null(writer);
}

static void check_shard(uwc_cache *cache, const char *key, int shard, int64_t first, int64_t count) {
    uwc_tensor *wanted = make_images(first, count), *found;
    expect_ok(uwc_tensor_activation(batch(count), &found));
    expect_ok(uwc_cache_read(cache, key, shard, first, found));
    assert_memory_equal(found->data, wanted->data, uwc_tensor_bytes(wanted));
    uwc_tensor_destroy(&wanted);
    uwc_tensor_destroy(&found);
}

/* The whole file image, in pieces of `most` bytes. */
static char *take_image(uwc_cache *cache, const char *key, int shard, size_t most, size_t *bytes) {
    char *image = NULL;
    int64_t capacity = 0, left = 1;
    *bytes = 0;
    while (left > 0) {
        char *piece;
        size_t length;
        expect_ok(uwc_cache_piece(cache, key, shard, (int64_t)*bytes, most, &piece, &length, &left));
        assert_true(length == most || (length < most && left == 0));
        expect_ok(uwc_grow(&image, &capacity, (int64_t)(*bytes + length), 1));
        memcpy(image + *bytes, piece, length);
        *bytes += length;
        uwc_free(&piece);
    }
    return image;
}

static uwc_status store_image(uwc_cache *cache, const char *key, int shard, const char *image, size_t bytes, size_t most) {
    for (size_t from = 0; from + most < bytes; from += most) {
        UWC_TRY(uwc_cache_store_piece(cache, key, shard, 1, (int64_t)from, image + from, most, (int64_t)(bytes - from - most)));
    }
    size_t from = bytes == 0 ? 0 : (bytes - 1) / most * most;
    return uwc_cache_store_piece(cache, key, shard, 1, (int64_t)from, image + from, bytes - from, 0);
}

/* The shard ends behind `images` images. */
static void expect_images(uwc_cache *cache, const char *key, int shard, int64_t images) {
    uwc_tensor *tensor;
    char part[32];
    snprintf(part, sizeof part, "of %d", (int)images);
    expect_ok(uwc_tensor_activation(batch(1), &tensor));
    expect_ok(uwc_cache_read(cache, key, shard, images - 1, tensor));
    expect_error(uwc_cache_read(cache, key, shard, images, tensor), UWC_E_ARG, part);
    uwc_tensor_destroy(&tensor);
}

static uwc_cache *open_cache_of(uwc_dtype dtype, const char *folder, const char *name) {
    char *path = folder_path(folder, name);
    uwc_cache *cache;
    expect_ok(uwc_cache_open(path, dtype, &cache));
    uwc_free(&path);
    return cache;
}

static uwc_cache *open_cache(const char *folder, const char *name) {
    return open_cache_of(UWC_F32, folder, name);
}

static void test_given_shards_when_read_in_any_order_expect_images(void **state) {
    uwc_cache *cache = open_cache(*state, "deep/er");
    for (int shard = 0; shard < 7; shard++) {
        assert_false(uwc_cache_has(cache, "f001", shard));
        write_shard(cache, "f001", shard, 10 + shard);
        assert_true(uwc_cache_has(cache, "f001", shard));
    }
    for (int shard = 6; shard >= 0; shard--) { /* more files than stay open */
        check_shard(cache, "f001", shard, 0, 10 + shard);
        check_shard(cache, "f001", shard, 4, 1);
        check_shard(cache, "f001", shard, 10 + shard, 0);
    }
    uwc_cache_close(&cache);
    assert_null(cache);
}

static void test_given_no_images_expect_valid_shard(void **state) {
    uwc_cache *cache = open_cache(*state, "empty");
    write_shard(cache, "q000", 0, 0);
    assert_true(uwc_cache_has(cache, "q000", 0));
    check_shard(cache, "q000", 0, 0, 0);
    uwc_cache_close(&cache);
}

static void test_given_other_ranks_expect_them_back(void **state) {
    uwc_cache *cache = open_cache(*state, "ranks");
    float data[12] = {0};
    for (int i = 0; i < 12; i++) {
        data[i] = (float)i;
    }
    const uwc_shape shapes[3] = {uwc_shape_1d(4), uwc_shape_2d(4, 3), uwc_shape_make(3, (int64_t[]){2, 3, 2})};
    for (int i = 0; i < 3; i++) {
        float back[12] = {0};
        uwc_cache_writer *writer;
        uwc_tensor in = uwc_tensor_view(UWC_F32, shapes[i], UWC_PLAIN, data), out = uwc_tensor_view(UWC_F32, shapes[i], UWC_PLAIN, back);
        expect_ok(uwc_cache_writer_open(cache, "f002", i, shapes[i], shapes[i].dim[0], &writer));
        expect_ok(uwc_cache_writer_append(writer, &in));
        expect_ok(uwc_cache_writer_publish(&writer));
        expect_ok(uwc_cache_read(cache, "f002", i, 0, &out));
        assert_memory_equal(back, data, uwc_tensor_bytes(&out));
    }
    uwc_cache_close(&cache);
}

static void test_given_activation_expect_physical_and_logical_shape_in_file(void **state) {
    uwc_cache *cache = open_cache(*state, "shape");
    write_shard(cache, "f003", 2, 2);
    char *path = folder_path(*state, "shape/f003_s02.h5");
    uwc_archive *archive;
    uwc_dtype dtype;
    uwc_shape shape;
    int64_t logical[4];
    expect_ok(uwc_archive_open(path, &archive));
    expect_ok(uwc_archive_shape(archive, "/x", &dtype, &shape));
    assert_true(dtype == UWC_F32 && uwc_shape_equal(shape, uwc_shape_4d(2, HEIGHT, WIDTH, CHANNELS)));
    expect_ok(uwc_archive_get(archive, "/shape", UWC_I64, 0, 4, logical));
    assert_true(logical[0] == 2 && logical[1] == CHANNELS && logical[2] == HEIGHT && logical[3] == WIDTH);
    uwc_tensor *x, *wanted = make_images(0, 2);
    expect_ok(uwc_archive_get_tensor(archive, "/x", UWC_F32, &x));
    assert_memory_equal(x->data, wanted->data, uwc_tensor_bytes(wanted));
    uwc_tensor_destroy(&x);
    uwc_tensor_destroy(&wanted);
    uwc_archive_close(&archive);
    uwc_free(&path);
    uwc_cache_close(&cache);
}

static void test_given_same_images_in_other_batches_expect_same_bytes(void **state) {
    uwc_cache *cache = open_cache(*state, "bytes");
    char *image[2];
    size_t bytes[2];
    write_shard(cache, "f004", 0, 6);
    uwc_cache_writer *writer;
    expect_ok(uwc_cache_writer_open(cache, "f004", 1, batch(77), 6, &writer));
    expect_ok(append(writer, 0, 1));
    expect_ok(append(writer, 1, 5));
    expect_ok(uwc_cache_writer_publish(&writer));
    for (int i = 0; i < 2; i++) {
        image[i] = take_image(cache, "f004", i, 1 << 20, &bytes[i]);
    }
    assert_int_equal(bytes[0], bytes[1]);
    assert_memory_equal(image[0], image[1], bytes[0]);
    uwc_free(&image[0]);
    uwc_free(&image[1]);
    uwc_cache_close(&cache);
}

static void test_given_image_when_stored_elsewhere_expect_images(void **state) {
    uwc_cache *from = open_cache(*state, "from"), *to = open_cache(*state, "to");
    char *image;
    size_t bytes;
    write_shard(from, "f005", 3, 9);
    image = take_image(from, "f005", 3, 1 << 20, &bytes);
    expect_ok(store_image(to, "f005", 3, image, bytes, 1 << 20));
    check_shard(to, "f005", 3, 2, 7);
    for (size_t length = 0; length < bytes; length += 97) {
        expect_error(store_image(to, "f006", 0, image, length, 1000), UWC_E_FORMAT, "f006_s00.h5");
        assert_false(uwc_cache_has(to, "f006", 0));
    }
    write_shard(from, "f005", 4, 2);
    uwc_free(&image);
    image = take_image(from, "f005", 4, 1 << 20, &bytes);
    expect_ok(store_image(to, "f005", 3, image, bytes, 1 << 20)); /* takes the place of the open file */
    check_shard(to, "f005", 3, 0, 2);
    expect_images(to, "f005", 3, 2);
    write_shard(to, "f005", 3, 4);
    expect_images(to, "f005", 3, 4);
    uwc_free(&image);
    uwc_cache_close(&from);
    uwc_cache_close(&to);
}

/* Images whose elements are integers below 2,048 are exact in half precision; through files, file images and a cache of the other type. */
static void test_given_float16_expect_half_the_bytes_and_exact_small_integers(void **state) {
    uwc_cache *whole = open_cache(*state, "whole"), *half = open_cache_of(UWC_F16, *state, "half");
    enum { IMAGES = 2 };
    char *image, *path = folder_path(*state, "half/f012_s00.h5");
    size_t bytes[2];
    write_shard(whole, "f012", 0, IMAGES);
    write_shard(half, "f012", 0, IMAGES);
    check_shard(half, "f012", 0, 0, IMAGES);
    check_shard(half, "f012", 0, 1, 1);
    image = take_image(whole, "f012", 0, 1 << 20, &bytes[0]);
    uwc_free(&image);
    image = take_image(half, "f012", 0, 1 << 20, &bytes[1]);
    assert_int_equal(bytes[0] - bytes[1], 2 * IMAGES * uwc_shape_count(batch(1)));
    expect_ok(store_image(whole, "f012", 1, image, bytes[1], 1 << 20));
    check_shard(whole, "f012", 1, 0, IMAGES);
    uwc_free(&image);
    hid_t file;
    uwc_store__set set;
    float x[IMAGES * CHANNELS * HEIGHT * WIDTH];
    expect_ok(uwc_store__open_file(path, &file)); /* and as HDF5 itself reads it */
    expect_ok(uwc_store__set_open(file, path, "/x", &set));
    assert_true(H5Tget_class(set.type) == H5T_FLOAT && H5Tget_size(set.type) == 2);
    expect_ok(uwc_store__set_read(&set, path, "/x", UWC_F32, 0, IMAGES, x));
    uwc_tensor *wanted = make_images(0, IMAGES);
    assert_memory_equal(x, wanted->data, sizeof x);
    uwc_tensor_destroy(&wanted);
    uwc_store__set_close(&set);
    uwc_store__drop(file, H5Fclose);
    uwc_free(&path);
    uwc_cache_close(&whole);
    uwc_cache_close(&half);
}

/* More elements than are converted at a time, in odd batches. */
static void test_given_large_float16_images_expect_each_rounded(void **state) {
    enum { ELEMENTS = 20011, IMAGES = 3 };
    uwc_cache *cache = open_cache_of(UWC_F16, *state, "large");
    uwc_cache_writer *writer;
    uwc_tensor *in, *out;
    expect_ok(uwc_tensor_activation(uwc_shape_2d(IMAGES, ELEMENTS), &in));
    expect_ok(uwc_tensor_activation(uwc_shape_2d(IMAGES, ELEMENTS), &out));
    for (int64_t i = 0; i < IMAGES * ELEMENTS; i++) {
        in->f32[i] = (float)uwc_rng_normal(1, 2, (uint64_t)i);
    }
    expect_ok(uwc_cache_writer_open(cache, "f013", 0, uwc_shape_2d(1, ELEMENTS), IMAGES, &writer));
    uwc_tensor first = uwc_tensor_images(in, 0, 2), last = uwc_tensor_images(in, 2, 1);
    expect_ok(uwc_cache_writer_append(writer, &first));
    expect_ok(uwc_cache_writer_append(writer, &last));
    expect_ok(uwc_cache_writer_publish(&writer));
    expect_ok(uwc_cache_read(cache, "f013", 0, 0, out));
    for (int64_t i = 0; i < IMAGES * ELEMENTS; i++) {
        assert_true(fabsf(out->f32[i] - in->f32[i]) <= fmaxf(fabsf(in->f32[i]) / 2048, 0x1p-25f));
    }
    uwc_tensor_destroy(&in);
    uwc_tensor_destroy(&out);
    uwc_cache_close(&cache);
}

static void test_given_value_beyond_float16_expect_error_and_no_shard(void **state) {
    uwc_cache *cache = open_cache_of(UWC_F16, *state, "beyond");
    uwc_cache_writer *writer;
    uwc_tensor *tensor = make_images(0, 1);
    tensor->f32[7] = -70000;
    expect_ok(uwc_cache_writer_open(cache, "f014", 0, batch(1), 1, &writer));
    expect_error(uwc_cache_writer_append(writer, tensor), UWC_E_VALUE, "-70000, float16 ends at 65504: use run.cache: float32");
    expect_error(uwc_cache_writer_publish(&writer), UWC_E_ARG, "0 of 1");
    assert_false(uwc_cache_has(cache, "f014", 0));
    uwc_tensor_destroy(&tensor);
    uwc_cache_close(&cache);
}

/* Any size of pieces, two senders at the same time, and an order that is not theirs. */
static void test_given_pieces_expect_images_when_the_last_has_come(void **state) {
    uwc_cache *from = open_cache(*state, "whole_file"), *to = open_cache(*state, "pieces");
    size_t bytes, again;
    write_shard(from, "f015", 0, 9);
    char *image = take_image(from, "f015", 0, 1 << 20, &bytes);
    const size_t most[] = {77, bytes / 2, bytes - 1, bytes, bytes + 1};
    for (size_t k = 0; k < sizeof most / sizeof most[0]; k++) {
        char *same = take_image(from, "f015", 0, most[k], &again);
        assert_true(again == bytes && memcmp(same, image, bytes) == 0);
        uwc_free(&same);
        expect_ok(store_image(to, "f015", (int)k, image, bytes, most[k]));
        check_shard(to, "f015", (int)k, 0, 9);
    }
    const int64_t half = (int64_t)bytes / 2, rest = (int64_t)bytes - half;
    for (int sender = 1; sender <= 2; sender++) {
        expect_ok(uwc_cache_store_piece(to, "f016", 0, sender, 0, image, (size_t)half, rest));
    }
    for (int sender = 1; sender <= 2; sender++) {
        assert_true(uwc_cache_has(to, "f016", 0) == (sender == 2));
        expect_ok(uwc_cache_store_piece(to, "f016", 0, sender, half, image + half, (size_t)rest, 0));
        check_shard(to, "f016", 0, 0, 9);
    }
    expect_ok(uwc_cache_store_piece(to, "f017", 0, 1, 0, image, (size_t)half, rest));
    expect_error(uwc_cache_store_piece(to, "f017", 0, 1, half + 1, image + half, (size_t)rest, 0), UWC_E_FORMAT, "does not come next");
    expect_error(uwc_cache_store_piece(to, "f017", 0, 1, half, image + half, (size_t)rest, 0), UWC_E_IO, "f017_s00.h5");
    assert_false(uwc_cache_has(to, "f017", 0));
    char *piece;
    int64_t left;
    expect_error(uwc_cache_piece(from, "f015", 0, (int64_t)bytes + 1, 1, &piece, &again, &left), UWC_E_ARG, "no byte");
    expect_error(uwc_cache_piece(from, "f018", 0, 0, 1, &piece, &again, &left), UWC_E_NOTFOUND, "f018_s00.h5");
    uwc_free(&image);
    uwc_cache_close(&from);
    uwc_cache_close(&to);
}

static void test_given_misuse_expect_errors(void **state) {
    uwc_cache *cache = open_cache(*state, "misuse");
    uwc_cache_writer *writer;
    uwc_tensor *tensor;
    expect_error(uwc_cache_writer_open(cache, "../f", 0, batch(1), 1, &writer), UWC_E_ARG, "../f");
    assert_null(writer);
    expect_error(uwc_cache_writer_open(cache, "f", 0, batch(1), -1, &writer), UWC_E_ARG, "-1");
    expect_ok(uwc_cache_writer_open(cache, "f007", 0, batch(1), 4, &writer));
    expect_ok(append(writer, 0, 3));
    expect_error(append(writer, 3, 2), UWC_E_ARG, "5 images, only 4");
    expect_ok(uwc_tensor_activation(uwc_shape_4d(1, CHANNELS, WIDTH, HEIGHT), &tensor));
    expect_error(uwc_cache_writer_append(writer, tensor), UWC_E_SHAPE, "f007_s00.h5");
    uwc_tensor_destroy(&tensor);
    expect_error(uwc_cache_writer_publish(&writer), UWC_E_ARG, "3 of 4");
    assert_null(writer);
    assert_false(uwc_cache_has(cache, "f007", 0));
    expect_ok(uwc_cache_writer_open(cache, "f007", 0, batch(1), 4, &writer));
    uwc_cache_writer_drop(&writer);
    uwc_cache_writer_drop(&writer);
    write_shard(cache, "f007", 0, 4);
    expect_ok(uwc_tensor_activation(batch(2), &tensor));
    expect_error(uwc_cache_read(cache, "f007", 0, 3, tensor), UWC_E_ARG, "2 images from 3 on, of 4");
    expect_error(uwc_cache_read(cache, "f007", 0, -1, tensor), UWC_E_ARG, "of 4");
    expect_error(uwc_cache_read(cache, "f007", 1, 0, tensor), UWC_E_NOTFOUND, "f007_s01.h5");
    uwc_tensor_destroy(&tensor);
    uwc_cache_close(&cache);
}

static void expect_no_read(const char *folder, const char *path, const char *image, size_t bytes) {
    folder_write(path, image, bytes);
    uwc_cache *cache = open_cache(folder, "broken"); /* afresh: nothing is open yet */
    uwc_tensor *tensor;
    expect_ok(uwc_tensor_activation(batch(1), &tensor));
    expect_error(uwc_cache_read(cache, "f008", 0, 0, tensor), UWC_E_FORMAT, "f008_s00.h5");
    uwc_tensor_destroy(&tensor);
    uwc_cache_close(&cache);
}

static void test_given_truncated_or_foreign_files_expect_format_error(void **state) {
    uwc_cache *cache = open_cache(*state, "broken");
    char *path = folder_path(*state, "broken/f008_s00.h5"), *image;
    size_t bytes;
    write_shard(cache, "f008", 0, 5);
    image = take_image(cache, "f008", 0, 1 << 20, &bytes);
    uwc_cache_close(&cache);
    for (size_t length = 0; length < bytes; length += length < 1024 ? 13 : 211) {
        expect_no_read(*state, path, image, length);
    }
    expect_no_read(*state, path, image, bytes - 1);
    uwc_free(&image);
    for (int shaped = 0; shaped < 2; shaped++) { /* without a shape, and with one that is not that of the elements */
        const int64_t dim[4] = {1, CHANNELS, HEIGHT, WIDTH};
        const float one = 1.0f;
        uwc_archive *archive;
        expect_ok(uwc_archive_create(&archive));
        expect_ok(uwc_archive_put(archive, "/x", UWC_F32, uwc_shape_1d(1), &one));
        expect_ok(uwc_archive_put(archive, shaped ? "/shape" : "/y", UWC_I64, uwc_shape_1d(4), dim));
        expect_ok(uwc_archive_image(archive, &image, &bytes));
        expect_no_read(*state, path, image, bytes);
        uwc_free(&image);
        uwc_archive_close(&archive);
    }
    uwc_free(&path);
}

/* Killed before it publishes, a writer leaves a temporary file that nobody reads and the next writer replaces. */
static void test_given_killed_writer_expect_no_shard(void **state) {
    uwc_cache *cache = open_cache(*state, "killed");
    char *temporary = folder_path(*state, "killed/f009_s00.h5.tmp");
    for (int64_t written = 0; written <= 6; written += 3) {
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            uwc_cache_writer *writer;
            if (uwc_cache_writer_open(cache, "f009", 0, batch(1), 6, &writer) == UWC_OK && append(writer, 0, written) == UWC_OK) {
                kill(getpid(), SIGKILL);
            }
            _exit(1);
        }
        int how;
        assert_int_equal(waitpid(child, &how, 0), child);
        assert_true(WIFSIGNALED(how) && WTERMSIG(how) == SIGKILL);
        assert_true(uwc_file_exists(temporary));
        assert_false(uwc_cache_has(cache, "f009", 0));
    }
    write_shard(cache, "f009", 0, 6);
    assert_false(uwc_file_exists(temporary));
    check_shard(cache, "f009", 0, 0, 6);
    uwc_free(&temporary);
    uwc_cache_close(&cache);
}

/* A limit on the size of files stands for a full disk: at any limit there is an error and neither a shard nor a temporary file. */
static void test_given_full_disk_expect_error_and_no_file(void **state) {
    uwc_cache *cache = open_cache(*state, "full");
    char *temporary = folder_path(*state, "full/f010_s00.h5.tmp");
    struct rlimit before, limit;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    signal(SIGXFSZ, SIG_IGN);
    uwc_status st[40];
    int tries = 0;
    for (rlim_t bytes = 0; bytes < 16800; bytes += 601) {
        limit = (struct rlimit){bytes, before.rlim_max};
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
        uwc_cache_writer *writer;
        st[tries] = uwc_cache_writer_open(cache, "f010", 0, batch(1), 70, &writer);
        if (st[tries] == UWC_OK) {
            st[tries] = append(writer, 0, 70);
            uwc_cache_writer_drop(&writer);
        }
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
        assert_false(uwc_file_exists(temporary));
        tries++;
    }
    for (int i = 0; i < tries; i++) {
        assert_int_equal(st[i], UWC_E_IO);
    }
    write_shard(cache, "f010", 0, 70); /* HDF5 has not been left in a bad state */
    check_shard(cache, "f010", 0, 60, 10);
    uwc_free(&temporary);
    uwc_cache_close(&cache);
}

static void test_given_no_space_left_expect_error_and_no_file(void **state) {
    uwc_cache *cache = open_cache(*state, "device");
    char *temporary = folder_path(*state, "device/f011_s00.h5.tmp");
    uwc_cache_writer *writer;
    assert_int_equal(symlink("/dev/full", temporary), 0);
    expect_error(uwc_cache_writer_open(cache, "f011", 0, batch(1), 70, &writer), UWC_E_IO, "No space left");
    assert_null(writer);
    assert_false(uwc_cache_has(cache, "f011", 0));
    uwc_free(&temporary);
    uwc_cache_close(&cache);
}

/* ---- a folder below ---- */

/* As write_shard, with image numbers from `first` on. */
static void write_shard_from(uwc_cache *cache, const char *key, int shard, int64_t first, int64_t images) {
    uwc_cache_writer *writer;
    expect_ok(uwc_cache_writer_open(cache, key, shard, batch(1), images, &writer));
    expect_ok(append(writer, first, images));
    expect_ok(uwc_cache_writer_publish(&writer));
}

static void expect_first_image(uwc_cache *cache, const char *key, int shard, int64_t image) {
    uwc_tensor *wanted = make_images(image, 1), *found;
    expect_ok(uwc_tensor_activation(batch(1), &found));
    expect_ok(uwc_cache_read(cache, key, shard, 0, found));
    assert_memory_equal(found->data, wanted->data, uwc_tensor_bytes(wanted));
    uwc_tensor_destroy(&wanted);
    uwc_tensor_destroy(&found);
}

static void test_given_a_folder_below_expect_own_files_first_and_writes_at_home(void **state) {
    char *below_path = folder_path(*state, "shared"), *image, *same;
    size_t bytes, same_bytes;
    uwc_cache *below = open_cache(*state, "shared"), *cache = open_cache(*state, "own");
    write_shard_from(below, "f001", 0, 10, 2);
    write_shard_from(below, "f002", 0, 20, 2);
    write_shard_from(cache, "f002", 0, 30, 3);
    assert_false(uwc_cache_has(cache, "f001", 0));
    expect_ok(uwc_cache_read_below(cache, below_path));
    assert_true(uwc_cache_has(cache, "f001", 0));
    assert_false(uwc_cache_has(cache, "f001", 1));
    expect_first_image(cache, "f001", 0, 10);
    expect_first_image(cache, "f002", 0, 30);
    expect_images(cache, "f002", 0, 3);
    image = take_image(cache, "f001", 0, 1000, &bytes);
    same = take_image(below, "f001", 0, 1000, &same_bytes);
    assert_int_equal(bytes, same_bytes);
    assert_memory_equal(image, same, bytes);

    write_shard_from(cache, "f001", 0, 40, 1); /* hides the one below, and leaves it alone */
    expect_first_image(cache, "f001", 0, 40);
    expect_first_image(below, "f001", 0, 10);
    expect_ok(store_image(cache, "f003", 0, image, bytes, 1000));
    assert_true(uwc_cache_has(cache, "f003", 0));
    assert_false(uwc_cache_has(below, "f003", 0));
    uwc_free(&image);
    uwc_free(&same);
    uwc_free(&below_path);
    uwc_cache_close(&below);
    uwc_cache_close(&cache);
}

static void test_given_another_folder_below_expect_it_instead(void **state) {
    char *first_path = folder_path(*state, "first"), *second_path = folder_path(*state, "second");
    uwc_cache *first = open_cache(*state, "first"), *second = open_cache(*state, "second"), *cache = open_cache(*state, "above");
    uwc_tensor *tensor;
    expect_ok(uwc_tensor_activation(batch(1), &tensor));
    write_shard_from(first, "f001", 0, 1, 1);
    write_shard_from(second, "f002", 0, 2, 1);
    expect_ok(uwc_cache_read_below(cache, first_path));
    expect_ok(uwc_cache_read_below(cache, second_path));
    assert_false(uwc_cache_has(cache, "f001", 0));
    expect_error(uwc_cache_read(cache, "f001", 0, 0, tensor), UWC_E_NOTFOUND, "second");
    expect_first_image(cache, "f002", 0, 2);
    uwc_tensor_destroy(&tensor);
    uwc_free(&first_path);
    uwc_free(&second_path);
    uwc_cache_close(&first);
    uwc_cache_close(&second);
    uwc_cache_close(&cache);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_given_shards_when_read_in_any_order_expect_images),
        cmocka_unit_test(test_given_no_images_expect_valid_shard),
        cmocka_unit_test(test_given_other_ranks_expect_them_back),
        cmocka_unit_test(test_given_activation_expect_physical_and_logical_shape_in_file),
        cmocka_unit_test(test_given_same_images_in_other_batches_expect_same_bytes),
        cmocka_unit_test(test_given_image_when_stored_elsewhere_expect_images),
        cmocka_unit_test(test_given_float16_expect_half_the_bytes_and_exact_small_integers),
        cmocka_unit_test(test_given_large_float16_images_expect_each_rounded),
        cmocka_unit_test(test_given_value_beyond_float16_expect_error_and_no_shard),
        cmocka_unit_test(test_given_pieces_expect_images_when_the_last_has_come),
        cmocka_unit_test(test_given_a_folder_below_expect_own_files_first_and_writes_at_home),
        cmocka_unit_test(test_given_another_folder_below_expect_it_instead),
        cmocka_unit_test(test_given_misuse_expect_errors),
        cmocka_unit_test(test_given_truncated_or_foreign_files_expect_format_error),
        cmocka_unit_test(test_given_killed_writer_expect_no_shard),
        cmocka_unit_test(test_given_full_disk_expect_error_and_no_file),
        cmocka_unit_test(test_given_no_space_left_expect_error_and_no_file),
    };
    return cmocka_run_group_tests(tests, folder_setup, folder_teardown);
}
