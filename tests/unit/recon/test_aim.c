#include "graph/graph_fixture.h"

#include "recon_impl.h"

/* What a layer aims at: its own float output, or a sum less what the other branches bring. */

static uwc_graph *finished(uwc_graph *graph, int output) {
    must(uwc_graph_add_output(graph, output));
    must(uwc_graph_finish(graph));
    return graph;
}

/* The aim of `node` is `sum` less the values named in `others`, NULL-terminated; a '*' in front: taken from the float unit. */
static void expect(const uwc_graph *graph, uwc_target target, const char *node, const char *sum, const char *const *others) {
    uwc_aim aim;
    must(uwc_recon__aim(graph, uwc_graph_find_node(graph, node), target, &aim));
    assert_string_equal(graph->value[aim.sum].name, sum);
    int n = 0;
    for (; others != NULL && others[n] != NULL; n++) {
        assert_true(n < aim.n_others);
        bool from_float = others[n][0] == '*';
        assert_string_equal(graph->value[aim.other[n]].name, others[n] + from_float);
        assert_true(aim.other_float[n] == from_float);
    }
    assert_int_equal(aim.n_others, n);
    uwc_recon__aim_clear(&aim);
}

#define EXPECT(graph, node, sum, ...) expect(graph, UWC_TARGET_UNIT, node, sum, (const char *const[]){__VA_ARGS__, NULL})
#define EXPECT_OWN(graph, node) expect(graph, UWC_TARGET_UNIT, node, node, NULL)

static int conv(uwc_graph *graph, const char *name, int x) {
    return put_conv(graph, name, x, (conv_form){4, 4, 3, .pad = 1});
}

static uwc_graph *residual(void) {
    uwc_graph *graph = new_graph();
    int x = put_input(graph, "x", uwc_shape_4d(1, 4, 6, 6)), a = put_unary(graph, "ra", UWC_OP_RELU, conv(graph, "a", x));
    int sum = put_binary(graph, "sum", UWC_OP_ADD, conv(graph, "b", a), x);
    return finished(graph, put_unary(graph, "y", UWC_OP_RELU, sum));
}

static void the_last_layer_in_front_of_a_sum_absorbs_its_error(void **state) {
    (void)state;
    uwc_graph *graph = residual();
    EXPECT_OWN(graph, "a");
    EXPECT(graph, "b", "sum", "x");
    expect(graph, UWC_TARGET_LAYER, "b", "b", NULL);
    uwc_graph_destroy(&graph);
}

/* Both branches end in a layer: the one that is solved last absorbs. */
static void of_two_layers_the_later_one_absorbs(void **state) {
    (void)state;
    uwc_graph *graph = new_graph();
    int x = put_input(graph, "x", uwc_shape_4d(1, 4, 6, 6)), p = conv(graph, "p", x), q = conv(graph, "q", x);
    finished(graph, put_binary(graph, "sum", UWC_OP_ADD, q, p));
    EXPECT_OWN(graph, "p");
    EXPECT(graph, "q", "sum", "p");
    uwc_graph_destroy(&graph);
}

/* sum2 = (b + x) + c: b reaches sum2 as well, but c comes later. */
static void sums_of_sums_are_followed(void **state) {
    (void)state;
    uwc_graph *graph = new_graph();
    int x = put_input(graph, "x", uwc_shape_4d(1, 4, 6, 6)), b = conv(graph, "b", x);
    int sum1 = put_binary(graph, "sum1", UWC_OP_ADD, b, x);
    finished(graph, put_binary(graph, "sum2", UWC_OP_ADD, conv(graph, "c", x), sum1));
    EXPECT(graph, "b", "sum1", "x");
    EXPECT(graph, "c", "sum2", "sum1");
    uwc_graph_destroy(&graph);
    graph = new_graph();
    x = put_input(graph, "x", uwc_shape_4d(1, 4, 6, 6));
    int t = put_unary(graph, "t", UWC_OP_TANH, x);
    b = conv(graph, "b", x);
    sum1 = put_binary(graph, "sum1", UWC_OP_ADD, t, b);
    finished(graph, put_binary(graph, "sum2", UWC_OP_ADD, sum1, x));
    EXPECT(graph, "b", "sum2", "t", "x");
    uwc_graph_destroy(&graph);
}

/* The other branch holds a layer that is solved later: its float values stand in. */
static void branches_that_are_not_solved_yet_count_as_float(void **state) {
    (void)state;
    uwc_graph *graph = new_graph();
    int x = put_input(graph, "x", uwc_shape_4d(1, 4, 6, 6)), a = conv(graph, "a", x), b = conv(graph, "b", x);
    finished(graph, put_binary(graph, "sum", UWC_OP_ADD, a, put_unary(graph, "rb", UWC_OP_RELU, b)));
    EXPECT(graph, "a", "sum", "*rb"); /* a relu lies between b and the sum, so a is the one that absorbs */
    EXPECT_OWN(graph, "b");
    uwc_graph_destroy(&graph);
}

