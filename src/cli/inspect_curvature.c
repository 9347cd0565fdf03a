/* inspect DIR --curvature: the second-order picture of a run's units (docs/method.md). */
#include "cli_impl.h"

/* What nearest rounding or the result does to a unit: diagonal blocks, their sum with the others, the error itself, what is cancelled. */
static uwc_status change_cells(uwc_table *table, const uwc_json *unit, const char *key) {
    static const char *const member[] = {"diagonal", "total", "measured"};
    const uwc_json *change = uwc_json_find(unit, key);
    double number;
    for (int i = 0; i < 3; i++) {
        if (change == NULL) {
            uwc_table_cell(table, "-");
            continue;
        }
        UWC_TRY(uwc_json_get_real(change, member[i], &number));
        uwc_table_cell(table, "%.3g", number);
    }
    if (change == NULL) {
        uwc_table_cell(table, "-");
        return UWC_OK;
    }
    UWC_TRY(uwc_json_get_real(change, "cancelled", &number));
    uwc_table_cell(table, "%.0f %%", 100 * number);
    return UWC_OK;
}

static uwc_status fill_table(uwc_table *table, const uwc_json *units) {
    for (int64_t i = 0; i < uwc_json_length(units); i++) {
        const uwc_json *unit = uwc_json_at(units, i), *layers;
        const char *name;
        UWC_TRY(uwc_json_get_string(unit, "name", &name));
        UWC_TRY(uwc_json_get_array(unit, "layers", &layers));
        uwc_table_cell(table, "%s", name);
        uwc_table_cell(table, "%lld", (long long)uwc_json_length(layers));
        UWC_TRY(change_cells(table, unit, "nearest"));
        UWC_TRY(change_cells(table, unit, "result"));
    }
    return UWC_OK;
}

static uwc_status print_table(const uwc_json *picture, FILE *out) {
    static const char *const columns[] = {"<unit",           ">layers", ">nearest: blocks", ">all",       ">measured", ">cancelled",
                                          ">result: blocks", ">all",    ">measured",        ">cancelled", NULL};
    const uwc_json *units;
    uwc_table *table;
    int64_t images, probes;
    UWC_TRY(uwc_json_get_array(picture, "units", &units));
    UWC_TRY(uwc_json_get_int(picture, "images", &images));
    UWC_TRY(uwc_json_get_int(picture, "probes", &probes));
    UWC_TRY(uwc_table_create(columns, &table));
    uwc_status st = fill_table(table, units);
    if (st == UWC_OK) {
        st = uwc_table_print(table, out);
    }
    uwc_table_destroy(&table);
    fprintf(out,
            "\nerror of the weights' changes at float inputs, over the variance of the unit's output; from %lld images, %lld probes each\n"
            "blocks: the layers by themselves; all: with what is between layers; cancelled: how much smaller that makes it\n",
            (long long)images, (long long)probes);
    return st;
}

uwc_status uwc_cli__inspect_curvature(uwc_cli__session *session) {
    uwc_json *picture;
    UWC_TRY(uwc_run_curvature(session->arguments->operand, &picture));
    uwc_status st =
        (session->arguments->given & UWC_FLAG_JSON) != 0 ? uwc_cli__print_json(session, picture) : print_table(picture, session->out);
    uwc_json_release(&picture);
    return st;
}
