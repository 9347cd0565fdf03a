/* evaluate: the last phase of a run directory, or any ONNX file on labelled images. */
#include "cli_impl.h"

static uwc_status evaluate_run(uwc_cli__session *session) {
    const char *folder = session->arguments->operand;
    unsigned settings = UWC_FLAG_CONFIG | UWC_FLAG_DATA | UWC_FLAG_SET | UWC_FLAG_OPS;
    uwc_run *run = NULL;
    UWC_CHECK((session->arguments->given & settings) == 0, UWC_E_ARG,
              "%s is a run directory: it has its configuration; --config, --data, --set and --ops are for ONNX files", folder);
    UWC_TRY(uwc_run_reopen(session->comm, folder, &session->log, &session->hooks, &run));
    uwc_status st = uwc_phase_evaluate(run);
    if (st == UWC_OK) {
        st = uwc_comm_agree(session->comm, uwc_cli__show_run(session, folder));
    }
    uwc_run_close(&run);
    return st;
}

static void percent_cell(uwc_table *table, const uwc_json *result, const char *key) {
    const uwc_json *value = uwc_json_find(result, key);
    double number;
    if (value != NULL && uwc_json_number(value, &number) == UWC_OK) {
        uwc_table_cell(table, "%.2f %%", 100 * number);
    } else {
        uwc_table_cell(table, "-");
    }
}

static uwc_status print_result(uwc_cli__session *session, const uwc_json *result) {
    static const char *const columns[] = {">images", ">labelled", ">top-1", ">top-5", ">size", ">seconds", NULL};
    char text[UWC_REPORT_TEXT];
    int64_t images, labelled, bytes;
    double seconds;
    uwc_table *table;
    UWC_TRY(uwc_json_get_int(result, "images", &images));
    UWC_TRY(uwc_json_get_int(result, "labelled", &labelled));
    UWC_TRY(uwc_json_get_int(result, "bytes", &bytes));
    UWC_TRY(uwc_json_get_real(result, "seconds", &seconds));
    UWC_TRY(uwc_table_create(columns, &table));
    uwc_table_cell(table, "%lld", (long long)images);
    uwc_table_cell(table, "%lld", (long long)labelled);
    percent_cell(table, result, "top1");
    percent_cell(table, result, "top5");
    uwc_table_cell(table, "%s", uwc_report_bytes((double)bytes, text));
    uwc_table_cell(table, "%s", uwc_report_seconds(seconds, text));
    uwc_status st = uwc_table_print(table, session->out);
    uwc_table_destroy(&table);
    return st;
}

static uwc_status evaluate_model(uwc_cli__session *session) {
    const uwc_cli__arguments *arguments = session->arguments;
    uwc_config *config;
    uwc_json *result = NULL;
    UWC_CHECK(arguments->data != NULL || arguments->config != NULL, UWC_E_ARG, "`uwc evaluate` of an ONNX file needs --data (or --config)");
    UWC_TRY(uwc_cli__load_config(session, arguments->config, &config));
    uwc_status st = uwc_evaluate_model(session->comm, config, arguments->operand, &session->log, &session->hooks, &result);
    if (st == UWC_OK && result != NULL) {
        bool json = (arguments->given & UWC_FLAG_JSON) != 0;
        st = json ? uwc_cli__print_json(session, result) : print_result(session, result);
    }
    st = uwc_comm_agree(session->comm, st);
    uwc_json_release(&result);
    uwc_config_destroy(&config);
    return st;
}

uwc_status uwc_cli__evaluate(uwc_cli__session *session) {
    bool folder = uwc_cli__is_first(session) && uwc_file_is_folder(session->arguments->operand);
    UWC_TRY(uwc_cli__share_flag(session, &folder));
    return folder ? evaluate_run(session) : evaluate_model(session);
}
