/* Looking through a data set for images that cannot be used. Which ones those are depends on the images alone: ranks share the work, rank 0
 * puts what they found in order. */
#include "sched_impl.h"

#include <stdlib.h>
#include <string.h>

enum { MOST_NAMED = 20 };

void uwc_sched__bad_images_free(uwc_bad_images *list) {
    uwc_free(&list->entry);
    *list = (uwc_bad_images){0};
}

static uwc_status append(uwc_bad_images *list, const uwc_bad_image *entry, int64_t n) {
    UWC_TRY(uwc_grow(&list->entry, &list->capacity, list->count + n, sizeof *entry));
    if (n > 0) {
        memcpy(list->entry + list->count, entry, (size_t)n * sizeof *entry);
    }
    list->count += n;
    return UWC_OK;
}

static int by_number(const void *a, const void *b) {
    const uwc_bad_image *first = a, *second = b;
    return (first->image > second->image) - (first->image < second->image);
}

/* This rank's part of a block. Local. */
static uwc_status look(const uwc_survey *survey, uwc_checker *checker, int64_t first, int64_t count, uwc_shape *shape,
                       uwc_bad_images *found) {
    int rank = survey->comm == NULL ? 0 : uwc_comm_rank(survey->comm), size = survey->comm == NULL ? 1 : uwc_comm_size(survey->comm);
    for (int64_t i = first + rank; i < first + count; i += size) {
        bool good;
        UWC_TRY(survey->hooks != NULL && survey->hooks->poll != NULL ? survey->hooks->poll(survey->hooks->self) : UWC_OK);
        UWC_TRY(uwc_checker_try(checker, i, shape, &good));
        if (!good) {
            uwc_bad_image entry = {.image = i};
            memcpy(entry.why, uwc_error_last()->text, sizeof entry.why);
            UWC_TRY(append(found, &entry, 1));
        }
    }
    return UWC_OK;
}

/* Rank 0: the parts in order. */
static uwc_status join(char *const *parts, const size_t *sizes, int ranks, uwc_bad_images *out) {
    for (int r = 0; r < ranks; r++) {
        UWC_TRY(append(out, (const uwc_bad_image *)(const void *)parts[r], (int64_t)(sizes[r] / sizeof *out->entry)));
    }
    if (out->count > 0) {
        qsort(out->entry, (size_t)out->count, sizeof *out->entry, by_number);
    }
    return UWC_OK;
}

/* What all ranks found behind `list`, on every rank. Collective. */
static uwc_status share(uwc_comm *comm, const uwc_bad_images *mine, uwc_bad_images *list) {
    char **parts = NULL, *whole = NULL;
    size_t *sizes = NULL, bytes = 0;
    uwc_bad_images all = {0};
    int ranks = uwc_comm_size(comm);
    UWC_TRY(uwc_comm_gather(comm, 0, mine->entry, (size_t)mine->count * sizeof *mine->entry, &parts, &sizes));
    uwc_status st = UWC_OK;
    if (parts != NULL) {
        st = join(parts, sizes, ranks, &all);
        whole = (char *)all.entry;
        bytes = (size_t)all.count * sizeof *all.entry;
    }
    for (int r = 0; parts != NULL && r < ranks; r++) {
        uwc_free(&parts[r]);
    }
    uwc_free(&parts);
    uwc_free(&sizes);
    st = uwc_comm_agree(comm, st);
    if (st == UWC_OK) {
        st = uwc_comm_broadcast_buffer(comm, 0, &whole, &bytes);
    }
    if (st == UWC_OK) {
        st = uwc_comm_agree(comm, append(list, (const uwc_bad_image *)(void *)whole, (int64_t)(bytes / sizeof *list->entry)));
    }
    uwc_free(&whole);
    return st;
}

/* Blocks of as many images as are still wanted, so that no image is looked at behind the last one that is used. Collective. */
static uwc_status look_through(const uwc_survey *survey, uwc_checker *checker, uwc_bad_images *out) {
    int64_t images = uwc_checker_images(checker), wanted = survey->samples > 0 ? survey->samples : images;
    uwc_shape shape = survey->shape;
    for (int64_t at = 0, good = 0; at < images && good < wanted;) {
        int64_t count = wanted - good < images - at ? wanted - good : images - at, before = out->count;
        uwc_bad_images mine = {0};
        uwc_status st = look(survey, checker, at, count, &shape, &mine);
        if (survey->comm == NULL) {
            st = st == UWC_OK ? append(out, mine.entry, mine.count) : st;
        } else {
            st = uwc_comm_agree(survey->comm, st);
            st = st == UWC_OK ? share(survey->comm, &mine, out) : st;
        }
        uwc_sched__bad_images_free(&mine);
        UWC_TRY(st);
        at += count;
        good += count - (out->count - before);
    }
    UWC_CHECK(out->count < images, UWC_E_FORMAT, "%s: none of %lld images can be used; the first: %s", survey->data, (long long)images,
              out->entry[0].why);
    return UWC_OK;
}

uwc_status uwc_sched__survey(const uwc_survey *survey, uwc_bad_images *out) {
    uwc_checker *checker;
    *out = (uwc_bad_images){0};
    uwc_status st = uwc_checker_open(survey->data, survey->preprocess, &checker);
    if (survey->comm != NULL) {
        st = uwc_comm_agree(survey->comm, st);
    }
    if (st == UWC_OK) {
        st = look_through(survey, checker, out);
    }
    uwc_checker_close(&checker);
    return st;
}

uwc_status uwc_sched__bad_numbers(const uwc_bad_images *list, int64_t **out) {
    UWC_TRY(uwc_calloc(list->count, sizeof **out, out));
    for (int64_t i = 0; i < list->count; i++) {
        (*out)[i] = list->entry[i].image;
    }
    return UWC_OK;
}

void uwc_sched__name_bad(const uwc_log *log, const char *data, const uwc_bad_images *list) {
    for (int64_t i = 0; i < list->count && i < MOST_NAMED; i++) {
        uwc_log_line(log, UWC_LOG_INFO, "left out: %s", list->entry[i].why);
    }
    if (list->count > 0) {
        uwc_log_line(log, UWC_LOG_INFO, "%s: %lld image%s cannot be used%s", data, (long long)list->count, list->count == 1 ? "" : "s",
                     list->count > MOST_NAMED ? "; the first are named" : "");
    }
}
