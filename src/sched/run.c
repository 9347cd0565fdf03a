/* A run directory: taking possession of it, its configuration, its journal. */
#include "sched_impl.h"

#include <string.h>
#include <unistd.h>

enum { LOCK_SECONDS = 60 }; /* orphans of a killed run need a moment to go */

const char *uwc_phase_name(uwc_phase phase) {
    static const char *const name[] = {"plan", "capture", "solve", "assemble", "evaluate"};
    return (unsigned)phase < UWC_PHASE_COUNT ? name[phase] : "unknown";
}

const char *uwc_run_folder(const uwc_run *run) {
    return run->folder;
}

const uwc_config *uwc_run_config(const uwc_run *run) {
    return run->config;
}

uwc_status uwc_sched__path(const uwc_run *run, const char *name, char **out) {
    return uwc_path_join(run->folder, name, out);
}

uwc_status uwc_sched__poll(const uwc_run *run) {
    return run->hooks.poll == NULL ? UWC_OK : run->hooks.poll(run->hooks.self);
}

void uwc_sched__progress(const uwc_run *run, const uwc_progress *progress) {
    if (run->hooks.progress != NULL && uwc_comm_rank(run->comm) == 0) {
        run->hooks.progress(run->hooks.self, progress);
    }
}

static uwc_status take_folder(uwc_run *run) {
    char *path;
    UWC_TRY(uwc_folder_make(run->folder));
    UWC_TRY(uwc_sched__path(run, "lock", &path));
    uwc_status st = uwc_sched__lock(path, LOCK_SECONDS, &run->lock);
    uwc_free(&path);
    return st;
}

static uwc_status open_journal(uwc_run *run) {
    char *path;
    UWC_TRY(uwc_sched__path(run, "journal.jsonl", &path));
    uwc_status st = uwc_sched__journal_open(path, &run->journal, &run->events);
    uwc_free(&path);
    return st == UWC_OK ? uwc_sched__record_session(run) : st;
}

/* Names the first option that determines results and differs. */
static uwc_status compare_config(const uwc_run *run, const uwc_json *before, const uwc_json *now) {
    int n;
    const uwc_option *option = uwc_option_table(&n);
    for (int i = 0; i < n; i++) {
        const uwc_json *was = uwc_sched__json_at(before, option[i].key), *is = uwc_sched__json_at(now, option[i].key);
        char *old = NULL, *new = NULL;
        bool same;
        UWC_TRY(uwc_sched__json_same(was, is, &same));
        if (same || !option[i].affects_result) {
            continue;
        }
        uwc_status st = was == NULL ? uwc_strdup("unset", &old) : uwc_json_print(was, 0, &old);
        if (st == UWC_OK) {
            st = is == NULL ? uwc_strdup("unset", &new) : uwc_json_print(is, 0, &new);
        }
        if (st == UWC_OK) {
            st = uwc_error_set(UWC_E_STATE, "%s was begun with %s %s, not %s", run->folder, option[i].key, old, new);
        }
        uwc_free(&old);
        uwc_free(&new);
        return st;
    }
    return UWC_OK;
}

uwc_status uwc_sched__write_config(const uwc_run *run) {
    char *path;
    uwc_json *json = NULL;
    UWC_TRY(uwc_sched__path(run, "config.json", &path));
    uwc_status st = uwc_config_json(run->config, &json);
    if (st == UWC_OK) {
        st = uwc_json_write(path, json);
    }
    uwc_json_release(&json);
    uwc_free(&path);
    return st;
}

/* The configuration of a planned folder has to be the same; options that do not determine results may change. */
static uwc_status check_config(const uwc_run *run) {
    char *path;
    uwc_json *now = NULL, *before = NULL;
    UWC_TRY(uwc_sched__path(run, "config.json", &path));
    uwc_status st = uwc_config_json(run->config, &now);
    if (st == UWC_OK) {
        st = uwc_json_read(path, &before);
    }
    if (st == UWC_OK) {
        st = compare_config(run, before, now);
    }
    uwc_json_release(&now);
    uwc_json_release(&before);
    uwc_free(&path);
    return st;
}

/* A folder without a plan: nothing but what a run leaves that was killed before its plan. Its journal says nothing of use. */
static uwc_status clear_unplanned(const uwc_run *run) {
    static const char *const early[] = {"lock", "config.json", "config.json.tmp", "plan.json.tmp", "journal.jsonl", NULL};
    char other[256], *path;
    UWC_TRY(uwc_sched__folder_other(run->folder, early, other, sizeof other));
    UWC_CHECK(other[0] == '\0', UWC_E_STATE, "%s holds %s but no plan.json: choose another folder", run->folder, other);
    UWC_TRY(uwc_sched__path(run, "journal.jsonl", &path));
    unlink(path);
    uwc_free(&path);
    return UWC_OK;
}

/* Rank 0. */
static uwc_status open_folder(uwc_run *run, bool resume) {
    static const char *const lock[] = {"lock", NULL};
    char other[256], *path;
    UWC_TRY(take_folder(run));
    UWC_TRY(uwc_sched__folder_other(run->folder, lock, other, sizeof other));
    UWC_CHECK(other[0] == '\0' || resume, UWC_E_STATE, "%s is not empty: continue it with --resume or choose another folder", run->folder);
    UWC_TRY(uwc_sched__path(run, "plan.json", &path));
    bool planned = uwc_file_exists(path);
    uwc_free(&path);
    if (planned) {
        UWC_TRY(check_config(run)); /* and written when model and data are known to be the same, too */
    } else {
        UWC_TRY(clear_unplanned(run));
        UWC_TRY(uwc_sched__write_config(run));
    }
    return open_journal(run);
}

