#include "nest.h"

#include <math.h>

/* BatchNormalization, as y = scale x + shift with the two folded in advance, and Softmax. */

typedef struct folded {
    float *scale, *shift; /* [C] */
    uwc_ops__nest nest;
} folded;

/* x and y lie alike, so their steps along a row are 1; a row is along the channels or within one. */
static void scale_sheet(const uwc_ops__sheet *s) {
    for (int64_t r = 0; r < s->rows; r++) {
        float *y = s->at[0] + r * s->row_stride[0];
        const float *x = s->at[1] + r * s->row_stride[1];
        const float *scale = s->at[2] + r * s->row_stride[2], *shift = s->at[3] + r * s->row_stride[3];
        if (s->stride[2] == 0) {
            float by = *scale, plus = *shift;
#pragma omp simd
            for (int64_t i = 0; i < s->n; i++) {
                y[i] = x[i] * by + plus;
            }
            continue;
        }
#pragma omp simd
        for (int64_t i = 0; i < s->n; i++) {
            y[i] = x[i] * scale[i] + shift[i];
        }
    }
}

static void describe_folded(const uwc_kernel *kernel, uwc_ops__nest *nest) {
    int64_t stride[4][UWC_MAX_RANK] = {{0}};
    uwc_ops__strides(kernel->out, uwc_shape_layout(kernel->out), stride[0]);
    uwc_ops__strides(kernel->out, uwc_shape_layout(kernel->out), stride[1]);
    stride[2][1] = stride[3][1] = 1;
    *nest = uwc_ops__nest_make(kernel->out, 4, (const int64_t(*)[UWC_MAX_RANK])stride);
}

static uwc_status prepare_batch_norm(uwc_kernel *kernel, const uwc_tensor *const *constant) {
    int64_t channels = kernel->out.dim[1];
    folded *own;
    UWC_TRY(uwc_calloc(1, sizeof *own, &own));
    kernel->state = own;
    UWC_TRY(uwc_calloc(channels, sizeof(float), &own->scale));
    UWC_TRY(uwc_calloc(channels, sizeof(float), &own->shift));
    for (int64_t c = 0; c < channels; c++) {
        double scale = (double)constant[1]->f32[c] / sqrt((double)constant[4]->f32[c] + (double)kernel->op.epsilon);
        own->scale[c] = (float)scale;
        own->shift[c] = (float)((double)constant[2]->f32[c] - scale * (double)constant[3]->f32[c]);
    }
    describe_folded(kernel, &own->nest);
    return UWC_OK;
}

static uwc_status run_batch_norm(uwc_kernel *kernel, const uwc_tensor *const *in, uwc_tensor *out) {
    const folded *own = kernel->state;
    uwc_ops__nest_run(&own->nest, (float *[]){out->f32, in[0]->f32, own->scale, own->shift}, scale_sheet);
    return UWC_OK;
}

static void release_batch_norm(uwc_kernel *kernel) {
    folded *own = kernel->state;
    if (own != NULL) {
        uwc_free(&own->scale);
        uwc_free(&own->shift);
    }
    uwc_free(&kernel->state);
}

/* `count` elements that lie `stride` apart. */
static void softmax_line(const float *x, float *y, int64_t count, int64_t stride) {
    float largest = x[0];
    double sum = 0;
    for (int64_t i = 1; i < count; i++) {
        largest = fmaxf(largest, x[i * stride]);
    }
    for (int64_t i = 0; i < count; i++) {
        y[i * stride] = expf(x[i * stride] - largest);
        sum += (double)y[i * stride];
    }
    float by = (float)(1 / sum);
    for (int64_t i = 0; i < count; i++) {
        y[i * stride] *= by;
    }
}

/* The axis splits memory into [outer, axis, inner]. */
static uwc_status run_softmax(uwc_kernel *kernel, const uwc_tensor *const *in, uwc_tensor *out) {
    int64_t stride[UWC_MAX_RANK], count = uwc_shape_count(out->shape), length = out->shape.dim[kernel->op.axis];
    uwc_ops__strides(out->shape, out->layout, stride);
    int64_t inner = stride[kernel->op.axis], lines = count / length;
#pragma omp parallel for if (count > UWC_OPS__PARALLEL)
    for (int64_t i = 0; i < lines; i++) {
        int64_t at = i / inner * inner * length + i % inner;
        softmax_line(in[0]->f32 + at, out->f32 + at, length, inner);
    }
    return UWC_OK;
}

const uwc_ops__methods uwc_ops__batch_norm = {.prepare = prepare_batch_norm, .run = run_batch_norm, .release = release_batch_norm};
const uwc_ops__methods uwc_ops__softmax = {.run = run_softmax};
