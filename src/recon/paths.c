#include "recon_impl.h"

int64_t uwc_recon__batch(const uwc_graph *unit, const uwc_recon_options *options) {
    enum { MOST_IMAGES = 16 }; /* what a shard of 256 images has: memory is the same from there on */
    return uwc_graph_batch(unit, options->batch_bytes, MOST_IMAGES);
}

static uwc_status make_inputs(const uwc_graph *unit, int64_t batch, uwc_tensor ***tensors, uwc_tensor **views, const uwc_tensor ***feeds) {
    UWC_TRY(uwc_calloc(unit->n_inputs, sizeof **tensors, tensors));
    UWC_TRY(uwc_calloc(unit->n_inputs, sizeof **views, views));
    UWC_TRY(uwc_calloc(unit->n_inputs, sizeof **feeds, feeds));
    for (int i = 0; i < unit->n_inputs; i++) {
        UWC_TRY(uwc_tensor_activation(uwc_shape_batch(unit->value[unit->input[i]].shape, batch), &(*tensors)[i]));
        (*feeds)[i] = &(*views)[i];
    }
    return UWC_OK;
}

uwc_status uwc_recon__paths_open(const uwc_graph *unit, const uwc_recon_options *options, const uwc_stream *stream, uwc_paths *p) {
    *p = (uwc_paths){.stream = stream, .batch = uwc_recon__batch(unit, options)};
    UWC_TRY(uwc_graph_copy(unit, &p->real));
    p->unit = unit = p->real;
    UWC_TRY(uwc_graph_copy(unit, &p->quantized));
    UWC_TRY(uwc_exec_create(unit, p->batch, options->backend, &p->run_float));
    UWC_TRY(uwc_exec_create(p->quantized, p->batch, options->backend, &p->run_quantized));
    UWC_TRY(make_inputs(unit, p->batch, &p->from_float, &p->view_float, &p->feed_float));
    return make_inputs(unit, p->batch, &p->from_quantized, &p->view_quantized, &p->feed_quantized);
}

uwc_status uwc_recon__paths_adapted(uwc_paths *p, const uwc_recon_options *options) {
    uwc_exec_destroy(&p->run_adapted);
    uwc_graph_destroy(&p->adapted);
    UWC_TRY(uwc_graph_copy(p->quantized, &p->adapted));
    return uwc_exec_create(p->adapted, p->batch, options->backend, &p->run_adapted);
}

const uwc_graph *uwc_recon__source(const uwc_paths *p) {
    return p->adapted != NULL ? p->adapted : p->unit;
}

static void free_inputs(int n, uwc_tensor ***tensors, uwc_tensor **views, const uwc_tensor ***feeds) {
    for (int i = 0; *tensors != NULL && i < n; i++) {
        uwc_tensor_destroy(&(*tensors)[i]);
    }
    uwc_free(tensors);
    uwc_free(views);
    uwc_free(feeds);
}

void uwc_recon__paths_close(uwc_paths *p) {
    if (p->unit == NULL) {
        return;
    }
    free_inputs(p->unit->n_inputs, &p->from_float, &p->view_float, &p->feed_float);
    free_inputs(p->unit->n_inputs, &p->from_quantized, &p->view_quantized, &p->feed_quantized);
    uwc_exec_destroy(&p->run_float);
    uwc_exec_destroy(&p->run_quantized);
    uwc_exec_destroy(&p->run_adapted);
    uwc_graph_destroy(&p->adapted);
    uwc_graph_destroy(&p->quantized);
    uwc_graph_destroy(&p->real);
    p->unit = NULL;
}

static uwc_status read_images(const uwc_stream *stream, int input, bool quantized, uwc_images images, const uwc_tensor *to) {
    if (images.step == 1) {
        uwc_tensor view = *to;
        return stream->read(stream->self, input, quantized, images.first, &view);
    }
    for (int64_t i = 0; i < images.count; i++) {
        uwc_tensor view = uwc_tensor_images(to, i, 1);
        UWC_TRY(stream->read(stream->self, input, quantized, images.first + i * images.step, &view));
    }
    return UWC_OK;
}

uwc_status uwc_recon__paths_read(uwc_paths *p, bool quantized, uwc_images images) {
    for (int i = 0; i < p->unit->n_inputs; i++) {
        uwc_tensor *view = quantized ? &p->view_quantized[i] : &p->view_float[i];
        *view = uwc_tensor_images(quantized ? p->from_quantized[i] : p->from_float[i], 0, images.count);
        UWC_TRY(read_images(p->stream, i, quantized, images, view));
    }
    return UWC_OK;
}

uwc_status uwc_recon__paths_load(uwc_paths *p, uwc_images images, bool want_float, bool want_quantized) {
    if (p->stream->poll != NULL) {
        UWC_TRY(p->stream->poll(p->stream->self));
    }
    if (want_float) {
        UWC_TRY(uwc_recon__paths_read(p, false, images));
    }
    return want_quantized ? uwc_recon__paths_read(p, true, images) : UWC_OK;
}

uwc_status uwc_recon__paths_run(uwc_paths *p, uwc_exec *exec, bool quantized, const int *fetch, int n, const uwc_tensor **fetched) {
    const uwc_tensor **feeds = quantized ? p->feed_quantized : p->feed_float;
    return uwc_exec_run(exec, feeds[0]->shape.dim[0], p->unit->input, feeds, p->unit->n_inputs, fetch, n, fetched);
}
