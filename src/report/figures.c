/* The figures of metrics.json and sweep.json. Files from outside: whatever is absent or of another type is left out. */
#include "report_impl.h"

#include <string.h>

static const uwc_json *look_up(const uwc_json *object, const char *place) {
    for (const char *dot; object != NULL && (dot = strchr(place, '.')) != NULL; place = dot + 1) {
        char name[64];
        snprintf(name, sizeof name, "%.*s", (int)(dot - place), place);
        object = uwc_json_find(object, name);
    }
    return object == NULL ? NULL : uwc_json_find(object, place);
}

bool uwc_figure__number(const uwc_json *object, const char *place, double *out) {
    const uwc_json *value = look_up(object, place);
    return value != NULL && uwc_json_number(value, out) == UWC_OK;
}

const char *uwc_figure__text(const uwc_json *object, const char *place) {
    const uwc_json *value = look_up(object, place);
    return value == NULL ? NULL : uwc_json_text(value);
}

static void percent_cell(uwc_table *table, const uwc_json *object, const char *place) {
    double value;
    if (uwc_figure__number(object, place, &value)) {
        uwc_table_cell(table, "%.2f %%", 100 * value);
    } else {
        uwc_table_cell(table, "-");
    }
}

static void number_cell(uwc_table *table, const uwc_json *object, const char *place, const char *unit) {
    double value;
    if (uwc_figure__number(object, place, &value)) {
        uwc_table_cell(table, "%.4g%s", value, unit);
    } else {
        uwc_table_cell(table, "-");
    }
}

static void bytes_cell(uwc_table *table, const uwc_json *object, const char *place) {
    char text[UWC_REPORT_TEXT];
    double value;
    if (uwc_figure__number(object, place, &value)) {
        uwc_table_cell(table, "%s", uwc_report_bytes(value, text));
    } else {
        uwc_table_cell(table, "-");
    }
}

static void seconds_cell(uwc_table *table, const uwc_json *object, const char *place) {
    char text[UWC_REPORT_TEXT];
    double value;
    if (uwc_figure__number(object, place, &value)) {
        uwc_table_cell(table, "%s", uwc_report_seconds(value, text));
    } else {
        uwc_table_cell(table, "-");
    }
}

uwc_status uwc_figure__metrics_table(const uwc_json *metrics, uwc_table **out) {
    static const char *const columns[] = {"<", ">float", ">quantized", NULL};
    static const char *const accuracy[][4] = {{"top-1", "float.top1", "quantized.top1"},
                                              {"top-5", "float.top5", "quantized.top5"},
                                              {"AP", "float.ap", "quantized.ap"},
                                              {"AP50", "float.ap50", "quantized.ap50"},
                                              {"same top-1 as float", "", "agreement"}};
    double value;
    UWC_TRY(uwc_table_create(columns, out));
    for (size_t i = 0; i < sizeof accuracy / sizeof accuracy[0]; i++) {
        if (uwc_figure__number(metrics, accuracy[i][2], &value) || uwc_figure__number(metrics, accuracy[i][1], &value)) {
            uwc_table_cell(*out, "%s", accuracy[i][0]);
            percent_cell(*out, metrics, accuracy[i][1]);
            percent_cell(*out, metrics, accuracy[i][2]);
        }
    }
    uwc_table_cell(*out, "logit error (NMSE)");
    uwc_table_cell(*out, "-");
    number_cell(*out, metrics, "logit_nmse", "");
    uwc_table_cell(*out, "file");
    bytes_cell(*out, metrics, "bytes.float");
    bytes_cell(*out, metrics, "bytes.quantized");
    uwc_table_cell(*out, "packed weights");
    uwc_table_cell(*out, "-");
    bytes_cell(*out, metrics, "bytes.packed");
    return UWC_OK;
}

uwc_status uwc_figure__cost_table(const uwc_json *metrics, uwc_table **out) {
    static const char *const columns[] = {">plan", ">capture", ">solve", ">assemble", ">evaluate", ">total", ">cost", NULL};
    static const char *const place[] = {"seconds.plan",     "seconds.capture",  "seconds.solve",
                                        "seconds.assemble", "seconds.evaluate", "seconds.total"};
    UWC_TRY(uwc_table_create(columns, out));
    for (size_t i = 0; i < sizeof place / sizeof place[0]; i++) {
        seconds_cell(*out, metrics, place[i]);
    }
    number_cell(*out, metrics, "cost_forward_passes", " forward passes");
    return UWC_OK;
}

