/* graph: a network as nodes and values; shape inference, folding, running ranges of it, cutting it into Basic-Units.
 * Floor 3; uses ops, quant, tensor.
 *
 * A *quantized* network is the same graph: weights of a node lie on a lattice (node->quantized) and values carry a quantizer, which acts on
 * the edges into Conv and Linear nodes only; other readers of the value see it unquantized (unless graph->quantize_all).
 */
#ifndef UWC_GRAPH_H
#define UWC_GRAPH_H

#include <uwc/ops.h>
#include <uwc/quant.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct uwc_value {
    char *name;
    uwc_shape shape;         /* activations: for one image, dim[0] = 1 (after inference); constants: their own */
    uwc_tensor *constant;    /* owned, plain layout; NULL for an activation. Copies of the graph share its data: see uwc_graph_edit */
    int producer;            /* node, or -1 for inputs and constants */
    int activation_bits;     /* bits of the edge into weighted nodes; 0: float. Set by uwc_graph_assign_bits */
    uwc_quantizer quantizer; /* bits == 0: none (yet) */
    bool shared;             /* in a graph of some nodes: a weighted node that is not among them reads it too */
} uwc_value;

typedef struct uwc_node {
    char *name;
    uwc_op op;
    int n_in;
    int *in;         /* values; a bias that is absent is left out (n_in == 2) */
    int out;         /* value */
    int weight_bits; /* 0: float. Set by uwc_graph_assign_bits */
    bool weight_asymmetric;
    uwc_weights *quantized; /* owned; NULL while the weights are float. The constant in[1] then holds the dequantized weights */
} uwc_node;

/* Nodes are in a topological order (the file's, where that is one). */
typedef struct uwc_graph {
    char *name;
    uwc_node *node;
    int n_nodes;
    uwc_value *value;
    int n_values;
    int *input, n_inputs;   /* values */
    int *output, n_outputs; /* values */
    bool quantize_all;
    int64_t node_capacity, value_capacity; /* private */
} uwc_graph;

/* ---- building --------------------------------------------------------------------------------------------------------------- */

uwc_status uwc_graph_create(const char *name, uwc_graph **out) UWC_MUST_USE;
void uwc_graph_destroy(uwc_graph **graph);
/* A copy, which shares the data of constants that neither graph edits. Local. */
uwc_status uwc_graph_copy(const uwc_graph *graph, uwc_graph **out) UWC_MUST_USE;
/* New value; `constant` (or NULL) is adopted, also on failure. *out = its index. Errors: FORMAT (name taken or empty). Local. */
uwc_status uwc_graph_add_value(uwc_graph *graph, const char *name, uwc_shape shape, uwc_tensor *constant, int *out) UWC_MUST_USE;
/* New node behind the others. *out (may be NULL) = its index. Errors: FORMAT (the output has a producer already). Local. */
uwc_status uwc_graph_add_node(uwc_graph *graph, const char *name, const uwc_op *op, const int *in, int n_in, int output,
                              int *out) UWC_MUST_USE;
uwc_status uwc_graph_add_input(uwc_graph *graph, int value) UWC_MUST_USE;
uwc_status uwc_graph_add_output(uwc_graph *graph, int value) UWC_MUST_USE;
/* Index of the value or node of that name, -1 if there is none. Local. */
int uwc_graph_find_value(const uwc_graph *graph, const char *name);
int uwc_graph_find_node(const uwc_graph *graph, const char *name);

/* Sorts the nodes topologically (stable), infers every shape for one image, checks all that later floors rely on: one producer per value,
 * no cycle, no missing input, finite constants, batch in front. Errors name the node. Local. */
uwc_status uwc_graph_finish(uwc_graph *graph) UWC_MUST_USE;
/* Makes one operator of the chains that write out Silu, HardSwish, Gelu and LayerNormalization; brings what works on [N,H,W,C] between two
 * Transposes to [N,C,H,W]; folds BatchNormalization and factors per channel into the Conv or Linear in front of them (a BatchNormalization
 * without one becomes a depthwise Conv); drops Identity and nodes and values that reach no output. Local. */
uwc_status uwc_graph_simplify(uwc_graph *graph) UWC_MUST_USE;
/* A hash of everything that determines results: structure, attributes, constants. Local. */
uwc_status uwc_graph_hash(const uwc_graph *graph, uint64_t *out) UWC_MUST_USE;
/* The value of the logits: the first output, or the input of a final Softmax. Local. */
int uwc_graph_logits(const uwc_graph *graph);
/* A graph of its own from the listed nodes (ascending): inputs = activations made elsewhere (in order of first use), outputs = `outputs`.
 * Names, bits and quantizers are kept; constants are shared as by uwc_graph_copy. Local. */
uwc_status uwc_graph_extract(const uwc_graph *graph, const int *nodes, int n_nodes, const int *outputs, int n_outputs,
                             uwc_graph **out) UWC_MUST_USE;
/* *out = the elements of a constant, to be changed: from now on other graphs have their own. Executors of this graph see the change at the
 * latest after uwc_exec_refresh. Errors: NOMEM. Local. */
uwc_status uwc_graph_edit(uwc_graph *graph, int value, float **out) UWC_MUST_USE;
/* Replaces weights and bias of a weighted node: `quantized` is copied, its dequantized values go into the constant; a bias is made where
 * there was none. bias [O]. Local. */
uwc_status uwc_graph_set_quantized(uwc_graph *graph, int node, const uwc_weights *quantized, const float *bias) UWC_MUST_USE;
/* Which nodes read a value: *out (owned by the caller) and its length. Local. */
uwc_status uwc_graph_readers(const uwc_graph *graph, int value, int **out, int *n) UWC_MUST_USE;

