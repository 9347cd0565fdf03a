/* Help for checks of the zoo from outside:
 *   zoo fill TABLE WEIGHTS             the seeded constants of a network
 *   zoo forward MODEL INPUT OUTPUT     float32 images as they lie in ONNX [N,C,H,W] through a network, all outputs behind each other
 *   zoo partition MODEL LAYERS         its Basic-Units */
#include <uwc/uwc.h>

#include <stdbool.h>
#include <string.h>

#include "partition_text.h"
#include "weights.h"

static uwc_status write_output(const uwc_tensor *from, FILE *to) {
    uwc_tensor *plain;
    UWC_TRY(uwc_tensor_create(UWC_F32, from->shape, UWC_PLAIN, &plain));
    uwc_status st = uwc_tensor_convert(from, plain);
    size_t bytes = uwc_tensor_bytes(plain);
    if (st == UWC_OK && fwrite(plain->data, 1, bytes, to) != bytes) {
        st = uwc_error_set(UWC_E_IO, "the output cannot be written");
    }
    uwc_tensor_destroy(&plain);
    return st;
}

static uwc_status run(const uwc_graph *graph, const uwc_tensor *x, FILE *to) {
    uwc_exec *exec;
    const uwc_tensor **out;
    UWC_TRY(uwc_exec_create(graph, x->shape.dim[0], UWC_BACKEND_FAST, &exec));
    uwc_status st = uwc_calloc(graph->n_outputs, sizeof *out, &out);
    if (st == UWC_OK) {
        st = uwc_exec_run(exec, x->shape.dim[0], graph->input, &x, 1, graph->output, graph->n_outputs, out);
    }
    for (int i = 0; st == UWC_OK && i < graph->n_outputs; i++) {
        st = write_output(out[i], to);
    }
    uwc_free(&out);
    uwc_exec_destroy(&exec);
    return st;
}

static uwc_status read_images(const uwc_graph *graph, const char *path, uwc_tensor **x) {
    char *bytes;
    size_t size;
    uwc_tensor *plain = NULL;
    UWC_TRY(uwc_file_read(path, &bytes, &size));
    uwc_shape shape = graph->value[graph->input[0]].shape;
    shape.dim[0] = (int64_t)(size / sizeof(float)) / uwc_shape_count(shape);
    uwc_status st = uwc_tensor_create(UWC_F32, shape, UWC_PLAIN, &plain);
    if (st == UWC_OK && uwc_tensor_bytes(plain) != size) {
        st = uwc_error_set(UWC_E_SHAPE, "%s: %zu bytes are no images", path, size);
    }
    if (st == UWC_OK) {
        memcpy(plain->data, bytes, size);
        st = uwc_tensor_activation(shape, x);
    }
    if (st == UWC_OK) {
        st = uwc_tensor_convert(plain, *x);
    }
    uwc_tensor_destroy(&plain);
    uwc_free(&bytes);
    return st;
}

static uwc_status forward(const char *model, const char *input, const char *output) {
    uwc_graph *graph;
    uwc_tensor *x = NULL;
    UWC_TRY(uwc_onnx_read(model, &graph));
    uwc_status st = read_images(graph, input, &x);
    FILE *to = st == UWC_OK ? fopen(output, "wb") : NULL;
    if (st == UWC_OK) {
        st = to == NULL ? uwc_error_set(UWC_E_IO, "%s cannot be written", output) : run(graph, x, to);
    }
    if (to != NULL && fclose(to) != 0) {
        st = uwc_error_set(UWC_E_IO, "%s cannot be written", output);
    }
    uwc_tensor_destroy(&x);
    uwc_graph_destroy(&graph);
    return st;
}

static uwc_status partition(const char *model, const char *layers) {
    uwc_graph *graph;
    UWC_TRY(uwc_onnx_read(model, &graph));
    uwc_status st = zoo_print_partition(graph, atoi(layers), stdout);
    uwc_graph_destroy(&graph);
    return st;
}

int main(int n, char **argument) {
    uwc_status st = UWC_E_ARG;
    if (n == 4 && strcmp(argument[1], "fill") == 0) {
        return zoo_fill(argument[2], argument[3]) ? 0 : 1;
    }
    if (n == 5 && strcmp(argument[1], "forward") == 0) {
        st = forward(argument[2], argument[3], argument[4]);
    } else if (n == 4 && strcmp(argument[1], "partition") == 0) {
        st = partition(argument[2], argument[3]);
    }
    if (st != UWC_OK) {
        fprintf(stderr, "zoo: %s\n", uwc_error_last()->text);
    }
    return st == UWC_OK ? 0 : 1;
}
