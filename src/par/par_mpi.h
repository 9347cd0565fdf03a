/* The communicator behind its handle, for the modules that speak to MPI themselves (par, store, linalg). The one header that includes
 * mpi.h. */
#ifndef UWC_PAR_MPI_H
#define UWC_PAR_MPI_H

#include <uwc/par.h>

#include <mpi.h>

/* Longest message handed to MPI: the copy that a send keeps until it is taken stays small. */
#define UWC_PAR_PIECE ((size_t)4 << 20)

/* Longest payload of a frame that travels with its header: reports and teams, below what MPI sends at once. */
enum { UWC_PAR_SHORT = 1024 };

/* A buffer that is sent to one rank or several, or received into. MPI may still use it when the wait for it is given up: it then lives on
 * in the communicator. */
enum { UWC_PAR_RECEIVERS = 16 };
typedef struct uwc_par__parcel {
    MPI_Request request[UWC_PAR_RECEIVERS];
    int n;        /* of them under way */
    char *buffer; /* owned */
} uwc_par__parcel;

struct uwc_comm {
    MPI_Comm world; /* a duplicate of MPI_COMM_WORLD of our own */
    int rank, size;
    size_t piece;    /* UWC_PAR_PIECE; tests make it small */
    double patience; /* seconds */
    bool loose;      /* no collective calls of MPI any more */
    uint8_t *lost;   /* [size] */
    int n_lost;
    bool missing;  /* rank 0 has lost a rank */
    int64_t round; /* of the agreements of a loose communicator */
    double pulse;  /* when uwc_comm_pulse told the others last */
    uwc_par__parcel *parcel;
    int64_t n_parcels, parcel_capacity;
};

#define UWC_PAR_PATIENCE 30.0
/* Rank 0 may lose patience with several ranks in turn: it may be silent for so many times as long. */
enum { UWC_PAR_LEADER = 10 };

/* uwc_comm_agree of a loose communicator. */
uwc_status uwc_par__agree_loose(uwc_comm *comm, uwc_status mine) UWC_MUST_USE;

/* UWC_OK for MPI_SUCCESS, else COMM with MPI's text behind `what`. Local. */
uwc_status uwc_par__check(int code, const char *what) UWC_MUST_USE;
/* Waits for a request without spinning, as long as it takes. Local. */
uwc_status uwc_par__wait(MPI_Request *request, const char *what) UWC_MUST_USE;

/* Between two looks: not at all at the first hundred, then asleep, longer from call to call: 50 us, doubled up to 2 ms. Start with 0, or
 * with -n to let other processes go first n times before. Local. */
void uwc_par__sleep(long *nanoseconds);

uwc_status uwc_par__parcel_open(size_t bytes, uwc_par__parcel *out) UWC_MUST_USE;
/* Begins to send the first `bytes` to one more rank. Local. */
uwc_status uwc_par__parcel_send(const uwc_comm *comm, uwc_par__parcel *parcel, int peer, int tag, size_t bytes) UWC_MUST_USE;
/* Begins to receive into the buffer, which is not under way. Local. */
uwc_status uwc_par__parcel_receive(const uwc_comm *comm, uwc_par__parcel *parcel, int peer, int tag, size_t bytes) UWC_MUST_USE;
/* *done: nothing of it is under way any more. Local. */
uwc_status uwc_par__parcel_test(uwc_par__parcel *parcel, bool *done) UWC_MUST_USE;
/* Waits until it is done, at most `patience` seconds (< 0: as long as it takes). `poll` (may be NULL) as in uwc_comm_swap. Errors: those
 * of `poll`. Local. */
uwc_status uwc_par__await(uwc_par__parcel *parcel, double patience, uwc_status (*poll)(void *), void *self, bool *done) UWC_MUST_USE;
/* Frees the buffer, at once or, where it is under way, when it no longer is. Local. */
void uwc_par__parcel_close(uwc_comm *comm, uwc_par__parcel *parcel);
/* The same for what is received: MPI is told that nobody wants it any more. Local. */
void uwc_par__parcel_cancel(uwc_comm *comm, uwc_par__parcel *parcel);

/* How long this rank waits for an answer of `peer`, seconds. Local. */
double uwc_par__patience(const uwc_comm *comm, int peer);
/* Sends a copy and does not wait until it is taken. Local. */
uwc_status uwc_par__post(uwc_comm *comm, int peer, int tag, const void *data, size_t bytes) UWC_MUST_USE;
/* Frees the copies that have been taken. Local. */
void uwc_par__collect(uwc_comm *comm);
/* Waits for a message, at most `patience` seconds (< 0: as long as it takes); what it brings is copied to `data`. `poll` (may be NULL) as
 * in uwc_comm_swap. Errors: COMM (silence), those of `poll`. Local. */
uwc_status uwc_par__fetch(uwc_comm *comm, int peer, int tag, void *data, size_t bytes, double patience, uwc_status (*poll)(void *),
                          void *self) UWC_MUST_USE;
/* `bytes` at `data` to or from `peer`, cut into pieces; both sides have the same length, and the other side is there. Errors: COMM (no
 * progress for too long). Local. */
uwc_status uwc_par__send_pieces(uwc_comm *comm, int peer, int tag, const char *data, size_t bytes) UWC_MUST_USE;
uwc_status uwc_par__receive_pieces(uwc_comm *comm, int peer, int tag, char *data, size_t bytes) UWC_MUST_USE;

/* A communicator of the members, to be freed by the caller, for libraries that want one. It knows no `poll`: a member that dies in it
 * leaves the others waiting for ever. Collective over the team. */
uwc_status uwc_par__team_connect(uwc_team *team, MPI_Comm *out) UWC_MUST_USE;

/* Tags of the messages on uwc_comm.world. */
enum {
    UWC_PAR_TAG_HEADER = 1,
    UWC_PAR_TAG_GO,
    UWC_PAR_TAG_PAYLOAD,
    UWC_PAR_TAG_GATHER,
    UWC_PAR_TAG_BID,
    UWC_PAR_TAG_OUTCOME,
    UWC_PAR_TAG_SWAP
};
/* Swaps and teams have UWC_PAR_SWAPS tags from UWC_PAR_TAG_SWAP on. */
enum { UWC_PAR_SWAPS = 1 << 14 };

#endif
