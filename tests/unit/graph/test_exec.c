#include "graph_fixture.h"

/* Running: against an evaluation of every node by itself into memory of its own. */

enum { CHANNELS = 4, SIDE = 6, MOST_VALUES = 200 };

/* ---- random networks with branches ------------------------------------------------------------------------------------------- */

typedef struct garden {
    uwc_graph *graph;
    uint64_t seed, next;
    int live[MOST_VALUES], n_live;
} garden;

static int64_t roll(garden *own, int64_t bound) {
    return uwc_rng_below(own->seed, 7, own->next++, bound);
}

/* Recent values more often, so that there are chains and branches. */
static int pick(garden *own) {
    int64_t back = roll(own, 2) == 0 ? roll(own, own->n_live) : roll(own, own->n_live < 3 ? own->n_live : 3);
    return own->live[own->n_live - 1 - back];
}

static int grow_node(garden *own, const char *name) {
    static const uwc_op_kind unary[] = {UWC_OP_RELU, UWC_OP_CLIP, UWC_OP_TANH, UWC_OP_IDENTITY, UWC_OP_SIGMOID};
    char inner[32];
    snprintf(inner, sizeof inner, "%s_inner", name);
    uwc_op concat = uwc_op_make(UWC_OP_CONCAT);
    concat.axis = 1;
    int a = pick(own), b = pick(own);
    switch (roll(own, 9)) {
    case 0:
        return put_conv(own->graph, name, a, (conv_form){CHANNELS, CHANNELS, 3, .pad = 1});
    case 1:
        return put_conv(own->graph, name, a, (conv_form){CHANNELS, CHANNELS, 3, .pad = 1, .group = CHANNELS, .no_bias = true});
    case 2:
        return put_binary(own->graph, name, UWC_OP_ADD, a, b);
    case 3:
        return put_binary(own->graph, name, UWC_OP_SUB, a, b);
    case 4:
        return put_unary(own->graph, name, UWC_OP_TANH, put_binary(own->graph, inner, UWC_OP_MUL, a, b));
    case 5:
        return put_conv(own->graph, name, put_op(own->graph, inner, &concat, (int[]){a, b}, 2),
                        (conv_form){2 * CHANNELS, CHANNELS, 1, .pad = 0});
    case 6:
        return put_max_pool(own->graph, name, a, 3, 1, 1);
    default:
        return put_unary(own->graph, name, unary[roll(own, 5)], a);
    }
}

static uwc_graph *random_network(uint64_t seed, bool with_quantizers) {
    garden own = {.graph = new_graph(), .seed = seed};
    own.live[own.n_live++] = put_input(own.graph, "x", uwc_shape_4d(1, CHANNELS, SIDE, SIDE));
    int nodes = 6 + (int)roll(&own, 20);
    for (int i = 0; i < nodes; i++) {
        char name[16];
        snprintf(name, sizeof name, "n%d", i);
        own.live[own.n_live] = grow_node(&own, name);
        own.n_live++;
    }
    must(uwc_graph_add_output(own.graph, own.live[own.n_live - 1]));
    must(uwc_graph_finish(own.graph));
    for (int v = 0; with_quantizers && v < own.graph->n_values; v++) {
        if (own.graph->value[v].constant == NULL && roll(&own, 3) > 0) {
            own.graph->value[v].quantizer = (uwc_quantizer){.bits = 4, .scale = 0.1f + 0.02f * (float)roll(&own, 5), .zero = 6};
        }
    }
    own.graph->quantize_all = with_quantizers && roll(&own, 3) == 0;
    return own.graph;
}

/* ---- evaluation without any sharing of memory ----------------------------------------------------------------------------------- */

typedef struct bed {
    uwc_tensor *value[MOST_VALUES];
} bed;

static void clear_bed(bed *own, const uwc_graph *graph) {
    for (int v = 0; v < graph->n_values; v++) {
        uwc_tensor_destroy(&own->value[v]);
    }
}

static uwc_tensor *read_edge(const uwc_graph *graph, const bed *own, int node, int k) {
    const uwc_value *value = &graph->value[graph->node[node].in[k]];
    uwc_tensor *copy;
    must(uwc_tensor_copy(own->value[graph->node[node].in[k]], &copy));
    bool acts = graph->quantize_all || (k == 0 && uwc_op_is_weighted(graph->node[node].op.kind));
    for (int64_t i = 0; acts && value->quantizer.bits > 0 && i < uwc_shape_count(copy->shape); i++) {
        float level = rintf(copy->f32[i] / value->quantizer.scale), zero = (float)value->quantizer.zero;
        level = fminf(fmaxf(level, -zero), (float)((1 << value->quantizer.bits) - 1) - zero);
        copy->f32[i] = value->quantizer.scale * level;
    }
    return copy;
}

