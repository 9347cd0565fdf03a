#include "graph_fixture.h"

/* From nodes to a network: order, shapes, and everything that is refused. */

static uwc_op relu(void) {
    return uwc_op_make(UWC_OP_RELU);
}

static void nodes_are_sorted_by_data_flow(void **state) {
    (void)state;
    uwc_graph *graph = new_graph();
    uwc_op op = relu();
    int x = put_input(graph, "x", uwc_shape_2d(1, 4)), a = put_value(graph, "a"), b = put_value(graph, "b"), c = put_value(graph, "c");
    must(uwc_graph_add_node(graph, "third", &op, &b, 1, c, NULL));
    must(uwc_graph_add_node(graph, "second", &op, &a, 1, b, NULL));
    must(uwc_graph_add_node(graph, "first", &op, &x, 1, a, NULL));
    must(uwc_graph_add_output(graph, c));
    must(uwc_graph_finish(graph));
    assert_string_equal(graph->node[0].name, "first");
    assert_string_equal(graph->node[1].name, "second");
    assert_string_equal(graph->node[2].name, "third");
    assert_int_equal(graph->value[a].producer, 0);
    assert_int_equal(graph->value[c].producer, 2);
    uwc_graph_destroy(&graph);
}

static void a_sorted_file_keeps_its_order(void **state) {
    (void)state;
    uwc_graph *graph = new_graph();
    int x = put_input(graph, "x", uwc_shape_2d(1, 4));
    int d = put_unary(graph, "d", UWC_OP_RELU, x), b = put_unary(graph, "b", UWC_OP_TANH, x);
    int c = put_unary(graph, "c", UWC_OP_RELU, b), a = put_binary(graph, "a", UWC_OP_ADD, c, d);
    must(uwc_graph_add_output(graph, a));
    must(uwc_graph_finish(graph));
    static const char *const wanted[] = {"d", "b", "c", "a"};
    for (int i = 0; i < 4; i++) {
        assert_string_equal(graph->node[i].name, wanted[i]);
    }
    uwc_graph_destroy(&graph);
}

static void shapes_are_inferred_for_one_image(void **state) {
    (void)state;
    uwc_graph *graph = new_graph();
    int x = put_input(graph, "x", uwc_shape_4d(-1, 3, 9, 7));
    int y = put_conv(graph, "y", x, (conv_form){3, 5, 3, 2, 1, 1, false}), z = put_pooled(graph, "z", y, 5);
    must(uwc_graph_add_output(graph, z));
    must(uwc_graph_finish(graph));
    assert_true(uwc_shape_equal(graph->value[x].shape, uwc_shape_4d(1, 3, 9, 7)));
    assert_true(uwc_shape_equal(graph->value[y].shape, uwc_shape_4d(1, 5, 5, 4)));
    assert_true(uwc_shape_equal(graph->value[z].shape, uwc_shape_2d(1, 5)));
    must(uwc_graph_finish(graph)); /* a second time changes nothing */
    assert_true(uwc_shape_equal(graph->value[z].shape, uwc_shape_2d(1, 5)));
    uwc_graph_destroy(&graph);
}

static void cycles_are_refused(void **state) {
    (void)state;
    uwc_graph *graph = new_graph();
    uwc_op op = relu(), add = uwc_op_make(UWC_OP_ADD);
    int x = put_input(graph, "x", uwc_shape_2d(1, 4)), a = put_value(graph, "a"), b = put_value(graph, "b");
    must(uwc_graph_add_node(graph, "left", &add, (int[]){x, b}, 2, a, NULL));
    must(uwc_graph_add_node(graph, "right", &op, &a, 1, b, NULL));
    must(uwc_graph_add_output(graph, b));
    must_fail(uwc_graph_finish(graph), UWC_E_FORMAT, "left");
    uwc_graph_destroy(&graph);
    graph = new_graph();
    a = put_input(graph, "x", uwc_shape_2d(1, 4));
    a = put_value(graph, "a");
    must(uwc_graph_add_node(graph, "self", &op, &a, 1, a, NULL));
    must(uwc_graph_add_output(graph, a));
    must_fail(uwc_graph_finish(graph), UWC_E_FORMAT, "self");
    uwc_graph_destroy(&graph);
}

static void an_input_that_nobody_makes_is_refused(void **state) {
    (void)state;
    uwc_graph *graph = new_graph();
    int x = put_input(graph, "x", uwc_shape_2d(1, 4)), ghost = put_value(graph, "ghost");
    must(uwc_graph_add_output(graph, put_binary(graph, "sum", UWC_OP_ADD, x, ghost)));
    must_fail(uwc_graph_finish(graph), UWC_E_FORMAT, "node sum (Add): input ghost");
    uwc_graph_destroy(&graph);
}

