/* Solve: what earlier sessions have done, then the coordinator and its workers. */
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

/* Rank 0. */
static uwc_status check_captured(const uwc_run *run, const uwc_cache *cache) {
    for (int i = 0; i < run->plan->n_boundary; i++) {
        UWC_CHECK(uwc_sched__cached(run->plan, cache, run->plan->boundary[i], false), UWC_E_STATE,
                  "%s: activations of %s are not captured, the phase capture comes first", run->folder,
                  run->plan->graph->value[run->plan->boundary[i]].name);
    }
    return UWC_OK;
}

static uwc_status prepare(const uwc_run *run, uwc_cache **cache) {
    char *folder;
    bool first = uwc_comm_rank(run->comm) == 0;
    *cache = NULL;
    if (!first && run->settings.message) {
        return UWC_OK;
    }
    UWC_TRY(uwc_sched__cache_open(run, cache));
    if (!first) {
        return UWC_OK;
    }
    UWC_TRY(uwc_sched__path(run, "units", &folder));
    uwc_status st = uwc_folder_make(folder);
    uwc_free(&folder);
    return st == UWC_OK ? check_captured(run, *cache) : st;
}

static bool has_all_units(const uwc_run *run) {
    for (int u = 0; u < run->plan->partition->n_units; u++) {
        if (uwc_sched__find_event(run, "unit", "unit", u) == NULL) {
            return false;
        }
    }
    return true;
}

uwc_status uwc_phase_solve(uwc_run *run) {
    uwc_cache *cache;
    UWC_TRY(uwc_sched__plan_load(run, false));
    double start = uwc_now();
    bool first = uwc_comm_rank(run->comm) == 0, had = first && has_all_units(run);
    uwc_status st = uwc_comm_agree(run->comm, prepare(run, &cache));
    if (st == UWC_OK) {
        st = first ? uwc_sched__coordinate(run, cache) : uwc_sched__work(run, cache);
        if (st == UWC_OK && !had) {
            st = uwc_sched__record_phase(run, UWC_PHASE_SOLVE, uwc_now() - start);
        }
        st = uwc_comm_agree(run->comm, st);
    }
    uwc_cache_close(&cache);
    return st;
}
