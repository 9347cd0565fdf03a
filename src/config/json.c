/* The effective configuration as JSON and back. */
#include "config_impl.h"

#include <string.h>

static uwc_status reals_json(const uwc_config__value *value, uwc_json **out) {
    *out = uwc_json_array();
    for (int i = 0; i < value->reals; i++) {
        uwc_status st = uwc_json_append_real(*out, value->real[i]);
        if (st != UWC_OK) {
            uwc_json_release(out);
            return st;
        }
    }
    return UWC_OK;
}

/* Puts a value under `key`, or behind an array where that is NULL. */
static uwc_status put(uwc_json *into, const char *key, const uwc_option *option, const uwc_config__value *value) {
    uwc_json *list;
    switch (option->type) {
    case UWC_OPTION_PATH:
    case UWC_OPTION_CHOICE:
        return key != NULL ? uwc_json_set_string(into, key, value->text) : uwc_json_append_string(into, value->text);
    case UWC_OPTION_INT:
    case UWC_OPTION_BYTES:
        return key != NULL ? uwc_json_set_int(into, key, value->integer) : uwc_json_append_int(into, value->integer);
    case UWC_OPTION_REAL:
        return key != NULL ? uwc_json_set_real(into, key, value->real[0]) : uwc_json_append_real(into, value->real[0]);
    case UWC_OPTION_REALS:
        UWC_TRY(reals_json(value, &list));
        return uwc_json_set(into, key, list);
    }
    return uwc_error_set(UWC_E_INTERNAL, "option type %d", (int)option->type);
}

/* The object that holds the last part of a dotted key, made where it is missing; borrowed. */
static uwc_status open_block(uwc_json *root, const char *key, uwc_json **out) {
    *out = root;
    for (const char *dot; (dot = strchr(key, '.')) != NULL; key = dot + 1) {
        char name[UWC_CONFIG_KEY];
        snprintf(name, sizeof name, "%.*s", (int)(dot - key), key);
        if (uwc_json_find(*out, name) == NULL) {
            UWC_TRY(uwc_json_set(*out, name, uwc_json_object()));
        }
        *out = (uwc_json *)uwc_json_find(*out, name); /* a child of the caller's own object */
    }
    return UWC_OK;
}

static uwc_status sweep_list(const uwc_option *option, const uwc_config__sweep *sweep, uwc_json *list) {
    for (int i = 0; i < sweep->n_values; i++) {
        uwc_config__value value = {0};
        uwc_config__item item = {.text = sweep->value[i]};
        uwc_status st = uwc_value__parse(option, NULL, &item, 1, false, &value);
        if (st == UWC_OK) {
            st = put(list, NULL, option, &value);
        }
        uwc_value__clear(&value);
        UWC_TRY(st);
    }
    return UWC_OK;
}

static uwc_status put_sweep(const uwc_option *table, const uwc_config *config, uwc_json *root) {
    uwc_json *block, *list;
    for (int i = 0; i < config->n_sweeps; i++) {
        char name[UWC_CONFIG_KEY];
        const uwc_option *option = &table[config->sweep[i].row];
        uwc_option_sweep_name(option->key, name, sizeof name);
        UWC_TRY(open_block(root, "sweep.", &block));
        list = uwc_json_array();
        uwc_status st = sweep_list(option, &config->sweep[i], list);
        if (st != UWC_OK) {
            uwc_json_release(&list);
            return st;
        }
        UWC_TRY(uwc_json_set(block, name, list));
    }
    return UWC_OK;
}

uwc_status uwc_config_json(const uwc_config *config, uwc_json **out) {
    int rows;
    const uwc_option *table = uwc_option_table(&rows);
    uwc_json *root = uwc_json_object(), *block;
    uwc_status st = UWC_OK;
    *out = NULL;
    for (int row = 0; row < rows; row++) {
        if (config->value[row].set) {
            UWC_TRY_GOTO(st, open_block(root, table[row].key, &block), done);
            UWC_TRY_GOTO(st, put(block, uwc_option__leaf(table[row].key), &table[row], &config->value[row]), done);
        }
    }
    UWC_TRY_GOTO(st, put_sweep(table, config, root), done);
    *out = uwc_json_retain(root);
done:
    uwc_json_release(&root);
    return st;
}

static uwc_status take_scalar(const char *key, const uwc_json *json, uwc_config__item *item) {
    const char *text = uwc_json_text(json);
    item->quoted = text != NULL;
    if (text != NULL) {
        return uwc_strdup(text, &item->text);
    }
    double number;
    UWC_CHECK(uwc_json_number(json, &number) == UWC_OK, UWC_E_CONFIG, "%s: neither a number nor a text", key);
    return uwc_json_print(json, 0, &item->text);
}

static uwc_status take_value(uwc_config *config, const char *key, const uwc_json *json, bool list) {
    uwc_config__item item[UWC_CONFIG_LIST] = {0};
    int n = 0;
    uwc_status st = UWC_OK;
    int64_t length = list ? uwc_json_length(json) : 1;
    UWC_CHECK(length <= UWC_CONFIG_LIST, UWC_E_CONFIG, "%s: more than %d values", key, UWC_CONFIG_LIST);
    while (n < length) {
        n++;
        UWC_TRY_GOTO(st, take_scalar(key, list ? uwc_json_at(json, n - 1) : json, &item[n - 1]), done);
    }
    st = uwc_config__assign(config, NULL, key, item, n, list);
done:
    uwc_config__item_clear(item, n);
    return st;
}

static uwc_status take_object(uwc_config *config, const char *prefix, const uwc_json *object) {
    void *cursor = NULL;
    const char *name;
    const uwc_json *child, *same;
    while (uwc_json_next(object, &cursor, &name, &child)) {
        char key[UWC_CONFIG_KEY];
        int row;
        snprintf(key, sizeof key, "%s%s%s", prefix, prefix[0] == '\0' ? "" : ".", name);
        if (uwc_option__find(key, &row) == UWC_KEY_BLOCK && uwc_json_get_object(object, name, &same) == UWC_OK) {
            UWC_TRY(take_object(config, key, child));
        } else {
            UWC_TRY(take_value(config, key, child, uwc_json_get_array(object, name, &same) == UWC_OK));
        }
    }
    return UWC_OK;
}

uwc_status uwc_config_from_json(const uwc_json *json, uwc_config **out) {
    uwc_config *config;
    *out = NULL;
    UWC_TRY(uwc_config_create(&config));
    uwc_status st = take_object(config, "", json);
    if (st == UWC_OK) {
        *out = config;
        config = NULL;
    }
    uwc_config_destroy(&config);
    return st;
}
