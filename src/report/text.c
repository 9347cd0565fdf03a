#include <uwc/report.h>

#include <math.h>

/* Three significant digits of value / base^k with the k-th suffix. */
static const char *scaled(double value, double base, const char *const *suffix, int n, char *text) {
    int k = 0;
    while (k + 1 < n && fabs(value) >= base * 0.9995) {
        value /= base;
        k++;
    }
    int digits = k == 0 ? 0 : fabs(value) < 9.995 ? 2 : fabs(value) < 99.95 ? 1 : 0;
    snprintf(text, UWC_REPORT_TEXT, "%.*f%s", digits, value, suffix[k]);
    return text;
}

const char *uwc_report_count(double count, char text[UWC_REPORT_TEXT]) {
    static const char *const suffix[] = {"", " k", " M", " G", " T", " P"};
    return scaled(count, 1000, suffix, 6, text);
}

const char *uwc_report_bytes(double bytes, char text[UWC_REPORT_TEXT]) {
    static const char *const suffix[] = {" B", " KiB", " MiB", " GiB", " TiB", " PiB"};
    return scaled(bytes, 1024, suffix, 6, text);
}

const char *uwc_report_seconds(double seconds, char text[UWC_REPORT_TEXT]) {
    if (!(seconds >= 0 && seconds < 1e12)) {
        snprintf(text, UWC_REPORT_TEXT, "?");
    } else if (seconds < 99.95) {
        snprintf(text, UWC_REPORT_TEXT, "%.*f s", seconds < 9.995 ? 2 : 1, seconds);
    } else {
        long long whole = llround(seconds);
        if (whole < 3600) {
            snprintf(text, UWC_REPORT_TEXT, "%lld min %02lld s", whole / 60, whole % 60);
        } else {
            snprintf(text, UWC_REPORT_TEXT, "%lld h %02lld min", whole / 3600, whole % 3600 / 60);
        }
    }
    return text;
}
