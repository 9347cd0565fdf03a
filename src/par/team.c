/* Teams: members that speak from rank to rank on the communicator of all, in trees whose root is any of them. Who waits looks now and then
 * at what `poll` says, so that a dead member keeps nobody. */
#include "par_mpi.h"

#include <string.h>

/* A message on its way through this member: two, so that one is received while the other is taken. */
enum { LANES = 2 };
#define SLICE ((size_t)256 << 10) /* longest message: what is held in memory, and the pace of a tree */

struct uwc_team {
    uwc_comm *comm; /* borrowed; NULL: this process alone */
    int *rank;      /* [members] */
    int member, members, round, tag;
    uwc_status (*poll)(void *self);
    void *self;
    double limit; /* seconds that one wait may take */
    uwc_par__parcel lane[LANES];
    size_t slice; /* bytes of a lane */
};

/* A wait that is on. */
typedef struct watch {
    const uwc_team *team;
    double end;
} watch;

/* What members bring to an agreement or a maximum. */
typedef struct vote {
    int member; /* whose error it is */
    int64_t most;
    uwc_error error; /* status OK: no failure */
} vote;

static uwc_status fill(uwc_team *team, const int *rank, int n, int round) {
    const uwc_comm *comm = team->comm;
    UWC_TRY(uwc_calloc(n, sizeof *team->rank, &team->rank));
    for (int m = 0; m < n; m++) {
        team->rank[m] = rank == NULL ? m : rank[m];
        team->member = comm != NULL && team->rank[m] == comm->rank ? m : team->member;
        UWC_CHECK(comm == NULL || (team->rank[m] >= 0 && team->rank[m] < comm->size), UWC_E_ARG, "a team of rank %d", team->rank[m]);
    }
    UWC_CHECK(team->member >= 0, UWC_E_ARG, "a team without rank %d, which is to make it", comm->rank);
    team->members = n;
    team->round = round;
    team->tag = UWC_PAR_TAG_SWAP + round % UWC_PAR_SWAPS;
    team->slice = comm != NULL && comm->piece < SLICE ? comm->piece : SLICE;
    return UWC_OK;
}

uwc_status uwc_team_create(uwc_comm *comm, const int *rank, int n, int round, uwc_team **out) {
    uwc_team *team;
    *out = NULL;
    UWC_CHECK(n >= 1 && (comm != NULL || n == 1), UWC_E_ARG, "a team of %d ranks", n);
    UWC_TRY(uwc_calloc(1, sizeof *team, &team));
    *team = (uwc_team){.comm = comm, .limit = -1, .member = comm == NULL ? 0 : -1};
    uwc_status st = fill(team, rank, n, round);
    *out = team;
    if (st != UWC_OK) {
        uwc_team_destroy(out);
    }
    return st;
}

void uwc_team_watch(uwc_team *team, uwc_status (*poll)(void *self), void *self, double limit) {
    team->poll = poll;
    team->self = self;
    team->limit = limit;
}

/* What is under way is given up. */
static void close_lanes(uwc_team *team) {
    for (int k = 0; k < LANES; k++) {
        if (team->lane[k].buffer != NULL) {
            uwc_par__parcel_cancel(team->comm, &team->lane[k]);
        }
    }
}

void uwc_team_destroy(uwc_team **team) {
    if (*team == NULL) {
        return;
    }
    close_lanes(*team);
    uwc_free(&(*team)->rank);
    uwc_free(team);
}

int uwc_team_member(const uwc_team *team) {
    return team->member;
}

int uwc_team_members(const uwc_team *team) {
    return team->members;
}

/* ---- waiting ------------------------------------------------------------------------------------------------------------------------- */

uwc_status uwc_team_poll(const uwc_team *team) {
    return team->poll == NULL ? UWC_OK : team->poll(team->self);
}

static uwc_status look(void *self) {
    const watch *w = self;
    UWC_TRY(uwc_team_poll(w->team));
    UWC_CHECK(w->team->limit < 0 || uwc_now() < w->end, UWC_E_COMM, "a rank of the team is silent for %g s", w->team->limit);
    return UWC_OK;
}

static uwc_status settle(const uwc_team *team, uwc_par__parcel *lane) {
    watch w = {.team = team, .end = uwc_now() + team->limit};
    bool done;
    return uwc_par__await(lane, -1, look, &w, &done);
}

uwc_status uwc_team_swap(uwc_team *team, int member, const double *mine, double *theirs, int64_t count) {
    watch w = {.team = team, .end = uwc_now() + team->limit};
    UWC_CHECK(member >= 0 && member < team->members, UWC_E_ARG, "member %d of %d", member, team->members);
    return uwc_comm_swap(team->comm, team->rank[member], team->round, mine, theirs, count, look, &w);
}

/* ---- from one to all ----------------------------------------------------------------------------------------------------------------- */

/* A binomial tree: place p, counted from the root, hears of p without its lowest bit, and tells those that have one bit more below it. */
static int rank_at(const uwc_team *team, int root, int place) {
    return team->rank[(place + root) % team->members];
}

