#include "cli_impl.h"

#include <string.h>

uwc_status uwc_cli__run(uwc_cli__session *session) {
    const uwc_cli__arguments *arguments = session->arguments;
    uwc_config *config = NULL;
    uwc_run *run = NULL;
    char *folder = NULL;
    uwc_status st;
    UWC_TRY(uwc_cli__load_config(session, arguments->operand, &config));
    st = uwc_cli__is_first(session) ? uwc_cli__check_evaluation(config) : UWC_OK;
    if (st == UWC_OK) {
        st = uwc_cli__output_folder(session, arguments->operand, &folder);
    }
    UWC_TRY_GOTO(st, uwc_comm_agree(session->comm, st), done);
    if (uwc_config_sweep_keys(config) > 0) {
        uwc_log_line(&session->log, UWC_LOG_INFO, "the lists under `sweep:` are for `uwc sweep`; this run takes %s=%lld, %s=%lld",
                     "quantize.weight_bits", (long long)uwc_config_int(config, "quantize.weight_bits"), "quantize.activation_bits",
                     (long long)uwc_config_int(config, "quantize.activation_bits"));
    }
    bool resume = (arguments->given & UWC_FLAG_RESUME) != 0;
    UWC_TRY_GOTO(st, uwc_run_open(session->comm, config, folder, resume, &session->log, &session->hooks, &run), done);
    UWC_TRY_GOTO(st, uwc_run_all(run), done);
    st = uwc_comm_agree(session->comm, uwc_cli__show_run(session, folder));
done:
    uwc_run_close(&run);
    uwc_config_destroy(&config);
    uwc_free(&folder);
    return st;
}
