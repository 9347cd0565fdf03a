/* par: processes and messages. Floor 1; uses base. The only public face of MPI: no header of this project includes mpi.h but
 * src/par/par_mpi.h. A program may run without mpirun: it is then rank 0 of 1.
 */
#ifndef UWC_PAR_H
#define UWC_PAR_H

#include <uwc/base.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct uwc_comm uwc_comm;

/* Starts MPI (MPI_THREAD_FUNNELED) and gives the communicator of all ranks. Once per process, before any other call. Collective. */
uwc_status uwc_par_start(int *argc, char ***argv, uwc_comm **out) UWC_MUST_USE;
/* Releases the communicator and leaves MPI. Every rank comes here, also after an error. Collective. */
void uwc_par_stop(uwc_comm **comm);
/* Ends all ranks at once; for broken invariants only. Local. */
void uwc_par_abort(uwc_comm *comm, int exit_status);

int uwc_comm_rank(const uwc_comm *comm);
int uwc_comm_size(const uwc_comm *comm);

/* One outcome for all: UWC_OK if `mine` is UWC_OK on every rank, else the status and record of the lowest failing rank
 * (its text is prefixed with "rank N: " on other ranks where there is more than one rank). Collective. */
uwc_status uwc_comm_agree(uwc_comm *comm, uwc_status mine) UWC_MUST_USE;
uwc_status uwc_comm_barrier(uwc_comm *comm) UWC_MUST_USE;
/* `bytes` at `data` of rank `root` to all; any length (cut into pieces below 2 GiB). Collective. */
uwc_status uwc_comm_broadcast(uwc_comm *comm, int root, void *data, size_t bytes) UWC_MUST_USE;
/* As above for a buffer whose length only `root` knows: elsewhere *data is allocated, owned by the caller. Collective. */
uwc_status uwc_comm_broadcast_buffer(uwc_comm *comm, int root, char **data, size_t *bytes) UWC_MUST_USE;
/* Buffers of all ranks to rank `root`: parts[r], bytes[r], owned by the caller, each freed with uwc_free, then the arrays. NULL elsewhere.
 * Collective. */
uwc_status uwc_comm_gather(uwc_comm *comm, int root, const void *data, size_t bytes, char ***parts, size_t **sizes) UWC_MUST_USE;
/* Largest value over the ranks. Collective. */
uwc_status uwc_comm_max(uwc_comm *comm, int64_t mine, int64_t *out) UWC_MUST_USE;

/* Typed frames between two ranks: `kind` is the caller's, the payload any length (pieces below 2 GiB). */
typedef struct uwc_frame {
    int peer; /* sender on receipt, destination when sent */
    int kind;
    int64_t arg[4];
    char *payload; /* owned by the frame after receipt, borrowed when sent */
    size_t bytes;
} uwc_frame;

/* Sends a frame; returns when `payload` may be reused. Local (point to point). */
uwc_status uwc_comm_send(uwc_comm *comm, const uwc_frame *frame) UWC_MUST_USE;
/* Receives the next frame from `peer` (-1: any). Waits without spinning, at most `seconds` (< 0: forever); *got says whether one came.
 * Local (point to point). */
uwc_status uwc_comm_receive(uwc_comm *comm, int peer, double seconds, uwc_frame *out, bool *got) UWC_MUST_USE;
void uwc_frame_clear(uwc_frame *frame);

#ifdef __cplusplus
}
#endif
#endif
