/* Private to module onnx. */
#ifndef UWC_ONNX_IMPL_H
#define UWC_ONNX_IMPL_H

#include <uwc/onnx.h>

#include <onnx.pb-c.h>

typedef Onnx__NodeProto uwc_onnx__node;

/* Key of the model's metadata_props: UWC_ONNX__WEIGHTS followed by an initializer's name has the value "BITS symmetric|asymmetric". */
#define UWC_ONNX__WEIGHTS "uwc.weights."
#define UWC_ONNX__QUANTIZE_ALL "uwc.quantize_all"

/* Constants that are computed while importing may take this many times the bytes of the files, and some more. */
enum { UWC_ONNX__COPIES = 16 };

/* ---- names of the file ----------------------------------------------------------------------------------------------------- */

typedef enum uwc_onnx__state { UWC_ONNX__UNDEFINED, UWC_ONNX__INITIALIZER, UWC_ONNX__CONSTANT, UWC_ONNX__ACTIVATION } uwc_onnx__state;

/* Integers behind a dequantized constant: constant = scale[r] (q - zero[r]), r along `axis`, or one of each (n == 1). */
typedef struct uwc_onnx__lattice {
    uwc_tensor *q; /* int8 */
    float *scale;
    int32_t *zero;
    int64_t n;
    int axis, bits;
    bool asymmetric;
} uwc_onnx__lattice;

/* What a name of the file stands for. */
typedef struct uwc_onnx__entry {
    const char *name; /* borrowed from the file */
    uwc_onnx__state state;
    Onnx__TensorProto *initializer; /* its bytes go when it is read: a network would lie in memory twice */
    int producer;                   /* node of the file, or -1 */
    int reader, n_readers;          /* last node of the file that reads it (-1: the graph's outputs), and how many reads there are */
    bool defined;
    bool is_input, is_output;   /* of the graph */
    uwc_tensor *constant;       /* owned */
    uwc_onnx__lattice *lattice; /* owned; of a constant that DequantizeLinear made */
    int value;                  /* of the graph, or -1 */
    uwc_quantizer quantizer;    /* bits > 0: this name is `value` behind a quantizer */
    bool is_levels, is_signed;  /* the integers between QuantizeLinear and DequantizeLinear */
    bool is_flat;               /* `value` as one row of elements, the batch too: a Gather makes it whole again */
    int clip_bits;              /* > 0: this name is `value` behind the Clip of a quantizer of so many bits */
} uwc_onnx__entry;

typedef struct uwc_onnx__names {
    uwc_onnx__entry *entry;
    int64_t n;
    int64_t *slot; /* open addressing: index of an entry + 1, or 0 */
    uint64_t mask;
} uwc_onnx__names;

uwc_status uwc_onnx__names_create(const Onnx__GraphProto *file, uwc_onnx__names *out) UWC_MUST_USE;
void uwc_onnx__names_destroy(uwc_onnx__names *names);
/* NULL where the file does not have the name. */
uwc_onnx__entry *uwc_onnx__names_find(const uwc_onnx__names *names, const char *name);
/* *order = the file's nodes in topological order (the file's, where that is one), owned by the caller. Errors: FORMAT (cycle). */
uwc_status uwc_onnx__order(const Onnx__GraphProto *file, const uwc_onnx__names *names, int **order) UWC_MUST_USE;

/* ---- the import -------------------------------------------------------------------------------------------------------------- */

/* How an activation is read: by weighted nodes or others, behind a quantizer or not. */
typedef struct uwc_onnx__edge {
    uwc_quantizer quantizer;
    bool weighted, other, weighted_raw, other_raw;
} uwc_onnx__edge;

typedef struct uwc_onnx__import {
    const Onnx__ModelProto *model;
    const Onnx__GraphProto *file;
    const char *folder;
    int64_t opset;
    int64_t budget; /* bytes that computed constants may still take */
    bool dynamic_batch;
    uwc_onnx__names names;
    int *order; /* of the file's nodes */
    bool *done; /* node of the file has been imported */
    uwc_graph *graph;
    uwc_onnx__edge *edge; /* one per value of the graph */
    int64_t edge_capacity;
} uwc_onnx__import;

/* The one row per operator type that the importer knows. */
typedef struct uwc_onnx__operator {
    const char *name;
    int since;                    /* the first operator set, of those that are read, which has it */
    const char *becomes, *limits; /* what activations become of it, "" where it takes constants only; what is supported, for the docs */
    uwc_status (*import)(uwc_onnx__import *im, const uwc_onnx__node *node);                 /* NULL: of constants only */
    uwc_status (*fold)(uwc_onnx__import *im, const uwc_onnx__node *node, uwc_tensor **out); /* NULL: never computed */
} uwc_onnx__operator;
/* NULL where the importer does not know the type. */
const uwc_onnx__operator *uwc_onnx__operator_find(const char *type);
/* "Conv, Gemm, ..." into text. */
void uwc_onnx__operator_list(char *text, size_t bytes);

