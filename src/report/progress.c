#include <uwc/report.h>

#include <string.h>

enum { BAR = 16, NAME = 40, LINE = 512, PLAIN_INTERVAL = 10 /* seconds between plain lines while nothing ends */ };

struct uwc_display {
    const uwc_log *log;
    int columns;    /* of the terminal; 0: any */
    bool drawn;     /* a line stands on the terminal, to be drawn over */
    double printed; /* seconds into the phase at the last plain line */
    char unit[256]; /* what the last unit came to, "" */
};

uwc_status uwc_display_create(const uwc_log *log, int columns, uwc_display **out) {
    UWC_TRY(uwc_calloc(1, sizeof **out, out));
    (*out)->log = log;
    (*out)->columns = columns;
    return UWC_OK;
}

static bool is_shown(const uwc_display *display) {
    const uwc_log *log = display->log;
    return log != NULL && log->stream != NULL && log->level >= UWC_LOG_INFO;
}

static void end_line(uwc_display *display) {
    if (display->drawn) {
        fputc('\n', display->log->stream);
        fflush(display->log->stream);
        display->drawn = false;
    }
}

void uwc_display_destroy(uwc_display **display) {
    if (*display != NULL) {
        end_line(*display);
    }
    uwc_free(display);
}

/* The name without characters that would move the cursor, cut to a length that leaves room for the numbers. */
static const char *tame(const char *name, char text[NAME]) {
    int length = 0;
    for (; name[length] != '\0' && length < NAME - 1; length++) {
        text[length] = (unsigned char)name[length] < 0x20 || name[length] == 0x7f ? '?' : name[length];
    }
    text[length] = '\0';
    return text;
}

void uwc_display_unit(uwc_display *display, const char *unit, double nmse_before, double nmse_after, double seconds) {
    char name[NAME], time[UWC_REPORT_TEXT];
    snprintf(display->unit, sizeof display->unit, "%s  error %.3g -> %.3g  (%s)", tame(unit, name), nmse_before, nmse_after,
             uwc_report_seconds(seconds, time));
}

void uwc_display_failure(uwc_display *display, const char *unit) {
    char name[NAME];
    snprintf(display->unit, sizeof display->unit, "%s  not solved", tame(unit, name));
}

/* A line that wraps could not be drawn over. Cuts at `columns` characters of UTF-8 and at trailing blanks. */
static void fit(char *line, int columns) {
    int count = 0;
    char *at = line;
    for (; *at != '\0' && (columns == 0 || count < columns); at++) {
        count += ((unsigned char)at[1] & 0xc0) != 0x80;
    }
    while (at > line && at[-1] == ' ') {
        at--;
    }
    *at = '\0';
}

static void draw(uwc_display *display, const char *phase, int64_t done, int64_t total, const char *left) {
    FILE *stream = display->log->stream;
    char bar[BAR + 1], line[LINE];
    int64_t filled = total > 0 ? done * BAR / total : 0;
    for (int i = 0; i < BAR; i++) {
        bar[i] = i < filled ? '#' : '.';
    }
    bar[BAR] = '\0';
    snprintf(line, sizeof line, "%-8s [%s] %lld/%lld%s  %s", phase, bar, (long long)done, (long long)total, left, display->unit);
    fit(line, display->columns);
    fprintf(stream, "\r\033[K%s", line);
    display->drawn = true;
    if (done >= total) {
        end_line(display);
    }
    fflush(stream);
}

static void print_plain(uwc_display *display, const char *phase, int64_t done, int64_t total, const char *left, double seconds) {
    bool due = display->unit[0] != '\0' || done >= total || seconds >= display->printed + PLAIN_INTERVAL;
    if (!due) {
        return;
    }
    display->printed = done >= total ? 0 : seconds;
    const char *gap = display->unit[0] == '\0' ? "" : "  ";
    uwc_log_line(display->log, UWC_LOG_INFO, "%-8s %lld/%lld%s%s%s", phase, (long long)done, (long long)total, left, gap, display->unit);
}

void uwc_display_phase(uwc_display *display, const char *phase, int64_t done, int64_t total, double seconds, double seconds_left) {
    char left[UWC_REPORT_TEXT + 16] = "", time[UWC_REPORT_TEXT];
    if (!is_shown(display)) {
        return;
    }
    if (done >= total) {
        snprintf(left, sizeof left, "  in %s", uwc_report_seconds(seconds, time));
    } else if (seconds_left >= 0) {
        snprintf(left, sizeof left, "  left %s", uwc_report_seconds(seconds_left, time));
    }
    if (display->log->terminal) {
        draw(display, phase, done, total, left);
    } else {
        print_plain(display, phase, done, total, left, seconds);
    }
    if (!display->log->terminal || done >= total) {
        display->unit[0] = '\0';
    }
}
