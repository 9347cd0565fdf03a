#include "gradient_check.h"

#include <malloc.h>

/* The forward pass of gradients, their memory. */

typedef uwc_graph *(*builder)(void);

static const builder NETWORK[] = {chain_network, residual_network, branch_network, shared_network};
enum { NETWORKS = sizeof NETWORK / sizeof *NETWORK };

/* The variants of a network: float, quantized, all edges quantized. */
static uwc_graph *build(int network, int variant) {
    uwc_graph *graph = NETWORK[network]();
    return variant == 0 ? graph : check_quantizers(graph, variant == 2);
}

static void assert_same(const uwc_tensor *a, const uwc_tensor *b) {
    assert_true(uwc_shape_equal(a->shape, b->shape) && a->layout == b->layout);
    assert_memory_equal(a->data, b->data, uwc_tensor_bytes(a));
}

/* Bit for bit what the executor gives; what a Relu or Clip has written over is not to be had. */
static void values_are_those_of_the_executor(void **state) {
    (void)state;
    for (int n = 0; n < 3 * NETWORKS; n++) {
        uwc_graph *graph = build(n / 3, n % 3);
        const uwc_tensor *x = random_images(graph->value[graph->input[0]].shape, CHECK_IMAGES, 5);
        uwc_gradient *g;
        must(uwc_gradient_create(graph, CHECK_IMAGES, true, &g));
        int hidden = 0;
        for (int twice = 0; twice < 2; twice++) {
            must(uwc_gradient_forward(g, &x, NULL));
            for (int v = 0; v < graph->n_values; v++) {
                const uwc_tensor *got = uwc_gradient_value(g, v);
                if (graph->value[v].constant == NULL && got != NULL) {
                    uwc_tensor *expected = evaluate(graph, v, x, UWC_BACKEND_FAST);
                    assert_same(got, expected);
                    uwc_tensor_destroy(&expected);
                }
                hidden += got == NULL;
            }
        }
        const bool chain = n / 3 == 0;
        assert_int_equal(hidden, n % 3 == 2 ? 0 : chain ? 4 : n / 3 == 1 || n / 3 == 3 ? 2 : 0);
        uwc_gradient_destroy(&g);
        uwc_tensor_destroy((uwc_tensor **)&x);
        uwc_graph_destroy(&graph);
    }
}

/* Weights, biases and quantizers may change between passes. */
static void the_forward_pass_takes_over_changes(void **state) {
    (void)state;
    uwc_graph *graph = build(0, 1);
    const int y = graph->output[0];
    const uwc_tensor *x = random_images(graph->value[graph->input[0]].shape, CHECK_IMAGES, 5);
    uwc_gradient *g;
    must(uwc_gradient_create(graph, CHECK_IMAGES, false, &g));
    must(uwc_gradient_forward(g, &x, NULL));
    uwc_tensor *before;
    must(uwc_tensor_copy(uwc_gradient_value(g, y), &before));
    const char *changed[] = {"a.weight", "b.bias", "c.weight"};
    for (int i = 0; i < 4; i++) {
        if (i < 3) {
            graph->value[uwc_graph_find_value(graph, changed[i])].constant->f32[1] += 0.5f;
        } else {
            graph->value[uwc_graph_find_value(graph, "a.relu")].quantizer.scale *= 1.5f;
        }
        must(uwc_gradient_forward(g, &x, NULL));
        uwc_tensor *expected = evaluate(graph, y, x, UWC_BACKEND_FAST);
        assert_same(uwc_gradient_value(g, y), expected);
        assert_true(difference(before, expected) > 1e-3);
        memcpy(before->f32, expected->f32, uwc_tensor_bytes(before));
        uwc_tensor_destroy(&expected);
    }
    uwc_tensor_destroy(&before);
    uwc_gradient_destroy(&g);
    uwc_tensor_destroy((uwc_tensor **)&x);
    uwc_graph_destroy(&graph);
}

