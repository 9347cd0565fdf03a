/* The sums of a spread layer. In a step every shard adds one batch of its samples; the rows of all shards lie behind each other, in tiles
 * that every member sees whole and adds to the sums that are its own. The order of additions thus depends neither on the members nor on
 * what each one has. The first step also says in which order the inputs are numbered; the last quarter of the steps is held out while
 * the ridge's candidates are solved. */
#include "large.h"

#include <math.h>
#include <string.h>

enum {
    TILE = 512,    /* positions */
    WIDE = 512,    /* columns of a product */
    AT_ONCE = 8,   /* products that threads work on */
    HELD = 1 << 27 /* bytes of a step's batches, over all shards */
};

/* A batch of a shard: all that its rows are made of. */
typedef struct held {
    uwc_geometry geometry;
    float *x, *y;
    int64_t *position;
    uwc_rows rows;
} held;

/* Sums of products of two ranges of columns of a tile. */
typedef struct product {
    int64_t left, height, right, width;
    double *to; /* row stride n */
} product;

typedef struct steps {
    uwc_large *large;
    uwc_pass pass;
    int64_t steps, training, images; /* images of a batch */
    int64_t per_image;               /* positions */
    held *batch;                     /* [shards of this member] */
    int first_shard, end_shard;
    float *tile; /* [TILE][stride]: inputs, targets, targets of the sample */
    int64_t stride;
    float *row; /* [n] */
    product *list;
    int64_t n_products, n_sample; /* the last n_sample are those of the sample */
    float *results;               /* [AT_ONCE][UWC_PANEL][WIDE] */
    uwc_large_ridge ridge;
} steps;

static int64_t smaller(int64_t a, int64_t b) {
    return a < b ? a : b;
}

static int64_t batch_elements(const uwc_geometry *g) {
    return g->height * g->width * g->channels + g->out_height * g->out_width * g->rows;
}

int64_t uwc_recon__large_batch(const uwc_geometry *g, int64_t shard_images, int64_t most) {
    const int64_t image = UWC_SHARDS * batch_elements(g) * (int64_t)sizeof(float) * g->images;
    int64_t images = smaller(most, smaller(HELD / image, shard_images / 4));
    return images > 1 ? images : 1;
}

/* ---- the list of products ---------------------------------------------------------------------------------------------------------- */

/* Appends the products of `height` columns from `left` on with columns [0, end); `list` may be NULL. */
static void append(product *list, int64_t *at, int64_t left, int64_t height, int64_t end, double *to) {
    for (int64_t right = 0; right < end; right += WIDE, ++*at) {
        if (list != NULL) {
            list[*at] = (product){left, height, right, smaller(WIDE, end - right), to + right};
        }
    }
}

/* Returns how many there are, those of the sample last. */
static int64_t list_products(const uwc_large *l, product *list, int64_t *sample) {
    int64_t n = l->n, at = 0;
    for (int64_t k = 0; k < uwc_spread_panels(l->sums); k++) {
        double *rows = uwc_spread_rows(l->sums, k);
        const int64_t first = uwc_spread_first(k), height = uwc_spread_height(l->sums, k);
        if (rows != NULL) {
            append(list, &at, first, height, first + height, rows);
        }
    }
    for (int64_t i = 0; i < l->own.count; i += UWC_SIDE_BLOCK) {
        append(list, &at, n + l->own.row[i], smaller(UWC_SIDE_BLOCK, l->own.count - i), n, l->own.y + i * n);
    }
    *sample = at;
    if (l->sample.count > 0) {
        append(list, &at, n + l->rows, l->sample.count, n, l->sample.y);
    }
    *sample = at - *sample;
    return at;
}

/* ---- the batches of a step ------------------------------------------------------------------------------------------------------------
 */

static uwc_images images_of(const steps *s, int shard, int64_t step) {
    uwc_images all = uwc_recon__images(s->large->stream, shard, s->pass.sample.images);
    const int64_t at = step * s->images;
    return at < all.count ? uwc_recon__images_part(all, at, s->images) : (uwc_images){.count = 0};
}

/* Rows of a step that lie before those of a shard. */
static int64_t rows_before(const steps *s, int shard, int64_t step) {
    int64_t count = 0;
    for (int before = 0; before < shard; before++) {
        count += images_of(s, before, step).count * s->per_image;
    }
    return count;
}

