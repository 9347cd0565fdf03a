/* The result of a unit as an archive: units/NNN.h5. Nothing in it depends on time, host or ranks. */
#include "sched_impl.h"

#include <math.h>
#include <string.h>

enum { FORMAT = 1, MOST_LAYERS = 100000 };

typedef struct member_path {
    char text[64];
} member_path;

static member_path member(const char *list, int index, const char *name) {
    member_path path;
    snprintf(path.text, sizeof path.text, "/%s/%03d/%s", list, index, name);
    return path;
}

uwc_status uwc_sched__unit_path(const uwc_run *run, int unit, char **out) {
    char name[32];
    snprintf(name, sizeof name, "units/%03d.h5", unit);
    return uwc_sched__path(run, name, out);
}

/* ---- writing --------------------------------------------------------------------------------------------------------------------- */

static uwc_status put_layer(uwc_archive *file, int index, const uwc_layer_result *layer) {
    const uwc_weights *w = layer->weights;
    int32_t bits = w->bits;
    uwc_shape rows = uwc_shape_1d(w->rows);
    UWC_TRY(uwc_archive_put_string(file, member("layers", index, "node").text, layer->node));
    UWC_TRY(uwc_archive_put(file, member("layers", index, "bits").text, UWC_I32, uwc_shape_1d(1), &bits));
    UWC_TRY(uwc_archive_put(file, member("layers", index, "q").text, UWC_I8, uwc_shape_2d(w->rows, w->cols), w->q));
    UWC_TRY(uwc_archive_put(file, member("layers", index, "scale").text, UWC_F32, rows, w->scale));
    UWC_TRY(uwc_archive_put(file, member("layers", index, "zero").text, UWC_I32, rows, w->zero));
    return uwc_archive_put(file, member("layers", index, "bias").text, UWC_F32, rows, layer->bias);
}

static uwc_status put_edge(uwc_archive *file, int index, const uwc_edge_result *edge) {
    int32_t grid[2] = {edge->quantizer.bits, edge->quantizer.zero};
    UWC_TRY(uwc_archive_put_string(file, member("edges", index, "value").text, edge->value));
    UWC_TRY(uwc_archive_put(file, member("edges", index, "bits").text, UWC_I32, uwc_shape_1d(1), &grid[0]));
    UWC_TRY(uwc_archive_put(file, member("edges", index, "scale").text, UWC_F32, uwc_shape_1d(1), &edge->quantizer.scale));
    return uwc_archive_put(file, member("edges", index, "zero").text, UWC_I32, uwc_shape_1d(1), &grid[1]);
}

static uwc_status put_result(uwc_archive *file, const uwc_unit_result *result) {
    int32_t head[3] = {FORMAT, result->n_layers, result->n_edges};
    float nmse[2] = {(float)result->nmse_before, (float)result->nmse_after};
    UWC_TRY(uwc_archive_put(file, "/format_layers_edges", UWC_I32, uwc_shape_1d(3), head));
    UWC_TRY(uwc_archive_put(file, "/nmse_before_after", UWC_F32, uwc_shape_1d(2), nmse));
    for (int i = 0; i < result->n_layers; i++) {
        UWC_TRY(put_layer(file, i, &result->layer[i]));
    }
    for (int i = 0; i < result->n_edges; i++) {
        UWC_TRY(put_edge(file, i, &result->edge[i]));
    }
    return UWC_OK;
}

uwc_status uwc_sched__unit_image(const uwc_unit_result *result, char **image, size_t *bytes) {
    uwc_archive *file;
    *image = NULL;
    UWC_TRY(uwc_archive_create(&file));
    uwc_status st = put_result(file, result);
    if (st == UWC_OK) {
        st = uwc_archive_image(file, image, bytes);
    }
    uwc_archive_close(&file);
    return st;
}

/* ---- reading: nothing in the bytes is believed ------------------------------------------------------------------------------------- */

static uwc_status expect_shape(const uwc_archive *file, const char *path, uwc_shape want) {
    uwc_dtype dtype;
    uwc_shape shape;
    char have[128], text[128];
    UWC_TRY(uwc_archive_shape(file, path, &dtype, &shape));
    UWC_CHECK(uwc_shape_equal(shape, want), UWC_E_FORMAT, "%s is %s, not %s", path, uwc_shape_print(shape, have),
              uwc_shape_print(want, text));
    return UWC_OK;
}

static uwc_status get(const uwc_archive *file, const char *path, uwc_dtype dtype, int64_t count, void *out) {
    UWC_TRY(expect_shape(file, path, uwc_shape_1d(count)));
    return uwc_archive_get(file, path, dtype, 0, count, out);
}

