/* A unit between the cache and its reconstruction: which files it reads, batches that lie in several shards, and segments. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "scratch.h"

#include <string.h>

enum { UNITS = 3, IMAGES = 37, CHANNELS = 2 };

/* x -> linear0 -> linear1 -> linear2, one unit each. */
static void add_linear(uwc_graph *graph, int k, int *at) {
    char name[16];
    int weights, out;
    uwc_tensor *tensor;
    uwc_op op = uwc_op_make(UWC_OP_LINEAR);
    assert_int_equal(uwc_tensor_create(UWC_F32, uwc_shape_2d(CHANNELS, CHANNELS), UWC_PLAIN, &tensor), UWC_OK);
    tensor->f32[0] = tensor->f32[3] = 1;
    snprintf(name, sizeof name, "w%d", k);
    assert_int_equal(uwc_graph_add_value(graph, name, tensor->shape, tensor, &weights), UWC_OK);
    snprintf(name, sizeof name, "y%d", k);
    assert_int_equal(uwc_graph_add_value(graph, name, (uwc_shape){0}, NULL, &out), UWC_OK);
    snprintf(name, sizeof name, "linear%d", k);
    assert_int_equal(uwc_graph_add_node(graph, name, &op, (int[]){*at, weights}, 2, out, NULL), UWC_OK);
    *at = out;
}

typedef struct bench {
    uwc_graph *graph;
    uwc_partition *partition;
    int segment[UNITS], maker[16];
    uwc_plan plan;
    uwc_cache *cache;
} bench;

static void setup(bench *b, const char *folder) {
    int at;
    assert_int_equal(uwc_graph_create("chain", &b->graph), UWC_OK);
    assert_int_equal(uwc_graph_add_value(b->graph, "x", uwc_shape_2d(1, CHANNELS), NULL, &at), UWC_OK);
    assert_int_equal(uwc_graph_add_input(b->graph, at), UWC_OK);
    for (int k = 0; k < UNITS; k++) {
        add_linear(b->graph, k, &at);
    }
    assert_int_equal(uwc_graph_add_output(b->graph, at), UWC_OK);
    assert_int_equal(uwc_graph_finish(b->graph), UWC_OK);
    assert_int_equal(uwc_partition_create(b->graph, 1, &b->partition), UWC_OK);
    assert_int_equal(b->partition->n_units, UNITS);
    memset(b->maker, -1, sizeof b->maker);
    for (int u = 0; u < UNITS; u++) {
        b->maker[b->partition->unit[u].output[0]] = u;
    }
    memset(b->segment, 0, sizeof b->segment);
    b->plan = (uwc_plan){.graph = b->graph, .partition = b->partition, .segment = b->segment, .maker = b->maker, .images = IMAGES};
    assert_int_equal(uwc_cache_open(folder, UWC_F32, &b->cache), UWC_OK);
}

static void teardown(bench *b) {
    uwc_cache_close(&b->cache);
    uwc_partition_destroy(&b->partition);
    uwc_graph_destroy(&b->graph);
}

/* Element of an image in the cache: says image, channel and network. */
static float element(int64_t image, int channel, bool quantized) {
    return (float)(image * 10 + channel) + (quantized ? 0.5f : 0.0f);
}

static void fill_cache(bench *b, int value, bool quantized) {
    uwc_cache_key key = uwc_sched__key(value, quantized);
    for (int shard = 0; shard < UWC_SHARDS; shard++) {
        int64_t first, count;
        uwc_cache_writer *writer;
        uwc_tensor *images;
        uwc_shard_range(IMAGES, shard, &first, &count);
        assert_int_equal(uwc_tensor_activation(uwc_shape_2d(count, CHANNELS), &images), UWC_OK);
        for (int64_t i = 0; i < count * CHANNELS; i++) {
            images->f32[i] = element(first + i / CHANNELS, (int)(i % CHANNELS), quantized);
        }
        assert_int_equal(uwc_cache_writer_open(b->cache, key.text, shard, uwc_shape_2d(1, CHANNELS), count, &writer), UWC_OK);
        assert_int_equal(uwc_cache_writer_append(writer, images), UWC_OK);
        assert_int_equal(uwc_cache_writer_publish(&writer), UWC_OK);
        uwc_tensor_destroy(&images);
    }
}

/* Reads all images in batches that ignore the shards. */
static void expect_images(uwc_unit_stream *stream, bool ask_quantized, bool get_quantized) {
    for (int64_t at = 0; at < IMAGES; at += 8) {
        int64_t count = IMAGES - at < 8 ? IMAGES - at : 8;
        uwc_tensor *batch;
        assert_int_equal(uwc_tensor_activation(uwc_shape_2d(count, CHANNELS), &batch), UWC_OK);
        assert_int_equal(stream->stream.read(stream->stream.self, 0, ask_quantized, at, batch), UWC_OK);
        for (int64_t i = 0; i < count * CHANNELS; i++) {
            assert_true(batch->f32[i] == element(at + i / CHANNELS, (int)(i % CHANNELS), get_quantized));
        }
        uwc_tensor_destroy(&batch);
    }
}

