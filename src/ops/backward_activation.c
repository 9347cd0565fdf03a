/* Slopes of the activation functions that are not told from the output alone. */
#include "backward_impl.h"

#include <math.h>

static double silu(double x) {
    double s = 1 / (1 + exp(-x));
    return s * (1 + x * (1 - s));
}

static double gelu(double x) {
    const double pi = acos(-1);
    return (1 + erf(x / sqrt(2))) / 2 + x * exp(-x * x / 2) / sqrt(2 * pi);
}

double uwc_backward__slope(const uwc_op *op, double x) {
    switch (op->kind) {
    case UWC_OP_SILU:
        return silu(x);
    case UWC_OP_GELU:
        return gelu(x);
    case UWC_OP_ERF:
        return 2 / sqrt(acos(-1)) * exp(-x * x);
    default: /* Sqrt */
        return 0.5 / sqrt(x);
    }
}
