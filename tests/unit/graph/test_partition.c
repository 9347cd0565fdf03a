#include "graph_fixture.h"

/* Basic-Units: where a network is cut. */

static uwc_partition *cut(const uwc_graph *graph, int max_layers) {
    uwc_partition *partition;
    must(uwc_partition_create(graph, max_layers, &partition));
    return partition;
}

static bool holds(const int *list, int n, int index) {
    for (int i = 0; i < n; i++) {
        if (list[i] == index) {
            return true;
        }
    }
    return false;
}

/* What every partition must be: all nodes once and in order, inputs made in front, outputs complete. */
static void check(const uwc_graph *graph, const uwc_partition *partition) {
    int next = 0, layers = 0;
    for (int u = 0; u < partition->n_units; u++) {
        const uwc_unit *unit = &partition->unit[u];
        assert_true(unit->n_layers > 0 && unit->n_outputs > 0 && unit->n_inputs > 0);
        assert_true(unit->name[0] != '\0');
        layers += unit->n_layers;
        for (int i = 0; i < unit->n_nodes; i++) {
            assert_int_equal(unit->node[i], next++);
        }
        for (int i = 0; i < unit->n_inputs; i++) {
            assert_true(graph->value[unit->input[i]].constant == NULL);
            assert_true(graph->value[unit->input[i]].producer < unit->node[0]);
        }
        for (int v = 0; v < graph->n_values; v++) {
            bool inside = holds(unit->node, unit->n_nodes, graph->value[v].producer), needed = false;
            for (int i = 0; i < graph->n_nodes; i++) {
                needed = needed || (!holds(unit->node, unit->n_nodes, i) && holds(graph->node[i].in, graph->node[i].n_in, v));
            }
            needed = needed || holds(graph->output, graph->n_outputs, v);
            assert_true(holds(unit->output, unit->n_outputs, v) == (inside && needed));
        }
    }
    assert_int_equal(next, graph->n_nodes);
    for (int i = 0; i < graph->n_nodes; i++) {
        layers -= uwc_op_is_weighted(graph->node[i].op.kind);
    }
    assert_int_equal(layers, 0);
}

/* The number of the unit in which node `name` lies. */
static int unit_of(const uwc_graph *graph, const uwc_partition *partition, const char *name) {
    int node = uwc_graph_find_node(graph, name);
    assert_true(node >= 0);
    for (int u = 0; u < partition->n_units; u++) {
        if (holds(partition->unit[u].node, partition->unit[u].n_nodes, node)) {
            return u;
        }
    }
    return -1;
}

static uwc_graph *finished(uwc_graph *graph, int output) {
    must(uwc_graph_add_output(graph, output));
    must(uwc_graph_finish(graph));
    return graph;
}

/* conv-relu, n times. */
static uwc_graph *chain(int n) {
    uwc_graph *graph = new_graph();
    int x = put_input(graph, "x", uwc_shape_4d(1, 4, 6, 6));
    for (int i = 0; i < n; i++) {
        char name[32], relu[32];
        snprintf(name, sizeof name, "c%d", i);
        snprintf(relu, sizeof relu, "r%d", i);
        x = put_unary(graph, relu, UWC_OP_RELU, put_conv(graph, name, x, (conv_form){4, 4, 3, .pad = 1}));
    }
    return finished(graph, x);
}

static void chains_merge_up_to_a_number_of_layers(void **state) {
    (void)state;
    for (int n = 1; n <= 8; n++) {
        uwc_graph *graph = chain(n);
        for (int most = 1; most <= 4; most++) {
            uwc_partition *partition = cut(graph, most);
            check(graph, partition);
            assert_int_equal(partition->n_units, (n + most - 1) / most);
            for (int u = 0; u + 1 < partition->n_units; u++) {
                assert_int_equal(partition->unit[u].n_layers, most);
            }
            for (int i = 0; i < n; i++) { /* an activation stays with its layer */
                char name[32], relu[32];
                snprintf(name, sizeof name, "c%d", i);
                snprintf(relu, sizeof relu, "r%d", i);
                assert_int_equal(unit_of(graph, partition, name), i / most);
                assert_int_equal(unit_of(graph, partition, relu), i / most);
            }
            uwc_partition_destroy(&partition);
            assert_null(partition);
        }
        uwc_graph_destroy(&graph);
    }
}

