#include "config_impl.h"

#include <assert.h>
#include <string.h>

uwc_status uwc_config_create(uwc_config **out) {
    int rows;
    const uwc_option *table = uwc_option_table(&rows);
    uwc_config *config;
    *out = NULL;
    UWC_TRY(uwc_calloc(1, sizeof *config, &config));
    uwc_status st;
    UWC_TRY_GOTO(st, uwc_calloc(rows, sizeof *config->value, &config->value), done);
    for (int row = 0; row < rows; row++) {
        if (table[row].fallback != NULL) {
            char *assignment;
            UWC_TRY_GOTO(st, uwc_format(&assignment, "%s=%s", table[row].key, table[row].fallback), done);
            st = uwc_config_set(config, assignment);
            uwc_free(&assignment);
            if (st != UWC_OK) {
                goto done;
            }
        }
    }
    *out = config;
    config = NULL;
done:
    uwc_config_destroy(&config);
    return st;
}

void uwc_config_destroy(uwc_config **config) {
    uwc_config *c = *config;
    if (c == NULL) {
        return;
    }
    int rows;
    uwc_option_table(&rows);
    for (int row = 0; c->value != NULL && row < rows; row++) {
        uwc_value__clear(&c->value[row]);
    }
    for (int i = 0; i < c->n_sweeps; i++) {
        uwc_sweep__clear(&c->sweep[i]);
    }
    uwc_free(&c->sweep);
    uwc_free(&c->value);
    uwc_free(config);
}

uwc_status uwc_config_copy(const uwc_config *config, uwc_config **out) {
    uwc_config *copy;
    int rows;
    uwc_option_table(&rows);
    *out = NULL;
    uwc_status st;
    UWC_TRY(uwc_calloc(1, sizeof *copy, &copy));
    UWC_TRY_GOTO(st, uwc_calloc(rows, sizeof *copy->value, &copy->value), done);
    for (int row = 0; row < rows; row++) {
        UWC_TRY_GOTO(st, uwc_value__copy(&config->value[row], &copy->value[row]), done);
    }
    UWC_TRY_GOTO(st, uwc_grow(&copy->sweep, &copy->sweep_capacity, config->n_sweeps, sizeof *copy->sweep), done);
    for (int i = 0; i < config->n_sweeps; i++) {
        copy->n_sweeps = i + 1;
        UWC_TRY_GOTO(st, uwc_sweep__copy(&config->sweep[i], &copy->sweep[i]), done);
    }
    *out = copy;
    copy = NULL;
done:
    uwc_config_destroy(&copy);
    return st;
}

uwc_status uwc_config__assign(uwc_config *config, const char *folder, const char *key, const uwc_config__item *item, int n, bool list) {
    int rows, row;
    const uwc_option *table = uwc_option_table(&rows);
    switch (uwc_option__find(key, &row)) {
    case UWC_KEY_OPTION:
        return uwc_value__parse(&table[row], folder, item, n, list, &config->value[row]);
    case UWC_KEY_SWEEP:
        return uwc_error_note(uwc_sweep__assign(config, row, folder, item, n), "sweep");
    case UWC_KEY_BLOCK:
        if (uwc_option__switch(key, &row)) {
            return uwc_value__parse(&table[row], folder, item, n, list, &config->value[row]);
        }
        return uwc_error_set(UWC_E_CONFIG, "%s: a block of keys is expected, not a value", key);
    case UWC_KEY_UNKNOWN:
        break;
    }
    return uwc_option__unknown(key);
}

static char *trim(char *text) {
    text += strspn(text, " \t");
    size_t length = strlen(text);
    while (length > 0 && (text[length - 1] == ' ' || text[length - 1] == '\t')) {
        text[--length] = '\0';
    }
    return text;
}

/* Cuts "[a, b]" or "a,b" into items that point into `text`. */
static uwc_status split(const char *key, char *text, uwc_config__item *item, int *n) {
    text = trim(text);
    size_t length = strlen(text);
    if (length >= 2 && text[0] == '[' && text[length - 1] == ']') {
        text[length - 1] = '\0';
        text++;
    }
    for (char *part; (part = strsep(&text, ",")) != NULL;) {
        UWC_CHECK(*n < UWC_CONFIG_LIST, UWC_E_CONFIG, "%s: more than %d values", key, UWC_CONFIG_LIST);
        part = trim(part);
        item[(*n)++].text = *part == '\0' ? NULL : part;
    }
    return UWC_OK;
}

