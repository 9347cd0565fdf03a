/* Every case of backward.txt, which PyTorch made (make_backward.py): the gradients here are the same but for rounding. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <uwc/uwc.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { INPUTS = 3, LEAST_CASES = 20 };

typedef struct golden {
    uwc_op op;
    int n_in;
    uwc_shape in[INPUTS];
} golden;

/* As `values` of the generator, in the order of ONNX. */
static uwc_tensor *values(int64_t stream, uwc_shape shape, uwc_layout layout) {
    uwc_tensor *plain, *placed;
    assert_int_equal(UWC_OK, uwc_tensor_create(UWC_F32, shape, UWC_PLAIN, &plain));
    assert_int_equal(UWC_OK, uwc_tensor_create(UWC_F32, shape, layout, &placed));
    for (int64_t i = 0; i < uwc_shape_count(shape); i++) {
        plain->f32[i] = (float)((i * 7919 + stream * 1009) % 10007 - 5003) / 1024;
    }
    assert_int_equal(UWC_OK, uwc_tensor_convert(plain, placed));
    uwc_tensor_destroy(&plain);
    return placed;
}

static uwc_op_kind kind_of(const char *name) {
    for (uwc_op_kind kind = 0; kind < UWC_OP_COUNT; kind++) {
        if (strcmp(name, uwc_op_name(kind)) == 0) {
            return kind;
        }
    }
    fail_msg("no operator %s", name);
    return UWC_OP_COUNT;
}

/* The line in front of a case's gradients; false: no further one. */
static bool read_case(FILE *file, golden *g) {
    char name[32];
    long long images, channels, h, w, outputs, number[9]; /* group, kernel, stride, dilation, pads */
    if (fscanf(file, "%31s %lld %lld %lld %lld %lld", name, &images, &channels, &h, &w, &outputs) != 6) {
        return false;
    }
    for (int i = 0; i < 9; i++) {
        assert_int_equal(1, fscanf(file, "%lld", &number[i]));
    }
    *g = (golden){.op = uwc_op_make(kind_of(name)), .n_in = outputs > 0 ? INPUTS : 1};
    g->op.group = number[0];
    for (int i = 0; i < 2; i++) {
        g->op.kernel[i] = number[1 + i];
        g->op.stride[i] = number[3];
        g->op.dilation[i] = number[4];
        g->op.pad[i] = number[5 + i];
        g->op.pad[2 + i] = number[7 + i];
    }
    g->in[0] = h > 0 ? uwc_shape_4d(images, channels, h, w) : uwc_shape_2d(images, channels);
    g->in[1] = h > 0 ? uwc_shape_4d(outputs, channels / number[0], number[1], number[2]) : uwc_shape_2d(outputs, channels);
    g->in[2] = uwc_shape_1d(outputs);
    return true;
}

static void compare(FILE *file, const uwc_tensor *grad, const char *name, int input) {
    int64_t count = uwc_shape_count(grad->shape);
    uwc_tensor *plain;
    double largest = 0, apart = 0, expected;
    assert_int_equal(UWC_OK, uwc_tensor_create(UWC_F32, grad->shape, UWC_PLAIN, &plain));
    assert_int_equal(UWC_OK, uwc_tensor_convert(grad, plain));
    for (int64_t i = 0; i < count; i++) {
        assert_int_equal(1, fscanf(file, "%lf", &expected));
        largest = fmax(largest, fabs(expected));
        apart = fmax(apart, fabs(expected - (double)plain->f32[i]));
    }
    if (!(apart <= 1e-5 * largest)) {
        fail_msg("%s: gradient by input %d is up to %g away, the largest is %g", name, input, apart, largest);
    }
    uwc_tensor_destroy(&plain);
}

static void run_case(FILE *file, golden *g) {
    uwc_tensor *in[INPUTS], *grad[INPUTS];
    uwc_shape out, one[INPUTS];
    uwc_backward *backward;
    uwc_kernel *kernel;
    for (int i = 0; i < g->n_in; i++) {
        in[i] = values(i, g->in[i], i == 0 ? uwc_shape_layout(g->in[i]) : UWC_PLAIN);
        grad[i] = values(4, g->in[i], in[i]->layout);
        one[i] = i == 0 ? uwc_shape_batch(g->in[i], 1) : g->in[i];
    }
    assert_int_equal(UWC_OK, uwc_op_infer(&g->op, one, g->n_in, &out));
    out = uwc_shape_batch(out, g->in[0].dim[0]);
    uwc_tensor *y = values(4, out, uwc_shape_layout(out)), *dy = values(3, out, uwc_shape_layout(out));
    const uwc_tensor *const value[] = {in[0], g->n_in > 1 ? in[1] : NULL, g->n_in > 2 ? in[2] : NULL};
    assert_int_equal(UWC_OK, uwc_kernel_create(&g->op, g->in, (const uwc_tensor *[]){NULL, value[1], value[2]}, g->n_in, out,
                                               UWC_BACKEND_FAST, &kernel));
    assert_int_equal(UWC_OK, uwc_kernel_run(kernel, value, y));
    assert_int_equal(UWC_OK, uwc_backward_create(&g->op, g->in, g->n_in, out, &backward));
    assert_int_equal(UWC_OK, uwc_backward_run(backward, value, y, dy, grad, NULL));
    for (int i = 0; i < g->n_in; i++) {
        compare(file, grad[i], uwc_op_name(g->op.kind), i);
        uwc_tensor_destroy(&in[i]);
        uwc_tensor_destroy(&grad[i]);
    }
    uwc_kernel_destroy(&kernel);
    uwc_backward_destroy(&backward);
    uwc_tensor_destroy(&y);
    uwc_tensor_destroy(&dy);
}

static void given_cases_of_pytorch_then_gradients_are_the_same(void **state) {
    (void)state;
    FILE *file = fopen(UWC_GOLDEN "/backward.txt", "r");
    assert_non_null(file);
    golden g;
    int cases = 0;
    for (; read_case(file, &g); cases++) {
        run_case(file, &g);
    }
    assert_true(feof(file) && cases >= LEAST_CASES);
    assert_int_equal(0, fclose(file));
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(given_cases_of_pytorch_then_gradients_are_the_same)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