static uwc_status check_weights(const uwc_weights *w, const float *bias, const char *node) {
    int lo, hi;
    uwc_weights_range(w->bits, &lo, &hi);
    for (int64_t i = 0; i < w->rows * w->cols; i++) {
        UWC_CHECK(w->q[i] >= lo && w->q[i] <= hi, UWC_E_FORMAT, "layer %s: level %d at %d bits", node, w->q[i], w->bits);
    }
    for (int64_t r = 0; r < w->rows; r++) {
        UWC_CHECK(w->scale[r] > 0 && isfinite(w->scale[r]) && isfinite(bias[r]), UWC_E_FORMAT, "layer %s: scale %g, bias %g in row %lld",
                  node, (double)w->scale[r], (double)bias[r], (long long)r);
        UWC_CHECK(w->zero[r] >= INT8_MIN && w->zero[r] <= INT8_MAX, UWC_E_FORMAT, "layer %s: zero point %d", node, w->zero[r]);
    }
    return UWC_OK;
}

static uwc_status get_layer(const uwc_archive *file, int index, uwc_layer_result *layer) {
    int32_t bits;
    uwc_dtype dtype;
    uwc_shape shape;
    UWC_TRY(uwc_archive_get_string(file, member("layers", index, "node").text, &layer->node));
    UWC_TRY(get(file, member("layers", index, "bits").text, UWC_I32, 1, &bits));
    UWC_TRY(uwc_archive_shape(file, member("layers", index, "q").text, &dtype, &shape));
    UWC_CHECK(bits >= 2 && bits <= 8 && shape.rank == 2, UWC_E_FORMAT, "layer %s: %d bits, weights of rank %d", layer->node, bits,
              shape.rank);
    UWC_TRY(uwc_weights_create(bits, shape.dim[0], shape.dim[1], &layer->weights));
    uwc_weights *w = layer->weights;
    UWC_TRY(uwc_calloc(w->rows, sizeof *layer->bias, &layer->bias));
    UWC_TRY(uwc_archive_get(file, member("layers", index, "q").text, UWC_I8, 0, w->rows, w->q));
    UWC_TRY(get(file, member("layers", index, "scale").text, UWC_F32, w->rows, w->scale));
    UWC_TRY(get(file, member("layers", index, "zero").text, UWC_I32, w->rows, w->zero));
    UWC_TRY(get(file, member("layers", index, "bias").text, UWC_F32, w->rows, layer->bias));
    return check_weights(w, layer->bias, layer->node);
}

static uwc_status get_edge(const uwc_archive *file, int index, uwc_edge_result *edge) {
    int32_t bits, zero;
    float scale;
    UWC_TRY(uwc_archive_get_string(file, member("edges", index, "value").text, &edge->value));
    UWC_TRY(get(file, member("edges", index, "bits").text, UWC_I32, 1, &bits));
    UWC_TRY(get(file, member("edges", index, "scale").text, UWC_F32, 1, &scale));
    UWC_TRY(get(file, member("edges", index, "zero").text, UWC_I32, 1, &zero));
    UWC_CHECK(bits >= 2 && bits <= 8 && scale > 0 && isfinite(scale) && zero >= 0 && zero < 1 << bits, UWC_E_FORMAT,
              "value %s: %d bits, scale %g, zero point %d", edge->value, bits, (double)scale, zero);
    edge->quantizer = (uwc_quantizer){.bits = bits, .scale = scale, .zero = zero};
    return UWC_OK;
}

static uwc_status get_result(const uwc_archive *file, uwc_unit_result *result) {
    int32_t head[3];
    float nmse[2];
    UWC_TRY(get(file, "/format_layers_edges", UWC_I32, 3, head));
    UWC_CHECK(head[0] == FORMAT && head[1] >= 0 && head[1] <= MOST_LAYERS && head[2] >= 0 && head[2] <= MOST_LAYERS, UWC_E_FORMAT,
              "format %d with %d layers and %d edges", head[0], head[1], head[2]);
    UWC_TRY(get(file, "/nmse_before_after", UWC_F32, 2, nmse));
    result->nmse_before = (double)nmse[0];
    result->nmse_after = (double)nmse[1];
    UWC_TRY(uwc_calloc(head[1], sizeof *result->layer, &result->layer));
    result->n_layers = head[1];
    UWC_TRY(uwc_calloc(head[2], sizeof *result->edge, &result->edge));
    result->n_edges = head[2];
    for (int i = 0; i < result->n_layers; i++) {
        UWC_TRY(get_layer(file, i, &result->layer[i]));
    }
    for (int i = 0; i < result->n_edges; i++) {
        UWC_TRY(get_edge(file, i, &result->edge[i]));
    }
    return UWC_OK;
}

uwc_status uwc_sched__unit_parse(const char *name, const char *image, size_t bytes, uwc_unit_result **out) {
    uwc_archive *file;
    *out = NULL;
    UWC_TRY(uwc_archive_open_image(name, image, bytes, &file));
    uwc_status st = uwc_calloc(1, sizeof **out, out);
    if (st == UWC_OK) {
        st = uwc_error_note(get_result(file, *out), "%s", name);
    }
    if (st != UWC_OK && *out != NULL) {
        uwc_unit_result_destroy(out);
    }
    uwc_archive_close(&file);
    return st;
}
