/* sweep: every combination as a run in a folder of the sweep directory, all of them solved at once; sweep.json and sweep.csv grow with each
 * that is evaluated. */
#include "cli_impl.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_RUNS = 400 }; /* each holds files open */

static bool is_empty_folder(const char *path) {
    DIR *folder = opendir(path);
    int entries = 0;
    while (folder != NULL && readdir(folder) != NULL) {
        entries++;
    }
    if (folder != NULL) {
        closedir(folder);
    }
    return entries <= 2; /* "." and ".." */
}

static uwc_status make_folder(const uwc_cli__session *session, const char *folder) {
    bool resume = (session->arguments->given & UWC_FLAG_RESUME) != 0;
    UWC_CHECK(resume || !uwc_file_is_folder(folder) || is_empty_folder(folder), UWC_E_STATE, "%s is not empty; --resume goes on there",
              folder);
    return uwc_folder_make(folder);
}

/* "weight_bits-4_activation_bits-8": the values of a combination, last key fastest. */
static uwc_status name_run(const uwc_config *config, int64_t combination, char **out) {
    char *name = NULL;
    UWC_TRY(uwc_strdup("", &name));
    for (int i = uwc_config_sweep_keys(config) - 1; i >= 0; i--) {
        int values = uwc_config_sweep_values(config, i);
        char key[64], *longer;
        uwc_option_sweep_name(uwc_config_sweep_key(config, i), key, sizeof key);
        uwc_status st = uwc_format(&longer, "%s-%s%s%s", key, uwc_config_sweep_value(config, i, (int)(combination % values)),
                                   name[0] == '\0' ? "" : "_", name);
        uwc_free(&name);
        UWC_TRY(st);
        name = longer;
        combination /= values;
    }
    *out = name;
    return UWC_OK;
}

/* Rank 0: the figures of a run behind the others, and what can be read of all of them by now. */
static uwc_status add_row(const char *base, const char *folder, uwc_json *rows) {
    char *path = NULL, *text = NULL;
    size_t bytes = 0;
    uwc_json *metrics = NULL;
    FILE *stream = NULL;
    uwc_status st;
    UWC_TRY_GOTO(st, uwc_path_join(folder, "metrics.json", &path), done);
    UWC_TRY_GOTO(st, uwc_json_read(path, &metrics), done);
    UWC_TRY_GOTO(st, uwc_json_append(rows, uwc_json_retain(metrics)), done);
    uwc_free(&path);
    UWC_TRY_GOTO(st, uwc_path_join(base, "sweep.json", &path), done);
    UWC_TRY_GOTO(st, uwc_json_write(path, rows), done);
    uwc_free(&path);
    UWC_TRY_GOTO(st, uwc_path_join(base, "sweep.csv", &path), done);
    stream = open_memstream(&text, &bytes);
    UWC_CHECK_GOTO(st, stream != NULL, UWC_E_NOMEM, done, "sweep.csv");
    st = uwc_report_csv(rows, stream);
    fclose(stream);
    if (st == UWC_OK) {
        st = uwc_file_write(path, text, bytes);
    }
done:
    free(text);
    uwc_json_release(&metrics);
    uwc_free(&path);
    return st;
}

/* The runs of a sweep. */
typedef struct sweep {
    uwc_cli__session *session;
    const char *base;
    int n;
    uwc_config **config; /* [n] */
    uwc_run **run;       /* [n] */
    uwc_json *rows;
} sweep;

static uwc_status open_run(sweep *s, const uwc_config *config, int index) {
    uwc_cli__session *session = s->session;
    bool resume = (session->arguments->given & UWC_FLAG_RESUME) != 0;
    char *name = NULL, *folder = NULL;
    uwc_status st = name_run(config, index, &name);
    if (st == UWC_OK) {
        st = uwc_path_join(s->base, name, &folder);
    }
    if (st == UWC_OK) {
        st = uwc_config_sweep_pick(config, index, &s->config[index]);
    }
    st = uwc_comm_agree(session->comm, st);
    if (st == UWC_OK) {
        st = uwc_run_open(session->comm, s->config[index], folder, resume, &session->log, &session->hooks, &s->run[index]);
    }
    st = uwc_error_note(st, "%s", name == NULL ? "sweep" : name);
    uwc_free(&folder);
    uwc_free(&name);
    return st;
}

static uwc_status open_runs(sweep *s, const uwc_config *config) {
    s->n = (int)uwc_config_sweep_count(config);
    uwc_status st = uwc_calloc(s->n, sizeof(uwc_config *), &s->config);
    if (st == UWC_OK) {
        st = uwc_calloc(s->n, sizeof(uwc_run *), &s->run);
    }
    UWC_TRY(uwc_comm_agree(s->session->comm, st));
    for (int i = 0; i < s->n; i++) {
        UWC_TRY(open_run(s, config, i));
    }
    return UWC_OK;
}

static void close_runs(sweep *s) {
    for (int i = 0; s->run != NULL && i < s->n; i++) {
        uwc_run_close(&s->run[i]);
        uwc_config_destroy(&s->config[i]);
    }
    uwc_free(&s->run);
    uwc_free(&s->config);
    uwc_json_release(&s->rows);
}

static uwc_status on_done(void *self, int index) {
    sweep *s = self;
    return uwc_cli__is_first(s->session) ? add_row(s->base, uwc_run_folder(s->run[index]), s->rows) : UWC_OK;
}

static uwc_status run_all(uwc_cli__session *session, const uwc_config *config, const char *base) {
    UWC_CHECK(uwc_config_sweep_keys(config) > 0, UWC_E_CONFIG, "%s: nothing is listed under `sweep:`", session->arguments->operand);
    UWC_CHECK(uwc_config_sweep_count(config) <= MOST_RUNS, UWC_E_CONFIG, "%s: more than %d combinations under `sweep:`",
              session->arguments->operand, MOST_RUNS);
    UWC_TRY(uwc_comm_agree(session->comm, uwc_cli__is_first(session) ? make_folder(session, base) : UWC_OK));
    sweep s = {.session = session, .base = base, .rows = uwc_json_array()};
    char *captured = NULL;
    uwc_status st = open_runs(&s, config);
    if (st == UWC_OK) {
        st = uwc_comm_agree(session->comm, uwc_path_join(base, "cache", &captured));
    }
    if (st == UWC_OK) {
        st = uwc_runs_all(s.run, s.n, captured, on_done, &s);
    }
    if (st == UWC_OK && session->out != NULL) {
        st = uwc_report_page(base);
    }
    if (st == UWC_OK && session->out != NULL && session->log.level > UWC_LOG_QUIET) {
        st = uwc_report_sweep(s.rows, session->out);
    }
    uwc_free(&captured);
    close_runs(&s);
    return st;
}

uwc_status uwc_cli__sweep(uwc_cli__session *session) {
    uwc_config *config = NULL;
    char *base = NULL;
    UWC_TRY(uwc_cli__load_config(session, session->arguments->operand, &config));
    uwc_status st = uwc_cli__is_first(session) ? uwc_cli__check_evaluation(config) : UWC_OK;
    if (st == UWC_OK) {
        st = uwc_cli__output_folder(session, session->arguments->operand, &base);
    }
    st = uwc_comm_agree(session->comm, st);
    if (st == UWC_OK) {
        st = run_all(session, config, base);
    }
    uwc_free(&base);
    uwc_config_destroy(&config);
    return st;
}
