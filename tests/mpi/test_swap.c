/* uwc_comm_swap: two ranks exchange sums. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "par_mpi.h"

#include <string.h>

static uwc_comm *comm; /* one per process: MPI starts once */

/* Ranks 0 and 1, 2 and 3; -1: a rank without a partner. */
static int partner(void) {
    int peer = uwc_comm_rank(comm) ^ 1;
    return peer < uwc_comm_size(comm) ? peer : -1;
}

static double value_of(int rank, int round, int64_t i) {
    return (double)uwc_rng_u32((uint64_t)rank, (uint64_t)round, (uint64_t)i) / 3.0;
}

static void expect_swapped(int round, int64_t count, size_t piece) {
    const int rank = uwc_comm_rank(comm), peer = partner();
    double *mine, *theirs;
    comm->piece = piece;
    assert_int_equal(uwc_calloc(count, sizeof *mine, &mine), UWC_OK);
    assert_int_equal(uwc_calloc(count + 1, sizeof *theirs, &theirs), UWC_OK);
    for (int64_t i = 0; i < count; i++) {
        mine[i] = value_of(rank, round, i);
    }
    theirs[count] = -1;
    assert_int_equal(uwc_comm_swap(comm, peer, round, mine, theirs, count, NULL, NULL), UWC_OK);
    for (int64_t i = 0; i < count; i++) {
        assert_true(theirs[i] == value_of(peer, round, i));
        assert_true(mine[i] == value_of(rank, round, i));
        assert_true(mine[i] + theirs[i] == value_of(rank & ~1, round, i) + value_of(rank | 1, round, i)); /* as the partner has it */
    }
    assert_true(theirs[count] == -1);
    uwc_free(&mine);
    uwc_free(&theirs);
}

static void given_lengths_around_a_piece_when_swapped_expect_the_partners_values(void **state) {
    (void)state;
    const int64_t lengths[] = {0, 1, 7, 8, 9, 1000};
    for (size_t i = 0; partner() >= 0 && i < sizeof lengths / sizeof lengths[0]; i++) {
        expect_swapped((int)i + 1, lengths[i], 8 * sizeof(double));
    }
    if (partner() >= 0) {
        expect_swapped(100, 5, 3);                       /* a piece shorter than a number */
        expect_swapped(101, 300000, UWC_PAR_PIECE);      /* longer than MPI sends at once */
        expect_swapped(UWC_PAR_SWAPS + 101, 3000, 1000); /* shares its tag with the one before */
        expect_swapped(INT32_MAX, 3, UWC_PAR_PIECE);
    }
    assert_int_equal(uwc_comm_barrier(comm), UWC_OK);
}

/* Ends the wait at the third look. */
static uwc_status lose_patience(void *self) {
    int *looks = self;
    (*looks)++;
    return *looks < 3 ? UWC_OK : uwc_error_set(UWC_E_INTERRUPTED, "enough");
}

/* That the even rank is there, which its partner never hears, stays out of the next round. */
static void given_a_silent_partner_when_poll_fails_expect_its_status_and_the_next_round_sound(void **state) {
    (void)state;
    enum { COUNT = 20000 };
    const int peer = partner();
    if (peer > uwc_comm_rank(comm)) {
        int looks = 0;
        double *mine, *theirs;
        comm->piece = UWC_PAR_PIECE;
        assert_int_equal(uwc_calloc(COUNT, sizeof *mine, &mine), UWC_OK);
        assert_int_equal(uwc_calloc(COUNT, sizeof *theirs, &theirs), UWC_OK);
        assert_int_equal(uwc_comm_swap(comm, peer, 7, mine, theirs, COUNT, lose_patience, &looks), UWC_E_INTERRUPTED);
        assert_string_equal(uwc_error_last()->text, "enough");
        assert_int_equal(looks, 3);
        assert_false(uwc_comm_is_lost(comm, peer));
        uwc_free(&mine);
        uwc_free(&theirs);
    }
    assert_int_equal(uwc_comm_barrier(comm), UWC_OK);
    if (peer >= 0) {
        expect_swapped(8, COUNT, UWC_PAR_PIECE);
    }
    assert_int_equal(uwc_comm_barrier(comm), UWC_OK);
    if (peer >= 0 && peer < uwc_comm_rank(comm)) { /* takes it after all, so that MPI can end */
        char here;
        assert_int_equal(uwc_par__fetch(comm, peer, UWC_PAR_TAG_SWAP + 7, &here, sizeof here, 20.0, NULL, NULL), UWC_OK);
    }
    assert_int_equal(uwc_comm_barrier(comm), UWC_OK);
}

static void given_no_such_peer_when_swapped_expect_arg(void **state) {
    (void)state;
    double mine = 0, theirs;
    assert_int_equal(uwc_comm_swap(comm, uwc_comm_rank(comm), 1, &mine, &theirs, 1, NULL, NULL), UWC_E_ARG);
    assert_int_equal(uwc_comm_swap(comm, uwc_comm_size(comm), 1, &mine, &theirs, 1, NULL, NULL), UWC_E_ARG);
    assert_int_equal(uwc_comm_swap(comm, -1, 1, &mine, &theirs, 1, NULL, NULL), UWC_E_ARG);
}

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(given_lengths_around_a_piece_when_swapped_expect_the_partners_values),
        cmocka_unit_test(given_a_silent_partner_when_poll_fails_expect_its_status_and_the_next_round_sound),
        cmocka_unit_test(given_no_such_peer_when_swapped_expect_arg),
    };
    if (uwc_par_start(&argc, &argv, &comm) != UWC_OK) {
        return 1;
    }
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    uwc_par_stop(&comm);
    return failed != 0;
}
