/* What the files of module report share. */
#ifndef UWC_REPORT_IMPL_H
#define UWC_REPORT_IMPL_H

#include <uwc/report.h>

/* Number at a dotted place ("float.top1") of an object; false where it is absent or no number. */
bool uwc_figure__number(const uwc_json *object, const char *place, double *out);
/* Text at a dotted place, NULL where it is absent or no text; borrowed. */
const char *uwc_figure__text(const uwc_json *object, const char *place);
/* optimal[i]: no other row is at most as large and at least as good, and better in one of them. Rows without size or quality are not.
 * Quality is quantized.top1, or less logit_nmse where no row has labels. */
uwc_status uwc_figure__pareto(const uwc_json *rows, bool **optimal) UWC_MUST_USE;
/* The tables of uwc_report_metrics and uwc_report_sweep. */
uwc_status uwc_figure__metrics_table(const uwc_json *metrics, uwc_table **out) UWC_MUST_USE;
uwc_status uwc_figure__cost_table(const uwc_json *metrics, uwc_table **out) UWC_MUST_USE;
uwc_status uwc_figure__sweep_table(const uwc_json *rows, uwc_table **out) UWC_MUST_USE;

/* Text with the characters that HTML gives a meaning replaced. */
void uwc_html__escape(const char *text, FILE *stream);
/* Bars of each unit's error before and after, as SVG. */
void uwc_chart__units(const uwc_json *units, FILE *stream);
/* Size against quality of a sweep's rows, as SVG. */
void uwc_chart__sweep(const uwc_json *rows, const bool *optimal, FILE *stream);

#endif
