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
/* Releases the communicator and leaves MPI, unless ranks are lost: the process then has to end without that. Every rank comes here, also
 * after an error. Collective. */
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

/* ---- when ranks may die ------------------------------------------------------------------------------------------------------- */

/* How long a rank waits for another one that should answer at once, seconds (default 30). Local. */
void uwc_comm_set_patience(uwc_comm *comm, double seconds);
double uwc_comm_patience(const uwc_comm *comm);
/* From here on no call involves all ranks at the level of MPI: uwc_comm_agree goes through rank 0, which leaves out ranks that are lost, or
 * silent for longer than the patience; the other collective calls of this header are errors (INTERNAL). Every rank calls it at the same
 * place. Local. */
void uwc_comm_loosen(uwc_comm *comm);
bool uwc_comm_is_loose(const uwc_comm *comm);
/* Rank 0 of a loose communicator, which works alone while the others wait for an agreement: it lives. To be called now and then; does
 * something when the patience is over, and nothing elsewhere. Local. */
uwc_status uwc_comm_pulse(uwc_comm *comm) UWC_MUST_USE;
/* Takes that back. Errors: COMM (ranks are lost). Collective. */
uwc_status uwc_comm_tighten(uwc_comm *comm) UWC_MUST_USE;
/* Rank 0: nothing is sent to a lost rank, nobody waits for it, until it is heard of again. Local. */
void uwc_comm_lose(uwc_comm *comm, int rank);
void uwc_comm_find(uwc_comm *comm, int rank);
bool uwc_comm_is_lost(const uwc_comm *comm, int rank);
/* How many are lost. Local. */
int uwc_comm_lost(const uwc_comm *comm);

/* Sends mine [count] to `peer` and receives its `theirs` [count], which has the same `round` there. `poll` is called now and then while it
 * waits; another status than OK ends the wait with it. Waits as long as it takes. Local (both ranks). */
uwc_status uwc_comm_swap(uwc_comm *comm, int peer, int round, const double *mine, double *theirs, int64_t count,
                         uwc_status (*poll)(void *self), void *self) UWC_MUST_USE;

/* ---- teams ----------------------------------------------------------------------------------------------------------------------- */

/* Some of the ranks, which do the same together; the others need not know. Messages go from member to member, and no call of MPI involves
 * them all: a member that dies in a collective call leaves the others waiting until their `poll` ends the wait, with its status. A team
 * is of no more use after such an end. */
typedef struct uwc_team uwc_team;
/* Of the n ranks that are listed (NULL: 0 to n - 1), this one among them, in that order; `comm` is borrowed and outlives the team. `round`
 * is the same on all members and tells teams of the same ranks apart. Without `comm`: this process alone, which needs no MPI. Errors: ARG.
 * Local. */
uwc_status uwc_team_create(uwc_comm *comm, const int *rank, int n, int round, uwc_team **out) UWC_MUST_USE;
void uwc_team_destroy(uwc_team **team);
/* `poll` (may be NULL) is called by each call below and now and then while it waits; another status than OK ends the call with it. A wait
 * also ends, with COMM, after `limit` seconds (< 0: never). Local. */
void uwc_team_watch(uwc_team *team, uwc_status (*poll)(void *self), void *self, double limit);
/* Calls it. Local. */
uwc_status uwc_team_poll(const uwc_team *team) UWC_MUST_USE;
int uwc_team_member(const uwc_team *team);
int uwc_team_members(const uwc_team *team);
/* As uwc_comm_agree, uwc_comm_max and uwc_comm_broadcast, over the members; `root` is one of them. Collective over the team. */
uwc_status uwc_team_agree(uwc_team *team, uwc_status mine) UWC_MUST_USE;
uwc_status uwc_team_max(uwc_team *team, int64_t mine, int64_t *out) UWC_MUST_USE;
uwc_status uwc_team_broadcast(uwc_team *team, int root, void *data, size_t bytes) UWC_MUST_USE;
/* As uwc_comm_swap, with another member. Local (both members). */
uwc_status uwc_team_swap(uwc_team *team, int member, const double *mine, double *theirs, int64_t count) UWC_MUST_USE;

/* ---- frames ---------------------------------------------------------------------------------------------------------------------- */

/* Typed frames between two ranks: `kind` is the caller's, the payload any length (pieces below 2 GiB). */
typedef struct uwc_frame {
    int peer; /* sender on receipt, destination when sent */
    int kind;
    int64_t arg[4];
    char *payload; /* owned by the frame after receipt, borrowed when sent */
    size_t bytes;
} uwc_frame;

/* Sends a frame; returns when `payload` may be reused: at once where it is short (1 KiB), else when the receiver has taken it. Nothing is
 * sent to a lost rank. Errors: COMM (the receiver is silent for longer than the patience). Local (point to point). */
uwc_status uwc_comm_send(uwc_comm *comm, const uwc_frame *frame) UWC_MUST_USE;
/* Receives the next frame from `peer` (-1: any). Waits without spinning, at most `seconds` (< 0: forever); *got says whether one came.
 * Errors: COMM (its sender is silent in the middle of it for longer than the patience; out->peer says who). Local (point to point). */
uwc_status uwc_comm_receive(uwc_comm *comm, int peer, double seconds, uwc_frame *out, bool *got) UWC_MUST_USE;
void uwc_frame_clear(uwc_frame *frame);

#ifdef __cplusplus
}
#endif
#endif
