/* Networks of torchvision as its exporters write them (export.py): all are read and cut into sensible units, and small ones run. Their
 * constants lie in a file that is made here: zeros where values do not matter. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <uwc/onnx.h>

#include <math.h>
#include <string.h>
#include <unistd.h>

#include "partition_text.h"
#include "weights.h"

enum { MAX_LAYERS = 3 };

static const char *const networks[] = {"resnet18",        "resnet50",           "wide_resnet50_2", "resnext50_32x4d", "vgg16_bn",
                                       "densenet121",     "squeezenet1_1",      "mobilenet_v2",    "mnasnet1_0",      "mobilenet_v3_large",
                                       "efficientnet_b0", "shufflenet_v2_x1_0", "regnet_x_400mf",  "regnet_y_400mf",  "googlenet",
                                       "inception_v3",    "convnext_tiny"};
static const char *const exporters[] = {"ts17", "ts13", "dynamo"};

typedef struct place {
    char folder[32], model[64], weights[64];
} place;

static char *source_of(const char *network, const char *exporter, const char *suffix) {
    char *path;
    assert_int_equal(uwc_format(&path, UWC_ZOO "/networks/%s.%s.%s", network, exporter, suffix), UWC_OK);
    return path;
}

static place make_place(void) {
    place own = {.folder = "/tmp/uwc_zoo_XXXXXX"};
    assert_non_null(mkdtemp(own.folder));
    snprintf(own.model, sizeof own.model, "%s/model.onnx", own.folder);
    snprintf(own.weights, sizeof own.weights, "%s/weights.bin", own.folder);
    return own;
}

static void leave_place(const place *own) {
    unlink(own->model);
    unlink(own->weights);
    assert_int_equal(rmdir(own->folder), 0);
}

/* Bytes of all constants of the table. */
static int64_t table_bytes(const char *table) {
    FILE *from = fopen(table, "r");
    int64_t sum = 0;
    zoo_constant c;
    assert_non_null(from);
    while (zoo_read_constant(from, &c)) {
        sum += 4 * (int64_t)zoo_count(&c);
    }
    fclose(from);
    assert_true(sum > 0);
    return sum;
}

/* The network with seeded constants, or with zeros, which take no place. */
static uwc_graph *read_network(const place *own, const char *network, const char *exporter, bool filled) {
    char *model = source_of(network, exporter, "onnx"), *table = source_of(network, exporter, "txt"), *bytes;
    size_t size;
    uwc_graph *graph;
    assert_int_equal(uwc_file_read(model, &bytes, &size), UWC_OK);
    assert_int_equal(uwc_file_write(own->model, bytes, size), UWC_OK);
    if (filled) {
        assert_true(zoo_fill(table, own->weights));
    } else {
        unlink(own->weights);
        assert_int_equal(uwc_file_write(own->weights, "", 0), UWC_OK);
        assert_int_equal(truncate(own->weights, table_bytes(table)), 0);
    }
    if (uwc_onnx_read(own->model, &graph) != UWC_OK) {
        fail_msg("%s.%s: %s", network, exporter, uwc_error_last()->text);
    }
    uwc_free(&bytes);
    uwc_free(&model);
    uwc_free(&table);
    return graph;
}

/* ---- units ----------------------------------------------------------------------------------------------------------------------------
 */

static void compare_text(const uwc_graph *graph, const char *network) {
    char *path, *expected, *text = NULL;
    size_t size, length;
    FILE *to = open_memstream(&text, &length);
    assert_non_null(to);
    assert_int_equal(zoo_print_partition(graph, MAX_LAYERS, to), UWC_OK);
    fclose(to);
    assert_int_equal(uwc_format(&path, UWC_ZOO "/partitions/%s.txt", network), UWC_OK);
    assert_int_equal(uwc_file_read(path, &expected, &size), UWC_OK);
    if (length != size || memcmp(text, expected, size) != 0) {
        fail_msg("%s is cut into other units than %s says:\n%s", network, path, text);
    }
    uwc_free(&path);
    uwc_free(&expected);
    free(text);
}

