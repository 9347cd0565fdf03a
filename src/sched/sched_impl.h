/* What the sources of sched share. The scheduler has a header of its own. */
#ifndef UWC_SCHED_IMPL_H
#define UWC_SCHED_IMPL_H

#include "farm.h"

#include <uwc/onnx.h>
#include <uwc/recon.h>
#include <uwc/sched.h>

/* ---- the folder of a run ------------------------------------------------------------------------------------------------------ */

/* Opens path (made if absent) and holds a lock on it, waiting at most `seconds` for another owner. *file: to be closed. Errors: STATE, IO.
 */
uwc_status uwc_sched__lock(const char *path, double seconds, int *file) UWC_MUST_USE;
/* other = a name in the folder that is not in the list `known` (which NULL ends), "" if there is none. */
uwc_status uwc_sched__folder_other(const char *folder, const char *const *known, char *other, size_t size) UWC_MUST_USE;
/* Removes a folder with all that is in it, as far as possible. */
void uwc_sched__folder_remove(const char *folder);
/* *out = a new private folder under $TMPDIR (default /tmp), owned by the caller; *lock: to be closed with it, says that it is in use. */
uwc_status uwc_sched__folder_scratch(char **out, int *lock) UWC_MUST_USE;
/* Removes such folders of this user whose owners were killed. */
void uwc_sched__scratch_sweep(void);

/* ---- journal: what has been done, one checked line per event (docs/formats/journal.md) -------------------------------------------- */

typedef struct uwc_journal uwc_journal;

/* Opens or begins the file. *events (an array, owned by the caller) holds what is in it; a torn last line is cut off. Errors: FORMAT. */
uwc_status uwc_sched__journal_open(const char *path, uwc_journal **out, uwc_json **events) UWC_MUST_USE;
/* The events of a file that may be in use. Errors: FORMAT, NOTFOUND. */
uwc_status uwc_sched__journal_read(const char *path, uwc_json **events) UWC_MUST_USE;
/* Adds an event (an object, adopted, also on failure); on disk when this returns. */
uwc_status uwc_sched__journal_append(uwc_journal *journal, uwc_json *event) UWC_MUST_USE;
void uwc_sched__journal_close(uwc_journal **journal);

/* ---- JSON ---------------------------------------------------------------------------------------------------------------------------- */

/* The member at a dotted path, or NULL. Borrowed. */
const uwc_json *uwc_sched__json_at(const uwc_json *object, const char *dotted);
/* Whether two values (NULL: absent) print alike. */
uwc_status uwc_sched__json_same(const uwc_json *a, const uwc_json *b, bool *same) UWC_MUST_USE;
/* Hashes are members of 16 hexadecimal digits. */
uwc_status uwc_sched__json_set_hash(uwc_json *object, const char *key, uint64_t hash) UWC_MUST_USE;
uwc_status uwc_sched__json_get_hash(const uwc_json *object, const char *key, uint64_t *hash) UWC_MUST_USE;

/* ---- settings: the configuration in the form that lower floors take --------------------------------------------------------------- */

typedef enum uwc_input_rule { UWC_INPUT_PREFIX, UWC_INPUT_FLOAT, UWC_INPUT_SEGMENTS } uwc_input_rule;

typedef struct uwc_settings {
    uwc_bits bits;
    uwc_recon_options recon;
    uwc_input_rule input;
    int segments, max_layers, threads;
    bool curvature; /* units that interact strongly are joined */
    int64_t samples;
    bool skip;            /* images that cannot be used */
    bool message;         /* transport */
    uwc_dtype cache;      /* F32 or F16 */
    double unit_deadline; /* seconds, 0: from the plan's cost */
    double patience;      /* seconds */
    int team;             /* ranks that work on a unit together, 0: chosen */
    int64_t memory_limit; /* bytes of a rank */
} uwc_settings;

void uwc_sched__settings(const uwc_config *config, uwc_settings *out);

/* ---- plan: the network of a run and its units, the same on every rank (docs/formats/run_directory.md) ------------------------------- */

