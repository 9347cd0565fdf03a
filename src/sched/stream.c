/* One unit between the cache and its reconstruction. Images are numbered over all shards; a batch may lie in several. */
#include "sched_impl.h"

uwc_cache_key uwc_sched__key(int value, bool quantized) {
    uwc_cache_key key;
    snprintf(key.text, sizeof key.text, "%c%03d", quantized ? 'q' : 'f', value);
    return key;
}

int64_t uwc_sched__shard_images(const uwc_plan *plan, int shard) {
    int64_t first, count;
    uwc_shard_range(plan->images, shard, &first, &count);
    return count;
}

uwc_status uwc_sched__cache_open(const uwc_run *run, uwc_cache **out) {
    char *folder;
    UWC_TRY(uwc_sched__path(run, "cache", &folder));
    uwc_status st = uwc_cache_open(folder, run->settings.cache, out);
    uwc_free(&folder);
    if (st == UWC_OK && run->captured != NULL) {
        st = uwc_cache_read_below(*out, run->captured);
    }
    return st;
}

uwc_status uwc_sched__captured_open(const uwc_run *run, uwc_cache **out) {
    return run->captured == NULL ? uwc_sched__cache_open(run, out) : uwc_cache_open(run->captured, run->settings.cache, out);
}

bool uwc_sched__cached(const uwc_plan *plan, const uwc_cache *cache, int value, bool quantized) {
    uwc_cache_key key = uwc_sched__key(value, quantized);
    for (int shard = 0; shard < UWC_SHARDS; shard++) {
        if (uwc_sched__shard_images(plan, shard) > 0 && !uwc_cache_has(cache, key.text, shard)) {
            return false;
        }
    }
    return true;
}

/* The shard of an image, where it stands in it, and how many images are left in it. */
static int locate(const uwc_plan *plan, int64_t image, int64_t *offset, int64_t *left) {
    for (int shard = 0; shard < UWC_SHARDS; shard++) {
        int64_t first, count;
        uwc_shard_range(plan->images, shard, &first, &count);
        if (image >= first && image < first + count) {
            *offset = image - first;
            *left = first + count - image;
            return shard;
        }
    }
    return -1;
}

static uwc_status read_images(void *self, int input, bool quantized, int64_t first, uwc_tensor *out) {
    uwc_unit_stream *s = self;
    int value = s->input[input];
    uwc_cache_key key = uwc_sched__key(value, quantized && uwc_sched__reads_quantized(s->plan, s->unit, value));
    for (int64_t done = 0, count = out->shape.dim[0]; done < count;) {
        int64_t offset, left;
        int shard = locate(s->plan, first + done, &offset, &left);
        UWC_CHECK(shard >= 0, UWC_E_INTERNAL, "image %lld of %lld", (long long)(first + done), (long long)s->plan->images);
        int64_t now = left < count - done ? left : count - done;
        uwc_tensor part = uwc_tensor_images(out, done, now);
        UWC_TRY(uwc_cache_read(s->cache, key.text, shard, offset, &part));
        done += now;
    }
    return UWC_OK;
}

/* Images of one shard, which begins and ends with its writer. */
static uwc_status write_part(uwc_unit_stream *s, int output, int shard, int64_t offset, int64_t left, const uwc_tensor *part) {
    uwc_cache_writer **writer = &s->writer[output];
    if (offset == 0) {
        uwc_cache_key key = uwc_sched__key(s->output[output], true);
        uwc_cache_writer_drop(writer);
        UWC_TRY(uwc_cache_writer_open(s->cache, key.text, shard, s->plan->graph->value[s->output[output]].shape, left, writer));
    }
    UWC_TRY(uwc_error_note(uwc_cache_writer_append(*writer, part), "value %s", s->plan->graph->value[s->output[output]].name));
    return part->shape.dim[0] == left ? uwc_cache_writer_publish(writer) : UWC_OK;
}

