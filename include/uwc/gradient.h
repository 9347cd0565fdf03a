/* gradient: forward with all values kept, and the gradient of a scalar by weights, biases and activation steps. Part of module graph, floor
 * 3; uses ops, quant.
 *
 * Rounding is passed straight through, clipping and the steps are differentiated exactly: Bengio, Leonard, Courville 2013; Esser,
 * McKinstry, Bablani, Appuswamy, Modha, "Learned step size quantization", ICLR 2020, equation 3. Every result is the same at any number of
 * threads.
 */
#ifndef UWC_GRADIENT_H
#define UWC_GRADIENT_H

#include <uwc/graph.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct uwc_gradient uwc_gradient;

/* Every operator of the graph has a gradient (uwc_backward_exists), and no Linear lies on four dimensions. Local. */
bool uwc_gradient_exists(const uwc_graph *graph);
/* Prepares `graph` (borrowed; structure and which values have quantizers must not change) for batches of exactly `images`. with_inputs:
 * also the gradient by the graph's inputs. Errors: UNSUPPORTED, NOMEM. Local. */
uwc_status uwc_gradient_create(const uwc_graph *graph, int64_t images, bool with_inputs, uwc_gradient **out) UWC_MUST_USE;
void uwc_gradient_destroy(uwc_gradient **gradient);
/* *out = bytes that a gradient of `graph` would hold after a forward pass with drops and a backward pass, without those of the graph and of
 * kernels, and without the gradient by the inputs. Errors: NOMEM. Local. */
uwc_status uwc_gradient_bytes(const uwc_graph *graph, int64_t images, int64_t *out) UWC_MUST_USE;

/* Elements of activations that keep their float value in front of a weighted node: each with probability `part`, drawn from (seed, step,
 * value, element). Source: Wei, Gong, Li, Liu, Yu, "QDrop", ICLR 2022, equation 9. */
typedef struct uwc_drop {
    double part;
    uint64_t seed, step;
} uwc_drop;

/* keep[i] = 1 where element i of `value`, which has `count`, keeps its float value. Local. */
void uwc_drop_keep(const uwc_drop *drop, int value, int64_t count, uint8_t *keep);

/* Forward on fed[i], the value of graph->input[i]: weights, biases and quantizers as the graph has them now. drop NULL: all are quantized.
 * Errors: SHAPE. Local. */
uwc_status uwc_gradient_forward(uwc_gradient *gradient, const uwc_tensor *const *fed, const uwc_drop *drop) UWC_MUST_USE;
/* What the last forward pass gave; borrowed, valid until the next. NULL for values that an operator has overwritten (the input of a Relu or
 * Clip that nothing else reads). Local. */
const uwc_tensor *uwc_gradient_value(const uwc_gradient *gradient, int value);
/* Gradients by all weights, biases and steps, and the inputs where asked for, from those by the outputs: grad_out[i] by graph->output[i].
 * After uwc_gradient_forward. Local. */
uwc_status uwc_gradient_backward(uwc_gradient *gradient, const uwc_tensor *const *grad_out) UWC_MUST_USE;
/* The same, but those by weights, biases and steps are added to what the last backward pass gave: of a batch in parts. Local. */
uwc_status uwc_gradient_backward_more(uwc_gradient *gradient, const uwc_tensor *const *grad_out) UWC_MUST_USE;
/* By a weight or bias of a weighted node, or an input; NULL for other values. Borrowed, valid until the next backward pass. Local. */
const uwc_tensor *uwc_gradient_by(const uwc_gradient *gradient, int value);
/* By the scale and, as if it were a real number, by the zero point of a value's quantizer; 0 where it has none. Local. */
double uwc_gradient_by_scale(const uwc_gradient *gradient, int value);
double uwc_gradient_by_zero(const uwc_gradient *gradient, int value);

#ifdef __cplusplus
}
#endif
#endif
