/* Constants, quantized weights and quantizers of a file. */
#include "export_impl.h"

#include <math.h>
#include <string.h>

enum { LEVELS_BITS = 8 };

static bool acts_on(const uwc_onnx__export *ex, const uwc_node *node, int k) {
    const uwc_value *value = &ex->graph->value[node->in[k]];
    return value->quantizer.bits > 0 && value->constant == NULL &&
           (ex->graph->quantize_all || (k == 0 && uwc_op_is_weighted(node->op.kind)));
}

const char *uwc_onnx__read_name(const uwc_onnx__export *ex, const uwc_node *node, int k) {
    return acts_on(ex, node, k) ? ex->quantized_name[node->in[k]] : ex->graph->value[node->in[k]].name;
}

/* ---- constants and weights ------------------------------------------------------------------------------------------------------ */

/* The value's own name the first time, a fresh one after that. */
static uwc_status constant_name(uwc_onnx__export *ex, int value, const char **out) {
    *out = ex->graph->value[value].name;
    if (ex->named[value]) {
        char *fresh;
        UWC_TRY(uwc_onnx__fresh_name(ex, *out, "copy", &fresh));
        *out = fresh;
    }
    ex->named[value] = true;
    return UWC_OK;
}

uwc_status uwc_onnx__put_constant(uwc_onnx__export *ex, int value, const char **name) {
    const uwc_tensor *constant = ex->graph->value[value].constant;
    if (ex->constant_name[value] != NULL) {
        *name = ex->constant_name[value];
        return UWC_OK;
    }
    UWC_TRY(constant_name(ex, value, name));
    ex->constant_name[value] = *name;
    return uwc_onnx__put_tensor(ex, *name, ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT, constant->shape, constant->data,
                                uwc_tensor_bytes(constant));
}

uwc_status uwc_onnx__put_added_bias(uwc_onnx__export *ex, int value, int behind, const char **name) {
    const uwc_tensor *constant = ex->graph->value[value].constant;
    const int64_t rows = constant->shape.dim[0];
    UWC_TRY(constant_name(ex, value, name));
    return uwc_onnx__put_tensor(ex, *name, ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT, behind > 0 ? uwc_shape_4d(1, rows, 1, 1) : constant->shape,
                                constant->data, uwc_tensor_bytes(constant));
}

bool uwc_onnx__bias_would_change(const uwc_onnx__export *ex, const uwc_node *node) {
    if (node->n_in < 3 || node->quantized == NULL || !acts_on(ex, node, 0)) {
        return false;
    }
    const float *bias = ex->graph->value[node->in[2]].constant->f32, input = ex->graph->value[node->in[0]].quantizer.scale;
    for (int64_t r = 0; r < node->quantized->rows; r++) {
        float step = input * node->quantized->scale[r], level = rintf(bias[r] / step);
        if (!(fabsf(level) <= 0x1p23f) || level * step != bias[r]) {
            return true;
        }
    }
    return false;
}

/* rows and cols of elements of `size` bytes. */
static void transpose(const char *from, int64_t rows, int64_t cols, size_t size, char *to) {
    for (int64_t r = 0; r < rows; r++) {
        for (int64_t c = 0; c < cols; c++) {
            memcpy(to + (size_t)(c * rows + r) * size, from + (size_t)(r * cols + c) * size, size);
        }
    }
}

static uwc_status put_float_weights(uwc_onnx__export *ex, int value, bool transposed, const char **name) {
    const uwc_tensor *constant = ex->graph->value[value].constant;
    uwc_shape shape = constant->shape;
    const void *data = constant->data;
    UWC_TRY(constant_name(ex, value, name));
    if (transposed) {
        char *flipped;
        UWC_TRY(uwc_onnx__allocate(ex, uwc_shape_count(shape), sizeof(float), &flipped));
        transpose(data, shape.dim[0], shape.dim[1], sizeof(float), flipped);
        data = flipped;
        shape = uwc_shape_2d(shape.dim[1], shape.dim[0]);
    }
    return uwc_onnx__put_tensor(ex, *name, ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT, shape, data, uwc_tensor_bytes(constant));
}

