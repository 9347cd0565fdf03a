/* Private to module recon. Letters: p a row of patches (inputs of one output position), y its target; A = mean p p^T, Y = mean y p^T with a
 * 1 appended to p; G = A without its mean part; W* the real weights to be rounded; a *level* is the integer q - zero. */
#ifndef UWC_RECON_IMPL_H
#define UWC_RECON_IMPL_H

#include <uwc/gradient.h>
#include <uwc/linalg.h>
#include <uwc/recon.h>

#include <stdio.h>

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
/* Patches [count, cols], row stride `stride`, of `group` for rows [first, first+count) of the list `position`, or of all positions where
 * that is NULL. Positions count over images, rows and columns of the output. */
void uwc_recon__patches(const uwc_geometry *geometry, const float *x, int64_t group, int64_t first, int64_t count, const int64_t *position,
                        float *out, int64_t stride);
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
int64_t uwc_recon__statistics_bytes(const uwc_geometry *geometry);
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
/* The same for such a layer, with working memory of its own. */
typedef struct uwc_depthwise uwc_depthwise;
uwc_status uwc_recon__depthwise_open(const uwc_geometry *geometry, uwc_depthwise **out) UWC_MUST_USE;
void uwc_recon__depthwise_close(uwc_depthwise **depthwise);
int64_t uwc_recon__depthwise_bytes(const uwc_geometry *geometry);
void uwc_recon__depthwise_batch(uwc_statistics *statistics, const uwc_geometry *geometry, const uwc_rows *rows, uwc_depthwise *depthwise);
/* Sums to means: A symmetric and divided by the count; Y of `group` as [rows, cols+1] into `y`. */
void uwc_recon__statistics_finish(uwc_statistics *statistics);
void uwc_recon__statistics_cross(const uwc_statistics *statistics, int64_t group, double *y);

/* ---- what reconstructions share ---------------------------------------------------------------------------------------------- */

/* One of the two. */
typedef struct uwc_kept {
    uwc_statistics *sums; /* of a layer, means over all folds, with the ridge that they chose */
    double ridge;
    float *targets; /* float outputs of a layer at the rows of a pass, in their order */
} uwc_kept;

void uwc_recon__kept_clear(uwc_kept *kept);
/* What is kept under a key, borrowed until the next call of uwc_recon__memo_room or _put. False: nothing is (or key 0, or no memo). */
bool uwc_recon__memo_find(uwc_memo *memo, uint64_t key, uwc_kept *out);
/* Forgets what was not used for longest until so much can be put. False: there is never room for it. */
bool uwc_recon__memo_room(uwc_memo *memo, int64_t bytes);
/* Adopts `kept`, in any case; drops it where there is no room, no key (0) or no memo. */
void uwc_recon__memo_put(uwc_memo *memo, uint64_t key, int64_t bytes, uwc_kept *kept);

/* ---- float outputs of a layer at some positions ------------------------------------------------------------------------------ */

typedef struct uwc_outputs uwc_outputs;

/* For a layer with weights [groups*rows, cols] in ONNX's order, borrowed, and a bias (NULL: none), copied. */
uwc_status uwc_recon__outputs_create(const uwc_geometry *geometry, const float *weights, const float *bias, uwc_outputs **out) UWC_MUST_USE;
void uwc_recon__outputs_destroy(uwc_outputs **outputs);
/* With positions that are listed, or all. */
int64_t uwc_recon__outputs_bytes(const uwc_geometry *geometry, bool listed);
/* y [positions, groups*rows] at the `count` listed positions, or at all (NULL), from the layer's input x. */
uwc_status uwc_recon__outputs_run(uwc_outputs *outputs, const uwc_geometry *geometry, const float *x, const int64_t *position,
                                  int64_t count, float *y) UWC_MUST_USE;

/* ---- retargeting ------------------------------------------------------------------------------------------------------------- */

/* `part` of the mean of the first n diagonal entries of A [n+1,n+1], > 0. */
double uwc_recon__ridge(const double *A, int64_t n, double part);
/* W* = W0 + (Y - W0 A) (A + ridge)^-1 into w [rows, n+1]; no ridge on the bias. Errors: MATH. */
uwc_status uwc_recon__retarget(const uwc_layer_statistics *s, double part, double *w) UWC_MUST_USE;
/* The ridge, as a part of the mean diagonal, with the least error on the fold that is held out, summed over the folds in turn, which
 * the members of a team share: a local minimum, of which layers have one; w0 [groups*rows, cols+1]. Fills in the lower triangles of the
 * folds' A. */
