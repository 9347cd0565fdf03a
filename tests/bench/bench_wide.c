/* One very wide layer, as VGG-16's first fully connected one, solved by all ranks as one team from random weights and correlated inputs.
 *     mpirun -n RANKS bench_wide [inputs [outputs [images [bits [ridge]]]]]
 * ridge 0 (the default): chosen on held-out images, which costs four factorisations more. Prints the seconds, the errors of the layer's
 * output, and the peak memory of every rank beside the estimate. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <uwc/recon.h>

enum { PATTERNS = 24 };

typedef struct samples {
    uwc_comm *comm;
    int64_t inputs;
    float *pattern; /* [PATTERNS][inputs] */
} samples;

/* Rectified mixtures of patterns; the quantized network's differ a little. */
static uwc_status read_images(void *self, int input, bool quantized, int64_t first, uwc_tensor *out) {
    const samples *own = self;
    (void)input;
    for (int64_t i = 0; i < out->shape.dim[0]; i++) {
        const uint64_t image = (uint64_t)(first + i);
        float *row = out->f32 + i * own->inputs, part[PATTERNS];
        for (int k = 0; k < PATTERNS; k++) {
            part[k] = 0.4f * (float)uwc_rng_normal(2, image, (uint64_t)k);
        }
        for (int64_t c = 0; c < own->inputs; c++) {
            float value = 0.2f + 0.3f * (float)uwc_rng_normal(3, image, (uint64_t)c);
            for (int k = 0; k < PATTERNS; k++) {
                value += part[k] * own->pattern[k * own->inputs + c];
            }
            value = fmaxf(value, 0);
            row[c] = quantized ? rintf(value * 8) / 8 : value;
        }
    }
    return UWC_OK;
}

/* As a team adds: in pairs, then these. */
static uwc_status combine(void *self, double *sum, int64_t count) {
    const samples *own = self;
    const size_t bytes = (size_t)count * sizeof *sum;
    char **part;
    size_t *sizes;
    UWC_TRY(uwc_comm_gather(own->comm, 0, sum, bytes, &part, &sizes));
    for (int width = 1; part != NULL && width < uwc_comm_size(own->comm); width *= 2) {
        for (int m = 0; m < uwc_comm_size(own->comm); m += 2 * width) {
            for (int64_t i = 0; i < count; i++) {
                ((double *)(void *)part[m])[i] += ((double *)(void *)part[m + width])[i];
            }
        }
    }
    for (int m = 0; part != NULL && m < uwc_comm_size(own->comm); m++) {
        memcpy(sum, part[0], m == 0 ? bytes : 0);
        uwc_free(&part[m]);
    }
    uwc_free(&part);
    uwc_free(&sizes);
    return uwc_comm_broadcast(own->comm, 0, sum, bytes);
}

/* A constant of random numbers; the graph owns it. */
static uwc_status add_random(uwc_graph *graph, const char *name, uwc_shape shape, uint64_t key, double spread, int *out) {
    uwc_tensor *tensor;
    UWC_TRY(uwc_tensor_create(UWC_F32, shape, UWC_PLAIN, &tensor));
    for (int64_t i = 0; i < uwc_shape_count(shape); i++) {
        tensor->f32[i] = (float)(spread * uwc_rng_normal(1, key, (uint64_t)i));
    }
    return uwc_graph_add_value(graph, name, shape, tensor, out);
}

static uwc_status make_layer(int64_t inputs, int64_t outputs, int bits, uwc_graph **out) {
    const uwc_op op = uwc_op_make(UWC_OP_LINEAR);
    int in[3], y;
    UWC_TRY(uwc_graph_create("wide", out));
    UWC_TRY(uwc_graph_add_value(*out, "x", uwc_shape_2d(1, inputs), NULL, &in[0]));
    UWC_TRY(uwc_graph_add_input(*out, in[0]));
    UWC_TRY(add_random(*out, "w", uwc_shape_2d(outputs, inputs), 1, 1 / sqrt((double)inputs), &in[1]));
    UWC_TRY(add_random(*out, "b", uwc_shape_1d(outputs), 2, 0.1, &in[2]));
    UWC_TRY(uwc_graph_add_value(*out, "y", (uwc_shape){.rank = 0}, NULL, &y));
    UWC_TRY(uwc_graph_add_node(*out, "wide", &op, in, 3, y, NULL));
    UWC_TRY(uwc_graph_add_output(*out, y));
    UWC_TRY(uwc_graph_finish(*out));
    UWC_TRY(uwc_graph_assign_bits(*out, &(uwc_bits){bits, 32, bits, false, false}));
    (*out)->node[0].weight_bits = bits;
    return UWC_OK;
}