static uwc_status create(uwc_comm *comm, const char *folder, const uwc_log *log, const uwc_hooks *hooks, uwc_run **out) {
    uwc_run *run;
    *out = NULL;
    UWC_TRY(uwc_calloc(1, sizeof *run, &run));
    run->comm = comm;
    run->log = log;
    run->lock = -1;
    if (hooks != NULL) {
        run->hooks = *hooks;
    }
    uwc_status st = uwc_strdup(folder, &run->folder);
    if (st != UWC_OK) {
        uwc_free(&run);
    }
    *out = run;
    return st;
}

static uwc_status configure(uwc_run *run, const uwc_config *config) {
    run->config = config;
    uwc_sched__settings(config, &run->settings);
    UWC_TRY(uwc_ops_limit_isa(uwc_config_string(config, "run.isa")));
    uwc_ops_set_threads(run->settings.threads);
    if (run->settings.message) {
        uwc_sched__scratch_sweep();
    }
    return uwc_preprocess_read(config, &run->preprocess);
}

uwc_status uwc_run_open(uwc_comm *comm, const uwc_config *config, const char *folder, bool resume, const uwc_log *log,
                        const uwc_hooks *hooks, uwc_run **out) {
    *out = NULL;
    UWC_TRY(uwc_comm_tighten(comm)); /* an earlier run may have loosened it */
    uwc_status st = create(comm, folder, log, hooks, out);
    if (st == UWC_OK) {
        st = configure(*out, config);
    }
    if (st == UWC_OK && uwc_comm_rank(comm) == 0) {
        st = open_folder(*out, resume);
    }
    st = uwc_comm_agree(comm, st);
    if (st != UWC_OK) {
        uwc_run_close(out);
    }
    return st;
}

/* Rank 0. */
static uwc_status read_folder(uwc_run *run, char **config, size_t *bytes) {
    char *path;
    UWC_TRY(uwc_sched__path(run, "config.json", &path));
    uwc_status st = uwc_file_read(path, config, bytes);
    uwc_free(&path);
    UWC_TRY(uwc_error_note(st, "%s is no run directory", run->folder));
    UWC_TRY(take_folder(run));
    return open_journal(run);
}

static uwc_status adopt_config(uwc_run *run, const char *text, size_t bytes) {
    uwc_json *json;
    UWC_TRY(uwc_error_note(uwc_json_parse(text, bytes, &json), "config.json"));
    uwc_status st = uwc_error_note(uwc_config_from_json(json, &run->owned), "config.json");
    uwc_json_release(&json);
    UWC_TRY(st);
    return configure(run, run->owned);
}

uwc_status uwc_run_reopen(uwc_comm *comm, const char *folder, const uwc_log *log, const uwc_hooks *hooks, uwc_run **out) {
    char *text = NULL;
    size_t bytes = 0;
    *out = NULL;
    UWC_TRY(uwc_comm_tighten(comm));
    uwc_status st = create(comm, folder, log, hooks, out);
    if (st == UWC_OK && uwc_comm_rank(comm) == 0) {
        st = read_folder(*out, &text, &bytes);
    }
    st = uwc_comm_agree(comm, st);
    if (st == UWC_OK) {
        st = uwc_comm_broadcast_buffer(comm, 0, &text, &bytes);
    }
    if (st == UWC_OK) {
        st = uwc_comm_agree(comm, adopt_config(*out, text, bytes));
    }
    uwc_free(&text);
    if (st != UWC_OK) {
        uwc_run_close(out);
    }
    return st;
}

static uwc_status view_folder(uwc_run *run) {
    char *config = NULL, *journal = NULL, *text = NULL;
    size_t bytes;
    uwc_status st;
    UWC_TRY_GOTO(st, uwc_sched__path(run, "config.json", &config), done);
    UWC_TRY_GOTO(st, uwc_sched__path(run, "journal.jsonl", &journal), done);
    UWC_TRY_GOTO(st, uwc_error_note(uwc_file_read(config, &text, &bytes), "%s is no run directory", run->folder), done);
    UWC_TRY_GOTO(st, adopt_config(run, text, bytes), done);
    UWC_TRY_GOTO(st, uwc_sched__journal_read(journal, &run->events), done);
    st = uwc_sched__plan_view(run);
done:
    uwc_free(&config);
    uwc_free(&journal);
    uwc_free(&text);
    return st;
}

uwc_status uwc_sched__run_view(const char *folder, uwc_run **out) {
    uwc_status st = create(NULL, folder, NULL, NULL, out);
    if (st == UWC_OK) {
        st = view_folder(*out);
    }
    if (st != UWC_OK) {
        uwc_run_close(out);
    }
    return st;
}

void uwc_run_close(uwc_run **out) {
    uwc_run *run = *out;
    if (run == NULL) {
        return;
    }
    uwc_sched__plan_destroy(&run->plan);
    uwc_sched__journal_close(&run->journal);
    uwc_json_release(&run->events);
    uwc_config_destroy(&run->owned);
    uwc_free(&run->folder);
    uwc_free(&run->captured);
    if (run->lock >= 0) {
        close(run->lock);
    }
    uwc_free(out);
}

uwc_status uwc_run_all(uwc_run *run) {
    UWC_TRY(uwc_phase_plan(run));
    UWC_TRY(uwc_phase_capture(run));
    UWC_TRY(uwc_phase_solve(run));
    UWC_TRY(uwc_phase_assemble(run));
    return uwc_phase_evaluate(run);
}
