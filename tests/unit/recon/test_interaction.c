#include "graph/graph_fixture.h"

/* The second-order picture behind the method: the error of a unit is a quadratic form of the weights' changes, its off-diagonal blocks are
 * not zero, and rounding two layers together is worth it. Everything is measured on units that the library runs. */

enum { IN = 4, HIDDEN = 3, OUT = 2, FIRST = IN * HIDDEN, SECOND = HIDDEN * OUT, WEIGHTS = FIRST + SECOND, SAMPLES = 64 };

/* Two layers with something nonlinear between them; the weights of both as one vector. */
typedef struct tiny {
    uwc_graph *graph;
    uwc_exec *exec;
    uwc_tensor *x;
    float *weight[WEIGHTS], real[WEIGHTS];
    float target[SAMPLES * OUT]; /* outputs with the float weights */
    double J[SAMPLES * OUT][WEIGHTS], H[WEIGHTS][WEIGHTS];
} tiny;

static void run(tiny *own, float *out) {
    const uwc_tensor *x = own->x, *got;
    must(uwc_exec_refresh(own->exec, -1));
    must(uwc_exec_run(own->exec, SAMPLES, own->graph->input, &x, 1, own->graph->output, 1, &got));
    memcpy(out, got->f32, SAMPLES * OUT * sizeof *out);
}

static void set_weights(tiny *own, const double *change) {
    for (int i = 0; i < WEIGHTS; i++) {
        *own->weight[i] = own->real[i] + (float)(change == NULL ? 0 : change[i]);
    }
}

/* E = mean over samples of |f(w + change) - f(w)|^2, measured. */
static double true_error(tiny *own, const double *change) {
    float out[SAMPLES * OUT];
    double sum = 0;
    set_weights(own, change);
    run(own, out);
    for (int i = 0; i < SAMPLES * OUT; i++) {
        sum += ((double)out[i] - (double)own->target[i]) * ((double)out[i] - (double)own->target[i]);
    }
    return sum / SAMPLES;
}

/* J by central differences, H = 2 mean J^T J. */
static void differentiate(tiny *own) {
    const double step = 1.0 / 128;
    for (int k = 0; k < WEIGHTS; k++) {
        double change[WEIGHTS] = {0};
        float up[SAMPLES * OUT], down[SAMPLES * OUT];
        change[k] = step;
        set_weights(own, change);
        run(own, up);
        change[k] = -step;
        set_weights(own, change);
        run(own, down);
        for (int i = 0; i < SAMPLES * OUT; i++) {
            own->J[i][k] = ((double)up[i] - (double)down[i]) / (2 * step);
        }
    }
    memset(own->H, 0, sizeof own->H);
    for (int a = 0; a < WEIGHTS; a++) {
        for (int b = 0; b < WEIGHTS; b++) {
            for (int i = 0; i < SAMPLES * OUT; i++) {
                own->H[a][b] += 2 * own->J[i][a] * own->J[i][b] / SAMPLES;
            }
        }
    }
}

/* `pointwise`: the layers are 1x1 convolutions over 2x2 pixels, with a relu; otherwise linear with tanh. */
static tiny *new_tiny(uint64_t seed, bool pointwise) {
    tiny *own;
    must(uwc_calloc(1, sizeof *own, &own));
    own->graph = new_graph();
    int y, x;
    if (pointwise) {
        x = put_input(own->graph, "x", uwc_shape_4d(1, IN, 2, 2));
        y = put_unary(own->graph, "h", UWC_OP_RELU, put_conv(own->graph, "a", x, (conv_form){IN, HIDDEN, 1, .pad = 0}));
        y = put_pooled(own->graph, "y", put_conv(own->graph, "b", y, (conv_form){HIDDEN, OUT, 1, .pad = 0}), OUT);
    } else {
        x = put_input(own->graph, "x", uwc_shape_2d(1, IN));
        y = put_unary(own->graph, "h", UWC_OP_TANH, put_linear(own->graph, "a", x, IN, HIDDEN));
        y = put_linear(own->graph, "b", y, HIDDEN, OUT);
    }
    must(uwc_graph_add_output(own->graph, y));
    must(uwc_graph_finish(own->graph));
    must(uwc_exec_create(own->graph, SAMPLES, UWC_BACKEND_REFERENCE, &own->exec));
    own->x = random_images(own->graph->value[x].shape, SAMPLES, 100 + seed);
    uwc_tensor *layer[] = {own->graph->value[uwc_graph_find_value(own->graph, "a.weight")].constant,
                           own->graph->value[uwc_graph_find_value(own->graph, "b.weight")].constant};
    for (int i = 0; i < WEIGHTS; i++) {
        own->weight[i] = i < FIRST ? &layer[0]->f32[i] : &layer[1]->f32[i - FIRST];
        own->real[i] = (float)(0.6 * uwc_rng_normal(seed, 1, (uint64_t)i));
    }
    set_weights(own, NULL);
    run(own, own->target);
    differentiate(own);
    return own;
}

