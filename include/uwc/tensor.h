/* tensor: shapes and contiguous tensors. Floor 1; uses base.
 *
 * Layout rule of the whole program: the logical shape is ONNX's. An *activation* of rank 4 with logical shape [N,C,H,W] lies in memory
 * channels-last (N,H,W,C); every other tensor (constants of any rank, activations of other ranks) lies row-major as its shape says.
 */
#ifndef UWC_TENSOR_H
#define UWC_TENSOR_H

#include <uwc/base.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { UWC_MAX_RANK = 6 };

typedef enum uwc_dtype { UWC_F32, UWC_I64, UWC_I32, UWC_U8, UWC_I8, UWC_BOOL, UWC_F16 } uwc_dtype; /* F16: in files only */
typedef enum uwc_layout { UWC_PLAIN, UWC_CHANNELS_LAST } uwc_layout;

typedef struct uwc_shape {
    int rank;
    int64_t dim[UWC_MAX_RANK];
} uwc_shape;

/* Contiguous, 64-byte aligned. `data` is owned, alone or with others, unless the tensor was made by uwc_tensor_view. */
typedef struct uwc_tensor {
    uwc_dtype dtype;
    uwc_layout layout;
    uwc_shape shape; /* logical, ONNX order */
    bool owned;
    int *holders; /* private: how many tensors own `data` */
    union {
        void *data;
        float *f32;
        int64_t *i64;
        int32_t *i32;
        uint8_t *u8;
        int8_t *i8;
    };
} uwc_tensor;

size_t uwc_dtype_bytes(uwc_dtype dtype);
const char *uwc_dtype_name(uwc_dtype dtype); /* "float32", "int64", ... */

uwc_shape uwc_shape_make(int rank, const int64_t *dim);
uwc_shape uwc_shape_1d(int64_t a);
uwc_shape uwc_shape_2d(int64_t a, int64_t b);
uwc_shape uwc_shape_4d(int64_t n, int64_t c, int64_t h, int64_t w);
bool uwc_shape_equal(uwc_shape a, uwc_shape b);
/* Product of the dimensions (1 for rank 0). Saturates at INT64_MAX. Local. */
int64_t uwc_shape_count(uwc_shape shape);
/* Product of the dimensions behind the first: elements per image of an activation. Local. */
int64_t uwc_shape_per_image(uwc_shape shape);
/* The same shape with another leading dimension. Local. */
uwc_shape uwc_shape_batch(uwc_shape shape, int64_t images);
/* "[1,16,32,32]" into `text` (at least 128 bytes); returns text. Local. */
char *uwc_shape_print(uwc_shape shape, char *text);
/* Layout that the rule above gives an activation of this shape. Local. */
uwc_layout uwc_shape_layout(uwc_shape shape);

/* *out = zeroed tensor, owned by the caller. Errors: NOMEM, SHAPE (negative dimension). Local. */
uwc_status uwc_tensor_create(uwc_dtype dtype, uwc_shape shape, uwc_layout layout, uwc_tensor **out) UWC_MUST_USE;
/* Activation of float32 in the layout of the rule. Local. */
uwc_status uwc_tensor_activation(uwc_shape shape, uwc_tensor **out) UWC_MUST_USE;
uwc_status uwc_tensor_copy(const uwc_tensor *tensor, uwc_tensor **out) UWC_MUST_USE;
/* One more owner of the same data, which lives as long as any of them; of a view, a copy. Whoever writes calls uwc_tensor_part first.
 * Errors: NOMEM. Local. */
uwc_status uwc_tensor_share(const uwc_tensor *tensor, uwc_tensor **out) UWC_MUST_USE;
/* Afterwards the data has no other owner: a copy, where it had. Errors: NOMEM. Local. */
uwc_status uwc_tensor_part(uwc_tensor *tensor) UWC_MUST_USE;
/* A tensor over memory that the caller keeps alive; by value, nothing to free. Local. */
uwc_tensor uwc_tensor_view(uwc_dtype dtype, uwc_shape shape, uwc_layout layout, void *data);
/* Images [first, first+count) of an activation, as a view. Local. */
uwc_tensor uwc_tensor_images(const uwc_tensor *tensor, int64_t first, int64_t count);
void uwc_tensor_destroy(uwc_tensor **tensor);
size_t uwc_tensor_bytes(const uwc_tensor *tensor);
/* Copies `from` into `to` (same dtype F32 and shape), converting between the layouts. Local. */
uwc_status uwc_tensor_convert(const uwc_tensor *from, uwc_tensor *to) UWC_MUST_USE;
/* Errors: VALUE with `name` and the first index at which a float32 tensor holds NaN or Inf. Local. */
uwc_status uwc_tensor_check_finite(const uwc_tensor *tensor, const char *name) UWC_MUST_USE;

#ifdef __cplusplus
}
#endif
#endif
