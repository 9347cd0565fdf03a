#include "simplify_check.h"

/* Folding of BatchNormalization, identities and dead ends: the network computes what it computed before. */

static void norm_behind_conv_is_folded(void **state) {
    (void)state;
    static const conv_form form[] = {
        {3, 5, 3, 2, 1, 1, false}, {4, 6, 3, 1, 1, 2, false}, {4, 4, 3, 1, 1, 4, true}, {3, 5, 1, 1, 0, 1, true}};
    for (size_t i = 0; i < sizeof form / sizeof form[0]; i++) {
        uwc_graph *graph = new_graph();
        int x = put_input(graph, "x", uwc_shape_4d(1, form[i].in, 8, 8));
        int y = put_norm(graph, "norm", put_conv(graph, "conv", x, form[i]), form[i].out);
        must(uwc_graph_add_output(graph, put_unary(graph, "y", UWC_OP_RELU, y)));
        simplify_and_compare(graph);
        assert_int_equal(graph->n_nodes, 2);
        assert_int_equal(graph->n_values, 5); /* x, weights, bias, sum, y */
        uwc_graph_destroy(&graph);
    }
}

static void norm_behind_linear_is_folded(void **state) {
    (void)state;
    uwc_graph *graph = new_graph();
    int x = put_input(graph, "x", uwc_shape_2d(1, 6));
    must(uwc_graph_add_output(graph, put_norm(graph, "norm", put_linear(graph, "linear", x, 6, 4), 4)));
    simplify_and_compare(graph);
    assert_int_equal(graph->n_nodes, 1);
    assert_string_equal(graph->value[graph->output[0]].name, "norm"); /* outputs keep their names */
    uwc_graph_destroy(&graph);
}

static void norm_without_layer_becomes_depthwise(void **state) {
    (void)state;
    uwc_graph *graph = new_graph();
    int x = put_input(graph, "x", uwc_shape_4d(1, 5, 4, 4));
    must(uwc_graph_add_output(graph, put_norm(graph, "norm", put_unary(graph, "relu", UWC_OP_RELU, x), 5)));
    simplify_and_compare(graph);
    assert_int_equal(graph->n_nodes, 2);
    assert_int_equal(graph->node[1].op.kind, UWC_OP_CONV);
    assert_int_equal(graph->node[1].op.group, 5);
    uwc_graph_destroy(&graph);
}

/* A layer whose raw output somebody else needs keeps its weights. */
static void norm_behind_a_shared_layer_is_not_folded_into_it(void **state) {
    (void)state;
    uwc_graph *graph = new_graph();
    int x = put_input(graph, "x", uwc_shape_4d(1, 3, 6, 6)), c = put_conv(graph, "c", x, (conv_form){3, 5, 3, .pad = 1});
    int n = put_norm(graph, "n", c, 5);
    must(uwc_graph_add_output(graph, put_binary(graph, "sum", UWC_OP_ADD, c, n)));
    simplify_and_compare(graph);
    assert_int_equal(count_kind(graph, UWC_OP_CONV), 2);
    uwc_graph_destroy(&graph);
    graph = new_graph();
    x = put_input(graph, "x", uwc_shape_4d(1, 3, 6, 6));
    c = put_conv(graph, "c", x, (conv_form){3, 5, 3, .pad = 1});
    must(uwc_graph_add_output(graph, put_norm(graph, "n", c, 5)));
    must(uwc_graph_add_output(graph, c));
    simplify_and_compare(graph);
    assert_int_equal(count_kind(graph, UWC_OP_CONV), 2);
    uwc_graph_destroy(&graph);
}

/* Two layers with the same weights and different normalisations. */
static void folding_leaves_shared_weights_to_the_other_layer(void **state) {
    (void)state;
    uwc_graph *graph = new_graph();
    int x = put_input(graph, "x", uwc_shape_4d(1, 4, 6, 6)), a = put_conv(graph, "a", x, (conv_form){4, 4, 3, .pad = 1});
    const uwc_node *node = &graph->node[0];
    int b = put_op(graph, "b", &node->op, (int[]){x, node->in[1], node->in[2]}, 3);
    int sum = put_binary(graph, "sum", UWC_OP_ADD, put_norm(graph, "na", a, 4), put_norm(graph, "nb", b, 4));
    must(uwc_graph_add_output(graph, sum));
    simplify_and_compare(graph);
    assert_int_equal(graph->n_nodes, 3);
    uwc_graph_destroy(&graph);
}

static void norms_in_a_row_and_behind_identities_are_folded(void **state) {
    (void)state;
    uwc_graph *graph = new_graph();
    int x = put_input(graph, "x", uwc_shape_4d(1, 3, 6, 6)), y = put_conv(graph, "c", x, (conv_form){3, 5, 3, .pad = 1});
    y = put_norm(graph, "n1", y, 5);
    y = put_unary(graph, "dropout", UWC_OP_IDENTITY, y);
    y = put_norm(graph, "n2", y, 5);
    must(uwc_graph_add_output(graph, put_unary(graph, "y", UWC_OP_RELU, y)));
    simplify_and_compare(graph);
    assert_int_equal(graph->n_nodes, 2);
    uwc_graph_destroy(&graph);
}

static void a_negative_variance_is_refused(void **state) {
    (void)state;
    uwc_graph *graph = new_graph();
    int x = put_input(graph, "x", uwc_shape_4d(1, 3, 6, 6)),
        y = put_norm(graph, "n", put_conv(graph, "c", x, (conv_form){3, 2, 1, .pad = 0}), 2);
    graph->value[graph->node[1].in[4]].constant->f32[1] = -1;
    must(uwc_graph_add_output(graph, y));
    must(uwc_graph_finish(graph));
    must_fail(uwc_graph_simplify(graph), UWC_E_VALUE, "node n: variance");
    uwc_graph_destroy(&graph);
}

