/* Private to the exporting half of module onnx. */
#ifndef UWC_ONNX_EXPORT_IMPL_H
#define UWC_ONNX_EXPORT_IMPL_H

#include "onnx_impl.h"

/* A list of pointers that a message holds as its repeated field. */
typedef struct uwc_onnx__list {
    void **item;
    int64_t n, capacity;
} uwc_onnx__list;

typedef struct uwc_onnx__export {
    const uwc_graph *graph;
    int opset;             /* the lowest that has all that was written so far */
    uwc_onnx__list memory; /* everything that messages point to, freed together */
    uwc_onnx__list node, initializer, metadata;
    uwc_onnx__list made;        /* names beside those of the graph's values */
    char **quantized_name;      /* per value: what readers behind its quantizer read, or NULL */
    const char **constant_name; /* per value: its initializer as it lies, or NULL */
    bool *named;                /* per value: its name is in use for something made of it */
} uwc_onnx__export;

/* ---- messages ------------------------------------------------------------------------------------------------------------------ */

uwc_status uwc_onnx__list_add(uwc_onnx__list *list, void *item) UWC_MUST_USE;
/* Zeroed memory that lives as long as the export. */
uwc_status uwc_onnx__allocate(uwc_onnx__export *ex, int64_t count, size_t size, void *out) UWC_MUST_USE;
uwc_status uwc_onnx__text(uwc_onnx__export *ex, char **out, const char *format, ...) UWC_MUST_USE UWC_PRINTF(3, 4);
/* A name base.suffix that nothing has yet. */
uwc_status uwc_onnx__fresh_name(uwc_onnx__export *ex, const char *base, const char *suffix, char **out) UWC_MUST_USE;
uwc_status uwc_onnx__new_node(uwc_onnx__export *ex, const char *type, const char *name, const char *output,
                              uwc_onnx__node **out) UWC_MUST_USE;
uwc_status uwc_onnx__add_input(uwc_onnx__export *ex, uwc_onnx__node *node, const char *name) UWC_MUST_USE;
uwc_status uwc_onnx__put_int(uwc_onnx__export *ex, uwc_onnx__node *node, const char *name, int64_t number) UWC_MUST_USE;
uwc_status uwc_onnx__put_float(uwc_onnx__export *ex, uwc_onnx__node *node, const char *name, float number) UWC_MUST_USE;
uwc_status uwc_onnx__put_ints(uwc_onnx__export *ex, uwc_onnx__node *node, const char *name, const int64_t *number, int n) UWC_MUST_USE;
/* New initializer; `data` is borrowed until the end of the export. */
uwc_status uwc_onnx__put_tensor(uwc_onnx__export *ex, const char *name, int32_t type, uwc_shape shape, const void *data,
                                size_t bytes) UWC_MUST_USE;
/* New initializer with a copy of the numbers and a fresh name base.suffix, read by the node as its next input. */
uwc_status uwc_onnx__put_int_input(uwc_onnx__export *ex, uwc_onnx__node *node, const char *suffix, const int64_t *number,
                                   int n) UWC_MUST_USE;
uwc_status uwc_onnx__put_float_input(uwc_onnx__export *ex, uwc_onnx__node *node, const char *suffix, float number) UWC_MUST_USE;
uwc_status uwc_onnx__put_metadata(uwc_onnx__export *ex, const char *prefix, const char *name, const char *value) UWC_MUST_USE;

/* ---- parts of the graph ---------------------------------------------------------------------------------------------------------- */

/* Name by which a node reads its input k. */
const char *uwc_onnx__read_name(const uwc_onnx__export *ex, const uwc_node *node, int k);
/* The float constant of a value as an initializer (once); *name is what to read. */
uwc_status uwc_onnx__put_constant(uwc_onnx__export *ex, int value, const char **name) UWC_MUST_USE;
/* The bias of a weighted node with `behind` dimensions of 1 behind its own, for an Add. */
uwc_status uwc_onnx__put_added_bias(uwc_onnx__export *ex, int value, int behind, const char **name) UWC_MUST_USE;
/* Runtimes that compute with integers round the bias to the steps of their accumulators, scale of the input times scale of the row. True
 * where that would change the bias. */
bool uwc_onnx__bias_would_change(const uwc_onnx__export *ex, const uwc_node *node);
/* The weights of a weighted node, float or as integers with DequantizeLinear; transposed: [K,N]. *name is what to read. */
uwc_status uwc_onnx__put_weights(uwc_onnx__export *ex, const uwc_node *node, bool transposed, const char **name) UWC_MUST_USE;
/* Clip, QuantizeLinear and DequantizeLinear of a value, where it has a quantizer that acts. */
uwc_status uwc_onnx__put_quantizer(uwc_onnx__export *ex, int value) UWC_MUST_USE;
uwc_status uwc_onnx__put_operator(uwc_onnx__export *ex, const uwc_node *node) UWC_MUST_USE;

#endif
