/* The coordinator of solve: units of one run or of several, each a chain of its own, through one farm. A result is published
 * (units/NNN.h5) and then journalled; only then is the unit done. */
#include "sched_impl.h"

#include <string.h>

typedef struct uwc_coordinator {
    const uwc_chains *chains;
    double start, *spent; /* [chains] seconds of this session on their units */
    uwc_unit_cost *cost;  /* [total] */
    double work_done;     /* of this session */
    double rate;          /* seconds per multiply-add of the slowest unit so far, 0: none yet */
    int total;            /* tasks */
    char name[256];       /* of the unit that is spoken of */
    uwc_error given_up;   /* the first unit that was given up */
    uwc_farm farm;
} coordinator;

static uwc_run *run_of(const coordinator *c, int task, int *unit) {
    return c->chains->run[uwc_sched__chain_of(c->chains, task, unit)];
}

/* Multiply-adds of a rank alone. */
static double work_of(const coordinator *c, int task) {
    return uwc_sched__team_cost(&c->cost[task], 1);
}

/* "block1"; where there are several chains "3/12 block1". */
static const char *name_of(void *self, int task) {
    coordinator *c = self;
    int unit, chain = uwc_sched__chain_of(c->chains, task, &unit);
    const char *name = c->chains->run[chain]->plan->partition->unit[unit].name;
    if (c->chains->n == 1) {
        return name;
    }
    snprintf(c->name, sizeof c->name, "%d/%d %.200s", chain + 1, c->chains->n, name);
    return c->name;
}

/* ---- what is told ------------------------------------------------------------------------------------------------------------------- */

static double seconds_left(const coordinator *c) {
    double left = 0;
    for (int t = 0; t < c->total; t++) {
        uwc_task_state state = uwc_sched__scheduler_state(c->farm.scheduler, t);
        left += state == UWC_TASK_WAITING || state == UWC_TASK_RUNNING ? work_of(c, t) : 0;
    }
    return c->work_done > 0 ? (uwc_now() - c->start) * left / c->work_done : -1;
}

static void show(coordinator *c, int task, const uwc_unit_result *result, double unit_seconds) {
    uwc_progress progress = {.phase = UWC_PHASE_SOLVE,
                             .done = uwc_sched__scheduler_count(c->farm.scheduler, UWC_TASK_DONE),
                             .total = c->total,
                             .seconds = uwc_now() - c->start,
                             .seconds_left = seconds_left(c),
                             .unit_seconds = unit_seconds};
    if (task >= 0) {
        progress.unit = name_of(c, task);
        progress.failed = result == NULL;
        progress.nmse_before = result == NULL ? 0 : result->nmse_before;
        progress.nmse_after = result == NULL ? 0 : result->nmse_after;
    }
    uwc_sched__progress(c->chains->run[0], &progress);
}

/* ---- what became of a unit ------------------------------------------------------------------------------------------------------------
 */

/* Seconds of this session that a chain has taken: by the clock where it is the only one. */
static double seconds_of(const coordinator *c, int chain) {
    return c->chains->n == 1 ? uwc_now() - c->start : c->spent[chain];
}

static uwc_status fill_event(const coordinator *c, uwc_json *event, int chain, int unit, uint64_t hash, const uwc_outcome *outcome) {
    UWC_TRY(uwc_json_set_string(event, "event", "unit"));
    UWC_TRY(uwc_json_set_int(event, "unit", unit));
    UWC_TRY(uwc_sched__json_set_hash(event, "hash", hash));
    UWC_TRY(uwc_json_set_real(event, "unit_seconds", outcome->seconds));
    UWC_TRY(outcome->members > 1 ? uwc_json_set_int(event, "members", outcome->members) : UWC_OK);
    UWC_TRY(uwc_json_set_string(event, "phase", uwc_phase_name(UWC_PHASE_SOLVE)));
    return uwc_json_set_real(event, "seconds", seconds_of(c, chain));
}

