/* Waiting without spinning, and messages longer than MPI's int counts. */
#include "par_mpi.h"

#include <time.h>

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

uwc_status uwc_par__send_pieces(uwc_comm *comm, int peer, int tag, const char *data, size_t bytes) {
    while (bytes > 0) {
        size_t now = bytes < comm->piece ? bytes : comm->piece;
        UWC_TRY(uwc_par__check(MPI_Send(data, (int)now, MPI_BYTE, peer, tag, comm->world), "send"));
        data += now;
        bytes -= now;
    }
    return UWC_OK;
}

uwc_status uwc_par__receive_pieces(uwc_comm *comm, int peer, int tag, char *data, size_t bytes) {
    while (bytes > 0) {
        size_t now = bytes < comm->piece ? bytes : comm->piece;
        UWC_TRY(uwc_par__check(MPI_Recv(data, (int)now, MPI_BYTE, peer, tag, comm->world, MPI_STATUS_IGNORE), "receive"));
        data += now;
        bytes -= now;
    }
    return UWC_OK;
}
