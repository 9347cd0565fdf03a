/* recon: reconstruction of one Basic-Unit from a stream of activations. Floor 4; uses graph, linalg, quant. Sees no MPI and no file.
 * The method is described in docs/method.md.
 */
#ifndef UWC_RECON_H
#define UWC_RECON_H

#include <uwc/graph.h>
#include <uwc/linalg.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { UWC_SHARDS = 16 }; /* virtual shards of the samples, fixed: partial sums are combined over them by a fixed tree */

/* Images [*first, *first + *count) of shard k of `images`. Local. */
void uwc_shard_range(int64_t images, int shard, int64_t *first, int64_t *count);

typedef enum uwc_method {
    UWC_METHOD_NEAREST,
    UWC_METHOD_SECOND_ORDER,
    UWC_METHOD_ADAROUND, /* the last three learn the rounding by gradient descent */
    UWC_METHOD_BRECQ,
    UWC_METHOD_QDROP
} uwc_method;
enum { UWC_LEARN_BATCH = 32 }; /* images of an iteration of the methods that learn */
typedef enum uwc_target { UWC_TARGET_UNIT, UWC_TARGET_LAYER } uwc_target;

/* Descent of a unit's float weights and activation steps before its layers are rounded. */
typedef enum uwc_adapt_when { UWC_ADAPT_OFF, UWC_ADAPT_AUTO, UWC_ADAPT_ALWAYS } uwc_adapt_when;

typedef struct uwc_adapt_options {
    uwc_adapt_when when; /* auto: in units with weights of less than 4 bits or activations of less than 8 */
    int steps;
    int batch;        /* images of a step */
    double rate;      /* of the first step: how far a parameter moves, as a part of its size; falls to 0 as a cosine */
    double drop;      /* part of the activations that stay float in a step */
    bool progressive; /* again after each rounded layer, for the layers behind it */
} uwc_adapt_options;

typedef struct uwc_recon_options {
    uwc_method method;
    uwc_target target;
    double ridge; /* of retargeting, a part of the mean diagonal of A; 0: the one with the least error on held-out images */
    double damp;  /* of the rounding's metric, likewise a part */
    uwc_adapt_options adapt;
    bool equalise;      /* stretch the channels of activations in front of depthwise layers */
    int64_t positions;  /* output positions of an image that enter the statistics of a layer; 0: chosen from their number */
    int64_t iterations; /* of descent, for the methods that learn the rounding */
    uint64_t seed;
    uwc_backend backend;
    int64_t batch_bytes; /* activations of one batch stay below this; part of the result's definition */
    /* Second-order layers with more inputs (of all groups' one) are spread over the team, 0: none; part of the result's definition. */
    int64_t distribute_above;
    bool scalapack; /* and factored by ScaLAPACK: the last digits then depend on the team's size */
} uwc_recon_options;

/* What reconstructions of the same unit have in common: at several bit-widths they share statistics of layers that see the same inputs, and
 * float outputs. The result is the same with and without, whatever was reconstructed before. For one thread at a time. */
typedef struct uwc_memo uwc_memo;

/* Keeps at most `bytes`. Local. */
uwc_status uwc_memo_create(int64_t bytes, uwc_memo **out) UWC_MUST_USE;
void uwc_memo_destroy(uwc_memo **memo);

/* Where activations come from and go to. Images are numbered over all shards. */
typedef struct uwc_stream {
    void *self;
    int64_t images;
    /* Boundary input `input` (index into graph->input) of images [first, first + out->shape.dim[0]), from the quantized or the float
     * network. */
    uwc_status (*read)(void *self, int input, bool quantized, int64_t first, uwc_tensor *out);
    /* Output `output` of the reconstructed unit, in ascending order of images; NULL where nobody wants it. */
    uwc_status (*write)(void *self, int output, int64_t first, const uwc_tensor *images);
    /* Called now and then; another status than OK ends the reconstruction with it. May be NULL. */
    uwc_status (*poll)(void *self);
    /* A team shares the samples of a unit: member m of `members` (a power of two, at most UWC_SHARDS) works on the shards
     * [m, m+1) * UWC_SHARDS / members and solves every layer as the others do. combine replaces sum[count] by the sum over the members,
     * added pairwise (0+1, 2+3, then the pairs, ...) as one member would add its shards. members 0 or 1: alone, combine may be NULL. */
    int member, members;
    uwc_status (*combine)(void *self, double *sum, int64_t count);
    /* The same members in the same order, for layers above options->distribute_above; borrowed. NULL where there are none of these, or
     * alone. */
    const uwc_grid *team;
    /* Borrowed, NULL: nothing is shared; not used by teams. Streams with the same number read the same bytes, of the float network and of
     * the quantized one; 0: no other stream does. */
    uwc_memo *memo;
    uint64_t same_float, same_quantized;
} uwc_stream;

typedef struct uwc_layer_result {
    char *node; /* name */
    uwc_weights *weights;
    float *bias; /* [rows] */
} uwc_layer_result;

typedef struct uwc_edge_result {
    char *value; /* name */
    uwc_quantizer quantizer;
} uwc_edge_result;

typedef struct uwc_unit_result {
    uwc_layer_result *layer;
    int n_layers;
    uwc_edge_result *edge;
    int n_edges;
    double nmse_before, nmse_after; /* against the float unit's output, over its variance */
    double seconds;                 /* not part of the unit's file */
} uwc_unit_result;

/* Estimated multiply-adds of descent, per image of `images`, for a unit of so many per image; 0: nothing descends. Local. */
double uwc_recon_learning_work(const uwc_recon_options *options, const uwc_bits *bits, int64_t images, int64_t multiply_adds);
/* Reconstructs `unit` (a graph of its own from uwc_graph_extract, bits assigned; not changed). Calls stream->write for every output when
 * done with the solution. Local. */
