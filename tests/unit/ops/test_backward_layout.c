#include "backward_check.h"

static check_case image_case(uwc_op_kind kind, int64_t images, int64_t channels, int64_t h, int64_t w) {
    check_case c = {.op = uwc_op_make(kind), .n_in = 1, .in = {uwc_shape_4d(images, channels, h, w)}};
    return c;
}

static void set_pool(check_case *c, int64_t kernel, int64_t stride, int64_t top, int64_t left, int64_t bottom, int64_t right) {
    for (int i = 0; i < 2; i++) {
        c->op.kernel[i] = kernel;
        c->op.stride[i] = stride;
        c->op.dilation[i] = 1;
    }
    memcpy(c->op.pad, (int64_t[]){top, left, bottom, right}, sizeof c->op.pad);
}

static void given_max_pooling_then_gradients_are_differences(void **state) {
    (void)state;
    check_case even = image_case(UWC_OP_MAX_POOL, 1, 1, 6, 6);
    set_pool(&even, 2, 2, 0, 0, 0, 0);
    check_gradients(&even);
    check_case overlapping = image_case(UWC_OP_MAX_POOL, 2, 2, 3, 3);
    set_pool(&overlapping, 3, 2, 1, 1, 1, 1);
    overlapping.op.ceil_mode = true;
    check_gradients(&overlapping);
}

static void given_average_pooling_then_gradients_are_differences(void **state) {
    (void)state;
    for (int variant = 0; variant < 4; variant++) {
        check_case c = image_case(UWC_OP_AVERAGE_POOL, 2, 3, 6, 7); /* with ceil_mode the last windows reach behind the padding */
        set_pool(&c, 3, 2, 1, 0, 1, 1);
        c.op.ceil_mode = (variant & 1) != 0;
        c.op.count_include_pad = (variant & 2) != 0;
        check_gradients(&c);
    }
    check_case global = image_case(UWC_OP_GLOBAL_AVERAGE_POOL, 2, 3, 5, 4);
    check_gradients(&global);
}

static void given_reduce_mean_then_gradients_are_differences(void **state) {
    (void)state;
    for (int keepdims = 0; keepdims < 2; keepdims++) {
        check_case c = image_case(UWC_OP_REDUCE_MEAN, 2, 3, 5, 4);
        c.op.n_axes = 2;
        c.op.axes[0] = 1;
        c.op.axes[1] = 3;
        c.op.keepdims = keepdims != 0;
        check_gradients(&c);
    }
}

static void given_concatenations_then_gradients_are_differences(void **state) {
    (void)state;
    check_case channels = {.op = uwc_op_make(UWC_OP_CONCAT), .n_in = 3};
    channels.op.axis = 1;
    channels.in[0] = uwc_shape_4d(2, 3, 3, 4);
    channels.in[1] = uwc_shape_4d(2, 1, 3, 4);
    channels.in[2] = uwc_shape_4d(2, 2, 3, 4);
    check_gradients(&channels);
    check_case columns = {.op = uwc_op_make(UWC_OP_CONCAT), .n_in = 2, .in = {uwc_shape_4d(2, 3, 3, 4), uwc_shape_4d(2, 3, 3, 1)}};
    columns.op.axis = -1;
    check_gradients(&columns);
}

static void given_slices_and_pads_then_gradients_are_differences(void **state) {
    (void)state;
    check_case slice = image_case(UWC_OP_SLICE, 2, 5, 6, 7);
    for (int axis = 0; axis < 4; axis++) {
        slice.op.start[axis] = 0;
        slice.op.end[axis] = INT64_MAX;
        slice.op.step[axis] = 1;
    }
    slice.op.start[1] = 1;
    slice.op.end[1] = 4;
    slice.op.step[2] = 2;
    slice.op.start[3] = 2;
    slice.op.step[3] = 3;
    check_gradients(&slice);
    check_case pad = image_case(UWC_OP_PAD, 2, 3, 4, 3);
    memcpy(pad.op.before, (int64_t[]){0, 1, 2, 0}, 4 * sizeof(int64_t));
    memcpy(pad.op.after, (int64_t[]){0, 2, 0, 1}, 4 * sizeof(int64_t));
    pad.op.value = 3.0f;
    check_gradients(&pad);
}

static void given_reshapes_and_transposes_then_gradients_are_differences(void **state) {
    (void)state;
    check_case flatten = image_case(UWC_OP_RESHAPE, 2, 3, 4, 5);
    flatten.op.target = uwc_shape_2d(0, -1);
    check_gradients(&flatten);
    check_case fold = {.op = uwc_op_make(UWC_OP_RESHAPE), .n_in = 1, .in = {uwc_shape_2d(2, 60)}};
    fold.op.target = uwc_shape_4d(0, 5, 3, 4);
    check_gradients(&fold);
    check_case transpose = image_case(UWC_OP_TRANSPOSE, 2, 3, 4, 5);
    memcpy(transpose.op.perm, (int[]){0, 2, 3, 1}, 4 * sizeof(int));
    check_gradients(&transpose);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(given_max_pooling_then_gradients_are_differences),
        cmocka_unit_test(given_average_pooling_then_gradients_are_differences),
        cmocka_unit_test(given_reduce_mean_then_gradients_are_differences),
        cmocka_unit_test(given_concatenations_then_gradients_are_differences),
        cmocka_unit_test(given_slices_and_pads_then_gradients_are_differences),
        cmocka_unit_test(given_reshapes_and_transposes_then_gradients_are_differences),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