static void numbers_that_are_not_finite_are_refused(void **state) {
    (void)state;
    static const float bad[] = {NAN, INFINITY, -INFINITY};
    for (int i = 0; i < 3; i++) {
        uwc_graph *graph = new_graph();
        int x = put_input(graph, "x", uwc_shape_2d(1, 4)), y = put_linear(graph, "y", x, 4, 2);
        graph->value[graph->node[0].in[1]].constant->f32[5] = bad[i];
        must(uwc_graph_add_output(graph, y));
        must_fail(uwc_graph_finish(graph), UWC_E_VALUE, "y.weight: element 5");
        uwc_graph_destroy(&graph);
    }
}

static void networks_have_one_input_and_an_output(void **state) {
    (void)state;
    uwc_graph *graph = new_graph();
    int x = put_input(graph, "x", uwc_shape_2d(1, 4)), y = put_unary(graph, "y", UWC_OP_RELU, x);
    must_fail(uwc_graph_finish(graph), UWC_E_FORMAT, "no output");
    must(uwc_graph_add_output(graph, y));
    put_input(graph, "x2", uwc_shape_2d(1, 4));
    must_fail(uwc_graph_finish(graph), UWC_E_UNSUPPORTED, "2 inputs");
    uwc_graph_destroy(&graph);
    graph = new_graph();
    must(uwc_graph_add_output(graph, put_value(graph, "y")));
    must_fail(uwc_graph_finish(graph), UWC_E_UNSUPPORTED, "0 inputs");
    uwc_graph_destroy(&graph);
}

/* The network's input itself as output, or a value that nobody makes. */
static void outputs_are_made_by_nodes(void **state) {
    (void)state;
    uwc_graph *graph = new_graph();
    int x = put_input(graph, "x", uwc_shape_2d(1, 4));
    put_unary(graph, "y", UWC_OP_RELU, x);
    must(uwc_graph_add_output(graph, x));
    must_fail(uwc_graph_finish(graph), UWC_E_FORMAT, "output x");
    graph->output[0] = put_value(graph, "ghost");
    must_fail(uwc_graph_finish(graph), UWC_E_FORMAT, "output ghost");
    graph->output[0] = put_constant(graph, "constant", uwc_shape_2d(1, 4), 1);
    must_fail(uwc_graph_finish(graph), UWC_E_FORMAT, "output constant");
    uwc_graph_destroy(&graph);
}

static void input_shapes_must_be_known(void **state) {
    (void)state;
    static const int64_t bad[] = {0, -1};
    for (int i = 0; i < 2; i++) {
        uwc_graph *graph = new_graph();
        int x = put_input(graph, "x", uwc_shape_4d(1, 3, bad[i], 8));
        must(uwc_graph_add_output(graph, put_unary(graph, "y", UWC_OP_RELU, x)));
        must_fail(uwc_graph_finish(graph), UWC_E_SHAPE, "input x");
        uwc_graph_destroy(&graph);
    }
    uwc_graph *graph = new_graph();
    int x = put_input(graph, "x", (uwc_shape){0});
    must(uwc_graph_add_output(graph, put_unary(graph, "y", UWC_OP_RELU, x)));
    must_fail(uwc_graph_finish(graph), UWC_E_SHAPE, "input x");
    uwc_graph_destroy(&graph);
}

static void weights_are_constants_and_what_they_meet_is_not(void **state) {
    (void)state;
    uwc_graph *graph = new_graph();
    uwc_op linear = uwc_op_make(UWC_OP_LINEAR);
    int x = put_input(graph, "x", uwc_shape_2d(1, 4)), c = put_constant(graph, "c", uwc_shape_2d(1, 4), 1);
    must(uwc_graph_add_output(graph, put_op(graph, "xx", &linear, (int[]){x, x}, 2)));
    must_fail(uwc_graph_finish(graph), UWC_E_UNSUPPORTED, "node xx (Linear): input x must be a constant");
    uwc_graph_destroy(&graph);
    graph = new_graph();
    put_input(graph, "x", uwc_shape_2d(1, 4));
    c = put_constant(graph, "c", uwc_shape_2d(1, 4), 1);
    must(uwc_graph_add_output(graph, put_linear(graph, "y", c, 4, 2)));
    must_fail(uwc_graph_finish(graph), UWC_E_UNSUPPORTED, "node y (Linear): input c is a constant");
    uwc_graph_destroy(&graph);
}

