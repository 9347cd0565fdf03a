/* QuantizeLinear and DequantizeLinear become quantized weights and quantizers of values again. */
#include "onnx_impl.h"

#include <stdlib.h>
#include <string.h>

enum { LEVELS_BITS = 8, UINT8_OFFSET = 128 };

void uwc_onnx__lattice_destroy(uwc_onnx__lattice **lattice) {
    if (*lattice == NULL) {
        return;
    }
    uwc_tensor_destroy(&(*lattice)->q);
    uwc_free(&(*lattice)->scale);
    uwc_free(&(*lattice)->zero);
    uwc_free(lattice);
}

const char *uwc_onnx__metadata(const Onnx__ModelProto *model, const char *prefix, const char *name) {
    size_t length = strlen(prefix);
    for (size_t i = 0; i < model->n_metadata_props; i++) {
        const char *key = model->metadata_props[i]->key;
        if (key != NULL && strncmp(key, prefix, length) == 0 && strcmp(key + length, name) == 0) {
            return model->metadata_props[i]->value;
        }
    }
    return NULL;
}

/* ---- weights ------------------------------------------------------------------------------------------------------------------ */

/* Integers as int8: uint8 is moved by 128, together with its zero points. */
static uwc_status copy_levels(uwc_onnx__import *im, const uwc_tensor *from, uwc_tensor **out) {
    UWC_TRY(uwc_onnx__tensor_create(im, UWC_I8, from->shape, out));
    int64_t count = uwc_shape_count(from->shape);
    for (int64_t i = 0; i < count; i++) {
        (*out)->i8[i] = (int8_t)(from->dtype == UWC_I8 ? from->i8[i] : from->u8[i] - UINT8_OFFSET);
    }
    return UWC_OK;
}

static int32_t zero_at(const uwc_tensor *zero, int64_t i) {
    if (zero == NULL) {
        return 0;
    }
    return zero->dtype == UWC_I8 ? zero->i8[i] : zero->dtype == UWC_U8 ? zero->u8[i] : zero->i32[i];
}

static uwc_status check_scales(const uwc_tensor *x, const uwc_tensor *scale, const uwc_tensor *zero, int axis) {
    char text[128];
    UWC_CHECK(scale != NULL && scale->dtype == UWC_F32 && scale->shape.rank <= 1, UWC_E_UNSUPPORTED,
              "scale is not float32 of at most one dimension");
    int64_t n = uwc_shape_count(scale->shape);
    UWC_CHECK(n == 1 || (axis < x->shape.rank && n == x->shape.dim[axis]), UWC_E_SHAPE, "%lld scales along axis %d of %s", (long long)n,
              axis, uwc_shape_print(x->shape, text));
    UWC_CHECK(zero == NULL || (zero->dtype == x->dtype && uwc_shape_count(zero->shape) == n), UWC_E_FORMAT,
              "zero points of another type or number than x and its scales");
    UWC_TRY(uwc_tensor_check_finite(scale, "scale"));
    for (int64_t i = 0; i < n; i++) {
        UWC_CHECK(scale->f32[i] > 0, UWC_E_VALUE, "scale %lld is %g", (long long)i, (double)scale->f32[i]);
    }
    return UWC_OK;
}

/* The container has 8 bits; what was meant stands in the metadata of the model. */
static uwc_status read_bits(const uwc_onnx__import *im, const char *name, uwc_onnx__lattice *lattice) {
    const char *text = uwc_onnx__metadata(im->model, UWC_ONNX__WEIGHTS, name);
    lattice->bits = LEVELS_BITS;
    if (text == NULL) {
        return UWC_OK;
    }
    bool symmetric = strcmp(text + (text[0] != '\0'), " symmetric") == 0;
    lattice->asymmetric = strcmp(text + (text[0] != '\0'), " asymmetric") == 0;
    UWC_CHECK(text[0] >= '2' && text[0] <= '8' && (symmetric || lattice->asymmetric), UWC_E_FORMAT, "metadata %s%s is \"%s\"",
              UWC_ONNX__WEIGHTS, name, text);
    lattice->bits = text[0] - '0';
    int lo, hi;
    uwc_weights_range(lattice->bits, &lo, &hi);
    int64_t count = uwc_shape_count(lattice->q->shape);
    for (int64_t i = 0; i < count; i++) {
        UWC_CHECK(lattice->q->i8[i] >= lo && lattice->q->i8[i] <= hi, UWC_E_FORMAT, "level %d of %s is outside %d bits", lattice->q->i8[i],
                  name, lattice->bits);
    }
    return UWC_OK;
}

