/* Private to the gradients of the operators. */
#ifndef UWC_BACKWARD_IMPL_H
#define UWC_BACKWARD_IMPL_H

#include <uwc/backward.h>

#include "ops_impl.h"

/* Sums are cut into at most so many blocks, whatever the number of threads. */
enum { UWC_BACKWARD_BLOCKS = 16 };

struct uwc_backward {
    uwc_op op;
    int n_in;
    uwc_shape *in; /* [n_in] owned */
    uwc_shape out;
    float *scratch; /* grows with need, kept between runs */
    int64_t capacity;
    struct uwc_backward_conv *conv; /* primitives of a convolution, made at its first run */
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

/* to[i] += more[i]. */
void uwc_backward__add(float *restrict to, const float *restrict more, int64_t n);
/* The first of `blocks` vectors of `terms` floats becomes the sum of all, added in order. */
void uwc_backward__reduce(float *sums, int64_t blocks, int64_t terms);
/* *grad = from, or += with `add`. */
void uwc_backward__store(const float *from, uwc_tensor *grad, bool add);

/* Gradients of the operators, per kind; for operators of one input only called where that gradient is wanted. */
typedef uwc_status (*uwc_backward_function)(uwc_backward *b, const uwc_backward_call *call);

uwc_status uwc_backward__conv(uwc_backward *b, const uwc_backward_call *call) UWC_MUST_USE;
void uwc_backward__conv_close(struct uwc_backward_conv **conv);
/* A convolution whose gradients by weights and bias the function below has. */
bool uwc_backward__is_large_depthwise(const uwc_backward *b);
uwc_status uwc_backward__large_depthwise(uwc_backward *b, const uwc_backward_call *call) UWC_MUST_USE;
/* y [rows, outputs] = x [rows, inputs] W^T + bias: Linear. */
uwc_status uwc_backward__dense(uwc_backward *b, const uwc_backward_call *call) UWC_MUST_USE;
uwc_status uwc_backward__norm(uwc_backward *b, const uwc_backward_call *call) UWC_MUST_USE;
uwc_status uwc_backward__unary(uwc_backward *b, const uwc_backward_call *call) UWC_MUST_USE;
/* dy/dx at x of Silu, Gelu, Erf and Sqrt. */
double uwc_backward__slope(const uwc_op *op, double x);
uwc_status uwc_backward__layer_norm(uwc_backward *b, const uwc_backward_call *call) UWC_MUST_USE;
uwc_status uwc_backward__binary(uwc_backward *b, const uwc_backward_call *call) UWC_MUST_USE;
/* MaxPool and AveragePool. */
uwc_status uwc_backward__pool(uwc_backward *b, const uwc_backward_call *call) UWC_MUST_USE;
/* GlobalAveragePool and ReduceMean. */
uwc_status uwc_backward__mean(uwc_backward *b, const uwc_backward_call *call) UWC_MUST_USE;
uwc_status uwc_backward__concat(uwc_backward *b, const uwc_backward_call *call) UWC_MUST_USE;
uwc_status uwc_backward__slice(uwc_backward *b, const uwc_backward_call *call) UWC_MUST_USE;
uwc_status uwc_backward__pad(uwc_backward *b, const uwc_backward_call *call) UWC_MUST_USE;
uwc_status uwc_backward__transpose(uwc_backward *b, const uwc_backward_call *call) UWC_MUST_USE;
uwc_status uwc_backward__reshape(uwc_backward *b, const uwc_backward_call *call) UWC_MUST_USE;

#endif
