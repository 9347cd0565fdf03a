#include "ops_fixture.h"

#include <float.h>

/* Shapes and attributes against cases worked out from ONNX's formulas; refusals. */

static uwc_status infer(uwc_op *op, uwc_shape in, uwc_shape *out) {
    return uwc_op_infer(op, &in, 1, out);
}

static void assert_shape(uwc_shape shape, int rank, const int64_t *dim) {
    char text[128], expected[128];
    assert_string_equal(uwc_shape_print(shape, text), uwc_shape_print(uwc_shape_make(rank, dim), expected));
}

static void refuses(uwc_op op, const uwc_shape *in, int n_in, uwc_status status) {
    uwc_shape out;
    uwc_error_set(UWC_E_INTERNAL, "untouched");
    assert_int_equal(uwc_op_infer(&op, in, n_in, &out), status);
    assert_int_equal(uwc_error_last()->status, status);
    assert_true(strncmp(uwc_error_last()->text, uwc_op_name(op.kind), strlen(uwc_op_name(op.kind))) == 0); /* says which operator */
}

static void table_names_every_operator(void **state) {
    (void)state;
    for (int kind = 0; kind < UWC_OP_COUNT; kind++) {
        int least, most;
        uwc_op_arity((uwc_op_kind)kind, &least, &most);
        assert_true(least >= 1 && (most == -1 || most >= least));
        assert_true(strlen(uwc_op_name((uwc_op_kind)kind)) > 0 && strlen(uwc_op_description((uwc_op_kind)kind)) > 0);
        assert_int_equal(uwc_op_make((uwc_op_kind)kind).kind, kind);
        assert_int_equal(uwc_op_is_weighted((uwc_op_kind)kind), kind == UWC_OP_CONV || kind == UWC_OP_LINEAR);
    }
    assert_string_equal(uwc_op_name(UWC_OP_BATCH_NORM), "BatchNormalization");
}

static void defaults_are_those_of_onnx(void **state) {
    (void)state;
    uwc_op conv = uwc_op_make(UWC_OP_CONV), pool = uwc_op_make(UWC_OP_AVERAGE_POOL), slice = uwc_op_make(UWC_OP_SLICE);
    assert_true(conv.stride[0] == 1 && conv.stride[1] == 1 && conv.dilation[0] == 1 && conv.dilation[1] == 1 && conv.group == 1);
    assert_true(conv.auto_pad == UWC_PAD_EXPLICIT && conv.pad[0] == 0 && conv.pad[3] == 0);
    assert_true(pool.stride[1] == 1 && !pool.ceil_mode && !pool.count_include_pad);
    assert_true(uwc_op_make(UWC_OP_LEAKY_RELU).alpha == 0.01f && uwc_op_make(UWC_OP_BATCH_NORM).epsilon == 1e-5f);
    assert_true(uwc_op_make(UWC_OP_CLIP).low == -FLT_MAX && uwc_op_make(UWC_OP_CLIP).high == FLT_MAX);
    assert_true(uwc_op_make(UWC_OP_SOFTMAX).axis == -1 && uwc_op_make(UWC_OP_REDUCE_MEAN).keepdims);
    assert_true(slice.start[2] == 0 && slice.end[2] == INT64_MAX && slice.step[2] == 1);
}

/* One row: size, kernel, stride, dilation, padding before and after, auto_pad, ceil_mode; windows, padding found. */
typedef struct window_case {
    int64_t size, kernel, stride, dilation, before, after;
    uwc_auto_pad auto_pad;
    bool ceil_mode;
    int64_t windows, found_before, found_after;
} window_case;

