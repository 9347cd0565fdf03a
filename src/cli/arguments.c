/* The command line: one table of flags, one of commands; parsing, checks and help all read them. */
#include "cli_impl.h"

#include <string.h>

static const uwc_cli__flag flags[] = {
    {UWC_FLAG_OUTPUT, 'o', "output", "PATH", "where the result goes"},
    {UWC_FLAG_CONFIG, 'c', "config", "FILE", "a configuration whose settings are used (model and images, preprocessing, bits, run)"},
    {UWC_FLAG_DATA, 'd', "data", "SPEC", "labelled images: HDF5, a folder of JPEG or PNG files, or .npy"},
    {UWC_FLAG_SET, 's', "set", "KEY=VALUE", "one option of the configuration; may be repeated (see `uwc help options`)"},
    {UWC_FLAG_OPS, 0, "ops", "fast|ref", "operators: the fast ones, or plain loops to compare with (run.ops)"},
    {UWC_FLAG_RESUME, 'r', "resume", NULL, "go on where a run in that directory stopped"},
    {UWC_FLAG_JSON, 'j', "json", NULL, "print JSON instead of tables"},
    {UWC_FLAG_CURVATURE, 0, "curvature", NULL,
     "of a solved run: how the layers of each unit add to its error and cancel each other's part"},
    {UWC_FLAG_SIMULATE, 0, "simulate", "RANKS[,RANKS...]", "change nothing: how long the phase solve would take on so many ranks"},
    {UWC_FLAG_QUIET, 'q', "quiet", NULL, "no progress and no final table"},
    {UWC_FLAG_VERBOSE, 'v', "verbose", NULL, "more messages"},
    {UWC_FLAG_HELP, 'h', "help", NULL, "help on the command"},
};
enum { FLAGS = (int)(sizeof flags / sizeof flags[0]) };

#define TALK (UWC_FLAG_QUIET | UWC_FLAG_VERBOSE | UWC_FLAG_HELP)
#define SETTINGS (UWC_FLAG_SET | UWC_FLAG_OPS)

static const uwc_cli__command commands[] = {
    {"run", "CONFIG", "quantize a network: all phases, alone or under mpirun", UWC_FLAG_OUTPUT | SETTINGS | UWC_FLAG_RESUME | TALK, 0,
     false, false, uwc_cli__run},
    {"plan", "DIR", "cut the network of a run directory into units", UWC_FLAG_SIMULATE | UWC_FLAG_JSON | TALK, 0, false, false,
     uwc_cli__phase},
    {"capture", "DIR", "write the float activations at unit boundaries", TALK, 0, false, false, uwc_cli__phase},
    {"solve", "DIR", "reconstruct the units that are not done", TALK, 0, false, false, uwc_cli__phase},
    {"assemble", "DIR", "write the quantized model.onnx", TALK, 0, false, false, uwc_cli__phase},
    {"evaluate", "DIR|MODEL.onnx", "measure a run, or an ONNX file on labelled images",
     UWC_FLAG_CONFIG | UWC_FLAG_DATA | SETTINGS | UWC_FLAG_JSON | TALK, 0, false, false, uwc_cli__evaluate},
    {"sweep", "CONFIG", "run every combination that is listed under `sweep:`", UWC_FLAG_OUTPUT | SETTINGS | UWC_FLAG_RESUME | TALK, 0,
     false, false, uwc_cli__sweep},
    {"inspect", "MODEL.onnx|DIR", "layers, units, sizes, cost, memory of a network or a run",
     UWC_FLAG_CONFIG | UWC_FLAG_SET | UWC_FLAG_JSON | UWC_FLAG_CURVATURE | UWC_FLAG_HELP, 0, false, true, uwc_cli__inspect},
    {"pack", "FOLDER", "pack images (JPEG, PNG) into HDF5, resized and cropped or letterboxed as data.preprocess says",
     UWC_FLAG_OUTPUT | UWC_FLAG_CONFIG | UWC_FLAG_SET | TALK, UWC_FLAG_OUTPUT, false, true, uwc_cli__pack},
    {"report", "DIR", "write report.html of a run or sweep directory and print its table", TALK, 0, false, true, uwc_cli__report},
    {"help", "COMMAND|options", "help on a command, or the options of a configuration", UWC_FLAG_HELP, 0, true, true, uwc_cli__help},
};
enum { COMMANDS = (int)(sizeof commands / sizeof commands[0]) };

const uwc_cli__flag *uwc_cli__flags(int *n) {
    *n = FLAGS;
    return flags;
}

const uwc_cli__command *uwc_cli__commands(int *n) {
    *n = COMMANDS;
    return commands;
}

const uwc_cli__command *uwc_cli__find_command(const char *name) {
    for (int i = 0; i < COMMANDS; i++) {
        if (strcmp(commands[i].name, name) == 0) {
            return &commands[i];
        }
    }
    return NULL;
}

