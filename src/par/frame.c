/* Frames between two ranks: a header with a short payload behind it in the same message. In front of a longer payload there is a token from
 * the receiver that it is here, then the payload follows in pieces. The token keeps a sender asleep, not busy in MPI, until the receiver
 * has time for it; it is 0 where the receiver has no memory. */
#include "par_mpi.h"

#include <string.h>

#define FRAME_MAGIC UINT32_C(0x55574346) /* "UWCF" */

typedef struct frame_header {
    uint32_t magic;
    int32_t kind;
    int64_t arg[4];
    uint64_t bytes;
} frame_header;

typedef struct frame_letter {
    frame_header header;
    char payload[UWC_PAR_SHORT]; /* only as much of it is sent as there is */
} frame_letter;

/* Bytes of the message that begins a frame. */
static size_t letter_bytes(uint64_t payload) {
    return sizeof(frame_header) + (payload <= UWC_PAR_SHORT ? payload : 0);
}

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
    frame_letter letter;
    letter.header = (frame_header){.magic = FRAME_MAGIC, .kind = frame->kind, .bytes = frame->bytes};
    memcpy(letter.header.arg, frame->arg, sizeof letter.header.arg);
    if (frame->bytes > 0 && frame->bytes <= UWC_PAR_SHORT) {
        memcpy(letter.payload, frame->payload, frame->bytes);
    }
    UWC_TRY(uwc_par__post(comm, frame->peer, UWC_PAR_TAG_HEADER, &letter, letter_bytes(frame->bytes)));
    if (frame->bytes <= UWC_PAR_SHORT) {
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

static uwc_status receive_letter(uwc_comm *comm, int source, frame_letter *out) {
    MPI_Status status;
    int bytes = 0;
    UWC_TRY(uwc_par__check(MPI_Recv(out, sizeof *out, MPI_BYTE, source, UWC_PAR_TAG_HEADER, comm->world, &status), "receive"));
    UWC_TRY(uwc_par__check(MPI_Get_count(&status, MPI_BYTE, &bytes), "receive"));
    bool sound = (size_t)bytes >= sizeof out->header && out->header.magic == FRAME_MAGIC;
    UWC_CHECK(sound && (size_t)bytes == letter_bytes(out->header.bytes), UWC_E_COMM, "rank %d sent no frame header", source);
    return UWC_OK;
}

static uwc_status receive_payload(uwc_comm *comm, const frame_letter *letter, uwc_frame *frame) {
    uwc_status st = uwc_calloc((int64_t)frame->bytes + 1, 1, &frame->payload); /* one byte more: text stays terminated */
    if (frame->bytes <= UWC_PAR_SHORT) {
        UWC_TRY(st);
        memcpy(frame->payload, letter->payload, frame->bytes);
        return UWC_OK;
    }
    char go = st == UWC_OK;
    UWC_TRY(uwc_par__post(comm, frame->peer, UWC_PAR_TAG_GO, &go, 1));
    UWC_TRY(st);
    return uwc_par__receive_pieces(comm, frame->peer, UWC_PAR_TAG_PAYLOAD, frame->payload, frame->bytes);
}

uwc_status uwc_comm_receive(uwc_comm *comm, int peer, double seconds, uwc_frame *out, bool *got) {
    int source;
    frame_letter letter;
    *got = false;
    memset(out, 0, sizeof *out);
    if (peer >= 0) {
        UWC_TRY(check_peer(comm, peer));
    }
    UWC_TRY(await_header(comm, peer, seconds, &source));
    if (source < 0) {
        return UWC_OK;
    }
    UWC_TRY(receive_letter(comm, source, &letter));
    out->peer = source;
    out->kind = letter.header.kind;
    memcpy(out->arg, letter.header.arg, sizeof out->arg);
    out->bytes = (size_t)letter.header.bytes;
    uwc_status st = out->bytes > 0 ? receive_payload(comm, &letter, out) : UWC_OK;
    if (st != UWC_OK) {
        uwc_frame_clear(out);
        out->peer = source;
        return uwc_error_note(st, "frame of rank %d, %llu bytes", source, (unsigned long long)letter.header.bytes);
    }
    *got = true;
    return UWC_OK;
}

void uwc_frame_clear(uwc_frame *frame) {
    uwc_free(&frame->payload);
    memset(frame, 0, sizeof *frame);
}
