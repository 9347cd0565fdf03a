#include "config_impl.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

void uwc_config__print_real(double value, char text[32]) {
    for (int digits = 1; digits <= 17; digits++) {
        snprintf(text, 32, "%.*g", digits, value);
        if (strtod(text, NULL) == value) {
            break;
        }
    }
    if (fabs(value) < 1e16 && value == floor(value)) {
        snprintf(text, 32, "%.0f", value);
    }
}

void uwc_config__item_clear(uwc_config__item *item, int n) {
    for (int i = 0; i < n; i++) {
        uwc_free(&item[i].text);
    }
}

void uwc_value__clear(uwc_config__value *value) {
    uwc_free(&value->text);
    *value = (uwc_config__value){0};
}

uwc_status uwc_value__copy(const uwc_config__value *from, uwc_config__value *to) {
    *to = *from;
    to->text = NULL;
    return from->text == NULL ? UWC_OK : uwc_strdup(from->text, &to->text);
}

static uwc_status refuse(const uwc_option *option, const char *text) {
    char allowed[UWC_CONFIG_ALLOWED], shown[UWC_CONFIG_SHOWN];
    uwc_option_allowed(option, allowed, sizeof allowed);
    return uwc_error_set(UWC_E_CONFIG, "%s: \"%s\" is not allowed; allowed: %s", option->key, uwc_config__shown(text, shown), allowed);
}

static bool in_range(const uwc_option *option, double value) {
    return (value >= option->least && value <= option->most) || (option->also != 0 && value == option->also);
}

/* A decimal number and nothing behind it but *rest; no "nan", "inf" or hexadecimal. */
static bool parse_real(const char *text, double *out, const char **rest) {
    size_t length = strspn(text, "+-0123456789.eE");
    char number[64];
    if (length == 0 || length >= sizeof number) {
        return false;
    }
    memcpy(number, text, length);
    number[length] = '\0';
    char *end;
    *out = strtod(number, &end);
    *rest = text + (end - number);
    return end != number && isfinite(*out);
}

static bool parse_integer(const char *text, int64_t *out) {
    size_t digits = strspn(text + (text[0] == '-'), "0123456789");
    if (digits == 0 || digits > 18 || text[(text[0] == '-') + (int)digits] != '\0') {
        return false;
    }
    *out = strtoll(text, NULL, 10);
    return true;
}

static bool parse_bytes(const char *text, int64_t *out) {
    static const struct {
        const char *name;
        double bytes;
    } unit[] = {{"", 1},
                {"B", 1},
                {"kB", 1e3},
                {"KB", 1e3},
                {"MB", 1e6},
                {"GB", 1e9},
                {"TB", 1e12},
                {"KiB", 1024.0},
                {"MiB", 1048576.0},
                {"GiB", 1073741824.0},
                {"TiB", 1099511627776.0}};
    double number;
    const char *rest;
    if (!parse_real(text, &number, &rest)) {
        return false;
    }
    rest += strspn(rest, " ");
    for (size_t i = 0; i < sizeof unit / sizeof unit[0]; i++) {
        double bytes = number * unit[i].bytes;
        if (strcmp(rest, unit[i].name) == 0 && bytes >= 0 && bytes < 9e18) {
            *out = (int64_t)bytes;
            return true;
        }
    }
    return false;
}

static bool is_choice(const char *choices, const char *text) {
    size_t length = strlen(text);
    for (const char *at = choices; at != NULL; at = strchr(at, '|')) {
        at += *at == '|';
        if (strncmp(at, text, length) == 0 && (at[length] == '|' || at[length] == '\0') && length > 0) {
            return true;
        }
    }
    return false;
}

/* Valid UTF-8 without control characters: what JSON, messages and other programs can carry. Source: RFC 3629, section 4. */
static bool is_plain_text(const char *text) {
    for (const unsigned char *at = (const unsigned char *)text; *at != '\0';) {
        int more = *at < 0x80 ? 0 : *at >= 0xc2 && *at < 0xe0 ? 1 : (*at & 0xf0) == 0xe0 ? 2 : *at >= 0xf0 && *at < 0xf5 ? 3 : -1;
        if (more < 0 || *at < 0x20 || *at == 0x7f || (*at == 0xe0 && at[1] < 0xa0) || (*at == 0xed && at[1] > 0x9f) ||
            (*at == 0xf0 && at[1] < 0x90) || (*at == 0xf4 && at[1] > 0x8f)) {
            return false;
        }
        for (at++; more > 0; more--, at++) {
            if ((*at & 0xc0) != 0x80) {
                return false;
            }
        }
    }
    return true;
}