static void given_a_unit_behind_another_when_read_expect_quantized_images_of_its_segment(void **state) {
    bench b;
    uwc_unit_stream stream;
    setup(&b, *state);
    int value = b.partition->unit[1].input[0];
    fill_cache(&b, value, false);
    fill_cache(&b, value, true);
    assert_int_equal(uwc_sched__stream_open(&b.plan, 1, b.cache, &stream), UWC_OK);
    expect_images(&stream, false, false);
    expect_images(&stream, true, true);
    uwc_sched__stream_close(&stream);
    b.segment[1] = b.segment[2] = 1;
    assert_int_equal(uwc_sched__stream_open(&b.plan, 1, b.cache, &stream), UWC_OK);
    expect_images(&stream, true, false);
    uwc_sched__stream_close(&stream);
    teardown(&b);
}

static uwc_status write_all(uwc_unit_stream *stream, int64_t batch) {
    for (int64_t at = 0; at < IMAGES; at += batch) {
        int64_t count = IMAGES - at < batch ? IMAGES - at : batch;
        uwc_tensor *images;
        UWC_TRY(uwc_tensor_activation(uwc_shape_2d(count, CHANNELS), &images));
        for (int64_t i = 0; i < count * CHANNELS; i++) {
            images->f32[i] = element(at + i / CHANNELS, (int)(i % CHANNELS), true);
        }
        uwc_status st = stream->stream.write(stream->stream.self, 0, at, images);
        uwc_tensor_destroy(&images);
        UWC_TRY(st);
    }
    return UWC_OK;
}

static void given_batches_over_shards_when_written_expect_every_shard(void **state) {
    static const int64_t batches[] = {1, 2, 3, 8, IMAGES};
    bench b;
    setup(&b, *state);
    int value = b.partition->unit[0].output[0];
    for (size_t i = 0; i < sizeof batches / sizeof batches[0]; i++) {
        uwc_unit_stream stream;
        assert_int_equal(uwc_sched__stream_open(&b.plan, 0, b.cache, &stream), UWC_OK);
        assert_non_null(stream.stream.write);
        assert_int_equal(uwc_sched__stream_finish(&stream), UWC_E_INTERNAL); /* nothing is there yet */
        assert_int_equal(write_all(&stream, batches[i]), UWC_OK);
        assert_int_equal(uwc_sched__stream_finish(&stream), UWC_OK);
        uwc_sched__stream_close(&stream);
        assert_true(uwc_sched__cached(&b.plan, b.cache, value, true));
        assert_int_equal(uwc_sched__stream_open(&b.plan, 1, b.cache, &stream), UWC_OK);
        expect_images(&stream, true, true);
        uwc_sched__stream_close(&stream);
    }
    teardown(&b);
}

static void given_an_output_that_nobody_reads_when_opened_expect_no_write(void **state) {
    bench b;
    uwc_unit_stream stream;
    setup(&b, *state);
    assert_int_equal(uwc_sched__stream_open(&b.plan, UNITS - 1, b.cache, &stream), UWC_OK);
    assert_null(stream.stream.write);
    assert_int_equal(uwc_sched__stream_finish(&stream), UWC_OK);
    uwc_sched__stream_close(&stream);
    b.segment[1] = b.segment[2] = 1;
    assert_int_equal(uwc_sched__stream_open(&b.plan, 0, b.cache, &stream), UWC_OK);
    assert_null(stream.stream.write);
    uwc_sched__stream_close(&stream);
    teardown(&b);
}

static void given_rules_when_cut_into_segments_expect_equal_work_in_order(void **state) {
    (void)state;
    uwc_unit unit[8] = {{.work = 0}};
    uwc_partition partition = {.unit = unit, .n_units = 8};
    uwc_settings settings = {.input = UWC_INPUT_PREFIX, .segments = 2};
    int segment[8];
    for (int u = 0; u < 8; u++) {
        unit[u].work = u == 0 ? 7 : 1;
    }
    uwc_sched__segments(&partition, &settings, segment);
    assert_memory_equal(segment, ((int[]){0, 0, 0, 0, 0, 0, 0, 0}), sizeof segment);
    settings.input = UWC_INPUT_FLOAT;
    uwc_sched__segments(&partition, &settings, segment);
    assert_memory_equal(segment, ((int[]){0, 1, 2, 3, 4, 5, 6, 7}), sizeof segment);
    settings.input = UWC_INPUT_SEGMENTS;
    uwc_sched__segments(&partition, &settings, segment);
    assert_memory_equal(segment, ((int[]){0, 1, 1, 1, 1, 1, 1, 1}), sizeof segment);
    settings.segments = 100;
    uwc_sched__segments(&partition, &settings, segment);
    for (int u = 1; u < 8; u++) {
        assert_true(segment[u] > segment[u - 1] && segment[u] < 100);
    }
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, make_scratch, drop_scratch)
    const struct CMUnitTest tests[] = {
        TEST(given_a_unit_behind_another_when_read_expect_quantized_images_of_its_segment),
        TEST(given_batches_over_shards_when_written_expect_every_shard),
        TEST(given_an_output_that_nobody_reads_when_opened_expect_no_write),
        cmocka_unit_test(given_rules_when_cut_into_segments_expect_equal_work_in_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
