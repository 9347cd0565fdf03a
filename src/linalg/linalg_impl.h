/* Private to module linalg. */
#ifndef UWC_LINALG_IMPL_H
#define UWC_LINALG_IMPL_H

#include <uwc/linalg.h>

struct uwc_grid {
    uwc_team *team;
    bool owned; /* the team: of this process alone */
    int member, members;
};

struct uwc_spread {
    const uwc_grid *grid; /* borrowed */
    int64_t n, rows;      /* rows: of this member */
    double *data;         /* [rows, n], panel after panel */
};

/* Columns [from, to) of a panel's rows into out [height, to - from], everywhere. Collective. */
uwc_status uwc_linalg__fetch(const uwc_spread *spread, int64_t panel, int64_t from, int64_t to, double *out) UWC_MUST_USE;
/* Room for a panel on every member. Collective. */
uwc_status uwc_linalg__panel_buffer(const uwc_spread *spread, double **out) UWC_MUST_USE;
/* Set before BLAS is called. */
void uwc_linalg__one_thread(void);

#endif
