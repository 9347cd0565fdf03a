/* Passes over the samples that feed a layer's solution: the sample for its activation step, and its statistics. */
#include "recon_impl.h"

enum { SAMPLE_IMAGES = 8, SAMPLE_VALUES = 2048 }; /* per shard; per image */

/* `values` of one image, one at a random place of each of as many equal parts. */
static void pick(const float *x, int64_t count, int64_t values, uint64_t seed, int64_t image, double *out) {
    for (int64_t i = 0; i < values; i++) {
        int64_t part = i * count / values, length = (i + 1) * count / values - part;
        out[i] = (double)x[part + uwc_rng_below(seed, (uint64_t)image, (uint64_t)i, length)];
    }
}

static uwc_status sample_shard(uwc_paths *p, int value, uint64_t seed, int shard, int64_t values, double *out, int64_t *taken) {
    int64_t first, images;
    uwc_shard_range(p->stream->images, shard, &first, &images);
    images = images < SAMPLE_IMAGES ? images : SAMPLE_IMAGES;
    for (int64_t at = 0; at < images; at += p->batch) {
        int64_t count = images - at < p->batch ? images - at : p->batch;
        const uwc_tensor *x;
        UWC_TRY(uwc_recon__paths_load(p, first + at, count, false, true));
        UWC_TRY(uwc_recon__paths_run(p, p->run_quantized, true, &value, 1, &x));
        for (int64_t i = 0; i < count; i++) {
            uwc_tensor image = uwc_tensor_images(x, i, 1);
            pick(image.f32, uwc_shape_count(image.shape), values, seed, first + at + i, out + (at + i) * values);
        }
    }
    *taken = images * values;
    return UWC_OK;
}

uwc_status uwc_recon__choose_quantizer(uwc_paths *p, int value, uint64_t seed) {
    uwc_value *edge = &p->quantized->value[value];
    int64_t per_image = uwc_shape_count(edge->shape), values = per_image < SAMPLE_VALUES ? per_image : SAMPLE_VALUES, n = 0;
    double *sample = NULL;
    float *x = NULL;
    int first, end;
    uwc_status st;
    UWC_TRY_GOTO(st, uwc_calloc(UWC_SHARDS * SAMPLE_IMAGES * values, sizeof *sample, &sample), done);
    UWC_TRY_GOTO(st, uwc_calloc(UWC_SHARDS * SAMPLE_IMAGES * values, sizeof *x, &x), done);
    uwc_recon__my_shards(p->stream, &first, &end);
    for (int shard = 0; shard < UWC_SHARDS; shard++) {
        int64_t begin, images;
        uwc_shard_range(p->stream->images, shard, &begin, &images);
        int64_t taken = (images < SAMPLE_IMAGES ? images : SAMPLE_IMAGES) * values;
        if (shard >= first && shard < end) {
            UWC_TRY_GOTO(st, sample_shard(p, value, seed, shard, values, sample + n, &taken), done);
        }
        n += taken;
    }
    UWC_TRY_GOTO(st, uwc_recon__combine(p->stream, sample, n), done);
    for (int64_t i = 0; i < n; i++) {
        x[i] = (float)sample[i];
    }
    st = uwc_quantizer_search(edge->activation_bits, x, n, &edge->quantizer);
done:
    uwc_free(&sample);
    uwc_free(&x);
    return st;
}

/* What one pass needs besides the paths. */
typedef struct pass {
    uwc_paths *paths;
    const uwc_node *node;
    const uwc_aim *aim;
    int *fetch_quantized, *fetch_float;
    const uwc_tensor **got_quantized, **got_float;
    uwc_scratch *scratch;
    float *x, *y;                /* buffers of a full batch */
    const float *input, *wanted; /* the layer's quantized input and its target, in a buffer or where the executors left them */
    int64_t positions;           /* taken per image; 0: all */
    int64_t *position;           /* [batch * positions] */
    uint64_t seed;
} pass;

static void geometry_of(const pass *w, int64_t images, uwc_geometry *out) {
    const uwc_value *value = w->paths->unit->value;
    uwc_recon__geometry(&w->node->op, uwc_shape_batch(value[w->node->in[0]].shape, images), value[w->node->in[1]].shape,
                        uwc_shape_batch(value[w->node->out].shape, images), out);
}

/* Without a wish, enough for ROWS rows in all: more rows than that do not show in the result, and fewer than LEAST per image are not worth
 * the forward pass that made them. */
static int64_t positions_per_image(const uwc_recon_options *options, int64_t images) {
    enum { ROWS = 1 << 17, LEAST = 128 };
    int64_t wanted = (ROWS + images - 1) / images;
    return options->positions > 0 ? options->positions : wanted < LEAST ? LEAST : wanted;
}

