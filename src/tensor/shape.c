#include <uwc/tensor.h>

#include <string.h>

size_t uwc_dtype_bytes(uwc_dtype dtype) {
    static const size_t bytes[] = {[UWC_F32] = 4, [UWC_I64] = 8, [UWC_I32] = 4, [UWC_U8] = 1, [UWC_I8] = 1, [UWC_BOOL] = 1, [UWC_F16] = 2};
    return bytes[dtype];
}

const char *uwc_dtype_name(uwc_dtype dtype) {
    static const char *const name[] = {[UWC_F32] = "float32", [UWC_I64] = "int64", [UWC_I32] = "int32",  [UWC_U8] = "uint8",
                                       [UWC_I8] = "int8",     [UWC_BOOL] = "bool", [UWC_F16] = "float16"};
    return name[dtype];
}

uwc_shape uwc_shape_make(int rank, const int64_t *dim) {
    uwc_shape shape = {.rank = rank};
    for (int i = 0; i < rank; i++) {
        shape.dim[i] = dim[i];
    }
    return shape;
}

uwc_shape uwc_shape_1d(int64_t a) {
    return uwc_shape_make(1, (int64_t[]){a});
}

uwc_shape uwc_shape_2d(int64_t a, int64_t b) {
    return uwc_shape_make(2, (int64_t[]){a, b});
}

uwc_shape uwc_shape_4d(int64_t n, int64_t c, int64_t h, int64_t w) {
    return uwc_shape_make(4, (int64_t[]){n, c, h, w});
}

bool uwc_shape_equal(uwc_shape a, uwc_shape b) {
    return a.rank == b.rank && memcmp(a.dim, b.dim, (size_t)a.rank * sizeof a.dim[0]) == 0;
}

static int64_t product(uwc_shape shape, int first) {
    int64_t count = 1;
    bool many = false;
    for (int i = first; i < shape.rank; i++) {
        if (shape.dim[i] == 0) {
            return 0; /* whatever the others are */
        }
        many |= __builtin_mul_overflow(count, shape.dim[i], &count);
    }
    return many ? INT64_MAX : count;
}

int64_t uwc_shape_count(uwc_shape shape) {
    return product(shape, 0);
}

int64_t uwc_shape_per_image(uwc_shape shape) {
    return product(shape, 1);
}

uwc_shape uwc_shape_batch(uwc_shape shape, int64_t images) {
    shape.dim[0] = images;
    return shape;
}

char *uwc_shape_print(uwc_shape shape, char *text) {
    char *at = text;
    *at++ = '[';
    for (int i = 0; i < shape.rank; i++) {
        at += snprintf(at, 24, i == 0 ? "%lld" : ",%lld", (long long)shape.dim[i]);
    }
    *at++ = ']';
    *at = '\0';
    return text;
}

uwc_layout uwc_shape_layout(uwc_shape shape) {
    return shape.rank == 4 ? UWC_CHANNELS_LAST : UWC_PLAIN;
}
