#include "recon_fixture.h"

#include "recon_impl.h"

/* Channels in front of depthwise layers: the float unit stays what it was, ranges become alike, and what cannot be stretched is left. */

enum { IMAGES = 40, CHANNELS = 12, INPUTS = 5, SIDE = 6 };

static int put_clip(uwc_graph *graph, const char *name, int x, float low, float high) {
    uwc_op op = uwc_op_make(UWC_OP_CLIP);
    op.low = low;
    op.high = high;
    return put_op(graph, name, &op, &x, 1);
}

static int put_average_pool(uwc_graph *graph, const char *name, int x) {
    uwc_op op = uwc_op_make(UWC_OP_AVERAGE_POOL);
    op.kernel[0] = op.kernel[1] = 2;
    return put_op(graph, name, &op, &x, 1);
}

/* Channel c of layer `name` becomes 3 * 2^-c as large, or 2^c where `up`: nothing that one step for all of them would serve. */
static void spread_channels(uwc_graph *graph, const char *name, bool up) {
    const uwc_node *node = &graph->node[uwc_graph_find_node(graph, name)];
    uwc_tensor *w = graph->value[node->in[1]].constant;
    const int64_t cols = uwc_shape_per_image(w->shape);
    for (int64_t c = 0; c < w->shape.dim[0]; c++) {
        const double factor = up ? exp2((double)c) / 3 : 3 * exp2((double)-c);
        for (int64_t k = 0; k < cols; k++) {
            w->f32[c * cols + k] *= (float)factor;
        }
        if (!up && node->n_in == 3) {
            graph->value[node->in[2]].constant->f32[c] *= (float)factor;
        }
    }
}

typedef enum way { PLAIN, RELU, CLIPPED, TWO_CLIPS, MAX_POOLED, AVERAGED, AVERAGED_CLIP, LEAKY, SHIFTED_CLIP, TANH, WAYS } way;

/* What stands between the layers. */
static int put_way(uwc_graph *graph, int x, way between) {
    switch (between) {
    case RELU:
        return put_unary(graph, "v", UWC_OP_RELU, x);
    case CLIPPED:
        return put_clip(graph, "v", x, 0, 6);
    case TWO_CLIPS:
        return put_clip(graph, "v", put_clip(graph, "v0", x, 0, 6), 0, 4);
    case MAX_POOLED:
        return put_max_pool(graph, "v", put_clip(graph, "v0", x, 0, 6), 2, 2, 0);
    case AVERAGED:
        return put_average_pool(graph, "v", put_unary(graph, "v0", UWC_OP_RELU, x));
    case AVERAGED_CLIP:
        return put_average_pool(graph, "v", put_clip(graph, "v0", x, 0, 6));
    case LEAKY:
        return put_unary(graph, "v", UWC_OP_LEAKY_RELU, x);
    case SHIFTED_CLIP:
        return put_clip(graph, "v", x, -1, 6);
    case TANH:
        return put_unary(graph, "v", UWC_OP_TANH, x);
    default:
        return x;
    }
}

/* Layer e, something, layer d with `group` groups and `rows` outputs; the channels between them are badly spread. */
static uwc_graph *pair(way between, int64_t group, int64_t rows, int activations) {
    uwc_graph *graph = new_graph();
    int x = put_input(graph, "x", uwc_shape_4d(1, INPUTS, SIDE, SIDE)),
        e = put_conv(graph, "e", x, (conv_form){INPUTS, CHANNELS, 1, .pad = 0});
    int d = put_conv(graph, "d", put_way(graph, e, between), (conv_form){CHANNELS, rows, 3, .pad = 1, .group = group});
    uwc_graph *unit = finished_unit(graph, d);
    spread_channels(unit, "e", false);
    if (group == CHANNELS && rows == CHANNELS) {
        spread_channels(unit, "d", true);
    }
    return with_bits(unit, 4, activations);
}

/* The paths of a unit behind its equalisation. */
typedef struct stretched {
    field images;
    uwc_stream stream;
    uwc_paths paths;
} stretched;

static void open_stretched(const uwc_graph *unit, int64_t images, stretched *out) {
    const uwc_recon_options options = default_options();
    out->images = new_field(unit, images, 1, 0.05);
    out->stream = stream_of(&out->images);
    must(uwc_recon__paths_open(unit, &options, &out->stream, &out->paths));
    must(uwc_recon__equalise(&out->paths));
}

static void close_stretched(stretched *own) {
    uwc_recon__paths_close(&own->paths);
    free_field(&own->images);
}

static void assert_same_constants(const uwc_graph *a, const uwc_graph *b) {
    assert_int_equal(a->n_values, b->n_values);
    for (int v = 0; v < a->n_values; v++) {
        if (a->value[v].constant != NULL) {
            assert_memory_equal(a->value[v].constant->f32, b->value[v].constant->f32, uwc_tensor_bytes(a->value[v].constant));
        }
    }
}

