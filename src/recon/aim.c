/* What a layer aims at. Inside a unit a layer aims at its own float output, but the layer whose output joins a sum absorbs the error of the
 * whole sum: it aims at the float sum minus what the quantized path brings by the other branches (docs/method.md, step 1). */
#include "recon_impl.h"

int uwc_recon__only_reader(const uwc_graph *unit, int value) {
    int reader = -1;
    for (int i = 0; i < unit->n_outputs; i++) {
        if (unit->output[i] == value) {
            return -1;
        }
    }
    for (int i = 0; i < unit->n_nodes; i++) {
        for (int k = 0; k < unit->node[i].n_in; k++) {
            if (unit->node[i].in[k] == value) {
                if (reader >= 0) {
                    return -1;
                }
                reader = i;
            }
        }
    }
    return reader;
}

/* The sum of two branches of the same shape that `value` flows into unchanged, or -1; *other is the other branch. */
static int joining_sum(const uwc_graph *unit, int value, int *other) {
    int reader = uwc_recon__only_reader(unit, value);
    if (reader < 0 || unit->node[reader].op.kind != UWC_OP_ADD) {
        return -1;
    }
    const uwc_node *add = &unit->node[reader];
    *other = add->in[0] == value ? add->in[1] : add->in[0];
    if (unit->value[*other].constant != NULL || !uwc_shape_equal(unit->value[*other].shape, unit->value[value].shape)) {
        return -1;
    }
    return reader;
}

/* True where a later layer than `node` flows into sum `add` unchanged: that one absorbs the error instead. */
static bool later_layer_reaches(const uwc_graph *unit, int node, int add) {
    for (int i = node + 1; i < unit->n_nodes; i++) {
        if (!uwc_op_is_weighted(unit->node[i].op.kind)) {
            continue;
        }
        int value = unit->node[i].out, other, sum;
        while ((sum = joining_sum(unit, value, &other)) >= 0) {
            if (sum == add) {
                return true;
            }
            value = unit->node[sum].out;
        }
    }
    return false;
}

/* late[v]: value v depends on a weighted node behind `node`, which is not solved yet. */
static void mark_late(const uwc_graph *unit, int node, bool *late) {
    for (int i = node + 1; i < unit->n_nodes; i++) {
        bool *made = &late[unit->node[i].out];
        *made = uwc_op_is_weighted(unit->node[i].op.kind);
        for (int k = 0; k < unit->node[i].n_in; k++) {
            *made = *made || late[unit->node[i].in[k]];
        }
    }
}

static bool joins_branches(const uwc_graph *unit, const uwc_node *node) {
    return node->n_in == 2 && (node->op.kind == UWC_OP_ADD || node->op.kind == UWC_OP_SUB || node->op.kind == UWC_OP_MUL) &&
           unit->value[node->in[0]].constant == NULL && unit->value[node->in[1]].constant == NULL;
}

/* What `node` gives, in `reached` values, is changed by layers behind it or by the branches that it meets. */
static bool is_inner(const uwc_graph *unit, int node, bool *reached) {
    for (int v = 0; v < unit->n_values; v++) {
        reached[v] = v == unit->node[node].out;
    }
    for (int i = node + 1; i < unit->n_nodes; i++) {
        const uwc_node *next = &unit->node[i];
        bool *made = &reached[next->out];
        for (int k = 0; k < next->n_in; k++) {
            *made = *made || reached[next->in[k]];
        }
        if (*made && (uwc_op_is_weighted(next->op.kind) || joins_branches(unit, next))) {
            return true;
        }
    }
    return false;
}

uwc_status uwc_recon__aim(const uwc_graph *unit, int node, uwc_target target, uwc_aim *aim) {
    bool *late = NULL;
    uwc_status st;
    *aim = (uwc_aim){.sum = unit->node[node].out};
    UWC_TRY_GOTO(st, uwc_calloc(unit->n_nodes, sizeof *aim->other, &aim->other), done);
    UWC_TRY_GOTO(st, uwc_calloc(unit->n_nodes, sizeof *aim->other_float, &aim->other_float), done);
    UWC_TRY_GOTO(st, uwc_calloc(unit->n_values, sizeof *late, &late), done);
    mark_late(unit, node, late);
    int other, add;
    while (target == UWC_TARGET_UNIT && (add = joining_sum(unit, aim->sum, &other)) >= 0 && !later_layer_reaches(unit, node, add)) {
        aim->other[aim->n_others] = other;
        aim->other_float[aim->n_others++] = late[other];
        aim->sum = unit->node[add].out;
    }
    aim->inner = aim->n_others == 0 && is_inner(unit, node, late);
done:
    uwc_free(&late);
    if (st != UWC_OK) {
        uwc_recon__aim_clear(aim);
    }
    return st;
}

void uwc_recon__aim_clear(uwc_aim *aim) {
    uwc_free(&aim->other);
    uwc_free(&aim->other_float);
}