/* About half, within five standard deviations. */
static void assert_half(int64_t n, int64_t of) {
    assert_true(fabs((double)n - 0.5 * (double)of) < 5 * sqrt(0.25 * (double)of));
}

static int64_t count_equal(const uint8_t *a, const uint8_t *b, int64_t count) {
    int64_t n = 0;
    for (int64_t i = 0; i < count; i++) {
        n += a[i] == b[i];
    }
    return n;
}

/* What a weighted node reads: kept elements as they are, the others quantized; other ones in every step and value. */
static void dropped_elements_are_float(void **state) {
    (void)state;
    uwc_graph *graph = build(1, 1);
    const int r = uwc_graph_find_value(graph, "r");
    const uwc_tensor *x = random_images(graph->value[graph->input[0]].shape, CHECK_IMAGES, 5);
    uwc_gradient *g;
    must(uwc_gradient_create(graph, CHECK_IMAGES, false, &g));
    const int64_t count = uwc_shape_count(x->shape);
    uint8_t previous[1000], all[1000];
    memset(all, 1, sizeof all);
    assert_true(count <= 1000);
    for (uint64_t step = 0; step < 4; step++) {
        must(uwc_gradient_forward(g, &x, &(uwc_drop){.part = 0.5, .seed = 3, .step = step}));
        const float *raw = uwc_gradient_value(g, r)->f32, *edge = g->slot[graph->n_values + r].f32;
        for (int64_t i = 0; i < count; i++) {
            float quantized;
            uwc_quantizer_apply(&graph->value[r].quantizer, &raw[i], 1, &quantized);
            assert_true(edge[i] == (g->kept[r][i] != 0 ? raw[i] : quantized));
        }
        assert_half(count_equal(g->kept[r], all, count), count);
        assert_half(count_equal(g->kept[r], g->kept[graph->input[0]], count), count);
        if (step > 0) {
            assert_half(count_equal(g->kept[r], previous, count), count);
        }
        memcpy(previous, g->kept[r], (size_t)count);
    }
    uwc_gradient_destroy(&g);
    uwc_tensor_destroy((uwc_tensor **)&x);
    uwc_graph_destroy(&graph);
}

static void errors_are_told(void **state) {
    (void)state;
    uwc_graph *graph = chain_network();
    uwc_gradient *g;
    assert_true(uwc_gradient_exists(graph));
    assert_int_equal(uwc_gradient_create(graph, 0, false, &g), UWC_E_ARG);
    must(uwc_gradient_create(graph, 2, false, &g));
    const uwc_tensor *x = random_images(graph->value[graph->input[0]].shape, 3, 5);
    must_fail(uwc_gradient_forward(g, &x, NULL), UWC_E_SHAPE, "value x");
    uwc_tensor *two;
    must(uwc_tensor_activation(uwc_shape_batch(x->shape, 2), &two));
    must(uwc_gradient_forward(g, (const uwc_tensor *[]){two}, NULL));
    must_fail(uwc_gradient_backward(g, &x), UWC_E_SHAPE, "gradient by c");
    uwc_gradient_destroy(&g);
    uwc_tensor_destroy(&two);
    uwc_tensor_destroy((uwc_tensor **)&x);
    uwc_graph_destroy(&graph);

    graph = new_graph();
    int soft = put_unary(graph, "soft", UWC_OP_SOFTMAX, put_input(graph, "x", uwc_shape_2d(1, 4)));
    check_finish(graph, &soft, 1);
    assert_false(uwc_gradient_exists(graph));
    must_fail(uwc_gradient_create(graph, 2, false, &g), UWC_E_UNSUPPORTED, "node soft");
    uwc_graph_destroy(&graph);
}

/* x -> a -> relu -> b, all of 4 x 8 x 8 elements. Kept: a under the Relu, b, the lattices of x and of the Relu with their masks. Gradients:
 * that by b and that by the lattice of the Relu, then that by the Relu in the first's place, by a in the second's, by the lattice of x in
 * the first's. */
