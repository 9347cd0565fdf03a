/* The members of a team as linear algebra sees them. */
#include "linalg_impl.h"

static uwc_status create(uwc_team *team, bool owned, uwc_grid **out) {
    uwc_grid *grid;
    UWC_TRY(uwc_calloc(1, sizeof *grid, &grid));
    *grid = (uwc_grid){.team = team, .owned = owned, .member = uwc_team_member(team), .members = uwc_team_members(team)};
    *out = grid;
    return UWC_OK;
}

uwc_status uwc_grid_create(uwc_team *team, uwc_grid **out) {
    *out = NULL;
    return create(team, false, out);
}

uwc_status uwc_grid_create_alone(uwc_status (*poll)(void *self), void *self, uwc_grid **out) {
    uwc_team *team;
    *out = NULL;
    UWC_TRY(uwc_team_create(NULL, NULL, 1, 0, &team));
    uwc_team_watch(team, poll, self, -1);
    uwc_status st = create(team, true, out);
    if (st != UWC_OK) {
        uwc_team_destroy(&team);
    }
    return st;
}

void uwc_grid_destroy(uwc_grid **grid) {
    if (*grid != NULL && (*grid)->owned) {
        uwc_team_destroy(&(*grid)->team);
    }
    uwc_free(grid);
}

int uwc_grid_member(const uwc_grid *grid) {
    return grid->member;
}

int uwc_grid_members(const uwc_grid *grid) {
    return grid->members;
}

uwc_status uwc_grid_poll(const uwc_grid *grid) {
    return uwc_team_poll(grid->team);
}

uwc_status uwc_grid_agree(const uwc_grid *grid, uwc_status mine) {
    return uwc_team_agree(grid->team, mine);
}

uwc_status uwc_grid_max(const uwc_grid *grid, int64_t mine, int64_t *out) {
    return uwc_team_max(grid->team, mine, out);
}

uwc_status uwc_grid_broadcast(const uwc_grid *grid, int root, void *data, size_t bytes) {
    return uwc_team_broadcast(grid->team, root, data, bytes);
}
