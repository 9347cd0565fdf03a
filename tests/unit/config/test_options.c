/* Every option of the table: its default, its bounds, its text, its place in --set. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <uwc/config.h>

#include <stdlib.h>
#include <string.h>

static int set_up(void **state) {
    return uwc_config_create((uwc_config **)state) == UWC_OK ? 0 : -1;
}

static int tear_down(void **state) {
    uwc_config_destroy((uwc_config **)state);
    return 0;
}

static uwc_status set(uwc_config *config, const char *key, const char *value) {
    char text[512];
    snprintf(text, sizeof text, "%s=%s", key, value);
    return uwc_config_set(config, text);
}

static uwc_status set_number(uwc_config *config, const char *key, double value) {
    char text[64];
    snprintf(text, sizeof text, "%.17g", value);
    return set(config, key, text);
}

static void assert_refused(uwc_config *config, const char *key, const char *value, const char *part) {
    assert_int_equal(set(config, key, value), UWC_E_CONFIG);
    if (strstr(uwc_error_last()->text, part) == NULL || strstr(uwc_error_last()->text, key) == NULL) {
        fail_msg("\"%s\" names neither %s nor \"%s\"", uwc_error_last()->text, key, part);
    }
}

static void defaults_are_those_of_the_documentation(void **state) {
    const uwc_config *c = *state;
    double three[3];
    assert_null(uwc_config_string(c, "model"));
    assert_int_equal(uwc_config_int(c, "data.samples"), 1024);
    assert_true(uwc_config_real(c, "data.preprocess.scale") == 0.00392156862745098);
    assert_true(uwc_config_reals(c, "data.preprocess.mean", three, 3) >= 1);
    assert_true(three[0] == 0.485 && three[1] == 0.456 && three[2] == 0.406);
    assert_true(uwc_config_reals(c, "data.preprocess.std", three, 3) >= 1);
    assert_true(three[0] == 0.229 && three[1] == 0.224 && three[2] == 0.225);
    assert_string_equal(uwc_config_string(c, "data.preprocess.color"), "rgb");
    assert_int_equal(uwc_config_int(c, "quantize.weight_bits"), 4);
    assert_int_equal(uwc_config_int(c, "quantize.activation_bits"), 4);
    assert_int_equal(uwc_config_int(c, "quantize.first_last_bits"), 8);
    assert_int_equal(uwc_config_int(c, "units.max_layers"), 3);
    assert_string_equal(uwc_config_string(c, "reconstruct.method"), "second-order");
    assert_string_equal(uwc_config_string(c, "reconstruct.input"), "prefix");
    assert_true(uwc_config_real(c, "reconstruct.damp") == 0.05);
    assert_int_equal(uwc_config_int(c, "run.memory_limit"), INT64_C(2) << 30);
    assert_int_equal(uwc_config_sweep_count(c), 1);
}

static void numbers_take_their_bounds_and_nothing_beyond(void **state) {
    int rows, tried = 0;
    const uwc_option *table = uwc_option_table(&rows);
    for (int i = 0; i < rows; i++) {
        const uwc_option *option = &table[i];
        if (option->type == UWC_OPTION_PATH || option->type == UWC_OPTION_CHOICE) {
            continue;
        }
        assert_true(option->least < option->most);
        assert_int_equal(set_number(*state, option->key, option->least), UWC_OK);
        assert_int_equal(set_number(*state, option->key, option->most), UWC_OK);
        double step = option->type == UWC_OPTION_INT || option->type == UWC_OPTION_BYTES ? 1 : 1e-9 * option->most;
        char text[64];
        snprintf(text, sizeof text, "%.17g", option->least - step);
        assert_refused(*state, option->key, text, text);
        snprintf(text, sizeof text, "%.17g", option->most * 2);
        assert_refused(*state, option->key, text, text);
        if (option->also != 0) {
            assert_int_equal(set_number(*state, option->key, option->also), UWC_OK);
            assert_int_equal(set_number(*state, option->key, option->also - 1), UWC_E_CONFIG);
        }
        static const char *const wrong[] = {"four", "4x", "nan", "inf", "0x4", "", "--1"};
        for (size_t w = 0; w < sizeof wrong / sizeof wrong[0]; w++) {
            assert_refused(*state, option->key, wrong[w], "allowed");
        }
        tried++;
    }
    assert_true(tried >= 14);
}

static void choices_take_each_word_and_no_other(void **state) {
    int rows, tried = 0;
    const uwc_option *table = uwc_option_table(&rows);
    for (int i = 0; i < rows; i++) {
        if (table[i].type != UWC_OPTION_CHOICE) {
            continue;
        }
        char *words = strdup(table[i].choices), *rest = words;
        for (char *word; (word = strsep(&rest, "|")) != NULL;) {
            assert_int_equal(set(*state, table[i].key, word), UWC_OK);
            assert_string_equal(uwc_config_string(*state, table[i].key), word);
            char longer[64];
            snprintf(longer, sizeof longer, "%sx", word);
            assert_refused(*state, table[i].key, longer, longer);
        }
        assert_refused(*state, table[i].key, table[i].choices + 1, "allowed");
        free(words);
        tried++;
    }
    assert_true(tried >= 9);
}

static void keys_are_unique_and_have_help(void **state) {
    (void)state;
    int rows;
    const uwc_option *table = uwc_option_table(&rows);
    for (int i = 0; i < rows; i++) {
        assert_true(table[i].help != NULL && strlen(table[i].help) > 10);
        for (int j = 0; j < i; j++) {
            assert_string_not_equal(table[i].key, table[j].key);
            char a[64], b[64];
            uwc_option_sweep_name(table[i].key, a, sizeof a);
            uwc_option_sweep_name(table[j].key, b, sizeof b);
            assert_false(table[i].swept && table[j].swept && strcmp(a, b) == 0);
        }
    }
}

static void a_sweep_calls_a_switch_by_its_block(void **state) {
    static const char *const pair[][2] = {{"reconstruct.adapt.when", "adapt"},
                                          {"quantize.weight_bits", "weight_bits"},
                                          {"reconstruct.adapt.steps", "steps"},
                                          {"when", "when"}};
    for (size_t i = 0; i < sizeof pair / sizeof pair[0]; i++) {
        char name[64];
        uwc_option_sweep_name(pair[i][0], name, sizeof name);
        assert_string_equal(name, pair[i][1]);
    }
    assert_int_equal(set(*state, "sweep.adapt", "off,auto"), UWC_OK);
    assert_int_equal(set(*state, "sweep.reconstruct.adapt.when", "always"), UWC_OK); /* the same row */
    assert_int_equal(uwc_config_sweep_keys(*state), 1);
    assert_int_equal(set(*state, "sweep.adapt", "sometimes"), UWC_E_CONFIG);
    assert_refused(*state, "sweep.adap", "off", "nearest known key is \"sweep.adapt\"");
}

