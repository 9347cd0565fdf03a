/* Private to ops: loops over tensors that are strided or broadcast, brought to the fewest axes and shared among threads. */
#ifndef UWC_OPS_NEST_H
#define UWC_OPS_NEST_H

#include "ops_impl.h"

enum { UWC_OPS__OPERANDS = 4 };

/* Operand 0 is the output; the axes are in the order in which it lies in memory, the last one innermost. */
typedef struct uwc_ops__nest {
    int rank, operands;
    int64_t dim[UWC_MAX_RANK];
    int64_t stride[UWC_OPS__OPERANDS][UWC_MAX_RANK];
} uwc_ops__nest;

/* Where the operands of a sheet begin, and their steps from row to row and along a row. Operand 0 alone is written. */
typedef struct uwc_ops__sheet {
    int64_t rows, n;
    float *at[UWC_OPS__OPERANDS];
    int64_t row_stride[UWC_OPS__OPERANDS], stride[UWC_OPS__OPERANDS];
} uwc_ops__sheet;

/* Works on `rows` rows of n elements. */
typedef void (*uwc_ops__work)(const uwc_ops__sheet *sheet);

/* The loops over `shape` with stride[k] for operand k: axes of one element are dropped, adjacent ones joined. Never empty. */
uwc_ops__nest uwc_ops__nest_make(uwc_shape shape, int operands, const int64_t (*stride)[UWC_MAX_RANK]);
/* Runs `work` over all elements, each of which must depend on its own inputs alone. */
void uwc_ops__nest_run(const uwc_ops__nest *nest, float *const *base, uwc_ops__work work);
/* to[index . to_stride] = from[index . from_stride] for all indices of `shape`. */
void uwc_ops__copy(uwc_shape shape, float *to, const int64_t *to_stride, const float *from, const int64_t *from_stride);

#endif
