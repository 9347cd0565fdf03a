#include "ops_fixture.h"

/* What kernels refuse, and that threads do not change results of large tensors. */

typedef struct refusal {
    const char *what;
    uwc_op_kind kind;
    uwc_shape in[2];
    bool is_constant[2];
    uwc_status status;
} refusal;

static void create_refuses_inputs_that_do_not_fit(void **state) {
    (void)state;
    const uwc_shape image = uwc_shape_4d(2, 4, 5, 5), weights = uwc_shape_4d(4, 4, 1, 1), vector = uwc_shape_1d(5);
    const refusal row[] = {
        {"weights that are not constant", UWC_OP_CONV, {image, weights}, {false, false}, UWC_E_UNSUPPORTED},
        {"a constant image", UWC_OP_CONV, {image, weights}, {true, true}, UWC_E_UNSUPPORTED},
        {"constants alone", UWC_OP_ADD, {vector, vector}, {true, true}, UWC_E_UNSUPPORTED},
        {"an activation of fewer axes", UWC_OP_ADD, {image, uwc_shape_make(3, (int64_t[]){2, 1, 1})}, {false, false}, UWC_E_UNSUPPORTED},
        {"another number of images", UWC_OP_ADD, {image, uwc_shape_4d(1, 4, 5, 5)}, {false, false}, UWC_E_SHAPE},
        {"a constant with a batch", UWC_OP_ADD, {image, image}, {false, true}, UWC_E_SHAPE},
        {"a constant with more axes",
         UWC_OP_ADD,
         {uwc_shape_2d(2, 5), uwc_shape_make(3, (int64_t[]){1, 2, 5})},
         {false, true},
         UWC_E_SHAPE},
        {"weights of other channels", UWC_OP_CONV, {image, uwc_shape_4d(4, 3, 1, 1)}, {false, true}, UWC_E_SHAPE},
    };
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        for (int backend = UWC_BACKEND_FAST; backend <= UWC_BACKEND_REFERENCE; backend++) {
            uwc_op op = uwc_op_make(row[i].kind);
            uwc_tensor *tensor[2];
            const uwc_tensor *constant[2] = {NULL, NULL};
            for (int k = 0; k < 2; k++) {
                assert_int_equal(uwc_tensor_create(UWC_F32, row[i].in[k], UWC_PLAIN, &tensor[k]), UWC_OK);
                constant[k] = row[i].is_constant[k] ? tensor[k] : NULL;
            }
            uwc_kernel *kernel;
            uwc_shape out = uwc_shape_batch(row[i].in[0], row[i].is_constant[0] ? 1 : row[i].in[0].dim[0]);
            uwc_status st = uwc_kernel_create(&op, row[i].in, constant, 2, out, (uwc_backend)backend, &kernel);
            if (st != row[i].status) {
                fail_msg("%s: %d, %s", row[i].what, (int)st, st == UWC_OK ? "created" : uwc_error_last()->text);
            }
            assert_null(kernel);
            uwc_tensor_destroy(&tensor[0]);
            uwc_tensor_destroy(&tensor[1]);
        }
    }
}

static void create_refuses_another_output(void **state) {
    (void)state;
    scene own = {.op = uwc_op_make(UWC_OP_GLOBAL_AVERAGE_POOL), .images = 2};
    uwc_kernel *kernel;
    add_input(&own, uwc_shape_4d(1, 4, 5, 5), false);
    build(&own, 0);
    own.out.dim[1]++;
    assert_int_equal(make_kernel(&own, UWC_BACKEND_FAST, &kernel), UWC_E_SHAPE);
    assert_null(kernel);
    strike(&own);
}

