#include <uwc/json.h>

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

uwc_json *uwc_json_object(void) {
    return json_object();
}

uwc_json *uwc_json_array(void) {
    return json_array();
}

uwc_json *uwc_json_retain(uwc_json *json) {
    return json_incref(json);
}

void uwc_json_release(uwc_json **json) {
    json_decref(*json);
    *json = NULL;
}

/* Bytes that are not UTF-8 would make the whole value unprintable later. */
static uwc_status make_string(const char *value, json_t **out) {
    *out = value == NULL ? json_null() : json_string(value);
    UWC_CHECK(*out != NULL, UWC_E_FORMAT, "the text \"%s\" is not UTF-8", value);
    return UWC_OK;
}

static json_t *number(double value) {
    return isfinite(value) ? json_real(value) : json_null();
}

static uwc_status set_member(json_t *object, const char *key, json_t *child) {
    UWC_CHECK(json_object_set_new(object, key, child) == 0, UWC_E_NOMEM, "JSON member %s", key);
    return UWC_OK;
}

static uwc_status append_element(json_t *array, json_t *child) {
    UWC_CHECK(json_array_append_new(array, child) == 0, UWC_E_NOMEM, "JSON element");
    return UWC_OK;
}

uwc_status uwc_json_set_int(uwc_json *object, const char *key, int64_t value) {
    return set_member(object, key, json_integer(value));
}

uwc_status uwc_json_set_real(uwc_json *object, const char *key, double value) {
    return set_member(object, key, number(value));
}

uwc_status uwc_json_set_bool(uwc_json *object, const char *key, bool value) {
    return set_member(object, key, json_boolean(value));
}

uwc_status uwc_json_set_string(uwc_json *object, const char *key, const char *value) {
    json_t *text;
    UWC_TRY(uwc_error_note(make_string(value, &text), "JSON member %s", key));
    return set_member(object, key, text);
}

uwc_status uwc_json_set(uwc_json *object, const char *key, uwc_json *child) {
    return set_member(object, key, child);
}

uwc_status uwc_json_append_int(uwc_json *array, int64_t value) {
    return append_element(array, json_integer(value));
}

uwc_status uwc_json_append_real(uwc_json *array, double value) {
    return append_element(array, number(value));
}

uwc_status uwc_json_append_string(uwc_json *array, const char *value) {
    json_t *text;
    UWC_TRY(make_string(value, &text));
    return append_element(array, text);
}

uwc_status uwc_json_append(uwc_json *array, uwc_json *child) {
    return append_element(array, child);
}

const uwc_json *uwc_json_find(const uwc_json *object, const char *key) {
    const json_t *child = json_object_get(object, key);
    return json_is_null(child) ? NULL : child;
}

static uwc_status member(const json_t *object, const char *key, const json_t **out) {
    *out = uwc_json_find(object, key);
    UWC_CHECK(*out != NULL, UWC_E_FORMAT, "member \"%s\" is missing", key);
    return UWC_OK;
}

uwc_status uwc_json_get_int(const uwc_json *object, const char *key, int64_t *out) {
    const json_t *child;
    UWC_TRY(member(object, key, &child));
    UWC_CHECK(json_is_integer(child), UWC_E_FORMAT, "member \"%s\" is no integer", key);
    *out = json_integer_value(child);
    return UWC_OK;
}

uwc_status uwc_json_get_real(const uwc_json *object, const char *key, double *out) {
    const json_t *child;
    UWC_TRY(member(object, key, &child));
    return uwc_error_note(uwc_json_number(child, out), "member \"%s\"", key);
}

uwc_status uwc_json_get_bool(const uwc_json *object, const char *key, bool *out) {
    const json_t *child;
    UWC_TRY(member(object, key, &child));
    UWC_CHECK(json_is_boolean(child), UWC_E_FORMAT, "member \"%s\" is not true or false", key);
    *out = json_is_true(child);
    return UWC_OK;
}

uwc_status uwc_json_get_string(const uwc_json *object, const char *key, const char **out) {
    const json_t *child;
    UWC_TRY(member(object, key, &child));
    UWC_CHECK(json_is_string(child), UWC_E_FORMAT, "member \"%s\" is no string", key);
    *out = json_string_value(child);
    return UWC_OK;
}

uwc_status uwc_json_get_array(const uwc_json *object, const char *key, const uwc_json **out) {
    UWC_TRY(member(object, key, out));
    UWC_CHECK(json_is_array(*out), UWC_E_FORMAT, "member \"%s\" is no array", key);
    return UWC_OK;
}

uwc_status uwc_json_get_object(const uwc_json *object, const char *key, const uwc_json **out) {
    UWC_TRY(member(object, key, out));
    UWC_CHECK(json_is_object(*out), UWC_E_FORMAT, "member \"%s\" is no object", key);
    return UWC_OK;
}

uwc_status uwc_json_number(const uwc_json *json, double *out) {
    UWC_CHECK(json_is_number(json), UWC_E_FORMAT, "no number");
    *out = json_number_value(json);
    return UWC_OK;
}

const char *uwc_json_text(const uwc_json *json) {
    return json_string_value(json);
}

int64_t uwc_json_length(const uwc_json *array) {
    return (int64_t)json_array_size(array);
}

const uwc_json *uwc_json_at(const uwc_json *array, int64_t index) {
    return json_array_get(array, (size_t)index);
}

bool uwc_json_next(const uwc_json *object, void **cursor, const char **key, const uwc_json **value) {
    json_t *all = (json_t *)object; /* jansson's iterators take no const; nothing is changed */
    *cursor = *cursor == NULL ? json_object_iter(all) : json_object_iter_next(all, *cursor);
    if (*cursor == NULL) {
        return false;
    }
    *key = json_object_iter_key(*cursor);
    *value = json_object_iter_value(*cursor);
    return true;
}

uwc_status uwc_json_print(const uwc_json *json, int indent, char **out) {
    *out = NULL;
    size_t flags = (indent > 0 ? JSON_INDENT((size_t)indent) : 0) | JSON_REAL_PRECISION(17) | JSON_ENCODE_ANY;
    char *text = json_dumps(json, flags);
    UWC_CHECK(text != NULL, UWC_E_NOMEM, "JSON text");
    uwc_status st = uwc_strdup(text, out);
    free(text);
    return st;
}

uwc_status uwc_json_parse(const char *text, size_t bytes, uwc_json **out) {
    json_error_t error;
    *out = json_loadb(text, bytes, JSON_REJECT_DUPLICATES, &error);
    UWC_CHECK(*out != NULL, UWC_E_FORMAT, "line %d: no valid JSON: %s", error.line, error.text);
    return UWC_OK;
}

uwc_status uwc_json_read(const char *path, uwc_json **out) {
    char *text;
    size_t bytes;
    *out = NULL;
    UWC_TRY(uwc_file_read(path, &text, &bytes));
    uwc_status st = uwc_error_note(uwc_json_parse(text, bytes, out), "%s", path);
    uwc_free(&text);
    return st;
}

uwc_status uwc_json_write(const char *path, const uwc_json *json) {
    char *text;
    UWC_TRY(uwc_json_print(json, 2, &text));
    size_t length = strlen(text);
    text[length] = '\n'; /* over the NUL: the length is given */
    uwc_status st = uwc_file_write(path, text, length + 1);
    uwc_free(&text);
    return st;
}
