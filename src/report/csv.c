/* CSV of a sweep. Source of the quoting: RFC 4180. */
#include "report_impl.h"

#include <string.h>

enum { MOST_COLUMNS = 256, COLUMN_NAME = 128 };

typedef struct columns {
    char name[MOST_COLUMNS][COLUMN_NAME];
    int n;
} columns;

static void add_column(columns *list, const char *name) {
    for (int i = 0; i < list->n; i++) {
        if (strcmp(list->name[i], name) == 0) {
            return;
        }
    }
    if (list->n < MOST_COLUMNS) {
        snprintf(list->name[list->n++], COLUMN_NAME, "%s", name);
    }
}

/* Scalars by their dotted places; lists (the units) have no place in a row. */
static void collect(columns *list, const uwc_json *object, const char *prefix, int depth) {
    void *cursor = NULL;
    const char *key;
    const uwc_json *child, *same;
    while (depth < 5 && uwc_json_next(object, &cursor, &key, &child)) {
        char name[COLUMN_NAME];
        double number;
        snprintf(name, sizeof name, "%s%s%s", prefix, prefix[0] == '\0' ? "" : ".", key);
        if (uwc_json_number(child, &number) == UWC_OK || uwc_json_text(child) != NULL) {
            add_column(list, name);
        } else if (uwc_json_get_object(object, key, &same) == UWC_OK) {
            collect(list, child, name, depth + 1);
        }
    }
}

static void print_text(const char *text, FILE *stream) {
    if (text[strcspn(text, ",\"\r\n")] == '\0') {
        fputs(text, stream);
        return;
    }
    fputc('"', stream);
    for (; *text != '\0'; text++) {
        fputs(*text == '"' ? "\"\"" : (char[]){*text, '\0'}, stream);
    }
    fputc('"', stream);
}

static void print_field(const uwc_json *row, const char *name, FILE *stream) {
    const char *text = uwc_figure__text(row, name);
    double number;
    if (text != NULL) {
        print_text(text, stream);
    } else if (uwc_figure__number(row, name, &number)) {
        fprintf(stream, "%.17g", number);
    }
}

uwc_status uwc_report_csv(const uwc_json *sweep, FILE *stream) {
    columns *list;
    UWC_TRY(uwc_calloc(1, sizeof *list, &list));
    int64_t rows = uwc_json_length(sweep);
    for (int64_t i = 0; i < rows; i++) {
        collect(list, uwc_json_at(sweep, i), "", 0);
    }
    for (int64_t i = -1; i < rows; i++) {
        for (int c = 0; c < list->n; c++) {
            fputs(c == 0 ? "" : ",", stream);
            if (i < 0) {
                print_text(list->name[c], stream);
            } else {
                print_field(uwc_json_at(sweep, i), list->name[c], stream);
            }
        }
        fputc('\n', stream);
    }
    uwc_free(&list);
    return UWC_OK;
}
