/* Private to ops: a oneDNN primitive with its arguments and its memory. */
#ifndef UWC_OPS_ONEDNN_H
#define UWC_OPS_ONEDNN_H

#include "ops_impl.h"

#include <oneapi/dnnl/dnnl.h>

enum { UWC_OPS__ARGUMENTS = 5, UWC_OPS__ADDED = DNNL_ARG_ATTR_MULTIPLE_POST_OP(0) | DNNL_ARG_SRC_1 };

/* Between an argument and memory outside that lies in another order; made at its first use. */
typedef struct uwc_ops__reorder {
    dnnl_primitive_t primitive;
    dnnl_memory_t outside;
} uwc_ops__reorder;

typedef struct uwc_ops__primitive {
    const char *name; /* of the operator, for messages */
    dnnl_engine_t engine;
    dnnl_stream_t stream;
    dnnl_primitive_t primitive;
    int n_args;
    dnnl_exec_arg_t arg[UWC_OPS__ARGUMENTS];
    void *owned[UWC_OPS__ARGUMENTS]; /* memory of arg[i] that lives here */
    uwc_ops__reorder reorder[UWC_OPS__ARGUMENTS];
} uwc_ops__primitive;

typedef struct uwc_ops__pair {
    dnnl_dims_t at;
} uwc_ops__pair;

/* UWC_OK or an error that names the operator and the call. */
uwc_status uwc_ops__dnnl(const char *name, const char *call, dnnl_status_t status) UWC_MUST_USE;
/* Makes the primitive of an operation descriptor, with its own scratchpad. `added` (NULL: nothing) is added to the finished output,
 * broadcast; it is the argument UWC_OPS__ADDED. *own is zero before; uwc_ops__primitive_close frees it always. */
uwc_status uwc_ops__primitive_open(uwc_ops__primitive *own, const char *name, const_dnnl_op_desc_t desc,
                                   const dnnl_memory_desc_t *added) UWC_MUST_USE;
/* The same for a gradient, which oneDNN makes to go with the forward pass of descriptor `forward`. */
uwc_status uwc_ops__primitive_open_backward(uwc_ops__primitive *own, const char *name, const_dnnl_op_desc_t desc,
                                            const_dnnl_op_desc_t forward) UWC_MUST_USE;
/* Adds an argument (DNNL_ARG_...) in the form that the primitive wants: with zeroed memory of its own, or to be bound at each run. */
uwc_status uwc_ops__primitive_add(uwc_ops__primitive *own, int argument, bool owns_memory) UWC_MUST_USE;
/* Adds an argument whose memory another primitive of the same descriptor owns and outlives this one with. */
uwc_status uwc_ops__primitive_borrow(uwc_ops__primitive *own, int argument, const uwc_ops__primitive *owner) UWC_MUST_USE;
/* Copies `data`, which lies as `desc` says (the same on every call), into an argument that has memory. */
uwc_status uwc_ops__primitive_fill(uwc_ops__primitive *own, int argument, const dnnl_memory_desc_t *desc, const float *data) UWC_MUST_USE;
/* The way back: copies the argument into `data`. */
uwc_status uwc_ops__primitive_drain(uwc_ops__primitive *own, int argument, const dnnl_memory_desc_t *desc, float *data) UWC_MUST_USE;
/* Floats of an argument in the form that the primitive wants. */
int64_t uwc_ops__primitive_floats(const uwc_ops__primitive *own, int argument);
/* The argument lies at `data` from now on; what the primitive pads is zeroed there. */
uwc_status uwc_ops__primitive_bind(uwc_ops__primitive *own, int argument, const float *data) UWC_MUST_USE;
/* Runs on the arguments as they are. */
uwc_status uwc_ops__primitive_execute(uwc_ops__primitive *own) UWC_MUST_USE;
/* Runs with DNNL_ARG_SRC and DNNL_ARG_DST bound to x and y. */
uwc_status uwc_ops__primitive_run(uwc_ops__primitive *own, const float *x, float *y) UWC_MUST_USE;
void uwc_ops__primitive_close(uwc_ops__primitive *own);
/* Descriptor of float32 memory. */
uwc_status uwc_ops__describe(const char *name, uwc_shape shape, dnnl_format_tag_t tag, dnnl_memory_desc_t *desc) UWC_MUST_USE;
/* While between these calls, oneDNN called from this thread makes and runs primitives for one thread. `before` is what the first returned.
 */
int uwc_ops__alone_begin(void);
void uwc_ops__alone_end(int before);
/* Two values along H and W as oneDNN takes them. */
uwc_ops__pair uwc_ops__pair_of(int64_t h, int64_t w);

#endif
