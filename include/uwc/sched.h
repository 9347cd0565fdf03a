/* sched: a calibration run from its configuration to its metrics: plan, capture, solve, assemble, evaluate. Floor 6; uses all below.
 *
 * The run directory is the interface between the phases: config.json, plan.json, cache/, units/NNN.h5, journal.jsonl, model.onnx,
 * metrics.json (docs/formats). Rank 0 owns it; with `run.transport: shared` the other ranks read and write its cache, with `message` they
 * see frames only. Every rank makes the same calls in the same order and every call ends with one outcome for all ranks.
 */
#ifndef UWC_SCHED_H
#define UWC_SCHED_H

#include <uwc/config.h>
#include <uwc/eval.h>
#include <uwc/graph.h>
#include <uwc/par.h>
#include <uwc/store.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum uwc_phase {
    UWC_PHASE_PLAN,
    UWC_PHASE_CAPTURE,
    UWC_PHASE_SOLVE,
    UWC_PHASE_ASSEMBLE,
    UWC_PHASE_EVALUATE,
    UWC_PHASE_COUNT
} uwc_phase;

/* "plan", "capture", ...; static storage. Local. */
const char *uwc_phase_name(uwc_phase phase);

/* What rank 0 tells while a phase runs. */
typedef struct uwc_progress {
    uwc_phase phase;
    int64_t done, total;            /* units (solve), shards (capture, evaluate), 0 or 1 of 1 (others) */
    double seconds;                 /* since the phase began */
    double seconds_left;            /* estimate; < 0: unknown */
    const char *unit;               /* the unit that has just been solved or given up, NULL: none; borrowed */
    bool failed;                    /* `unit` was given up */
    double nmse_before, nmse_after; /* of `unit` */
    double unit_seconds;            /* of `unit` */
} uwc_progress;

/* Calls back into the program; members may be NULL. */
typedef struct uwc_hooks {
    void *self;
    /* Every rank, now and then. Another status than OK (recorded) ends the phase with it; E_INTERRUPTED leaves the run resumable. */
    uwc_status (*poll)(void *self);
    /* Rank 0: at the beginning, at every step and at the end of a phase. */
    void (*progress)(void *self, const uwc_progress *progress);
} uwc_hooks;

/* A run directory with its configuration and ranks. */
typedef struct uwc_run uwc_run;

/* Takes possession of `folder`: makes it, locks it (a second owner waits for up to 60 s), writes config.json. `config`, `log` and `hooks`
 * (may be NULL) are borrowed until the run is closed; on other ranks than 0 the configuration must be the same. With `resume` a planned
 * folder is continued, a missing or unplanned one starts fresh. Errors: STATE (locked by another; not empty and no `resume`; another
 * configuration, naming the key that differs), IO. Collective. */
uwc_status uwc_run_open(uwc_comm *comm, const uwc_config *config, const char *folder, bool resume, const uwc_log *log,
                        const uwc_hooks *hooks, uwc_run **out) UWC_MUST_USE;
/* An existing run directory with the configuration that it holds, for single phases. Errors: NOTFOUND, STATE (locked), FORMAT. Collective.
 */
uwc_status uwc_run_reopen(uwc_comm *comm, const char *folder, const uwc_log *log, const uwc_hooks *hooks, uwc_run **out) UWC_MUST_USE;
/* Frees the run and its lock; NULL inside is fine. Local. */
void uwc_run_close(uwc_run **run);
const char *uwc_run_folder(const uwc_run *run);
const uwc_config *uwc_run_config(const uwc_run *run);

/* The phases. From solve on ranks may die: rank 0 goes on with the others (uwc_comm_loosen). Each needs the ones before it (Errors: STATE
 * otherwise), leaves alone what is done already and gives the same bytes when repeated. All Collective. */

