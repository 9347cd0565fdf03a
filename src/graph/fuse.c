/* Chains that exporters write for one function become that function: Silu, HardSwish, Gelu and LayerNormalization. The last node of a chain
 * becomes the function and keeps its name; the others reach no output any more. */
#include "graph_impl.h"

#include <math.h>
#include <string.h>

typedef struct fuser {
    uwc_graph *graph;
    int *uses; /* per value: how often it is read or an output */
} fuser;

static void count_uses(const fuser *f) {
    const uwc_graph *graph = f->graph;
    memset(f->uses, 0, (size_t)graph->n_values * sizeof *f->uses);
    for (int i = 0; i < graph->n_nodes; i++) {
        for (int k = 0; k < graph->node[i].n_in; k++) {
            f->uses[graph->node[i].in[k]]++;
        }
    }
    for (int i = 0; i < graph->n_outputs; i++) {
        f->uses[graph->output[i]]++;
    }
}

/* The node of that kind that makes `value`, which is read `uses` times and not quantized; NULL where there is none. */
static const uwc_node *made_by(const fuser *f, int value, uwc_op_kind kind, int uses) {
    const uwc_value *made = &f->graph->value[value];
    bool fits = made->producer >= 0 && f->uses[value] == uses && made->quantizer.bits == 0;
    return fits && f->graph->node[made->producer].op.kind == kind ? &f->graph->node[made->producer] : NULL;
}

static bool is_number(const fuser *f, int value, double number) {
    const uwc_tensor *constant = f->graph->value[value].constant;
    return constant != NULL && uwc_shape_count(constant->shape) == 1 && fabs((double)constant->f32[0] - number) <= 1e-6 * fabs(number);
}

/* The input beside the constant `number`, or -1. */
static int beside_number(const fuser *f, const uwc_node *node, double number) {
    for (int k = 0; node != NULL && k < 2; k++) {
        if (is_number(f, node->in[k], number)) {
            return node->in[1 - k];
        }
    }
    return -1;
}

/* ---- x gate(x) ---------------------------------------------------------------------------------------------------------------------- */

static bool match_gate(const fuser *f, const uwc_node *product, uwc_op *op, int *x) {
    for (int k = 0; product->op.kind == UWC_OP_MUL && k < 2; k++) {
        *x = product->in[1 - k];
        const uwc_node *gate = made_by(f, product->in[k], UWC_OP_SIGMOID, 1);
        if (gate != NULL && gate->in[0] == *x) {
            *op = uwc_op_make(UWC_OP_SILU);
            return true;
        }
        gate = made_by(f, product->in[k], UWC_OP_HARD_SIGMOID, 1);
        if (gate != NULL && gate->in[0] == *x && fabsf(gate->op.alpha - 1.0f / 6) < 1e-6f && gate->op.beta == 0.5f) {
            *op = uwc_op_make(UWC_OP_HARD_SWISH);
            return true;
        }
    }
    return false;
}

/* ---- Gelu --------------------------------------------------------------------------------------------------------------------------- */

enum { FACTORS = 3 };

/* The factors of a product of products, at most FACTORS of them; *n = FACTORS + 1 where there are more. */
static void list_factors(const fuser *f, const uwc_node *product, int *factor, int *n) {
    for (int k = 0; k < 2; k++) {
        const uwc_node *inner = *n <= FACTORS ? made_by(f, product->in[k], UWC_OP_MUL, 1) : NULL;
        if (inner != NULL) {
            list_factors(f, inner, factor, n);
        } else if (*n < FACTORS) {
            factor[(*n)++] = product->in[k];
        } else {
            *n = FACTORS + 1;
        }
    }
}

/* x of 1 + erf(x / sqrt(2)), or -1. */
static int argument_of_gelu(const fuser *f, int value) {
    int erf_value = beside_number(f, made_by(f, value, UWC_OP_ADD, 1), 1);
    const uwc_node *erf_node = erf_value < 0 ? NULL : made_by(f, erf_value, UWC_OP_ERF, 1);
    if (erf_node == NULL) {
        return -1;
    }
    const uwc_node *quotient = made_by(f, erf_node->in[0], UWC_OP_DIV, 1);
    if (quotient != NULL && is_number(f, quotient->in[1], sqrt(2))) {
        return quotient->in[0];
    }
    return beside_number(f, made_by(f, erf_node->in[0], UWC_OP_MUL, 1), sqrt(0.5));
}