static void bytes_of_a_chain_are_known(void **state) {
    (void)state;
    uwc_graph *graph = new_graph();
    int a = put_conv(graph, "a", put_input(graph, "x", uwc_shape_4d(1, 4, 8, 8)), (conv_form){4, 4, 3, .pad = 1});
    int b = put_conv(graph, "b", put_unary(graph, "r", UWC_OP_RELU, a), (conv_form){4, 4, 3, .pad = 1});
    check_finish(graph, &b, 1);
    const int64_t one = 3 * 4 * 8 * 8, parameters = 2 * (4 * 4 * 9 + 4) * (int64_t)sizeof(float);
    int64_t bytes;
    must(uwc_gradient_bytes(graph, 3, &bytes));
    assert_int_equal(bytes, parameters + (2 + 2) * one * (int64_t)sizeof(float));
    must(uwc_graph_assign_bits(graph, &(uwc_bits){4, 4, 8, false, false})); /* the quantizers themselves are still to come */
    must(uwc_gradient_bytes(graph, 3, &bytes));
    assert_int_equal(bytes, parameters + (4 + 2) * one * (int64_t)sizeof(float) + 2 * one);
    uwc_graph_destroy(&graph);
}

/* A block with large activations and operators that take little for themselves, after two passes with drops: by what the heap grew. */
static void bytes_are_what_is_taken(void **state) {
    (void)state;
#ifdef __SANITIZE_ADDRESS__
    skip(); /* its allocator does not count */
#endif
    enum { IMAGES = 24, SIDE = 40 };
    uwc_graph *graph = new_graph();
    conv_form same = {8, 8, 1, .pad = 0};
    int x = put_input(graph, "x", uwc_shape_4d(1, 8, SIDE, SIDE));
    int r = put_unary(graph, "r", UWC_OP_RELU, put_conv(graph, "a", x, same));
    int d = put_unary(graph, "d", UWC_OP_CLIP, put_conv(graph, "dw", r, (conv_form){8, 8, 3, .pad = 1, .group = 8}));
    int y = put_binary(graph, "y", UWC_OP_ADD, put_conv(graph, "b", d, same), x);
    check_quantizers(check_finish(graph, &y, 1), false);
    const uwc_tensor *in = random_images(graph->value[x].shape, IMAGES, 5), *out = random_images(graph->value[y].shape, IMAGES, 6);
    int64_t bytes;
    must(uwc_gradient_bytes(graph, IMAGES, &bytes));
    const struct mallinfo2 before = mallinfo2();
    uwc_gradient *g;
    must(uwc_gradient_create(graph, IMAGES, false, &g));
    for (uint64_t step = 0; step < 2; step++) {
        must(uwc_gradient_forward(g, &in, &(uwc_drop){.part = 0.5, .step = step}));
        must(uwc_gradient_backward(g, &out));
    }
    const struct mallinfo2 after = mallinfo2();
    const double taken = (double)(after.uordblks + after.hblkhd) - (double)(before.uordblks + before.hblkhd);
    if (!(taken >= 0.8 * (double)bytes && taken <= 1.2 * (double)bytes)) {
        fail_msg("%g bytes taken, %lld counted", taken, (long long)bytes);
    }
    assert_int_equal(g->bytes, bytes);
    uwc_gradient_destroy(&g);
    uwc_tensor_destroy((uwc_tensor **)&in);
    uwc_tensor_destroy((uwc_tensor **)&out);
    uwc_graph_destroy(&graph);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_are_those_of_the_executor), cmocka_unit_test(the_forward_pass_takes_over_changes),
        cmocka_unit_test(dropped_elements_are_float),       cmocka_unit_test(errors_are_told),
        cmocka_unit_test(bytes_of_a_chain_are_known),       cmocka_unit_test(bytes_are_what_is_taken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
