/* units.rule: curvature. Two linear layers of one channel between them, whose interaction is known in closed form, are joined exactly where
 * it is strong; the cuts are kept in plan.json. */
#include "run_fixture.h"

#include "support/expect.h"

#include <uwc/recon.h>

enum { BITS = 2 }; /* of both layers: few, so that what rounding does to a is not always at right angles to a */

static uwc_comm *comm; /* one per process: MPI starts once */

/* x -> a (three channels to one) -> [soft ->] b (one to one), without biases. */
static uwc_graph *chain(uint64_t seed, bool gradient) {
    uwc_graph *graph = new_graph();
    int x = put_input(graph, "x", uwc_shape_4d(1, CHANNELS, SIDE, SIDE));
    int a = put_conv(graph, "a", x, (conv_form){CHANNELS, 1, 1, .pad = 0, .no_bias = true});
    fill_normal(graph->value[uwc_graph_find_value(graph, "a.weight")].constant, seed, 1);
    return finished(graph,
                    put_conv(graph, "b", gradient ? a : put_softmax(graph, "soft", a), (conv_form){1, 1, 1, .pad = 0, .no_bias = true}));
}

/* f = b a x. A change of b alone moves f along a x, one of a alone along (delta a) x: the interaction is the cosine between the two. */
static double closed_form(const uwc_graph *graph, int images) {
    const float *a = graph->value[uwc_graph_find_value(graph, "a.weight")].constant->f32;
    uwc_weights *rounded;
    double both = 0, old = 0, change = 0;
    must(uwc_weights_create(BITS, 1, CHANNELS, &rounded));
    must(uwc_recon_nearest(a, CHANNELS, false, rounded));
    for (int i = 0; i < images; i++) {
        for (int p = 0; p < PIXELS; p++) {
            double ax = 0, dx = 0;
            for (int c = 0; c < CHANNELS; c++) {
                ax += (double)a[c] * (double)element_of(i, c, p);
                dx += ((double)rounded->scale[0] * rounded->q[c] - (double)a[c]) * (double)element_of(i, c, p);
            }
            both += ax * dx;
            old += ax * ax;
            change += dx * dx;
        }
    }
    uwc_weights_destroy(&rounded);
    return fabs(both) / sqrt(old * change);
}

static uwc_status plan(void **state, const uwc_graph *graph, const char *name, int *units) {
    uwc_config *config = new_config(state, graph, (const char *const[]){"units.rule=curvature", "quantize.first_last_bits=2", NULL});
    uwc_run *run;
    char *folder = in_scratch(state, name);
    must(uwc_run_open(comm, config, folder, true, NULL, NULL, &run));
    uwc_status st = uwc_phase_plan(run);
    *units = st == UWC_OK ? run->plan->partition->n_units : 0;
    uwc_run_close(&run);
    uwc_config_destroy(&config);
    uwc_free(&folder);
    return st;
}

static void given_two_layers_expect_them_joined_where_they_interact_strongly(void **state) {
    int seen[2] = {0};
    for (uint64_t seed = 1; seed <= 48; seed++) {
        uwc_graph *graph = chain(seed, true);
        char name[16];
        int units;
        const double strength = closed_form(graph, 36);
        snprintf(name, sizeof name, "run%d", (int)seed);
        must(plan(state, graph, name, &units));
        if (fabs(strength - UWC_STRONG_INTERACTION) > 0.1) { /* probes are random: nearer to it either may come out */
            const bool strong = strength > UWC_STRONG_INTERACTION;
            if (units != (strong ? 1 : 2)) {
                fail_msg("seed %d: interaction %g, %d units", (int)seed, strength, units);
            }
            seen[strong]++;
        }
        uwc_graph_destroy(&graph);
    }
    assert_true(seen[0] >= 3 && seen[1] >= 3);
}

static void given_no_gradient_expect_units_as_they_are(void **state) {
    uwc_graph *graph = chain(1, false);
    int units;
    must(plan(state, graph, "run", &units));
    assert_int_equal(units, 2);
    uwc_graph_destroy(&graph);
}

static uint64_t strong_seed(void) {
    for (uint64_t seed = 1;; seed++) {
        uwc_graph *graph = chain(seed, true);
        const bool strong = closed_form(graph, 36) > 0.4;
        uwc_graph_destroy(&graph);
        if (strong) {
            return seed;
        }
    }
}

/* plan.json of the run with other cuts. */
static void set_cuts(void **state, uwc_json *cuts) {
    char *folder = in_scratch(state, "run"), *path;
    uwc_json *json;
    must(uwc_path_join(folder, "plan.json", &path));
    must(uwc_json_read(path, &json));
    must(uwc_json_set(json, "cuts", cuts));
    must(uwc_json_write(path, json));
    uwc_json_release(&json);
    uwc_free(&path);
    uwc_free(&folder);
}

static uwc_json *cuts_of(int first, int second) {
    uwc_json *cuts = uwc_json_array();
    must(uwc_json_append_int(cuts, first));
    must(uwc_json_append_int(cuts, second));
    return cuts;
}

static void given_a_plan_when_looked_at_again_expect_its_cuts_and_no_images(void **state) {
    uwc_graph *graph = chain(strong_seed(), true);
    char *folder = in_scratch(state, "run"), *images = in_scratch(state, "images.h5");
    uwc_run *run;
    int units;
    must(plan(state, graph, "run", &units));
    assert_int_equal(units, 1);
    assert_int_equal(unlink(images), 0);
    must(uwc_sched__run_view(folder, &run));
    assert_int_equal(run->plan->partition->n_units, 1);
    uwc_run_close(&run);
    set_cuts(state, cuts_of(0, 1)); /* what is written counts */
    must(uwc_sched__run_view(folder, &run));
    assert_int_equal(run->plan->partition->n_units, 2);
    uwc_run_close(&run);
    uwc_free(&folder);
    uwc_free(&images);
    uwc_graph_destroy(&graph);
}

static void given_cuts_that_make_no_sense_expect_refusal(void **state) {
    static const int wrong[][2] = {{1, 1}, {0, 0}, {0, 7}, {-3, 1}};
    uwc_graph *graph = chain(strong_seed(), true);
    char *folder = in_scratch(state, "run");
    uwc_run *run;
    int units;
    must(plan(state, graph, "run", &units));
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        set_cuts(state, cuts_of(wrong[i][0], wrong[i][1]));
        expect_error(uwc_sched__run_view(folder, &run), UWC_E_FORMAT, "plan.json: cuts");
        expect_error(plan(state, graph, "run", &units), UWC_E_FORMAT, "plan.json: cuts");
    }
    set_cuts(state, uwc_json_array());
    expect_error(uwc_sched__run_view(folder, &run), UWC_E_FORMAT, "plan.json");
    uwc_free(&folder);
    uwc_graph_destroy(&graph);
}

int main(int argc, char **argv) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, make_scratch, drop_scratch)
    const struct CMUnitTest tests[] = {
        TEST(given_two_layers_expect_them_joined_where_they_interact_strongly),
        TEST(given_no_gradient_expect_units_as_they_are),
        TEST(given_a_plan_when_looked_at_again_expect_its_cuts_and_no_images),
        TEST(given_cuts_that_make_no_sense_expect_refusal),
    };
    if (uwc_par_start(&argc, &argv, &comm) != UWC_OK) {
        return 1;
    }
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    uwc_par_stop(&comm);
    return failed;
}