static void free_tiny(tiny **own) {
    uwc_exec_destroy(&(*own)->exec);
    uwc_graph_destroy(&(*own)->graph);
    uwc_tensor_destroy(&(*own)->x);
    uwc_free(own);
}

/* 1/2 change^T H change over weights [first, end). */
static double form(const tiny *own, const double *change, int first, int end) {
    double sum = 0;
    for (int a = first; a < end; a++) {
        double row = 0;
        for (int b = first; b < end; b++) {
            row += own->H[a][b] * change[b];
        }
        sum += 0.5 * change[a] * row;
    }
    return sum;
}

static void small_changes_cost_what_the_quadratic_form_says(void **state) {
    (void)state;
    for (uint64_t seed = 0; seed < 10; seed++) {
        tiny *own = new_tiny(seed, false);
        double error[2], change[WEIGHTS];
        for (int k = 0; k < 2; k++) {
            for (int i = 0; i < WEIGHTS; i++) {
                change[i] = (k == 0 ? 0.01 : 0.04) * uwc_rng_normal(seed, 2, (uint64_t)i);
            }
            error[k] = fabs(true_error(own, change) / form(own, change, 0, WEIGHTS) - 1);
        }
        assert_true(error[0] < 0.05); /* what is left is of third order: it grows with the change */
        assert_true(error[1] < 0.2);
        free_tiny(&own);
    }
}

/* The gradient is zero where the weights are the float ones: the error has no linear part. */
static void there_is_no_gradient_at_the_float_weights(void **state) {
    (void)state;
    tiny *own = new_tiny(3, false);
    double change[WEIGHTS], other[WEIGHTS];
    for (int i = 0; i < WEIGHTS; i++) {
        change[i] = 0.01 * uwc_rng_normal(3, 2, (uint64_t)i);
        other[i] = -change[i];
    }
    assert_true(true_error(own, NULL) == 0);
    assert_true(fabs(true_error(own, change) / true_error(own, other) - 1) < 0.1);
    free_tiny(&own);
}

static void layers_interact(void **state) {
    (void)state;
    for (int pointwise = 0; pointwise < 2; pointwise++) {
        for (uint64_t seed = 0; seed < 5; seed++) {
            tiny *own = new_tiny(seed, pointwise == 1);
            double diagonal = 0, between = 0;
            for (int a = 0; a < WEIGHTS; a++) {
                for (int b = 0; b < WEIGHTS; b++) {
                    *((a < FIRST) == (b < FIRST) ? &diagonal : &between) += own->H[a][b] * own->H[a][b];
                }
            }
            assert_true(between > 0.02 * diagonal);
            free_tiny(&own);
        }
    }
}

/* For every weight the grid point below or above, `step` apart; bit i of `choice` is weight first + i. */
static void round_to(const tiny *own, double step, int first, int end, int choice, double *change) {
    for (int i = first; i < end; i++) {
        double below = floor((double)own->real[i] / step);
        change[i] = (below + (choice >> (i - first) & 1)) * step - (double)own->real[i];
    }
}

/* The best of all choices for weights [first, end), with the form over these weights alone. */
static void round_best(const tiny *own, double step, int first, int end, double *change) {
    double best = INFINITY, candidate[WEIGHTS];
    int kept = 0;
    for (int choice = 0; choice < 1 << (end - first); choice++) {
        round_to(own, step, first, end, choice, candidate);
        double cost = form(own, candidate, first, end);
        if (cost < best) {
            best = cost;
            kept = choice;
        }
    }
    round_to(own, step, first, end, kept, change);
}

static void compare_rounding(bool pointwise) {
    enum { SEEDS = 10 };
    const double step = 0.25;
    double joint = 0, separate = 0, nearest = 0;
    int wins = 0;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        tiny *own = new_tiny(seed, pointwise);
        double change[WEIGHTS], apart, together;
        for (int i = 0; i < WEIGHTS; i++) {
            change[i] = rint((double)own->real[i] / step) * step - (double)own->real[i];
        }
        nearest += true_error(own, change);
        round_best(own, step, 0, FIRST, change);
        round_best(own, step, FIRST, WEIGHTS, change);
        apart = true_error(own, change);
        round_best(own, step, 0, WEIGHTS, change);
        together = true_error(own, change);
        separate += apart;
        joint += together;
        wins += together < apart;
        free_tiny(&own);
    }
    assert_true(separate < nearest);
    assert_true(joint < 0.9 * separate);
    assert_true(wins > SEEDS / 2);
}

static void joint_rounding_beats_separate_rounding(void **state) {
    (void)state;
    compare_rounding(false);
    compare_rounding(true);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(small_changes_cost_what_the_quadratic_form_says),
        cmocka_unit_test(there_is_no_gradient_at_the_float_weights),
        cmocka_unit_test(layers_interact),
        cmocka_unit_test(joint_rounding_beats_separate_rounding),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