static void bytes_take_units(void **state) {
    static const struct {
        const char *text;
        int64_t bytes;
    } good[] = {{"64MiB", 67108864},  {"2GiB", 2147483648},     {"1.5 GiB", 1610612736},
                {"500MB", 500000000}, {"100000000", 100000000}, {"40000kB", 40000000}};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        assert_int_equal(set(*state, "run.memory_limit", good[i].text), UWC_OK);
        assert_int_equal(uwc_config_int(*state, "run.memory_limit"), good[i].bytes);
    }
    assert_refused(*state, "run.memory_limit", "2gib", "bytes");
    assert_refused(*state, "run.memory_limit", "2GiB and more", "bytes");
    assert_refused(*state, "run.memory_limit", "1e40GiB", "bytes");
}

static void one_number_stands_for_three(void **state) {
    double three[3];
    assert_int_equal(set(*state, "data.preprocess.mean", "0.5"), UWC_OK);
    assert_true(uwc_config_reals(*state, "data.preprocess.mean", three, 3) >= 1);
    assert_true(three[0] == 0.5 && three[1] == 0.5 && three[2] == 0.5);
    assert_int_equal(set(*state, "data.preprocess.mean", "[0.1, 0.2,0.3]"), UWC_OK);
    assert_true(uwc_config_reals(*state, "data.preprocess.mean", three, 3) >= 1);
    assert_true(three[0] == 0.1 && three[1] == 0.2 && three[2] == 0.3);
    assert_refused(*state, "data.preprocess.mean", "1,2", "one or three");
    assert_refused(*state, "data.preprocess.mean", "1,2,3,4", "one or three");
    assert_refused(*state, "data.preprocess.mean", "1,,3", "missing");
    assert_refused(*state, "data.preprocess.std", "0", "0");
}

