/* Batches of images drawn at random, for descent on a unit's output error: its inputs in the quantized network, and what the float unit
 * gives, which is made once for all images and kept in a file without a name where there is room for it, otherwise for every batch anew. */
#include "recon_impl.h"

#include <string.h>
#include <unistd.h>

/* Shards whose images are kept for judging: the last of each half. */
bool uwc_recon__held_out(int shard) {
    return shard % (UWC_SHARDS / 2) == UWC_SHARDS / 2 - 1;
}

static uwc_status make(const uwc_graph *unit, const int *value, int n, int64_t images, uwc_tensor ***out) {
    UWC_TRY(uwc_calloc(n, sizeof **out, out));
    for (int i = 0; i < n; i++) {
        UWC_TRY(uwc_tensor_activation(uwc_shape_batch(unit->value[value[i]].shape, images), &(*out)[i]));
    }
    return UWC_OK;
}

/* *list = the images of the shards that are held out, or of the others; all of them where there would be none. */
static uwc_status list_images(const uwc_stream *stream, bool held_out, int64_t most, int64_t **list, int64_t *n) {
    *n = 0;
    UWC_TRY(uwc_calloc(stream->images, sizeof **list, list));
    for (int pass = 0; pass < 2 && *n == 0; pass++) {
        for (int shard = 0; shard < UWC_SHARDS; shard++) {
            uwc_images images = uwc_recon__images(stream, shard, most);
            for (int64_t i = 0; i < images.count && (pass == 1 || uwc_recon__held_out(shard) == held_out); i++) {
                (*list)[(*n)++] = images.first + i * images.step;
            }
        }
    }
    return UWC_OK;
}

static void clear(uwc_tensor ***tensors, int n) {
    for (int i = 0; *tensors != NULL && i < n; i++) {
        uwc_tensor_destroy(&(*tensors)[i]);
    }
    uwc_free(tensors);
}

static void drop_kept(uwc_minibatch *m) {
    if (m->kept != NULL) {
        fclose(m->kept);
        m->kept = NULL;
    }
}

void uwc_recon__minibatch_close(uwc_minibatch *m) {
    if (m->paths == NULL) {
        return;
    }
    clear(&m->input, m->paths->unit->n_inputs);
    clear(&m->real, m->paths->unit->n_inputs);
    clear(&m->target, m->paths->unit->n_outputs);
    drop_kept(m);
    uwc_free(&m->train);
    uwc_free(&m->judge);
    uwc_free(&m->image);
    uwc_free(&m->got);
    m->paths = NULL;
}

void uwc_recon__minibatch_train_all(uwc_minibatch *m) {
    for (int64_t i = 0; i < m->n_judge && m->n_train < m->paths->stream->images; i++) {
        m->train[m->n_train++] = m->judge[i];
    }
}

/* ---- one batch ----------------------------------------------------------------------------------------------------------------- */

static uwc_status read_inputs(uwc_minibatch *m, bool quantized, uwc_tensor *const *to) {
    const uwc_stream *stream = m->paths->stream;
    for (int input = 0; input < m->paths->unit->n_inputs; input++) {
        for (int64_t i = 0; i < m->size; i++) {
            uwc_tensor view = uwc_tensor_images(to[input], i, 1);
            UWC_TRY(stream->read(stream->self, input, quantized, m->image[i], &view));
        }
    }
    return UWC_OK;
}

/* Targets of the images [at, at + count), at most a batch of the paths. */
static uwc_status make_part(uwc_minibatch *m, int64_t at, int64_t count) {
    uwc_paths *p = m->paths;
    for (int i = 0; i < p->unit->n_inputs; i++) {
        p->view_float[i] = uwc_tensor_images(m->real[i], at, count);
    }
    UWC_TRY(uwc_recon__paths_run(p, p->run_float, false, p->unit->output, p->unit->n_outputs, m->got));
    for (int i = 0; i < p->unit->n_outputs; i++) {
        uwc_tensor view = uwc_tensor_images(m->target[i], at, count);
        memcpy(view.f32, m->got[i]->f32, uwc_tensor_bytes(&view));
    }
    return UWC_OK;
}

static uwc_status make_targets(uwc_minibatch *m) {
    const int64_t most = m->paths->batch;
    UWC_TRY(read_inputs(m, false, m->real));
    for (int64_t at = 0; at < m->size; at += most) {
        UWC_TRY(make_part(m, at, m->size - at < most ? m->size - at : most));
    }
    return UWC_OK;
}

