/* plan.json: what a run will do, for people, for `inspect`, and for a resume to compare. */
#include "sched_impl.h"

static uwc_status set_numbers(uwc_json *object, const char *key, const int64_t *number, int64_t n) {
    uwc_json *list = uwc_json_array();
    uwc_status st = UWC_OK;
    for (int64_t i = 0; i < n && st == UWC_OK; i++) {
        st = uwc_json_append_int(list, number[i]);
    }
    if (st != UWC_OK) {
        uwc_json_release(&list);
        return st;
    }
    return uwc_json_set(object, key, list);
}

static uwc_status set_shape(uwc_json *object, const char *key, uwc_shape shape) {
    return set_numbers(object, key, shape.dim, shape.rank);
}

static uwc_status fill_value(const uwc_graph *graph, int index, uwc_json *out) {
    const uwc_value *value = &graph->value[index];
    UWC_TRY(uwc_json_set_int(out, "value", index));
    UWC_TRY(uwc_json_set_string(out, "name", value->name));
    UWC_TRY(set_shape(out, "shape", value->shape));
    return uwc_json_set_int(out, "bits", value->activation_bits);
}

static uwc_status fill_layer(const uwc_graph *graph, int index, uwc_json *out) {
    const uwc_node *node = &graph->node[index];
    UWC_TRY(uwc_json_set_string(out, "name", node->name));
    UWC_TRY(uwc_json_set_string(out, "operator", uwc_op_name(node->op.kind)));
    UWC_TRY(set_shape(out, "weights", graph->value[node->in[1]].shape));
    UWC_TRY(set_shape(out, "output", graph->value[node->out].shape));
    return uwc_json_set_int(out, "bits", node->weight_bits);
}

/* An array of objects, one per listed index. */
static uwc_status set_list(uwc_json *object, const char *key, const uwc_graph *graph, const int *index, int n, bool weighted_only,
                           uwc_status (*fill)(const uwc_graph *, int, uwc_json *)) {
    uwc_json *list = uwc_json_array();
    uwc_status st = UWC_OK;
    for (int i = 0; i < n && st == UWC_OK; i++) {
        if (weighted_only && !uwc_op_is_weighted(graph->node[index[i]].op.kind)) {
            continue;
        }
        uwc_json *entry = uwc_json_object();
        st = fill(graph, index[i], entry);
        if (st == UWC_OK) {
            st = uwc_json_append(list, entry);
        } else {
            uwc_json_release(&entry);
        }
    }
    if (st != UWC_OK) {
        uwc_json_release(&list);
        return st;
    }
    return uwc_json_set(object, key, list);
}

static int64_t cache_bytes(const uwc_plan *plan, const uwc_unit *unit, uwc_dtype dtype) {
    int64_t bytes = 0;
    for (int i = 0; i < unit->n_inputs; i++) {
        bytes += uwc_shape_count(plan->graph->value[unit->input[i]].shape) * plan->images * (int64_t)uwc_dtype_bytes(dtype);
    }
    return bytes;
}

static uwc_status fill_unit(const uwc_plan *plan, const uwc_run *run, int index, uwc_json *out) {
    const uwc_unit *unit = &plan->partition->unit[index];
    UWC_TRY(uwc_json_set_string(out, "name", unit->name));
    UWC_TRY(uwc_json_set_int(out, "segment", plan->segment[index]));
    UWC_TRY(set_list(out, "layers", plan->graph, unit->node, unit->n_nodes, true, fill_layer));
    UWC_TRY(set_list(out, "inputs", plan->graph, unit->input, unit->n_inputs, false, fill_value));
    UWC_TRY(set_list(out, "outputs", plan->graph, unit->output, unit->n_outputs, false, fill_value));
    UWC_TRY(uwc_json_set_int(out, "multiply_adds", unit->multiply_adds));
    UWC_TRY(uwc_json_set_int(out, "parameters", unit->parameters));
    UWC_TRY(uwc_json_set_real(out, "work", unit->work * (double)plan->images));
    UWC_TRY(uwc_json_set_int(out, "cache_bytes", cache_bytes(plan, unit, run->settings.cache)));
    return uwc_json_set_int(out, "memory_bytes", plan->memory.unit[index].bytes);
}

static uwc_status set_units(const uwc_plan *plan, const uwc_run *run, uwc_json *out) {
    uwc_json *list = uwc_json_array();
    uwc_status st = UWC_OK;
    for (int u = 0; u < plan->partition->n_units && st == UWC_OK; u++) {
        uwc_json *entry = uwc_json_object();
        st = fill_unit(plan, run, u, entry);
        if (st == UWC_OK) {
            st = uwc_json_append(list, entry);
        } else {
            uwc_json_release(&entry);
        }
    }
    if (st != UWC_OK) {
        uwc_json_release(&list);
        return st;
    }
    return uwc_json_set(out, "units", list);
}