/* model -> plan.json: units, segments, bits, hashes. On a planned run: compares. Errors: STATE (another model, data or instruction set). */
uwc_status uwc_phase_plan(uwc_run *run) UWC_MUST_USE;
/* calibration images -> cache/: the float activations at unit boundaries. */
uwc_status uwc_phase_capture(uwc_run *run) UWC_MUST_USE;
/* cache/ -> units/NNN.h5, journal.jsonl. Errors: UNITS (some units were given up; the others are done), INTERRUPTED. */
uwc_status uwc_phase_solve(uwc_run *run) UWC_MUST_USE;
/* units/ -> model.onnx. */
uwc_status uwc_phase_assemble(uwc_run *run) UWC_MUST_USE;
/* model.onnx, evaluation images (if configured) -> metrics.json. */
uwc_status uwc_phase_evaluate(uwc_run *run) UWC_MUST_USE;
/* All of them in order. */
uwc_status uwc_run_all(uwc_run *run) UWC_MUST_USE;

/* The phases of n > 0 runs on one communicator, as one: runs whose float activations are the same share them in a folder under `captured`,
 * and units of all runs are given to ranks at once. `done` (every rank) is called when a run has its metrics.json; another status than OK
 * ends the whole with it. Errors: UNITS (some units were given up; the runs without such are done). Collective. */
uwc_status uwc_runs_all(uwc_run *const *runs, int n, const char *captured, uwc_status (*done)(void *self, int run),
                        void *self) UWC_MUST_USE;

/* What plan.json says of memory for a float network with bits assigned, before there is a run: an object {images, batch, unit_batch,
 * cache_bytes, memory_bytes: {plan, capture, solve, evaluate}, limit}. Errors: UNSUPPORTED (a network that cannot be calibrated). Local. */
uwc_status uwc_plan_memory(const uwc_graph *graph, const uwc_config *config, uwc_json **out) UWC_MUST_USE;

/* The second-order picture of the units of a solved run (uwc_recon_curvature), from its cache or, where that is gone, from its images. *out
 * = an object {images, probes, units: [{name, layers, nearest, result}]}, where nearest and result are {diagonal, between, total, noise,
 * measured, cancelled, terms}; a unit with an operator that has no gradient has {name, layers, unsupported} instead. Changes nothing in the
 * folder. Errors: STATE (units that are not solved), those of the files. Local. */
uwc_status uwc_run_curvature(const char *folder, uwc_json **out) UWC_MUST_USE;

/* How the phase solve would go on other numbers of ranks (docs/scaling.md): the units of a run directory, or of all runs in a sweep
 * directory, with the seconds that the journal has, or estimates, go through the scheduler on a simulated machine. *out = an object {runs,
 * units, measured, estimated_rate, work_seconds, transport, prices: {message, byte, publish}, ranks: [{ranks, seconds, speedup, efficiency,
 * coordinator, bytes, bounds: {chain, workers, coordinator}, bottleneck}]}. Changes nothing in the folder; `hooks` (may be NULL) are polled
 * between runs. Errors: NOTFOUND (nothing is planned there), those of the files. Local. */
uwc_status uwc_run_simulate(const char *folder, const int *ranks, int n, const uwc_hooks *hooks, uwc_json **out) UWC_MUST_USE;

/* Preprocessing of images as the block data.preprocess says. Local. */
uwc_status uwc_preprocess_read(const uwc_config *config, uwc_preprocess *out) UWC_MUST_USE;

/* Counts the images of data.evaluation (of `config`, as data.preprocess and run.* say) with an ONNX file, float or quantized. *out on rank
 * 0: an object {model, images, bad_images, labelled, top1, top5, bytes, seconds}, top1 and top5 only where there are labels; NULL
 * elsewhere. `log` and `hooks` may be NULL. Errors: CONFIG (no data.evaluation), those of the files. Collective. */
uwc_status uwc_evaluate_model(uwc_comm *comm, const uwc_config *config, const char *model, const uwc_log *log, const uwc_hooks *hooks,
                              uwc_json **out) UWC_MUST_USE;

/* Packs a folder of images into HDF5 as data.preprocess and data.on_bad_image of `config` say; the log has the names of images that are
 * left out. `log` and `hooks` may be NULL. Errors: those of uwc_dataset_pack. Local. */
uwc_status uwc_pack_folder(const uwc_config *config, const char *folder, const char *path, const uwc_log *log,
                           const uwc_hooks *hooks) UWC_MUST_USE;

#ifdef __cplusplus
}
#endif
#endif
