/* Private to module recon. Letters: p a row of patches (inputs of one output position), y its target; A = mean p p^T, Y = mean y p^T with a
 * 1 appended to p; G = A without its mean part; W* the real weights to be rounded; a *level* is the integer q - zero. */
#ifndef UWC_RECON_IMPL_H
#define UWC_RECON_IMPL_H

#include <uwc/linalg.h>
#include <uwc/recon.h>

/* ---- patches: how a layer's input becomes rows ----------------------------------------------------------------------------------- */

/* Geometry of one weighted node on a batch. Columns are ordered (ky, kx, channel), as the channels-last input lies in memory. */
typedef struct uwc_geometry {
    int64_t images, channels, height, width; /* input; Linear: 1 x 1 pixels, rows as images */
    int64_t out_height, out_width;
    int64_t kernel[2], stride[2], dilation[2], pad[2]; /* pad: top, left */
    int64_t groups, group_channels, rows;              /* rows: output channels of one group */
    int64_t cols;                                      /* group_channels * kernel area */
    bool direct;                                       /* patches are the input itself: 1 x 1, stride 1, one group */
} uwc_geometry;

void uwc_recon__geometry(const uwc_op *op, uwc_shape in, uwc_shape weights, uwc_shape out, uwc_geometry *geometry);
/* Patches [count, cols] of `group` for rows [first, first+count) of the list `position`, or of all positions where that is NULL. Positions
 * count over images, rows and columns of the output. */
void uwc_recon__patches(const uwc_geometry *geometry, const float *x, int64_t group, int64_t first, int64_t count, const int64_t *position,
                        float *out);
/* Weights [rows*groups, cols] between ONNX's order (channel, ky, kx) and the order of patches. */
void uwc_recon__to_patch_order(const uwc_geometry *geometry, const float *weights, double *out, int64_t out_stride);
void uwc_recon__into_patch_order(const uwc_geometry *geometry, const int8_t *q, int8_t *out);
void uwc_recon__from_patch_order(const uwc_geometry *geometry, const int8_t *q, int8_t *out);

/* ---- statistics ---------------------------------------------------------------------------------------------------------------------- */

/* Sums over positions, double; one block per group. */
typedef struct uwc_statistics {
    int64_t groups, rows, cols; /* rows and cols of one group */
    int64_t count;              /* positions */
    double *A;                  /* [groups][cols+1][cols+1]; the lower triangle is filled in by uwc_recon__statistics_finish */
    double *Y;                  /* [groups][cols+1][rows]: transposed while sums are taken */
    double square;              /* sum of y^2 */
} uwc_statistics;

uwc_status uwc_recon__statistics_create(int64_t groups, int64_t rows, int64_t cols, uwc_statistics **out) UWC_MUST_USE;
void uwc_recon__statistics_destroy(uwc_statistics **statistics);
/* Adds `from` to `to`. */
void uwc_recon__statistics_add(uwc_statistics *to, const uwc_statistics *from);
/* Working memory for the batches of one layer. */
typedef struct uwc_scratch uwc_scratch;
uwc_status uwc_recon__scratch_create(const uwc_geometry *geometry, uwc_scratch **out) UWC_MUST_USE;
void uwc_recon__scratch_destroy(uwc_scratch **scratch);
int64_t uwc_recon__scratch_bytes(const uwc_geometry *geometry);
/* What a batch adds: x the layer's input (quantized path), y its target [positions, groups*rows], at the listed positions or at all. */
typedef struct uwc_rows {
    const float *x, *y;
    const int64_t *position; /* [count] ascending, NULL: all */
    int64_t count;
} uwc_rows;

uwc_status uwc_recon__statistics_batch(uwc_statistics *statistics, const uwc_geometry *geometry, uwc_scratch *scratch,
                                       const uwc_rows *rows) UWC_MUST_USE;
/* One input and one output channel per group, and a kernel small enough for the path below. */
bool uwc_recon__is_depthwise(const uwc_geometry *geometry);
/* The same for such a layer, vectors over channels; zeros [channels]. */
void uwc_recon__depthwise_batch(uwc_statistics *statistics, const uwc_geometry *geometry, const uwc_rows *rows, const float *zeros);
/* Sums to means: A symmetric and divided by the count; Y of `group` as [rows, cols+1] into `y`. */
void uwc_recon__statistics_finish(uwc_statistics *statistics);
void uwc_recon__statistics_cross(const uwc_statistics *statistics, int64_t group, double *y);

/* ---- rounding on the lattice ------------------------------------------------------------------------------------------------------- */

enum { UWC_LANES = 16 }; /* rows of weights that are worked on together; arrays [cols][UWC_LANES] */

/* What all rows share. */
typedef struct uwc_metric {
    int64_t n;
    const double *G;  /* [n,n] */
    const double *U;  /* [n,n] upper: inverse(G in the order below) = U^T U */
    const int *order; /* rounding order: falling diagonal */
} uwc_metric;

