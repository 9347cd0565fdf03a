/* Assemble: the results of all units into the planned network, written as ONNX. */
#include "sched_impl.h"

static uwc_status apply_units(const uwc_run *run, uwc_graph *graph) {
    for (int u = 0; u < run->plan->partition->n_units; u++) {
        uwc_unit_result *result;
        uwc_status st = uwc_sched__read_unit(run, u, &result, NULL);
        if (st == UWC_E_NOTFOUND) {
            st = uwc_error_note(UWC_E_STATE, "the phase solve comes first");
        }
        UWC_TRY(st);
        st = uwc_unit_result_apply(result, graph);
        uwc_unit_result_destroy(&result);
        UWC_TRY(uwc_error_note(st, "unit %s", run->plan->partition->unit[u].name));
    }
    return UWC_OK;
}

/* Rank 0. */
static uwc_status assemble(const uwc_run *run) {
    uwc_graph *graph;
    char *path = NULL, *bytes = NULL;
    size_t size;
    UWC_TRY(uwc_graph_copy(run->plan->graph, &graph));
    uwc_status st;
    UWC_TRY_GOTO(st, apply_units(run, graph), done);
    UWC_TRY_GOTO(st, uwc_onnx_serialize(graph, &bytes, &size), done);
    UWC_TRY_GOTO(st, uwc_sched__path(run, "model.onnx", &path), done);
    st = uwc_file_write(path, bytes, size);
done:
    uwc_free(&path);
    uwc_free(&bytes);
    uwc_graph_destroy(&graph);
    return st;
}

uwc_status uwc_phase_assemble(uwc_run *run) {
    UWC_TRY(uwc_sched__plan_load(run, false));
    double start = uwc_now();
    uwc_sched__progress(run, &(uwc_progress){.phase = UWC_PHASE_ASSEMBLE, .total = 1, .seconds_left = -1});
    uwc_status st = uwc_comm_rank(run->comm) == 0 ? assemble(run) : UWC_OK;
    double seconds = uwc_now() - start;
    if (st == UWC_OK) {
        st = uwc_sched__record_phase(run, UWC_PHASE_ASSEMBLE, seconds);
    }
    uwc_sched__progress(run, &(uwc_progress){.phase = UWC_PHASE_ASSEMBLE, .done = st == UWC_OK, .total = 1, .seconds = seconds});
    return uwc_comm_agree(run->comm, st);
}
