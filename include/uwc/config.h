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
    UWC_OPTION_STRING,
    UWC_OPTION_PATH,
    UWC_OPTION_INT,
    UWC_OPTION_REAL,
    UWC_OPTION_BOOL,
    UWC_OPTION_CHOICE,
    UWC_OPTION_BYTES,
    UWC_OPTION_REALS
} uwc_option_type;

/* One row of the table: everything that reading, checking, help and the page of options need. */
typedef struct uwc_option {
    const char *key; /* dotted: "quantize.weight_bits" */
    uwc_option_type type;
    const char *fallback; /* default as text; NULL: unset */
    double least, most;   /* INT, REAL, BYTES (inclusive) */
    const char *choices;  /* CHOICE: "nearest|second-order" */
    bool affects_result;  /* part of the hash that a resume compares */
    const char *help;
} uwc_option;

/* The table; *n rows; static storage. Local. */
const uwc_option *uwc_option_table(int *n);

/* All defaults. Local. */
uwc_status uwc_config_create(uwc_config **out) UWC_MUST_USE;
void uwc_config_destroy(uwc_config **config);
uwc_status uwc_config_copy(const uwc_config *config, uwc_config **out) UWC_MUST_USE;
/* Reads a YAML file over the present values: paths become relative to the file's folder, ${VAR} is expanded. Errors: CONFIG with file:line,
 * the key and, for unknown keys, the nearest known one. Local. */
uwc_status uwc_config_read(uwc_config *config, const char *path) UWC_MUST_USE;
/* "key=value" as of --set; paths relative to the working folder. Local. */
uwc_status uwc_config_set(uwc_config *config, const char *assignment) UWC_MUST_USE;
/* The effective configuration as nested JSON object, and back. Local. */
uwc_status uwc_config_json(const uwc_config *config, uwc_json **out) UWC_MUST_USE;
uwc_status uwc_config_from_json(const uwc_json *json, uwc_config **out) UWC_MUST_USE;
/* Hash over the options that affect results. Local. */
uint64_t uwc_config_hash(const uwc_config *config);

/* Values by key; a key that is not in the table or of another type is a programming error (assert). Strings are borrowed, NULL if unset.
 * Local. */
const char *uwc_config_string(const uwc_config *config, const char *key); /* STRING, PATH, CHOICE */
int64_t uwc_config_int(const uwc_config *config, const char *key);        /* INT, BYTES */
double uwc_config_real(const uwc_config *config, const char *key);
bool uwc_config_bool(const uwc_config *config, const char *key);
/* Reals of a list option into out[most]; returns how many. Local. */
int uwc_config_reals(const uwc_config *config, const char *key, double *out, int most);
/* The values listed under sweep: `key` as texts; returns how many (0: not swept). Keys are those of the table without the block "sweep.".
 * Local. */
int uwc_config_sweep_keys(const uwc_config *config);
const char *uwc_config_sweep_key(const uwc_config *config, int index);
int uwc_config_sweep_values(const uwc_config *config, int index);
const char *uwc_config_sweep_value(const uwc_config *config, int index, int value);

#ifdef __cplusplus
}
#endif
#endif