uwc_status uwc_recon_unit(const uwc_graph *unit, const uwc_recon_options *options, const uwc_stream *stream,
                          uwc_unit_result **out) UWC_MUST_USE;
void uwc_unit_result_destroy(uwc_unit_result **result);
/* Puts a result into the graph that has nodes and values of its names. Local. */
uwc_status uwc_unit_result_apply(const uwc_unit_result *result, uwc_graph *graph) UWC_MUST_USE;

/* Memory of a reconstruction, bytes, beyond the unit itself. An estimate from shapes, meant as an upper bound. */
typedef struct uwc_recon_need {
    int64_t bytes, batch; /* images per batch */
    int node;             /* index of the layer that needs most beside the paths through the unit, -1: no layers */
    int64_t layer_bytes;  /* of that layer */
    int64_t could_spread; /* its inputs, if it could be spread over a team and is not; else 0 */
    bool spreads;         /* a layer is spread over the team: each member has less of it, the more there are */
} uwc_recon_need;

/* Of one member of a team of `members` (1: alone), for `images` calibration images and options as uwc_recon_unit takes them. Errors:
 * UNSUPPORTED (a method that learns a whole unit, and an operator without gradient in it). Local. */
uwc_status uwc_recon_memory(const uwc_graph *unit, const uwc_recon_options *options, int64_t images, int members,
                            uwc_recon_need *out) UWC_MUST_USE;

/* Adapting adds a batch's gradients in so many parts, which members of a team share. */
enum { UWC_DESCENT_PARTS = 4 };

/* What a reconstruction takes, in multiply-adds of a forward pass: what the members of a team share, what UWC_DESCENT_PARTS of them share
 * (descent, the folds that choose a ridge), what each of them repeats, and what each doubling of the team takes for the sums that members
 * send each other. */
typedef struct uwc_recon_work {
    double shared, by_four, alone, exchange;
} uwc_recon_work;

/* Estimate from shapes for the unit of the n listed nodes of a network with bits assigned. Local. */
void uwc_recon_estimate(const uwc_graph *network, const int *node, int n, const uwc_recon_options *options, int64_t images,
                        uwc_recon_work *out);

/* ---- the second-order picture of a unit (docs/method.md) -------------------------------------------------------------------------- */

/* Changes of a unit's weights and biases: nearest rounding, the result of a reconstruction. */
typedef enum uwc_change { UWC_CHANGE_NEAREST, UWC_CHANGE_RESULT, UWC_CHANGES } uwc_change;

/* The error of a change delta at the unit's float inputs, activations not quantized, in units of the variance of the float output (as
 * nmse_*). The layers are in the order of the data flow. */
typedef struct uwc_change_error {
    double *term;    /* [n_layers, n_layers] mean <J_i delta_i, J_j delta_j>, an estimate; their sum is 1/2 delta^T H delta. NULL: absent */
    double noise;    /* standard error of their sum */
    double measured; /* mean |f(w + delta) - f(w)|^2 */
} uwc_change_error;

typedef struct uwc_curvature {
    char **layer; /* names */
    int n_layers;
    uwc_change_error change[UWC_CHANGES];
} uwc_curvature;

enum { UWC_CURVATURE_IMAGES = 64, UWC_CURVATURE_PROBES = 32 }; /* what estimates are usually made from */

/* From `images` of the stream, evenly spread (or nearly as many, or all), and `probes` random directions of the output for each. `result`
 * (NULL: there is none) came from these options. Reads float inputs alone. Errors: UNSUPPORTED (an operator without gradient). Local. */
uwc_status uwc_recon_curvature(const uwc_graph *unit, const uwc_recon_options *options, const uwc_stream *stream,
                               const uwc_unit_result *result, int64_t images, int probes, uwc_curvature **out) UWC_MUST_USE;
void uwc_curvature_destroy(uwc_curvature **curvature);
/* Sum of the diagonal blocks' terms, and of all. Local. */
double uwc_curvature_diagonal(const uwc_curvature *curvature, uwc_change which);
double uwc_curvature_total(const uwc_curvature *curvature, uwc_change which);
/* How strongly the first `split` layers interact with the others: |delta_a^T H_ab delta_b| / sqrt(delta_a^T H_aa delta_a delta_b^T H_bb
 * delta_b), 0 to 1. Local. */
double uwc_curvature_interaction(const uwc_curvature *curvature, uwc_change which, int split);

/* ---- one layer from its statistics (the inner step, public for tests and for other programs) ------------------------------------ */

/* A [n+1,n+1] = mean p p^T (p with a 1 appended), Y [rows,n+1] = mean y p^T, W0 [rows,n+1] weights with the bias last; all row-major
 * double. */
typedef struct uwc_layer_statistics {
    int64_t rows, n;
    const double *A, *Y, *W0;
} uwc_layer_statistics;

typedef struct uwc_layer_options {
    bool asymmetric;
    double ridge, damp; /* see uwc_recon_options; ridge > 0 */
} uwc_layer_options;

/* weights (created with bits, rows, n) and bias [rows] that minimise mean |w' p + b - y|^2. Errors: MATH. Local. */
uwc_status uwc_recon_layer(const uwc_layer_statistics *statistics, const uwc_layer_options *options, uwc_weights *weights,
                           double *bias) UWC_MUST_USE;
/* Nearest rounding of W [rows,n] (float, row stride `stride`) with the per-channel scale of least square error. Local. */
uwc_status uwc_recon_nearest(const float *w, int64_t stride, bool asymmetric, uwc_weights *weights) UWC_MUST_USE;

#ifdef __cplusplus
}
#endif
#endif
