/* Waiting without spinning, and messages that their receiver may never take: sends are made from copies, receives into buffers of their
 * own (parcel.c), which outlive a wait that is given up. */
#include "par_mpi.h"

#include <sched.h>
#include <string.h>
#include <time.h>

enum { BUSY_LOOKS = 100, YIELDING_LOOKS = 2000 };
enum { FIRST_SLEEP = 50 * 1000, LONGEST_SLEEP = 2 * 1000 * 1000 }; /* nanoseconds */

uwc_status uwc_par__check(int code, const char *what) {
    if (code == MPI_SUCCESS) {
        return UWC_OK;
    }
    char text[MPI_MAX_ERROR_STRING] = "";
    int length;
    MPI_Error_string(code, text, &length);
    return uwc_error_set(UWC_E_COMM, "%s: %.200s", what, text);
}

void uwc_par__sleep(long *nanoseconds) {
    if (*nanoseconds < BUSY_LOOKS) { /* an answer that is on its way comes sooner than a sleeper wakes */
        if (++*nanoseconds <= 0) {
            sched_yield();
        }
        return;
    }
    long now = *nanoseconds < FIRST_SLEEP ? FIRST_SLEEP : *nanoseconds;
    nanosleep(&(struct timespec){.tv_nsec = now}, NULL);
    *nanoseconds = now > LONGEST_SLEEP / 2 ? LONGEST_SLEEP : 2 * now;
}

uwc_status uwc_par__wait(MPI_Request *request, const char *what) {
    long delay = 0;
    for (;;) {
        int done = 0;
        UWC_TRY(uwc_par__check(MPI_Test(request, &done, MPI_STATUS_IGNORE), what));
        if (done) {
            return UWC_OK;
        }
        uwc_par__sleep(&delay);
    }
}

uwc_status uwc_par__await(uwc_par__parcel *parcel, double patience, uwc_status (*poll)(void *), void *self, bool *done) {
    double end = uwc_now() + patience;
    long delay = -YIELDING_LOOKS; /* a large message comes in pieces, one for each look */
    for (;;) {
        UWC_TRY(uwc_par__parcel_test(parcel, done));
        if (*done || (patience >= 0 && uwc_now() > end)) {
            return UWC_OK;
        }
        uwc_par__sleep(&delay);
        UWC_TRY(poll != NULL ? poll(self) : UWC_OK);
    }
}

static uwc_status begin_send(const uwc_comm *comm, int peer, int tag, const void *data, size_t bytes, uwc_par__parcel *parcel) {
    UWC_TRY(uwc_par__parcel_open(bytes, parcel));
    memcpy(parcel->buffer, data, bytes);
    uwc_status st = uwc_par__parcel_send(comm, parcel, peer, tag, bytes);
    if (st != UWC_OK) {
        uwc_free(&parcel->buffer);
    }
    return st;
}

uwc_status uwc_par__post(uwc_comm *comm, int peer, int tag, const void *data, size_t bytes) {
    uwc_par__parcel parcel;
    bool taken;
    uwc_par__collect(comm);
    UWC_TRY(begin_send(comm, peer, tag, data, bytes, &parcel));
    uwc_status st = uwc_par__parcel_test(&parcel, &taken);
    uwc_par__parcel_close(comm, &parcel);
    return st;
}

double uwc_par__patience(const uwc_comm *comm, int peer) {
    return peer == 0 ? UWC_PAR_LEADER * comm->patience : comm->patience;
}

static uwc_status send_piece(uwc_comm *comm, int peer, int tag, const char *data, size_t bytes) {
    uwc_par__parcel parcel;
    bool taken;
    UWC_TRY(begin_send(comm, peer, tag, data, bytes, &parcel));
    uwc_status st = uwc_par__await(&parcel, uwc_par__patience(comm, peer), NULL, NULL, &taken);
    uwc_par__parcel_close(comm, &parcel);
    UWC_TRY(st);
    if (!taken) {
        uwc_comm_lose(comm, peer);
        return uwc_error_set(UWC_E_COMM, "rank %d takes no data for %g s", peer, uwc_par__patience(comm, peer));
    }
    return UWC_OK;
}

