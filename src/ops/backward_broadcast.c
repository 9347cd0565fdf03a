/* Element-wise operators of two inputs with numpy broadcasting. The gradient by an input is, per element, a sum over the axes along which
 * it is repeated. */
#include "backward_impl.h"

#include <uwc/vector.h>

/* Neighbouring elements that are worked on together: one cache line where there is a sum, more where there is none. */
enum { SUMMED = 16, TILE = 256 };

/* Axes as they lie in the memory of the output, the innermost last. */
typedef struct broadcast {
    int rank, along;                                                    /* along: the innermost axis with several elements of the input */
    int64_t kept[UWC_MAX_RANK], repeated[UWC_MAX_RANK];                 /* extents: one of the two is 1 on each axis */
    int64_t out[UWC_MAX_RANK], mine[UWC_MAX_RANK], other[UWC_MAX_RANK]; /* strides */
    const float *dy, *factor;                                           /* factor: the other input of Mul, NULL for Add and Sub */
    float sign;
    int64_t repeats;
    int64_t *at; /* [repeats, 2] offsets of the terms of a sum in dy and in factor */
} broadcast;

static int64_t product_of(int rank, const int64_t *extent) {
    int64_t product = 1;
    for (int axis = 0; axis < rank; axis++) {
        product *= extent[axis];
    }
    return product;
}

static void sort_axes(int rank, const int64_t *stride, int *order) {
    for (int axis = 0; axis < rank; axis++) {
        int place = axis;
        for (; place > 0 && stride[order[place - 1]] < stride[axis]; place--) {
            order[place] = order[place - 1];
        }
        order[place] = axis;
    }
}

static broadcast describe(const uwc_backward *b, const uwc_backward_call *call, int i) {
    broadcast s = {.rank = b->out.rank, .dy = call->grad_out->f32, .sign = b->op.kind == UWC_OP_SUB && i == 1 ? -1.0f : 1.0f};
    int64_t out[UWC_MAX_RANK], mine[UWC_MAX_RANK], other[UWC_MAX_RANK];
    int order[UWC_MAX_RANK];
    uwc_ops__strides(b->out, call->grad_out->layout, out);
    uwc_ops__broadcast_strides(call->in[i], b->out, mine);
    uwc_ops__broadcast_strides(call->in[1 - i], b->out, other);
    sort_axes(s.rank, out, order);
    for (int place = 0; place < s.rank; place++) {
        int axis = order[place];
        bool repeated = mine[axis] == 0;
        s.kept[place] = repeated ? 1 : b->out.dim[axis];
        s.repeated[place] = repeated ? b->out.dim[axis] : 1;
        s.out[place] = out[axis];
        s.mine[place] = mine[axis];
        s.other[place] = other[axis];
        s.along = s.kept[place] > 1 ? place : s.along;
    }
    s.factor = b->op.kind == UWC_OP_MUL ? call->in[1 - i]->f32 : NULL;
    s.repeats = product_of(s.rank, s.repeated);
    return s;
}

/* Offset that the linear index over `extent` has at these strides. */
static int64_t offset(int rank, int64_t index, const int64_t *extent, const int64_t *stride) {
    int64_t at = 0;
    for (int axis = rank - 1; axis >= 0; axis--) {
        at += index % extent[axis] * stride[axis];
        index /= extent[axis];
    }
    return at;
}

static inline void add_terms(const float *dy, int64_t dy_step, const float *factor, int64_t factor_step, int64_t n, double *restrict sum) {
    for (int64_t j = 0; factor == NULL && j < n; j++) {
        sum[j] += (double)dy[j * dy_step];
    }
    for (int64_t j = 0; factor != NULL && j < n; j++) {
        sum[j] += (double)dy[j * dy_step] * (double)factor[j * factor_step];
    }
}

