/* Rows of a layer on their way through the lattice: scales to start from, error feedback, descent, refits. */
#include "recon_impl.h"

#include <math.h>
#include <string.h>

/* The range search does not know the metric's off-diagonal part, so error feedback is tried from many scales around its result: its loss
 * comes with it. The best few go on to the descent. From FINE_BITS on the lattice is so fine that they are all alike. */
enum { STARTS = 24, FINE_BITS = 6, DESCENTS = 3, REFITS = 2, AT_ONCE = 8 };
static const double first_part = 0.65, last_part = 1.3; /* of the scale */

typedef struct rows_job {
    const uwc_metric *metric;
    const double *w; /* [rows, n+1] W* */
    int64_t rows;    /* of the layer */
    bool asymmetric;
    uwc_weights *out;
} rows_job;

static void load_lanes(const rows_job *job, int64_t first, uwc_lanes *lanes, int *zero) {
    const int64_t n = job->metric->n, L = lanes->count;
    int lo, hi;
    uwc_weights_range(job->out->bits, &lo, &hi);
    memset(lanes->target, 0, (size_t)(n * L) * sizeof *lanes->target);
    for (int64_t l = 0; l < L; l++) {
        double scale = 1;
        zero[l] = 0;
        if (first + l < job->rows) {
            const double *w = job->w + (first + l) * (n + 1);
            uwc_recon__search_scale(w, job->metric->diagonal, n, job->out->bits, job->asymmetric, &scale, &zero[l]);
            for (int64_t j = 0; j < n; j++) {
                lanes->target[j * L + l] = (float)w[job->metric->order[j]];
            }
        }
        lanes->start[l] = (float)scale;
        lanes->least[l] = (float)(lo - zero[l]);
        lanes->most[l] = (float)(hi - zero[l]);
        lanes->kept_loss[l] = INFINITY;
    }
}

static uwc_status store_lanes(const rows_job *job, int64_t first, const uwc_lanes *lanes, const int *zero) {
    const int64_t n = job->metric->n, L = lanes->count;
    for (int64_t l = 0; l < L && first + l < job->rows; l++) {
        int64_t row = first + l;
        UWC_CHECK(isfinite(lanes->kept_loss[l]), UWC_E_MATH, "row %lld is too large for single precision", (long long)row);
        job->out->scale[row] = lanes->kept_scale[l];
        job->out->zero[row] = zero[l];
        for (int64_t j = 0; j < n; j++) {
            job->out->q[row * n + job->metric->order[j]] = (int8_t)((int)lanes->kept[j * L + l] + zero[l]);
        }
    }
    return UWC_OK;
}

static int starts_of(const rows_job *job) {
    return job->out->bits < FINE_BITS ? STARTS : 1;
}

static float start_scale(const rows_job *job, int start, float middle) {
    const int starts = starts_of(job);
    double part = starts == 1 ? 1 : first_part + (last_part - first_part) * start / (starts - 1);
    return uwc_scale_shorten(job->out->bits, (float)((double)middle * part));
}

/* loss[start][lane] of error feedback from every start. */
static uwc_status try_starts(const rows_job *job, uwc_lanes *lanes, double (*loss)[UWC_MOST_LANES]) {
    const int starts = starts_of(job);
    for (int k = 0; k < starts; k++) {
        for (int64_t l = 0; l < lanes->count; l++) {
            lanes->scale[l] = start_scale(job, k, lanes->start[l]);
        }
        UWC_TRY(uwc_recon__round(job->metric, lanes));
        memcpy(loss[k], lanes->loss, sizeof loss[k]);
    }
    return UWC_OK;
}

/* Every lane's best start that was not taken before. */
static void take_best(const rows_job *job, uwc_lanes *lanes, double (*loss)[UWC_MOST_LANES]) {
    const int starts = starts_of(job);
    for (int64_t l = 0; l < lanes->count; l++) {
        int best = 0;
        for (int k = 1; k < starts; k++) {
            best = loss[k][l] < loss[best][l] ? k : best;
        }
        lanes->scale[l] = start_scale(job, best, lanes->start[l]);
        for (int k = 0; k < starts; k++) { /* others may have been shortened to the same scale */
            loss[k][l] = start_scale(job, k, lanes->start[l]) == lanes->scale[l] ? INFINITY : loss[k][l];
        }
    }
}

