/* Second-order statistics of a layer: for a tile of positions, patches P and targets T (with a column of ones), the blocks of P^T P on and
 * above the diagonal and P^T [T 1], in float32; tiles are added in double. Blocks are independent, so threads never change a sum. */
#include "recon_impl.h"

#include <string.h>

enum { TILE = 1024, BLOCK = 96, ALIGN = 16 }; /* positions per product; most columns per block, a multiple of ALIGN */

uwc_status uwc_recon__statistics_create(int64_t groups, int64_t rows, int64_t cols, uwc_statistics **out) {
    *out = NULL;
    uwc_statistics *statistics;
    UWC_TRY(uwc_calloc(1, sizeof *statistics, &statistics));
    *statistics = (uwc_statistics){.groups = groups, .rows = rows, .cols = cols};
    uwc_status st = uwc_calloc(groups * (cols + 1) * (cols + 1), sizeof(double), &statistics->A);
    if (st == UWC_OK) {
        st = uwc_calloc(groups * (cols + 1) * rows, sizeof(double), &statistics->Y);
    }
    if (st != UWC_OK) {
        uwc_recon__statistics_destroy(&statistics);
    }
    *out = statistics;
    return st;
}

void uwc_recon__statistics_destroy(uwc_statistics **statistics) {
    if (*statistics != NULL) {
        uwc_free(&(*statistics)->A);
        uwc_free(&(*statistics)->Y);
        uwc_free(statistics);
    }
}

void uwc_recon__statistics_add(uwc_statistics *to, const uwc_statistics *from) {
    const int64_t squares = to->groups * (to->cols + 1) * (to->cols + 1), products = to->groups * (to->cols + 1) * to->rows;
    for (int64_t i = 0; i < squares; i++) {
        to->A[i] += from->A[i];
    }
    for (int64_t i = 0; i < products; i++) {
        to->Y[i] += from->Y[i];
    }
    to->square += from->square;
    to->count += from->count;
}

/* Targets of a tile with a 1 behind them, [count, rows+1], their sums and squares. `position`: see uwc_recon__patches. */
static double copy_targets(const float *y, int64_t stride, int64_t rows, int64_t first, int64_t count, const int64_t *position, float *out,
                           double *sum) {
    double square = 0;
    for (int64_t i = 0; i < count; i++) {
        const float *from = y + (position == NULL ? first + i : position[first + i]) * stride;
        float *to = out + i * (rows + 1), part = 0;
        for (int64_t r = 0; r < rows; r++) {
            to[r] = from[r];
            sum[r] += (double)from[r];
            part += from[r] * from[r];
        }
        to[rows] = 1.0f;
        square += (double)part;
    }
    return square;
}

static void add_block(const float *from, int64_t height, int64_t width, double *to, int64_t stride) {
    for (int64_t i = 0; i < height; i++) {
        for (int64_t j = 0; j < width; j++) {
            to[i * stride + j] += (double)from[i * width + j];
        }
    }
}

/* One product of the tile: columns [i, i+height) of the patches against columns [j, ..) of the patches, or against targets and ones (j <
 * 0). */
typedef struct product {
    int64_t i, j, height, width;
    int64_t at; /* where its result lies in the working memory */
} product;

typedef struct tile {
    const float *patches; /* [count, cols], row stride `stride` */
    int64_t stride, count;
    const float *targets; /* [count, rows+1] */
} tile;

/* Columns per block: as few blocks as BLOCK allows, all about equally wide. */
static int64_t block_width(int64_t cols) {
    int64_t blocks = (cols + BLOCK - 1) / BLOCK, width = (cols + blocks - 1) / blocks;
    return (width + ALIGN - 1) / ALIGN * ALIGN;
}

static void append_product(product next, product *list, int64_t *n, int64_t *elements) {
    next.at = *elements;
    *elements += (next.height * next.width + ALIGN - 1) / ALIGN * ALIGN;
    list[(*n)++] = next;
}

/* Returns how many products there are; *elements: of their results together. */
static int64_t list_products(int64_t cols, int64_t rows, product *list, int64_t *elements) {
    const int64_t width = block_width(cols);
    int64_t n = 0;
    *elements = 0;
    for (int64_t i = 0; i < cols; i += width) {
        int64_t height = cols - i < width ? cols - i : width;
        append_product((product){.i = i, .j = -1, .height = height, .width = rows + 1}, list, &n, elements);
        for (int64_t j = i; j < cols; j += width) {
            append_product((product){.i = i, .j = j, .height = height, .width = cols - j < width ? cols - j : width}, list, &n, elements);
        }
    }
    return n;
}

static uwc_status run_product(const product *job, const tile *part, uwc_statistics *s, int64_t group, float *scratch) {
    const int64_t order = s->cols + 1;
    double *A = s->A + group * order * order, *Y = s->Y + group * order * s->rows;
    const float *left = part->patches + job->i;
    const float *right = job->j < 0 ? part->targets : part->patches + job->j;
    const int64_t right_stride = job->j < 0 ? s->rows + 1 : part->stride;
    UWC_TRY(uwc_sgemm(true, false, job->height, job->width, part->count, left, part->stride, right, right_stride, 0, scratch, job->width));
    if (job->j >= 0) {
        add_block(scratch, job->height, job->width, A + job->i * order + job->j, order);
        return UWC_OK;
    }
    for (int64_t i = 0; i < job->height; i++) {
        const float *from = scratch + i * job->width;
        for (int64_t r = 0; r < s->rows; r++) {
            Y[(job->i + i) * s->rows + r] += (double)from[r];
        }
        A[(job->i + i) * order + s->cols] += (double)from[s->rows];
    }
    return UWC_OK;
}

