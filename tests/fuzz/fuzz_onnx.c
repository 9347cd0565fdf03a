/* Any bytes are read or refused; what is read can be written, and what is written can be read. */
#include <uwc/onnx.h>

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds, const char *what) {
    if (!holds) {
        fprintf(stderr, "%s: %s\n", what, uwc_error_last()->text);
        abort();
    }
}

static void write_and_read(const uwc_graph *graph) {
    char *bytes;
    size_t size;
    uwc_graph *back;
    uwc_status st = uwc_onnx_serialize(graph, &bytes, &size);
    check(st == UWC_OK || st == UWC_E_VALUE, "written");
    if (st == UWC_OK) {
        check(uwc_onnx_parse(bytes, size, NULL, &back) == UWC_OK, "read back");
        check(back->n_outputs == graph->n_outputs, "as many outputs");
        uwc_graph_destroy(&back);
    }
    uwc_free(&bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    uwc_graph *graph;
    uwc_status st = uwc_onnx_parse(data, size, NULL, &graph);
    check(st != UWC_E_INTERNAL && (st == UWC_OK) == (graph != NULL), "one graph or one error");
    if (st == UWC_OK) {
        write_and_read(graph);
        uwc_graph_destroy(&graph);
    }
    return 0;
}
