/* Charts as inline SVG, drawn with plain numbers: no script, no style sheet of others. */
#include "report_impl.h"

#include <math.h>

enum { WIDTH = 900, LABEL = 260, ROW = 26, BAR_HEIGHT = 9, PLOT_HEIGHT = 360, MARGIN = 60 };

/* Errors span orders of magnitude: bars are logarithmic over whole decades. */
typedef struct decades {
    double low, high; /* exponents of ten */
} decades;

static void widen(decades *range, double value) {
    if (value > 0 && isfinite(value)) {
        range->low = fmin(range->low, floor(log10(value)));
        range->high = fmax(range->high, ceil(log10(value)));
    }
}

static decades range_of(const uwc_json *units) {
    decades range = {1e9, -1e9};
    for (int64_t i = 0; i < uwc_json_length(units); i++) {
        double value;
        if (uwc_figure__number(uwc_json_at(units, i), "nmse_before", &value)) {
            widen(&range, value);
        }
        if (uwc_figure__number(uwc_json_at(units, i), "nmse_after", &value)) {
            widen(&range, value);
        }
    }
    if (range.low > range.high) {
        range = (decades){-3, 0};
    }
    range.high = fmax(range.high, range.low + 1);
    range.low -= 1; /* the smallest bar is seen too */
    return range;
}

static double bar_length(decades range, double value) {
    if (!(value > 0) || !isfinite(value)) {
        return 0;
    }
    return (WIDTH - LABEL - 90) * (log10(value) - range.low) / (range.high - range.low);
}

static void draw_bar(const uwc_json *unit, const char *place, decades range, double y, const char *kind, FILE *stream) {
    double value;
    if (!uwc_figure__number(unit, place, &value)) {
        return;
    }
    double length = bar_length(range, value);
    fprintf(stream, "<rect class=\"%s\" x=\"%d\" y=\"%.1f\" width=\"%.1f\" height=\"%d\"/>", kind, LABEL, y, length, BAR_HEIGHT);
    fprintf(stream, "<text class=\"small\" x=\"%.1f\" y=\"%.1f\">%.3g</text>\n", LABEL + length + 4, y + BAR_HEIGHT - 1, value);
}

void uwc_chart__units(const uwc_json *units, FILE *stream) {
    int64_t n = uwc_json_length(units);
    decades range = range_of(units);
    fprintf(stream, "<svg viewBox=\"0 0 %d %lld\" role=\"img\" aria-label=\"error of each unit before and after\">\n", WIDTH,
            (long long)(n * ROW + 10));
    for (int64_t i = 0; i < n; i++) {
        const uwc_json *unit = uwc_json_at(units, i);
        const char *name = uwc_figure__text(unit, "name");
        double y = (double)i * ROW + 5;
        fprintf(stream, "<text class=\"label\" x=\"%d\" y=\"%.1f\">", LABEL - 8, y + 13);
        uwc_html__escape(name == NULL ? "?" : name, stream);
        fputs("</text>\n", stream);
        draw_bar(unit, "nmse_before", range, y, "before", stream);
        draw_bar(unit, "nmse_after", range, y + BAR_HEIGHT + 1, "after", stream);
    }
    fputs("</svg>\n", stream);
}

typedef struct axes {
    double least_x, most_x, least_y, most_y;
} axes;

static bool place_of(const uwc_json *row, double *x, double *y) {
    return uwc_figure__number(row, "bytes.packed", x) && uwc_figure__number(row, "quantized.top1", y);
}

static axes axes_of(const uwc_json *rows) {
    axes a = {INFINITY, -INFINITY, INFINITY, -INFINITY};
    for (int64_t i = 0; i < uwc_json_length(rows); i++) {
        double x, y;
        if (place_of(uwc_json_at(rows, i), &x, &y)) {
            a = (axes){fmin(a.least_x, x), fmax(a.most_x, x), fmin(a.least_y, y), fmax(a.most_y, y)};
        }
    }
    a.most_x = fmax(a.most_x, a.least_x * 1.01 + 1);
    a.most_y = fmax(a.most_y, a.least_y + 0.01);
    return a;
}

static void draw_axes(axes a, FILE *stream) {
    char text[UWC_REPORT_TEXT];
    fprintf(stream, "<path class=\"axis\" d=\"M%d 10V%dH%d\"/>\n", MARGIN, PLOT_HEIGHT - MARGIN, WIDTH - 10);
    for (int i = 0; i <= 4; i++) {
        double part = i / 4.0;
        fprintf(stream, "<text class=\"label\" x=\"%d\" y=\"%.1f\">%.1f %%</text>\n", MARGIN - 6,
                PLOT_HEIGHT - MARGIN - part * (PLOT_HEIGHT - MARGIN - 20) + 4, 100 * (a.least_y + part * (a.most_y - a.least_y)));
        fprintf(stream, "<text class=\"middle\" x=\"%.1f\" y=\"%d\">%s</text>\n", MARGIN + 20 + part * (WIDTH - MARGIN - 80),
                PLOT_HEIGHT - MARGIN + 18, uwc_report_bytes(a.least_x + part * (a.most_x - a.least_x), text));
    }
    fprintf(stream, "<text class=\"middle\" x=\"%d\" y=\"%d\">packed weights</text>\n", WIDTH / 2, PLOT_HEIGHT - MARGIN + 40);
}

void uwc_chart__sweep(const uwc_json *rows, const bool *optimal, FILE *stream) {
    axes a = axes_of(rows);
    if (!isfinite(a.least_x)) {
        return; /* no row has both */
    }
    fprintf(stream, "<svg viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"top-1 against size\">\n", WIDTH, PLOT_HEIGHT);
    draw_axes(a, stream);
    for (int64_t i = 0; i < uwc_json_length(rows); i++) {
        const uwc_json *row = uwc_json_at(rows, i);
        double x, y, weights, activations;
        if (!place_of(row, &x, &y)) {
            continue;
        }
        double at_x = MARGIN + 20 + (x - a.least_x) / (a.most_x - a.least_x) * (WIDTH - MARGIN - 80);
        double at_y = PLOT_HEIGHT - MARGIN - (y - a.least_y) / (a.most_y - a.least_y) * (PLOT_HEIGHT - MARGIN - 20);
        fprintf(stream, "<circle class=\"%s\" cx=\"%.1f\" cy=\"%.1f\" r=\"5\"/>", optimal[i] ? "after" : "before", at_x, at_y);
        if (uwc_figure__number(row, "config.quantize.weight_bits", &weights) &&
            uwc_figure__number(row, "config.quantize.activation_bits", &activations)) {
            fprintf(stream, "<text class=\"small\" x=\"%.1f\" y=\"%.1f\">W%.0fA%.0f</text>", at_x + 7, at_y + 4, weights, activations);
        }
        fputc('\n', stream);
    }
    fputs("</svg>\n", stream);
}