/* Targets of the batch's images from the file, or to it; false where that fails. */
static bool copy_kept(const uwc_minibatch *m, bool keep) {
    off_t before = 0;
    bool whole = true;
    for (int i = 0; i < m->paths->unit->n_outputs; i++) {
        for (int64_t k = 0; k < m->size && whole; k++) {
            const uwc_tensor target = uwc_tensor_images(m->target[i], k, 1);
            const size_t bytes = uwc_tensor_bytes(&target);
            const off_t at = before + m->image[k] * (off_t)bytes;
            const ssize_t done = keep ? pwrite(fileno(m->kept), target.f32, bytes, at) : pread(fileno(m->kept), target.f32, bytes, at);
            whole = done == (ssize_t)bytes;
        }
        before += m->paths->stream->images * (off_t)(uwc_tensor_bytes(m->target[i]) / (size_t)m->size);
    }
    return whole;
}

static uwc_status poll(const uwc_minibatch *m) {
    const uwc_stream *stream = m->paths->stream;
    return stream->poll == NULL ? UWC_OK : stream->poll(stream->self);
}

static uwc_status load(uwc_minibatch *m) {
    UWC_TRY(poll(m));
    UWC_TRY(read_inputs(m, true, m->input));
    if (m->kept == NULL) {
        return make_targets(m);
    }
    UWC_CHECK(copy_kept(m, false), UWC_E_IO, "temporary file of targets: cannot be read");
    return m->wants_real ? read_inputs(m, false, m->real) : UWC_OK;
}

uwc_status uwc_recon__minibatch_draw(uwc_minibatch *m, uint64_t seed, uint64_t step, int64_t first) {
    for (int64_t i = 0; i < m->size; i++) {
        m->image[i] = m->train[uwc_rng_below(seed, UINT64_C(1) << 62 | step, (uint64_t)(first + i), m->n_train)];
    }
    return load(m);
}

uwc_status uwc_recon__minibatch_judge(uwc_minibatch *m, int64_t at) {
    for (int64_t i = 0; i < m->size; i++) {
        m->image[i] = m->judge[(at * m->size + i) % m->n_judge];
    }
    return load(m);
}

/* ---- all images ---------------------------------------------------------------------------------------------------------------- */

int64_t uwc_recon__minibatch_kept_bytes(const uwc_graph *unit, int64_t images, int64_t most) {
    int64_t count = 0;
    for (int i = 0; i < unit->n_outputs; i++) {
        count += uwc_shape_count(uwc_shape_batch(unit->value[unit->output[i]].shape, 1));
    }
    return count * images * (int64_t)sizeof(float) <= most ? count * images * (int64_t)sizeof(float) : 0;
}

/* In batches of the same size as later: the last one has its last image again. No room for the file is no error. */
static uwc_status keep_targets(uwc_minibatch *m) {
    const int64_t images = m->paths->stream->images;
    m->kept = tmpfile();
    for (int64_t first = 0; first < images && m->kept != NULL; first += m->size) {
        for (int64_t i = 0; i < m->size; i++) {
            m->image[i] = first + i < images ? first + i : images - 1;
        }
        UWC_TRY(poll(m));
        UWC_TRY(make_targets(m));
        if (!copy_kept(m, true)) {
            drop_kept(m);
        }
    }
    return UWC_OK;
}

uwc_status uwc_recon__minibatch_open(uwc_paths *p, int64_t size, int64_t most, uwc_minibatch *out) {
    *out = (uwc_minibatch){.paths = p, .size = size};
    UWC_TRY(list_images(p->stream, false, p->stream->images, &out->train, &out->n_train));
    UWC_TRY(list_images(p->stream, true, p->stream->images, &out->judge, &out->n_judge));
    UWC_TRY(uwc_calloc(size, sizeof *out->image, &out->image));
    UWC_TRY(uwc_calloc(p->unit->n_outputs, sizeof *out->got, &out->got));
    UWC_TRY(make(p->unit, p->unit->input, p->unit->n_inputs, size, &out->input));
    UWC_TRY(make(p->unit, p->unit->input, p->unit->n_inputs, size, &out->real));
    UWC_TRY(make(p->unit, p->unit->output, p->unit->n_outputs, size, &out->target));
    return uwc_recon__minibatch_kept_bytes(p->unit, p->stream->images, most) > 0 ? keep_targets(out) : UWC_OK;
}