static uwc_status set_batches(const uwc_plan *plan, uwc_json *out) {
    uwc_json *list = uwc_json_array();
    UWC_TRY(uwc_json_set(out, "unit_batch", list)); /* borrowed from here on */
    for (int u = 0; u < plan->partition->n_units; u++) {
        UWC_TRY(uwc_json_append_int(list, plan->memory.unit[u].batch));
    }
    return UWC_OK;
}

static uwc_status set_cuts(const uwc_plan *plan, uwc_json *out) {
    uwc_json *list = uwc_json_array();
    int *last;
    UWC_TRY(uwc_json_set(out, "cuts", list)); /* borrowed from here on */
    UWC_TRY(uwc_sched__plan_cuts(plan->partition, &last));
    uwc_status st = UWC_OK;
    for (int u = 0; u < plan->partition->n_units && st == UWC_OK; u++) {
        st = uwc_json_append_int(list, last[u]);
    }
    uwc_free(&last);
    return st;
}

/* Batches and bytes. */
static uwc_status fill_memory(const uwc_plan *plan, uwc_dtype dtype, uwc_json *out) {
    UWC_TRY(uwc_json_set_int(out, "batch", plan->batch));
    UWC_TRY(set_batches(plan, out));
    UWC_TRY(uwc_json_set_int(out, "cache_bytes", uwc_sched__cache_bytes(plan, dtype, NULL)));
    uwc_json *object = uwc_json_object();
    UWC_TRY(uwc_json_set(out, "memory_bytes", object)); /* borrowed from here on */
    UWC_TRY(uwc_json_set_int(object, "plan", plan->memory.plan));
    UWC_TRY(uwc_json_set_int(object, "capture", plan->memory.capture));
    UWC_TRY(uwc_json_set_int(object, "solve", plan->memory.solve));
    return uwc_json_set_int(object, "evaluate", plan->memory.evaluate);
}

static uwc_status fill_plan(const uwc_plan *plan, const uwc_run *run, uint64_t data_hash, uwc_json *out) {
    uwc_graph_sizes sizes;
    uwc_graph_measure(plan->graph, &sizes);
    UWC_TRY(uwc_json_set_int(out, "format", 1));
    UWC_TRY(uwc_sched__json_set_hash(out, "config_hash", uwc_config_hash(run->config)));
    UWC_TRY(uwc_sched__json_set_hash(out, "model_hash", plan->graph_hash));
    UWC_TRY(uwc_sched__json_set_hash(out, "data_hash", data_hash));
    UWC_TRY(uwc_json_set_string(out, "isa", uwc_ops_isa()));
    UWC_TRY(uwc_json_set_int(out, "seed", (int64_t)run->settings.recon.seed));
    UWC_TRY(uwc_json_set_int(out, "images", plan->images));
    if (run->settings.skip) {
        UWC_TRY(set_numbers(out, "bad_images", plan->bad, plan->n_bad));
    }
    if (run->settings.curvature) {
        UWC_TRY(set_cuts(plan, out));
    }
    UWC_TRY(fill_memory(plan, run->settings.cache, out));
    UWC_TRY(uwc_json_set_int(out, "layers", sizes.weighted_nodes));
    UWC_TRY(uwc_json_set_int(out, "parameters", sizes.parameters));
    UWC_TRY(uwc_json_set_int(out, "multiply_adds", sizes.multiply_adds));
    return set_units(plan, run, out);
}

uwc_status uwc_sched__plan_json(const uwc_plan *plan, const uwc_run *run, uint64_t data_hash, uwc_json **out) {
    *out = uwc_json_object();
    uwc_status st = fill_plan(plan, run, data_hash, *out);
    if (st != UWC_OK) {
        uwc_json_release(out);
    }
    return st;
}

uwc_status uwc_plan_memory(const uwc_graph *graph, const uwc_config *config, uwc_json **out) {
    uwc_settings settings;
    uwc_plan *plan = NULL;
    char *bytes = NULL;
    size_t size;
    uwc_sched__settings(config, &settings);
    *out = uwc_json_object();
    uwc_status st = uwc_onnx_serialize(graph, &bytes, &size);
    if (st == UWC_OK) {
        st = uwc_sched__plan_create(bytes, size, &settings, &plan);
    }
    if (st == UWC_OK) {
        st = uwc_json_set_int(*out, "images", plan->images);
    }
    if (st == UWC_OK) {
        st = fill_memory(plan, settings.cache, *out);
    }
    if (st == UWC_OK) {
        st = uwc_json_set_int(*out, "limit", settings.memory_limit);
    }
    uwc_free(&bytes);
    uwc_sched__plan_destroy(&plan);
    if (st != UWC_OK) {
        uwc_json_release(out);
    }
    return st;
}