static void run_alone(const uwc_graph *graph, bed *own, int index, int64_t images, uwc_backend backend) {
    const uwc_node *node = &graph->node[index];
    const uwc_tensor *constant[8] = {NULL}, *in[8] = {NULL};
    uwc_tensor *edge[8] = {NULL};
    uwc_shape shape[8], out = uwc_shape_batch(graph->value[node->out].shape, images);
    for (int k = 0; k < node->n_in; k++) {
        const uwc_value *value = &graph->value[node->in[k]];
        constant[k] = value->constant;
        shape[k] = value->constant != NULL ? value->shape : uwc_shape_batch(value->shape, images);
        in[k] = edge[k] = value->constant != NULL ? NULL : read_edge(graph, own, index, k);
    }
    uwc_kernel *kernel;
    must(uwc_kernel_create(&node->op, shape, constant, node->n_in, out, backend, &kernel));
    must(uwc_tensor_activation(out, &own->value[node->out]));
    must(uwc_kernel_run(kernel, in, own->value[node->out]));
    uwc_kernel_destroy(&kernel);
    for (int k = 0; k < node->n_in; k++) {
        uwc_tensor_destroy(&edge[k]);
    }
}

/* All activations for the given ones (values that are set in `own` already are kept). */
static void evaluate_alone(const uwc_graph *graph, bed *own, int64_t images, uwc_backend backend) {
    assert_true(graph->n_values <= MOST_VALUES);
    for (int i = 0; i < graph->n_nodes; i++) {
        if (own->value[graph->node[i].out] == NULL) {
            run_alone(graph, own, i, images, backend);
        }
    }
}

static bed planted(const uwc_graph *graph, int64_t images, uint64_t seed, uwc_backend backend) {
    bed own = {{NULL}};
    own.value[graph->input[0]] = random_images(graph->value[graph->input[0]].shape, images, seed);
    evaluate_alone(graph, &own, images, backend);
    return own;
}

static void assert_same(const uwc_tensor *a, const uwc_tensor *b) {
    assert_true(uwc_shape_equal(a->shape, b->shape));
    assert_true(a->layout == b->layout);
    for (int64_t i = 0; i < uwc_shape_count(a->shape); i++) {
        assert_true(a->f32[i] == b->f32[i]);
    }
}

/* ---- tests --------------------------------------------------------------------------------------------------------------------- */

/* Fetching the output alone lets every element-wise operator write over its input; nothing that is read later may suffer. */
static void networks_give_what_their_nodes_give(void **state) {
    (void)state;
    for (uint64_t seed = 0; seed < 120; seed++) {
        uwc_backend backend = seed % 2 == 0 ? UWC_BACKEND_FAST : UWC_BACKEND_REFERENCE;
        uwc_graph *graph = random_network(seed, seed % 3 != 0);
        bed wanted = planted(graph, 2, seed, backend);
        uwc_tensor *got = evaluate(graph, graph->output[0], wanted.value[graph->input[0]], backend);
        assert_same(got, wanted.value[graph->output[0]]);
        uwc_tensor_destroy(&got);
        clear_bed(&wanted, graph);
        uwc_graph_destroy(&graph);
    }
}

static void backends_agree_on_networks(void **state) {
    (void)state;
    for (uint64_t seed = 1000; seed < 1040; seed++) {
        uwc_graph *graph = random_network(seed, false);
        uwc_tensor *x = random_images(graph->value[graph->input[0]].shape, 3, seed);
        uwc_tensor *fast = evaluate(graph, graph->output[0], x, UWC_BACKEND_FAST);
        uwc_tensor *reference = evaluate(graph, graph->output[0], x, UWC_BACKEND_REFERENCE);
        assert_true(difference(reference, fast) < 1e-4);
        uwc_tensor_destroy(&x);
        uwc_tensor_destroy(&fast);
        uwc_tensor_destroy(&reference);
        uwc_graph_destroy(&graph);
    }
}