static uwc_status make_patterns(samples *own) {
    UWC_TRY(uwc_calloc(PATTERNS * own->inputs, sizeof *own->pattern, &own->pattern));
    for (int64_t i = 0; i < PATTERNS * own->inputs; i++) {
        own->pattern[i] = (float)uwc_rng_normal(4, 0, (uint64_t)i);
    }
    return UWC_OK;
}

static void print_estimates(const uwc_graph *layer, const uwc_recon_options *options, int64_t images) {
    for (int members = 1; members <= UWC_SHARDS; members *= 2) {
        uwc_recon_need need;
        if (uwc_recon_memory(layer, options, images, members, &need) == UWC_OK) {
            printf("estimated for a member of a team of %2d: %6lld MiB, of them %6lld MiB for the layer\n", members,
                   (long long)need.bytes >> 20, (long long)need.layer_bytes >> 20);
        }
    }
}

/* The peaks of all ranks, above what a rank had before. */
static uwc_status print_peaks(uwc_comm *comm, int64_t before) {
    int64_t mine = uwc_peak_rss() - before;
    char **part;
    size_t *sizes;
    UWC_TRY(uwc_comm_gather(comm, 0, &mine, sizeof mine, &part, &sizes));
    for (int r = 0; part != NULL && r < uwc_comm_size(comm); r++) {
        memcpy(&mine, part[r], sizeof mine);
        printf("rank %d: %lld MiB beyond the layer itself\n", r, (long long)mine >> 20);
        uwc_free(&part[r]);
    }
    uwc_free(&part);
    uwc_free(&sizes);
    return UWC_OK;
}

static uwc_status bench(uwc_comm *comm, int64_t inputs, int64_t outputs, int64_t images, int bits, double ridge) {
    const uwc_recon_options options = {
        .method = UWC_METHOD_SECOND_ORDER, .ridge = ridge, .damp = 0.05, .batch_bytes = 64 << 20, .distribute_above = 1};
    samples own = {.comm = comm, .inputs = inputs};
    uwc_graph *layer = NULL;
    uwc_team *team = NULL;
    uwc_grid *grid = NULL;
    uwc_unit_result *result = NULL;
    uwc_status st;
    UWC_TRY_GOTO(st, make_layer(inputs, outputs, bits, &layer), done);
    UWC_TRY_GOTO(st, make_patterns(&own), done);
    UWC_TRY_GOTO(st, uwc_team_create(comm, NULL, uwc_comm_size(comm), 0, &team), done);
    UWC_TRY_GOTO(st, uwc_grid_create(team, &grid), done);
    const uwc_stream stream = {.self = &own,
                               .images = images,
                               .read = read_images,
                               .member = uwc_comm_rank(comm),
                               .members = uwc_comm_size(comm),
                               .combine = combine,
                               .team = grid};
    const int64_t before = uwc_peak_rss();
    if (uwc_comm_rank(comm) == 0) {
        printf("%lld inputs, %lld outputs, %lld images, %d bits, %d ranks\n", (long long)inputs, (long long)outputs, (long long)images,
               bits, uwc_comm_size(comm));
        print_estimates(layer, &options, images);
    }
    UWC_TRY_GOTO(st, uwc_recon_unit(layer, &options, &stream, &result), done);
    if (uwc_comm_rank(comm) == 0) {
        printf("%.1f seconds, error of nearest rounding %.4g, of the result %.4g\n", result->seconds, result->nmse_before,
               result->nmse_after);
    }
    st = print_peaks(comm, before);
done:
    uwc_unit_result_destroy(&result);
    uwc_grid_destroy(&grid);
    uwc_team_destroy(&team);
    uwc_graph_destroy(&layer);
    uwc_free(&own.pattern);
    return st;
}

static int64_t argument(int argc, char **argv, int k, int64_t fallback) {
    return argc > k ? atoll(argv[k]) : fallback;
}

int main(int argc, char **argv) {
    uwc_comm *comm = NULL;
    uwc_status st = uwc_par_start(&argc, &argv, &comm);
    if (st == UWC_OK) {
        uwc_ops_set_threads(1);
        setvbuf(stdout, NULL, _IOLBF, 0);
        st = bench(comm, argument(argc, argv, 1, 25088), argument(argc, argv, 2, 1024), argument(argc, argv, 3, 1024),
                   (int)argument(argc, argv, 4, 4), argc > 5 ? atof(argv[5]) : 0);
    }
    if (st != UWC_OK) {
        fprintf(stderr, "%s\n", uwc_error_last()->text);
    }
    uwc_par_stop(&comm);
    return uwc_status_exit(st);
}
