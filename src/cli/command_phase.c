/* plan, capture, solve, assemble: one phase of an existing run directory. */
#include "cli_impl.h"

#include <string.h>

uwc_status uwc_cli__phase(uwc_cli__session *session) {
    static const struct {
        const char *name;
        uwc_status (*run)(uwc_run *run);
    } phase[] = {{"plan", uwc_phase_plan}, {"capture", uwc_phase_capture}, {"solve", uwc_phase_solve}, {"assemble", uwc_phase_assemble}};
    uwc_run *run = NULL;
    if (session->arguments->simulate != NULL) {
        return uwc_cli__simulate(session);
    }
    UWC_CHECK((session->arguments->given & UWC_FLAG_JSON) == 0, UWC_E_ARG, "--json needs --simulate here");
    uwc_status st = uwc_error_set(UWC_E_INTERNAL, "no phase %s", session->arguments->command->name);
    UWC_TRY(uwc_run_reopen(session->comm, session->arguments->operand, &session->log, &session->hooks, &run));
    for (size_t i = 0; i < sizeof phase / sizeof phase[0]; i++) {
        if (strcmp(phase[i].name, session->arguments->command->name) == 0) {
            st = phase[i].run(run);
        }
    }
    uwc_run_close(&run);
    return st;
}
