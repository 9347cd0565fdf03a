/* Small helpers over JSON members. */
#include "sched_impl.h"

#include <stdlib.h>
#include <string.h>

const uwc_json *uwc_sched__json_at(const uwc_json *object, const char *dotted) {
    char key[128];
    while (object != NULL) {
        const char *dot = strchr(dotted, '.');
        size_t length = dot == NULL ? strlen(dotted) : (size_t)(dot - dotted);
        if (length >= sizeof key) {
            return NULL;
        }
        memcpy(key, dotted, length);
        key[length] = '\0';
        object = uwc_json_find(object, key);
        if (dot == NULL) {
            break;
        }
        dotted = dot + 1;
    }
    return object;
}

uwc_status uwc_sched__json_same(const uwc_json *a, const uwc_json *b, bool *same) {
    char *first = NULL, *second = NULL;
    *same = a == NULL && b == NULL;
    if (a == NULL || b == NULL) {
        return UWC_OK;
    }
    uwc_status st = uwc_json_print(a, 0, &first);
    if (st == UWC_OK) {
        st = uwc_json_print(b, 0, &second);
    }
    *same = st == UWC_OK && strcmp(first, second) == 0;
    uwc_free(&first);
    uwc_free(&second);
    return st;
}

uwc_status uwc_sched__json_set_hash(uwc_json *object, const char *key, uint64_t hash) {
    char text[17];
    snprintf(text, sizeof text, "%016llx", (unsigned long long)hash);
    return uwc_json_set_string(object, key, text);
}

uwc_status uwc_sched__json_get_hash(const uwc_json *object, const char *key, uint64_t *hash) {
    const char *text;
    char *end;
    UWC_TRY(uwc_json_get_string(object, key, &text));
    *hash = strtoull(text, &end, 16);
    UWC_CHECK(strlen(text) == 16 && *end == '\0', UWC_E_FORMAT, "member \"%s\" is no hash of 16 digits", key);
    return UWC_OK;
}
