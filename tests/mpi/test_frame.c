/* Frames between rank 0 and the others. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "par_mpi.h"

#include <string.h>
#include <time.h>

static uwc_comm *comm; /* one per process: MPI starts once */

static const size_t LENGTHS[] = {0, 1, 63, 64, 65, 1000, UWC_PAR_SHORT, UWC_PAR_SHORT + 1, 100000};
enum { N_LENGTHS = sizeof LENGTHS / sizeof LENGTHS[0] };

static char byte_at(int rank, size_t frame, size_t i) {
    return (char)uwc_rng_u32((uint64_t)rank, frame, i);
}

static void send_all(int to) {
    int rank = uwc_comm_rank(comm);
    for (size_t f = 0; f < N_LENGTHS; f++) {
        char *data;
        assert_int_equal(uwc_calloc((int64_t)LENGTHS[f], 1, &data), UWC_OK);
        for (size_t i = 0; i < LENGTHS[f]; i++) {
            data[i] = byte_at(rank, f, i);
        }
        uwc_frame frame = {.peer = to, .kind = 40 + (int)f, .arg = {rank, -1, INT64_MAX, (int64_t)f}, .payload = data, .bytes = LENGTHS[f]};
        assert_int_equal(uwc_comm_send(comm, &frame), UWC_OK);
        uwc_free(&data);
    }
}

static void check_frame(const uwc_frame *frame, size_t f) {
    assert_int_equal(frame->kind, 40 + (int)f);
    assert_int_equal(frame->arg[0], frame->peer);
    assert_int_equal(frame->arg[1], -1);
    assert_true(frame->arg[2] == INT64_MAX);
    assert_int_equal(frame->bytes, LENGTHS[f]);
    for (size_t i = 0; i < frame->bytes; i++) {
        assert_int_equal(frame->payload[i], byte_at(frame->peer, f, i));
    }
}

static void given_frames_longer_than_a_piece_when_all_send_expect_each_sender_in_order(void **state) {
    (void)state;
    int size = uwc_comm_size(comm);
    bool receives = uwc_comm_rank(comm) == 0;
    if (!receives) {
        send_all(0);
    }
    size_t next[16] = {0};
    for (int k = 0; receives && k < (size - 1) * N_LENGTHS; k++) {
        uwc_frame frame;
        bool got;
        assert_int_equal(uwc_comm_receive(comm, -1, 20.0, &frame, &got), UWC_OK);
        assert_true(got);
        check_frame(&frame, next[frame.peer]++);
        uwc_frame_clear(&frame);
        assert_null(frame.payload);
    }
    assert_int_equal(uwc_comm_barrier(comm), UWC_OK); /* no rank's next frame overtakes another's last one here */
}

static void given_one_peer_asked_for_when_others_sent_earlier_expect_that_peer(void **state) {
    (void)state;
    int rank = uwc_comm_rank(comm), size = uwc_comm_size(comm);
    if (rank != 0) {
        uwc_frame hello = {.peer = 0, .kind = rank};
        assert_int_equal(uwc_comm_send(comm, &hello), UWC_OK);
    }
    for (int r = size - 1; rank == 0 && r > 0; r--) {
        uwc_frame frame;
        bool got;
        assert_int_equal(uwc_comm_receive(comm, r, 20.0, &frame, &got), UWC_OK);
        assert_true(got);
        assert_int_equal(frame.kind, r);
        uwc_frame_clear(&frame);
    }
    assert_int_equal(uwc_comm_barrier(comm), UWC_OK);
}

static void given_silence_when_receive_expect_the_time_limit_without_spinning(void **state) {
    (void)state;
    uwc_frame frame;
    bool got = true;
    double start = uwc_now();
    clock_t busy = clock();
    assert_int_equal(uwc_comm_receive(comm, -1, 0.3, &frame, &got), UWC_OK);
    double seconds = uwc_now() - start, cpu = (double)(clock() - busy) / CLOCKS_PER_SEC;
    assert_false(got);
    assert_null(frame.payload);
    assert_true(seconds >= 0.3 && seconds < 5.0);
    assert_true(cpu < 0.15);
    assert_int_equal(uwc_comm_barrier(comm), UWC_OK);
}

/* Nobody takes the frames before all have been sent. */
static void given_short_frames_when_the_receiver_is_elsewhere_expect_send_to_return(void **state) {
    (void)state;
    enum { FRAMES = 20 };
    const bool receives = uwc_comm_rank(comm) == 0;
    char text[UWC_PAR_SHORT];
    for (int f = 0; !receives && f < FRAMES; f++) {
        memset(text, 'a' + f, sizeof text); /* sends are made from copies */
        uwc_frame frame = {.peer = 0, .kind = f, .payload = text, .bytes = sizeof text};
        assert_int_equal(uwc_comm_send(comm, &frame), UWC_OK);
    }
    assert_int_equal(uwc_comm_barrier(comm), UWC_OK);
    int next[16] = {0};
    for (int k = 0; receives && k < (uwc_comm_size(comm) - 1) * FRAMES; k++) {
        uwc_frame frame;
        bool got;
        assert_int_equal(uwc_comm_receive(comm, -1, 20.0, &frame, &got), UWC_OK);
        assert_true(got);
        int f = next[frame.peer]++;
        assert_int_equal(frame.kind, f);
        assert_int_equal(frame.bytes, sizeof text);
        assert_true(frame.payload[0] == 'a' + f && frame.payload[sizeof text - 1] == 'a' + f && frame.payload[sizeof text] == '\0');
        uwc_frame_clear(&frame);
    }
    assert_int_equal(uwc_comm_barrier(comm), UWC_OK);
}

static void given_no_such_peer_when_send_or_receive_expect_arg(void **state) {
    (void)state;
    uwc_frame frame = {.peer = uwc_comm_size(comm)};
    bool got;
    assert_int_equal(uwc_comm_send(comm, &frame), UWC_E_ARG);
    frame.peer = uwc_comm_rank(comm);
    assert_int_equal(uwc_comm_send(comm, &frame), UWC_E_ARG);
    assert_int_equal(uwc_comm_receive(comm, uwc_comm_size(comm), 0, &frame, &got), UWC_E_ARG);
}

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(given_frames_longer_than_a_piece_when_all_send_expect_each_sender_in_order),
        cmocka_unit_test(given_one_peer_asked_for_when_others_sent_earlier_expect_that_peer),
        cmocka_unit_test(given_silence_when_receive_expect_the_time_limit_without_spinning),
        cmocka_unit_test(given_short_frames_when_the_receiver_is_elsewhere_expect_send_to_return),
        cmocka_unit_test(given_no_such_peer_when_send_or_receive_expect_arg),
    };
    if (uwc_par_start(&argc, &argv, &comm) != UWC_OK) {
        return 1;
    }
    comm->piece = 64;
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    uwc_par_stop(&comm);
    return failed != 0;
}