static uwc_status record_unit(const coordinator *c, int chain, int unit, const uwc_outcome *outcome) {
    uwc_json *event = uwc_json_object();
    uwc_status st = fill_event(c, event, chain, unit, uwc_hash(UWC_HASH_INIT, outcome->image, outcome->bytes), outcome);
    if (st != UWC_OK) {
        uwc_json_release(&event);
        return st;
    }
    return uwc_sched__record(c->chains->run[chain], event);
}

static void learn_rate(coordinator *c, int task, const uwc_outcome *outcome) {
    const double work = uwc_sched__team_cost(&c->cost[task], outcome->members > 1 ? outcome->members : 1);
    c->work_done += work_of(c, task);
    c->rate = work > 0 && outcome->seconds / work > c->rate ? outcome->seconds / work : c->rate;
}

static uwc_status publish(void *self, int task, const uwc_outcome *outcome) {
    coordinator *c = self;
    int unit, chain = uwc_sched__chain_of(c->chains, task, &unit);
    char *path;
    uwc_unit_result *result = NULL;
    UWC_TRY(uwc_sched__unit_path(c->chains->run[chain], unit, &path));
    uwc_status st = uwc_sched__unit_parse(path, outcome->image, outcome->bytes, &result);
    if (st == UWC_OK) {
        st = uwc_file_write(path, outcome->image, outcome->bytes);
    }
    if (st == UWC_OK) {
        c->spent[chain] += outcome->seconds;
        st = record_unit(c, chain, unit, outcome);
    }
    if (st == UWC_OK) {
        learn_rate(c, task, outcome);
        show(c, task, result, outcome->seconds);
    }
    uwc_unit_result_destroy(&result);
    uwc_free(&path);
    return st;
}

static uwc_status record_failure(void *self, int task, const uwc_error *error) {
    coordinator *c = self;
    int unit;
    uwc_run *run = run_of(c, task, &unit);
    c->given_up = c->given_up.status == UWC_OK ? *error : c->given_up;
    show(c, task, NULL, 0);
    uwc_json *event = uwc_json_object();
    uwc_status st = uwc_json_set_string(event, "event", "failed");
    if (st == UWC_OK) {
        st = uwc_json_set_int(event, "unit", unit);
    }
    if (st == UWC_OK) {
        st = uwc_json_set_string(event, "error", error->text);
    }
    if (st != UWC_OK) {
        uwc_json_release(&event);
        return st;
    }
    return uwc_sched__record(run, event);
}

/* ---- files of units where ranks share none -------------------------------------------------------------------------------------- */

static int64_t count_files(void *self, int task, int rank) {
    const coordinator *c = self;
    (void)rank;
    int unit;
    const uwc_plan *plan = run_of(c, task, &unit)->plan;
    const uwc_unit *at = &plan->partition->unit[unit];
    int64_t shards = 0, files = 0;
    for (int shard = 0; shard < UWC_SHARDS; shard++) {
        shards += uwc_sched__shard_images(plan, shard) > 0;
    }
    for (int i = 0; i < at->n_inputs; i++) {
        files += uwc_sched__reads_quantized(plan, unit, at->input[i]) ? 2 * shards : shards;
    }
    return files;
}

static uwc_status send_files(void *self, int task, int rank) {
    const coordinator *c = self;
    int unit, chain = uwc_sched__chain_of(c->chains, task, &unit);
    const uwc_run *run = c->chains->run[chain];
    const uwc_unit *at = &run->plan->partition->unit[unit];
    for (int i = 0; i < at->n_inputs; i++) {
        for (int shard = 0; shard < UWC_SHARDS; shard++) {
            const uwc_shard_name name = {.chain = chain, .value = at->input[i], .shard = shard};
            if (uwc_sched__shard_images(run->plan, shard) == 0) {
                continue;
            }
            UWC_TRY(uwc_sched__send_shard(run->comm, rank, c->chains->cache[chain], name));
            if (uwc_sched__reads_quantized(run->plan, unit, at->input[i])) {
                uwc_shard_name quantized = name;
                quantized.quantized = true;
                UWC_TRY(uwc_sched__send_shard(run->comm, rank, c->chains->cache[chain], quantized));
            }
        }
    }
    return UWC_OK;
}

