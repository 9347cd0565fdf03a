/* Every case of onnx/cases.txt: a file that is read gives the expected numbers and survives a round trip; a broken one is refused with its
 * status and a message that says why. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <uwc/onnx.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct outcome {
    char name[64], expected[32], text[128];
} outcome;

static char *path_of(const char *name, const char *suffix) {
    char *path;
    assert_int_equal(uwc_format(&path, UWC_GOLDEN "/onnx/%s%s", name, suffix), UWC_OK);
    return path;
}

/* As input_of of the generator: exact in float32. */
static void fill_input(uwc_tensor *plain) {
    for (int64_t i = 0; i < uwc_shape_count(plain->shape); i++) {
        uint32_t bits = (uint32_t)((uint64_t)i * UINT64_C(2654435761)) >> 8;
        plain->f32[i] = (float)((double)bits - 0x1p23) * 0x1p-22f;
    }
}

static uwc_tensor *plain_copy(const uwc_tensor *from) {
    uwc_tensor *to;
    assert_int_equal(uwc_tensor_create(UWC_F32, from->shape, UWC_PLAIN, &to), UWC_OK);
    assert_int_equal(uwc_tensor_convert(from, to), UWC_OK);
    return to;
}

/* Output of the graph for `images` images in plain layout. */
static uwc_tensor *run(const uwc_graph *graph, int64_t images, uwc_backend backend) {
    uwc_tensor *plain, *x;
    uwc_exec *exec;
    const uwc_tensor *out;
    uwc_shape shape = uwc_shape_batch(graph->value[graph->input[0]].shape, images);
    assert_int_equal(uwc_tensor_create(UWC_F32, shape, UWC_PLAIN, &plain), UWC_OK);
    fill_input(plain);
    assert_int_equal(uwc_tensor_activation(shape, &x), UWC_OK);
    assert_int_equal(uwc_tensor_convert(plain, x), UWC_OK);
    assert_int_equal(uwc_exec_create(graph, images, backend, &exec), UWC_OK);
    assert_int_equal(uwc_exec_run(exec, images, graph->input, (const uwc_tensor *const[]){x}, 1, graph->output, 1, &out), UWC_OK);
    uwc_tensor *result = plain_copy(out);
    uwc_exec_destroy(&exec);
    uwc_tensor_destroy(&x);
    uwc_tensor_destroy(&plain);
    return result;
}

static int count_wrong(const uwc_tensor *out, const float *expected) {
    int wrong = 0;
    for (int64_t i = 0; i < uwc_shape_count(out->shape); i++) {
        wrong += !(fabsf(out->f32[i] - expected[i]) <= 2e-5f * (1 + fabsf(expected[i])));
    }
    return wrong;
}

static int check_numbers(const char *name, const uwc_graph *graph) {
    char *path = path_of(name, ".out"), *bytes;
    size_t size;
    int failures = 0;
    assert_int_equal(uwc_file_read(path, &bytes, &size), UWC_OK);
    size_t image = (size_t)uwc_shape_count(graph->value[graph->output[0]].shape) * sizeof(float);
    if (size == 0 || size % image != 0) {
        print_error("%s: %zu bytes expected, an image has %zu\n", name, size, image);
        failures++;
    }
    for (uwc_backend backend = UWC_BACKEND_FAST; failures == 0 && backend <= UWC_BACKEND_REFERENCE; backend++) {
        uwc_tensor *out = run(graph, (int64_t)(size / image), backend);
        int wrong = count_wrong(out, (const float *)bytes);
        if (wrong > 0) {
            print_error("%s: %d of %lld numbers differ, backend %d\n", name, wrong, (long long)uwc_shape_count(out->shape), (int)backend);
            failures++;
        }
        uwc_tensor_destroy(&out);
    }
    uwc_free(&bytes);
    uwc_free(&path);
    return failures;
}

