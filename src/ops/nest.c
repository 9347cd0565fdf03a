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

static void start(const uwc_ops__nest *nest, int64_t element, int64_t *index) {
    for (int i = nest->rank - 1; i >= 0; i--) {
        index[i] = element % nest->dim[i];
        element /= nest->dim[i];
    }
}

static void advance(const uwc_ops__nest *nest, const uwc_ops__sheet *done, int64_t *index) {
    int last = nest->rank - 1;
    if (done->rows > 1) {
        index[last - 1] += done->rows;
    } else {
        index[last] += done->n;
    }
    for (int i = last; i > 0; i--) {
        if (index[i] == nest->dim[i]) {
            index[i] = 0;
            index[i - 1]++;
        }
    }
}

/* The largest sheet of whole rows, or else the largest part of a row, that begins at `index` and has at most `most` elements. */
static void cut_sheet(const uwc_ops__nest *nest, const int64_t *index, int64_t most, float *const *base, uwc_ops__sheet *sheet) {
    int last = nest->rank - 1;
    int64_t n = nest->dim[last] - index[last], rows = 1;
    if (last > 0 && index[last] == 0 && most > n) {
        rows = nest->dim[last - 1] - index[last - 1];
        rows = rows < most / n ? rows : most / n;
    }
    sheet->rows = rows;
    sheet->n = n < most ? n : most;
    for (int k = 0; k < nest->operands; k++) {
        sheet->at[k] = base[k] + uwc_ops__offset(nest->rank, index, nest->stride[k]);
    }
}

/* Elements [begin, end) in the order of the axes. */
static void walk(const uwc_ops__nest *nest, int64_t begin, int64_t end, float *const *base, uwc_ops__work work) {
    int last = nest->rank - 1;
    int64_t index[UWC_MAX_RANK];
    uwc_ops__sheet sheet = {.rows = 0};
    for (int k = 0; k < nest->operands; k++) {
        sheet.stride[k] = nest->stride[k][last];
        sheet.row_stride[k] = last > 0 ? nest->stride[k][last - 1] : 0;
    }
    start(nest, begin, index);
    for (; begin < end; begin += sheet.rows * sheet.n) {
        cut_sheet(nest, index, end - begin, base, &sheet);
        work(&sheet);
        advance(nest, &sheet, index);
    }
}

void uwc_ops__nest_run(const uwc_ops__nest *nest, float *const *base, uwc_ops__work work) {
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
        walk(nest, begin, end < count ? end : count, base, work);
    }
}

enum { TILE = 16 };

static int64_t smaller(int64_t a, int64_t b) {
    return a < b ? a : b;
}

/* Reads run along the rows, writes across them: in tiles, so that both use whole cache lines. */
static void transpose_sheet(const uwc_ops__sheet *s) {
    for (int64_t top = 0; top < s->rows; top += TILE) {
        for (int64_t left = 0; left < s->n; left += TILE) {
            int64_t bottom = smaller(top + TILE, s->rows), right = smaller(left + TILE, s->n);
            for (int64_t r = top; r < bottom; r++) {
                for (int64_t i = left; i < right; i++) {
                    s->at[0][r * s->row_stride[0] + i] = s->at[1][r + i * s->stride[1]];
                }
            }
        }
    }
}

static void copy_sheet(const uwc_ops__sheet *s) {
    if (s->stride[0] == 1 && s->row_stride[1] == 1 && s->rows > 1) {
        transpose_sheet(s);
        return;
    }
    for (int64_t r = 0; r < s->rows; r++) {
        float *to = s->at[0] + r * s->row_stride[0];
        const float *from = s->at[1] + r * s->row_stride[1];
        if (s->stride[0] == 1 && s->stride[1] == 1) {
            memcpy(to, from, (size_t)s->n * sizeof *to);
            continue;
        }
        for (int64_t i = 0; i < s->n; i++) {
            to[i * s->stride[0]] = from[i * s->stride[1]];
        }
    }
}

void uwc_ops__copy(uwc_shape shape, float *to, const int64_t *to_stride, const float *from, const int64_t *from_stride) {
    int64_t stride[2][UWC_MAX_RANK];
    for (int i = 0; i < shape.rank; i++) {
        stride[0][i] = to_stride[i];
        stride[1][i] = from_stride[i];
    }
    uwc_ops__nest nest = uwc_ops__nest_make(shape, 2, (const int64_t(*)[UWC_MAX_RANK])stride);
    uwc_ops__nest_run(&nest, (float *[]){to, (float *)(uintptr_t)from}, copy_sheet);
}