/* stem, block (a b + shortcut), block (c d + shortcut), block with a projection (e f + p), head. */
static uwc_graph *resnet(void) {
    uwc_graph *graph = new_graph();
    int x = put_input(graph, "x", uwc_shape_4d(1, 3, 8, 8));
    int s = put_unary(graph, "stem_relu", UWC_OP_RELU, put_conv(graph, "stem", x, (conv_form){3, 4, 3, .pad = 1}));
    int a = put_unary(graph, "a_relu", UWC_OP_RELU, put_conv(graph, "a", s, (conv_form){4, 4, 3, .pad = 1}));
    int b = put_conv(graph, "b", a, (conv_form){4, 4, 3, .pad = 1});
    int s1 = put_unary(graph, "relu1", UWC_OP_RELU, put_binary(graph, "sum1", UWC_OP_ADD, b, s));
    int c = put_unary(graph, "c_relu", UWC_OP_RELU, put_conv(graph, "c", s1, (conv_form){4, 4, 3, .pad = 1}));
    int d = put_conv(graph, "d", c, (conv_form){4, 4, 3, .pad = 1});
    int s2 = put_unary(graph, "relu2", UWC_OP_RELU, put_binary(graph, "sum2", UWC_OP_ADD, d, s1));
    int p = put_conv(graph, "p", s2, (conv_form){4, 8, 1, .stride = 2});
    int e = put_unary(graph, "e_relu", UWC_OP_RELU, put_conv(graph, "e", s2, (conv_form){4, 8, 3, .stride = 2, .pad = 1}));
    int f = put_conv(graph, "f", e, (conv_form){8, 8, 3, .pad = 1});
    int s3 = put_unary(graph, "relu3", UWC_OP_RELU, put_binary(graph, "sum3", UWC_OP_ADD, f, p));
    return finished(graph, put_linear(graph, "head", put_pooled(graph, "flat", s3, 8), 8, 5));
}

static void residual_blocks_are_units(void **state) {
    (void)state;
    uwc_graph *graph = resnet();
    uwc_partition *partition = cut(graph, 3);
    check(graph, partition);
    static const char *const unit[][8] = {{"stem", "stem_relu", NULL},
                                          {"a", "a_relu", "b", "sum1", "relu1", NULL},
                                          {"c", "c_relu", "d", "sum2", "relu2", NULL},
                                          {"p", "e", "e_relu", "f", "sum3", "relu3", "flat", NULL},
                                          {"head", NULL}};
    assert_int_equal(partition->n_units, 5);
    for (int u = 0; u < 5; u++) {
        for (int i = 0; unit[u][i] != NULL; i++) {
            assert_int_equal(unit_of(graph, partition, unit[u][i]), u);
        }
        assert_int_equal(partition->unit[u].n_inputs, 1);
        assert_int_equal(partition->unit[u].n_outputs, 1);
    }
    assert_int_equal(partition->unit[3].n_layers, 3);
    assert_string_equal(graph->value[partition->unit[2].input[0]].name, "relu1");
    assert_string_equal(graph->value[partition->unit[2].output[0]].name, "relu2");
    uwc_partition_destroy(&partition);
    uwc_graph_destroy(&graph);
}

/* Blocks are never cut, whatever max_layers says, and never merged with their neighbours. */
static void blocks_are_neither_cut_nor_merged(void **state) {
    (void)state;
    uwc_graph *graph = resnet();
    for (int most = 1; most < 20; most += 9) {
        uwc_partition *partition = cut(graph, most);
        check(graph, partition);
        assert_int_equal(partition->n_units, 5);
        uwc_partition_destroy(&partition);
    }
    uwc_graph_destroy(&graph);
}

static void a_multiplication_joins_its_branches(void **state) {
    (void)state;
    uwc_graph *graph = new_graph(); /* squeeze and excite */
    int x = put_input(graph, "x", uwc_shape_4d(1, 3, 8, 8)), a = put_conv(graph, "a", x, (conv_form){3, 4, 3, .pad = 1});
    int mean = put_unary(graph, "mean", UWC_OP_GLOBAL_AVERAGE_POOL, a), s = put_conv(graph, "s", mean, (conv_form){4, 2, 1, .pad = 0});
    int e = put_unary(graph, "gate", UWC_OP_SIGMOID, put_conv(graph, "e", s, (conv_form){2, 4, 1, .pad = 0}));
    int scaled = put_binary(graph, "scaled", UWC_OP_MUL, a, e);
    finished(graph, put_conv(graph, "b", scaled, (conv_form){4, 4, 1, .pad = 0}));
    uwc_partition *partition = cut(graph, 3);
    check(graph, partition);
    assert_int_equal(partition->n_units, 3);
    static const char *const inside[] = {"mean", "s", "e", "gate", "scaled"};
    for (size_t i = 0; i < sizeof inside / sizeof inside[0]; i++) {
        assert_int_equal(unit_of(graph, partition, inside[i]), 1);
    }
    uwc_partition_destroy(&partition);
    uwc_graph_destroy(&graph);
}