/* What a unit takes on the rank that solves it. */
typedef struct uwc_unit_need {
    int64_t bytes;              /* of the rank */
    int64_t batch, batch_bytes; /* images per batch, and as uwc_recon_options has it */
    int layer;                  /* node that needs most, -1: none */
    int64_t layer_bytes;        /* beside what the unit needs anyway */
    int64_t could_spread;       /* as uwc_recon_need has it */
    int members;                /* of the smallest team whose members have room for it, 1: no team is needed */
    bool spreads;               /* a layer is spread over the team */
} uwc_unit_need;

/* Upper bounds of the memory of a rank, bytes, by phase; assembly takes less than evaluation. */
typedef struct uwc_memory {
    int64_t plan, capture, solve, evaluate;
    uwc_unit_need *unit; /* [n_units] */
} uwc_memory;

typedef struct uwc_plan {
    uwc_graph *graph; /* float weights, bits assigned */
    uwc_partition *partition;
    int *segment;  /* [n_units] */
    int *maker;    /* [n_values] unit that makes the value, -1: none */
    int *boundary; /* values that are inputs of units, ascending */
    int n_boundary;
    int64_t images, batch; /* calibration images; images per batch of the whole network */
    int64_t *bad;          /* [n_bad] numbers of calibration images that are left out, ascending */
    int64_t n_bad;
    uint64_t graph_hash;
    uwc_memory memory;
} uwc_plan;

/* From a serialized float network. Local. */
uwc_status uwc_sched__plan_create(const void *bytes, size_t size, const uwc_settings *settings, uwc_plan **out) UWC_MUST_USE;
void uwc_sched__plan_destroy(uwc_plan **plan);
/* Cuts the network anew: units end with the n listed nodes. */
uwc_status uwc_sched__plan_cut(uwc_plan *plan, const int *last, int n, const uwc_settings *settings) UWC_MUST_USE;
/* The last node of each unit, owned by the caller. */
uwc_status uwc_sched__plan_cuts(const uwc_partition *partition, int **last) UWC_MUST_USE;
/* With units.rule: curvature, joins the units of run->plan that interact strongly: as plan.json has it, else measured by rank 0 on the
 * calibration images. Collective. */
uwc_status uwc_sched__join_units(uwc_run *run) UWC_MUST_USE;
/* The same from plan.json alone. Local. */
uwc_status uwc_sched__recall_units(uwc_run *run) UWC_MUST_USE;
/* Fills plan->memory and plan->batch: batches are as small as settings->memory_limit needs them, if it can be kept at all. */
uwc_status uwc_sched__measure(uwc_plan *plan, const uwc_settings *settings) UWC_MUST_USE;
/* Errors: CONFIG with the unit and layer, or the phase, that does not fit, and both numbers. Units that need a team have it. */
uwc_status uwc_sched__check_memory(const uwc_plan *plan, int64_t limit) UWC_MUST_USE;
/* Bytes of the activations of one value. */
int64_t uwc_sched__value_bytes(const uwc_plan *plan, uwc_dtype dtype, int value);
/* Bytes of all activations of the run, or of those that are not in `cache` (NULL: all). */
int64_t uwc_sched__cache_bytes(const uwc_plan *plan, uwc_dtype dtype, const uwc_cache *cache);
/* Errors: IO where the disk that holds `folder` has less room. */
uwc_status uwc_sched__check_space(const char *folder, int64_t bytes) UWC_MUST_USE;
/* Runs of about equal work: segment[u] in [0, segments). */
void uwc_sched__segments(const uwc_partition *partition, const uwc_settings *settings, int *segment);
/* Whether `unit` reads `value` as the quantized network has it, and whether a later unit does so. */
bool uwc_sched__reads_quantized(const uwc_plan *plan, int unit, int value);
bool uwc_sched__is_wanted(const uwc_plan *plan, int unit, int value);
/* What plan.json holds. */
uwc_status uwc_sched__plan_json(const uwc_plan *plan, const uwc_run *run, uint64_t data_hash, uwc_json **out) UWC_MUST_USE;
/* Makes run->plan on every rank, if it is not there; without `fresh`, plan.json must be there. Collective. */
uwc_status uwc_sched__plan_load(uwc_run *run, bool fresh) UWC_MUST_USE;

