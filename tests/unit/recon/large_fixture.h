/* One layer with its samples as the passes see them, and a spread layer of one process. */
#ifndef UWC_TEST_LARGE_FIXTURE_H
#define UWC_TEST_LARGE_FIXTURE_H

#include "recon_fixture.h"

#include "naive_layer.h"

#include "large.h"

/* Patches of 3 x 3 over 20 channels: 180 inputs, two panels. */
static inline uwc_graph *wide_conv(int64_t rows) {
    uwc_graph *graph = new_graph();
    int x = put_input(graph, "x", uwc_shape_4d(1, 20, 5, 5));
    return with_bits(finished_unit(graph, put_conv(graph, "c", x, (conv_form){20, rows, 3, .pad = 1})), 3, 32);
}

typedef struct setting {
    uwc_graph *unit;
    field images;
    uwc_stream stream;
    uwc_recon_options options;
    uwc_paths paths;
    uwc_aim aim;
    uwc_geometry geometry;
    uwc_large large;
    double part; /* the ridge */
} setting;

/* Everything gathered; on the heap, as the parts point at each other. */
static inline setting *gathered_with(int64_t rows, int64_t images, double ridge, double noise) {
    setting *own;
    must(uwc_calloc(1, sizeof *own, &own));
    own->unit = wide_conv(rows);
    own->images = new_field(own->unit, images, 1, noise);
    own->stream = stream_of(&own->images);
    own->options = default_options();
    own->options.ridge = own->part = ridge;
    own->options.distribute_above = 100;
    const uwc_node *node = &own->unit->node[0];
    const uwc_value *value = own->unit->value;
    uwc_recon__geometry(&node->op, value[node->in[0]].shape, value[node->in[1]].shape, value[node->out].shape, &own->geometry);
    must(uwc_recon__paths_open(own->unit, &own->options, &own->stream, &own->paths));
    must(uwc_recon__aim(own->unit, 0, UWC_TARGET_UNIT, &own->aim));
    must(uwc_recon__large_open(&own->geometry, &own->options, &own->stream, &own->large));
    must(uwc_recon__large_gather(&own->large, &own->paths, 0, &own->aim, &own->part));
    return own;
}

static inline setting *gathered(int64_t rows, int64_t images, double ridge) {
    return gathered_with(rows, images, ridge, 0.05);
}

static inline void free_setting(setting **own) {
    uwc_recon__large_close(&(*own)->large);
    uwc_recon__aim_clear(&(*own)->aim);
    uwc_recon__paths_close(&(*own)->paths);
    free_field(&(*own)->images);
    uwc_graph_destroy(&(*own)->unit);
    uwc_free(own);
}

/* The small layers' means of the same samples. */
static inline uwc_statistics *small_statistics(setting *own) {
    uwc_statistics *folds[UWC_FOLDS] = {NULL};
    must(uwc_recon__gather(&own->paths, 0, &own->aim, &own->options, folds));
    uwc_recon__merge(folds);
    return folds[0];
}

/* Weights with the bias last, in the order of patches. */
static inline double *float_weights(const setting *own) {
    const int64_t order = own->geometry.cols + 1;
    double *w = new_doubles(own->geometry.rows * order);
    const uwc_node *node = &own->unit->node[0];
    uwc_recon__to_patch_order(&own->geometry, own->unit->value[node->in[1]].constant->f32, w, order);
    for (int64_t r = 0; r < own->geometry.rows; r++) {
        w[r * order + order - 1] = (double)own->unit->value[node->in[2]].constant->f32[r];
    }
    return w;
}

static inline bool is_near(double a, double b, double size) {
    return fabs(a - b) <= 1e-5 * size;
}

#endif
