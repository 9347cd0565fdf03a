/* Private to ops: the table row of an operator, the kernel object, and what the backends share. */
#ifndef UWC_OPS_IMPL_H
#define UWC_OPS_IMPL_H

#include <uwc/ops.h>

/* Below this many elements a loop is not worth a team of threads. */
enum { UWC_OPS__PARALLEL = 16384 };

/* One backend of one operator. `state` is the backend's own; kernel.c does the checks that all share. */
typedef struct uwc_ops__methods {
    /* Makes kernel->state; constant[i] as in uwc_kernel_create. NULL: nothing to make. */
    uwc_status (*prepare)(uwc_kernel *kernel, const uwc_tensor *const *constant);
    uwc_status (*set_weights)(uwc_kernel *kernel, const uwc_tensor *weights, const uwc_tensor *bias); /* NULL: has none */
    /* in[i]: activation or, with keeps_constants, the constant. */
    uwc_status (*run)(uwc_kernel *kernel, const uwc_tensor *const *in, uwc_tensor *out);
    void (*release)(uwc_kernel *kernel); /* frees kernel->state; NULL: nothing to free */
    bool keeps_constants;
} uwc_ops__methods;

struct uwc_kernel {
    uwc_op op; /* inferred */
    const uwc_ops__methods *methods;
    int n_in;
    uwc_shape *in; /* [n_in], with the batch */
    uwc_shape out;
    bool *is_constant;          /* [n_in] */
    uwc_tensor **constant;      /* [n_in] shared, with keeps_constants */
    const uwc_tensor **operand; /* [n_in] inputs of the call that runs */
    void *state;
};

typedef struct uwc_ops__row {
    const char *name, *description;
    int least, most;
    uwc_status (*infer)(uwc_op *op, const uwc_shape *in, int n_in, uwc_shape *out);
    const uwc_ops__methods *fast, *reference;
} uwc_ops__row;

const uwc_ops__row *uwc_ops__find(uwc_op_kind kind);

/* infer*.c */
uwc_status uwc_ops__infer_same(uwc_op *op, const uwc_shape *in, int n_in, uwc_shape *out) UWC_MUST_USE;
uwc_status uwc_ops__infer_broadcast(uwc_op *op, const uwc_shape *in, int n_in, uwc_shape *out) UWC_MUST_USE;
uwc_status uwc_ops__infer_linear(uwc_op *op, const uwc_shape *in, int n_in, uwc_shape *out) UWC_MUST_USE;
uwc_status uwc_ops__infer_batch_norm(uwc_op *op, const uwc_shape *in, int n_in, uwc_shape *out) UWC_MUST_USE;
uwc_status uwc_ops__infer_layer_norm(uwc_op *op, const uwc_shape *in, int n_in, uwc_shape *out) UWC_MUST_USE;
uwc_status uwc_ops__infer_softmax(uwc_op *op, const uwc_shape *in, int n_in, uwc_shape *out) UWC_MUST_USE;
uwc_status uwc_ops__infer_reduce_mean(uwc_op *op, const uwc_shape *in, int n_in, uwc_shape *out) UWC_MUST_USE;
uwc_status uwc_ops__infer_conv(uwc_op *op, const uwc_shape *in, int n_in, uwc_shape *out) UWC_MUST_USE;
uwc_status uwc_ops__infer_pool(uwc_op *op, const uwc_shape *in, int n_in, uwc_shape *out) UWC_MUST_USE;
uwc_status uwc_ops__infer_global_pool(uwc_op *op, const uwc_shape *in, int n_in, uwc_shape *out) UWC_MUST_USE;
uwc_status uwc_ops__infer_concat(uwc_op *op, const uwc_shape *in, int n_in, uwc_shape *out) UWC_MUST_USE;
uwc_status uwc_ops__infer_reshape(uwc_op *op, const uwc_shape *in, int n_in, uwc_shape *out) UWC_MUST_USE;
uwc_status uwc_ops__infer_transpose(uwc_op *op, const uwc_shape *in, int n_in, uwc_shape *out) UWC_MUST_USE;
uwc_status uwc_ops__infer_slice(uwc_op *op, const uwc_shape *in, int n_in, uwc_shape *out) UWC_MUST_USE;
uwc_status uwc_ops__infer_pad(uwc_op *op, const uwc_shape *in, int n_in, uwc_shape *out) UWC_MUST_USE;
/* *axis of `rank` made non-negative; the batch is refused. */
uwc_status uwc_ops__infer_axis(const uwc_op *op, int rank, int *axis) UWC_MUST_USE;

/* Elements between neighbours along each logical axis. */
void uwc_ops__strides(uwc_shape shape, uwc_layout layout, int64_t *stride);
/* The same for an operand that is broadcast to `to`: 0 along the axes where it is repeated. */
void uwc_ops__broadcast_strides(const uwc_tensor *operand, uwc_shape to, int64_t *stride);
/* Strides of the output along the axes of the input of ReduceMean or GlobalAveragePool: 0 along those that are reduced. */
void uwc_ops__reduced_strides(const uwc_op *op, uwc_shape in, const uwc_tensor *out, int64_t *stride);
/* Moves `index` to the next one in row-major order; false after the last. */
bool uwc_ops__next(uwc_shape shape, int64_t *index);
int64_t uwc_ops__offset(int rank, const int64_t *index, const int64_t *stride);

/* The backends. */
extern const uwc_ops__methods uwc_ops__conv, uwc_ops__linear, uwc_ops__batch_norm, uwc_ops__pointwise, uwc_ops__sigmoid, uwc_ops__softmax,
    uwc_ops__broadcast, uwc_ops__pool, uwc_ops__reduce_mean, uwc_ops__concat, uwc_ops__reshape, uwc_ops__transpose, uwc_ops__slice,
    uwc_ops__pad, uwc_ops__activation, uwc_ops__layer_norm;
extern const uwc_ops__methods uwc_ops__conv_ref, uwc_ops__linear_ref, uwc_ops__batch_norm_ref, uwc_ops__pointwise_ref, uwc_ops__softmax_ref,
    uwc_ops__broadcast_ref, uwc_ops__pool_ref, uwc_ops__reduce_mean_ref, uwc_ops__concat_ref, uwc_ops__reshape_ref, uwc_ops__transpose_ref,
    uwc_ops__slice_ref, uwc_ops__pad_ref, uwc_ops__layer_norm_ref;

#endif
