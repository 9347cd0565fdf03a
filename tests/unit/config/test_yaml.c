/* YAML files, good and bad: what is read, and which line a complaint names. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <uwc/config.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct bundle {
    char folder[64], path[96];
    uwc_config *config;
} bundle;

static int set_up(void **state) {
    bundle *b = calloc(1, sizeof *b);
    strcpy(b->folder, "/tmp/uwc_yaml_XXXXXX");
    if (mkdtemp(b->folder) == NULL || uwc_config_create(&b->config) != UWC_OK) {
        return -1;
    }
    snprintf(b->path, sizeof b->path, "%s/c.yaml", b->folder);
    *state = b;
    return 0;
}

static int tear_down(void **state) {
    bundle *b = *state;
    unlink(b->path);
    rmdir(b->folder);
    uwc_config_destroy(&b->config);
    free(b);
    return 0;
}

static uwc_status read_bytes(bundle *b, const char *text, size_t bytes) {
    FILE *file = fopen(b->path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, bytes, file), bytes);
    assert_int_equal(fclose(file), 0);
    return uwc_config_read(b->config, b->path);
}

static uwc_status read_text(bundle *b, const char *text) {
    return read_bytes(b, text, strlen(text));
}

static void the_whole_language(void **state) {
    bundle *b = *state;
    assert_int_equal(read_text(b, "# comment\n"
                                  "model: ../m.onnx\n"
                                  "data:\n"
                                  "  calibration: images/calib.h5\n"
                                  "  evaluation: /abs/test.h5\n"
                                  "  samples: 256\n"
                                  "  preprocess: {resize: 256, crop: 224, color: bgr, scale: 1, mean: 0.5, std: [1, 2.5, 3e-1]}\n"
                                  "quantize:\n"
                                  "  weights: asymmetric\n"
                                  "  activation_bits: 32\n"
                                  "run: {memory_limit: 64MiB}\n"
                                  "sweep:\n"
                                  "  weight_bits: [2, 3]\n"
                                  "  method: [nearest, second-order]\n"
                                  "  damp: 0.5\n"
                                  "  adapt: [off, auto]\n"),
                     UWC_OK);
    const uwc_config *c = b->config;
    char *folder = realpath(b->folder, NULL), wanted[256];
    *strrchr(folder, '/') = '\0';
    snprintf(wanted, sizeof wanted, "%s/m.onnx", folder);
    assert_string_equal(uwc_config_string(c, "model"), wanted);
    snprintf(wanted, sizeof wanted, "%s/%s/images/calib.h5", folder, strrchr(b->folder, '/') + 1);
    assert_string_equal(uwc_config_string(c, "data.calibration"), wanted);
    free(folder);
    assert_string_equal(uwc_config_string(c, "data.evaluation"), "/abs/test.h5");
    assert_int_equal(uwc_config_int(c, "data.samples"), 256);
    assert_int_equal(uwc_config_int(c, "data.preprocess.crop"), 224);
    assert_string_equal(uwc_config_string(c, "data.preprocess.color"), "bgr");
    double three[3];
    assert_true(uwc_config_reals(c, "data.preprocess.std", three, 3) >= 1);
    assert_true(three[0] == 1 && three[1] == 2.5 && three[2] == 0.3);
    assert_int_equal(uwc_config_int(c, "run.memory_limit"), 67108864);
    assert_int_equal(uwc_config_int(c, "quantize.weight_bits"), 4);
    assert_int_equal(uwc_config_sweep_keys(c), 4);
    assert_string_equal(uwc_config_sweep_key(c, 1), "reconstruct.method");
    assert_int_equal(uwc_config_sweep_values(c, 0), 2);
    assert_string_equal(uwc_config_sweep_value(c, 0, 1), "3");
    assert_string_equal(uwc_config_sweep_value(c, 2, 0), "0.5");
    assert_string_equal(uwc_config_sweep_key(c, 3), "reconstruct.adapt.when");
    static const char *const when[] = {"off", "auto"};
    for (int64_t i = 0; i < 8; i++) {
        uwc_config *picked;
        assert_int_equal(uwc_config_sweep_pick(c, i, &picked), UWC_OK);
        assert_string_equal(uwc_config_string(picked, "reconstruct.adapt.when"), when[i % 2]);
        uwc_config_destroy(&picked);
    }
}

static void later_settings_win(void **state) {
    bundle *b = *state;
    assert_int_equal(read_text(b, "quantize: {weight_bits: 3}\n"), UWC_OK);
    assert_int_equal(uwc_config_set(b->config, "quantize.weight_bits=2"), UWC_OK);
    assert_int_equal(uwc_config_int(b->config, "quantize.weight_bits"), 2);
    assert_int_equal(read_text(b, "quantize.weight_bits: 5\nsweep:\n#  weight_bits: [2]\n"), UWC_OK);
    assert_int_equal(uwc_config_int(b->config, "quantize.weight_bits"), 5);
}

typedef struct bad {
    const char *text;
    int line;
    const char *part; /* of the message */
} bad;