static bool match_gelu(const fuser *f, const uwc_node *product, uwc_op *op, int *x) {
    int factor[FACTORS], n = 0;
    if (product->op.kind != UWC_OP_MUL) {
        return false;
    }
    list_factors(f, product, factor, &n);
    for (int i = 0; n == FACTORS && i < FACTORS; i++) {
        int a = factor[(i + 1) % FACTORS], b = factor[(i + 2) % FACTORS];
        *x = argument_of_gelu(f, factor[i]);
        if (*x >= 0 && ((a == *x && is_number(f, b, 0.5)) || (b == *x && is_number(f, a, 0.5)))) {
            *op = uwc_op_make(UWC_OP_GELU);
            return true;
        }
    }
    return false;
}

/* ---- LayerNormalization ----------------------------------------------------------------------------------------------------------------
 */

static bool is_mean_of_last(const fuser *f, const uwc_node *mean) {
    return mean != NULL && mean->op.keepdims && mean->op.n_axes == 1 && mean->op.axes[0] == f->graph->value[mean->in[0]].shape.rank - 1;
}

/* A constant [length of the last axis] and what is beside it; -1 where there is none. */
static int beside_line(const fuser *f, const uwc_node *node, int *constant) {
    for (int k = 0; node != NULL && k < 2; k++) {
        const uwc_value *line = &f->graph->value[node->in[k]], *other = &f->graph->value[node->in[1 - k]];
        bool fits = line->constant != NULL && other->constant == NULL && line->shape.rank == 1;
        if (fits && line->shape.dim[0] == other->shape.dim[other->shape.rank - 1]) {
            *constant = node->in[k];
            return node->in[1 - k];
        }
    }
    return -1;
}

/* sqrt(mean(apart^2) + epsilon) */
static bool is_deviation(const fuser *f, int value, int apart, float *epsilon) {
    const uwc_node *root = made_by(f, value, UWC_OP_SQRT, 1);
    const uwc_node *sum = root == NULL ? NULL : made_by(f, root->in[0], UWC_OP_ADD, 1);
    for (int k = 0; sum != NULL && k < 2; k++) {
        const uwc_tensor *constant = f->graph->value[sum->in[k]].constant;
        const uwc_node *mean = made_by(f, sum->in[1 - k], UWC_OP_REDUCE_MEAN, 1);
        if (constant != NULL && uwc_shape_count(constant->shape) == 1 && is_mean_of_last(f, mean)) {
            const uwc_node *square = made_by(f, mean->in[0], UWC_OP_MUL, 1);
            *epsilon = constant->f32[0];
            return square != NULL && square->in[0] == apart && square->in[1] == apart && *epsilon >= 0;
        }
    }
    return false;
}

/* in = x, scale, bias of (x - mean(x)) / sqrt(mean((x - mean(x))^2) + epsilon) scale + bias. */
static bool match_layer_norm(const fuser *f, const uwc_node *sum, uwc_op *op, int *in) {
    int scaled = sum->op.kind == UWC_OP_ADD ? beside_line(f, sum, &in[2]) : -1;
    int quotient_value = scaled < 0 ? -1 : beside_line(f, made_by(f, scaled, UWC_OP_MUL, 1), &in[1]);
    const uwc_node *quotient = quotient_value < 0 ? NULL : made_by(f, quotient_value, UWC_OP_DIV, 1);
    const uwc_node *apart = quotient == NULL ? NULL : made_by(f, quotient->in[0], UWC_OP_SUB, 3);
    const uwc_node *mean = apart == NULL ? NULL : made_by(f, apart->in[1], UWC_OP_REDUCE_MEAN, 1);
    *op = uwc_op_make(UWC_OP_LAYER_NORM);
    if (!is_mean_of_last(f, mean) || mean->in[0] != apart->in[0] || !is_deviation(f, quotient->in[1], quotient->in[0], &op->epsilon)) {
        return false;
    }
    in[0] = apart->in[0];
    op->axis = f->graph->value[in[0]].shape.rank - 1;
    return true;
}

static uwc_status fuse_node(const fuser *f, int index, bool *changed) {
    const uwc_node *node = &f->graph->node[index];
    uwc_op op;
    int in[3];
    bool unary = match_gate(f, node, &op, in) || match_gelu(f, node, &op, in);
    *changed = unary || match_layer_norm(f, node, &op, in);
    if (!*changed) {
        return UWC_OK;
    }
    f->graph->node[index].op = op;
    return uwc_graph__set_inputs(f->graph, index, in, unary ? 1 : 3);
}

uwc_status uwc_graph__fuse(uwc_graph *graph) {
    fuser f = {.graph = graph};
    UWC_TRY(uwc_calloc(graph->n_values, sizeof *f.uses, &f.uses));
    uwc_status st = UWC_OK;
    bool changed = true;
    for (int i = 0; i < graph->n_nodes && st == UWC_OK; i++) {
        if (changed) {
            count_uses(&f);
        }
        st = fuse_node(&f, i, &changed);
    }
    uwc_free(&f.uses);
    return st == UWC_OK ? uwc_graph__prune(graph) : st;
}
