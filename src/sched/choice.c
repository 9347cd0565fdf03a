/* Which calibration images a run uses, and in which batches a rank reads them. */
#include "sched_impl.h"

#include <string.h>

uwc_status uwc_sched__recall_bad(const uwc_run *run, int64_t **numbers, int64_t *n, bool *found) {
    char *path;
    uwc_json *plan = NULL;
    const uwc_json *list;
    UWC_TRY(uwc_sched__path(run, "plan.json", &path));
    *found = uwc_file_exists(path);
    uwc_status st = *found ? uwc_json_read(path, &plan) : UWC_OK;
    if (st == UWC_OK && *found) {
        st = uwc_error_note(uwc_json_get_array(plan, "bad_images", &list), "%s", path);
    }
    if (st == UWC_OK && *found) {
        *n = uwc_json_length(list);
        st = uwc_calloc(*n, sizeof **numbers, numbers);
    }
    for (int64_t i = 0; st == UWC_OK && i < *n; i++) {
        double number;
        st = uwc_json_number(uwc_json_at(list, i), &number);
        (*numbers)[i] = st == UWC_OK ? (int64_t)number : 0;
    }
    uwc_json_release(&plan);
    uwc_free(&path);
    return st;
}

/* The journal keeps what the log says once. Rank 0. */
uwc_status uwc_sched__record_bad(uwc_run *run, const char *data, const uwc_bad_images *list) {
    uwc_json *event = uwc_json_object(), *images = uwc_json_array();
    uwc_status st = uwc_json_set(event, "images", images); /* borrowed from here on */
    for (int64_t i = 0; st == UWC_OK && i < list->count; i++) {
        uwc_json *entry = uwc_json_object();
        st = uwc_json_append(images, entry);
        st = st == UWC_OK ? uwc_json_set_int(entry, "image", list->entry[i].image) : st;
        st = st == UWC_OK ? uwc_json_set_string(entry, "error", list->entry[i].why) : st;
    }
    st = st == UWC_OK ? uwc_json_set_string(event, "event", "bad_images") : st;
    st = st == UWC_OK ? uwc_json_set_string(event, "data", data) : st;
    if (st != UWC_OK) {
        uwc_json_release(&event);
        return st;
    }
    return uwc_sched__record(run, event);
}

/* Collective. */
static uwc_status find(uwc_run *run, int64_t **numbers, int64_t *n) {
    const uwc_graph *graph = run->plan->graph;
    uwc_bad_images list;
    uwc_survey survey = {.comm = run->comm,
                         .hooks = &run->hooks,
                         .data = uwc_config_string(run->config, "data.calibration"),
                         .preprocess = &run->preprocess,
                         .shape = graph->value[graph->input[0]].shape,
                         .samples = run->settings.samples};
    uwc_status st = uwc_sched__survey(&survey, &list);
    if (st == UWC_OK) {
        *n = list.count;
        st = uwc_sched__bad_numbers(&list, numbers);
    }
    if (st == UWC_OK && uwc_comm_rank(run->comm) == 0) {
        uwc_sched__name_bad(run->log, "data.calibration", &list);
        st = list.count > 0 ? uwc_sched__record_bad(run, "calibration", &list) : UWC_OK;
    }
    uwc_sched__bad_images_free(&list);
    return uwc_comm_agree(run->comm, st);
}

uwc_status uwc_sched__choose_images(uwc_run *run) {
    uwc_plan *plan = run->plan;
    int64_t *numbers = NULL;
    bool found = false;
    if (!run->settings.skip) {
        return UWC_OK;
    }
    uwc_status st = uwc_comm_rank(run->comm) == 0 ? uwc_sched__recall_bad(run, &numbers, &plan->n_bad, &found) : UWC_OK;
    st = uwc_comm_agree(run->comm, st);
    if (st == UWC_OK) {
        st = uwc_comm_broadcast(run->comm, 0, &found, sizeof found);
    }
    if (st == UWC_OK && found) {
        size_t bytes = (size_t)plan->n_bad * sizeof *numbers;
        st = uwc_comm_broadcast_buffer(run->comm, 0, (char **)(void *)&numbers, &bytes);
        plan->n_bad = (int64_t)(bytes / sizeof *numbers);
    } else if (st == UWC_OK) {
        st = find(run, &numbers, &plan->n_bad);
    }
    plan->bad = numbers; /* freed with the plan */
    return st;
}

uwc_status uwc_sched__spans(const uwc_comm *comm, int64_t images, int64_t batch, const uint8_t *wanted, uwc_span **out, int *n) {
    int64_t capacity = 0, first, count;
    *out = NULL;
    *n = 0;
    const int rank = comm == NULL ? 0 : uwc_comm_rank(comm), size = comm == NULL ? 1 : uwc_comm_size(comm);
    for (int shard = rank; shard < UWC_SHARDS; shard += size) {
        uwc_shard_range(images, shard, &first, &count);
        for (int64_t at = 0; at < count && (wanted == NULL || wanted[shard]); at += batch) {
            UWC_TRY(uwc_grow(out, &capacity, *n + 1, sizeof **out));
            (*out)[(*n)++] = (uwc_span){first + at, count - at < batch ? count - at : batch};
        }
    }
    return UWC_OK;
}