/* A receive that is given up may have begun: its buffer then stays. */
uwc_status uwc_par__fetch(uwc_comm *comm, int peer, int tag, void *data, size_t bytes, double patience, uwc_status (*poll)(void *),
                          void *self) {
    uwc_par__parcel parcel;
    bool done = false;
    UWC_TRY(uwc_par__parcel_open(bytes, &parcel));
    uwc_status st = uwc_par__parcel_receive(comm, &parcel, peer, tag, bytes);
    if (st == UWC_OK) {
        st = uwc_par__await(&parcel, patience, poll, self, &done);
    }
    if (done) {
        memcpy(data, parcel.buffer, bytes);
    }
    uwc_par__parcel_cancel(comm, &parcel);
    UWC_TRY(st);
    if (!done) {
        uwc_comm_lose(comm, peer);
        return uwc_error_set(UWC_E_COMM, "rank %d is silent for %g s", peer, patience);
    }
    return UWC_OK;
}

uwc_status uwc_par__send_pieces(uwc_comm *comm, int peer, int tag, const char *data, size_t bytes) {
    while (bytes > 0) {
        size_t now = bytes < comm->piece ? bytes : comm->piece;
        UWC_TRY(send_piece(comm, peer, tag, data, now));
        data += now;
        bytes -= now;
    }
    return UWC_OK;
}

uwc_status uwc_par__receive_pieces(uwc_comm *comm, int peer, int tag, char *data, size_t bytes) {
    while (bytes > 0) {
        size_t now = bytes < comm->piece ? bytes : comm->piece;
        UWC_TRY(uwc_par__fetch(comm, peer, tag, data, now, uwc_par__patience(comm, peer), NULL, NULL));
        data += now;
        bytes -= now;
    }
    return UWC_OK;
}

/* The peer is here too. Whoever sleeps wakes by a short message; a long one would come piece by piece, one for each look. */
static uwc_status meet(uwc_comm *comm, int peer, int tag, uwc_status (*poll)(void *), void *self) {
    const char here = 0;
    char there;
    UWC_TRY(uwc_par__post(comm, peer, tag, &here, sizeof here));
    return uwc_par__fetch(comm, peer, tag, &there, sizeof there, -1, poll, self);
}

static uwc_status swap_piece(uwc_comm *comm, int peer, int tag, const double *mine, double *theirs, size_t bytes,
                             uwc_status (*poll)(void *), void *self) {
    uwc_par__parcel parcel;
    bool done;
    UWC_TRY(meet(comm, peer, tag, poll, self));
    UWC_TRY(begin_send(comm, peer, tag, mine, bytes, &parcel));
    uwc_status st = uwc_par__fetch(comm, peer, tag, theirs, bytes, -1, poll, self);
    if (st == UWC_OK) {
        st = uwc_par__await(&parcel, -1, poll, self, &done);
    }
    uwc_par__parcel_close(comm, &parcel);
    return st;
}

uwc_status uwc_comm_swap(uwc_comm *comm, int peer, int round, const double *mine, double *theirs, int64_t count,
                         uwc_status (*poll)(void *self), void *self) {
    const int64_t most = (int64_t)(comm->piece / sizeof(double)) > 0 ? (int64_t)(comm->piece / sizeof(double)) : 1;
    UWC_CHECK(peer >= 0 && peer < comm->size && peer != comm->rank, UWC_E_ARG, "rank %d swaps with %d", comm->rank, peer);
    for (int64_t at = 0; at < count; at += most) {
        const int64_t now = count - at < most ? count - at : most;
        UWC_TRY(swap_piece(comm, peer, UWC_PAR_TAG_SWAP + round % UWC_PAR_SWAPS, mine + at, theirs + at, (size_t)now * sizeof *mine, poll,
                           self));
    }
    return UWC_OK;
}