/* Output of both graphs of the paths, through their own runs too: what was prepared must know the new weights. */
static void check_outputs(const uwc_graph *unit, stretched *own) {
    uwc_tensor *wanted = evaluate(unit, unit->output[0], own->images.real[0], UWC_BACKEND_REFERENCE);
    uwc_tensor *got = evaluate(own->paths.unit, unit->output[0], own->images.real[0], UWC_BACKEND_REFERENCE);
    assert_true(difference(wanted, got) < 1e-5);
    uwc_images all = uwc_recon__images(&own->stream, 0, own->images.images);
    const uwc_tensor *run[2];
    must(uwc_recon__paths_load(&own->paths, uwc_recon__images_part(all, 0, 1), true, false));
    must(uwc_recon__paths_run(&own->paths, own->paths.run_float, false, unit->output, 1, &run[0]));
    must(uwc_recon__paths_run(&own->paths, own->paths.run_quantized, false, unit->output, 1, &run[1]));
    uwc_tensor first = uwc_tensor_images(wanted, 0, 1);
    assert_true(difference(&first, run[0]) < 1e-5 && difference(&first, run[1]) < 1e-5);
    uwc_tensor_destroy(&wanted);
    uwc_tensor_destroy(&got);
}

/* top [CHANNELS]: the largest magnitude of each channel of value "v" or, without one, of "e". */
static void tops_of(const uwc_graph *unit, const uwc_tensor *x, double *top) {
    int v = uwc_graph_find_value(unit, "v");
    uwc_tensor *y = evaluate(unit, v >= 0 ? v : uwc_graph_find_value(unit, "e"), x, UWC_BACKEND_REFERENCE);
    for (int c = 0; c < CHANNELS; c++) {
        top[c] = 0;
    }
    for (int64_t i = 0; i < uwc_shape_count(y->shape); i++) {
        top[i % CHANNELS] = fmax(top[i % CHANNELS], fabs((double)y->f32[i]));
    }
    uwc_tensor_destroy(&y);
}

/* `bound`: of the clip, or 0 where the largest channel is the measure. */
static void check_pair(way between, int64_t rows, double bound) {
    uwc_graph *unit = pair(between, CHANNELS, rows, 4);
    stretched own;
    double before[CHANNELS], after[CHANNELS], range = bound;
    int capped = 0, full = 0;
    open_stretched(unit, IMAGES, &own);
    check_outputs(unit, &own);
    assert_same_constants(own.paths.unit, own.paths.quantized);
    tops_of(unit, own.images.real[0], before);
    tops_of(own.paths.unit, own.images.real[0], after);
    for (int c = 0; c < CHANNELS && bound == 0; c++) {
        range = fmax(range, before[c]);
    }
    for (int c = 0; c < CHANNELS; c++) {
        assert_true(fabs(after[c] - fmin(range, 32 * before[c])) < 1e-5 * range);
        capped += before[c] * 32 < range * 0.99;
        full += before[c] * 32 > range;
    }
    assert_true(capped >= 2 && full >= 4);
    close_stretched(&own);
    uwc_graph_destroy(&unit);
}

static void channels_have_one_range_and_the_unit_stays_the_same(void **state) {
    (void)state;
    check_pair(PLAIN, CHANNELS, 0);
    check_pair(RELU, CHANNELS, 0);
    check_pair(AVERAGED, CHANNELS, 0);
    check_pair(RELU, 2 * CHANNELS, 0); /* two rows per channel */
    check_pair(CLIPPED, CHANNELS, 6);
    check_pair(TWO_CLIPS, CHANNELS, 4);
    check_pair(MAX_POOLED, CHANNELS, 6);
}

/* The unit is taken as it is: nothing is changed. */
static void check_untouched(uwc_graph *unit) {
    stretched own;
    open_stretched(unit, IMAGES, &own);
    assert_same_constants(own.paths.unit, unit);
    assert_same_constants(own.paths.quantized, unit);
    close_stretched(&own);
    uwc_graph_destroy(&unit);
}

static void what_does_not_commute_is_left_alone(void **state) {
    (void)state;
    check_untouched(pair(LEAKY, CHANNELS, CHANNELS, 4));
    check_untouched(pair(TANH, CHANNELS, CHANNELS, 4));
    check_untouched(pair(SHIFTED_CLIP, CHANNELS, CHANNELS, 4));
    check_untouched(pair(AVERAGED_CLIP, CHANNELS, CHANNELS, 4)); /* means do not tell how near the clip was */
}

static void other_layers_are_left_alone(void **state) {
    (void)state;
    check_untouched(pair(RELU, 1, CHANNELS, 4));
    check_untouched(pair(RELU, CHANNELS / 2, CHANNELS, 4)); /* two channels per group */
    check_untouched(pair(RELU, CHANNELS, CHANNELS, 32));    /* float activations */
}

