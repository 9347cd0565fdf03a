#include "store_impl.h"

#include <string.h>

enum { MOST_BYTES = 1 << 29 };

typedef struct folder_source {
    char *path;
    uwc_store__listing listing;
} folder_source;

static void folder_close(void *self) {
    folder_source *s = self;
    uwc_store__listing_free(&s->listing);
    uwc_free(&s->path);
    uwc_free(&s);
}

static uwc_status folder_name(const void *self, int64_t image, char **out) {
    const folder_source *s = self;
    return uwc_path_join(s->path, s->listing.entry[image].name, out);
}

static void folder_hash(const void *self, int64_t image, uint64_t *hash) {
    const uwc_store__entry *entry = &((const folder_source *)self)->listing.entry[image];
    *hash = uwc_hash(*hash, entry->name, strlen(entry->name) + 1);
    *hash = uwc_hash(*hash, &entry->bytes, sizeof entry->bytes);
}

/* The kind of a file is what it holds, not what it is called. */
static uwc_status measure_bytes(const char *name, const unsigned char *data, size_t bytes, int64_t *height, int64_t *width) {
    if (uwc_store__is_jpeg(data, bytes)) {
        return uwc_store__jpeg_measure(name, data, bytes, height, width);
    }
    UWC_CHECK(uwc_store__is_png(data, bytes), UWC_E_FORMAT, "%s: neither JPEG nor PNG (%zu bytes)", name, bytes);
    return uwc_store__png_measure(name, data, bytes, height, width);
}

static uwc_status decode_bytes(const char *name, const unsigned char *data, size_t bytes, uwc_store__scratch *scratch,
                               uwc_store__picture *out) {
    if (uwc_store__is_jpeg(data, bytes)) {
        return uwc_store__jpeg_decode(name, data, bytes, scratch, out);
    }
    UWC_CHECK(uwc_store__is_png(data, bytes), UWC_E_FORMAT, "%s: neither JPEG nor PNG (%zu bytes)", name, bytes);
    return uwc_store__png_decode(name, data, bytes, scratch, out);
}

static uwc_status read_file(const folder_source *s, int64_t image, char **name, char **data, size_t *bytes) {
    *data = NULL;
    UWC_TRY(folder_name(s, image, name));
    UWC_CHECK(s->listing.entry[image].bytes <= MOST_BYTES, UWC_E_FORMAT, "%s: %lld bytes, at most %d are read", *name,
              (long long)s->listing.entry[image].bytes, MOST_BYTES);
    return uwc_file_read(*name, data, bytes);
}

static uwc_status folder_measure(const void *self, int64_t image, int64_t *channels, int64_t *height, int64_t *width) {
    char *name = NULL, *data = NULL;
    size_t bytes;
    uwc_status st = read_file(self, image, &name, &data, &bytes);
    if (st == UWC_OK) {
        *channels = 3;
        st = measure_bytes(name, (const unsigned char *)data, bytes, height, width);
    }
    uwc_free(&data);
    uwc_free(&name);
    return st;
}

static uwc_status folder_read(void *self, int64_t image, uwc_store__scratch *scratch, uwc_store__picture *out) {
    char *name = NULL, *data = NULL;
    size_t bytes;
    uwc_status st = read_file(self, image, &name, &data, &bytes);
    if (st == UWC_OK) {
        st = decode_bytes(name, (const unsigned char *)data, bytes, scratch, out);
    }
    uwc_free(&data);
    uwc_free(&name);
    return st;
}

uwc_status uwc_store__source_folder(const char *path, uwc_store__source *out) {
    folder_source *s;
    UWC_TRY(uwc_calloc(1, sizeof *s, &s));
    *out = (uwc_store__source){.concurrent = true,
                               .self = s,
                               .measure = folder_measure,
                               .read = folder_read,
                               .name = folder_name,
                               .hash = folder_hash,
                               .close = folder_close};
    UWC_TRY(uwc_strdup(path, &s->path));
    UWC_TRY(uwc_store__list(path, &s->listing));
    out->images = s->listing.count;
    if (s->listing.labelled) {
        UWC_TRY(uwc_calloc(out->images, sizeof *out->labels, &out->labels));
        for (int64_t i = 0; i < out->images; i++) {
            out->labels[i] = s->listing.entry[i].label;
        }
    }
    return UWC_OK;
}
