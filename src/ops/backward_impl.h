/* Private to the gradients of the operators. */
#ifndef UWC_BACKWARD_IMPL_H
#define UWC_BACKWARD_IMPL_H

#include <uwc/backward.h>

/* Sums are cut into at most so many blocks, whatever the number of threads. */
enum { UWC_BACKWARD_BLOCKS = 16 };

struct uwc_backward {
    uwc_op op;
    int n_in;
    uwc_shape *in; /* [n_in] owned */
    uwc_shape out;
    float *scratch; /* grows with need, kept between runs */
    int64_t capacity;
};

/* The arguments of one run. */
typedef struct uwc_backward_call {
    const uwc_tensor *const *in;
    const uwc_tensor *out, *grad_out;
    uwc_tensor *const *grad_in;
    const bool *accumulate;
} uwc_backward_call;

/* Gradient by input i, NULL where there is no such input or it is not wanted. */
uwc_tensor *uwc_backward__grad(const uwc_backward *b, const uwc_backward_call *call, int i);
bool uwc_backward__adds(const uwc_backward_call *call, int i);
/* *out = at least `count` floats of scratch memory with any contents. */
uwc_status uwc_backward__scratch(uwc_backward *b, int64_t count, float **out) UWC_MUST_USE;

/* Blocks of a sum over `count` terms, and the first term of each. */
int64_t uwc_backward__blocks(int64_t count);
int64_t uwc_backward__block_first(int64_t count, int64_t blocks, int64_t block);

/* Sums of one block of a weighted operator: partial[block] is [sets, channels] of the weights, biases[block] is [outputs]. */
typedef struct uwc_backward_sums {
    float *partial, *biases;
    int64_t blocks, weights, outputs;
} uwc_backward_sums;

/* Column sums of `rows` rows of dy into the bias sums of a block, added. */
void uwc_backward__sum_rows(const float *dy, int64_t rows, int64_t outputs, float *sums);
/* Adds up the blocks' bias sums in order. */
void uwc_backward__reduce_bias(const uwc_backward_sums *sums, uwc_tensor *grad, bool add);
/* Adds up the blocks' weight sums in order; a block holds [groups, rows, taps, channels] and the gradient [groups rows, channels, taps]. */
void uwc_backward__reduce_weights(const uwc_backward_sums *sums, int64_t taps, int64_t channels, uwc_tensor *grad, bool add);

/* How a loop over logical dimensions moves through two tensors; strides in elements. */
typedef struct uwc_walk {
    int rank;
    int64_t dim[UWC_MAX_RANK], from[UWC_MAX_RANK], to[UWC_MAX_RANK];
} uwc_walk;

/* Strides in elements of a tensor of this shape and layout. */
void uwc_backward__strides(uwc_shape shape, uwc_layout layout, int64_t *stride);
/* to = scale from or, with `add`, to += scale from; every element of `to` is met once. */
void uwc_walk__copy(uwc_walk walk, const float *from, float scale, bool add, float *to);

uwc_status uwc_backward__conv(uwc_backward *b, const uwc_backward_call *call) UWC_MUST_USE;
uwc_status uwc_backward__depthwise(uwc_backward *b, const uwc_backward_call *call) UWC_MUST_USE;
/* y [rows, outputs] = x [rows, inputs] W^T + bias: Linear and the 1x1 convolution. */
uwc_status uwc_backward__dense(uwc_backward *b, const uwc_backward_call *call) UWC_MUST_USE;
uwc_status uwc_backward__norm(uwc_backward *b, const uwc_backward_call *call) UWC_MUST_USE;
void uwc_backward__unary(uwc_backward *b, const uwc_backward_call *call);
void uwc_backward__binary(uwc_backward *b, const uwc_backward_call *call);
void uwc_backward__max_pool(uwc_backward *b, const uwc_backward_call *call);
void uwc_backward__average_pool(uwc_backward *b, const uwc_backward_call *call);
/* GlobalAveragePool and ReduceMean. */
void uwc_backward__mean(uwc_backward *b, const uwc_backward_call *call);
void uwc_backward__concat(uwc_backward *b, const uwc_backward_call *call);
void uwc_backward__slice(uwc_backward *b, const uwc_backward_call *call);
void uwc_backward__pad(uwc_backward *b, const uwc_backward_call *call);
void uwc_backward__transpose(uwc_backward *b, const uwc_backward_call *call);
uwc_status uwc_backward__reshape(uwc_backward *b, const uwc_backward_call *call) UWC_MUST_USE;

#endif
