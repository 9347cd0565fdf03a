#include "graph_fixture.h"

/* Whole copies, and parts as graphs of their own. */

/* x -> a (conv) -> r (relu) -> b (conv) -> sum (r + b) -> head (linear over the mean). */
static uwc_graph *residual(void) {
    uwc_graph *graph = new_graph();
    int x = put_input(graph, "x", uwc_shape_4d(1, 3, 6, 6)), a = put_conv(graph, "a", x, (conv_form){3, 4, 3, .pad = 1});
    int r = put_unary(graph, "r", UWC_OP_RELU, a), b = put_conv(graph, "b", r, (conv_form){4, 4, 3, .pad = 1});
    int sum = put_binary(graph, "sum", UWC_OP_ADD, r, b), flat = put_pooled(graph, "flat", sum, 4);
    must(uwc_graph_add_output(graph, put_linear(graph, "head", flat, 4, 5)));
    must(uwc_graph_finish(graph));
    must(uwc_graph_assign_bits(graph, &(uwc_bits){4, 4, 8, true, false}));
    graph->value[r].quantizer = (uwc_quantizer){4, 0.25f, 0};
    uwc_weights *weights;
    must(uwc_weights_create(4, 4, 36, &weights));
    for (int64_t i = 0; i < 4 * 36; i++) {
        weights->q[i] = (int8_t)(i % 16 - 8);
        weights->scale[i % 4] = 0.02f;
    }
    must(uwc_graph_set_quantized(graph, uwc_graph_find_node(graph, "b"), weights, (float[]){1, 2, 3, 4}));
    uwc_weights_destroy(&weights);
    return graph;
}

static uint64_t hash_of(const uwc_graph *graph) {
    uint64_t hash;
    must(uwc_graph_hash(graph, &hash));
    return hash;
}

static void copies_are_equal_and_independent(void **state) {
    (void)state;
    uwc_graph *graph = residual(), *copy;
    uint64_t hash = hash_of(graph);
    must(uwc_graph_copy(graph, &copy));
    assert_true(hash_of(copy) == hash);
    assert_int_equal(copy->n_values, graph->n_values);
    for (int v = 0; v < graph->n_values; v++) { /* indices stay: later floors use the same for both */
        assert_string_equal(copy->value[v].name, graph->value[v].name);
        assert_int_equal(copy->value[v].producer, graph->value[v].producer);
    }
    float *weights;
    const int w = graph->node[0].in[1];
    assert_ptr_equal(copy->value[w].constant->data, graph->value[w].constant->data); /* a network is large */
    must(uwc_graph_edit(graph, w, &weights));
    weights[0] += 1;
    graph->node[2].quantized->q[0] ^= 1;
    graph->node[0].op.stride[0] = 2;
    assert_true(hash_of(graph) != hash);
    assert_true(hash_of(copy) == hash);
    uwc_tensor *x = random_images(copy->value[copy->input[0]].shape, 2, 1);
    uwc_graph_destroy(&graph); /* nothing in the copy belongs to it */
    uwc_tensor *y = evaluate(copy, copy->output[0], x, UWC_BACKEND_REFERENCE);
    assert_true(largest_value(y) > 0);
    uwc_tensor_destroy(&x);
    uwc_tensor_destroy(&y);
    uwc_graph_destroy(&copy);
}

static void quantize_all_is_copied(void **state) {
    (void)state;
    uwc_graph *graph = residual(), *copy, *part;
    graph->quantize_all = true;
    must(uwc_graph_copy(graph, &copy));
    must(uwc_graph_extract(graph, (int[]){0}, 1, &graph->node[0].out, 1, &part));
    assert_true(copy->quantize_all && part->quantize_all);
    uwc_graph_destroy(&graph);
    uwc_graph_destroy(&copy);
    uwc_graph_destroy(&part);
}