/* Makes run->plan as plan.json has it, without ranks and without looking at images. Errors: STATE (another model). Local. */
uwc_status uwc_sched__plan_view(uwc_run *run) UWC_MUST_USE;

/* ---- what units cost, and what teams are worth ------------------------------------------------------------------------------------- */

typedef uwc_recon_work uwc_unit_cost;

/* Estimate for a unit of a plan, multiply-adds. Local. */
void uwc_sched__unit_cost(const uwc_plan *plan, const uwc_settings *settings, int unit, uwc_unit_cost *out);
/* What each member of a team has to do. Local. */
double uwc_sched__team_cost(const uwc_unit_cost *cost, int members);
/* The largest team, a power of two of at most UWC_SHARDS and `limit` members, up to which every doubling saves 15 % of the time. Local. */
int uwc_sched__team_most(const uwc_unit_cost *cost, int limit);

/* ---- images that cannot be used, and the batches that a rank reads ------------------------------------------------------------- */

typedef struct uwc_bad_image {
    int64_t image;
    char why[UWC_ERROR_TEXT]; /* its name and what is wrong with it */
} uwc_bad_image;

typedef struct uwc_bad_images {
    uwc_bad_image *entry; /* [count], ascending */
    int64_t count, capacity;
} uwc_bad_images;

/* A data set that is looked through. */
typedef struct uwc_survey {
    uwc_comm *comm; /* NULL: this process alone */
    const uwc_hooks *hooks;
    const char *data;
    const uwc_preprocess *preprocess;
    uwc_shape shape; /* what images must come out as, [1,C,H,W]; rank 0: as the first that can be used (without ranks only) */
    int64_t samples; /* stops when so many can be used; 0: looks at all */
} uwc_survey;

/* *out = those that cannot be used, the same on every rank and with every number of ranks; ranks share the work. Collective. */
uwc_status uwc_sched__survey(const uwc_survey *survey, uwc_bad_images *out) UWC_MUST_USE;
void uwc_sched__bad_images_free(uwc_bad_images *list);
/* Numbers alone, owned by the caller. */
uwc_status uwc_sched__bad_numbers(const uwc_bad_images *list, int64_t **out) UWC_MUST_USE;
/* A line for each of the first ones and one for their count, where there are any. */
void uwc_sched__name_bad(const uwc_log *log, const char *data, const uwc_bad_images *list);
/* Adds "bad_images" of data set `data` ("calibration", "evaluation") to the journal. Rank 0. */
uwc_status uwc_sched__record_bad(uwc_run *run, const char *data, const uwc_bad_images *list) UWC_MUST_USE;
/* With data.on_bad_image: skip, plan->bad := what plan.json says, else what the survey finds. Collective. */
uwc_status uwc_sched__choose_images(uwc_run *run) UWC_MUST_USE;

/* The numbers that plan.json holds, owned by the caller; *found = false where there is no plan yet. Rank 0. */
uwc_status uwc_sched__recall_bad(const uwc_run *run, int64_t **numbers, int64_t *n, bool *found) UWC_MUST_USE;

/* The batches of the shards rank, rank + size, ... (of all without `comm`; with `wanted`: of those that are marked), in order. *out is
 * owned by the caller. */
uwc_status uwc_sched__spans(const uwc_comm *comm, int64_t images, int64_t batch, const uint8_t *wanted, uwc_span **out,
                            int *n) UWC_MUST_USE;

/* ---- run ------------------------------------------------------------------------------------------------------------------------------
 */

struct uwc_run {
    uwc_comm *comm;
    const uwc_config *config; /* borrowed, or `owned` */
    uwc_config *owned;
    uwc_settings settings;
    uwc_preprocess preprocess;
    const uwc_log *log;
    uwc_hooks hooks;
    char *folder;
    int lock;             /* rank 0, else -1 */
    uwc_journal *journal; /* rank 0 */
    uwc_json *events;     /* rank 0: what the journal held when the run was opened, and what was added since */
    uwc_plan *plan;       /* NULL before uwc_sched__plan_load */
    char *captured;       /* folder of float activations that several runs share, NULL: they are in the run's own cache */
    int64_t peak;         /* rank 0: resident bytes of the largest rank so far */
};

