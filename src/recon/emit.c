/* What a solved unit hands on: its quantized outputs, for the units that read them. */
#include "recon_impl.h"

static uwc_status emit_shard(uwc_paths *p, int shard, const uwc_tensor **outputs) {
    uwc_images images = uwc_recon__images(p->stream, shard, p->stream->images);
    for (int64_t at = 0; at < images.count; at += p->batch) {
        uwc_images part = uwc_recon__images_part(images, at, p->batch);
        UWC_TRY(uwc_recon__paths_load(p, part, false, true));
        UWC_TRY(uwc_recon__paths_run(p, p->run_quantized, true, p->unit->output, p->unit->n_outputs, outputs));
        for (int i = 0; i < p->unit->n_outputs; i++) {
            UWC_TRY(p->stream->write(p->stream->self, i, part.first, outputs[i]));
        }
    }
    return UWC_OK;
}

uwc_status uwc_recon__emit(uwc_paths *p) {
    const uwc_tensor **outputs;
    int first, end;
    if (p->stream->write == NULL) {
        return UWC_OK;
    }
    UWC_TRY(uwc_calloc(p->unit->n_outputs, sizeof *outputs, &outputs));
    uwc_status st = UWC_OK;
    uwc_recon__my_shards(p->stream, &first, &end);
    for (int shard = first; shard < end && st == UWC_OK; shard++) {
        st = emit_shard(p, shard, outputs);
    }
    uwc_free(&outputs);
    return st;
}
