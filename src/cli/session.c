#include "cli_impl.h"

#include <string.h>

bool uwc_cli__is_first(const uwc_cli__session *session) {
    return session->comm == NULL || uwc_comm_rank(session->comm) == 0;
}

static uwc_status set_option(uwc_config *config, const char *key, const char *value) {
    char *assignment;
    UWC_TRY(uwc_format(&assignment, "%s=%s", key, value));
    uwc_status st = uwc_config_set(config, assignment);
    uwc_free(&assignment);
    return st;
}

static uwc_status fill(const uwc_cli__arguments *arguments, const char *file, uwc_config *config) {
    if (file != NULL) {
        UWC_TRY(uwc_config_read(config, file));
    }
    for (int i = 0; i < arguments->n_sets; i++) {
        UWC_TRY(uwc_error_note(uwc_config_set(config, arguments->set[i]), "--set"));
    }
    if (arguments->ops != NULL) {
        UWC_TRY(uwc_error_note(set_option(config, "run.ops", arguments->ops), "--ops"));
    }
    if (arguments->data != NULL) {
        UWC_TRY(uwc_error_note(set_option(config, "data.evaluation", arguments->data), "--data"));
    }
    return UWC_OK;
}

/* Rank 0's configuration as text, NULL on other ranks. */
static uwc_status read_here(const uwc_cli__arguments *arguments, const char *file, char **text) {
    uwc_config *config;
    uwc_json *json = NULL;
    UWC_TRY(uwc_config_create(&config));
    uwc_status st = fill(arguments, file, config);
    if (st == UWC_OK) {
        st = uwc_config_json(config, &json);
    }
    if (st == UWC_OK) {
        st = uwc_json_print(json, 0, text);
    }
    uwc_json_release(&json);
    uwc_config_destroy(&config);
    return st;
}

static uwc_status parse_config(const char *text, uwc_config **out) {
    uwc_json *json;
    UWC_TRY(uwc_json_parse(text, strlen(text), &json));
    uwc_status st = uwc_config_from_json(json, out);
    uwc_json_release(&json);
    return st;
}

uwc_status uwc_cli__load_config(uwc_cli__session *session, const char *file, uwc_config **out) {
    char *text = NULL;
    size_t bytes = 0;
    *out = NULL;
    uwc_status st = uwc_cli__is_first(session) ? read_here(session->arguments, file, &text) : UWC_OK;
    if (session->comm != NULL) {
        UWC_TRY_GOTO(st, uwc_comm_agree(session->comm, st), done);
        bytes = text == NULL ? 0 : strlen(text) + 1;
        UWC_TRY_GOTO(st, uwc_comm_broadcast_buffer(session->comm, 0, &text, &bytes), done);
        st = uwc_comm_agree(session->comm, parse_config(text, out));
    } else if (st == UWC_OK) {
        st = parse_config(text, out);
    }
    if (st != UWC_OK) {
        uwc_config_destroy(out);
    }
done:
    uwc_free(&text);
    return st;
}

uwc_status uwc_cli__check_evaluation(const uwc_config *config) {
    const char *path = uwc_config_string(config, "data.evaluation");
    uwc_preprocess preprocess;
    uwc_dataset *images = NULL;
    uwc_checker *checker = NULL;
    if (path == NULL) {
        return UWC_OK;
    }
    UWC_TRY(uwc_preprocess_read(config, &preprocess));
    bool skip = strcmp(uwc_config_string(config, "data.on_bad_image"), "skip") == 0; /* the first image may be one of the bad */
    uwc_status st = skip ? uwc_checker_open(path, &preprocess, &checker) : uwc_dataset_open(path, &preprocess, NULL, &images);
    uwc_checker_close(&checker);
    uwc_dataset_close(&images);
    return st;
}

uwc_status uwc_cli__share_flag(uwc_cli__session *session, bool *flag) {
    return session->comm == NULL ? UWC_OK : uwc_comm_broadcast(session->comm, 0, flag, sizeof *flag);
}

uwc_status uwc_cli__print_json(uwc_cli__session *session, const uwc_json *json) {
    char *text;
    if (session->out == NULL) {
        return UWC_OK;
    }
    UWC_TRY(uwc_json_print(json, 2, &text));
    fprintf(session->out, "%s\n", text);
    uwc_free(&text);
    return UWC_OK;
}

uwc_status uwc_cli__output_folder(const uwc_cli__session *session, const char *file, char **out) {
    if (session->arguments->output != NULL) {
        return uwc_strdup(session->arguments->output, out);
    }
    const char *slash = strrchr(file, '/'), *name = slash == NULL ? file : slash + 1;
    const char *dot = strrchr(name, '.');
    if (dot == NULL || dot == name) {
        return uwc_format(out, "%s.run", name); /* a file has the bare name already */
    }
    return uwc_format(out, "%.*s", (int)(dot - name), name);
}

uwc_status uwc_cli__show_run(uwc_cli__session *session, const char *folder) {
    char *path;
    uwc_json *metrics = NULL;
    if (session->out == NULL) {
        return UWC_OK;
    }
    UWC_TRY(uwc_path_join(folder, "metrics.json", &path));
    uwc_status st = uwc_json_read(path, &metrics);
    if (st == UWC_OK) {
        st = uwc_report_page(folder);
    }
    if (st == UWC_OK && (session->arguments->given & UWC_FLAG_JSON) != 0) {
        st = uwc_cli__print_json(session, metrics);
    } else if (st == UWC_OK && session->log.level > UWC_LOG_QUIET) {
        st = uwc_report_metrics(metrics, session->out);
        fprintf(session->out, "\n%s/model.onnx  %s/report.html\n", folder, folder);
    }
    uwc_json_release(&metrics);
    uwc_free(&path);
    return st;
}
