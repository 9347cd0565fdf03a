#include "store_impl.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

static const char labels_name[] = "labels.txt";

void uwc_store__listing_free(uwc_store__listing *listing) {
    for (int64_t i = 0; i < listing->count; i++) {
        uwc_free(&listing->entry[i].name);
    }
    uwc_free(&listing->entry);
    *listing = (uwc_store__listing){0};
}

uwc_status uwc_store__listing_add(uwc_store__listing *listing, const char *folder, const char *name, int64_t label, int64_t bytes) {
    UWC_TRY(uwc_grow(&listing->entry, &listing->capacity, listing->count + 1, sizeof *listing->entry));
    uwc_store__entry *entry = &listing->entry[listing->count];
    UWC_TRY(uwc_path_join(folder, name, &entry->name));
    entry->label = label;
    entry->bytes = bytes;
    listing->count++;
    return UWC_OK;
}

static bool is_image_name(const char *name) {
    static const char *const ending[] = {".jpg", ".jpeg", ".png"};
    const char *dot = strrchr(name, '.');
    for (size_t i = 0; dot != NULL && i < sizeof ending / sizeof ending[0]; i++) {
        if (strcasecmp(dot, ending[i]) == 0) {
            return true;
        }
    }
    return false;
}

static int by_bytes(const void *a, const void *b) {
    return strcmp(((const uwc_store__entry *)a)->name, ((const uwc_store__entry *)b)->name);
}

/* Names in path/sub that are images (or folders), in byte order, written as sub/name. Hidden names are left out. */
static uwc_status list_kind(const char *path, const char *sub, bool folders, int64_t label, uwc_store__listing *out) {
    char *whole, *child;
    int64_t first = out->count;
    UWC_TRY(uwc_path_join(path, sub, &whole));
    DIR *stream = opendir(whole);
    if (stream == NULL) {
        uwc_status st = uwc_error_set(UWC_E_IO, "%s: open folder: %s", whole, strerror(errno));
        uwc_free(&whole);
        return st;
    }
    uwc_status st = UWC_OK;
    const struct dirent *at;
    while (st == UWC_OK && (at = readdir(stream)) != NULL) {
        struct stat info;
        if (at->d_name[0] == '.' || (!folders && !is_image_name(at->d_name))) {
            continue;
        }
        st = uwc_path_join(whole, at->d_name, &child);
        if (st == UWC_OK && stat(child, &info) == 0 && (folders ? S_ISDIR(info.st_mode) : S_ISREG(info.st_mode))) {
            st = uwc_store__listing_add(out, sub, at->d_name, label, (int64_t)info.st_size);
        }
        uwc_free(&child);
    }
    closedir(stream);
    uwc_free(&whole);
    if (out->count > first) {
        qsort(out->entry + first, (size_t)(out->count - first), sizeof *out->entry, by_bytes);
    }
    return st;
}

static uwc_status list_classes(const char *path, uwc_store__listing *out) {
    uwc_store__listing classes = {0};
    uwc_status st = list_kind(path, "", true, 0, &classes);
    for (int64_t i = 0; st == UWC_OK && i < classes.count; i++) {
        st = list_kind(path, classes.entry[i].name, false, i, out);
    }
    uwc_store__listing_free(&classes);
    return st;
}

/* Every file that labels.txt names is there. */
static uwc_status find_files(const char *path, const char *file, uwc_store__listing *out) {
    for (int64_t i = 0; i < out->count; i++) {
        char *whole;
        struct stat info;
        UWC_TRY(uwc_path_join(path, out->entry[i].name, &whole));
        bool there = stat(whole, &info) == 0 && S_ISREG(info.st_mode);
        uwc_free(&whole);
        UWC_CHECK(there, UWC_E_NOTFOUND, "%s: line %lld: no file %s", file, (long long)out->entry[i].line, out->entry[i].name);
        out->entry[i].bytes = (int64_t)info.st_size;
    }
    return UWC_OK;
}

static uwc_status list_lines(const char *path, const char *file, uwc_store__listing *out) {
    char *text;
    size_t bytes;
    UWC_TRY(uwc_file_read(file, &text, &bytes));
    uwc_status st = uwc_store__labels_parse(file, text, bytes, out);
    uwc_free(&text);
    return st == UWC_OK ? find_files(path, file, out) : st;
}

static uwc_status list(const char *path, uwc_store__listing *out) {
    char *file;
    UWC_TRY(uwc_path_join(path, labels_name, &file));
    out->labelled = uwc_file_exists(file);
    uwc_status st = out->labelled ? list_lines(path, file, out) : list_kind(path, "", false, 0, out);
    uwc_free(&file);
    if (st == UWC_OK && out->count == 0 && !out->labelled) {
        out->labelled = true;
        st = list_classes(path, out);
    }
    return st;
}

uwc_status uwc_store__list(const char *path, uwc_store__listing *out) {
    *out = (uwc_store__listing){0};
    uwc_status st = list(path, out);
    if (st == UWC_OK && out->count == 0) {
        st = uwc_error_set(UWC_E_FORMAT, "%s: a folder without images (.jpg, .jpeg, .png)", path);
    }
    if (st != UWC_OK) {
        uwc_store__listing_free(out);
    }
    return st;
}
