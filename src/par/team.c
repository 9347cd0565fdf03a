/* A communicator of some of the ranks, made without the others: they may be at work, or dead. */
#include "par_mpi.h"

static uwc_status make_group(const uwc_comm *comm, const int *rank, int n, MPI_Group *out) {
    MPI_Group all;
    UWC_TRY(uwc_par__check(MPI_Comm_group(comm->world, &all), "team"));
    uwc_status st = uwc_par__check(MPI_Group_incl(all, n, rank, out), "team");
    MPI_Group_free(&all);
    return st;
}

static uwc_status fill(const uwc_comm *comm, const int *rank, int n, int round, uwc_comm *team) {
    MPI_Group group;
    team->piece = comm->piece;
    team->patience = comm->patience;
    UWC_TRY(uwc_calloc(n, 1, &team->lost));
    UWC_TRY(make_group(comm, rank, n, &group));
    uwc_status st =
        uwc_par__check(MPI_Comm_create_group(comm->world, group, UWC_PAR_TAG_SWAP + round % UWC_PAR_SWAPS, &team->world), "team");
    MPI_Group_free(&group);
    UWC_TRY(st);
    MPI_Comm_set_errhandler(team->world, MPI_ERRORS_RETURN);
    MPI_Comm_rank(team->world, &team->rank);
    MPI_Comm_size(team->world, &team->size);
    return UWC_OK;
}

uwc_status uwc_comm_team_open(const uwc_comm *comm, const int *rank, int n, int round, uwc_comm **out) {
    uwc_comm *team;
    *out = NULL;
    UWC_TRY(uwc_calloc(1, sizeof *team, &team));
    team->world = MPI_COMM_NULL;
    uwc_status st = fill(comm, rank, n, round, team);
    *out = team;
    if (st != UWC_OK) {
        uwc_comm_team_close(out);
    }
    return st;
}

void uwc_comm_team_close(uwc_comm **team) {
    if (*team == NULL) {
        return;
    }
    if ((*team)->world != MPI_COMM_NULL) {
        MPI_Comm_free(&(*team)->world);
    }
    uwc_par__collect(*team);
    uwc_free(&(*team)->parcel);
    uwc_free(&(*team)->lost);
    uwc_free(team);
}
