/* Frames between two ranks: a header, and where there is a payload a token from the receiver that it is here, then the payload in pieces.
 * The token keeps a sender asleep, not busy in MPI, until the receiver has time for it; it is 0 where the receiver has no memory. */
#include "par_mpi.h"

#include <string.h>

#define FRAME_MAGIC UINT32_C(0x55574346) /* "UWCF" */

typedef struct frame_header {
    uint32_t magic;
    int32_t kind;
    int64_t arg[4];
    uint64_t bytes;
} frame_header;

static uwc_status check_peer(const uwc_comm *comm, int peer) {
    UWC_CHECK(peer >= 0 && peer < comm->size && peer != comm->rank, UWC_E_ARG, "rank %d has no peer %d among %d ranks", comm->rank, peer,
              comm->size);
    return UWC_OK;
}

uwc_status uwc_comm_send(uwc_comm *comm, const uwc_frame *frame) {
    UWC_TRY(check_peer(comm, frame->peer));
    if (uwc_comm_is_lost(comm, frame->peer)) {
        return UWC_OK;
    }
    frame_header header = {.magic = FRAME_MAGIC, .kind = frame->kind, .bytes = frame->bytes};
    memcpy(header.arg, frame->arg, sizeof header.arg);
    UWC_TRY(uwc_par__post(comm, frame->peer, UWC_PAR_TAG_HEADER, &header, sizeof header));
    if (frame->bytes == 0) {
        return UWC_OK;
    }
    char go = 0;
    UWC_TRY(uwc_par__fetch(comm, frame->peer, UWC_PAR_TAG_GO, &go, 1, uwc_par__patience(comm, frame->peer), NULL, NULL));
    UWC_CHECK(go == 1, UWC_E_COMM, "rank %d has no memory for a frame of %zu bytes", frame->peer, frame->bytes);
    return uwc_par__send_pieces(comm, frame->peer, UWC_PAR_TAG_PAYLOAD, frame->payload, frame->bytes);
}

/* Waits for a header; *source is its sender, or -1 when the time is over. */
static uwc_status await_header(uwc_comm *comm, int peer, double seconds, int *source) {
    double end = uwc_now() + seconds;
    long delay = 0;
    *source = -1;
    for (;;) {
        int there = 0;
        MPI_Status status;
        int from = peer < 0 ? MPI_ANY_SOURCE : peer;
        UWC_TRY(uwc_par__check(MPI_Iprobe(from, UWC_PAR_TAG_HEADER, comm->world, &there, &status), "receive"));
        if (there) {
            *source = status.MPI_SOURCE;
            return UWC_OK;
        }
        if (seconds >= 0 && uwc_now() >= end) {
            return UWC_OK;
        }
        uwc_par__sleep(&delay);
    }
}

static uwc_status receive_payload(uwc_comm *comm, uwc_frame *frame) {
    uwc_status st = uwc_calloc((int64_t)frame->bytes + 1, 1, &frame->payload); /* one byte more: text stays terminated */
    char go = st == UWC_OK;
    UWC_TRY(uwc_par__post(comm, frame->peer, UWC_PAR_TAG_GO, &go, 1));
    UWC_TRY(st);
    return uwc_par__receive_pieces(comm, frame->peer, UWC_PAR_TAG_PAYLOAD, frame->payload, frame->bytes);
}

uwc_status uwc_comm_receive(uwc_comm *comm, int peer, double seconds, uwc_frame *out, bool *got) {
    int source;
    frame_header header = {0};
    *got = false;
    memset(out, 0, sizeof *out);
    if (peer >= 0) {
        UWC_TRY(check_peer(comm, peer));
    }
    UWC_TRY(await_header(comm, peer, seconds, &source));
    if (source < 0) {
        return UWC_OK;
    }
    UWC_TRY(
        uwc_par__check(MPI_Recv(&header, sizeof header, MPI_BYTE, source, UWC_PAR_TAG_HEADER, comm->world, MPI_STATUS_IGNORE), "receive"));
    UWC_CHECK(header.magic == FRAME_MAGIC, UWC_E_COMM, "rank %d sent no frame header", source);
    out->peer = source;
    out->kind = header.kind;
    memcpy(out->arg, header.arg, sizeof out->arg);
    out->bytes = (size_t)header.bytes;
    uwc_status st = out->bytes > 0 ? receive_payload(comm, out) : UWC_OK;
    if (st != UWC_OK) {
        uwc_frame_clear(out);
        out->peer = source;
        return uwc_error_note(st, "frame of rank %d, %llu bytes", source, (unsigned long long)header.bytes);
    }
    *got = true;
    return UWC_OK;
}

void uwc_frame_clear(uwc_frame *frame) {
    uwc_free(&frame->payload);
    memset(frame, 0, sizeof *frame);
}