/* `pair` is cut into pieces. */
static uwc_status set_pair(uwc_config *config, char *pair) {
    char shown[UWC_CONFIG_SHOWN];
    char *value = strchr(pair, '=');
    UWC_CHECK(value != NULL, UWC_E_CONFIG, "\"%s\" is no key=value", uwc_config__shown(pair, shown));
    *value++ = '\0';
    const char *key = trim(pair);
    uwc_config__item item[UWC_CONFIG_LIST] = {0};
    int row, n = 0, rows;
    uwc_config__kind kind = uwc_option__find(key, &row);
    bool list = kind == UWC_KEY_SWEEP || (kind == UWC_KEY_OPTION && uwc_option_table(&rows)[row].type == UWC_OPTION_REALS);
    if (list) {
        UWC_TRY(split(key, value, item, &n));
    } else {
        value = trim(value);
        item[0].text = *value == '\0' ? NULL : value;
        n = 1;
    }
    return uwc_config__assign(config, ".", key, item, n, list);
}

uwc_status uwc_config_set(uwc_config *config, const char *assignment) {
    char *pair;
    UWC_TRY(uwc_strdup(assignment, &pair));
    uwc_status st = set_pair(config, pair);
    uwc_free(&pair);
    return st;
}

uint64_t uwc_config_hash(const uwc_config *config) {
    int rows;
    const uwc_option *table = uwc_option_table(&rows);
    uint64_t hash = UWC_HASH_INIT;
    for (int row = 0; row < rows; row++) {
        const uwc_config__value *value = &config->value[row];
        if (!table[row].affects_result || !value->set) {
            continue;
        }
        hash = uwc_hash(hash, table[row].key, strlen(table[row].key) + 1);
        if (value->text != NULL) {
            hash = uwc_hash(hash, value->text, strlen(value->text) + 1);
        }
        double three[3];
        for (int i = 0; i < 3; i++) {
            three[i] = value->real[value->reals == 1 ? 0 : i]; /* one number means the same as three equal ones */
        }
        hash = uwc_hash(hash, three, sizeof three);
        hash = uwc_hash(hash, &value->integer, sizeof value->integer);
    }
    return hash;
}

static const uwc_config__value *look_up(const uwc_config *config, const char *key, unsigned types) {
    int rows, row;
    const uwc_option *table = uwc_option_table(&rows);
    uwc_config__kind kind = uwc_option__find(key, &row);
    assert(kind == UWC_KEY_OPTION && (types >> table[row].type & 1) != 0);
    (void)kind, (void)table, (void)types;
    return &config->value[row];
}

const char *uwc_config_string(const uwc_config *config, const char *key) {
    return look_up(config, key, 1u << UWC_OPTION_PATH | 1u << UWC_OPTION_CHOICE)->text;
}

int64_t uwc_config_int(const uwc_config *config, const char *key) {
    return look_up(config, key, 1u << UWC_OPTION_INT | 1u << UWC_OPTION_BYTES)->integer;
}

double uwc_config_real(const uwc_config *config, const char *key) {
    return look_up(config, key, 1u << UWC_OPTION_REAL)->real[0];
}

int uwc_config_reals(const uwc_config *config, const char *key, double *out, int most) {
    const uwc_config__value *value = look_up(config, key, 1u << UWC_OPTION_REALS);
    assert(most >= 0 && most <= 3);
    for (int i = 0; i < most; i++) {
        out[i] = value->real[value->reals == 1 ? 0 : i];
    }
    return value->reals;
}

uwc_status uwc_config_need(const uwc_config *config, const char *key) {
    int rows, row;
    const uwc_option *table = uwc_option_table(&rows);
    uwc_config__kind kind = uwc_option__find(key, &row);
    assert(kind == UWC_KEY_OPTION);
    (void)kind;
    UWC_CHECK(config->value[row].set, UWC_E_CONFIG, "%s is not set: %s", key, table[row].help);
    return UWC_OK;
}