static uwc_status put_levels(uwc_onnx__export *ex, const uwc_weights *weights, uwc_shape shape, bool transposed, const char *name) {
    const void *data = weights->q;
    int64_t count = weights->rows * weights->cols;
    int lo, hi;
    uwc_weights_range(weights->bits, &lo, &hi);
    for (int64_t i = 0; i < count; i++) {
        UWC_CHECK(weights->q[i] >= lo && weights->q[i] <= hi, UWC_E_VALUE, "level %d of weight %lld is outside %d bits", weights->q[i],
                  (long long)i, weights->bits);
    }
    if (transposed) {
        char *flipped;
        UWC_TRY(uwc_onnx__allocate(ex, count, 1, &flipped));
        transpose(data, weights->rows, weights->cols, 1, flipped);
        data = flipped;
        shape = uwc_shape_2d(shape.dim[1], shape.dim[0]);
    }
    return uwc_onnx__put_tensor(ex, name, ONNX__TENSOR_PROTO__DATA_TYPE__INT8, shape, data, (size_t)count);
}

static uwc_status put_zero_points(uwc_onnx__export *ex, const uwc_weights *weights, const char *name) {
    int8_t *zero;
    UWC_TRY(uwc_onnx__allocate(ex, weights->rows, 1, &zero));
    for (int64_t r = 0; r < weights->rows; r++) {
        UWC_CHECK(weights->zero[r] >= INT8_MIN && weights->zero[r] <= INT8_MAX, UWC_E_VALUE, "zero point %d of row %lld is no int8",
                  weights->zero[r], (long long)r);
        UWC_CHECK(isfinite(weights->scale[r]) && weights->scale[r] > 0, UWC_E_VALUE, "scale %g of row %lld", (double)weights->scale[r],
                  (long long)r);
        zero[r] = (int8_t)weights->zero[r];
    }
    return uwc_onnx__put_tensor(ex, name, ONNX__TENSOR_PROTO__DATA_TYPE__INT8, uwc_shape_1d(weights->rows), zero, (size_t)weights->rows);
}

uwc_status uwc_onnx__put_weights(uwc_onnx__export *ex, const uwc_node *node, bool transposed, const char **name) {
    const uwc_weights *weights = node->quantized;
    if (weights == NULL) {
        return put_float_weights(ex, node->in[1], transposed, name);
    }
    char *levels, *scale, *zero, text[32];
    uwc_onnx__node *dequantize;
    UWC_TRY(constant_name(ex, node->in[1], name));
    UWC_TRY(uwc_onnx__fresh_name(ex, *name, "q", &levels));
    UWC_TRY(uwc_onnx__fresh_name(ex, *name, "scale", &scale));
    UWC_TRY(uwc_onnx__fresh_name(ex, *name, "zero", &zero));
    UWC_TRY(uwc_onnx__new_node(ex, "DequantizeLinear", *name, *name, &dequantize));
    UWC_TRY(uwc_onnx__add_input(ex, dequantize, levels));
    UWC_TRY(uwc_onnx__add_input(ex, dequantize, scale));
    UWC_TRY(uwc_onnx__add_input(ex, dequantize, zero));
    UWC_TRY(uwc_onnx__put_int(ex, dequantize, "axis", transposed ? 1 : 0));
    UWC_TRY(put_levels(ex, weights, ex->graph->value[node->in[1]].shape, transposed, levels));
    UWC_TRY(uwc_onnx__put_tensor(ex, scale, ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT, uwc_shape_1d(weights->rows), weights->scale,
                                 (size_t)weights->rows * sizeof *weights->scale));
    UWC_TRY(put_zero_points(ex, weights, zero));
    snprintf(text, sizeof text, "%d %s", weights->bits, node->weight_asymmetric ? "asymmetric" : "symmetric");
    return uwc_onnx__put_metadata(ex, UWC_ONNX__WEIGHTS, levels, text);
}

/* ---- quantizers -------------------------------------------------------------------------------------------------------------------- */

/* Division and rounding of QuantizeLinear must give the outermost levels at the ends of the Clip, and so, being monotonic, nothing beyond.
 */
static uwc_status clip_ends(const uwc_quantizer *quantizer, float *low, float *high) {
    int32_t top = (1 << quantizer->bits) - 1;
    UWC_CHECK(quantizer->bits >= 2 && quantizer->bits <= LEVELS_BITS && quantizer->zero >= 0 && quantizer->zero <= top, UWC_E_VALUE,
              "zero point %d of a quantizer of %d bits", quantizer->zero, quantizer->bits);
    UWC_CHECK(isfinite(quantizer->scale) && quantizer->scale > 0, UWC_E_VALUE, "scale %g of a quantizer", (double)quantizer->scale);
    *low = quantizer->scale * (float)-quantizer->zero;
    *high = quantizer->scale * (float)(top - quantizer->zero);
    UWC_CHECK(isfinite(*low) && isfinite(*high) && rintf(*low / quantizer->scale) == (float)-quantizer->zero &&
                  rintf(*high / quantizer->scale) == (float)(top - quantizer->zero),
              UWC_E_VALUE, "scale %g of a quantizer of %d bits: its ends have no float32", (double)quantizer->scale, quantizer->bits);
    return UWC_OK;
}

