/* A communicator whose ranks may die: who is lost, and how the others agree through rank 0. */
#include "par_mpi.h"

#include <string.h>

/* What a rank brings to an agreement, and what comes of it. */
typedef struct bid {
    int64_t round;
    int rank;        /* whose error it is */
    bool missing;    /* a rank is lost */
    uwc_error error; /* status OK: no failure */
} bid;

void uwc_comm_set_patience(uwc_comm *comm, double seconds) {
    comm->patience = seconds;
}

double uwc_comm_patience(const uwc_comm *comm) {
    return comm->patience;
}

void uwc_comm_loosen(uwc_comm *comm) {
    comm->loose = true;
}

bool uwc_comm_is_loose(const uwc_comm *comm) {
    return comm->loose;
}

void uwc_comm_lose(uwc_comm *comm, int rank) {
    comm->n_lost += comm->lost[rank] == 0;
    comm->lost[rank] = 1;
}

void uwc_comm_find(uwc_comm *comm, int rank) {
    comm->n_lost -= comm->lost[rank] != 0;
    comm->lost[rank] = 0;
}

bool uwc_comm_is_lost(const uwc_comm *comm, int rank) {
    return comm->lost[rank] != 0;
}

int uwc_comm_lost(const uwc_comm *comm) {
    return comm->n_lost;
}

static bid make_bid(const uwc_comm *comm, uwc_status mine) {
    bid out;
    memset(&out, 0, sizeof out);
    out.round = comm->round;
    out.rank = comm->rank;
    if (mine != UWC_OK) {
        out.error = *uwc_error_last();
    }
    out.error.status = mine;
    return out;
}

/* Rank 0: the next bid, if there is one. Bids of earlier rounds come from ranks that were waited for in vain: they are dropped. */
static uwc_status take_bid(uwc_comm *comm, bid *out, int *source) {
    int there = 0;
    MPI_Status status;
    *source = -1;
    UWC_TRY(uwc_par__check(MPI_Iprobe(MPI_ANY_SOURCE, UWC_PAR_TAG_BID, comm->world, &there, &status), "agreement"));
    if (!there) {
        return UWC_OK;
    }
    UWC_TRY(uwc_par__check(MPI_Recv(out, sizeof *out, MPI_BYTE, status.MPI_SOURCE, UWC_PAR_TAG_BID, comm->world, MPI_STATUS_IGNORE),
                           "agreement"));
    if (out->round == comm->round) {
        *source = status.MPI_SOURCE;
        uwc_comm_find(comm, *source);
    }
    return UWC_OK;
}

/* Rank 0: `worst` = the failure of the lowest rank. Ranks that stay silent are lost. */
static uwc_status take_bids(uwc_comm *comm, uint8_t *present, bid *worst) {
    double end = uwc_now() + comm->patience;
    long delay = 0;
    int missing = comm->size - 1 - comm->n_lost;
    while (missing > 0 && uwc_now() < end) {
        bid theirs;
        int source;
        UWC_TRY(take_bid(comm, &theirs, &source));
        if (source < 0) {
            uwc_par__sleep(&delay);
            continue;
        }
        present[source] = 1;
        if (theirs.error.status != UWC_OK && (worst->error.status == UWC_OK || source < worst->rank)) {
            *worst = theirs;
        }
        missing = 0;
        for (int r = 1; r < comm->size; r++) {
            missing += !present[r] && !comm->lost[r];
        }
    }
    for (int r = 1; r < comm->size; r++) {
        if (!present[r]) {
            uwc_comm_lose(comm, r);
        }
    }
    return UWC_OK;
}

static uwc_status conclude(const uwc_comm *comm, const bid *outcome) {
    if (outcome->error.status == UWC_OK) {
        return UWC_OK;
    }
    uwc_status st = uwc_error_restore(&outcome->error);
    return outcome->rank == comm->rank ? st : uwc_error_note(st, "rank %d", outcome->rank);
}

static uwc_status lead(uwc_comm *comm, uwc_status mine) {
    bid outcome = make_bid(comm, mine);
    uint8_t *present;
    UWC_TRY(uwc_calloc(comm->size, 1, &present));
    uwc_status st = take_bids(comm, present, &outcome);
    outcome.missing = comm->n_lost > 0;
    for (int r = 1; r < comm->size && st == UWC_OK; r++) {
        st = present[r] ? uwc_par__post(comm, r, UWC_PAR_TAG_OUTCOME, &outcome, sizeof outcome) : UWC_OK;
    }
    uwc_free(&present);
    UWC_TRY(st);
    return conclude(comm, &outcome);
}

static uwc_status follow(uwc_comm *comm, uwc_status mine) {
    bid outcome = make_bid(comm, mine);
    UWC_TRY(uwc_par__post(comm, 0, UWC_PAR_TAG_BID, &outcome, sizeof outcome));
    do {
        UWC_TRY(uwc_par__fetch(comm, 0, UWC_PAR_TAG_OUTCOME, &outcome, sizeof outcome, uwc_par__patience(comm, 0), NULL, NULL));
    } while (outcome.round != comm->round);
    comm->missing = outcome.missing;
    return conclude(comm, &outcome);
}

/* An outcome of no round: who waits for another one waits anew. */
uwc_status uwc_comm_pulse(uwc_comm *comm) {
    const bid nothing = {.round = -1};
    if (!comm->loose || comm->rank != 0 || uwc_now() - comm->pulse < comm->patience) {
        return UWC_OK;
    }
    comm->pulse = uwc_now();
    for (int r = 1; r < comm->size; r++) {
        UWC_TRY(comm->lost[r] ? UWC_OK : uwc_par__post(comm, r, UWC_PAR_TAG_OUTCOME, &nothing, sizeof nothing));
    }
    return UWC_OK;
}

uwc_status uwc_par__agree_loose(uwc_comm *comm, uwc_status mine) {
    comm->round++;
    return comm->rank == 0 ? lead(comm, mine) : follow(comm, mine);
}

uwc_status uwc_comm_tighten(uwc_comm *comm) {
    if (!comm->loose) {
        return UWC_OK;
    }
    UWC_TRY(uwc_comm_agree(comm, UWC_OK));
    UWC_CHECK(!comm->missing && comm->n_lost == 0, UWC_E_COMM, "ranks are lost");
    comm->loose = false;
    return UWC_OK;
}
