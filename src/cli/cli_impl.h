/* What the files of module cli share: the table of commands and flags, the parsed command line, a session. */
#ifndef UWC_CLI_IMPL_H
#define UWC_CLI_IMPL_H

#include <uwc/config.h>
#include <uwc/par.h>
#include <uwc/report.h>
#include <uwc/sched.h>

enum { UWC_CLI_SETS = 128 };

/* Flags that a command takes, as bits. */
typedef enum uwc_cli__flag_id {
    UWC_FLAG_OUTPUT = 1 << 0,
    UWC_FLAG_SET = 1 << 1,
    UWC_FLAG_OPS = 1 << 2,
    UWC_FLAG_RESUME = 1 << 3,
    UWC_FLAG_CONFIG = 1 << 4,
    UWC_FLAG_DATA = 1 << 5,
    UWC_FLAG_JSON = 1 << 6,
    UWC_FLAG_QUIET = 1 << 7,
    UWC_FLAG_VERBOSE = 1 << 8,
    UWC_FLAG_HELP = 1 << 9,
    UWC_FLAG_CURVATURE = 1 << 10,
    UWC_FLAG_SIMULATE = 1 << 11
} uwc_cli__flag_id;

typedef struct uwc_cli__flag {
    uwc_cli__flag_id id;
    char letter; /* 0: none */
    const char *name, *argument /* NULL: none */, *help;
} uwc_cli__flag;

typedef struct uwc_cli__session uwc_cli__session;

typedef struct uwc_cli__command {
    const char *name, *operand /* shown; NULL: none */, *help;
    unsigned flags;    /* taken */
    unsigned required; /* must be given */
    bool optional;     /* the operand may be left out */
    bool local;        /* needs no ranks: run before MPI starts, by the first rank alone */
    uwc_status (*run)(uwc_cli__session *session);
} uwc_cli__command;

typedef struct uwc_cli__arguments {
    const uwc_cli__command *command;
    const char *operand;
    unsigned given; /* flags */
    const char *output, *config, *data, *ops, *simulate;
    const char *set[UWC_CLI_SETS];
    int n_sets;
} uwc_cli__arguments;

/* A command at work. */
struct uwc_cli__session {
    const uwc_cli__arguments *arguments;
    uwc_comm *comm; /* NULL for local commands */
    uwc_log log;    /* silent on other ranks than 0 */
    FILE *out;      /* where results go; NULL on other ranks than 0 */
    uwc_display *display;
    uwc_hooks hooks;
};

/* ---- arguments.c: the command line ---- */
const uwc_cli__flag *uwc_cli__flags(int *n);
const uwc_cli__command *uwc_cli__commands(int *n);
const uwc_cli__command *uwc_cli__find_command(const char *name);
/* Errors: ARG. The strings are borrowed from argv. */
uwc_status uwc_cli__parse(int argc, char *const *argv, uwc_cli__arguments *out) UWC_MUST_USE;

/* ---- session.c ---- */
bool uwc_cli__is_first(const uwc_cli__session *session);
/* Configuration of a command: defaults, then the file (may be NULL), then --set, then --ops and --data. Read by rank 0, the same on all
 * ranks. Collective; Local without ranks. */
uwc_status uwc_cli__load_config(uwc_cli__session *session, const char *file, uwc_config **out) UWC_MUST_USE;
/* Opens the evaluation images, where there are any: what is wrong with them should not come out after hours of work. Local. */
uwc_status uwc_cli__check_evaluation(const uwc_config *config) UWC_MUST_USE;
/* *out = what rank 0 passed. Collective. */
uwc_status uwc_cli__share_flag(uwc_cli__session *session, bool *flag) UWC_MUST_USE;
/* Prints JSON on the results' stream, indented. */
uwc_status uwc_cli__print_json(uwc_cli__session *session, const uwc_json *json) UWC_MUST_USE;
/* *out = folder for the results of a configuration file: --output, or the file's name without folder and suffix. Owned by the caller. */
uwc_status uwc_cli__output_folder(const uwc_cli__session *session, const char *file, char **out) UWC_MUST_USE;
/* The figures of a finished run on rank 0: metrics.json as a table or JSON, report.html. Local. */
uwc_status uwc_cli__show_run(uwc_cli__session *session, const char *folder) UWC_MUST_USE;

/* ---- inspect_model.c, inspect_run.c, inspect_curvature.c: the kinds of `uwc inspect` ---- */
uwc_status uwc_cli__inspect_model(uwc_cli__session *session) UWC_MUST_USE;
uwc_status uwc_cli__inspect_run(uwc_cli__session *session) UWC_MUST_USE;
uwc_status uwc_cli__inspect_curvature(uwc_cli__session *session) UWC_MUST_USE;

/* ---- simulate.c: `uwc plan --simulate` ---- */
uwc_status uwc_cli__simulate(uwc_cli__session *session) UWC_MUST_USE;

/* ---- inspect_table.c ---- */
/* The units of plan.json, or of a network's JSON; state[i] (NULL: none) stands beside unit i. */
uwc_status uwc_cli__print_units(const uwc_json *plan, const char *const *state, FILE *out) UWC_MUST_USE;
uwc_status uwc_cli__print_network(const uwc_json *network, FILE *out) UWC_MUST_USE;
/* What `plan` (plan.json, or the member "memory" of a network) says of memory and disk; `limit`: run.memory_limit. */
void uwc_cli__print_memory(const uwc_json *plan, double limit, FILE *out);

/* ---- environment.c, signals.c ---- */
/* Sets what libraries read when the program is loaded, and starts the program again if that changed anything. */
void uwc_cli__prepare_environment(char **argv);
/* The rank that the launcher says this process is, 0 without one; for messages before MPI starts. */
int uwc_cli__launch_rank(void);
/* Columns of the terminal where messages end, also behind mpirun; 0: they end elsewhere. */
int uwc_cli__terminal_columns(void);
/* SIGINT and SIGTERM wait from now on, in all threads that start later. */
void uwc_cli__hold_signals(void);
/* INTERRUPTED once a signal waits. `self` is not used: the shape of uwc_hooks.poll. */
uwc_status uwc_cli__poll(void *self) UWC_MUST_USE;

/* ---- command_*.c ---- */
uwc_status uwc_cli__run(uwc_cli__session *session) UWC_MUST_USE;
uwc_status uwc_cli__phase(uwc_cli__session *session) UWC_MUST_USE;
uwc_status uwc_cli__evaluate(uwc_cli__session *session) UWC_MUST_USE;
uwc_status uwc_cli__sweep(uwc_cli__session *session) UWC_MUST_USE;
uwc_status uwc_cli__inspect(uwc_cli__session *session) UWC_MUST_USE;
uwc_status uwc_cli__pack(uwc_cli__session *session) UWC_MUST_USE;
uwc_status uwc_cli__report(uwc_cli__session *session) UWC_MUST_USE;
uwc_status uwc_cli__help(uwc_cli__session *session) UWC_MUST_USE;
/* Help on one command. */
/* docs/operators.md */
void uwc_cli__print_operators(FILE *out);
void uwc_cli__print_help(const uwc_cli__command *command, FILE *out);

/* The whole program. Returns its exit status. */
int uwc_cli_main(int argc, char **argv);

#endif