static void nodes_without_weights_join_a_neighbour(void **state) {
    (void)state;
    uwc_graph *graph = new_graph();
    int x = put_input(graph, "x", uwc_shape_4d(1, 3, 8, 8));
    int clip = put_unary(graph, "clip", UWC_OP_CLIP, x), pooled = put_max_pool(graph, "first_pool", clip, 2, 2, 0);
    int a = put_conv(graph, "a", pooled, (conv_form){3, 4, 3, .pad = 1}), r = put_unary(graph, "r", UWC_OP_RELU, a);
    int pool = put_max_pool(graph, "pool", r, 2, 2, 0);
    int b = put_linear(graph, "b", put_pooled(graph, "flat", pool, 4), 4, 5);
    finished(graph, put_unary(graph, "soft", UWC_OP_SOFTMAX, b));
    uwc_partition *partition = cut(graph, 1);
    check(graph, partition);
    assert_int_equal(partition->n_units, 2);
    assert_int_equal(unit_of(graph, partition, "clip"), 0); /* nothing in front: it joins the layer behind */
    assert_int_equal(unit_of(graph, partition, "first_pool"), 0);
    assert_int_equal(unit_of(graph, partition, "pool"), 0);
    assert_int_equal(unit_of(graph, partition, "flat"), 0);
    assert_int_equal(unit_of(graph, partition, "soft"), 1);
    uwc_partition_destroy(&partition);
    uwc_graph_destroy(&graph);
}

/* Branches without weights: they join a layer, and no chain goes on through them. */
static void joins_without_weights_end_a_chain(void **state) {
    (void)state;
    uwc_graph *graph = new_graph();
    int x = put_input(graph, "x", uwc_shape_4d(1, 4, 6, 6));
    int first = put_binary(graph, "first", UWC_OP_ADD, put_unary(graph, "t", UWC_OP_TANH, x), x);
    int a = put_conv(graph, "a", first, (conv_form){4, 4, 3, .pad = 1}), b = put_conv(graph, "b", a, (conv_form){4, 4, 3, .pad = 1});
    int silu = put_binary(graph, "silu", UWC_OP_MUL, b, put_unary(graph, "gate", UWC_OP_SIGMOID, b));
    finished(graph, put_conv(graph, "c", silu, (conv_form){4, 4, 3, .pad = 1}));
    uwc_partition *partition = cut(graph, 9);
    check(graph, partition);
    assert_int_equal(partition->n_units, 3);
    assert_int_equal(unit_of(graph, partition, "first"), unit_of(graph, partition, "a"));
    assert_int_equal(unit_of(graph, partition, "silu"), unit_of(graph, partition, "b"));
    uwc_partition_destroy(&partition);
    uwc_graph_destroy(&graph);
}

static void inception_branches_are_one_unit(void **state) {
    (void)state;
    uwc_graph *graph = new_graph();
    uwc_op concat = uwc_op_make(UWC_OP_CONCAT);
    concat.axis = 1;
    int x = put_input(graph, "x", uwc_shape_4d(1, 3, 8, 8)), s = put_conv(graph, "s", x, (conv_form){3, 4, 3, .pad = 1});
    int b1 = put_conv(graph, "b1", s, (conv_form){4, 2, 1, .pad = 0});
    int b2 = put_conv(graph, "b2b", put_conv(graph, "b2a", s, (conv_form){4, 2, 1, .pad = 0}), (conv_form){2, 2, 3, .pad = 1});
    int b3 = put_conv(graph, "b3", put_max_pool(graph, "b3_pool", s, 3, 1, 1), (conv_form){4, 2, 1, .pad = 0});
    int all = put_op(graph, "all", &concat, (int[]){b1, b2, b3}, 3), relu = put_unary(graph, "relu", UWC_OP_RELU, all);
    finished(graph, put_conv(graph, "end", relu, (conv_form){6, 4, 1, .pad = 0}));
    uwc_partition *partition = cut(graph, 3);
    check(graph, partition);
    assert_int_equal(partition->n_units, 3);
    assert_int_equal(partition->unit[1].n_layers, 4);
    assert_int_equal(partition->unit[1].n_inputs, 1);
    uwc_partition_destroy(&partition);
    uwc_graph_destroy(&graph);
}

