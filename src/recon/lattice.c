/* Rounding real weights W* to a lattice under the metric G, UWC_LANES rows at a time. A row's level l stands for the value scale * l, with
 * least <= l <= most. Sources: Frantar, Singh, Alistarh, "Optimal Brain Compression", NeurIPS 2022, and Frantar et al., "GPTQ", ICLR 2023
 * (error feedback through the Cholesky factor of the inverse metric); the descent and the refit of the scale are in docs/method.md. */
#include "recon_impl.h"

#include <uwc/vector.h>

#include <math.h>
#include <string.h>

enum { SWEEPS = 50 };

/* row[k][lane] += factor[lane] * g[k] for k in [from, n). */
UWC_VECTOR static void add_outer(double *row, const double *factor, const double *g, int64_t from, int64_t n) {
    double f[UWC_LANES];
    memcpy(f, factor, sizeof f);
    for (int64_t k = from; k < n; k++) {
        double *to = row + k * UWC_LANES;
        for (int l = 0; l < UWC_LANES; l++) {
            to[l] += f[l] * g[k];
        }
    }
}

UWC_VECTOR static void nearest_level(const double *value, const uwc_lanes *lanes, double *level) {
    for (int l = 0; l < UWC_LANES; l++) {
        double q = rint(value[l] / lanes->scale[l]);
        q = q < lanes->least[l] ? lanes->least[l] : q;
        level[l] = q > lanes->most[l] ? lanes->most[l] : q;
    }
}

void uwc_recon__round(const uwc_metric *metric, uwc_lanes *lanes) {
    const int64_t n = metric->n;
    for (int64_t j = 0; j < n; j++) {
        memcpy(lanes->work + j * UWC_LANES, lanes->target + metric->order[j] * UWC_LANES, UWC_LANES * sizeof(double));
    }
    for (int64_t j = 0; j < n; j++) {
        double *value = lanes->work + j * UWC_LANES, *level = lanes->level + metric->order[j] * UWC_LANES, error[UWC_LANES];
        const double *u = metric->U + j * n;
        nearest_level(value, lanes, level);
        for (int l = 0; l < UWC_LANES; l++) {
            error[l] = -(value[l] - level[l] * lanes->scale[l]) / u[j];
        }
        add_outer(lanes->work, error, u, j + 1, n);
    }
}

void uwc_recon__pull(const uwc_metric *metric, uwc_lanes *lanes) {
    memset(lanes->pull, 0, (size_t)metric->n * UWC_LANES * sizeof(double));
    for (int64_t j = 0; j < metric->n; j++) {
        add_outer(lanes->pull, lanes->target + j * UWC_LANES, metric->G + j * metric->n, 0, metric->n);
    }
}

static void start_slope(const uwc_metric *metric, uwc_lanes *lanes) {
    memset(lanes->slope, 0, (size_t)metric->n * UWC_LANES * sizeof(double));
    for (int64_t j = 0; j < metric->n; j++) {
        double change[UWC_LANES];
        for (int l = 0; l < UWC_LANES; l++) {
            change[l] = lanes->level[j * UWC_LANES + l] * lanes->scale[l] - lanes->target[j * UWC_LANES + l];
        }
        add_outer(lanes->slope, change, metric->G + j * metric->n, 0, metric->n);
    }
}

/* Moves coordinate j of every lane to its minimum; says whether any lane moved. */
UWC_VECTOR static bool move(const uwc_lanes *lanes, int64_t j, double curvature, double *change) {
    double *level = lanes->level + j * UWC_LANES;
    const double *slope = lanes->slope + j * UWC_LANES;
    double wanted[UWC_LANES], next[UWC_LANES], moved = 0;
    for (int l = 0; l < UWC_LANES; l++) {
        wanted[l] = level[l] * lanes->scale[l] - slope[l] / curvature;
    }
    for (int l = 0; l < UWC_LANES; l++) {
        double q = rint(wanted[l] / lanes->scale[l]);
        q = q < lanes->least[l] ? lanes->least[l] : q;
        next[l] = q > lanes->most[l] ? lanes->most[l] : q;
    }
    for (int l = 0; l < UWC_LANES; l++) {
        change[l] = (next[l] - level[l]) * lanes->scale[l];
        moved += fabs(next[l] - level[l]);
        level[l] = next[l];
    }
    return moved > 0;
}

static void measure_loss(const uwc_metric *metric, uwc_lanes *lanes) {
    memset(lanes->loss, 0, sizeof lanes->loss);
    for (int64_t j = 0; j < metric->n; j++) {
        for (int l = 0; l < UWC_LANES; l++) {
            int64_t i = j * UWC_LANES + l;
            lanes->loss[l] += (lanes->level[i] * lanes->scale[l] - lanes->target[i]) * lanes->slope[i];
        }
    }
}

void uwc_recon__descend(const uwc_metric *metric, uwc_lanes *lanes) {
    const int64_t n = metric->n;
    start_slope(metric, lanes);
    for (int sweep = 0; sweep < SWEEPS; sweep++) {
        bool any = false;
        for (int64_t j = 0; j < n; j++) {
            double change[UWC_LANES], curvature = fmax(metric->G[j * n + j], 1e-12);
            if (move(lanes, j, curvature, change)) {
                add_outer(lanes->slope, change, metric->G + j * n, 0, n);
                any = true;
            }
        }
        if (!any) {
            break;
        }
    }
    measure_loss(metric, lanes);
}

void uwc_recon__refit(const uwc_metric *metric, uwc_lanes *lanes) {
    double above[UWC_LANES] = {0}, below[UWC_LANES] = {0};
    for (int64_t j = 0; j < metric->n; j++) {
        for (int l = 0; l < UWC_LANES; l++) {
            int64_t i = j * UWC_LANES + l;
            above[l] += lanes->level[i] * lanes->pull[i];
            below[l] += lanes->level[i] * (lanes->slope[i] + lanes->pull[i]); /* l G Q = s l G l */
        }
    }
    for (int l = 0; l < UWC_LANES; l++) {
        double curvature = below[l] / lanes->scale[l];
        if (curvature > 0 && above[l] > 0) {
            lanes->scale[l] = (double)(float)fmax(above[l] / curvature, 1e-20);
        }
    }
}

void uwc_recon__keep(const uwc_metric *metric, uwc_lanes *lanes) {
    for (int l = 0; l < UWC_LANES; l++) {
        if (!(lanes->loss[l] < lanes->kept_loss[l])) {
            continue;
        }
        lanes->kept_loss[l] = lanes->loss[l];
        lanes->kept_scale[l] = lanes->scale[l];
        lanes->kept_least[l] = lanes->least[l];
        lanes->kept_most[l] = lanes->most[l];
        for (int64_t j = 0; j < metric->n; j++) {
            lanes->kept[j * UWC_LANES + l] = lanes->level[j * UWC_LANES + l];
        }
    }
}
