/* The second-order picture of a run: of each unit, from the float activations that its cache or its images give. */
#include "sched_impl.h"

typedef struct view {
    uwc_run *run;
    uwc_cache *cache;         /* NULL: there is none */
    uwc_float_stream network; /* opened when first needed */
    bool has_network;
} view;

static uwc_status open_cache(view *v) {
    char *folder;
    UWC_TRY(uwc_sched__path(v->run, "cache", &folder));
    uwc_status st = uwc_file_is_folder(folder) ? uwc_sched__cache_open(v->run, &v->cache) : UWC_OK;
    uwc_free(&folder);
    return st;
}

static bool is_cached(const view *v, const uwc_unit *unit) {
    for (int i = 0; i < unit->n_inputs; i++) {
        if (v->cache == NULL || !uwc_sched__cached(v->run->plan, v->cache, unit->input[i], false)) {
            return false;
        }
    }
    return true;
}

static uwc_status set_terms(uwc_json *out, const uwc_curvature *curvature, uwc_change which) {
    const int n = curvature->n_layers;
    uwc_json *rows = uwc_json_array();
    UWC_TRY(uwc_json_set(out, "terms", rows)); /* borrowed from here on */
    for (int i = 0; i < n; i++) {
        uwc_json *row = uwc_json_array();
        UWC_TRY(uwc_json_append(rows, row));
        for (int j = 0; j < n; j++) {
            UWC_TRY(uwc_json_append_real(row, curvature->change[which].term[i * n + j]));
        }
    }
    return UWC_OK;
}

static uwc_status set_change(uwc_json *out, const char *key, const uwc_curvature *curvature, uwc_change which) {
    const double diagonal = uwc_curvature_diagonal(curvature, which), total = uwc_curvature_total(curvature, which);
    uwc_json *object = uwc_json_object();
    UWC_TRY(uwc_json_set(out, key, object)); /* borrowed from here on */
    UWC_TRY(uwc_json_set_real(object, "diagonal", diagonal));
    UWC_TRY(uwc_json_set_real(object, "between", total - diagonal));
    UWC_TRY(uwc_json_set_real(object, "total", total));
    UWC_TRY(uwc_json_set_real(object, "noise", curvature->change[which].noise));
    UWC_TRY(uwc_json_set_real(object, "measured", curvature->change[which].measured));
    UWC_TRY(uwc_json_set_real(object, "cancelled", diagonal > 0 ? (diagonal - total) / diagonal : 0));
    return set_terms(object, curvature, which);
}

static uwc_status set_layers(uwc_json *out, const uwc_graph *unit) {
    uwc_json *list = uwc_json_array();
    UWC_TRY(uwc_json_set(out, "layers", list));
    for (int i = 0; i < unit->n_nodes; i++) {
        if (uwc_op_is_weighted(unit->node[i].op.kind)) {
            UWC_TRY(uwc_json_append_string(list, unit->node[i].name));
        }
    }
    return UWC_OK;
}

/* `s` gives the unit; `from` its activations. */
static uwc_status look_at_unit(view *v, const uwc_unit_stream *s, const uwc_stream *from, uwc_json *out) {
    uwc_unit_result *result;
    uwc_curvature *curvature = NULL;
    uwc_recon_options options = v->run->settings.recon;
    options.batch_bytes = v->run->plan->memory.unit[s->unit].batch_bytes;
    uwc_status st = uwc_sched__read_unit(v->run, s->unit, &result, NULL);
    if (st == UWC_E_NOTFOUND) {
        st = uwc_error_note(UWC_E_STATE, "the phase solve comes first");
    }
    UWC_TRY(st);
    UWC_TRY_GOTO(st, set_layers(out, s->graph), done);
    st = uwc_recon_curvature(s->graph, &options, from, result, UWC_CURVATURE_IMAGES, UWC_CURVATURE_PROBES, &curvature);
    if (st == UWC_E_UNSUPPORTED) {
        st = uwc_json_set_string(out, "unsupported", uwc_error_last()->text);
        goto done;
    }
    UWC_TRY_GOTO(st, st, done);
    UWC_TRY_GOTO(st, set_change(out, "nearest", curvature, UWC_CHANGE_NEAREST), done);
    st = set_change(out, "result", curvature, UWC_CHANGE_RESULT);
done:
    uwc_curvature_destroy(&curvature);
    uwc_unit_result_destroy(&result);
    return st;
}

static uwc_status look(view *v, int index, uwc_json *out) {
    const uwc_unit *unit = &v->run->plan->partition->unit[index];
    const bool cached = is_cached(v, unit);
    uwc_unit_stream s;
    UWC_TRY(uwc_json_set_string(out, "name", unit->name));
    if (!cached && !v->has_network) {
        UWC_TRY(uwc_sched__float_stream_open(v->run, &v->network));
        v->has_network = true;
    }
    UWC_TRY(uwc_sched__stream_open(v->run->plan, index, v->cache, &s));
    v->network.input = s.input;
    uwc_status st = look_at_unit(v, &s, cached ? &s.stream : &v->network.stream, out);
    uwc_sched__stream_close(&s);
    return uwc_error_note(st, "unit %s", unit->name);
}

static uwc_status look_at_all(view *v, uwc_json *out) {
    const int64_t images = v->run->plan->images;
    uwc_json *units = uwc_json_array();
    UWC_TRY(uwc_json_set(out, "units", units)); /* borrowed from here on */
    UWC_TRY(uwc_json_set_int(out, "images", images < UWC_CURVATURE_IMAGES ? images : UWC_CURVATURE_IMAGES));
    UWC_TRY(uwc_json_set_int(out, "probes", UWC_CURVATURE_PROBES));
    for (int u = 0; u < v->run->plan->partition->n_units; u++) {
        uwc_json *unit = uwc_json_object();
        UWC_TRY(uwc_json_append(units, unit));
        UWC_TRY(look(v, u, unit));
    }
    return UWC_OK;
}

uwc_status uwc_run_curvature(const char *folder, uwc_json **out) {
    view v = {0};
    *out = NULL;
    UWC_TRY(uwc_sched__run_view(folder, &v.run));
    uwc_json *object = uwc_json_object();
    uwc_status st = open_cache(&v);
    if (st == UWC_OK) {
        st = look_at_all(&v, object);
    }
    if (st == UWC_OK) {
        *out = object;
    } else {
        uwc_json_release(&object);
    }
    if (v.has_network) {
        uwc_sched__float_stream_close(&v.network);
    }
    uwc_cache_close(&v.cache);
    uwc_run_close(&v.run);
    return st;
}
