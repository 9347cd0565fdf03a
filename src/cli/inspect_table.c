/* Tables of `uwc inspect`, from the JSON of a network or of plan.json. Files from outside: what is absent is shown as "-". */
#include "cli_impl.h"

#include <string.h>

static bool number_of(const uwc_json *object, const char *key, double *out) {
    const uwc_json *value = uwc_json_find(object, key);
    return value != NULL && uwc_json_number(value, out) == UWC_OK;
}

static const char *text_of(const uwc_json *object, const char *key) {
    const uwc_json *value = uwc_json_find(object, key);
    const char *text = value == NULL ? NULL : uwc_json_text(value);
    return text == NULL ? "-" : text;
}

/* A number in the words of `print`, "-" where there is none or nothing. */
static void number_cell(uwc_table *table, const uwc_json *object, const char *key, const char *(*print)(double, char *)) {
    char text[UWC_REPORT_TEXT];
    double number;
    bool known = number_of(object, key, &number) && number != 0;
    uwc_table_cell(table, "%s", known ? print(number, text) : "-");
}

/* "16x32x32": the shape of one image without the batch, or of a constant (first = 0). */
static const char *shape_text(const uwc_json *object, const char *key, int first, char *text, size_t size) {
    const uwc_json *shape = uwc_json_find(object, key);
    size_t used = 0;
    text[0] = '\0';
    for (int64_t i = first; shape != NULL && i < uwc_json_length(shape) && used + 24 < size; i++) {
        double dim = 0;
        (void)!uwc_json_number(uwc_json_at(shape, i), &dim);
        used += (size_t)snprintf(text + used, size - used, "%s%.0f", used == 0 ? "" : "x", dim);
    }
    return used == 0 ? "-" : text;
}

static void shape_cell(uwc_table *table, const uwc_json *object, const char *key, int first) {
    char text[160];
    uwc_table_cell(table, "%s", shape_text(object, key, first, text, sizeof text));
}

/* The shapes of several values in a row. */
static void shapes_cell(uwc_table *table, const uwc_json *unit, const char *key) {
    const uwc_json *list = uwc_json_find(unit, key);
    char text[400] = "", one[160];
    for (int64_t i = 0; list != NULL && i < uwc_json_length(list); i++) {
        size_t used = strlen(text);
        snprintf(text + used, sizeof text - used, "%s%s", i == 0 ? "" : " ", shape_text(uwc_json_at(list, i), "shape", 1, one, sizeof one));
    }
    uwc_table_cell(table, "%s", text[0] == '\0' ? "-" : text);
}

static uwc_status print_nodes(const uwc_json *network, FILE *out) {
    static const char *const columns[] = {"<name", "<operator", "<output", "<weights", ">bits", ">multiply-adds", ">parameters", NULL};
    const uwc_json *nodes = uwc_json_find(network, "nodes");
    uwc_table *table;
    UWC_TRY(uwc_table_create(columns, &table));
    for (int64_t i = 0; nodes != NULL && i < uwc_json_length(nodes); i++) {
        const uwc_json *node = uwc_json_at(nodes, i);
        uwc_table_cell(table, "%s", text_of(node, "name"));
        uwc_table_cell(table, "%s", text_of(node, "operator"));
        shape_cell(table, node, "output", 1);
        shape_cell(table, node, "weights", 0);
        number_cell(table, node, "weight_bits", uwc_report_count);
        number_cell(table, node, "multiply_adds", uwc_report_count);
        number_cell(table, node, "parameters", uwc_report_count);
    }
    uwc_status st = uwc_table_print(table, out);
    uwc_table_destroy(&table);
    return st;
}

/* The memory of a worker is known where batches are: in a plan. */
static bool has_memory(const uwc_json *units) {
    return units != NULL && uwc_json_length(units) > 0 && uwc_json_find(uwc_json_at(units, 0), "memory_bytes") != NULL;
}

uwc_status uwc_cli__print_units(const uwc_json *plan, const char *const *state, FILE *out) {
    const uwc_json *units = uwc_json_find(plan, "units");
    bool memory = has_memory(units);
    const char *const columns[] = {
        "<unit", ">layers", "<inputs", "<outputs", ">multiply-adds", ">parameters", ">cache", ">work", memory ? ">memory" : NULL,
        "<",     NULL};
    uwc_table *table;
    UWC_TRY(uwc_table_create(columns, &table));
    for (int64_t i = 0; units != NULL && i < uwc_json_length(units); i++) {
        const uwc_json *unit = uwc_json_at(units, i), *layers = uwc_json_find(unit, "layers");
        uwc_table_cell(table, "%s", text_of(unit, "name"));
        uwc_table_cell(table, "%lld", layers == NULL ? 0LL : (long long)uwc_json_length(layers));
        shapes_cell(table, unit, "inputs");
        shapes_cell(table, unit, "outputs");
        number_cell(table, unit, "multiply_adds", uwc_report_count);
        number_cell(table, unit, "parameters", uwc_report_count);
        number_cell(table, unit, "cache_bytes", uwc_report_bytes);
        number_cell(table, unit, "work", uwc_report_count);
        if (memory) {
            number_cell(table, unit, "memory_bytes", uwc_report_bytes);
            uwc_table_cell(table, "%s", state == NULL ? "" : state[i]);
        }
    }
    uwc_status st = uwc_table_print(table, out);
    uwc_table_destroy(&table);
    return st;
}

void uwc_cli__print_memory(const uwc_json *plan, double limit, FILE *out) {
    static const char *const phase[] = {"plan", "capture", "solve", "evaluate"};
    const uwc_json *memory = uwc_json_find(plan, "memory_bytes");
    char text[UWC_REPORT_TEXT];
    double bytes;
    fputs("memory of a rank at most:", out);
    for (int i = 0; i < 4; i++) {
        bool known = memory != NULL && number_of(memory, phase[i], &bytes);
        fprintf(out, "%s %s %s", i == 0 ? "" : ",", phase[i], known ? uwc_report_bytes(bytes, text) : "-");
    }
    fprintf(out, "; it may use %s (run.memory_limit)\n", uwc_report_bytes(limit, text));
    fprintf(out, "cache on disk: %s\n", number_of(plan, "cache_bytes", &bytes) ? uwc_report_bytes(bytes, text) : "-");
}

uwc_status uwc_cli__print_network(const uwc_json *network, FILE *out) {
    static const char *const place[] = {"parameters", "multiply_adds", "bytes_float", "bytes_packed"};
    char text[4][UWC_REPORT_TEXT];
    for (int i = 0; i < 4; i++) {
        double number = 0;
        (void)!number_of(network, place[i], &number);
        (i < 2 ? uwc_report_count : uwc_report_bytes)(number, text[i]);
    }
    UWC_TRY(print_nodes(network, out));
    fprintf(out, "\n%s parameters, %s multiply-adds per image; weights %s as float, %s packed\n\n", text[0], text[1], text[2], text[3]);
    UWC_TRY(uwc_cli__print_units(network, NULL, out));
    fputs("\nper image: multiply-adds, cache (inputs as float32), work (multiply-adds of the reconstruction)\n", out);
    const uwc_json *memory = uwc_json_find(network, "memory");
    double images, limit;
    if (memory != NULL && number_of(memory, "images", &images) && number_of(memory, "limit", &limit)) {
        fprintf(out, "\nto calibrate it with %.0f images:\n", images);
        uwc_cli__print_memory(memory, limit, out);
    }
    return UWC_OK;
}
