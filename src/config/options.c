#include "config_impl.h"

#include <string.h>

#define PATHS .type = UWC_OPTION_PATH
#define INTEGER(low, high) .type = UWC_OPTION_INT, .least = (low), .most = (high)
#define REAL(low, high) .type = UWC_OPTION_REAL, .least = (low), .most = (high)
#define REALS(low, high) .type = UWC_OPTION_REALS, .least = (low), .most = (high)
#define BYTES(low, high) .type = UWC_OPTION_BYTES, .least = (low), .most = (high)
#define CHOICE(list) .type = UWC_OPTION_CHOICE, .choices = (list)
#define RESULT .affects_result = true
#define SWEPT .affects_result = true, .swept = true

/* Model and data do not enter the hash by their paths: the run directory knows them by their contents. */
static const uwc_option table[] = {
    {"model", PATHS, .help = "the trained network, an ONNX file"},
    {"data.calibration", PATHS, .help = "images that the method looks at: HDF5, a folder of JPEG or PNG files, or .npy"},
    {"data.evaluation", PATHS, .help = "labelled images for the accuracy; left out: no accuracy"},
    {"data.samples", INTEGER(1, 1e9), .fallback = "1024", SWEPT, .help = "how many calibration images to use, from the first"},
    {"data.on_bad_image", CHOICE("fail|skip"), .fallback = "fail", SWEPT,
     .help = "an image that cannot be used (damaged, of another size) ends the run, or is named and left out"},
    {"data.preprocess.resize", INTEGER(0, 16384), .fallback = "0", SWEPT, .help = "short side in pixels after resizing; 0: left as it is"},
    {"data.preprocess.crop", INTEGER(0, 16384), .fallback = "0", SWEPT, .help = "side in pixels of the centre crop; 0: not cropped"},
    {"data.preprocess.letterbox", INTEGER(0, 8192), .fallback = "0", SWEPT,
     .help = "in place of resize and crop: the long side in pixels, the image in the upper left corner of such a square; 0: not"},
    {"data.preprocess.pad", INTEGER(0, 255), .fallback = "114", SWEPT, .help = "pixel value of what a letterboxed image does not cover"},
    {"data.preprocess.color", CHOICE("rgb|bgr"), .fallback = "rgb", SWEPT, .help = "order of the channels that the network wants"},
    {"data.preprocess.scale", REAL(1e-9, 1e6), .fallback = "0.00392156862745098", SWEPT, .help = "value = (pixel * scale - mean) / std"},
    {"data.preprocess.mean", REALS(-1e6, 1e6), .fallback = "0.485,0.456,0.406", RESULT, .help = "per channel, in the order of `color`"},
    {"data.preprocess.std", REALS(1e-6, 1e6), .fallback = "0.229,0.224,0.225", RESULT, .help = "per channel, in the order of `color`"},
    {"quantize.weight_bits", INTEGER(2, 8), .fallback = "4", SWEPT, .help = "bits of the weights"},
    {"quantize.activation_bits", INTEGER(2, 8), .also = 32, .fallback = "4", SWEPT, .help = "bits of the activations; 32: float"},
    {"quantize.first_last_bits", INTEGER(2, 8), .fallback = "8", SWEPT,
     .help = "bits of the first and last layer's weights, the network's input, the first layer's output and the last layer's input"},
    {"quantize.weights", CHOICE("symmetric|asymmetric"), .fallback = "symmetric", SWEPT, .help = "grid of the weights, per output channel"},
    {"quantize.activations", CHOICE("weighted|all"), .fallback = "weighted", SWEPT,
     .help = "quantize the inputs of layers with weights, or of all operators"},
    {"units.rule", CHOICE("auto|curvature"), .fallback = "auto", SWEPT,
     .help = "how the network is cut into Basic-Units: by its structure, or then joining neighbours whose layers interact strongly"},
    {"units.max_layers", INTEGER(1, 1000), .fallback = "3", SWEPT, .help = "layers with weights that a chain without branches may hold"},
    {"reconstruct.method", CHOICE("nearest|second-order|adaround|brecq|qdrop"), .fallback = "second-order", SWEPT,
     .help = "how a unit's weights are rounded; the last three learn it by gradient descent"},
    {"reconstruct.input", CHOICE("prefix|float|segments"), .fallback = "prefix", SWEPT,
     .help = "a unit's input comes from the quantized units before it, from the float network, or from the quantized units of its segment"},
    {"reconstruct.segments", INTEGER(1, 10000), .fallback = "2", SWEPT, .help = "chains of about equal work, for `input: segments`"},
    {"reconstruct.target", CHOICE("unit|layer"), .fallback = "unit", SWEPT, .help = "what the layer in front of a residual add aims at"},
    {"reconstruct.positions", INTEGER(0, 1e9), .fallback = "0", SWEPT,
     .help = "output positions per image in the statistics of a layer; 0: at most 1,024, of as many images as give 131,072 rows"},
    {"reconstruct.equalise", CHOICE("auto|none"), .fallback = "auto", SWEPT,
     .help = "stretch the channels of quantized activations in front of depthwise layers to one range"},
    {"reconstruct.adapt.when", CHOICE("auto|always|off"), .fallback = "auto", SWEPT,
     .help = "a unit's float weights and activation steps descend on its output error before its layers are rounded; auto: where "
             "weights have less than 4 bits or activations less than 8 (`adapt: off` is short for `adapt: {when: off}`)"},
    {"reconstruct.adapt.steps", INTEGER(1, 1e6), .fallback = "480", SWEPT, .help = "steps of that descent"},
    {"reconstruct.adapt.batch", INTEGER(1, 1024), .fallback = "16", SWEPT, .help = "images of a step"},
    {"reconstruct.adapt.rate", REAL(0, 1), .fallback = "0.0025", SWEPT,
     .help = "how far a parameter moves in the first step, as a part of its size; falls to 0 as a cosine"},
    {"reconstruct.adapt.drop", REAL(0, 1), .fallback = "0", SWEPT, .help = "part of the activations that stay float in a step"},
    {"reconstruct.adapt.progressive", CHOICE("true|false"), .fallback = "false", SWEPT,
     .help = "adapt again after each rounded layer, the layers of the unit behind it"},
    {"reconstruct.ridge", REAL(0, 1e6), .fallback = "0", SWEPT,
     .help = "ridge of the least-squares target as a part of the mean diagonal of the Gram matrix; 0: the best one on held-out images"},
    {"reconstruct.damp", REAL(0, 1e6), .fallback = "0.05", SWEPT,
     .help = "what is added to the diagonal of the metric of rounding, as a part of its mean"},
    {"reconstruct.iterations", INTEGER(1, 1e7), .fallback = "20000", SWEPT,
     .help = "iterations of 32 images, per layer for `method: adaround`, per unit for `brecq` and `qdrop`"},
    {"reconstruct.seed", INTEGER(0, 9007199254740992.0), .fallback = "0", SWEPT, .help = "key of all random numbers"},
    {"run.threads", INTEGER(1, 1024), .fallback = "1", .help = "threads of each rank"},
    {"run.memory_limit", BYTES(16777216.0, 1125899906842624.0), .fallback = "2GiB", .help = "memory that each rank may use"},
    {"run.cache", CHOICE("float32|float16"), .fallback = "float32", SWEPT,
     .help = "numbers of the activations on disk between the units; float16: half the bytes"},
    {"run.transport", CHOICE("shared|message"), .fallback = "shared",
     .help = "workers read the cache on a shared file system, or activations travel in messages"},
    {"run.ops", CHOICE("fast|ref"), .fallback = "fast", SWEPT, .help = "operators: the fast ones, or plain loops to compare with"},
    {"run.isa", CHOICE("auto|sse41|avx|avx2|avx512_core"), .fallback = "auto",
     .help = "best instruction set that the fast operators use; results differ between sets in the last digits"},
    {"run.distribute_above", INTEGER(0, 1e9), .fallback = "8192", SWEPT,
     .help = "layers with more inputs are spread over the ranks of a team and solved in panels; 0: none"},
    {"run.factor", CHOICE("panels|scalapack"), .fallback = "panels", SWEPT,
     .help = "how these layers' matrices are factored: with the same bytes on any number of ranks, or by ScaLAPACK, without, where a "
             "rank's death needs --resume"},
    {"run.team", CHOICE("auto|1|2|4|8|16"), .fallback = "auto",
     .help = "ranks that share the samples of one unit; auto: as many as have nothing else to do, where it pays"},
    {"run.unit_deadline", REAL(0, 1e9), .fallback = "0",
     .help =
         "seconds after which a silent rank's unit is given to another, twice that at each further try; 0: far beyond its estimated cost"},
    {"run.patience", REAL(0.1, 1e9), .fallback = "30",
     .help =
         "seconds after which a rank that should answer at once counts as dead; ranks leave when rank 0 is silent for ten times as long"},
};
enum { ROWS = (int)(sizeof table / sizeof table[0]) };

