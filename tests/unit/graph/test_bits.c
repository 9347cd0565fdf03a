#include "graph_fixture.h"

/* Which weights and edges get how many bits, and how many bytes that makes. */

static const uwc_bits w4a3 = {.weight_bits = 4, .activation_bits = 3, .first_last_bits = 8};

static int bits_of(const uwc_graph *graph, const char *value) {
    int index = uwc_graph_find_value(graph, value);
    assert_true(index >= 0);
    return graph->value[index].activation_bits;
}

static int weight_bits_of(const uwc_graph *graph, const char *node) {
    int index = uwc_graph_find_node(graph, node);
    assert_true(index >= 0);
    return graph->node[index].weight_bits;
}

/* x -> stem -> relu -> pool -> a -> ra -> b -> sum (pool + b) -> rs -> flat -> head -> soft */
static uwc_graph *network(void) {
    uwc_graph *graph = new_graph();
    int x = put_input(graph, "x", uwc_shape_4d(1, 3, 8, 8));
    int stem = put_conv(graph, "stem", x, (conv_form){3, 4, 3, .pad = 1, .no_bias = true});
    int relu = put_unary(graph, "relu", UWC_OP_RELU, stem), pool = put_max_pool(graph, "pool", relu, 2, 2, 0);
    int a = put_conv(graph, "a", pool, (conv_form){4, 6, 3, .pad = 1}), ra = put_unary(graph, "ra", UWC_OP_RELU, a);
    int b = put_conv(graph, "b", ra, (conv_form){6, 4, 3, .pad = 1}), sum = put_binary(graph, "sum", UWC_OP_ADD, pool, b);
    int rs = put_unary(graph, "rs", UWC_OP_RELU, sum), c = put_conv(graph, "c", rs, (conv_form){4, 5, 1, .pad = 0});
    int head = put_linear(graph, "head", put_pooled(graph, "flat", c, 5), 5, 5);
    must(uwc_graph_add_output(graph, put_unary(graph, "soft", UWC_OP_SOFTMAX, head)));
    must(uwc_graph_finish(graph));
    return graph;
}

static void first_and_last_layers_have_bits_of_their_own(void **state) {
    (void)state;
    uwc_graph *graph = network();
    must(uwc_graph_assign_bits(graph, &w4a3));
    assert_int_equal(weight_bits_of(graph, "stem"), 8);
    assert_int_equal(weight_bits_of(graph, "a"), 4);
    assert_int_equal(weight_bits_of(graph, "b"), 4);
    assert_int_equal(weight_bits_of(graph, "c"), 4);
    assert_int_equal(weight_bits_of(graph, "head"), 8);
    assert_int_equal(weight_bits_of(graph, "relu"), 0);
    assert_int_equal(bits_of(graph, "x"), 8);
    assert_int_equal(bits_of(graph, "pool"), 8); /* the first layer's output, as its reader sees it */
    assert_int_equal(bits_of(graph, "ra"), 3);
    assert_int_equal(bits_of(graph, "rs"), 3); /* behind a sum: no longer the first layer's output */
    assert_int_equal(bits_of(graph, "flat"), 8);
    uwc_graph_destroy(&graph);
}

static void edges_into_other_operators_stay_float(void **state) {
    (void)state;
    uwc_graph *graph = network();
    must(uwc_graph_assign_bits(graph, &w4a3));
    static const char *const plain[] = {"stem", "relu", "a", "b", "sum", "c", "flat.mean", "head", "soft"};
    for (size_t i = 0; i < sizeof plain / sizeof plain[0]; i++) {
        assert_int_equal(bits_of(graph, plain[i]), 0);
    }
    for (int v = 0; v < graph->n_values; v++) {
        assert_true(graph->value[v].constant == NULL || graph->value[v].activation_bits == 0);
    }
    uwc_graph_destroy(&graph);
}

static void quantize_all_takes_every_edge(void **state) {
    (void)state;
    uwc_graph *graph = network();
    uwc_bits bits = w4a3;
    bits.quantize_all = true;
    must(uwc_graph_assign_bits(graph, &bits));
    assert_true(graph->quantize_all);
    assert_int_equal(bits_of(graph, "stem"), 8);
    assert_int_equal(bits_of(graph, "relu"), 8);
    assert_int_equal(bits_of(graph, "a"), 3);
    assert_int_equal(bits_of(graph, "b"), 3);
    assert_int_equal(bits_of(graph, "sum"), 3);
    assert_int_equal(bits_of(graph, "soft"), 0); /* nobody reads the output */
    uwc_graph_destroy(&graph);
}

static void float_activations_leave_every_edge(void **state) {
    (void)state;
    uwc_graph *graph = network();
    uwc_bits bits = w4a3;
    must(uwc_graph_assign_bits(graph, &bits));
    bits.activation_bits = 32;
    bits.quantize_all = true;
    must(uwc_graph_assign_bits(graph, &bits)); /* over an earlier choice */
    for (int v = 0; v < graph->n_values; v++) {
        assert_int_equal(graph->value[v].activation_bits, 0);
    }
    assert_int_equal(weight_bits_of(graph, "a"), 4);
    uwc_graph_destroy(&graph);
}