static uwc_status write_images(void *self, int output, int64_t first, const uwc_tensor *images) {
    uwc_unit_stream *s = self;
    if (s->output[output] < 0) {
        return UWC_OK;
    }
    UWC_CHECK(first == s->first + s->written[output], UWC_E_INTERNAL, "image %lld comes after %lld", (long long)first,
              (long long)(s->first + s->written[output]));
    for (int64_t done = 0, count = images->shape.dim[0]; done < count;) {
        int64_t offset, left;
        int shard = locate(s->plan, first + done, &offset, &left);
        UWC_CHECK(shard >= 0, UWC_E_INTERNAL, "image %lld of %lld", (long long)(first + done), (long long)s->plan->images);
        int64_t now = left < count - done ? left : count - done;
        uwc_tensor part = uwc_tensor_images(images, done, now);
        UWC_TRY(write_part(s, output, shard, offset, left, &part));
        done += now;
        s->written[output] += now;
    }
    return UWC_OK;
}

static uwc_status combine_stream(void *self, double *sum, int64_t count) {
    uwc_unit_stream *s = self;
    return s->combine(s->talk, sum, count);
}

void uwc_sched__stream_share(uwc_unit_stream *s, uwc_status (*combine)(void *talk, double *sum, int64_t count)) {
    const int each = UWC_SHARDS / s->stream.members;
    int64_t begin, end, last;
    uwc_shard_range(s->plan->images, s->stream.member * each, &begin, &last);
    uwc_shard_range(s->plan->images, (s->stream.member + 1) * each - 1, &end, &last);
    s->first = begin;
    s->count = end + last - begin;
    s->combine = combine;
    s->stream.combine = combine_stream;
}

static uwc_status poll_stream(void *self) {
    uwc_unit_stream *s = self;
    return s->poll == NULL ? UWC_OK : s->poll(s->poll_self);
}

static uwc_status match(const uwc_plan *plan, const uwc_graph *graph, const int *list, int n, int **out) {
    UWC_TRY(uwc_calloc(n, sizeof **out, out));
    for (int i = 0; i < n; i++) {
        const char *name = graph->value[list[i]].name;
        (*out)[i] = uwc_graph_find_value(plan->graph, name);
        UWC_CHECK((*out)[i] >= 0, UWC_E_INTERNAL, "value %s of a unit is not in the network", name);
    }
    return UWC_OK;
}

static uwc_status fill(uwc_unit_stream *s) {
    const uwc_unit *unit = &s->plan->partition->unit[s->unit];
    bool wanted = false;
    UWC_TRY(uwc_graph_extract(s->plan->graph, unit->node, unit->n_nodes, unit->output, unit->n_outputs, &s->graph));
    UWC_TRY(match(s->plan, s->graph, s->graph->input, s->graph->n_inputs, &s->input));
    UWC_TRY(match(s->plan, s->graph, s->graph->output, s->graph->n_outputs, &s->output));
    UWC_TRY(uwc_calloc(s->graph->n_outputs, sizeof(uwc_cache_writer *), &s->writer));
    UWC_TRY(uwc_calloc(s->graph->n_outputs, sizeof *s->written, &s->written));
    for (int i = 0; i < s->graph->n_outputs; i++) {
        if (uwc_sched__is_wanted(s->plan, s->unit, s->output[i])) {
            wanted = true;
        } else {
            s->output[i] = -1;
        }
    }
    s->stream =
        (uwc_stream){.self = s, .images = s->plan->images, .read = read_images, .write = wanted ? write_images : NULL, .poll = poll_stream};
    return UWC_OK;
}

uwc_status uwc_sched__stream_open(const uwc_plan *plan, int unit, uwc_cache *cache, uwc_unit_stream *out) {
    *out = (uwc_unit_stream){.plan = plan, .unit = unit, .cache = cache, .count = plan->images};
    uwc_status st = fill(out);
    if (st != UWC_OK) {
        uwc_sched__stream_close(out);
    }
    return st;
}

uwc_status uwc_sched__stream_finish(const uwc_unit_stream *s) {
    for (int i = 0; i < s->graph->n_outputs; i++) {
        UWC_CHECK(s->output[i] < 0 || s->written[i] == s->count, UWC_E_INTERNAL, "output %s has %lld of %lld images",
                  s->graph->value[s->graph->output[i]].name, (long long)s->written[i], (long long)s->count);
    }
    return UWC_OK;
}

void uwc_sched__stream_close(uwc_unit_stream *s) {
    for (int i = 0; s->writer != NULL && i < s->graph->n_outputs; i++) {
        uwc_cache_writer_drop(&s->writer[i]);
    }
    uwc_free(&s->writer);
    uwc_free(&s->written);
    uwc_free(&s->input);
    uwc_free(&s->output);
    uwc_graph_destroy(&s->graph);
}
