/* Axes, slices and squeezed shapes: read alike for activations and constants. */
#include "onnx_impl.h"

static uwc_status fill_mask(const int64_t *axes, int n, int rank, bool *mask) {
    for (int i = 0; i < rank; i++) {
        mask[i] = false;
    }
    for (int i = 0; i < n; i++) {
        int axis;
        UWC_TRY(uwc_onnx__axis(axes[i], rank, &axis));
        UWC_CHECK(!mask[axis], UWC_E_FORMAT, "axis %d is named twice", axis);
        mask[axis] = true;
    }
    return UWC_OK;
}

uwc_status uwc_onnx__axes(uwc_onnx__import *im, const uwc_onnx__node *node, int rank, bool *mask, int *n) {
    int64_t axes[UWC_MAX_RANK];
    UWC_TRY(uwc_onnx__ints_either(im, node, "axes", 1, axes, UWC_MAX_RANK, n));
    return fill_mask(axes, *n, rank, mask);
}

uwc_status uwc_onnx__squeezed(uwc_onnx__import *im, const uwc_onnx__node *node, uwc_shape shape, bool *mask, uwc_shape *out) {
    int n;
    char text[128];
    UWC_TRY(uwc_onnx__axes(im, node, shape.rank, mask, &n));
    *out = (uwc_shape){0};
    for (int i = 0; i < shape.rank; i++) {
        bool drop = n < 0 ? shape.dim[i] == 1 : mask[i];
        UWC_CHECK(!drop || shape.dim[i] == 1, UWC_E_SHAPE, "axis %d of %s is not 1", i, uwc_shape_print(shape, text));
        if (!drop) {
            out->dim[out->rank++] = shape.dim[i];
        }
    }
    return UWC_OK;
}

uwc_status uwc_onnx__unsqueezed(uwc_onnx__import *im, const uwc_onnx__node *node, uwc_shape shape, bool *mask, uwc_shape *out) {
    int64_t axes[UWC_MAX_RANK];
    int n;
    UWC_TRY(uwc_onnx__ints_either(im, node, "axes", 1, axes, UWC_MAX_RANK, &n));
    UWC_CHECK(n >= 0, UWC_E_FORMAT, "axes are missing");
    UWC_CHECK(shape.rank + n <= UWC_MAX_RANK, UWC_E_UNSUPPORTED, "%d dimensions, at most %d are supported", shape.rank + n, UWC_MAX_RANK);
    *out = (uwc_shape){.rank = shape.rank + n};
    UWC_TRY(fill_mask(axes, n, out->rank, mask));
    for (int i = 0, from = 0; i < out->rank; i++) {
        out->dim[i] = mask[i] ? 1 : shape.dim[from++];
    }
    return UWC_OK;
}

static uwc_status same_count(const char *what, int n, int expected) {
    UWC_CHECK(n == expected, UWC_E_FORMAT, "%d %s for %d starts", n, what, expected);
    return UWC_OK;
}

uwc_status uwc_onnx__slice_read(uwc_onnx__import *im, const uwc_onnx__node *node, uwc_shape shape, uwc_onnx__slice *out) {
    int64_t start[UWC_MAX_RANK], end[UWC_MAX_RANK], axes[UWC_MAX_RANK], step[UWC_MAX_RANK];
    bool mask[UWC_MAX_RANK];
    int n, n_ends, n_axes, n_steps;
    UWC_TRY(uwc_onnx__ints_either(im, node, "starts", 1, start, UWC_MAX_RANK, &n));
    UWC_TRY(uwc_onnx__ints_either(im, node, "ends", 2, end, UWC_MAX_RANK, &n_ends));
    UWC_TRY(uwc_onnx__ints_either(im, node, "axes", 3, axes, UWC_MAX_RANK, &n_axes));
    UWC_TRY(uwc_onnx__constant_ints(im, node, 4, step, UWC_MAX_RANK, &n_steps));
    UWC_CHECK(n >= 0, UWC_E_FORMAT, "starts are missing");
    UWC_TRY(same_count("ends", n_ends, n));
    UWC_TRY(same_count("axes", n_axes < 0 ? n : n_axes, n));
    UWC_TRY(same_count("steps", n_steps < 0 ? n : n_steps, n));
    for (int i = 0; i < n && n_axes < 0; i++) {
        axes[i] = i;
    }
    UWC_TRY(fill_mask(axes, n, shape.rank, mask));
    for (int i = 0; i < shape.rank; i++) {
        out->start[i] = 0;
        out->end[i] = INT32_MAX;
        out->step[i] = 1;
    }
    for (int i = 0; i < n; i++) {
        int64_t axis = axes[i] < 0 ? axes[i] + shape.rank : axes[i], by = n_steps < 0 ? 1 : step[i];
        UWC_CHECK(by != 0, UWC_E_FORMAT, "step 0 of axis %lld", (long long)axis);
        UWC_CHECK(by > 0, UWC_E_UNSUPPORTED, "step %lld of axis %lld", (long long)by, (long long)axis);
        out->start[axis] = start[i];
        out->end[axis] = end[i];
        out->step[axis] = by < INT32_MAX ? by : INT32_MAX;
    }
    return UWC_OK;
}
