/* Several runs in one: planned each for itself, captured together where their float activations are the same, solved through one farm. */
#include "sched_impl.h"

#include <string.h>

static uint64_t hash_option(uint64_t hash, const uwc_json *config, const char *key, uwc_status *st) {
    const uwc_json *value = uwc_sched__json_at(config, key);
    char *text = NULL;
    if (value == NULL || *st != UWC_OK) {
        return hash;
    }
    *st = uwc_json_print(value, 0, &text);
    hash = *st == UWC_OK ? uwc_hash(hash, text, strlen(text) + 1) : hash;
    uwc_free(&text);
    return hash;
}

/* What the float activations of a run depend on, the same on every rank. */
static uwc_status hash_captured(const uwc_run *run, uint64_t *hash) {
    static const char *const key[] = {"data.calibration", "data.samples", "data.preprocess", "run.cache", "run.ops"};
    const uwc_plan *plan = run->plan;
    uwc_json *config;
    UWC_TRY(uwc_config_json(run->config, &config));
    uwc_status st = UWC_OK;
    *hash = uwc_hash(plan->graph_hash, &plan->batch, sizeof plan->batch);
    *hash = uwc_hash(*hash, &plan->images, sizeof plan->images);
    *hash = plan->n_bad > 0 ? uwc_hash(*hash, plan->bad, (size_t)plan->n_bad * sizeof *plan->bad) : *hash;
    for (size_t i = 0; i < sizeof key / sizeof key[0]; i++) {
        *hash = hash_option(*hash, config, key[i], &st);
    }
    uwc_json_release(&config);
    return st;
}

static uwc_status choose_folder(uwc_run *run, const char *folder) {
    uint64_t hash;
    char *name;
    UWC_TRY(hash_captured(run, &hash));
    UWC_TRY(uwc_format(&name, "%016llx", (unsigned long long)hash));
    uwc_free(&run->captured);
    uwc_status st = uwc_path_join(folder, name, &run->captured);
    uwc_free(&name);
    return st;
}

/* A run whose float activations another one has captured took as long to capture, and measures its cost against the same float pass. Rank
 * 0. */
static uwc_status copy_times(const uwc_run *from, uwc_run *to) {
    const uwc_json *pass = uwc_sched__find_event(from, "float_forward", NULL, 0);
    double capture = uwc_sched__phase_seconds(from, UWC_PHASE_CAPTURE);
    if (capture >= 0 && uwc_sched__phase_seconds(to, UWC_PHASE_CAPTURE) < 0) {
        UWC_TRY(uwc_sched__record_phase(to, UWC_PHASE_CAPTURE, capture));
    }
    if (pass == NULL || uwc_sched__find_event(to, "float_forward", NULL, 0) != NULL) {
        return UWC_OK;
    }
    char *text;
    uwc_json *copy;
    UWC_TRY(uwc_json_print(pass, 0, &text));
    uwc_status st = uwc_json_parse(text, strlen(text), &copy);
    uwc_free(&text);
    return st == UWC_OK ? uwc_sched__record(to, copy) : st;
}

static uwc_status capture(uwc_run *const *runs, int n) {
    for (int i = 0; i < n; i++) {
        int same = 0;
        while (strcmp(runs[same]->captured, runs[i]->captured) != 0) {
            same++;
        }
        bool copies = same < i && uwc_comm_rank(runs[i]->comm) == 0;
        UWC_TRY(uwc_comm_agree(runs[i]->comm, copies ? copy_times(runs[same], runs[i]) : UWC_OK));
        UWC_TRY(uwc_phase_capture(runs[i]));
    }
    return UWC_OK;
}

static uwc_status finish(uwc_run *run, int index, uwc_status (*done)(void *self, int run), void *self) {
    UWC_TRY(uwc_phase_assemble(run));
    UWC_TRY(uwc_phase_evaluate(run));
    return uwc_comm_agree(run->comm, done(self, index));
}

uwc_status uwc_runs_all(uwc_run *const *runs, int n, const char *captured, uwc_status (*done)(void *self, int run), void *self) {
    for (int i = 0; i < n; i++) {
        UWC_TRY(uwc_phase_plan(runs[i]));
        UWC_TRY(uwc_comm_agree(runs[i]->comm, choose_folder(runs[i], captured)));
    }
    UWC_TRY(capture(runs, n));
    uwc_status solved = uwc_sched__solve(runs, n);
    uwc_error error = *uwc_error_last();
    if (solved != UWC_OK && solved != UWC_E_UNITS) {
        return solved;
    }
    for (int i = 0; i < n; i++) {
        bool lacks = uwc_comm_rank(runs[i]->comm) == 0 && !uwc_sched__has_all_units(runs[i]);
        if (uwc_comm_agree(runs[i]->comm, lacks ? uwc_error_set(UWC_E_UNITS, "some units are not solved") : UWC_OK) == UWC_OK) {
            UWC_TRY(finish(runs[i], i, done, self));
        }
    }
    return solved == UWC_OK ? UWC_OK : uwc_error_restore(&error);
}
