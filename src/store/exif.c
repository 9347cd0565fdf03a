/* The orientation of a camera's picture. Source: EXIF 2.3, 4.6: a TIFF file, whose tag 0x112 says which way is up. */
#include "store_impl.h"

#include <string.h>

enum { TAG_ORIENTATION = 0x112, TYPE_LONG = 4, HEAD_BYTES = 8, ENTRY_BYTES = 12 };

static uint32_t two_bytes(const unsigned char *at, bool little) {
    return little ? at[0] | (uint32_t)at[1] << 8 : at[1] | (uint32_t)at[0] << 8;
}

static uint32_t four_bytes(const unsigned char *at, bool little) {
    return little ? two_bytes(at, true) | two_bytes(at + 2, true) << 16 : two_bytes(at, false) << 16 | two_bytes(at + 2, false);
}

int uwc_store__orientation(const unsigned char *tiff, size_t bytes) {
    if (bytes < HEAD_BYTES || (memcmp(tiff, "II*", 4) != 0 && memcmp(tiff, "MM\0*", 4) != 0)) {
        return 1;
    }
    bool little = tiff[0] == 'I';
    size_t at = four_bytes(tiff + 4, little);
    if (at > bytes - 2) {
        return 1;
    }
    size_t entries = two_bytes(tiff + at, little);
    for (at += 2; entries > 0 && at + ENTRY_BYTES <= bytes; entries--, at += ENTRY_BYTES) {
        const unsigned char *entry = tiff + at;
        if (two_bytes(entry, little) == TAG_ORIENTATION) {
            uint32_t value = two_bytes(entry + 2, little) == TYPE_LONG ? four_bytes(entry + 8, little) : two_bytes(entry + 8, little);
            return value >= 1 && value <= 8 ? (int)value : 1;
        }
    }
    return 1;
}

bool uwc_store__lies_down(int orientation) {
    return orientation >= 5;
}

uwc_store__picture uwc_store__orient(int64_t height, int64_t width, int orientation, const unsigned char *pixels) {
    uwc_store__picture p = {UWC_U8, 3, height, width, 1, 3 * width, 3, pixels};
    bool mirrored = orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
    bool upside_down = orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
    if (mirrored) {
        p.data = (const unsigned char *)p.data + (width - 1) * p.pixel_step;
        p.pixel_step = -p.pixel_step;
    }
    if (upside_down) {
        p.data = (const unsigned char *)p.data + (height - 1) * p.row_step;
        p.row_step = -p.row_step;
    }
    return uwc_store__lies_down(orientation) ? (uwc_store__picture){UWC_U8, 3, width, height, 1, p.pixel_step, p.row_step, p.data} : p;
}
