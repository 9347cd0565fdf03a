/* Agreement through rank 0 where ranks may be lost. One rank plays dead: it stays silent until the others are done. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "par_mpi.h"

#include <string.h>
#include <time.h>

static uwc_comm *comm;

enum { SOON = 1, LATER };
#define LONG 20.0 /* seconds: for what comes at once, on a machine with other work */

static int last(void) {
    return uwc_comm_size(comm) - 1;
}

static void send(int to, int kind) {
    assert_int_equal(uwc_comm_send(comm, &(uwc_frame){.peer = to, .kind = kind}), UWC_OK);
}

static void expect_frame(int from, int kind) {
    uwc_frame frame;
    bool got;
    assert_int_equal(uwc_comm_receive(comm, from, LONG, &frame, &got), UWC_OK);
    assert_true(got);
    assert_int_equal(frame.kind, kind);
    uwc_frame_clear(&frame);
}

/* All ranks meet; none may be lost. */
static void meet(void) {
    double patience = uwc_comm_patience(comm);
    uwc_comm_set_patience(comm, LONG);
    assert_int_equal(uwc_comm_agree(comm, UWC_OK), UWC_OK);
    assert_int_equal(uwc_comm_lost(comm), 0);
    uwc_comm_set_patience(comm, patience);
}

static void given_a_loose_communicator_when_called_collectively_expect_internal(void **state) {
    (void)state;
    int64_t most;
    char byte = 0;
    assert_true(uwc_comm_is_loose(comm));
    assert_int_equal(uwc_comm_barrier(comm), last() == 0 ? UWC_OK : UWC_E_INTERNAL);
    assert_int_equal(uwc_comm_max(comm, 1, &most), last() == 0 ? UWC_OK : UWC_E_INTERNAL);
    assert_int_equal(uwc_comm_broadcast(comm, 0, &byte, 1), last() == 0 ? UWC_OK : UWC_E_INTERNAL);
}

static void given_failures_when_all_agree_expect_that_of_the_lowest_rank(void **state) {
    (void)state;
    int rank = uwc_comm_rank(comm), first = last() > 1 ? last() - 1 : last();
    uwc_comm_set_patience(comm, LONG);
    meet();
    uwc_status mine = rank < first ? UWC_OK : uwc_error_set(rank == first ? UWC_E_MATH : UWC_E_IO, "this is %d", rank);
    char wanted[64];
    snprintf(wanted, sizeof wanted, rank == first ? "this is %d" : "rank %d: this is %d", first, first);
    assert_int_equal(uwc_comm_agree(comm, mine), UWC_E_MATH);
    assert_string_equal(uwc_error_last()->text, wanted);
    mine = rank == 0 ? uwc_error_set(UWC_E_VALUE, "this is 0") : UWC_OK;
    assert_int_equal(uwc_comm_agree(comm, mine), UWC_E_VALUE);
    assert_string_equal(uwc_error_last()->text, rank == 0 ? "this is 0" : "rank 0: this is 0");
    meet();
}

/* A round without the last rank: rank 0 waits for it as long as it is patient. */
static void agree_without_the_last(void) {
    const double patience = 0.5;
    bool leads = uwc_comm_rank(comm) == 0;
    uwc_comm_set_patience(comm, leads ? patience : LONG);
    double start = uwc_now();
    assert_int_equal(uwc_comm_agree(comm, UWC_OK), UWC_OK);
    if (leads) {
        assert_true(uwc_now() - start >= patience);
        assert_true(uwc_comm_is_lost(comm, last()));
        assert_int_equal(uwc_comm_lost(comm), 1);
    }
}

/* What the last rank says in that round comes too late: rank 0 answers nothing. */
static void bid_late(void) {
    uwc_comm_set_patience(comm, 0.02);
    uwc_status st = uwc_comm_agree(comm, uwc_error_set(UWC_E_MATH, "late"));
    assert_int_equal(st, UWC_E_COMM);
    assert_non_null(strstr(uwc_error_last()->text, "rank 0 is silent"));
    assert_true(uwc_comm_is_lost(comm, 0));
    uwc_comm_find(comm, 0);
}

static void given_a_silent_rank_when_the_others_agree_expect_it_lost_and_its_late_bid_dropped(void **state) {
    (void)state;
    int rank = uwc_comm_rank(comm);
    if (last() == 0) {
        return;
    }
    if (rank != last()) {
        agree_without_the_last();
    }
    if (rank == 0) {
        send(last(), SOON); /* is not sent */
        uwc_comm_find(comm, last());
        uwc_comm_find(comm, last()); /* once is enough */
        assert_int_equal(uwc_comm_lost(comm), 0);
        assert_false(uwc_comm_is_lost(comm, last()));
        send(last(), LATER);
    } else if (rank == last()) {
        expect_frame(0, LATER);
        bid_late();
    }
    meet();
}