static uwc_status load_batch(steps *s, uwc_images images, held *out) {
    uwc_rows rows;
    out->rows = (uwc_rows){.count = 0};
    if (images.count == 0) {
        return UWC_OK;
    }
    uwc_recon__pass_geometry(&s->pass, images.count, &out->geometry);
    UWC_TRY(uwc_recon__pass_rows(&s->pass, images, &out->geometry, &rows));
    const uwc_geometry *g = &s->large->geometry;
    memcpy(out->x, rows.x, (size_t)(images.count * g->images * g->height * g->width * g->channels) * sizeof *out->x);
    memcpy(out->y, rows.y, (size_t)(images.count * g->images * g->out_height * g->out_width * g->rows) * sizeof *out->y);
    out->rows = (uwc_rows){.x = out->x, .y = out->y, .count = rows.count};
    if (rows.position != NULL) {
        memcpy(out->position, rows.position, (size_t)rows.count * sizeof *out->position);
        out->rows.position = out->position;
    }
    return UWC_OK;
}

static uwc_status load_step(steps *s, int64_t step) {
    uwc_status st = UWC_OK;
    for (int shard = s->first_shard; shard < s->end_shard && st == UWC_OK; shard++) {
        st = load_batch(s, images_of(s, shard, step), &s->batch[shard - s->first_shard]);
    }
    return uwc_grid_agree(s->large->grid, st);
}

/* ---- tiles --------------------------------------------------------------------------------------------------------------------------- */

/* Rows [first, first + count) of a batch into the tile at `out`. */
static void copy_rows(const steps *s, const held *from, int64_t first, int64_t count, float *out) {
    const uwc_large *l = s->large;
    uwc_recon__patches(&from->geometry, from->rows.x, 0, first, count, from->rows.position, out, s->stride);
    for (int64_t i = 0; i < count; i++) {
        float *row = out + i * s->stride, *target = row + l->n;
        const int64_t at = from->rows.position == NULL ? first + i : from->rows.position[first + i];
        memcpy(s->row, row, (size_t)l->n * sizeof *row);
        for (int64_t k = 0; k < l->n; k++) {
            row[k] = s->row[l->column[k]];
        }
        memcpy(target, from->rows.y + at * l->rows, (size_t)l->rows * sizeof *row);
        for (int64_t r = 0; r < l->sample.count; r++) {
            target[l->rows + r] = target[l->sample.row[r]];
        }
    }
}

/* Rows [first, first + count) of a step, from the members that have them to all. */
static uwc_status make_tile(const steps *s, int64_t step, int64_t first, int64_t count) {
    const int members = uwc_grid_members(s->large->grid), each = UWC_SHARDS / members;
    for (int member = 0; member < members; member++) {
        int64_t from = rows_before(s, member * each, step), end = rows_before(s, (member + 1) * each, step);
        from = from > first ? from : first;
        end = smaller(end, first + count);
        for (int shard = member * each; member == uwc_grid_member(s->large->grid) && shard < (member + 1) * each; shard++) {
            const int64_t before = rows_before(s, shard, step), behind = rows_before(s, shard + 1, step);
            const int64_t a = before > from ? before : from, b = smaller(behind, end);
            if (a < b) {
                copy_rows(s, &s->batch[shard - s->first_shard], a - before, b - a, s->tile + (a - first) * s->stride);
            }
        }
        if (from < end) {
            UWC_TRY(uwc_grid_broadcast(s->large->grid, member, s->tile + (from - first) * s->stride,
                                       (size_t)((end - from) * s->stride) * sizeof *s->tile));
        }
    }
    return UWC_OK;
}

static void add_moments(const steps *s, int64_t count) {
    uwc_large *l = s->large;
#pragma omp parallel for schedule(static)
    for (int64_t first = 0; first < l->n; first += WIDE) {
        for (int64_t i = 0; i < count; i++) {
            const float *row = s->tile + i * s->stride;
            for (int64_t k = first; k < smaller(first + WIDE, l->n); k++) {
                l->sum[k] += (double)row[k];
                l->square[k] += (double)row[k] * (double)row[k];
            }
        }
    }
    for (int64_t i = 0; i < count; i++) {
        for (int64_t r = 0; r < l->rows; r++) {
            l->target[r] += (double)s->tile[i * s->stride + l->n + r];
        }
    }
    l->count += count;
}

static uwc_status run_product(const steps *s, const product *job, int64_t count, float *result) {
    UWC_TRY(uwc_sgemm(true, false, job->height, job->width, count, s->tile + job->left, s->stride, s->tile + job->right, s->stride, 0,
                      result, job->width));
    for (int64_t i = 0; i < job->height; i++) {
        double *to = job->to + i * s->large->n;
        for (int64_t k = 0; k < job->width; k++) {
            to[k] += (double)result[i * job->width + k];
        }
    }
    return UWC_OK;
}