/* An auxiliary head: what lies behind the split belongs together, what lies in front is cut as ever. */
static void networks_with_several_outputs_are_cut(void **state) {
    (void)state;
    uwc_graph *graph = new_graph();
    int x = put_input(graph, "x", uwc_shape_4d(1, 3, 8, 8)), a = put_conv(graph, "a", x, (conv_form){3, 4, 3, .pad = 1});
    int b = put_conv(graph, "b", a, (conv_form){4, 4, 3, .pad = 1});
    int left = put_conv(graph, "left", b, (conv_form){4, 2, 1, .pad = 0});
    int right = put_conv(graph, "right", b, (conv_form){4, 3, 1, .pad = 0});
    must(uwc_graph_add_output(graph, left));
    finished(graph, right);
    uwc_partition *partition = cut(graph, 1);
    check(graph, partition);
    assert_int_equal(partition->n_units, 4); /* `left` is done where it ends: b alone crosses to `right` */
    uwc_partition_destroy(&partition);
    uwc_graph_destroy(&graph);
}

static void an_output_in_the_middle_does_not_keep_a_chain_together(void **state) {
    (void)state;
    uwc_graph *graph = chain(3);
    must(uwc_graph_add_output(graph, uwc_graph_find_value(graph, "r0")));
    must(uwc_graph_finish(graph));
    uwc_partition *partition = cut(graph, 3);
    check(graph, partition);
    assert_int_equal(partition->n_units, 1);
    assert_int_equal(partition->unit[0].n_outputs, 2);
    uwc_partition_destroy(&partition);
    partition = cut(graph, 1);
    check(graph, partition);
    assert_int_equal(partition->n_units, 3);
    assert_int_equal(partition->unit[0].n_outputs, 1);
    uwc_partition_destroy(&partition);
    uwc_graph_destroy(&graph);
}

/* The shortcut skips two blocks at once: one unit. */
static void crossing_shortcuts_hold_blocks_together(void **state) {
    (void)state;
    uwc_graph *graph = new_graph();
    int x = put_input(graph, "x", uwc_shape_4d(1, 4, 6, 6)), s = put_conv(graph, "s", x, (conv_form){4, 4, 3, .pad = 1});
    int a = put_conv(graph, "a", s, (conv_form){4, 4, 3, .pad = 1}), b = put_conv(graph, "b", a, (conv_form){4, 4, 3, .pad = 1});
    int sum = put_binary(graph, "sum", UWC_OP_ADD, b, s), c = put_conv(graph, "c", sum, (conv_form){4, 4, 3, .pad = 1});
    int far = put_binary(graph, "far", UWC_OP_ADD, c, a);
    finished(graph, put_conv(graph, "end", far, (conv_form){4, 2, 1, .pad = 0}));
    uwc_partition *partition = cut(graph, 3);
    check(graph, partition);
    assert_int_equal(partition->n_units, 3);
    assert_int_equal(unit_of(graph, partition, "a"), unit_of(graph, partition, "far"));
    uwc_partition_destroy(&partition);
    uwc_graph_destroy(&graph);
}

static void units_are_measured(void **state) {
    (void)state;
    uwc_graph *graph = chain(2);
    uwc_partition *partition = cut(graph, 3);
    const uwc_unit *unit = &partition->unit[0];
    assert_int_equal(unit->multiply_adds, 2 * 36 * 144);
    assert_int_equal(unit->parameters, 2 * (144 + 4));
    /* per layer: half a Gram matrix of 36 columns over 36 positions, and six passes */
    assert_true(fabs(unit->work - 2 * (36 * 36 * 36 / 2.0 + 6 * 36 * 144)) < 1);
    uwc_partition_destroy(&partition);
    uwc_graph_destroy(&graph);
}

static void units_are_named_after_what_their_layers_share(void **state) {
    (void)state;
    static const char *const layer[][2] = {
        {"layer1.0.conv1", "layer1.0.conv2"}, {"/features/3/a", "/features/3/b"}, {"alpha", "beta"}, {"conv1", "conv11"}};
    static const char *const wanted[] = {"layer1.0", "/features/3", "alpha", "conv1"};
    for (int i = 0; i < 4; i++) {
        uwc_graph *graph = new_graph();
        int x = put_input(graph, "x", uwc_shape_4d(1, 4, 6, 6)), a = put_conv(graph, layer[i][0], x, (conv_form){4, 4, 3, .pad = 1});
        finished(graph, put_conv(graph, layer[i][1], a, (conv_form){4, 4, 3, .pad = 1}));
        uwc_partition *partition = cut(graph, 3);
        assert_string_equal(partition->unit[0].name, wanted[i]);
        uwc_partition_destroy(&partition);
        uwc_graph_destroy(&graph);
    }
}

