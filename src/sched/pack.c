/* A folder of images into HDF5, once, so that later runs need not decode. */
#include "sched_impl.h"

uwc_status uwc_pack_folder(const uwc_config *config, const char *folder, const char *path, const uwc_log *log, const uwc_hooks *hooks) {
    uwc_settings settings;
    uwc_preprocess preprocess;
    uwc_bad_images bad = {0};
    int64_t *numbers = NULL;
    UWC_TRY(uwc_preprocess_read(config, &preprocess));
    uwc_sched__settings(config, &settings);
    uwc_status st = UWC_OK;
    if (settings.skip && uwc_file_is_folder(folder)) { /* others are refused below */
        uwc_survey survey = {.hooks = hooks, .data = folder, .preprocess = &preprocess};
        st = uwc_sched__survey(&survey, &bad);
        uwc_sched__name_bad(log, folder, &bad);
    }
    if (st == UWC_OK) {
        st = uwc_sched__bad_numbers(&bad, &numbers);
    }
    if (st == UWC_OK) {
        const uwc_choice choice = {.bad = numbers, .n_bad = bad.count};
        st = uwc_dataset_pack(folder, &preprocess, &choice, settings.threads, path);
    }
    uwc_free(&numbers);
    uwc_sched__bad_images_free(&bad);
    return st;
}
