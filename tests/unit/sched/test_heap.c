/* The heap against a search through all numbers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "heap.h"

enum { NUMBERS = 40 };

static int first_by_search(const bool *in, const double *key) {
    int first = -1;
    for (int i = 0; i < NUMBERS; i++) {
        if (in[i] && (first < 0 || key[i] > key[first])) {
            first = i;
        }
    }
    return first;
}

static void given_random_additions_and_removals_when_asked_expect_the_first(void **state) {
    (void)state;
    double key[NUMBERS] = {0};
    bool in[NUMBERS] = {false};
    int count = 0;
    uwc_heap heap;
    for (int i = 0; i < NUMBERS; i++) {
        key[i] = (double)uwc_rng_below(1, 0, (uint64_t)i, 10); /* many are equal */
    }
    assert_int_equal(uwc_sched__heap_create(NUMBERS, key, &heap), UWC_OK);
    for (uint64_t step = 0; step < 20000; step++) {
        int number = (int)uwc_rng_below(2, 0, step, NUMBERS);
        assert_int_equal(uwc_sched__heap_has(&heap, number), in[number]);
        if (in[number]) {
            uwc_sched__heap_remove(&heap, number);
        } else {
            uwc_sched__heap_add(&heap, number);
        }
        in[number] = !in[number];
        count += in[number] ? 1 : -1;
        assert_int_equal(heap.n, count);
        assert_int_equal(uwc_sched__heap_first(&heap), first_by_search(in, key));
    }
    uwc_sched__heap_free(&heap);
}

static void given_no_keys_when_asked_expect_the_lowest_number(void **state) {
    (void)state;
    uwc_heap heap;
    assert_int_equal(uwc_sched__heap_create(5, NULL, &heap), UWC_OK);
    assert_int_equal(uwc_sched__heap_first(&heap), -1);
    uwc_sched__heap_add(&heap, 3);
    uwc_sched__heap_add(&heap, 1);
    uwc_sched__heap_add(&heap, 4);
    assert_int_equal(uwc_sched__heap_first(&heap), 1);
    uwc_sched__heap_remove(&heap, 1);
    assert_int_equal(uwc_sched__heap_first(&heap), 3);
    uwc_sched__heap_free(&heap);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(given_random_additions_and_removals_when_asked_expect_the_first),
        cmocka_unit_test(given_no_keys_when_asked_expect_the_lowest_number),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
