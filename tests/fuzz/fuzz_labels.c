/* Any bytes as labels.txt are a list or refused; a list has a name and a line in each entry. */
#include "store_impl.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds, const char *what) {
    if (!holds) {
        fprintf(stderr, "%s: %s\n", what, uwc_error_last()->text);
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    uwc_store__listing list = {0};
    char *text = malloc(size + 1); /* of exactly this size: a sanitizer sees what reads on */
    int64_t line = 0;
    check(text != NULL, "memory");
    if (size > 0) {
        memcpy(text, data, size);
    }
    text[size] = '\0';
    uwc_status st = uwc_store__labels_parse("labels.txt", text, size, &list);
    check(st == UWC_OK || st == UWC_E_FORMAT, "a list or a format error");
    for (int64_t i = 0; i < list.count; i++) {
        check(list.entry[i].name[0] != '\0' && list.entry[i].line > line, "entries have names and ascend");
        line = list.entry[i].line;
    }
    uwc_store__listing_free(&list);
    free(text);
    return 0;
}
