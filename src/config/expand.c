/* Texts from outside: environment variables, paths, cutting for messages. */
#include "config_impl.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

const char *uwc_config__shown(const char *text, char shown[UWC_CONFIG_SHOWN]) {
    size_t length = strnlen(text, UWC_CONFIG_SHOWN);
    if (length < UWC_CONFIG_SHOWN) {
        memcpy(shown, text, length + 1);
        return shown;
    }
    length = UWC_CONFIG_SHOWN - 4;
    while (length > 0 && ((unsigned char)text[length] & 0xc0) == 0x80) {
        length--;
    }
    memcpy(shown, text, length);
    memcpy(shown + length, "...", 4);
    return shown;
}

static uwc_status append(char *out, size_t *used, const char *text, size_t length) {
    UWC_CHECK(*used + length < UWC_CONFIG_TEXT, UWC_E_CONFIG, "a value longer than %d bytes", UWC_CONFIG_TEXT - 1);
    memcpy(out + *used, text, length);
    *used += length;
    out[*used] = '\0';
    return UWC_OK;
}

static bool is_name(const char *name, size_t length) {
    for (size_t i = 0; i < length; i++) {
        if (!isalnum((unsigned char)name[i]) && name[i] != '_') {
            return false;
        }
    }
    return length > 0 && length < UWC_CONFIG_KEY && !isdigit((unsigned char)name[0]);
}

/* *at stands on "${". */
static uwc_status append_variable(const char **at, char *out, size_t *used) {
    char shown[UWC_CONFIG_SHOWN];
    const char *name = *at + 2;
    const char *end = strchr(name, '}');
    UWC_CHECK(end != NULL, UWC_E_CONFIG, "\"%s\" has no closing brace", uwc_config__shown(*at, shown));
    size_t length = (size_t)(end - name);
    UWC_CHECK(is_name(name, length), UWC_E_CONFIG, "\"%s\" names no environment variable", uwc_config__shown(*at, shown));
    char variable[UWC_CONFIG_KEY];
    memcpy(variable, name, length);
    variable[length] = '\0';
    const char *value = getenv(variable);
    UWC_CHECK(value != NULL, UWC_E_CONFIG, "the environment variable %s is not set", variable);
    *at = end + 1;
    return append(out, used, value, strlen(value));
}

uwc_status uwc_config__expand(const char *text, char **out) {
    char expanded[UWC_CONFIG_TEXT] = "";
    size_t used = 0;
    *out = NULL;
    while (*text != '\0') {
        if (text[0] == '$' && text[1] == '{') {
            UWC_TRY(append_variable(&text, expanded, &used));
        } else {
            UWC_TRY(append(expanded, &used, text++, 1));
        }
    }
    return uwc_strdup(expanded, out);
}

/* Drops the last part of an absolute path; the root stays. */
static void drop_part(char *folder) {
    char *slash = strrchr(folder, '/');
    slash[slash == folder ? 1 : 0] = '\0';
}

uwc_status uwc_config__locate(const char *folder, const char *name, char **out) {
    *out = NULL;
    if (name[0] == '/') {
        return uwc_strdup(name, out);
    }
    /* the physical folder: dropping its parts means what ".." means */
    char *base = realpath(folder, NULL);
    UWC_CHECK(base != NULL, UWC_E_IO, "%s: %s", folder, strerror(errno));
    while (name[0] == '.' && (name[1] == '/' || (name[1] == '.' && (name[2] == '/' || name[2] == '\0')))) {
        if (name[1] == '.') {
            drop_part(base);
            name++;
        }
        name++;
        while (*name == '/') {
            name++;
        }
    }
    uwc_status st = *name == '\0' || strcmp(name, ".") == 0 ? uwc_strdup(base, out) : uwc_path_join(base, name, out);
    free(base);
    return st;
}