static void unknown_keys_name_the_nearest(void **state) {
    static const char *const pair[][2] = {{"quantize.weight_bit", "quantize.weight_bits"},
                                          {"quantise.weight_bits", "quantize.weight_bits"},
                                          {"weight_bits", "quantize.weight_bits"},
                                          {"modle", "model"},
                                          {"data.mean", "data.preprocess.mean"},
                                          {"reconstruct.seeds", "reconstruct.seed"},
                                          {"sweep.activation_bit", "sweep.activation_bits"},
                                          {"quantise", "quantize"},
                                          {"run.memory", "run.memory_limit"}};
    for (size_t i = 0; i < sizeof pair / sizeof pair[0]; i++) {
        char wanted[128];
        snprintf(wanted, sizeof wanted, "nearest known key is \"%s\"", pair[i][1]);
        assert_refused(*state, pair[i][0], "4", wanted);
    }
    /* features that do not exist are no keys */
    assert_refused(*state, "run.gpu", "4", "unknown key");
    assert_refused(*state, "sweep.mean", "4", "unknown key");
    assert_refused(*state, "quantize", "4", "block");
    assert_int_equal(uwc_config_set(*state, "model"), UWC_E_CONFIG);
    assert_refused(*state, "reconstruct.method", "adaquant", "nearest or second-order or adaround or brecq or qdrop");
}

static void long_and_broken_texts_stay_one_line(void **state) {
    char text[3000];
    memset(text, 'x', sizeof text);
    text[sizeof text - 1] = '\0';
    memcpy(text, "quantize.weight_bits=\n", 22);
    assert_int_equal(uwc_config_set(*state, text), UWC_E_CONFIG);
    assert_null(strchr(uwc_error_last()->text, '\n'));
    assert_non_null(strstr(uwc_error_last()->text, "allowed: integer 2..8"));
    memset(text, 'k', 2000);
    text[2000] = '=';
    assert_int_equal(uwc_config_set(*state, text), UWC_E_CONFIG);
    assert_non_null(strstr(uwc_error_last()->text, "nearest known key"));
    assert_int_equal(uwc_config_set(*state, "model=a\xff.onnx"), UWC_E_CONFIG);
    assert_int_equal(uwc_config_set(*state, "model=a\xc3\xa9.onnx"), UWC_OK);
    assert_int_equal(uwc_config_set(*state, "model=a\x01.onnx"), UWC_E_CONFIG);
}

static void environment_is_expanded(void **state) {
    assert_int_equal(setenv("UWC_TEST_FOLDER", "/data/x", 1), 0);
    assert_int_equal(set(*state, "model", "${UWC_TEST_FOLDER}/m.onnx"), UWC_OK);
    assert_string_equal(uwc_config_string(*state, "model"), "/data/x/m.onnx");
    assert_int_equal(setenv("UWC_TEST_FOLDER", "3", 1), 0);
    assert_int_equal(set(*state, "run.threads", "${UWC_TEST_FOLDER}"), UWC_OK);
    assert_int_equal(uwc_config_int(*state, "run.threads"), 3);
    assert_int_equal(unsetenv("UWC_TEST_FOLDER"), 0);
    assert_refused(*state, "model", "${UWC_TEST_FOLDER}/m.onnx", "UWC_TEST_FOLDER is not set");
    assert_refused(*state, "model", "${UWC_TEST_FOLDER", "closing brace");
    assert_refused(*state, "model", "${no name}", "no environment variable");
    assert_int_equal(set(*state, "model", "/a$b/m.onnx"), UWC_OK);
    assert_string_equal(uwc_config_string(*state, "model"), "/a$b/m.onnx");
}

static void needed_options_are_missed(void **state) {
    assert_int_equal(uwc_config_need(*state, "model"), UWC_E_CONFIG);
    assert_int_equal(set(*state, "model", "/m.onnx"), UWC_OK);
    assert_int_equal(uwc_config_need(*state, "model"), UWC_OK);
    assert_int_equal(set(*state, "model", ""), UWC_OK);
    assert_null(uwc_config_string(*state, "model"));
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(defaults_are_those_of_the_documentation),
        TEST(numbers_take_their_bounds_and_nothing_beyond),
        TEST(choices_take_each_word_and_no_other),
        TEST(keys_are_unique_and_have_help),
        TEST(a_sweep_calls_a_switch_by_its_block),
        TEST(bytes_take_units),
        TEST(one_number_stands_for_three),
        TEST(unknown_keys_name_the_nearest),
        TEST(long_and_broken_texts_stay_one_line),
        TEST(environment_is_expanded),
        TEST(needed_options_are_missed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
