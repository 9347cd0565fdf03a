/* Small networks built by hand, with random constants. */
#ifndef UWC_TEST_GRAPH_FIXTURE_H
#define UWC_TEST_GRAPH_FIXTURE_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <string.h>
#include <uwc/graph.h>

/* The call must succeed; its message shows where it does not. */
#define must(call)                                                                                                                         \
    do {                                                                                                                                   \
        if ((call) != UWC_OK) {                                                                                                            \
            fail_msg("%s", uwc_error_last()->text);                                                                                        \
        }                                                                                                                                  \
    } while (0)

/* The call must end with `status` and a message that holds `text`. */
#define must_fail(call, status, part)                                                                                                      \
    do {                                                                                                                                   \
        assert_int_equal((call), (status));                                                                                                \
        if (strstr(uwc_error_last()->text, (part)) == NULL) {                                                                              \
            fail_msg("\"%s\" does not hold \"%s\"", uwc_error_last()->text, (part));                                                       \
        }                                                                                                                                  \
    } while (0)

static inline uint64_t name_seed(const char *name) {
    return uwc_hash(UWC_HASH_INIT, name, strlen(name));
}

static inline void fill_normal(uwc_tensor *tensor, uint64_t seed, double spread) {
    for (int64_t i = 0; i < uwc_shape_count(tensor->shape); i++) {
        tensor->f32[i] = (float)(spread * uwc_rng_normal(seed, 0, (uint64_t)i));
    }
}

static inline uwc_graph *new_graph(void) {
    uwc_graph *graph;
    must(uwc_graph_create("net", &graph));
    return graph;
}

static inline int put_value(uwc_graph *graph, const char *name) {
    int value;
    must(uwc_graph_add_value(graph, name, (uwc_shape){0}, NULL, &value));
    return value;
}

static inline int put_input(uwc_graph *graph, const char *name, uwc_shape shape) {
    int value;
    must(uwc_graph_add_value(graph, name, shape, NULL, &value));
    must(uwc_graph_add_input(graph, value));
    return value;
}

/* Constant of normal numbers that depend on its name. */
static inline int put_constant(uwc_graph *graph, const char *name, uwc_shape shape, double spread) {
    uwc_tensor *tensor;
    int value;
    must(uwc_tensor_create(UWC_F32, shape, UWC_PLAIN, &tensor));
    fill_normal(tensor, name_seed(name), spread);
    must(uwc_graph_add_value(graph, name, shape, tensor, &value));
    return value;
}

/* Node `name` that makes value `name`. */
static inline int put_op(uwc_graph *graph, const char *name, const uwc_op *op, const int *in, int n_in) {
    int value = put_value(graph, name);
    must(uwc_graph_add_node(graph, name, op, in, n_in, value, NULL));
    return value;
}

static inline int put_unary(uwc_graph *graph, const char *name, uwc_op_kind kind, int x) {
    uwc_op op = uwc_op_make(kind);
    if (kind == UWC_OP_CLIP) {
        op.low = 0;
        op.high = 1.5f;
    }
    return put_op(graph, name, &op, &x, 1);
}

static inline int put_binary(uwc_graph *graph, const char *name, uwc_op_kind kind, int a, int b) {
    uwc_op op = uwc_op_make(kind);
    return put_op(graph, name, &op, (int[]){a, b}, 2);
}

static inline int put_parameter(uwc_graph *graph, const char *name, const char *suffix, uwc_shape shape, double spread) {
    char text[96];
    snprintf(text, sizeof text, "%s.%s", name, suffix);
    return put_constant(graph, text, shape, spread);
}

typedef struct conv_form {
    int64_t in, out, kernel, stride, pad, group;
    bool no_bias;
} conv_form;

static inline int put_conv(uwc_graph *graph, const char *name, int x, conv_form form) {
    uwc_op op = uwc_op_make(UWC_OP_CONV);
    op.group = form.group == 0 ? 1 : form.group;
    op.kernel[0] = op.kernel[1] = form.kernel;
    op.stride[0] = op.stride[1] = form.stride == 0 ? 1 : form.stride;
    for (int i = 0; i < 4; i++) {
        op.pad[i] = form.pad;
    }
    int64_t cols = form.in / op.group * form.kernel * form.kernel;
    uwc_shape shape = uwc_shape_4d(form.out, form.in / op.group, form.kernel, form.kernel);
    int in[] = {x, put_parameter(graph, name, "weight", shape, 1 / sqrt((double)cols)), 0};
    if (!form.no_bias) {
        in[2] = put_parameter(graph, name, "bias", uwc_shape_1d(form.out), 0.2);
    }
    return put_op(graph, name, &op, in, form.no_bias ? 2 : 3);
}

