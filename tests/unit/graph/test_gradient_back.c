#include "gradient_check.h"

/* The backward pass: against differences, and the same at any number of threads. */

typedef uwc_graph *(*builder)(void);

static const builder NETWORK[] = {chain_network, residual_network, branch_network, shared_network};
enum { NETWORKS = sizeof NETWORK / sizeof *NETWORK, FLOAT = 0, QUANTIZED = 1, ALL = 2, VARIANTS = 3 };

static uwc_graph *build(int network, int variant) {
    uwc_graph *graph = NETWORK[network]();
    return variant == FLOAT ? graph : check_quantizers(graph, variant == ALL);
}

/* drop NULL: none. */
static void check_network(int network, int variant, const uwc_drop *drop) {
    gradient_check c;
    check_open(&c, build(network, variant));
    uwc_gradient *g;
    must(uwc_gradient_create(c.graph, CHECK_IMAGES, true, &g));
    for (int twice = 0; twice < 2; twice++) { /* nothing is left over from the pass before */
        must(uwc_gradient_forward(g, (const uwc_tensor *[]){c.x}, drop));
        must(uwc_gradient_backward(g, (const uwc_tensor *const *)c.weight));
    }
    check_base(&c, drop == NULL ? NULL : g->kept);
    for (int i = 0; i < c.graph->n_outputs; i++) {
        assert_true(difference(c.base[c.graph->output[i]], uwc_gradient_value(g, c.graph->output[i])) < 1e-5);
    }
    check_all_gradients(&c, g, 1e-3);
    uwc_gradient_destroy(&g);
    check_close(&c);
}

static void gradients_are_differences(void **state) {
    (void)state;
    for (int i = 0; i < NETWORKS * VARIANTS; i++) {
        check_network(i / VARIANTS, i % VARIANTS, NULL);
    }
}

static void dropped_elements_pass_their_gradient(void **state) {
    (void)state;
    for (int network = 0; network < NETWORKS; network++) {
        check_network(network, QUANTIZED, &(uwc_drop){.part = 0.5, .seed = 1, .step = 7});
        check_network(network, ALL, &(uwc_drop){.part = 0.3, .seed = 2, .step = 8});
    }
}

/* Gradients exist by weights, biases and, where asked for, inputs; nothing depends on whether it was. */
static void gradients_of_inputs_are_extra(void **state) {
    (void)state;
    for (int network = 0; network < NETWORKS; network++) {
        gradient_check c;
        check_open(&c, build(network, QUANTIZED));
        uwc_gradient *g[2];
        for (int with = 0; with < 2; with++) {
            must(uwc_gradient_create(c.graph, CHECK_IMAGES, with, &g[with]));
            must(uwc_gradient_forward(g[with], (const uwc_tensor *[]){c.x}, NULL));
            must(uwc_gradient_backward(g[with], (const uwc_tensor *const *)c.weight));
        }
        for (int v = 0; v < c.graph->n_values; v++) {
            const uwc_tensor *without = uwc_gradient_by(g[0], v), *with = uwc_gradient_by(g[1], v);
            assert_true(uwc_gradient_by_scale(g[0], v) == uwc_gradient_by_scale(g[1], v));
            assert_true(uwc_gradient_by_zero(g[0], v) == uwc_gradient_by_zero(g[1], v));
            assert_true((without != NULL) == (c.graph->value[v].constant != NULL));
            assert_true((with != NULL) == (without != NULL || v == c.graph->input[0]));
            if (without != NULL) {
                assert_memory_equal(without->data, with->data, uwc_tensor_bytes(with));
            }
        }
        uwc_gradient_destroy(&g[0]);
        uwc_gradient_destroy(&g[1]);
        check_close(&c);
    }
}

/* By an input and a layer that reach no output: zeros. */
static void what_reaches_no_output_has_no_gradient(void **state) {
    (void)state;
    uwc_graph *whole = new_graph(), *graph;
    conv_form same = {CHECK_CHANNELS, CHECK_CHANNELS, 3, .pad = 1};
    int a = check_input(whole), b = put_unary(whole, "b", UWC_OP_RELU, a), y = put_conv(whole, "y", a, same);
    int sum = put_binary(whole, "sum", UWC_OP_ADD, y, put_conv(whole, "nowhere", b, same));
    check_quantizers(check_finish(whole, &sum, 1), false);
    must(uwc_graph_extract(whole, (int[]){1, 2}, 2, &y, 1, &graph));
    assert_int_equal(graph->n_inputs, 2);
    const int x = uwc_graph_find_value(graph, "x"), other = uwc_graph_find_value(graph, "b");
    uwc_tensor *in = random_images(graph->value[x].shape, 2, 5);
    uwc_gradient *g;
    must(uwc_gradient_create(graph, 2, true, &g));
    must(uwc_gradient_forward(g, (const uwc_tensor *[]){in, in}, NULL));
    must(uwc_gradient_backward(g, (const uwc_tensor *[]){in}));
    const int none[] = {other, uwc_graph_find_value(graph, "nowhere.weight"), uwc_graph_find_value(graph, "nowhere.bias")};
    for (int i = 0; i < 3; i++) {
        assert_non_null(uwc_gradient_by(g, none[i]));
        assert_true(largest_value(uwc_gradient_by(g, none[i])) == 0);
    }
    assert_true(uwc_gradient_by_scale(g, other) == 0 && uwc_gradient_by_scale(g, x) != 0);
    assert_true(largest_value(uwc_gradient_by(g, x)) > 0);
    uwc_gradient_destroy(&g);
    uwc_tensor_destroy(&in);
    uwc_graph_destroy(&graph);
    uwc_graph_destroy(&whole);
}

