/* What the files of module config share. */
#ifndef UWC_CONFIG_IMPL_H
#define UWC_CONFIG_IMPL_H

#include <uwc/config.h>

enum { UWC_CONFIG_LIST = 64, UWC_CONFIG_TEXT = 4096, UWC_CONFIG_SHOWN = 64, UWC_CONFIG_ALLOWED = 160, UWC_CONFIG_KEY = 128 };

typedef struct uwc_config__value {
    bool set;
    char *text;      /* PATH, CHOICE; owned */
    int64_t integer; /* INT, BYTES */
    double real[3];  /* REAL, REALS */
    int reals;       /* numbers given: 1 or 3 */
} uwc_config__value;

typedef struct uwc_config__sweep {
    int row; /* of the table */
    char *value[UWC_CONFIG_LIST];
    int n_values;
} uwc_config__sweep;

struct uwc_config {
    uwc_config__value *value; /* one per row of the table */
    uwc_config__sweep *sweep;
    int n_sweeps;
    int64_t sweep_capacity;
};

/* One scalar as it stands in a file, on the command line or in JSON. */
typedef struct uwc_config__item {
    char *text;  /* NULL: null */
    bool quoted; /* certainly a string */
} uwc_config__item;

typedef enum uwc_config__kind { UWC_KEY_UNKNOWN, UWC_KEY_OPTION, UWC_KEY_BLOCK, UWC_KEY_SWEEP } uwc_config__kind;

/* What a dotted key names; *row of the table for OPTION and SWEEP ("sweep.weight_bits"). */
uwc_config__kind uwc_option__find(const char *key, int *row);
/* The key `when` of a block that has one: a single value for the block is that key's. */
bool uwc_option__switch(const char *block, int *row);
/* CONFIG: "key" is unknown, with the nearest key of the table. */
uwc_status uwc_option__unknown(const char *key);
/* The last part of a dotted key. */
const char *uwc_option__leaf(const char *key);

/* Puts the items (one, or a list) under `key`, checked. `folder`: where relative paths start; environment variables are expanded. NULL:
 * texts are taken as they are. */
uwc_status uwc_config__assign(uwc_config *config, const char *folder, const char *key, const uwc_config__item *item, int n,
                              bool list) UWC_MUST_USE;
/* Frees the texts of n items. */
void uwc_config__item_clear(uwc_config__item *item, int n);

/* The list of values of row `row`, checked; replaces the one there was. */
uwc_status uwc_sweep__assign(uwc_config *config, int row, const char *folder, const uwc_config__item *item, int n) UWC_MUST_USE;
uwc_status uwc_sweep__copy(const uwc_config__sweep *from, uwc_config__sweep *to) UWC_MUST_USE;
void uwc_sweep__clear(uwc_config__sweep *sweep);

/* A value of `option` from its items; *out is cleared first. Errors: CONFIG. */
uwc_status uwc_value__parse(const uwc_option *option, const char *folder, const uwc_config__item *item, int n, bool list,
                            uwc_config__value *out) UWC_MUST_USE;
void uwc_value__clear(uwc_config__value *value);
uwc_status uwc_value__copy(const uwc_config__value *from, uwc_config__value *to) UWC_MUST_USE;
/* As text that parses to the same value; owned by the caller. */
uwc_status uwc_value__print(const uwc_option *option, const uwc_config__value *value, char **out) UWC_MUST_USE;

/* The shortest decimal that reads back to `value`. */
void uwc_config__print_real(double value, char text[32]);
/* Text cut to a length that fits a message, at a character's boundary. */
const char *uwc_config__shown(const char *text, char shown[UWC_CONFIG_SHOWN]);

/* *out = text with ${VAR} expanded; owned by the caller. Errors: CONFIG (unset variable, no closing brace, too long). */
uwc_status uwc_config__expand(const char *text, char **out) UWC_MUST_USE;
/* *out = absolute path of `name` seen from `folder`; leading "." and ".." are resolved. */
uwc_status uwc_config__locate(const char *folder, const char *name, char **out) UWC_MUST_USE;

#endif
