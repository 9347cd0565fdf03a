#include "simplify_check.h"

/* Chains of operators become the function that they write out, and only those. */

/* x gate(x); the gate's slope where it is a hard one. */
static int put_gated(uwc_graph *graph, const char *name, int x, uwc_op_kind kind, float alpha) {
    char gate[32];
    uwc_op op = uwc_op_make(kind);
    snprintf(gate, sizeof gate, "%s.gate", name);
    op.alpha = kind == UWC_OP_HARD_SIGMOID ? alpha : op.alpha;
    return put_binary(graph, name, UWC_OP_MUL, put_op(graph, gate, &op, &x, 1), x);
}

static uwc_graph *begin(int *x) {
    uwc_graph *graph = new_graph();
    *x = put_input(graph, "x", uwc_shape_4d(1, 3, 4, 5));
    return graph;
}

static void given_a_gate_of_itself_then_silu_or_hard_swish(void **state) {
    (void)state;
    static const uwc_op_kind gate[] = {UWC_OP_SIGMOID, UWC_OP_HARD_SIGMOID}, expected[] = {UWC_OP_SILU, UWC_OP_HARD_SWISH};
    for (int i = 0; i < 2; i++) {
        int x;
        uwc_graph *graph = begin(&x);
        must(uwc_graph_add_output(graph, put_gated(graph, "y", x, gate[i], 1.0f / 6)));
        simplify_and_compare(graph);
        assert_int_equal(graph->n_nodes, 1);
        assert_int_equal(graph->node[0].op.kind, expected[i]);
        assert_string_equal(graph->node[0].name, "y");
        uwc_graph_destroy(&graph);
    }
}

static void given_another_gate_then_nothing(void **state) {
    (void)state;
    int x;
    uwc_graph *graph = begin(&x);
    int slope = put_gated(graph, "slope", x, UWC_OP_HARD_SIGMOID, 0.2f);
    int gate = put_unary(graph, "gate", UWC_OP_SIGMOID, slope), read_twice = put_binary(graph, "twice", UWC_OP_MUL, gate, slope);
    int sum = put_binary(graph, "sum", UWC_OP_ADD, read_twice, gate);
    int other = put_binary(graph, "other", UWC_OP_MUL, sum, put_unary(graph, "of_x", UWC_OP_SIGMOID, x));
    must(uwc_graph_add_output(graph, other));
    simplify_and_compare(graph);
    assert_int_equal(graph->n_nodes, 7);
    assert_int_equal(count_kind(graph, UWC_OP_SILU) + count_kind(graph, UWC_OP_HARD_SWISH), 0);
    uwc_graph_destroy(&graph);
}

static void given_a_gate_that_is_an_output_then_it_stays(void **state) {
    (void)state;
    int x;
    uwc_graph *graph = begin(&x);
    must(uwc_graph_add_output(graph, put_gated(graph, "y", x, UWC_OP_SIGMOID, 0)));
    must(uwc_graph_add_output(graph, uwc_graph_find_value(graph, "y.gate")));
    simplify_and_compare(graph);
    assert_int_equal(graph->n_nodes, 2);
    uwc_graph_destroy(&graph);
}

/* x (1 + erf(x / root)) half in an order of its factors. */
static int put_gelu(uwc_graph *graph, int x, double root, double half, int order) {
    int quotient = put_binary(graph, "quotient", UWC_OP_DIV, x, put_number(graph, "root", root));
    int sum = put_binary(graph, "sum", UWC_OP_ADD, put_unary(graph, "erf", UWC_OP_ERF, quotient), put_number(graph, "one", 1));
    int factor[] = {x, sum, put_number(graph, "half", half)};
    int product = put_binary(graph, "product", UWC_OP_MUL, factor[order], factor[(order + 1) % 3]);
    return put_binary(graph, "y", UWC_OP_MUL, factor[(order + 2) % 3], product);
}

