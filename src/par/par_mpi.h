/* The communicator behind its handle, for the modules that speak to MPI themselves (par, store, linalg). The one header that includes
 * mpi.h. */
#ifndef UWC_PAR_MPI_H
#define UWC_PAR_MPI_H

#include <uwc/par.h>

#include <mpi.h>

/* Longest message handed to MPI, whose counts are int: 1 GiB. */
#define UWC_PAR_PIECE ((size_t)1 << 30)

struct uwc_comm {
    MPI_Comm world; /* a duplicate of MPI_COMM_WORLD of our own */
    int rank, size;
    size_t piece; /* UWC_PAR_PIECE; tests make it small */
};

/* UWC_OK for MPI_SUCCESS, else COMM with MPI's text behind `what`. Local. */
uwc_status uwc_par__check(int code, const char *what) UWC_MUST_USE;
/* Waits for a request without spinning, as long as it takes. Local. */
uwc_status uwc_par__wait(MPI_Request *request, const char *what) UWC_MUST_USE;

/* Sleeps longer from call to call: 50 us, doubled up to 2 ms. Start with 0. Local. */
void uwc_par__sleep(long *nanoseconds);

/* `bytes` at `data` to or from `peer`, cut into pieces; both sides have the same length. Blocks busily: only when the other side is there.
 * Local. */
uwc_status uwc_par__send_pieces(uwc_comm *comm, int peer, int tag, const char *data, size_t bytes) UWC_MUST_USE;
uwc_status uwc_par__receive_pieces(uwc_comm *comm, int peer, int tag, char *data, size_t bytes) UWC_MUST_USE;

/* Tags of the messages on uwc_comm.world. */
enum { UWC_PAR_TAG_HEADER = 1, UWC_PAR_TAG_GO, UWC_PAR_TAG_PAYLOAD, UWC_PAR_TAG_GATHER };

#endif
