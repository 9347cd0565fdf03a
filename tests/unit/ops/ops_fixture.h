/* Random operators on random inputs, run by both backends. */
#ifndef UWC_TEST_OPS_FIXTURE_H
#define UWC_TEST_OPS_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <string.h>

#include <uwc/ops.h>

enum { MOST_INPUTS = 6 };

/* A counter-based stream of choices. */
typedef struct dice {
    uint64_t seed, next;
} dice;

static inline int64_t roll(dice *own, int64_t least, int64_t most) {
    return least + uwc_rng_below(own->seed, 0, own->next++, most - least + 1);
}

static inline void fill(uwc_tensor *tensor, uint64_t seed, uint64_t stream) {
    int64_t count = uwc_shape_count(tensor->shape);
    for (int64_t i = 0; i < count; i++) {
        tensor->f32[i] = (float)uwc_rng_normal(seed, stream, (uint64_t)i);
    }
}

/* One operator with its inputs: constants have their own shape, activations `images` in front. */
typedef struct scene {
    uwc_op op;
    int n_in;
    int64_t images;
    uwc_shape one[MOST_INPUTS]; /* for one image */
    bool is_constant[MOST_INPUTS];
    uwc_shape shape[MOST_INPUTS], out;
    uwc_tensor *tensor[MOST_INPUTS];
} scene;

static inline void add_input(scene *own, uwc_shape shape, bool is_constant) {
    own->one[own->n_in] = shape;
    own->is_constant[own->n_in++] = is_constant;
}

/* Infers the operator and makes random tensors of all inputs. */
static inline void build(scene *own, uint64_t seed) {
    uwc_status st = uwc_op_infer(&own->op, own->one, own->n_in, &own->out);
    if (st != UWC_OK) {
        fail_msg("%s", uwc_error_last()->text);
    }
    own->out = uwc_shape_batch(own->out, own->images);
    for (int i = 0; i < own->n_in; i++) {
        own->shape[i] = own->is_constant[i] ? own->one[i] : uwc_shape_batch(own->one[i], own->images);
        uwc_layout layout = own->is_constant[i] ? UWC_PLAIN : uwc_shape_layout(own->shape[i]);
        assert_int_equal(uwc_tensor_create(UWC_F32, own->shape[i], layout, &own->tensor[i]), UWC_OK);
        fill(own->tensor[i], seed, (uint64_t)i + 1);
    }
}

static inline void strike(scene *own) {
    for (int i = 0; i < own->n_in; i++) {
        uwc_tensor_destroy(&own->tensor[i]);
    }
}

static inline uwc_status make_kernel(const scene *own, uwc_backend backend, uwc_kernel **kernel) {
    const uwc_tensor *constant[MOST_INPUTS] = {NULL};
    for (int i = 0; i < own->n_in; i++) {
        constant[i] = own->is_constant[i] ? own->tensor[i] : NULL;
    }
    return uwc_kernel_create(&own->op, own->shape, constant, own->n_in, own->out, backend, kernel);
}

/* Runs a kernel on the scene's activations. The output starts as NaN, so what a backend leaves out shows. */
static inline uwc_tensor *run_kernel(const scene *own, uwc_kernel *kernel) {
    const uwc_tensor *in[MOST_INPUTS] = {NULL};
    uwc_tensor *out;
    assert_int_equal(uwc_tensor_activation(own->out, &out), UWC_OK);
    for (int64_t i = 0; i < uwc_shape_count(own->out); i++) {
        out->f32[i] = NAN;
    }
    for (int i = 0; i < own->n_in; i++) {
        in[i] = own->is_constant[i] ? NULL : own->tensor[i];
    }
    uwc_status st = uwc_kernel_run(kernel, in, out);
    if (st != UWC_OK) {
        fail_msg("%s", uwc_error_last()->text);
    }
    return out;
}

static inline uwc_tensor *run_backend(const scene *own, uwc_backend backend) {
    uwc_kernel *kernel;
    uwc_status st = make_kernel(own, backend, &kernel);
    if (st != UWC_OK) {
        fail_msg("%s", uwc_error_last()->text);
    }
    uwc_tensor *out = run_kernel(own, kernel);
    uwc_kernel_destroy(&kernel);
    assert_null(kernel);
    return out;
}

/* |a - b| <= tolerance * (largest |b| + 1) everywhere; NaN never passes. */
static inline void assert_close(const scene *own, const uwc_tensor *a, const uwc_tensor *b, double tolerance) {
    char text[128];
    double scale = 1;
    int64_t count = uwc_shape_count(b->shape);
    for (int64_t i = 0; i < count; i++) {
        scale = fmax(scale, fabs((double)b->f32[i]));
    }
    for (int64_t i = 0; i < count; i++) {
        double difference = fabs((double)a->f32[i] - (double)b->f32[i]);
        if (!(difference <= tolerance * scale)) {
            fail_msg("%s to %s: element %lld is %.9g, not %.9g", uwc_op_name(own->op.kind), uwc_shape_print(own->out, text), (long long)i,
                     (double)a->f32[i], (double)b->f32[i]);
        }
    }
}

static inline void assert_same_bytes(const uwc_tensor *a, const uwc_tensor *b) {
    assert_true(uwc_shape_equal(a->shape, b->shape));
    assert_memory_equal(a->data, b->data, uwc_tensor_bytes(a));
}

/* Fast against reference; twice the same bytes; the same bytes at one and two threads. */
static inline void compare_backends(scene *own, uint64_t seed, double tolerance) {
    build(own, seed);
    uwc_tensor *reference = run_backend(own, UWC_BACKEND_REFERENCE), *two = run_backend(own, UWC_BACKEND_FAST);
    assert_close(own, two, reference, tolerance);
    uwc_tensor *again = run_backend(own, UWC_BACKEND_FAST);
    assert_same_bytes(again, two);
    uwc_ops_set_threads(1);
    uwc_tensor *one = run_backend(own, UWC_BACKEND_FAST);
    uwc_ops_set_threads(2);
    assert_same_bytes(one, two);
    uwc_tensor_destroy(&reference);
    uwc_tensor_destroy(&two);
    uwc_tensor_destroy(&again);
    uwc_tensor_destroy(&one);
    strike(own);
}

#endif
