/* base: statuses and the error record, memory, hashing, counter-based random numbers, files, logging.
 * Floor 0. Uses the C library and POSIX only.
 */
#ifndef UWC_BASE_H
#define UWC_BASE_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- status ------------------------------------------------------------------------------------------------- */

/* X(name, exit status of the program, text). The exit status 2 marks what the user can mend: bad usage or bad input. */
#define UWC_STATUS_LIST(X)                                                                                                                 \
    X(OK, 0, "ok")                                                                                                                         \
    X(E_ARG, 2, "invalid argument")                                                                                                        \
    X(E_CONFIG, 2, "invalid configuration")                                                                                                \
    X(E_FORMAT, 2, "invalid file contents")                                                                                                \
    X(E_SHAPE, 2, "shapes do not fit")                                                                                                     \
    X(E_UNSUPPORTED, 2, "unsupported")                                                                                                     \
    X(E_NOTFOUND, 2, "not found")                                                                                                          \
    X(E_IO, 2, "input or output refused by the system")                                                                                    \
    X(E_STATE, 2, "run directory is in another state")                                                                                     \
    X(E_VALUE, 2, "not a finite number")                                                                                                   \
    X(E_NOMEM, 1, "out of memory")                                                                                                         \
    X(E_MATH, 1, "numerical breakdown")                                                                                                    \
    X(E_LIBRARY, 1, "a library call was refused")                                                                                          \
    X(E_COMM, 1, "communication broke")                                                                                                    \
    X(E_INTERRUPTED, 3, "interrupted, resumable")                                                                                          \
    X(E_UNITS, 3, "some units were not solved, resumable")                                                                                 \
    X(E_INTERNAL, 1, "broken invariant")

typedef enum uwc_status {
#define UWC_STATUS_ENUM(name, exit_status, text) UWC_##name,
    UWC_STATUS_LIST(UWC_STATUS_ENUM)
#undef UWC_STATUS_ENUM
        UWC_STATUS_COUNT
} uwc_status;

#define UWC_MUST_USE __attribute__((warn_unused_result))
#define UWC_PRINTF(text, first) __attribute__((format(printf, text, first)))

/* Text of a status, for messages; static storage. Local. */
const char *uwc_status_text(uwc_status status);
/* Exit status of the program (0 ok, 1 failed, 2 bad usage or input, 3 resumable) that belongs to `status`. Local. */
int uwc_status_exit(uwc_status status);

/* ---- error record: one line, thread-local, plain data ------------------------------------------------------- */

enum { UWC_ERROR_TEXT = 512 };

typedef struct uwc_error {
    uwc_status status;
    char text[UWC_ERROR_TEXT]; /* one line, no newline, NUL-terminated */
} uwc_error;

/* Records `status` with its text and returns `status`. Local (this thread). */
uwc_status uwc_error_set(uwc_status status, const char *format, ...) UWC_PRINTF(2, 3);
/* Prepends "context: " to the recorded text; does nothing for UWC_OK. Returns `status`. Local. */
uwc_status uwc_error_note(uwc_status status, const char *format, ...) UWC_PRINTF(2, 3);
/* The record of the last failure in this thread; borrowed. Local. */
const uwc_error *uwc_error_last(void);
/* Replaces this thread's record, for errors that come from another rank or thread. Returns error->status. Local. */
uwc_status uwc_error_restore(const uwc_error *error);

/* Leaves the function with a recorded error unless `condition` holds. */
#define UWC_CHECK(condition, status, ...)                                                                                                  \
    do {                                                                                                                                   \
        if (!(condition)) {                                                                                                                \
            return uwc_error_set((status), __VA_ARGS__);                                                                                   \
        }                                                                                                                                  \
    } while (0)
/* Leaves the function with the status of `call` unless that is UWC_OK. */
#define UWC_TRY(call)                                                                                                                      \
    do {                                                                                                                                   \
        uwc_status uwc_try_ = (call);                                                                                                      \
        if (uwc_try_ != UWC_OK) {                                                                                                          \
            return uwc_try_;                                                                                                               \
        }                                                                                                                                  \
    } while (0)
/* Stores the status of `call` in `st` and jumps to `label` unless it is UWC_OK. */
#define UWC_TRY_GOTO(st, call, label)                                                                                                      \
    do {                                                                                                                                   \
        (st) = (call);                                                                                                                     \
        if ((st) != UWC_OK) {                                                                                                              \
            goto label;                                                                                                                    \
        }                                                                                                                                  \
    } while (0)
