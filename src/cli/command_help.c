/* Help, all of it from the tables of commands, flags and options. */
#include "cli_impl.h"

#include <string.h>

enum { ALLOWED = 160 };

static void print_overview(FILE *out) {
    int n;
    const uwc_cli__command *command = uwc_cli__commands(&n);
    fputs("uwc quantizes a trained convolutional network unit by unit, without labels.\n\n", out);
    for (int i = 0; i < n; i++) {
        fprintf(out, "  uwc %-9s %-16s %s\n", command[i].name, command[i].operand, command[i].help);
    }
    fputs("  uwc --version\n\n`uwc help COMMAND` shows a command's options, `uwc help options` those of a configuration.\n"
          "Exit status: 0 done, 1 failed, 2 bad usage or input, 3 stopped or units missing (--resume goes on).\n",
          out);
}

void uwc_cli__print_help(const uwc_cli__command *command, FILE *out) {
    int n;
    const uwc_cli__flag *flag = uwc_cli__flags(&n);
    fprintf(out, command->optional ? "uwc %s [%s]\n" : "uwc %s %s", command->name, command->operand);
    if (!command->optional) {
        fputs(" [OPTION]...\n", out);
    }
    fprintf(out, "\n%c%s.\n\n", command->help[0] - 'a' + 'A', command->help + 1);
    for (int i = 0; i < n; i++) {
        if ((command->flags & flag[i].id) != 0) {
            char left[64], letter[8] = "   ";
            if (flag[i].letter != 0) {
                snprintf(letter, sizeof letter, "-%c,", flag[i].letter);
            }
            snprintf(left, sizeof left, "%s --%s %s", letter, flag[i].name, flag[i].argument == NULL ? "" : flag[i].argument);
            fprintf(out, "  %-24s %s%s\n", left, flag[i].help, (command->required & flag[i].id) != 0 ? " (required)" : "");
        }
    }
}

static void print_options(FILE *out) {
    int n;
    const uwc_option *option = uwc_option_table(&n);
    for (int i = 0; i < n; i++) {
        char allowed[ALLOWED];
        fprintf(out, "%s\n    %s\n    %s; default: %s\n", option[i].key, option[i].help,
                uwc_option_allowed(&option[i], allowed, sizeof allowed), option[i].fallback == NULL ? "none" : option[i].fallback);
    }
    fputs("\nOptions of the blocks quantize and reconstruct may be listed under `sweep:` by the last part of their key: weight_bits: [2, "
          "3, 4].\n",
          out);
}

/* docs/options.md */
static void print_options_page(FILE *out) {
    int n;
    const uwc_option *option = uwc_option_table(&n);
    fputs("# Options of a configuration\n\n"
          "Made from the table in `src/config/options.c` by `uwc help options.md`; a test compares them.\n\n"
          "A configuration is a YAML file. Defaults come first, then the file, then `--set key=value` with the dotted keys below. Unknown "
          "keys are\n"
          "errors. Paths are relative to the file that names them (with `--set`, to the working folder); `${VAR}` is replaced by an "
          "environment\n"
          "variable. Lists on the command line are written `a,b,c`. YAML aliases and tags are refused.\n\n"
          "*Result* says that the option is part of what a run is: `--resume` refuses a directory where it differs.\n"
          "*Sweep* says that a list of values may stand under `sweep:`, by the last part of the key (`adapt` for "
          "`reconstruct.adapt.when`): `sweep: {weight_bits: [2, 3, 4], adapt: [off, auto]}`.\n\n"
          "| key | values | default | result | sweep | meaning |\n|---|---|---|---|---|---|\n",
          out);
    for (int i = 0; i < n; i++) {
        char allowed[ALLOWED];
        fprintf(out, "| `%s` | %s | %s | %s | %s | %s |\n", option[i].key, uwc_option_allowed(&option[i], allowed, sizeof allowed),
                option[i].fallback == NULL ? "" : option[i].fallback, option[i].affects_result ? "yes" : "", option[i].swept ? "yes" : "",
                option[i].help);
    }
}

uwc_status uwc_cli__help(uwc_cli__session *session) {
    const char *topic = session->arguments->operand;
    if (topic == NULL) {
        print_overview(session->out);
    } else if (strcmp(topic, "options") == 0) {
        print_options(session->out);
    } else if (strcmp(topic, "options.md") == 0) {
        print_options_page(session->out);
    } else if (strcmp(topic, "operators.md") == 0) {
        uwc_cli__print_operators(session->out);
    } else {
        const uwc_cli__command *command = uwc_cli__find_command(topic);
        UWC_CHECK(command != NULL, UWC_E_ARG, "no help on \"%s\" (see `uwc help`)", topic);
        uwc_cli__print_help(command, session->out);
    }
    return UWC_OK;
}