static void nonlinear_and_shared_outputs_aim_at_themselves(void **state) {
    (void)state;
    uwc_graph *graph = new_graph();
    int x = put_input(graph, "x", uwc_shape_4d(1, 4, 6, 6)), a = conv(graph, "a", x);
    int r = put_unary(graph, "r", UWC_OP_RELU, a), b = conv(graph, "b", r);
    int sum = put_binary(graph, "sum", UWC_OP_ADD, b, x);
    must(uwc_graph_add_output(graph, b)); /* read outside the unit as well */
    finished(graph, sum);
    EXPECT_OWN(graph, "a");
    EXPECT_OWN(graph, "b");
    uwc_graph_destroy(&graph);
    graph = new_graph();
    x = put_input(graph, "x", uwc_shape_4d(1, 4, 6, 6));
    b = conv(graph, "b", x);
    sum = put_binary(graph, "sum", UWC_OP_ADD, b, put_unary(graph, "t", UWC_OP_TANH, b)); /* two readers */
    finished(graph, sum);
    EXPECT_OWN(graph, "b");
    uwc_graph_destroy(&graph);
    graph = new_graph();
    x = put_input(graph, "x", uwc_shape_4d(1, 4, 6, 6));
    b = conv(graph, "b", x);
    finished(graph, put_binary(graph, "twice", UWC_OP_ADD, b, b));
    EXPECT_OWN(graph, "b");
    uwc_graph_destroy(&graph);
}

static void other_operators_than_sums_of_equal_shapes_do_not_count(void **state) {
    (void)state;
    static const uwc_op_kind kind[] = {UWC_OP_MUL, UWC_OP_SUB};
    for (int i = 0; i < 2; i++) {
        uwc_graph *graph = new_graph();
        int x = put_input(graph, "x", uwc_shape_4d(1, 4, 6, 6));
        finished(graph, put_binary(graph, "y", kind[i], conv(graph, "b", x), x));
        EXPECT_OWN(graph, "b");
        uwc_graph_destroy(&graph);
    }
    uwc_graph *graph = new_graph(); /* a constant, and a broadcast branch */
    int x = put_input(graph, "x", uwc_shape_4d(1, 4, 6, 6)), c = put_constant(graph, "c", uwc_shape_4d(1, 4, 6, 6), 1);
    finished(graph, put_binary(graph, "y", UWC_OP_ADD, conv(graph, "b", x), c));
    EXPECT_OWN(graph, "b");
    uwc_graph_destroy(&graph);
    graph = new_graph();
    x = put_input(graph, "x", uwc_shape_4d(1, 4, 6, 6));
    int mean = put_unary(graph, "mean", UWC_OP_GLOBAL_AVERAGE_POOL, x);
    finished(graph, put_binary(graph, "y", UWC_OP_ADD, conv(graph, "b", x), mean));
    EXPECT_OWN(graph, "b");
    uwc_graph_destroy(&graph);
}

static int gates(uwc_graph *graph, int x, int count) {
    for (int i = 0; i < count; i++) {
        char name[16], gate[16];
        snprintf(name, sizeof name, "m%d", i);
        snprintf(gate, sizeof gate, "g%d", i);
        x = put_binary(graph, name, UWC_OP_MUL, x, put_unary(graph, gate, UWC_OP_SIGMOID, x));
    }
    return x;
}

/* Every gate joins two branches: a search that walks through all of them would take 2^60 steps. In front of the layer and behind it. */
static void deep_branches_take_no_time(void **state) {
    (void)state;
    for (int behind = 0; behind < 2; behind++) {
        uwc_graph *graph = new_graph();
        int x = put_input(graph, "x", uwc_shape_4d(1, 4, 6, 6)), b = behind == 1 ? conv(graph, "b", x) : -1, y = gates(graph, x, 60);
        b = behind == 1 ? b : conv(graph, "b", x);
        finished(graph, put_binary(graph, "sum", UWC_OP_ADD, b, y));
        EXPECT(graph, "b", "sum", "m59");
        uwc_graph_destroy(&graph);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_last_layer_in_front_of_a_sum_absorbs_its_error),
        cmocka_unit_test(of_two_layers_the_later_one_absorbs),
        cmocka_unit_test(sums_of_sums_are_followed),
        cmocka_unit_test(branches_that_are_not_solved_yet_count_as_float),
        cmocka_unit_test(nonlinear_and_shared_outputs_aim_at_themselves),
        cmocka_unit_test(other_operators_than_sums_of_equal_shapes_do_not_count),
        cmocka_unit_test(deep_branches_take_no_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