const uwc_option *uwc_option_table(int *n) {
    *n = ROWS;
    return table;
}

static void append(char *text, size_t size, const char *format, ...) UWC_PRINTF(3, 4);
static void append(char *text, size_t size, const char *format, ...) {
    size_t used = strlen(text);
    va_list list;
    va_start(list, format);
    vsnprintf(text + used, size - used, format, list);
    va_end(list);
}

static void append_range(const uwc_option *option, char *text, size_t size) {
    char least[32], most[32];
    uwc_config__print_real(option->least, least);
    uwc_config__print_real(option->most, most);
    append(text, size, " %s..%s", least, most);
    if (option->also != 0) {
        append(text, size, " or %g", option->also);
    }
}

const char *uwc_option_allowed(const uwc_option *option, char *text, size_t size) {
    text[0] = '\0';
    switch (option->type) {
    case UWC_OPTION_PATH:
        append(text, size, "path");
        break;
    case UWC_OPTION_CHOICE:
        for (const char *at = option->choices; *at != '\0'; at++) {
            append(text, size, *at == '|' ? " or " : "%c", *at);
        }
        break;
    case UWC_OPTION_INT:
        append(text, size, "integer");
        append_range(option, text, size);
        break;
    case UWC_OPTION_REAL:
        append(text, size, "number");
        append_range(option, text, size);
        break;
    case UWC_OPTION_REALS:
        append(text, size, "one or three numbers");
        append_range(option, text, size);
        break;
    case UWC_OPTION_BYTES:
        append(text, size, "bytes, %gMiB..%gTiB", option->least / 1048576.0, option->most / 1099511627776.0);
        break;
    }
    return text;
}

