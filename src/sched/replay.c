/* What runs took, for the simulated machine: units with the seconds of their journals, or estimates, and what they depend on and send. */
#include "sched_impl.h"

#include "simulate.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Measured on one machine (docs/scaling.md). */
#define SECONDS_PER_MULTIPLY_ADD 25e-12 /* of a forward pass, one thread; where nothing is measured yet */
static const uwc_sim_prices prices = {.message = 1e-5, .byte = 2.5e-9, .publish = 8.5e-3};

enum { UNIT_FILE_BYTES = 4096 }; /* beside the integers */

/* What the journal says of a unit. */
typedef struct solved {
    double seconds; /* -1: nothing */
    int64_t members;
} solved;

typedef struct replay {
    const uwc_hooks *hooks;
    uwc_sim_load load;
    solved *solved; /* [n_tasks]; the seconds of the tasks themselves are multiply-adds until all runs are read */
    int64_t capacity;
    int runs, measured;
    bool message;
} replay;

/* ---- one run ------------------------------------------------------------------------------------------------------------------------- */

static double file_bytes(const uwc_run *run, int unit) {
    struct stat file;
    char *path;
    if (uwc_sched__unit_path(run, unit, &path) != UWC_OK) {
        return 0;
    }
    bool there = stat(path, &file) == 0;
    uwc_free(&path);
    return there ? (double)file.st_size : UNIT_FILE_BYTES + (double)run->plan->partition->unit[unit].parameters;
}

/* Activations travel with `transport: message` alone. */
static void weigh_messages(const uwc_run *run, int unit, uwc_sim_task *task) {
    const uwc_plan *plan = run->plan;
    const uwc_unit *at = &plan->partition->unit[unit];
    task->out_bytes = file_bytes(run, unit);
    for (int i = 0; i < at->n_inputs && run->settings.message; i++) {
        double bytes = (double)uwc_sched__value_bytes(plan, run->settings.cache, at->input[i]);
        task->in_bytes += uwc_sched__reads_quantized(plan, unit, at->input[i]) ? 2 * bytes : bytes;
    }
    for (int i = 0; i < at->n_outputs && run->settings.message; i++) {
        if (uwc_sched__is_wanted(plan, unit, at->output[i])) {
            task->out_bytes += (double)uwc_sched__value_bytes(plan, run->settings.cache, at->output[i]);
        }
    }
}

/* Takes `out` as it is where the unit has not been solved. */
static uwc_status read_solved(const uwc_json *event, const char *name, solved *out) {
    if (event == NULL) {
        return UWC_OK;
    }
    UWC_TRY(uwc_json_get_real(event, "unit_seconds", &out->seconds));
    UWC_CHECK(out->seconds >= 0, UWC_E_FORMAT, "unit %s took %g s", name, out->seconds);
    if (uwc_json_find(event, "members") != NULL) {
        UWC_TRY(uwc_json_get_int(event, "members", &out->members));
        UWC_CHECK(out->members >= 1 && out->members <= UWC_SHARDS, UWC_E_FORMAT, "unit %s had %lld ranks", name, (long long)out->members);
    }
    return UWC_OK;
}

static uwc_status add_unit(replay *r, const uwc_run *run, int unit, int first) {
    const uwc_unit *at = &run->plan->partition->unit[unit];
    uwc_unit_cost cost;
    uwc_sched__unit_cost(run->plan, &run->settings, unit, &cost);
    uwc_sim_task task = {.seconds = cost, .most = uwc_sched__team_most(&cost, UWC_SHARDS)};
    weigh_messages(run, unit, &task);
    UWC_TRY(uwc_sched__sim_add(&r->load, &task));
    UWC_TRY(uwc_grow(&r->solved, &r->capacity, r->load.n_tasks, sizeof *r->solved));
    solved *known = &r->solved[r->load.n_tasks - 1];
    *known = (solved){.seconds = -1, .members = 1};
    UWC_TRY(read_solved(uwc_sched__find_event(run, "unit", "unit", unit), at->name, known));
    r->measured += known->seconds >= 0;
    for (int i = 0; i < at->n_inputs; i++) {
        if (uwc_sched__reads_quantized(run->plan, unit, at->input[i])) {
            UWC_TRY(uwc_sched__sim_depend(&r->load, first + run->plan->maker[at->input[i]]));
        }
    }
    return UWC_OK;
}

static uwc_status add_run(replay *r, const char *folder) {
    uwc_run *run;
    if (r->hooks != NULL && r->hooks->poll != NULL) {
        UWC_TRY(r->hooks->poll(r->hooks->self));
    }
    UWC_TRY(uwc_sched__run_view(folder, &run));
    uwc_status st = UWC_OK;
    const int first = r->load.n_tasks;
    for (int u = 0; u < run->plan->partition->n_units && st == UWC_OK; u++) {
        st = add_unit(r, run, u, first);
    }
    r->runs++;
    r->message = r->message || run->settings.message;
    uwc_run_close(&run);
    return uwc_error_note(st, "%s", folder);
}

/* ---- all runs of a folder ------------------------------------------------------------------------------------------------------------ */

static bool is_planned(const char *folder) {
    char *path;
    if (uwc_path_join(folder, "plan.json", &path) != UWC_OK) {
        return false;
    }
    bool there = uwc_file_exists(path);
    uwc_free(&path);
    return there;
}

