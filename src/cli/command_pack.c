#include "cli_impl.h"

uwc_status uwc_cli__pack(uwc_cli__session *session) {
    const uwc_cli__arguments *arguments = session->arguments;
    uwc_config *config;
    UWC_TRY(uwc_cli__load_config(session, arguments->config, &config));
    uwc_status st = uwc_pack_folder(config, arguments->operand, arguments->output, &session->log, &session->hooks);
    uwc_config_destroy(&config);
    return st;
}
