/* Private to gradient.c and gradient_back.c. */
#ifndef UWC_GRADIENT_IMPL_H
#define UWC_GRADIENT_IMPL_H

#include "graph_impl.h"

#include <uwc/backward.h>
#include <uwc/gradient.h>

/* Memory for the gradient of one slot at a time. */
typedef struct uwc_gradient_buffer {
    float *data;
    int64_t count;
    bool used;
} uwc_gradient_buffer;

/* A value has two slots as in exec.c: raw (its index), and quantized (n_values behind it) for the edges into weighted nodes. */
struct uwc_gradient {
    const uwc_graph *graph;
    int64_t images;
    bool dry;                /* counts bytes: has neither memory nor kernels, computes nothing */
    int64_t bytes;           /* of all memory but that of kernels, so far */
    uwc_kernel **kernel;     /* [n_nodes] */
    uwc_backward **backward; /* [n_nodes] */
    int *shares;             /* [n_values] value whose memory this one takes over, -1: its own */
    bool *wants;             /* [2 n_values] slots with a gradient */
    uwc_tensor **memory;     /* [2 n_values] owned; constants: their gradient, in the first half */
    uwc_tensor *slot;        /* [2 n_values] views */
    uint8_t **kept;          /* [n_values] of the last forward pass with drops */
    bool dropped;            /* the last forward pass had drops */
    uwc_tensor *grad;        /* [2 n_values] views */
    int *held;               /* [2 n_values] buffer, -1: none */
    bool *begun;             /* [2 n_values] the gradient holds a part of its sum */
    double *scale, *zero;    /* [n_values] */
    uwc_gradient_buffer *pool;
    int64_t pool_capacity;
    int n_buffers;
};

/* What a gradient does with its memory, without any. */
uwc_status uwc_graph__gradient_create_dry(const uwc_graph *graph, int64_t images, bool with_inputs, uwc_gradient **out) UWC_MUST_USE;
/* The slot that input k of a node reads. */
int uwc_graph__gradient_slot(const uwc_gradient *g, const uwc_node *node, int k);

#endif
