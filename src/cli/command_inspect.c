#include "cli_impl.h"

uwc_status uwc_cli__inspect(uwc_cli__session *session) {
    const bool is_run = uwc_file_is_folder(session->arguments->operand);
    if ((session->arguments->given & UWC_FLAG_CURVATURE) != 0) {
        UWC_CHECK(is_run, UWC_E_ARG, "%s: --curvature looks at a run directory", session->arguments->operand);
        return uwc_cli__inspect_curvature(session);
    }
    return is_run ? uwc_cli__inspect_run(session) : uwc_cli__inspect_model(session);
}