/* Rank 1 says "about to bid"; the last rank then gives it time. Needs three ranks. */
static void given_a_lost_rank_when_its_bid_comes_while_others_are_waited_for_expect_it_found(void **state) {
    (void)state;
    int rank = uwc_comm_rank(comm);
    if (last() < 2) {
        return;
    }
    uwc_comm_set_patience(comm, LONG);
    if (rank == 0) {
        uwc_comm_lose(comm, 1);
        uwc_comm_lose(comm, 1);
        assert_int_equal(uwc_comm_lost(comm), 1);
        expect_frame(1, SOON);
        send(last(), SOON);
    } else if (rank == 1) {
        send(0, SOON);
    } else if (rank == last()) {
        expect_frame(0, SOON);
        nanosleep(&(struct timespec){.tv_nsec = 700 * 1000 * 1000}, NULL);
    }
    assert_int_equal(uwc_comm_agree(comm, UWC_OK), UWC_OK);
    assert_int_equal(uwc_comm_lost(comm), 0);
    meet();
}

/* Outcomes that nobody waits for any more lie in front of the next one. */
static void given_a_silent_rank_0_expect_the_others_to_give_up_and_the_next_outcome_to_be_theirs(void **state) {
    (void)state;
    int rank = uwc_comm_rank(comm);
    if (last() == 0) {
        return;
    }
    if (rank == 0) {
        for (int r = 1; r <= last(); r++) {
            expect_frame(r, LATER);
        }
        uwc_comm_set_patience(comm, LONG);
        assert_int_equal(uwc_comm_agree(comm, UWC_OK), UWC_OK); /* the bids are there */
    } else {
        const double patience = 0.02;
        uwc_comm_set_patience(comm, patience);
        double start = uwc_now();
        assert_int_equal(uwc_comm_agree(comm, UWC_OK), UWC_E_COMM);
        assert_true(uwc_now() - start >= UWC_PAR_LEADER * patience);
        uwc_comm_find(comm, 0);
        send(0, LATER);
    }
    uwc_comm_set_patience(comm, LONG);
    assert_int_equal(uwc_comm_agree(comm, rank == 0 ? uwc_error_set(UWC_E_LIBRARY, "news") : UWC_OK), UWC_E_LIBRARY);
    meet();
}

/* Longer than a rank waits for rank 0. */
static void given_rank_0_at_work_when_it_pulses_expect_the_others_to_wait(void **state) {
    (void)state;
    meet();
    uwc_comm_set_patience(comm, 0.1);
    const double end = uwc_now() + 2.5 * UWC_PAR_LEADER * 0.1;
    while (uwc_comm_rank(comm) == 0 && uwc_now() < end) {
        assert_int_equal(uwc_comm_pulse(comm), UWC_OK);
        nanosleep(&(struct timespec){.tv_nsec = 20 * 1000 * 1000}, NULL);
    }
    assert_int_equal(uwc_comm_agree(comm, UWC_OK), UWC_OK);
    uwc_comm_set_patience(comm, LONG);
}

static void given_all_ranks_there_when_tightened_expect_collective_calls_again(void **state) {
    (void)state;
    int64_t most;
    uwc_comm_set_patience(comm, LONG);
    meet();
    assert_int_equal(uwc_comm_tighten(comm), UWC_OK);
    assert_false(uwc_comm_is_loose(comm));
    assert_int_equal(uwc_comm_max(comm, uwc_comm_rank(comm), &most), UWC_OK);
    assert_int_equal(most, last());
    uwc_comm_loosen(comm);
}

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(given_a_loose_communicator_when_called_collectively_expect_internal),
        cmocka_unit_test(given_failures_when_all_agree_expect_that_of_the_lowest_rank),
        cmocka_unit_test(given_a_silent_rank_when_the_others_agree_expect_it_lost_and_its_late_bid_dropped),
        cmocka_unit_test(given_a_lost_rank_when_its_bid_comes_while_others_are_waited_for_expect_it_found),
        cmocka_unit_test(given_a_silent_rank_0_expect_the_others_to_give_up_and_the_next_outcome_to_be_theirs),
        cmocka_unit_test(given_rank_0_at_work_when_it_pulses_expect_the_others_to_wait),
        cmocka_unit_test(given_all_ranks_there_when_tightened_expect_collective_calls_again),
    };
    if (uwc_par_start(&argc, &argv, &comm) != UWC_OK) {
        return 1;
    }
    if (uwc_comm_barrier(comm) != UWC_OK) { /* ranks begin at different times */
        return 1;
    }
    uwc_comm_loosen(comm);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    uwc_par_stop(&comm);
    return failed != 0;
}
