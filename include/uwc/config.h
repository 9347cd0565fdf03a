/* config: the one table of options; YAML files, dotted keys, defaults, JSON of the effective configuration. Floor 1; uses base. libyaml
 * lives only here. */
#ifndef UWC_CONFIG_H
#define UWC_CONFIG_H

#include <uwc/base.h>
#include <uwc/json.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct uwc_config uwc_config;

typedef enum uwc_option_type {
    UWC_OPTION_PATH,
    UWC_OPTION_INT,
    UWC_OPTION_REAL,
    UWC_OPTION_CHOICE,
    UWC_OPTION_BYTES, /* "2GiB", "500MB", "4096" */
    UWC_OPTION_REALS  /* one number for all three channels, or three */
} uwc_option_type;

/* One row of the table: everything that reading, checking, help and the page of options need. */
typedef struct uwc_option {
    const char *key; /* dotted: "quantize.weight_bits" */
    uwc_option_type type;
    const char *fallback; /* default as text; NULL: unset */
    double least, most;   /* INT, REAL, BYTES, REALS (inclusive) */
    double also;          /* one further value that is allowed; 0: none */
    const char *choices;  /* CHOICE: "nearest|second-order" */
    bool affects_result;  /* part of the hash that a resume compares */
    bool swept;           /* may be listed under "sweep:", see uwc_option_sweep_name */
    const char *help;
} uwc_option;

/* The table; *n rows; static storage. Local. */
const uwc_option *uwc_option_table(int *n);
/* What values an option takes, in words ("integer 2..8 or 32"), into text[size]. Returns text. Local. */
const char *uwc_option_allowed(const uwc_option *option, char *text, size_t size);

/* name[size] = what an option is called under "sweep:": the last part of its key, or of its block's where that is `when` ("adapt" for
 * "reconstruct.adapt.when"). Local. */
void uwc_option_sweep_name(const char *key, char *name, size_t size);

/* All defaults. Local. */
uwc_status uwc_config_create(uwc_config **out) UWC_MUST_USE;
void uwc_config_destroy(uwc_config **config);
uwc_status uwc_config_copy(const uwc_config *config, uwc_config **out) UWC_MUST_USE;
/* Reads a YAML file over the present values: ${VAR} is expanded, paths are taken relative to the file's folder and made absolute. Errors:
 * NOTFOUND, IO, CONFIG with file:line, the key, the value and what is allowed, for unknown keys the nearest known one. Local. */
uwc_status uwc_config_read(uwc_config *config, const char *path) UWC_MUST_USE;
/* "key=value" as of --set; lists as "a,b,c" or "[a, b, c]"; paths relative to the working folder. Errors as above without a line. Local. */
uwc_status uwc_config_set(uwc_config *config, const char *assignment) UWC_MUST_USE;
/* The effective configuration as nested JSON object, and back, exactly; unset options are absent. Local. */
uwc_status uwc_config_json(const uwc_config *config, uwc_json **out) UWC_MUST_USE;
uwc_status uwc_config_from_json(const uwc_json *json, uwc_config **out) UWC_MUST_USE;
/* Hash over the options that affect results (sweep lists are not part of it). Local. */
uint64_t uwc_config_hash(const uwc_config *config);

/* Values by key; a key that is not in the table or of another type is a programming error (assert). Strings are borrowed, NULL if unset.
 * Local. */
const char *uwc_config_string(const uwc_config *config, const char *key); /* PATH, CHOICE */
int64_t uwc_config_int(const uwc_config *config, const char *key);        /* INT, BYTES */
double uwc_config_real(const uwc_config *config, const char *key);
/* The numbers of a REALS option into out[most], one given number repeated; returns how many were given (1 or 3). Local. */
int uwc_config_reals(const uwc_config *config, const char *key, double *out, int most);
/* Errors: CONFIG where `key` is unset, saying what it is. Local. */
uwc_status uwc_config_need(const uwc_config *config, const char *key) UWC_MUST_USE;

/* What is listed under "sweep:", in the order of the file: swept option `index` as its full key, and its values as texts that
 * uwc_config_set takes; borrowed. Local. */
int uwc_config_sweep_keys(const uwc_config *config);
const char *uwc_config_sweep_key(const uwc_config *config, int index);
int uwc_config_sweep_values(const uwc_config *config, int index);
const char *uwc_config_sweep_value(const uwc_config *config, int index, int value);
/* How many combinations there are (1 where nothing is swept; the last key varies fastest), and one of them as a configuration without a
 * sweep. Local. */
int64_t uwc_config_sweep_count(const uwc_config *config);
uwc_status uwc_config_sweep_pick(const uwc_config *config, int64_t combination, uwc_config **out) UWC_MUST_USE;

#ifdef __cplusplus
}
#endif
#endif