uwc_status uwc_recon__choose_ridge(const uwc_stream *stream, uwc_statistics *const *folds, const double *w0, double *part) UWC_MUST_USE;
/* Of its working memory, for one group. */
int64_t uwc_recon__choose_ridge_bytes(int64_t rows, int64_t n);
/* Its multiply-adds, for one group. */
double uwc_recon__choose_ridge_work(int64_t rows, int64_t n);
/* Of the working memory of uwc_recon__round_rows. */
int64_t uwc_recon__round_rows_bytes(int64_t rows, int64_t n);

/* ---- rounding on the lattice ------------------------------------------------------------------------------------------------------- */

/* What all rows share; the columns are in the order of rounding. */
typedef struct uwc_metric {
    int64_t n;
    float *G;         /* [n,n] */
    float *U;         /* [n,n] upper: inverse(G) = U^T U */
    double *diagonal; /* [n] of G, in the order of patches */
    int *order;       /* [n] columns by falling diagonal */
} uwc_metric;

/* From A [n+1,n+1] with `damp` of its mean diagonal added. Errors: MATH. */
uwc_status uwc_recon__metric(int64_t n, const double *A, double damp, uwc_metric *out) UWC_MUST_USE;
void uwc_recon__metric_clear(uwc_metric *metric);
/* order = the columns by falling key, ties by index; spare [n]. */
void uwc_recon__sort_columns(const double *key, int64_t n, int *order, int *spare);

/* Rows that are worked on together, a multiple of UWC_LANE_ALIGN. */
enum { UWC_LANE_ALIGN = 16, UWC_MOST_LANES = 48 };

typedef struct uwc_lanes {
    int64_t count;
    /* [n][count] each: W*, W* G, levels, (Q - W*) G, moves of columns (working memory), levels of the best solution */
    float *target, *pull, *level, *slope, *change, *kept;
    float start[UWC_MOST_LANES], scale[UWC_MOST_LANES], least[UWC_MOST_LANES], most[UWC_MOST_LANES];
    double loss[UWC_MOST_LANES];
    float kept_scale[UWC_MOST_LANES];
    double kept_loss[UWC_MOST_LANES];
} uwc_lanes;

/* Error-feedback rounding: sets level and loss from target and scale. */
uwc_status uwc_recon__round(const uwc_metric *metric, uwc_lanes *lanes) UWC_MUST_USE;
/* Cyclic coordinate descent from level until nothing moves (at most 50 sweeps); sets slope and loss. */
uwc_status uwc_recon__descend(const uwc_metric *metric, uwc_lanes *lanes) UWC_MUST_USE;
/* pull = target G. */
uwc_status uwc_recon__pull(const uwc_metric *metric, uwc_lanes *lanes) UWC_MUST_USE;
/* The best short scale for the present levels of weights at `bits` (unchanged where they are all zero). Needs slope and pull. */
void uwc_recon__refit(const uwc_metric *metric, int bits, uwc_lanes *lanes);
/* Takes over the lanes whose loss is lower than what is kept. */
void uwc_recon__keep(const uwc_metric *metric, uwc_lanes *lanes);
/* to[k][lane] += factor[lane] * g[k] for k < count. */
void uwc_recon__add_outer(float *to, const float *factor, const float *g, int64_t count, int64_t lanes);
/* to[k][lane] += sum over the columns j of a block of factor[j][lane] * g[j][k], for k < count; rows of g are `stride` apart. */
uwc_status uwc_recon__add_block(float *to, const float *factor, const float *g, int64_t stride, int64_t columns, int64_t count,
                                int64_t lanes) UWC_MUST_USE;

/* Working memory of the search that keeps several roundings of a row, [n][UWC_BEAM_LANES] each. */
enum { UWC_BEAM_LANES = 48, UWC_BEAM_WIDTH = 8 };
/* A row's best partial roundings that have one column more, best first. */
typedef struct uwc_shortlist {
    int n;
    double loss[UWC_BEAM_WIDTH];
    float level[UWC_BEAM_WIDTH], error[UWC_BEAM_WIDTH];
    int parent[UWC_BEAM_WIDTH];
} uwc_shortlist;

