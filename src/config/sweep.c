#include "config_impl.h"

#include <assert.h>
#include <string.h>

void uwc_sweep__clear(uwc_config__sweep *sweep) {
    for (int i = 0; i < sweep->n_values; i++) {
        uwc_free(&sweep->value[i]);
    }
    *sweep = (uwc_config__sweep){0};
}

uwc_status uwc_sweep__copy(const uwc_config__sweep *from, uwc_config__sweep *to) {
    to->row = from->row;
    for (int i = 0; i < from->n_values; i++) {
        UWC_TRY(uwc_strdup(from->value[i], &to->value[i]));
        to->n_values = i + 1;
    }
    return UWC_OK;
}

static uwc_status add_value(uwc_config__sweep *sweep, const uwc_option *option, const char *folder, const uwc_config__item *item) {
    char allowed[UWC_CONFIG_ALLOWED];
    UWC_CHECK(item->text != NULL, UWC_E_CONFIG, "%s: an empty value; allowed: %s", option->key,
              uwc_option_allowed(option, allowed, sizeof allowed));
    uwc_config__value value = {0};
    char *text = NULL;
    uwc_status st;
    UWC_TRY_GOTO(st, uwc_value__parse(option, folder, item, 1, false, &value), done);
    UWC_TRY_GOTO(st, uwc_value__print(option, &value, &text), done);
    for (int i = 0; i < sweep->n_values; i++) {
        UWC_CHECK_GOTO(st, strcmp(sweep->value[i], text) != 0, UWC_E_CONFIG, done, "%s: %s is listed twice", option->key, text);
    }
    sweep->value[sweep->n_values++] = text;
    text = NULL;
done:
    uwc_value__clear(&value);
    uwc_free(&text);
    return st;
}

/* The list of a swept row: the one there is, emptied, or a new one at the end. */
static uwc_status find_or_add(uwc_config *config, int row, uwc_config__sweep **out) {
    for (int i = 0; i < config->n_sweeps; i++) {
        if (config->sweep[i].row == row) {
            *out = &config->sweep[i];
            uwc_sweep__clear(*out);
            (*out)->row = row;
            return UWC_OK;
        }
    }
    UWC_TRY(uwc_grow(&config->sweep, &config->sweep_capacity, config->n_sweeps + 1, sizeof *config->sweep));
    *out = &config->sweep[config->n_sweeps++];
    (*out)->row = row;
    return UWC_OK;
}

uwc_status uwc_sweep__assign(uwc_config *config, int row, const char *folder, const uwc_config__item *item, int n) {
    int rows;
    const uwc_option *option = &uwc_option_table(&rows)[row];
    UWC_CHECK(n >= 1, UWC_E_CONFIG, "%s: an empty list", option->key);
    uwc_config__sweep *sweep;
    UWC_TRY(find_or_add(config, row, &sweep));
    for (int i = 0; i < n; i++) {
        UWC_TRY(add_value(sweep, option, folder, &item[i]));
    }
    return UWC_OK;
}

int uwc_config_sweep_keys(const uwc_config *config) {
    return config->n_sweeps;
}

const char *uwc_config_sweep_key(const uwc_config *config, int index) {
    int rows;
    assert(index >= 0 && index < config->n_sweeps);
    return uwc_option_table(&rows)[config->sweep[index].row].key;
}

int uwc_config_sweep_values(const uwc_config *config, int index) {
    assert(index >= 0 && index < config->n_sweeps);
    return config->sweep[index].n_values;
}

const char *uwc_config_sweep_value(const uwc_config *config, int index, int value) {
    assert(index >= 0 && index < config->n_sweeps && value >= 0 && value < config->sweep[index].n_values);
    return config->sweep[index].value[value];
}

int64_t uwc_config_sweep_count(const uwc_config *config) {
    int64_t count = 1;
    for (int i = 0; i < config->n_sweeps; i++) {
        if (__builtin_mul_overflow(count, (int64_t)config->sweep[i].n_values, &count)) {
            return INT64_MAX;
        }
    }
    return count;
}

uwc_status uwc_config_sweep_pick(const uwc_config *config, int64_t combination, uwc_config **out) {
    assert(combination >= 0 && combination < uwc_config_sweep_count(config));
    uwc_config *picked;
    *out = NULL;
    UWC_TRY(uwc_config_copy(config, &picked));
    for (int i = config->n_sweeps - 1; i >= 0; i--) {
        char assignment[UWC_CONFIG_TEXT];
        const uwc_config__sweep *sweep = &config->sweep[i];
        snprintf(assignment, sizeof assignment, "%s=%s", uwc_config_sweep_key(config, i), sweep->value[combination % sweep->n_values]);
        combination /= sweep->n_values;
        uwc_status st = uwc_config_set(picked, assignment);
        if (st != UWC_OK) {
            uwc_config_destroy(&picked);
            return st;
        }
    }
    for (int i = 0; i < picked->n_sweeps; i++) {
        uwc_sweep__clear(&picked->sweep[i]);
    }
    picked->n_sweeps = 0;
    *out = picked;
    return UWC_OK;
}
