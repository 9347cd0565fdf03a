/* Where the parts of a spread matrix lie, and how they travel. */
#include "linalg_impl.h"

#include <limits.h>
#include <string.h>

static int64_t panels_of(int64_t n) {
    return (n + UWC_PANEL - 1) / UWC_PANEL;
}

/* Rows of a member: its panels are full but for the last one of all. */
static int64_t rows_of(int64_t n, int member, int members) {
    const int64_t panels = panels_of(n), own = panels / members + (panels % members > member);
    const int64_t missing = (panels - 1) % members == member ? panels * UWC_PANEL - n : 0;
    return own * UWC_PANEL - missing;
}

uwc_status uwc_spread_create(const uwc_grid *grid, int64_t n, uwc_spread **out) {
    *out = NULL;
    UWC_CHECK(n >= 1 && n <= INT_MAX, UWC_E_ARG, "matrix of order %lld", (long long)n);
    const int64_t most = rows_of(n, 0, grid->members);
    UWC_CHECK(most <= INT_MAX / n, UWC_E_UNSUPPORTED, "a matrix of order %lld over %d ranks: a part has more than 2^31 elements",
              (long long)n, grid->members);
    uwc_spread *spread = NULL;
    uwc_status st = uwc_calloc(1, sizeof *spread, &spread);
    if (st == UWC_OK) {
        *spread = (uwc_spread){.grid = grid, .n = n, .rows = rows_of(n, grid->member, grid->members)};
        st = uwc_calloc(spread->rows * n, sizeof *spread->data, &spread->data);
    }
    st = uwc_grid_agree(grid, st);
    if (st != UWC_OK) {
        uwc_spread_destroy(&spread);
    }
    *out = spread;
    return st;
}

void uwc_spread_destroy(uwc_spread **spread) {
    if (*spread != NULL) {
        uwc_free(&(*spread)->data);
        uwc_free(spread);
    }
}

int64_t uwc_spread_bytes(int64_t n, int members) {
    return (rows_of(n, 0, members) + UWC_PANEL) * n * (int64_t)sizeof(double);
}

int64_t uwc_spread_panels(const uwc_spread *spread) {
    return panels_of(spread->n);
}

int64_t uwc_spread_first(int64_t panel) {
    return panel * UWC_PANEL;
}

int64_t uwc_spread_height(const uwc_spread *spread, int64_t panel) {
    const int64_t rest = spread->n - panel * UWC_PANEL;
    return rest < UWC_PANEL ? rest : UWC_PANEL;
}

int uwc_spread_owner(const uwc_spread *spread, int64_t panel) {
    return (int)(panel % spread->grid->members);
}

double *uwc_spread_rows(const uwc_spread *spread, int64_t panel) {
    const bool mine = uwc_spread_owner(spread, panel) == spread->grid->member;
    return mine ? spread->data + panel / spread->grid->members * UWC_PANEL * spread->n : NULL;
}

uwc_status uwc_linalg__fetch(const uwc_spread *spread, int64_t panel, int64_t from, int64_t to, double *out) {
    const int64_t height = uwc_spread_height(spread, panel), width = to - from;
    const double *rows = uwc_spread_rows(spread, panel);
    for (int64_t i = 0; rows != NULL && i < height; i++) {
        memcpy(out + i * width, rows + i * spread->n + from, (size_t)width * sizeof *out);
    }
    return uwc_grid_broadcast(spread->grid, uwc_spread_owner(spread, panel), out, (size_t)(height * width) * sizeof *out);
}

uwc_status uwc_linalg__panel_buffer(const uwc_spread *spread, double **out) {
    *out = NULL;
    uwc_status st = uwc_grid_agree(spread->grid, uwc_calloc(UWC_PANEL * spread->n, sizeof **out, out));
    if (st != UWC_OK) {
        uwc_free(out);
    }
    return st;
}
