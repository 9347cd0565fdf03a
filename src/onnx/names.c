/* The table of a file's names: who defines each, who reads it. */
#include "onnx_impl.h"

#include <string.h>

static int64_t count_names(const Onnx__GraphProto *file) {
    size_t n = file->n_initializer + file->n_input + file->n_output;
    for (size_t i = 0; i < file->n_node; i++) {
        n += file->node[i]->n_input + file->node[i]->n_output;
    }
    return (int64_t)n;
}

static int64_t *find_slot(const uwc_onnx__names *names, const char *name) {
    uint64_t at = uwc_hash(UWC_HASH_INIT, name, strlen(name)) & names->mask;
    while (names->slot[at] != 0 && strcmp(names->entry[names->slot[at] - 1].name, name) != 0) {
        at = (at + 1) & names->mask;
    }
    return &names->slot[at];
}

uwc_onnx__entry *uwc_onnx__names_find(const uwc_onnx__names *names, const char *name) {
    int64_t slot = *find_slot(names, name);
    return slot == 0 ? NULL : &names->entry[slot - 1];
}

static uwc_onnx__entry *find_or_add(uwc_onnx__names *names, const char *name) {
    int64_t *slot = find_slot(names, name);
    if (*slot == 0) {
        names->entry[names->n++] = (uwc_onnx__entry){.name = name, .producer = -1, .reader = -1, .value = -1};
        *slot = names->n;
    }
    return &names->entry[*slot - 1];
}

static uwc_status add_initializers(uwc_onnx__names *names, const Onnx__GraphProto *file) {
    for (size_t i = 0; i < file->n_initializer; i++) {
        Onnx__TensorProto *tensor = file->initializer[i];
        UWC_CHECK(tensor->name != NULL && tensor->name[0] != '\0', UWC_E_FORMAT, "initializer %zu has no name", i);
        uwc_onnx__entry *entry = find_or_add(names, tensor->name);
        UWC_CHECK(!entry->defined, UWC_E_FORMAT, "two initializers are named %s", tensor->name);
        entry->defined = true;
        entry->state = UWC_ONNX__INITIALIZER;
        entry->initializer = tensor;
    }
    return UWC_OK;
}

/* Before IR 4 every initializer is an input too. */
static uwc_status add_inputs(uwc_onnx__names *names, const Onnx__GraphProto *file) {
    for (size_t i = 0; i < file->n_input; i++) {
        const char *name = file->input[i]->name;
        UWC_CHECK(name != NULL && name[0] != '\0', UWC_E_FORMAT, "input %zu of the graph has no name", i);
        uwc_onnx__entry *entry = find_or_add(names, name);
        UWC_CHECK(!entry->is_input, UWC_E_FORMAT, "two inputs of the graph are named %s", name);
        entry->is_input = true;
        entry->defined = true;
    }
    return UWC_OK;
}

static uwc_status add_producers(uwc_onnx__names *names, const Onnx__GraphProto *file) {
    for (size_t i = 0; i < file->n_node; i++) {
        const uwc_onnx__node *node = file->node[i];
        for (size_t k = 0; k < node->n_output; k++) {
            if (node->output[k][0] == '\0') {
                continue;
            }
            uwc_onnx__entry *entry = find_or_add(names, node->output[k]);
            UWC_CHECK(!entry->defined, UWC_E_FORMAT, "%s is made more than once, by node %zu \"%s\" too", node->output[k], i,
                      node->name == NULL ? "" : node->name);
            entry->defined = true;
            entry->producer = (int)i;
        }
    }
    return UWC_OK;
}

static uwc_status add_readers(uwc_onnx__names *names, const Onnx__GraphProto *file) {
    for (size_t i = 0; i < file->n_node; i++) {
        const uwc_onnx__node *node = file->node[i];
        for (size_t k = 0; k < node->n_input; k++) {
            if (node->input[k][0] == '\0') {
                continue;
            }
            uwc_onnx__entry *entry = find_or_add(names, node->input[k]);
            UWC_CHECK(entry->defined, UWC_E_FORMAT, "node %zu \"%s\" (%s) reads %s, which nothing makes", i,
                      node->name == NULL ? "" : node->name, node->op_type == NULL ? "" : node->op_type, node->input[k]);
            entry->reader = (int)i;
            entry->n_readers++;
        }
    }
    for (size_t i = 0; i < file->n_output; i++) {
        const char *name = file->output[i]->name;
        UWC_CHECK(name != NULL && name[0] != '\0', UWC_E_FORMAT, "output %zu of the graph has no name", i);
        uwc_onnx__entry *entry = find_or_add(names, name);
        UWC_CHECK(entry->defined, UWC_E_FORMAT, "output %s of the graph is made by no node", name);
        entry->reader = -1;
        entry->is_output = true;
        entry->n_readers++;
    }
    return UWC_OK;
}

uwc_status uwc_onnx__names_create(const Onnx__GraphProto *file, uwc_onnx__names *out) {
    *out = (uwc_onnx__names){0};
    int64_t most = count_names(file);
    uint64_t slots = 16;
    while (slots < 2 * (uint64_t)most) {
        slots *= 2;
    }
    out->mask = slots - 1;
    uwc_status st;
    UWC_TRY_GOTO(st, uwc_calloc(most, sizeof *out->entry, &out->entry), fail);
    UWC_TRY_GOTO(st, uwc_calloc((int64_t)slots, sizeof *out->slot, &out->slot), fail);
    UWC_TRY_GOTO(st, add_initializers(out, file), fail);
    UWC_TRY_GOTO(st, add_inputs(out, file), fail);
    UWC_TRY_GOTO(st, add_producers(out, file), fail);
    UWC_TRY_GOTO(st, add_readers(out, file), fail);
    return UWC_OK;
fail:
    uwc_onnx__names_destroy(out);
    return st;
}

void uwc_onnx__names_destroy(uwc_onnx__names *names) {
    for (int64_t i = 0; i < names->n; i++) {
        uwc_tensor_destroy(&names->entry[i].constant);
        uwc_onnx__lattice_destroy(&names->entry[i].lattice);
    }
    uwc_free(&names->entry);
    uwc_free(&names->slot);
    *names = (uwc_onnx__names){0};
}
