/* What the sources of sched share. The scheduler has a header of its own. */
#ifndef UWC_SCHED_IMPL_H
#define UWC_SCHED_IMPL_H

#include <uwc/onnx.h>
#include <uwc/recon.h>
#include <uwc/sched.h>

/* ---- the folder of a run ------------------------------------------------------------------------------------------------------ */

/* Opens path (made if absent) and holds a lock on it, waiting at most `seconds` for another owner. *file: to be closed. Errors: STATE, IO.
 */
uwc_status uwc_sched__lock(const char *path, double seconds, int *file) UWC_MUST_USE;
/* *empty: the folder holds nothing but `ignored`. */
uwc_status uwc_sched__folder_empty(const char *folder, const char *ignored, bool *empty) UWC_MUST_USE;
/* Removes a folder with all that is in it, as far as possible. */
void uwc_sched__folder_remove(const char *folder);
/* *out = a new private folder under $TMPDIR (default /tmp), owned by the caller. */
uwc_status uwc_sched__folder_scratch(char **out) UWC_MUST_USE;

/* ---- journal: what has been done, one checked line per event (docs/formats/journal.md) -------------------------------------------- */

typedef struct uwc_journal uwc_journal;

/* Opens or begins the file. *events (an array, owned by the caller) holds what is in it; a torn last line is cut off. Errors: FORMAT. */
uwc_status uwc_sched__journal_open(const char *path, uwc_journal **out, uwc_json **events) UWC_MUST_USE;
/* Adds an event (an object, adopted, also on failure); on disk when this returns. */
uwc_status uwc_sched__journal_append(uwc_journal *journal, uwc_json *event) UWC_MUST_USE;
void uwc_sched__journal_close(uwc_journal **journal);

/* ---- JSON ---------------------------------------------------------------------------------------------------------------------------- */

/* The member at a dotted path, or NULL. Borrowed. */
const uwc_json *uwc_sched__json_at(const uwc_json *object, const char *dotted);
/* Whether two values (NULL: absent) print alike. */
uwc_status uwc_sched__json_same(const uwc_json *a, const uwc_json *b, bool *same) UWC_MUST_USE;
/* Hashes are members of 16 hexadecimal digits. */
uwc_status uwc_sched__json_set_hash(uwc_json *object, const char *key, uint64_t hash) UWC_MUST_USE;
uwc_status uwc_sched__json_get_hash(const uwc_json *object, const char *key, uint64_t *hash) UWC_MUST_USE;

#endif
