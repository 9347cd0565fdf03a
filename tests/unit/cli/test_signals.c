/* Signals wait and are told by polling. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "cli_impl.h"

#include <signal.h>
#include <string.h>

static void poll_tells_waiting_signals(void **state) {
    (void)state;
    static const int asked[] = {SIGINT, SIGTERM};
    uwc_cli__hold_signals();
    assert_int_equal(uwc_cli__poll(NULL), UWC_OK);
    for (int i = 0; i < 2; i++) {
        sigset_t one;
        int taken;
        assert_int_equal(raise(asked[i]), 0); /* would end the program if it were not held */
        assert_int_equal(uwc_cli__poll(NULL), UWC_E_INTERRUPTED);
        assert_int_equal(uwc_cli__poll(NULL), UWC_E_INTERRUPTED);
        assert_non_null(strstr(uwc_error_last()->text, "--resume"));
        assert_int_equal(uwc_status_exit(UWC_E_INTERRUPTED), 3);
        sigemptyset(&one);
        sigaddset(&one, asked[i]);
        assert_int_equal(sigwait(&one, &taken), 0);
        assert_int_equal(uwc_cli__poll(NULL), UWC_OK);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(poll_tells_waiting_signals)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