struct uwc_scratch {
    float *patches, *targets, *results;
    product *list;
    int64_t n_products;
    double *sum;  /* [rows] */
    float *zeros; /* [channels]: what depthwise layers read in the padding */
};

static uwc_status run_products(const uwc_scratch *w, const tile *part, uwc_statistics *s, int64_t group) {
    int64_t failed = 0;
#pragma omp parallel for schedule(dynamic, 1) reduction(+ : failed)
    for (int64_t k = 0; k < w->n_products; k++) {
        failed += run_product(&w->list[k], part, s, group, w->results + w->list[k].at) != UWC_OK;
    }
    UWC_CHECK(failed == 0, UWC_E_LIBRARY, "matrix product of %lld columns", (long long)s->cols);
    return UWC_OK;
}

void uwc_recon__scratch_destroy(uwc_scratch **scratch) {
    uwc_scratch *w = *scratch;
    if (w == NULL) {
        return;
    }
    uwc_free(&w->patches);
    uwc_free(&w->targets);
    uwc_free(&w->results);
    uwc_free(&w->list);
    uwc_free(&w->sum);
    uwc_free(&w->zeros);
    uwc_free(scratch);
}

uwc_status uwc_recon__scratch_create(const uwc_geometry *g, uwc_scratch **out) {
    const int64_t width = block_width(g->cols), blocks = (g->cols + width - 1) / width, products = blocks * (blocks + 3) / 2;
    int64_t elements;
    uwc_scratch *w;
    uwc_status st;
    *out = NULL;
    UWC_TRY(uwc_calloc(1, sizeof *w, &w));
    UWC_TRY_GOTO(st, uwc_calloc(products, sizeof *w->list, &w->list), done);
    w->n_products = list_products(g->cols, g->rows, w->list, &elements);
    UWC_TRY_GOTO(st, uwc_calloc(elements, sizeof(float), &w->results), done);
    UWC_TRY_GOTO(st, uwc_calloc(TILE * g->cols, sizeof(float), &w->patches), done);
    UWC_TRY_GOTO(st, uwc_calloc(TILE * (g->rows + 1), sizeof(float), &w->targets), done);
    UWC_TRY_GOTO(st, uwc_calloc(g->rows, sizeof *w->sum, &w->sum), done);
    UWC_TRY_GOTO(st, uwc_calloc(g->channels, sizeof *w->zeros, &w->zeros), done);
    *out = w;
    return UWC_OK;
done:
    uwc_recon__scratch_destroy(&w);
    return st;
}

/* Blocks against blocks on and above the diagonal, and against the targets. */
int64_t uwc_recon__scratch_bytes(const uwc_geometry *g) {
    const int64_t width = block_width(g->cols), cols = (g->cols + width - 1) / width * width;
    int64_t results = cols * (cols + width) / 2 + cols * (g->rows + 1 + ALIGN);
    return (int64_t)sizeof(float) * (results + TILE * (g->cols + g->rows + 1) + 2 * g->rows + g->channels);
}

static uwc_status group_batch(uwc_statistics *s, const uwc_geometry *g, int64_t group, uwc_scratch *w, const uwc_rows *rows) {
    const int64_t order = g->cols + 1, stride = g->rows * g->groups;
    const bool in_place = g->direct && rows->position == NULL;
    double *A = s->A + group * order * order, *Y = s->Y + group * order * s->rows;
    memset(w->sum, 0, (size_t)g->rows * sizeof *w->sum);
    for (int64_t first = 0; first < rows->count; first += TILE) {
        int64_t count = rows->count - first < TILE ? rows->count - first : TILE;
        tile part = {
            .patches = in_place ? rows->x + first * g->channels : w->patches, .stride = g->cols, .count = count, .targets = w->targets};
        if (!in_place) {
            uwc_recon__patches(g, rows->x, group, first, count, rows->position, w->patches);
        }
        s->square += copy_targets(rows->y + group * g->rows, stride, g->rows, first, count, rows->position, w->targets, w->sum);
        UWC_TRY(run_products(w, &part, s, group));
    }
    for (int64_t r = 0; r < g->rows; r++) {
        Y[g->cols * s->rows + r] += w->sum[r];
    }
    A[order * order - 1] += (double)rows->count;
    return UWC_OK;
}

uwc_status uwc_recon__statistics_batch(uwc_statistics *s, const uwc_geometry *g, uwc_scratch *scratch, const uwc_rows *rows) {
    s->count += rows->count;
    if (uwc_recon__is_depthwise(g)) {
        uwc_recon__depthwise_batch(s, g, rows, scratch->zeros);
        return UWC_OK;
    }
    for (int64_t group = 0; group < g->groups; group++) {
        UWC_TRY(group_batch(s, g, group, scratch, rows));
    }
    return UWC_OK;
}

void uwc_recon__statistics_finish(uwc_statistics *s) {
    const int64_t order = s->cols + 1;
    const double factor = s->count > 0 ? 1.0 / (double)s->count : 0;
    for (int64_t group = 0; group < s->groups; group++) {
        double *A = s->A + group * order * order;
        for (int64_t i = 0; i < order; i++) {
            for (int64_t j = i; j < order; j++) {
                A[j * order + i] = A[i * order + j] = A[i * order + j] * factor;
            }
        }
    }
    for (int64_t i = 0; i < s->groups * order * s->rows; i++) {
        s->Y[i] *= factor;
    }
    s->square *= factor;
}

void uwc_recon__statistics_cross(const uwc_statistics *s, int64_t group, double *y) {
    const double *Y = s->Y + group * (s->cols + 1) * s->rows;
    for (int64_t r = 0; r < s->rows; r++) {
        for (int64_t i = 0; i <= s->cols; i++) {
            y[r * (s->cols + 1) + i] = Y[i * s->rows + r];
        }
    }
}
