/* onnx: ONNX files in and out. Floor 4; uses graph. protobuf-c lives only here. */
#ifndef UWC_ONNX_H
#define UWC_ONNX_H

#include <uwc/graph.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Reads a file (IR 3-10, opset 7-21, external data beside it) into a finished, simplified graph. DequantizeLinear of constants and
 * QuantizeLinear-DequantizeLinear pairs (with the Clip that bounds them) become quantized weights and quantizers again, so that a graph
 * written by uwc_onnx_write reads back equal. Errors: NOTFOUND, IO, FORMAT, SHAPE, VALUE, UNSUPPORTED (operator, node, list of what is
 * supported). Local. */
uwc_status uwc_onnx_read(const char *path, uwc_graph **out) UWC_MUST_USE;
/* From bytes; `folder` (may be NULL) is where external data lies. Local. */
uwc_status uwc_onnx_parse(const void *bytes, size_t size, const char *folder, uwc_graph **out) UWC_MUST_USE;
/* Opset 13 and IR 7, or 17 and 8 where LayerNormalization needs them; weights as int8 + DequantizeLinear, activations as Clip +
 * QuantizeLinear + DequantizeLinear in uint8. The bytes depend on the graph alone. Batch is symbolic ("N"). *out is owned by the caller.
 * Local. */
uwc_status uwc_onnx_serialize(const uwc_graph *graph, char **out, size_t *size) UWC_MUST_USE;
uwc_status uwc_onnx_write(const uwc_graph *graph, const char *path) UWC_MUST_USE;

/* An operator type that can be read: static texts for people. */
typedef struct uwc_onnx_operator_info {
    const char *name;
    int since;           /* first operator set that has it; 7 also for older ones */
    const char *becomes; /* operators of the graph, "" where it is computed from constants alone */
    const char *limits;
    bool folds; /* computed where all inputs are constants */
} uwc_onnx_operator_info;
/* False behind the last one. Local. */
bool uwc_onnx_operator(int index, uwc_onnx_operator_info *out);

#ifdef __cplusplus
}
#endif
#endif
