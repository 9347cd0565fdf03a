#include "ops_impl.h"

/* Inference of the operators that keep or broadcast shapes, and of Linear and the reductions. */

uwc_status uwc_op_infer(uwc_op *op, const uwc_shape *in, int n_in, uwc_shape *out) {
    const uwc_ops__row *row = uwc_ops__find(op->kind);
    char text[128];
    UWC_CHECK(n_in >= row->least && (row->most < 0 || n_in <= row->most), UWC_E_ARG, "%s with %d inputs", row->name, n_in);
    for (int i = 0; i < n_in; i++) {
        UWC_CHECK(in[i].rank >= 0 && in[i].rank <= UWC_MAX_RANK, UWC_E_UNSUPPORTED, "%s: input %d of rank %d (at most %d)", row->name, i,
                  in[i].rank, UWC_MAX_RANK);
        for (int d = 0; d < in[i].rank; d++) {
            UWC_CHECK(in[i].dim[d] >= 1, UWC_E_SHAPE, "%s: input %d is %s", row->name, i, uwc_shape_print(in[i], text));
        }
    }
    UWC_CHECK(in[0].rank >= 1 || row->infer == uwc_ops__infer_broadcast, UWC_E_SHAPE, "%s: input 0 has no batch", row->name);
    UWC_TRY(row->infer(op, in, n_in, out));
    UWC_CHECK(out->rank >= 1 && out->dim[0] == 1, UWC_E_SHAPE, "%s of one image gives %s", row->name, uwc_shape_print(*out, text));
    UWC_CHECK(uwc_shape_count(*out) < INT64_MAX, UWC_E_SHAPE, "%s gives %s", row->name, uwc_shape_print(*out, text));
    return UWC_OK;
}

uwc_status uwc_ops__infer_same(uwc_op *op, const uwc_shape *in, int n_in, uwc_shape *out) {
    (void)n_in;
    UWC_CHECK(op->kind != UWC_OP_CLIP || op->low <= op->high, UWC_E_ARG, "Clip from %g to %g", (double)op->low, (double)op->high);
    *out = in[0];
    return UWC_OK;
}

uwc_status uwc_ops__infer_axis(const uwc_op *op, int rank, int *axis) {
    const char *name = uwc_op_name(op->kind);
    UWC_CHECK(*axis >= -rank && *axis < rank, UWC_E_SHAPE, "%s: axis %d of %d", name, *axis, rank);
    *axis += *axis < 0 ? rank : 0;
    UWC_CHECK(*axis != 0, UWC_E_UNSUPPORTED, "%s: axis 0 is the batch", name);
    return UWC_OK;
}

uwc_status uwc_ops__infer_softmax(uwc_op *op, const uwc_shape *in, int n_in, uwc_shape *out) {
    (void)n_in;
    UWC_TRY(uwc_ops__infer_axis(op, in[0].rank, &op->axis));
    *out = in[0];
    return UWC_OK;
}

uwc_status uwc_ops__infer_broadcast(uwc_op *op, const uwc_shape *in, int n_in, uwc_shape *out) {
    (void)n_in;
    char a[128], b[128];
    *out = in[0].rank >= in[1].rank ? in[0] : in[1];
    uwc_shape other = in[0].rank >= in[1].rank ? in[1] : in[0];
    for (int i = 0; i < other.rank; i++) {
        int64_t *wide = &out->dim[out->rank - other.rank + i], narrow = other.dim[i];
        UWC_CHECK(*wide == narrow || *wide == 1 || narrow == 1, UWC_E_SHAPE, "%s of %s and %s", uwc_op_name(op->kind),
                  uwc_shape_print(in[0], a), uwc_shape_print(in[1], b));
        *wide = *wide == 1 ? narrow : *wide;
    }
    return UWC_OK;
}

uwc_status uwc_ops__infer_linear(uwc_op *op, const uwc_shape *in, int n_in, uwc_shape *out) {
    (void)op;
    char a[128], b[128];
    int last = in[0].rank - 1;
    UWC_CHECK(last >= 1 && in[1].rank == 2 && in[0].dim[last] == in[1].dim[1], UWC_E_SHAPE, "Linear: input %s against weights %s",
              uwc_shape_print(in[0], a), uwc_shape_print(in[1], b));
    UWC_CHECK(n_in < 3 || (in[2].rank == 1 && in[2].dim[0] == in[1].dim[0]), UWC_E_SHAPE, "Linear: bias %s against weights %s",
              uwc_shape_print(in[2], a), uwc_shape_print(in[1], b));
    *out = in[0];
    out->dim[last] = in[1].dim[0];
    return UWC_OK;
}

uwc_status uwc_ops__infer_batch_norm(uwc_op *op, const uwc_shape *in, int n_in, uwc_shape *out) {
    (void)op;
    char a[128], b[128];
    UWC_CHECK(in[0].rank >= 2, UWC_E_SHAPE, "BatchNormalization of %s", uwc_shape_print(in[0], a));
    for (int i = 1; i < n_in; i++) {
        UWC_CHECK(in[i].rank == 1 && in[i].dim[0] == in[0].dim[1], UWC_E_SHAPE, "BatchNormalization: input %d is %s for %s", i,
                  uwc_shape_print(in[i], a), uwc_shape_print(in[0], b));
    }
    *out = in[0];
    return UWC_OK;
}

uwc_status uwc_ops__infer_layer_norm(uwc_op *op, const uwc_shape *in, int n_in, uwc_shape *out) {
    char a[128], b[128];
    UWC_TRY(uwc_ops__infer_axis(op, in[0].rank, &op->axis));
    for (int i = 1; i < n_in; i++) {
        UWC_CHECK(in[i].rank == 1 && in[i].dim[0] == in[0].dim[op->axis], UWC_E_SHAPE,
                  "LayerNormalization along axis %d: input %d is %s for %s", op->axis, i, uwc_shape_print(in[i], a),
                  uwc_shape_print(in[0], b));
    }
    *out = in[0];
    return UWC_OK;
}

uwc_status uwc_ops__infer_reduce_mean(uwc_op *op, const uwc_shape *in, int n_in, uwc_shape *out) {
    (void)n_in;
    bool reduced[UWC_MAX_RANK] = {false};
    UWC_CHECK(op->n_axes != 0, UWC_E_UNSUPPORTED, "ReduceMean over all axes, the batch too");
    UWC_CHECK(op->n_axes > 0 && op->n_axes <= UWC_MAX_RANK, UWC_E_ARG, "ReduceMean over %d axes", op->n_axes);
    for (int i = 0; i < op->n_axes; i++) {
        UWC_TRY(uwc_ops__infer_axis(op, in[0].rank, &op->axes[i]));
        UWC_CHECK(!reduced[op->axes[i]], UWC_E_ARG, "ReduceMean names axis %d twice", op->axes[i]);
        reduced[op->axes[i]] = true;
    }
    *out = (uwc_shape){.rank = 0};
    op->n_axes = 0;
    for (int i = 0; i < in[0].rank; i++) {
        if (reduced[i]) {
            op->axes[op->n_axes++] = i;
        }
        if (!reduced[i] || op->keepdims) {
            out->dim[out->rank++] = reduced[i] ? 1 : in[0].dim[i];
        }
    }
    return UWC_OK;
}
