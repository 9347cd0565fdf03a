/* json: reading and writing JSON values. Floor 0 (module base). The value is jansson's, behind an opaque name.
 * Setters adopt children; a NULL object (out of memory earlier) makes them fail with NOMEM, so that a chain can be checked once at its end.
 */
#ifndef UWC_JSON_H
#define UWC_JSON_H

#include <uwc/base.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct json_t uwc_json;

uwc_json *uwc_json_object(void);
uwc_json *uwc_json_array(void);
/* A further reference to the same value; every reference is released once. Local. */
uwc_json *uwc_json_retain(uwc_json *json);
/* Releases *json and sets it to NULL. Local. */
void uwc_json_release(uwc_json **json);

/* Set a member; non-finite numbers become null. `child` is adopted, also on failure. Local. */
uwc_status uwc_json_set_int(uwc_json *object, const char *key, int64_t value) UWC_MUST_USE;
uwc_status uwc_json_set_real(uwc_json *object, const char *key, double value) UWC_MUST_USE;
uwc_status uwc_json_set_bool(uwc_json *object, const char *key, bool value) UWC_MUST_USE;
uwc_status uwc_json_set_string(uwc_json *object, const char *key, const char *value) UWC_MUST_USE;
uwc_status uwc_json_set(uwc_json *object, const char *key, uwc_json *child) UWC_MUST_USE;
uwc_status uwc_json_append_int(uwc_json *array, int64_t value) UWC_MUST_USE;
uwc_status uwc_json_append_real(uwc_json *array, double value) UWC_MUST_USE;
uwc_status uwc_json_append_string(uwc_json *array, const char *value) UWC_MUST_USE;
uwc_status uwc_json_append(uwc_json *array, uwc_json *child) UWC_MUST_USE;

/* Required members; errors: FORMAT with the key's name. Strings and children are borrowed from the object. Local. */
uwc_status uwc_json_get_int(const uwc_json *object, const char *key, int64_t *out) UWC_MUST_USE;
uwc_status uwc_json_get_real(const uwc_json *object, const char *key, double *out) UWC_MUST_USE;
uwc_status uwc_json_get_bool(const uwc_json *object, const char *key, bool *out) UWC_MUST_USE;
uwc_status uwc_json_get_string(const uwc_json *object, const char *key, const char **out) UWC_MUST_USE;
uwc_status uwc_json_get_array(const uwc_json *object, const char *key, const uwc_json **out) UWC_MUST_USE;
uwc_status uwc_json_get_object(const uwc_json *object, const char *key, const uwc_json **out) UWC_MUST_USE;
/* The member or NULL where it is absent or null; borrowed. Local. */
const uwc_json *uwc_json_find(const uwc_json *object, const char *key);
/* A number (integer or real) as double; FORMAT if it is not a number. Local. */
uwc_status uwc_json_number(const uwc_json *json, double *out) UWC_MUST_USE;
/* The text of a string value, NULL for any other kind; borrowed. Local. */
const char *uwc_json_text(const uwc_json *json);

int64_t uwc_json_length(const uwc_json *array);
/* Element `index`, borrowed; NULL out of range. Local. */
const uwc_json *uwc_json_at(const uwc_json *array, int64_t index);
/* Iteration over an object's members in insertion order: start with *cursor = NULL; false at the end. Key and value are borrowed. Local. */
bool uwc_json_next(const uwc_json *object, void **cursor, const char **key, const uwc_json **value);

/* Text of the value, owned by the caller: one line (indent 0) or indented. Reals are printed so that they read back to the same double.
 * Local. */
uwc_status uwc_json_print(const uwc_json *json, int indent, char **out) UWC_MUST_USE;
uwc_status uwc_json_parse(const char *text, size_t bytes, uwc_json **out) UWC_MUST_USE;
/* Read or write (atomically, indented) a file. Errors: NOTFOUND, IO, FORMAT with the line. Local. */
uwc_status uwc_json_read(const char *path, uwc_json **out) UWC_MUST_USE;
uwc_status uwc_json_write(const char *path, const uwc_json *json) UWC_MUST_USE;

#ifdef __cplusplus
}
#endif
#endif