static inline int put_linear(uwc_graph *graph, const char *name, int x, int64_t in, int64_t out) {
    uwc_op op = uwc_op_make(UWC_OP_LINEAR);
    int list[] = {x, put_parameter(graph, name, "weight", uwc_shape_2d(out, in), 1 / sqrt((double)in)),
                  put_parameter(graph, name, "bias", uwc_shape_1d(out), 0.2)};
    return put_op(graph, name, &op, list, 3);
}

/* Variances are positive, scales around 1. */
static inline int put_norm(uwc_graph *graph, const char *name, int x, int64_t channels) {
    uwc_op op = uwc_op_make(UWC_OP_BATCH_NORM);
    static const char *const suffix[] = {"scale", "shift", "mean", "variance"};
    int in[5] = {x};
    for (int k = 0; k < 4; k++) {
        in[k + 1] = put_parameter(graph, name, suffix[k], uwc_shape_1d(channels), 0.5);
        float *data = graph->value[in[k + 1]].constant->f32;
        for (int64_t c = 0; c < channels; c++) {
            data[c] = k == 0 ? 1 + 0.5f * data[c] : k == 3 ? 0.3f + data[c] * data[c] : data[c];
        }
    }
    return put_op(graph, name, &op, in, 5);
}

static inline int put_max_pool(uwc_graph *graph, const char *name, int x, int64_t kernel, int64_t stride, int64_t pad) {
    uwc_op op = uwc_op_make(UWC_OP_MAX_POOL);
    for (int i = 0; i < 2; i++) {
        op.kernel[i] = kernel;
        op.stride[i] = stride;
        op.pad[i] = op.pad[i + 2] = pad;
    }
    return put_op(graph, name, &op, &x, 1);
}

/* [1,C,H,W] -> [1,C]: mean over the pixels, then flat. */
static inline int put_pooled(uwc_graph *graph, const char *name, int x, int64_t channels) {
    char text[96];
    snprintf(text, sizeof text, "%s.mean", name);
    int mean = put_unary(graph, text, UWC_OP_GLOBAL_AVERAGE_POOL, x);
    uwc_op op = uwc_op_make(UWC_OP_RESHAPE);
    op.target = uwc_shape_2d(1, channels);
    return put_op(graph, name, &op, &mean, 1);
}

static inline uwc_tensor *random_images(uwc_shape one, int64_t images, uint64_t seed) {
    uwc_tensor *tensor;
    must(uwc_tensor_activation(uwc_shape_batch(one, images), &tensor));
    fill_normal(tensor, seed, 1);
    return tensor;
}

/* A copy of value `value` for the input x, with kernels of `backend`. The caller frees it. */
static inline uwc_tensor *evaluate(const uwc_graph *graph, int value, const uwc_tensor *x, uwc_backend backend) {
    uwc_exec *exec;
    const uwc_tensor *got;
    uwc_tensor *out;
    must(uwc_exec_create(graph, x->shape.dim[0], backend, &exec));
    must(uwc_exec_run(exec, x->shape.dim[0], graph->input, &x, 1, &value, 1, &got));
    must(uwc_tensor_copy(got, &out));
    uwc_exec_destroy(&exec);
    return out;
}

static inline double largest_value(const uwc_tensor *a) {
    double most = 0;
    for (int64_t i = 0; i < uwc_shape_count(a->shape); i++) {
        most = fmax(most, fabs((double)a->f32[i]));
    }
    return most;
}

/* Largest difference, relative to the largest value of a. */
static inline double difference(const uwc_tensor *a, const uwc_tensor *b) {
    assert_true(uwc_shape_equal(a->shape, b->shape));
    double most = 0;
    for (int64_t i = 0; i < uwc_shape_count(a->shape); i++) {
        most = fmax(most, fabs((double)a->f32[i] - (double)b->f32[i]));
        assert_true(isfinite(a->f32[i]) && isfinite(b->f32[i]));
    }
    return most / (largest_value(a) + 1e-30);
}

#endif