static uwc_status make_lattice(uwc_onnx__import *im, const uwc_onnx__node *node, const uwc_tensor *x, const uwc_tensor *scale,
                               const uwc_tensor *zero, int axis, uwc_onnx__lattice **out) {
    uwc_onnx__lattice *lattice;
    UWC_TRY(uwc_calloc(1, sizeof *lattice, &lattice));
    *out = lattice;
    lattice->axis = axis;
    lattice->n = uwc_shape_count(scale->shape);
    UWC_TRY(copy_levels(im, x, &lattice->q));
    UWC_TRY(uwc_calloc(lattice->n, sizeof *lattice->scale, &lattice->scale));
    UWC_TRY(uwc_calloc(lattice->n, sizeof *lattice->zero, &lattice->zero));
    for (int64_t i = 0; i < lattice->n; i++) {
        lattice->scale[i] = scale->f32[i];
        lattice->zero[i] = zero_at(zero, i) - (x->dtype == UWC_U8 ? UINT8_OFFSET : 0);
        lattice->asymmetric = lattice->asymmetric || lattice->zero[i] != 0;
    }
    return read_bits(im, node->input[0], lattice);
}

static void dequantize(const uwc_tensor *x, const uwc_tensor *scale, const uwc_tensor *zero, int axis, uwc_tensor *out) {
    int64_t count = uwc_shape_count(x->shape), n = uwc_shape_count(scale->shape), behind = 1;
    for (int i = axis + 1; i < x->shape.rank; i++) {
        behind *= x->shape.dim[i];
    }
    for (int64_t i = 0; i < count; i++) {
        int64_t r = n == 1 ? 0 : i / behind % n;
        double level = x->dtype == UWC_I8 ? x->i8[i] : x->dtype == UWC_U8 ? x->u8[i] : x->i32[i];
        out->f32[i] = scale->f32[r] * (float)(level - zero_at(zero, r));
    }
}

static uwc_status dequantize_constant(uwc_onnx__import *im, const uwc_onnx__node *node) {
    const uwc_tensor *x, *scale, *zero;
    int axis, rank;
    UWC_TRY(uwc_onnx__constant(im, node, 0, &x));
    UWC_TRY(uwc_onnx__constant(im, node, 1, &scale));
    UWC_TRY(uwc_onnx__constant(im, node, 2, &zero));
    UWC_CHECK(x->dtype == UWC_I8 || x->dtype == UWC_U8 || x->dtype == UWC_I32, UWC_E_UNSUPPORTED, "of %s", uwc_dtype_name(x->dtype));
    UWC_TRY(uwc_onnx__attribute_axis(node, "axis", 1, &axis));
    rank = x->shape.rank;
    axis = axis < 0 ? axis + rank : axis;
    UWC_CHECK(axis >= 0, UWC_E_SHAPE, "axis %d of %d dimensions", axis - rank, rank);
    UWC_TRY(check_scales(x, scale, zero, axis));
    uwc_onnx__entry *entry = uwc_onnx__names_find(&im->names, node->output[0]);
    if (x->dtype != UWC_I32 && rank >= 2) {
        UWC_TRY(make_lattice(im, node, x, scale, zero, axis, &entry->lattice));
    }
    uwc_tensor *out;
    UWC_TRY(uwc_onnx__tensor_create(im, UWC_F32, x->shape, &out));
    dequantize(x, scale, zero, axis, out);
    uwc_onnx__set_constant(im, node->output[0], out);
    return UWC_OK;
}

