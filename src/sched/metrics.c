/* metrics.json: what a run has reached and what it cost (docs/formats/run_directory.md). Absent members were not measured. */
#include "sched_impl.h"

#include <string.h>
#include <sys/stat.h>

static uwc_status set_seconds(const uwc_run *run, uwc_json *out) {
    double total = 0, seconds[UWC_PHASE_COUNT];
    uwc_json *object = uwc_json_object();
    UWC_TRY(uwc_json_set(out, "seconds", object)); /* borrowed from here on */
    for (int phase = 0; phase < UWC_PHASE_COUNT; phase++) {
        seconds[phase] = uwc_sched__phase_seconds(run, (uwc_phase)phase);
        if (seconds[phase] >= 0) {
            UWC_TRY(uwc_json_set_real(object, uwc_phase_name((uwc_phase)phase), seconds[phase]));
            total += seconds[phase];
        }
    }
    UWC_TRY(uwc_json_set_real(object, "total", total));
    const uwc_json *event = uwc_sched__find_event(run, "float_forward", NULL, 0);
    double pass;
    if (event == NULL) {
        return UWC_OK;
    }
    UWC_TRY(uwc_json_get_real(event, "seconds", &pass));
    UWC_TRY(uwc_json_set_real(object, "float_forward", pass));
    bool measured = seconds[UWC_PHASE_CAPTURE] >= 0 && seconds[UWC_PHASE_SOLVE] >= 0 && pass > 0;
    return measured ? uwc_json_set_real(out, "cost_forward_passes", (seconds[UWC_PHASE_CAPTURE] + seconds[UWC_PHASE_SOLVE]) / pass)
                    : UWC_OK;
}

static uwc_status set_accuracy(uwc_json *out, const char *key, int64_t top1, int64_t top5, int64_t labelled) {
    uwc_json *object = uwc_json_object();
    UWC_TRY(uwc_json_set(out, key, object)); /* borrowed from here on */
    UWC_TRY(uwc_json_set_real(object, "top1", (double)top1 / (double)labelled));
    return uwc_json_set_real(object, "top5", (double)top5 / (double)labelled);
}

static uwc_status set_score(const uwc_score *score, uwc_json *out) {
    if (score->images == 0) {
        return UWC_OK;
    }
    UWC_TRY(uwc_json_set_int(out, "images", score->images));
    if (score->labelled > 0) {
        UWC_TRY(set_accuracy(out, "float", score->float_top1, score->float_top5, score->labelled));
        UWC_TRY(set_accuracy(out, "quantized", score->quantized_top1, score->quantized_top5, score->labelled));
    }
    UWC_TRY(uwc_json_set_real(out, "agreement", (double)score->agree / (double)score->images));
    return uwc_json_set_real(out, "logit_nmse", uwc_score_logit_nmse(score));
}

/* Images that were left out; none is an answer too, as all were decoded. */
static uwc_status set_bad(const uwc_run *run, const uwc_score *score, int64_t bad, uwc_json *out) {
    uwc_json *object = uwc_json_object();
    UWC_TRY(uwc_json_set(out, "bad_images", object)); /* borrowed from here on */
    UWC_TRY(uwc_json_set_int(object, "calibration", run->plan->n_bad));
    return score->images > 0 ? uwc_json_set_int(object, "evaluation", bad) : UWC_OK;
}

static int64_t file_bytes(const char *path) {
    struct stat info;
    return path != NULL && stat(path, &info) == 0 ? (int64_t)info.st_size : 0;
}

static uwc_status set_bytes(const uwc_run *run, const uwc_graph *quantized, uwc_json *out) {
    uwc_graph_sizes sizes;
    char *path;
    uwc_json *object = uwc_json_object();
    UWC_TRY(uwc_json_set(out, "bytes", object)); /* borrowed from here on */
    uwc_graph_measure(quantized, &sizes);
    int64_t model = file_bytes(uwc_config_string(run->config, "model"));
    UWC_TRY(uwc_json_set_int(object, "float", model > sizes.bytes_float ? model : sizes.bytes_float)); /* weights may lie beside the file */
    UWC_TRY(uwc_sched__path(run, "model.onnx", &path));
    int64_t bytes = file_bytes(path);
    uwc_free(&path);
    UWC_TRY(uwc_json_set_int(object, "quantized", bytes));
    return uwc_json_set_int(object, "packed", sizes.bytes_packed);
}

static uwc_status set_layers(const uwc_plan *plan, const uwc_unit *unit, uwc_json *out) {
    uwc_json *list = uwc_json_array();
    UWC_TRY(uwc_json_set(out, "layers", list)); /* borrowed from here on */
    for (int i = 0; i < unit->n_nodes; i++) {
        const uwc_node *node = &plan->graph->node[unit->node[i]];
        if (uwc_op_is_weighted(node->op.kind)) {
            UWC_TRY(uwc_json_append_string(list, node->name));
        }
    }
    return UWC_OK;
}

static uwc_status set_unit(const uwc_run *run, int index, uwc_json *out) {
    uwc_unit_result *result;
    double seconds;
    UWC_TRY(uwc_sched__read_unit(run, index, &result, &seconds));
    double before = result->nmse_before, after = result->nmse_after;
    uwc_unit_result_destroy(&result);
    const uwc_unit *unit = &run->plan->partition->unit[index];
    UWC_TRY(uwc_json_set_string(out, "name", unit->name));
    UWC_TRY(set_layers(run->plan, unit, out));
    UWC_TRY(uwc_json_set_real(out, "nmse_before", before));
    UWC_TRY(uwc_json_set_real(out, "nmse_after", after));
    return uwc_json_set_real(out, "seconds", seconds);
}

static uwc_status set_units(const uwc_run *run, uwc_json *out) {
    uwc_json *list = uwc_json_array();
    UWC_TRY(uwc_json_set(out, "units", list)); /* borrowed from here on */
    for (int u = 0; u < run->plan->partition->n_units; u++) {
        uwc_json *entry = uwc_json_object();
        UWC_TRY(uwc_json_append(list, entry));
        UWC_TRY(set_unit(run, u, entry));
    }
    return UWC_OK;
}

static uwc_status fill(const uwc_run *run, const uwc_graph *quantized, const uwc_score *score, int64_t bad, uwc_json *out) {
    uwc_json *config;
    UWC_TRY(uwc_json_set_string(out, "model", uwc_config_string(run->config, "model")));
    UWC_TRY(uwc_config_json(run->config, &config));
    UWC_TRY(uwc_json_set(out, "config", config));
    UWC_TRY(uwc_json_set_int(out, "ranks", uwc_comm_size(run->comm)));
    UWC_TRY(uwc_json_set_int(out, "threads", run->settings.threads));
    UWC_TRY(uwc_json_set_int(out, "peak_rss_bytes", run->peak > uwc_peak_rss() ? run->peak : uwc_peak_rss()));
    UWC_TRY(set_score(score, out));
    UWC_TRY(set_bad(run, score, bad, out));
    UWC_TRY(set_seconds(run, out));
    UWC_TRY(set_bytes(run, quantized, out));
    return set_units(run, out);
}

uwc_status uwc_sched__write_metrics(const uwc_run *run, const uwc_graph *quantized, const uwc_score *score, int64_t bad) {
    char *path;
    UWC_TRY(uwc_sched__path(run, "metrics.json", &path));
    uwc_json *out = uwc_json_object();
    uwc_status st = fill(run, quantized, score, bad, out);
    if (st == UWC_OK) {
        st = uwc_json_write(path, out);
    }
    uwc_json_release(&out);
    uwc_free(&path);
    return st;
}