static const window_case window_cases[] = {
    {32, 3, 1, 1, 1, 1, UWC_PAD_EXPLICIT, false, 32, 1, 1},
    {32, 3, 2, 1, 1, 1, UWC_PAD_EXPLICIT, false, 16, 1, 1},
    {224, 7, 2, 1, 3, 3, UWC_PAD_EXPLICIT, false, 112, 3, 3},
    {10, 3, 1, 2, 0, 0, UWC_PAD_EXPLICIT, false, 6, 0, 0},
    {7, 3, 2, 1, 2, 0, UWC_PAD_EXPLICIT, false, 4, 2, 0},
    {112, 3, 2, 1, 0, 0, UWC_PAD_EXPLICIT, false, 55, 0, 0},
    {112, 3, 2, 1, 0, 0, UWC_PAD_EXPLICIT, true, 56, 0, 0},
    {4, 2, 3, 1, 0, 1, UWC_PAD_EXPLICIT, true, 2, 0, 1}, /* starts 0, 3 */
    {3, 2, 3, 1, 0, 1, UWC_PAD_EXPLICIT, true, 1, 0, 1}, /* a window at 3 would start in the padding */
    {3, 2, 2, 1, 1, 1, UWC_PAD_EXPLICIT, true, 2, 1, 1}, /* starts -1, 1; a third would start at 3 = the padding */
    {5, 2, 2, 1, 1, 1, UWC_PAD_EXPLICIT, true, 3, 1, 1}, /* starts -1, 1, 3 */
    {5, 2, 2, 1, 1, 1, UWC_PAD_EXPLICIT, false, 3, 1, 1},
    {5, 3, 2, 1, 9, 9, UWC_PAD_VALID, false, 2, 0, 0}, /* explicit padding is void beside auto_pad */
    {7, 3, 2, 1, 9, 9, UWC_PAD_SAME_UPPER, false, 4, 1, 1},
    {8, 3, 2, 1, 0, 0, UWC_PAD_SAME_UPPER, false, 4, 0, 1},
    {8, 3, 2, 1, 0, 0, UWC_PAD_SAME_LOWER, false, 4, 1, 0},
    {8, 3, 1, 2, 0, 0, UWC_PAD_SAME_UPPER, false, 8, 2, 2},
    {9, 1, 2, 1, 0, 0, UWC_PAD_SAME_UPPER, false, 5, 0, 0},
    {8, 1, 3, 1, 0, 0, UWC_PAD_SAME_LOWER, false, 3, 0, 0},
    {8, 3, 2, 1, 0, 0, UWC_PAD_SAME_UPPER, true, 4, 0, 1},
};

static void windows_are_counted_as_onnx_says(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof window_cases / sizeof window_cases[0]; i++) {
        const window_case *c = &window_cases[i];
        for (int axis = 0; axis < 2; axis++) {
            uwc_op op = uwc_op_make(c->dilation > 1 || c->before >= c->kernel ? UWC_OP_CONV : UWC_OP_MAX_POOL);
            op.kernel[0] = op.kernel[1] = 1;
            op.kernel[axis] = c->kernel;
            op.stride[axis] = c->stride;
            op.dilation[axis] = c->dilation;
            op.pad[axis] = c->before;
            op.pad[axis + 2] = c->after;
            op.auto_pad = c->auto_pad;
            op.ceil_mode = c->ceil_mode;
            uwc_shape in[] = {uwc_shape_4d(1, 4, 1, 1), uwc_shape_4d(6, 4, op.kernel[0], op.kernel[1])}, out;
            in[0].dim[2 + axis] = c->size;
            assert_int_equal(uwc_op_infer(&op, in, op.kind == UWC_OP_CONV ? 2 : 1, &out), UWC_OK);
            assert_int_equal(out.dim[2 + axis], c->windows);
            assert_int_equal(out.dim[3 - axis], 1);
            assert_int_equal(out.dim[1], op.kind == UWC_OP_CONV ? 6 : 4);
            assert_int_equal(op.pad[axis], c->found_before);
            assert_int_equal(op.pad[axis + 2], c->found_after);
            assert_int_equal(op.auto_pad, UWC_PAD_EXPLICIT);
            uwc_shape again; /* plain attributes stay as they are */
            assert_int_equal(uwc_op_infer(&op, in, op.kind == UWC_OP_CONV ? 2 : 1, &again), UWC_OK);
            assert_true(uwc_shape_equal(out, again));
        }
    }
}