/* Several values at once, in any order, one of them twice; they stay whole until the run is over. */
static void several_values_are_fetched(void **state) {
    (void)state;
    for (uint64_t seed = 0; seed < 60; seed++) {
        uwc_graph *graph = random_network(seed, seed % 2 == 0);
        bed wanted = planted(graph, 2, seed, UWC_BACKEND_FAST);
        const uwc_tensor *x = wanted.value[graph->input[0]], *got[5];
        int fetch[5];
        for (int i = 0; i < 4; i++) {
            fetch[i] = graph->node[uwc_rng_below(seed, 3, (uint64_t)i, graph->n_nodes)].out;
        }
        fetch[4] = fetch[0];
        uwc_exec *exec;
        must(uwc_exec_create(graph, 2, UWC_BACKEND_FAST, &exec));
        must(uwc_exec_run(exec, 2, graph->input, &x, 1, fetch, 5, got));
        for (int i = 0; i < 5; i++) {
            assert_same(got[i], wanted.value[fetch[i]]);
        }
        uwc_exec_destroy(&exec);
        clear_bed(&wanted, graph);
        uwc_graph_destroy(&graph);
    }
}

/* A value that is fed is taken as it is, what lies in front of it does not run, and what is fed is not written over. */
static void values_are_fed_in_the_middle(void **state) {
    (void)state;
    for (uint64_t seed = 0; seed < 80; seed++) {
        uwc_graph *graph = random_network(seed, seed % 2 == 0);
        int middle = graph->node[uwc_rng_below(seed, 3, 0, graph->n_nodes)].out, out = graph->output[0];
        bed wanted = {{NULL}};
        wanted.value[graph->input[0]] = random_images(graph->value[graph->input[0]].shape, 2, seed);
        wanted.value[middle] = random_images(graph->value[middle].shape, 2, seed + 1); /* not what the network would give */
        evaluate_alone(graph, &wanted, 2, UWC_BACKEND_FAST);
        uwc_tensor *fed[2];
        must(uwc_tensor_copy(wanted.value[graph->input[0]], &fed[0]));
        must(uwc_tensor_copy(wanted.value[middle], &fed[1]));
        uwc_exec *exec;
        const uwc_tensor *got;
        must(uwc_exec_create(graph, 2, UWC_BACKEND_FAST, &exec));
        must(uwc_exec_run(exec, 2, (int[]){graph->input[0], middle}, (const uwc_tensor *[]){fed[0], fed[1]}, 2, &out, 1, &got));
        assert_same(got, wanted.value[out]);
        assert_same(fed[0], wanted.value[graph->input[0]]);
        assert_same(fed[1], wanted.value[middle]);
        uwc_exec_destroy(&exec);
        uwc_tensor_destroy(&fed[0]);
        uwc_tensor_destroy(&fed[1]);
        clear_bed(&wanted, graph);
        uwc_graph_destroy(&graph);
    }
}

/* Remainders, more sizes than are kept, and the full batch again. */
static void batches_of_any_size_run(void **state) {
    (void)state;
    static const int64_t images[] = {7, 3, 7, 1, 2, 4, 5, 6, 7, 1};
    uwc_graph *graph = random_network(5, true);
    uwc_exec *exec;
    must(uwc_exec_create(graph, 7, UWC_BACKEND_FAST, &exec));
    for (size_t i = 0; i < sizeof images / sizeof images[0]; i++) {
        bed wanted = planted(graph, images[i], i, UWC_BACKEND_FAST);
        const uwc_tensor *x = wanted.value[graph->input[0]], *got;
        must(uwc_exec_run(exec, images[i], graph->input, &x, 1, graph->output, 1, &got));
        assert_same(got, wanted.value[graph->output[0]]);
        clear_bed(&wanted, graph);
    }
    uwc_exec_destroy(&exec);
    uwc_graph_destroy(&graph);
}