static void given_the_chain_of_gelu_then_gelu(void **state) {
    (void)state;
    for (int order = 0; order < 3; order++) {
        int x;
        uwc_graph *graph = begin(&x);
        must(uwc_graph_add_output(graph, put_gelu(graph, x, sqrt(2), 0.5, order)));
        simplify_and_compare(graph);
        assert_int_equal(graph->n_nodes, 1);
        assert_int_equal(graph->node[0].op.kind, UWC_OP_GELU);
        uwc_graph_destroy(&graph);
    }
}

static void given_other_numbers_then_no_gelu(void **state) {
    (void)state;
    for (int form = 0; form < 2; form++) {
        int x;
        uwc_graph *graph = begin(&x);
        must(uwc_graph_add_output(graph, put_gelu(graph, x, form == 0 ? 1.5 : sqrt(2), form == 0 ? 0.5 : 0.25, 0)));
        simplify_and_compare(graph);
        assert_int_equal(count_kind(graph, UWC_OP_GELU), 0);
        assert_int_equal(graph->n_nodes, 5);
        uwc_graph_destroy(&graph);
    }
}

static int put_mean(uwc_graph *graph, const char *name, int x, int axis) {
    uwc_op op = uwc_op_make(UWC_OP_REDUCE_MEAN);
    op.n_axes = 1;
    op.axes[0] = axis;
    return put_op(graph, name, &op, &x, 1);
}

/* (x - mean) / sqrt(mean((x - mean)^2) + epsilon) scale + bias over `axis` of [1,3,4,5]. */
static int put_layer_norm(uwc_graph *graph, int x, int axis) {
    int apart = put_binary(graph, "apart", UWC_OP_SUB, x, put_mean(graph, "mean", x, axis));
    int variance = put_mean(graph, "variance", put_binary(graph, "square", UWC_OP_MUL, apart, apart), axis);
    int sum = put_binary(graph, "sum", UWC_OP_ADD, variance, put_number(graph, "epsilon", 1e-3));
    int normal = put_binary(graph, "normal", UWC_OP_DIV, apart, put_unary(graph, "root", UWC_OP_SQRT, sum));
    int scaled = put_binary(graph, "scaled", UWC_OP_MUL, put_constant(graph, "scale", uwc_shape_1d(5), 1), normal);
    return put_binary(graph, "y", UWC_OP_ADD, scaled, put_constant(graph, "bias", uwc_shape_1d(5), 1));
}

static void given_the_chain_of_layer_normalization_then_it(void **state) {
    (void)state;
    int x;
    uwc_graph *graph = begin(&x);
    must(uwc_graph_add_output(graph, put_layer_norm(graph, x, 3)));
    simplify_and_compare(graph);
    assert_int_equal(graph->n_nodes, 1);
    assert_int_equal(graph->node[0].op.kind, UWC_OP_LAYER_NORM);
    assert_int_equal(graph->node[0].op.axis, 3);
    assert_float_equal(graph->node[0].op.epsilon, 1e-3f, 1e-9f);
    uwc_graph_destroy(&graph);
}

static void given_another_axis_then_the_chain_stays(void **state) {
    (void)state;
    int x;
    uwc_graph *graph = begin(&x);
    must(uwc_graph_add_output(graph, put_layer_norm(graph, x, 2)));
    simplify_and_compare(graph);
    assert_int_equal(graph->n_nodes, 9);
    uwc_graph_destroy(&graph);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(given_a_gate_of_itself_then_silu_or_hard_swish),
        cmocka_unit_test(given_another_gate_then_nothing),
        cmocka_unit_test(given_a_gate_that_is_an_output_then_it_stays),
        cmocka_unit_test(given_the_chain_of_gelu_then_gelu),
        cmocka_unit_test(given_other_numbers_then_no_gelu),
        cmocka_unit_test(given_the_chain_of_layer_normalization_then_it),
        cmocka_unit_test(given_another_axis_then_the_chain_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