/* *out = path of a file of the run, owned by the caller. */
uwc_status uwc_sched__path(const uwc_run *run, const char *name, char **out) UWC_MUST_USE;
/* A run to look at, with its plan and events: nothing is locked or written, and others may work on it. It has no ranks. Local. */
uwc_status uwc_sched__run_view(const char *folder, uwc_run **out) UWC_MUST_USE;
/* Adds an event (adopted, also on failure) to the journal and to run->events. Rank 0. */
uwc_status uwc_sched__record(uwc_run *run, uwc_json *event) UWC_MUST_USE;
/* Writes config.json from the configuration in use. Rank 0. */
uwc_status uwc_sched__write_config(const uwc_run *run) UWC_MUST_USE;
/* Adds "session": what follows belongs to this start of the program. Rank 0. */
uwc_status uwc_sched__record_session(uwc_run *run) UWC_MUST_USE;
/* Adds "phase" (done after so many seconds of this session) or "elapsed" (still in it). Rank 0; nothing elsewhere. */
uwc_status uwc_sched__record_phase(uwc_run *run, uwc_phase phase, double seconds) UWC_MUST_USE;
uwc_status uwc_sched__record_elapsed(uwc_run *run, uwc_phase phase, double seconds) UWC_MUST_USE;
/* Seconds that the sessions of this run spent in a phase: capture and solve go on where they stopped, so theirs add up; of the others the
 * last one counts. < 0: never. Rank 0. */
double uwc_sched__phase_seconds(const uwc_run *run, uwc_phase phase);
/* The last event of a kind (with member `key` equal to `value` where key is not NULL), or NULL. Borrowed. Rank 0. */
const uwc_json *uwc_sched__find_event(const uwc_run *run, const char *kind, const char *key, int64_t value);
/* Rank 0 measures one warm float pass over the calibration images, once per run; the others do nothing. */
uwc_status uwc_sched__time_float(uwc_run *run) UWC_MUST_USE;
/* Seconds of that pass per multiply-add; 0 where there was none. Rank 0. */
double uwc_sched__float_rate(const uwc_run *run);
uwc_status uwc_sched__poll(const uwc_run *run) UWC_MUST_USE;
void uwc_sched__progress(const uwc_run *run, const uwc_progress *progress);

/* ---- activations at boundaries ----------------------------------------------------------------------------------------------------------
 */

/* Key of a value's cache files: "f012" of the float network, "q012" of the quantized one. */
typedef struct uwc_cache_key {
    char text[16];
} uwc_cache_key;
uwc_cache_key uwc_sched__key(int value, bool quantized);
/* Whether all shards that hold images are there. */
bool uwc_sched__cached(const uwc_plan *plan, const uwc_cache *cache, int value, bool quantized);
/* *count images of the plan in a shard. */
int64_t uwc_sched__shard_images(const uwc_plan *plan, int shard);

/* One unit between the cache and its reconstruction. */
typedef struct uwc_unit_stream {
    uwc_stream stream; /* for uwc_recon_unit */
    uwc_graph *graph;  /* the unit */
    const uwc_plan *plan;
    uwc_cache *cache;
    int unit;
    int *input;                /* [graph->n_inputs] values of the plan's graph */
    int *output;               /* [graph->n_outputs] likewise, -1: nobody wants it */
    uwc_cache_writer **writer; /* [graph->n_outputs] of the shard in work */
    int64_t *written;          /* [graph->n_outputs] images */
    int64_t first, count;      /* images that are written here: all of them, or those of a member of a team */
    uwc_status (*poll)(void *self);
    void *poll_self;
    uwc_status (*combine)(void *talk, double *sum, int64_t count); /* of a team */
    void *talk;
} uwc_unit_stream;

uwc_status uwc_sched__stream_open(const uwc_plan *plan, int unit, uwc_cache *cache, uwc_unit_stream *out) UWC_MUST_USE;
/* With stream->stream.member and .members set: the part of that member, whose sums `combine` adds. */
void uwc_sched__stream_share(uwc_unit_stream *stream, uwc_status (*combine)(void *talk, double *sum, int64_t count));
/* Checks that every wanted output is whole. */
uwc_status uwc_sched__stream_finish(const uwc_unit_stream *stream) UWC_MUST_USE;
void uwc_sched__stream_close(uwc_unit_stream *stream);

