/* docs/operators.md, from the tables of the importer and of the operators. */
#include "cli_impl.h"

#include <uwc/backward.h>
#include <uwc/onnx.h>

static void print_onnx(FILE *out) {
    uwc_onnx_operator_info info;
    fputs(
        "## ONNX operators\n\n"
        "Operator sets 7 to 21 of the default domain are read (*since*: the first of them that has the operator). *Becomes* names the "
        "operators of the\n"
        "second table; without an entry an operator is computed from constants alone. *Constants* says that it is computed at import where "
        "all of its\n"
        "inputs are constants, as in the chains that compute shapes. The batch is the first dimension, dynamic or 1, and stays there.\n\n"
        "| operator | since | becomes | constants | supported |\n|---|---|---|---|---|\n",
        out);
    for (int i = 0; uwc_onnx_operator(i, &info); i++) {
        fprintf(out, "| `%s` | %d | %s | %s | %s |\n", info.name, info.since, info.becomes, info.folds ? "yes" : "", info.limits);
    }
}

static const char *quantized_inputs(uwc_op_kind kind) {
    return uwc_op_is_weighted(kind) ? "x and weights" : kind == UWC_OP_BATCH_NORM ? "folded before" : "with `activations: all`";
}

static void print_kinds(FILE *out) {
    fputs(
        "\n## Operators of a network\n\n"
        "Each has a shape inference and two backends (`--ops fast`: oneDNN or vectorised C, `--ops ref`: plain loops in double "
        "precision). *In place*: the\n"
        "output may be written over the input. *Gradient*: used by methods that learn. *Quantized*: the inputs that carry a quantizer.\n\n"
        "| operator | inputs | what it computes | in place | gradient | quantized |\n|---|---|---|---|---|---|\n",
        out);
    for (int kind = 0; kind < UWC_OP_COUNT; kind++) {
        int least, most;
        char inputs[32];
        uwc_op_arity((uwc_op_kind)kind, &least, &most);
        snprintf(inputs, sizeof inputs, most == least ? "%d" : most < 0 ? "%d or more" : "%d to %d", least, most);
        fprintf(out, "| `%s` | %s | %s | %s | %s | %s |\n", uwc_op_name((uwc_op_kind)kind), inputs, uwc_op_description((uwc_op_kind)kind),
                uwc_op_in_place((uwc_op_kind)kind) ? "yes" : "", uwc_backward_exists((uwc_op_kind)kind) ? "yes" : "",
                quantized_inputs((uwc_op_kind)kind));
    }
}

void uwc_cli__print_operators(FILE *out) {
    fputs("# Operators\n\n"
          "Made from the tables in `src/onnx/operators.c` and `include/uwc/ops.h` by `uwc help operators.md`; a test compares them.\n\n",
          out);
    print_onnx(out);
    fputs("\nWhat is written has operator set 13, or 17 where a network holds LayerNormalization. Silu, HardSwish and Gelu are written as "
          "the "
          "chains above and\n"
          "read back as what they were; a LayerNormalization of channels is written between two Transposes.\n",
          out);
    print_kinds(out);
}
