/* Element-wise operators of one input, and of two with numpy broadcasting. */
#include "backward_impl.h"

static void store(float *to, float value, bool add) {
    *to = add ? *to + value : value;
}

/* The slope at each of n elements, from the input or the output. One loop per operator, so that each is vectorised. */
static void slopes(const uwc_op *op, int64_t n, const float *restrict x, const float *restrict y, float *restrict slope) {
    switch (op->kind) {
    case UWC_OP_RELU:
        for (int64_t i = 0; i < n; i++) {
            slope[i] = y[i] > 0.0f ? 1.0f : 0.0f;
        }
        break;
    case UWC_OP_CLIP:
        for (int64_t i = 0; i < n; i++) {
            slope[i] = ((y[i] > op->low) & (y[i] < op->high)) ? 1.0f : 0.0f;
        }
        break;
    case UWC_OP_LEAKY_RELU:
        for (int64_t i = 0; i < n; i++) {
            slope[i] = x[i] < 0.0f ? op->alpha : 1.0f;
        }
        break;
    case UWC_OP_SIGMOID:
        for (int64_t i = 0; i < n; i++) {
            slope[i] = y[i] * (1.0f - y[i]);
        }
        break;
    case UWC_OP_TANH:
        for (int64_t i = 0; i < n; i++) {
            slope[i] = 1.0f - y[i] * y[i];
        }
        break;
    case UWC_OP_IDENTITY:
        for (int64_t i = 0; i < n; i++) {
            slope[i] = 1.0f;
        }
        break;
    default:
        for (int64_t i = 0; i < n; i++) {
            slope[i] = (float)uwc_backward__slope(op, (double)x[i]);
        }
        break;
    }
}

uwc_status uwc_backward__unary(uwc_backward *b, const uwc_backward_call *call) {
    enum { PIECE = 1024 };
    const float *x = call->in[0]->f32, *y = call->out->f32, *dy = call->grad_out->f32;
    float *dx = call->grad_in[0]->f32;
    bool add = uwc_backward__adds(call, 0);
    int64_t count = uwc_shape_count(b->out);
#pragma omp parallel for schedule(static)
    for (int64_t first = 0; first < count; first += PIECE) {
        float slope[PIECE];
        int64_t n = count - first < PIECE ? count - first : PIECE;
        slopes(&b->op, n, x + first, y + first, slope);
        for (int64_t i = 0; i < n; i++) {
            store(&dx[first + i], dy[first + i] * slope[i], add);
        }
    }
    return UWC_OK;
}

/* The gradient by one input: per element, a sum over the axes along which the input is repeated. */
typedef struct broadcast {
    int rank;                                                           /* of the output */
    int64_t kept[UWC_MAX_RANK], repeated[UWC_MAX_RANK];                 /* extents: one of the two is 1 on each axis */
    int64_t out[UWC_MAX_RANK], mine[UWC_MAX_RANK], other[UWC_MAX_RANK]; /* strides */
    const float *dy, *factor;                                           /* factor: the other input of Mul, NULL for Add and Sub */
    float sign;
} broadcast;

static broadcast describe(const uwc_backward *b, const uwc_backward_call *call, int i) {
    broadcast s = {.rank = b->out.rank, .dy = call->grad_out->f32, .sign = b->op.kind == UWC_OP_SUB && i == 1 ? -1.0f : 1.0f};
    const uwc_tensor *mine = call->in[i], *other = call->in[1 - i];
    uwc_ops__strides(b->out, call->grad_out->layout, s.out);
    uwc_ops__broadcast_strides(mine, b->out, s.mine);
    uwc_ops__broadcast_strides(other, b->out, s.other);
    s.factor = b->op.kind == UWC_OP_MUL ? other->f32 : NULL;
    for (int axis = 0; axis < s.rank; axis++) {
        bool repeated = s.mine[axis] == 0;
        s.kept[axis] = repeated ? 1 : b->out.dim[axis];
        s.repeated[axis] = repeated ? b->out.dim[axis] : 1;
    }
    return s;
}

/* Adds the offsets that the linear index over `extent` has in two tensors. */
static void offsets(int rank, int64_t index, const int64_t *extent, const int64_t *first, const int64_t *second, int64_t *at_first,
                    int64_t *at_second) {
    for (int axis = rank - 1; axis >= 0; axis--) {
        int64_t coordinate = index % extent[axis];
        index /= extent[axis];
        *at_first += coordinate * first[axis];
        *at_second += coordinate * second[axis];
    }
}

static double sum_repeated(const broadcast *s, int64_t repeats, int64_t out, int64_t other) {
    double sum = 0.0;
    for (int64_t r = 0; r < repeats; r++) {
        int64_t at = out, at_other = other;
        offsets(s->rank, r, s->repeated, s->out, s->other, &at, &at_other);
        sum += (double)s->dy[at] * (s->factor == NULL ? 1.0 : (double)s->factor[at_other]);
    }
    return sum;
}

static void broadcast_gradient(const broadcast *s, bool add, float *grad) {
    int64_t elements = 1, repeats = 1;
    for (int axis = 0; axis < s->rank; axis++) {
        elements *= s->kept[axis];
        repeats *= s->repeated[axis];
    }
#pragma omp parallel for schedule(static)
    for (int64_t e = 0; e < elements; e++) {
        int64_t out = 0, mine = 0, other = 0, unused = 0;
        offsets(s->rank, e, s->kept, s->out, s->mine, &out, &mine);
        offsets(s->rank, e, s->kept, s->other, s->mine, &other, &unused);
        store(&grad[mine], s->sign * (float)sum_repeated(s, repeats, out, other), add);
    }
}

static bool same_place(const uwc_tensor *a, const uwc_tensor *b) {
    return uwc_shape_equal(a->shape, b->shape) && a->layout == b->layout;
}

static void plain_gradient(const broadcast *s, int64_t count, bool add, float *grad) {
#pragma omp parallel for schedule(static)
    for (int64_t i = 0; i < count; i++) {
        store(&grad[i], s->sign * s->dy[i] * (s->factor == NULL ? 1.0f : s->factor[i]), add);
    }
}

uwc_status uwc_backward__binary(uwc_backward *b, const uwc_backward_call *call) {
    bool plain = same_place(call->in[0], call->grad_out) && same_place(call->in[1], call->grad_out);
    for (int i = 0; i < 2; i++) {
        if (call->grad_in[i] == NULL) {
            continue;
        }
        broadcast s = describe(b, call, i);
        bool add = uwc_backward__adds(call, i);
        if (plain) {
            plain_gradient(&s, uwc_shape_count(b->out), add, call->grad_in[i]->f32);
        } else {
            broadcast_gradient(&s, add, call->grad_in[i]->f32);
        }
    }
    return UWC_OK;
}
