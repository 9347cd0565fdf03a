/* network: the quickstart's network before training: convolutions with batch normalization, two residual adds, two depthwise convolutions,
 * a linear head. */
#ifndef QUICKSTART_NETWORK_H
#define QUICKSTART_NETWORK_H

#include <uwc/graph.h>

/* *out = a finished graph with random weights that depend on `seed` alone; input "image" [1,3,32,32], output "logits" [1,10]. Local. */
uwc_status network_create(uint64_t seed, uwc_graph **out) UWC_MUST_USE;

#endif