static uwc_status solve_lanes(const rows_job *job, int64_t first, uwc_lanes *lanes, uwc_beam *beam) {
    const bool fine = job->out->bits >= FINE_BITS;
    double loss[STARTS][UWC_MOST_LANES];
    int zero[UWC_MOST_LANES];
    load_lanes(job, first, lanes, zero);
    UWC_TRY(try_starts(job, lanes, loss));
    UWC_TRY(uwc_recon__pull(job->metric, lanes));
    for (int k = 0; k < (fine ? 1 : DESCENTS); k++) {
        take_best(job, lanes, loss);
        UWC_TRY(fine ? uwc_recon__round(job->metric, lanes) : uwc_recon__round_beam(job->metric, lanes, beam));
        for (int refits = fine ? 0 : REFITS; refits >= 0; refits--) {
            UWC_TRY(uwc_recon__descend(job->metric, lanes));
            uwc_recon__keep(job->metric, lanes);
            if (refits > 0) {
                uwc_recon__refit(job->metric, job->out->bits, lanes);
            }
        }
    }
    return store_lanes(job, first, lanes, zero);
}

/* Blocks of about equally many rows. */
static int64_t lanes_per_block(int64_t rows) {
    int64_t blocks = (rows + UWC_MOST_LANES - 1) / UWC_MOST_LANES, lanes = (rows + blocks - 1) / blocks;
    return (lanes + UWC_LANE_ALIGN - 1) / UWC_LANE_ALIGN * UWC_LANE_ALIGN;
}

/* What one block of rows works with. */
typedef struct desk {
    uwc_lanes lanes;
    uwc_beam beam;
} desk;

enum { LANES = 6, BEAMS = 3 }; /* arrays of each */

static int64_t desk_elements(int64_t n, int64_t count) {
    return n * (LANES * count + BEAMS * UWC_BEAM_LANES);
}

int64_t uwc_recon__round_rows_bytes(int64_t rows, int64_t n) {
    const int64_t count = lanes_per_block(rows), blocks = (rows + count - 1) / count;
    return (blocks < AT_ONCE ? blocks : AT_ONCE) * desk_elements(n, count) * (int64_t)sizeof(float);
}

static uwc_status make_desks(int64_t n, int64_t desks, int64_t count, desk **out, float **memory) {
    *memory = NULL;
    UWC_TRY(uwc_calloc(desks, sizeof **out, out));
    UWC_TRY(uwc_calloc(desks * desk_elements(n, count), sizeof **memory, memory));
    float *at = *memory;
    for (int64_t d = 0; d < desks; d++) {
        uwc_lanes *lanes = &(*out)[d].lanes;
        uwc_beam *beam = &(*out)[d].beam;
        float **of_lanes[LANES] = {&lanes->target, &lanes->pull, &lanes->level, &lanes->slope, &lanes->change, &lanes->kept};
        float **of_beam[BEAMS] = {&beam->work, &beam->level, &beam->error};
        lanes->count = count;
        for (int k = 0; k < LANES; k++, at += n * count) {
            *of_lanes[k] = at;
        }
        for (int k = 0; k < BEAMS; k++, at += n * UWC_BEAM_LANES) {
            *of_beam[k] = at;
        }
    }
    return UWC_OK;
}

uwc_status uwc_recon__round_rows(const uwc_metric *metric, const double *w, bool asymmetric, uwc_weights *out) {
    const int64_t count = lanes_per_block(out->rows), blocks = (out->rows + count - 1) / count;
    const rows_job job = {metric, w, out->rows, asymmetric, out};
    desk *desks = NULL;
    float *memory = NULL;
    int64_t failed = 0;
    uwc_status st = make_desks(metric->n, blocks < AT_ONCE ? blocks : AT_ONCE, count, &desks, &memory);
    for (int64_t base = 0; base < blocks && st == UWC_OK && failed == 0; base += AT_ONCE) {
        int64_t now = blocks - base < AT_ONCE ? blocks - base : AT_ONCE;
#pragma omp parallel for schedule(dynamic, 1) reduction(+ : failed)
        for (int64_t b = 0; b < now; b++) {
            failed += solve_lanes(&job, (base + b) * count, &desks[b].lanes, &desks[b].beam) != UWC_OK;
        }
    }
    uwc_free(&desks);
    uwc_free(&memory);
    UWC_CHECK(failed == 0, UWC_E_MATH, "%lld columns are too many or their numbers too large", (long long)metric->n);
    return st;
}
