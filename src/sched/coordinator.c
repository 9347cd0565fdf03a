/* The coordinator: carries out what the scheduler says. A result is published (units/NNN.h5) and then journalled; only then is the unit
 * done. */
#include "sched_impl.h"
#include "scheduler.h"

#include <string.h>

typedef struct coordinator {
    uwc_run *run;
    const uwc_plan *plan;
    uwc_cache *cache;
    uwc_scheduler *scheduler;
    double start, *since; /* [workers] when its unit was assigned */
    double work_done;     /* of this session */
    int byes;
    bool dismissed;     /* the workers were told to stop */
    uwc_error fatal;    /* ends the phase; status OK: none */
    uwc_error given_up; /* the first unit that was given up */
} coordinator;

static int workers(const coordinator *c) {
    int size = uwc_comm_size(c->run->comm);
    return size > 1 ? size - 1 : 1;
}

/* ---- what is told ------------------------------------------------------------------------------------------------------------------- */

static double seconds_left(const coordinator *c) {
    double left = 0;
    for (int u = 0; u < c->plan->partition->n_units; u++) {
        uwc_task_state state = uwc_sched__scheduler_state(c->scheduler, u);
        left += state == UWC_TASK_WAITING || state == UWC_TASK_RUNNING ? c->plan->partition->unit[u].work : 0;
    }
    return c->work_done > 0 ? (uwc_now() - c->start) * left / c->work_done : -1;
}

static void show(const coordinator *c, int unit, const uwc_unit_result *result, double unit_seconds) {
    uwc_progress progress = {.phase = UWC_PHASE_SOLVE,
                             .done = uwc_sched__scheduler_count(c->scheduler, UWC_TASK_DONE),
                             .total = c->plan->partition->n_units,
                             .seconds = uwc_now() - c->start,
                             .seconds_left = seconds_left(c),
                             .unit_seconds = unit_seconds};
    if (unit >= 0) {
        progress.unit = c->plan->partition->unit[unit].name;
        progress.failed = result == NULL;
        progress.nmse_before = result == NULL ? 0 : result->nmse_before;
        progress.nmse_after = result == NULL ? 0 : result->nmse_after;
    }
    uwc_sched__progress(c->run, &progress);
}

/* ---- what became of a unit ------------------------------------------------------------------------------------------------------------
 */

static void set_fatal(coordinator *c, const uwc_error *error) {
    if (c->fatal.status == UWC_OK) {
        c->fatal = *error;
    }
    uwc_sched__scheduler_stop(c->scheduler);
}

/* Keeps a failure of the coordinator itself. */
static void note(coordinator *c, uwc_status st) {
    if (st != UWC_OK) {
        uwc_error error = *uwc_error_last();
        error.status = st;
        set_fatal(c, &error);
    }
}

static uwc_status record_unit(coordinator *c, int unit, uint64_t hash, double seconds) {
    uwc_json *event = uwc_json_object();
    uwc_status st = uwc_json_set_string(event, "event", "unit");
    if (st == UWC_OK) {
        st = uwc_json_set_int(event, "unit", unit);
    }
    if (st == UWC_OK) {
        st = uwc_sched__json_set_hash(event, "hash", hash);
    }
    if (st == UWC_OK) {
        st = uwc_json_set_real(event, "unit_seconds", seconds);
    }
    if (st == UWC_OK) {
        st = uwc_json_set_string(event, "phase", uwc_phase_name(UWC_PHASE_SOLVE));
    }
    if (st == UWC_OK) {
        st = uwc_json_set_real(event, "seconds", uwc_now() - c->start);
    }
    if (st != UWC_OK) {
        uwc_json_release(&event);
        return st;
    }
    return uwc_sched__record(c->run, event);
}