static int check_round_trip(const char *name, const uwc_graph *graph) {
    char *bytes, *again;
    size_t size, size_again;
    uwc_graph *back;
    uint64_t hash, hash_back;
    assert_int_equal(uwc_onnx_serialize(graph, &bytes, &size), UWC_OK);
    if (uwc_onnx_parse(bytes, size, NULL, &back) != UWC_OK) {
        print_error("%s: written, then refused: %s\n", name, uwc_error_last()->text);
        uwc_free(&bytes);
        return 1;
    }
    assert_int_equal(uwc_graph_hash(graph, &hash), UWC_OK);
    assert_int_equal(uwc_graph_hash(back, &hash_back), UWC_OK);
    assert_int_equal(uwc_onnx_serialize(back, &again, &size_again), UWC_OK);
    bool same = hash == hash_back && size == size_again && memcmp(bytes, again, size) == 0;
    if (!same) {
        print_error("%s: the round trip changes it\n", name);
    }
    uwc_graph_destroy(&back);
    uwc_free(&bytes);
    uwc_free(&again);
    return !same;
}

static const char *status_name(uwc_status status) {
#define NAME(name, exit_status, words) #name,
    static const char *const names[] = {UWC_STATUS_LIST(NAME)};
#undef NAME
    return strncmp(names[status], "E_", 2) == 0 ? names[status] + 2 : "ok";
}

static int check_case(const outcome *c) {
    char *path = path_of(c->name, ".onnx");
    uwc_graph *graph;
    int failures = 0;
    uwc_status st = uwc_onnx_read(path, &graph);
    const char *text = st == UWC_OK ? "" : uwc_error_last()->text;
    if (strcmp(status_name(st), c->expected) != 0 || strstr(text, c->text) == NULL) {
        print_error("%s: %s \"%s\", expected %s \"%s\"\n", c->name, status_name(st), text, c->expected, c->text);
        failures++;
    } else if (st == UWC_OK) {
        failures = check_numbers(c->name, graph) + check_round_trip(c->name, graph);
    }
    assert_true((st == UWC_OK) == (graph != NULL));
    uwc_graph_destroy(&graph);
    uwc_free(&path);
    return failures;
}

static bool read_case(const char *line, outcome *c) {
    *c = (outcome){0};
    return sscanf(line, "%63s %31s %127[^\n]", c->name, c->expected, c->text) >= 2;
}

static void all_cases(void **state) {
    (void)state;
    char *path = path_of("cases", ".txt"), *table, *rest = NULL;
    size_t size;
    outcome c;
    int cases = 0, failures = 0;
    assert_int_equal(uwc_file_read(path, &table, &size), UWC_OK);
    for (char *line = strtok_r(table, "\n", &rest); line != NULL; line = strtok_r(NULL, "\n", &rest)) {
        assert_true(read_case(line, &c));
        failures += check_case(&c);
        cases++;
    }
    uwc_free(&table);
    uwc_free(&path);
    assert_in_range(cases, 250, 10000);
    assert_int_equal(failures, 0);
}

/* A file cut anywhere is refused or, where what is left happens to be a model, read; nothing else. */
static void truncated_files(void **state) {
    (void)state;
    static const char *const names[] = {"opset_13", "quantized_rows", "chain_arithmetic", "batch_norm_behind_conv"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char *path = path_of(names[i], ".onnx"), *bytes;
        size_t size;
        int refused = 0, tried = 0;
        assert_int_equal(uwc_file_read(path, &bytes, &size), UWC_OK);
        for (size_t cut = 0; cut < size; cut += 3, tried++) {
            uwc_graph *graph;
            refused += uwc_onnx_parse(bytes, cut, NULL, &graph) != UWC_OK;
            uwc_graph_destroy(&graph);
        }
        assert_int_equal(refused, tried);
        uwc_free(&bytes);
        uwc_free(&path);
    }
}

