#include "ops_impl.h"

/* Inference of the operators that slide a window: convolution and pooling. */

/* Beyond this an attribute is no window, and its products stay far from overflow. */
static const int64_t MOST = INT64_C(1) << 30;

static uwc_status check_window(const uwc_op *op) {
    const char *name = uwc_op_name(op->kind);
    for (int i = 0; i < 2; i++) {
        UWC_CHECK(op->kernel[i] >= 1 && op->kernel[i] <= MOST, UWC_E_ARG, "%s: kernel of %lld", name, (long long)op->kernel[i]);
        UWC_CHECK(op->stride[i] >= 1 && op->stride[i] <= MOST, UWC_E_ARG, "%s: stride of %lld", name, (long long)op->stride[i]);
        UWC_CHECK(op->dilation[i] >= 1 && op->dilation[i] <= MOST, UWC_E_ARG, "%s: dilation of %lld", name, (long long)op->dilation[i]);
    }
    for (int i = 0; i < 4; i++) {
        UWC_CHECK(op->pad[i] >= 0, UWC_E_UNSUPPORTED, "%s: padding of %lld", name, (long long)op->pad[i]);
        UWC_CHECK(op->pad[i] <= MOST, UWC_E_ARG, "%s: padding of %lld", name, (long long)op->pad[i]);
    }
    return UWC_OK;
}

/* auto_pad for one axis: ONNX wants ceil(size / stride) outputs of SAME; an odd element of padding goes to the named end. */
static void pad_axis(uwc_op *op, int axis, int64_t size, int64_t extent) {
    int64_t *before = &op->pad[axis], *after = &op->pad[axis + 2];
    if (op->auto_pad == UWC_PAD_EXPLICIT) {
        return;
    }
    *before = *after = 0;
    if (op->auto_pad == UWC_PAD_VALID) {
        return;
    }
    int64_t outputs = (size + op->stride[axis] - 1) / op->stride[axis];
    int64_t total = (outputs - 1) * op->stride[axis] + extent - size;
    if (total > 0) {
        *before = op->auto_pad == UWC_PAD_SAME_UPPER ? total / 2 : total - total / 2;
        *after = total - *before;
    }
}

static int64_t count_windows(const uwc_op *op, int axis, int64_t size, int64_t extent) {
    int64_t before = op->pad[axis], stride = op->stride[axis];
    int64_t room = size + before + op->pad[axis + 2] - extent;
    if (room < 0) {
        return 0;
    }
    int64_t windows = (room + (op->ceil_mode ? stride - 1 : 0)) / stride + 1;
    /* A last window that would start in the padding behind the input does not count. */
    return op->ceil_mode && (windows - 1) * stride >= size + before ? windows - 1 : windows;
}

static uwc_status infer_windows(uwc_op *op, uwc_shape in, int64_t *windows) {
    char text[128];
    for (int i = 0; i < 2; i++) {
        int64_t extent = (op->kernel[i] - 1) * op->dilation[i] + 1;
        pad_axis(op, i, in.dim[2 + i], extent);
        windows[i] = count_windows(op, i, in.dim[2 + i], extent);
        UWC_CHECK(windows[i] >= 1, UWC_E_SHAPE, "%s: kernel of %lld does not fit in %s", uwc_op_name(op->kind), (long long)extent,
                  uwc_shape_print(in, text));
    }
    op->auto_pad = UWC_PAD_EXPLICIT;
    return UWC_OK;
}

static uwc_status check_image(const uwc_op *op, uwc_shape in) {
    char text[128];
    UWC_CHECK(in.rank == 4, UWC_E_UNSUPPORTED, "%s of %s: only [N,C,H,W]", uwc_op_name(op->kind), uwc_shape_print(in, text));
    return UWC_OK;
}

static uwc_status check_weights(uwc_op *op, const uwc_shape *in, int n_in) {
    char a[128], b[128];
    UWC_CHECK(in[1].rank == 4, UWC_E_SHAPE, "Conv: weights are %s", uwc_shape_print(in[1], a));
    UWC_CHECK(op->group >= 1 && op->group <= in[1].dim[0] && in[1].dim[0] % op->group == 0 && in[0].dim[1] % op->group == 0 &&
                  in[0].dim[1] / op->group == in[1].dim[1],
              UWC_E_SHAPE, "Conv: input %s against weights %s in %lld groups", uwc_shape_print(in[0], a), uwc_shape_print(in[1], b),
              (long long)op->group);
    UWC_CHECK(n_in < 3 || (in[2].rank == 1 && in[2].dim[0] == in[1].dim[0]), UWC_E_SHAPE, "Conv: bias %s against weights %s",
              uwc_shape_print(in[2], a), uwc_shape_print(in[1], b));
    for (int i = 0; i < 2; i++) {
        UWC_CHECK(op->kernel[i] == 0 || op->kernel[i] == in[1].dim[2 + i], UWC_E_SHAPE, "Conv: kernel_shape %lld against weights %s",
                  (long long)op->kernel[i], uwc_shape_print(in[1], a));
        op->kernel[i] = in[1].dim[2 + i];
    }
    return UWC_OK;
}

uwc_status uwc_ops__infer_conv(uwc_op *op, const uwc_shape *in, int n_in, uwc_shape *out) {
    int64_t windows[2];
    UWC_TRY(check_image(op, in[0]));
    UWC_TRY(check_weights(op, in, n_in));
    UWC_TRY(check_window(op));
    UWC_TRY(infer_windows(op, in[0], windows));
    *out = uwc_shape_4d(in[0].dim[0], in[1].dim[0], windows[0], windows[1]);
    return UWC_OK;
}

uwc_status uwc_ops__infer_pool(uwc_op *op, const uwc_shape *in, int n_in, uwc_shape *out) {
    (void)n_in;
    int64_t windows[2];
    const char *name = uwc_op_name(op->kind);
    UWC_TRY(check_image(op, in[0]));
    UWC_TRY(check_window(op));
    UWC_TRY(infer_windows(op, in[0], windows));
    for (int i = 0; i < 2; i++) {
        UWC_CHECK(op->dilation[i] == 1, UWC_E_UNSUPPORTED, "%s: dilation of %lld", name, (long long)op->dilation[i]);
        /* Else a window could hold nothing but padding, whose maximum and mean are not defined. */
        UWC_CHECK(op->pad[i] < op->kernel[i] && op->pad[i + 2] < op->kernel[i], UWC_E_UNSUPPORTED,
                  "%s: padding %lld,%lld of a kernel of %lld", name, (long long)op->pad[i], (long long)op->pad[i + 2],
                  (long long)op->kernel[i]);
    }
    *out = uwc_shape_4d(in[0].dim[0], in[0].dim[1], windows[0], windows[1]);
    return UWC_OK;
}

uwc_status uwc_ops__infer_global_pool(uwc_op *op, const uwc_shape *in, int n_in, uwc_shape *out) {
    (void)n_in;
    UWC_TRY(check_image(op, in[0]));
    *out = uwc_shape_4d(in[0].dim[0], in[0].dim[1], 1, 1);
    return UWC_OK;
}
