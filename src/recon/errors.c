/* How far a solved unit is from its float output, on some of the images. */
#include "recon_impl.h"

#include <uwc/vector.h>

/* Sums over the elements of a unit's outputs. */
enum { SUM, SQUARE, ERROR_BEFORE, ERROR_AFTER, COUNT, SUMS };

/* Sum and square of a, square of a - b: eight fixed lanes per block of 1,024. */
UWC_VECTOR static void add_block(const float *a, const float *b, int64_t n, double *sum, double *square, double *error) {
    float s[8] = {0}, q[8] = {0}, e[8] = {0};
    int64_t i = 0;
    for (; i + 8 <= n; i += 8) {
        for (int k = 0; k < 8; k++) {
            float difference = a[i + k] - b[i + k];
            s[k] += a[i + k];
            q[k] += a[i + k] * a[i + k];
            e[k] += difference * difference;
        }
    }
    for (; i < n; i++) {
        s[0] += a[i];
        q[0] += a[i] * a[i];
        e[0] += (a[i] - b[i]) * (a[i] - b[i]);
    }
    for (int k = 0; k < 8; k++) {
        *sum += (double)s[k];
        *square += (double)q[k];
        *error += (double)e[k];
    }
}

static void compare(const uwc_tensor *a, const uwc_tensor *b, double *sum, double *square, double *error) {
    enum { BLOCK = 1024 };
    int64_t count = uwc_shape_count(a->shape);
    *sum = *square = *error = 0;
    for (int64_t first = 0; first < count; first += BLOCK) {
        add_block(a->f32 + first, b->f32 + first, count - first < BLOCK ? count - first : BLOCK, sum, square, error);
    }
}

/* The unit with nearest rounding and the quantizers that were chosen. */
static uwc_status nearest_unit(const uwc_paths *p, uwc_graph **out) {
    UWC_TRY(uwc_graph_copy(p->unit, out));
    for (int v = 0; v < p->unit->n_values; v++) {
        (*out)->value[v].quantizer = p->quantized->value[v].quantizer;
    }
    for (int i = 0; i < p->unit->n_nodes; i++) {
        const uwc_node *node = &p->unit->node[i];
        if (!uwc_op_is_weighted(node->op.kind)) {
            continue;
        }
        uwc_weights *weights;
        UWC_TRY(uwc_recon__nearest_node(p->unit, i, &weights));
        uwc_weights_dequantize(weights, (*out)->value[node->in[1]].constant->f32);
        uwc_weights_destroy(&weights);
    }
    return UWC_OK;
}

typedef struct outputs {
    uwc_graph *nearest;
    uwc_exec *run_nearest;                        /* NULL where the result is nearest rounding itself */
    const uwc_tensor **real, **result, **rounded; /* [n_outputs] */
} outputs;

static uwc_status measure_batch(uwc_paths *p, outputs *o, uwc_images images, double *sum) {
    const int n = p->unit->n_outputs;
    UWC_TRY(uwc_recon__paths_load(p, images, true, true));
    UWC_TRY(uwc_recon__paths_run(p, p->run_float, false, p->unit->output, n, o->real));
    UWC_TRY(uwc_recon__paths_run(p, p->run_quantized, true, p->unit->output, n, o->result));
    if (o->run_nearest != NULL) {
        UWC_TRY(uwc_recon__paths_run(p, o->run_nearest, true, p->unit->output, n, o->rounded));
    }
    for (int i = 0; i < n; i++) {
        double s, q, e, ignored[2];
        compare(o->real[i], o->result[i], &s, &q, &e);
        sum[SUM] += s;
        sum[SQUARE] += q;
        sum[ERROR_AFTER] += e;
        sum[COUNT] += (double)uwc_shape_count(o->real[i]->shape);
        if (o->run_nearest != NULL) {
            compare(o->real[i], o->rounded[i], &ignored[0], &ignored[1], &e);
        }
        sum[ERROR_BEFORE] += e;
    }
    return UWC_OK;
}

/* As for the statistics: halves are added. */
static uwc_status measure_shards(uwc_paths *p, outputs *o, int first, int end, double *sum) {
    for (int i = 0; i < SUMS; i++) {
        sum[i] = 0;
    }
    if (end - first > 1) {
        double right[SUMS];
        UWC_TRY(measure_shards(p, o, first, first + (end - first) / 2, sum));
        UWC_TRY(measure_shards(p, o, first + (end - first) / 2, end, right));
        for (int i = 0; i < SUMS; i++) {
            sum[i] += right[i];
        }
        return UWC_OK;
    }
    uwc_images images = uwc_recon__images(p->stream, first, UWC_LOOK_IMAGES);
    for (int64_t at = 0; at < images.count; at += p->batch) {
        UWC_TRY(measure_batch(p, o, uwc_recon__images_part(images, at, p->batch), sum));
    }
    return UWC_OK;
}

static uwc_status open_outputs(uwc_paths *p, const uwc_recon_options *options, outputs *o) {
    const int n = p->unit->n_outputs;
    UWC_TRY(uwc_calloc(n, sizeof *o->real, &o->real));
    UWC_TRY(uwc_calloc(n, sizeof *o->result, &o->result));
    UWC_TRY(uwc_calloc(n, sizeof *o->rounded, &o->rounded));
    if (options->method == UWC_METHOD_NEAREST) {
        return UWC_OK;
    }
    UWC_TRY(nearest_unit(p, &o->nearest));
    return uwc_exec_create(o->nearest, p->batch, options->backend, &o->run_nearest);
}

uwc_status uwc_recon__measure(uwc_paths *p, const uwc_recon_options *options, uwc_unit_result *result) {
    outputs o = {0};
    double sum[SUMS];
    int first, end;
    uwc_status st;
    uwc_recon__my_shards(p->stream, &first, &end);
    UWC_TRY_GOTO(st, open_outputs(p, options, &o), done);
    UWC_TRY_GOTO(st, measure_shards(p, &o, first, end, sum), done);
    UWC_TRY_GOTO(st, uwc_recon__combine(p->stream, sum, SUMS), done);
    double mean = sum[SUM] / sum[COUNT], variance = sum[SQUARE] / sum[COUNT] - mean * mean;
    variance = variance > 1e-30 ? variance : 1e-30;
    result->nmse_before = sum[ERROR_BEFORE] / sum[COUNT] / variance;
    result->nmse_after = sum[ERROR_AFTER] / sum[COUNT] / variance;
done:
    uwc_exec_destroy(&o.run_nearest);
    uwc_graph_destroy(&o.nearest);
    uwc_free(&o.real);
    uwc_free(&o.result);
    uwc_free(&o.rounded);
    return st;
}
