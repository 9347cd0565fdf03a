/* Private to module graph. */
#ifndef UWC_GRAPH_IMPL_H
#define UWC_GRAPH_IMPL_H

#include <uwc/graph.h>

/* Sorts the nodes topologically, keeping their order where it is one already; sets value->producer. Errors: FORMAT (cycle). */
uwc_status uwc_graph__sort(uwc_graph *graph);
/* Drops nodes that reach no output and values that nobody uses; indices change. */
uwc_status uwc_graph__prune(uwc_graph *graph);
/* Chains of operators become the one operator that they write out. */
uwc_status uwc_graph__fuse(uwc_graph *graph);
/* Operators between a Transpose to channels last and one back work on channels first instead. */
uwc_status uwc_graph__channels_first(uwc_graph *graph);
/* Frees what a node or value owns. */
void uwc_graph__clear_node(uwc_node *node);
void uwc_graph__clear_value(uwc_value *value);
/* New constant of zeros, named base.suffix or, where that is taken, with a number behind. */
uwc_status uwc_graph__add_constant(uwc_graph *graph, const char *base, const char *suffix, uwc_shape shape, int *out);
/* Gives a node other inputs. */
uwc_status uwc_graph__set_inputs(uwc_graph *graph, int node, const int *in, int n_in);
/* True where value is read by a node or is an output of the network other than through `node`. */
bool uwc_graph__has_other_use(const uwc_graph *graph, int value, int node);

/* About what the kernel of a node takes for one batch size: weights as it likes them, code. */
int64_t uwc_graph__kernel_bytes(const uwc_graph *graph, int node);

/* An executor like `exec` for one slice. */
uwc_status uwc_graph__exec_slice(const uwc_exec *exec, int64_t images, uwc_exec **out) UWC_MUST_USE;

/* Runs batches in slices (slices.c): an executor for more images than one slice has executors of its own, for one slice each. */
typedef struct uwc_slices uwc_slices;
/* Images of one slice of a batch; depends on the arguments alone. */
int64_t uwc_graph__slice_images(const uwc_graph *graph, int64_t batch);
/* For an executor of `graph` that is made for `batch` images; a dry one has as many lanes as there are slices. */
uwc_status uwc_graph__slices_create(const uwc_exec *exec, const uwc_graph *graph, int64_t batch, bool dry, uwc_slices **out) UWC_MUST_USE;
void uwc_graph__slices_destroy(uwc_slices **slices);
/* Bytes of the buffers of its executors and of what they fetched. */
int64_t uwc_graph__slices_bytes(const uwc_slices *slices);
/* Of the kernels of dry executors. */
int64_t uwc_graph__slices_kernel_bytes(const uwc_slices *slices);
uwc_status uwc_graph__slices_refresh(uwc_slices *slices, int node) UWC_MUST_USE;
/* As uwc_exec_run, for arguments that are known to be right. */
uwc_status uwc_graph__slices_run(uwc_slices *slices, int64_t images, const int *feed, const uwc_tensor *const *fed, int n_feeds,
                                 const int *fetch, int n_fetches, const uwc_tensor **fetched) UWC_MUST_USE;

#endif
