#include "store_impl.h"

#include <string.h>

enum { LONGEST = 1 << 26 };

/* HDF5 has no strings of length 0: the empty text is one NUL. */
static hid_t make_type(size_t bytes) {
    hid_t type = H5Tcopy(H5T_C_S1);
    if (type >= 0) {
        H5Tset_size(type, bytes == 0 ? 1 : bytes);
        H5Tset_strpad(type, H5T_STR_NULLPAD);
        H5Tset_cset(type, H5T_CSET_UTF8);
    }
    return type;
}

uwc_status uwc_store__text_write(hid_t file, const char *name, const char *path, const char *text) {
    UWC_TRY(uwc_store__make_groups(file, name, path));
    hid_t type = make_type(strlen(text)), space = H5Screate(H5S_SCALAR), properties = uwc_store__timeless(H5P_DATASET_CREATE);
    hid_t set = H5Dcreate2(file, path, type, space, H5P_DEFAULT, properties, H5P_DEFAULT);
    herr_t outcome = set < 0 ? -1 : H5Dwrite(set, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, text);
    uwc_store__drop(set, H5Dclose);
    uwc_store__drop(properties, H5Pclose);
    uwc_store__drop(space, H5Sclose);
    uwc_store__drop(type, H5Tclose);
    UWC_CHECK(outcome >= 0, UWC_E_LIBRARY, "%s: %s cannot be written", name, path);
    return UWC_OK;
}

static uwc_status read_fixed(const uwc_store__set *set, const char *name, const char *path, char **out) {
    size_t bytes = H5Tget_size(set->type);
    UWC_CHECK(bytes <= LONGEST, UWC_E_FORMAT, "%s: %s is a text of %zu bytes, at most %d are read", name, path, bytes, LONGEST);
    UWC_TRY(uwc_calloc((int64_t)bytes + 1, 1, out));
    if (H5Dread(set->id, set->type, H5S_ALL, H5S_ALL, H5P_DEFAULT, *out) < 0) {
        uwc_free(out);
        return uwc_error_set(UWC_E_FORMAT, "%s: %s cannot be read: truncated or damaged", name, path);
    }
    return UWC_OK;
}

static uwc_status read_variable(const uwc_store__set *set, const char *name, const char *path, char **out) {
    char *text = NULL;
    UWC_CHECK(H5Dread(set->id, set->type, H5S_ALL, H5S_ALL, H5P_DEFAULT, &text) >= 0, UWC_E_FORMAT,
              "%s: %s cannot be read: truncated or damaged", name, path);
    uwc_status st = uwc_strdup(text == NULL ? "" : text, out);
    H5free_memory(text);
    return st;
}

uwc_status uwc_store__text_read(const uwc_store__set *set, const char *name, const char *path, char **out) {
    char words[32];
    *out = NULL;
    UWC_CHECK(H5Tget_class(set->type) == H5T_STRING && set->shape.rank == 0, UWC_E_FORMAT, "%s: %s holds %s in %d dimensions, not one text",
              name, path, uwc_store__type_print(set->type, words), set->shape.rank);
    return H5Tis_variable_str(set->type) > 0 ? read_variable(set, name, path, out) : read_fixed(set, name, path, out);
}
