/* inspect DIR: the plan of a run and how far it has come. Reads what is there and changes nothing; a run may be at work in the folder. */
#include "cli_impl.h"

#include <stdlib.h>
#include <string.h>

typedef struct run_state {
    uwc_json *plan, *events;
    const char **state; /* of each unit */
    int64_t units, done;
} run_state;

/* Lines of the journal that are JSON; a torn last line is not. */
static uwc_status read_journal(const char *path, uwc_json *events) {
    char *text;
    size_t bytes;
    if (!uwc_file_exists(path)) {
        return UWC_OK;
    }
    UWC_TRY(uwc_file_read(path, &text, &bytes));
    uwc_status st = UWC_OK;
    char *rest = text;
    for (char *line; st == UWC_OK && (line = strsep(&rest, "\n")) != NULL;) {
        uwc_json *event;
        if (uwc_json_parse(line, strlen(line), &event) == UWC_OK) {
            st = uwc_json_append(events, event);
        }
    }
    uwc_free(&text);
    return st;
}

/* A unit that the journal calls solved is done, whatever came before. */
static void mark_units(run_state *run) {
    for (int64_t i = 0; i < run->units; i++) {
        run->state[i] = "to do";
    }
    for (int64_t e = 0; e < uwc_json_length(run->events); e++) {
        const uwc_json *event = uwc_json_at(run->events, e);
        const char *kind;
        int64_t unit;
        if (uwc_json_get_string(event, "event", &kind) != UWC_OK || uwc_json_get_int(event, "unit", &unit) != UWC_OK || unit < 0 ||
            unit >= run->units) {
            continue;
        }
        if (strcmp(kind, "unit") == 0) {
            run->state[unit] = "done";
        } else if (strcmp(kind, "failed") == 0 && strcmp(run->state[unit], "done") != 0) {
            run->state[unit] = "failed";
        }
    }
    for (int64_t i = 0; i < run->units; i++) {
        run->done += strcmp(run->state[i], "done") == 0;
    }
}

static uwc_status load(const char *folder, run_state *run) {
    char *path = NULL;
    const uwc_json *units;
    uwc_status st;
    run->events = uwc_json_array();
    UWC_TRY_GOTO(st, uwc_path_join(folder, "plan.json", &path), done);
    UWC_CHECK_GOTO(st, uwc_file_exists(path), UWC_E_NOTFOUND, done, "%s: no plan.json: not a run directory, or not planned yet", folder);
    UWC_TRY_GOTO(st, uwc_json_read(path, &run->plan), done);
    UWC_TRY_GOTO(st, uwc_error_note(uwc_json_get_array(run->plan, "units", &units), "%s", path), done);
    uwc_free(&path);
    run->units = uwc_json_length(units);
    UWC_TRY_GOTO(st, uwc_calloc(run->units, sizeof *run->state, &run->state), done);
    UWC_TRY_GOTO(st, uwc_path_join(folder, "journal.jsonl", &path), done);
    UWC_TRY_GOTO(st, read_journal(path, run->events), done);
    mark_units(run);
done:
    uwc_free(&path);
    return st;
}

static bool has(const char *folder, const char *name) {
    char *path;
    if (uwc_path_join(folder, name, &path) != UWC_OK) {
        return false;
    }
    bool there = uwc_file_exists(path);
    uwc_free(&path);
    return there;
}

/* run.memory_limit of config.json; 0: not there. */
static uwc_status read_limit(const char *folder, int64_t *limit) {
    char *path;
    uwc_json *json = NULL;
    uwc_config *config = NULL;
    *limit = 0;
    UWC_TRY(uwc_path_join(folder, "config.json", &path));
    uwc_status st = uwc_json_read(path, &json);
    if (st == UWC_OK) {
        st = uwc_error_note(uwc_config_from_json(json, &config), "%s", path);
    }
    if (st == UWC_OK) {
        *limit = uwc_config_int(config, "run.memory_limit");
    }
    uwc_config_destroy(&config);
    uwc_json_release(&json);
    uwc_free(&path);
    return st;
}

static uwc_status print_tables(const char *folder, const run_state *run, FILE *out) {
    int64_t images = 0, limit;
    UWC_TRY(uwc_json_get_int(run->plan, "images", &images));
    UWC_TRY(uwc_cli__print_units(run->plan, run->state, out));
    fprintf(out, "\nfor %lld images: cache (inputs), work (multiply-adds), memory of a worker\n", (long long)images);
    UWC_TRY(read_limit(folder, &limit));
    uwc_cli__print_memory(run->plan, (double)limit, out);
    fprintf(out, "%lld of %lld units done; model.onnx %s, metrics.json %s\n", (long long)run->done, (long long)run->units,
            has(folder, "model.onnx") ? "written" : "not yet", has(folder, "metrics.json") ? "written" : "not yet");
    return UWC_OK;
}

/* plan.json with the state of each unit and of the run. */
static uwc_status print_json(uwc_cli__session *session, const char *folder, run_state *run) {
    uwc_json *states = uwc_json_array();
    uwc_status st = UWC_OK;
    for (int64_t i = 0; st == UWC_OK && i < run->units; i++) {
        st = uwc_json_append_string(states, run->state[i]);
    }
    if (st != UWC_OK) {
        uwc_json_release(&states);
        return st;
    }
    UWC_TRY(uwc_json_set(run->plan, "states", states));
    UWC_TRY(uwc_json_set_int(run->plan, "units_done", run->done));
    UWC_TRY(uwc_json_set_bool(run->plan, "assembled", has(folder, "model.onnx")));
    UWC_TRY(uwc_json_set_bool(run->plan, "evaluated", has(folder, "metrics.json")));
    return uwc_cli__print_json(session, run->plan);
}

uwc_status uwc_cli__inspect_run(uwc_cli__session *session) {
    const char *folder = session->arguments->operand;
    run_state run = {0};
    uwc_status st = load(folder, &run);
    if (st == UWC_OK) {
        st =
            (session->arguments->given & UWC_FLAG_JSON) != 0 ? print_json(session, folder, &run) : print_tables(folder, &run, session->out);
    }
    uwc_free(&run.state);
    uwc_json_release(&run.plan);
    uwc_json_release(&run.events);
    return st;
}