/* Adds those of one parent with the two levels nearest to `value`; error = -(value - its value) / pivot, whose square adds to the loss. */
void uwc_recon__extend(uwc_shortlist *list, float scale, float least, float most, float value, float pivot, double loss, int parent);
typedef struct uwc_beam {
    float *work, *level, *error;
} uwc_beam;
/* As uwc_recon__round, from several of the best partial roundings at a time. */
uwc_status uwc_recon__round_beam(const uwc_metric *metric, uwc_lanes *lanes, uwc_beam *beam) UWC_MUST_USE;
/* All rows W* [rows, n+1] into `out`. */
uwc_status uwc_recon__round_rows(const uwc_metric *metric, const double *w, bool asymmetric, uwc_weights *out) UWC_MUST_USE;

/* Range search of one row w [n] (stride 1) with weights g [n]: least weighted square error over clipping ranges. Sets scale and zero;
 * the scale is short. */
void uwc_recon__search_scale(const double *w, const double *g, int64_t n, int bits, bool asymmetric, double *scale, int *zero);

/* ---- targets ------------------------------------------------------------------------------------------------------------------------- */

/* The only node that reads `value`, or -1: several readers, or an output of the unit. */
int uwc_recon__only_reader(const uwc_graph *unit, int value);

/* What a layer aims at: float value `sum` minus the other branches that join it. */
typedef struct uwc_aim {
    int sum;           /* value of the float unit */
    bool inner;        /* other layers of the unit come behind, or share a sum and absorb its error */
    int *other;        /* values subtracted: owned */
    bool *other_float; /* taken from the float unit (a layer before it is not solved yet) */
    int n_others;
} uwc_aim;

uwc_status uwc_recon__aim(const uwc_graph *unit, int node, uwc_target target, uwc_aim *out) UWC_MUST_USE;
void uwc_recon__aim_clear(uwc_aim *aim);

/* ---- the two paths through a unit -------------------------------------------------------------------------------------------- */

/* Images first, first + step, ...: `count` of them. */
typedef struct uwc_images {
    int64_t first, step, count;
} uwc_images;