uwc_status uwc_onnx__quantized_weights(const uwc_onnx__entry *entry, bool transpose, uwc_weights **out) {
    const uwc_onnx__lattice *lattice = entry->lattice;
    int axis = transpose ? 1 : 0;
    *out = NULL;
    if (lattice == NULL || (lattice->n > 1 && lattice->axis != axis)) {
        return UWC_OK;
    }
    int64_t rows = lattice->q->shape.dim[axis], cols = uwc_shape_count(lattice->q->shape) / rows;
    UWC_TRY(uwc_weights_create(lattice->bits, rows, cols, out));
    for (int64_t r = 0; r < rows; r++) {
        (*out)->scale[r] = lattice->scale[lattice->n == 1 ? 0 : r];
        (*out)->zero[r] = lattice->zero[lattice->n == 1 ? 0 : r];
        for (int64_t c = 0; c < cols; c++) {
            (*out)->q[r * cols + c] = lattice->q->i8[transpose ? c * rows + r : r * cols + c];
        }
    }
    return UWC_OK;
}

void uwc_onnx__set_weights(uwc_graph *graph, int index, uwc_weights *quantized, bool asymmetric) {
    if (quantized == NULL) {
        return;
    }
    uwc_node *node = &graph->node[index];
    node->quantized = quantized;
    node->weight_bits = quantized->bits;
    node->weight_asymmetric = asymmetric;
    uwc_weights_dequantize(quantized, graph->value[node->in[1]].constant->f32);
}

/* ---- activations --------------------------------------------------------------------------------------------------------------- */

int uwc_onnx__clip_bits(float low, float high, float scale, int32_t zero) {
    for (int bits = 2; bits <= LEVELS_BITS; bits++) {
        int32_t top = (1 << bits) - 1;
        if (zero <= top && low == scale * (float)-zero && high == scale * (float)(top - zero)) {
            return bits;
        }
    }
    return 0;
}

/* Scale and zero point of a pair's half as a quantizer of 8 bits with unsigned levels. *is_signed: the levels of the file are; told by the
 * zero point, where there is one. */
static uwc_status read_quantizer(uwc_onnx__import *im, const uwc_onnx__node *node, bool *is_signed, uwc_quantizer *out) {
    const uwc_tensor *scale, *zero;
    int64_t block, type;
    UWC_TRY(uwc_onnx__constant(im, node, 1, &scale));
    UWC_TRY(uwc_onnx__constant(im, node, 2, &zero));
    UWC_CHECK(scale != NULL && scale->dtype == UWC_F32 && uwc_shape_count(scale->shape) == 1, UWC_E_UNSUPPORTED,
              "activations need one float32 scale");
    UWC_TRY(uwc_tensor_check_finite(scale, "scale"));
    UWC_CHECK(scale->f32[0] > 0, UWC_E_VALUE, "scale is %g", (double)scale->f32[0]);
    UWC_CHECK(zero == NULL || ((zero->dtype == UWC_U8 || zero->dtype == UWC_I8) && uwc_shape_count(zero->shape) == 1), UWC_E_UNSUPPORTED,
              "zero point is not one int8 or uint8");
    UWC_TRY(uwc_onnx__attribute_int(node, "block_size", 0, &block));
    UWC_TRY(uwc_onnx__attribute_int(node, "output_dtype", 0, &type));
    UWC_CHECK(block == 0 && (type == 0 || type == ONNX__TENSOR_PROTO__DATA_TYPE__UINT8 || type == ONNX__TENSOR_PROTO__DATA_TYPE__INT8),
              UWC_E_UNSUPPORTED, "block_size %lld, output_dtype %lld", (long long)block, (long long)type);
    *is_signed = zero != NULL ? zero->dtype == UWC_I8 : type != 0 ? type == ONNX__TENSOR_PROTO__DATA_TYPE__INT8 : *is_signed;
    *out = (uwc_quantizer){.bits = LEVELS_BITS, .scale = scale->f32[0], .zero = zero_at(zero, 0) + (*is_signed ? UINT8_OFFSET : 0)};
    return UWC_OK;
}

