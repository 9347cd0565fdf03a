/* A team: members add their sums over MPI as one member alone adds those of its shards. */
#include "sched_impl.h"

/* 0+1, 2+3, then the pairs: in each round a member adds what its partner has, and both have the same sum, as addition commutes. */
static uwc_status combine(void *self, double *sum, int64_t count) {
    uwc_team *team = self;
    double *theirs;
    UWC_TRY(uwc_calloc(count, sizeof *theirs, &theirs));
    uwc_status st = UWC_OK;
    for (int distance = 1; distance < uwc_team_members(team) && st == UWC_OK; distance *= 2) {
        st = uwc_team_swap(team, uwc_team_member(team) ^ distance, sum, theirs, count);
        for (int64_t i = 0; i < count && st == UWC_OK; i++) {
            sum[i] += theirs[i];
        }
    }
    uwc_free(&theirs);
    return st;
}

uwc_status uwc_sched__team_open(uwc_hand *hand, const uwc_assignment *a, uwc_team **out) {
    int rank[UWC_SHARDS] = {uwc_comm_rank(hand->comm)};
    for (int m = 0; a->members > 1 && m < a->members; m++) {
        rank[m] = a->team.rank[m];
    }
    UWC_TRY(uwc_team_create(hand->comm, rank, a->members, (int)(a->round % INT32_MAX), out));
    /* The coordinator comes first: its CANCEL means a lost rank, a failure here would count against the unit. */
    uwc_team_watch(*out, uwc_sched__hand_poll, hand, a->members > 1 ? 2 * a->team.limit : -1);
    return UWC_OK;
}

void uwc_sched__team_join(uwc_team *team, const uwc_grid *grid, uwc_unit_stream *stream) {
    stream->talk = team;
    stream->stream.member = uwc_team_member(team);
    stream->stream.members = uwc_team_members(team);
    stream->stream.team = grid;
    uwc_sched__stream_share(stream, combine);
}

uwc_status uwc_sched__team_meet(uwc_team *team) {
    double nothing = 0;
    return combine(team, &nothing, 1);
}
