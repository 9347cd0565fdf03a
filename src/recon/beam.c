/* Error feedback with more than one opinion: of every row the WIDTH best partial roundings are kept, each goes on to its nearest and its
 * second nearest level, and the best of these are kept again. A lane is one partial rounding; the lanes of a row lie side by side. Source:
 * Guo, Nilsson, "Algorithm and implementation of the K-best sphere decoding for MIMO detection", IEEE JSAC 24 (2006), on the triangle of
 * uwc_recon__round. */
#include "recon_impl.h"

#include <uwc/vector.h>

#include <math.h>
#include <string.h>

enum { WIDTH = UWC_BEAM_WIDTH, ROWS = UWC_BEAM_LANES / WIDTH, BLOCK = 32 };

static void consider(uwc_shortlist *list, double loss, float level, float error, int parent) {
    if (list->n == WIDTH && !(loss < list->loss[WIDTH - 1])) {
        return;
    }
    int at = list->n < WIDTH ? list->n++ : WIDTH - 1;
    for (; at > 0 && loss < list->loss[at - 1]; at--) {
        list->loss[at] = list->loss[at - 1];
        list->level[at] = list->level[at - 1];
        list->error[at] = list->error[at - 1];
        list->parent[at] = list->parent[at - 1];
    }
    list->loss[at] = loss;
    list->level[at] = level;
    list->error[at] = error;
    list->parent[at] = parent;
}

void uwc_recon__extend(uwc_shortlist *list, float scale, float least, float most, float value, float pivot, double loss, int parent) {
    const float wanted = value / scale, nearest = fminf(fmaxf(rintf(wanted), least), most);
    const float second = nearest + (wanted > nearest ? 1.0f : -1.0f);
    float error = (nearest * scale - value) / pivot;
    consider(list, loss + (double)(error * error), nearest, error, parent);
    if (second >= least && second <= most) {
        error = (second * scale - value) / pivot;
        consider(list, loss + (double)(error * error), second, error, parent);
    }
}

/* Columns [from, to) of an array: every lane becomes its parent. */
static void inherit(float *array, int64_t from, int64_t to, const int *parent) {
    float before[UWC_BEAM_LANES];
    for (int64_t k = from; k < to; k++) {
        float *lane = array + k * UWC_BEAM_LANES;
        memcpy(before, lane, sizeof before);
        for (int l = 0; l < UWC_BEAM_LANES; l++) {
            lane[l] = before[parent[l]];
        }
    }
}

/* Rows of `rows` from `first` on, at most ROWS. */
typedef struct search {
    const uwc_metric *metric;
    uwc_lanes *rows;
    uwc_beam *beam;
    int64_t first, count;
    double loss[UWC_BEAM_LANES];
    int line[UWC_BEAM_LANES]; /* where each lane was when its block began */
} search;

static void start(search *s) {
    for (int l = 0; l < UWC_BEAM_LANES; l++) {
        int64_t row = s->first + (l / WIDTH < s->count ? l / WIDTH : 0);
        s->loss[l] = l % WIDTH == 0 ? 0 : INFINITY;
        for (int64_t j = 0; j < s->metric->n; j++) {
            s->beam->work[j * UWC_BEAM_LANES + l] = s->rows->target[j * s->rows->count + row];
        }
    }
}

/* Chooses the lanes that have rounded column j. *moved: some lane is not its own parent. */
static void round_column(search *s, int64_t j, int *parent, bool *moved) {
    const float *value = s->beam->work + j * UWC_BEAM_LANES;
    float *level = s->beam->level + j * UWC_BEAM_LANES, *error = s->beam->error + j * UWC_BEAM_LANES;
    *moved = false;
    for (int r = 0; r < ROWS; r++) {
        const int64_t row = s->first + (r < s->count ? r : 0);
        const float scale = s->rows->scale[row], least = s->rows->least[row], most = s->rows->most[row];
        uwc_shortlist list = {.n = 0};
        for (int l = r * WIDTH; l < (r + 1) * WIDTH && isfinite(s->loss[l]); l++) {
            uwc_recon__extend(&list, scale, least, most, value[l], s->metric->U[j * s->metric->n + j], s->loss[l], l);
        }
        for (int k = 0; k < WIDTH; k++) {
            int l = r * WIDTH + k, from = k < list.n ? k : 0;
            s->loss[l] = k < list.n ? list.loss[k] : INFINITY;
            level[l] = list.level[from];
            error[l] = list.error[from];
            parent[l] = list.parent[from];
            *moved = *moved || parent[l] != l;
        }
    }
}

static void follow(const search *s, int64_t first, int64_t j, int64_t end, const int *parent, int *line) {
    int before[UWC_BEAM_LANES];
    inherit(s->beam->work, j + 1, end, parent);
    inherit(s->beam->level, first, j, parent);
    inherit(s->beam->error, first, j, parent);
    memcpy(before, line, sizeof before);
    for (int l = 0; l < UWC_BEAM_LANES; l++) {
        line[l] = before[parent[l]];
    }
}

static uwc_status round_block(search *s, int64_t first, int64_t end) {
    const int64_t n = s->metric->n;
    float *work = s->beam->work, *error = s->beam->error;
    int parent[UWC_BEAM_LANES];
    bool moved;
    for (int l = 0; l < UWC_BEAM_LANES; l++) {
        s->line[l] = l;
    }
    for (int64_t j = first; j < end; j++) {
        round_column(s, j, parent, &moved);
        if (moved) {
            follow(s, first, j, end, parent, s->line);
        }
        uwc_recon__add_outer(work + (j + 1) * UWC_BEAM_LANES, error + j * UWC_BEAM_LANES, s->metric->U + j * n + j + 1, end - j - 1,
                             UWC_BEAM_LANES);
    }
    inherit(s->beam->level, 0, first, s->line);
    inherit(work, end, n, s->line);
    return uwc_recon__add_block(work + end * UWC_BEAM_LANES, error + first * UWC_BEAM_LANES, s->metric->U + first * n + end, n, end - first,
                                n - end, UWC_BEAM_LANES);
}

uwc_status uwc_recon__round_beam(const uwc_metric *metric, uwc_lanes *rows, uwc_beam *beam) {
    for (int64_t first = 0; first < rows->count; first += ROWS) {
        search s = {.metric = metric, .rows = rows, .beam = beam, .first = first};
        s.count = rows->count - first < ROWS ? rows->count - first : ROWS;
        start(&s);
        for (int64_t at = 0; at < metric->n; at += BLOCK) {
            UWC_TRY(round_block(&s, at, at + BLOCK < metric->n ? at + BLOCK : metric->n));
        }
        for (int64_t r = 0; r < s.count; r++) { /* the best lane of a row is its first */
            rows->loss[first + r] = s.loss[r * WIDTH];
            for (int64_t j = 0; j < metric->n; j++) {
                rows->level[j * rows->count + first + r] = beam->level[j * UWC_BEAM_LANES + r * WIDTH];
            }
        }
    }
    return UWC_OK;
}
