/* Float outputs of a layer at the rows of a pass, in their order: made by one pass, kept in a memo, read by the next. */
#include "recon_impl.h"

#include <string.h>

/* Numbers that a pass over all images asks for. */
static int64_t count_numbers(const uwc_pass *w) {
    uwc_geometry g;
    int64_t images = 0;
    uwc_recon__pass_geometry(w, 1, &g);
    for (int shard = 0; shard < UWC_SHARDS; shard++) {
        images += uwc_recon__images(w->paths->stream, shard, w->sample.images).count;
    }
    return images * (w->sample.positions > 0 ? w->sample.positions : g.out_height * g.out_width * g.images) * g.groups * g.rows;
}

uwc_status uwc_recon__targets_open(const uwc_pass *w, int index, const uwc_recon_options *options, uwc_targets *out) {
    uwc_memo *memo = w->paths->stream->memo;
    uwc_kept kept;
    *out = (uwc_targets){.memo = memo};
    UWC_TRY(w->adapted ? UWC_OK : uwc_recon__memo_key_targets(w->paths, index, options, &out->key));
    if (uwc_recon__memo_find(memo, out->key, &kept)) {
        out->known = kept.targets;
        return UWC_OK;
    }
    out->count = count_numbers(w);
    if (out->key == 0 || !uwc_recon__memo_room(memo, out->count * (int64_t)sizeof(float))) {
        return UWC_OK;
    }
    return uwc_calloc(out->count, sizeof *out->made, &out->made);
}

void uwc_recon__targets_save(uwc_targets *t, const uwc_rows *rows, int64_t channels, const float *y) {
    if (t->made == NULL) {
        return;
    }
    for (int64_t i = 0; i < rows->count; i++) {
        const int64_t from = rows->position == NULL ? i : rows->position[i];
        memcpy(t->made + t->at + i * channels, y + from * channels, (size_t)channels * sizeof *y);
    }
    t->at += rows->count * channels;
}

void uwc_recon__targets_load(uwc_targets *t, const uwc_rows *rows, int64_t channels, float *y) {
    for (int64_t i = 0; i < rows->count; i++) {
        const int64_t to = rows->position == NULL ? i : rows->position[i];
        memcpy(y + to * channels, t->known + t->at + i * channels, (size_t)channels * sizeof *y);
    }
    t->at += rows->count * channels;
}

void uwc_recon__targets_close(uwc_targets *t) {
    uwc_kept kept = {.targets = t->made};
    const bool whole = t->made != NULL && t->at == t->count;
    uwc_recon__memo_put(t->memo, whole ? t->key : 0, t->count * (int64_t)sizeof(float), &kept);
    *t = (uwc_targets){0};
}
