/* labels.txt: a line "file label" for each image; blank lines are skipped. */
#include "store_impl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* "file label": the label is what follows the last blank. Cuts `line` in two. */
static uwc_status parse_line(const char *file, int64_t number, char *line, int64_t *label) {
    size_t length = strlen(line);
    while (length > 0 && strchr(" \t\r", line[length - 1]) != NULL) {
        line[--length] = '\0';
    }
    char *cut = line + length, *end;
    while (cut > line && cut[-1] != ' ' && cut[-1] != '\t') {
        cut--;
    }
    errno = 0;
    *label = strtoll(cut, &end, 10);
    UWC_CHECK(cut > line && end != cut && *end == '\0' && errno == 0, UWC_E_FORMAT, "%s: line %lld: \"%s\" is not \"file label\"", file,
              (long long)number, line);
    while (cut > line && strchr(" \t", cut[-1]) != NULL) {
        *--cut = '\0';
    }
    UWC_CHECK(cut > line, UWC_E_FORMAT, "%s: line %lld: a label without a file", file, (long long)number);
    return UWC_OK;
}

uwc_status uwc_store__labels_parse(const char *file, char *text, size_t bytes, uwc_store__listing *out) {
    UWC_CHECK(memchr(text, '\0', bytes) == NULL, UWC_E_FORMAT, "%s: not a text", file);
    int64_t number = 0, label;
    for (char *line = text, *next; line != NULL; line = next) {
        next = strchr(line, '\n');
        if (next != NULL) {
            *next++ = '\0';
        }
        number++;
        if (line[strspn(line, " \t\r")] == '\0') {
            continue;
        }
        UWC_TRY(parse_line(file, number, line, &label));
        UWC_TRY(uwc_store__listing_add(out, "", line, label, 0));
        out->entry[out->count - 1].line = number;
    }
    return UWC_OK;
}
