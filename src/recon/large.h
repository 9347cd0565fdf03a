/* Private to module recon: layers that are spread over the members of a team, each of which has a part of the sums below the diagonal of A,
 * of the factor above it, and of the layer's rows (docs/method.md, "Very wide layers"). Inputs are numbered in the order of the matrix,
 * backwards from where rounding begins. */
#ifndef UWC_RECON_LARGE_H
#define UWC_RECON_LARGE_H

#include "recon_impl.h"

/* Rows [count] of a layer, in blocks of UWC_SIDE_BLOCK. */
typedef struct uwc_sides {
    int64_t count;
    int64_t *row; /* [count] which rows of the layer they are */
    double *w;    /* [count, n] W0, then W* */
    double *y;    /* [count, n] sums of target times input, then differences */
} uwc_sides;

typedef struct uwc_large {
    const uwc_recon_options *options;
    const uwc_stream *stream;
    const uwc_grid *grid;
    uwc_grid *alone;       /* owned: the grid where there is no team */
    uwc_geometry geometry; /* of one image */
    int64_t n, rows;
    int *column;                   /* [n] the patch column of each input */
    uwc_spread *sums;              /* of products of inputs */
    int64_t count;                 /* positions so far */
    double *sum, *square, *target; /* sums of inputs [n], of their squares, and of targets [rows] */
    uwc_sides own;                 /* blocks member, member + members, ... of the layer's rows */
    uwc_sides sample;              /* evenly spread rows, the same on all members: what the ridge is judged by */
} uwc_large;

bool uwc_recon__is_large(const uwc_recon_options *options, const uwc_geometry *geometry);
/* To be closed also on failure. `geometry` is of one image. Collective over the stream's team, as all that follows. */
uwc_status uwc_recon__large_open(const uwc_geometry *geometry, const uwc_recon_options *options, const uwc_stream *stream,
                                 uwc_large *out) UWC_MUST_USE;
void uwc_recon__large_close(uwc_large *large);
/* W0 of the sides in the order of the inputs, from all weights [rows, n] in ONNX's order. Local. */
uwc_status uwc_recon__large_weights(const uwc_large *large, const float *weights, const uwc_sides *sides) UWC_MUST_USE;
/* m [n], the inputs' means, and the diagonal of G [n] with `part` of the mean square on it, of all positions so far. */
void uwc_recon__large_moments(const uwc_large *large, double part, double *mean, double *diagonal);
/* The factor of G = A - m m^T + ridge. */
uwc_status uwc_recon__large_factor(const uwc_large *large, double part) UWC_MUST_USE;
/* sides->y, sums so far, becomes Y - W0 A without its mean part. */
uwc_status uwc_recon__large_difference(const uwc_large *large, const uwc_sides *sides) UWC_MUST_USE;
/* W* in large->own.w, where W0 is, with a ridge of `part`. */
uwc_status uwc_recon__large_retarget(uwc_large *large, double part) UWC_MUST_USE;

/* The sums of all samples, and *part, the ridge: the one of the options, or the best on held-out samples. */
uwc_status uwc_recon__large_gather(uwc_large *large, uwc_paths *paths, int node, const uwc_aim *aim, double *part) UWC_MUST_USE;
/* For batches of `images`, of `batch` on the paths. */
int64_t uwc_recon__large_gather_bytes(const uwc_geometry *geometry, uwc_sample sample, int64_t images, int64_t batch, int members);
/* Images of a batch of these passes: `batch` or less, where a shard has so many. */
int64_t uwc_recon__large_batch(const uwc_geometry *geometry, int64_t shard_images, int64_t batch);

/* What decides about the ridge: the candidates' weights of the sample's rows, and their errors on held-out positions. */
enum { UWC_LARGE_RIDGES = 5 };
typedef struct uwc_large_ridge {
    int64_t count, n; /* rows of the sample */
    float *w;         /* [UWC_LARGE_RIDGES][count][n] */
    double *bias;     /* [UWC_LARGE_RIDGES][count] */
    float *got;       /* [tile][UWC_LARGE_RIDGES][count] */
    double error[UWC_LARGE_RIDGES];
} uwc_large_ridge;

