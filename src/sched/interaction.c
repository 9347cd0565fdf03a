/* units.rule: curvature. Neighbouring units whose layers interact strongly on the calibration images become one. */
#include "sched_impl.h"

#define BATCH_BYTES ((int64_t)64 << 20) /* fixed: what is measured depends on the images alone */

typedef struct measurement {
    const uwc_run *run;
    uwc_float_stream stream;
} measurement;

/* Values that nodes [split, end) make and others read. *list is owned by the caller. */
static uwc_status find_outputs(const uwc_graph *graph, int split, int end, int **list, int *n) {
    *n = 0;
    UWC_TRY(uwc_calloc(end - split, sizeof **list, list));
    for (int i = split; i < end; i++) {
        const int value = graph->node[i].out;
        int *reader, readers;
        bool leaves = false;
        UWC_TRY(uwc_graph_readers(graph, value, &reader, &readers));
        for (int k = 0; k < readers; k++) {
            leaves = leaves || reader[k] >= end;
        }
        uwc_free(&reader);
        for (int k = 0; k < graph->n_outputs; k++) {
            leaves = leaves || graph->output[k] == value;
        }
        if (leaves) {
            (*list)[(*n)++] = value;
        }
    }
    return UWC_OK;
}

static uwc_status extract(const uwc_graph *graph, int first, int split, int end, uwc_graph **out) {
    int *node, *output = NULL, outputs;
    UWC_TRY(uwc_calloc(end - first, sizeof *node, &node));
    for (int i = first; i < end; i++) {
        node[i - first] = i;
    }
    uwc_status st = find_outputs(graph, split, end, &output, &outputs);
    if (st == UWC_OK) {
        st = uwc_graph_extract(graph, node, end - first, output, outputs, out);
    }
    uwc_free(&node);
    uwc_free(&output);
    return st;
}

static uwc_status measure_unit(measurement *m, const uwc_graph *unit, int layers, double *strength) {
    const uwc_graph *network = m->run->plan->graph;
    uwc_recon_options options = m->run->settings.recon;
    uwc_curvature *curvature;
    int *input;
    options.batch_bytes = BATCH_BYTES;
    UWC_TRY(uwc_calloc(unit->n_inputs, sizeof *input, &input));
    for (int i = 0; i < unit->n_inputs; i++) {
        input[i] = uwc_graph_find_value(network, unit->value[unit->input[i]].name);
    }
    m->stream.input = input;
    uwc_status st = uwc_recon_curvature(unit, &options, &m->stream.stream, NULL, UWC_CURVATURE_IMAGES, UWC_CURVATURE_PROBES, &curvature);
    if (st == UWC_OK) {
        *strength = uwc_curvature_interaction(curvature, UWC_CHANGE_NEAREST, layers);
    }
    uwc_curvature_destroy(&curvature);
    uwc_free(&input);
    return st;
}

/* Units with an operator that has no gradient stay as they are. */
static uwc_status measure(void *self, int first, int split, int end, double *strength) {
    measurement *m = self;
    uwc_graph *unit;
    int layers = 0;
    *strength = 0;
    for (int i = first; i < split; i++) {
        layers += uwc_op_is_weighted(m->run->plan->graph->node[i].op.kind);
    }
    UWC_TRY(uwc_sched__poll(m->run));
    UWC_TRY(extract(m->run->plan->graph, first, split, end, &unit));
    uwc_status st = measure_unit(m, unit, layers, strength);
    uwc_graph_destroy(&unit);
    return st == UWC_E_UNSUPPORTED ? UWC_OK : st;
}

/* Rank 0. */
static uwc_status measure_cuts(const uwc_run *run, int **last, int *n) {
    measurement m = {.run = run};
    const uwc_interaction interaction = {&m, measure};
    uwc_partition *partition = NULL;
    UWC_TRY(uwc_sched__float_stream_open(run, &m.stream));
    uwc_status st = uwc_partition_create_merged(run->plan->graph, run->settings.max_layers, &interaction, &partition);
    if (st == UWC_OK) {
        *n = partition->n_units;
        st = uwc_sched__plan_cuts(partition, last);
    }
    uwc_partition_destroy(&partition);
    uwc_sched__float_stream_close(&m.stream);
    return st;
}

static uwc_status read_cuts(const uwc_json *plan, int **last, int *n) {
    const uwc_json *list;
    double number;
    UWC_TRY(uwc_json_get_array(plan, "cuts", &list));
    *n = (int)uwc_json_length(list);
    UWC_TRY(uwc_calloc(*n, sizeof **last, last));
    for (int i = 0; i < *n; i++) {
        UWC_TRY(uwc_json_number(uwc_json_at(list, i), &number));
        (*last)[i] = number >= 0 && number < INT32_MAX ? (int)number : -1;
    }
    return UWC_OK;
}

/* *found = false where there is no plan yet. */
static uwc_status recall_cuts(const uwc_run *run, int **last, int *n, bool *found) {
    char *path;
    uwc_json *plan = NULL;
    UWC_TRY(uwc_sched__path(run, "plan.json", &path));
    *found = uwc_file_exists(path);
    uwc_status st = *found ? uwc_json_read(path, &plan) : UWC_OK;
    if (st == UWC_OK && *found) {
        st = uwc_error_note(read_cuts(plan, last, n), "%s", path);
    }
    uwc_json_release(&plan);
    uwc_free(&path);
    return st;
}

/* Rank 0. */
static uwc_status find_cuts(const uwc_run *run, int **last, int *n) {
    bool found;
    UWC_TRY(recall_cuts(run, last, n, &found));
    return found ? UWC_OK : measure_cuts(run, last, n);
}

static uwc_status cut(uwc_run *run, const int *last, int n) {
    uwc_status st = uwc_sched__plan_cut(run->plan, last, n, &run->settings);
    return st == UWC_E_ARG ? uwc_error_note(UWC_E_FORMAT, "%s: plan.json: cuts", run->folder) : st;
}

uwc_status uwc_sched__join_units(uwc_run *run) {
    int *last = NULL, n = 0;
    uwc_status st = uwc_comm_agree(run->comm, uwc_comm_rank(run->comm) == 0 ? find_cuts(run, &last, &n) : UWC_OK);
    size_t bytes = (size_t)n * sizeof *last;
    if (st == UWC_OK) {
        st = uwc_comm_broadcast_buffer(run->comm, 0, (char **)(void *)&last, &bytes);
    }
    if (st == UWC_OK) {
        st = uwc_comm_agree(run->comm, cut(run, last, (int)(bytes / sizeof *last)));
    }
    uwc_free(&last);
    return st;
}

uwc_status uwc_sched__recall_units(uwc_run *run) {
    int *last = NULL, n = 0;
    bool found;
    uwc_status st = recall_cuts(run, &last, &n, &found);
    if (st == UWC_OK && found) {
        st = cut(run, last, n);
    }
    uwc_free(&last);
    return st;
}