static uwc_status take_file(void *self, const uwc_frame *frame) {
    const coordinator *c = self;
    int64_t chain = uwc_sched__frame_chain(frame);
    UWC_CHECK(chain >= 0 && chain < c->chains->n, UWC_E_COMM, "rank %d sent a file of chain %lld", frame->peer, (long long)chain);
    return uwc_sched__store_shard(c->chains->run[chain]->plan, c->chains->cache[chain], frame);
}

/* ---- the whole
 * ------------------------------------------------------------------------------------------------------------------------------- */

/* Seconds after which a unit is taken from a rank: far beyond what its cost lets expect. */
static double limit_of(void *self, int task) {
    const double least = 30, slack = 10, slower_than_float = 10;
    const coordinator *c = self;
    int unit;
    const uwc_run *run = run_of(c, task, &unit);
    const double rate = c->rate > 0 ? c->rate : slower_than_float * uwc_sched__float_rate(run);
    return run->settings.unit_deadline > 0 ? run->settings.unit_deadline : least + slack * rate * work_of(c, task);
}

/* How many ranks may work on a unit together; some units have no room on fewer than so many. */
static uwc_status share(coordinator *c, const uwc_run *run, int unit, int task) {
    const int size = uwc_comm_size(run->comm), needed = run->plan->memory.unit[unit].members, fixed = run->settings.team;
    UWC_CHECK(needed == 1 || needed < size, UWC_E_CONFIG,
              "unit %s needs a team of %d ranks beside rank 0 to stay within run.memory_limit, there are %d",
              run->plan->partition->unit[unit].name, needed, size - 1);
    const int least = fixed > needed ? fixed : needed, worth = uwc_sched__team_most(&c->cost[task], UWC_SHARDS);
    uwc_sched__scheduler_team(c->farm.scheduler, task, least, fixed > 0 || worth < least ? least : worth);
    return UWC_OK;
}

static bool reads_floats_alone(const uwc_plan *plan, int unit) {
    const uwc_unit *at = &plan->partition->unit[unit];
    for (int i = 0; i < at->n_inputs; i++) {
        if (uwc_sched__reads_quantized(plan, unit, at->input[i])) {
            return false;
        }
    }
    return true;
}

/* Who has solved a unit goes on with the same one of the next chain that reads the same inputs: its memo has what they share. */
static void add_sisters(coordinator *c, int chain) {
    const uwc_run *run = c->chains->run[chain], *next = run;
    int other = chain + 1;
    for (; other < c->chains->n; other++) {
        next = c->chains->run[other];
        if (run->captured != NULL && next->captured != NULL && strcmp(run->captured, next->captured) == 0 &&
            run->plan->partition->n_units == next->plan->partition->n_units) {
            break;
        }
    }
    for (int u = 0; u < run->plan->partition->n_units && other < c->chains->n; u++) {
        if (reads_floats_alone(run->plan, u) && reads_floats_alone(next->plan, u)) {
            uwc_sched__scheduler_sister(c->farm.scheduler, c->chains->first[chain] + u, c->chains->first[other] + u);
        }
    }
}

static uwc_status add_chain(coordinator *c, int chain) {
    const uwc_run *run = c->chains->run[chain];
    const int first = c->chains->first[chain], units = run->plan->partition->n_units;
    bool *done;
    add_sisters(c, chain);
    for (int u = 0; u < units; u++) {
        const uwc_unit *unit = &run->plan->partition->unit[u];
        UWC_TRY(share(c, run, u, first + u));
        for (int i = 0; i < unit->n_inputs; i++) {
            if (uwc_sched__reads_quantized(run->plan, u, unit->input[i])) {
                UWC_TRY(uwc_sched__scheduler_depend(c->farm.scheduler, first + u, first + run->plan->maker[unit->input[i]]));
            }
        }
    }
    UWC_TRY(uwc_calloc(units, sizeof *done, &done));
    uwc_status st = uwc_sched__find_done(run, c->chains->cache[chain], done);
    for (int u = 0; u < units && st == UWC_OK; u++) {
        if (done[u]) {
            uwc_sched__scheduler_preset(c->farm.scheduler, first + u);
        }
    }
    uwc_free(&done);
    return st;
}

