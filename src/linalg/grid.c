#include "linalg_impl.h"

uwc_status uwc_grid_create(uwc_comm *team, uwc_grid **out) {
    *out = NULL;
    uwc_grid *grid = NULL;
    uwc_status st = uwc_calloc(1, sizeof *grid, &grid);
    st = team == NULL ? st : uwc_comm_agree(team, st);
    if (st != UWC_OK) {
        uwc_free(&grid);
        return st;
    }
    *grid = (uwc_grid){.team = team, .members = 1};
    if (team != NULL) {
        grid->member = uwc_comm_rank(team);
        grid->members = uwc_comm_size(team);
    }
    *out = grid;
    return UWC_OK;
}

void uwc_grid_destroy(uwc_grid **grid) {
    uwc_free(grid);
}

int uwc_grid_member(const uwc_grid *grid) {
    return grid->member;
}

int uwc_grid_members(const uwc_grid *grid) {
    return grid->members;
}

uwc_status uwc_grid_agree(const uwc_grid *grid, uwc_status mine) {
    return grid->team == NULL ? mine : uwc_comm_agree(grid->team, mine);
}

uwc_status uwc_grid_max(const uwc_grid *grid, int64_t mine, int64_t *out) {
    *out = mine;
    return grid->team == NULL ? UWC_OK : uwc_comm_max(grid->team, mine, out);
}

uwc_status uwc_grid_broadcast(const uwc_grid *grid, int root, void *data, size_t bytes) {
    return grid->team == NULL || bytes == 0 ? UWC_OK : uwc_comm_broadcast(grid->team, root, data, bytes);
}