static uwc_status publish(coordinator *c, int unit, const char *image, size_t bytes, double seconds) {
    char *path;
    uwc_unit_result *result = NULL;
    UWC_TRY(uwc_sched__unit_path(c->run, unit, &path));
    uwc_status st = uwc_sched__unit_parse(path, image, bytes, &result);
    if (st == UWC_OK) {
        st = uwc_file_write(path, image, bytes);
    }
    if (st == UWC_OK) {
        st = record_unit(c, unit, uwc_hash(UWC_HASH_INIT, image, bytes), seconds);
    }
    if (st == UWC_OK) {
        c->work_done += c->plan->partition->unit[unit].work;
        show(c, unit, result, seconds);
    }
    uwc_unit_result_destroy(&result);
    uwc_free(&path);
    return st;
}

static void on_solved(coordinator *c, int worker, int unit, const char *image, size_t bytes, double seconds) {
    if (uwc_sched__scheduler_solved(c->scheduler, worker, unit)) {
        note(c, publish(c, unit, image, bytes, seconds));
    }
}

/* Failures that another try or another unit would meet again: they end the phase. */
static bool is_fatal(uwc_status st) {
    return st != UWC_E_MATH && st != UWC_E_NOMEM && st != UWC_E_LIBRARY && st != UWC_E_VALUE && st != UWC_E_SHAPE;
}

static uwc_status record_failure(coordinator *c, int unit, const char *text) {
    uwc_json *event = uwc_json_object();
    uwc_status st = uwc_json_set_string(event, "event", "failed");
    if (st == UWC_OK) {
        st = uwc_json_set_int(event, "unit", unit);
    }
    if (st == UWC_OK) {
        st = uwc_json_set_string(event, "error", text);
    }
    if (st != UWC_OK) {
        uwc_json_release(&event);
        return st;
    }
    return uwc_sched__record(c->run, event);
}

static void on_failed(coordinator *c, int worker, int unit, const uwc_error *error) {
    bool given_up = uwc_sched__scheduler_failed(c->scheduler, worker, unit);
    if (is_fatal(error->status)) {
        set_fatal(c, error);
    } else if (!given_up) {
        uwc_log_line(c->run->log, UWC_LOG_INFO, "%s (is tried again)", error->text);
    } else {
        if (c->given_up.status == UWC_OK) {
            c->given_up = *error;
        }
        show(c, unit, NULL, 0);
        note(c, record_failure(c, unit, error->text));
    }
}

/* ---- worker ranks
 * ------------------------------------------------------------------------------------------------------------------------ */

static int count_files(const coordinator *c, int unit) {
    const uwc_unit *at = &c->plan->partition->unit[unit];
    int shards = 0, files = 0;
    for (int shard = 0; shard < UWC_SHARDS; shard++) {
        shards += uwc_sched__shard_images(c->plan, shard) > 0;
    }
    for (int i = 0; i < at->n_inputs; i++) {
        files += uwc_sched__reads_quantized(c->plan, unit, at->input[i]) ? 2 * shards : shards;
    }
    return files;
}

static uwc_status send_files(coordinator *c, int peer, int unit) {
    const uwc_unit *at = &c->plan->partition->unit[unit];
    for (int i = 0; i < at->n_inputs; i++) {
        for (int shard = 0; shard < UWC_SHARDS; shard++) {
            if (uwc_sched__shard_images(c->plan, shard) == 0) {
                continue;
            }
            UWC_TRY(uwc_sched__send_shard(c->run->comm, peer, c->cache, at->input[i], false, shard));
            if (uwc_sched__reads_quantized(c->plan, unit, at->input[i])) {
                UWC_TRY(uwc_sched__send_shard(c->run->comm, peer, c->cache, at->input[i], true, shard));
            }
        }
    }
    return UWC_OK;
}

static uwc_status send_unit(coordinator *c, int worker, int unit) {
    int peer = worker + 1, files = c->run->settings.message ? count_files(c, unit) : 0;
    c->since[worker] = uwc_now();
    UWC_TRY(uwc_sched__tell(c->run->comm, peer, UWC_MESSAGE_UNIT, unit, files));
    return files > 0 ? send_files(c, peer, unit) : UWC_OK;
}