static uwc_status add_products(const steps *s, int64_t products, int64_t count) {
    int64_t failed = 0;
    for (int64_t base = 0; base < products; base += AT_ONCE) {
        const int64_t now = smaller(AT_ONCE, products - base);
        UWC_TRY(uwc_grid_poll(s->large->grid));
#pragma omp parallel for schedule(dynamic, 1) reduction(+ : failed)
        for (int64_t k = 0; k < now; k++) {
            failed += run_product(s, &s->list[base + k], count, s->results + k * UWC_PANEL * WIDE) != UWC_OK;
        }
    }
    UWC_CHECK(failed == 0, UWC_E_LIBRARY, "matrix product of %lld columns", (long long)s->large->n);
    return UWC_OK;
}

/* What is made of a tile of `count` rows. */
typedef uwc_status tile_function(steps *s, int64_t count);

static uwc_status look(steps *s, int64_t count) {
    add_moments(s, count);
    return UWC_OK;
}

static uwc_status train(steps *s, int64_t count) {
    add_moments(s, count);
    return add_products(s, s->n_products, count);
}

static uwc_status judge(steps *s, int64_t count) {
    const float *target = s->tile + s->large->n + s->large->rows;
    if (s->training < s->steps) {
        UWC_TRY(uwc_recon__large_ridge_judge(&s->ridge, s->tile, target, s->stride, count));
    }
    add_moments(s, count);
    return add_products(s, s->n_products - s->n_sample, count);
}

static uwc_status each_tile(steps *s, int64_t step, tile_function *function) {
    const int64_t rows = rows_before(s, UWC_SHARDS, step);
    uwc_status st = UWC_OK;
    for (int64_t first = 0; first < rows; first += TILE) {
        const int64_t count = smaller(TILE, rows - first);
        UWC_TRY(make_tile(s, step, first, count));
        st = st == UWC_OK ? function(s, count) : st; /* the others still need the tiles of this member */
    }
    return uwc_grid_agree(s->large->grid, st);
}

/* ---- the whole ------------------------------------------------------------------------------------------------------------------------
 */

/* Numbers the inputs by rising diagonal of the first step's G: rounding begins at the end. */
static uwc_status order_inputs(steps *s) {
    uwc_large *l = s->large;
    int *falling = NULL, *spare = NULL;
    double *mean = NULL, *diagonal = NULL;
    uwc_status st;
    UWC_TRY_GOTO(st, uwc_calloc(l->n, sizeof *falling, &falling), done);
    UWC_TRY_GOTO(st, uwc_calloc(l->n, sizeof *spare, &spare), done);
    UWC_TRY_GOTO(st, uwc_calloc(l->n, sizeof *mean, &mean), done);
    UWC_TRY_GOTO(st, uwc_calloc(l->n, sizeof *diagonal, &diagonal), done);
    uwc_recon__large_moments(l, 0, mean, diagonal);
    uwc_recon__sort_columns(diagonal, l->n, falling, spare);
    for (int64_t k = 0; k < l->n; k++) {
        l->column[k] = falling[l->n - 1 - k];
    }
    memset(l->sum, 0, (size_t)l->n * sizeof *l->sum);
    memset(l->square, 0, (size_t)l->n * sizeof *l->square);
    memset(l->target, 0, (size_t)l->rows * sizeof *l->target);
    l->count = 0;
done:
    uwc_free(&falling);
    uwc_free(&spare);
    uwc_free(&mean);
    uwc_free(&diagonal);
    return st;
}

static uwc_status open_buffers(steps *s) {
    const uwc_large *l = s->large;
    const int64_t elements = batch_elements(&l->geometry) * l->geometry.images,
                  in = l->geometry.images * l->geometry.height * l->geometry.width * l->geometry.channels;
    uwc_recon__my_shards(l->stream, &s->first_shard, &s->end_shard);
    UWC_TRY(uwc_calloc(s->end_shard - s->first_shard, sizeof *s->batch, &s->batch));
    for (int k = 0; k < s->end_shard - s->first_shard; k++) {
        UWC_TRY(uwc_calloc(s->images * in, sizeof(float), &s->batch[k].x));
        UWC_TRY(uwc_calloc(s->images * (elements - in), sizeof(float), &s->batch[k].y));
        UWC_TRY(uwc_calloc(s->images * s->per_image, sizeof(int64_t), &s->batch[k].position));
    }
    s->stride = l->n + l->rows + l->sample.count;
    UWC_TRY(uwc_calloc(TILE * s->stride, sizeof *s->tile, &s->tile));
    UWC_TRY(uwc_calloc(l->n, sizeof *s->row, &s->row));
    s->n_products = list_products(l, NULL, &s->n_sample);
    UWC_TRY(uwc_calloc(s->n_products, sizeof *s->list, &s->list));
    list_products(l, s->list, &s->n_sample);
    return uwc_calloc(AT_ONCE * UWC_PANEL * WIDE, sizeof *s->results, &s->results);
}

