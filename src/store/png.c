#include "store_impl.h"

#include <png.h>
#include <setjmp.h>
#include <string.h>

enum { SIGNATURE = 8, HEADER_END = 24, CHUNK_EDGES = 12 };

/* What libpng's callbacks work on. */
typedef struct png_job {
    const unsigned char *data;
    size_t bytes, at;
    const char *name;
    uwc_store__scratch *scratch;
    int64_t height, width;
    uwc_status status; /* of failures that are not libpng's */
    char text[128];    /* libpng's own words */
} png_job;

static void on_error(png_structp png, png_const_charp text) {
    png_job *job = png_get_error_ptr(png);
    snprintf(job->text, sizeof job->text, "%s", text);
    png_longjmp(png, 1);
}

static void on_warning(png_structp png, png_const_charp text) {
    (void)png;
    (void)text; /* nothing is wrong with the pixels */
}

static void on_read(png_structp png, png_bytep to, size_t bytes) {
    png_job *job = png_get_io_ptr(png);
    if (bytes > job->bytes - job->at) {
        png_error(png, "truncated");
    }
    memcpy(to, job->data + job->at, bytes);
    job->at += bytes;
}

bool uwc_store__is_png(const unsigned char *data, size_t bytes) {
    return bytes >= SIGNATURE && png_sig_cmp(data, 0, SIGNATURE) == 0;
}

static uint32_t four_bytes(const unsigned char *at) {
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

/* What the chunk eXIf says, which may lie before or behind the pixels. */
static int find_orientation(const unsigned char *data, size_t bytes) {
    for (size_t at = SIGNATURE; at + CHUNK_EDGES <= bytes;) {
        size_t length = four_bytes(data + at);
        if (length > bytes - at - CHUNK_EDGES) {
            break;
        }
        if (memcmp(data + at + 4, "eXIf", 4) == 0) {
            return uwc_store__orientation(data + at + 8, length);
        }
        at += length + CHUNK_EDGES;
    }
    return 1;
}

static uwc_status read_size(const char *name, const unsigned char *data, size_t bytes, int64_t *height, int64_t *width) {
    bool whole = bytes >= HEADER_END && memcmp(data + 12, "IHDR", 4) == 0;
    *width = whole ? four_bytes(data + 16) : 0;
    *height = whole ? four_bytes(data + 20) : 0;
    UWC_CHECK(*width > 0 && *height > 0, UWC_E_FORMAT, "%s: PNG without a size: truncated or damaged", name);
    UWC_CHECK(*width <= UWC_STORE__MOST_PIXELS / *height, UWC_E_FORMAT, "%s: PNG of %lldx%lld, at most %lld pixels are read", name,
              (long long)*width, (long long)*height, (long long)UWC_STORE__MOST_PIXELS);
    return UWC_OK;
}

uwc_status uwc_store__png_measure(const char *name, const unsigned char *data, size_t bytes, int64_t *height, int64_t *width) {
    int64_t rows, columns;
    UWC_TRY(read_size(name, data, bytes, &rows, &columns));
    bool turned = uwc_store__lies_down(find_orientation(data, bytes));
    *height = turned ? columns : rows;
    *width = turned ? rows : columns;
    return UWC_OK;
}

/* To 8 bit RGB: the high byte of 16 bits, no gamma, alpha dropped. */
static void ask_for_rgb(png_structp png) {
    png_set_palette_to_rgb(png);
    png_set_expand_gray_1_2_4_to_8(png);
    png_set_strip_16(png);
    png_set_strip_alpha(png);
    png_set_gray_to_rgb(png);
}

/* False after libpng jumped out of a call; nothing that this frame holds is used then. */
static bool decode(png_structp png, png_infop info, png_job *job) {
    if (setjmp(png_jmpbuf(png)) != 0) {
        return false;
    }
    png_read_info(png, info);
    ask_for_rgb(png);
    int passes = png_set_interlace_handling(png);
    png_read_update_info(png, info);
    size_t row = 3 * (size_t)job->width;
    if (png_get_rowbytes(png, info) != row || png_get_image_height(png, info) != (png_uint_32)job->height) {
        png_error(png, "its pixels are not RGB");
    }
    job->status = uwc_grow(&job->scratch->bytes, &job->scratch->capacity, 3 * job->height * job->width, 1);
    if (job->status != UWC_OK) {
        return false;
    }
    for (int pass = 0; pass < passes; pass++) {
        for (int64_t y = 0; y < job->height; y++) {
            png_read_row(png, job->scratch->bytes + (size_t)y * row, NULL);
        }
    }
    png_read_end(png, NULL);
    return true;
}

uwc_status uwc_store__png_decode(const char *name, const unsigned char *data, size_t bytes, uwc_store__scratch *scratch,
                                 uwc_store__picture *out) {
    png_job job = {.data = data, .bytes = bytes, .name = name, .scratch = scratch};
    UWC_TRY(read_size(name, data, bytes, &job.height, &job.width));
    png_structp png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &job, on_error, on_warning);
    png_infop info = png == NULL ? NULL : png_create_info_struct(png);
    if (info == NULL) {
        png_destroy_read_struct(&png, NULL, NULL);
        return uwc_error_set(UWC_E_NOMEM, "%s: libpng", name);
    }
    png_set_read_fn(png, &job, on_read);
    bool done = decode(png, info, &job);
    png_destroy_read_struct(&png, &info, NULL);
    UWC_TRY(job.status);
    UWC_CHECK(done, UWC_E_FORMAT, "%s: PNG cannot be decoded: %s", name, job.text);
    *out = uwc_store__orient(job.height, job.width, find_orientation(data, bytes), scratch->bytes);
    return UWC_OK;
}