/* Name of input `index`, or NULL where it is left out. */
const char *uwc_onnx__input_name(const uwc_onnx__node *node, size_t index);
/* Entry of input `index`; NULL where it is left out. */
uwc_onnx__entry *uwc_onnx__input(const uwc_onnx__import *im, const uwc_onnx__node *node, size_t index);
bool uwc_onnx__is_constant(const uwc_onnx__entry *entry);
/* Constant of an input, read from the file when first needed; borrowed; NULL where the input is left out. Errors: UNSUPPORTED (activation).
 */
uwc_status uwc_onnx__constant(uwc_onnx__import *im, const uwc_onnx__node *node, size_t index, const uwc_tensor **out) UWC_MUST_USE;
/* Copies an int32 or int64 constant of rank 0 or 1 into out[most]; *n = -1 where the input is left out. */
uwc_status uwc_onnx__constant_ints(uwc_onnx__import *im, const uwc_onnx__node *node, size_t index, int64_t *out, int most,
                                   int *n) UWC_MUST_USE;
/* A float constant with one element; *out is untouched where the input is left out. */
uwc_status uwc_onnx__constant_float(uwc_onnx__import *im, const uwc_onnx__node *node, size_t index, float *out) UWC_MUST_USE;
/* A float constant of the caller's own, without copying where nobody else reads it. */
uwc_status uwc_onnx__constant_take(uwc_onnx__import *im, const uwc_onnx__node *node, size_t index, uwc_tensor **out) UWC_MUST_USE;
/* Zeroed tensor for a computed constant, charged to the budget. */
uwc_status uwc_onnx__tensor_create(uwc_onnx__import *im, uwc_dtype dtype, uwc_shape shape, uwc_tensor **out) UWC_MUST_USE;

/* Value of the graph behind input `index`; records how it is read. */
uwc_status uwc_onnx__activation(uwc_onnx__import *im, const uwc_onnx__node *node, size_t index, bool weighted, int *value) UWC_MUST_USE;
/* New constant of the graph named after `name` (made unique); `tensor` is adopted, also on failure. */
uwc_status uwc_onnx__add_constant(uwc_onnx__import *im, const char *name, uwc_tensor *tensor, int *value) UWC_MUST_USE;
/* Infers the operator, adds it with its output value `output` (a name of the file); *index (may be NULL) = the graph's node. */
uwc_status uwc_onnx__emit(uwc_onnx__import *im, const uwc_onnx__node *node, const char *output, uwc_op *op, const int *in, int n_in,
                          int *index) UWC_MUST_USE;
/* The same where the file has no name for the result: *value, which another operator of the same node reads. */
uwc_status uwc_onnx__emit_between(uwc_onnx__import *im, const uwc_onnx__node *node, uwc_op *op, const int *in, int n_in,
                                  int *value) UWC_MUST_USE;
/* The commonest case: an operator with one activation as input. */
uwc_status uwc_onnx__emit_unary(uwc_onnx__import *im, const uwc_onnx__node *node, uwc_op *op) UWC_MUST_USE;
/* Value of the graph behind input `index`, an activation or a float constant; a constant that several nodes read is one value. */
uwc_status uwc_onnx__operand(uwc_onnx__import *im, const uwc_onnx__node *node, size_t index, int *value) UWC_MUST_USE;
/* Gives a constant to a name of the file; `tensor` is adopted. */
void uwc_onnx__set_constant(uwc_onnx__import *im, const char *name, uwc_tensor *tensor);
uwc_status uwc_onnx__value_shape(const uwc_onnx__import *im, const uwc_onnx__node *node, size_t index, uwc_shape *out) UWC_MUST_USE;

/* ---- tensors and attributes of the file ----------------------------------------------------------------------------------------- */

/* float16, bfloat16 and double become float32. Errors: FORMAT, SHAPE, UNSUPPORTED, NOTFOUND, IO, with the tensor's name. */
uwc_status uwc_onnx__tensor_read(const Onnx__TensorProto *proto, const char *folder, uwc_tensor **out) UWC_MUST_USE;
/* Frees the bytes of a tensor that was read. */
void uwc_onnx__tensor_drop(Onnx__TensorProto *proto);
/* Bytes of a tensor that lie in a file beside the model; owned by the caller. */
uwc_status uwc_onnx__external_read(const Onnx__TensorProto *proto, const char *folder, size_t bytes, uint8_t **out) UWC_MUST_USE;

