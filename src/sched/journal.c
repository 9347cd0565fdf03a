/* The journal: {"event":...,"sum":"<16 hex digits>"} per line, where the sum is the hash of the line without that member. */
#include "sched_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct uwc_journal {
    int file;
    char *path;
};

static const char SUM[] = ",\"sum\":\"";
enum { DIGITS = 16, TAIL = sizeof SUM - 1 + DIGITS + 2 }; /* ,"sum":"<digits>"} */

static uint64_t line_hash(const char *line, size_t bytes) {
    uint64_t hash = uwc_hash(UWC_HASH_INIT, line, bytes);
    return uwc_hash(hash, "}", 1);
}

/* One line without its newline. */
static uwc_status read_line(const char *line, size_t bytes, uwc_json **out) {
    *out = NULL;
    UWC_CHECK(bytes > TAIL && memcmp(line + bytes - TAIL, SUM, sizeof SUM - 1) == 0, UWC_E_FORMAT, "no checksum");
    char digits[DIGITS + 1] = "";
    memcpy(digits, line + bytes - 2 - DIGITS, DIGITS);
    char *end;
    uint64_t sum = strtoull(digits, &end, 16);
    UWC_CHECK(*end == '\0' && sum == line_hash(line, bytes - TAIL), UWC_E_FORMAT, "wrong checksum");
    return uwc_json_parse(line, bytes, out);
}

/* Fills `events`; *good = length of the sound lines. Only the last line may be bad: the machine stopped while it was written. */
static uwc_status replay(const char *text, size_t bytes, uwc_json *events, size_t *good) {
    int number = 1;
    *good = 0;
    while (*good < bytes) {
        const char *line = text + *good, *end = memchr(line, '\n', bytes - *good);
        if (end == NULL) {
            return UWC_OK;
        }
        uwc_json *event;
        uwc_status st = read_line(line, (size_t)(end - line), &event);
        if (st != UWC_OK && end + 1 == text + bytes) {
            return UWC_OK;
        }
        UWC_TRY(uwc_error_note(st, "line %d", number));
        UWC_TRY(uwc_json_append(events, event));
        *good = (size_t)(end + 1 - text);
        number++;
    }
    return UWC_OK;
}

uwc_status uwc_sched__journal_read(const char *path, uwc_json **events) {
    char *text;
    size_t bytes, good;
    *events = NULL;
    UWC_TRY(uwc_file_read(path, &text, &bytes));
    *events = uwc_json_array();
    uwc_status st = uwc_error_note(replay(text, bytes, *events, &good), "%s", path);
    if (st != UWC_OK) {
        uwc_json_release(events);
    }
    uwc_free(&text);
    return st;
}

uwc_status uwc_sched__journal_open(const char *path, uwc_journal **out, uwc_json **events) {
    char *text = NULL;
    size_t bytes = 0, good = 0;
    uwc_status st;
    *out = NULL;
    *events = uwc_json_array();
    uwc_journal *journal;
    UWC_TRY_GOTO(st, uwc_calloc(1, sizeof *journal, &journal), done);
    journal->file = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    UWC_CHECK_GOTO(st, journal->file >= 0, UWC_E_IO, done, "%s: open: %s", path, strerror(errno));
    UWC_TRY_GOTO(st, uwc_strdup(path, &journal->path), done);
    UWC_TRY_GOTO(st, uwc_file_read(path, &text, &bytes), done);
    st = uwc_error_note(replay(text, bytes, *events, &good), "%s", path);
    if (st == UWC_OK && good < bytes && ftruncate(journal->file, (off_t)good) != 0) {
        st = uwc_error_set(UWC_E_IO, "%s: truncate: %s", path, strerror(errno));
    }
done:
    uwc_free(&text);
    if (st == UWC_OK) {
        *out = journal;
    } else {
        uwc_sched__journal_close(&journal);
        uwc_json_release(events);
    }
    return st;
}

static uwc_status write_line(uwc_journal *journal, const char *line, size_t bytes) {
    off_t before = lseek(journal->file, 0, SEEK_END);
    size_t done = 0;
    while (done < bytes) {
        ssize_t put = write(journal->file, line + done, bytes - done);
        if (put < 0 && errno == EINTR) {
            continue;
        }
        if (put <= 0) {
            uwc_status st = uwc_error_set(UWC_E_IO, "%s: write: %s", journal->path, strerror(put < 0 ? errno : ENOSPC));
            if (before >= 0 && ftruncate(journal->file, before) != 0) {
                st = uwc_error_note(st, "and a torn line is left");
            }
            return st;
        }
        done += (size_t)put;
    }
    UWC_CHECK(fsync(journal->file) == 0, UWC_E_IO, "%s: fsync: %s", journal->path, strerror(errno));
    return UWC_OK;
}

uwc_status uwc_sched__journal_append(uwc_journal *journal, uwc_json *event) {
    char *text = NULL, *line = NULL;
    uwc_status st = event == NULL ? uwc_error_set(UWC_E_NOMEM, "journal event") : uwc_json_print(event, 0, &text);
    if (st == UWC_OK) {
        int length = (int)strlen(text) - 1; /* without the closing brace */
        uint64_t sum = line_hash(text, (size_t)length);
        st = uwc_format(&line, "%.*s%s%016llx\"}\n", length, text, SUM, (unsigned long long)sum);
    }
    if (st == UWC_OK) {
        st = write_line(journal, line, strlen(line));
    }
    uwc_free(&text);
    uwc_free(&line);
    uwc_json_release(&event);
    return st;
}

void uwc_sched__journal_close(uwc_journal **journal) {
    if (*journal == NULL) {
        return;
    }
    if ((*journal)->file >= 0) {
        close((*journal)->file);
    }
    uwc_free(&(*journal)->path);
    uwc_free(journal);
}