static void a_part_has_what_it_needs(void **state) {
    (void)state;
    uwc_graph *graph = residual(), *part;
    int b = uwc_graph_find_node(graph, "b"), sum = uwc_graph_find_node(graph, "sum");
    must(uwc_graph_extract(graph, (int[]){b, sum}, 2, &graph->node[sum].out, 1, &part));
    assert_int_equal(part->n_nodes, 2);
    assert_int_equal(part->n_inputs, 1);
    assert_string_equal(part->value[part->input[0]].name, "r");
    assert_true(uwc_shape_equal(part->value[part->input[0]].shape, uwc_shape_4d(1, 4, 6, 6)));
    assert_int_equal(part->value[part->input[0]].quantizer.bits, 4);
    assert_int_equal(part->value[part->input[0]].activation_bits, 8); /* the first layer's output */
    assert_int_equal(part->value[part->input[0]].producer, -1);
    assert_int_equal(part->n_outputs, 1);
    assert_string_equal(part->value[part->output[0]].name, "sum");
    assert_int_equal(part->node[0].weight_bits, 4);
    assert_true(part->node[0].weight_asymmetric);
    assert_non_null(part->node[0].quantized);
    assert_int_equal(part->n_values, 5); /* r, weights, bias, b, sum */
    assert_ptr_not_equal(part->value[part->node[0].in[1]].constant, graph->value[graph->node[b].in[1]].constant);
    uwc_graph_destroy(&part);
    uwc_graph_destroy(&graph);
}

static void a_part_computes_what_the_whole_does(void **state) {
    (void)state;
    uwc_graph *graph = residual(), *front, *back;
    int r = uwc_graph_find_value(graph, "r");
    must(uwc_graph_extract(graph, (int[]){0, 1}, 2, &r, 1, &front));
    int rest[] = {2, 3, 4, 5, 6};
    assert_int_equal(graph->n_nodes, 7);
    must(uwc_graph_extract(graph, rest, 5, graph->output, 1, &back));
    uwc_tensor *x = random_images(graph->value[graph->input[0]].shape, 2, 1);
    uwc_tensor *whole = evaluate(graph, graph->output[0], x, UWC_BACKEND_REFERENCE);
    uwc_tensor *middle = evaluate(front, front->output[0], x, UWC_BACKEND_REFERENCE);
    uwc_tensor *end = evaluate(back, back->output[0], middle, UWC_BACKEND_REFERENCE);
    assert_memory_equal(whole->f32, end->f32, uwc_tensor_bytes(whole));
    uwc_tensor_destroy(&x);
    uwc_tensor_destroy(&whole);
    uwc_tensor_destroy(&middle);
    uwc_tensor_destroy(&end);
    uwc_graph_destroy(&front);
    uwc_graph_destroy(&back);
    uwc_graph_destroy(&graph);
}

static void inputs_come_in_order_of_first_use(void **state) {
    (void)state;
    uwc_graph *graph = new_graph(), *part;
    int x = put_input(graph, "x", uwc_shape_2d(1, 4)), a = put_unary(graph, "a", UWC_OP_RELU, x), b = put_unary(graph, "b", UWC_OP_TANH, x);
    int c = put_binary(graph, "c", UWC_OP_SUB, b, a), d = put_binary(graph, "d", UWC_OP_MUL, c, a),
        e = put_binary(graph, "e", UWC_OP_ADD, d, x);
    must(uwc_graph_add_output(graph, e));
    must(uwc_graph_finish(graph));
    must(uwc_graph_extract(graph, (int[]){2, 3, 4}, 3, (int[]){e, c}, 2, &part));
    static const char *const wanted[] = {"b", "a", "x"};
    assert_int_equal(part->n_inputs, 3);
    for (int i = 0; i < 3; i++) {
        assert_string_equal(part->value[part->input[i]].name, wanted[i]);
    }
    assert_int_equal(part->n_outputs, 2);
    assert_string_equal(part->value[part->output[0]].name, "e");
    assert_string_equal(part->value[part->output[1]].name, "c");
    uwc_graph_destroy(&part);
    uwc_graph_destroy(&graph);
}

static void outputs_from_elsewhere_are_refused(void **state) {
    (void)state;
    uwc_graph *graph = residual(), *part;
    must_fail(uwc_graph_extract(graph, (int[]){0}, 1, graph->output, 1, &part), UWC_E_ARG, "value head");
    assert_null(part);
    uwc_graph_destroy(&graph);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(copies_are_equal_and_independent),  cmocka_unit_test(quantize_all_is_copied),
        cmocka_unit_test(a_part_has_what_it_needs),          cmocka_unit_test(a_part_computes_what_the_whole_does),
        cmocka_unit_test(inputs_come_in_order_of_first_use), cmocka_unit_test(outputs_from_elsewhere_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
