/* The coordinator's rate: tasks that do nothing, so that only messages are left. What its processor takes for a message holds on a busy
 * machine too. mpirun -n RANKS bench_farm [TASKS] */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "farm.h"

enum { RESULT_BYTES = 100, LEAST_TASKS = 100, MOST_TASKS = 20000 };

typedef struct bench {
    size_t bytes;  /* of a result */
    int64_t taken; /* rank 0: results */
} bench;

static uwc_status perform(uwc_hand *hand, const uwc_assignment *assignment, uwc_outcome *out) {
    const bench *b = hand->self;
    (void)assignment;
    out->bytes = b->bytes;
    return b->bytes > 0 ? uwc_calloc((int64_t)b->bytes, 1, &out->image) : UWC_OK;
}

static const char *name(void *self, int task) {
    (void)self;
    (void)task;
    return "a task";
}

static double limit(void *self, int task) {
    (void)self;
    (void)task;
    return 1e9;
}

static uwc_status solved(void *self, int task, const uwc_outcome *outcome) {
    bench *b = self;
    (void)task;
    (void)outcome;
    b->taken++;
    return UWC_OK;
}

static uwc_status given_up(void *self, int task, const uwc_error *error) {
    (void)self;
    (void)task;
    (void)error;
    return UWC_OK;
}

static uwc_status lead(bench *b, uwc_hand hand, int tasks) {
    double *work;
    uwc_scheduler *scheduler = NULL;
    UWC_TRY(uwc_calloc(tasks, sizeof *work, &work));
    uwc_status st = uwc_sched__scheduler_create(tasks, work, uwc_comm_size(hand.comm), &scheduler);
    uwc_free(&work);
    UWC_TRY(st);
    uwc_farm farm = {
        .hand = hand, .scheduler = scheduler, .name = name, .limit = limit, .solved = solved, .given_up = given_up, .n_tasks = tasks};
    double start = uwc_now();
    clock_t busy = clock();
    st = uwc_sched__lead(&farm);
    double seconds = uwc_now() - start, cpu = (double)(clock() - busy) / CLOCKS_PER_SEC;
    uwc_sched__scheduler_destroy(&scheduler);
    UWC_CHECK(st != UWC_OK || b->taken == tasks, UWC_E_INTERNAL, "%lld of %d results", (long long)b->taken, tasks);
    const double messages = 2.0 * tasks;
    printf(
        "%d ranks, results of %3zu bytes: %6.0f tasks/s, %6.0f messages/s, %5.1f us a message, %4.1f us of the coordinator's processor\n",
        uwc_comm_size(hand.comm), b->bytes, tasks / seconds, messages / seconds, 1e6 * seconds / messages, 1e6 * cpu / messages);
    return st;
}

static uwc_status run(uwc_comm *comm, size_t bytes, int tasks) {
    bench b = {.bytes = bytes};
    uwc_hand hand = {.comm = comm, .self = &b, .perform = perform};
    return uwc_comm_agree(comm, uwc_comm_rank(comm) == 0 ? lead(&b, hand, tasks) : uwc_sched__serve(&hand));
}

int main(int argc, char **argv) {
    uwc_comm *comm;
    if (uwc_par_start(&argc, &argv, &comm) != UWC_OK) {
        return 1;
    }
    int tasks = argc > 1 ? atoi(argv[1]) : MOST_TASKS;
    tasks = tasks < LEAST_TASKS ? LEAST_TASKS : tasks;
    uwc_status st = run(comm, 0, tasks);
    if (st == UWC_OK) {
        st = run(comm, RESULT_BYTES, tasks);
    }
    if (st != UWC_OK && uwc_comm_rank(comm) == 0) {
        fprintf(stderr, "bench_farm: %s\n", uwc_error_last()->text);
    }
    uwc_par_stop(&comm);
    return st != UWC_OK;
}
