/* The Basic-Units of a network as text. */
#ifndef UWC_TEST_ZOO_PARTITION_TEXT_H
#define UWC_TEST_ZOO_PARTITION_TEXT_H

#include <uwc/graph.h>

#include <stdio.h>

static inline void zoo_print_unit(const uwc_graph *graph, const uwc_unit *unit, FILE *to) {
    fprintf(to, "%s (%d -> %d):", unit->name, unit->n_inputs, unit->n_outputs);
    for (int i = 0; i < unit->n_nodes; i++) {
        const uwc_node *node = &graph->node[unit->node[i]];
        if (uwc_op_is_weighted(node->op.kind)) {
            fprintf(to, " %s", node->name);
        }
    }
    fputs("\n", to);
}

/* A line per unit: its name, how many values enter and leave, its layers. */
static inline uwc_status zoo_print_partition(const uwc_graph *graph, int max_layers, FILE *to) {
    uwc_partition *partition;
    UWC_TRY(uwc_partition_create(graph, max_layers, &partition));
    for (int i = 0; i < partition->n_units; i++) {
        zoo_print_unit(graph, &partition->unit[i], to);
    }
    uwc_partition_destroy(&partition);
    return UWC_OK;
}

#endif
