/* plan DIR --simulate: the phase solve on other numbers of ranks (docs/scaling.md). */
#include "cli_impl.h"

#include <errno.h>
#include <stdlib.h>

enum { MOST_COUNTS = 64, MOST_RANKS = 100000 };

/* "1,2,16" */
static uwc_status parse_ranks(const char *text, int *ranks, int *n) {
    const char *rest = text;
    for (*n = 0;; rest++) {
        char *end;
        errno = 0;
        long count = strtol(rest, &end, 10);
        bool whole = end != rest && *rest >= '0' && *rest <= '9' && (*end == ',' || *end == '\0') && errno == 0;
        UWC_CHECK(whole && count >= 1 && count <= MOST_RANKS, UWC_E_ARG,
                  "--simulate takes numbers of ranks from 1 to %d, as 1,2,16: not \"%s\"", MOST_RANKS, text);
        UWC_CHECK(*n < MOST_COUNTS, UWC_E_ARG, "--simulate takes at most %d numbers", MOST_COUNTS);
        ranks[(*n)++] = (int)count;
        rest = end;
        if (*rest == '\0') {
            return UWC_OK;
        }
    }
}

static uwc_status fill_table(uwc_table *table, const uwc_json *rows) {
    static const char *const member[] = {"seconds", "speedup", "efficiency", "coordinator"};
    for (int64_t i = 0; i < uwc_json_length(rows); i++) {
        const uwc_json *row = uwc_json_at(rows, i);
        char text[UWC_REPORT_TEXT];
        int64_t ranks;
        double number[4];
        const char *bottleneck;
        UWC_TRY(uwc_json_get_int(row, "ranks", &ranks));
        UWC_TRY(uwc_json_get_string(row, "bottleneck", &bottleneck));
        for (int k = 0; k < 4; k++) {
            UWC_TRY(uwc_json_get_real(row, member[k], &number[k]));
        }
        uwc_table_cell(table, "%lld", (long long)ranks);
        uwc_table_cell(table, "%s", uwc_report_seconds(number[0], text));
        uwc_table_cell(table, "%.2f", number[1]);
        uwc_table_cell(table, "%.1f %%", 100 * number[2]);
        uwc_table_cell(table, "%.1f %%", 100 * number[3]);
        uwc_table_cell(table, "%s", bottleneck);
    }
    return UWC_OK;
}

static uwc_status print_table(const uwc_json *answer, FILE *out) {
    static const char *const columns[] = {">ranks", ">solve", ">speed-up", ">efficiency", ">coordinator", "<bottleneck", NULL};
    const uwc_json *rows;
    uwc_table *table;
    int64_t runs, units, measured;
    double rate;
    UWC_TRY(uwc_json_get_array(answer, "ranks", &rows));
    UWC_TRY(uwc_json_get_int(answer, "runs", &runs));
    UWC_TRY(uwc_json_get_int(answer, "units", &units));
    UWC_TRY(uwc_json_get_int(answer, "measured", &measured));
    UWC_TRY(uwc_json_get_real(answer, "estimated_rate", &rate));
    UWC_TRY(uwc_table_create(columns, &table));
    uwc_status st = fill_table(table, rows);
    if (st == UWC_OK) {
        st = uwc_table_print(table, out);
    }
    uwc_table_destroy(&table);
    char text[UWC_REPORT_TEXT];
    fprintf(out, "\n%lld units of %lld run%s: the times of %lld are from the journal, of %lld estimated at %s multiply-adds per second%s\n",
            (long long)units, (long long)runs, runs == 1 ? "" : "s", (long long)measured, (long long)(units - measured),
            uwc_report_count(rate, text), measured == 0 ? " (nothing is measured yet)" : "");
    return st;
}

uwc_status uwc_cli__simulate(uwc_cli__session *session) {
    int ranks[MOST_COUNTS], n;
    uwc_json *answer;
    if (!uwc_cli__is_first(session)) {
        return UWC_OK;
    }
    UWC_TRY(parse_ranks(session->arguments->simulate, ranks, &n));
    UWC_TRY(uwc_run_simulate(session->arguments->operand, ranks, n, &session->hooks, &answer));
    uwc_status st =
        (session->arguments->given & UWC_FLAG_JSON) != 0 ? uwc_cli__print_json(session, answer) : print_table(answer, session->out);
    uwc_json_release(&answer);
    return st;
}