static void conv_checks_groups_weights_and_bias(void **state) {
    (void)state;
    uwc_op op = uwc_op_make(UWC_OP_CONV), wrong;
    uwc_shape in[] = {uwc_shape_4d(1, 8, 5, 5), uwc_shape_4d(6, 4, 3, 3), uwc_shape_1d(6)}, out;
    op.group = 2;
    assert_int_equal(uwc_op_infer(&op, in, 3, &out), UWC_OK);
    assert_shape(out, 4, (int64_t[]){1, 6, 3, 3});
    assert_true(op.kernel[0] == 3 && op.kernel[1] == 3); /* taken from the weights */
    assert_int_equal(uwc_op_multiply_adds(&op, in, out), 6 * 9 * 4 * 9);
    wrong = op;
    wrong.group = 4;
    refuses(wrong, in, 3, UWC_E_SHAPE);
    wrong.group = 0;
    refuses(wrong, in, 3, UWC_E_SHAPE);
    wrong = op;
    wrong.kernel[1] = 5;
    refuses(wrong, in, 3, UWC_E_SHAPE);
    wrong = op;
    wrong.stride[0] = 0;
    refuses(wrong, in, 3, UWC_E_ARG);
    wrong = op;
    wrong.pad[2] = -1;
    refuses(wrong, in, 3, UWC_E_UNSUPPORTED);
    wrong = op;
    wrong.dilation[0] = 3;
    refuses(wrong, in, 3, UWC_E_SHAPE); /* 7 does not fit in 5 */
    refuses(op, in, 1, UWC_E_ARG);
    in[2] = uwc_shape_1d(5);
    refuses(op, in, 3, UWC_E_SHAPE);
    in[0].rank = 3;
    refuses(op, in, 2, UWC_E_UNSUPPORTED);
}

static void pools_refuse_what_is_not_defined(void **state) {
    (void)state;
    uwc_shape in = uwc_shape_4d(1, 3, 8, 8);
    uwc_op op = uwc_op_make(UWC_OP_MAX_POOL), wrong;
    refuses(op, &in, 1, UWC_E_ARG); /* no kernel */
    op.kernel[0] = op.kernel[1] = 3;
    wrong = op;
    wrong.dilation[1] = 2;
    refuses(wrong, &in, 1, UWC_E_UNSUPPORTED);
    wrong = op;
    wrong.pad[2] = 3;
    refuses(wrong, &in, 1, UWC_E_UNSUPPORTED);
    wrong = op;
    wrong.kernel[0] = 9;
    refuses(wrong, &in, 1, UWC_E_SHAPE);
    wrong.kernel[0] = INT64_MAX;
    refuses(wrong, &in, 1, UWC_E_ARG);
    in = uwc_shape_2d(1, 8);
    refuses(op, &in, 1, UWC_E_UNSUPPORTED);
    refuses(uwc_op_make(UWC_OP_GLOBAL_AVERAGE_POOL), &in, 1, UWC_E_UNSUPPORTED);
}

static void linear_keeps_the_axes_in_front(void **state) {
    (void)state;
    uwc_op op = uwc_op_make(UWC_OP_LINEAR);
    uwc_shape in[] = {uwc_shape_make(3, (int64_t[]){1, 7, 20}), uwc_shape_2d(30, 20), uwc_shape_1d(30)}, out;
    assert_int_equal(uwc_op_infer(&op, in, 3, &out), UWC_OK);
    assert_shape(out, 3, (int64_t[]){1, 7, 30});
    assert_int_equal(uwc_op_multiply_adds(&op, in, out), 7 * 30 * 20);
    in[1] = uwc_shape_2d(30, 21);
    refuses(op, in, 3, UWC_E_SHAPE);
    in[1] = uwc_shape_2d(29, 20);
    refuses(op, in, 3, UWC_E_SHAPE);
    in[0] = uwc_shape_1d(20);
    refuses(op, in, 2, UWC_E_SHAPE);
}

static void broadcasting_is_that_of_numpy(void **state) {
    (void)state;
    uwc_op op = uwc_op_make(UWC_OP_MUL);
    uwc_shape in[] = {uwc_shape_4d(1, 5, 1, 7), uwc_shape_make(3, (int64_t[]){5, 6, 1})}, out;
    assert_int_equal(uwc_op_infer(&op, in, 2, &out), UWC_OK);
    assert_shape(out, 4, (int64_t[]){1, 5, 6, 7});
    assert_int_equal(uwc_op_multiply_adds(&op, in, out), 0);
    in[0] = uwc_shape_make(0, NULL);
    in[1] = uwc_shape_2d(1, 3);
    assert_int_equal(uwc_op_infer(&op, in, 2, &out), UWC_OK);
    assert_shape(out, 2, (int64_t[]){1, 3});
    in[0] = uwc_shape_1d(2);
    refuses(op, in, 2, UWC_E_SHAPE);
    in[0] = uwc_shape_2d(4, 3); /* four images out of one */
    refuses(op, in, 2, UWC_E_SHAPE);
    in[0] = uwc_shape_2d(1, 0);
    refuses(op, in, 2, UWC_E_SHAPE);
}

