#include "onnx_graphs.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static bool holds(const char *bytes, size_t size, const char *text) {
    return memmem(bytes, size, text, strlen(text)) != NULL;
}

static void float_graph_reads_back_equal(void **state) {
    (void)state;
    assert_round_trip(residual_graph());
}

/* Every operator that the importer keeps (BatchNormalization and Identity are folded), with attributes that are not the defaults. */
static uwc_graph *all_operators(void) {
    uwc_graph *graph;
    assert_int_equal(uwc_graph_create("all", &graph), UWC_OK);
    int x = add_input(graph, "x", uwc_shape_4d(1, 4, 9, 9));
    uwc_op conv = window(UWC_OP_CONV, 3, 1, 0), pool = window(UWC_OP_MAX_POOL, 3, 2, 1), mean = window(UWC_OP_AVERAGE_POOL, 2, 1, 1);
    conv.group = 2;
    conv.dilation[1] = 2;
    conv.pad[0] = 1, conv.pad[1] = 2, conv.pad[2] = 1, conv.pad[3] = 2;
    pool.ceil_mode = true;
    mean.count_include_pad = true;
    int at = add_node(graph, "conv", conv, (int[]){x, add_constant(graph, "w", uwc_shape_4d(4, 2, 3, 3))}, 2);
    at = add_node(graph, "maxpool", pool, (int[]){at}, 1);
    at = add_node(graph, "averagepool", mean, (int[]){at}, 1);
    uwc_op clip = uwc_op_make(UWC_OP_CLIP), leaky = uwc_op_make(UWC_OP_LEAKY_RELU), soft = uwc_op_make(UWC_OP_SOFTMAX);
    clip.low = -1.5f, clip.high = 2.5f, leaky.alpha = 0.2f, soft.axis = 3;
    at = add_node(graph, "clip", clip, (int[]){at}, 1);
    at = add_node(graph, "leaky", leaky, (int[]){at}, 1);
    int s = add_node(graph, "sigmoid", uwc_op_make(UWC_OP_SIGMOID), (int[]){at}, 1);
    int t = add_node(graph, "tanh", uwc_op_make(UWC_OP_TANH), (int[]){at}, 1);
    int c = add_constant(graph, "c", uwc_shape_make(3, (int64_t[]){4, 1, 1}));
    at = add_node(graph, "add", uwc_op_make(UWC_OP_ADD), (int[]){s, t}, 2);
    at = add_node(graph, "sub", uwc_op_make(UWC_OP_SUB), (int[]){c, at}, 2);
    at = add_node(graph, "mul", uwc_op_make(UWC_OP_MUL), (int[]){at, c}, 2);
    static const uwc_op_kind unary[] = {UWC_OP_HARD_SIGMOID, UWC_OP_HARD_SWISH, UWC_OP_SILU, UWC_OP_GELU, UWC_OP_ERF};
    for (size_t i = 0; i < sizeof unary / sizeof *unary; i++) {
        uwc_op op = uwc_op_make(unary[i]);
        op.alpha = unary[i] == UWC_OP_HARD_SIGMOID ? 0.3f : 0;
        at = add_node(graph, uwc_op_name(unary[i]), op, (int[]){at}, 1);
    }
    at = add_node(graph, "div", uwc_op_make(UWC_OP_DIV), (int[]){at, add_node(graph, "sqrt", uwc_op_make(UWC_OP_SQRT), (int[]){s}, 1)}, 2);
    for (int axis = 1; axis <= 3; axis += 2) {
        uwc_op norm = uwc_op_make(UWC_OP_LAYER_NORM);
        char scale[] = "scale0", shift[] = "shift0", name[] = "norm0";
        scale[5] = shift[5] = name[4] = (char)('0' + axis);
        uwc_shape line = uwc_shape_1d(axis == 1 ? 4 : 6);
        norm.axis = axis;
        at = add_node(graph, name, norm, (int[]){at, add_constant(graph, scale, line), add_constant(graph, shift, line)}, 3);
    }
    at = add_node(graph, "softmax", soft, (int[]){at}, 1);
    uwc_op concat = uwc_op_make(UWC_OP_CONCAT), slice = uwc_op_make(UWC_OP_SLICE), pad = uwc_op_make(UWC_OP_PAD);
    concat.axis = 1;
    slice.start[1] = 1, slice.step[2] = 2, slice.end[3] = 5;
    pad.before[1] = 1, pad.after[3] = 2, pad.value = -0.5f;
    at = add_node(graph, "concat", concat, (int[]){at, s, at}, 3);
    at = add_node(graph, "slice", slice, (int[]){at}, 1);
    at = add_node(graph, "pad", pad, (int[]){at}, 1);
    uwc_op turn = uwc_op_make(UWC_OP_TRANSPOSE), reduce = uwc_op_make(UWC_OP_REDUCE_MEAN);
    turn.perm[1] = 3, turn.perm[2] = 1, turn.perm[3] = 2;
    reduce.n_axes = 1, reduce.axes[0] = 2, reduce.keepdims = false;
    at = add_node(graph, "transpose", turn, (int[]){at}, 1);
    at = add_node(graph, "reduce", reduce, (int[]){at}, 1);
    int w = add_constant(graph, "v", uwc_shape_2d(6, 3)), b = add_constant(graph, "vb", uwc_shape_1d(6));
    at = add_node(graph, "linear", uwc_op_make(UWC_OP_LINEAR), (int[]){at, w, b}, 3); /* rank 3: MatMul and Add in the file */
    at = add_node(graph, "relu", uwc_op_make(UWC_OP_RELU), (int[]){at}, 1);
    uwc_op flat = uwc_op_make(UWC_OP_RESHAPE);
    flat.target = uwc_shape_2d(1, -1);
    finish(graph, add_node(graph, "flat", flat, (int[]){at}, 1));
    return graph;
}

