#include "store_impl.h"

#include <string.h>
#include <turbojpeg.h>

typedef struct jpeg_frame {
    int64_t width, height;
    int components, orientation; /* 0: no EXIF */
} jpeg_frame;

static unsigned two_bytes(const unsigned char *at) {
    return at[1] | (unsigned)at[0] << 8;
}

static bool is_frame(int marker) {
    return marker >= 0xc0 && marker <= 0xcf && marker != 0xc4 && marker != 0xc8 && marker != 0xcc;
}

/* What one segment says; `at` is behind its marker, `bytes` its length. */
static void read_segment(int marker, const unsigned char *at, size_t bytes, jpeg_frame *frame) {
    if (is_frame(marker) && bytes >= 8) {
        *frame = (jpeg_frame){two_bytes(at + 5), two_bytes(at + 3), at[7], frame->orientation};
    } else if (marker == 0xe1 && bytes >= 8 && memcmp(at + 2, "Exif\0", 6) == 0 && frame->orientation == 0) {
        frame->orientation = uwc_store__orientation(at + 8, bytes - 8); /* a second segment goes on where the first ends */
    }
}

/* Walks the segments up to the first scan: size, components and orientation are known before anything is decoded. */
static jpeg_frame read_segments(const unsigned char *data, size_t bytes) {
    jpeg_frame frame = {0};
    size_t at = 2;
    while (at + 4 <= bytes) {
        int marker = data[at + 1];
        if (data[at] != 0xff || marker == 0 || marker == 0xff) {
            at++;
            continue;
        }
        if (marker == 0xd9 || marker == 0xda) {
            break;
        }
        at += 2;
        if (marker == 0x01 || (marker >= 0xd0 && marker <= 0xd8)) {
            continue; /* stands alone */
        }
        size_t length = two_bytes(data + at);
        if (length < 2 || length > bytes - at) {
            break;
        }
        read_segment(marker, data + at, length, &frame);
        at += length;
    }
    return frame;
}

bool uwc_store__is_jpeg(const unsigned char *data, size_t bytes) {
    return bytes >= 3 && data[0] == 0xff && data[1] == 0xd8 && data[2] == 0xff;
}

static uwc_status read_frame(const char *name, const unsigned char *data, size_t bytes, jpeg_frame *out) {
    *out = read_segments(data, bytes);
    UWC_CHECK(out->width > 0 && out->height > 0, UWC_E_FORMAT, "%s: JPEG without a size: truncated or damaged", name);
    UWC_CHECK(out->width * out->height <= UWC_STORE__MOST_PIXELS, UWC_E_FORMAT, "%s: JPEG of %lldx%lld, at most %lld pixels are read", name,
              (long long)out->width, (long long)out->height, (long long)UWC_STORE__MOST_PIXELS);
    return UWC_OK;
}

uwc_status uwc_store__jpeg_measure(const char *name, const unsigned char *data, size_t bytes, int64_t *height, int64_t *width) {
    jpeg_frame frame;
    UWC_TRY(read_frame(name, data, bytes, &frame));
    bool turned = uwc_store__lies_down(frame.orientation);
    *height = turned ? frame.width : frame.height;
    *width = turned ? frame.height : frame.width;
    return UWC_OK;
}

/* Inks are stored inverted, as Adobe's programs do: 0 is full ink. */
static void inks_to_rgb(unsigned char *pixels, int64_t count) {
    const unsigned char *from = pixels;
    unsigned char *to = pixels;
    for (int64_t i = 0; i < count; i++, from += 4, to += 3) {
        int white = from[3];
        for (int c = 0; c < 3; c++) {
            int product = (255 - from[c]) * white + 128;
            to[c] = (unsigned char)(white - ((product >> 8) + product) / 256);
        }
    }
}

/* libjpeg goes on after damage and fills with grey; of its warnings only stray bytes between segments leave the pixels whole. */
static uwc_status check_outcome(const char *name, tjhandle handle, int outcome) {
    const char *text = tjGetErrorStr2(handle);
    bool stray = outcome != 0 && tjGetErrorCode(handle) == TJERR_WARNING && strstr(text, "extraneous bytes before marker") != NULL;
    UWC_CHECK(outcome == 0 || stray, UWC_E_FORMAT, "%s: JPEG cannot be decoded: %s", name, text);
    return UWC_OK;
}

uwc_status uwc_store__jpeg_decode(const char *name, const unsigned char *data, size_t bytes, uwc_store__scratch *scratch,
                                  uwc_store__picture *out) {
    jpeg_frame frame;
    UWC_TRY(read_frame(name, data, bytes, &frame));
    bool inks = frame.components == 4;
    int64_t pixels = frame.width * frame.height;
    UWC_TRY(uwc_grow(&scratch->bytes, &scratch->capacity, pixels * (inks ? 4 : 3), 1));
    tjhandle handle = tjInitDecompress();
    UWC_CHECK(handle != NULL, UWC_E_LIBRARY, "%s: libturbojpeg: %s", name, tjGetErrorStr2(NULL));
    /* The size is given, so that a second frame header, if libjpeg takes that one, cannot make it write beyond the buffer. */
    int outcome = tjDecompress2(handle, data, (unsigned long)bytes, scratch->bytes, (int)frame.width, 0, (int)frame.height,
                                inks ? TJPF_CMYK : TJPF_RGB, TJFLAG_ACCURATEDCT | TJFLAG_LIMITSCANS);
    uwc_status st = check_outcome(name, handle, outcome);
    tjDestroy(handle);
    UWC_TRY(st);
    if (inks) {
        inks_to_rgb(scratch->bytes, pixels);
    }
    *out = uwc_store__orient(frame.height, frame.width, frame.orientation, scratch->bytes);
    return UWC_OK;
}
