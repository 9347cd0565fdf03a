/* Second-order statistics of a layer: rows of a tile of positions, [patch | target | 1], and the products of blocks of patch columns with
 * all columns from the block on: what lies on and above the diagonal of P^T P, and P^T [T 1]. In float32; tiles are added in double.
 * Products are independent, so threads never change a sum. */
#include "recon_impl.h"

#include <uwc/vector.h>

#include <string.h>

enum {
    TILE = 1024, /* positions per product */
    BLOCK = 32,  /* most patch columns on the left side of a product, a multiple of ALIGN */
    WIDE = 512,  /* most columns on its right side */
    PART = 64,   /* positions per float32 sum of targets */
    ALIGN = 16
};

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

int64_t uwc_recon__statistics_bytes(const uwc_geometry *g) {
    return (int64_t)sizeof(double) * g->groups * (g->cols + 1) * (g->cols + 1 + g->rows);
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

/* Targets of `count` positions, each with a 1 behind, into `out`; their sums and squares are added to sum [rows] and square [rows].
 * `position`: see uwc_recon__patches. */
UWC_VECTOR static void copy_part(const float *y, int64_t stride, int64_t rows, int64_t first, int64_t count, const int64_t *position,
                                 float *out, int64_t out_stride, float *restrict sum, float *restrict square) {
    enum { AHEAD = 8 };
    for (int64_t i = 0; i < count; i++, out += out_stride) {
        for (int64_t r = 0; position != NULL && i + AHEAD < count && r < rows; r += ALIGN) {
            __builtin_prefetch(y + position[first + i + AHEAD] * stride + r);
        }
        const float *restrict from = y + (position == NULL ? first + i : position[first + i]) * stride;
        float *restrict to = out;
        for (int64_t r = 0; r < rows; r++) {
            to[r] = from[r];
            sum[r] += from[r];
            square[r] += from[r] * from[r];
        }
        to[rows] = 1.0f;
    }
}

/* One product of the tile: columns [i, i+height) of the patches against columns [j, j+width) of patches, targets and ones. */
typedef struct product {
    int64_t i, j, height, width;
    int64_t at; /* where its result lies in the working memory */
} product;

/* Columns per block: as few blocks as BLOCK allows, all about equally wide. */
static int64_t block_width(int64_t cols) {
    int64_t blocks = (cols + BLOCK - 1) / BLOCK, width = (cols + blocks - 1) / blocks;
    return (width + ALIGN - 1) / ALIGN * ALIGN;
}

/* Elements of a row [patch | target | 1]: an odd number of cache lines, so that rows do not share their places in the cache. */
static int64_t row_stride(const uwc_geometry *g) {
    return ((g->cols + g->rows + 1 + ALIGN - 1) / ALIGN | 1) * ALIGN;
}

static int64_t smaller(int64_t a, int64_t b) {
    return a < b ? a : b;
}

/* Returns how many products there are; *elements: of their results together. `list` may be NULL. */
static int64_t list_products(int64_t cols, int64_t rows, product *list, int64_t *elements) {
    const int64_t height = block_width(cols), all = cols + rows + 1;
    int64_t n = 0;
    *elements = 0;
    for (int64_t i = 0; i < cols; i += height) {
        const int64_t parts = (all - i + WIDE - 1) / WIDE, width = ((all - i + parts - 1) / parts + ALIGN - 1) / ALIGN * ALIGN;
        for (int64_t j = i; j < all; j += width, n++) {
            product next = {.i = i, .j = j, .height = smaller(height, cols - i), .width = smaller(width, all - j), .at = *elements};
            *elements += (next.height * next.width + ALIGN - 1) / ALIGN * ALIGN;
            if (list != NULL) {
                list[n] = next;
            }
        }
    }
    return n;
}

UWC_VECTOR static void add_row(const float *restrict from, int64_t count, double *restrict to) {
    for (int64_t i = 0; i < count; i++) {
        to[i] += (double)from[i];
    }
}

/* Row i of A has cols+1 elements, the last for the ones; row i of Y has the targets between them. */
static void add_product(const product *job, const float *result, double *A, double *Y, int64_t cols, int64_t rows) {
    const int64_t end = job->j + job->width, patches = smaller(end, cols) - job->j, first = job->j > cols ? job->j - cols : 0;
    const int64_t targets = smaller(end - cols, rows) - first;
    for (int64_t i = 0; i < job->height; i++) {
        const float *from = result + i * job->width;
        if (patches > 0) {
            add_row(from, patches, A + (job->i + i) * (cols + 1) + job->j);
        }
        if (targets > 0) {
            add_row(from + cols + first - job->j, targets, Y + (job->i + i) * rows + first);
        }
        if (end == cols + rows + 1) {
            A[(job->i + i) * (cols + 1) + cols] += (double)from[job->width - 1];
        }
    }
}

struct uwc_scratch {
    float *tile; /* [TILE][row_stride] */
    float *results;
    product *list;
    int64_t n_products;
    float *sum, *square;      /* [rows] of a part of the tile's targets */
    uwc_depthwise *depthwise; /* all that such a layer needs, else NULL */
};

static uwc_status run_products(const uwc_scratch *w, int64_t stride, int64_t count, uwc_statistics *s, int64_t group) {
    double *A = s->A + group * (s->cols + 1) * (s->cols + 1), *Y = s->Y + group * (s->cols + 1) * s->rows;
    int64_t failed = 0;
#pragma omp parallel for schedule(dynamic, 1) reduction(+ : failed)
    for (int64_t k = 0; k < w->n_products; k++) {
        const product *job = &w->list[k];
        float *result = w->results + job->at;
        failed += uwc_sgemm(true, false, job->height, job->width, count, w->tile + job->i, stride, w->tile + job->j, stride, 0, result,
                            job->width) != UWC_OK;
        add_product(job, result, A, Y, s->cols, s->rows);
    }
    UWC_CHECK(failed == 0, UWC_E_LIBRARY, "matrix product of %lld columns", (long long)s->cols);
    return UWC_OK;
}

void uwc_recon__scratch_destroy(uwc_scratch **scratch) {
    uwc_scratch *w = *scratch;
    if (w == NULL) {
        return;
    }
    uwc_free(&w->tile);
    uwc_free(&w->results);
    uwc_free(&w->list);
    uwc_free(&w->sum);
    uwc_free(&w->square);
    uwc_recon__depthwise_close(&w->depthwise);
    uwc_free(scratch);
}

uwc_status uwc_recon__scratch_create(const uwc_geometry *g, uwc_scratch **out) {
    int64_t elements;
    uwc_scratch *w;
    uwc_status st;
    *out = NULL;
    UWC_TRY(uwc_calloc(1, sizeof *w, &w));
    if (uwc_recon__is_depthwise(g)) {
        UWC_TRY_GOTO(st, uwc_recon__depthwise_open(g, &w->depthwise), done);
        *out = w;
        return UWC_OK;
    }
    UWC_TRY_GOTO(st, uwc_calloc(list_products(g->cols, g->rows, NULL, &elements), sizeof *w->list, &w->list), done);
    w->n_products = list_products(g->cols, g->rows, w->list, &elements);
    UWC_TRY_GOTO(st, uwc_calloc(elements, sizeof *w->results, &w->results), done);
    UWC_TRY_GOTO(st, uwc_calloc(TILE * row_stride(g), sizeof *w->tile, &w->tile), done);
    UWC_TRY_GOTO(st, uwc_calloc(g->rows, sizeof *w->sum, &w->sum), done);
    UWC_TRY_GOTO(st, uwc_calloc(g->rows, sizeof *w->square, &w->square), done);
    *out = w;
    return UWC_OK;
done:
    uwc_recon__scratch_destroy(&w);
    return st;
}

int64_t uwc_recon__scratch_bytes(const uwc_geometry *g) {
    if (uwc_recon__is_depthwise(g)) {
        return uwc_recon__depthwise_bytes(g);
    }
    int64_t elements, products = list_products(g->cols, g->rows, NULL, &elements);
    return products * (int64_t)sizeof(product) + (int64_t)sizeof(float) * (elements + TILE * row_stride(g) + 2 * g->rows);
}

/* Targets of a tile of `count` positions and the ones behind the patches; their sums go to s. */
static void copy_targets(uwc_statistics *s, const uwc_geometry *g, int64_t group, const uwc_rows *rows, int64_t first, int64_t count,
                         uwc_scratch *w) {
    const int64_t stride = row_stride(g);
    double *Y = s->Y + (group * (g->cols + 1) + g->cols) * g->rows;
    for (int64_t at = 0; at < count; at += PART) {
        memset(w->sum, 0, (size_t)g->rows * sizeof *w->sum);
        memset(w->square, 0, (size_t)g->rows * sizeof *w->square);
        copy_part(rows->y + group * g->rows, g->rows * g->groups, g->rows, first + at, smaller(PART, count - at), rows->position,
                  w->tile + at * stride + g->cols, stride, w->sum, w->square);
        for (int64_t r = 0; r < g->rows; r++) {
            Y[r] += (double)w->sum[r];
            s->square += (double)w->square[r];
        }
    }
}

static uwc_status group_batch(uwc_statistics *s, const uwc_geometry *g, int64_t group, uwc_scratch *w, const uwc_rows *rows) {
    const int64_t order = g->cols + 1;
    for (int64_t first = 0; first < rows->count; first += TILE) {
        int64_t count = smaller(TILE, rows->count - first);
        uwc_recon__patches(g, rows->x, group, first, count, rows->position, w->tile, row_stride(g));
        copy_targets(s, g, group, rows, first, count, w);
        UWC_TRY(run_products(w, row_stride(g), count, s, group));
    }
    s->A[(group + 1) * order * order - 1] += (double)rows->count;
    return UWC_OK;
}

uwc_status uwc_recon__statistics_batch(uwc_statistics *s, const uwc_geometry *g, uwc_scratch *scratch, const uwc_rows *rows) {
    s->count += rows->count;
    if (uwc_recon__is_depthwise(g)) {
        uwc_recon__depthwise_batch(s, g, rows, scratch->depthwise);
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
