#include "graph_fixture.h"

/* Building: names, producers, inputs and outputs, weights that are put in place. */

static void a_name_is_taken_once(void **state) {
    (void)state;
    uwc_graph *graph = new_graph();
    int value;
    put_value(graph, "a");
    must_fail(uwc_graph_add_value(graph, "a", (uwc_shape){0}, NULL, &value), UWC_E_FORMAT, "named a");
    must_fail(uwc_graph_add_value(graph, "", (uwc_shape){0}, NULL, &value), UWC_E_FORMAT, "without a name");
    must_fail(uwc_graph_add_value(graph, NULL, (uwc_shape){0}, NULL, &value), UWC_E_FORMAT, "without a name");
    assert_int_equal(graph->n_values, 1);
    uwc_graph_destroy(&graph);
    assert_null(graph);
    uwc_graph_destroy(&graph);
}

/* The sanitizers see to it that nothing leaks. */
static void a_constant_is_adopted_also_on_failure(void **state) {
    (void)state;
    uwc_graph *graph = new_graph();
    int value;
    for (int i = 0; i < 2; i++) {
        uwc_tensor *tensor;
        must(uwc_tensor_create(UWC_F32, uwc_shape_2d(2, 3), UWC_PLAIN, &tensor));
        assert_int_equal(uwc_graph_add_value(graph, "c", (uwc_shape){0}, tensor, &value), i == 0 ? UWC_OK : UWC_E_FORMAT);
    }
    assert_true(uwc_shape_equal(graph->value[0].shape, uwc_shape_2d(2, 3)));
    uwc_graph_destroy(&graph);
}

static void a_value_has_one_producer(void **state) {
    (void)state;
    uwc_graph *graph = new_graph();
    int x = put_input(graph, "x", uwc_shape_2d(1, 4)), c = put_constant(graph, "c", uwc_shape_2d(1, 4), 1);
    int y = put_unary(graph, "y", UWC_OP_RELU, x), index;
    uwc_op relu = uwc_op_make(UWC_OP_RELU);
    must_fail(uwc_graph_add_node(graph, "again", &relu, &x, 1, y, NULL), UWC_E_FORMAT, "again: y is made elsewhere");
    must_fail(uwc_graph_add_node(graph, "into_constant", &relu, &x, 1, c, NULL), UWC_E_FORMAT, "into_constant: c");
    must_fail(uwc_graph_add_node(graph, "into_input", &relu, &y, 1, x, NULL), UWC_E_FORMAT, "into_input: x is an input");
    must_fail(uwc_graph_add_node(graph, "nowhere", &relu, &y, 1, 99, NULL), UWC_E_ARG, "nowhere");
    assert_int_equal(graph->n_nodes, 1);
    int z = put_value(graph, "z");
    must(uwc_graph_add_node(graph, "second", &relu, &y, 1, z, &index));
    assert_int_equal(index, 1);
    assert_int_equal(graph->value[z].producer, 1);
    uwc_graph_destroy(&graph);
}

static void inputs_are_made_by_nobody(void **state) {
    (void)state;
    uwc_graph *graph = new_graph();
    int x = put_input(graph, "x", uwc_shape_2d(1, 4)), c = put_constant(graph, "c", uwc_shape_2d(1, 4), 1);
    int y = put_unary(graph, "y", UWC_OP_RELU, x);
    must_fail(uwc_graph_add_input(graph, y), UWC_E_FORMAT, "input y");
    must_fail(uwc_graph_add_input(graph, c), UWC_E_FORMAT, "input c");
    assert_int_equal(graph->n_inputs, 1);
    uwc_graph_destroy(&graph);
}

static void things_are_found_by_name(void **state) {
    (void)state;
    uwc_graph *graph = new_graph();
    int x = put_input(graph, "x", uwc_shape_2d(1, 4)), y = put_unary(graph, "y", UWC_OP_RELU, x);
    assert_int_equal(uwc_graph_find_value(graph, "y"), y);
    assert_int_equal(uwc_graph_find_value(graph, "no"), -1);
    assert_int_equal(uwc_graph_find_node(graph, "y"), 0);
    assert_int_equal(uwc_graph_find_node(graph, "x"), -1);
    uwc_graph_destroy(&graph);
}

static void readers_are_listed_once(void **state) {
    (void)state;
    uwc_graph *graph = new_graph();
    int x = put_input(graph, "x", uwc_shape_2d(1, 4)), y = put_unary(graph, "y", UWC_OP_RELU, x);
    put_binary(graph, "twice", UWC_OP_ADD, y, y);
    put_unary(graph, "other", UWC_OP_TANH, x);
    put_binary(graph, "both", UWC_OP_MUL, x, y);
    int *reader, n;
    must(uwc_graph_readers(graph, y, &reader, &n));
    assert_int_equal(n, 2);
    assert_int_equal(reader[0], 1);
    assert_int_equal(reader[1], 3);
    uwc_free(&reader);
    uwc_graph_destroy(&graph);
}

static void logits_lie_in_front_of_a_final_softmax(void **state) {
    (void)state;
    uwc_graph *graph = new_graph();
    int x = put_input(graph, "x", uwc_shape_2d(1, 4)), y = put_linear(graph, "y", x, 4, 3);
    int p = put_unary(graph, "p", UWC_OP_SOFTMAX, y);
    must(uwc_graph_add_output(graph, p));
    assert_int_equal(uwc_graph_logits(graph), y);
    graph->output[0] = y;
    assert_int_equal(uwc_graph_logits(graph), y);
    uwc_graph_destroy(&graph);
}

