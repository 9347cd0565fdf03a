/* The layer solver once more, row by row in plain loops, as docs/method.md says it (steps 3 to 6, one start scale): what the product's is
 * compared with. */
#ifndef UWC_TEST_NAIVE_LAYER_H
#define UWC_TEST_NAIVE_LAYER_H

#include "graph/graph_fixture.h"

#include <uwc/recon.h>

/* Statistics of a layer with what they were made of; all [n+1] wide with the bias last. */
typedef struct layer_case {
    int64_t rows, n;
    double *A, *Y, *W0, *square; /* square [rows]: mean y^2 */
} layer_case;

static inline double *new_doubles(int64_t count) {
    double *x;
    must(uwc_calloc(count, sizeof *x, &x));
    return x;
}

static inline void free_case(layer_case *own) {
    uwc_free(&own->A);
    uwc_free(&own->Y);
    uwc_free(&own->W0);
    uwc_free(&own->square);
}

static inline uwc_layer_statistics statistics_of(const layer_case *own) {
    return (uwc_layer_statistics){.rows = own->rows, .n = own->n, .A = own->A, .Y = own->Y, .W0 = own->W0};
}

/* Correlated, rectified inputs; the quantized path differs from the float one; weights around `centre`. */
static inline layer_case random_case_around(double centre, uint64_t seed, int64_t samples, int64_t n, int64_t rows) {
    const int64_t order = n + 1;
    layer_case own = {.rows = rows, .n = n};
    own.A = new_doubles(order * order);
    own.Y = new_doubles(rows * order);
    own.W0 = new_doubles(rows * order);
    own.square = new_doubles(rows);
    double *mix = new_doubles(n * n), *z = new_doubles(n), *x = new_doubles(n), *p = new_doubles(order);
    uint64_t at = 0;
    for (int64_t i = 0; i < n * n; i++) {
        mix[i] = uwc_rng_normal(seed, 1, (uint64_t)i) / sqrt((double)n);
    }
    for (int64_t r = 0; r < rows; r++) {
        double size = 0.2 + 1.8 * uwc_rng_uniform(seed, 2, (uint64_t)r);
        for (int64_t i = 0; i < order; i++) {
            own.W0[r * order + i] = uwc_rng_normal(seed, 3, (uint64_t)(r * order + i)) * (i < n ? size / sqrt((double)n) : 0.1) + centre;
        }
    }
    for (int64_t s = 0; s < samples; s++) {
        for (int64_t i = 0; i < n; i++) {
            z[i] = uwc_rng_normal(seed, 4, at++);
            x[i] = 0.3;
        }
        for (int64_t i = 0; i < n; i++) {
            for (int64_t j = 0; j < n; j++) {
                x[j] += z[i] * mix[i * n + j];
            }
        }
        for (int64_t i = 0; i < n; i++) {
            x[i] = fmax(x[i], 0);
            p[i] = fmax(rint(x[i] / 0.25) * 0.25 + 0.05 * uwc_rng_normal(seed, 5, (uint64_t)(s * n + i)), 0);
        }
        p[n] = 1;
        for (int64_t i = 0; i < order; i++) {
            for (int64_t j = 0; j < order; j++) {
                own.A[i * order + j] += p[i] * p[j] / (double)samples;
            }
        }
        for (int64_t r = 0; r < rows; r++) {
            double y = own.W0[r * order + n];
            for (int64_t i = 0; i < n; i++) {
                y += own.W0[r * order + i] * x[i];
            }
            own.square[r] += y * y / (double)samples;
            for (int64_t i = 0; i < order; i++) {
                own.Y[r * order + i] += y * p[i] / (double)samples;
            }
        }
    }
    uwc_free(&mix);
    uwc_free(&z);
    uwc_free(&x);
    uwc_free(&p);
    return own;
}

static inline layer_case random_case(uint64_t seed, int64_t samples, int64_t n, int64_t rows) {
    return random_case_around(0, seed, samples, n, rows);
}

/* mean (v p - y)^2 of one row v [n+1]. */
static inline double row_objective(const layer_case *own, int64_t row, const double *v) {
    const int64_t order = own->n + 1;
    double sum = own->square[row];
    for (int64_t i = 0; i < order; i++) {
        for (int64_t j = 0; j < order; j++) {
            sum += v[i] * own->A[i * order + j] * v[j];
        }
        sum -= 2 * v[i] * own->Y[row * order + i];
    }
    return sum;
}

/* Sum over the rows, of integer weights with their bias. */
static inline double objective(const layer_case *own, const uwc_weights *weights, const double *bias) {
    double *v = new_doubles(own->n + 1), sum = 0;
    for (int64_t r = 0; r < own->rows; r++) {
        for (int64_t i = 0; i < own->n; i++) {
            v[i] = (double)weights->scale[r] * (weights->q[r * own->n + i] - weights->zero[r]);
        }
        v[own->n] = bias[r];
        sum += row_objective(own, r, v);
    }
    uwc_free(&v);
    return sum;
}