/* One value, three readers: the layer sees the lattice, the sum and the network's output see the value itself. */
static void quantizers_act_on_edges_into_layers_only(void **state) {
    (void)state;
    uwc_graph *graph = new_graph();
    int x = put_input(graph, "x", uwc_shape_2d(1, 3));
    uwc_op linear = uwc_op_make(UWC_OP_LINEAR);
    int one = put_constant(graph, "one", uwc_shape_2d(3, 3), 0);
    for (int i = 0; i < 3; i++) {
        graph->value[one].constant->f32[4 * i] = 1;
    }
    int copy = put_op(graph, "copy", &linear, (int[]){x, one}, 2), sum = put_binary(graph, "sum", UWC_OP_ADD, x, copy);
    must(uwc_graph_add_output(graph, sum));
    must(uwc_graph_finish(graph));
    graph->value[x].quantizer = (uwc_quantizer){2, 1.0f, 1}; /* -1 0 1 2 */
    graph->value[copy].quantizer = (uwc_quantizer){2, 100.0f, 0};
    float data[] = {0.75f, -3, 9}, wanted_copy[] = {1, -1, 2}, wanted_sum[] = {1.75f, -4, 11};
    uwc_tensor input = uwc_tensor_view(UWC_F32, uwc_shape_2d(1, 3), UWC_PLAIN, data);
    uwc_tensor *got = evaluate(graph, copy, &input, UWC_BACKEND_FAST);
    assert_memory_equal(got->f32, wanted_copy, sizeof wanted_copy);
    uwc_tensor_destroy(&got);
    got = evaluate(graph, sum, &input, UWC_BACKEND_FAST);
    assert_memory_equal(got->f32, wanted_sum, sizeof wanted_sum);
    uwc_tensor_destroy(&got);
    got = evaluate(graph, x, &input, UWC_BACKEND_FAST);
    assert_memory_equal(got->f32, data, sizeof data);
    uwc_tensor_destroy(&got);
    graph->quantize_all = true; /* now the sum reads lattices too: x -> 1 -1 2, copy -> 0 0 0 */
    got = evaluate(graph, sum, &input, UWC_BACKEND_FAST);
    assert_memory_equal(got->f32, wanted_copy, sizeof wanted_copy);
    uwc_tensor_destroy(&got);
    uwc_graph_destroy(&graph);
}

static void fill_weights(uwc_weights *weights) {
    for (int64_t r = 0; r < weights->rows; r++) {
        weights->scale[r] = 0.1f;
    }
    for (int64_t i = 0; i < weights->rows * weights->cols; i++) {
        weights->q[i] = (int8_t)(i % 16 - 8);
    }
}

/* Also where a layer is given a bias that it did not have. */
static void refresh_takes_over_new_weights(void **state) {
    (void)state;
    static const bool no_bias[] = {false, true};
    for (int form = 0; form < 2; form++) {
        uwc_graph *graph = new_graph();
        int x = put_input(graph, "x", uwc_shape_4d(1, 3, 6, 6));
        int a = put_conv(graph, "a", x, (conv_form){3, 4, 3, .no_bias = no_bias[form]});
        int b = put_conv(graph, "b", put_unary(graph, "r", UWC_OP_RELU, a), (conv_form){4, 2, 1, .pad = 0});
        must(uwc_graph_add_output(graph, b));
        must(uwc_graph_finish(graph));
        graph->value[x].quantizer = (uwc_quantizer){4, 0.3f, 7};
        uwc_exec *exec;
        uwc_tensor *image = random_images(graph->value[x].shape, 2, 1);
        const uwc_tensor *fed = image, *got;
        must(uwc_exec_create(graph, 2, UWC_BACKEND_FAST, &exec));
        must(uwc_exec_run(exec, 2, &x, &fed, 1, &b, 1, &got));
        uwc_weights *weights;
        must(uwc_weights_create(4, 4, 27, &weights));
        fill_weights(weights);
        must(uwc_graph_set_quantized(graph, 0, weights, (float[]){1, 2, 3, 4}));
        graph->value[x].quantizer.scale = 0.2f;
        must(uwc_exec_refresh(exec, 0));
        must(uwc_exec_run(exec, 2, &x, &fed, 1, &b, 1, &got));
        uwc_tensor *wanted = evaluate(graph, b, image, UWC_BACKEND_FAST);
        assert_same(got, wanted);
        must_fail(uwc_exec_refresh(exec, 3), UWC_E_ARG, "node 3 of 3");
        must(uwc_exec_refresh(exec, -1));
        must(uwc_exec_run(exec, 2, &x, &fed, 1, &b, 1, &got));
        assert_same(got, wanted);
        uwc_tensor_destroy(&wanted);
        uwc_tensor_destroy(&image);
        uwc_weights_destroy(&weights);
        uwc_exec_destroy(&exec);
        uwc_graph_destroy(&graph);
    }
}

