/* Basic-Units. In topological order, a place between two nodes that a single value crosses separates the network: all that lies in front of
 * it reaches the rest through that value alone (it post-dominates the input and dominates the output). Between two such places lies a
 * region with one entry and one exit: a single operator, or a whole residual or inception block. Regions become units.
 *
 * DenseNet has no such places inside a dense block, where every layer reads all that came before it through a Concat. So a place that
 * several values cross separates too if nothing but Concats reads them behind it: what lies in front has done all of its work on them. */
#include "graph_impl.h"

#include <string.h>

typedef struct region {
    int first, last; /* nodes */
    int layers;      /* weighted nodes */
    bool chain;      /* no joining of branches inside */
} region;

/* The last nodes that read a value, -1 where there are none: an output alone does not keep a cut from being made. */
typedef struct last_readers {
    int any, no_concat; /* no_concat: the last one that is no Concat */
} last_readers;

static void find_last_readers(const uwc_graph *graph, last_readers *last) {
    for (int v = 0; v < graph->n_values; v++) {
        last[v] = (last_readers){.any = -1, .no_concat = -1};
    }
    for (int i = 0; i < graph->n_nodes; i++) {
        for (int k = 0; k < graph->node[i].n_in; k++) {
            last_readers *of_value = &last[graph->node[i].in[k]];
            of_value->any = i;
            of_value->no_concat = graph->node[i].op.kind == UWC_OP_CONCAT ? of_value->no_concat : i;
        }
    }
}

/* True where one activation at most that is made at or before node i is read behind it, or several by Concats alone. */
static bool separates(const uwc_graph *graph, const last_readers *last, int i) {
    int any = 0, no_concat = 0;
    for (int v = 0; v < graph->n_values; v++) {
        bool made = graph->value[v].constant == NULL && graph->value[v].producer <= i;
        any += made && last[v].any > i;
        no_concat += made && last[v].no_concat > i;
    }
    return any <= 1 || no_concat == 0;
}

static uwc_status find_regions(const uwc_graph *graph, region *list, int *n) {
    last_readers *last;
    UWC_TRY(uwc_calloc(graph->n_values, sizeof *last, &last));
    find_last_readers(graph, last);
    *n = 0;
    int first = 0, layers = 0;
    for (int i = 0; i < graph->n_nodes; i++) {
        layers += uwc_op_is_weighted(graph->node[i].op.kind);
        if (i + 1 == graph->n_nodes || separates(graph, last, i)) {
            list[(*n)++] = (region){.first = first, .last = i, .layers = layers, .chain = first == i};
            first = i + 1;
            layers = 0;
        }
    }
    uwc_free(&last);
    return UWC_OK;
}

/* Regions without weights join the one in front (activations and pooling stay with their layer), leading ones the one behind; then single
 * operators in a row merge up to max_layers. Returns the new number of regions. */
static int merge_regions(region *list, int n, int max_layers) {
    int kept = 0;
    for (int i = 0; i < n; i++) {
        region *last = kept > 0 ? &list[kept - 1] : NULL;
        bool joins = last != NULL && (list[i].layers == 0 || last->layers == 0 ||
                                      (last->chain && list[i].chain && last->layers + list[i].layers <= max_layers));
        if (joins) {
            last->chain = last->chain && list[i].chain;
            last->last = list[i].last;
            last->layers += list[i].layers;
        } else {
            list[kept++] = list[i];
        }
    }
    return kept;
}

/* Multiply-adds of reconstructing a layer, per image: Gram matrix and cross products over its output positions, and a few passes. */
static double layer_work(const uwc_node *node, int64_t multiply_adds, uwc_shape weights) {
    double rows = (double)weights.dim[0], cols = (double)uwc_shape_per_image(weights),
           groups = node->op.kind == UWC_OP_CONV ? (double)node->op.group : 1;
    double positions = rows * cols > 0 ? (double)multiply_adds / (rows * cols) : 0;
    return positions * groups * cols * cols / 2 + 6 * (double)multiply_adds;
}

