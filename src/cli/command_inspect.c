#include "cli_impl.h"

uwc_status uwc_cli__inspect(uwc_cli__session *session) {
    return uwc_file_is_folder(session->arguments->operand) ? uwc_cli__inspect_run(session) : uwc_cli__inspect_model(session);
}
