/* All ranks as one team on a unit's samples. */
#ifndef UWC_TEST_TEAM_FIXTURE_H
#define UWC_TEST_TEAM_FIXTURE_H

#include "spread_fixture.h"

#include <uwc/recon.h>

/* Sums over the members in pairs, 0+1, 2+3, then these: through rank 0. */
static inline uwc_status combine_over_ranks(void *self, double *sum, int64_t count) {
    (void)self;
    char **part;
    size_t *sizes;
    const int size = uwc_comm_size(comm);
    UWC_TRY(uwc_comm_gather(comm, 0, sum, (size_t)count * sizeof *sum, &part, &sizes));
    for (int width = 1; part != NULL && width < size; width *= 2) {
        for (int m = 0; m + width < size; m += 2 * width) {
            for (int64_t i = 0; i < count; i++) {
                ((double *)(void *)part[m])[i] += ((double *)(void *)part[m + width])[i];
            }
        }
    }
    if (part != NULL) {
        memcpy(sum, part[0], (size_t)count * sizeof *sum);
    }
    for (int m = 0; part != NULL && m < size; m++) {
        uwc_free(&part[m]);
    }
    uwc_free(&part);
    uwc_free(&sizes);
    return uwc_comm_broadcast(comm, 0, sum, (size_t)count * sizeof *sum);
}

static inline void join_team(uwc_stream *stream, const uwc_grid *grid) {
    stream->member = uwc_grid_member(grid);
    stream->members = uwc_grid_members(grid);
    stream->combine = combine_over_ranks;
    stream->team = grid;
}

#endif