static void same_units(const uwc_partition *a, const uwc_partition *b, const char *network, const char *exporter) {
    bool same = a->n_units == b->n_units;
    for (int i = 0; same && i < a->n_units; i++) {
        const uwc_unit *p = &a->unit[i], *q = &b->unit[i];
        same = p->n_layers == q->n_layers && p->n_inputs == q->n_inputs && p->n_outputs == q->n_outputs && p->parameters == q->parameters &&
               p->multiply_adds == q->multiply_adds;
    }
    if (!same) {
        fail_msg("%s.%s is cut into other units than %s.%s", network, exporter, network, exporters[0]);
    }
}

/* The units of one export are written down; those of the others have the same layers in them. */
static void given_any_exporter_then_units_are_those_written_down(void **state) {
    (void)state;
    place own = make_place();
    for (size_t n = 0; n < sizeof networks / sizeof *networks; n++) {
        uwc_partition *first = NULL, *other;
        for (size_t e = 0; e < sizeof exporters / sizeof *exporters; e++) {
            uwc_graph *graph = read_network(&own, networks[n], exporters[e], false);
            assert_int_equal(uwc_partition_create(graph, MAX_LAYERS, &other), UWC_OK);
            if (e == 0) {
                compare_text(graph, networks[n]);
                first = other;
            } else {
                same_units(first, other, networks[n], exporters[e]);
                uwc_partition_destroy(&other);
            }
            uwc_graph_destroy(&graph);
        }
        uwc_partition_destroy(&first);
    }
    leave_place(&own);
}

/* ---- forward --------------------------------------------------------------------------------------------------------------------------
 */

/* Waves of some lengths and directions, as images are: neighbours are alike. */
static void fill_image(uwc_tensor *x) {
    for (int64_t i = 0; i < uwc_shape_count(x->shape); i++) {
        int64_t c = i % x->shape.dim[1], w = i / x->shape.dim[1] % x->shape.dim[3], h = i / x->shape.dim[1] / x->shape.dim[3];
        x->f32[i] = (float)(sin(0.05 * (double)(h + c)) + cos(0.031 * (double)w - (double)c));
    }
}

static uwc_tensor *run(const uwc_graph *graph, uwc_backend backend) {
    uwc_tensor *x, *copy;
    uwc_exec *exec;
    const uwc_tensor *out;
    assert_int_equal(uwc_tensor_activation(graph->value[graph->input[0]].shape, &x), UWC_OK);
    fill_image(x);
    assert_int_equal(uwc_exec_create(graph, 1, backend, &exec), UWC_OK);
    assert_int_equal(uwc_exec_run(exec, 1, graph->input, (const uwc_tensor *const[]){x}, 1, graph->output, 1, &out), UWC_OK);
    assert_int_equal(uwc_tensor_copy(out, &copy), UWC_OK);
    uwc_exec_destroy(&exec);
    uwc_tensor_destroy(&x);
    return copy;
}

static void compare_backends(const uwc_graph *graph, const char *network) {
    uwc_tensor *fast = run(graph, UWC_BACKEND_FAST), *reference = run(graph, UWC_BACKEND_REFERENCE);
    double largest = 0, difference = 0;
    for (int64_t i = 0; i < uwc_shape_count(fast->shape); i++) {
        largest = fmax(largest, fabs((double)reference->f32[i]));
        difference = fmax(difference, fabs((double)fast->f32[i] - (double)reference->f32[i]));
    }
    if (!(largest > 0.01 && largest < 1000 && difference <= 1e-4 * largest)) {
        fail_msg("%s: backends differ by %g of %g", network, difference, largest);
    }
    uwc_tensor_destroy(&fast);
    uwc_tensor_destroy(&reference);
}

/* The small networks with what the large ones are made of: residual sums, gates, shuffles, Concats. */
static void given_seeded_constants_then_the_backends_agree(void **state) {
    (void)state;
    static const char *const small[] = {"squeezenet1_1", "mobilenet_v3_large", "shufflenet_v2_x1_0", "efficientnet_b0", "regnet_y_400mf"};
    place own = make_place();
    for (size_t i = 0; i < sizeof small / sizeof *small; i++) {
        uwc_graph *graph = read_network(&own, small[i], "dynamo", true);
        compare_backends(graph, small[i]);
        uwc_graph_destroy(&graph);
    }
    leave_place(&own);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(given_any_exporter_then_units_are_those_written_down),
        cmocka_unit_test(given_seeded_constants_then_the_backends_agree),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