static const bad bad_files[] = {
    {"model: a\nquantise:\n  weight_bits: 4\n", 2, "unknown key \"quantise\"; the nearest known key is \"quantize\""},
    {"model: a\nquantize:\n  weight_bitz: 4\n", 3,
     "unknown key \"quantize.weight_bitz\"; the nearest known key is \"quantize.weight_bits\""},
    {"quantize:\n\n\n  weight_bits: 9\n", 4, "quantize.weight_bits: \"9\" is not allowed; allowed: integer 2..8"},
    {"quantize:\n  activation_bits: 16\n", 2, "integer 2..8 or 32"},
    {"quantize:\n  weight_bits: four\n", 2, "\"four\""},
    {"quantize:\n  weight_bits: '4'\n", 2, "\"4\" is not allowed"},
    {"quantize:\n  weight_bits: 4.0\n", 2, "4.0"},
    {"quantize:\n  weight_bits: [4]\n", 2, "a list is not allowed"},
    {"quantize:\n  weight_bits: {a: 4}\n", 2, "a value is expected, not a block"},
    {"quantize:\n  weight_bits:\n", 2, "a value is missing"},
    {"quantize: 4\n", 1, "quantize: a block of keys is expected, not a value"},
    {"quantize: [4]\n", 1, "quantize: a block of keys is expected, not a value"},
    {"model: [a, b]\n", 1, "a list is not allowed"},
    {"reconstruct:\n  method: adaquant\n", 2, "second-order or adaround or brecq or qdrop"},
    {"model: a\nmodel: b\n", 2, "given twice, first on line 1"},
    {"run: {threads: 1}\ndata: {samples: 3}\nrun: {ops: ref}\n", 3, "key \"run\" is given twice, first on line 1"},
    {"quantize:\n\tweight_bits: 4\n", 2, "no valid YAML"},
    {"quantize: {weight_bits: 4\n", 2, "no valid YAML"},
    {"model: \"a\n", 2, "no valid YAML"},
    {"{{{{\n", 1, ""},
    {"- model\n- data\n", 1, "a mapping of keys is expected"},
    {"just words\n", 1, "a mapping of keys is expected"},
    {"model: a\n---\nmodel: b\n", 2, "one YAML document is expected"},
    {"a: &a [x, x]\nb: &b [*a, *a]\n", 1, "unknown key \"a\""},
    {"data:\n  preprocess:\n    mean: &m [1, 2, 3]\n    std: *m\n", 4, "aliases"},
    {"data:\n  preprocess:\n    mean: [1, *m, 2]\n", 3, "aliases"},
    {"data:\n  preprocess: {mean: [[1], 2, 3]}\n", 2, "a list of plain values"},
    {"data:\n  preprocess: {mean: [1, 2]}\n", 2, "one or three numbers"},
    {"data:\n  preprocess: {std: [1, 0, 1]}\n", 2, "\"0\" is not allowed"},
    {"model: !!binary abcd\n", 1, "tags"},
    {"? [a]\n: b\n", 1, "a plain word"},
    {"model: \"a\\0b\"\n", 1, "NUL"},
    {"model: \"a\\nb\"\n", 1, "control characters"},
    {"model: ${UWC_NOT_SET_ANYWHERE}/m.onnx\n", 1, "model: the environment variable UWC_NOT_SET_ANYWHERE is not set"},
    {"sweep:\n  weight_bits: [2, 9]\n", 2, "\"9\" is not allowed"},
    {"sweep:\n  weight_bits: []\n", 2, "empty list"},
    {"sweep:\n  weight_bits: [3, 3]\n", 2, "3 is listed twice"},
    {"sweep:\n  mean: [3, 4]\n", 2, "unknown key"},
};

