#include "nest.h"

/* Add, Sub and Mul. A line is either along both inputs, along one of them, or strided. */

#define LINE(name, operation)                                                                                                              \
    static void name(int64_t n, float *const *at, const int64_t *stride) {                                                                 \
        float *y = at[0];                                                                                                                  \
        const float *a = at[1], *b = at[2];                                                                                                \
        if (stride[0] == 1 && stride[1] == 1 && stride[2] == 1) {                                                                          \
            _Pragma("omp simd") for (int64_t i = 0; i < n; i++) {                                                                          \
                y[i] = a[i] operation b[i];                                                                                                \
            }                                                                                                                              \
        } else if (stride[0] == 1 && stride[1] == 1 && stride[2] == 0) {                                                                   \
            float same = *b;                                                                                                               \
            _Pragma("omp simd") for (int64_t i = 0; i < n; i++) {                                                                          \
                y[i] = a[i] operation same;                                                                                                \
            }                                                                                                                              \
        } else if (stride[0] == 1 && stride[1] == 0 && stride[2] == 1) {                                                                   \
            float same = *a;                                                                                                               \
            _Pragma("omp simd") for (int64_t i = 0; i < n; i++) {                                                                          \
                y[i] = same operation b[i];                                                                                                \
            }                                                                                                                              \
        } else {                                                                                                                           \
            for (int64_t i = 0; i < n; i++) {                                                                                              \
                y[i * stride[0]] = a[i * stride[1]] operation b[i * stride[2]];                                                            \
            }                                                                                                                              \
        }                                                                                                                                  \
    }

LINE(add_line, +)
LINE(subtract_line, -)
LINE(multiply_line, *)

static uwc_status prepare(uwc_kernel *kernel, const uwc_tensor *const *constant) {
    (void)constant;
    int64_t stride[3][UWC_MAX_RANK];
    uwc_ops__nest *nest;
    UWC_TRY(uwc_calloc(1, sizeof *nest, &nest));
    kernel->state = nest;
    uwc_ops__strides(kernel->out, uwc_shape_layout(kernel->out), stride[0]);
    for (int i = 0; i < 2; i++) {
        uwc_tensor operand = {.shape = kernel->in[i], .layout = kernel->is_constant[i] ? UWC_PLAIN : uwc_shape_layout(kernel->in[i])};
        uwc_ops__broadcast_strides(&operand, kernel->out, stride[1 + i]);
    }
    *nest = uwc_ops__nest_make(kernel->out, 3, (const int64_t(*)[UWC_MAX_RANK])stride);
    return UWC_OK;
}

static uwc_status run(uwc_kernel *kernel, const uwc_tensor *const *in, uwc_tensor *out) {
    uwc_ops__line line = kernel->op.kind == UWC_OP_ADD ? add_line : kernel->op.kind == UWC_OP_SUB ? subtract_line : multiply_line;
    uwc_ops__nest_run(kernel->state, (float *[]){out->f32, in[0]->f32, in[1]->f32}, line);
    return UWC_OK;
}

static void release(uwc_kernel *kernel) {
    uwc_free(&kernel->state);
}

const uwc_ops__methods uwc_ops__broadcast = {.prepare = prepare, .run = run, .release = release, .keeps_constants = true};
