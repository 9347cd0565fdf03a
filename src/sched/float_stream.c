/* Float activations for a unit without a cache: images are read and run through the float network each time they are asked for. */
#include "sched_impl.h"

#include <string.h>

enum { BATCH = 16 };

static uwc_status read_part(uwc_float_stream *s, int value, int64_t first, uwc_tensor *out) {
    uwc_tensor images = uwc_tensor_images(s->batch, 0, out->shape.dim[0]);
    const uwc_tensor *fed = &images, *fetched;
    if (value == s->network->input[0]) {
        return uwc_dataset_read(s->data, first, out);
    }
    UWC_TRY(uwc_dataset_read(s->data, first, &images));
    UWC_TRY(uwc_exec_run(s->exec, images.shape.dim[0], s->network->input, &fed, 1, &value, 1, &fetched));
    memcpy(out->f32, fetched->f32, uwc_tensor_bytes(out));
    return UWC_OK;
}

static uwc_status read_images(void *self, int input, bool quantized, int64_t first, uwc_tensor *out) {
    uwc_float_stream *s = self;
    UWC_CHECK(!quantized, UWC_E_INTERNAL, "quantized activations of the float network");
    for (int64_t at = 0, count = out->shape.dim[0]; at < count; at += BATCH) {
        uwc_tensor part = uwc_tensor_images(out, at, count - at < BATCH ? count - at : BATCH);
        UWC_TRY(read_part(s, s->input[input], first + at, &part));
    }
    return UWC_OK;
}

uwc_status uwc_sched__float_stream_open(const uwc_run *run, uwc_float_stream *out) {
    const uwc_plan *plan = run->plan;
    const uwc_choice choice = {plan->images, plan->bad, plan->n_bad};
    const uwc_shape input = plan->graph->value[plan->graph->input[0]].shape;
    char have[128], want[128];
    *out = (uwc_float_stream){.network = plan->graph, .stream = {.self = out, .images = plan->images, .read = read_images}};
    UWC_TRY(uwc_dataset_open(uwc_config_string(run->config, "data.calibration"), &run->preprocess, &choice, &out->data));
    const uwc_shape images = uwc_dataset_shape(out->data);
    uwc_status st = UWC_OK;
    if (!uwc_shape_equal(images, input)) {
        st = uwc_error_set(UWC_E_SHAPE, "%s: images of %s after preprocessing, the network takes %s",
                           uwc_config_string(run->config, "data.calibration"), uwc_shape_print(images, have), uwc_shape_print(input, want));
    }
    if (st == UWC_OK) {
        st = uwc_tensor_activation(uwc_shape_batch(input, BATCH), &out->batch);
    }
    if (st == UWC_OK) {
        st = uwc_exec_create(plan->graph, BATCH, run->settings.recon.backend, &out->exec);
    }
    if (st != UWC_OK) {
        uwc_sched__float_stream_close(out);
    }
    return st;
}

void uwc_sched__float_stream_close(uwc_float_stream *s) {
    uwc_dataset_close(&s->data);
    uwc_exec_destroy(&s->exec);
    uwc_tensor_destroy(&s->batch);
}