static uwc_status prepare(coordinator *c) {
    double *work = NULL;
    uwc_status st;
    UWC_TRY(uwc_calloc(c->chains->n, sizeof *c->spent, &c->spent));
    UWC_TRY(uwc_calloc(c->total, sizeof *c->cost, &c->cost));
    UWC_TRY(uwc_calloc(c->total, sizeof *work, &work));
    for (int t = 0; t < c->total; t++) {
        int unit;
        const uwc_run *run = run_of(c, t, &unit);
        uwc_sched__unit_cost(run->plan, &run->settings, unit, &c->cost[t]);
        work[t] = work_of(c, t);
    }
    st = uwc_sched__scheduler_create(c->total, work, uwc_comm_size(c->farm.hand.comm), &c->farm.scheduler);
    for (int chain = 0; chain < c->chains->n && st == UWC_OK; chain++) {
        st = add_chain(c, chain);
    }
    uwc_free(&work);
    return st;
}

static uwc_status verdict(const coordinator *c, uwc_status st) {
    int unsolved = c->total - uwc_sched__scheduler_count(c->farm.scheduler, UWC_TASK_DONE);
    UWC_TRY(st);
    UWC_CHECK(unsolved == 0, UWC_E_UNITS, "%d of %d units are not solved: %s", unsolved, c->total,
              c->given_up.status != UWC_OK ? c->given_up.text : "no worker is left");
    return UWC_OK;
}

/* Books the seconds of chains that were worked on. */
static uwc_status record_chains(const coordinator *c) {
    for (int chain = 0; chain < c->chains->n; chain++) {
        if (c->spent[chain] > 0) {
            UWC_TRY(uwc_sched__record_phase(c->chains->run[chain], UWC_PHASE_SOLVE, seconds_of(c, chain)));
        }
    }
    return UWC_OK;
}

static uwc_status perform(uwc_hand *hand, const uwc_assignment *assignment, uwc_outcome *out) {
    const coordinator *c = hand->self;
    return uwc_sched__solve_task(c->chains, hand, assignment, out);
}

uwc_status uwc_sched__coordinator_open(const uwc_chains *chains, uwc_coordinator **out) {
    uwc_run *run = chains->run[0];
    coordinator *c;
    *out = NULL;
    UWC_TRY(uwc_calloc(1, sizeof *c, &c));
    *c = (coordinator){.chains = chains, .start = uwc_now(), .total = chains->first[chains->n]};
    c->farm = (uwc_farm){.hand = {.comm = run->comm, .hooks = &run->hooks, .self = c, .perform = perform},
                         .log = run->log,
                         .name = name_of,
                         .limit = limit_of,
                         .files = count_files,
                         .ship = run->settings.message ? send_files : NULL,
                         .file = take_file,
                         .solved = publish,
                         .given_up = record_failure,
                         .n_tasks = c->total};
    uwc_status st = prepare(c);
    *out = c;
    if (st != UWC_OK) {
        uwc_sched__coordinator_close(out);
    }
    return st;
}

uwc_status uwc_sched__coordinate(uwc_coordinator *c) {
    uwc_run *run = c->chains->run[0];
    show(c, -1, NULL, 0);
    uwc_status st = verdict(c, uwc_sched__lead(&c->farm));
    uwc_error error = *uwc_error_last();
    run->peak = c->farm.peak > run->peak ? c->farm.peak : run->peak;
    uwc_status booked = record_chains(c);
    return st == UWC_OK ? booked : uwc_error_restore(&error);
}

void uwc_sched__coordinator_close(uwc_coordinator **out) {
    if (*out != NULL) {
        uwc_sched__scheduler_destroy(&(*out)->farm.scheduler);
        uwc_free(&(*out)->spent);
        uwc_free(&(*out)->cost);
        uwc_free(out);
    }
}
