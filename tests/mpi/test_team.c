/* Teams of some of the ranks: trees, votes, and waits that end when their poll says so. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "par_mpi.h"

#include <string.h>

static uwc_comm *comm; /* one per process: MPI starts once */

/* A team of all ranks, the last one first. */
static uwc_team *everyone(int round) {
    const int size = uwc_comm_size(comm);
    int rank[64];
    uwc_team *team;
    for (int m = 0; m < size; m++) {
        rank[m] = size - 1 - m;
    }
    assert_int_equal(uwc_team_create(comm, rank, size, round, &team), UWC_OK);
    assert_int_equal(uwc_team_members(team), size);
    assert_int_equal(uwc_team_member(team), size - 1 - uwc_comm_rank(comm));
    return team;
}

static char byte_of(int root, size_t bytes, size_t i) {
    return (char)uwc_rng_u32((uint64_t)root, bytes, i);
}

static void expect_broadcast(uwc_team *team, int root, size_t bytes) {
    char *data;
    assert_int_equal(uwc_calloc((int64_t)bytes + 1, 1, &data), UWC_OK);
    for (size_t i = 0; i < bytes && uwc_team_member(team) == root; i++) {
        data[i] = byte_of(root, bytes, i);
    }
    data[bytes] = 99;
    assert_int_equal(uwc_team_broadcast(team, root, data, bytes), UWC_OK);
    for (size_t i = 0; i < bytes; i++) {
        assert_int_equal(data[i], byte_of(root, bytes, i));
    }
    assert_int_equal(data[bytes], 99);
    uwc_free(&data);
}

static void given_lengths_around_a_slice_when_broadcast_expect_the_bytes_of_each_root(void **state) {
    (void)state;
    const size_t lengths[] = {0, 1, 99, 100, 101, 200, 201, 1234};
    comm->piece = 100;
    uwc_team *team = everyone(3);
    for (int root = 0; root < uwc_team_members(team); root++) {
        for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
            expect_broadcast(team, root, lengths[i]);
        }
    }
    uwc_team_destroy(&team);
    comm->piece = UWC_PAR_PIECE;
    team = everyone(4);
    expect_broadcast(team, uwc_team_members(team) - 1, 3333333);
    uwc_team_destroy(&team);
    assert_null(team);
    assert_int_equal(comm->n_parcels, 0);
}

static void given_failures_when_agreed_expect_that_of_the_first_member_everywhere(void **state) {
    (void)state;
    uwc_team *team = everyone(5);
    const int members = uwc_team_members(team), member = uwc_team_member(team);
    assert_int_equal(uwc_team_agree(team, UWC_OK), UWC_OK);
    for (int first = 0; first < members; first++) { /* all from that one on fail */
        char text[64];
        uwc_status mine = member < first ? UWC_OK : uwc_error_set(member == first ? UWC_E_MATH : UWC_E_IO, "number %d", member);
        assert_int_equal(uwc_team_agree(team, mine), UWC_E_MATH);
        snprintf(text, sizeof text, member == first ? "number %d" : "rank %d: number %d", member == first ? first : members - 1 - first,
                 first);
        assert_string_equal(uwc_error_last()->text, text);
    }
    uwc_team_destroy(&team);
}

static void given_numbers_when_compared_expect_the_largest_everywhere(void **state) {
    (void)state;
    uwc_team *team = everyone(6);
    for (int k = 0; k < uwc_team_members(team); k++) {
        int64_t most = 0;
        assert_int_equal(uwc_team_max(team, uwc_team_member(team) == k ? -3 : -10 - k, &most), UWC_OK);
        assert_int_equal(most, -3);
    }
    uwc_team_destroy(&team);
}

static void given_pairs_when_swapped_expect_the_partners_numbers(void **state) {
    (void)state;
    uwc_team *team = everyone(7);
    const int member = uwc_team_member(team), peer = member ^ 1;
    if (peer < uwc_team_members(team)) {
        const double mine[] = {member, 10.5};
        double theirs[2];
        assert_int_equal(uwc_team_swap(team, peer, mine, theirs, 2), UWC_OK);
        assert_true(theirs[0] == peer && theirs[1] == 10.5);
    }
    assert_int_equal(uwc_team_swap(team, -1, NULL, NULL, 0), UWC_E_ARG);
    assert_int_equal(uwc_team_swap(team, uwc_team_members(team), NULL, NULL, 0), UWC_E_ARG);
    uwc_team_destroy(&team);
}

/* Teams of ranks that are not all of them, at the same time. */
static void given_halves_when_they_work_expect_no_word_of_the_other_half(void **state) {
    (void)state;
    const int rank = uwc_comm_rank(comm), half = (uwc_comm_size(comm) + 1) / 2, first = rank < half ? 0 : half;
    const int n = rank < half ? half : uwc_comm_size(comm) - half;
    int list[64];
    int64_t most;
    uwc_team *team;
    for (int m = 0; m < n; m++) {
        list[m] = first + m;
    }
    assert_int_equal(uwc_team_create(comm, list, n, 8, &team), UWC_OK);
    expect_broadcast(team, n - 1, 5000);
    assert_int_equal(uwc_team_max(team, rank, &most), UWC_OK);
    assert_int_equal(most, first + n - 1);
    uwc_team_destroy(&team);
    assert_int_equal(uwc_comm_barrier(comm), UWC_OK);
}

typedef struct patience {
    int looks, most;
} patience;