static uwc_status print_and_free(uwc_status st, uwc_table **table, FILE *stream) {
    if (st == UWC_OK) {
        st = uwc_table_print(*table, stream);
    }
    uwc_table_destroy(table);
    return st;
}

uwc_status uwc_report_metrics(const uwc_json *metrics, FILE *stream) {
    uwc_table *table = NULL;
    uwc_status st = uwc_figure__metrics_table(metrics, &table);
    UWC_TRY(print_and_free(st, &table, stream));
    fputc('\n', stream);
    st = uwc_figure__cost_table(metrics, &table);
    return print_and_free(st, &table, stream);
}

typedef struct point {
    double bytes, quality;
    bool known;
} point;

/* Where only some rows have labels, those without are not compared. */
static void measure(const uwc_json *rows, point *list) {
    int64_t n = uwc_json_length(rows);
    bool labelled = false;
    double value;
    for (int64_t i = 0; i < n; i++) {
        labelled = labelled || uwc_figure__number(uwc_json_at(rows, i), "quantized.top1", &value);
    }
    for (int64_t i = 0; i < n; i++) {
        const uwc_json *row = uwc_json_at(rows, i);
        bool sized = uwc_figure__number(row, "bytes.packed", &list[i].bytes);
        bool judged = uwc_figure__number(row, labelled ? "quantized.top1" : "logit_nmse", &list[i].quality);
        list[i].quality *= labelled ? 1 : -1;
        list[i].known = sized && judged;
    }
}

uwc_status uwc_figure__pareto(const uwc_json *rows, bool **optimal) {
    int64_t n = uwc_json_length(rows);
    point *list;
    UWC_TRY(uwc_calloc(n, sizeof **optimal, optimal));
    uwc_status st = uwc_calloc(n, sizeof *list, &list);
    if (st != UWC_OK) {
        uwc_free(optimal);
        return st;
    }
    measure(rows, list);
    for (int64_t i = 0; i < n; i++) {
        (*optimal)[i] = list[i].known;
        for (int64_t j = 0; j < n && (*optimal)[i]; j++) {
            bool no_worse = list[j].known && list[j].bytes <= list[i].bytes && list[j].quality >= list[i].quality;
            bool better = list[j].bytes < list[i].bytes || list[j].quality > list[i].quality;
            (*optimal)[i] = !(no_worse && better);
        }
    }
    uwc_free(&list);
    return UWC_OK;
}

uwc_status uwc_figure__sweep_table(const uwc_json *rows, uwc_table **out) {
    static const char *const columns[] = {"<",      ">weights", ">activations", "<method",     "<input",  ">float top-1",
                                          ">top-1", ">top-5",   ">agreement",   ">logit NMSE", ">packed", ">seconds",
                                          NULL};
    bool *optimal;
    UWC_TRY(uwc_figure__pareto(rows, &optimal));
    uwc_status st = uwc_table_create(columns, out);
    for (int64_t i = 0; st == UWC_OK && i < uwc_json_length(rows); i++) {
        const uwc_json *row = uwc_json_at(rows, i);
        const char *method = uwc_figure__text(row, "config.reconstruct.method"), *input = uwc_figure__text(row, "config.reconstruct.input");
        uwc_table_cell(*out, optimal[i] ? "*" : "");
        number_cell(*out, row, "config.quantize.weight_bits", " bit");
        number_cell(*out, row, "config.quantize.activation_bits", " bit");
        uwc_table_cell(*out, "%s", method == NULL ? "-" : method);
        uwc_table_cell(*out, "%s", input == NULL ? "-" : input);
        percent_cell(*out, row, "float.top1");
        percent_cell(*out, row, "quantized.top1");
        percent_cell(*out, row, "quantized.top5");
        percent_cell(*out, row, "agreement");
        number_cell(*out, row, "logit_nmse", "");
        bytes_cell(*out, row, "bytes.packed");
        seconds_cell(*out, row, "seconds.total");
    }
    uwc_free(&optimal);
    return st;
}

uwc_status uwc_report_sweep(const uwc_json *sweep, FILE *stream) {
    uwc_table *table = NULL;
    uwc_status st = uwc_figure__sweep_table(sweep, &table);
    UWC_TRY(print_and_free(st, &table, stream));
    fputs("\n* no other row is both smaller and better\n", stream);
    return UWC_OK;
}
