/* The second-order picture of a run: every unit is there, its sums are those of its terms, one layer's error is what arithmetic says, and
 * it is the same with and without the cache. */
#include "run_fixture.h"

#include "support/expect.h"

#include <uwc/recon.h>

enum { UNITS = 4, CALIBRATED = 36 };

static uwc_comm *comm; /* one per process: MPI starts once */

/* Plan, capture and, where `solve`, solve in the folder "run" of the scratch folder, which is returned. */
static char *make_run(void **state, const uwc_graph *graph, bool solve) {
    uwc_config *config = new_config(state, graph, NULL);
    char *folder = in_scratch(state, "run");
    uwc_run *run;
    must(uwc_run_open(comm, config, folder, false, NULL, NULL, &run));
    must(uwc_phase_plan(run));
    must(uwc_phase_capture(run));
    if (solve) {
        must(uwc_phase_solve(run));
    }
    uwc_run_close(&run);
    uwc_config_destroy(&config);
    return folder;
}

static double real(const uwc_json *object, const char *key) {
    double value;
    must(uwc_json_get_real(object, key, &value));
    return value;
}

static const uwc_json *unit_of(const uwc_json *picture, int unit) {
    return uwc_json_at(uwc_json_find(picture, "units"), unit);
}

/* Sums of the n x n terms. */
static void add_terms(const uwc_json *change, int n, double *diagonal, double *all) {
    const uwc_json *terms = uwc_json_find(change, "terms");
    *diagonal = *all = 0;
    assert_int_equal(uwc_json_length(terms), n);
    for (int i = 0; i < n; i++) {
        assert_int_equal(uwc_json_length(uwc_json_at(terms, i)), n);
        for (int j = 0; j < n; j++) {
            double term;
            must(uwc_json_number(uwc_json_at(uwc_json_at(terms, i), j), &term));
            *all += term;
            *diagonal += i == j ? term : 0;
        }
    }
}

static void check_change(const uwc_json *unit, const char *which) {
    const uwc_json *change = uwc_json_find(unit, which);
    double diagonal, all;
    add_terms(change, (int)uwc_json_length(uwc_json_find(unit, "layers")), &diagonal, &all);
    const double small = 1e-9 * diagonal, total = real(change, "total"), measured = real(change, "measured");
    assert_true(diagonal > 0 && fabs(real(change, "diagonal") - diagonal) <= small);
    assert_true(fabs(total - all) <= small && fabs(real(change, "between") - (all - diagonal)) <= small);
    assert_true(fabs(real(change, "cancelled") * diagonal - (diagonal - all)) <= small);
    assert_true(fabs(total - measured) <= 0.4 * measured + 4 * real(change, "noise"));
}

/* |(rounded - w) x|^2 over the variance of w x + bias, on all images. */
static double error_of_a(const uwc_graph *graph) {
    const uwc_tensor *w = graph->value[uwc_graph_find_value(graph, "a.weight")].constant;
    const float *bias = graph->value[uwc_graph_find_value(graph, "a.bias")].constant->f32;
    const int64_t rows = w->shape.dim[0], count = CALIBRATED * PIXELS * rows;
    uwc_weights *rounded;
    double error = 0, sum = 0, squares = 0;
    must(uwc_weights_create(8, rows, CHANNELS, &rounded)); /* the first layer */
    must(uwc_recon_nearest(w->f32, CHANNELS, false, rounded));
    for (int64_t k = 0; k < count; k++) {
        const int64_t r = k % rows, image = k / rows / PIXELS;
        double y = (double)bias[r], d = 0;
        for (int c = 0; c < CHANNELS; c++) {
            const double x = (double)element_of(image, c, (int)(k / rows % PIXELS)), value = (double)w->f32[r * CHANNELS + c];
            y += value * x;
            d += ((double)rounded->scale[r] * rounded->q[r * CHANNELS + c] - value) * x;
        }
        error += d * d;
        sum += y;
        squares += y * y;
    }
    uwc_weights_destroy(&rounded);
    return error / (squares - sum * sum / (double)count);
}

