/* Topological order of a file's nodes: depth first, with a stack of its own because the depth comes from outside. */
#include "onnx_impl.h"

enum { UNSEEN, OPEN, PLACED };

typedef struct walk {
    const Onnx__GraphProto *file;
    const uwc_onnx__names *names;
    char *state;  /* per node */
    size_t *next; /* per node: input to look at */
    int *stack;
    int depth;
    int *order, n;
} walk;

static void push(walk *w, int node) {
    w->state[node] = OPEN;
    w->stack[w->depth++] = node;
}

/* Looks at one more input of the topmost node, or places it. */
static uwc_status step(walk *w) {
    int top = w->stack[w->depth - 1];
    const uwc_onnx__node *node = w->file->node[top];
    if (w->next[top] == node->n_input) {
        w->state[top] = PLACED;
        w->order[w->n++] = top;
        w->depth--;
        return UWC_OK;
    }
    const char *name = uwc_onnx__input_name(node, w->next[top]++);
    int producer = name == NULL ? -1 : uwc_onnx__names_find(w->names, name)->producer;
    if (producer < 0 || w->state[producer] == PLACED) {
        return UWC_OK;
    }
    UWC_CHECK(w->state[producer] != OPEN, UWC_E_FORMAT, "the graph has a cycle through node %d \"%s\" (%s), by way of %s", top,
              node->name == NULL ? "" : node->name, node->op_type == NULL ? "" : node->op_type, name);
    push(w, producer);
    return UWC_OK;
}

static uwc_status place_all(walk *w) {
    for (size_t i = 0; i < w->file->n_node; i++) {
        if (w->state[i] == UNSEEN) {
            push(w, (int)i);
        }
        while (w->depth > 0) {
            UWC_TRY(step(w));
        }
    }
    return UWC_OK;
}

uwc_status uwc_onnx__order(const Onnx__GraphProto *file, const uwc_onnx__names *names, int **order) {
    *order = NULL;
    UWC_CHECK(file->n_node <= INT32_MAX / 2, UWC_E_FORMAT, "%zu nodes", file->n_node);
    int64_t n = (int64_t)file->n_node;
    walk w = {.file = file, .names = names};
    uwc_status st;
    UWC_TRY_GOTO(st, uwc_calloc(n, sizeof *w.state, &w.state), done);
    UWC_TRY_GOTO(st, uwc_calloc(n, sizeof *w.next, &w.next), done);
    UWC_TRY_GOTO(st, uwc_calloc(n, sizeof *w.stack, &w.stack), done);
    UWC_TRY_GOTO(st, uwc_calloc(n, sizeof *w.order, &w.order), done);
    UWC_TRY_GOTO(st, place_all(&w), done);
    *order = w.order;
    w.order = NULL;
done:
    uwc_free(&w.state);
    uwc_free(&w.next);
    uwc_free(&w.stack);
    uwc_free(&w.order);
    return st;
}
