/* What the units of a plan cost, and how many members a team is worth having. */
#include "sched_impl.h"

#include <math.h>

void uwc_sched__unit_cost(const uwc_plan *plan, const uwc_settings *settings, int unit, uwc_unit_cost *out) {
    const uwc_unit *at = &plan->partition->unit[unit];
    uwc_recon_estimate(plan->graph, at->node, at->n_nodes, &settings->recon, plan->images, out);
}

double uwc_sched__team_cost(const uwc_unit_cost *cost, int members) {
    const int four = members < UWC_DESCENT_PARTS ? members : UWC_DESCENT_PARTS;
    return cost->alone + cost->by_four / four + cost->shared / members + log2(members) * cost->exchange;
}

/* Below this a member is of more use elsewhere: what it repeats is lost. */
#define SAVED 0.15

int uwc_sched__team_most(const uwc_unit_cost *cost, int limit) {
    int members = 1;
    while (2 * members <= limit && 2 * members <= UWC_SHARDS &&
           uwc_sched__team_cost(cost, 2 * members) <= (1 - SAVED) * uwc_sched__team_cost(cost, members)) {
        members *= 2;
    }
    return members;
}
