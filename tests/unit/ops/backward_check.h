/* Gradients against central differences: the scalar is sum(weight out) in double, out by the reference operators. Values are odd multiples
 * of 1/8, so that no kink lies within a step of 1/32.
 */
#ifndef BACKWARD_CHECK_H
#define BACKWARD_CHECK_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <string.h>

#include <uwc/uwc.h>

enum { CHECK_INPUTS = 5 };
static const double CHECK_STEP = 1.0 / 32, CHECK_ERROR = 2e-3;

typedef struct check_case {
    uwc_op op;
    int n_in;
    uwc_shape in[CHECK_INPUTS];
    unsigned constants; /* bit i: input i is a constant */
    unsigned fixed;     /* bit i: no gradient by input i */
    unsigned positive;  /* bit i: input i holds values > 0 */
} check_case;

typedef struct check_state {
    const check_case *c;
    uwc_op op; /* inferred */
    uwc_tensor *in[CHECK_INPUTS], *grad[CHECK_INPUTS], *out, *weight;
} check_state;

/* Distinct values in a random order: the i-th of the sequence 0, m, 2m, ... modulo the count. */
static inline void check_fill(uwc_tensor *tensor, uint64_t stream, bool positive) {
    int64_t count = uwc_shape_count(tensor->shape);
    for (int64_t i = 0; i < count; i++) {
        int64_t j = uwc_rng_below(7, stream, (uint64_t)i, i + 1);
        tensor->f32[i] = tensor->f32[j];
        tensor->f32[j] = (float)i;
    }
    for (int64_t i = 0; i < count; i++) {
        double level = (double)(int64_t)tensor->f32[i] - (double)(count / 2);
        tensor->f32[i] = (float)(0.25 * (count > 40 ? remainder(level, 20.0) : level) + 0.125);
        tensor->f32[i] = positive ? fabsf(tensor->f32[i]) + 0.5f : tensor->f32[i];
    }
}

static inline void check_forward(const check_state *s) {
    const uwc_tensor *constant[CHECK_INPUTS], *in[CHECK_INPUTS];
    uwc_shape shape[CHECK_INPUTS];
    for (int i = 0; i < s->c->n_in; i++) {
        in[i] = s->in[i];
        shape[i] = s->in[i]->shape;
        constant[i] = (s->c->constants >> i & 1) != 0 ? s->in[i] : NULL;
    }
    uwc_kernel *kernel;
    assert_int_equal(UWC_OK, uwc_kernel_create(&s->op, shape, constant, s->c->n_in, s->out->shape, UWC_BACKEND_REFERENCE, &kernel));
    assert_int_equal(UWC_OK, uwc_kernel_run(kernel, in, s->out));
    uwc_kernel_destroy(&kernel);
}

static inline double check_scalar(const check_state *s) {
    check_forward(s);
    double sum = 0.0;
    for (int64_t i = 0; i < uwc_shape_count(s->out->shape); i++) {
        sum += (double)s->weight->f32[i] * (double)s->out->f32[i];
    }
    return sum;
}

static inline void check_setup(check_state *s, const check_case *c) {
    uwc_shape per_image[CHECK_INPUTS], out;
    *s = (check_state){.c = c, .op = c->op};
    for (int i = 0; i < c->n_in; i++) {
        bool constant = (c->constants >> i & 1) != 0;
        per_image[i] = constant ? c->in[i] : uwc_shape_batch(c->in[i], 1);
        uwc_layout layout = constant ? UWC_PLAIN : uwc_shape_layout(c->in[i]);
        assert_int_equal(UWC_OK, uwc_tensor_create(UWC_F32, c->in[i], layout, &s->in[i]));
        assert_int_equal(UWC_OK, uwc_tensor_create(UWC_F32, c->in[i], layout, &s->grad[i]));
        check_fill(s->in[i], (uint64_t)i, (c->positive >> i & 1) != 0);
    }
    assert_int_equal(UWC_OK, uwc_op_infer(&s->op, per_image, c->n_in, &out));
    out = uwc_shape_batch(out, c->in[0].dim[0]);
    assert_int_equal(UWC_OK, uwc_tensor_activation(out, &s->out));
    assert_int_equal(UWC_OK, uwc_tensor_activation(out, &s->weight));
    for (int64_t i = 0; i < uwc_shape_count(out); i++) {
        s->weight->f32[i] = (float)uwc_rng_normal(7, 100, (uint64_t)i);
    }
}

static inline void check_teardown(check_state *s) {
    for (int i = 0; i < s->c->n_in; i++) {
        uwc_tensor_destroy(&s->in[i]);
        uwc_tensor_destroy(&s->grad[i]);
    }
    uwc_tensor_destroy(&s->out);
    uwc_tensor_destroy(&s->weight);
}