static bool in_range(int node, const region *part) {
    return node >= part->first && node <= part->last;
}

static bool leaves(const uwc_graph *graph, int value, const region *part) {
    for (int i = 0; i < graph->n_outputs; i++) {
        if (graph->output[i] == value) {
            return true;
        }
    }
    for (int i = part->last + 1; i < graph->n_nodes; i++) {
        for (int k = 0; k < graph->node[i].n_in; k++) {
            if (graph->node[i].in[k] == value) {
                return true;
            }
        }
    }
    return false;
}

static bool listed(const int *list, int n, int value) {
    for (int i = 0; i < n; i++) {
        if (list[i] == value) {
            return true;
        }
    }
    return false;
}

static void measure_node(const uwc_graph *graph, const uwc_node *node, uwc_unit *unit) {
    if (!uwc_op_is_weighted(node->op.kind)) {
        return;
    }
    uwc_shape in[3];
    for (int k = 0; k < node->n_in; k++) {
        in[k] = graph->value[node->in[k]].shape;
    }
    int64_t multiply_adds = uwc_op_multiply_adds(&node->op, in, graph->value[node->out].shape);
    unit->n_layers++;
    unit->multiply_adds += multiply_adds;
    unit->parameters += uwc_shape_count(in[1]) + (node->n_in == 3 ? uwc_shape_count(in[2]) : 0);
    unit->work += layer_work(node, multiply_adds, in[1]);
}

/* The part of the layers' names that all share, cut at a '/' or '.'; the first layer's name where that is nothing. */
static uwc_status name_unit(const uwc_graph *graph, const region *part, char **out) {
    const char *first = NULL;
    size_t common = 0;
    for (int i = part->first; i <= part->last; i++) {
        if (!uwc_op_is_weighted(graph->node[i].op.kind)) {
            continue;
        }
        const char *name = graph->node[i].name;
        if (first == NULL) {
            first = name;
            common = strlen(name);
            continue;
        }
        size_t same = 0;
        while (same < common && name[same] == first[same]) {
            same++;
        }
        while (same > 0 && first[same] != '/' && !(first[same - 1] == '/' || first[same - 1] == '.')) {
            same--;
        }
        common = same;
    }
    first = first == NULL ? graph->node[part->first].name : first;
    while (common > 1 && (first[common - 1] == '/' || first[common - 1] == '.')) {
        common--;
    }
    return common <= 1 ? uwc_strdup(first, out) : uwc_format(out, "%.*s", (int)common, first);
}

static uwc_status fill_unit(const uwc_graph *graph, const region *part, uwc_unit *unit) {
    int n = part->last - part->first + 1, inputs = 0;
    for (int i = part->first; i <= part->last; i++) {
        inputs += graph->node[i].n_in;
    }
    UWC_TRY(name_unit(graph, part, &unit->name));
    UWC_TRY(uwc_calloc(n, sizeof *unit->node, &unit->node));
    UWC_TRY(uwc_calloc(inputs, sizeof *unit->input, &unit->input));
    UWC_TRY(uwc_calloc(n, sizeof *unit->output, &unit->output));
    for (int i = part->first; i <= part->last; i++) {
        const uwc_node *node = &graph->node[i];
        unit->node[unit->n_nodes++] = i;
        measure_node(graph, node, unit);
        for (int k = 0; k < node->n_in; k++) {
            const uwc_value *value = &graph->value[node->in[k]];
            if (value->constant == NULL && !in_range(value->producer, part) && !listed(unit->input, unit->n_inputs, node->in[k])) {
                unit->input[unit->n_inputs++] = node->in[k];
            }
        }
        if (leaves(graph, node->out, part)) {
            unit->output[unit->n_outputs++] = node->out;
        }
    }
    return UWC_OK;
}

