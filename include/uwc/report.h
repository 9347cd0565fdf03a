/* report: what people see of a run: tables, progress, the final figures, HTML pages and CSV. Floor 5; uses base.
 * Figures come from metrics.json and sweep.json (docs/formats/metrics.md); what is absent there is left out.
 */
#ifndef UWC_REPORT_H
#define UWC_REPORT_H

#include <uwc/base.h>
#include <uwc/json.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- numbers as people read them -------------------------------------------------------------------------------------------- */

enum { UWC_REPORT_TEXT = 32 };

/* "812", "40.6 k", "40.6 M", "1.05 G". Returns `text`. Local. */
const char *uwc_report_count(double count, char text[UWC_REPORT_TEXT]);
/* "812 B", "1.05 MiB". Returns `text`. Local. */
const char *uwc_report_bytes(double bytes, char text[UWC_REPORT_TEXT]);
/* "0.42 s", "3 min 05 s", "2 h 10 min". Returns `text`. Local. */
const char *uwc_report_seconds(double seconds, char text[UWC_REPORT_TEXT]);

/* ---- tables ------------------------------------------------------------------------------------------------------------------- */

typedef struct uwc_table uwc_table;

/* A table of `columns` titles, each led by '<' (left-aligned) or '>' (right-aligned), ended by NULL. Local. */
uwc_status uwc_table_create(const char *const *columns, uwc_table **out) UWC_MUST_USE;
void uwc_table_destroy(uwc_table **table);
/* The next cell, row by row. Control characters become '?'. What goes wrong is told by uwc_table_print. Local. */
void uwc_table_cell(uwc_table *table, const char *format, ...) UWC_PRINTF(2, 3);
/* Aligned text: titles, then the rows. Errors: NOMEM, also of earlier cells. Local. */
uwc_status uwc_table_print(const uwc_table *table, FILE *stream) UWC_MUST_USE;
/* The same as an HTML table. Local. */
uwc_status uwc_table_html(const uwc_table *table, FILE *stream) UWC_MUST_USE;

/* ---- progress ----------------------------------------------------------------------------------------------------------------- */

typedef struct uwc_display uwc_display;

/* Progress on log->stream: one line that is drawn again on a terminal, cut to `columns` (0: not cut), otherwise a line per unit and per
 * phase; nothing where the log is quiet. `log` is borrowed. Local. */
uwc_status uwc_display_create(const uwc_log *log, int columns, uwc_display **out) UWC_MUST_USE;
/* Ends a line that is still being drawn. Local. */
void uwc_display_destroy(uwc_display **display);
/* A phase stands at `done` of `total` after `seconds`; seconds_left < 0: unknown. Local. */
void uwc_display_phase(uwc_display *display, const char *phase, int64_t done, int64_t total, double seconds, double seconds_left);
/* A unit was solved: its error before and after. Shown by the next uwc_display_phase. Local. */
void uwc_display_unit(uwc_display *display, const char *unit, double nmse_before, double nmse_after, double seconds);
/* A unit was given up. Local. */
void uwc_display_failure(uwc_display *display, const char *unit);

/* ---- figures ------------------------------------------------------------------------------------------------------------------ */

/* The final table of a run from the object of metrics.json: float beside quantized, sizes, seconds, cost. Local. */
uwc_status uwc_report_metrics(const uwc_json *metrics, FILE *stream) UWC_MUST_USE;
/* The table of a sweep from the array of sweep.json; Pareto-optimal rows (no other is both smaller and better) are marked. Local. */
uwc_status uwc_report_sweep(const uwc_json *sweep, FILE *stream) UWC_MUST_USE;
/* The rows of sweep.json as CSV: a column per scalar member, nested names joined by dots. Local. */
uwc_status uwc_report_csv(const uwc_json *sweep, FILE *stream) UWC_MUST_USE;
/* Writes folder/report.html, one file without scripts, from the folder's sweep.json or metrics.json. Errors: NOTFOUND (neither is there),
 * FORMAT, IO. Local. */
uwc_status uwc_report_page(const char *folder) UWC_MUST_USE;

#ifdef __cplusplus
}
#endif
#endif