static inline void check_backward(check_state *s, bool add) {
    const uwc_tensor *in[CHECK_INPUTS];
    uwc_tensor *grad[CHECK_INPUTS];
    bool accumulate[CHECK_INPUTS];
    for (int i = 0; i < s->c->n_in; i++) {
        in[i] = s->in[i];
        grad[i] = (s->c->fixed >> i & 1) != 0 ? NULL : s->grad[i];
        accumulate[i] = add;
    }
    uwc_backward *backward;
    assert_int_equal(UWC_OK, uwc_backward_create(&s->op, s->c->in, s->c->n_in, s->out->shape, &backward));
    assert_int_equal(UWC_OK, uwc_backward_run(backward, in, s->out, s->weight, grad, add ? accumulate : NULL));
    uwc_backward_destroy(&backward);
}

static inline double check_largest(const uwc_tensor *tensor) {
    double largest = 0.0;
    for (int64_t i = 0; i < uwc_shape_count(tensor->shape); i++) {
        largest = fmax(largest, fabs((double)tensor->f32[i]));
    }
    return largest;
}

/* Each element of input i moved both ways. */
static inline void check_differences(check_state *s, int i) {
    double bound = CHECK_ERROR * check_largest(s->grad[i]);
    assert_true(bound > 0.0);
    for (int64_t e = 0; e < uwc_shape_count(s->in[i]->shape); e++) {
        float kept = s->in[i]->f32[e];
        s->in[i]->f32[e] = kept + (float)CHECK_STEP;
        double above = check_scalar(s);
        s->in[i]->f32[e] = kept - (float)CHECK_STEP;
        double below = check_scalar(s);
        s->in[i]->f32[e] = kept;
        double slope = (above - below) / (2.0 * CHECK_STEP);
        if (fabs(slope - (double)s->grad[i]->f32[e]) > bound) {
            fail_msg("%s: input %d element %lld: %g instead of %g", uwc_op_name(s->op.kind), i, (long long)e, (double)s->grad[i]->f32[e],
                     slope);
        }
    }
}

/* With accumulate every gradient is what it was, more by what the tensor held. */
static inline void check_accumulation(check_state *s) {
    uwc_tensor *kept[CHECK_INPUTS];
    for (int i = 0; i < s->c->n_in; i++) {
        assert_int_equal(UWC_OK, uwc_tensor_copy(s->grad[i], &kept[i]));
        for (int64_t e = 0; e < uwc_shape_count(s->grad[i]->shape); e++) {
            s->grad[i]->f32[e] = 1.0f;
        }
    }
    check_backward(s, true);
    for (int i = 0; i < s->c->n_in; i++) {
        bool fixed = (s->c->fixed >> i & 1) != 0;
        for (int64_t e = 0; e < uwc_shape_count(s->grad[i]->shape); e++) {
            double expected = fixed ? 1.0 : 1.0 + (double)kept[i]->f32[e];
            assert_true(fabs((double)s->grad[i]->f32[e] - expected) <= 1e-5 * (1.0 + fabs(expected)));
        }
        uwc_tensor_destroy(&kept[i]);
    }
}

static inline void check_gradients(const check_case *c) {
    check_state s;
    check_setup(&s, c);
    check_forward(&s);
    for (int i = 0; i < c->n_in; i++) { /* overwritten means: what was there does not matter */
        memset(s.grad[i]->data, 0xff, uwc_tensor_bytes(s.grad[i]));
    }
    check_backward(&s, false);
    for (int i = 0; i < c->n_in; i++) {
        if ((c->fixed >> i & 1) == 0) {
            check_differences(&s, i);
        }
    }
    check_forward(&s);
    check_accumulation(&s);
    check_teardown(&s);
}

/* The same bytes at 1, 2 and 3 threads. */
static inline void check_threads(const check_case *c) {
    check_state s;
    check_setup(&s, c);
    check_forward(&s);
    uwc_tensor *first[CHECK_INPUTS];
    for (int threads = 1; threads <= 3; threads++) {
        uwc_ops_set_threads(threads);
        check_backward(&s, false);
        for (int i = 0; i < c->n_in; i++) {
            if (threads == 1) {
                assert_int_equal(UWC_OK, uwc_tensor_copy(s.grad[i], &first[i]));
            }
            assert_memory_equal(first[i]->data, s.grad[i]->data, uwc_tensor_bytes(s.grad[i]));
        }
    }
    for (int i = 0; i < c->n_in; i++) {
        uwc_tensor_destroy(&first[i]);
    }
    check_teardown(&s);
}

#endif
