#include "simplify_check.h"

/* What works on [N,H,W,C] between two Transposes comes to work on [N,C,H,W]. */

static int put_transpose(uwc_graph *graph, const char *name, int x, const int *perm) {
    uwc_op op = uwc_op_make(UWC_OP_TRANSPOSE);
    memcpy(op.perm, perm, 4 * sizeof *perm);
    return put_op(graph, name, &op, &x, 1);
}

static const int there[] = {0, 2, 3, 1}, back[] = {0, 3, 1, 2};

static int put_layer_norm(uwc_graph *graph, int x, int axis, int64_t length) {
    uwc_op op = uwc_op_make(UWC_OP_LAYER_NORM);
    int in[] = {x, put_constant(graph, "norm.scale", uwc_shape_1d(length), 1), put_constant(graph, "norm.bias", uwc_shape_1d(length), 1)};
    op.axis = axis;
    return put_op(graph, "norm", &op, in, 3);
}

/* The block of ConvNeXt, with a factor in front of the Transpose and one behind it. */
static void given_a_block_then_convolutions(void **state) {
    (void)state;
    uwc_graph *graph = new_graph();
    int x = put_input(graph, "x", uwc_shape_4d(1, 4, 6, 5));
    int conv = put_conv(graph, "conv", x, (conv_form){4, 4, 3, .pad = 1, .group = 4});
    int wide = put_linear(graph, "wide", put_layer_norm(graph, put_transpose(graph, "there", conv, there), -1, 4), 4, 9);
    int narrow = put_linear(graph, "narrow", put_unary(graph, "gelu", UWC_OP_GELU, wide), 9, 4);
    int inner = put_binary(graph, "inner", UWC_OP_MUL, narrow, put_constant(graph, "last", uwc_shape_1d(4), 1));
    int turned = put_transpose(graph, "back", inner, back);
    int scaled =
        put_binary(graph, "scaled", UWC_OP_MUL, put_constant(graph, "layer_scale", uwc_shape_make(3, (int64_t[]){4, 1, 1}), 1), turned);
    must(uwc_graph_add_output(graph, put_binary(graph, "y", UWC_OP_ADD, scaled, x)));
    simplify_and_compare(graph);
    assert_int_equal(graph->n_nodes, 6); /* conv, norm, conv, gelu, conv, sum: the factors are in the weights */
    assert_int_equal(count_kind(graph, UWC_OP_CONV), 3);
    assert_int_equal(count_kind(graph, UWC_OP_TRANSPOSE), 0);
    assert_int_equal(graph->node[1].op.axis, 1);
    assert_string_equal(graph->node[4].name, "narrow");
    uwc_graph_destroy(&graph);
}

/* Operators keep their axes apart: H and W have other lengths than C. */
static void given_any_axis_then_the_same_one(void **state) {
    (void)state;
    static const int64_t length[] = {0, 6, 5, 4};
    static const int expected[] = {0, 2, 3, 1};
    for (int axis = 1; axis <= 3; axis++) {
        uwc_graph *graph = new_graph();
        int x = put_unary(graph, "t", UWC_OP_TANH, put_input(graph, "x", uwc_shape_4d(1, 4, 6, 5)));
        int norm = put_layer_norm(graph, put_transpose(graph, "there", x, there), axis, length[axis]);
        must(uwc_graph_add_output(graph, put_transpose(graph, "y", norm, back)));
        simplify_and_compare(graph);
        assert_int_equal(graph->n_nodes, 2);
        assert_int_equal(graph->node[1].op.axis, expected[axis]);
        assert_string_equal(graph->value[graph->output[0]].name, "y");
        uwc_graph_destroy(&graph);
    }
}

static void given_other_readers_then_nothing_moves(void **state) {
    (void)state;
    uwc_graph *graph = new_graph();
    int x = put_unary(graph, "t", UWC_OP_TANH, put_input(graph, "x", uwc_shape_4d(1, 4, 6, 5)));
    int turned = put_transpose(graph, "there", x, there);
    int linear = put_linear(graph, "linear", turned, 4, 4);
    must(uwc_graph_add_output(graph, put_binary(graph, "y", UWC_OP_ADD, linear, turned)));
    simplify_and_compare(graph);
    assert_int_equal(count_kind(graph, UWC_OP_LINEAR), 1);
    assert_int_equal(graph->n_nodes, 4);
    uwc_graph_destroy(&graph);
}

/* Weights that two layers share keep their shape. */
static void given_shared_weights_then_nothing_moves(void **state) {
    (void)state;
    uwc_graph *graph = new_graph();
    int x = put_input(graph, "x", uwc_shape_4d(1, 4, 6, 5)),
        first = put_linear(graph, "first", put_transpose(graph, "there", x, there), 4, 4);
    uwc_op op = uwc_op_make(UWC_OP_LINEAR);
    int in[] = {first, uwc_graph_find_value(graph, "first.weight")};
    must(uwc_graph_add_output(graph, put_transpose(graph, "y", put_op(graph, "second", &op, in, 2), back)));
    simplify_and_compare(graph);
    assert_int_equal(count_kind(graph, UWC_OP_LINEAR), 2);
    uwc_graph_destroy(&graph);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(given_a_block_then_convolutions),
        cmocka_unit_test(given_any_axis_then_the_same_one),
        cmocka_unit_test(given_other_readers_then_nothing_moves),
        cmocka_unit_test(given_shared_weights_then_nothing_moves),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
