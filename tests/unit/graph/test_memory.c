#include "graph_fixture.h"

/* What networks take, against what is worked out by hand. */

/* Elements alive at the worst moment, by hand; the batch is what fits into the bytes. */
static void batches_fit_into_memory(void **state) {
    (void)state;
    uwc_graph *graph = new_graph();
    int x = put_input(graph, "x", uwc_shape_4d(1, 4, 8, 8)), a = put_conv(graph, "a", x, (conv_form){4, 8, 3, .pad = 1});
    int r = put_unary(graph, "r", UWC_OP_RELU, a), b = put_conv(graph, "b", r, (conv_form){8, 4, 3, .pad = 1});
    uwc_op concat = uwc_op_make(UWC_OP_CONCAT);
    concat.axis = 1;
    int all = put_op(graph, "all", &concat, (int[]){b, r, b}, 3); /* 256 + 512 + 256 elements beside b and r */
    must(uwc_graph_add_output(graph, put_conv(graph, "y", all, (conv_form){16, 16, 3, .pad = 1})));
    must(uwc_graph_finish(graph));
    const int64_t peak = 4 * 2 * 1024; /* `all` and y */
    assert_int_equal(uwc_graph_batch(graph, 10 * peak + 1000, 64), 10);
    assert_int_equal(uwc_graph_batch(graph, 10 * peak - 1000, 64), 9);
    assert_int_equal(uwc_graph_batch(graph, INT64_C(1) << 40, 64), 64);
    assert_int_equal(uwc_graph_batch(graph, 1, 64), 1);
    must(uwc_graph_add_output(graph, a)); /* now `a` (512) has to be kept until the end */
    assert_int_equal(uwc_graph_batch(graph, 10 * (peak + 4 * 512) + 1000, 64), 10);
    assert_int_equal(uwc_graph_batch(graph, 10 * (peak + 4 * 512) - 1000, 64), 9);
    uwc_graph_destroy(&graph);
}

/* x -> a -> relu -> b, all of 4 x 8 x 8: two buffers, whether the first holds the lattice of x before b or nothing does. */
static void bytes_of_a_chain_are_known(void **state) {
    (void)state;
    uwc_graph *graph = new_graph();
    int x = put_input(graph, "x", uwc_shape_4d(1, 4, 8, 8));
    int a = put_unary(graph, "r", UWC_OP_RELU, put_conv(graph, "a", x, (conv_form){4, 4, 3, .pad = 1}));
    int b = put_conv(graph, "b", a, (conv_form){4, 4, 3, .pad = 1});
    must(uwc_graph_add_output(graph, b));
    must(uwc_graph_finish(graph));
    must(uwc_graph_assign_bits(graph, &(uwc_bits){4, 4, 8, false, false}));
    const int64_t one = 4 * 8 * 8 * (int64_t)sizeof(float), weights = 2 * (4 * 4 * 9 + 4) * (int64_t)sizeof(float);
    for (int quantized = 0; quantized < 2; quantized++) {
        uwc_exec *exec;
        must(uwc_exec_create_dry(graph, 3, quantized, &exec));
        assert_int_equal(uwc_exec_bytes(exec), 0);
        assert_int_equal(uwc_exec_kernel_bytes(exec), 0);
        must(uwc_exec_run_dry(exec, 3, graph->input, 1, &a, 1));
        const int64_t first = uwc_exec_kernel_bytes(exec);
        must(uwc_exec_run_dry(exec, 3, graph->input, 1, &b, 1));
        assert_int_equal(uwc_exec_bytes(exec), 3 * 2 * one);
        assert_true(first > 0 && uwc_exec_kernel_bytes(exec) == 2 * first && 2 * first >= weights);
        must(uwc_exec_run_dry(exec, 2, graph->input, 1, &b, 1)); /* kernels for another size, in the same buffers */
        assert_true(uwc_exec_kernel_bytes(exec) == 4 * first && uwc_exec_bytes(exec) == 3 * 2 * one);
        uwc_exec_destroy(&exec);
    }
    assert_int_equal(uwc_graph_constant_bytes(graph), weights);
    uwc_graph_destroy(&graph);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(batches_fit_into_memory),
        cmocka_unit_test(bytes_of_a_chain_are_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