/* Layer k of a dense block reads all that was made before it; the last Concat is read alone. */
static uwc_graph *dense_block(int n) {
    uwc_graph *graph = new_graph();
    uwc_op concat = uwc_op_make(UWC_OP_CONCAT);
    concat.axis = 1;
    int made[8] = {put_conv(graph, "stem", put_input(graph, "x", uwc_shape_4d(1, 4, 6, 6)), (conv_form){4, 2, 3, .pad = 1})};
    for (int i = 0; i < n; i++) {
        char name[3][32];
        for (int k = 0; k < 3; k++) {
            snprintf(name[k], sizeof name[k], "dense%d/%c", i, 'a' + k);
        }
        int joined = i == 0 ? made[0] : put_op(graph, name[0], &concat, made, i + 1);
        made[i + 1] = put_conv(graph, name[2], put_conv(graph, name[1], joined, (conv_form){2 * (i + 1), 4, 1, .pad = 0}),
                               (conv_form){4, 2, 3, .pad = 1});
    }
    return finished(graph, put_conv(graph, "end", put_op(graph, "all", &concat, made, n + 1), (conv_form){2 * (n + 1), 3, 1, .pad = 0}));
}

static void a_layer_of_a_dense_block_is_a_unit(void **state) {
    (void)state;
    uwc_graph *graph = dense_block(4);
    uwc_partition *partition = cut(graph, 3);
    check(graph, partition);
    assert_int_equal(partition->n_units, 6);
    for (int i = 0; i < 4; i++) {
        const uwc_unit *unit = &partition->unit[i + 1];
        char name[32];
        snprintf(name, sizeof name, "dense%d", i);
        assert_string_equal(unit->name, name);
        assert_int_equal(unit->n_inputs, i + 1);
        assert_int_equal(unit->n_outputs, 1);
        assert_int_equal(unit->n_layers, 2);
    }
    assert_int_equal(unit_of(graph, partition, "all"), 4); /* without layers: with the unit in front of it */
    uwc_partition_destroy(&partition);
    uwc_graph_destroy(&graph);
}

/* An interaction that answers from a list and notes what it was asked. */
typedef struct oracle {
    double strength[16]; /* by the node that the second part begins with */
    int asked[8][3], n_asked, fails_at;
} oracle;

static uwc_status answer(void *self, int first, int split, int end, double *strength) {
    oracle *own = self;
    UWC_CHECK(own->n_asked != own->fails_at, UWC_E_INTERRUPTED, "stopped");
    memcpy(own->asked[own->n_asked++], (int[]){first, split, end}, sizeof own->asked[0]);
    *strength = own->strength[split];
    return UWC_OK;
}

/* Six convolutions in a row. */
static uwc_graph *six_layers(void) {
    uwc_graph *graph = new_graph();
    int x = put_input(graph, "x", uwc_shape_4d(1, 4, 6, 6));
    for (int i = 0; i < 6; i++) {
        char name[8];
        snprintf(name, sizeof name, "c%d", i);
        x = put_conv(graph, name, x, (conv_form){4, 4, 1, .pad = 0});
    }
    must(uwc_graph_add_output(graph, x));
    must(uwc_graph_finish(graph));
    return graph;
}

static void assert_asked(const oracle *own, int question, int first, int split, int end) {
    assert_memory_equal(own->asked[question], ((int[]){first, split, end}), 3 * sizeof(int));
}

