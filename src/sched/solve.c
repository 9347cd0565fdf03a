/* Solve: what earlier sessions have done, then a farm over the units of a run, or of several. */
#include "sched_impl.h"

#include <stdlib.h>

uwc_status uwc_sched__read_unit(const uwc_run *run, int unit, uwc_unit_result **out, double *seconds) {
    const char *name = run->plan->partition->unit[unit].name;
    const uwc_json *event = uwc_sched__find_event(run, "unit", "unit", unit);
    uint64_t hash;
    char *path, *image = NULL;
    size_t bytes;
    *out = NULL;
    UWC_CHECK(event != NULL, UWC_E_NOTFOUND, "unit %s is not solved", name);
    UWC_TRY(uwc_sched__json_get_hash(event, "hash", &hash));
    if (seconds != NULL) {
        UWC_TRY(uwc_json_get_real(event, "unit_seconds", seconds));
    }
    UWC_TRY(uwc_sched__unit_path(run, unit, &path));
    uwc_status st = uwc_file_read(path, &image, &bytes);
    if (st == UWC_OK && uwc_hash(UWC_HASH_INIT, image, bytes) != hash) {
        st = uwc_error_set(UWC_E_NOTFOUND, "%s is not the file that the journal has", path);
    }
    if (st == UWC_OK) {
        st = uwc_sched__unit_parse(path, image, bytes, out);
    }
    uwc_free(&image);
    uwc_free(&path);
    return st;
}

/* Whether a later unit that is not done reads an output of `unit` that is not in the cache. Solving `unit` again gives the same bytes. */
static bool is_missed(const uwc_plan *plan, const uwc_cache *cache, int unit, const bool *done) {
    for (int u = unit + 1; u < plan->partition->n_units; u++) {
        const uwc_unit *reader = &plan->partition->unit[u];
        for (int i = 0; i < reader->n_inputs && !done[u]; i++) {
            int value = reader->input[i];
            if (plan->maker[value] == unit && uwc_sched__reads_quantized(plan, u, value) && !uwc_sched__cached(plan, cache, value, true)) {
                return true;
            }
        }
    }
    return false;
}

uwc_status uwc_sched__find_done(const uwc_run *run, const uwc_cache *cache, bool *done) {
    for (int u = run->plan->partition->n_units - 1; u >= 0; u--) {
        uwc_unit_result *result;
        uwc_status st = uwc_sched__read_unit(run, u, &result, NULL);
        UWC_CHECK(st == UWC_OK || st == UWC_E_NOTFOUND, st, "%s", uwc_error_last()->text);
        uwc_unit_result_destroy(&result);
        done[u] = st == UWC_OK && !is_missed(run->plan, cache, u, done);
    }
    return UWC_OK;
}

bool uwc_sched__has_all_units(const uwc_run *run) {
    for (int u = 0; u < run->plan->partition->n_units; u++) {
        if (uwc_sched__find_event(run, "unit", "unit", u) == NULL) {
            return false;
        }
    }
    return true;
}

/* Rank 0. */
static uwc_status check_captured(const uwc_run *run, const uwc_cache *cache) {
    for (int i = 0; i < run->plan->n_boundary; i++) {
        UWC_CHECK(uwc_sched__cached(run->plan, cache, run->plan->boundary[i], false), UWC_E_STATE,
                  "%s: activations of %s are not captured, the phase capture comes first", run->folder,
                  run->plan->graph->value[run->plan->boundary[i]].name);
    }
    return UWC_OK;
}

/* ---- several runs at once ------------------------------------------------------------------------------------------------------ */

int uwc_sched__chain_of(const uwc_chains *chains, int task, int *unit) {
    int low = 0, high = chains->n;
    while (high - low > 1) {
        int middle = low + (high - low) / 2;
        if (chains->first[middle] <= task) {
            low = middle;
        } else {
            high = middle;
        }
    }
    *unit = task - chains->first[low];
    return low;
}

/* Rank 0. */
static uwc_status open_chain(const uwc_run *run, uwc_cache **cache) {
    char *folder;
    UWC_TRY(uwc_sched__cache_open(run, cache));
    UWC_TRY(uwc_sched__path(run, "units", &folder));
    uwc_status st = uwc_folder_make(folder);
    uwc_free(&folder);
    return st == UWC_OK ? check_captured(run, *cache) : st;
}

/* In what the run that needs most leaves of the memory of a rank. */
static uwc_status open_memo(uwc_run *const *runs, int n, uwc_memo **out) {
    int64_t room = INT64_MAX;
    for (int c = 0; c < n; c++) {
        const int64_t left = runs[c]->settings.memory_limit - runs[c]->plan->memory.solve;
        room = left < room ? left : room;
    }
    return n > 1 && room > 0 ? uwc_memo_create(room, out) : UWC_OK;
}

static uwc_status open_chains(uwc_run *const *runs, int n, uwc_chains *out) {
    bool first = uwc_comm_rank(runs[0]->comm) == 0;
    *out = (uwc_chains){.run = runs, .n = n};
    UWC_TRY(uwc_calloc(n + 1, sizeof *out->first, &out->first));
    for (int c = 0; c < n; c++) {
        out->first[c + 1] = out->first[c] + runs[c]->plan->partition->n_units;
    }
    UWC_TRY(open_memo(runs, n, &out->memo));
    UWC_TRY(uwc_calloc(first ? n : 0, sizeof(uwc_cache *), &out->cache));
    for (int c = 0; c < n && first; c++) {
        UWC_TRY(open_chain(runs[c], &out->cache[c]));
    }
    return UWC_OK;
}

static void close_chains(uwc_chains *chains) {
    for (int c = 0; chains->cache != NULL && c < chains->n && uwc_comm_rank(chains->run[0]->comm) == 0; c++) {
        uwc_cache_close(&chains->cache[c]);
    }
    uwc_memo_destroy(&chains->memo);
    uwc_free(&chains->cache);
    uwc_free(&chains->first);
}

static uwc_status perform(uwc_hand *hand, const uwc_assignment *assignment, uwc_outcome *out) {
    return uwc_sched__solve_task(hand->self, hand, assignment, out);
}

uwc_status uwc_sched__solve(uwc_run *const *runs, int n) {
    uwc_chains chains;
    uwc_coordinator *coordinator = NULL;
    uwc_comm *comm = runs[0]->comm;
    bool first = uwc_comm_rank(comm) == 0;
    uwc_status st = open_chains(runs, n, &chains);
    if (st == UWC_OK && first) {
        st = uwc_sched__coordinator_open(&chains, &coordinator);
    }
    st = uwc_comm_agree(comm, st);
    uwc_comm_set_patience(comm, runs[0]->settings.patience);
    uwc_comm_loosen(comm);
    if (st == UWC_OK) {
        uwc_hand hand = {.comm = comm, .hooks = &runs[0]->hooks, .self = &chains, .perform = perform};
        st = uwc_comm_agree(comm, first ? uwc_sched__coordinate(coordinator) : uwc_sched__serve(&hand));
    }
    uwc_sched__coordinator_close(&coordinator);
    close_chains(&chains);
    return st;
}

uwc_status uwc_phase_solve(uwc_run *run) {
    UWC_TRY(uwc_sched__plan_load(run, false));
    return uwc_sched__solve(&run, 1);
}
