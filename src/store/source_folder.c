#include "store_impl.h"
uwc_status uwc_store__source_folder(const char *path, uwc_store__source *out) {
    *out = (uwc_store__source){0};
    return uwc_error_set(UWC_E_UNSUPPORTED, "%s: folders of images", path);
}
uwc_status uwc_dataset_pack(const char *folder, const uwc_preprocess *preprocess, const char *path) {
    (void)preprocess;
    return uwc_error_set(UWC_E_UNSUPPORTED, "%s: folders of images, into %s", folder, path);
}