static uwc_status parse_path(const uwc_option *option, const char *folder, const char *text, char **out) {
    UWC_CHECK(is_plain_text(text), UWC_E_CONFIG, "%s: a path of UTF-8 text without control characters is expected", option->key);
    UWC_CHECK(text[0] != '\0', UWC_E_CONFIG, "%s: an empty path", option->key);
    return folder == NULL ? uwc_strdup(text, out) : uwc_config__locate(folder, text, out);
}

/* One scalar; `slot` counts the numbers of a list. */
static uwc_status parse_scalar(const uwc_option *option, const char *folder, const char *text, bool quoted, int slot,
                               uwc_config__value *out) {
    bool string = option->type == UWC_OPTION_PATH || option->type == UWC_OPTION_CHOICE || option->type == UWC_OPTION_BYTES;
    const char *rest = "";
    bool good = string || !quoted;
    switch (option->type) {
    case UWC_OPTION_PATH:
        return uwc_error_note(parse_path(option, folder, text, &out->text), "%s", option->key);
    case UWC_OPTION_CHOICE:
        if (!is_choice(option->choices, text)) {
            return refuse(option, text);
        }
        return uwc_strdup(text, &out->text);
    case UWC_OPTION_INT:
        good = good && parse_integer(text, &out->integer) && in_range(option, (double)out->integer);
        break;
    case UWC_OPTION_BYTES:
        good = good && parse_bytes(text, &out->integer) && in_range(option, (double)out->integer);
        break;
    case UWC_OPTION_REAL:
    case UWC_OPTION_REALS:
        good = good && parse_real(text, &out->real[slot], &rest) && *rest == '\0' && in_range(option, out->real[slot]);
        break;
    }
    return good ? UWC_OK : refuse(option, text);
}

static uwc_status parse_item(const uwc_option *option, const char *folder, const uwc_config__item *item, int slot, uwc_config__value *out) {
    char allowed[UWC_CONFIG_ALLOWED];
    UWC_CHECK(item->text != NULL, UWC_E_CONFIG, "%s: a value is missing; allowed: %s", option->key,
              uwc_option_allowed(option, allowed, sizeof allowed));
    if (folder == NULL) {
        return parse_scalar(option, folder, item->text, item->quoted, slot, out);
    }
    char *text;
    UWC_TRY(uwc_error_note(uwc_config__expand(item->text, &text), "%s", option->key));
    uwc_status st = parse_scalar(option, folder, text, item->quoted, slot, out);
    uwc_free(&text);
    return st;
}

uwc_status uwc_value__parse(const uwc_option *option, const char *folder, const uwc_config__item *item, int n, bool list,
                            uwc_config__value *out) {
    char allowed[UWC_CONFIG_ALLOWED];
    uwc_option_allowed(option, allowed, sizeof allowed);
    uwc_value__clear(out);
    if (!list && item[0].text == NULL && option->fallback == NULL) {
        return UWC_OK;
    }
    if (option->type == UWC_OPTION_REALS) {
        UWC_CHECK(n == 1 || n == 3, UWC_E_CONFIG, "%s: a list of %d is not allowed; allowed: %s", option->key, n, allowed);
    } else {
        UWC_CHECK(!list, UWC_E_CONFIG, "%s: a list is not allowed; allowed: %s", option->key, allowed);
    }
    for (int i = 0; i < n; i++) {
        UWC_TRY(parse_item(option, folder, &item[i], i, out));
    }
    out->reals = n;
    out->set = true;
    return UWC_OK;
}

uwc_status uwc_value__print(const uwc_option *option, const uwc_config__value *value, char **out) {
    char text[3][32];
    for (int i = 0; i < 3; i++) {
        uwc_config__print_real(value->real[i], text[i]);
    }
    switch (option->type) {
    case UWC_OPTION_PATH:
    case UWC_OPTION_CHOICE:
        return uwc_strdup(value->text == NULL ? "" : value->text, out);
    case UWC_OPTION_INT:
    case UWC_OPTION_BYTES:
        return uwc_format(out, "%lld", (long long)value->integer);
    case UWC_OPTION_REAL:
        return uwc_strdup(text[0], out);
    case UWC_OPTION_REALS:
        return value->reals == 1 ? uwc_strdup(text[0], out) : uwc_format(out, "%s,%s,%s", text[0], text[1], text[2]);
    }
    return uwc_error_set(UWC_E_INTERNAL, "option type %d", (int)option->type);
}
