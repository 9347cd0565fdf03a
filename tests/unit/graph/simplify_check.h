/* Simplified networks against what they were. */
#ifndef UWC_TEST_SIMPLIFY_CHECK_H
#define UWC_TEST_SIMPLIFY_CHECK_H

#include "graph_fixture.h"

/* Simplifies the graph and sees to it that its first output stays the same function of its input. */
static inline void simplify_and_compare(uwc_graph *graph) {
    must(uwc_graph_finish(graph));
    uwc_tensor *x = random_images(graph->value[graph->input[0]].shape, 3, 1);
    uwc_tensor *before = evaluate(graph, graph->output[0], x, UWC_BACKEND_REFERENCE);
    must(uwc_graph_simplify(graph));
    uwc_tensor *after = evaluate(graph, graph->output[0], x, UWC_BACKEND_REFERENCE);
    assert_true(largest_value(before) > 0.1);
    assert_true(difference(before, after) < 2e-6);
    uwc_tensor_destroy(&x);
    uwc_tensor_destroy(&before);
    uwc_tensor_destroy(&after);
}

static inline int count_kind(const uwc_graph *graph, uwc_op_kind kind) {
    int count = 0;
    for (int i = 0; i < graph->n_nodes; i++) {
        count += graph->node[i].op.kind == kind;
    }
    return count;
}

/* A constant of one number. */
static inline int put_number(uwc_graph *graph, const char *name, double number) {
    int value = put_constant(graph, name, (uwc_shape){0}, 0);
    graph->value[value].constant->f32[0] = (float)number;
    return value;
}

#endif