const char *uwc_option__leaf(const char *key) {
    const char *dot = strrchr(key, '.');
    return dot == NULL ? key : dot + 1;
}

void uwc_option_sweep_name(const char *key, char *name, size_t size) {
    const char *leaf = uwc_option__leaf(key);
    size_t length = strlen(leaf);
    if (leaf > key && strcmp(leaf, "when") == 0) {
        const char *end = leaf - 1;
        for (leaf = end; leaf > key && leaf[-1] != '.'; leaf--) {
        }
        length = (size_t)(end - leaf);
    }
    snprintf(name, size, "%.*s", (int)length, leaf);
}

static bool is_swept_as(const uwc_option *option, const char *name) {
    char known[UWC_CONFIG_KEY];
    uwc_option_sweep_name(option->key, known, sizeof known);
    return option->swept && (strcmp(option->key, name) == 0 || strcmp(known, name) == 0);
}

static bool is_block(const char *key) {
    size_t length = strlen(key);
    for (int row = 0; row < ROWS; row++) {
        if (strncmp(table[row].key, key, length) == 0 && table[row].key[length] == '.') {
            return true;
        }
    }
    return strcmp(key, "sweep") == 0;
}

uwc_config__kind uwc_option__find(const char *key, int *row) {
    static const char sweep[] = "sweep.";
    bool swept = strncmp(key, sweep, sizeof sweep - 1) == 0;
    const char *name = swept ? key + sizeof sweep - 1 : key;
    for (*row = 0; *row < ROWS; ++*row) {
        const uwc_option *option = &table[*row];
        if (swept ? is_swept_as(option, name) : strcmp(option->key, name) == 0) {
            return swept ? UWC_KEY_SWEEP : UWC_KEY_OPTION;
        }
    }
    *row = -1;
    return is_block(key) ? UWC_KEY_BLOCK : UWC_KEY_UNKNOWN;
}

