/* HDF5 files in memory, through the in-memory driver's callbacks. A file that is read lies in the caller's bytes: the driver would copy
 * them up to three times. A file that is written is caught when it is closed: H5Fget_file_image of HDF5 1.10 returns one whose superblock
 * has a wrong checksum, and files closed by HDF5 on a full disk bring the process down later. */
#include "store_impl.h"

#include <stdlib.h>
#include <string.h>

enum { STEP = 1 << 20, VERSION_AT = 8, OFFSET_BYTES_AT = 9, END_AT = 28, END_BYTES = 8 };

typedef H5FD_file_image_op_t operation;

static void *copy_user(void *user) {
    return user; /* lives in the caller, longer than the file */
}

static herr_t free_user(void *user) {
    (void)user;
    return 0;
}

/* ---- reading ---- */

static void *lend(size_t size, operation when, void *user) {
    (void)size;
    (void)when;
    return user;
}

static void *copy_nothing(void *to, const void *from, size_t size, operation when, void *user) {
    (void)size;
    (void)when;
    (void)user;
    return to == from ? to : NULL;
}

static void *grow_nothing(void *image, size_t size, operation when, void *user) {
    (void)image;
    (void)size;
    (void)when;
    (void)user;
    return NULL;
}

static herr_t free_nothing(void *image, operation when, void *user) {
    (void)image;
    (void)when;
    (void)user;
    return 0;
}

uwc_status uwc_store__open_image(const char *name, const void *image, size_t bytes, hid_t *file) {
    char unique[32]; /* HDF5 takes files of one name for one file */
    *file = H5I_INVALID_HID;
    UWC_CHECK(image != NULL && bytes > 0, UWC_E_FORMAT, "%s: empty file image", name);
    uwc_store__quiet();
    snprintf(unique, sizeof unique, "image %p", image);
    void *lent = (void *)image; /* HDF5's prototypes know no const; the file is open for reading */
    H5FD_file_image_callbacks_t callbacks = {lend, copy_nothing, grow_nothing, free_nothing, copy_user, free_user, lent};
    hid_t access = H5Pcreate(H5P_FILE_ACCESS);
    bool set = H5Pset_fapl_core(access, 1, false) >= 0 && H5Pset_file_image_callbacks(access, &callbacks) >= 0 &&
               H5Pset_file_image(access, lent, bytes) >= 0;
    H5Pset_fclose_degree(access, H5F_CLOSE_STRONG);
    *file = set ? H5Fopen(unique, H5F_ACC_RDONLY, access) : H5I_INVALID_HID;
    uwc_store__drop(access, H5Pclose);
    UWC_CHECK(*file >= 0, UWC_E_FORMAT, "%s: truncated, damaged or no HDF5 file image", name);
    return UWC_OK;
}

/* ---- writing ---- */

static void *take(size_t size, operation when, void *user) {
    (void)when;
    (void)user;
    return malloc(size);
}

static void *copy_bytes(void *to, const void *from, size_t size, operation when, void *user) {
    (void)when;
    (void)user;
    return memcpy(to, from, size);
}

static void *grow(void *image, size_t size, operation when, void *user) {
    (void)when;
    void *bigger = realloc(image, size);
    if (bigger != NULL) {
        ((uwc_store__caught *)user)->bytes = size;
    }
    return bigger;
}

static herr_t catch (void *image, operation when, void *user) {
    if (when == H5FD_FILE_IMAGE_OP_FILE_CLOSE) {
        ((uwc_store__caught *)user)->image = image;
    } else {
        free(image);
    }
    return 0;
}

uwc_status uwc_store__create_in_memory(uwc_store__caught *caught, hid_t *file) {
    char unique[32];
    *caught = (uwc_store__caught){0};
    uwc_store__quiet();
    snprintf(unique, sizeof unique, "new %p", (void *)caught);
    H5FD_file_image_callbacks_t callbacks = {take, copy_bytes, grow, catch, copy_user, free_user, caught};
    hid_t access = H5Pcreate(H5P_FILE_ACCESS), creation = uwc_store__timeless(H5P_FILE_CREATE);
    bool set = H5Pset_fapl_core(access, STEP, false) >= 0 && H5Pset_file_image_callbacks(access, &callbacks) >= 0 &&
               H5Pset_libver_bounds(access, H5F_LIBVER_V18, H5F_LIBVER_V18) >= 0;
    H5Pset_fclose_degree(access, H5F_CLOSE_STRONG);
    *file = set ? H5Fcreate(unique, H5F_ACC_TRUNC, creation, access) : H5I_INVALID_HID;
    uwc_store__drop(creation, H5Pclose);
    uwc_store__drop(access, H5Pclose);
    UWC_CHECK(*file >= 0, UWC_E_LIBRARY, "HDF5 makes no file in memory");
    return UWC_OK;
}

uwc_status uwc_store__close_in_memory(hid_t *file, uwc_store__caught *caught) {
    herr_t outcome = H5Fclose(*file);
    *file = H5I_INVALID_HID;
    const unsigned char *block = caught->image;
    bool known =
        outcome >= 0 && block != NULL && caught->bytes >= END_AT + END_BYTES && block[VERSION_AT] == 2 && block[OFFSET_BYTES_AT] == 8;
    UWC_CHECK(known, UWC_E_LIBRARY, "HDF5 closes no file in memory");
    caught->end = 0;
    for (int i = 0; i < END_BYTES; i++) {
        caught->end |= (int64_t)((uint64_t)block[END_AT + i] << 8 * i);
    }
    return UWC_OK;
}
