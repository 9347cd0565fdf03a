/* The clipping range of one row of weights, by a grid search over its ends; every range is tried with the scale shortened. */
#include "recon_impl.h"

#include <uwc/vector.h>

#include <math.h>

enum { STEPS = 91, ENDS = 24 };

UWC_VECTOR static double weighted_error(const double *w, const double *g, int64_t n, double scale, double least, double most) {
    double sum[8] = {0}; /* fixed lanes: the order of additions does not depend on the vector length */
    int64_t i = 0;
    for (; i + 8 <= n; i += 8) {
        for (int k = 0; k < 8; k++) {
            double q = rint(w[i + k] / scale);
            q = q < least ? least : q;
            q = q > most ? most : q;
            double error = q * scale - w[i + k];
            sum[k] += error * error * g[i + k];
        }
    }
    for (; i < n; i++) {
        double q = fmin(fmax(rint(w[i] / scale), least), most), error = q * scale - w[i];
        sum[0] += error * error * g[i];
    }
    return ((sum[0] + sum[4]) + (sum[1] + sum[5])) + ((sum[2] + sum[6]) + (sum[3] + sum[7]));
}

static double shorten(int bits, double scale) {
    return (double)uwc_scale_shorten(bits, (float)scale);
}

static void symmetric_scale(const double *w, const double *g, int64_t n, int lo, int hi, int bits, double *scale) {
    double top = 1e-8, best = INFINITY, tried = 0;
    for (int64_t i = 0; i < n; i++) {
        top = fmax(top, fabs(w[i]));
    }
    const double levels = bits > 2 ? ldexp(1, bits - 1) - 0.5 : 1.5;
    *scale = shorten(bits, top / hi);
    for (int k = 0; k < STEPS; k++) {
        double s = shorten(bits, top * (0.3 + 0.9 * k / (STEPS - 1)) / levels);
        if (s == tried) {
            continue;
        }
        tried = s;
        double error = weighted_error(w, g, n, s, lo, hi);
        if (error < best) {
            best = error;
            *scale = s;
        }
    }
}

/* Both ends of the range shrink independently; the zero point is the nearest integer, kept among the levels. */
static void asymmetric_scale(const double *w, const double *g, int64_t n, int lo, int hi, int bits, double *scale, int *zero) {
    double low = 0, high = 0, best = INFINITY;
    for (int64_t i = 0; i < n; i++) {
        low = fmin(low, w[i]);
        high = fmax(high, w[i]);
    }
    if (high - low < 1e-8) {
        high = low + 1e-8;
    }
    for (int a = 0; a < ENDS; a++) {
        for (int b = 0; b < ENDS; b++) {
            double bottom = low * (1.1 - 0.8 * a / (ENDS - 1)), top = high * (1.1 - 0.8 * b / (ENDS - 1));
            double s = shorten(bits, (top - bottom) / (hi - lo));
            double z = fmin(fmax(rint(lo - bottom / s), lo), hi), error = weighted_error(w, g, n, s, lo - z, hi - z);
            if (error < best) {
                best = error;
                *scale = s;
                *zero = (int)z;
            }
        }
    }
}

void uwc_recon__search_scale(const double *w, const double *g, int64_t n, int bits, bool asymmetric, double *scale, int *zero) {
    int lo, hi;
    uwc_weights_range(bits, &lo, &hi);
    *zero = 0;
    if (asymmetric) {
        asymmetric_scale(w, g, n, lo, hi, bits, scale, zero);
    } else {
        symmetric_scale(w, g, n, lo, hi, bits, scale);
    }
}