/* As UWC_CHECK, for functions with one `label` that frees all. */
#define UWC_CHECK_GOTO(st, condition, status, label, ...)                                                                                  \
    do {                                                                                                                                   \
        if (!(condition)) {                                                                                                                \
            (st) = uwc_error_set((status), __VA_ARGS__);                                                                                   \
            goto label;                                                                                                                    \
        }                                                                                                                                  \
    } while (0)

/* ---- memory --------------------------------------------------------------------------------------------------- */

/* *out = count * size zeroed bytes, aligned to 64; (void *)out is `T **`. Errors: NOMEM, also on overflow. Count 0 gives one element.
 * The caller frees with uwc_free. Local. */
uwc_status uwc_calloc(int64_t count, size_t size, void *out) UWC_MUST_USE;
/* Grows *array (from uwc_calloc or NULL) to hold at least `count` elements of `size` bytes; *capacity in elements. New elements are zero.
 * Local. */
uwc_status uwc_grow(void *array, int64_t *capacity, int64_t count, size_t size) UWC_MUST_USE;
/* Frees *pointer and sets it to NULL; NULL inside is fine. `pointer` is the address of any object pointer. Local. */
void uwc_free(void *pointer);
/* *out = copy of a string, owned by the caller. Local. */
uwc_status uwc_strdup(const char *text, char **out) UWC_MUST_USE;
/* *out = formatted string, owned by the caller. Local. */
uwc_status uwc_format(char **out, const char *format, ...) UWC_MUST_USE UWC_PRINTF(2, 3);
/* Peak resident memory of this process, bytes. Local. */
int64_t uwc_peak_rss(void);

/* ---- hashing and random numbers --------------------------------------------------------------------------------- */

/* FNV-1a, 64 bit; start with UWC_HASH_INIT and chain. Not for adversaries. Local. */
#define UWC_HASH_INIT UINT64_C(0xcbf29ce484222325)
uint64_t uwc_hash(uint64_t hash, const void *data, size_t bytes);

/* Counter-based random numbers: the value depends on (seed, stream, index) alone, never on the order of calls.
 * Source: Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011 (Philox4x32-10). Local. */
uint32_t uwc_rng_u32(uint64_t seed, uint64_t stream, uint64_t index);
double uwc_rng_uniform(uint64_t seed, uint64_t stream, uint64_t index);               /* in (0, 1) */
double uwc_rng_normal(uint64_t seed, uint64_t stream, uint64_t index);                /* mean 0, variance 1 (Box-Muller) */
int64_t uwc_rng_below(uint64_t seed, uint64_t stream, uint64_t index, int64_t bound); /* in [0, bound) */

/* ---- files -------------------------------------------------------------------------------------------------------- */

/* Whole file into *out (NUL-terminated beyond *bytes), owned by the caller. Errors: NOTFOUND, IO. Local. */
uwc_status uwc_file_read(const char *path, char **out, size_t *bytes) UWC_MUST_USE;
/* Writes path.tmp, fsync, rename to path, fsync of the folder: the file is there whole or not at all. Errors: IO. Local. */
uwc_status uwc_file_write(const char *path, const void *data, size_t bytes) UWC_MUST_USE;
/* The second half of uwc_file_write for a closed file `temporary` that another library wrote: fsync, rename, fsync of the folder. Local. */
uwc_status uwc_file_publish(const char *temporary, const char *path) UWC_MUST_USE;
bool uwc_file_exists(const char *path);
bool uwc_file_is_folder(const char *path);
/* Makes the folder and its parents. Local. */
uwc_status uwc_folder_make(const char *path) UWC_MUST_USE;
/* *out = folder/name; an absolute `name` or an empty folder gives `name`. Owned by the caller. Local. */
uwc_status uwc_path_join(const char *folder, const char *name, char **out) UWC_MUST_USE;
/* *out = the folder part of a path ("." where there is none). Owned by the caller. Local. */
uwc_status uwc_path_folder(const char *path, char **out) UWC_MUST_USE;

/* ---- time and log ---------------------------------------------------------------------------------------------------- */

/* Seconds of a monotonic clock. Local. */
double uwc_now(void);

typedef enum uwc_log_level { UWC_LOG_QUIET, UWC_LOG_INFO, UWC_LOG_DEBUG } uwc_log_level;

/* Where a command's messages go: a plain value that is passed down; NULL stream means silence. */
typedef struct uwc_log {
    FILE *stream; /* borrowed */
    uwc_log_level level;
    bool terminal; /* stream is a terminal: progress may redraw its line */
} uwc_log;

/* One line at `level`, if the log is set to show it. NULL log is silence. Local. */
void uwc_log_line(const uwc_log *log, uwc_log_level level, const char *format, ...) UWC_PRINTF(3, 4);

#ifdef __cplusplus
}
#endif
#endif
