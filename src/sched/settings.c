/* From the configuration's keys to the structs of lower floors. */
#include "sched_impl.h"

#include <stdlib.h>
#include <string.h>

static bool is(const uwc_config *config, const char *key, const char *text) {
    return strcmp(uwc_config_string(config, key), text) == 0;
}

static uwc_input_rule input_rule(const uwc_config *config) {
    return is(config, "reconstruct.input", "prefix")  ? UWC_INPUT_PREFIX
           : is(config, "reconstruct.input", "float") ? UWC_INPUT_FLOAT
                                                      : UWC_INPUT_SEGMENTS;
}

static uwc_method method(const uwc_config *config) {
    static const struct {
        const char *text;
        uwc_method method;
    } known[] = {{"nearest", UWC_METHOD_NEAREST},
                 {"second-order", UWC_METHOD_SECOND_ORDER},
                 {"adaround", UWC_METHOD_ADAROUND},
                 {"brecq", UWC_METHOD_BRECQ},
                 {"qdrop", UWC_METHOD_QDROP}};
    size_t i = 0;
    while (!is(config, "reconstruct.method", known[i].text)) {
        i++;
    }
    return known[i].method;
}

void uwc_sched__settings(const uwc_config *config, uwc_settings *out) {
    *out = (uwc_settings){
        .bits = {.weight_bits = (int)uwc_config_int(config, "quantize.weight_bits"),
                 .activation_bits = (int)uwc_config_int(config, "quantize.activation_bits"),
                 .first_last_bits = (int)uwc_config_int(config, "quantize.first_last_bits"),
                 .weights_asymmetric = is(config, "quantize.weights", "asymmetric"),
                 .quantize_all = is(config, "quantize.activations", "all")},
        .recon = {.method = method(config),
                  .target = is(config, "reconstruct.target", "layer") ? UWC_TARGET_LAYER : UWC_TARGET_UNIT,
                  .ridge = uwc_config_real(config, "reconstruct.ridge"),
                  .damp = uwc_config_real(config, "reconstruct.damp"),
                  .adapt = {.when = is(config, "reconstruct.adapt.when", "off")    ? UWC_ADAPT_OFF
                                    : is(config, "reconstruct.adapt.when", "auto") ? UWC_ADAPT_AUTO
                                                                                   : UWC_ADAPT_ALWAYS,
                            .steps = (int)uwc_config_int(config, "reconstruct.adapt.steps"),
                            .batch = (int)uwc_config_int(config, "reconstruct.adapt.batch"),
                            .rate = uwc_config_real(config, "reconstruct.adapt.rate"),
                            .drop = uwc_config_real(config, "reconstruct.adapt.drop"),
                            .progressive = is(config, "reconstruct.adapt.progressive", "true")},
                  .equalise = is(config, "reconstruct.equalise", "auto"),
                  .positions = uwc_config_int(config, "reconstruct.positions"),
                  .iterations = uwc_config_int(config, "reconstruct.iterations"),
                  .seed = (uint64_t)uwc_config_int(config, "reconstruct.seed"),
                  .distribute_above = uwc_config_int(config, "run.distribute_above"),
                  .scalapack = is(config, "run.factor", "scalapack"),
                  .backend = is(config, "run.ops", "ref") ? UWC_BACKEND_REFERENCE : UWC_BACKEND_FAST},
        .input = input_rule(config),
        .segments = (int)uwc_config_int(config, "reconstruct.segments"),
        .curvature = is(config, "units.rule", "curvature"),
        .max_layers = (int)uwc_config_int(config, "units.max_layers"),
        .threads = (int)uwc_config_int(config, "run.threads"),
        .samples = uwc_config_int(config, "data.samples"),
        .skip = is(config, "data.on_bad_image", "skip"),
        .cache = is(config, "run.cache", "float16") ? UWC_F16 : UWC_F32,
        .message = is(config, "run.transport", "message"),
        .memory_limit = uwc_config_int(config, "run.memory_limit"),
        .unit_deadline = uwc_config_real(config, "run.unit_deadline"),
        .patience = uwc_config_real(config, "run.patience"),
        .team = is(config, "run.team", "auto") ? 0 : atoi(uwc_config_string(config, "run.team")),
    };
}

static uwc_status read_channels(const uwc_config *config, const char *key, double *out) {
    int n = uwc_config_reals(config, key, out, 3);
    UWC_CHECK(n == 1 || n == 3, UWC_E_CONFIG, "%s has %d numbers, not one or three", key, n);
    if (n == 1) {
        out[1] = out[2] = out[0];
    }
    return UWC_OK;
}

uwc_status uwc_preprocess_read(const uwc_config *config, uwc_preprocess *out) {
    *out = (uwc_preprocess){.resize = uwc_config_int(config, "data.preprocess.resize"),
                            .crop = uwc_config_int(config, "data.preprocess.crop"),
                            .letterbox = uwc_config_int(config, "data.preprocess.letterbox"),
                            .pad = uwc_config_int(config, "data.preprocess.pad"),
                            .bgr = is(config, "data.preprocess.color", "bgr"),
                            .scale = uwc_config_real(config, "data.preprocess.scale")};
    UWC_TRY(read_channels(config, "data.preprocess.mean", out->mean));
    return read_channels(config, "data.preprocess.std", out->std);
}
