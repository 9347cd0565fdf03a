#include "graph_fixture.h"

#include "graph_impl.h"

/* Batches in slices against one executor per slice, at several numbers of threads. */

enum { CHANNELS = 16, SIDE = 64, BATCH = 23 };

static uwc_graph *network(void) {
    uwc_graph *graph = new_graph();
    int x = put_input(graph, "x", uwc_shape_4d(1, CHANNELS, SIDE, SIDE));
    int a = put_unary(graph, "a", UWC_OP_RELU, put_conv(graph, "ca", x, (conv_form){CHANNELS, CHANNELS, 3, .pad = 1}));
    int b = put_conv(graph, "b", a, (conv_form){CHANNELS, CHANNELS, 3, .pad = 1, .group = CHANNELS});
    must(uwc_graph_add_output(graph, put_binary(graph, "y", UWC_OP_ADD, b, x)));
    must(uwc_graph_finish(graph));
    return graph;
}

/* The values of `fetch` one slice after the other, each by an executor of its own that has no slices. */
static void run_parts(const uwc_graph *graph, const uwc_tensor *x, const int *fetch, int n, uwc_tensor **out) {
    int64_t images = x->shape.dim[0], most = uwc_graph__slice_images(graph, images), parts = (images + most - 1) / most;
    assert_true(parts >= 3);
    for (int64_t part = 0; part < parts; part++) {
        int64_t first = part * images / parts, count = (part + 1) * images / parts - first;
        uwc_tensor fed = uwc_tensor_images(x, first, count);
        const uwc_tensor *got[4];
        uwc_exec *exec;
        must(uwc_exec_create(graph, count, UWC_BACKEND_FAST, &exec));
        must(uwc_exec_run(exec, count, graph->input, &(const uwc_tensor *){&fed}, 1, fetch, n, got));
        for (int i = 0; i < n; i++) {
            uwc_tensor to = uwc_tensor_images(out[i], first, count);
            memcpy(to.f32, got[i]->f32, uwc_tensor_bytes(&to));
        }
        uwc_exec_destroy(&exec);
    }
}

static void assert_equal(const uwc_tensor *a, const uwc_tensor *b) {
    assert_true(uwc_shape_equal(a->shape, b->shape) && a->layout == b->layout);
    assert_memory_equal(a->f32, b->f32, uwc_tensor_bytes(a));
}

static void slices_give_what_single_runs_give(void **state) {
    (void)state;
    uwc_graph *graph = network();
    uwc_tensor *x = random_images(graph->value[graph->input[0]].shape, BATCH, 1), *wanted[4];
    const int fetch[] = {graph->output[0], graph->input[0], uwc_graph_find_value(graph, "a"), graph->output[0]};
    for (int i = 0; i < 4; i++) {
        must(uwc_tensor_activation(uwc_shape_batch(graph->value[fetch[i]].shape, BATCH), &wanted[i]));
    }
    run_parts(graph, x, fetch, 4, wanted);
    for (int threads = 1; threads <= 8; threads += threads) {
        const uwc_tensor *got[4];
        uwc_exec *exec;
        uwc_ops_set_threads(threads);
        must(uwc_exec_create(graph, BATCH, UWC_BACKEND_FAST, &exec));
        for (int run = 0; run < 2; run++) {
            must(uwc_exec_run(exec, BATCH, graph->input, &(const uwc_tensor *){x}, 1, fetch, 4, got));
            for (int i = 0; i < 4; i++) {
                assert_equal(got[i], wanted[i]);
            }
        }
        uwc_exec_destroy(&exec);
    }
    uwc_ops_set_threads(2);
    for (int i = 0; i < 4; i++) {
        uwc_tensor_destroy(&wanted[i]);
    }
    uwc_tensor_destroy(&x);
    uwc_graph_destroy(&graph);
}

/* A dry executor counts a lane for every slice, and what is fetched. */
static void dry_runs_need_what_slices_make(void **state) {
    (void)state;
    uwc_graph *graph = network();
    const int64_t most = uwc_graph__slice_images(graph, BATCH), batch = 3 * most;
    uwc_tensor *x = random_images(graph->value[graph->input[0]].shape, batch, 1);
    const int fetch[] = {uwc_graph_find_value(graph, "a"), graph->input[0], graph->output[0]};
    for (int threads = 3; threads >= 1; threads--) {
        const uwc_tensor *got[3];
        uwc_exec *exec, *dry;
        uwc_ops_set_threads(threads);
        must(uwc_exec_create(graph, batch, UWC_BACKEND_FAST, &exec));
        must(uwc_exec_create_dry(graph, batch, false, &dry));
        must(uwc_exec_run(exec, batch, graph->input, &(const uwc_tensor *){x}, 1, fetch, 3, got));
        must(uwc_exec_run_dry(dry, batch, graph->input, 1, fetch, 3));
        const int64_t one = CHANNELS * SIDE * SIDE * (int64_t)sizeof(float), results = 2 * batch * one;
        assert_int_equal(uwc_exec_bytes(exec) - results, (uwc_exec_bytes(dry) - results) / 3 * threads);
        uwc_exec_destroy(&exec);
        uwc_exec_destroy(&dry);
    }
    uwc_ops_set_threads(2);
    uwc_tensor_destroy(&x);
    uwc_graph_destroy(&graph);
}

