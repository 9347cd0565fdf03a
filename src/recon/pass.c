/* One layer's inputs on the quantized path and its targets from the float one, batch by batch. */
#include "recon_impl.h"

void uwc_recon__pass_geometry(const uwc_pass *w, int64_t images, uwc_geometry *out) {
    const uwc_value *value = w->paths->unit->value;
    uwc_recon__geometry(&w->node->op, uwc_shape_batch(value[w->node->in[0]].shape, images), value[w->node->in[1]].shape,
                        uwc_shape_batch(value[w->node->out].shape, images), out);
}

/* More rows than ROWS in all do not show in the result, so the layers of large maps look at a part of the images, at up to MOST positions
 * of each. With a wish for positions all images are looked at. */
uwc_sample uwc_recon__sample(int64_t wish, int64_t images, int64_t all) {
    enum { ROWS = 1 << 17, MOST = 1024 };
    int64_t positions = wish > 0 ? wish : MOST;
    return (uwc_sample){.positions = positions < all ? positions : 0,
                        .images = wish > 0 ? images : ROWS / (positions < all ? positions : all) + 1};
}

uwc_status uwc_recon__pass_open(uwc_paths *p, int node, const uwc_aim *aim, const uwc_recon_options *options, uwc_pass *w) {
    const uwc_value *value = p->unit->value;
    *w = (uwc_pass){.paths = p, .node = &p->quantized->node[node], .adapted = aim->inner && p->adapted != NULL, .seed = options->seed};
    UWC_TRY(uwc_calloc(aim->n_others + 1, sizeof *w->fetch, &w->fetch));
    UWC_TRY(uwc_calloc(aim->n_others + 1, sizeof *w->got_quantized, &w->got_quantized));
    UWC_TRY(uwc_calloc(aim->n_others + 1, sizeof *w->got_float, &w->got_float));
    w->fetch[w->n_fetches++] = w->node->in[0];
    for (int i = 0; i < aim->n_others; i++) {
        if (!aim->other_float[i]) {
            w->fetch[w->n_fetches++] = aim->other[i];
        }
    }
    uwc_geometry geometry;
    uwc_recon__pass_geometry(w, 1, &geometry);
    w->sample = uwc_recon__sample(options->positions, p->stream->images, geometry.images * geometry.out_height * geometry.out_width);
    const uwc_graph *real = w->adapted ? p->adapted : p->unit;
    const int *in = real->node[node].in;
    UWC_TRY(uwc_recon__outputs_create(&geometry, real->value[in[1]].constant->f32,
                                      real->node[node].n_in == 3 ? real->value[in[2]].constant->f32 : NULL, &w->outputs));
    UWC_TRY(uwc_calloc(p->batch * w->sample.positions, sizeof *w->position, &w->position));
    UWC_TRY(uwc_calloc(p->batch * uwc_shape_count(value[w->node->in[0]].shape), sizeof *w->x, &w->x));
    return uwc_calloc(p->batch * uwc_shape_count(value[w->node->out].shape), sizeof *w->y, &w->y);
}

void uwc_recon__pass_close(uwc_pass *w) {
    uwc_free(&w->fetch);
    uwc_free(&w->got_quantized);
    uwc_free(&w->got_float);
    uwc_recon__outputs_destroy(&w->outputs);
    uwc_recon__targets_close(&w->targets);
    uwc_free(&w->position);
    uwc_free(&w->x);
    uwc_free(&w->y);
}

/* The rows of a batch: all positions, or w->sample.positions of every image, one at a random place of each of as many equal parts. */
static uwc_rows choose_rows(const uwc_pass *w, uwc_images images, const uwc_geometry *g) {
    const int64_t all = g->images * g->out_height * g->out_width, per_image = all / images.count, n = w->sample.positions;
    uwc_rows rows = {.y = w->y, .count = all};
    if (n == 0) {
        return rows;
    }
    for (int64_t i = 0; i < images.count; i++) {
        uint64_t key = (uint64_t)(images.first + i * images.step) | UINT64_C(1) << 63;
        for (int64_t k = 0; k < n; k++) {
            int64_t part = k * per_image / n, length = (k + 1) * per_image / n - part;
            w->position[i * n + k] = i * per_image + part + uwc_rng_below(w->seed, key, (uint64_t)k, length);
        }
    }
    rows.position = w->position;
    rows.count = images.count * n;
    return rows;
}

/* y += what the other branches lack in the quantized unit: this layer makes up for it. */
static void absorb(const uwc_pass *w, const uwc_rows *rows, int64_t channels) {
    for (int f = 1; f < w->n_fetches; f++) {
        const float *real = w->got_float[f]->f32, *quantized = w->got_quantized[f]->f32;
#pragma omp parallel for schedule(static)
        for (int64_t i = 0; i < rows->count; i++) {
            int64_t at = (rows->position == NULL ? i : rows->position[i]) * channels;
            for (int64_t c = 0; c < channels; c++) {
                w->y[at + c] += real[at + c] - quantized[at + c];
            }
        }
    }
}

/* The layer's input as its quantizer gives it, for some images of a path. */
static const float *quantized_input(const uwc_pass *w, const uwc_tensor *raw, float *memory) {
    const uwc_quantizer *quantizer = &w->paths->quantized->value[w->node->in[0]].quantizer;
    if (quantizer->bits == 0) {
        return raw->f32;
    }
    uwc_quantizer_apply(quantizer, raw->f32, uwc_shape_count(raw->shape), memory);
    return memory;
}

/* y := the float outputs of the layer; got_float := the branches that join it. */
static uwc_status float_rows(uwc_pass *w, const uwc_geometry *g, const uwc_rows *rows) {
    uwc_paths *p = w->paths;
    const int first = w->targets.known != NULL; /* the layer's input is not wanted then */
    if (first < w->n_fetches) {
        UWC_TRY(uwc_recon__paths_run(p, w->adapted ? p->run_adapted : p->run_float, w->adapted, w->fetch + first, w->n_fetches - first,
                                     w->got_float + first));
    }
    if (w->targets.known != NULL) {
        uwc_recon__targets_load(&w->targets, rows, g->groups * g->rows, w->y);
        return UWC_OK;
    }
    const float *input = w->adapted ? quantized_input(w, w->got_float[0], w->x) : w->got_float[0]->f32;
    UWC_TRY(uwc_recon__outputs_run(w->outputs, g, input, rows->position, rows->count, w->y));
    uwc_recon__targets_save(&w->targets, rows, g->groups * g->rows, w->y);
    return UWC_OK;
}

uwc_status uwc_recon__pass_rows(uwc_pass *w, uwc_images images, const uwc_geometry *g, uwc_rows *rows) {
    uwc_paths *p = w->paths;
    const bool want_float = !w->adapted && (w->targets.known == NULL || w->n_fetches > 1);
    UWC_TRY(uwc_recon__paths_load(p, images, want_float, true));
    *rows = choose_rows(w, images, g);
    UWC_TRY(float_rows(w, g, rows));
    UWC_TRY(uwc_recon__paths_run(p, p->run_quantized, true, w->fetch, w->n_fetches, w->got_quantized));
    rows->x = quantized_input(w, w->got_quantized[0], w->x);
    absorb(w, rows, g->groups * g->rows);
    return UWC_OK;
}
