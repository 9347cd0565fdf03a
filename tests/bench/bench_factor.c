/* The Cholesky factor of a random matrix spread over all ranks, in panels and by ScaLAPACK: seconds, and a hash of its bytes, which shows
 * whether it depends on the number of ranks.
 *     mpirun -n RANKS bench_factor [order]
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include <uwc/linalg.h>

static void fill(const uwc_spread *spread, int64_t n) {
    for (int64_t p = 0; p < uwc_spread_panels(spread); p++) {
        double *rows = uwc_spread_rows(spread, p);
        for (int64_t i = 0; rows != NULL && i < uwc_spread_height(spread, p); i++) {
            const int64_t row = uwc_spread_first(p) + i;
            for (int64_t k = row; k < n; k++) {
                rows[i * n + k] = uwc_rng_uniform(1, (uint64_t)row, (uint64_t)k) - 0.5 + (k == row ? 2 * sqrt((double)n) : 0);
            }
        }
    }
}

/* Of the triangle: one number per row, then these in order. */
static uwc_status hash_of(uwc_comm *comm, const uwc_spread *spread, int64_t n, uint64_t *out) {
    uint64_t *row;
    UWC_TRY(uwc_calloc(n, sizeof *row, &row));
    for (int64_t p = 0; p < uwc_spread_panels(spread); p++) {
        const double *rows = uwc_spread_rows(spread, p);
        const int64_t first = uwc_spread_first(p), height = uwc_spread_height(spread, p);
        for (int64_t i = 0; rows != NULL && i < height; i++) {
            row[first + i] = uwc_hash(UWC_HASH_INIT, rows + i * n + first + i, (size_t)(n - first - i) * sizeof *rows);
        }
        UWC_TRY(uwc_comm_broadcast(comm, uwc_spread_owner(spread, p), row + first, (size_t)height * sizeof *row));
    }
    *out = uwc_hash(UWC_HASH_INIT, row, (size_t)n * sizeof *row);
    uwc_free(&row);
    return UWC_OK;
}

static uwc_status bench(uwc_comm *comm, int64_t n) {
    static const struct {
        const char *name;
        uwc_status (*run)(const uwc_spread *spread);
    } way[] = {{"panels", uwc_spread_factor}, {"ScaLAPACK", uwc_spread_factor_scalapack}};
    uwc_team *team;
    uwc_grid *grid;
    uwc_spread *spread;
    UWC_TRY(uwc_team_create(comm, NULL, uwc_comm_size(comm), 0, &team));
    UWC_TRY(uwc_grid_create(team, &grid));
    UWC_TRY(uwc_spread_create(grid, n, &spread));
    for (int k = 0; k < 2; k++) {
        uint64_t hash;
        fill(spread, n);
        UWC_TRY(uwc_comm_barrier(comm));
        const double start = uwc_now();
        UWC_TRY(way[k].run(spread));
        const double seconds = uwc_now() - start;
        UWC_TRY(hash_of(comm, spread, n, &hash));
        if (uwc_comm_rank(comm) == 0) {
            printf("%d ranks, order %lld, %-9s %6.2f s  %016llx\n", uwc_comm_size(comm), (long long)n, way[k].name, seconds,
                   (unsigned long long)hash);
        }
    }
    uwc_spread_destroy(&spread);
    uwc_grid_destroy(&grid);
    uwc_team_destroy(&team);
    return UWC_OK;
}

int main(int argc, char **argv) {
    uwc_comm *comm = NULL;
    uwc_status st = uwc_par_start(&argc, &argv, &comm);
    if (st == UWC_OK) {
        st = bench(comm, argc > 1 ? atoll(argv[1]) : 3137);
    }
    if (st != UWC_OK) {
        fprintf(stderr, "%s\n", uwc_error_last()->text);
    }
    uwc_par_stop(&comm);
    return uwc_status_exit(st);
}
