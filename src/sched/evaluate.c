/* Evaluate: model.onnx read back and compared with the float network; and any ONNX file on a data set. */
#include "sched_impl.h"

#include <stdlib.h>
#include <string.h>

/* The file's bytes from rank 0 on every rank, as a network. Collective. */
static uwc_status share_model(uwc_comm *comm, const char *path, uwc_graph **out, size_t *bytes) {
    char *data = NULL, *folder = NULL;
    *bytes = 0;
    *out = NULL;
    uwc_status st = UWC_OK;
    if (uwc_comm_rank(comm) == 0) {
        st = uwc_file_read(path, &data, bytes);
    }
    st = uwc_comm_agree(comm, st);
    if (st == UWC_OK) {
        st = uwc_comm_broadcast_buffer(comm, 0, &data, bytes);
    }
    if (st == UWC_OK) {
        uwc_status mine = uwc_path_folder(path, &folder);
        if (mine == UWC_OK) {
            mine = uwc_error_note(uwc_onnx_parse(data, *bytes, folder, out), "%s", path);
        }
        st = uwc_comm_agree(comm, mine);
    }
    uwc_free(&data);
    uwc_free(&folder);
    if (st != UWC_OK) {
        uwc_graph_destroy(out);
    }
    return st;
}

/* ---- the phase ------------------------------------------------------------------------------------------------------------------------
 */

/* Collective. */
static uwc_status evaluate(uwc_run *run, const char *model, const uwc_graph *quantized, uwc_score *score, int64_t *left_out) {
    const char *data = uwc_config_string(run->config, "data.evaluation");
    uwc_trial trial = {.comm = run->comm,
                       .hooks = &run->hooks,
                       .log = run->log,
                       .network = run->plan->graph,
                       .quantized = quantized,
                       .model = model,
                       .ship = run->settings.message,
                       .kept = run->settings.message ? NULL : run->captured,
                       .data = data,
                       .preprocess = &run->preprocess,
                       .batch = run->plan->batch,
                       .backend = run->settings.recon.backend,
                       .threads = run->settings.threads,
                       .skip = run->settings.skip,
                       .deadline = run->settings.unit_deadline};
    uwc_bad_images bad = {0};
    uwc_status st = data == NULL ? UWC_OK : uwc_sched__try_networks(&trial, score, &bad, &run->peak);
    *left_out = bad.count;
    if (st == UWC_OK && bad.count > 0 && uwc_comm_rank(run->comm) == 0) {
        uwc_sched__name_bad(run->log, "data.evaluation", &bad);
        st = uwc_sched__record_bad(run, "evaluation", &bad);
    }
    uwc_sched__bad_images_free(&bad);
    return uwc_comm_agree(run->comm, st);
}

/* Rank 0. */
static uwc_status read_model(const char *path, uwc_graph **out) {
    uwc_status st = uwc_onnx_read(path, out);
    return st == UWC_E_NOTFOUND ? uwc_error_note(UWC_E_STATE, "the phase assemble comes first") : st;
}

uwc_status uwc_phase_evaluate(uwc_run *run) {
    uwc_graph *quantized = NULL;
    uwc_score score = {0};
    char *path;
    int64_t left_out = 0;
    UWC_TRY(uwc_sched__plan_load(run, false));
    const bool first = uwc_comm_rank(run->comm) == 0;
    const double start = uwc_now();
    uwc_comm_set_patience(run->comm, run->settings.patience);
    uwc_status st = uwc_sched__path(run, "model.onnx", &path);
    if (st == UWC_OK && first) {
        st = read_model(path, &quantized);
    }
    st = uwc_comm_agree(run->comm, st);
    if (st == UWC_OK) {
        st = evaluate(run, path, quantized, &score, &left_out);
    }
    if (st == UWC_OK && first) {
        st = uwc_sched__record_phase(run, UWC_PHASE_EVALUATE, uwc_now() - start);
        if (st == UWC_OK) {
            st = uwc_sched__write_metrics(run, quantized, &score, left_out);
        }
    }
    uwc_graph_destroy(&quantized);
    uwc_free(&path);
    return uwc_comm_agree(run->comm, st);
}

/* ---- any model --------------------------------------------------------------------------------------------------------------------------
 */

static uwc_status fill(uwc_json *out, const char *model, size_t bytes, const uwc_score *score, int64_t bad, double seconds) {
    UWC_TRY(uwc_json_set_string(out, "model", model));
    UWC_TRY(uwc_json_set_int(out, "images", score->images));
    UWC_TRY(uwc_json_set_int(out, "bad_images", bad));
    UWC_TRY(uwc_json_set_int(out, "labelled", score->labelled));
    if (score->labelled > 0) {
        UWC_TRY(uwc_json_set_real(out, "top1", (double)score->float_top1 / (double)score->labelled));
        UWC_TRY(uwc_json_set_real(out, "top5", (double)score->float_top5 / (double)score->labelled));
    }
    UWC_TRY(uwc_json_set_int(out, "bytes", (int64_t)bytes));
    return uwc_json_set_real(out, "seconds", seconds);
}

static uwc_status configure(const uwc_config *config, uwc_settings *settings, uwc_preprocess *preprocess) {
    UWC_CHECK(uwc_config_string(config, "data.evaluation") != NULL, UWC_E_CONFIG, "data.evaluation is not set");
    UWC_TRY(uwc_preprocess_read(config, preprocess));
    uwc_sched__settings(config, settings);
    UWC_TRY(uwc_ops_limit_isa(uwc_config_string(config, "run.isa")));
    uwc_ops_set_threads(settings->threads);
    return UWC_OK;
}

uwc_status uwc_evaluate_model(uwc_comm *comm, const uwc_config *config, const char *model, const uwc_log *log, const uwc_hooks *hooks,
                              uwc_json **out) {
    uwc_graph *graph = NULL;
    uwc_settings settings;
    uwc_preprocess preprocess;
    uwc_score score;
    uwc_bad_images bad = {0};
    size_t bytes;
    int64_t peak = 0;
    double start = uwc_now();
    *out = NULL;
    UWC_TRY(uwc_comm_tighten(comm));
    uwc_status st = uwc_comm_agree(comm, configure(config, &settings, &preprocess));
    if (st == UWC_OK) {
        st = share_model(comm, model, &graph, &bytes);
    }
    if (st == UWC_OK) {
        uwc_trial trial = {.comm = comm,
                           .hooks = hooks,
                           .log = log,
                           .network = graph,
                           .data = uwc_config_string(config, "data.evaluation"),
                           .preprocess = &preprocess,
                           .backend = settings.recon.backend,
                           .threads = settings.threads,
                           .skip = settings.skip,
                           .deadline = settings.unit_deadline};
        st = uwc_sched__try_networks(&trial, &score, &bad, &peak);
    }
    if (st == UWC_OK && uwc_comm_rank(comm) == 0) {
        uwc_sched__name_bad(log, "data.evaluation", &bad);
        *out = uwc_json_object();
        st = fill(*out, model, bytes, &score, bad.count, uwc_now() - start);
    }
    st = uwc_comm_agree(comm, st);
    if (st != UWC_OK) {
        uwc_json_release(out);
    }
    uwc_sched__bad_images_free(&bad);
    uwc_graph_destroy(&graph);
    return st;
}
