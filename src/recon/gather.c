/* Passes over the samples that feed a layer's solution. */
#include "recon_impl.h"

/* What one pass needs besides the paths. */
typedef struct pass {
    uwc_paths *paths;
    const uwc_node *node; /* of the quantized unit */
    bool adapted;         /* the target is what the adapted unit gives from quantized inputs, otherwise the float unit's */
    int *fetch;           /* the layer's input, and the branches whose error it absorbs */
    int n_fetches;
    const uwc_tensor **got_quantized, **got_float;
    uwc_outputs *outputs; /* of the float layer */
    uwc_scratch *scratch;
    float *x, *y; /* of a full batch: quantized input, target */
    uwc_sample sample;
    int64_t *position; /* [batch * positions] */
    uint64_t seed;
} pass;

static void geometry_of(const pass *w, int64_t images, uwc_geometry *out) {
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

static uwc_status open_pass(uwc_paths *p, int node, const uwc_aim *aim, const uwc_recon_options *options, pass *w) {
    const uwc_value *value = p->unit->value;
    *w = (pass){.paths = p, .node = &p->quantized->node[node], .adapted = aim->inner && p->adapted != NULL, .seed = options->seed};
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
    geometry_of(w, 1, &geometry);
    w->sample = uwc_recon__sample(options->positions, p->stream->images, geometry.images * geometry.out_height * geometry.out_width);
    const uwc_graph *real = w->adapted ? p->adapted : p->unit;
    const int *in = real->node[node].in;
    UWC_TRY(uwc_recon__outputs_create(&geometry, real->value[in[1]].constant->f32,
                                      real->node[node].n_in == 3 ? real->value[in[2]].constant->f32 : NULL, &w->outputs));
    UWC_TRY(uwc_calloc(p->batch * w->sample.positions, sizeof *w->position, &w->position));
    UWC_TRY(uwc_recon__scratch_create(&geometry, &w->scratch));
    UWC_TRY(uwc_calloc(p->batch * uwc_shape_count(value[w->node->in[0]].shape), sizeof *w->x, &w->x));
    return uwc_calloc(p->batch * uwc_shape_count(value[w->node->out].shape), sizeof *w->y, &w->y);
}

static void close_pass(pass *w) {
    uwc_free(&w->fetch);
    uwc_free(&w->got_quantized);
    uwc_free(&w->got_float);
    uwc_recon__outputs_destroy(&w->outputs);
    uwc_recon__scratch_destroy(&w->scratch);
    uwc_free(&w->position);
    uwc_free(&w->x);
    uwc_free(&w->y);
}

/* The rows of a batch: all positions, or w->sample.positions of every image, one at a random place of each of as many equal parts. */
static uwc_rows choose_rows(const pass *w, uwc_images images, const uwc_geometry *g) {
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
static void absorb(const pass *w, const uwc_rows *rows, int64_t channels) {
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
static const float *quantized_input(const pass *w, const uwc_tensor *raw, float *memory) {
    const uwc_quantizer *quantizer = &w->paths->quantized->value[w->node->in[0]].quantizer;
    if (quantizer->bits == 0) {
        return raw->f32;
    }
    uwc_quantizer_apply(quantizer, raw->f32, uwc_shape_count(raw->shape), memory);
    return memory;
}

/* The rows that a batch of images adds: quantized inputs and targets. */
static uwc_status make_rows(pass *w, uwc_images images, const uwc_geometry *g, uwc_rows *rows) {
    uwc_paths *p = w->paths;
    UWC_TRY(uwc_recon__paths_load(p, images, !w->adapted, true));
    UWC_TRY(uwc_recon__paths_run(p, w->adapted ? p->run_adapted : p->run_float, w->adapted, w->fetch, w->n_fetches, w->got_float));
    *rows = choose_rows(w, images, g);
    const float *input = w->adapted ? quantized_input(w, w->got_float[0], w->x) : w->got_float[0]->f32;
    UWC_TRY(uwc_recon__outputs_run(w->outputs, g, input, rows->position, rows->count, w->y));
    UWC_TRY(uwc_recon__paths_run(p, p->run_quantized, true, w->fetch, w->n_fetches, w->got_quantized));
    rows->x = quantized_input(w, w->got_quantized[0], w->x);
    absorb(w, rows, g->groups * g->rows);
    return UWC_OK;
}

static uwc_status gather_shard(pass *w, int shard, uwc_statistics *out) {
    uwc_images images = uwc_recon__images(w->paths->stream, shard, w->sample.images);
    for (int64_t at = 0; at < images.count; at += w->paths->batch) {
        uwc_images part = uwc_recon__images_part(images, at, w->paths->batch);
        uwc_geometry geometry;
        uwc_rows rows;
        geometry_of(w, part.count, &geometry);
        UWC_TRY(make_rows(w, part, &geometry, &rows));
        UWC_TRY(uwc_recon__statistics_batch(out, &geometry, w->scratch, &rows));
    }
    return UWC_OK;
}

static uwc_status new_statistics(const pass *w, uwc_statistics **out) {
    uwc_geometry g;
    geometry_of(w, 1, &g);
    return uwc_recon__statistics_create(g.groups, g.rows, g.cols, out);
}

/* Sums of shards [first, end): halves are added, so the tree is the same whoever computes which part. */
static uwc_status gather_shards(pass *w, int first, int end, uwc_statistics **out) {
    *out = NULL;
    if (end - first == 1) {
        UWC_TRY(new_statistics(w, out));
        return gather_shard(w, first, *out);
    }
    uwc_statistics *right = NULL;
    int middle = first + (end - first) / 2;
    uwc_status st = gather_shards(w, first, middle, out);
    if (st == UWC_OK) {
        st = gather_shards(w, middle, end, &right);
    }
    if (st == UWC_OK) {
        uwc_recon__statistics_add(*out, right);
    }
    uwc_recon__statistics_destroy(&right);
    return st;
}

static uwc_status combine(const uwc_stream *stream, uwc_statistics *s) {
    double scalar[2] = {s->square, (double)s->count};
    UWC_TRY(uwc_recon__combine(stream, s->A, s->groups * (s->cols + 1) * (s->cols + 1)));
    UWC_TRY(uwc_recon__combine(stream, s->Y, s->groups * (s->cols + 1) * s->rows));
    UWC_TRY(uwc_recon__combine(stream, scalar, 2));
    s->square = scalar[0];
    s->count = (int64_t)scalar[1];
    return UWC_OK;
}

/* This member's part of a fold, then the sum over the team. */
static uwc_status gather_fold(pass *w, int fold, uwc_statistics **out) {
    int first, end;
    uwc_recon__my_shards(w->paths->stream, &first, &end);
    int from = fold * UWC_FOLD_SHARDS, to = from + UWC_FOLD_SHARDS;
    from = from < first ? first : from;
    to = to > end ? end : to;
    UWC_TRY(from < to ? gather_shards(w, from, to, out) : new_statistics(w, out));
    return combine(w->paths->stream, *out);
}

uwc_status uwc_recon__gather(uwc_paths *p, int node, const uwc_aim *aim, const uwc_recon_options *options, uwc_statistics **folds) {
    pass w;
    uwc_status st = open_pass(p, node, aim, options, &w);
    for (int fold = 0; fold < UWC_FOLDS && st == UWC_OK; fold++) {
        st = gather_fold(&w, fold, &folds[fold]);
    }
    close_pass(&w);
    return st;
}

void uwc_recon__merge(uwc_statistics **folds) {
    for (int width = 1; width < UWC_FOLDS; width *= 2) {
        for (int k = 0; k < UWC_FOLDS; k += 2 * width) {
            uwc_recon__statistics_add(folds[k], folds[k + width]);
            uwc_recon__statistics_destroy(&folds[k + width]);
        }
    }
    uwc_recon__statistics_finish(folds[0]);
}