/* The float unit and the quantized one, with the boundary inputs of the present batch. */
typedef struct uwc_paths {
    uwc_graph *real;       /* owned: the float unit, its channels equalised */
    const uwc_graph *unit; /* the same, to read */
    uwc_graph *quantized;  /* owned: solved layer by layer */
    uwc_graph *adapted;    /* owned: float weights that suit the quantized activations, which inner layers aim at; NULL: the float unit's */
    uwc_exec *run_float, *run_quantized, *run_adapted;
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
/* Takes the present quantized unit, in which some layers are float, as the adapted one. */
uwc_status uwc_recon__paths_adapted(uwc_paths *paths, const uwc_recon_options *options) UWC_MUST_USE;
/* Reads the inputs of some images, at most a batch, for the paths asked for. */
uwc_status uwc_recon__paths_load(uwc_paths *paths, uwc_images images, bool want_float, bool want_quantized) UWC_MUST_USE;
/* The same for one path, without a poll of the stream, which may take its time. */
uwc_status uwc_recon__paths_read(uwc_paths *paths, bool quantized, uwc_images images) UWC_MUST_USE;
/* Runs a path on the loaded batch; `exec` is one of the two, or one for another graph with the unit's inputs. */
uwc_status uwc_recon__paths_run(uwc_paths *paths, uwc_exec *exec, bool quantized, const int *fetch, int n,
                                const uwc_tensor **fetched) UWC_MUST_USE;
/* Images of a unit that are looked at for ranges, steps and errors, over all shards. */
enum { UWC_LOOK_IMAGES = 128 };
/* Whether, and how: channels of quantized activations inside the unit are stretched where that costs the weights nothing. */
bool uwc_recon__is_equalised(const uwc_graph *unit, const uwc_recon_options *options);
uwc_status uwc_recon__equalise(uwc_paths *paths) UWC_MUST_USE;
/* Sums over the team, if there is one. */
uwc_status uwc_recon__combine(const uwc_stream *stream, double *sum, int64_t count) UWC_MUST_USE;
/* The shards of this member: [*first, *end). */
void uwc_recon__my_shards(const uwc_stream *stream, int *first, int *end);
/* Images of a shard, evenly spread: all of them, or as many as give `most` over all shards. */
uwc_images uwc_recon__images(const uwc_stream *stream, int shard, int64_t most);
/* The `count` (or fewer, at the end) of them that come behind the first `at`. */
uwc_images uwc_recon__images_part(uwc_images images, int64_t at, int64_t count);

/* Chooses the quantizer of `value` of the quantized unit from a sample of the quantized path. */
uwc_status uwc_recon__choose_quantizer(uwc_paths *paths, int value, uint64_t seed) UWC_MUST_USE;
/* Those of the edges into a node that have none yet. */
uwc_status uwc_recon__choose_edges(uwc_paths *paths, int node, uint64_t seed) UWC_MUST_USE;
/* Of its working memory, at most. */
int64_t uwc_recon__choose_quantizer_bytes(void);
/* The samples are gathered in folds of neighbouring shards: what one fold shows is held out where the others choose a ridge. */
enum { UWC_FOLDS = 4, UWC_FOLD_SHARDS = UWC_SHARDS / UWC_FOLDS };
/* What the statistics of a layer look at. */
typedef struct uwc_sample {
    int64_t images;    /* over all shards */
    int64_t positions; /* per image; 0: all */
} uwc_sample;

/* `wish`: options->positions; `all`: output positions of an image. */
uwc_sample uwc_recon__sample(int64_t wish, int64_t images, int64_t all);
/* Float outputs of a layer at the rows of a pass: those that an earlier pass made, or those that a later one will find. */
typedef struct uwc_targets {
    uwc_memo *memo;
    uint64_t key;
    const float *known;
    float *made;       /* owned; NULL: they are not kept */
    int64_t count, at; /* of all numbers, those that came by */
} uwc_targets;

/* What a pass over the samples of one layer needs besides the paths. */
typedef struct uwc_pass {
    uwc_paths *paths;
    const uwc_node *node; /* of the quantized unit */
    bool adapted;         /* the target is what the adapted unit gives from quantized inputs, otherwise the float unit's */
    int *fetch;           /* the layer's input, and the branches whose error it absorbs */
    int n_fetches;
    const uwc_tensor **got_quantized, **got_float;
    uwc_outputs *outputs; /* of the float layer */
    uwc_targets targets;  /* none, unless uwc_recon__targets_open was called */
    float *x, *y;         /* of a full batch: quantized input, target */
    uwc_sample sample;
    int64_t *position; /* [batch * positions] */
    uint64_t seed;
} uwc_pass;

/* To be closed also on failure. */
uwc_status uwc_recon__pass_open(uwc_paths *paths, int node, const uwc_aim *aim, const uwc_recon_options *options,
                                uwc_pass *out) UWC_MUST_USE;
void uwc_recon__pass_close(uwc_pass *pass);
void uwc_recon__pass_geometry(const uwc_pass *pass, int64_t images, uwc_geometry *out);
/* What a batch of images adds: quantized inputs and targets, in memory of the pass and of the paths. */
uwc_status uwc_recon__pass_rows(uwc_pass *pass, uwc_images images, const uwc_geometry *geometry, uwc_rows *out) UWC_MUST_USE;
/* For a pass that is just open; to be closed also on failure. */
uwc_status uwc_recon__targets_open(const uwc_pass *pass, int node, const uwc_recon_options *options, uwc_targets *out) UWC_MUST_USE;
/* y [positions, channels] at `rows`, from or to the memo. */
void uwc_recon__targets_load(uwc_targets *targets, const uwc_rows *rows, int64_t channels, float *y);
void uwc_recon__targets_save(uwc_targets *targets, const uwc_rows *rows, int64_t channels, const float *y);
void uwc_recon__targets_close(uwc_targets *targets);
/* Keys of what a memo keeps of layer `node`; 0: nobody else can have the same. */
uwc_status uwc_recon__memo_key_sums(const uwc_paths *paths, int node, const uwc_aim *aim, const uwc_recon_options *options,
                                    uint64_t *key) UWC_MUST_USE;
uwc_status uwc_recon__memo_key_targets(const uwc_paths *paths, int node, const uwc_recon_options *options, uint64_t *key) UWC_MUST_USE;
/* Statistics of weighted node `node`, sums over the samples of each fold: folds [UWC_FOLDS], to be destroyed also on failure. Others have
 * none of these sums (they may have the targets). */
uwc_status uwc_recon__gather(uwc_paths *paths, int node, const uwc_aim *aim, const uwc_recon_options *options,
                             uwc_statistics **folds) UWC_MUST_USE;
/* Means over all folds, into folds[0]; the others are destroyed. */
void uwc_recon__merge(uwc_statistics **folds);
/* Errors of nearest rounding and of the result, into result->nmse_*. */
uwc_status uwc_recon__measure(uwc_paths *paths, const uwc_recon_options *options, uwc_unit_result *result) UWC_MUST_USE;
/* The outputs of the solved unit to the stream, where somebody wants them. */
uwc_status uwc_recon__emit(uwc_paths *paths) UWC_MUST_USE;
/* Second-order solution of a weighted node: `weights` in ONNX's order holds nearest rounding, which groups without input keep; bias
 * [groups*rows]. */
uwc_status uwc_recon__solve_node(uwc_paths *paths, int node, const uwc_recon_options *options, uwc_weights *weights,
                                 float *bias) UWC_MUST_USE;
/* The unit whose float weights are rounded. */
const uwc_graph *uwc_recon__source(const uwc_paths *paths);
/* Nearest rounding of one node's weights. */
uwc_status uwc_recon__nearest_node(const uwc_graph *graph, int node, uwc_weights **out) UWC_MUST_USE;

/* ---- differences ------------------------------------------------------------------------------------------------------------- */

enum { UWC_ERROR_SUMS = 4 };
/* Adds to sum [UWC_ERROR_SUMS] what the elements of `got` differ from those of `target`. */
void uwc_recon__add_error(const uwc_tensor *target, const uwc_tensor *got, double *sum);
/* The mean square difference over the variance of the targets. */
double uwc_recon__relative_error(const double *sum);
/* out = a - b. */
void uwc_recon__subtract(const uwc_tensor *a, const uwc_tensor *b, const uwc_tensor *out);

/* ---- descent on a unit's output error ---------------------------------------------------------------------------------------- */

typedef struct uwc_adam {
    int64_t count, steps;
    float *first, *second; /* moments [count] */
} uwc_adam;

uwc_status uwc_recon__adam_open(int64_t count, uwc_adam *out) UWC_MUST_USE;
void uwc_recon__adam_close(uwc_adam *adam);
/* As if no step had been done. */
void uwc_recon__adam_forget(uwc_adam *adam);
/* Moves x [count] against its gradient, each element by about `rate`. */
void uwc_recon__adam_step(uwc_adam *adam, const float *grad, double rate, float *x);

/* Batches of `size` images: what descent looks at, and, of the shards that are held out, what its result is judged by. */
typedef struct uwc_minibatch {
    uwc_paths *paths; /* borrowed; NULL: closed */
    int64_t size;
    int64_t *train, n_train, *judge, n_judge; /* images */
    int64_t *image;                           /* [size] of the present batch */
    uwc_tensor **input, **real;               /* [n_inputs] of the unit in the quantized network and in the float one */
    uwc_tensor **target;                      /* [n_outputs] of the float unit */
    bool wants_real;                          /* set by the caller: `real` is looked at, not only for the targets */
    FILE *kept;                               /* private: targets of all images; NULL: made for each batch */
    const uwc_tensor **got;                   /* private */
} uwc_minibatch;

bool uwc_recon__held_out(int shard);
/* `most`: bytes that the targets of all images may take on disk to be kept. */
uwc_status uwc_recon__minibatch_open(uwc_paths *paths, int64_t size, int64_t most, uwc_minibatch *out) UWC_MUST_USE;
/* What they do take; 0: more than that, they are not kept. */
int64_t uwc_recon__minibatch_kept_bytes(const uwc_graph *unit, int64_t images, int64_t most);
void uwc_recon__minibatch_close(uwc_minibatch *minibatch);
/* From now on nothing is held out. */
void uwc_recon__minibatch_train_all(uwc_minibatch *minibatch);
/* Images [first, first + size) of those that are drawn from (seed, step). */
uwc_status uwc_recon__minibatch_draw(uwc_minibatch *minibatch, uint64_t seed, uint64_t step, int64_t first) UWC_MUST_USE;
/* Batch `at` of the images that are held out; the first ones come again behind the last. */
uwc_status uwc_recon__minibatch_judge(uwc_minibatch *minibatch, int64_t at) UWC_MUST_USE;
/* Adapting is wanted for a unit whose coarsest weights and activations have so many bits (activations 32: float). */
bool uwc_recon__wants_adapting(const uwc_recon_options *options, int weight_bits, int activation_bits);
/* Images that go through at once, at most `batch`. */
int64_t uwc_recon__adapt_images(const uwc_recon_options *options, int64_t batch);
/* The unit adapts before it is rounded. */
bool uwc_recon__adapts(const uwc_graph *unit, const uwc_recon_options *options);
/* The layers of the quantized unit that are not solved, and the steps of its activations, descend on the unit's output error with quantized
 * activations; *better: they did so on the images that are held out, otherwise nothing has changed. All quantizers are chosen. */
uwc_status uwc_recon__adapt(uwc_paths *paths, const uwc_recon_options *options, bool *better) UWC_MUST_USE;

/* ---- learned rounding -------------------------------------------------------------------------------------------------------- */

/* Weights between two levels: scale (level + h(v)) with 0 <= h <= 1. */
typedef struct uwc_soft {
    int64_t count;
    float *level, *scale; /* [count] */
    float *v;             /* [count], what is learned */
} uwc_soft;

/* On the lattice of `weights`, so that the soft weights are w [rows, cols], where the lattice reaches them. */
uwc_status uwc_recon__soft_open(const uwc_weights *weights, const float *w, uwc_soft *out) UWC_MUST_USE;
void uwc_recon__soft_close(uwc_soft *soft);
void uwc_recon__soft_weights(const uwc_soft *soft, float *w);
/* out = gradient by v of a loss, from that by the soft weights, plus weight * sum (1 - |2h - 1|^beta). */
void uwc_recon__soft_gradient(const uwc_soft *soft, const float *grad, double weight, double beta, float *out);
/* The nearer of the two levels. */
void uwc_recon__soft_harden(const uwc_soft *soft, uwc_weights *weights);

/* One descent on a unit's output error. */
typedef struct uwc_learning {
    int64_t iterations;
    bool rounding, steps; /* what is learned: the rounding of all weights, the steps of all activations that have a quantizer */
    double drop;          /* part of the activations that keep their float value */
    int64_t most_kept;    /* bytes that targets of all images may take */
    uint64_t seed;
} uwc_learning;

/* Of the layers of paths->quantized. `weights` [weighted nodes in order] give the scales and receive the rounding, if that is learned; the
 * constants of paths->quantized are then those of the last iteration. Steps are left in its quantizers. */
uwc_status uwc_recon__learn(uwc_paths *paths, const uwc_learning *learning, uwc_weights *const *weights) UWC_MUST_USE;
/* Of the working memory of a descent in batches of `images`. */
uwc_status uwc_recon__learn_bytes(const uwc_graph *unit, int64_t images, int64_t *out) UWC_MUST_USE;

/* A layer and the activation function behind it as a unit of its own, on the paths of the unit around it. */
typedef struct uwc_section {
    uwc_paths *around; /* borrowed */
    int in;            /* the layer's input, a value of the unit around it */
    uwc_graph *graph;  /* owned */
    uwc_stream stream;
    uwc_paths paths;
} uwc_section;

/* The graph of a section. */
uwc_status uwc_recon__section_graph(const uwc_graph *unit, int node, uwc_graph **out) UWC_MUST_USE;
uwc_status uwc_recon__section_open(uwc_paths *around, int node, const uwc_recon_options *options, uwc_section *out) UWC_MUST_USE;
void uwc_recon__section_close(uwc_section *section);
/* Whether the rounding of one layer is learned after the other, or that of a whole unit. */
bool uwc_recon__learns_layers(uwc_method method);
bool uwc_recon__learns_units(uwc_method method);
/* `weights`, nearest rounding, of one layer; the ones before it are solved. */
uwc_status uwc_recon__learn_layer(uwc_paths *paths, int node, const uwc_recon_options *options, uwc_weights *weights) UWC_MUST_USE;
/* Of all layers, with the steps; result->layer holds nearest rounding. */
uwc_status uwc_recon__learn_unit(uwc_paths *paths, const uwc_recon_options *options, uwc_unit_result *result) UWC_MUST_USE;

#endif
