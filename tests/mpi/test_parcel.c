/* Buffers that live on until their receivers have taken them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "par_mpi.h"

#include <string.h>

static uwc_comm *comm; /* one per process: MPI starts once */

enum { BYTES = 100000, TAG = UWC_PAR_TAG_SWAP + 9 }; /* longer than what MPI sends at once */

static void open_parcel(uwc_par__parcel *parcel) {
    assert_int_equal(uwc_par__parcel_open(BYTES, parcel), UWC_OK);
}

static uwc_status enough(void *self) {
    int *looks = self;
    (*looks)++;
    return *looks < 5 ? UWC_OK : uwc_error_set(UWC_E_INTERRUPTED, "enough");
}

/* From rank 0 to all others out of one buffer. */
static void given_several_receivers_when_sent_expect_the_bytes_on_each_and_then_done(void **state) {
    (void)state;
    uwc_par__parcel parcel;
    bool done;
    open_parcel(&parcel);
    if (uwc_comm_rank(comm) == 0) {
        memset(parcel.buffer, 42, BYTES);
        for (int r = 1; r < uwc_comm_size(comm); r++) {
            assert_int_equal(uwc_par__parcel_send(comm, &parcel, r, TAG, BYTES), UWC_OK);
        }
        assert_int_equal(parcel.n, uwc_comm_size(comm) - 1);
    } else {
        assert_int_equal(uwc_par__parcel_receive(comm, &parcel, 0, TAG, BYTES), UWC_OK);
        assert_int_equal(uwc_par__parcel_receive(comm, &parcel, 0, TAG, BYTES), UWC_E_INTERNAL);
    }
    assert_int_equal(uwc_par__await(&parcel, -1, NULL, NULL, &done), UWC_OK);
    assert_true(done);
    assert_int_equal(parcel.n, 0);
    for (int i = 0; i < BYTES; i++) {
        assert_int_equal(parcel.buffer[i], 42);
    }
    uwc_par__parcel_close(comm, &parcel);
    assert_null(parcel.buffer);
    assert_int_equal(comm->n_parcels, 0);
    assert_int_equal(uwc_comm_barrier(comm), UWC_OK);
}

/* The sender closes what its receiver takes later. */
static void given_a_late_receiver_when_closed_expect_the_buffer_kept_until_it_is_taken(void **state) {
    (void)state;
    const int last = uwc_comm_size(comm) - 1, rank = uwc_comm_rank(comm);
    uwc_par__parcel parcel;
    bool done;
    int looks = 0;
    if (rank == 0 && last > 0) {
        open_parcel(&parcel);
        memset(parcel.buffer, 7, BYTES);
        assert_int_equal(uwc_par__parcel_send(comm, &parcel, last, TAG, BYTES), UWC_OK);
        assert_int_equal(uwc_par__await(&parcel, 0.01, NULL, NULL, &done), UWC_OK);
        assert_false(done);
        assert_int_equal(uwc_par__await(&parcel, -1, enough, &looks, &done), UWC_E_INTERRUPTED);
        assert_int_equal(looks, 5);
        uwc_par__parcel_close(comm, &parcel);
        assert_null(parcel.buffer);
        assert_int_equal(comm->n_parcels, 1);
    }
    assert_int_equal(uwc_comm_barrier(comm), UWC_OK);
    if (rank == last && last > 0) {
        open_parcel(&parcel);
        assert_int_equal(uwc_par__parcel_receive(comm, &parcel, 0, TAG, BYTES), UWC_OK);
        assert_int_equal(uwc_par__await(&parcel, -1, NULL, NULL, &done), UWC_OK);
        assert_int_equal(parcel.buffer[BYTES - 1], 7);
        uwc_par__parcel_close(comm, &parcel);
    }
    for (double end = uwc_now() + 20; comm->n_parcels > 0 && uwc_now() < end;) {
        uwc_par__collect(comm);
    }
    assert_int_equal(comm->n_parcels, 0);
    assert_int_equal(uwc_comm_barrier(comm), UWC_OK);
}

static void given_a_message_that_never_comes_when_cancelled_expect_nothing_left(void **state) {
    (void)state;
    uwc_par__parcel parcel;
    open_parcel(&parcel);
    assert_int_equal(uwc_par__parcel_receive(comm, &parcel, uwc_comm_rank(comm), TAG + 1, BYTES), UWC_OK);
    uwc_par__parcel_cancel(comm, &parcel);
    assert_null(parcel.buffer);
    for (double end = uwc_now() + 20; comm->n_parcels > 0 && uwc_now() < end;) {
        uwc_par__collect(comm);
    }
    assert_int_equal(comm->n_parcels, 0);
}

static void given_too_many_receivers_when_sent_expect_error(void **state) {
    (void)state;
    uwc_par__parcel parcel;
    open_parcel(&parcel);
    parcel.n = UWC_PAR_RECEIVERS;
    assert_int_equal(uwc_par__parcel_send(comm, &parcel, 0, TAG, 1), UWC_E_INTERNAL);
    parcel.n = 0;
    uwc_par__parcel_close(comm, &parcel);
}

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(given_several_receivers_when_sent_expect_the_bytes_on_each_and_then_done),
        cmocka_unit_test(given_a_late_receiver_when_closed_expect_the_buffer_kept_until_it_is_taken),
        cmocka_unit_test(given_a_message_that_never_comes_when_cancelled_expect_nothing_left),
        cmocka_unit_test(given_too_many_receivers_when_sent_expect_error),
    };
    if (uwc_par_start(&argc, &argv, &comm) != UWC_OK) {
        return 1;
    }
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    uwc_par_stop(&comm);
    return failed != 0;
}