static uwc_status add_runs(replay *r, const char *folder) {
    struct dirent **entry;
    uwc_status st = UWC_OK;
    if (is_planned(folder)) {
        return add_run(r, folder);
    }
    int n = scandir(folder, &entry, NULL, alphasort);
    UWC_CHECK(n >= 0, UWC_E_NOTFOUND, "%s is no run directory", folder);
    for (int i = 0; i < n; i++) {
        char *path = NULL;
        if (st == UWC_OK && entry[i]->d_name[0] != '.') {
            st = uwc_path_join(folder, entry[i]->d_name, &path);
        }
        if (st == UWC_OK && path != NULL && is_planned(path)) {
            st = add_run(r, path);
        }
        uwc_free(&path);
        free(entry[i]);
    }
    free(entry);
    UWC_TRY(st);
    UWC_CHECK(r->runs > 0, UWC_E_NOTFOUND, "%s holds no run that is planned", folder);
    return UWC_OK;
}

/* Measured units take what they took, of which a team has shared a part; others what they are estimated at, at the rate of the measured
 * ones. Returns that rate. */
static double set_seconds(replay *r) {
    double work = 0, seconds = 0;
    for (int t = 0; t < r->load.n_tasks; t++) {
        const solved *known = &r->solved[t];
        work += known->seconds >= 0 ? uwc_sched__team_cost(&r->load.task[t].seconds, (int)known->members) : 0;
        seconds += known->seconds >= 0 ? known->seconds : 0;
    }
    const double rate = work > 0 && seconds > 0 ? seconds / work : SECONDS_PER_MULTIPLY_ADD;
    for (int t = 0; t < r->load.n_tasks; t++) {
        const solved *known = &r->solved[t];
        uwc_recon_work *work_of = &r->load.task[t].seconds;
        const double one = uwc_sched__team_cost(work_of, (int)known->members); /* of a member */
        const double own = known->seconds >= 0 && one > 0 ? known->seconds / one : rate;
        work_of->shared *= own;
        work_of->by_four *= own;
        work_of->alone *= own;
        work_of->exchange *= own;
    }
    return rate;
}

/* ---- the answer ---------------------------------------------------------------------------------------------------------------------- */

static const char *const bound_name[UWC_BOUNDS] = {"chain", "workers", "coordinator"};

typedef struct member {
    const char *name;
    double number;
} member;

static uwc_status set_numbers(uwc_json *object, const member *list, int n) {
    for (int i = 0; i < n; i++) {
        UWC_TRY(uwc_json_set_real(object, list[i].name, list[i].number));
    }
    return UWC_OK;
}

static uwc_status describe(const uwc_sim_result *result, int ranks, double work, uwc_json *row) {
    const double workers = ranks > 1 ? ranks - 1 : 1, seconds = result->seconds;
    const member numbers[] = {{"seconds", seconds},
                              {"speedup", seconds > 0 ? work / seconds : 1},
                              {"efficiency", seconds > 0 ? result->busy / (workers * seconds) : 1},
                              {"coordinator", seconds > 0 ? result->coordinator / seconds : 0},
                              {"bytes", result->bytes}};
    uwc_json *bounds = uwc_json_object();
    UWC_TRY(uwc_json_set(row, "bounds", bounds)); /* borrowed from here on */
    for (int b = 0; b < UWC_BOUNDS; b++) {
        UWC_TRY(uwc_json_set_real(bounds, bound_name[b], result->bound[b]));
    }
    UWC_TRY(uwc_json_set_int(row, "ranks", ranks));
    UWC_TRY(set_numbers(row, numbers, (int)(sizeof numbers / sizeof numbers[0])));
    return uwc_json_set_string(row, "bottleneck", bound_name[result->bottleneck]);
}

static uwc_status add_rows(const replay *r, const int *ranks, int n, double work, uwc_json *rows) {
    for (int i = 0; i < n; i++) {
        uwc_sim_result result;
        UWC_TRY(uwc_sched__simulate(&r->load, &prices, ranks[i], &result));
        uwc_json *row = uwc_json_object();
        UWC_TRY(uwc_json_append(rows, row)); /* borrowed from here on */
        UWC_TRY(describe(&result, ranks[i], work, row));
    }
    return UWC_OK;
}

static uwc_status answer(replay *r, const int *ranks, int n, uwc_json *out) {
    uwc_json *rows = uwc_json_array(), *costs = uwc_json_object();
    uwc_status st = uwc_json_set(out, "ranks", rows), st_costs = uwc_json_set(out, "prices", costs); /* borrowed from here on */
    const double rate = set_seconds(r);
    double work = 0;
    UWC_TRY(st);
    UWC_TRY(st_costs);
    for (int t = 0; t < r->load.n_tasks; t++) {
        work += uwc_sched__team_cost(&r->load.task[t].seconds, 1);
    }
    const member own[] = {{"estimated_rate", 1 / rate}, {"work_seconds", work}};
    const member price[] = {{"message", prices.message}, {"byte", prices.byte}, {"publish", prices.publish}};
    UWC_TRY(uwc_json_set_int(out, "runs", r->runs));
    UWC_TRY(uwc_json_set_int(out, "units", r->load.n_tasks));
    UWC_TRY(uwc_json_set_int(out, "measured", r->measured));
    UWC_TRY(uwc_json_set_string(out, "transport", r->message ? "message" : "shared"));
    UWC_TRY(set_numbers(out, own, 2));
    UWC_TRY(set_numbers(costs, price, 3));
    return add_rows(r, ranks, n, work, rows);
}

uwc_status uwc_run_simulate(const char *folder, const int *ranks, int n, const uwc_hooks *hooks, uwc_json **out) {
    replay r = {.hooks = hooks};
    *out = NULL;
    uwc_status st = add_runs(&r, folder);
    if (st == UWC_OK) {
        *out = uwc_json_object();
        st = answer(&r, ranks, n, *out);
    }
    if (st != UWC_OK) {
        uwc_json_release(out);
    }
    uwc_sched__sim_clear(&r.load);
    uwc_free(&r.solved);
    return st;
}