static uwc_status open_pass(uwc_paths *p, int node, const uwc_aim *aim, const uwc_recon_options *options, pass *w) {
    *w = (pass){.paths = p,
                .node = &p->quantized->node[node],
                .aim = aim,
                .positions = positions_per_image(options, p->stream->images),
                .seed = options->seed};
    const int n = aim->n_others + 1;
    UWC_TRY(uwc_calloc(n, sizeof *w->fetch_quantized, &w->fetch_quantized));
    UWC_TRY(uwc_calloc(n, sizeof *w->fetch_float, &w->fetch_float));
    UWC_TRY(uwc_calloc(n, sizeof *w->got_quantized, &w->got_quantized));
    UWC_TRY(uwc_calloc(n, sizeof *w->got_float, &w->got_float));
    uwc_geometry geometry;
    geometry_of(w, 1, &geometry);
    if (w->positions >= geometry.images * geometry.out_height * geometry.out_width) {
        w->positions = 0;
    }
    UWC_TRY(uwc_calloc(p->batch * w->positions, sizeof *w->position, &w->position));
    UWC_TRY(uwc_recon__scratch_create(&geometry, &w->scratch));
    UWC_TRY(uwc_calloc(p->batch * uwc_shape_count(p->unit->value[w->node->in[0]].shape), sizeof *w->x, &w->x));
    return uwc_calloc(p->batch * uwc_shape_count(p->unit->value[w->node->out].shape), sizeof *w->y, &w->y);
}

static void close_pass(pass *w) {
    uwc_free(&w->fetch_quantized);
    uwc_free(&w->fetch_float);
    uwc_free(&w->got_quantized);
    uwc_free(&w->got_float);
    uwc_recon__scratch_destroy(&w->scratch);
    uwc_free(&w->position);
    uwc_free(&w->x);
    uwc_free(&w->y);
}

/* wanted = wanted - other, in the buffer. */
static void subtract(pass *w, const float *other, int64_t count) {
    const float *from = w->wanted;
    float *y = w->y;
#pragma omp parallel for simd schedule(static)
    for (int64_t i = 0; i < count; i++) {
        y[i] = from[i] - other[i];
    }
    w->wanted = y;
}

/* Runs both paths on the loaded batch; sets w->input and w->wanted. */
static uwc_status run_paths(pass *w, int64_t images) {
    uwc_paths *p = w->paths;
    int nq = 0, nf = 0;
    w->fetch_quantized[nq++] = w->node->in[0];
    w->fetch_float[nf++] = w->aim->sum;
    for (int i = 0; i < w->aim->n_others; i++) {
        if (w->aim->other_float[i]) {
            w->fetch_float[nf++] = w->aim->other[i];
        } else {
            w->fetch_quantized[nq++] = w->aim->other[i];
        }
    }
    UWC_TRY(uwc_recon__paths_run(p, p->run_float, false, w->fetch_float, nf, w->got_float));
    UWC_TRY(uwc_recon__paths_run(p, p->run_quantized, true, w->fetch_quantized, nq, w->got_quantized));
    const uwc_value *edge = &p->quantized->value[w->node->in[0]];
    int64_t inputs = images * uwc_shape_count(edge->shape), outputs = images * uwc_shape_count(p->unit->value[w->node->out].shape);
    w->input = w->got_quantized[0]->f32;
    if (edge->quantizer.bits > 0) {
        uwc_quantizer_apply(&edge->quantizer, w->input, inputs, w->x);
        w->input = w->x;
    }
    w->wanted = w->got_float[0]->f32;
    for (int i = 1; i < nf; i++) {
        subtract(w, w->got_float[i]->f32, outputs);
    }
    for (int i = 1; i < nq; i++) {
        subtract(w, w->got_quantized[i]->f32, outputs);
    }
    return UWC_OK;
}

/* The rows of a batch: all positions, or w->positions of every image, one at a random place of each of as many equal parts. */
static uwc_rows choose_rows(const pass *w, int64_t first_image, int64_t images, const uwc_geometry *g) {
    const int64_t all = g->images * g->out_height * g->out_width, per_image = all / images, n = w->positions;
    uwc_rows rows = {.x = w->input, .y = w->wanted, .count = all};
    if (n == 0) {
        return rows;
    }
    for (int64_t image = 0; image < images; image++) {
        for (int64_t i = 0; i < n; i++) {
            int64_t part = i * per_image / n, length = (i + 1) * per_image / n - part;
            w->position[image * n + i] =
                image * per_image + part + uwc_rng_below(w->seed, (uint64_t)(first_image + image) | UINT64_C(1) << 63, (uint64_t)i, length);
        }
    }
    rows.position = w->position;
    rows.count = images * n;
    return rows;
}

static uwc_status gather_shard(pass *w, int shard, uwc_statistics *out) {
    uwc_paths *p = w->paths;
    int64_t first, images;
    uwc_shard_range(p->stream->images, shard, &first, &images);
    for (int64_t at = 0; at < images; at += p->batch) {
        int64_t count = images - at < p->batch ? images - at : p->batch;
        uwc_geometry geometry;
        geometry_of(w, count, &geometry);
        UWC_TRY(uwc_recon__paths_load(p, first + at, count, true, true));
        UWC_TRY(run_paths(w, count));
        uwc_rows rows = choose_rows(w, first + at, count, &geometry);
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

uwc_status uwc_recon__gather(uwc_paths *p, int node, const uwc_aim *aim, const uwc_recon_options *options, uwc_statistics **out) {
    pass w;
    int first, end;
    *out = NULL;
    uwc_status st;
    uwc_recon__my_shards(p->stream, &first, &end);
    UWC_TRY_GOTO(st, open_pass(p, node, aim, options, &w), done);
    UWC_TRY_GOTO(st, gather_shards(&w, first, end, out), done);
    UWC_TRY_GOTO(st, combine(p->stream, *out), done);
    uwc_recon__statistics_finish(*out);
done:
    if (st != UWC_OK) {
        uwc_recon__statistics_destroy(out);
    }
    close_pass(&w);
    return st;
}
