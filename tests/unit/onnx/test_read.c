#include "onnx_graphs.h"

static void assert_parse(const void *bytes, size_t size, uwc_status status) {
    uwc_graph *graph;
    assert_int_equal(uwc_onnx_parse(bytes, size, NULL, &graph), status);
    assert_null(graph);
}

static void empty_bytes_are_refused(void **state) {
    (void)state;
    assert_parse("", 0, UWC_E_FORMAT);
    assert_parse("\0\0\0\0", 4, UWC_E_FORMAT);
    assert_parse("x", 1, UWC_E_FORMAT);
}

static void random_bytes_are_refused(void **state) {
    (void)state;
    uint8_t bytes[300];
    for (uint64_t round = 0; round < 300; round++) {
        for (size_t i = 0; i < sizeof bytes; i++) {
            bytes[i] = (uint8_t)uwc_rng_u32(11, round, i);
        }
        uwc_graph *graph;
        assert_int_not_equal(uwc_onnx_parse(bytes, (size_t)round, NULL, &graph), UWC_OK);
        assert_null(graph);
    }
}

static void missing_file_is_named(void **state) {
    (void)state;
    uwc_graph *graph;
    assert_int_equal(uwc_onnx_read("/none/such.onnx", &graph), UWC_E_NOTFOUND);
    assert_non_null(strstr(uwc_error_last()->text, "/none/such.onnx"));
    assert_int_equal(uwc_onnx_read("/", &graph), UWC_E_FORMAT);
    assert_null(graph);
}

/* A quantized file of one layer; weights of 4 bits. */
static char *one_layer(size_t *size) {
    uwc_graph *graph;
    char *bytes;
    assert_int_equal(uwc_graph_create("one", &graph), UWC_OK);
    int x = add_input(graph, "x", uwc_shape_2d(1, 4)), w = add_constant(graph, "w", uwc_shape_2d(3, 4));
    finish(graph, add_node(graph, "y", uwc_op_make(UWC_OP_LINEAR), (int[]){x, w}, 2));
    quantize_graph(graph, &(uwc_bits){.weight_bits = 4, .activation_bits = 4, .first_last_bits = 4});
    assert_int_equal(uwc_onnx_serialize(graph, &bytes, size), UWC_OK);
    uwc_graph_destroy(&graph);
    return bytes;
}

/* The bits in the metadata must hold the levels. */
static void metadata_is_checked(void **state) {
    (void)state;
    size_t size;
    char *bytes = one_layer(&size), *text = memmem(bytes, size, "4 symmetric", 11);
    uwc_graph *graph;
    assert_non_null(text);
    text[0] = '2';
    assert_parse(bytes, size, UWC_E_FORMAT);
    assert_non_null(strstr(uwc_error_last()->text, "outside 2 bits"));
    text[0] = '9';
    assert_parse(bytes, size, UWC_E_FORMAT);
    assert_non_null(strstr(uwc_error_last()->text, "uwc.weights.w.q"));
    text[0] = '5';
    assert_int_equal(uwc_onnx_parse(bytes, size, NULL, &graph), UWC_OK);
    assert_int_equal(graph->node[0].quantized->bits, 5);
    uwc_graph_destroy(&graph);
    uwc_free(&bytes);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(empty_bytes_are_refused),
        cmocka_unit_test(random_bytes_are_refused),
        cmocka_unit_test(missing_file_is_named),
        cmocka_unit_test(metadata_is_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
