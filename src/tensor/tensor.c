#include <uwc/tensor.h>

#include <math.h>
#include <string.h>

uwc_status uwc_tensor_create(uwc_dtype dtype, uwc_shape shape, uwc_layout layout, uwc_tensor **out) {
    char text[128];
    *out = NULL;
    for (int i = 0; i < shape.rank; i++) {
        UWC_CHECK(shape.dim[i] >= 0, UWC_E_SHAPE, "negative dimension in %s", uwc_shape_print(shape, text));
    }
    UWC_CHECK(layout == UWC_PLAIN || shape.rank == 4, UWC_E_SHAPE, "channels-last needs four dimensions, not %s",
              uwc_shape_print(shape, text));
    uwc_tensor *tensor;
    UWC_TRY(uwc_calloc(1, sizeof *tensor, &tensor));
    *tensor = (uwc_tensor){.dtype = dtype, .layout = layout, .shape = shape, .owned = true};
    uwc_status st = uwc_calloc(1, sizeof *tensor->holders, &tensor->holders);
    if (st == UWC_OK) {
        *tensor->holders = 1;
        st = uwc_calloc(uwc_shape_count(shape), uwc_dtype_bytes(dtype), &tensor->data);
    }
    if (st != UWC_OK) {
        uwc_tensor_destroy(&tensor);
        return st;
    }
    *out = tensor;
    return UWC_OK;
}

uwc_status uwc_tensor_activation(uwc_shape shape, uwc_tensor **out) {
    return uwc_tensor_create(UWC_F32, shape, uwc_shape_layout(shape), out);
}

uwc_status uwc_tensor_copy(const uwc_tensor *tensor, uwc_tensor **out) {
    UWC_TRY(uwc_tensor_create(tensor->dtype, tensor->shape, tensor->layout, out));
    memcpy((*out)->data, tensor->data, uwc_tensor_bytes(tensor));
    return UWC_OK;
}

uwc_status uwc_tensor_share(const uwc_tensor *tensor, uwc_tensor **out) {
    if (!tensor->owned) {
        return uwc_tensor_copy(tensor, out);
    }
    UWC_TRY(uwc_calloc(1, sizeof **out, out));
    **out = *tensor;
    __atomic_add_fetch(tensor->holders, 1, __ATOMIC_RELAXED);
    return UWC_OK;
}

/* Frees the data with its last owner. */
static void let_go(uwc_tensor *tensor) {
    if (tensor->owned && tensor->holders != NULL && __atomic_sub_fetch(tensor->holders, 1, __ATOMIC_ACQ_REL) == 0) {
        uwc_free(&tensor->data);
        uwc_free(&tensor->holders);
    }
}

uwc_status uwc_tensor_part(uwc_tensor *tensor) {
    if (!tensor->owned || __atomic_load_n(tensor->holders, __ATOMIC_ACQUIRE) == 1) {
        return UWC_OK;
    }
    uwc_tensor *copy;
    UWC_TRY(uwc_tensor_copy(tensor, &copy));
    let_go(tensor);
    *tensor = *copy;
    uwc_free(&copy);
    return UWC_OK;
}

uwc_tensor uwc_tensor_view(uwc_dtype dtype, uwc_shape shape, uwc_layout layout, void *data) {
    return (uwc_tensor){.dtype = dtype, .layout = layout, .shape = shape, .owned = false, .data = data};
}

uwc_tensor uwc_tensor_images(const uwc_tensor *tensor, int64_t first, int64_t count) {
    size_t bytes = (size_t)uwc_shape_per_image(tensor->shape) * uwc_dtype_bytes(tensor->dtype);
    return uwc_tensor_view(tensor->dtype, uwc_shape_batch(tensor->shape, count), tensor->layout, tensor->u8 + (size_t)first * bytes);
}

void uwc_tensor_destroy(uwc_tensor **tensor) {
    if (*tensor == NULL) {
        return;
    }
    let_go(*tensor);
    uwc_free(tensor);
}

size_t uwc_tensor_bytes(const uwc_tensor *tensor) {
    return (size_t)uwc_shape_count(tensor->shape) * uwc_dtype_bytes(tensor->dtype);
}

/* Per image: [rows, cols] -> [cols, rows]. Channels-last to plain has rows = H W, cols = C; the way back the other way round. */
static void transpose_images(const float *from, float *to, int64_t images, int64_t rows, int64_t cols) {
    for (int64_t n = 0; n < images; n++, from += rows * cols, to += rows * cols) {
        for (int64_t r = 0; r < rows; r++) {
            for (int64_t c = 0; c < cols; c++) {
                to[c * rows + r] = from[r * cols + c];
            }
        }
    }
}

uwc_status uwc_tensor_convert(const uwc_tensor *from, uwc_tensor *to) {
    UWC_CHECK(from->dtype == UWC_F32 && to->dtype == UWC_F32, UWC_E_ARG, "layouts of %s and %s tensors, float32 is converted",
              uwc_dtype_name(from->dtype), uwc_dtype_name(to->dtype));
    UWC_CHECK(uwc_shape_equal(from->shape, to->shape), UWC_E_SHAPE, "tensors of different shapes");
    if (from->layout == to->layout) {
        memcpy(to->data, from->data, uwc_tensor_bytes(from));
        return UWC_OK;
    }
    int64_t channels = from->shape.dim[1], pixels = from->shape.dim[2] * from->shape.dim[3];
    bool to_plain = to->layout == UWC_PLAIN;
    transpose_images(from->f32, to->f32, from->shape.dim[0], to_plain ? pixels : channels, to_plain ? channels : pixels);
    return UWC_OK;
}

uwc_status uwc_tensor_check_finite(const uwc_tensor *tensor, const char *name) {
    int64_t count = tensor->dtype == UWC_F32 ? uwc_shape_count(tensor->shape) : 0;
    for (int64_t i = 0; i < count; i++) {
        UWC_CHECK(isfinite(tensor->f32[i]), UWC_E_VALUE, "%s: element %lld is %f", name, (long long)i, (double)tensor->f32[i]);
    }
    return UWC_OK;
}
