/* What reconstructions of a unit have in common at several bit-widths, kept between them: the least recently used goes first. */
#include "recon_impl.h"

typedef struct entry {
    uint64_t key, used; /* used: the clock when it was last asked for */
    int64_t bytes;
    uwc_kept kept;
} entry;

struct uwc_memo {
    int64_t limit, bytes;
    uint64_t clock;
    entry *entry;
    int64_t n, capacity;
};

void uwc_recon__kept_clear(uwc_kept *kept) {
    uwc_recon__statistics_destroy(&kept->sums);
    uwc_free(&kept->targets);
}

uwc_status uwc_memo_create(int64_t bytes, uwc_memo **out) {
    UWC_TRY(uwc_calloc(1, sizeof **out, out));
    (*out)->limit = bytes;
    return UWC_OK;
}

void uwc_memo_destroy(uwc_memo **memo) {
    if (*memo == NULL) {
        return;
    }
    for (int64_t i = 0; i < (*memo)->n; i++) {
        uwc_recon__kept_clear(&(*memo)->entry[i].kept);
    }
    uwc_free(&(*memo)->entry);
    uwc_free(memo);
}

bool uwc_recon__memo_find(uwc_memo *memo, uint64_t key, uwc_kept *out) {
    for (int64_t i = 0; memo != NULL && key != 0 && i < memo->n; i++) {
        if (memo->entry[i].key == key) {
            memo->entry[i].used = ++memo->clock;
            *out = memo->entry[i].kept;
            return true;
        }
    }
    return false;
}

static void forget_oldest(uwc_memo *memo) {
    int64_t oldest = 0;
    for (int64_t i = 1; i < memo->n; i++) {
        oldest = memo->entry[i].used < memo->entry[oldest].used ? i : oldest;
    }
    memo->bytes -= memo->entry[oldest].bytes;
    uwc_recon__kept_clear(&memo->entry[oldest].kept);
    memo->entry[oldest] = memo->entry[--memo->n];
}

bool uwc_recon__memo_room(uwc_memo *memo, int64_t bytes) {
    if (memo == NULL || bytes > memo->limit) {
        return false;
    }
    while (memo->bytes > memo->limit - bytes) {
        forget_oldest(memo);
    }
    return true;
}

void uwc_recon__memo_put(uwc_memo *memo, uint64_t key, int64_t bytes, uwc_kept *kept) {
    if (key == 0 || !uwc_recon__memo_room(memo, bytes) ||
        uwc_grow(&memo->entry, &memo->capacity, memo->n + 1, sizeof *memo->entry) != UWC_OK) { /* it will be made again */
        uwc_recon__kept_clear(kept);
        return;
    }
    memo->entry[memo->n++] = (entry){.key = key, .used = ++memo->clock, .bytes = bytes, .kept = *kept};
    memo->bytes += bytes;
    *kept = (uwc_kept){0};
}