/* NULL where the node does not have it. */
const Onnx__AttributeProto *uwc_onnx__attribute(const uwc_onnx__node *node, const char *name);
uwc_status uwc_onnx__attribute_int(const uwc_onnx__node *node, const char *name, int64_t fallback, int64_t *out) UWC_MUST_USE;
uwc_status uwc_onnx__attribute_bool(const uwc_onnx__node *node, const char *name, bool fallback, bool *out) UWC_MUST_USE;
uwc_status uwc_onnx__attribute_axis(const uwc_onnx__node *node, const char *name, int fallback, int *out) UWC_MUST_USE;
uwc_status uwc_onnx__attribute_float(const uwc_onnx__node *node, const char *name, float fallback, float *out) UWC_MUST_USE;
/* At most `most` numbers; *n = -1 where the node does not have the attribute. */
uwc_status uwc_onnx__attribute_ints(const uwc_onnx__node *node, const char *name, int64_t *out, int most, int *n) UWC_MUST_USE;
/* Text into out[32]. */
uwc_status uwc_onnx__attribute_text(const uwc_onnx__node *node, const char *name, const char *fallback, char *out) UWC_MUST_USE;
uwc_status uwc_onnx__attribute_tensor(const uwc_onnx__node *node, const char *name, const char *folder, uwc_tensor **out) UWC_MUST_USE;
/* Numbers that are an attribute in older operator sets and an input in newer ones; *n = -1 where there is neither. */
uwc_status uwc_onnx__ints_either(uwc_onnx__import *im, const uwc_onnx__node *node, const char *name, size_t index, int64_t *out, int most,
                                 int *n) UWC_MUST_USE;
/* Infinite bounds become the largest finite numbers. Errors: VALUE (NaN). */
uwc_status uwc_onnx__finite(float *number, const char *what) UWC_MUST_USE;

/* ---- operators, by file ------------------------------------------------------------------------------------------------------------ */

#define UWC_ONNX__IMPORTER(name) uwc_status uwc_onnx__import_##name(uwc_onnx__import *im, const uwc_onnx__node *node)
#define UWC_ONNX__FOLDER(name) uwc_status uwc_onnx__fold_##name(uwc_onnx__import *im, const uwc_onnx__node *node, uwc_tensor **out)

UWC_ONNX__IMPORTER(conv);
UWC_ONNX__IMPORTER(gemm);
UWC_ONNX__IMPORTER(matmul);
UWC_ONNX__IMPORTER(batch_norm);
UWC_ONNX__IMPORTER(max_pool);
UWC_ONNX__IMPORTER(average_pool);
UWC_ONNX__IMPORTER(global_average_pool);
UWC_ONNX__IMPORTER(relu);
UWC_ONNX__IMPORTER(clip);
UWC_ONNX__IMPORTER(leaky_relu);
UWC_ONNX__IMPORTER(sigmoid);
UWC_ONNX__IMPORTER(tanh);
UWC_ONNX__IMPORTER(hard_sigmoid);
UWC_ONNX__IMPORTER(hard_swish);
UWC_ONNX__IMPORTER(gelu);
UWC_ONNX__IMPORTER(erf);
UWC_ONNX__IMPORTER(sqrt);
UWC_ONNX__IMPORTER(pow);
UWC_ONNX__IMPORTER(layer_norm);
UWC_ONNX__IMPORTER(softmax);
UWC_ONNX__IMPORTER(add);
UWC_ONNX__IMPORTER(sub);
UWC_ONNX__IMPORTER(mul);
UWC_ONNX__IMPORTER(div);
UWC_ONNX__IMPORTER(identity);
UWC_ONNX__IMPORTER(dropout);
UWC_ONNX__IMPORTER(concat);
UWC_ONNX__IMPORTER(reduce_mean);
UWC_ONNX__IMPORTER(flatten);
UWC_ONNX__IMPORTER(reshape);
UWC_ONNX__IMPORTER(transpose);
UWC_ONNX__IMPORTER(slice);
UWC_ONNX__IMPORTER(split);
UWC_ONNX__IMPORTER(gather);
UWC_ONNX__IMPORTER(pad);
UWC_ONNX__IMPORTER(squeeze);
UWC_ONNX__IMPORTER(unsqueeze);
UWC_ONNX__IMPORTER(shape);
UWC_ONNX__IMPORTER(quantize);
UWC_ONNX__IMPORTER(dequantize);