static uwc_weights *some_weights(int64_t rows, int64_t cols, int first) {
    uwc_weights *weights;
    must(uwc_weights_create(4, rows, cols, &weights));
    for (int64_t r = 0; r < rows; r++) {
        weights->scale[r] = 0.5f + (float)r;
        for (int64_t c = 0; c < cols; c++) {
            weights->q[r * cols + c] = (int8_t)((first + r * cols + c) % 16 - 8);
        }
    }
    return weights;
}

static void quantized_weights_take_their_place(void **state) {
    (void)state;
    uwc_graph *graph = new_graph();
    int x = put_input(graph, "x", uwc_shape_4d(1, 2, 3, 3)), y = put_conv(graph, "y", x, (conv_form){2, 3, 1, .no_bias = true});
    must(uwc_graph_add_output(graph, y));
    must(uwc_graph_finish(graph));
    uwc_weights *weights = some_weights(3, 2, 0), *wrong = some_weights(3, 3, 0);
    const float bias[] = {1, -2, 3};
    must_fail(uwc_graph_set_quantized(graph, 0, wrong, bias), UWC_E_SHAPE, "y");
    must(uwc_graph_set_quantized(graph, 0, weights, bias));
    const uwc_node *node = &graph->node[0];
    assert_int_equal(node->n_in, 3);
    float real[6];
    uwc_weights_dequantize(weights, real);
    assert_memory_equal(graph->value[node->in[1]].constant->f32, real, sizeof real);
    assert_memory_equal(graph->value[node->in[2]].constant->f32, bias, sizeof bias);
    assert_ptr_not_equal(node->quantized, weights);
    assert_memory_equal(node->quantized->q, weights->q, 6);
    weights->q[0] = 7;
    must(uwc_graph_set_quantized(graph, 0, weights, bias)); /* a second time */
    assert_int_equal(graph->node[0].quantized->q[0], 7);
    uwc_weights_destroy(&weights);
    uwc_weights_destroy(&wrong);
    uwc_graph_destroy(&graph);
}

/* Exporters write equal constants once: what one layer is given must not reach the other readers. */
static void quantizing_a_layer_leaves_shared_constants_to_the_others(void **state) {
    (void)state;
    uwc_graph *graph = new_graph();
    int x = put_input(graph, "x", uwc_shape_2d(1, 3)), first = put_linear(graph, "first", x, 3, 3);
    int w = graph->node[0].in[1], b = graph->node[0].in[2];
    int second = put_op(graph, "second", &graph->node[0].op, (int[]){first, w, b}, 3);
    int third = put_binary(graph, "third", UWC_OP_ADD, second, b);
    must(uwc_graph_add_output(graph, third));
    must(uwc_graph_finish(graph));
    float old_weights[9], old_bias[3];
    memcpy(old_weights, graph->value[w].constant->f32, sizeof old_weights);
    memcpy(old_bias, graph->value[b].constant->f32, sizeof old_bias);
    uwc_weights *weights = some_weights(3, 3, 0), *other = some_weights(3, 3, 5);
    const float bias[] = {1, -2, 3}, other_bias[] = {4, 5, 6};
    float real[9];
    must(uwc_graph_set_quantized(graph, 0, weights, bias));
    assert_memory_equal(graph->value[graph->node[1].in[1]].constant->f32, old_weights, sizeof old_weights);
    assert_memory_equal(graph->value[graph->node[1].in[2]].constant->f32, old_bias, sizeof old_bias);
    must(uwc_graph_set_quantized(graph, 1, other, other_bias));
    uwc_weights_dequantize(weights, real);
    assert_memory_equal(graph->value[graph->node[0].in[1]].constant->f32, real, sizeof real);
    assert_memory_equal(graph->value[graph->node[0].in[2]].constant->f32, bias, sizeof bias);
    assert_memory_equal(graph->value[graph->node[1].in[2]].constant->f32, other_bias, sizeof other_bias);
    assert_memory_equal(graph->value[graph->node[2].in[1]].constant->f32, old_bias, sizeof old_bias);
    must(uwc_graph_finish(graph));
    uwc_weights_destroy(&weights);
    uwc_weights_destroy(&other);
    uwc_graph_destroy(&graph);
}

static void a_new_bias_finds_a_free_name(void **state) {
    (void)state;
    uwc_graph *graph = new_graph();
    int x = put_input(graph, "x", uwc_shape_2d(1, 3));
    put_constant(graph, "y.bias", uwc_shape_1d(3), 1);
    int y = put_linear(graph, "z", x, 3, 3);
    graph->node[0].n_in = 2;
    put_constant(graph, "z.bias.1", uwc_shape_1d(3), 1);
    must(uwc_graph_add_output(graph, y));
    uwc_weights *weights = some_weights(3, 3, 0);
    const float bias[] = {1, -2, 3};
    must(uwc_graph_set_quantized(graph, 0, weights, bias));
    assert_memory_equal(graph->value[graph->node[0].in[2]].constant->f32, bias, sizeof bias);
    must(uwc_graph_finish(graph));
    uwc_weights_destroy(&weights);
    uwc_graph_destroy(&graph);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_name_is_taken_once),
        cmocka_unit_test(a_constant_is_adopted_also_on_failure),
        cmocka_unit_test(a_value_has_one_producer),
        cmocka_unit_test(inputs_are_made_by_nobody),
        cmocka_unit_test(things_are_found_by_name),
        cmocka_unit_test(readers_are_listed_once),
        cmocka_unit_test(logits_lie_in_front_of_a_final_softmax),
        cmocka_unit_test(quantized_weights_take_their_place),
        cmocka_unit_test(quantizing_a_layer_leaves_shared_constants_to_the_others),
        cmocka_unit_test(a_new_bias_finds_a_free_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
