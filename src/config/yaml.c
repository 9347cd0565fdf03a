/* A YAML file, event by event: the line of every key is at hand, and nothing is built that the table does not know. */
#include "config_impl.h"

#include <string.h>
#include <yaml.h>

enum { MOST_BYTES = 1 << 20, MOST_KEYS = 512 };

typedef struct reader {
    yaml_parser_t parser;
    uwc_config *config;
    const char *path;
    char *folder;
    struct {
        char *key;
        int line;
    } seen[MOST_KEYS]; /* keys and blocks so far, to notice what is given twice */
    int n_seen;
} reader;

static int line_of(yaml_mark_t mark) {
    return (int)mark.line + 1;
}

static uwc_status at_line(const reader *r, int line, uwc_status st) {
    return uwc_error_note(st, "%s:%d", r->path, line);
}

static uwc_status next(reader *r, yaml_event_t *event) {
    if (yaml_parser_parse(&r->parser, event)) {
        return UWC_OK;
    }
    const yaml_parser_t *p = &r->parser;
    UWC_CHECK(p->error != YAML_MEMORY_ERROR, UWC_E_NOMEM, "%s: YAML parser", r->path);
    /* the reader's errors (encoding) have no mark of their own: the scanner has come this far */
    int line = line_of(p->error == YAML_READER_ERROR ? p->mark : p->problem_mark);
    const char *problem = p->problem == NULL ? "unknown problem" : p->problem;
    return uwc_error_set(UWC_E_CONFIG, "%s:%d: no valid YAML: %s%s%s", r->path, line, p->context == NULL ? "" : p->context,
                         p->context == NULL ? "" : ", ", problem);
}

/* Tags and aliases could only blur what a value is. */
static uwc_status check_plain(const yaml_event_t *event) {
    const yaml_char_t *tag = event->type == YAML_SCALAR_EVENT           ? event->data.scalar.tag
                             : event->type == YAML_SEQUENCE_START_EVENT ? event->data.sequence_start.tag
                             : event->type == YAML_MAPPING_START_EVENT  ? event->data.mapping_start.tag
                                                                        : NULL;
    UWC_CHECK(event->type != YAML_ALIAS_EVENT, UWC_E_CONFIG, "aliases (*name) are not supported");
    UWC_CHECK(tag == NULL, UWC_E_CONFIG, "tags (!name) are not supported");
    UWC_CHECK(event->type != YAML_SCALAR_EVENT || strlen((char *)event->data.scalar.value) == event->data.scalar.length, UWC_E_CONFIG,
              "a value holds a NUL character");
    return UWC_OK;
}

static bool is_null(const yaml_event_t *event) {
    const char *text = (const char *)event->data.scalar.value;
    return event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE && (text[0] == '\0' || strcmp(text, "~") == 0 || strcmp(text, "null") == 0);
}

static uwc_status take_item(const yaml_event_t *event, uwc_config__item *item) {
    item->quoted = event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
    return is_null(event) ? UWC_OK : uwc_strdup((char *)event->data.scalar.value, &item->text);
}

/* The rest of a sequence of scalars. */
static uwc_status read_items(reader *r, const char *key, uwc_config__item *item, int *n) {
    for (bool more = true; more;) {
        yaml_event_t event;
        UWC_TRY(next(r, &event));
        uwc_status st = check_plain(&event);
        if (st == UWC_OK && event.type == YAML_SEQUENCE_END_EVENT) {
            more = false;
        } else if (st == UWC_OK && event.type != YAML_SCALAR_EVENT) {
            st = uwc_error_set(UWC_E_CONFIG, "%s: a list of plain values is expected", key);
        } else if (st == UWC_OK && *n == UWC_CONFIG_LIST) {
            st = uwc_error_set(UWC_E_CONFIG, "%s: more than %d values", key, UWC_CONFIG_LIST);
        } else if (st == UWC_OK) {
            st = take_item(&event, &item[(*n)++]);
        }
        int line = line_of(event.start_mark);
        yaml_event_delete(&event);
        UWC_TRY(at_line(r, line, st));
    }
    return UWC_OK;
}

static uwc_status read_list(reader *r, const char *key, int line) {
    uwc_config__item item[UWC_CONFIG_LIST] = {0};
    int n = 0;
    uwc_status st = read_items(r, key, item, &n);
    if (st == UWC_OK) {
        st = at_line(r, line, uwc_config__assign(r->config, r->folder, key, item, n, true));
    }
    uwc_config__item_clear(item, n);
    return st;
}

static uwc_status read_scalar(reader *r, const char *key, uwc_config__kind kind, const yaml_event_t *event) {
    if (kind == UWC_KEY_BLOCK && is_null(event)) {
        return UWC_OK; /* a block whose keys are all commented out */
    }
    uwc_config__item item = {0};
    UWC_TRY(take_item(event, &item));
    uwc_status st = uwc_config__assign(r->config, r->folder, key, &item, 1, false);
    uwc_config__item_clear(&item, 1);
    return st;
}

static uwc_status note_key(reader *r, const char *key, int line) {
    for (int i = 0; i < r->n_seen; i++) {
        UWC_CHECK(strcmp(r->seen[i].key, key) != 0, UWC_E_CONFIG, "key \"%s\" is given twice, first on line %d", key, r->seen[i].line);
    }
    UWC_CHECK(r->n_seen < MOST_KEYS, UWC_E_CONFIG, "more than %d keys", MOST_KEYS);
    UWC_TRY(uwc_strdup(key, &r->seen[r->n_seen].key));
    r->seen[r->n_seen++].line = line;
    return UWC_OK;
}

