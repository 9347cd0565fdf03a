/* A team: members add their sums over MPI as one member alone adds those of its shards. */
#include "sched_impl.h"

static uwc_status poll(void *self) {
    uwc_team_talk *talk = self;
    UWC_TRY(uwc_sched__hand_poll(talk->hand));
    UWC_CHECK(uwc_now() - talk->since < talk->assignment->team.limit, UWC_E_COMM, "rank %d of the team is silent for %g s", talk->peer,
              talk->assignment->team.limit);
    return UWC_OK;
}

/* 0+1, 2+3, then the pairs: in each round a member adds what its partner has, and both have the same sum, as addition commutes. */
static uwc_status combine(void *self, double *sum, int64_t count) {
    uwc_team_talk *talk = self;
    const uwc_assignment *a = talk->assignment;
    double *theirs;
    UWC_TRY(uwc_calloc(count, sizeof *theirs, &theirs));
    uwc_status st = UWC_OK;
    for (int distance = 1; distance < a->members && st == UWC_OK; distance *= 2) {
        talk->peer = a->team.rank[a->member ^ distance];
        talk->since = uwc_now();
        st = uwc_comm_swap(talk->hand->comm, talk->peer, (int)(a->round % INT32_MAX), sum, theirs, count, poll, talk);
        for (int64_t i = 0; i < count && st == UWC_OK; i++) {
            sum[i] += theirs[i];
        }
    }
    uwc_free(&theirs);
    return st;
}

static uwc_status open_grid(uwc_team_talk *talk) {
    const uwc_assignment *a = talk->assignment;
    int rank[UWC_SHARDS];
    for (int m = 0; m < a->members; m++) {
        rank[m] = a->team.rank[m];
    }
    UWC_TRY(uwc_sched__team_meet(talk)); /* nobody waits busily inside MPI for one who comes later */
    UWC_TRY(uwc_comm_team_open(talk->hand->comm, rank, a->members, (int)(a->round % INT32_MAX), &talk->comm));
    return uwc_grid_create(talk->comm, &talk->grid);
}

uwc_status uwc_sched__team_join(uwc_team_talk *talk, bool spreads, uwc_unit_stream *stream) {
    stream->talk = talk;
    stream->stream.member = talk->assignment->member;
    stream->stream.members = talk->assignment->members;
    uwc_sched__stream_share(stream, combine);
    UWC_TRY(spreads && talk->assignment->members > 1 ? open_grid(talk) : UWC_OK);
    stream->stream.team = talk->grid;
    return UWC_OK;
}

void uwc_sched__team_leave(uwc_team_talk *talk) {
    uwc_grid_destroy(&talk->grid);
    uwc_comm_team_close(&talk->comm);
}

uwc_status uwc_sched__team_meet(uwc_team_talk *talk) {
    double nothing = 0;
    return talk->assignment->members > 1 ? combine(talk, &nothing, 1) : UWC_OK;
}