typedef struct uwc_lanes {
    double *target; /* [n][UWC_LANES] W* */
    double *pull;   /* [n][UWC_LANES] W* G */
    double *level;  /* [n][UWC_LANES] */
    double *slope;  /* [n][UWC_LANES] (Q - W*) G */
    double *work;   /* [n][UWC_LANES] */
    double *kept;   /* [n][UWC_LANES] levels of the best solution */
    double scale[UWC_LANES], least[UWC_LANES], most[UWC_LANES], loss[UWC_LANES];
    double kept_scale[UWC_LANES], kept_least[UWC_LANES], kept_most[UWC_LANES], kept_loss[UWC_LANES];
} uwc_lanes;

/* Error-feedback rounding: sets level from target and scale. */
void uwc_recon__round(const uwc_metric *metric, uwc_lanes *lanes);
/* Cyclic coordinate descent from level until nothing moves (at most 50 sweeps); sets slope and loss. */
void uwc_recon__descend(const uwc_metric *metric, uwc_lanes *lanes);
/* pull = target G. */
void uwc_recon__pull(const uwc_metric *metric, uwc_lanes *lanes);
/* The best scale for the present levels (unchanged where they are all zero). Needs slope and pull. */
void uwc_recon__refit(const uwc_metric *metric, uwc_lanes *lanes);
/* Takes over the lanes whose loss is lower than what is kept. */
void uwc_recon__keep(const uwc_metric *metric, uwc_lanes *lanes);

/* Range search of one row w [n] (stride 1) with weights g [n]: least weighted square error over clipping ranges. Sets scale and zero. */
void uwc_recon__search_scale(const double *w, const double *g, int64_t n, int bits, bool asymmetric, double *scale, int *zero);

/* ---- targets ------------------------------------------------------------------------------------------------------------------------- */

/* What a layer aims at: float value `sum` minus the other branches that join it. */
typedef struct uwc_aim {
    int sum;           /* value of the float unit */
    int *other;        /* values subtracted: owned */
    bool *other_float; /* taken from the float unit (a layer before it is not solved yet) */
    int n_others;
} uwc_aim;

uwc_status uwc_recon__aim(const uwc_graph *unit, int node, uwc_target target, uwc_aim *out) UWC_MUST_USE;
void uwc_recon__aim_clear(uwc_aim *aim);

/* ---- the two paths through a unit ------------------------------------------------------------------------------------------------------
 */

/* The float unit and the quantized one, with the boundary inputs of the present batch. */
typedef struct uwc_paths {
    const uwc_graph *unit; /* float, borrowed */
    uwc_graph *quantized;  /* owned: solved layer by layer */
    uwc_exec *run_float, *run_quantized;
    const uwc_stream *stream;
    int64_t batch;
    uwc_tensor **from_float, **from_quantized; /* [n_inputs] of a full batch */
    uwc_tensor *view_float, *view_quantized;   /* [n_inputs] of the present batch */
    const uwc_tensor **feed_float, **feed_quantized;
} uwc_paths;

/* Images per batch of a unit. */
int64_t uwc_recon__batch(const uwc_graph *unit, const uwc_recon_options *options);
uwc_status uwc_recon__paths_open(const uwc_graph *unit, const uwc_recon_options *options, const uwc_stream *stream,
                                 uwc_paths *paths) UWC_MUST_USE;
void uwc_recon__paths_close(uwc_paths *paths);
/* Reads the inputs of images [first, first+count), count <= batch, for the paths asked for. */
uwc_status uwc_recon__paths_load(uwc_paths *paths, int64_t first, int64_t count, bool want_float, bool want_quantized) UWC_MUST_USE;
/* Runs a path on the loaded batch; `exec` is one of the two, or one for another graph with the unit's inputs. */
uwc_status uwc_recon__paths_run(uwc_paths *paths, uwc_exec *exec, bool quantized, const int *fetch, int n,
                                const uwc_tensor **fetched) UWC_MUST_USE;
/* Sums over the team, if there is one. */
uwc_status uwc_recon__combine(const uwc_stream *stream, double *sum, int64_t count) UWC_MUST_USE;
/* The shards of this member: [*first, *end). */
void uwc_recon__my_shards(const uwc_stream *stream, int *first, int *end);

/* Chooses the quantizer of `value` of the quantized unit from a sample of the quantized path. */
uwc_status uwc_recon__choose_quantizer(uwc_paths *paths, int value, uint64_t seed) UWC_MUST_USE;
/* Statistics of weighted node `node`, over all samples, as means. */
uwc_status uwc_recon__gather(uwc_paths *paths, int node, const uwc_aim *aim, const uwc_recon_options *options,
                             uwc_statistics **out) UWC_MUST_USE;
/* Last pass: errors of nearest rounding and of the result, and the outputs to the stream. */
uwc_status uwc_recon__last_pass(uwc_paths *paths, const uwc_recon_options *options, uwc_unit_result *result) UWC_MUST_USE;
/* Nearest rounding of one node's weights. */
uwc_status uwc_recon__nearest_node(const uwc_graph *graph, int node, uwc_weights **out) UWC_MUST_USE;

#endif