static void operators_need_an_activation(void **state) {
    (void)state;
    uwc_graph *graph = new_graph();
    put_input(graph, "x", uwc_shape_2d(1, 4));
    int c = put_constant(graph, "c", uwc_shape_2d(1, 4), 1), d = put_constant(graph, "d", uwc_shape_2d(1, 4), 1);
    must(uwc_graph_add_output(graph, put_binary(graph, "sum", UWC_OP_ADD, c, d)));
    must_fail(uwc_graph_finish(graph), UWC_E_UNSUPPORTED, "sum");
    uwc_graph_destroy(&graph);
    graph = new_graph();
    put_input(graph, "x", uwc_shape_2d(1, 4));
    c = put_constant(graph, "c", uwc_shape_2d(1, 4), 1);
    must(uwc_graph_add_output(graph, put_unary(graph, "y", UWC_OP_RELU, c)));
    must_fail(uwc_graph_finish(graph), UWC_E_UNSUPPORTED, "y");
    uwc_graph_destroy(&graph);
}

static void the_number_of_inputs_must_fit(void **state) {
    (void)state;
    uwc_graph *graph = new_graph();
    uwc_op op = relu();
    int x = put_input(graph, "x", uwc_shape_2d(1, 4));
    must(uwc_graph_add_output(graph, put_op(graph, "y", &op, (int[]){x, x}, 2)));
    must_fail(uwc_graph_finish(graph), UWC_E_FORMAT, "node y (Relu): 2 inputs");
    uwc_graph_destroy(&graph);
}

static void constants_are_float(void **state) {
    (void)state;
    uwc_graph *graph = new_graph();
    uwc_tensor *tensor;
    int x = put_input(graph, "x", uwc_shape_2d(1, 4)), c;
    must(uwc_tensor_create(UWC_I64, uwc_shape_2d(1, 4), UWC_PLAIN, &tensor));
    must(uwc_graph_add_value(graph, "c", tensor->shape, tensor, &c));
    must(uwc_graph_add_output(graph, put_binary(graph, "y", UWC_OP_ADD, x, c)));
    must_fail(uwc_graph_finish(graph), UWC_E_UNSUPPORTED, "constant c is int64");
    uwc_graph_destroy(&graph);
}

static void shapes_that_do_not_fit_name_the_node(void **state) {
    (void)state;
    uwc_graph *graph = new_graph();
    int x = put_input(graph, "x", uwc_shape_2d(1, 5));
    must(uwc_graph_add_output(graph, put_linear(graph, "head", x, 4, 2)));
    must_fail(uwc_graph_finish(graph), UWC_E_SHAPE, "node head (Linear)");
    uwc_graph_destroy(&graph);
}

static void the_batch_stays_in_front(void **state) {
    (void)state;
    uwc_graph *graph = new_graph();
    int x = put_input(graph, "x", uwc_shape_2d(1, 4)), c = put_constant(graph, "c", uwc_shape_2d(3, 4), 1);
    must(uwc_graph_add_output(graph, put_binary(graph, "y", UWC_OP_ADD, x, c)));
    must_fail(uwc_graph_finish(graph), UWC_E_SHAPE, "node y (Add)");
    uwc_graph_destroy(&graph);
}

/* A long chain written backwards: sorting must not be what takes the time of an import. */
static void long_chains_are_sorted(void **state) {
    (void)state;
    enum { LENGTH = 2000 };
    uwc_graph *graph = new_graph();
    uwc_op op = relu();
    int value[LENGTH + 1];
    value[0] = put_input(graph, "x", uwc_shape_2d(1, 2));
    for (int i = 1; i <= LENGTH; i++) {
        char name[16];
        snprintf(name, sizeof name, "v%d", i);
        value[i] = put_value(graph, name);
    }
    for (int i = LENGTH; i > 0; i--) {
        must(uwc_graph_add_node(graph, graph->value[value[i]].name, &op, &value[i - 1], 1, value[i], NULL));
    }
    must(uwc_graph_add_output(graph, value[LENGTH]));
    must(uwc_graph_finish(graph));
    for (int i = 1; i <= LENGTH; i++) {
        assert_int_equal(graph->value[value[i]].producer, i - 1);
    }
    uwc_graph_destroy(&graph);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nodes_are_sorted_by_data_flow),
        cmocka_unit_test(a_sorted_file_keeps_its_order),
        cmocka_unit_test(shapes_are_inferred_for_one_image),
        cmocka_unit_test(cycles_are_refused),
        cmocka_unit_test(an_input_that_nobody_makes_is_refused),
        cmocka_unit_test(numbers_that_are_not_finite_are_refused),
        cmocka_unit_test(networks_have_one_input_and_an_output),
        cmocka_unit_test(outputs_are_made_by_nodes),
        cmocka_unit_test(input_shapes_must_be_known),
        cmocka_unit_test(weights_are_constants_and_what_they_meet_is_not),
        cmocka_unit_test(operators_need_an_activation),
        cmocka_unit_test(the_number_of_inputs_must_fit),
        cmocka_unit_test(constants_are_float),
        cmocka_unit_test(shapes_that_do_not_fit_name_the_node),
        cmocka_unit_test(the_batch_stays_in_front),
        cmocka_unit_test(long_chains_are_sorted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