bool uwc_option__switch(const char *block, int *row) {
    const size_t length = strlen(block);
    for (*row = 0; *row < ROWS; ++*row) {
        if (strncmp(table[*row].key, block, length) == 0 && strcmp(table[*row].key + length, ".when") == 0) {
            return true;
        }
    }
    return false;
}

/* Edit distance of Levenshtein (1966), of the first UWC_CONFIG_KEY - 1 bytes. */
static int distance(const char *a, const char *b) {
    int row[UWC_CONFIG_KEY];
    int m = (int)strnlen(a, UWC_CONFIG_KEY - 1), n = (int)strnlen(b, UWC_CONFIG_KEY - 1);
    for (int j = 0; j <= n; j++) {
        row[j] = j;
    }
    for (int i = 1; i <= m; i++) {
        int diagonal = row[0];
        row[0] = i;
        for (int j = 1; j <= n; j++) {
            int best = diagonal + (a[i - 1] != b[j - 1]);
            diagonal = row[j];
            best = row[j] + 1 < best ? row[j] + 1 : best;
            row[j] = row[j - 1] + 1 < best ? row[j - 1] + 1 : best;
        }
    }
    return row[n];
}

typedef struct nearest {
    char key[UWC_CONFIG_KEY];
    int distance;
} nearest;

static void consider(nearest *best, const char *unknown, const char *prefix, const char *key) {
    char candidate[UWC_CONFIG_KEY];
    snprintf(candidate, sizeof candidate, "%s%s", prefix, key);
    /* a beginning that was not finished is nearer than its letters tell, and so is a right name in the wrong block */
    bool begun = strlen(unknown) > 2 && strncmp(unknown, candidate, strlen(unknown)) == 0;
    int whole = begun ? 2 : 2 * distance(unknown, candidate);
    const char *leaf = uwc_option__leaf(unknown);
    int of_leaf = distance(leaf, uwc_option__leaf(candidate));
    int d = 3 * of_leaf <= (int)strlen(leaf) && 2 * of_leaf + 1 < whole ? 2 * of_leaf + 1 : whole;
    if (d < best->distance) {
        best->distance = d;
        memcpy(best->key, candidate, sizeof candidate);
    }
}

uwc_status uwc_option__unknown(const char *key) {
    nearest best = {.distance = 1 << 30};
    for (int row = 0; row < ROWS; row++) {
        char block[UWC_CONFIG_KEY];
        consider(&best, key, "", table[row].key);
        if (table[row].swept) {
            uwc_option_sweep_name(table[row].key, block, sizeof block);
            consider(&best, key, "sweep.", block);
        }
        snprintf(block, sizeof block, "%s", table[row].key);
        for (char *dot; (dot = strrchr(block, '.')) != NULL;) {
            *dot = '\0';
            consider(&best, key, "", block);
        }
    }
    consider(&best, key, "", "sweep");
    char shown[UWC_CONFIG_SHOWN];
    return uwc_error_set(UWC_E_CONFIG, "unknown key \"%s\"; the nearest known key is \"%s\"", uwc_config__shown(key, shown), best.key);
}