/* Units of one layer; c1 joins c0, c2 would be the third of at most two layers, c3 does not want to, c5 joins c4. */
static void strong_neighbours_merge(void **state) {
    (void)state;
    uwc_graph *graph = six_layers();
    oracle own = {.strength = {0, 0.9, 0.9, UWC_STRONG_INTERACTION, 0.1, 0.21}, .fails_at = -1};
    uwc_partition *partition;
    must(uwc_partition_create_merged(graph, 1, &(uwc_interaction){&own, answer}, &partition));
    check(graph, partition);
    assert_int_equal(partition->n_units, 4);
    const int layers[] = {2, 1, 1, 2};
    for (int u = 0; u < 4; u++) {
        assert_int_equal(partition->unit[u].n_layers, layers[u]);
    }
    assert_int_equal(own.n_asked, 4);
    assert_asked(&own, 0, 0, 1, 2);
    assert_asked(&own, 1, 2, 3, 4);
    assert_asked(&own, 2, 3, 4, 5);
    assert_asked(&own, 3, 4, 5, 6);
    uwc_partition_destroy(&partition);
    own = (oracle){.strength = {0, 0, 0.9, 0, 0.9}, .fails_at = -1}; /* pairs of layers, and up to four together */
    must(uwc_partition_create_merged(graph, 2, &(uwc_interaction){&own, answer}, &partition));
    assert_int_equal(partition->n_units, 2);
    assert_int_equal(own.n_asked, 1);
    assert_asked(&own, 0, 0, 2, 4);
    uwc_partition_destroy(&partition);
    own = (oracle){.fails_at = 2};
    assert_int_equal(uwc_partition_create_merged(graph, 1, &(uwc_interaction){&own, answer}, &partition), UWC_E_INTERRUPTED);
    assert_null(partition);
    uwc_graph_destroy(&graph);
}

/* A layer of a dense block reads more than the one in front of it made, all but the first; the end reads the last Concat alone. */
static void units_with_other_inputs_stay_apart(void **state) {
    (void)state;
    uwc_graph *graph = dense_block(4);
    oracle own = {.fails_at = -1};
    uwc_partition *partition;
    must(uwc_partition_create_merged(graph, 3, &(uwc_interaction){&own, answer}, &partition));
    assert_int_equal(partition->n_units, 6);
    assert_int_equal(own.n_asked, 2);
    assert_asked(&own, 0, 0, 1, 3);
    assert_asked(&own, 1, partition->unit[4].node[0], graph->n_nodes - 1, graph->n_nodes);
    uwc_partition_destroy(&partition);
    uwc_graph_destroy(&graph);
}

static void cuts_make_the_same_units(void **state) {
    (void)state;
    uwc_graph *graph = six_layers();
    uwc_partition *partition = cut(graph, 2), *again;
    must(uwc_partition_create_cut(graph, (int[]){1, 3, 5}, 3, &again));
    assert_int_equal(again->n_units, partition->n_units);
    for (int u = 0; u < 3; u++) {
        const uwc_unit *a = &partition->unit[u], *b = &again->unit[u];
        assert_string_equal(a->name, b->name);
        assert_int_equal(a->n_layers, b->n_layers);
        assert_memory_equal(a->node, b->node, 2 * sizeof(int));
        assert_true(a->input[0] == b->input[0] && a->output[0] == b->output[0] && a->work == b->work);
    }
    uwc_partition_destroy(&partition);
    uwc_partition_destroy(&again);
    assert_int_equal(uwc_partition_create_cut(graph, (int[]){1, 3}, 2, &again), UWC_E_ARG);
    assert_int_equal(uwc_partition_create_cut(graph, (int[]){3, 1, 5}, 3, &again), UWC_E_ARG);
    assert_int_equal(uwc_partition_create_cut(graph, (int[]){-1, 5}, 2, &again), UWC_E_ARG);
    assert_int_equal(uwc_partition_create_cut(graph, NULL, 0, &again), UWC_E_ARG);
    uwc_graph_destroy(&graph);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chains_merge_up_to_a_number_of_layers),
        cmocka_unit_test(residual_blocks_are_units),
        cmocka_unit_test(blocks_are_neither_cut_nor_merged),
        cmocka_unit_test(a_multiplication_joins_its_branches),
        cmocka_unit_test(nodes_without_weights_join_a_neighbour),
        cmocka_unit_test(joins_without_weights_end_a_chain),
        cmocka_unit_test(inception_branches_are_one_unit),
        cmocka_unit_test(networks_with_several_outputs_are_cut),
        cmocka_unit_test(an_output_in_the_middle_does_not_keep_a_chain_together),
        cmocka_unit_test(crossing_shortcuts_hold_blocks_together),
        cmocka_unit_test(units_are_measured),
        cmocka_unit_test(units_are_named_after_what_their_layers_share),
        cmocka_unit_test(a_layer_of_a_dense_block_is_a_unit),
        cmocka_unit_test(strong_neighbours_merge),
        cmocka_unit_test(units_with_other_inputs_stay_apart),
        cmocka_unit_test(cuts_make_the_same_units),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