/* With 8 bits the container bounds the levels. A Clip of the network that looks like a quantizer's would be taken for it. */
static bool needs_clip(const uwc_onnx__export *ex, int value) {
    const uwc_quantizer *quantizer = &ex->graph->value[value].quantizer;
    int producer = ex->graph->value[value].producer;
    const uwc_op *op = producer < 0 ? NULL : &ex->graph->node[producer].op;
    return quantizer->bits < LEVELS_BITS ||
           (op != NULL && op->kind == UWC_OP_CLIP && uwc_onnx__clip_bits(op->low, op->high, quantizer->scale, quantizer->zero) > 0);
}

static uwc_status put_clip(uwc_onnx__export *ex, int value, float low, float high, const char **read) {
    char *name;
    uwc_onnx__node *node;
    UWC_TRY(uwc_onnx__fresh_name(ex, ex->graph->value[value].name, "clip", &name));
    UWC_TRY(uwc_onnx__new_node(ex, "Clip", name, name, &node));
    UWC_TRY(uwc_onnx__add_input(ex, node, *read));
    UWC_TRY(uwc_onnx__put_float_input(ex, node, "min", low));
    UWC_TRY(uwc_onnx__put_float_input(ex, node, "max", high));
    *read = name;
    return UWC_OK;
}

static uwc_status put_pair(uwc_onnx__export *ex, int value, const char *read) {
    const uwc_value *from = &ex->graph->value[value];
    char *levels, *out, *scale, *zero;
    float *scale_data;
    uint8_t *zero_data;
    UWC_TRY(uwc_onnx__fresh_name(ex, from->name, "scale", &scale));
    UWC_TRY(uwc_onnx__fresh_name(ex, from->name, "zero", &zero));
    UWC_TRY(uwc_onnx__fresh_name(ex, from->name, "q", &levels));
    UWC_TRY(uwc_onnx__fresh_name(ex, from->name, "dq", &out));
    UWC_TRY(uwc_onnx__allocate(ex, 1, sizeof *scale_data, &scale_data));
    UWC_TRY(uwc_onnx__allocate(ex, 1, sizeof *zero_data, &zero_data));
    *scale_data = from->quantizer.scale;
    *zero_data = (uint8_t)from->quantizer.zero;
    UWC_TRY(uwc_onnx__put_tensor(ex, scale, ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT, (uwc_shape){0}, scale_data, sizeof *scale_data));
    UWC_TRY(uwc_onnx__put_tensor(ex, zero, ONNX__TENSOR_PROTO__DATA_TYPE__UINT8, (uwc_shape){0}, zero_data, sizeof *zero_data));
    const char *type[2] = {"QuantizeLinear", "DequantizeLinear"}, *made[2] = {levels, out};
    for (int i = 0; i < 2; i++) {
        uwc_onnx__node *node;
        UWC_TRY(uwc_onnx__new_node(ex, type[i], made[i], made[i], &node));
        UWC_TRY(uwc_onnx__add_input(ex, node, i == 0 ? read : levels));
        UWC_TRY(uwc_onnx__add_input(ex, node, scale));
        UWC_TRY(uwc_onnx__add_input(ex, node, zero));
    }
    ex->quantized_name[value] = out;
    return UWC_OK;
}

static bool is_read_quantized(const uwc_onnx__export *ex, int value) {
    for (int i = 0; i < ex->graph->n_nodes; i++) {
        const uwc_node *node = &ex->graph->node[i];
        for (int k = 0; k < node->n_in; k++) {
            if (node->in[k] == value && acts_on(ex, node, k)) {
                return true;
            }
        }
    }
    return false;
}

uwc_status uwc_onnx__put_quantizer(uwc_onnx__export *ex, int value) {
    const uwc_value *from = &ex->graph->value[value];
    float low = 0, high = 0;
    if (!is_read_quantized(ex, value)) {
        return UWC_OK;
    }
    const char *read = from->name;
    UWC_TRY(uwc_error_note(clip_ends(&from->quantizer, &low, &high), "value %s", from->name));
    if (needs_clip(ex, value)) {
        UWC_TRY(put_clip(ex, value, low, high, &read));
    }
    return put_pair(ex, value, read);
}