/* The flag that a word begins with; *value = the part behind "=" or, for letters, the rest of the word; NULL where there is none. */
static const uwc_cli__flag *find_flag(const char *word, const char **value) {
    bool is_long = word[1] == '-';
    size_t length = is_long ? strcspn(word + 2, "=") : 1;
    for (int i = 0; i < FLAGS; i++) {
        bool same = is_long ? strlen(flags[i].name) == length && strncmp(word + 2, flags[i].name, length) == 0 : flags[i].letter == word[1];
        if (same) {
            const char *rest = word + (is_long ? 2 : 1) + length;
            *value = *rest == '\0' ? NULL : is_long ? rest + 1 : rest;
            return &flags[i];
        }
    }
    return NULL;
}

static uwc_status store(uwc_cli__arguments *out, const uwc_cli__flag *flag, const char *value) {
    UWC_CHECK(flag->id == UWC_FLAG_SET || (out->given & flag->id) == 0, UWC_E_ARG, "--%s is given twice", flag->name);
    out->given |= flag->id;
    switch (flag->id) {
    case UWC_FLAG_OUTPUT:
        out->output = value;
        break;
    case UWC_FLAG_CONFIG:
        out->config = value;
        break;
    case UWC_FLAG_DATA:
        out->data = value;
        break;
    case UWC_FLAG_OPS:
        out->ops = value;
        break;
    case UWC_FLAG_SIMULATE:
        out->simulate = value;
        break;
    case UWC_FLAG_SET:
        UWC_CHECK(out->n_sets < UWC_CLI_SETS, UWC_E_ARG, "more than %d times --set", UWC_CLI_SETS);
        out->set[out->n_sets++] = value;
        break;
    default:
        break;
    }
    return UWC_OK;
}

/* argv[*i] is a flag; takes its value from the next word where it has none. */
static uwc_status parse_flag(int argc, char *const *argv, int *i, uwc_cli__arguments *out) {
    const char *word = argv[*i], *value = NULL, *name = out->command->name;
    const uwc_cli__flag *flag = find_flag(word, &value);
    UWC_CHECK(flag != NULL, UWC_E_ARG, "unknown option %s (see `uwc help %s`)", word, name);
    UWC_CHECK((out->command->flags & flag->id) != 0, UWC_E_ARG, "`uwc %s` has no option --%s (see `uwc help %s`)", name, flag->name, name);
    if (flag->argument == NULL) {
        UWC_CHECK(value == NULL, UWC_E_ARG, "--%s takes no value", flag->name);
    } else if (value == NULL) {
        UWC_CHECK(*i + 1 < argc, UWC_E_ARG, "--%s needs a value: %s", flag->name, flag->argument);
        value = argv[++*i];
    }
    UWC_CHECK(flag->argument == NULL || value[0] != '\0', UWC_E_ARG, "--%s needs a value: %s", flag->name, flag->argument);
    return store(out, flag, value);
}

static uwc_status check_complete(const uwc_cli__arguments *out) {
    const uwc_cli__command *command = out->command;
    if ((out->given & UWC_FLAG_HELP) != 0) {
        return UWC_OK;
    }
    UWC_CHECK(out->operand != NULL || command->optional, UWC_E_ARG, "`uwc %s` needs %s (see `uwc help %s`)", command->name,
              command->operand, command->name);
    for (int f = 0; f < FLAGS; f++) {
        UWC_CHECK((command->required & flags[f].id & ~out->given) == 0, UWC_E_ARG, "`uwc %s` needs --%s %s", command->name, flags[f].name,
                  flags[f].argument);
    }
    UWC_CHECK((~out->given & (UWC_FLAG_QUIET | UWC_FLAG_VERBOSE)) != 0, UWC_E_ARG, "--quiet and --verbose exclude each other");
    return UWC_OK;
}

uwc_status uwc_cli__parse(int argc, char *const *argv, uwc_cli__arguments *out) {
    *out = (uwc_cli__arguments){0};
    UWC_CHECK(argc >= 2, UWC_E_ARG, "no command (see `uwc help`)");
    const char *name = argv[1];
    bool help = strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0;
    out->command = uwc_cli__find_command(help ? "help" : name);
    UWC_CHECK(out->command != NULL, UWC_E_ARG,
              name[0] == '-' ? "unknown option %s (see `uwc help`)" : "unknown command %s (see `uwc help`)", name);
    bool only_operands = false;
    for (int i = 2; i < argc; i++) {
        if (!only_operands && strcmp(argv[i], "--") == 0) {
            only_operands = true;
        } else if (!only_operands && argv[i][0] == '-' && argv[i][1] != '\0') {
            UWC_TRY(parse_flag(argc, argv, &i, out));
        } else {
            UWC_CHECK(out->operand == NULL, UWC_E_ARG, "`uwc %s` takes one %s, not \"%s\" too", out->command->name, out->command->operand,
                      argv[i]);
            UWC_CHECK(argv[i][0] != '\0', UWC_E_ARG, "`uwc %s` needs %s, not an empty word", out->command->name, out->command->operand);
            out->operand = argv[i];
        }
    }
    return check_complete(out);
}