/* Readers besides the depthwise layer: an operator, the outputs of the unit, and those of the first layer's own output. */
static void values_with_several_readers_are_left_alone(void **state) {
    (void)state;
    for (int kind = 0; kind < 4; kind++) {
        uwc_graph *graph = new_graph();
        int x = put_input(graph, "x", uwc_shape_4d(1, INPUTS, SIDE, SIDE)),
            e = put_conv(graph, "e", x, (conv_form){INPUTS, CHANNELS, 1, .pad = 0});
        int v = put_unary(graph, "v", UWC_OP_RELU, e);
        int y = put_conv(graph, "d", v, (conv_form){CHANNELS, CHANNELS, 3, .pad = 1, .group = CHANNELS});
        y = kind < 2 ? put_binary(graph, "sum", UWC_OP_ADD, y, kind == 0 ? v : e) : y;
        if (kind >= 2) {
            must(uwc_graph_add_output(graph, kind == 2 ? v : e));
        }
        uwc_graph *unit = with_bits(finished_unit(graph, y), 4, 4);
        spread_channels(unit, "e", false);
        check_untouched(unit);
    }
}

/* A constant that another layer reads too cannot be scaled for one of them. */
static void shared_constants_are_left_alone(void **state) {
    (void)state;
    for (int which = 0; which < 3; which++) { /* weights of e, bias of e, weights of d */
        uwc_graph *graph = new_graph();
        int x = put_input(graph, "x", uwc_shape_4d(1, CHANNELS, SIDE, SIDE)),
            e = put_conv(graph, "e", x, (conv_form){CHANNELS, CHANNELS, 1, .pad = 0});
        int d =
            put_conv(graph, "d", put_unary(graph, "v", UWC_OP_RELU, e), (conv_form){CHANNELS, CHANNELS, 3, .pad = 1, .group = CHANNELS});
        const uwc_node *from = &graph->node[uwc_graph_find_node(graph, which < 2 ? "e" : "d")];
        const uwc_op op = from->op;
        const int other = put_constant(graph, "other", graph->value[from->in[1]].shape, 0.3);
        const int in[] = {put_unary(graph, "t", UWC_OP_TANH, d), which == 1 ? other : from->in[1], from->in[2]};
        uwc_graph *unit = with_bits(finished_unit(graph, put_op(graph, "again", &op, in, 3)), 4, 4);
        spread_channels(unit, "e", false);
        check_untouched(unit);
    }
}

/* Channels that are zero on all images keep their weights, and the others do not mind. */
static void dead_channels_are_left_alone(void **state) {
    (void)state;
    uwc_graph *unit = pair(RELU, CHANNELS, CHANNELS, 4);
    const uwc_node *node = &unit->node[uwc_graph_find_node(unit, "e")];
    float *w = unit->value[node->in[1]].constant->f32;
    unit->value[node->in[2]].constant->f32[3] = -1;
    for (int k = 0; k < INPUTS; k++) {
        w[3 * INPUTS + k] = -fabsf(w[3 * INPUTS + k]); /* inputs are not negative */
    }
    stretched own;
    open_stretched(unit, IMAGES, &own);
    check_outputs(unit, &own);
    const float *got = own.paths.unit->value[node->in[1]].constant->f32;
    assert_memory_equal(got + 3 * INPUTS, w + 3 * INPUTS, INPUTS * sizeof *w);
    assert_memory_not_equal(got + 4 * INPUTS, w + 4 * INPUTS, INPUTS * sizeof *w);
    close_stretched(&own);
    uwc_graph_destroy(&unit);
}

/* One step for channels of very different sizes serves none but the largest. */
static void badly_spread_channels_come_out_better(void **state) {
    (void)state;
    static const way ways[] = {RELU, CLIPPED, AVERAGED};
    for (size_t k = 0; k < sizeof ways / sizeof ways[0]; k++) {
        uwc_graph *unit = pair(ways[k], CHANNELS, CHANNELS, 4);
        double nmse[2];
        for (int equalise = 0; equalise < 2; equalise++) {
            uwc_recon_options options = default_options();
            options.equalise = equalise == 1;
            field images = new_field(unit, IMAGES, 1, 0);
            uwc_unit_result *result = reconstruct(unit, &options, &images);
            nmse[equalise] = result->nmse_after;
            uwc_unit_result_destroy(&result);
            free_field(&images);
        }
        assert_true(nmse[1] < 0.5 * nmse[0]);
        uwc_graph_destroy(&unit);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(channels_have_one_range_and_the_unit_stays_the_same),
        cmocka_unit_test(what_does_not_commute_is_left_alone),
        cmocka_unit_test(other_layers_are_left_alone),
        cmocka_unit_test(values_with_several_readers_are_left_alone),
        cmocka_unit_test(shared_constants_are_left_alone),
        cmocka_unit_test(dead_channels_are_left_alone),
        cmocka_unit_test(badly_spread_channels_come_out_better),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