/* Sums of n neighbours. */
UWC_VECTOR static void sum_tile(const broadcast *s, const float *dy, const float *factor, int64_t n, double *restrict sum) {
    int64_t dy_step = s->out[s->along], factor_step = s->other[s->along];
    bool close = dy_step == 1 && (factor == NULL || factor_step == 1);
    for (int64_t j = 0; j < n; j++) {
        sum[j] = 0.0;
    }
    for (int64_t r = 0; r < s->repeats; r++) {
        const float *more = dy + s->at[2 * r], *by = factor == NULL ? NULL : factor + s->at[2 * r + 1];
        if (close && n == SUMMED) { /* loops of known length and step */
            add_terms(more, 1, by, 1, SUMMED, sum);
        } else if (close) {
            add_terms(more, 1, by, 1, n, sum);
        } else {
            add_terms(more, dy_step, by, factor_step, n, sum);
        }
    }
}

static void run(const broadcast *s, bool add, float *grad) {
    int64_t row = s->kept[s->along], rows = product_of(s->rank, s->kept) / row, tile = s->repeats > 1 ? SUMMED : TILE;
    int64_t tiles = (row + tile - 1) / tile;
#pragma omp parallel for schedule(static)
    for (int64_t t = 0; t < rows * tiles; t++) {
        int64_t first = t % tiles * tile, element = t / tiles * row + first, n = row - first < tile ? row - first : tile;
        const float *factor = s->factor == NULL ? NULL : s->factor + offset(s->rank, element, s->kept, s->other);
        float *to = grad + offset(s->rank, element, s->kept, s->mine);
        double sum[TILE];
        sum_tile(s, s->dy + offset(s->rank, element, s->kept, s->out), factor, n, sum);
        for (int64_t j = 0, step = s->mine[s->along]; j < n; j++) {
            to[j * step] = s->sign * (float)sum[j] + (add ? to[j * step] : 0.0f);
        }
    }
}

static uwc_status by_input(const uwc_backward *b, const uwc_backward_call *call, int i) {
    broadcast s = describe(b, call, i);
    UWC_TRY(uwc_calloc(2 * s.repeats, sizeof *s.at, &s.at));
    for (int64_t r = 0; r < s.repeats; r++) {
        s.at[2 * r] = offset(s.rank, r, s.repeated, s.out);
        s.at[2 * r + 1] = offset(s.rank, r, s.repeated, s.other);
    }
    run(&s, uwc_backward__adds(call, i), call->grad_in[i]->f32);
    uwc_free(&s.at);
    return UWC_OK;
}

static bool same_place(const uwc_tensor *a, const uwc_tensor *b) {
    return uwc_shape_equal(a->shape, b->shape) && a->layout == b->layout;
}

/* All three tensors alike: one pass over memory. */
static void by_input_alike(const uwc_backward *b, const uwc_backward_call *call, int i) {
    const float *dy = call->grad_out->f32, *factor = b->op.kind == UWC_OP_MUL ? call->in[1 - i]->f32 : NULL;
    float *grad = call->grad_in[i]->f32, sign = b->op.kind == UWC_OP_SUB && i == 1 ? -1.0f : 1.0f;
    bool add = uwc_backward__adds(call, i);
    int64_t count = uwc_shape_count(b->out);
#pragma omp parallel for schedule(static)
    for (int64_t e = 0; e < count; e++) {
        float value = sign * dy[e] * (factor == NULL ? 1.0f : factor[e]);
        grad[e] = add ? grad[e] + value : value;
    }
}

uwc_status uwc_backward__binary(uwc_backward *b, const uwc_backward_call *call) {
    bool alike = same_place(call->in[0], call->grad_out) && same_place(call->in[1], call->grad_out);
    for (int i = 0; i < 2; i++) {
        if (call->grad_in[i] == NULL) {
            continue;
        }
        if (alike) {
            by_input_alike(b, call, i);
        } else {
            UWC_TRY(by_input(b, call, i));
        }
    }
    return UWC_OK;
}