/* Fewer images than the executor was made for, down to one. */
static void fewer_images_run(void **state) {
    (void)state;
    uwc_graph *graph = network();
    uwc_tensor *x = random_images(graph->value[graph->input[0]].shape, BATCH, 2);
    uwc_exec *exec, *alone;
    must(uwc_exec_create(graph, BATCH, UWC_BACKEND_FAST, &exec));
    for (int64_t images = BATCH; images >= 1; images /= 2) {
        uwc_tensor part = uwc_tensor_images(x, 0, images);
        const uwc_tensor *got, *wanted;
        must(uwc_exec_create(graph, images, UWC_BACKEND_REFERENCE, &alone));
        must(uwc_exec_run(exec, images, graph->input, &(const uwc_tensor *){&part}, 1, graph->output, 1, &got));
        must(uwc_exec_run(alone, images, graph->input, &(const uwc_tensor *){&part}, 1, graph->output, 1, &wanted));
        assert_true(uwc_shape_equal(got->shape, wanted->shape));
        assert_true(difference(wanted, got) < 1e-4);
        uwc_exec_destroy(&alone);
    }
    uwc_exec_destroy(&exec);
    uwc_tensor_destroy(&x);
    uwc_graph_destroy(&graph);
}

static void refresh_reaches_all_slices(void **state) {
    (void)state;
    uwc_graph *graph = network();
    uwc_tensor *x = random_images(graph->value[graph->input[0]].shape, BATCH, 3), *wanted;
    const uwc_tensor *got;
    uwc_exec *exec;
    must(uwc_exec_create(graph, BATCH, UWC_BACKEND_FAST, &exec));
    must(uwc_exec_run(exec, BATCH, graph->input, &(const uwc_tensor *){x}, 1, graph->output, 1, &got));
    fill_normal(graph->value[graph->node[0].in[1]].constant, 77, 0.1);
    must(uwc_exec_refresh(exec, 0));
    must(uwc_tensor_activation(uwc_shape_batch(graph->value[graph->output[0]].shape, BATCH), &wanted));
    run_parts(graph, x, graph->output, 1, &wanted);
    must(uwc_exec_run(exec, BATCH, graph->input, &(const uwc_tensor *){x}, 1, graph->output, 1, &got));
    assert_equal(got, wanted);
    uwc_exec_destroy(&exec);
    uwc_tensor_destroy(&wanted);
    uwc_tensor_destroy(&x);
    uwc_graph_destroy(&graph);
}

/* A kernel that cannot be made fails in a thread; the message has to arrive here. */
static void errors_come_back_from_threads(void **state) {
    (void)state;
    for (int threads = 1; threads <= 2; threads++) {
        uwc_graph *graph = network();
        uwc_tensor *x = random_images(graph->value[graph->input[0]].shape, BATCH, 4);
        const uwc_tensor *got;
        uwc_exec *exec;
        uwc_ops_set_threads(threads);
        must(uwc_exec_create(graph, BATCH, UWC_BACKEND_FAST, &exec));
        graph->value[graph->node[0].in[1]].constant->dtype = UWC_I32;
        must_fail(uwc_exec_run(exec, BATCH, graph->input, &(const uwc_tensor *){x}, 1, graph->output, 1, &got), UWC_E_UNSUPPORTED,
                  "Conv: input 1 is a constant of int32");
        graph->value[graph->node[0].in[1]].constant->dtype = UWC_F32;
        must(uwc_exec_run(exec, BATCH, graph->input, &(const uwc_tensor *){x}, 1, graph->output, 1, &got)); /* still usable */
        uwc_exec_destroy(&exec);
        uwc_tensor_destroy(&x);
        uwc_graph_destroy(&graph);
    }
    uwc_ops_set_threads(2);
}

static void slices_depend_on_the_graph_and_the_batch(void **state) {
    (void)state;
    uwc_graph *graph = network();
    assert_int_equal(uwc_graph__slice_images(graph, 1), 1);
    assert_int_equal(uwc_graph__slice_images(graph, 3), 3);
    int64_t large = uwc_graph__slice_images(graph, 1000);
    assert_true(large >= 4 && large < BATCH / 2);
    assert_int_equal(uwc_graph__slice_images(graph, BATCH), large);
    uwc_graph_destroy(&graph);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slices_give_what_single_runs_give),
        cmocka_unit_test(dry_runs_need_what_slices_make),
        cmocka_unit_test(fewer_images_run),
        cmocka_unit_test(refresh_reaches_all_slices),
        cmocka_unit_test(errors_come_back_from_threads),
        cmocka_unit_test(slices_depend_on_the_graph_and_the_batch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
