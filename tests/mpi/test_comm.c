/* Collective calls on any number of ranks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "par_mpi.h"

#include <string.h>

static uwc_comm *comm; /* one per process: MPI starts once */

/* A buffer of `bytes` whose contents depend on `key`. */
static char *pattern(size_t bytes, int key) {
    char *data;
    assert_int_equal(uwc_calloc((int64_t)bytes, 1, &data), UWC_OK);
    for (size_t i = 0; i < bytes; i++) {
        data[i] = (char)uwc_rng_u32((uint64_t)key, 1, i);
    }
    return data;
}

static void given_success_everywhere_when_agree_expect_ok(void **state) {
    (void)state;
    assert_int_equal(uwc_comm_agree(comm, UWC_OK), UWC_OK);
}

static void given_a_failure_on_each_rank_in_turn_when_agree_expect_it_everywhere(void **state) {
    (void)state;
    for (int failing = 0; failing < uwc_comm_size(comm); failing++) {
        bool mine = uwc_comm_rank(comm) == failing;
        uwc_status st = mine ? uwc_error_set(UWC_E_MATH, "pivot %d", failing) : UWC_OK;
        assert_int_equal(uwc_comm_agree(comm, st), UWC_E_MATH);
        char text[64];
        snprintf(text, sizeof text, mine ? "pivot %d" : "rank %d: pivot %d", failing, failing);
        assert_int_equal(uwc_error_last()->status, UWC_E_MATH);
        assert_string_equal(uwc_error_last()->text, text);
    }
}

static void given_failures_on_all_ranks_when_agree_expect_the_lowest(void **state) {
    (void)state;
    int rank = uwc_comm_rank(comm);
    uwc_status st = rank == 0 ? uwc_error_set(UWC_E_IO, "zero") : uwc_error_set(UWC_E_SHAPE, "other");
    assert_int_equal(uwc_comm_agree(comm, st), UWC_E_IO);
    assert_string_equal(uwc_error_last()->text, rank == 0 ? "zero" : "rank 0: zero");
}

static void given_more_than_a_piece_when_broadcast_expect_the_same_bytes(void **state) {
    (void)state;
    for (int root = 0; root < uwc_comm_size(comm); root++) {
        char *want = pattern(1000, root), *have = pattern(1000, uwc_comm_rank(comm));
        assert_int_equal(uwc_comm_broadcast(comm, root, have, 1000), UWC_OK);
        assert_memory_equal(have, want, 1000);
        uwc_free(&want);
        uwc_free(&have);
    }
}

static void given_a_length_only_root_knows_when_broadcast_buffer_expect_length_and_bytes(void **state) {
    (void)state;
    static const size_t lengths[] = {0, 1, 64, 65, 4097};
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        int root = (int)i % uwc_comm_size(comm);
        char *want = pattern(lengths[i], 7), *have = uwc_comm_rank(comm) == root ? pattern(lengths[i], 7) : NULL;
        size_t bytes = uwc_comm_rank(comm) == root ? lengths[i] : 99;
        assert_int_equal(uwc_comm_broadcast_buffer(comm, root, &have, &bytes), UWC_OK);
        assert_int_equal(bytes, lengths[i]);
        assert_memory_equal(have, want, bytes);
        uwc_free(&want);
        uwc_free(&have);
    }
}

static void given_different_lengths_when_gather_expect_every_part_at_root(void **state) {
    (void)state;
    int size = uwc_comm_size(comm), rank = uwc_comm_rank(comm), root = size - 1;
    char *mine = pattern((size_t)rank * 333, rank), **parts;
    size_t *sizes;
    assert_int_equal(uwc_comm_gather(comm, root, mine, (size_t)rank * 333, &parts, &sizes), UWC_OK);
    assert_int_equal(parts != NULL, rank == root);
    for (int r = 0; rank == root && r < size; r++) {
        char *want = pattern((size_t)r * 333, r);
        assert_int_equal(sizes[r], r * 333);
        assert_memory_equal(parts[r], want, sizes[r]);
        uwc_free(&want);
        uwc_free(&parts[r]);
    }
    uwc_free(&parts);
    uwc_free(&sizes);
    uwc_free(&mine);
}

static void given_a_late_rank_when_barrier_and_max_expect_all_to_wait(void **state) {
    (void)state;
    int64_t largest;
    assert_int_equal(uwc_comm_max(comm, 10 + uwc_comm_rank(comm), &largest), UWC_OK);
    assert_int_equal(largest, 9 + uwc_comm_size(comm));
    double start = uwc_now();
    while (uwc_comm_rank(comm) == 0 && uwc_now() < start + 0.2) {
    }
    assert_int_equal(uwc_comm_barrier(comm), UWC_OK);
    if (uwc_comm_size(comm) > 1) {
        assert_true(uwc_now() - start > 0.1);
    }
}

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(given_success_everywhere_when_agree_expect_ok),
        cmocka_unit_test(given_a_failure_on_each_rank_in_turn_when_agree_expect_it_everywhere),
        cmocka_unit_test(given_failures_on_all_ranks_when_agree_expect_the_lowest),
        cmocka_unit_test(given_more_than_a_piece_when_broadcast_expect_the_same_bytes),
        cmocka_unit_test(given_a_length_only_root_knows_when_broadcast_buffer_expect_length_and_bytes),
        cmocka_unit_test(given_different_lengths_when_gather_expect_every_part_at_root),
        cmocka_unit_test(given_a_late_rank_when_barrier_and_max_expect_all_to_wait),
    };
    if (uwc_par_start(&argc, &argv, &comm) != UWC_OK) {
        return 1;
    }
    comm->piece = 64;
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    uwc_par_stop(&comm);
    return failed != 0;
}