static uint64_t read_number(const uint8_t **at) {
    uint64_t number = 0;
    for (int shift = 0; shift < 64; shift += 7) {
        uint8_t byte = *(*at)++;
        number |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) {
            break;
        }
    }
    return number;
}

/* The next field `wanted` of a protobuf message that lies in [*at, end), which has lengths and plain numbers only in front of it. */
static bool next_field(const uint8_t **at, const uint8_t *end, uint64_t wanted, const uint8_t **data, size_t *size) {
    while (*at < end) {
        uint64_t key = read_number(at), number = read_number(at);
        if ((key & 7) == 2) {
            *data = *at;
            *size = (size_t)number;
            *at += number;
            if (key >> 3 == wanted) {
                return true;
            }
        }
    }
    return false;
}

/* Other runtimes refuse two nodes of one name. */
static void names_of_nodes_are_unique(void **state) {
    (void)state;
    enum { GRAPH = 7, NODE = 1, NAME = 3, MOST = 256 };
    uwc_graph *graph = all_operators();
    char *bytes, *seen[MOST];
    size_t size, n = 0;
    assert_int_equal(uwc_onnx_serialize(graph, &bytes, &size), UWC_OK);
    const uint8_t *at = (const uint8_t *)bytes, *inner = NULL, *node = NULL, *name = NULL;
    assert_true(next_field(&at, at + size, GRAPH, &inner, &size));
    for (const uint8_t *end = inner + size; next_field(&inner, end, NODE, &node, &size);) {
        assert_true(next_field(&node, node + size, NAME, &name, &size) && size > 0 && n < MOST);
        seen[n] = strndup((const char *)name, size);
        for (size_t i = 0; i < n; i++) {
            assert_string_not_equal(seen[i], seen[n]);
        }
        n++;
    }
    assert_true((int)n > graph->n_nodes);
    while (n > 0) {
        free(seen[--n]);
    }
    uwc_free(&bytes);
    uwc_graph_destroy(&graph);
}

static void every_operator_reads_back_equal(void **state) {
    (void)state;
    uwc_graph *graph = all_operators();
    int kinds[UWC_OP_COUNT] = {0};
    for (int i = 0; i < graph->n_nodes; i++) {
        kinds[graph->node[i].op.kind]++;
    }
    for (int kind = 0; kind < UWC_OP_COUNT; kind++) {
        bool left_out = kind == UWC_OP_BATCH_NORM || kind == UWC_OP_IDENTITY || kind == UWC_OP_GLOBAL_AVERAGE_POOL;
        assert_true(kinds[kind] > 0 || left_out);
    }
    assert_round_trip(graph);
}

