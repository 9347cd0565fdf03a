/* Keys of what a memo keeps: hashes of all that it is made from. What a layer sees is the part of its unit in front of it, so bits behind
 * and beside that part, which the combinations of a sweep differ in, do not count. */
#include "recon_impl.h"

#include <string.h>

/* inside[i]: node i makes what the marked values need. Nodes are in topological order. */
static void mark_nodes(const uwc_graph *graph, bool *needed, bool *inside) {
    for (int i = graph->n_nodes - 1; i >= 0; i--) {
        const uwc_node *node = &graph->node[i];
        inside[i] = needed[node->out];
        for (int k = 0; inside[i] && k < node->n_in; k++) {
            needed[node->in[k]] = true;
        }
    }
}

/* Of the listed nodes with their quantizers, without the bits that wait for layers to be solved. */
static uwc_status hash_nodes(const uwc_graph *graph, const int *node, int n, uint64_t *hash) {
    uwc_graph *part;
    uint64_t own;
    UWC_TRY(uwc_graph_extract(graph, node, n, &graph->node[node[n - 1]].out, 1, &part));
    for (int i = 0; i < part->n_nodes; i++) {
        part->node[i].weight_bits = 0;
        part->node[i].weight_asymmetric = false;
    }
    for (int v = 0; v < part->n_values; v++) {
        part->value[v].activation_bits = 0;
    }
    uwc_status st = uwc_graph_hash(part, &own);
    uwc_graph_destroy(&part);
    *hash = uwc_hash(*hash, &own, sizeof own);
    return st;
}

/* What layer `index` and the fetched branches are made by; *solved: a solved layer is in front of one of them. */
static uwc_status hash_part(const uwc_graph *graph, int index, const uwc_aim *aim, uint64_t *hash, bool *solved) {
    bool *needed = NULL, *inside = NULL;
    int *node = NULL, n = 0;
    uwc_status st;
    UWC_TRY_GOTO(st, uwc_calloc(graph->n_values, sizeof *needed, &needed), done);
    UWC_TRY_GOTO(st, uwc_calloc(graph->n_nodes, sizeof *inside, &inside), done);
    UWC_TRY_GOTO(st, uwc_calloc(graph->n_nodes, sizeof *node, &node), done);
    needed[graph->node[index].out] = true;
    for (int i = 0; aim != NULL && i < aim->n_others; i++) {
        const char *name = graph->value[aim->other[i]].name;
        *hash = uwc_hash(*hash, name, strlen(name) + 1);
        *hash = uwc_hash(*hash, &aim->other_float[i], sizeof aim->other_float[i]);
        needed[aim->other[i]] = needed[aim->other[i]] || !aim->other_float[i];
    }
    mark_nodes(graph, needed, inside);
    *solved = false;
    for (int i = 0; i < graph->n_nodes; i++) {
        *solved = *solved || (inside[i] && graph->node[i].quantized != NULL);
        if (inside[i]) {
            node[n++] = i;
        }
    }
    const char *name = graph->node[index].name;
    *hash = uwc_hash(*hash, name, strlen(name) + 1);
    st = *solved ? UWC_OK : hash_nodes(graph, node, n, hash);
done:
    uwc_free(&needed);
    uwc_free(&inside);
    uwc_free(&node);
    return st;
}

/* Which rows of the images, and how they are computed. */
static uint64_t hash_pass(const uwc_paths *p, const uwc_recon_options *options, uint64_t same) {
    uint64_t hash = uwc_hash(UWC_HASH_INIT, &same, sizeof same);
    hash = uwc_hash(hash, &p->stream->images, sizeof p->stream->images);
    hash = uwc_hash(hash, &p->batch, sizeof p->batch);
    hash = uwc_hash(hash, &options->positions, sizeof options->positions);
    hash = uwc_hash(hash, &options->seed, sizeof options->seed);
    return uwc_hash(hash, &options->backend, sizeof options->backend);
}

/* Members of a team must all have the same to do. */
static bool remembers(const uwc_paths *p) {
    return p->stream->memo != NULL && p->stream->members <= 1;
}

uwc_status uwc_recon__memo_key_sums(const uwc_paths *p, int index, const uwc_aim *aim, const uwc_recon_options *options, uint64_t *key) {
    const uwc_stream *stream = p->stream;
    bool solved;
    *key = 0;
    if (!remembers(p) || stream->same_float == 0 || stream->same_quantized == 0 || p->adapted != NULL) {
        return UWC_OK;
    }
    uint64_t hash = uwc_hash(hash_pass(p, options, stream->same_float), &stream->same_quantized, sizeof stream->same_quantized);
    hash = uwc_hash(hash, &options->ridge, sizeof options->ridge);
    UWC_TRY(hash_part(p->quantized, index, aim, &hash, &solved));
    *key = solved ? 0 : hash;
    return UWC_OK;
}

uwc_status uwc_recon__memo_key_targets(const uwc_paths *p, int index, const uwc_recon_options *options, uint64_t *key) {
    bool solved;
    *key = 0;
    if (!remembers(p) || p->stream->same_float == 0) {
        return UWC_OK;
    }
    uint64_t hash = ~hash_pass(p, options, p->stream->same_float); /* others than those of sums */
    UWC_TRY(hash_part(p->real, index, NULL, &hash, &solved));
    *key = hash;
    return UWC_OK;
}
