/* A signal is only noted; the scheduler asks now and then and leaves the run directory resumable. */
#include "cli_impl.h"

#include <signal.h>

static volatile sig_atomic_t noted; /* the one thing that a handler may write */

static void note(int signal_number) {
    noted = signal_number;
}

void uwc_cli__catch_signals(void) {
    struct sigaction action = {.sa_handler = note, .sa_flags = (int)SA_RESETHAND | SA_RESTART};
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

uwc_status uwc_cli__poll(void *self) {
    (void)self;
    int signal_number = noted;
    UWC_CHECK(signal_number == 0, UWC_E_INTERRUPTED, "stopped by %s; --resume goes on from here",
              signal_number == SIGINT ? "SIGINT" : "SIGTERM");
    return UWC_OK;
}