/* What simplification makes of it is what comes back. */
static void folded_operators_read_back_folded(void **state) {
    (void)state;
    uwc_graph *graph;
    assert_int_equal(uwc_graph_create("folded", &graph), UWC_OK);
    int x = add_input(graph, "x", uwc_shape_4d(1, 3, 4, 4)), in[5] = {x};
    for (int i = 1; i < 5; i++) {
        in[i] = add_constant(graph, (const char *const[]){"", "s", "bb", "mmm", "vvvv"}[i], uwc_shape_1d(3));
    }
    for (int c = 0; c < 3; c++) {
        graph->value[in[4]].constant->f32[c] = 0.5f + (float)c;
    }
    uwc_op norm = uwc_op_make(UWC_OP_BATCH_NORM);
    norm.epsilon = 1e-3f;
    int n = add_node(graph, "norm", norm, in, 5);
    int same = add_node(graph, "same", uwc_op_make(UWC_OP_IDENTITY), (int[]){n}, 1);
    finish(graph, add_node(graph, "relu", uwc_op_make(UWC_OP_RELU), (int[]){same}, 1));
    uwc_graph *back = read_back(graph);
    assert_int_equal(uwc_graph_simplify(graph), UWC_OK);
    assert_int_equal(graph->n_nodes, 2);
    assert_same_graph(graph, back);
    uwc_graph_destroy(&back);
    uwc_graph_destroy(&graph);
}

static void quantized_graph_reads_back_equal(void **state) {
    (void)state;
    for (int bits = 2; bits <= 8; bits++) {
        for (int option = 0; option < 8; option++) {
            uwc_bits how = {.weight_bits = bits,
                            .activation_bits = (option & 1) != 0 ? 32 : 10 - bits,
                            .first_last_bits = 8,
                            .weights_asymmetric = (option & 2) != 0,
                            .quantize_all = (option & 4) != 0};
            uwc_graph *graph = residual_graph();
            quantize_graph(graph, &how);
            assert_round_trip(graph);
        }
    }
}

static void quantized_parts_come_back(void **state) {
    (void)state;
    uwc_graph *graph = residual_graph();
    quantize_graph(graph, &(uwc_bits){.weight_bits = 3, .activation_bits = 4, .first_last_bits = 8, .weights_asymmetric = true});
    uwc_graph *back = read_back(graph);
    int node = uwc_graph_find_node(back, "b"), value = uwc_graph_find_value(back, "r'");
    const uwc_weights *was = graph->node[uwc_graph_find_node(graph, "b")].quantized, *is = back->node[node].quantized;
    assert_int_equal(is->bits, 3);
    assert_true(back->node[node].weight_asymmetric);
    assert_memory_equal(is->q, was->q, (size_t)(was->rows * was->cols));
    assert_memory_equal(is->scale, was->scale, (size_t)was->rows * sizeof *was->scale);
    assert_memory_equal(is->zero, was->zero, (size_t)was->rows * sizeof *was->zero);
    assert_int_equal(back->value[value].quantizer.bits, 8); /* the first layer's output */
    assert_int_equal(back->n_nodes, graph->n_nodes);
    assert_false(back->quantize_all);
    uwc_graph_destroy(&back);
    uwc_graph_destroy(&graph);
}

/* A MatMul's weights lie transposed in the file. */
static void quantized_matmul_reads_back_equal(void **state) {
    (void)state;
    uwc_graph *graph = all_operators();
    quantize_graph(graph, &(uwc_bits){.weight_bits = 4, .activation_bits = 3, .first_last_bits = 5, .weights_asymmetric = true});
    assert_round_trip(graph);
}

/* The Clip of a network whose bounds happen to be a quantizer's is not taken for the quantizer's. */
static void clip_of_the_network_stays(void **state) {
    (void)state;
    for (int bits = 2; bits <= 8; bits++) {
        for (int like = 2; like <= 8; like++) {
            uwc_graph *graph;
            assert_int_equal(uwc_graph_create("clip", &graph), UWC_OK);
            uwc_op clip = uwc_op_make(UWC_OP_CLIP);
            uwc_quantizer quantizer = {.bits = bits, .scale = 0.1f, .zero = 2};
            clip.low = quantizer.scale * -2;
            clip.high = quantizer.scale * (float)((1 << like) - 1 - 2);
            int x = add_input(graph, "x", uwc_shape_2d(1, 6)), c = add_node(graph, "c", clip, (int[]){x}, 1);
            int w = add_constant(graph, "w", uwc_shape_2d(3, 6));
            finish(graph, add_node(graph, "y", uwc_op_make(UWC_OP_LINEAR), (int[]){c, w}, 2));
            graph->value[c].quantizer = quantizer;
            graph->value[c].activation_bits = bits;
            assert_round_trip(graph);
        }
    }
}