static void axes_are_made_plain(void **state) {
    (void)state;
    uwc_shape in = uwc_shape_4d(1, 2, 3, 4), out;
    uwc_op softmax = uwc_op_make(UWC_OP_SOFTMAX), mean = uwc_op_make(UWC_OP_REDUCE_MEAN), clip = uwc_op_make(UWC_OP_CLIP);
    assert_int_equal(infer(&softmax, in, &out), UWC_OK);
    assert_int_equal(softmax.axis, 3);
    softmax.axis = 0;
    refuses(softmax, &in, 1, UWC_E_UNSUPPORTED);
    softmax.axis = 4;
    refuses(softmax, &in, 1, UWC_E_SHAPE);
    refuses(mean, &in, 1, UWC_E_UNSUPPORTED); /* no axes: all of them */
    mean.n_axes = 2;
    mean.axes[0] = -1;
    mean.axes[1] = 1;
    assert_int_equal(infer(&mean, in, &out), UWC_OK);
    assert_shape(out, 4, (int64_t[]){1, 1, 3, 1});
    assert_true(mean.axes[0] == 1 && mean.axes[1] == 3);
    mean.keepdims = false;
    assert_int_equal(infer(&mean, in, &out), UWC_OK);
    assert_shape(out, 2, (int64_t[]){1, 3});
    mean.axes[0] = -4;
    refuses(mean, &in, 1, UWC_E_UNSUPPORTED);
    mean.axes[0] = -1;
    mean.axes[1] = 3;
    refuses(mean, &in, 1, UWC_E_ARG); /* twice the same */
    clip.low = 2;
    clip.high = 1;
    refuses(clip, &in, 1, UWC_E_ARG);
}

static void concat_adds_lengths(void **state) {
    (void)state;
    uwc_op op = uwc_op_make(UWC_OP_CONCAT);
    uwc_shape in[] = {uwc_shape_4d(1, 2, 3, 4), uwc_shape_4d(1, 5, 3, 4), uwc_shape_4d(1, 1, 3, 4)}, out;
    op.axis = -3;
    assert_int_equal(uwc_op_infer(&op, in, 3, &out), UWC_OK);
    assert_shape(out, 4, (int64_t[]){1, 8, 3, 4});
    assert_int_equal(op.axis, 1);
    in[2].dim[3] = 5;
    refuses(op, in, 3, UWC_E_SHAPE);
    in[2].rank = 3;
    refuses(op, in, 3, UWC_E_SHAPE);
    op.axis = 0;
    refuses(op, in, 2, UWC_E_UNSUPPORTED);
}

static void reshape_resolves_its_target(void **state) {
    (void)state;
    static const struct {
        int rank;
        int64_t target[5];
        uwc_status status;
        int64_t expected[5];
    } row[] = {
        {2, {0, -1}, UWC_OK, {1, 24}},
        {2, {-1, 24}, UWC_OK, {1, 24}},
        {2, {1, -1}, UWC_OK, {1, 24}},
        {4, {0, 0, -1, 2}, UWC_OK, {1, 2, 6, 2}},
        {5, {1, 2, 3, 2, 2}, UWC_OK, {1, 2, 3, 2, 2}},
        {3, {0, -1, -1}, UWC_E_SHAPE, {0}},
        {2, {0, 23}, UWC_E_SHAPE, {0}},
        {2, {-1, 7}, UWC_E_SHAPE, {0}},
        {2, {-1, 12}, UWC_E_UNSUPPORTED, {0}}, /* two images out of one */
        {1, {24}, UWC_E_UNSUPPORTED, {0}},
        {2, {0, -2}, UWC_E_SHAPE, {0}},
        {5, {0, 2, 3, 4, 0}, UWC_E_SHAPE, {0}}, /* the input has no fifth axis */
        {0, {0}, UWC_E_UNSUPPORTED, {0}},
    };
    uwc_shape in = uwc_shape_4d(1, 2, 3, 4), out;
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        uwc_op op = uwc_op_make(UWC_OP_RESHAPE);
        op.target = uwc_shape_make(row[i].rank, row[i].target);
        if (row[i].status != UWC_OK) {
            refuses(op, &in, 1, row[i].status);
            continue;
        }
        assert_int_equal(infer(&op, in, &out), UWC_OK);
        assert_shape(out, row[i].rank, row[i].expected);
        assert_true(uwc_shape_equal(op.target, out));
    }
}