/* Float activations of calibration images as the float network makes them, for values that no cache holds. */
typedef struct uwc_float_stream {
    uwc_stream stream; /* for the functions of recon */
    const uwc_graph *network;
    const int *input; /* borrowed: the values of the network that the unit reads */
    uwc_dataset *data;
    uwc_exec *exec;
    uwc_tensor *batch; /* of the network's input */
} uwc_float_stream;

/* For the images and the network of a plan. Local. */
uwc_status uwc_sched__float_stream_open(const uwc_run *run, uwc_float_stream *out) UWC_MUST_USE;
void uwc_sched__float_stream_close(uwc_float_stream *stream);

/* ---- unit files (docs/formats/unit.md)
 * ----------------------------------------------------------------------------------------------------- */

/* *image = the file's bytes, owned by the caller. */
uwc_status uwc_sched__unit_image(const uwc_unit_result *result, char **image, size_t *bytes) UWC_MUST_USE;
/* `name` is for messages. Errors: FORMAT. */
uwc_status uwc_sched__unit_parse(const char *name, const char *image, size_t bytes, uwc_unit_result **out) UWC_MUST_USE;
/* *out = "units/012.h5" of the run, owned by the caller. */
uwc_status uwc_sched__unit_path(const uwc_run *run, int unit, char **out) UWC_MUST_USE;

/* ---- files in messages (docs/formats/protocol.md) ------------------------------------------------------------------------------- */

/* One shard of a value, in a run of several. */
typedef struct uwc_shard_name {
    int chain, value;
    bool quantized;
    int shard;
} uwc_shard_name;

/* Ships one shard of the cache in FILE frames, or stores what such a frame carries (its numbers are checked against the plan). */
uwc_status uwc_sched__send_shard(uwc_comm *comm, int peer, uwc_cache *cache, uwc_shard_name name) UWC_MUST_USE;
/* Whether a FILE frame is the last one of its file, and the chain that it belongs to. */
bool uwc_sched__ends_shard(const uwc_frame *frame);
int64_t uwc_sched__frame_chain(const uwc_frame *frame);
uwc_status uwc_sched__store_shard(const uwc_plan *plan, uwc_cache *cache, const uwc_frame *frame) UWC_MUST_USE;

/* A cache in a private folder that goes with it. */
typedef struct uwc_scratch {
    char *folder; /* NULL: closed */
    int lock;
    uwc_cache *cache;
} uwc_scratch;
uwc_status uwc_sched__scratch_open(uwc_dtype dtype, uwc_scratch *out) UWC_MUST_USE;
void uwc_sched__scratch_close(uwc_scratch *scratch);

/* Rank 0 of a phase in which every rank works on shards: takes the others' frames until all have said BYE. */
typedef struct uwc_shard_monitor {
    uwc_run *run;
    uwc_phase phase;
    uwc_cache *cache; /* where FILE frames go */
    int64_t done, total;
    int byes;
    double start;
} uwc_shard_monitor;
/* What has come so far; does not wait. */
uwc_status uwc_sched__monitor_poll(uwc_shard_monitor *monitor) UWC_MUST_USE;
/* Until the last BYE, also when `st` is a failure; returns the first failure. */
uwc_status uwc_sched__monitor_finish(uwc_shard_monitor *monitor, uwc_status st) UWC_MUST_USE;
/* This rank has finished a shard: tells rank 0, or counts it on rank 0. */
uwc_status uwc_sched__monitor_shard(uwc_shard_monitor *monitor, int shard) UWC_MUST_USE;

/* ---- solving
 * ------------------------------------------------------------------------------------------------------------------------------------ */

/* Runs that are solved together: the units of each are a chain of tasks in one farm. */
typedef struct uwc_chains {
    uwc_run *const *run; /* [n], all on one communicator */
    uwc_cache **cache;   /* [n] of rank 0, NULL elsewhere */
    int n;
    int *first;     /* [n + 1] task of unit 0 */
    uwc_memo *memo; /* of this rank, for what units of several chains have in common; NULL: one chain, or no memory is left for it */
} uwc_chains;

