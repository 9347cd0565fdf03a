#include "nest.h"

#include <uwc/vector.h>

/* Add, Sub, Mul and Div. The compiler makes one loop for each operator and each of the common steps: always_inline and constants. */
#define ALWAYS_INLINE static inline __attribute__((always_inline))

ALWAYS_INLINE float apply(uwc_op_kind kind, float a, float b) {
    return kind == UWC_OP_ADD ? a + b : kind == UWC_OP_SUB ? a - b : kind == UWC_OP_MUL ? a * b : a / b;
}

ALWAYS_INLINE void run_rows(const uwc_ops__sheet *s, uwc_op_kind kind, int64_t y_step, int64_t a_step, int64_t b_step) {
    for (int64_t r = 0; r < s->rows; r++) {
        float *y = s->at[0] + r * s->row_stride[0];
        const float *a = s->at[1] + r * s->row_stride[1], *b = s->at[2] + r * s->row_stride[2];
#pragma omp simd
        for (int64_t i = 0; i < s->n; i++) {
            y[i * y_step] = apply(kind, a[i * a_step], b[i * b_step]);
        }
    }
}

ALWAYS_INLINE void run_sheet(const uwc_ops__sheet *s, uwc_op_kind kind) {
    int64_t y_step = s->stride[0], a_step = s->stride[1], b_step = s->stride[2];
    if (y_step == 1 && a_step == 1 && b_step == 1) {
        run_rows(s, kind, 1, 1, 1);
    } else if (y_step == 1 && a_step == 1 && b_step == 0) {
        run_rows(s, kind, 1, 1, 0);
    } else if (y_step == 1 && a_step == 0 && b_step == 1) {
        run_rows(s, kind, 1, 0, 1);
    } else {
        run_rows(s, kind, y_step, a_step, b_step);
    }
}

UWC_VECTOR static void add(const uwc_ops__sheet *sheet) {
    run_sheet(sheet, UWC_OP_ADD);
}

UWC_VECTOR static void subtract(const uwc_ops__sheet *sheet) {
    run_sheet(sheet, UWC_OP_SUB);
}

UWC_VECTOR static void multiply(const uwc_ops__sheet *sheet) {
    run_sheet(sheet, UWC_OP_MUL);
}

UWC_VECTOR static void divide(const uwc_ops__sheet *sheet) {
    run_sheet(sheet, UWC_OP_DIV);
}

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
    static const uwc_ops__work work[UWC_OP_COUNT] = {
        [UWC_OP_ADD] = add, [UWC_OP_SUB] = subtract, [UWC_OP_MUL] = multiply, [UWC_OP_DIV] = divide};
    uwc_ops__nest_run(kernel->state, (float *[]){out->f32, in[0]->f32, in[1]->f32}, work[kernel->op.kind]);
    return UWC_OK;
}

static void release(uwc_kernel *kernel) {
    uwc_free(&kernel->state);
}

const uwc_ops__methods uwc_ops__broadcast = {.prepare = prepare, .run = run, .release = release, .keeps_constants = true};
