/* A layer cut out of its unit, with its activation function: its inputs come from the two paths of the unit around it. */
#include "recon_impl.h"

#include <string.h>

static bool is_activation_function(uwc_op_kind kind) {
    static const uwc_op_kind known[] = {UWC_OP_RELU,         UWC_OP_CLIP,       UWC_OP_LEAKY_RELU, UWC_OP_SIGMOID, UWC_OP_TANH,
                                        UWC_OP_HARD_SIGMOID, UWC_OP_HARD_SWISH, UWC_OP_SILU,       UWC_OP_GELU};
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (kind == known[i]) {
            return true;
        }
    }
    return false;
}

/* Images of the layer's input, at most a batch of the paths around it. */
static uwc_status read_images(void *self, int input, bool quantized, int64_t first, uwc_tensor *out) {
    uwc_section *section = self;
    uwc_paths *around = section->around;
    const uwc_images images = {.first = first, .step = 1, .count = out->shape.dim[0]};
    const uwc_tensor *x;
    UWC_CHECK(input == 0, UWC_E_INTERNAL, "input %d of a layer", input);
    UWC_TRY(uwc_recon__paths_read(around, quantized, images));
    UWC_TRY(uwc_recon__paths_run(around, quantized ? around->run_quantized : around->run_float, quantized, &section->in, 1, &x));
    memcpy(out->f32, x->f32, uwc_tensor_bytes(out));
    return UWC_OK;
}

static uwc_status poll_around(void *self) {
    const uwc_stream *stream = ((uwc_section *)self)->around->stream;
    return stream->poll == NULL ? UWC_OK : stream->poll(stream->self);
}

uwc_status uwc_recon__section_graph(const uwc_graph *unit, int index, uwc_graph **out) {
    const uwc_node *node = &unit->node[index];
    const int reader = uwc_recon__only_reader(unit, node->out);
    const bool two = reader >= 0 && is_activation_function(unit->node[reader].op.kind);
    return uwc_graph_extract(unit, (int[]){index, reader}, two ? 2 : 1, two ? &unit->node[reader].out : &node->out, 1, out);
}

uwc_status uwc_recon__section_open(uwc_paths *around, int index, const uwc_recon_options *options, uwc_section *out) {
    *out = (uwc_section){.around = around, .in = around->unit->node[index].in[0]};
    UWC_TRY(uwc_recon__section_graph(around->unit, index, &out->graph));
    out->stream = (uwc_stream){.self = out, .images = around->stream->images, .read = read_images, .poll = poll_around};
    UWC_TRY(uwc_recon__paths_open(out->graph, options, &out->stream, &out->paths));
    uwc_graph *quantized = out->paths.quantized;
    quantized->value[quantized->input[0]].quantizer = around->quantized->value[out->in].quantizer;
    return UWC_OK;
}

void uwc_recon__section_close(uwc_section *section) {
    uwc_recon__paths_close(&section->paths);
    uwc_graph_destroy(&section->graph);
}
