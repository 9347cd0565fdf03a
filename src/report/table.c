#include "report_impl.h"

#include <string.h>

struct uwc_table {
    char **cell; /* titles first; row by row */
    int64_t n_cells, capacity;
    int columns;
    bool *right;
    bool failed; /* a cell was lost for want of memory */
};

void uwc_table_destroy(uwc_table **table) {
    uwc_table *t = *table;
    if (t == NULL) {
        return;
    }
    for (int64_t i = 0; i < t->n_cells; i++) {
        uwc_free(&t->cell[i]);
    }
    uwc_free(&t->cell);
    uwc_free(&t->right);
    uwc_free(table);
}

static uwc_status add_cell(uwc_table *table, char *text) {
    uwc_status st = uwc_grow(&table->cell, &table->capacity, table->n_cells + 1, sizeof *table->cell);
    if (st != UWC_OK) {
        uwc_free(&text);
        return st;
    }
    table->cell[table->n_cells++] = text;
    return UWC_OK;
}

uwc_status uwc_table_create(const char *const *columns, uwc_table **out) {
    uwc_table *table;
    *out = NULL;
    UWC_TRY(uwc_calloc(1, sizeof *table, &table));
    while (columns[table->columns] != NULL) {
        table->columns++;
    }
    uwc_status st = uwc_calloc(table->columns, sizeof *table->right, &table->right);
    for (int c = 0; st == UWC_OK && c < table->columns; c++) {
        char *title;
        table->right[c] = columns[c][0] == '>';
        st = uwc_strdup(columns[c] + 1, &title);
        if (st == UWC_OK) {
            st = add_cell(table, title);
        }
    }
    if (st != UWC_OK) {
        uwc_table_destroy(&table);
        return st;
    }
    *out = table;
    return UWC_OK;
}

void uwc_table_cell(uwc_table *table, const char *format, ...) {
    char text[1024];
    char *copy;
    va_list list;
    va_start(list, format);
    vsnprintf(text, sizeof text, format, list);
    va_end(list);
    for (char *at = text; *at != '\0'; at++) {
        if ((unsigned char)*at < 0x20 || *at == 0x7f) {
            *at = '?';
        }
    }
    if (uwc_strdup(text, &copy) != UWC_OK || add_cell(table, copy) != UWC_OK) {
        table->failed = true;
    }
}

/* Characters of UTF-8 text, taken as one column each. */
static int width(const char *text) {
    int count = 0;
    for (; *text != '\0'; text++) {
        count += ((unsigned char)*text & 0xc0) != 0x80;
    }
    return count;
}

/* One row; columns without any text are left out. */
static void print_row(const uwc_table *table, int64_t first, const int *widest, FILE *stream) {
    int last = table->columns - 1;
    while (last > 0 && widest[last] == 0) {
        last--;
    }
    for (int c = 0; c <= last; c++) {
        const char *text = table->cell[first + c];
        int space = widest[c] - width(text);
        fprintf(stream, "%*s%s", table->right[c] ? space : 0, "", text);
        if (c < last && widest[c] > 0) {
            fprintf(stream, "%*s  ", table->right[c] ? 0 : space, "");
        }
    }
    fputc('\n', stream);
}

static uwc_status check(const uwc_table *table) {
    UWC_CHECK(!table->failed, UWC_E_NOMEM, "table of %lld cells", (long long)table->n_cells);
    UWC_CHECK(table->n_cells % table->columns == 0, UWC_E_INTERNAL, "table of %lld cells in %d columns", (long long)table->n_cells,
              table->columns);
    return UWC_OK;
}

uwc_status uwc_table_print(const uwc_table *table, FILE *stream) {
    int *widest;
    UWC_TRY(check(table));
    UWC_TRY(uwc_calloc(table->columns, sizeof *widest, &widest));
    for (int64_t i = 0; i < table->n_cells; i++) {
        int w = width(table->cell[i]);
        int *most = &widest[i % table->columns];
        *most = w > *most ? w : *most;
    }
    for (int64_t i = 0; i < table->n_cells; i += table->columns) {
        print_row(table, i, widest, stream);
    }
    uwc_free(&widest);
    return UWC_OK;
}

uwc_status uwc_table_html(const uwc_table *table, FILE *stream) {
    UWC_TRY(check(table));
    fputs("<table>\n", stream);
    for (int64_t i = 0; i < table->n_cells; i++) {
        int c = (int)(i % table->columns);
        const char *tag = i < table->columns ? "th" : "td";
        fprintf(stream, "%s<%s%s>", c == 0 ? "<tr>" : "", tag, table->right[c] ? " class=\"right\"" : "");
        uwc_html__escape(table->cell[i], stream);
        fprintf(stream, "</%s>%s", tag, c + 1 == table->columns ? "</tr>\n" : "");
    }
    fputs("</table>\n", stream);
    return UWC_OK;
}
