/* The effective configuration through JSON, its hash, and the combinations of a sweep. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <uwc/config.h>

#include <stdlib.h>
#include <string.h>

static uwc_config *make(const char *const *assignment) {
    uwc_config *config;
    assert_int_equal(uwc_config_create(&config), UWC_OK);
    for (; *assignment != NULL; assignment++) {
        assert_int_equal(uwc_config_set(config, *assignment), UWC_OK);
    }
    return config;
}

static char *print(const uwc_config *config) {
    uwc_json *json;
    char *text;
    assert_int_equal(uwc_config_json(config, &json), UWC_OK);
    assert_int_equal(uwc_json_print(json, 2, &text), UWC_OK);
    uwc_json_release(&json);
    return text;
}

static const char *const everything[] = {"model=/m.onnx",
                                         "data.calibration=/c",
                                         "data.evaluation=/e \"quoted\" \xc3\xa9",
                                         "data.samples=7",
                                         "data.preprocess.scale=0.1",
                                         "data.preprocess.mean=0.1",
                                         "data.preprocess.std=0.3333333333333333,1,2",
                                         "quantize.weight_bits=3",
                                         "quantize.activation_bits=32",
                                         "reconstruct.damp=1e-5",
                                         "reconstruct.seed=9007199254740992",
                                         "run.memory_limit=17000001",
                                         "run.unit_deadline=1.5",
                                         "sweep.weight_bits=2,3,8",
                                         "sweep.method=[nearest, second-order]",
                                         "sweep.damp=0.1,0.01",
                                         "sweep.adapt=off,auto",
                                         NULL};

static void json_round_trips_exactly(void **state) {
    (void)state;
    uwc_config *config = make(everything), *back;
    uwc_json *json;
    char *text = print(config), *again;
    assert_int_equal(uwc_json_parse(text, strlen(text), &json), UWC_OK);
    assert_int_equal(uwc_config_from_json(json, &back), UWC_OK);
    again = print(back);
    assert_string_equal(text, again);
    assert_true(uwc_config_hash(config) == uwc_config_hash(back));
    assert_true(uwc_config_real(back, "reconstruct.damp") == 1e-5);
    assert_true(uwc_config_int(back, "reconstruct.seed") == INT64_C(9007199254740992));
    assert_int_equal(uwc_config_sweep_count(back), 24);
    uwc_json_release(&json);
    uwc_free(&text);
    uwc_free(&again);
    uwc_config_destroy(&config);
    uwc_config_destroy(&back);
}

static void json_has_the_documented_blocks(void **state) {
    (void)state;
    uwc_config *config = make(everything);
    char *text = print(config);
    assert_non_null(strstr(text, "\"preprocess\": {"));
    assert_non_null(strstr(text, "\"weight_bits\": 3"));
    assert_non_null(strstr(text, "\"sweep\": {"));
    uwc_free(&text);
    uwc_config_destroy(&config);
    config = make((const char *const[]){NULL});
    text = print(config);
    assert_null(strstr(text, "model"));
    assert_null(strstr(text, "sweep"));
    uwc_free(&text);
    uwc_config_destroy(&config);
}

static void bad_json_is_refused(void **state) {
    (void)state;
    static const char *const bad[] = {"{\"quantize\": {\"weight_bits\": 9}}",
                                      "{\"quantize\": {\"weight_bits\": \"4\"}}",
                                      "{\"quantize\": {\"weight_bit\": 4}}",
                                      "{\"quantize\": 4}",
                                      "{\"quantize\": {\"weight_bits\": [4]}}",
                                      "{\"model\": {\"a\": 1}}",
                                      "{\"model\": true}",
                                      "{\"sweep\": {\"weight_bits\": [[2]]}}",
                                      "{\"quantize\": {\"weight_bits\": 4.5}}"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        uwc_json *json;
        uwc_config *config;
        assert_int_equal(uwc_json_parse(bad[i], strlen(bad[i]), &json), UWC_OK);
        assert_int_equal(uwc_config_from_json(json, &config), UWC_E_CONFIG);
        assert_null(config);
        uwc_json_release(&json);
    }
}

static void hash_follows_what_affects_results(void **state) {
    (void)state;
    int rows, same = 0, other = 0;
    const uwc_option *table = uwc_option_table(&rows);
    uwc_config *plain = make((const char *const[]){NULL});
    for (int i = 0; i < rows; i++) {
        char change[256], allowed[64];
        snprintf(allowed, sizeof allowed, "%s", table[i].choices == NULL ? "" : table[i].choices);
        if (table[i].type == UWC_OPTION_CHOICE && strchr(allowed, '|') == NULL) {
            continue; /* one word only */
        }
        char *word = strcmp(strtok(allowed, "|") == NULL ? "" : allowed, table[i].fallback == NULL ? "" : table[i].fallback) == 0
                         ? strtok(NULL, "|")
                         : allowed;
        if (table[i].type == UWC_OPTION_CHOICE) {
            snprintf(change, sizeof change, "%s=%s", table[i].key, word);
        } else if (table[i].type == UWC_OPTION_PATH) {
            snprintf(change, sizeof change, "%s=/other", table[i].key);
        } else {
            double other_number = atof(table[i].fallback) == table[i].most ? table[i].least : table[i].most;
            snprintf(change, sizeof change, "%s=%.17g", table[i].key, other_number);
        }
        uwc_config *changed = make((const char *const[]){change, NULL});
        bool differs = uwc_config_hash(changed) != uwc_config_hash(plain);
        if (differs != table[i].affects_result) {
            fail_msg("%s", change);
        }
        *(differs ? &other : &same) += 1;
        uwc_config_destroy(&changed);
    }
    assert_true(same >= 5 && other >= 15);
    uwc_config_destroy(&plain);
}

static void one_mean_hashes_like_three_equal_ones(void **state) {
    (void)state;
    uwc_config *one = make((const char *const[]){"data.preprocess.mean=0.5", NULL});
    uwc_config *three = make((const char *const[]){"data.preprocess.mean=0.5,0.5,0.5", NULL});
    assert_true(uwc_config_hash(one) == uwc_config_hash(three));
    uwc_config_destroy(&one);
    uwc_config_destroy(&three);
}

static void every_combination_once(void **state) {
    (void)state;
    uwc_config *config = make((const char *const[]){"sweep.weight_bits=2,3,8", "sweep.activation_bits=4,32", NULL});
    static const int wanted[6][2] = {{2, 4}, {2, 32}, {3, 4}, {3, 32}, {8, 4}, {8, 32}};
    assert_int_equal(uwc_config_sweep_count(config), 6);
    for (int i = 0; i < 6; i++) {
        uwc_config *picked;
        assert_int_equal(uwc_config_sweep_pick(config, i, &picked), UWC_OK);
        assert_int_equal(uwc_config_int(picked, "quantize.weight_bits"), wanted[i][0]);
        assert_int_equal(uwc_config_int(picked, "quantize.activation_bits"), wanted[i][1]);
        assert_int_equal(uwc_config_sweep_keys(picked), 0);
        uwc_config_destroy(&picked);
    }
    assert_int_equal(uwc_config_set(config, "sweep.weight_bits=5"), UWC_OK); /* replaces the list */
    assert_int_equal(uwc_config_sweep_count(config), 2);
    uwc_config_destroy(&config);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(json_round_trips_exactly),
        cmocka_unit_test(json_has_the_documented_blocks),
        cmocka_unit_test(bad_json_is_refused),
        cmocka_unit_test(hash_follows_what_affects_results),
        cmocka_unit_test(one_mean_hashes_like_three_equal_ones),
        cmocka_unit_test(every_combination_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