/* m 2^e with m < 2^6, less for levels of more than 6 bits. */
static inline bool is_short(int bits, double scale) {
    double m = fabs(scale);
    while (m != floor(m)) {
        m *= 2;
    }
    while (fmod(m, 2) == 0) {
        m /= 2;
    }
    return m < (bits == 8 ? 16 : bits == 7 ? 32 : 64);
}

/* Levels in range, scales positive and short, zero points among the levels. */
static inline void check_levels(const uwc_weights *weights, bool asymmetric) {
    int lo, hi;
    uwc_weights_range(weights->bits, &lo, &hi);
    for (int64_t i = 0; i < weights->rows * weights->cols; i++) {
        assert_true(weights->q[i] >= lo && weights->q[i] <= hi);
    }
    for (int64_t r = 0; r < weights->rows; r++) {
        assert_true(weights->scale[r] > 0 && isfinite(weights->scale[r]));
        assert_true(is_short(weights->bits, (double)weights->scale[r]));
        assert_true(weights->zero[r] >= (asymmetric ? lo : 0) && weights->zero[r] <= (asymmetric ? hi : 0));
    }
}

/* The inverse of a symmetric positive definite matrix, by Gauss-Jordan without pivots. */
static inline double *inverse_of(const double *a, int64_t n) {
    double *m = new_doubles(n * n), *out = new_doubles(n * n);
    memcpy(m, a, (size_t)(n * n) * sizeof *m);
    for (int64_t i = 0; i < n; i++) {
        out[i * n + i] = 1;
    }
    for (int64_t k = 0; k < n; k++) {
        double pivot = m[k * n + k];
        for (int64_t j = 0; j < n; j++) {
            m[k * n + j] /= pivot;
            out[k * n + j] /= pivot;
        }
        for (int64_t i = 0; i < n; i++) {
            double factor = m[i * n + k];
            for (int64_t j = 0; i != k && j < n; j++) {
                m[i * n + j] -= factor * m[k * n + j];
                out[i * n + j] -= factor * out[k * n + j];
            }
        }
    }
    uwc_free(&m);
    return out;
}

/* What all rows share: G [n,n], W* [rows,n+1]. */
typedef struct naive_metric {
    double *G, *W;
} naive_metric;

static inline naive_metric naive_retarget(const layer_case *own, double damp) {
    const int64_t n = own->n, order = n + 1;
    naive_metric out = {.G = new_doubles(n * n), .W = new_doubles(own->rows * order)};
    double *H = new_doubles(order * order), mean = 0;
    memcpy(H, own->A, (size_t)(order * order) * sizeof *H);
    for (int64_t i = 0; i < n; i++) {
        mean += own->A[i * order + i] / (double)n;
    }
    for (int64_t i = 0; i < n; i++) {
        H[i * order + i] += fmax(damp * mean, 1e-8);
    }
    double *inverse = inverse_of(H, order);
    for (int64_t r = 0; r < own->rows; r++) {
        const double *w0 = own->W0 + r * order;
        double *w = out.W + r * order;
        memcpy(w, w0, (size_t)order * sizeof *w);
        for (int64_t i = 0; i < order; i++) {
            double rest = own->Y[r * order + i];
            for (int64_t j = 0; j < order; j++) {
                rest -= w0[j] * own->A[j * order + i];
            }
            for (int64_t j = 0; j < order; j++) {
                w[j] += rest * inverse[i * order + j];
            }
        }
    }
    for (int64_t i = 0; i < n; i++) {
        for (int64_t j = 0; j < n; j++) {
            out.G[i * n + j] = H[i * order + j] - H[i * order + n] * H[j * order + n];
        }
    }
    uwc_free(&H);
    uwc_free(&inverse);
    return out;
}

static inline void free_metric(naive_metric *own) {
    uwc_free(&own->G);
    uwc_free(&own->W);
}

static inline double clamped(double x, int lo, int hi) {
    return fmin(fmax(rint(x), lo), hi);
}

/* (q s - w) G (q s - w). */
static inline double naive_loss(const double *G, int64_t n, const double *w, const double *q, double s) {
    double sum = 0;
    for (int64_t i = 0; i < n; i++) {
        for (int64_t j = 0; j < n; j++) {
            sum += (q[i] * s - w[i]) * G[i * n + j] * (q[j] * s - w[j]);
        }
    }
    return sum;
}

static inline double naive_short(int bits, double scale) {
    return (double)uwc_scale_shorten(bits, (float)scale);
}