static uwc_status handle(coordinator *c, const uwc_frame *frame) {
    int worker = frame->peer - 1;
    int64_t unit = frame->arg[0];
    if (frame->kind == UWC_MESSAGE_HELLO) {
        uwc_sched__scheduler_hello(c->scheduler, worker);
        return UWC_OK;
    }
    if (frame->kind == UWC_MESSAGE_BYE) {
        c->byes++;
        UWC_CHECK(c->dismissed, UWC_E_INTERNAL, "rank %d left the phase", frame->peer);
        return UWC_OK;
    }
    if (frame->kind == UWC_MESSAGE_FILE) {
        return uwc_sched__store_shard(c->plan, c->cache, frame);
    }
    UWC_CHECK(unit >= 0 && unit < c->plan->partition->n_units, UWC_E_COMM, "rank %d sent a message of kind %d for unit %lld", frame->peer,
              frame->kind, (long long)unit);
    if (frame->kind == UWC_MESSAGE_RESULT) {
        on_solved(c, worker, (int)unit, frame->payload, frame->bytes, 1e-6 * (double)frame->arg[1]);
        return UWC_OK;
    }
    uwc_error error;
    UWC_CHECK(frame->kind == UWC_MESSAGE_FAILED && frame->bytes == sizeof error, UWC_E_COMM, "rank %d sent a message of kind %d",
              frame->peer, frame->kind);
    memcpy(&error, frame->payload, sizeof error);
    error.text[UWC_ERROR_TEXT - 1] = '\0';
    on_failed(c, worker, (int)unit, &error);
    return UWC_OK;
}

/* At most one frame; waits up to `seconds` (< 0: for it). */
static uwc_status take_frame(coordinator *c, double seconds) {
    uwc_frame frame;
    bool got;
    UWC_TRY(uwc_comm_receive(c->run->comm, -1, seconds, &frame, &got));
    uwc_status st = got ? handle(c, &frame) : UWC_OK;
    uwc_frame_clear(&frame);
    return st;
}

static void check_deadlines(coordinator *c) {
    double limit = c->run->settings.unit_deadline;
    for (int w = 0; limit > 0 && w < workers(c); w++) {
        if (uwc_sched__scheduler_worker(c->scheduler, w) == UWC_WORKER_BUSY && uwc_now() - c->since[w] > limit) {
            int unit = uwc_sched__scheduler_task_of(c->scheduler, w);
            const char *name = c->plan->partition->unit[unit].name;
            uwc_log_line(c->run->log, UWC_LOG_INFO, "rank %d has worked on unit %s for more than %g s: it goes to another", w + 1, name,
                         limit);
            if (uwc_sched__scheduler_lost(c->scheduler, w)) {
                uwc_error error = {.status = UWC_E_COMM};
                snprintf(error.text, sizeof error.text, "unit %.200s: no worker solved it within %g s", name, limit);
                c->given_up = c->given_up.status == UWC_OK ? error : c->given_up;
                show(c, unit, NULL, 0);
            }
        }
    }
}

/* Workers in the middle of a unit see STOP there, so this does not take long. Results that are on their way are kept. */
static uwc_status dismiss(coordinator *c) {
    int count = workers(c);
    c->dismissed = true;
    for (int w = 0; w < count; w++) {
        UWC_TRY(uwc_sched__tell(c->run->comm, w + 1, UWC_MESSAGE_STOP, 0, 0));
    }
    while (c->byes < count) {
        uwc_status st = take_frame(c, -1);
        if (st == UWC_E_COMM) {
            return st;
        }
        note(c, st);
    }
    return UWC_OK;
}

static void lead_ranks(coordinator *c) {
    while (c->fatal.status == UWC_OK) {
        uwc_action action = uwc_sched__scheduler_next(c->scheduler);
        if (action.kind == UWC_ACTION_FINISH) {
            break;
        }
        note(c, action.kind == UWC_ACTION_ASSIGN ? send_unit(c, action.worker[0], action.task) : take_frame(c, 0.1));
        check_deadlines(c);
        note(c, uwc_sched__poll(c->run));
    }
    note(c, dismiss(c));
}

