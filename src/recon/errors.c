/* How far a solved unit is from its float output, on some of the images. */
#include "recon_impl.h"

/* Sums over the elements of a unit's outputs. */
enum { AFTER, BEFORE = UWC_ERROR_SUMS, SUMS = 2 * UWC_ERROR_SUMS };

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
        float *rounded;
        UWC_TRY(uwc_graph_edit(*out, node->in[1], &rounded));
        UWC_TRY(uwc_recon__nearest_node(p->unit, i, &weights));
        uwc_weights_dequantize(weights, rounded);
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
        uwc_recon__add_error(o->real[i], o->result[i], sum + AFTER);
        uwc_recon__add_error(o->real[i], o->run_nearest != NULL ? o->rounded[i] : o->result[i], sum + BEFORE);
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
    result->nmse_before = uwc_recon__relative_error(sum + BEFORE);
    result->nmse_after = uwc_recon__relative_error(sum + AFTER);
done:
    uwc_exec_destroy(&o.run_nearest);
    uwc_graph_destroy(&o.nearest);
    uwc_free(&o.real);
    uwc_free(&o.result);
    uwc_free(&o.rounded);
    return st;
}
