/* report.html: one file, no scripts, nothing loaded from elsewhere. */
#include "report_impl.h"

#include <stdlib.h>
#include <string.h>

void uwc_html__escape(const char *text, FILE *stream) {
    for (; *text != '\0'; text++) {
        switch (*text) {
        case '&':
            fputs("&amp;", stream);
            break;
        case '<':
            fputs("&lt;", stream);
            break;
        case '>':
            fputs("&gt;", stream);
            break;
        case '"':
            fputs("&quot;", stream);
            break;
        default:
            fputc((unsigned char)*text < 0x20 && *text != '\n' ? '?' : *text, stream);
        }
    }
}

static void print_head(const char *title, FILE *stream) {
    fputs("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<title>", stream);
    uwc_html__escape(title, stream);
    fputs("</title>\n<style>\n"
          "body{font:15px/1.5 sans-serif;max-width:960px;margin:2em auto;padding:0 1em;color:#222}\n"
          "table{border-collapse:collapse;margin:1em 0}td,th{padding:.2em .8em;border-bottom:1px solid #ddd;text-align:left}\n"
          ".right{text-align:right;font-variant-numeric:tabular-nums}\n"
          "svg{width:100%;font:12px sans-serif}.before{fill:#c9ced6}.after{fill:#2f6db3}.axis{stroke:#888;fill:none}\n"
          ".label{text-anchor:end}.middle{text-anchor:middle}.small{font-size:10px;fill:#555}\n"
          "pre{background:#f5f5f5;padding:1em;overflow:auto}.key{display:inline-block;width:.8em;height:.8em;margin:0 .3em 0 1em}\n"
          "</style>\n</head>\n<body>\n<h1>",
          stream);
    uwc_html__escape(title, stream);
    fputs("</h1>\n", stream);
}

static uwc_status print_table(uwc_status made, uwc_table **table, FILE *stream) {
    if (made == UWC_OK) {
        made = uwc_table_html(*table, stream);
    }
    uwc_table_destroy(table);
    return made;
}

static uwc_status print_config(const uwc_json *metrics, FILE *stream) {
    const uwc_json *config = uwc_json_find(metrics, "config");
    char *text;
    if (config == NULL) {
        return UWC_OK;
    }
    UWC_TRY(uwc_json_print(config, 2, &text));
    fputs("<h2>Configuration</h2>\n<pre>", stream);
    uwc_html__escape(text, stream);
    fputs("</pre>\n", stream);
    uwc_free(&text);
    return UWC_OK;
}

static uwc_status print_units(const uwc_json *units, FILE *stream) {
    static const char *const columns[] = {"<unit", ">layers", ">error before", ">error after", ">seconds", NULL};
    uwc_table *table;
    fputs("<h2>Units</h2>\n<p>Mean square error of each unit's output over its variance, on the calibration images (logarithmic):"
          "<span class=\"key\" style=\"background:#c9ced6\"></span>nearest rounding"
          "<span class=\"key\" style=\"background:#2f6db3\"></span>reconstructed</p>\n",
          stream);
    uwc_chart__units(units, stream);
    UWC_TRY(uwc_table_create(columns, &table));
    for (int64_t i = 0; i < uwc_json_length(units); i++) {
        const uwc_json *unit = uwc_json_at(units, i), *layers = uwc_json_find(unit, "layers");
        const char *name = uwc_figure__text(unit, "name");
        double number;
        uwc_table_cell(table, "%s", name == NULL ? "?" : name);
        uwc_table_cell(table, "%lld",
                       layers != NULL && uwc_json_number(layers, &number) == UWC_OK ? (long long)number
                                                                                    : (long long)uwc_json_length(layers));
        static const char *const place[] = {"nmse_before", "nmse_after", "seconds"};
        for (int k = 0; k < 3; k++) {
            if (uwc_figure__number(unit, place[k], &number)) {
                uwc_table_cell(table, "%.4g", number);
            } else {
                uwc_table_cell(table, "-");
            }
        }
    }
    return print_table(UWC_OK, &table, stream);
}

