/* Small graphs for the tests of module onnx. */
#ifndef TEST_ONNX_GRAPHS_H
#define TEST_ONNX_GRAPHS_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <uwc/onnx.h>

#include <string.h>

static inline int add_constant(uwc_graph *graph, const char *name, uwc_shape shape) {
    uwc_tensor *tensor;
    int value;
    assert_int_equal(uwc_tensor_create(UWC_F32, shape, UWC_PLAIN, &tensor), UWC_OK);
    for (int64_t i = 0; i < uwc_shape_count(shape); i++) {
        tensor->f32[i] = (float)uwc_rng_normal(1, strlen(name), (uint64_t)i);
    }
    assert_int_equal(uwc_graph_add_value(graph, name, shape, tensor, &value), UWC_OK);
    return value;
}

static inline int add_input(uwc_graph *graph, const char *name, uwc_shape shape) {
    int value;
    assert_int_equal(uwc_graph_add_value(graph, name, shape, NULL, &value), UWC_OK);
    assert_int_equal(uwc_graph_add_input(graph, value), UWC_OK);
    return value;
}

/* A node with the given inputs; its output has the node's name and a stroke. */
static inline int add_node(uwc_graph *graph, const char *name, uwc_op op, const int *in, int n_in) {
    char *output;
    int value;
    assert_int_equal(uwc_format(&output, "%s'", name), UWC_OK);
    assert_int_equal(uwc_graph_add_value(graph, output, (uwc_shape){0}, NULL, &value), UWC_OK);
    uwc_free(&output);
    assert_int_equal(uwc_graph_add_node(graph, name, &op, in, n_in, value, NULL), UWC_OK);
    return value;
}

static inline void finish(uwc_graph *graph, int output) {
    assert_int_equal(uwc_graph_add_output(graph, output), UWC_OK);
    if (uwc_graph_finish(graph) != UWC_OK) {
        fail_msg("%s", uwc_error_last()->text);
    }
}

static inline uwc_op window(uwc_op_kind kind, int64_t kernel, int64_t stride, int64_t pad) {
    uwc_op op = uwc_op_make(kind);
    op.kernel[0] = op.kernel[1] = kernel;
    op.stride[0] = op.stride[1] = stride;
    for (int i = 0; i < 4; i++) {
        op.pad[i] = pad;
    }
    return op;
}

/* Two convolutions with a residual add, pooling and a classifier: x, a', r', b', s', p', f', z'. */
static inline uwc_graph *residual_graph(void) {
    uwc_graph *graph;
    assert_int_equal(uwc_graph_create("residual", &graph), UWC_OK);
    int x = add_input(graph, "x", uwc_shape_4d(1, 3, 8, 8));
    int wa = add_constant(graph, "wa", uwc_shape_4d(4, 3, 3, 3)), ba = add_constant(graph, "ba", uwc_shape_1d(4));
    int a = add_node(graph, "a", window(UWC_OP_CONV, 3, 1, 1), (int[]){x, wa, ba}, 3);
    int r = add_node(graph, "r", uwc_op_make(UWC_OP_RELU), (int[]){a}, 1);
    int wb = add_constant(graph, "wb", uwc_shape_4d(4, 4, 3, 3));
    int b = add_node(graph, "b", window(UWC_OP_CONV, 3, 1, 1), (int[]){r, wb}, 2);
    int s = add_node(graph, "s", uwc_op_make(UWC_OP_ADD), (int[]){b, r}, 2);
    int p = add_node(graph, "p", uwc_op_make(UWC_OP_GLOBAL_AVERAGE_POOL), (int[]){s}, 1);
    uwc_op flat = uwc_op_make(UWC_OP_RESHAPE);
    flat.target = uwc_shape_2d(1, 4);
    int f = add_node(graph, "f", flat, (int[]){p}, 1);
    int wz = add_constant(graph, "wz", uwc_shape_2d(5, 4)), bz = add_constant(graph, "bz", uwc_shape_1d(5));
    finish(graph, add_node(graph, "z", uwc_op_make(UWC_OP_LINEAR), (int[]){f, wz, bz}, 3));
    return graph;
}

/* Gives a weighted node random levels of `bits` bits and zero points within [-2, 1]. */
static inline void quantize_node(uwc_graph *graph, int index, int bits, bool asymmetric) {
    const uwc_node *node = &graph->node[index];
    uwc_shape shape = graph->value[node->in[1]].shape;
    int64_t rows = shape.dim[0], cols = uwc_shape_count(shape) / rows;
    uwc_weights *weights;
    float bias[16];
    assert_in_range(rows, 1, 16);
    assert_int_equal(uwc_weights_create(bits, rows, cols, &weights), UWC_OK);
    for (int64_t r = 0; r < rows; r++) {
        bias[r] = (float)uwc_rng_normal(2, (uint64_t)index, (uint64_t)r);
        weights->scale[r] = (float)uwc_rng_uniform(3, (uint64_t)index, (uint64_t)r);
        weights->zero[r] = asymmetric ? (int32_t)uwc_rng_below(4, (uint64_t)index, (uint64_t)r, 4) - 2 : 0;
    }
    for (int64_t i = 0; i < rows * cols; i++) {
        weights->q[i] = (int8_t)(uwc_rng_below(5, (uint64_t)index, (uint64_t)i, 1 << bits) - (1 << (bits - 1)));
    }
    assert_int_equal(uwc_graph_set_quantized(graph, index, weights, bias), UWC_OK);
    uwc_weights_destroy(&weights);
}

/* Assigns bits, quantizes every weighted node and gives every value that wants one a quantizer. */
static inline void quantize_graph(uwc_graph *graph, const uwc_bits *bits) {
    assert_int_equal(uwc_graph_assign_bits(graph, bits), UWC_OK);
    for (int i = 0; i < graph->n_nodes; i++) {
        if (graph->node[i].weight_bits > 0) {
            quantize_node(graph, i, graph->node[i].weight_bits, bits->weights_asymmetric);
        }
    }
    for (int i = 0; i < graph->n_values; i++) {
        uwc_value *value = &graph->value[i];
        if (value->activation_bits > 0) {
            value->quantizer.bits = value->activation_bits;
            value->quantizer.scale = (float)uwc_rng_uniform(6, 0, (uint64_t)i);
            value->quantizer.zero = (int32_t)uwc_rng_below(7, 0, (uint64_t)i, 1 << value->activation_bits);
        }
    }
}

static inline uwc_graph *read_back(const uwc_graph *graph) {
    char *bytes;
    size_t size;
    uwc_graph *back = NULL;
    if (uwc_onnx_serialize(graph, &bytes, &size) != UWC_OK || uwc_onnx_parse(bytes, size, NULL, &back) != UWC_OK) {
        fail_msg("%s", uwc_error_last()->text);
    }
    uwc_free(&bytes);
    return back;
}

static inline void assert_same_graph(const uwc_graph *a, const uwc_graph *b) {
    uint64_t p, q;
    assert_int_equal(uwc_graph_hash(a, &p), UWC_OK);
    assert_int_equal(uwc_graph_hash(b, &q), UWC_OK);
    assert_true(p == q);
}

/* Reads back equal, and destroys the graph. */
static inline void assert_round_trip(uwc_graph *graph) {
    uwc_graph *back = read_back(graph);
    assert_same_graph(graph, back);
    uwc_graph_destroy(&back);
    uwc_graph_destroy(&graph);
}

#endif
