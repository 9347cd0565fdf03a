#include <uwc/base.h>

#include <string.h>

static _Thread_local uwc_error last_error;

const char *uwc_status_text(uwc_status status) {
    static const char *const text[] = {
#define UWC_STATUS_TEXT(name, exit_status, words) words,
        UWC_STATUS_LIST(UWC_STATUS_TEXT)
#undef UWC_STATUS_TEXT
    };
    return (unsigned)status < UWC_STATUS_COUNT ? text[status] : "unknown status";
}

int uwc_status_exit(uwc_status status) {
    static const int code[] = {
#define UWC_STATUS_EXIT(name, exit_status, words) exit_status,
        UWC_STATUS_LIST(UWC_STATUS_EXIT)
#undef UWC_STATUS_EXIT
    };
    return (unsigned)status < UWC_STATUS_COUNT ? code[status] : 1;
}

/* Messages are one line whatever names from outside hold. */
static void make_one_line(char *text) {
    for (; *text != '\0'; text++) {
        unsigned char c = (unsigned char)*text;
        if (c < 0x20 || c == 0x7f) {
            *text = ' ';
        }
    }
}

uwc_status uwc_error_set(uwc_status status, const char *format, ...) {
    char text[UWC_ERROR_TEXT];
    va_list list;
    va_start(list, format);
    vsnprintf(text, sizeof text, format, list);
    va_end(list);
    make_one_line(text);
    last_error.status = status;
    memcpy(last_error.text, text, sizeof text);
    return status;
}

uwc_status uwc_error_note(uwc_status status, const char *format, ...) {
    if (status == UWC_OK) {
        return status;
    }
    char text[UWC_ERROR_TEXT];
    va_list list;
    va_start(list, format);
    int used = vsnprintf(text, sizeof text, format, list);
    va_end(list);
    if (used >= 0 && (size_t)used < sizeof text) {
        snprintf(text + used, sizeof text - (size_t)used, ": %s", last_error.text);
    }
    make_one_line(text);
    last_error.status = status;
    memcpy(last_error.text, text, sizeof text);
    return status;
}

const uwc_error *uwc_error_last(void) {
    return &last_error;
}

uwc_status uwc_error_restore(const uwc_error *error) {
    last_error = *error;
    last_error.text[UWC_ERROR_TEXT - 1] = '\0';
    make_one_line(last_error.text);
    return last_error.status;
}
