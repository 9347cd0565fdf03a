#include "graph_fixture.h"

/* The hash sees everything that decides about results. */

static uwc_graph *sample(void) {
    uwc_graph *graph = new_graph();
    int x = put_input(graph, "x", uwc_shape_4d(1, 3, 6, 6)), a = put_conv(graph, "a", x, (conv_form){3, 4, 3, .pad = 1});
    int b = put_conv(graph, "b", x, (conv_form){3, 4, 3, .pad = 1}), sum = put_binary(graph, "sum", UWC_OP_SUB, a, b);
    must(uwc_graph_add_output(graph, sum));
    must(uwc_graph_finish(graph));
    uwc_weights *weights;
    must(uwc_weights_create(4, 4, 27, &weights));
    weights->scale[0] = weights->scale[1] = weights->scale[2] = weights->scale[3] = 0.1f;
    must(uwc_graph_set_quantized(graph, 0, weights, (float[]){1, 2, 3, 4}));
    uwc_weights_destroy(&weights);
    return graph;
}

static uint64_t hash_of(const uwc_graph *graph) {
    uint64_t hash;
    must(uwc_graph_hash(graph, &hash));
    return hash;
}

static void equal_networks_have_equal_hashes(void **state) {
    (void)state;
    uwc_graph *one = sample(), *two = sample();
    assert_true(hash_of(one) == hash_of(two));
    assert_true(hash_of(one) == hash_of(one));
    uwc_graph_destroy(&one);
    uwc_graph_destroy(&two);
}

/* Every field of the operator's attributes, one after the other. */
#define FOR_EACH_ATTRIBUTE(X)                                                                                                              \
    X(kernel[0])                                                                                                                           \
    X(kernel[1])                                                                                                                           \
    X(stride[0])                                                                                                                           \
    X(stride[1])                                                                                                                           \
    X(dilation[0])                                                                                                                         \
    X(dilation[1])                                                                                                                         \
    X(pad[0])                                                                                                                              \
    X(pad[1])                                                                                                                              \
    X(pad[2])                                                                                                                              \
    X(pad[3])                                                                                                                              \
    X(group)                                                                                                                               \
    X(alpha)                                                                                                                               \
    X(beta)                                                                                                                                \
    X(low)                                                                                                                                 \
    X(high)                                                                                                                                \
    X(epsilon)                                                                                                                             \
    X(value)                                                                                                                               \
    X(axis)                                                                                                                                \
    X(n_axes)                                                                                                                              \
    X(axes[0])                                                                                                                             \
    X(axes[5])                                                                                                                             \
    X(perm[0])                                                                                                                             \
    X(perm[5])                                                                                                                             \
    X(start[0])                                                                                                                            \
    X(start[5])                                                                                                                            \
    X(end[0])                                                                                                                              \
    X(end[5])                                                                                                                              \
    X(step[0])                                                                                                                             \
    X(step[5])                                                                                                                             \
    X(before[0])                                                                                                                           \
    X(before[5])                                                                                                                           \
    X(after[0])                                                                                                                            \
    X(after[5])

static void every_attribute_counts(void **state) {
    (void)state;
    uwc_graph *graph = sample();
    const uint64_t hash = hash_of(graph);
    uwc_op *op = &graph->node[1].op;
    const uwc_op kept = *op;
#define CHANGE(field)                                                                                                                      \
    op->field += 1;                                                                                                                        \
    assert_true(hash_of(graph) != hash);                                                                                                   \
    *op = kept;
    FOR_EACH_ATTRIBUTE(CHANGE)
#undef CHANGE
#define FLIP(field)                                                                                                                        \
    op->field = !op->field;                                                                                                                \
    assert_true(hash_of(graph) != hash);                                                                                                   \
    *op = kept;
    FLIP(ceil_mode)
    FLIP(count_include_pad)
    FLIP(keepdims)
#undef FLIP
    op->kind = UWC_OP_LINEAR;
    assert_true(hash_of(graph) != hash);
    *op = kept;
    op->auto_pad = UWC_PAD_VALID;
    assert_true(hash_of(graph) != hash);
    *op = kept;
    op->target = uwc_shape_2d(1, 4);
    uint64_t with_target = hash_of(graph);
    assert_true(with_target != hash);
    op->target.dim[1] = 5;
    assert_true(hash_of(graph) != with_target);
    *op = kept;
    assert_true(hash_of(graph) == hash);
    uwc_graph_destroy(&graph);
}

static void values_count(void **state) {
    (void)state;
    uwc_graph *graph = sample();
    const uint64_t hash = hash_of(graph);
    uwc_value *bias = &graph->value[graph->node[1].in[2]], *x = &graph->value[graph->input[0]];
    const float kept = bias->constant->f32[3];
    bias->constant->f32[3] += 1;
    assert_true(hash_of(graph) != hash);
    bias->constant->f32[3] = kept;
    x->activation_bits = 4;
    assert_true(hash_of(graph) != hash);
    x->activation_bits = 0;
    const uwc_quantizer quantizer[] = {{4, 0, 0}, {0, 0.5f, 0}, {0, 0, 3}};
    for (int i = 0; i < 3; i++) {
        x->quantizer = quantizer[i];
        assert_true(hash_of(graph) != hash);
    }
    x->quantizer = (uwc_quantizer){0};
    x->shape.dim[3]++;
    assert_true(hash_of(graph) != hash);
    x->shape.dim[3]--;
    bias->name[0]++;
    assert_true(hash_of(graph) != hash);
    bias->name[0]--;
    assert_true(hash_of(graph) == hash);
    uwc_graph_destroy(&graph);
}

static void weights_count(void **state) {
    (void)state;
    uwc_graph *graph = sample();
    const uint64_t hash = hash_of(graph);
    uwc_node *node = &graph->node[0];
    node->weight_bits = 3;
    assert_true(hash_of(graph) != hash);
    node->weight_bits = 0;
    node->weight_asymmetric = true;
    assert_true(hash_of(graph) != hash);
    node->weight_asymmetric = false;
    node->quantized->q[107] ^= 1;
    assert_true(hash_of(graph) != hash);
    node->quantized->q[107] ^= 1;
    node->quantized->scale[3] = 0.2f;
    assert_true(hash_of(graph) != hash);
    node->quantized->scale[3] = 0.1f;
    node->quantized->zero[3]++;
    assert_true(hash_of(graph) != hash);
    node->quantized->zero[3]--;
    node->quantized->bits++;
    assert_true(hash_of(graph) != hash);
    node->quantized->bits--;
    assert_true(hash_of(graph) == hash);
    graph->quantize_all = true;
    assert_true(hash_of(graph) != hash);
    uwc_graph_destroy(&graph);
}

static void structure_counts(void **state) {
    (void)state;
    uwc_graph *graph = sample();
    const uint64_t hash = hash_of(graph);
    int *in = graph->node[2].in, kept = in[0];
    in[0] = in[1];
    in[1] = kept; /* a - b is not b - a */
    assert_true(hash_of(graph) != hash);
    in[1] = in[0];
    in[0] = kept;
    assert_true(hash_of(graph) == hash);
    graph->output[0] = graph->node[0].out;
    assert_true(hash_of(graph) != hash);
    graph->output[0] = graph->node[2].out;
    must(uwc_graph_add_output(graph, graph->node[0].out));
    assert_true(hash_of(graph) != hash);
    uwc_graph_destroy(&graph);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_networks_have_equal_hashes),
        cmocka_unit_test(every_attribute_counts),
        cmocka_unit_test(values_count),
        cmocka_unit_test(weights_count),
        cmocka_unit_test(structure_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