static uwc_status print_run(const uwc_json *metrics, FILE *stream) {
    const char *model = uwc_figure__text(metrics, "model");
    const uwc_json *units = uwc_json_find(metrics, "units");
    uwc_table *table = NULL;
    double images, ranks, threads, memory;
    char title[300], text[UWC_REPORT_TEXT];
    snprintf(title, sizeof title, "Calibration of %s", model == NULL ? "a network" : model);
    print_head(title, stream);
    uwc_status st = uwc_figure__metrics_table(metrics, &table);
    UWC_TRY(print_table(st, &table, stream));
    st = uwc_figure__cost_table(metrics, &table);
    UWC_TRY(print_table(st, &table, stream));
    if (uwc_figure__number(metrics, "images", &images) && uwc_figure__number(metrics, "ranks", &ranks) &&
        uwc_figure__number(metrics, "threads", &threads) && uwc_figure__number(metrics, "peak_rss_bytes", &memory)) {
        fprintf(stream, "<p>%.0f images, %.0f ranks of %.0f threads, at most %s of memory on a rank.</p>\n", images, ranks, threads,
                uwc_report_bytes(memory, text));
    }
    if (units != NULL && uwc_json_length(units) > 0) {
        UWC_TRY(print_units(units, stream));
    }
    return print_config(metrics, stream);
}

static uwc_status print_sweep(const uwc_json *rows, FILE *stream) {
    uwc_table *table = NULL;
    bool *optimal;
    print_head("Sweep", stream);
    UWC_TRY(uwc_figure__pareto(rows, &optimal));
    uwc_chart__sweep(rows, optimal, stream);
    uwc_free(&optimal);
    uwc_status st = uwc_figure__sweep_table(rows, &table);
    UWC_TRY(print_table(st, &table, stream));
    fputs("<p>* no other row is both smaller and better (blue in the chart).</p>\n", stream);
    return UWC_OK;
}

static uwc_status write_page(const char *folder, const uwc_json *json, uwc_status (*print)(const uwc_json *, FILE *)) {
    char *page = NULL, *path = NULL;
    size_t bytes = 0;
    FILE *stream = open_memstream(&page, &bytes);
    UWC_CHECK(stream != NULL, UWC_E_NOMEM, "report of %s", folder);
    uwc_status st = print(json, stream);
    fputs("</body>\n</html>\n", stream);
    bool whole = ferror(stream) == 0;
    if ((fclose(stream) != 0 || !whole) && st == UWC_OK) {
        st = uwc_error_set(UWC_E_NOMEM, "report of %s", folder);
    }
    if (st == UWC_OK) {
        st = uwc_path_join(folder, "report.html", &path);
    }
    if (st == UWC_OK) {
        st = uwc_file_write(path, page, bytes);
    }
    uwc_free(&path);
    free(page);
    return st;
}

/* *out = folder/name read, or NULL where there is no such file. */
static uwc_status read_if_there(const char *folder, const char *name, uwc_json **out) {
    char *path;
    *out = NULL;
    UWC_TRY(uwc_path_join(folder, name, &path));
    uwc_status st = uwc_file_exists(path) ? uwc_json_read(path, out) : UWC_OK;
    uwc_free(&path);
    return st;
}

uwc_status uwc_report_page(const char *folder) {
    uwc_json *json;
    UWC_CHECK(uwc_file_is_folder(folder), UWC_E_NOTFOUND, "%s: no such folder", folder);
    UWC_TRY(read_if_there(folder, "sweep.json", &json));
    bool sweep = json != NULL;
    if (!sweep) {
        UWC_TRY(read_if_there(folder, "metrics.json", &json));
    }
    UWC_CHECK(json != NULL, UWC_E_NOTFOUND, "%s: holds neither metrics.json nor sweep.json", folder);
    uwc_status st = write_page(folder, json, sweep ? print_sweep : print_run);
    uwc_json_release(&json);
    return st;
}
