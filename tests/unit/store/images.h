/* Folders of the images in tests/golden/images, of which name.rgb is what Pillow makes of them. Include after cmocka.h and
 * support/folder.h. */
#ifndef UWC_TEST_IMAGES_H
#define UWC_TEST_IMAGES_H

#include <uwc/store.h>

static const uwc_preprocess plain = {.scale = 1.0, .std = {1.0, 1.0, 1.0}};

static inline char *golden(const char *name) {
    char *here, *path;
    expect_ok(uwc_path_folder(__FILE__, &here));
    expect_ok(uwc_format(&path, "%s/../../golden/images/%s", here, name));
    uwc_free(&here);
    return path;
}

static inline char *make_folder(const char *parent, const char *name) {
    char *path = folder_path(parent, name);
    expect_ok(uwc_folder_make(path));
    return path;
}

static inline void put_file(const char *folder, const char *name, const void *data, size_t bytes) {
    char *path = folder_path(folder, name);
    folder_write(path, data, bytes);
    uwc_free(&path);
}

static inline void put_text(const char *folder, const char *name, const char *text) {
    put_file(folder, name, text, strlen(text));
}

static inline void read_golden(const char *name, char **data, size_t *bytes) {
    char *path = golden(name);
    expect_ok(uwc_file_read(path, data, bytes));
    uwc_free(&path);
}

static inline void put_golden(const char *folder, const char *as, const char *name) {
    char *data;
    size_t bytes;
    read_golden(name, &data, &bytes);
    put_file(folder, as, data, bytes);
    uwc_free(&data);
}

/* Image `image` of a folder, all of it. */
static inline uwc_tensor *read_one(const char *folder, const uwc_preprocess *p, int64_t image) {
    uwc_dataset *dataset;
    uwc_tensor *out;
    expect_ok(uwc_dataset_open(folder, p, NULL, &dataset));
    expect_ok(uwc_tensor_activation(uwc_dataset_shape(dataset), &out));
    expect_ok(uwc_dataset_read(dataset, image, out));
    uwc_dataset_close(&dataset);
    return out;
}

#endif
