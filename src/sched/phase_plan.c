/* Plan: rank 0 reads the model, every rank cuts the same network, rank 0 writes plan.json or compares with it. */
#include "sched_impl.h"

#include <string.h>

static uwc_status need(const uwc_config *config, const char *key) {
    UWC_CHECK(uwc_config_string(config, key) != NULL, UWC_E_CONFIG, "%s is not set", key);
    return UWC_OK;
}

static uwc_status read_model(const uwc_run *run, char **bytes, size_t *size) {
    uwc_graph *graph = NULL;
    UWC_TRY(need(run->config, "model"));
    UWC_TRY(uwc_onnx_read(uwc_config_string(run->config, "model"), &graph));
    uwc_status st = uwc_onnx_serialize(graph, bytes, size);
    uwc_graph_destroy(&graph);
    return st;
}

static bool is_planned(const uwc_run *run) {
    char *path;
    bool planned = uwc_sched__path(run, "plan.json", &path) == UWC_OK && uwc_file_exists(path);
    uwc_free(&path);
    return planned;
}

/* Rank 0: the bytes of the network, unless plan.json has to be there and is not. */
static uwc_status begin(const uwc_run *run, bool fresh, char **bytes, size_t *size) {
    UWC_CHECK(fresh || is_planned(run), UWC_E_STATE, "%s: no plan.json, the phase plan comes first", run->folder);
    UWC_TRY(need(run->config, "data.calibration"));
    return read_model(run, bytes, size);
}

static uint64_t plan_fingerprint(const uwc_plan *plan) {
    const char *isa = uwc_ops_isa();
    uint64_t hash = uwc_hash(plan->graph_hash, isa, strlen(isa));
    for (int u = 0; u < plan->partition->n_units; u++) {
        const uwc_unit *unit = &plan->partition->unit[u];
        hash = uwc_hash(hash, &plan->segment[u], sizeof plan->segment[u]);
        hash = uwc_hash(hash, unit->node, (size_t)unit->n_nodes * sizeof unit->node[0]);
    }
    return hash;
}

/* Collective: all ranks have cut the same network and compute alike. */
static uwc_status compare_ranks(uwc_run *run) {
    char isa[64] = "";
    uint64_t mine = plan_fingerprint(run->plan), first = mine;
    snprintf(isa, sizeof isa, "%s", uwc_ops_isa());
    UWC_TRY(uwc_comm_broadcast(run->comm, 0, &first, sizeof first));
    UWC_TRY(uwc_comm_broadcast(run->comm, 0, isa, sizeof isa));
    uwc_status st = UWC_OK;
    if (strcmp(isa, uwc_ops_isa()) != 0) {
        st = uwc_error_set(UWC_E_STATE, "instruction set %s here, %s on rank 0: pin one with run.isa", uwc_ops_isa(), isa);
    } else if (mine != first) {
        st = uwc_error_set(UWC_E_INTERNAL, "this rank cut another network than rank 0");
    }
    return uwc_comm_agree(run->comm, st);
}

static uwc_status data_hash(const uwc_run *run, uint64_t *hash) {
    uwc_dataset *data;
    char have[128], want[128];
    const uwc_choice choice = {run->settings.samples, run->plan->bad, run->plan->n_bad};
    UWC_TRY(uwc_dataset_open(uwc_config_string(run->config, "data.calibration"), &run->preprocess, &choice, &data));
    uwc_shape images = uwc_dataset_shape(data), input = run->plan->graph->value[run->plan->graph->input[0]].shape;
    uwc_status st = uwc_shape_equal(images, input)
                        ? uwc_dataset_fingerprint(data, hash)
                        : uwc_error_set(UWC_E_SHAPE, "%s: images of %s after preprocessing, the network takes %s",
                                        uwc_config_string(run->config, "data.calibration"), uwc_shape_print(images, have),
                                        uwc_shape_print(input, want));
    uwc_dataset_close(&data);
    return st;
}

static uwc_status compare_member(const char *folder, const char *key, const uwc_json *was, const uwc_json *is) {
    static const struct {
        const char *key, *text;
    } known[] = {{"config_hash", "another configuration"}, {"model_hash", "another model"}, {"data_hash", "other calibration images"}};
    bool same;
    UWC_TRY(uwc_sched__json_same(was, is, &same));
    if (same) {
        return UWC_OK;
    }
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        UWC_CHECK(strcmp(key, known[i].key) != 0, UWC_E_STATE, "%s was planned for %s", folder, known[i].text);
    }
    UWC_CHECK(strcmp(key, "batch") != 0 && strcmp(key, "unit_batch") != 0, UWC_E_STATE,
              "%s was planned for batches of another size: run.memory_limit asks for smaller ones, here or there", folder);
    UWC_CHECK(strcmp(key, "isa") != 0, UWC_E_STATE, "%s was planned with the instruction set %s, here it is %s: pin it with run.isa",
              folder, was == NULL || uwc_json_text(was) == NULL ? "?" : uwc_json_text(was), uwc_ops_isa());
    return uwc_error_set(UWC_E_STATE, "%s: plan.json has another \"%s\": it comes from another version of this program", folder, key);
}

