#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include "support/expect.h"
#include <math.h>
#include <uwc/tensor.h>

static uwc_tensor *make(uwc_shape shape, uwc_layout layout) {
    uwc_tensor *tensor;
    expect_ok(uwc_tensor_create(UWC_F32, shape, layout, &tensor));
    for (int64_t i = 0; i < uwc_shape_count(shape); i++) {
        assert_true(tensor->f32[i] == 0.0f);
        tensor->f32[i] = (float)i;
    }
    return tensor;
}

static void test_given_types_expect_zeroed_owned_memory(void **state) {
    (void)state;
    for (int type = UWC_F32; type <= UWC_F16; type++) {
        uwc_tensor *tensor;
        expect_ok(uwc_tensor_create((uwc_dtype)type, uwc_shape_2d(3, 5), UWC_PLAIN, &tensor));
        assert_true(tensor->owned && tensor->layout == UWC_PLAIN && tensor->dtype == (uwc_dtype)type);
        assert_int_equal((uintptr_t)tensor->data % 64, 0);
        assert_int_equal(uwc_tensor_bytes(tensor), 15 * uwc_dtype_bytes((uwc_dtype)type));
        for (size_t i = 0; i < uwc_tensor_bytes(tensor); i++) {
            assert_int_equal(tensor->u8[i], 0);
        }
        uwc_tensor_destroy(&tensor);
        assert_null(tensor);
        uwc_tensor_destroy(&tensor);
    }
}

static void test_given_impossible_tensors_expect_errors(void **state) {
    (void)state;
    uwc_tensor *tensor;
    expect_error(uwc_tensor_create(UWC_F32, uwc_shape_2d(2, -3), UWC_PLAIN, &tensor), UWC_E_SHAPE, "[2,-3]");
    assert_null(tensor);
    expect_error(uwc_tensor_create(UWC_F32, uwc_shape_2d(2, 3), UWC_CHANNELS_LAST, &tensor), UWC_E_SHAPE, "[2,3]");
    expect_error(uwc_tensor_create(UWC_U8, uwc_shape_2d(INT64_MAX, 9), UWC_PLAIN, &tensor), UWC_E_NOMEM, "bytes");
    assert_null(tensor);
}

static void test_given_activation_expect_layout_of_the_rule(void **state) {
    (void)state;
    uwc_tensor *tensor;
    expect_ok(uwc_tensor_activation(uwc_shape_4d(1, 2, 3, 4), &tensor));
    assert_int_equal(tensor->layout, UWC_CHANNELS_LAST);
    uwc_tensor_destroy(&tensor);
    expect_ok(uwc_tensor_activation(uwc_shape_2d(1, 2), &tensor));
    assert_int_equal(tensor->layout, UWC_PLAIN);
    uwc_tensor_destroy(&tensor);
}

static void test_given_copy_expect_own_memory(void **state) {
    (void)state;
    uwc_tensor *a = make(uwc_shape_4d(2, 3, 4, 5), UWC_CHANNELS_LAST), *b;
    expect_ok(uwc_tensor_copy(a, &b));
    assert_true(b->layout == a->layout && uwc_shape_equal(a->shape, b->shape) && b->data != a->data);
    assert_memory_equal(a->data, b->data, uwc_tensor_bytes(a));
    uwc_tensor_destroy(&a);
    assert_true(b->f32[119] == 119.0f);
    uwc_tensor_destroy(&b);
}

static void test_given_shared_data_expect_one_copy_until_it_is_parted(void **state) {
    (void)state;
    uwc_tensor *a = make(uwc_shape_2d(3, 4), UWC_PLAIN), *b, *c;
    expect_ok(uwc_tensor_share(a, &b));
    expect_ok(uwc_tensor_share(b, &c));
    assert_ptr_equal(a->data, b->data);
    assert_ptr_equal(a->data, c->data);
    expect_ok(uwc_tensor_part(b));
    assert_ptr_not_equal(a->data, b->data);
    assert_memory_equal(a->data, b->data, uwc_tensor_bytes(a));
    b->f32[5] = -1;
    assert_true(a->f32[5] == 5 && c->f32[5] == 5);
    uwc_tensor_destroy(&a);
    const void *last = c->data;
    expect_ok(uwc_tensor_part(c));
    assert_ptr_equal(c->data, last); /* nobody else is left */
    assert_true(c->f32[11] == 11);
    uwc_tensor_destroy(&b);
    uwc_tensor_destroy(&c);
}

static void test_given_view_expect_share_with_own_memory(void **state) {
    (void)state;
    float mine[3] = {1, 2, 3};
    uwc_tensor view = uwc_tensor_view(UWC_F32, uwc_shape_1d(3), UWC_PLAIN, mine), *share;
    expect_ok(uwc_tensor_share(&view, &share));
    assert_ptr_not_equal(share->data, mine);
    mine[1] = 0;
    assert_true(share->owned && share->f32[1] == 2);
    expect_ok(uwc_tensor_part(&view));
    assert_ptr_equal(view.data, mine);
    uwc_tensor_destroy(&share);
}