/* ---- alone
 * ----------------------------------------------------------------------------------------------------------------------------------- */

static uwc_status poll_alone(void *self) {
    return uwc_sched__poll(self);
}

static void lead_alone(coordinator *c) {
    uwc_sched__scheduler_hello(c->scheduler, 0);
    uwc_action action;
    while ((action = uwc_sched__scheduler_next(c->scheduler)).kind == UWC_ACTION_ASSIGN) {
        uwc_outcome outcome;
        uwc_status st = uwc_sched__solve_unit(c->run, action.task, c->cache, poll_alone, c->run, &outcome);
        if (st == UWC_OK) {
            on_solved(c, 0, action.task, outcome.image, outcome.bytes, outcome.seconds);
        } else {
            uwc_error error = *uwc_error_last();
            error.status = st;
            on_failed(c, 0, action.task, &error);
        }
        uwc_free(&outcome.image);
    }
}

/* ---- the whole
 * ------------------------------------------------------------------------------------------------------------------------------- */

static uwc_status add_dependencies(coordinator *c) {
    for (int u = 0; u < c->plan->partition->n_units; u++) {
        const uwc_unit *unit = &c->plan->partition->unit[u];
        for (int i = 0; i < unit->n_inputs; i++) {
            if (uwc_sched__reads_quantized(c->plan, u, unit->input[i])) {
                UWC_TRY(uwc_sched__scheduler_depend(c->scheduler, u, c->plan->maker[unit->input[i]]));
            }
        }
    }
    return UWC_OK;
}

static uwc_status prepare(coordinator *c) {
    const uwc_partition *units = c->plan->partition;
    double *work = NULL;
    bool *done = NULL;
    uwc_status st;
    UWC_TRY_GOTO(st, uwc_calloc(workers(c), sizeof *c->since, &c->since), done);
    UWC_TRY_GOTO(st, uwc_calloc(units->n_units, sizeof *work, &work), done);
    UWC_TRY_GOTO(st, uwc_calloc(units->n_units, sizeof *done, &done), done);
    for (int u = 0; u < units->n_units; u++) {
        work[u] = units->unit[u].work;
    }
    UWC_TRY_GOTO(st, uwc_sched__scheduler_create(units->n_units, work, workers(c), &c->scheduler), done);
    UWC_TRY_GOTO(st, add_dependencies(c), done);
    UWC_TRY_GOTO(st, uwc_sched__find_done(c->run, c->cache, done), done);
    for (int u = 0; u < units->n_units; u++) {
        if (done[u]) {
            uwc_sched__scheduler_preset(c->scheduler, u);
        }
    }
done:
    uwc_free(&work);
    uwc_free(&done);
    return st;
}

static uwc_status verdict(const coordinator *c) {
    int n = c->plan->partition->n_units, unsolved = n - uwc_sched__scheduler_count(c->scheduler, UWC_TASK_DONE);
    if (c->fatal.status != UWC_OK) {
        return uwc_error_restore(&c->fatal);
    }
    UWC_CHECK(unsolved == 0, UWC_E_UNITS, "%d of %d units are not solved: %s", unsolved, n,
              c->given_up.status != UWC_OK ? c->given_up.text : "no worker is left");
    return UWC_OK;
}

uwc_status uwc_sched__coordinate(uwc_run *run, uwc_cache *cache) {
    coordinator c = {.run = run, .plan = run->plan, .cache = cache, .start = uwc_now()};
    uwc_status st = prepare(&c);
    bool alone = uwc_comm_size(run->comm) == 1;
    if (st == UWC_OK) {
        show(&c, -1, NULL, 0);
        if (alone) {
            lead_alone(&c);
        } else {
            lead_ranks(&c);
        }
        st = verdict(&c);
    } else if (!alone) {
        note(&c, st);
        note(&c, dismiss(&c));
        st = uwc_error_restore(&c.fatal);
    }
    uwc_sched__scheduler_destroy(&c.scheduler);
    uwc_free(&c.since);
    return st;
}
