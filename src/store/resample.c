/* Antialiased bilinear interpolation that gives Pillow's numbers: its support, its order of passes, its rounding of weights to 22 bits for
 * uint8. float32 pictures use double sums and a float32 intermediate. */
#include "store_impl.h"

#include <math.h>

enum { WEIGHT_BITS = 22 };

/* For `count` output pixels of one axis: which inputs, counted from `least`, and their weights. */
typedef struct axis {
    int64_t count, taps;
    int64_t *from, *used;  /* [count] */
    double *weight;        /* [count][taps] */
    int32_t *fixed;        /* the same times 2^WEIGHT_BITS, rounded */
    int64_t least, beyond; /* inputs touched: [least, beyond) */
} axis;

static void axis_drop(axis *a) {
    uwc_free(&a->from);
    uwc_free(&a->used);
    uwc_free(&a->weight);
    uwc_free(&a->fixed);
}

static void weigh(axis *a, int64_t i, int64_t old_size, double centre, double support, double stretch) {
    int64_t from = (int64_t)(centre - support + 0.5), beyond = (int64_t)(centre + support + 0.5);
    from = from < 0 ? 0 : from;
    beyond = beyond > old_size ? old_size : beyond;
    double *weight = a->weight + i * a->taps, sum = 0.0;
    for (int64_t k = 0; k < beyond - from; k++) {
        double distance = fabs(((double)(k + from) - centre + 0.5) * stretch);
        weight[k] = distance < 1.0 ? 1.0 - distance : 0.0;
        sum += weight[k];
    }
    for (int64_t k = 0; k < beyond - from; k++) {
        weight[k] = sum != 0.0 ? weight[k] / sum : weight[k];
    }
    a->from[i] = from;
    a->used[i] = beyond - from;
    a->least = from < a->least ? from : a->least;
    a->beyond = beyond > a->beyond ? beyond : a->beyond;
}

static uwc_status axis_make(int64_t old_size, int64_t new_size, int64_t first, int64_t count, axis *out) {
    double scale = (double)old_size / (double)new_size, spread = scale < 1.0 ? 1.0 : scale;
    *out = (axis){.count = count, .taps = (int64_t)ceil(spread) * 2 + 1, .least = old_size};
    UWC_TRY(uwc_calloc(count, sizeof *out->from, &out->from));
    UWC_TRY(uwc_calloc(count, sizeof *out->used, &out->used));
    UWC_TRY(uwc_calloc(count * out->taps, sizeof *out->weight, &out->weight));
    UWC_TRY(uwc_calloc(count * out->taps, sizeof *out->fixed, &out->fixed));
    for (int64_t i = 0; i < count; i++) {
        weigh(out, i, old_size, ((double)(first + i) + 0.5) * scale, spread, 1.0 / spread);
    }
    for (int64_t i = 0; i < count; i++) {
        out->from[i] -= out->least;
    }
    for (int64_t i = 0; i < count * out->taps; i++) {
        out->fixed[i] = (int32_t)(out->weight[i] * (double)(1 << WEIGHT_BITS) + 0.5);
    }
    return UWC_OK;
}

/* One axis of one picture: `lines` lines of `channels` interleaved outputs. Steps in elements. */
typedef struct pass {
    const axis *axis;
    int64_t lines, channels;
    int64_t from_line, from_pixel, from_channel;
    int64_t to_line, to_pixel, to_channel;
} pass;

/* The weights of a pixel add up to 2^22, give or take their rounding: 255 times that fits. */
static uint8_t sum_u8(const uint8_t *from, int64_t step, const int32_t *weight, int64_t used) {
    int32_t sum = 1 << (WEIGHT_BITS - 1);
    for (int64_t k = 0; k < used; k++) {
        sum += from[k * step] * weight[k];
    }
    sum >>= WEIGHT_BITS;
    return (uint8_t)(sum > 255 ? 255 : sum);
}

static float sum_f32(const float *from, int64_t step, const double *weight, int64_t used) {
    double sum = 0.0;
    for (int64_t k = 0; k < used; k++) {
        sum += (double)from[k * step] * weight[k];
    }
    return (float)sum;
}

static void run_pass(const pass *p, uwc_dtype dtype, const void *from, void *to) {
    for (int64_t line = 0; line < p->lines; line++) {
        for (int64_t i = 0; i < p->axis->count; i++) {
            int64_t weights = i * p->axis->taps, used = p->axis->used[i];
            for (int64_t c = 0; c < p->channels; c++) {
                int64_t source = line * p->from_line + p->axis->from[i] * p->from_pixel + c * p->from_channel;
                int64_t target = line * p->to_line + i * p->to_pixel + c * p->to_channel;
                if (dtype == UWC_U8) {
                    ((uint8_t *)to)[target] = sum_u8((const uint8_t *)from + source, p->from_pixel, p->axis->fixed + weights, used);
                } else {
                    ((float *)to)[target] = sum_f32((const float *)from + source, p->from_pixel, p->axis->weight + weights, used);
                }
            }
        }
    }
}

/* Rows of the input that the vertical axis touches go through the horizontal pass; both results are [rows][columns][channels] in scratch.
 */
static uwc_status run(const uwc_store__picture *in, const uwc_store__window *w, const axis *across, const axis *down,
                      uwc_store__scratch *scratch, uwc_store__picture *out) {
    int64_t channels = in->channels, line = w->columns * channels, rows = down->beyond - down->least;
    size_t bytes = uwc_dtype_bytes(in->dtype), half = (size_t)(rows * line) * bytes;
    UWC_TRY(uwc_grow(&scratch->bytes, &scratch->capacity, (int64_t)half + w->rows * line * (int64_t)bytes, 1));
    int64_t skip = down->least * in->row_step + across->least * in->pixel_step;
    pass horizontal = {across, rows, channels, in->row_step, in->pixel_step, in->channel_step, line, channels, 1};
    run_pass(&horizontal, in->dtype, (const unsigned char *)in->data + skip * (int64_t)bytes, scratch->bytes);
    pass vertical = {down, 1, line, 0, line, 1, 0, line, 1}; /* one column of wide pixels: memory is read along its rows */
    run_pass(&vertical, in->dtype, scratch->bytes, scratch->bytes + half);
    *out = (uwc_store__picture){in->dtype, channels, w->rows, w->columns, 1, line, channels, scratch->bytes + half};
    return UWC_OK;
}

uwc_status uwc_store__resample(const uwc_store__picture *in, const uwc_store__window *window, uwc_store__scratch *scratch,
                               uwc_store__picture *out) {
    axis across = {0}, down = {0};
    uwc_status st;
    UWC_TRY_GOTO(st, axis_make(in->width, window->width, window->left, window->columns, &across), done);
    UWC_TRY_GOTO(st, axis_make(in->height, window->height, window->top, window->rows, &down), done);
    UWC_TRY_GOTO(st, run(in, window, &across, &down, scratch, out), done);
done:
    axis_drop(&across);
    axis_drop(&down);
    return st;
}
