/* SIGINT and SIGTERM stay pending until the scheduler asks, now and then, and leaves the run directory resumable. There is no handler on
 * purpose: while it runs, the AVX-512 sgemm of oneDNN 2.6 has the stack pointer in a buffer on the heap, and the frame of a handler is
 * written below it. */
#include "cli_impl.h"

#include <signal.h>

void uwc_cli__hold_signals(void) {
    sigset_t held;
    sigemptyset(&held);
    sigaddset(&held, SIGINT);
    sigaddset(&held, SIGTERM);
    sigprocmask(SIG_BLOCK, &held, NULL);
    signal(SIGXFSZ, SIG_IGN); /* a file-size limit is then an error of the write, like a full disk */
}

uwc_status uwc_cli__poll(void *self) {
    (void)self;
    sigset_t pending;
    sigemptyset(&pending);
    sigpending(&pending);
    bool asked = sigismember(&pending, SIGINT) == 1 || sigismember(&pending, SIGTERM) == 1;
    UWC_CHECK(!asked, UWC_E_INTERRUPTED, "stopped by a signal; --resume goes on from here");
    return UWC_OK;
}
