#include <uwc/base.h>

#include <time.h>

double uwc_now(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

void uwc_log_line(const uwc_log *log, uwc_log_level level, const char *format, ...) {
    if (log == NULL || log->stream == NULL || level > log->level) {
        return;
    }
    va_list list;
    va_start(list, format);
    vfprintf(log->stream, format, list);
    va_end(list);
    fputc('\n', log->stream);
    fflush(log->stream);
}
