/* What a reconstruction costs, from shapes alone, in multiply-adds of a forward pass. How much slower than those the other operations are
 * was measured on units of ResNet-20 and MobileNetV2 (docs/scaling.md). */
#include "large.h"

/* Multiply-adds of a forward pass that ... */
#define VALUE 34.0         /* a value that a layer puts out takes: it is written, activated, quantized, read */
#define STATISTICS 1.2     /* a multiply-add of A and Y takes, patches included */
#define DOUBLE 2.8         /* one of the factorisations and solves takes, which are in double precision */
#define SEARCH 6e8         /* the search for an activation's step takes */
#define ROUNDING 30.0      /* a pair of columns of a row takes while its weights are rounded: the beam, descent, scales */
#define NUMBER 800.0       /* a number of a sum takes on its way from one member to another, both ways at once, on one machine */
#define FACTORISATIONS 2.0 /* n^3: the solution, the metric and its inverse */

_Static_assert((int)UWC_FOLDS == (int)UWC_DESCENT_PARTS, "as many members share the folds as the parts of a step");

typedef struct reckoning {
    const uwc_graph *network;
    const uwc_recon_options *options;
    double images;
    double multiply_adds, pass; /* per image, of the layers that came by; of a pass through them */
    double parameters;          /* of these layers */
    uwc_recon_work *work;
} reckoning;

static double less(double a, double b) {
    return a < b ? a : b;
}

/* Images that are looked at where `most` are asked for: as many of each shard. */
static double looked_at(const reckoning *r, double most) {
    return less(r->images, most);
}

/* What comes out of the sums, which each member has: the ridge, the solution and the rounding of every group. */
static void add_solution(const reckoning *r, const uwc_geometry *g) {
    const double n = (double)g->cols, rows = (double)g->rows, groups = (double)g->groups;
    const double ridge = r->options->ridge > 0 ? 0 : uwc_recon__choose_ridge_work(g->rows, g->cols);
    r->work->by_four += groups * DOUBLE * ridge;
    r->work->alone += groups * (DOUBLE * FACTORISATIONS * n * n * n + ROUNDING * rows * n * n);
}

/* Of a layer that is spread over the members, each of which has a part of the matrix and of the rows: a factorisation for the solution, one
 * for the metric, one for each candidate but the one that keeps the weights. Rows of patches and targets, and panels of the factors, go
 * from member to member. */
static void add_spread_solution(const reckoning *r, const uwc_geometry *g, double positions) {
    const double n = (double)g->cols, rows = (double)g->rows;
    const double factors = r->options->ridge > 0 ? 2 : 2 + UWC_LARGE_RIDGES - 1;
    r->work->shared += DOUBLE * (factors * n * n * n / 6 + rows * n * n) + ROUNDING * rows * n * n;
    r->work->exchange += NUMBER * (positions * (n + rows) + factors * n * n / 2);
}

static void add_closed_form(const reckoning *r, const uwc_geometry *g) {
    const double all = (double)(g->images * g->out_height * g->out_width), n = (double)g->cols, rows = (double)g->rows;
    const uwc_sample sample = uwc_recon__sample(r->options->positions, (int64_t)r->images, (int64_t)all);
    const double images = looked_at(r, (double)sample.images), positions = sample.positions > 0 ? (double)sample.positions : all;
    const double sums = images * positions * (double)g->groups * (n * n / 2 + n * rows);
    const double target = images * positions * (double)g->groups * n * rows;
    r->work->shared += STATISTICS * sums + target + 2 * images * r->pass;
    if (uwc_recon__is_large(r->options, g)) {
        add_spread_solution(r, g, images * positions);
    } else {
        r->work->exchange += NUMBER * UWC_FOLDS * (double)g->groups * (n + 1) * (n / 2 + 1 + rows);
        add_solution(r, g);
    }
}

/* Members share what adapting takes; learning the rounding is every member's own. */
static void add_learning(const reckoning *r, const int *node, int n) {
    uwc_bits bits = {.weight_bits = 8, .activation_bits = 32};
    for (int i = 0; i < n; i++) {
        const uwc_node *at = &r->network->node[node[i]];
        bits.weight_bits = at->weight_bits > 0 && at->weight_bits < bits.weight_bits ? at->weight_bits : bits.weight_bits;
        for (int k = 0; k <= at->n_in; k++) {
            const int own = r->network->value[k < at->n_in ? at->in[k] : at->out].activation_bits;
            bits.activation_bits = own > 0 && own < bits.activation_bits ? own : bits.activation_bits;
        }
    }
    const double work = r->images * uwc_recon_learning_work(r->options, &bits, (int64_t)r->images, (int64_t)r->multiply_adds);
    if (uwc_recon__wants_adapting(r->options, bits.weight_bits, bits.activation_bits)) {
        r->work->by_four += work;
        r->work->exchange += NUMBER * (double)r->options->adapt.steps * r->parameters;
        r->work->alone += r->images * r->multiply_adds; /* its targets */
    } else {
        r->work->alone += work;
    }
}

void uwc_recon_estimate(const uwc_graph *network, const int *node, int n, const uwc_recon_options *options, int64_t images,
                        uwc_recon_work *out) {
    enum { PASSES = 4 }; /* the outputs for other units, on all images; three to measure the error, on some */
    *out = (uwc_recon_work){0};
    reckoning r = {.network = network, .options = options, .images = (double)images, .work = out};
    for (int i = 0; i < n; i++) {
        const uwc_node *at = &network->node[node[i]];
        uwc_shape in[3];
        if (!uwc_op_is_weighted(at->op.kind)) {
            continue;
        }
        for (int k = 0; k < at->n_in; k++) {
            in[k] = network->value[at->in[k]].shape;
        }
        uwc_geometry g;
        uwc_recon__geometry(&at->op, in[0], in[1], network->value[at->out].shape, &g);
        if (network->value[at->in[0]].activation_bits > 0) {
            out->alone += SEARCH;
            out->shared += looked_at(&r, UWC_LOOK_IMAGES) * r.pass;
        }
        if (options->method == UWC_METHOD_SECOND_ORDER) {
            add_closed_form(&r, &g);
        }
        const double own = (double)uwc_op_multiply_adds(&at->op, in, network->value[at->out].shape);
        r.multiply_adds += own;
        r.parameters += (double)(g.groups * g.rows * (g.cols + 1));
        r.pass += own + VALUE * (double)uwc_shape_count(network->value[at->out].shape);
    }
    out->shared += (r.images + (PASSES - 1) * looked_at(&r, UWC_LOOK_IMAGES)) * r.pass;
    add_learning(&r, node, n);
}