static void identities_disappear(void **state) {
    (void)state;
    uwc_graph *graph = new_graph();
    int x = put_input(graph, "x", uwc_shape_4d(1, 3, 6, 6)), i1 = put_unary(graph, "i1", UWC_OP_IDENTITY, x);
    int c = put_conv(graph, "c", i1, (conv_form){3, 3, 3, .pad = 1}), i2 = put_unary(graph, "i2", UWC_OP_IDENTITY, c);
    int i3 = put_unary(graph, "i3", UWC_OP_IDENTITY, i2), sum = put_binary(graph, "sum", UWC_OP_ADD, i3, i1);
    must(uwc_graph_add_output(graph, sum));
    simplify_and_compare(graph);
    assert_int_equal(graph->n_nodes, 2);
    assert_int_equal(graph->node[0].in[0], graph->input[0]);
    uwc_graph_destroy(&graph);
}

/* The output keeps its name; whoever read the value in front reads on. */
static void identities_at_the_output_hand_their_name_on(void **state) {
    (void)state;
    uwc_graph *graph = new_graph();
    int x = put_input(graph, "x", uwc_shape_4d(1, 3, 6, 6)), c = put_conv(graph, "c", x, (conv_form){3, 3, 3, .pad = 1});
    int i1 = put_unary(graph, "i1", UWC_OP_IDENTITY, c), out = put_unary(graph, "out", UWC_OP_IDENTITY, i1);
    int other = put_unary(graph, "other", UWC_OP_RELU, c);
    must(uwc_graph_add_output(graph, out));
    must(uwc_graph_add_output(graph, other));
    simplify_and_compare(graph);
    assert_int_equal(graph->n_nodes, 2);
    assert_string_equal(graph->value[graph->output[0]].name, "out");
    assert_string_equal(graph->value[graph->output[1]].name, "other");
    assert_int_equal(graph->node[1].in[0], graph->output[0]);
    uwc_graph_destroy(&graph);
}

/* The value in front is an output too, or the identity is the whole network: it stays, and so do the names. */
static void identities_between_outputs_stay(void **state) {
    (void)state;
    uwc_graph *graph = new_graph();
    int x = put_input(graph, "x", uwc_shape_4d(1, 3, 6, 6)), c = put_conv(graph, "c", x, (conv_form){3, 3, 3, .pad = 1});
    must(uwc_graph_add_output(graph, put_unary(graph, "out", UWC_OP_IDENTITY, c)));
    must(uwc_graph_add_output(graph, c));
    simplify_and_compare(graph);
    assert_string_equal(graph->value[graph->output[0]].name, "out");
    assert_string_equal(graph->value[graph->output[1]].name, "c");
    uwc_graph_destroy(&graph);
    graph = new_graph();
    x = put_input(graph, "x", uwc_shape_4d(1, 3, 6, 6));
    must(uwc_graph_add_output(graph, put_unary(graph, "out", UWC_OP_IDENTITY, x)));
    simplify_and_compare(graph);
    assert_int_equal(graph->n_nodes, 1);
    uwc_graph_destroy(&graph);
}

static void dead_ends_are_dropped(void **state) {
    (void)state;
    uwc_graph *graph = new_graph();
    int x = put_input(graph, "x", uwc_shape_4d(1, 3, 6, 6)), dead = put_conv(graph, "dead", x, (conv_form){3, 3, 3, .pad = 1});
    int y = put_conv(graph, "y", x, (conv_form){3, 2, 3, .pad = 1});
    put_binary(graph, "deader", UWC_OP_ADD, dead, x);
    put_constant(graph, "unused", uwc_shape_1d(7), 1);
    must(uwc_graph_add_output(graph, y));
    simplify_and_compare(graph);
    assert_int_equal(graph->n_nodes, 1);
    assert_int_equal(graph->n_values, 4);
    assert_int_equal(graph->value[graph->output[0]].producer, 0);
    assert_true(uwc_graph_find_value(graph, "unused") < 0);
    uwc_graph_destroy(&graph);
}

static void simplifying_twice_changes_nothing(void **state) {
    (void)state;
    uwc_graph *graph = new_graph();
    int x = put_input(graph, "x", uwc_shape_4d(1, 3, 6, 6)), y = put_conv(graph, "c", x, (conv_form){3, 5, 3, .pad = 1});
    must(uwc_graph_add_output(graph, put_unary(graph, "y", UWC_OP_IDENTITY, put_norm(graph, "n", y, 5))));
    uint64_t once, twice;
    simplify_and_compare(graph);
    must(uwc_graph_hash(graph, &once));
    simplify_and_compare(graph);
    must(uwc_graph_hash(graph, &twice));
    assert_true(once == twice);
    uwc_graph_destroy(&graph);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(norm_behind_conv_is_folded),
        cmocka_unit_test(norm_behind_linear_is_folded),
        cmocka_unit_test(norm_without_layer_becomes_depthwise),
        cmocka_unit_test(norm_behind_a_shared_layer_is_not_folded_into_it),
        cmocka_unit_test(folding_leaves_shared_weights_to_the_other_layer),
        cmocka_unit_test(norms_in_a_row_and_behind_identities_are_folded),
        cmocka_unit_test(a_negative_variance_is_refused),
        cmocka_unit_test(identities_disappear),
        cmocka_unit_test(identities_at_the_output_hand_their_name_on),
        cmocka_unit_test(identities_between_outputs_stay),
        cmocka_unit_test(dead_ends_are_dropped),
        cmocka_unit_test(simplifying_twice_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