uwc_status uwc_onnx__clip_of_quantizer(uwc_onnx__import *im, const uwc_onnx__node *node, float low, float high, int *bits) {
    const uwc_onnx__entry *input = uwc_onnx__input(im, node, 0), *output = uwc_onnx__names_find(&im->names, node->output[0]);
    *bits = 0;
    if (output->n_readers != 1 || output->reader < 0 || input->quantizer.bits > 0 || input->clip_bits > 0) {
        return UWC_OK;
    }
    const uwc_onnx__node *reader = im->file->node[output->reader];
    if (strcmp(reader->op_type, "QuantizeLinear") != 0 || uwc_onnx__input(im, reader, 0) != output) {
        return UWC_OK;
    }
    uwc_quantizer quantizer;
    bool is_signed = false;
    UWC_TRY(uwc_error_note(read_quantizer(im, reader, &is_signed, &quantizer), "the QuantizeLinear behind it"));
    *bits = uwc_onnx__clip_bits(low, high, quantizer.scale, quantizer.zero);
    return UWC_OK;
}

uwc_status uwc_onnx__import_quantize(uwc_onnx__import *im, const uwc_onnx__node *node) {
    uwc_shape shape;
    uwc_quantizer quantizer;
    bool is_signed = false;
    UWC_TRY(uwc_onnx__value_shape(im, node, 0, &shape));
    UWC_TRY(read_quantizer(im, node, &is_signed, &quantizer));
    const uwc_onnx__entry *input = uwc_onnx__input(im, node, 0);
    UWC_CHECK(input->quantizer.bits == 0, UWC_E_UNSUPPORTED, "of a value that is quantized already");
    quantizer.bits = input->clip_bits > 0 ? input->clip_bits : LEVELS_BITS;
    uwc_onnx__entry *output = uwc_onnx__names_find(&im->names, node->output[0]);
    output->state = UWC_ONNX__ACTIVATION;
    output->value = input->value;
    output->quantizer = quantizer;
    output->is_levels = true;
    output->is_signed = is_signed;
    return UWC_OK;
}

uwc_status uwc_onnx__import_dequantize(uwc_onnx__import *im, const uwc_onnx__node *node) {
    const uwc_onnx__entry *input = uwc_onnx__input(im, node, 0);
    uwc_quantizer quantizer;
    UWC_CHECK(input != NULL, UWC_E_FORMAT, "input 0 is missing");
    if (uwc_onnx__is_constant(input)) {
        return dequantize_constant(im, node);
    }
    UWC_CHECK(input->is_levels, UWC_E_UNSUPPORTED, "input %s is neither a constant nor the output of a QuantizeLinear", input->name);
    bool is_signed = input->is_signed;
    UWC_TRY(read_quantizer(im, node, &is_signed, &quantizer));
    UWC_CHECK(is_signed == input->is_signed && quantizer.scale == input->quantizer.scale && quantizer.zero == input->quantizer.zero,
              UWC_E_UNSUPPORTED, "scale or zero point differ from those of the QuantizeLinear in front");
    uwc_onnx__entry *output = uwc_onnx__names_find(&im->names, node->output[0]);
    output->state = UWC_ONNX__ACTIVATION;
    output->value = input->value;
    output->quantizer = input->quantizer;
    return UWC_OK;
}

uwc_status uwc_onnx__settle_quantizers(uwc_onnx__import *im) {
    const char *all = uwc_onnx__metadata(im->model, UWC_ONNX__QUANTIZE_ALL, "");
    uwc_graph *graph = im->graph;
    graph->quantize_all = all != NULL && strcmp(all, "true") == 0;
    for (int i = 0; i < graph->n_values; i++) {
        graph->quantize_all = graph->quantize_all || im->edge[i].other;
    }
    for (int i = 0; i < graph->n_values; i++) {
        const uwc_onnx__edge *edge = &im->edge[i];
        if (edge->quantizer.bits == 0) {
            continue;
        }
        UWC_CHECK(!edge->weighted_raw && !(graph->quantize_all && edge->other_raw), UWC_E_UNSUPPORTED,
                  "%s is read both through a quantizer and without it", graph->value[i].name);
        graph->value[i].quantizer = edge->quantizer;
        graph->value[i].activation_bits = edge->quantizer.bits;
    }
    return UWC_OK;
}