/* A value that the last layer and another one read has one quantizer, the finer of the two. */
static void a_shared_value_takes_the_larger_number(void **state) {
    (void)state;
    uwc_graph *graph = new_graph();
    int x = put_input(graph, "x", uwc_shape_4d(1, 3, 8, 8)), stem = put_conv(graph, "stem", x, (conv_form){3, 4, 3, .pad = 1});
    int a = put_conv(graph, "a", stem, (conv_form){4, 4, 3, .pad = 1}), r = put_unary(graph, "r", UWC_OP_RELU, a);
    int b = put_conv(graph, "b", r, (conv_form){4, 4, 3, .pad = 1}), c = put_conv(graph, "c", r, (conv_form){4, 4, 1, .pad = 0});
    must(uwc_graph_add_output(graph, put_binary(graph, "sum", UWC_OP_ADD, b, c)));
    must(uwc_graph_finish(graph));
    must(uwc_graph_assign_bits(graph, &w4a3));
    assert_int_equal(weight_bits_of(graph, "b"), 4);
    assert_int_equal(weight_bits_of(graph, "c"), 8);
    assert_int_equal(bits_of(graph, "r"), 8);
    uwc_graph_destroy(&graph);
}

/* SiLU in front of the next layer is made of the first layer's output alone; a constant factor does not change that. */
static void gates_of_the_first_layer_are_its_output(void **state) {
    (void)state;
    uwc_graph *graph = new_graph();
    int x = put_input(graph, "x", uwc_shape_4d(1, 3, 8, 8)), stem = put_conv(graph, "stem", x, (conv_form){3, 4, 3, .pad = 1});
    int gate = put_unary(graph, "gate", UWC_OP_SIGMOID, stem), silu = put_binary(graph, "silu", UWC_OP_MUL, stem, gate);
    int scaled = put_binary(graph, "scaled", UWC_OP_MUL, silu, put_constant(graph, "two", uwc_shape_1d(1), 1));
    int a = put_conv(graph, "a", scaled, (conv_form){4, 3, 3, .pad = 1});
    int mixed = put_binary(graph, "mixed", UWC_OP_MUL, a, x), b = put_conv(graph, "b", mixed, (conv_form){3, 4, 3, .pad = 1});
    must(uwc_graph_add_output(graph, put_conv(graph, "c", b, (conv_form){4, 4, 1, .pad = 0})));
    must(uwc_graph_finish(graph));
    must(uwc_graph_assign_bits(graph, &w4a3));
    assert_int_equal(bits_of(graph, "scaled"), 8);
    assert_int_equal(bits_of(graph, "silu"), 0);
    assert_int_equal(bits_of(graph, "mixed"), 3);
    uwc_graph_destroy(&graph);
}

static void assigning_drops_old_quantizers(void **state) {
    (void)state;
    uwc_graph *graph = network();
    graph->value[graph->input[0]].quantizer = (uwc_quantizer){8, 1, 0};
    must(uwc_graph_assign_bits(graph, &w4a3));
    assert_int_equal(graph->value[graph->input[0]].quantizer.bits, 0);
    uwc_graph_destroy(&graph);
}

static void a_network_without_layers_is_refused(void **state) {
    (void)state;
    uwc_graph *graph = new_graph();
    int x = put_input(graph, "x", uwc_shape_2d(1, 4));
    must(uwc_graph_add_output(graph, put_unary(graph, "y", UWC_OP_RELU, x)));
    must(uwc_graph_finish(graph));
    must_fail(uwc_graph_assign_bits(graph, &w4a3), UWC_E_UNSUPPORTED, "net");
    uwc_graph_destroy(&graph);
}

static void sizes_are_those_counted_by_hand(void **state) {
    (void)state;
    uwc_graph *graph = network();
    uwc_graph_sizes sizes;
    uwc_graph_measure(graph, &sizes);
    /* weights: stem 4*27 without bias, a 6*36, b 4*54, c 5*4, head 5*5 */
    const int64_t weights = 108 + 216 + 216 + 20 + 25, biases = 6 + 4 + 5 + 5;
    assert_int_equal(sizes.weighted_nodes, 5);
    assert_int_equal(sizes.parameters, weights + biases);
    assert_int_equal(sizes.multiply_adds, 64 * 108 + 16 * (216 + 216 + 20) + 25);
    assert_int_equal(sizes.bytes_float, 4 * (weights + biases));
    assert_int_equal(sizes.bytes_packed, sizes.bytes_float); /* no bits assigned yet */
    must(uwc_graph_assign_bits(graph, &w4a3));
    uwc_graph_measure(graph, &sizes);
    /* bits / 8 of the weights, a float per row as scale, a float per row as bias */
    assert_int_equal(sizes.bytes_packed, (108 + 4 * 4) + (108 + 6 * 8) + (108 + 4 * 8) + (10 + 5 * 8) + (25 + 5 * 8));
    uwc_bits bits = {.weight_bits = 3, .activation_bits = 32, .first_last_bits = 8, .weights_asymmetric = true};
    must(uwc_graph_assign_bits(graph, &bits));
    uwc_graph_measure(graph, &sizes);
    /* 3 bits of 216 weights: 81 bytes, of 20: 7.5; a byte per row as zero point */
    assert_int_equal(sizes.bytes_packed, (108 + 4 * 5) + (81 + 6 * 9) + (81 + 4 * 9) + (8 + 5 * 9) + (25 + 5 * 9));
    uwc_graph_destroy(&graph);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(first_and_last_layers_have_bits_of_their_own),
        cmocka_unit_test(edges_into_other_operators_stay_float),
        cmocka_unit_test(quantize_all_takes_every_edge),
        cmocka_unit_test(float_activations_leave_every_edge),
        cmocka_unit_test(a_shared_value_takes_the_larger_number),
        cmocka_unit_test(gates_of_the_first_layer_are_its_output),
        cmocka_unit_test(assigning_drops_old_quantizers),
        cmocka_unit_test(a_network_without_layers_is_refused),
        cmocka_unit_test(sizes_are_those_counted_by_hand),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