/* The ends of the Clip have the outermost levels for every zero point, and for scales over the whole range of sizes. */
static void clip_ends_are_levels(void **state) {
    (void)state;
    uwc_graph *graph = residual_graph();
    int x = graph->input[0];
    for (uint64_t i = 0; i < 400; i++) {
        int bits = (int)uwc_rng_below(9, 0, i, 7) + 2, top = (1 << bits) - 1;
        float scale = (float)(uwc_rng_uniform(9, 1, i) * 1e-30);
        for (int64_t k = uwc_rng_below(9, 2, i, 60); k > 0; k--) {
            scale *= 10;
        }
        int32_t zero = (int32_t)uwc_rng_below(9, 3, i, top + 1);
        graph->value[x].quantizer = (uwc_quantizer){.bits = bits, .scale = scale, .zero = zero};
        graph->value[x].activation_bits = bits;
        const float end[2] = {scale * (float)-zero, scale * (float)(top - zero)};
        float back[2];
        uwc_quantizer eight = {.bits = 8, .scale = scale, .zero = zero};
        uwc_quantizer_apply(&eight, end, 2, back);
        assert_true(back[0] == scale * (float)-zero && back[1] == scale * (float)(top - zero));
        uwc_graph *again = read_back(graph);
        assert_same_graph(graph, again);
        uwc_graph_destroy(&again);
    }
    uwc_graph_destroy(&graph);
}

/* A bias that lies on the accumulators' steps stays in its Conv; any other is added behind it, and both come back as the bias. */
static void bias_stays_exact(void **state) {
    (void)state;
    for (int on_grid = 0; on_grid < 2; on_grid++) {
        uwc_graph *graph = residual_graph();
        char *bytes;
        size_t size;
        quantize_graph(graph, &(uwc_bits){.weight_bits = 4, .activation_bits = 4, .first_last_bits = 8});
        for (int i = 0; on_grid && i < graph->n_nodes; i++) {
            const uwc_node *node = &graph->node[i];
            for (int64_t r = 0; node->quantized != NULL && r < node->quantized->rows; r++) {
                float step = graph->value[node->in[0]].quantizer.scale * node->quantized->scale[r];
                graph->value[node->in[2]].constant->f32[r] = step * (float)(r * 17 - 9);
            }
        }
        assert_int_equal(uwc_onnx_serialize(graph, &bytes, &size), UWC_OK);
        assert_int_equal(holds(bytes, size, "a'.product"), !on_grid);
        uwc_free(&bytes);
        assert_round_trip(graph);
    }
}

static void names_of_the_graph_win(void **state) {
    (void)state;
    uwc_graph *graph;
    assert_int_equal(uwc_graph_create("names", &graph), UWC_OK);
    uwc_op clip = uwc_op_make(UWC_OP_CLIP);
    clip.high = 6;
    clip.low = -1;
    int x = add_input(graph, "y'.min", uwc_shape_2d(1, 3)), w = add_constant(graph, "y'.max", uwc_shape_2d(4, 3));
    int a = add_node(graph, "y'.max2", uwc_op_make(UWC_OP_LINEAR), (int[]){x, w}, 2);
    finish(graph, add_node(graph, "y", clip, (int[]){a}, 1));
    quantize_graph(graph, &(uwc_bits){.weight_bits = 4, .activation_bits = 4, .first_last_bits = 4});
    assert_round_trip(graph);
}