static void mistakes_name_their_line(void **state) {
    bundle *b = *state;
    for (size_t i = 0; i < sizeof bad_files / sizeof bad_files[0]; i++) {
        char prefix[128];
        int length = snprintf(prefix, sizeof prefix, "%s:%d: ", b->path, bad_files[i].line);
        assert_int_equal(read_text(b, bad_files[i].text), UWC_E_CONFIG);
        const char *text = uwc_error_last()->text;
        if (strncmp(text, prefix, (size_t)length) != 0 || strstr(text, bad_files[i].part) == NULL) {
            fail_msg("file %zu: \"%s\", wanted line %d and \"%s\"", i, text, bad_files[i].line, bad_files[i].part);
        }
    }
}

static void empty_and_missing_files(void **state) {
    bundle *b = *state;
    assert_int_equal(read_text(b, ""), UWC_E_CONFIG);
    assert_non_null(strstr(uwc_error_last()->text, "empty configuration"));
    assert_int_equal(read_text(b, "# nothing\n"), UWC_E_CONFIG);
    assert_int_equal(read_text(b, "---\n...\n"), UWC_E_CONFIG);
    assert_int_equal(uwc_config_read(b->config, "/no/such/file.yaml"), UWC_E_NOTFOUND);
    assert_non_null(strstr(uwc_error_last()->text, "/no/such/file.yaml"));
    assert_int_equal(uwc_config_read(b->config, b->folder), UWC_E_FORMAT);
}

/* Any bytes give a status and leave a configuration that can be used; the sanitizers watch. */
static void random_bytes_are_refused(void **state) {
    bundle *b = *state;
    static const char alphabet[] = "model:\n  data{}[],&*!|>'\"%@`#-? \t\x00\x80\xff\xc3\xa9quantize.weight_bits4";
    for (uint64_t file = 0; file < 400; file++) {
        char text[200];
        for (uint64_t i = 0; i < sizeof text; i++) {
            text[i] = alphabet[uwc_rng_below(1, file, i, (int64_t)sizeof alphabet)];
        }
        text[0] = '%'; /* a directive that no YAML knows */
        assert_int_not_equal(read_bytes(b, text, sizeof text), UWC_OK);
        assert_null(strchr(uwc_error_last()->text, '\n'));
    }
    assert_int_equal(read_bytes(b, "model: a\x00 b\n", 12), UWC_E_CONFIG);
    assert_int_equal(read_bytes(b, "model: \xff\xfe\n", 10), UWC_E_CONFIG);
}

static void deep_and_long_files_are_refused(void **state) {
    bundle *b = *state;
    enum { MANY = 2 << 20 };
    char *text = malloc(MANY);
    memset(text, '[', MANY);
    memcpy(text, "model: ", 7);
    assert_int_equal(read_bytes(b, text, 50000), UWC_E_CONFIG);
    memset(text, ' ', MANY);
    assert_int_equal(read_bytes(b, text, MANY), UWC_E_CONFIG);
    assert_non_null(strstr(uwc_error_last()->text, "at most"));
    memset(text, 'v', MANY);
    memcpy(text, "model: ", 7);
    assert_int_equal(read_bytes(b, text, 9000), UWC_E_CONFIG);
    free(text);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(the_whole_language),      TEST(later_settings_win),       TEST(mistakes_name_their_line),
        TEST(empty_and_missing_files), TEST(random_bytes_are_refused), TEST(deep_and_long_files_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