uwc_status uwc_recon__large_ridge_open(const uwc_large *large, int64_t tile, uwc_large_ridge *out) UWC_MUST_USE;
void uwc_recon__large_ridge_close(uwc_large_ridge *ridge);
int64_t uwc_recon__large_ridge_bytes(int64_t rows, int64_t n, int64_t tile);
/* The candidates' solutions from the positions so far. */
uwc_status uwc_recon__large_ridge_solve(const uwc_large *large, uwc_large_ridge *ridge) UWC_MUST_USE;
/* Their errors at `count` more positions: inputs [count][stride], the sample's targets [count][stride]. */
uwc_status uwc_recon__large_ridge_judge(uwc_large_ridge *ridge, const float *input, const float *target, int64_t stride,
                                        int64_t count) UWC_MUST_USE;
/* The part of the best one; infinite: W0 stays. */
double uwc_recon__large_ridge_best(const uwc_large_ridge *ridge);

/* Integers, scales and biases of all rows from W* in large->own.w, into `weights` (in ONNX's order) and bias, on every member. */
uwc_status uwc_recon__large_round(const uwc_large *large, bool asymmetric, uwc_weights *weights, float *bias) UWC_MUST_USE;
int64_t uwc_recon__large_round_bytes(int64_t rows, int64_t n, int members);

/* As uwc_recon__solve_node, for such a layer; what `weights` holds before does not matter. */
uwc_status uwc_recon__solve_large(uwc_paths *paths, int node, const uwc_recon_options *options, uwc_weights *weights,
                                  float *bias) UWC_MUST_USE;
/* Of a member's working memory, beside the paths. */
int64_t uwc_recon__large_bytes(const uwc_geometry *geometry, uwc_sample sample, int64_t images, int64_t batch, int members);

/* Work on one row of several, which lie UWC_SIDE_BLOCK side by side. */
enum { UWC_SHEET_STARTS = 8 };
typedef struct uwc_sheet {
    int64_t n, count;                              /* rows that are wanted; the other lanes are zero */
    float *target, *level;                         /* [n][UWC_SIDE_BLOCK]: W*, levels */
    float *start[UWC_SHEET_STARTS];                /* [n][UWC_SIDE_BLOCK]: what each start scale is away from W* */
    float *work;                                   /* [UWC_SHEET_STARTS][UWC_PANEL][UWC_SIDE_BLOCK] */
    float scale[UWC_SHEET_STARTS][UWC_SIDE_BLOCK]; /* of each start; [0] from uwc_recon__sheet_choose on: of the row */
    double loss[UWC_SHEET_STARTS][UWC_SIDE_BLOCK];
    float least[UWC_SIDE_BLOCK], most[UWC_SIDE_BLOCK];
    int zero[UWC_SIDE_BLOCK];
    double cross[UWC_SIDE_BLOCK], norm[UWC_SIDE_BLOCK]; /* of levels with W*, and with themselves, in the metric */
    bool moved;
} uwc_sheet;

/* A panel of rows [first, end) that goes round: of the factor, columns from `first` on; of the metric, columns before `end`. */
typedef struct uwc_sheet_panel {
    int64_t n, first, end;
    float *data;
    float *corner; /* [end - first][end - first], symmetric, with the diagonal; of the metric */
} uwc_sheet_panel;

/* Error feedback from one start scale through a panel of the factor; the panels come from the last to the first. */
uwc_status uwc_recon__sheet_round(uwc_sheet *sheet, int start, const uwc_sheet_panel *panel) UWC_MUST_USE;
/* Takes each row's best start scale. */
void uwc_recon__sheet_choose(uwc_sheet *sheet, int starts);
/* The same from these scales, keeping the best partial roundings of each row; the best one of all is then start[0]. */
void uwc_recon__sheet_beam_begin(uwc_sheet *sheet);
uwc_status uwc_recon__sheet_beam(uwc_sheet *sheet, const uwc_sheet_panel *panel) UWC_MUST_USE;
/* The levels of start[0]. */
void uwc_recon__sheet_take(uwc_sheet *sheet);
/* Before, for each panel of the metric, and behind them all: the best short scale for the levels, and what descent needs. */
void uwc_recon__sheet_fit_begin(uwc_sheet *sheet);
uwc_status uwc_recon__sheet_fit(uwc_sheet *sheet, const uwc_sheet_panel *panel) UWC_MUST_USE;
void uwc_recon__sheet_fit_end(uwc_sheet *sheet, int bits);
/* One sweep of coordinate descent through a panel of the metric; they come from the first to the last. */
uwc_status uwc_recon__sheet_sweep(uwc_sheet *sheet, const uwc_sheet_panel *panel) UWC_MUST_USE;

#endif
