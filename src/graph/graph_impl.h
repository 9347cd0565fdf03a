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

#endif
