/* Messages that their receiver may never take, and receives that may never end: request and buffer live on behind a wait that is given
 * up, as MPI may still use them. */
#include "par_mpi.h"

uwc_status uwc_par__parcel_open(size_t bytes, uwc_par__parcel *out) {
    out->n = 0;
    return uwc_calloc((int64_t)bytes, 1, &out->buffer);
}

uwc_status uwc_par__parcel_send(const uwc_comm *comm, uwc_par__parcel *parcel, int peer, int tag, size_t bytes) {
    UWC_CHECK(parcel->n < UWC_PAR_RECEIVERS, UWC_E_INTERNAL, "a message for more than %d ranks", (int)UWC_PAR_RECEIVERS);
    UWC_TRY(uwc_par__check(MPI_Isend(parcel->buffer, (int)bytes, MPI_BYTE, peer, tag, comm->world, &parcel->request[parcel->n]), "send"));
    parcel->n++;
    return UWC_OK;
}

uwc_status uwc_par__parcel_receive(const uwc_comm *comm, uwc_par__parcel *parcel, int peer, int tag, size_t bytes) {
    UWC_CHECK(parcel->n == 0, UWC_E_INTERNAL, "a receive into a message that is under way");
    UWC_TRY(uwc_par__check(MPI_Irecv(parcel->buffer, (int)bytes, MPI_BYTE, peer, tag, comm->world, &parcel->request[0]), "receive"));
    parcel->n = 1;
    return UWC_OK;
}

uwc_status uwc_par__parcel_test(uwc_par__parcel *parcel, bool *done) {
    int now = 0;
    *done = false;
    UWC_TRY(uwc_par__check(MPI_Testall(parcel->n, parcel->request, &now, MPI_STATUSES_IGNORE), "message"));
    *done = now != 0;
    parcel->n = *done ? 0 : parcel->n;
    return UWC_OK;
}

void uwc_par__parcel_close(uwc_comm *comm, uwc_par__parcel *parcel) {
    bool done;
    if (uwc_par__parcel_test(parcel, &done) == UWC_OK && done) {
        uwc_free(&parcel->buffer);
    } else if (uwc_grow(&comm->parcel, &comm->parcel_capacity, comm->n_parcels + 1, sizeof *comm->parcel) == UWC_OK) {
        comm->parcel[comm->n_parcels++] = *parcel;
    }
    parcel->buffer = NULL; /* without memory for its entry it stays allocated */
}

void uwc_par__parcel_cancel(uwc_comm *comm, uwc_par__parcel *parcel) {
    for (int i = 0; i < parcel->n; i++) {
        MPI_Cancel(&parcel->request[i]);
    }
    uwc_par__parcel_close(comm, parcel);
}

void uwc_par__collect(uwc_comm *comm) {
    int64_t kept = 0;
    for (int64_t i = 0; i < comm->n_parcels; i++) {
        bool done;
        if (uwc_par__parcel_test(&comm->parcel[i], &done) == UWC_OK && done) {
            uwc_free(&comm->parcel[i].buffer);
        } else {
            comm->parcel[kept++] = comm->parcel[i];
        }
    }
    comm->n_parcels = kept;
}
