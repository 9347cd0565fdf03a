/* backward: the gradient of a scalar by an operator's inputs, from its gradient by the output. Part of module ops, floor 2; uses tensor.
 *
 * Every result is the same at any number of threads: sums over images or positions are cut into blocks that depend on the shapes alone and
 * are combined in a fixed order.
 */
#ifndef UWC_BACKWARD_H
#define UWC_BACKWARD_H

#include <uwc/ops.h>

#ifdef __cplusplus
extern "C" {
#endif

/* An inferred operator made ready for the gradients at fixed shapes; holds scratch memory. */
typedef struct uwc_backward uwc_backward;

/* `in`, `out`: shapes as for uwc_kernel_create, the batch in front, constants with their own. Errors: SHAPE, UNSUPPORTED (Div; Softmax:
 * take uwc_cross_entropy; Linear on an input of rank 4), NOMEM. Local. */
uwc_status uwc_backward_create(const uwc_op *op, const uwc_shape *in, int n_in, uwc_shape out, uwc_backward **backward) UWC_MUST_USE;
/* The operator has a gradient. Local. */
bool uwc_backward_exists(uwc_op_kind kind);
void uwc_backward_destroy(uwc_backward **backward);
/* grad_in[i] = gradient by input i, constants (weights, bias) like activations; NULL: not wanted. accumulate[i]: it is added to what
 * grad_in[i] holds, otherwise that is overwritten; accumulate NULL: overwrite all. in[] and `out` hold the values of the forward pass,
 * constants included; Clip, Relu, Sigmoid and Tanh read `out` alone, so their in[0] may have been overwritten by it. At a kink the gradient
 * is 0 (Relu, Clip) or that of the right-hand side (LeakyRelu); MaxPool gives it to the first of equal elements. A gradient lies in memory
 * like its tensor. The other functions of one input read in[0]. BatchNormalization has gradients by x, scale and bias alone, mean and
 * variance being constants. Errors: SHAPE, ARG. Local. */
uwc_status uwc_backward_run(uwc_backward *backward, const uwc_tensor *const *in, const uwc_tensor *out, const uwc_tensor *grad_out,
                            uwc_tensor *const *grad_in, const bool *accumulate) UWC_MUST_USE;

/* *loss = mean over images of -log softmax(logits)[label]; grad (or NULL) = its gradient by the logits, overwritten. logits, grad
 * [N,classes]; label [N]. Errors: SHAPE, VALUE (label outside the classes). Local. */
uwc_status uwc_cross_entropy(const uwc_tensor *logits, const int32_t *label, double *loss, uwc_tensor *grad) UWC_MUST_USE;

/* Normalization with the statistics of the batch, for training: out = scale (x - mean) / sqrt(variance + epsilon) + bias, per channel of x
 * [N,C] or [N,C,H,W]. mean, variance [C] are results (variance: divided by the count). out may be x. Source: Ioffe, Szegedy, "Batch
 * normalization", ICML 2015, algorithm 1. Local. */
uwc_status uwc_batch_norm_train(const uwc_tensor *x, const float *scale, const float *bias, float epsilon, float *mean, float *variance,
                                uwc_tensor *out) UWC_MUST_USE;
/* Gradients of the above, which differentiate the statistics too; all are overwritten. mean, variance: as uwc_batch_norm_train gave them.
 * grad_x may be grad_out. Source: as above, section 3. Local. */
uwc_status uwc_batch_norm_train_backward(const uwc_tensor *x, const float *scale, float epsilon, const float *mean, const float *variance,
                                         const uwc_tensor *grad_out, uwc_tensor *grad_x, float *grad_scale, float *grad_bias) UWC_MUST_USE;

#ifdef __cplusplus
}
#endif
#endif
