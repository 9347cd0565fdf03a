/* ops: the operators of a network. Floor 2; uses tensor. Two backends of each: oneDNN (or plain vectorised C) and a reference in plain
 * loops.
 *
 * Every operator has one output. Shapes are logical (ONNX order); see tensor.h for how tensors lie in memory. The leading dimension of an
 * activation is the number of images; operators are inferred for one image and run at any batch.
 */
#ifndef UWC_OPS_H
#define UWC_OPS_H

#include <uwc/tensor.h>

#ifdef __cplusplus
extern "C" {
#endif

/* X(kind, name, fewest inputs, most inputs (-1: any), description). Inputs that are constants are named in the description. */
#define UWC_OP_LIST(X)                                                                                                                     \
    X(CONV, "Conv", 2, 3, "x [N,C,H,W], weights [O,C/g,kh,kw] and bias [O] constant; pads, strides, dilations, groups")                    \
    X(LINEAR, "Linear", 2, 3, "x [..,I], weights [O,I] and bias [O] constant: x W^T + b (Gemm, MatMul by a constant)")                     \
    X(BATCH_NORM, "BatchNormalization", 5, 5, "x, scale, bias, mean, variance [C] constant")                                               \
    X(LAYER_NORM, "LayerNormalization", 3, 3, "x, scale, bias [length of `axis`] constant; mean 0 and variance 1 along `axis` alone")      \
    X(RELU, "Relu", 1, 1, "max(x, 0)")                                                                                                     \
    X(CLIP, "Clip", 1, 1, "min(max(x, low), high)")                                                                                        \
    X(LEAKY_RELU, "LeakyRelu", 1, 1, "x < 0 ? alpha x : x")                                                                                \
    X(SIGMOID, "Sigmoid", 1, 1, "1 / (1 + exp(-x))")                                                                                       \
    X(TANH, "Tanh", 1, 1, "tanh(x)")                                                                                                       \
    X(HARD_SIGMOID, "HardSigmoid", 1, 1, "min(max(alpha x + beta, 0), 1)")                                                                 \
    X(HARD_SWISH, "HardSwish", 1, 1, "x min(max(x / 6 + 1/2, 0), 1)")                                                                      \
    X(SILU, "Silu", 1, 1, "x / (1 + exp(-x)), in ONNX Sigmoid and Mul")                                                                    \
    X(GELU, "Gelu", 1, 1, "x (1 + erf(x / sqrt(2))) / 2, exact form")                                                                      \
    X(ERF, "Erf", 1, 1, "erf(x)")                                                                                                          \
    X(SQRT, "Sqrt", 1, 1, "the square root of x >= 0")                                                                                     \
    X(SOFTMAX, "Softmax", 1, 1, "along `axis`")                                                                                            \
    X(ADD, "Add", 2, 2, "with numpy broadcasting; one input may be constant")                                                              \
    X(SUB, "Sub", 2, 2, "with numpy broadcasting; one input may be constant")                                                              \
    X(MUL, "Mul", 2, 2, "with numpy broadcasting; one input may be constant")                                                              \
    X(DIV, "Div", 2, 2, "with numpy broadcasting; one input may be constant")                                                              \
    X(CONCAT, "Concat", 1, -1, "along `axis`, not the batch")                                                                              \
    X(MAX_POOL, "MaxPool", 1, 1, "pads, strides, dilations 1, ceil_mode")                                                                  \
    X(AVERAGE_POOL, "AveragePool", 1, 1, "pads, strides, ceil_mode, count_include_pad")                                                    \
    X(GLOBAL_AVERAGE_POOL, "GlobalAveragePool", 1, 1, "mean over H and W, kept as 1")                                                      \
    X(REDUCE_MEAN, "ReduceMean", 1, 1, "over `axes`, not the batch; keepdims")                                                             \
    X(RESHAPE, "Reshape", 1, 1, "to `target`; also Flatten, Squeeze, Unsqueeze; the batch stays in front")                                 \
    X(TRANSPOSE, "Transpose", 1, 1, "`perm`, the batch stays in front")                                                                    \
    X(SLICE, "Slice", 1, 1, "starts, ends, steps (> 0) per axis, not of the batch")                                                        \
    X(PAD, "Pad", 1, 1, "constant value; pads per axis, not of the batch")                                                                 \
    X(IDENTITY, "Identity", 1, 1, "x; also Dropout")

typedef enum uwc_op_kind {
#define UWC_OP_ENUM(kind, name, least, most, text) UWC_OP_##kind,
    UWC_OP_LIST(UWC_OP_ENUM)
#undef UWC_OP_ENUM
        UWC_OP_COUNT
} uwc_op_kind;

typedef enum uwc_auto_pad { UWC_PAD_EXPLICIT, UWC_PAD_SAME_UPPER, UWC_PAD_SAME_LOWER, UWC_PAD_VALID } uwc_auto_pad;

/* Attributes of all operators in one plain value; fields that a kind does not use are zero. */
typedef struct uwc_op {
    uwc_op_kind kind;
    /* windows: convolution and pooling; order H, W */
    int64_t kernel[2], stride[2], dilation[2];
    int64_t pad[4];        /* top, left, bottom, right */
    uwc_auto_pad auto_pad; /* uwc_op_infer turns it into pad[] and sets it to UWC_PAD_EXPLICIT */
    int64_t group;
    bool ceil_mode, count_include_pad, keepdims;
    float alpha;     /* LeakyRelu and HardSigmoid slope */
    float beta;      /* HardSigmoid at 0 */
    float low, high; /* Clip */
    float epsilon;   /* BatchNormalization, LayerNormalization */
    float value;     /* Pad */
    int axis;        /* Softmax, Concat, LayerNormalization; uwc_op_infer makes it non-negative */
    int n_axes;
    int axes[UWC_MAX_RANK]; /* ReduceMean; made non-negative and ascending */
    int perm[UWC_MAX_RANK]; /* Transpose */
    uwc_shape target;       /* Reshape: for one image; -1 and 0 allowed, uwc_op_infer resolves them; target.dim[0] = 1 then */
    int64_t start[UWC_MAX_RANK], end[UWC_MAX_RANK],
        step[UWC_MAX_RANK];                            /* Slice, one per axis of the input (uwc_op_infer clamps as ONNX says) */
    int64_t before[UWC_MAX_RANK], after[UWC_MAX_RANK]; /* Pad, one per axis of the input */
} uwc_op;

const char *uwc_op_name(uwc_op_kind kind);
const char *uwc_op_description(uwc_op_kind kind);
void uwc_op_arity(uwc_op_kind kind, int *least, int *most);
/* An operator of `kind` with ONNX's default attributes. Local. */
uwc_op uwc_op_make(uwc_op_kind kind);
/* Conv and Linear: have weights to be quantized. Local. */
bool uwc_op_is_weighted(uwc_op_kind kind);
/* The output may be written over input 0 (element-wise, same shape). Local. */
bool uwc_op_in_place(uwc_op_kind kind);

/* Output shape for one image from the inputs' shapes (constants with their own shapes), and the op's attributes made plain (see uwc_op).
 * Errors: SHAPE, UNSUPPORTED (what no backend runs), with what did not fit. Local. */
uwc_status uwc_op_infer(uwc_op *op, const uwc_shape *in, int n_in, uwc_shape *out) UWC_MUST_USE;
/* Multiply-adds for one image (0 for all but Conv and Linear). Local. */
int64_t uwc_op_multiply_adds(const uwc_op *op, const uwc_shape *in, uwc_shape out);

typedef enum uwc_backend { UWC_BACKEND_FAST, UWC_BACKEND_REFERENCE } uwc_backend;

/* An inferred operator made ready for fixed shapes: primitives created, weights reordered. */
typedef struct uwc_kernel uwc_kernel;

/* `in`: shapes with the batch in front; constant[i]: the constant of input i or NULL for an activation, shared inside (who
 * changes its elements calls uwc_tensor_part first) or reordered. Errors: UNSUPPORTED, LIBRARY, NOMEM. Local.
 */
uwc_status uwc_kernel_create(const uwc_op *op, const uwc_shape *in, const uwc_tensor *const *constant, int n_in, uwc_shape out,
                             uwc_backend backend, uwc_kernel **kernel) UWC_MUST_USE;
/* Conv and Linear: replaces weights (same shape as at creation) and bias ([O], also where there was none; NULL: none). Local. */
uwc_status uwc_kernel_set_weights(uwc_kernel *kernel, const uwc_tensor *weights, const uwc_tensor *bias) UWC_MUST_USE;
/* Runs on activations (in[i] is ignored where input i is a constant). `out` has the output's shape and layout. The result is the same at
 * any number of threads. Local. */
uwc_status uwc_kernel_run(uwc_kernel *kernel, const uwc_tensor *const *in, uwc_tensor *out) UWC_MUST_USE;
void uwc_kernel_destroy(uwc_kernel **kernel);

/* Threads that kernels of this process use from now on (>= 1); a kernel uses at most those that were set when it was made. Local. */
void uwc_ops_set_threads(int threads);
/* From now on no kernel uses an instruction set above `isa`: "sse41", "avx", "avx2", "avx512_core", or "auto" for no limit. Before the
 * first kernel of this process. Errors: STATE (too late), ARG. Local. */
uwc_status uwc_ops_limit_isa(const char *isa) UWC_MUST_USE;
/* The instruction set that the kernels use here, e.g. "avx512_core"; static storage. Local. */
const char *uwc_ops_isa(void);
/* Sgemm, row-major, one thread, the same result on every call with the same arguments: C[m,n] = A' B' + beta C, where A' is A[m,k] or, with
 * trans_a, the transpose of A[k,m]; likewise B. Leading dimensions in elements. Local. */
uwc_status uwc_sgemm(bool trans_a, bool trans_b, int64_t m, int64_t n, int64_t k, const float *a, int64_t lda, const float *b, int64_t ldb,
                     float beta, float *c, int64_t ldc) UWC_MUST_USE;

#ifdef __cplusplus
}
#endif
#endif
