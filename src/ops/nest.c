#include "nest.h"

#include <omp.h>
#include <string.h>

static void put_axis(uwc_ops__nest *nest, int place, int64_t dim, int operands, const int64_t (*stride)[UWC_MAX_RANK], int axis) {
    nest->dim[place] = dim;
    for (int k = 0; k < operands; k++) {
        nest->stride[k][place] = stride[k][axis];
    }
}

/* Axes of more than one element, those with long steps in the output first. */
static void sort_axes(uwc_ops__nest *nest, uwc_shape shape, int operands, const int64_t (*stride)[UWC_MAX_RANK]) {
    for (int i = 0; i < shape.rank; i++) {
        if (shape.dim[i] == 1) {
            continue;
        }
        int place = nest->rank++;
        for (; place > 0 && nest->stride[0][place - 1] < stride[0][i]; place--) {
            put_axis(nest, place, nest->dim[place - 1], operands, (const int64_t(*)[UWC_MAX_RANK])nest->stride, place - 1);
        }
        put_axis(nest, place, shape.dim[i], operands, stride, i);
    }
}

/* One step along `outer` is a whole turn of `inner`, for all operands. */
static bool joins(const uwc_ops__nest *nest, int outer, int inner) {
    for (int k = 0; k < nest->operands; k++) {
        if (nest->stride[k][outer] != nest->stride[k][inner] * nest->dim[inner]) {
            return false;
        }
    }
    return true;
}

static void join_axes(uwc_ops__nest *nest) {
    int last = 0;
    for (int i = 1; i < nest->rank; i++) {
        int64_t dim = nest->dim[i];
        if (joins(nest, last, i)) {
            dim *= nest->dim[last];
        } else {
            last++;
        }
        put_axis(nest, last, dim, nest->operands, (const int64_t(*)[UWC_MAX_RANK])nest->stride, i);
    }
    nest->rank = last + 1;
}

uwc_ops__nest uwc_ops__nest_make(uwc_shape shape, int operands, const int64_t (*stride)[UWC_MAX_RANK]) {
    uwc_ops__nest nest = {.operands = operands};
    sort_axes(&nest, shape, operands, stride);
    if (nest.rank == 0) { /* a single element */
        nest.rank = 1;
        nest.dim[0] = 1;
        return nest;
    }
    join_axes(&nest);
    return nest;
}

static void place(const uwc_ops__nest *nest, const int64_t *index, float *const *base, float **at) {
    for (int k = 0; k < nest->operands; k++) {
        at[k] = base[k] + uwc_ops__offset(nest->rank, index, nest->stride[k]);
    }
}

/* Elements [begin, end) in the order of the axes. */
static void walk(const uwc_ops__nest *nest, int64_t begin, int64_t end, float *const *base, uwc_ops__line line) {
    int last = nest->rank - 1;
    int64_t index[UWC_MAX_RANK], step[UWC_OPS__OPERANDS] = {0}, rest = begin;
    for (int i = last; i >= 0; i--) {
        index[i] = rest % nest->dim[i];
        rest /= nest->dim[i];
    }
    for (int k = 0; k < nest->operands; k++) {
        step[k] = nest->stride[k][last];
    }
    while (begin < end) {
        int64_t n = nest->dim[last] - index[last];
        n = n < end - begin ? n : end - begin;
        float *at[UWC_OPS__OPERANDS];
        place(nest, index, base, at);
        line(n, at, step);
        begin += n;
        index[last] += n;
        for (int i = last; i > 0 && index[i] == nest->dim[i]; i--) {
            index[i] = 0;
            index[i - 1]++;
        }
    }
}

void uwc_ops__nest_run(const uwc_ops__nest *nest, float *const *base, uwc_ops__line line) {
    int64_t count = 1;
    for (int i = 0; i < nest->rank; i++) {
        count *= nest->dim[i];
    }
#pragma omp parallel if (count > UWC_OPS__PARALLEL)
    {
        int64_t threads = omp_get_num_threads(), own = omp_get_thread_num();
        int64_t share = (count + threads - 1) / threads;
        share = (share + 15) / 16 * 16; /* whole cache lines */
        int64_t begin = own * share, end = begin + share;
        walk(nest, begin, end < count ? end : count, base, line);
    }
}

static void copy_line(int64_t n, float *const *at, const int64_t *stride) {
    if (stride[0] == 1 && stride[1] == 1) {
        memcpy(at[0], at[1], (size_t)n * sizeof **at);
        return;
    }
    for (int64_t i = 0; i < n; i++) {
        at[0][i * stride[0]] = at[1][i * stride[1]];
    }
}

void uwc_ops__copy(uwc_shape shape, float *to, const int64_t *to_stride, const float *from, const int64_t *from_stride) {
    int64_t stride[2][UWC_MAX_RANK];
    for (int i = 0; i < shape.rank; i++) {
        stride[0][i] = to_stride[i];
        stride[1][i] = from_stride[i];
    }
    uwc_ops__nest nest = uwc_ops__nest_make(shape, 2, (const int64_t(*)[UWC_MAX_RANK])stride);
    uwc_ops__nest_run(&nest, (float *[]){to, (float *)(uintptr_t)from}, copy_line);
}
