#include "recon_impl.h"

void uwc_shard_range(int64_t images, int shard, int64_t *first, int64_t *count) {
    int64_t base = images / UWC_SHARDS, rest = images % UWC_SHARDS; /* the first `rest` shards have one more */
    *first = shard * base + (shard < rest ? shard : rest);
    *count = base + (shard < rest);
}

void uwc_recon__my_shards(const uwc_stream *stream, int *first, int *end) {
    int members = stream->members > 1 ? stream->members : 1, each = UWC_SHARDS / members;
    *first = (stream->members > 1 ? stream->member : 0) * each;
    *end = *first + each;
}

uwc_status uwc_recon__combine(const uwc_stream *stream, double *sum, int64_t count) {
    return stream->members > 1 ? stream->combine(stream->self, sum, count) : UWC_OK;
}

uwc_images uwc_recon__images(const uwc_stream *stream, int shard, int64_t most) {
    int64_t first, all, share = most / UWC_SHARDS + (most % UWC_SHARDS > 0);
    uwc_shard_range(stream->images, shard, &first, &all);
    int64_t count = all < share ? all : share;
    return (uwc_images){.first = first, .step = count > 0 ? all / count : 1, .count = count};
}

uwc_images uwc_recon__images_part(uwc_images images, int64_t at, int64_t count) {
    return (uwc_images){
        .first = images.first + at * images.step, .step = images.step, .count = images.count - at < count ? images.count - at : count};
}