typedef struct uwc_bits {
    int weight_bits, activation_bits; /* 2..8; activation_bits 32: float */
    int first_last_bits; /* weights of the first and last weighted node, the network's input, the first layer's output, the last layer's
                            input */
    bool weights_asymmetric;
    bool quantize_all;
} uwc_bits;

/* Sets weight_bits of all weighted nodes and activation_bits of all values that they read. Local. */
uwc_status uwc_graph_assign_bits(uwc_graph *graph, const uwc_bits *bits) UWC_MUST_USE;

typedef struct uwc_graph_sizes {
    int64_t weighted_nodes, parameters, multiply_adds; /* multiply_adds: one image */
    int64_t bytes_float, bytes_packed;                 /* packed: sum of weights * bits / 8 + scales, zero points, biases */
} uwc_graph_sizes;
void uwc_graph_measure(const uwc_graph *graph, uwc_graph_sizes *out);

/* ---- running ------------------------------------------------------------------------------------------------------------------ */

typedef struct uwc_exec uwc_exec;

/* Prepares the graph (borrowed, must not change but through uwc_exec_refresh) for batches of at most `batch` images. A large batch runs in
 * slices that stay in the cache, each thread (of those set now) with an executor of its own: what comes out is the same at any number of
 * threads. Kernels are made once per slice size in use and thread. Local. */
uwc_status uwc_exec_create(const uwc_graph *graph, int64_t batch, uwc_backend backend, uwc_exec **out) UWC_MUST_USE;
void uwc_exec_destroy(uwc_exec **exec);
/* Runs on n images: feeds and fetches are values of the graph. Only nodes between feeds and fetches run; a fed value is not recomputed.
 * fetched[i] is borrowed, valid until the next run. Quantizers of the values act (where bits > 0). Errors: SHAPE. Local. */
uwc_status uwc_exec_run(uwc_exec *exec, int64_t images, const int *feed, const uwc_tensor *const *fed, int n_feeds, const int *fetch,
                        int n_fetches, const uwc_tensor **fetched) UWC_MUST_USE;
/* An executor that makes neither buffers nor kernels: it finds out what runs would need, with the values that have bits `quantized` or
 * without quantizers, and with as many threads as have work. Local. */
uwc_status uwc_exec_create_dry(const uwc_graph *graph, int64_t batch, bool quantized, uwc_exec **out) UWC_MUST_USE;
/* As uwc_exec_run of a dry executor, without tensors. Local. */
uwc_status uwc_exec_run_dry(uwc_exec *exec, int64_t images, const int *feed, int n_feeds, const int *fetch, int n_fetches) UWC_MUST_USE;
/* Bytes of the buffers that the runs so far have made, or would have. Without kernels. Local. */
int64_t uwc_exec_bytes(const uwc_exec *exec);
/* About what the kernels take that the runs of a dry executor would have made: weights as they like them, code. Local. */
int64_t uwc_exec_kernel_bytes(const uwc_exec *exec);
/* Bytes of the constants. Local. */
int64_t uwc_graph_constant_bytes(const uwc_graph *graph);
/* Takes over changed weights, bias and bits of `node` (-1: all). Local. */
uwc_status uwc_exec_refresh(uwc_exec *exec, int node) UWC_MUST_USE;
/* Largest batch so that the graph's activations stay below `bytes`, 1 <= batch <= most; depends on the graph alone. Local. */
int64_t uwc_graph_batch(const uwc_graph *graph, int64_t bytes, int64_t most);

/* ---- Basic-Units ---------------------------------------------------------------------------------------------------------------- */

typedef struct uwc_unit {
    char *name;
    int *node, n_nodes;                /* ascending; every node of the graph is in exactly one unit */
    int *input, n_inputs;              /* activations from outside */
    int *output, n_outputs;            /* values read outside, or outputs of the network */
    int n_layers;                      /* weighted nodes */
    int64_t multiply_adds, parameters; /* one image */
    double work;                       /* estimated multiply-adds of its reconstruction, one image */
} uwc_unit;

typedef struct uwc_partition {
    uwc_unit *unit;
    int n_units;
} uwc_partition;

/* Single-entry, single-exit regions (post-dominators), and those whose entries are several values that nothing but Concats reads (a layer
 * of DenseNet); chains merged up to `max_layers` weighted nodes; regions without weighted nodes join a neighbour. Units are in topological
 * order. Local. */
uwc_status uwc_partition_create(const uwc_graph *graph, int max_layers, uwc_partition **out) UWC_MUST_USE;
/* How strongly the layers of nodes [first, split) and those of [split, end) interact, 0 to 1. */
typedef struct uwc_interaction {
    void *self;
    uwc_status (*measure)(void *self, int first, int split, int end, double *strength);
} uwc_interaction;

/* Two neighbours that interact more strongly belong together. 0: their errors add up; 1: one can cancel what the other did. */
#define UWC_STRONG_INTERACTION 0.2

/* As uwc_partition_create, whose units then merge in the order of the data flow: a unit with the one in front of it where it reads nothing
 * else, both together have at most 2 max_layers weighted nodes, and they interact strongly. Errors: those of the measurement. Local. */
uwc_status uwc_partition_create_merged(const uwc_graph *graph, int max_layers, const uwc_interaction *interaction,
                                       uwc_partition **out) UWC_MUST_USE;
/* Units that end with the n listed nodes, ascending to the last of the graph. Errors: ARG. Local. */
uwc_status uwc_partition_create_cut(const uwc_graph *graph, const int *last, int n, uwc_partition **out) UWC_MUST_USE;
void uwc_partition_destroy(uwc_partition **partition);

#ifdef __cplusplus
}
#endif
#endif