static void shared_constants_are_kept_apart(void **state) {
    (void)state;
    uwc_graph *graph, *back;
    assert_int_equal(uwc_graph_create("shared", &graph), UWC_OK);
    int x = add_input(graph, "x", uwc_shape_2d(1, 3)), w = add_constant(graph, "w", uwc_shape_2d(3, 3));
    int a = add_node(graph, "a", uwc_op_make(UWC_OP_LINEAR), (int[]){x, w}, 2);
    finish(graph, add_node(graph, "b", uwc_op_make(UWC_OP_LINEAR), (int[]){a, w}, 2));
    back = read_back(graph);
    const uwc_tensor *first = back->value[back->node[0].in[1]].constant, *second = back->value[back->node[1].in[1]].constant;
    assert_ptr_not_equal(first, second);
    assert_memory_equal(first->data, second->data, uwc_tensor_bytes(first));
    assert_memory_equal(first->data, graph->value[w].constant->data, uwc_tensor_bytes(first));
    uwc_graph_destroy(&back);
    uwc_graph_destroy(&graph);
}

static void assert_refused(const uwc_graph *graph, const char *text) {
    char *bytes;
    size_t size;
    assert_int_equal(uwc_onnx_serialize(graph, &bytes, &size), UWC_E_VALUE);
    assert_null(bytes);
    if (strstr(uwc_error_last()->text, text) == NULL) {
        fail_msg("\"%s\" does not hold \"%s\"", uwc_error_last()->text, text);
    }
}

static void impossible_quantizers_are_refused(void **state) {
    (void)state;
    uwc_graph *graph = residual_graph();
    quantize_graph(graph, &(uwc_bits){.weight_bits = 4, .activation_bits = 4, .first_last_bits = 8});
    uwc_weights *weights = graph->node[0].quantized;
    weights->zero[1] = 128;
    assert_refused(graph, "zero point 128 of row 1");
    weights->zero[1] = 0;
    weights->scale[2] = 0;
    assert_refused(graph, "scale 0 of row 2");
    weights->scale[2] = 1;
    uwc_weights *inner = graph->node[2].quantized;
    inner->q[3] = 100;
    assert_refused(graph, "level 100 of weight 3 is outside 4 bits");
    inner->q[3] = 0;
    uwc_quantizer *quantizer = &graph->value[uwc_graph_find_value(graph, "r'")].quantizer;
    quantizer->zero = 256;
    assert_refused(graph, "value r'");
    quantizer->zero = 0;
    quantizer->scale = 3e38f;
    assert_refused(graph, "no float32");
    uwc_graph_destroy(&graph);
}

static void file_is_written_whole_or_not(void **state) {
    (void)state;
    uwc_graph *graph = residual_graph(), *back;
    char folder[] = "/tmp/uwc_onnx_XXXXXX", *path, *lost;
    struct stat info;
    assert_non_null(mkdtemp(folder));
    assert_int_equal(uwc_path_join(folder, "m.onnx", &path), UWC_OK);
    assert_int_equal(uwc_path_join(folder, "none/m.onnx", &lost), UWC_OK);
    assert_int_equal(uwc_onnx_write(graph, path), UWC_OK);
    assert_int_equal(uwc_onnx_read(path, &back), UWC_OK);
    assert_same_graph(graph, back);
    assert_int_not_equal(uwc_onnx_write(graph, lost), UWC_OK);
    graph->value[graph->input[0]].quantizer = (uwc_quantizer){.bits = 4, .scale = -1};
    assert_int_equal(uwc_onnx_write(graph, path), UWC_E_VALUE);
    uwc_graph_destroy(&back);
    assert_int_equal(uwc_onnx_read(path, &back), UWC_OK); /* the old file is still there */
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(folder), 0); /* and nothing beside it */
    assert_int_not_equal(stat(folder, &info), 0);
    uwc_free(&path);
    uwc_free(&lost);
    uwc_graph_destroy(&back);
    uwc_graph_destroy(&graph);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(float_graph_reads_back_equal),
        cmocka_unit_test(every_operator_reads_back_equal),
        cmocka_unit_test(folded_operators_read_back_folded),
        cmocka_unit_test(quantized_graph_reads_back_equal),
        cmocka_unit_test(quantized_parts_come_back),
        cmocka_unit_test(quantized_matmul_reads_back_equal),
        cmocka_unit_test(names_of_nodes_are_unique),
        cmocka_unit_test(clip_of_the_network_stays),
        cmocka_unit_test(clip_ends_are_levels),
        cmocka_unit_test(bias_stays_exact),
        cmocka_unit_test(names_of_the_graph_win),
        cmocka_unit_test(shared_constants_are_kept_apart),
        cmocka_unit_test(impossible_quantizers_are_refused),
        cmocka_unit_test(file_is_written_whole_or_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