static uwc_status compare_plan(const uwc_run *run, const char *path, const uwc_json *now) {
    uwc_json *before;
    UWC_TRY(uwc_json_read(path, &before));
    void *cursor = NULL;
    const char *key;
    const uwc_json *value;
    uwc_status st = UWC_OK;
    while (st == UWC_OK && uwc_json_next(now, &cursor, &key, &value)) {
        st = compare_member(run->folder, key, uwc_json_find(before, key), value);
    }
    uwc_json_release(&before);
    return st;
}

/* Rank 0. */
static uwc_status settle(const uwc_run *run) {
    uint64_t hash;
    uwc_json *json = NULL;
    char *path = NULL;
    UWC_TRY(uwc_sched__check_memory(run->plan, run->settings.memory_limit));
    UWC_TRY(data_hash(run, &hash));
    uwc_status st = uwc_sched__plan_json(run->plan, run, hash, &json);
    if (st == UWC_OK) {
        st = uwc_sched__path(run, "plan.json", &path);
    }
    if (st == UWC_OK) {
        st = uwc_file_exists(path) ? compare_plan(run, path, json) : uwc_json_write(path, json);
    }
    if (st == UWC_OK && run->owned == NULL) {
        st = uwc_sched__write_config(run);
    }
    uwc_free(&path);
    uwc_json_release(&json);
    return st;
}

uwc_status uwc_sched__plan_load(uwc_run *run, bool fresh) {
    char *bytes = NULL;
    size_t size = 0;
    bool first = uwc_comm_rank(run->comm) == 0;
    if (run->plan != NULL) {
        return UWC_OK;
    }
    UWC_TRY(uwc_comm_agree(run->comm, first ? begin(run, fresh, &bytes, &size) : UWC_OK));
    uwc_status st = uwc_comm_broadcast_buffer(run->comm, 0, &bytes, &size);
    if (st == UWC_OK) {
        st = uwc_comm_agree(run->comm, uwc_sched__plan_create(bytes, size, &run->settings, &run->plan));
    }
    uwc_free(&bytes);
    if (st == UWC_OK) {
        st = uwc_sched__choose_images(run);
    }
    if (st == UWC_OK && run->settings.curvature) {
        st = uwc_sched__join_units(run);
    }
    if (st == UWC_OK) {
        st = compare_ranks(run);
    }
    if (st == UWC_OK) {
        st = uwc_comm_agree(run->comm, first ? settle(run) : UWC_OK);
    }
    if (st != UWC_OK) {
        uwc_sched__plan_destroy(&run->plan);
    }
    return st;
}

/* The network is the one of plan.json. */
static uwc_status check_model(const uwc_run *run) {
    char *path;
    uwc_json *json = NULL;
    uint64_t hash = 0;
    UWC_TRY(uwc_sched__path(run, "plan.json", &path));
    uwc_status st = uwc_json_read(path, &json);
    if (st == UWC_OK) {
        st = uwc_error_note(uwc_sched__json_get_hash(json, "model_hash", &hash), "%s", path);
    }
    if (st == UWC_OK && hash != run->plan->graph_hash) {
        st = uwc_error_set(UWC_E_STATE, "%s was planned for another model", run->folder);
    }
    uwc_json_release(&json);
    uwc_free(&path);
    return st;
}

uwc_status uwc_sched__plan_view(uwc_run *run) {
    char *bytes;
    size_t size;
    bool found;
    UWC_CHECK(is_planned(run), UWC_E_STATE, "%s: no plan.json, the phase plan comes first", run->folder);
    UWC_TRY(read_model(run, &bytes, &size));
    uwc_status st = uwc_sched__plan_create(bytes, size, &run->settings, &run->plan);
    uwc_free(&bytes);
    if (st == UWC_OK) {
        st = check_model(run);
    }
    if (st == UWC_OK && run->settings.skip) {
        st = uwc_sched__recall_bad(run, &run->plan->bad, &run->plan->n_bad, &found);
    }
    return st == UWC_OK && run->settings.curvature ? uwc_sched__recall_units(run) : st;
}

uwc_status uwc_phase_plan(uwc_run *run) {
    double start = uwc_now();
    bool fresh = !is_planned(run);
    uwc_sched__progress(run, &(uwc_progress){.phase = UWC_PHASE_PLAN, .total = 1, .seconds_left = -1});
    UWC_TRY(uwc_sched__plan_load(run, true));
    double seconds = uwc_now() - start;
    uwc_status st = fresh ? uwc_sched__record_phase(run, UWC_PHASE_PLAN, seconds) : UWC_OK;
    uwc_sched__progress(run, &(uwc_progress){.phase = UWC_PHASE_PLAN, .done = 1, .total = 1, .seconds = seconds});
    return uwc_comm_agree(run->comm, st);
}