static void transpose_leaves_the_batch_in_front(void **state) {
    (void)state;
    uwc_op op = uwc_op_make(UWC_OP_TRANSPOSE);
    uwc_shape in = uwc_shape_4d(1, 2, 3, 4), out;
    memcpy(op.perm, (int[]){0, 2, 3, 1}, 4 * sizeof(int));
    assert_int_equal(infer(&op, in, &out), UWC_OK);
    assert_shape(out, 4, (int64_t[]){1, 3, 4, 2});
    memcpy(op.perm, (int[]){1, 0, 2, 3}, 4 * sizeof(int));
    refuses(op, &in, 1, UWC_E_UNSUPPORTED);
    memcpy(op.perm, (int[]){0, 2, 2, 3}, 4 * sizeof(int));
    refuses(op, &in, 1, UWC_E_ARG);
    memcpy(op.perm, (int[]){0, 1, 2, 4}, 4 * sizeof(int));
    refuses(op, &in, 1, UWC_E_ARG);
}

static void slice_clamps_as_onnx_says(void **state) {
    (void)state;
    static const int64_t row[][5] = {/* start, end, step of an axis of 10; first, outputs */
                                     {0, INT64_MAX, 1, 0, 10}, {2, 7, 1, 2, 5},          {2, 7, 2, 2, 3},
                                     {-3, INT64_MAX, 1, 7, 3}, {-100, 4, 1, 0, 4},       {0, -1, 1, 0, 9},
                                     {9, 100, 5, 9, 1},        {1, -1, INT64_MAX, 1, 1}, {INT64_MIN, -9, 1, 0, 1}};
    uwc_shape in = uwc_shape_2d(1, 10), out;
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        uwc_op op = uwc_op_make(UWC_OP_SLICE);
        op.start[1] = row[i][0];
        op.end[1] = row[i][1];
        op.step[1] = row[i][2];
        assert_int_equal(infer(&op, in, &out), UWC_OK);
        assert_int_equal(op.start[1], row[i][3]);
        assert_int_equal(out.dim[1], row[i][4]);
    }
    uwc_op op = uwc_op_make(UWC_OP_SLICE);
    op.start[1] = 10;
    refuses(op, &in, 1, UWC_E_SHAPE); /* empty */
    op.start[0] = 1;
    refuses(op, &in, 1, UWC_E_SHAPE);
    op = uwc_op_make(UWC_OP_SLICE);
    op.step[1] = -1;
    refuses(op, &in, 1, UWC_E_UNSUPPORTED);
    op.step[1] = 0;
    refuses(op, &in, 1, UWC_E_ARG);
}

static void pad_grows_all_axes_but_the_batch(void **state) {
    (void)state;
    uwc_op op = uwc_op_make(UWC_OP_PAD);
    uwc_shape in = uwc_shape_4d(1, 2, 3, 4), out;
    op.before[1] = 1;
    op.after[3] = 5;
    assert_int_equal(infer(&op, in, &out), UWC_OK);
    assert_shape(out, 4, (int64_t[]){1, 3, 3, 9});
    op.after[2] = INT64_MAX;
    refuses(op, &in, 1, UWC_E_SHAPE);
    op.after[2] = INT64_MAX / 2; /* fits an axis, but not the whole */
    refuses(op, &in, 1, UWC_E_SHAPE);
    op.after[2] = -1;
    refuses(op, &in, 1, UWC_E_UNSUPPORTED);
    op.after[2] = 0;
    op.before[0] = 1;
    refuses(op, &in, 1, UWC_E_UNSUPPORTED);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(table_names_every_operator),
        cmocka_unit_test(defaults_are_those_of_onnx),
        cmocka_unit_test(windows_are_counted_as_onnx_says),
        cmocka_unit_test(conv_checks_groups_weights_and_bias),
        cmocka_unit_test(pools_refuse_what_is_not_defined),
        cmocka_unit_test(linear_keeps_the_axes_in_front),
        cmocka_unit_test(broadcasting_is_that_of_numpy),
        cmocka_unit_test(axes_are_made_plain),
        cmocka_unit_test(concat_adds_lengths),
        cmocka_unit_test(reshape_resolves_its_target),
        cmocka_unit_test(transpose_leaves_the_batch_in_front),
        cmocka_unit_test(slice_clamps_as_onnx_says),
        cmocka_unit_test(pad_grows_all_axes_but_the_batch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