/* The chain that a task belongs to, and its unit there. */
int uwc_sched__chain_of(const uwc_chains *chains, int task, int *unit);
/* The part of this rank in solving a unit. Local, or with the other members of the team. */
uwc_status uwc_sched__solve_task(const uwc_chains *chains, uwc_hand *hand, const uwc_assignment *assignment, uwc_outcome *out) UWC_MUST_USE;

/* The team of an assignment, of this rank alone too; its waits end when the coordinator says so. To be destroyed by the caller. Local. */
uwc_status uwc_sched__team_open(uwc_hand *hand, const uwc_assignment *assignment, uwc_team **out) UWC_MUST_USE;
/* Makes `stream` that of a member; `grid` is of the same team. Local. */
void uwc_sched__team_join(uwc_team *team, const uwc_grid *grid, uwc_unit_stream *stream);
/* Returns when all members are here. */
uwc_status uwc_sched__team_meet(uwc_team *team) UWC_MUST_USE;

/* Rank 0, with other ranks or alone: gives out units until all are done or given up. */
typedef struct uwc_coordinator uwc_coordinator;
uwc_status uwc_sched__coordinator_open(const uwc_chains *chains, uwc_coordinator **out) UWC_MUST_USE;
uwc_status uwc_sched__coordinate(uwc_coordinator *coordinator) UWC_MUST_USE;
void uwc_sched__coordinator_close(uwc_coordinator **coordinator);
/* Whether the journal has every unit. Rank 0. */
bool uwc_sched__has_all_units(const uwc_run *run);
/* Solves runs together; leaves the communicator loose. Collective. */
uwc_status uwc_sched__solve(uwc_run *const *runs, int n) UWC_MUST_USE;
/* done[u]: solved by an earlier session and not needed again for activations that are missing. Rank 0. */
uwc_status uwc_sched__find_done(const uwc_run *run, const uwc_cache *cache, bool *done) UWC_MUST_USE;
/* The file of a solved unit; NOTFOUND if it is not there as the journal has it. *seconds (may be NULL): of its reconstruction. Rank 0. */
uwc_status uwc_sched__read_unit(const uwc_run *run, int unit, uwc_unit_result **out, double *seconds) UWC_MUST_USE;
/* The run's cache, and the one that float activations go to. */
uwc_status uwc_sched__cache_open(const uwc_run *run, uwc_cache **out) UWC_MUST_USE;
uwc_status uwc_sched__captured_open(const uwc_run *run, uwc_cache **out) UWC_MUST_USE;

/* ---- evaluation
 * ------------------------------------------------------------------------------------------------------------------------------------ */

/* A network, and a quantized one beside it (or NULL), on all images of a data set. */
typedef struct uwc_trial {
    uwc_comm *comm;
    const uwc_hooks *hooks;
    const uwc_log *log;
    const uwc_graph *network, *quantized; /* quantized: on rank 0 at least */
    const char *model;                    /* file of the quantized network, NULL: none */
    bool ship;                            /* ranks share no files: they get it in a message */
    const char *kept;                     /* folder in which the float logits are kept for further trials, NULL: nowhere */
    const char *data;
    const uwc_preprocess *preprocess;
    uwc_backend backend;
    int64_t batch;   /* images, at most 64; 0: from the network alone */
    int threads;     /* that decode images */
    bool skip;       /* images that cannot be used */
    double deadline; /* seconds of a shard, 0: from those that are done */
} uwc_trial;

/* Ranks count the shards that rank 0 gives them; *total on rank 0, summed in the order of shards. *bad on rank 0: images that were left
 * out, to be freed by the caller, also after an error. *peak on rank 0: raised to the bytes of the largest rank. Leaves the communicator
 * loose. Collective. */
uwc_status uwc_sched__try_networks(const uwc_trial *trial, uwc_score *total, uwc_bad_images *bad, int64_t *peak) UWC_MUST_USE;
/* Writes metrics.json. `score`: of `bad` images fewer than there were; without images where nothing was evaluated. Rank 0. */
uwc_status uwc_sched__write_metrics(const uwc_run *run, const uwc_graph *quantized, const uwc_score *score, int64_t bad) UWC_MUST_USE;

#endif