static void test_given_images_expect_view_of_them(void **state) {
    (void)state;
    uwc_tensor *a = make(uwc_shape_4d(4, 3, 2, 2), UWC_CHANNELS_LAST);
    uwc_tensor view = uwc_tensor_images(a, 1, 2), empty = uwc_tensor_images(a, 4, 0);
    assert_false(view.owned);
    assert_true(uwc_shape_equal(view.shape, uwc_shape_4d(2, 3, 2, 2)));
    assert_ptr_equal(view.f32, a->f32 + 12);
    assert_int_equal(view.layout, UWC_CHANNELS_LAST);
    assert_int_equal(uwc_tensor_bytes(&empty), 0);
    uwc_tensor_destroy(&a);
    int64_t wide[6] = {0, 1, 2, 3, 4, 5};
    uwc_tensor all = uwc_tensor_view(UWC_I64, uwc_shape_2d(3, 2), UWC_PLAIN, wide);
    assert_ptr_equal(uwc_tensor_images(&all, 2, 1).i64, wide + 4);
}

static void test_given_layouts_expect_elements_moved(void **state) {
    (void)state;
    enum { N = 2, C = 3, H = 4, W = 5 };
    uwc_shape shape = uwc_shape_4d(N, C, H, W);
    uwc_tensor *plain = make(shape, UWC_PLAIN), *last, *back, *same;
    expect_ok(uwc_tensor_create(UWC_F32, shape, UWC_CHANNELS_LAST, &last));
    expect_ok(uwc_tensor_create(UWC_F32, shape, UWC_PLAIN, &back));
    expect_ok(uwc_tensor_create(UWC_F32, shape, UWC_CHANNELS_LAST, &same));
    expect_ok(uwc_tensor_convert(plain, last));
    for (int n = 0; n < N; n++) {
        for (int c = 0; c < C; c++) {
            for (int h = 0; h < H; h++) {
                for (int w = 0; w < W; w++) {
                    assert_true(last->f32[((n * H + h) * W + w) * C + c] == plain->f32[((n * C + c) * H + h) * W + w]);
                }
            }
        }
    }
    expect_ok(uwc_tensor_convert(last, back));
    assert_memory_equal(back->data, plain->data, uwc_tensor_bytes(plain));
    expect_ok(uwc_tensor_convert(last, same));
    assert_memory_equal(same->data, last->data, uwc_tensor_bytes(last));
    uwc_tensor_destroy(&plain);
    uwc_tensor_destroy(&last);
    uwc_tensor_destroy(&back);
    uwc_tensor_destroy(&same);
}

static void test_given_unlike_tensors_expect_no_conversion(void **state) {
    (void)state;
    uwc_tensor *a = make(uwc_shape_4d(1, 2, 3, 4), UWC_PLAIN), *b, *whole;
    expect_ok(uwc_tensor_activation(uwc_shape_4d(1, 2, 4, 3), &b));
    expect_ok(uwc_tensor_create(UWC_I32, a->shape, UWC_PLAIN, &whole));
    expect_error(uwc_tensor_convert(a, b), UWC_E_SHAPE, "shapes");
    expect_error(uwc_tensor_convert(a, whole), UWC_E_ARG, "int32");
    expect_error(uwc_tensor_convert(whole, a), UWC_E_ARG, "int32");
    uwc_tensor_destroy(&a);
    uwc_tensor_destroy(&b);
    uwc_tensor_destroy(&whole);
}

static void test_given_nan_or_infinity_expect_its_place(void **state) {
    (void)state;
    uwc_tensor *a = make(uwc_shape_2d(3, 4), UWC_PLAIN), *whole;
    expect_ok(uwc_tensor_check_finite(a, "w"));
    a->f32[11] = INFINITY;
    expect_error(uwc_tensor_check_finite(a, "w"), UWC_E_VALUE, "w: element 11 is inf");
    a->f32[5] = NAN;
    expect_error(uwc_tensor_check_finite(a, "w"), UWC_E_VALUE, "w: element 5 is");
    uwc_tensor_destroy(&a);
    expect_ok(uwc_tensor_create(UWC_I32, uwc_shape_1d(2), UWC_PLAIN, &whole));
    whole->i32[0] = 0x7f800000; /* infinity if it were float */
    expect_ok(uwc_tensor_check_finite(whole, "w"));
    uwc_tensor_destroy(&whole);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_given_types_expect_zeroed_owned_memory),
        cmocka_unit_test(test_given_impossible_tensors_expect_errors),
        cmocka_unit_test(test_given_activation_expect_layout_of_the_rule),
        cmocka_unit_test(test_given_copy_expect_own_memory),
        cmocka_unit_test(test_given_shared_data_expect_one_copy_until_it_is_parted),
        cmocka_unit_test(test_given_view_expect_share_with_own_memory),
        cmocka_unit_test(test_given_images_expect_view_of_them),
        cmocka_unit_test(test_given_layouts_expect_elements_moved),
        cmocka_unit_test(test_given_unlike_tensors_expect_no_conversion),
        cmocka_unit_test(test_given_nan_or_infinity_expect_its_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
