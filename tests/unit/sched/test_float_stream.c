/* Float activations without a cache: those of the plain operators on images that are made anew here. */
#include "run_fixture.h"

#include "support/expect.h"

static const int64_t bad[] = {0, 5, 36};
enum { BAD = (int)(sizeof bad / sizeof bad[0]) };

/* A run with its plan, without a folder. */
typedef struct bench {
    uwc_graph *graph;
    uwc_config *config;
    uwc_run run;
} bench;

static bench new_bench(void **state) {
    bench b = {.graph = small_network()};
    char *bytes;
    size_t size;
    b.config = new_config(state, b.graph, (const char *const[]){"data.samples=37", NULL});
    b.run = (uwc_run){.config = b.config, .lock = -1};
    uwc_sched__settings(b.config, &b.run.settings);
    must(uwc_preprocess_read(b.config, &b.run.preprocess));
    must(uwc_onnx_serialize(b.graph, &bytes, &size));
    must(uwc_sched__plan_create(bytes, size, &b.run.settings, &b.run.plan));
    uwc_free(&bytes);
    assert_int_equal(b.run.plan->images, IMAGES);
    return b;
}

static void drop_bench(bench *b) {
    uwc_sched__plan_destroy(&b->run.plan);
    uwc_config_destroy(&b->config);
    uwc_graph_destroy(&b->graph);
}

static void leave_out(bench *b) {
    must(uwc_calloc(BAD, sizeof *bad, &b->run.plan->bad));
    memcpy(b->run.plan->bad, bad, sizeof bad);
    b->run.plan->n_bad = BAD;
    b->run.plan->images = IMAGES - BAD;
}

/* Images [first, first + count) of `name`, the entry `input` of the unit. */
static void expect_part(uwc_float_stream *s, const char *name, int input, int64_t first, int64_t count) {
    const uwc_graph *network = s->network;
    const int value = uwc_graph_find_value(network, name);
    uwc_tensor *x = images_of(first, count, bad, (int)(IMAGES - s->stream.images));
    uwc_tensor *wanted = value == network->input[0] ? NULL : evaluate(network, value, x, UWC_BACKEND_REFERENCE), *got;
    must(uwc_tensor_activation(uwc_shape_batch(network->value[value].shape, count), &got));
    must(s->stream.read(s->stream.self, input, false, first, got));
    assert_true(difference(wanted == NULL ? x : wanted, got) < 1e-5);
    uwc_tensor_destroy(&x);
    uwc_tensor_destroy(&wanted);
    uwc_tensor_destroy(&got);
}

static void expect_all(uwc_float_stream *s) {
    static const char *const name[] = {"ra", "x", "sum", "flat"};
    int *input;
    must(uwc_calloc(4, sizeof *input, &input));
    for (int i = 0; i < 4; i++) {
        input[i] = uwc_graph_find_value(s->network, name[i]);
    }
    s->input = input;
    for (int i = 0; i < 4; i++) {
        expect_part(s, name[i], i, 0, s->stream.images);
        expect_part(s, name[i], i, 3, 16);
        expect_part(s, name[i], i, 7, 21);
        expect_part(s, name[i], i, s->stream.images - 1, 1);
    }
    uwc_free(&input);
}

static void given_values_when_read_in_any_pieces_expect_the_plain_network(void **state) {
    bench b = new_bench(state);
    uwc_float_stream s;
    must(uwc_sched__float_stream_open(&b.run, &s));
    assert_int_equal(s.stream.images, IMAGES);
    expect_all(&s);
    uwc_sched__float_stream_close(&s);
    drop_bench(&b);
}

static void given_images_left_out_when_read_expect_the_others(void **state) {
    bench b = new_bench(state);
    uwc_float_stream s;
    leave_out(&b);
    must(uwc_sched__float_stream_open(&b.run, &s));
    assert_int_equal(s.stream.images, IMAGES - BAD);
    expect_all(&s);
    uwc_sched__float_stream_close(&s);
    drop_bench(&b);
}

static void given_quantized_activations_asked_for_expect_refusal(void **state) {
    bench b = new_bench(state);
    uwc_float_stream s;
    uwc_tensor *got;
    must(uwc_sched__float_stream_open(&b.run, &s));
    s.input = b.run.plan->graph->input;
    must(uwc_tensor_activation(uwc_shape_4d(1, CHANNELS, SIDE, SIDE), &got));
    expect_error(s.stream.read(s.stream.self, 0, true, 0, got), UWC_E_INTERNAL, "quantized activations");
    uwc_tensor_destroy(&got);
    uwc_sched__float_stream_close(&s);
    drop_bench(&b);
}

static void given_images_that_do_not_fit_when_opened_expect_both_shapes(void **state) {
    bench b = new_bench(state);
    uwc_float_stream s;
    char *path = in_scratch(state, "images.h5");
    put_images(path, SIDE + 1);
    expect_error(uwc_sched__float_stream_open(&b.run, &s), UWC_E_SHAPE,
                 "images of [1,3,9,9] after preprocessing, the network takes [1,3,8,8]");
    assert_int_equal(unlink(path), 0);
    expect_error(uwc_sched__float_stream_open(&b.run, &s), UWC_E_NOTFOUND, "images.h5");
    uwc_free(&path);
    drop_bench(&b);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, make_scratch, drop_scratch)
    const struct CMUnitTest tests[] = {
        TEST(given_values_when_read_in_any_pieces_expect_the_plain_network),
        TEST(given_images_left_out_when_read_expect_the_others),
        TEST(given_quantized_activations_asked_for_expect_refusal),
        TEST(given_images_that_do_not_fit_when_opened_expect_both_shapes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
