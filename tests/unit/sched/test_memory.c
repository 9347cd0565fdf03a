/* What a plan says of memory and disk, and how it changes with the limit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sched_impl.h"
#include "support/expect.h"

#include <string.h>

enum { CHANNELS = 16, SIDE = 64, IMAGES = 64 };

static int add_value(uwc_graph *graph, const char *name, uwc_shape shape, bool constant) {
    int value;
    uwc_tensor *tensor = NULL;
    if (constant) {
        expect_ok(uwc_tensor_create(UWC_F32, shape, UWC_PLAIN, &tensor));
        for (int64_t i = 0; i < uwc_shape_count(shape); i++) {
            tensor->f32[i] = (float)uwc_rng_normal(1, 2, (uint64_t)i);
        }
    }
    expect_ok(uwc_graph_add_value(graph, name, shape, tensor, &value));
    return value;
}

/* 3x3 convolutions, one behind the other. */
static void make_network(int layers, char **bytes, size_t *size) {
    uwc_graph *graph;
    expect_ok(uwc_graph_create("net", &graph));
    int at = add_value(graph, "x", uwc_shape_4d(1, CHANNELS, SIDE, SIDE), false);
    expect_ok(uwc_graph_add_input(graph, at));
    for (int k = 0; k < layers; k++) {
        char name[3][16];
        snprintf(name[0], sizeof name[0], "w%d", k);
        snprintf(name[1], sizeof name[1], "y%d", k);
        snprintf(name[2], sizeof name[2], "conv%d", k);
        uwc_op op = uwc_op_make(UWC_OP_CONV);
        op.kernel[0] = op.kernel[1] = 3;
        op.pad[0] = op.pad[1] = op.pad[2] = op.pad[3] = 1;
        int weights = add_value(graph, name[0], uwc_shape_4d(CHANNELS, CHANNELS, 3, 3), true);
        int out = add_value(graph, name[1], (uwc_shape){0}, false);
        expect_ok(uwc_graph_add_node(graph, name[2], &op, (int[]){at, weights}, 2, out, NULL));
        at = out;
    }
    expect_ok(uwc_graph_add_output(graph, at));
    expect_ok(uwc_graph_finish(graph));
    expect_ok(uwc_onnx_serialize(graph, bytes, size));
    uwc_graph_destroy(&graph);
}

static uwc_plan *plan_with(int64_t limit) {
    uwc_settings settings = {.bits = {.weight_bits = 4, .activation_bits = 8, .first_last_bits = 8},
                             .recon = {.method = UWC_METHOD_SECOND_ORDER, .damp = 0.01},
                             .max_layers = 1,
                             .samples = IMAGES,
                             .memory_limit = limit};
    char *bytes;
    size_t size;
    uwc_plan *plan;
    make_network(3, &bytes, &size);
    expect_ok(uwc_sched__plan_create(bytes, size, &settings, &plan));
    uwc_free(&bytes);
    return plan;
}

static int64_t largest(const uwc_plan *plan) {
    const uwc_memory *m = &plan->memory;
    int64_t bytes = m->plan > m->capture ? m->plan : m->capture;
    bytes = bytes > m->solve ? bytes : m->solve;
    return bytes > m->evaluate ? bytes : m->evaluate;
}

static void test_given_enough_memory_expect_batches_that_do_not_depend_on_it(void **state) {
    (void)state;
    uwc_plan *small = plan_with(INT64_C(1) << 30), *large = plan_with(INT64_C(1) << 50);
    assert_int_equal(small->batch, large->batch);
    for (int u = 0; u < small->partition->n_units; u++) {
        assert_int_equal(small->memory.unit[u].batch, large->memory.unit[u].batch);
        assert_true(small->memory.unit[u].bytes <= small->memory.solve);
    }
    expect_ok(uwc_sched__check_memory(small, INT64_C(1) << 30));
    assert_int_equal(largest(small), largest(large));
    uwc_sched__plan_destroy(&small);
    uwc_sched__plan_destroy(&large);
}

/* Every limit is kept or refused; the lower it is, the smaller the batches. */
static void test_given_less_memory_expect_smaller_batches_until_one_image(void **state) {
    (void)state;
    uwc_plan *plan = plan_with(INT64_C(1) << 50);
    int64_t batch = plan->batch, unit = plan->memory.unit[1].batch, all = largest(plan), least = 0;
    uwc_sched__plan_destroy(&plan);
    bool smaller = false, refused = false;
    for (int64_t limit = all; !refused; limit -= all / 40) {
        plan = plan_with(limit);
        assert_true(plan->batch <= batch && plan->memory.unit[1].batch <= unit);
        smaller = smaller || plan->batch < batch;
        batch = plan->batch;
        unit = plan->memory.unit[1].batch;
        refused = largest(plan) > limit;
        if (refused) {
            expect_error(uwc_sched__check_memory(plan, limit), UWC_E_CONFIG, "run.memory_limit allows");
        } else {
            expect_ok(uwc_sched__check_memory(plan, limit));
        }
        least = limit;
        uwc_sched__plan_destroy(&plan);
    }
    assert_true(smaller && least > 0);
    plan = plan_with(1);
    char text[64];
    snprintf(text, sizeof text, "needs %lld bytes", (long long)plan->memory.unit[0].bytes);
    assert_true(plan->batch == 1 && plan->memory.unit[0].batch == 1);
    expect_error(uwc_sched__check_memory(plan, 1), UWC_E_CONFIG, text);
    expect_error(uwc_sched__check_memory(plan, 1), UWC_E_CONFIG, "layer conv0; run.memory_limit allows 1");
    uwc_sched__plan_destroy(&plan);
}

/* Inputs of three units, two of them also as the quantized network has them. */
static void test_given_plan_expect_bytes_of_its_cache(void **state) {
    (void)state;
    const int64_t one = (int64_t)IMAGES * CHANNELS * SIDE * SIDE;
    uwc_plan *plan = plan_with(INT64_C(1) << 50);
    assert_int_equal(plan->partition->n_units, 3);
    assert_int_equal(uwc_sched__cache_bytes(plan, UWC_F32, NULL), 5 * 4 * one);
    assert_int_equal(uwc_sched__cache_bytes(plan, UWC_F16, NULL), 5 * 2 * one);
    uwc_sched__plan_destroy(&plan);
}

static void test_given_full_disk_expect_both_numbers(void **state) {
    (void)state;
    expect_ok(uwc_sched__check_space(".", 1));
    expect_error(uwc_sched__check_space(".", INT64_C(1) << 60), UWC_E_IO, "the cache needs 1152921504606846976 bytes more, ");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_given_enough_memory_expect_batches_that_do_not_depend_on_it),
        cmocka_unit_test(test_given_less_memory_expect_smaller_batches_until_one_image),
        cmocka_unit_test(test_given_plan_expect_bytes_of_its_cache),
        cmocka_unit_test(test_given_full_disk_expect_both_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