static void given_a_solved_run_expect_every_unit(void **state) {
    static const char *const layer[UNITS] = {"a", "b", "c", "head"};
    uwc_graph *graph = small_network();
    char *folder = make_run(state, graph, true);
    uwc_json *picture;
    must(uwc_run_curvature(folder, &picture));
    assert_true(real(picture, "images") == CALIBRATED && real(picture, "probes") == UWC_CURVATURE_PROBES);
    assert_int_equal(uwc_json_length(uwc_json_find(picture, "units")), UNITS);
    for (int u = 0; u < UNITS; u++) {
        const uwc_json *unit = unit_of(picture, u), *layers = uwc_json_find(unit, "layers");
        assert_int_equal(uwc_json_length(layers), 1);
        assert_string_equal(uwc_json_text(uwc_json_at(layers, 0)), layer[u]);
        assert_non_null(uwc_json_text(uwc_json_find(unit, "name")));
        if (uwc_json_find(unit, "unsupported") != NULL) {
            assert_string_equal(layer[u], "c"); /* with the softmax */
            assert_null(uwc_json_find(unit, "nearest"));
        } else {
            check_change(unit, "nearest");
            check_change(unit, "result");
        }
    }
    const double wanted = error_of_a(graph), found = real(uwc_json_find(unit_of(picture, 0), "nearest"), "measured");
    assert_true(wanted > 0 && fabs(found - wanted) <= 1e-3 * wanted);
    uwc_json_release(&picture);
    uwc_free(&folder);
    uwc_graph_destroy(&graph);
}

static char *print_picture(const char *folder) {
    uwc_json *picture;
    char *text;
    must(uwc_run_curvature(folder, &picture));
    must(uwc_json_print(picture, 1, &text));
    uwc_json_release(&picture);
    return text;
}

static void given_no_cache_expect_the_same_picture_from_the_images(void **state) {
    uwc_graph *graph = small_network();
    char *folder = make_run(state, graph, true), *cache, *with, *without, *images = in_scratch(state, "images.h5");
    uwc_json *picture;
    must(uwc_path_join(folder, "cache", &cache));
    with = print_picture(folder);
    uwc_sched__folder_remove(cache);
    without = print_picture(folder);
    assert_string_equal(with, without);
    assert_false(uwc_file_exists(cache)); /* nothing was written */
    assert_int_equal(unlink(images), 0);
    expect_error(uwc_run_curvature(folder, &picture), UWC_E_NOTFOUND, "images.h5");
    assert_null(picture);
    uwc_free(&cache);
    uwc_free(&with);
    uwc_free(&without);
    uwc_free(&images);
    uwc_free(&folder);
    uwc_graph_destroy(&graph);
}

static void given_units_that_are_not_solved_expect_their_name(void **state) {
    uwc_graph *graph = small_network();
    char *folder = make_run(state, graph, false);
    uwc_json *picture;
    expect_error(uwc_run_curvature(folder, &picture), UWC_E_STATE, "the phase solve comes first");
    expect_error(uwc_run_curvature(folder, &picture), UWC_E_STATE, "unit a");
    assert_null(picture);
    expect_error(uwc_run_curvature(*state, &picture), UWC_E_NOTFOUND, "no run directory");
    uwc_free(&folder);
    uwc_graph_destroy(&graph);
}

int main(int argc, char **argv) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, make_scratch, drop_scratch)
    const struct CMUnitTest tests[] = {
        TEST(given_a_solved_run_expect_every_unit),
        TEST(given_no_cache_expect_the_same_picture_from_the_images),
        TEST(given_units_that_are_not_solved_expect_their_name),
    };
    if (uwc_par_start(&argc, &argv, &comm) != UWC_OK) {
        return 1;
    }
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    uwc_par_stop(&comm);
    return failed;
}