static uwc_status lose_patience(void *self) {
    patience *p = self;
    p->looks++;
    return p->looks < p->most ? UWC_OK : uwc_error_set(UWC_E_INTERRUPTED, "enough");
}

/* The last rank plays dead: it takes no part at all. Whoever waits for it leaves with the status of its poll, and the next team works. */
static void given_a_dead_member_when_called_expect_the_status_of_poll_and_the_next_team_sound(void **state) {
    (void)state;
    static char data[100000]; /* longer than what MPI sends at once */
    const int size = uwc_comm_size(comm), rank = uwc_comm_rank(comm);
    for (int call = 0; call < 3 && size > 1; call++) {
        const bool alive = rank < size - 1;
        uwc_team *team;
        patience p = {.most = 300};
        int64_t most;
        assert_int_equal(uwc_team_create(comm, NULL, size, 20 + call, &team), UWC_OK);
        uwc_team_watch(team, lose_patience, &p, -1);
        if (alive) {
            const uwc_status st = call == 0   ? uwc_team_agree(team, UWC_OK)
                                  : call == 1 ? uwc_team_max(team, 1, &most)
                                              : uwc_team_broadcast(team, size - 1, data, sizeof data);
            assert_int_equal(st, UWC_E_INTERRUPTED);
            assert_string_equal(uwc_error_last()->text, "enough");
            assert_int_equal(p.looks, p.most);
        }
        uwc_team_destroy(&team);
        assert_int_equal(uwc_comm_barrier(comm), UWC_OK);
        team = everyone(30 + call);
        expect_broadcast(team, 0, sizeof data);
        uwc_team_destroy(&team);
        assert_int_equal(uwc_comm_barrier(comm), UWC_OK);
    }
}

static void given_a_limit_when_a_member_is_silent_expect_comm(void **state) {
    (void)state;
    if (uwc_comm_size(comm) > 1 && uwc_comm_rank(comm) > 0) {
        char byte = 0;
        uwc_team *team;
        assert_int_equal(uwc_team_create(comm, NULL, uwc_comm_size(comm), 40, &team), UWC_OK);
        uwc_team_watch(team, NULL, NULL, 0.2);
        const double start = uwc_now();
        assert_int_equal(uwc_team_broadcast(team, 0, &byte, 1), UWC_E_COMM);
        assert_string_equal(uwc_error_last()->text, "a rank of the team is silent for 0.2 s");
        assert_true(uwc_now() - start >= 0.2);
        uwc_team_destroy(&team);
    }
    assert_int_equal(uwc_comm_barrier(comm), UWC_OK);
}

/* Alone without MPI's help: every call asks. */
static void given_a_process_alone_when_called_expect_its_own_and_a_poll_each(void **state) {
    (void)state;
    patience p = {.most = 5};
    uwc_team *team;
    int64_t most = 0;
    assert_int_equal(uwc_team_create(NULL, NULL, 1, 0, &team), UWC_OK);
    uwc_team_watch(team, lose_patience, &p, -1);
    assert_int_equal(uwc_team_agree(team, UWC_OK), UWC_OK);
    assert_int_equal(uwc_team_max(team, 17, &most), UWC_OK);
    assert_int_equal(most, 17);
    assert_int_equal(uwc_team_broadcast(team, 0, NULL, 0), UWC_OK);
    assert_int_equal(uwc_team_poll(team), UWC_OK);
    assert_int_equal(uwc_team_agree(team, uwc_error_set(UWC_E_IO, "mine")), UWC_E_IO);
    assert_int_equal(uwc_team_agree(team, UWC_OK), UWC_E_INTERRUPTED);
    assert_int_equal(p.looks, 5);
    uwc_team_destroy(&team);
}

static void given_no_such_ranks_when_created_expect_arg(void **state) {
    (void)state;
    const int other[] = {uwc_comm_rank(comm) + 1}, none[] = {-1, uwc_comm_rank(comm)};
    uwc_team *team;
    assert_int_equal(uwc_team_create(comm, other, 1, 1, &team), UWC_E_ARG);
    assert_null(team);
    assert_int_equal(uwc_team_create(comm, none, 2, 1, &team), UWC_E_ARG);
    assert_int_equal(uwc_team_create(comm, none, 0, 1, &team), UWC_E_ARG);
    assert_int_equal(uwc_team_create(NULL, NULL, 2, 1, &team), UWC_E_ARG);
}

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(given_lengths_around_a_slice_when_broadcast_expect_the_bytes_of_each_root),
        cmocka_unit_test(given_failures_when_agreed_expect_that_of_the_first_member_everywhere),
        cmocka_unit_test(given_numbers_when_compared_expect_the_largest_everywhere),
        cmocka_unit_test(given_pairs_when_swapped_expect_the_partners_numbers),
        cmocka_unit_test(given_halves_when_they_work_expect_no_word_of_the_other_half),
        cmocka_unit_test(given_a_dead_member_when_called_expect_the_status_of_poll_and_the_next_team_sound),
        cmocka_unit_test(given_a_limit_when_a_member_is_silent_expect_comm),
        cmocka_unit_test(given_a_process_alone_when_called_expect_its_own_and_a_poll_each),
        cmocka_unit_test(given_no_such_ranks_when_created_expect_arg),
    };
    if (uwc_par_start(&argc, &argv, &comm) != UWC_OK) {
        return 1;
    }
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    uwc_par_stop(&comm);
    return failed != 0;
}
