/* The step of an activation: the quantizer with the least square error on a sample of the quantized path. */
#include "recon_impl.h"

enum { SAMPLE_VALUES = 2048 }; /* per image */

/* `values` of one image, one at a random place of each of as many equal parts. */
static void pick(const float *x, int64_t count, int64_t values, uint64_t seed, int64_t image, double *out) {
    for (int64_t i = 0; i < values; i++) {
        int64_t part = i * count / values, length = (i + 1) * count / values - part;
        out[i] = (double)x[part + uwc_rng_below(seed, (uint64_t)image, (uint64_t)i, length)];
    }
}

static uwc_status sample_shard(uwc_paths *p, int value, uint64_t seed, uwc_images images, int64_t values, double *out) {
    for (int64_t at = 0; at < images.count; at += p->batch) {
        uwc_images part = uwc_recon__images_part(images, at, p->batch);
        const uwc_tensor *x;
        UWC_TRY(uwc_recon__paths_load(p, part, false, true));
        UWC_TRY(uwc_recon__paths_run(p, p->run_quantized, true, &value, 1, &x));
        for (int64_t i = 0; i < part.count; i++) {
            uwc_tensor image = uwc_tensor_images(x, i, 1);
            pick(image.f32, uwc_shape_count(image.shape), values, seed, part.first + i * part.step, out + (at + i) * values);
        }
    }
    return UWC_OK;
}

int64_t uwc_recon__choose_quantizer_bytes(void) {
    return UWC_LOOK_IMAGES * SAMPLE_VALUES * (int64_t)(sizeof(double) + sizeof(float));
}

uwc_status uwc_recon__choose_quantizer(uwc_paths *p, int value, uint64_t seed) {
    uwc_value *edge = &p->quantized->value[value];
    int64_t per_image = uwc_shape_count(edge->shape), values = per_image < SAMPLE_VALUES ? per_image : SAMPLE_VALUES, n = 0;
    double *sample = NULL;
    float *x = NULL;
    int first, end;
    uwc_status st;
    UWC_TRY_GOTO(st, uwc_calloc(UWC_LOOK_IMAGES * values, sizeof *sample, &sample), done);
    UWC_TRY_GOTO(st, uwc_calloc(UWC_LOOK_IMAGES * values, sizeof *x, &x), done);
    uwc_recon__my_shards(p->stream, &first, &end);
    for (int shard = 0; shard < UWC_SHARDS; shard++) {
        uwc_images images = uwc_recon__images(p->stream, shard, UWC_LOOK_IMAGES);
        if (shard >= first && shard < end) {
            UWC_TRY_GOTO(st, sample_shard(p, value, seed, images, values, sample + n), done);
        }
        n += images.count * values;
    }
    UWC_TRY_GOTO(st, uwc_recon__combine(p->stream, sample, n), done);
    for (int64_t i = 0; i < n; i++) {
        x[i] = (float)sample[i];
    }
    st = uwc_quantizer_search(edge->activation_bits, x, n, &edge->quantizer);
done:
    uwc_free(&sample);
    uwc_free(&x);
    return st;
}

uwc_status uwc_recon__choose_edges(uwc_paths *p, int index, uint64_t seed) {
    const uwc_node *node = &p->unit->node[index];
    for (int k = 0; k < node->n_in; k++) {
        const uwc_value *edge = &p->quantized->value[node->in[k]];
        bool acts = p->unit->quantize_all || (k == 0 && uwc_op_is_weighted(node->op.kind));
        if (acts && edge->constant == NULL && edge->activation_bits > 0 && edge->quantizer.bits == 0) {
            UWC_TRY(uwc_recon__choose_quantizer(p, node->in[k], seed));
        }
    }
    return UWC_OK;
}