static void run_refuses_other_tensors(void **state) {
    (void)state;
    scene own = {.op = uwc_op_make(UWC_OP_RELU), .images = 2};
    uwc_kernel *kernel;
    add_input(&own, uwc_shape_4d(1, 4, 5, 5), false);
    build(&own, 0);
    assert_int_equal(make_kernel(&own, UWC_BACKEND_FAST, &kernel), UWC_OK);
    uwc_tensor good = *own.tensor[0], fewer = uwc_tensor_images(&good, 0, 1), plain = good, integers = good;
    plain.layout = UWC_PLAIN;
    integers.dtype = UWC_I32;
    assert_int_equal(uwc_kernel_run(kernel, (const uwc_tensor *[]){&fewer}, &good), UWC_E_SHAPE);
    assert_int_equal(uwc_kernel_run(kernel, (const uwc_tensor *[]){&good}, &fewer), UWC_E_SHAPE);
    assert_int_equal(uwc_kernel_run(kernel, (const uwc_tensor *[]){&plain}, &good), UWC_E_ARG);
    assert_int_equal(uwc_kernel_run(kernel, (const uwc_tensor *[]){&integers}, &good), UWC_E_SHAPE);
    assert_int_equal(uwc_kernel_run(kernel, (const uwc_tensor *[]){&good}, &good), UWC_OK);
    assert_int_equal(uwc_kernel_set_weights(kernel, &good, NULL), UWC_E_ARG);
    uwc_kernel_destroy(&kernel);
    uwc_kernel_destroy(&kernel); /* nothing left: no harm */
    strike(&own);
}

/* The constants may go after the creation. */
static void kernels_keep_their_constants(void **state) {
    (void)state;
    for (int backend = UWC_BACKEND_FAST; backend <= UWC_BACKEND_REFERENCE; backend++) {
        scene own = {.op = uwc_op_make(UWC_OP_MUL), .images = 2};
        uwc_kernel *kernel;
        add_input(&own, uwc_shape_2d(1, 6), false);
        add_input(&own, uwc_shape_1d(6), true);
        build(&own, 1);
        assert_int_equal(make_kernel(&own, (uwc_backend)backend, &kernel), UWC_OK);
        uwc_tensor *before = run_kernel(&own, kernel);
        assert_int_equal(uwc_tensor_part(own.tensor[1]), UWC_OK);
        fill(own.tensor[1], 2, 0);
        uwc_tensor *after = run_kernel(&own, kernel);
        assert_same_bytes(before, after);
        uwc_tensor_destroy(&before);
        uwc_tensor_destroy(&after);
        uwc_kernel_destroy(&kernel);
        strike(&own);
    }
}

static scene large(uwc_op_kind kind) {
    scene own = {.op = uwc_op_make(kind), .images = 5};
    int least, most;
    uwc_op_arity(kind, &least, &most);
    uwc_shape image = uwc_shape_4d(1, 36, 23, 19);
    own.op.kernel[0] = own.op.kernel[1] = kind == UWC_OP_MAX_POOL || kind == UWC_OP_AVERAGE_POOL ? 3 : 0;
    own.op.n_axes = 1;
    own.op.axes[0] = own.op.axis = 1;
    own.op.target = uwc_shape_4d(1, 19, 36, 23);
    memcpy(own.op.perm, (int[]){0, 3, 1, 2}, 4 * sizeof(int));
    own.op.start[3] = own.op.before[2] = 2;
    own.op.epsilon = 10;
    add_input(&own, image, false);
    for (int i = 1; i < least || (kind == UWC_OP_CONCAT && i < 3); i++) {
        bool parameter = uwc_op_is_weighted(kind) || kind == UWC_OP_BATCH_NORM || kind == UWC_OP_LAYER_NORM;
        uwc_shape weights = kind == UWC_OP_CONV     ? uwc_shape_4d(40, 36, 3, 3)
                            : kind == UWC_OP_LINEAR ? uwc_shape_2d(50, 19)
                                                    : uwc_shape_1d(36);
        add_input(&own, parameter ? weights : image, parameter);
    }
    return own;
}

/* Tensors that are shared among threads: compare_backends wants the same bytes at one and two. */
static void large_tensors_are_the_same_at_any_number_of_threads(void **state) {
    (void)state;
    for (int kind = 0; kind < UWC_OP_COUNT; kind++) {
        if (kind == UWC_OP_SQRT) {
            continue; /* the random numbers are negative too */
        }
        scene own = large((uwc_op_kind)kind);
        compare_backends(&own, (uint64_t)kind, 3e-6);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(create_refuses_inputs_that_do_not_fit),
        cmocka_unit_test(create_refuses_another_output),
        cmocka_unit_test(run_refuses_other_tensors),
        cmocka_unit_test(kernels_keep_their_constants),
        cmocka_unit_test(large_tensors_are_the_same_at_any_number_of_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
