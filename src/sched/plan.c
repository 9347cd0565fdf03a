/* The network of a run, cut into units and segments. Every rank derives it from the same bytes. */
#include "sched_impl.h"

#include <string.h>

void uwc_sched__segments(const uwc_partition *partition, const uwc_settings *settings, int *segment) {
    int runs = settings->input == UWC_INPUT_PREFIX ? 1 : settings->segments;
    double total = 0, before = 0;
    for (int u = 0; u < partition->n_units; u++) {
        total += partition->unit[u].work;
    }
    for (int u = 0; u < partition->n_units; u++) {
        double middle = before + partition->unit[u].work / 2;
        int at = total > 0 ? (int)(middle / total * runs) : 0;
        segment[u] = settings->input == UWC_INPUT_FLOAT ? u : at < runs ? at : runs - 1;
        before += partition->unit[u].work;
    }
}

bool uwc_sched__reads_quantized(const uwc_plan *plan, int unit, int value) {
    int maker = plan->maker[value];
    return maker >= 0 && plan->segment[maker] == plan->segment[unit];
}

bool uwc_sched__is_wanted(const uwc_plan *plan, int unit, int value) {
    for (int u = unit + 1; u < plan->partition->n_units; u++) {
        const uwc_unit *at = &plan->partition->unit[u];
        for (int i = 0; i < at->n_inputs; i++) {
            if (at->input[i] == value && plan->segment[u] == plan->segment[unit]) {
                return true;
            }
        }
    }
    return false;
}

static uwc_status check_network(const uwc_graph *graph) {
    UWC_CHECK(graph->n_inputs == 1, UWC_E_UNSUPPORTED, "the network has %d inputs, not one", graph->n_inputs);
    UWC_CHECK(graph->value[graph->input[0]].shape.rank == 4, UWC_E_UNSUPPORTED, "input %s is no batch of images [N,C,H,W]",
              graph->value[graph->input[0]].name);
    int weighted = 0;
    for (int i = 0; i < graph->n_nodes; i++) {
        UWC_CHECK(graph->node[i].quantized == NULL, UWC_E_UNSUPPORTED, "node %s has quantized weights already", graph->node[i].name);
        weighted += uwc_op_is_weighted(graph->node[i].op.kind);
    }
    UWC_CHECK(weighted > 0, UWC_E_UNSUPPORTED, "the network has no Conv, Gemm or MatMul to quantize");
    return UWC_OK;
}

static uwc_status find_boundary(uwc_plan *plan) {
    const uwc_graph *graph = plan->graph;
    bool *crossed;
    UWC_TRY(uwc_calloc(graph->n_values, sizeof *plan->boundary, &plan->boundary));
    UWC_TRY(uwc_calloc(graph->n_values, sizeof *crossed, &crossed));
    for (int u = 0; u < plan->partition->n_units; u++) {
        const uwc_unit *unit = &plan->partition->unit[u];
        for (int i = 0; i < unit->n_inputs; i++) {
            crossed[unit->input[i]] = true;
        }
    }
    for (int v = 0; v < graph->n_values; v++) {
        if (crossed[v]) {
            plan->boundary[plan->n_boundary++] = v;
        }
    }
    uwc_free(&crossed);
    return UWC_OK;
}

static uwc_status find_makers(uwc_plan *plan) {
    UWC_TRY(uwc_calloc(plan->graph->n_values, sizeof *plan->maker, &plan->maker));
    for (int v = 0; v < plan->graph->n_values; v++) {
        plan->maker[v] = -1;
    }
    for (int u = 0; u < plan->partition->n_units; u++) {
        const uwc_unit *unit = &plan->partition->unit[u];
        for (int i = 0; i < unit->n_nodes; i++) {
            plan->maker[plan->graph->node[unit->node[i]].out] = u;
        }
    }
    return UWC_OK;
}

/* The partition knows the work of the closed form; descent comes on top of it or takes its place. */
static void weigh_units(uwc_partition *partition, const uwc_settings *settings) {
    for (int u = 0; u < partition->n_units; u++) {
        uwc_unit *unit = &partition->unit[u];
        double work = uwc_recon_learning_work(&settings->recon, &settings->bits, settings->samples, unit->multiply_adds);
        unit->work = settings->recon.method == UWC_METHOD_SECOND_ORDER ? unit->work + work : work > 0 ? work : unit->work;
    }
}

/* What follows from the units. */
static uwc_status describe_units(uwc_plan *plan, const uwc_settings *settings) {
    weigh_units(plan->partition, settings);
    UWC_TRY(uwc_calloc(plan->partition->n_units, sizeof *plan->segment, &plan->segment));
    uwc_sched__segments(plan->partition, settings, plan->segment);
    UWC_TRY(find_makers(plan));
    UWC_TRY(find_boundary(plan));
    return uwc_sched__measure(plan, settings);
}

static uwc_status fill(uwc_plan *plan, const void *bytes, size_t size, const uwc_settings *settings) {
    UWC_TRY(uwc_onnx_parse(bytes, size, NULL, &plan->graph));
    UWC_TRY(check_network(plan->graph));
    UWC_TRY(uwc_graph_hash(plan->graph, &plan->graph_hash));
    UWC_TRY(uwc_graph_assign_bits(plan->graph, &settings->bits));
    plan->images = settings->samples;
    UWC_TRY(uwc_partition_create(plan->graph, settings->max_layers, &plan->partition));
    return describe_units(plan, settings);
}

uwc_status uwc_sched__plan_create(const void *bytes, size_t size, const uwc_settings *settings, uwc_plan **out) {
    *out = NULL;
    uwc_plan *plan;
    UWC_TRY(uwc_calloc(1, sizeof *plan, &plan));
    uwc_status st = fill(plan, bytes, size, settings);
    if (st != UWC_OK) {
        uwc_sched__plan_destroy(&plan);
    }
    *out = plan;
    return st;
}

static void drop_units(uwc_plan *plan) {
    uwc_partition_destroy(&plan->partition);
    uwc_free(&plan->segment);
    uwc_free(&plan->maker);
    uwc_free(&plan->boundary);
    uwc_free(&plan->memory.unit);
    plan->n_boundary = 0;
}

uwc_status uwc_sched__plan_cut(uwc_plan *plan, const int *last, int n, const uwc_settings *settings) {
    drop_units(plan);
    UWC_TRY(uwc_partition_create_cut(plan->graph, last, n, &plan->partition));
    return describe_units(plan, settings);
}

uwc_status uwc_sched__plan_cuts(const uwc_partition *partition, int **last) {
    UWC_TRY(uwc_calloc(partition->n_units, sizeof **last, last));
    for (int u = 0; u < partition->n_units; u++) {
        (*last)[u] = partition->unit[u].node[partition->unit[u].n_nodes - 1];
    }
    return UWC_OK;
}

void uwc_sched__plan_destroy(uwc_plan **plan) {
    if (*plan == NULL) {
        return;
    }
    drop_units(*plan);
    uwc_graph_destroy(&(*plan)->graph);
    uwc_free(&(*plan)->bad);
    uwc_free(plan);
}