static void changed_bytes(void **state) {
    (void)state;
    char *path = path_of("quantized_rows", ".onnx"), *bytes;
    size_t size;
    assert_int_equal(uwc_file_read(path, &bytes, &size), UWC_OK);
    for (uint64_t round = 0; round < 2000; round++) {
        size_t at = (size_t)uwc_rng_below(1, 0, round, (int64_t)size);
        char held = bytes[at];
        uwc_graph *graph;
        bytes[at] = (char)uwc_rng_u32(1, 1, round);
        uwc_status st = uwc_onnx_parse(bytes, size, NULL, &graph);
        assert_int_equal(st == UWC_OK, graph != NULL);
        assert_int_not_equal(st, UWC_E_INTERNAL);
        uwc_graph_destroy(&graph);
        bytes[at] = held;
    }
    uwc_free(&bytes);
    uwc_free(&path);
}

/* A model in a folder of its own reads its external data through a link only if that stays in the folder. */
static void external_links(void **state) {
    (void)state;
    char folder[] = "/tmp/uwc_golden_XXXXXX", link[128], copy[128], model[128], *path = path_of("external", ".onnx"), *bytes;
    char *data = path_of("external", ".data");
    size_t size;
    uwc_graph *graph;
    assert_non_null(mkdtemp(folder));
    snprintf(link, sizeof link, "%s/external.data", folder);
    snprintf(copy, sizeof copy, "%s/inside", folder);
    snprintf(model, sizeof model, "%s/m.onnx", folder);
    assert_int_equal(uwc_file_read(path, &bytes, &size), UWC_OK);
    assert_int_equal(uwc_file_write(model, bytes, size), UWC_OK);
    uwc_free(&bytes);
    assert_int_equal(symlink(data, link), 0);
    assert_int_equal(uwc_onnx_read(model, &graph), UWC_E_FORMAT);
    assert_non_null(strstr(uwc_error_last()->text, "outside the model's folder"));
    assert_int_equal(uwc_file_read(data, &bytes, &size), UWC_OK);
    assert_int_equal(uwc_file_write(copy, bytes, size), UWC_OK);
    assert_int_equal(unlink(link), 0);
    assert_int_equal(symlink("inside", link), 0);
    assert_int_equal(uwc_onnx_read(model, &graph), UWC_OK);
    uwc_graph_destroy(&graph);
    unlink(link);
    unlink(copy);
    unlink(model);
    assert_int_equal(rmdir(folder), 0);
    uwc_free(&bytes);
    uwc_free(&path);
    uwc_free(&data);
}

/* Large weights in a file of their own may be transposed. */
static void external_wide(void **state) {
    (void)state;
    char folder[] = "/tmp/uwc_golden_XXXXXX", data[128], model[128], *path = path_of("external_wide", ".onnx"), *bytes;
    size_t size;
    uwc_graph *graph;
    assert_non_null(mkdtemp(folder));
    snprintf(data, sizeof data, "%s/wide.data", folder);
    snprintf(model, sizeof model, "%s/m.onnx", folder);
    assert_int_equal(uwc_file_read(path, &bytes, &size), UWC_OK);
    assert_int_equal(uwc_file_write(model, bytes, size), UWC_OK);
    assert_int_equal(uwc_file_write(data, "", 0), UWC_OK);
    assert_int_equal(uwc_onnx_read(model, &graph), UWC_E_FORMAT);
    assert_int_equal(truncate(data, 4200 * 4200 * 4), 0);
    assert_int_equal(uwc_onnx_read(model, &graph), UWC_OK);
    uwc_graph_destroy(&graph);
    unlink(data);
    unlink(model);
    assert_int_equal(rmdir(folder), 0);
    uwc_free(&bytes);
    uwc_free(&path);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_cases),      cmocka_unit_test(truncated_files), cmocka_unit_test(changed_bytes),
        cmocka_unit_test(external_links), cmocka_unit_test(external_wide),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