/* The key of an event under `prefix`, known to the table. */
static uwc_status take_key(reader *r, const char *prefix, const yaml_event_t *event, char key[UWC_CONFIG_KEY], uwc_config__kind *kind) {
    int row;
    UWC_TRY(check_plain(event));
    UWC_CHECK(event->type == YAML_SCALAR_EVENT, UWC_E_CONFIG, "a key is expected to be a plain word");
    snprintf(key, UWC_CONFIG_KEY, "%s%s%s", prefix, prefix[0] == '\0' ? "" : ".", (char *)event->data.scalar.value);
    *kind = uwc_option__find(key, &row);
    if (*kind == UWC_KEY_UNKNOWN) {
        return uwc_option__unknown(key);
    }
    return note_key(r, key, line_of(event->start_mark));
}

static uwc_status read_block(reader *r, const char *prefix);

static uwc_status read_value(reader *r, const char *key, uwc_config__kind kind) {
    yaml_event_t event;
    UWC_TRY(next(r, &event));
    int line = line_of(event.start_mark);
    yaml_event_type_t type = event.type;
    uwc_status st = at_line(r, line, check_plain(&event));
    if (st == UWC_OK && type == YAML_SCALAR_EVENT) {
        st = at_line(r, line, read_scalar(r, key, kind, &event));
    }
    yaml_event_delete(&event);
    UWC_TRY(st);
    if (type == YAML_SEQUENCE_START_EVENT) {
        return read_list(r, key, line);
    }
    if (type == YAML_MAPPING_START_EVENT) {
        UWC_CHECK(kind == UWC_KEY_BLOCK, UWC_E_CONFIG, "%s:%d: %s: a value is expected, not a block", r->path, line, key);
        return read_block(r, key);
    }
    return UWC_OK;
}

/* The rest of a mapping. Depth is bounded by the table: below an option there is no block. */
static uwc_status read_block(reader *r, const char *prefix) {
    for (;;) {
        yaml_event_t event;
        char key[UWC_CONFIG_KEY];
        uwc_config__kind kind = UWC_KEY_UNKNOWN;
        UWC_TRY(next(r, &event));
        bool end = event.type == YAML_MAPPING_END_EVENT;
        uwc_status st = end ? UWC_OK : at_line(r, line_of(event.start_mark), take_key(r, prefix, &event, key, &kind));
        yaml_event_delete(&event);
        if (end || st != UWC_OK) {
            return st;
        }
        UWC_TRY(read_value(r, key, kind));
    }
}

static uwc_status read_stream(reader *r) {
    static const yaml_event_type_t wanted[] = {YAML_STREAM_START_EVENT, YAML_DOCUMENT_START_EVENT, YAML_MAPPING_START_EVENT,
                                               YAML_DOCUMENT_END_EVENT, YAML_STREAM_END_EVENT};
    for (int i = 0; i < 5; i++) {
        yaml_event_t event;
        UWC_TRY(next(r, &event));
        yaml_event_type_t type = event.type;
        int line = line_of(event.start_mark);
        bool nothing = (type == YAML_STREAM_END_EVENT && i == 1) || (type == YAML_SCALAR_EVENT && i == 2 && is_null(&event));
        uwc_status st = i == 2 ? at_line(r, line, check_plain(&event)) : UWC_OK;
        yaml_event_delete(&event);
        UWC_TRY(st);
        UWC_CHECK(!nothing, UWC_E_CONFIG, "%s: an empty configuration", r->path);
        UWC_CHECK(type == wanted[i], UWC_E_CONFIG, "%s:%d: %s", r->path, line,
                  i == 2 ? "a mapping of keys is expected" : "one YAML document is expected");
        if (i == 2) {
            UWC_TRY(read_block(r, ""));
        }
    }
    return UWC_OK;
}

static uwc_status read_text(reader *r, const char *text, size_t bytes) {
    UWC_CHECK(bytes <= MOST_BYTES, UWC_E_CONFIG, "%s: %zu bytes, a configuration has at most %d", r->path, bytes, MOST_BYTES);
    UWC_CHECK(yaml_parser_initialize(&r->parser), UWC_E_NOMEM, "%s: YAML parser", r->path);
    yaml_parser_set_input_string(&r->parser, (const unsigned char *)text, bytes);
    uwc_status st = read_stream(r);
    yaml_parser_delete(&r->parser);
    return st;
}

uwc_status uwc_config_read(uwc_config *config, const char *path) {
    reader *r = NULL;
    char *text = NULL;
    size_t bytes;
    uwc_status st;
    UWC_TRY(uwc_calloc(1, sizeof *r, &r));
    r->config = config;
    r->path = path;
    UWC_TRY_GOTO(st, uwc_file_read(path, &text, &bytes), done);
    UWC_TRY_GOTO(st, uwc_path_folder(path, &r->folder), done);
    st = read_text(r, text, bytes);
done:
    for (int i = 0; i < r->n_seen; i++) {
        uwc_free(&r->seen[i].key);
    }
    uwc_free(&r->folder);
    uwc_free(&text);
    uwc_free(&r);
    return st;
}
