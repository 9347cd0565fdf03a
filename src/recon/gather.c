/* Passes over the samples that feed a layer's solution. */
#include "recon_impl.h"

#include <string.h>

typedef struct gathering {
    uwc_pass pass;
    uwc_scratch *scratch;
} gathering;

static uwc_status gather_shard(gathering *w, int shard, uwc_statistics *out) {
    uwc_images images = uwc_recon__images(w->pass.paths->stream, shard, w->pass.sample.images);
    for (int64_t at = 0; at < images.count; at += w->pass.paths->batch) {
        uwc_images part = uwc_recon__images_part(images, at, w->pass.paths->batch);
        uwc_geometry geometry;
        uwc_rows rows;
        uwc_recon__pass_geometry(&w->pass, part.count, &geometry);
        UWC_TRY(uwc_recon__pass_rows(&w->pass, part, &geometry, &rows));
        UWC_TRY(uwc_recon__statistics_batch(out, &geometry, w->scratch, &rows));
    }
    return UWC_OK;
}

static uwc_status new_statistics(const gathering *w, uwc_statistics **out) {
    uwc_geometry g;
    uwc_recon__pass_geometry(&w->pass, 1, &g);
    return uwc_recon__statistics_create(g.groups, g.rows, g.cols, out);
}

/* Sums of shards [first, end): halves are added, so the tree is the same whoever computes which part. */
static uwc_status gather_shards(gathering *w, int first, int end, uwc_statistics **out) {
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

/* Rows of the upper triangles of A, one after the other, into or out of `packed`. Returns how many numbers there are. */
static int64_t pack(const uwc_statistics *s, double *packed, bool out) {
    const int64_t order = s->cols + 1;
    int64_t at = 0;
    for (int64_t row = 0; row < s->groups * order; row++) {
        const int64_t i = row % order, width = order - i;
        double *upper = s->A + row * order + i;
        if (packed != NULL) {
            memcpy(out ? upper : packed + at, out ? packed + at : upper, (size_t)width * sizeof *upper);
        }
        at += width;
    }
    return at;
}

/* The lower triangles are empty: half as much to send. */
static uwc_status combine_triangles(const uwc_stream *stream, uwc_statistics *s) {
    const int64_t count = pack(s, NULL, false);
    double *packed;
    UWC_TRY(uwc_calloc(count, sizeof *packed, &packed));
    pack(s, packed, false);
    uwc_status st = uwc_recon__combine(stream, packed, count);
    pack(s, packed, true);
    uwc_free(&packed);
    return st;
}

static uwc_status combine(const uwc_stream *stream, uwc_statistics *s) {
    double scalar[2] = {s->square, (double)s->count};
    UWC_TRY(combine_triangles(stream, s));
    UWC_TRY(uwc_recon__combine(stream, s->Y, s->groups * (s->cols + 1) * s->rows));
    UWC_TRY(uwc_recon__combine(stream, scalar, 2));
    s->square = scalar[0];
    s->count = (int64_t)scalar[1];
    return UWC_OK;
}

/* This member's part of a fold. */
static uwc_status gather_fold(gathering *w, int fold, uwc_statistics **out) {
    int first, end;
    uwc_recon__my_shards(w->pass.paths->stream, &first, &end);
    int from = fold * UWC_FOLD_SHARDS, to = from + UWC_FOLD_SHARDS;
    from = from < first ? first : from;
    to = to > end ? end : to;
    return from < to ? gather_shards(w, from, to, out) : new_statistics(w, out);
}

/* The sums over the team, once every member has its part of every fold: a fold may lie with one of them. */
static uwc_status combine_folds(const uwc_stream *stream, uwc_statistics **folds) {
    uwc_status st = UWC_OK;
    for (int fold = 0; fold < UWC_FOLDS && stream->members > 1 && st == UWC_OK; fold++) {
        st = combine(stream, folds[fold]);
    }
    return st;
}

uwc_status uwc_recon__gather(uwc_paths *p, int node, const uwc_aim *aim, const uwc_recon_options *options, uwc_statistics **folds) {
    gathering w = {.scratch = NULL};
    uwc_geometry geometry;
    uwc_status st = uwc_recon__pass_open(p, node, aim, options, &w.pass);
    if (st == UWC_OK) {
        uint64_t key;
        st = uwc_recon__memo_key_sums(p, node, aim, options, &key);
        if (st == UWC_OK && key == 0) { /* others share the sums otherwise, and need no targets */
            st = uwc_recon__targets_open(&w.pass, node, options, &w.pass.targets);
        }
    }
    if (st == UWC_OK) {
        uwc_recon__pass_geometry(&w.pass, 1, &geometry);
        st = uwc_recon__scratch_create(&geometry, &w.scratch);
    }
    for (int fold = 0; fold < UWC_FOLDS && st == UWC_OK; fold++) {
        st = gather_fold(&w, fold, &folds[fold]);
    }
    uwc_recon__scratch_destroy(&w.scratch);
    uwc_recon__pass_close(&w.pass);
    return st == UWC_OK ? combine_folds(p->stream, folds) : st;
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
