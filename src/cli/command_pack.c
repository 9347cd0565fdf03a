#include "cli_impl.h"

uwc_status uwc_cli__pack(uwc_cli__session *session) {
    const uwc_cli__arguments *arguments = session->arguments;
    uwc_preprocess preprocess;
    uwc_config *config;
    UWC_TRY(uwc_cli__load_config(session, arguments->config, &config));
    uwc_status st = uwc_preprocess_read(config, &preprocess);
    if (st == UWC_OK) {
        st = uwc_dataset_pack(arguments->operand, &preprocess, arguments->output);
    }
    uwc_config_destroy(&config);
    return st;
}
