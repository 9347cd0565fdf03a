#include "graph/graph_fixture.h"

#include <uwc/gradient.h>

/* Gradients against PyTorch's; make_gradient.py wrote the file and says what is in it. */

enum { IMAGES = 3, CHANNELS = 4, SIDE = 6, INNER = 5, MOST = 4000 };

typedef struct golden {
    float data[MOST];
    int64_t count, next;
} golden;

static golden read_golden(void) {
    golden own = {.count = 0};
    FILE *file = fopen(UWC_GOLDEN "/gradient/unit.f32", "rb");
    assert_non_null(file);
    own.count = (int64_t)fread(own.data, sizeof(float), MOST, file);
    fclose(file);
    return own;
}

/* The next part of the file, in the layout of `like`. */
static uwc_tensor *next_tensor(golden *own, const uwc_tensor *like) {
    uwc_tensor *tensor, plain = uwc_tensor_view(UWC_F32, like->shape, UWC_PLAIN, own->data + own->next);
    own->next += uwc_shape_count(like->shape);
    assert_true(own->next <= own->count);
    must(uwc_tensor_create(UWC_F32, like->shape, like->layout, &tensor));
    must(uwc_tensor_convert(&plain, tensor));
    return tensor;
}

static void next_into(golden *own, uwc_tensor *tensor) {
    uwc_tensor *from = next_tensor(own, tensor);
    memcpy(tensor->data, from->data, uwc_tensor_bytes(tensor));
    uwc_tensor_destroy(&from);
}

static void assert_next(golden *own, const uwc_tensor *got) {
    uwc_tensor *expected = next_tensor(own, got);
    assert_true(difference(expected, got) < 1e-5);
    uwc_tensor_destroy(&expected);
}

static void gradients_are_those_of_pytorch(void **state) {
    (void)state;
    golden own = read_golden();
    uwc_graph *graph = new_graph();
    int x = put_input(graph, "x", uwc_shape_4d(1, CHANNELS, SIDE, SIDE));
    int r = put_unary(graph, "r", UWC_OP_RELU, put_conv(graph, "a", x, (conv_form){CHANNELS, INNER, 3, .pad = 1}));
    int y = put_binary(graph, "y", UWC_OP_ADD, put_conv(graph, "b", r, (conv_form){INNER, CHANNELS, 3, .pad = 1}), x);
    must(uwc_graph_add_output(graph, y));
    must(uwc_graph_finish(graph));
    uwc_tensor *in = random_images(graph->value[x].shape, IMAGES, 1), *grad;
    const char *const parameter[] = {"a.weight", "a.bias", "b.weight", "b.bias"};
    next_into(&own, in);
    for (int i = 0; i < 4; i++) {
        next_into(&own, graph->value[uwc_graph_find_value(graph, parameter[i])].constant);
    }
    const int quantized[] = {x, r};
    for (int i = 0; i < 2; i++) {
        graph->value[quantized[i]].quantizer =
            (uwc_quantizer){.bits = 4, .scale = own.data[own.next], .zero = (int32_t)own.data[own.next + 1]};
        own.next += 2;
    }
    grad = next_tensor(&own, in);
    uwc_gradient *g;
    must(uwc_gradient_create(graph, IMAGES, true, &g));
    must(uwc_gradient_forward(g, (const uwc_tensor *[]){in}, NULL));
    must(uwc_gradient_backward(g, (const uwc_tensor *[]){grad}));
    assert_next(&own, uwc_gradient_value(g, y));
    assert_next(&own, uwc_gradient_by(g, x));
    for (int i = 0; i < 4; i++) {
        assert_next(&own, uwc_gradient_by(g, uwc_graph_find_value(graph, parameter[i])));
    }
    for (int i = 0; i < 2; i++, own.next += 2) {
        const double scale = (double)own.data[own.next], zero = (double)own.data[own.next + 1];
        assert_true(fabs(uwc_gradient_by_scale(g, quantized[i]) - scale) < 1e-4 * fabs(scale));
        assert_true(fabs(uwc_gradient_by_zero(g, quantized[i]) - zero) < 1e-4 * fabs(zero));
    }
    assert_int_equal(own.next, own.count);
    uwc_gradient_destroy(&g);
    uwc_tensor_destroy(&in);
    uwc_tensor_destroy(&grad);
    uwc_graph_destroy(&graph);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(gradients_are_those_of_pytorch)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