/* One slice through this member: from its parent (or from `data` of the root) to its children and to `data`. */
static uwc_status pass_slice(const uwc_team *team, uwc_par__parcel *lane, int root, char *data, size_t bytes) {
    const int place = (team->member - root + team->members) % team->members, low = place & -place;
    UWC_TRY(settle(team, lane)); /* the slice before the last one has been taken */
    if (place == 0) {
        memcpy(lane->buffer, data, bytes);
    } else {
        UWC_TRY(uwc_par__parcel_receive(team->comm, lane, rank_at(team, root, place - low), team->tag, bytes));
        UWC_TRY(settle(team, lane));
        memcpy(data, lane->buffer, bytes);
    }
    int bit = 1;
    while (place == 0 ? bit < team->members : bit < low) {
        bit *= 2;
    }
    for (bit /= 2; bit > 0; bit /= 2) { /* those with most below them first */
        if (place + bit < team->members) {
            UWC_TRY(uwc_par__parcel_send(team->comm, lane, rank_at(team, root, place + bit), team->tag, bytes));
        }
    }
    return UWC_OK;
}

static uwc_status open_lanes(uwc_team *team) {
    for (int k = 0; k < LANES; k++) {
        UWC_TRY(team->lane[k].buffer == NULL ? uwc_par__parcel_open(team->slice, &team->lane[k]) : UWC_OK);
    }
    return UWC_OK;
}

static uwc_status pass_slices(uwc_team *team, int root, char *data, size_t bytes) {
    for (int k = 0; bytes > 0; k = (k + 1) % LANES) {
        const size_t now = bytes < team->slice ? bytes : team->slice;
        UWC_TRY(pass_slice(team, &team->lane[k], root, data, now));
        data += now;
        bytes -= now;
    }
    for (int k = 0; k < LANES; k++) { /* nothing moves while this member is at work */
        UWC_TRY(settle(team, &team->lane[k]));
    }
    return UWC_OK;
}

uwc_status uwc_team_broadcast(uwc_team *team, int root, void *data, size_t bytes) {
    UWC_CHECK(root >= 0 && root < team->members, UWC_E_ARG, "member %d of %d", root, team->members);
    UWC_TRY(uwc_team_poll(team));
    if (team->members == 1 || bytes == 0) {
        return UWC_OK;
    }
    UWC_TRY(open_lanes(team));
    uwc_status st = pass_slices(team, root, data, bytes);
    if (st != UWC_OK) {
        close_lanes(team);
    }
    return st;
}

/* ---- votes --------------------------------------------------------------------------------------------------------------------------- */

static void add_vote(vote *sum, const vote *theirs) {
    sum->most = theirs->most > sum->most ? theirs->most : sum->most;
    if (theirs->error.status != UWC_OK && (sum->error.status == UWC_OK || theirs->member < sum->member)) {
        sum->member = theirs->member;
        sum->error = theirs->error;
    }
}

/* Up the tree of member 0, and the outcome down again. */
static uwc_status count_votes(uwc_team *team, vote *mine) {
    for (int bit = 1; bit < team->members; bit *= 2) {
        if ((team->member & bit) != 0) {
            UWC_TRY(uwc_par__post(team->comm, team->rank[team->member - bit], team->tag, mine, sizeof *mine));
            break;
        }
        if (team->member + bit < team->members) {
            watch w = {.team = team, .end = uwc_now() + team->limit};
            vote theirs;
            UWC_TRY(uwc_par__fetch(team->comm, team->rank[team->member + bit], team->tag, &theirs, sizeof theirs, -1, look, &w));
            add_vote(mine, &theirs);
        }
    }
    return uwc_team_broadcast(team, 0, mine, sizeof *mine);
}

uwc_status uwc_team_agree(uwc_team *team, uwc_status mine) {
    vote all;
    const uwc_status st = mine == UWC_OK ? uwc_team_poll(team) : mine;
    if (team->members == 1) {
        return st;
    }
    memset(&all, 0, sizeof all);
    all.member = team->member;
    if (st != UWC_OK) {
        all.error = *uwc_error_last();
    }
    all.error.status = st;
    UWC_TRY(count_votes(team, &all));
    if (all.error.status == UWC_OK) {
        return UWC_OK;
    }
    uwc_status outcome = uwc_error_restore(&all.error);
    return all.member == team->member ? outcome : uwc_error_note(outcome, "rank %d", team->rank[all.member]);
}

uwc_status uwc_team_max(uwc_team *team, int64_t mine, int64_t *out) {
    vote all;
    memset(&all, 0, sizeof all);
    all.most = mine;
    UWC_TRY(uwc_team_poll(team));
    UWC_TRY(team->members == 1 ? UWC_OK : count_votes(team, &all));
    *out = all.most;
    return UWC_OK;
}

/* ---- for libraries that want a communicator of MPI ------------------------------------------------------------------------------------
 */

static uwc_status make_group(const uwc_team *team, MPI_Group *out) {
    MPI_Group all;
    UWC_TRY(uwc_par__check(MPI_Comm_group(team->comm->world, &all), "team"));
    uwc_status st = uwc_par__check(MPI_Group_incl(all, team->members, team->rank, out), "team");
    MPI_Group_free(&all);
    return st;
}

uwc_status uwc_par__team_connect(uwc_team *team, MPI_Comm *out) {
    MPI_Group group;
    if (team->comm == NULL) {
        return uwc_par__check(MPI_Comm_dup(MPI_COMM_SELF, out), "team");
    }
    UWC_TRY(uwc_team_agree(team, make_group(team, &group))); /* nobody waits busily inside MPI for one who comes later */
    uwc_status st = uwc_par__check(MPI_Comm_create_group(team->comm->world, group, team->tag, out), "team");
    MPI_Group_free(&group);
    return st;
}
