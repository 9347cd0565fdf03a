/* A set of small numbers that gives its first one in O(log n): of the largest key, of equal keys the lowest number. */
#ifndef UWC_HEAP_H
#define UWC_HEAP_H

#include <uwc/base.h>

typedef struct uwc_heap {
    int *item; /* [n] */
    int *slot; /* [capacity] place of a number in `item` plus one, 0: not in the set */
    const double *key;
    int n;
} uwc_heap;

/* For numbers below `capacity`. `key`: [capacity], borrowed, fixed while numbers are in the set; NULL: all are equal. Local. */
uwc_status uwc_sched__heap_create(int capacity, const double *key, uwc_heap *out) UWC_MUST_USE;
void uwc_sched__heap_free(uwc_heap *heap);
bool uwc_sched__heap_has(const uwc_heap *heap, int number);
/* Whether a comes before b. Local. */
bool uwc_sched__heap_before(const uwc_heap *heap, int a, int b);
/* Adds a number that is not in the set, takes one out that is. Local. */
void uwc_sched__heap_add(uwc_heap *heap, int number);
void uwc_sched__heap_remove(uwc_heap *heap, int number);
/* The first one, -1 where there is none. Local. */
int uwc_sched__heap_first(const uwc_heap *heap);

#endif