static uwc_status open_steps(uwc_large *l, uwc_paths *p, int node, const uwc_aim *aim, steps *s) {
    *s = (steps){.large = l};
    UWC_TRY(uwc_recon__pass_open(p, node, aim, l->options, &s->pass));
    const int64_t most = uwc_recon__images(l->stream, 0, s->pass.sample.images).count;
    const int64_t all = l->geometry.images * l->geometry.out_height * l->geometry.out_width;
    s->per_image = s->pass.sample.positions > 0 ? s->pass.sample.positions : all;
    s->images = uwc_recon__large_batch(&l->geometry, most, p->batch);
    s->steps = (most + s->images - 1) / s->images;
    s->training = l->options->ridge == 0 && s->steps > 1 ? s->steps - (s->steps + 3) / 4 : s->steps;
    for (int64_t k = 0; k < l->n; k++) {
        l->column[k] = (int)k;
    }
    UWC_TRY(open_buffers(s));
    return s->training < s->steps ? uwc_recon__large_ridge_open(l, TILE, &s->ridge) : UWC_OK;
}

static void close_steps(steps *s) {
    for (int k = 0; s->batch != NULL && k < s->end_shard - s->first_shard; k++) {
        uwc_free(&s->batch[k].x);
        uwc_free(&s->batch[k].y);
        uwc_free(&s->batch[k].position);
    }
    uwc_free(&s->batch);
    uwc_free(&s->tile);
    uwc_free(&s->row);
    uwc_free(&s->list);
    uwc_free(&s->results);
    uwc_recon__large_ridge_close(&s->ridge);
    uwc_recon__pass_close(&s->pass);
}

/* The first step is looked at before it counts. */
static uwc_status start(steps *s, const float *weights) {
    uwc_large *l = s->large;
    UWC_TRY(load_step(s, 0));
    UWC_TRY(each_tile(s, 0, look));
    uwc_status st = order_inputs(s);
    if (st == UWC_OK) {
        st = uwc_recon__large_weights(l, weights, &l->own);
    }
    if (st == UWC_OK) {
        st = uwc_recon__large_weights(l, weights, &l->sample);
    }
    return uwc_grid_agree(l->grid, st);
}

static uwc_status run_steps(steps *s, double *part) {
    for (int64_t step = 0; step < s->steps; step++) {
        if (step > 0) {
            UWC_TRY(load_step(s, step));
        }
        if (step == s->training) {
            UWC_TRY(uwc_recon__large_ridge_solve(s->large, &s->ridge));
        }
        UWC_TRY(each_tile(s, step, step < s->training ? train : judge));
    }
    if (s->training < s->steps) {
        *part = uwc_recon__large_ridge_best(&s->ridge);
    } else if (*part == 0) {
        *part = 1; /* too few images to hold any out */
    }
    return UWC_OK;
}

uwc_status uwc_recon__large_gather(uwc_large *l, uwc_paths *p, int node, const uwc_aim *aim, double *part) {
    const uwc_graph *source = uwc_recon__source(p);
    steps s;
    uwc_status st = uwc_grid_agree(l->grid, open_steps(l, p, node, aim, &s));
    if (st == UWC_OK) {
        st = start(&s, source->value[source->node[node].in[1]].constant->f32);
    }
    if (st == UWC_OK) {
        st = run_steps(&s, part);
    }
    close_steps(&s);
    return st;
}

int64_t uwc_recon__large_gather_bytes(const uwc_geometry *g, uwc_sample sample, int64_t images, int64_t batch, int members) {
    const int64_t real = (int64_t)sizeof(float), wide = (int64_t)sizeof(double), looked = UWC_SIDE_BLOCK;
    const int64_t elements = g->images * batch_elements(g),
                  per_image = sample.positions > 0 ? sample.positions : g->images * g->out_height * g->out_width;
    const int64_t batches = images * UWC_SHARDS / members * (real * elements + wide * per_image);
    const int64_t pass = batch * (real * elements + wide * sample.positions) + uwc_recon__outputs_bytes(g, sample.positions > 0);
    const int64_t tile = real * (TILE * (g->cols + g->rows + looked) + g->cols + AT_ONCE * UWC_PANEL * WIDE);
    const int64_t panels = (g->cols + UWC_PANEL - 1) / UWC_PANEL, blocks = (g->rows + UWC_SIDE_BLOCK - 1) / UWC_SIDE_BLOCK;
    const int64_t list = (panels + blocks + 2 * members) / members * (g->cols / WIDE + 1) * (int64_t)sizeof(product);
    return batches + pass + tile + list + uwc_recon__large_ridge_bytes(g->rows, g->cols, TILE);
}