/* A batch in parts of one image gives what it gives as a whole. */
static void parts_add_up(void **state) {
    (void)state;
    for (int i = 0; i < NETWORKS * VARIANTS; i++) {
        gradient_check c;
        check_open(&c, build(i / VARIANTS, i % VARIANTS));
        uwc_gradient *whole, *parts;
        must(uwc_gradient_create(c.graph, CHECK_IMAGES, false, &whole));
        must(uwc_gradient_create(c.graph, 1, false, &parts));
        must(uwc_gradient_forward(whole, (const uwc_tensor *[]){c.x}, NULL));
        must(uwc_gradient_backward(whole, (const uwc_tensor *const *)c.weight));
        for (int64_t n = 0; n < CHECK_IMAGES; n++) {
            uwc_tensor x = uwc_tensor_images(c.x, n, 1), grad[CHECK_OUTPUTS];
            const uwc_tensor *grads[CHECK_OUTPUTS], *fed = &x;
            for (int k = 0; k < c.graph->n_outputs; k++) {
                grad[k] = uwc_tensor_images(c.weight[k], n, 1);
                grads[k] = &grad[k];
            }
            must(uwc_gradient_forward(parts, &fed, NULL));
            must(n == 0 ? uwc_gradient_backward(parts, grads) : uwc_gradient_backward_more(parts, grads));
        }
        for (int v = 0; v < c.graph->n_values; v++) {
            const uwc_tensor *a = uwc_gradient_by(whole, v), *b = uwc_gradient_by(parts, v);
            const double scale = uwc_gradient_by_scale(whole, v), zero = uwc_gradient_by_zero(whole, v);
            assert_true(a == NULL || difference(a, b) < 1e-4);
            assert_true(fabs(uwc_gradient_by_scale(parts, v) - scale) <= 1e-4 * (1 + fabs(scale)));
            assert_true(fabs(uwc_gradient_by_zero(parts, v) - zero) <= 1e-4 * (1 + fabs(zero)));
        }
        uwc_gradient_destroy(&whole);
        uwc_gradient_destroy(&parts);
        check_close(&c);
    }
}

/* All gradients of a large batch, one behind the other. */
static uwc_tensor *gather(uwc_graph *graph, int threads, const uwc_drop *drop) {
    enum { IMAGES = 48, MOST = 200000 };
    uwc_tensor *x = random_images(graph->value[graph->input[0]].shape, IMAGES, 5), *all, *grad[CHECK_OUTPUTS];
    uwc_ops_set_threads(threads);
    uwc_gradient *g;
    must(uwc_gradient_create(graph, IMAGES, true, &g));
    must(uwc_gradient_forward(g, (const uwc_tensor *[]){x}, drop));
    for (int i = 0; i < graph->n_outputs; i++) {
        grad[i] = random_images(graph->value[graph->output[i]].shape, IMAGES, 9 + (uint64_t)i);
    }
    must(uwc_gradient_backward(g, (const uwc_tensor *const *)grad));
    must(uwc_tensor_create(UWC_F32, uwc_shape_1d(MOST), UWC_PLAIN, &all));
    int64_t end = 0;
    for (int v = 0; v < graph->n_values; v++) {
        const uwc_tensor *by = uwc_gradient_by(g, v);
        const int64_t count = by == NULL ? 0 : uwc_shape_count(by->shape);
        assert_true(end + count + 4 <= MOST);
        if (by != NULL) {
            memcpy(all->f32 + end, by->f32, uwc_tensor_bytes(by));
        }
        const double steps[] = {uwc_gradient_by_scale(g, v), uwc_gradient_by_zero(g, v)};
        memcpy(all->f32 + end + count, steps, sizeof steps);
        end += count + 4;
    }
    for (int i = 0; i < graph->n_outputs; i++) {
        uwc_tensor_destroy(&grad[i]);
    }
    uwc_gradient_destroy(&g);
    uwc_tensor_destroy(&x);
    return all;
}

static void threads_change_nothing(void **state) {
    (void)state;
    for (int i = 0; i < NETWORKS * VARIANTS; i++) {
        uwc_graph *graph = build(i / VARIANTS, i % VARIANTS);
        const uwc_drop drop = {.part = 0.5, .seed = 1};
        uwc_tensor *one = gather(graph, 1, i % 2 == 0 ? NULL : &drop), *three = gather(graph, 3, i % 2 == 0 ? NULL : &drop);
        assert_memory_equal(one->data, three->data, uwc_tensor_bytes(one));
        uwc_tensor_destroy(&one);
        uwc_tensor_destroy(&three);
        uwc_graph_destroy(&graph);
    }
    uwc_ops_set_threads(2);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gradients_are_differences),     cmocka_unit_test(dropped_elements_pass_their_gradient),
        cmocka_unit_test(gradients_of_inputs_are_extra), cmocka_unit_test(what_reaches_no_output_has_no_gradient),
        cmocka_unit_test(threads_change_nothing),        cmocka_unit_test(parts_add_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