UWC_ONNX__FOLDER(constant);
UWC_ONNX__FOLDER(constant_of_shape);
UWC_ONNX__FOLDER(add);
UWC_ONNX__FOLDER(sub);
UWC_ONNX__FOLDER(mul);
UWC_ONNX__FOLDER(div);
UWC_ONNX__FOLDER(floor);
UWC_ONNX__FOLDER(cast);
UWC_ONNX__FOLDER(gather);
UWC_ONNX__FOLDER(range);
UWC_ONNX__FOLDER(concat);
UWC_ONNX__FOLDER(slice);
UWC_ONNX__FOLDER(squeeze);
UWC_ONNX__FOLDER(unsqueeze);
UWC_ONNX__FOLDER(reshape);
UWC_ONNX__FOLDER(transpose);
UWC_ONNX__FOLDER(identity);

/* Slices of a shape, one start, end (at least INT32_MAX: all the rest) and step per axis, from either form of the node. */
typedef struct uwc_onnx__slice {
    int64_t start[UWC_MAX_RANK], end[UWC_MAX_RANK], step[UWC_MAX_RANK];
} uwc_onnx__slice;
uwc_status uwc_onnx__slice_read(uwc_onnx__import *im, const uwc_onnx__node *node, uwc_shape shape, uwc_onnx__slice *out) UWC_MUST_USE;
/* Reshape to one dimension that only a Gather reads (docs/formats/onnx.md): whether `node`, with the target dim[n], is one, and its import.
 */
bool uwc_onnx__flattens_for_gather(const uwc_onnx__import *im, const uwc_onnx__node *node, const int64_t *dim, int n);
uwc_status uwc_onnx__import_flat(uwc_onnx__import *im, const uwc_onnx__node *node) UWC_MUST_USE;
/* The axes of ReduceMean, Squeeze or Unsqueeze (attribute or input 1) as a mask over `rank` dimensions; *n = -1 where there are none. */
uwc_status uwc_onnx__axes(uwc_onnx__import *im, const uwc_onnx__node *node, int rank, bool *mask, int *n) UWC_MUST_USE;
/* The shape with the axes of Squeeze taken out (all of length 1 where the node names none), or with those of Unsqueeze put in; axes in
 * mask. */
uwc_status uwc_onnx__squeezed(uwc_onnx__import *im, const uwc_onnx__node *node, uwc_shape shape, bool *mask, uwc_shape *out) UWC_MUST_USE;
uwc_status uwc_onnx__unsqueezed(uwc_onnx__import *im, const uwc_onnx__node *node, uwc_shape shape, bool *mask, uwc_shape *out) UWC_MUST_USE;
/* Axis of a tensor of `rank` made non-negative. Errors: SHAPE. */
uwc_status uwc_onnx__axis(int64_t axis, int rank, int *out) UWC_MUST_USE;

/* Bias [rows] of the graph's own from input `index` with `rows` numbers or one, times `factor`. */
uwc_status uwc_onnx__add_bias(uwc_onnx__import *im, const uwc_onnx__node *node, size_t index, int64_t rows, float factor,
                              int *value) UWC_MUST_USE;
/* The Add that alone reads the output (of `rank`) of a weighted node and whose other input is a constant along the rows, with `behind` axes
 * behind them: *sum (done with it), *index of that constant. *sum = NULL where there is none. */
uwc_status uwc_onnx__find_bias(uwc_onnx__import *im, const uwc_onnx__node *node, int64_t rows, int rank, int behind,
                               const uwc_onnx__node **sum, size_t *index) UWC_MUST_USE;

/* The quantized weights [rows, cols] behind a weight input (transposed: its axis 1 gives the rows); NULL where it is not quantized per row.
 */
uwc_status uwc_onnx__quantized_weights(const uwc_onnx__entry *entry, bool transpose, uwc_weights **out) UWC_MUST_USE;
/* Gives them to a node of the graph; `quantized` is adopted (NULL: nothing to do). */
void uwc_onnx__set_weights(uwc_graph *graph, int node, uwc_weights *quantized, bool asymmetric);
void uwc_onnx__lattice_destroy(uwc_onnx__lattice **lattice);
/* Bits of the quantizer whose Clip has these bounds, or 0. */
int uwc_onnx__clip_bits(float low, float high, float scale, int32_t zero);
/* Bits of the quantizer in front of which this Clip node of the file lies and which it belongs to, or 0. */
uwc_status uwc_onnx__clip_of_quantizer(uwc_onnx__import *im, const uwc_onnx__node *node, float low, float high, int *bits) UWC_MUST_USE;
/* Values get the quantizers that their edges have. Errors: UNSUPPORTED (readers disagree). */
uwc_status uwc_onnx__settle_quantizers(uwc_onnx__import *im) UWC_MUST_USE;
/* Value of a key of the model's metadata, or NULL. */
const char *uwc_onnx__metadata(const Onnx__ModelProto *model, const char *prefix, const char *name);

#endif