static uwc_status make_units(const uwc_graph *graph, const region *list, int n, uwc_partition **out) {
    uwc_partition *partition;
    UWC_TRY(uwc_calloc(1, sizeof *partition, &partition));
    uwc_status st = uwc_calloc(n, sizeof *partition->unit, &partition->unit);
    partition->n_units = st == UWC_OK ? n : 0;
    for (int i = 0; i < n && st == UWC_OK; i++) {
        st = fill_unit(graph, &list[i], &partition->unit[i]);
    }
    if (st != UWC_OK) {
        uwc_partition_destroy(&partition);
    }
    *out = partition;
    return st;
}

/* All activations that `part` reads are made in it or in `before`. */
static bool reads_only(const uwc_graph *graph, const region *part, const region *before) {
    for (int i = part->first; i <= part->last; i++) {
        for (int k = 0; k < graph->node[i].n_in; k++) {
            const uwc_value *value = &graph->value[graph->node[i].in[k]];
            if (value->constant == NULL && !in_range(value->producer, part) && !in_range(value->producer, before)) {
                return false;
            }
        }
    }
    return true;
}

static uwc_status merge_strong(const uwc_graph *graph, region *list, int *n, int most_layers, const uwc_interaction *interaction) {
    int kept = 0;
    for (int i = 0; i < *n; i++) {
        region *last = kept > 0 ? &list[kept - 1] : NULL;
        double strength = 0;
        if (last != NULL && last->layers + list[i].layers <= most_layers && reads_only(graph, &list[i], last)) {
            UWC_TRY(interaction->measure(interaction->self, last->first, list[i].first, list[i].last + 1, &strength));
        }
        if (strength > UWC_STRONG_INTERACTION) {
            last->last = list[i].last;
            last->layers += list[i].layers;
        } else {
            list[kept++] = list[i];
        }
    }
    *n = kept;
    return UWC_OK;
}

/* interaction NULL: as the structure has it. */
static uwc_status create(const uwc_graph *graph, int max_layers, const uwc_interaction *interaction, uwc_partition **out) {
    region *list;
    int n = 0;
    *out = NULL;
    UWC_TRY(uwc_calloc(graph->n_nodes, sizeof *list, &list));
    uwc_status st = find_regions(graph, list, &n);
    if (st == UWC_OK) {
        n = merge_regions(list, n, max_layers);
        st = interaction == NULL ? UWC_OK : merge_strong(graph, list, &n, 2 * max_layers, interaction);
    }
    if (st == UWC_OK) {
        st = make_units(graph, list, n, out);
    }
    uwc_free(&list);
    return st;
}

uwc_status uwc_partition_create(const uwc_graph *graph, int max_layers, uwc_partition **out) {
    return create(graph, max_layers, NULL, out);
}

uwc_status uwc_partition_create_merged(const uwc_graph *graph, int max_layers, const uwc_interaction *interaction, uwc_partition **out) {
    return create(graph, max_layers, interaction, out);
}

uwc_status uwc_partition_create_cut(const uwc_graph *graph, const int *last, int n, uwc_partition **out) {
    region *list;
    *out = NULL;
    UWC_CHECK(n > 0 && last[n - 1] == graph->n_nodes - 1, UWC_E_ARG, "units do not end with the network");
    UWC_TRY(uwc_calloc(n, sizeof *list, &list));
    uwc_status st = UWC_OK;
    for (int i = 0, first = 0; i < n && st == UWC_OK; i++) {
        st = last[i] >= first ? UWC_OK : uwc_error_set(UWC_E_ARG, "unit %d ends before it begins", i);
        list[i] = (region){.first = first, .last = last[i]};
        first = last[i] + 1;
    }
    if (st == UWC_OK) {
        st = make_units(graph, list, n, out);
    }
    uwc_free(&list);
    return st;
}

void uwc_partition_destroy(uwc_partition **out) {
    uwc_partition *partition = *out;
    if (partition == NULL) {
        return;
    }
    for (int i = 0; i < partition->n_units; i++) {
        uwc_free(&partition->unit[i].name);
        uwc_free(&partition->unit[i].node);
        uwc_free(&partition->unit[i].input);
        uwc_free(&partition->unit[i].output);
    }
    uwc_free(&partition->unit);
    uwc_free(out);
}
