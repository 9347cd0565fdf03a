#include "heap.h"

#include <assert.h>

uwc_status uwc_sched__heap_create(int capacity, const double *key, uwc_heap *out) {
    *out = (uwc_heap){.key = key};
    UWC_TRY(uwc_calloc(capacity, sizeof *out->item, &out->item));
    return uwc_calloc(capacity, sizeof *out->slot, &out->slot);
}

void uwc_sched__heap_free(uwc_heap *heap) {
    uwc_free(&heap->item);
    uwc_free(&heap->slot);
    heap->n = 0;
}

bool uwc_sched__heap_has(const uwc_heap *heap, int number) {
    return heap->slot[number] > 0;
}

bool uwc_sched__heap_before(const uwc_heap *heap, int a, int b) {
    if (heap->key != NULL && heap->key[a] != heap->key[b]) {
        return heap->key[a] > heap->key[b];
    }
    return a < b;
}

static void put(uwc_heap *heap, int at, int number) {
    heap->item[at] = number;
    heap->slot[number] = at + 1;
}

static void rise(uwc_heap *heap, int at, int number) {
    while (at > 0 && uwc_sched__heap_before(heap, number, heap->item[(at - 1) / 2])) {
        put(heap, at, heap->item[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
    put(heap, at, number);
}

static void sink(uwc_heap *heap, int at, int number) {
    for (int child = 2 * at + 1; child < heap->n; child = 2 * at + 1) {
        child += child + 1 < heap->n && uwc_sched__heap_before(heap, heap->item[child + 1], heap->item[child]);
        if (!uwc_sched__heap_before(heap, heap->item[child], number)) {
            break;
        }
        put(heap, at, heap->item[child]);
        at = child;
    }
    put(heap, at, number);
}

void uwc_sched__heap_add(uwc_heap *heap, int number) {
    assert(!uwc_sched__heap_has(heap, number));
    rise(heap, heap->n++, number);
}

void uwc_sched__heap_remove(uwc_heap *heap, int number) {
    assert(uwc_sched__heap_has(heap, number));
    int at = heap->slot[number] - 1, last = heap->item[--heap->n];
    heap->slot[number] = 0;
    if (number == last) {
        return;
    }
    if (uwc_sched__heap_before(heap, last, number)) {
        rise(heap, at, last);
    } else {
        sink(heap, at, last);
    }
}

int uwc_sched__heap_first(const uwc_heap *heap) {
    return heap->n > 0 ? heap->item[0] : -1;
}
