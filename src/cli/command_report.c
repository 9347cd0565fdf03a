#include "cli_impl.h"

static uwc_status print_table(uwc_cli__session *session, const char *path, bool sweep) {
    uwc_json *json;
    UWC_TRY(uwc_json_read(path, &json));
    uwc_status st = sweep ? uwc_report_sweep(json, session->out) : uwc_report_metrics(json, session->out);
    uwc_json_release(&json);
    return st;
}

uwc_status uwc_cli__report(uwc_cli__session *session) {
    const char *folder = session->arguments->operand;
    char *path;
    UWC_TRY(uwc_report_page(folder));
    if (session->log.level == UWC_LOG_QUIET) {
        return UWC_OK;
    }
    UWC_TRY(uwc_path_join(folder, "sweep.json", &path));
    bool sweep = uwc_file_exists(path);
    uwc_status st = UWC_OK;
    if (!sweep) {
        uwc_free(&path);
        st = uwc_path_join(folder, "metrics.json", &path);
    }
    if (st == UWC_OK) {
        st = print_table(session, path, sweep);
    }
    uwc_free(&path);
    fprintf(session->out, "\n%s/report.html\n", folder);
    return st;
}