static inline double naive_scale(const double *G, int64_t n, const double *w, int bits) {
    int lo = -(1 << (bits - 1)), hi = -lo - 1;
    double top = 1e-8, best = INFINITY, scale = 0;
    for (int64_t i = 0; i < n; i++) {
        top = fmax(top, fabs(w[i]));
    }
    for (int k = 0; k <= 90; k++) {
        double s = naive_short(bits, top * (0.3 + 0.01 * k) / (hi + 0.5)), error = 0;
        for (int64_t i = 0; i < n; i++) {
            double away = clamped(w[i] / s, lo, hi) * s - w[i];
            error += away * away * G[i * n + i];
        }
        if (error < best) {
            best = error;
            scale = s;
        }
    }
    return scale;
}

/* One weight after the other in order of falling diagonal; the rest makes up for each error: w_r -= e H^-1_rj / H^-1_jj, with H^-1 of the
 * weights that are still free (OBC). */
static inline void naive_feedback(const double *G, int64_t n, const double *w, double s, int lo, int hi, double *q) {
    double *inverse = inverse_of(G, n), *left = new_doubles(n);
    bool *done;
    must(uwc_calloc(n, sizeof *done, &done));
    memcpy(left, w, (size_t)n * sizeof *left);
    for (int64_t step = 0; step < n; step++) {
        int64_t j = -1;
        for (int64_t i = 0; i < n; i++) {
            j = !done[i] && (j < 0 || G[i * n + i] > G[j * n + j]) ? i : j;
        }
        done[j] = true;
        q[j] = clamped(left[j] / s, lo, hi);
        double pivot = inverse[j * n + j], error = (left[j] - q[j] * s) / pivot;
        for (int64_t i = 0; i < n; i++) {
            left[i] -= done[i] ? 0 : error * inverse[j * n + i];
        }
        double *row = new_doubles(n); /* remove j from the inverse */
        memcpy(row, inverse + j * n, (size_t)n * sizeof *row);
        for (int64_t i = 0; i < n; i++) {
            for (int64_t k = 0; k < n; k++) {
                inverse[i * n + k] -= row[i] * row[k] / pivot;
            }
        }
        uwc_free(&row);
    }
    uwc_free(&inverse);
    uwc_free(&left);
    uwc_free(&done);
}

static inline void naive_descend(const double *G, int64_t n, const double *w, double s, int lo, int hi, double *q) {
    bool moved = true;
    for (int sweep = 0; sweep < 50 && moved; sweep++) {
        moved = false;
        for (int64_t j = 0; j < n; j++) {
            double slope = 0;
            for (int64_t i = 0; i < n; i++) {
                slope += (q[i] * s - w[i]) * G[i * n + j];
            }
            double next = clamped((q[j] * s - slope / fmax(G[j * n + j], 1e-12)) / s, lo, hi);
            moved = moved || next != q[j];
            q[j] = next;
        }
    }
}

static inline double naive_refit(const double *G, int64_t n, const double *w, const double *q, double s) {
    double above = 0, below = 0;
    for (int64_t i = 0; i < n; i++) {
        for (int64_t j = 0; j < n; j++) {
            above += q[i] * G[i * n + j] * w[j];
            below += q[i] * G[i * n + j] * q[j];
        }
    }
    return below > 0 ? fmax(above, 1e-12) / below : s;
}

/* Weights [n+1] with bias of one row: rounded, descended, refitted six times, the best kept. Returns the loss under G. */
static inline double naive_row(const layer_case *own, const naive_metric *m, int64_t row, int bits, double *out) {
    const int64_t n = own->n, order = n + 1;
    int lo = -(1 << (bits - 1)), hi = -lo - 1;
    const double *w = m->W + row * order;
    double *q = new_doubles(n), *kept = new_doubles(n), scale = naive_scale(m->G, n, w, bits), kept_scale = scale;
    naive_feedback(m->G, n, w, scale, lo, hi, q);
    naive_descend(m->G, n, w, scale, lo, hi, q);
    memcpy(kept, q, (size_t)n * sizeof *q);
    double best = naive_loss(m->G, n, w, q, scale);
    for (int round = 0; round < 6; round++) {
        scale = naive_short(bits, naive_refit(m->G, n, w, q, scale));
        naive_descend(m->G, n, w, scale, lo, hi, q);
        double now = naive_loss(m->G, n, w, q, scale);
        if (now < best) {
            best = now;
            kept_scale = scale;
            memcpy(kept, q, (size_t)n * sizeof *q);
        }
    }
    out[n] = w[n];
    for (int64_t i = 0; i < n; i++) {
        out[i] = kept[i] * kept_scale;
        out[n] += (w[i] - out[i]) * own->A[i * order + n];
    }
    uwc_free(&q);
    uwc_free(&kept);
    return best;
}

/* The objective that plain loops reach. */
static inline double naive_objective(const layer_case *own, int bits, double damp) {
    naive_metric m = naive_retarget(own, damp);
    double *v = new_doubles(own->n + 1), sum = 0;
    for (int64_t r = 0; r < own->rows; r++) {
        naive_row(own, &m, r, bits, v);
        sum += row_objective(own, r, v);
    }
    uwc_free(&v);
    free_metric(&m);
    return sum;
}

#endif