static void what_cannot_run_is_refused(void **state) {
    (void)state;
    uwc_graph *graph = random_network(2, false);
    uwc_exec *exec;
    must_fail(uwc_exec_create(graph, 0, UWC_BACKEND_FAST, &exec), UWC_E_ARG, "batch of 0");
    assert_null(exec);
    must(uwc_exec_create(graph, 2, UWC_BACKEND_FAST, &exec));
    uwc_tensor *image = random_images(graph->value[graph->input[0]].shape, 3, 1);
    uwc_tensor two = uwc_tensor_images(image, 0, 2), plain = two;
    plain.layout = UWC_PLAIN;
    const uwc_tensor *fed = image, *got;
    int out = graph->output[0], constant = graph->node[0].op.kind == UWC_OP_CONV ? graph->node[0].in[1] : -1;
    must_fail(uwc_exec_run(exec, 3, graph->input, &fed, 1, &out, 1, &got), UWC_E_ARG, "3 images");
    must_fail(uwc_exec_run(exec, 0, graph->input, &fed, 1, &out, 1, &got), UWC_E_ARG, "0 images");
    must_fail(uwc_exec_run(exec, 2, graph->input, &fed, 1, &out, 1, &got), UWC_E_SHAPE, "value x: fed [3,4,6,6], expected [2,4,6,6]");
    fed = &plain;
    must_fail(uwc_exec_run(exec, 2, graph->input, &fed, 1, &out, 1, &got), UWC_E_SHAPE, "value x");
    must_fail(uwc_exec_run(exec, 2, NULL, NULL, 0, &out, 1, &got), UWC_E_ARG, "value x is needed");
    fed = &two;
    if (constant >= 0) {
        must_fail(uwc_exec_run(exec, 2, graph->input, &fed, 1, &constant, 1, &got), UWC_E_ARG, "is needed");
    }
    must(uwc_exec_run(exec, 2, graph->input, &fed, 1, &out, 1, &got)); /* still usable */
    uwc_tensor_destroy(&image);
    uwc_exec_destroy(&exec);
    uwc_exec_destroy(&exec);
    uwc_graph_destroy(&graph);
}

/* A dry executor is right where it makes the buffers of a real one, over any sequence of runs. */
static void dry_runs_need_what_real_ones_make(void **state) {
    (void)state;
    for (uint64_t seed = 0; seed < 60; seed++) {
        bool quantized = seed % 2 == 0;
        uwc_graph *graph = random_network(seed, quantized);
        for (int v = 0; v < graph->n_values; v++) {
            graph->value[v].activation_bits = graph->value[v].quantizer.bits;
        }
        uwc_exec *real, *dry;
        uwc_tensor *x = random_images(graph->value[graph->input[0]].shape, 5, seed);
        must(uwc_exec_create(graph, 5, UWC_BACKEND_FAST, &real));
        must(uwc_exec_create_dry(graph, 5, quantized, &dry));
        for (int run = 0; run < 6; run++) {
            int64_t images = 1 + uwc_rng_below(seed, 4, (uint64_t)run, 5);
            uwc_tensor part = uwc_tensor_images(x, 0, images);
            const uwc_tensor *fed = &part, *got[2];
            int fetch[2];
            for (int i = 0; i < 2; i++) {
                fetch[i] = graph->node[uwc_rng_below(seed, 5, (uint64_t)(2 * run + i), graph->n_nodes)].out;
            }
            must(uwc_exec_run(real, images, graph->input, &fed, 1, fetch, 2, got));
            must(uwc_exec_run_dry(dry, images, graph->input, 1, fetch, 2));
            assert_true(uwc_exec_bytes(real) > 0);
            assert_int_equal(uwc_exec_bytes(dry), uwc_exec_bytes(real));
        }
        uwc_exec_destroy(&real);
        uwc_exec_destroy(&dry);
        uwc_tensor_destroy(&x);
        uwc_graph_destroy(&graph);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(networks_give_what_their_nodes_give),
        cmocka_unit_test(backends_agree_on_networks),
        cmocka_unit_test(several_values_are_fetched),
        cmocka_unit_test(values_are_fed_in_the_middle),
        cmocka_unit_test(batches_of_any_size_run),
        cmocka_unit_test(quantizers_act_on_edges_into_layers_only),
        cmocka_unit_test(refresh_takes_over_new_weights),
        cmocka_unit_test(what_cannot_run_is_refused),
        cmocka_unit_test(dry_runs_need_what_real_ones_make),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
