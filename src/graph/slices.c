/* A batch in slices whose activations stay in the processor's cache, one executor per thread. Where the slices are cut depends on the graph
 * and on the number of images alone, so that results do not depend on the threads. */
#include "graph_impl.h"

#include <omp.h>
#include <string.h>

enum { SLICE_BYTES = 4 << 20, LEAST_IMAGES = 4 }; /* fewer images would not pay for reading the weights */

typedef struct lane {
    uwc_exec *exec; /* for one slice */
    uwc_status status;
    uwc_error error; /* of status: its record stays with the thread */
} lane;

typedef struct result {
    float *data;
    int64_t count; /* of elements that it has room for */
    uwc_tensor view;
} result;

struct uwc_slices {
    const uwc_graph *graph;
    bool dry;     /* counts only, as its executors do */
    int64_t most; /* images of one slice */
    lane *lane;
    int n_lanes;
    result *result; /* one per fetched value of the last run */
    int64_t result_capacity;
};

/* One run, as its lanes see it. */
typedef struct job {
    struct uwc_slices *slices;
    int64_t images, parts;
    const int *feed, *fetch;
    const uwc_tensor *const *fed;
    int n_feeds, n_fetches;
} job;

int64_t uwc_graph__slice_images(const uwc_graph *graph, int64_t batch) {
    int64_t images = uwc_graph_batch(graph, SLICE_BYTES, batch), least = batch < LEAST_IMAGES ? batch : LEAST_IMAGES;
    return images > least ? images : least;
}

void uwc_graph__slices_destroy(uwc_slices **slices) {
    uwc_slices *own = *slices;
    if (own == NULL) {
        return;
    }
    for (int i = 0; i < own->n_lanes; i++) {
        uwc_exec_destroy(&own->lane[i].exec);
    }
    for (int64_t i = 0; i < own->result_capacity; i++) {
        uwc_free(&own->result[i].data);
    }
    uwc_free(&own->lane);
    uwc_free(&own->result);
    uwc_free(slices);
}

uwc_status uwc_graph__slices_create(const uwc_exec *exec, const uwc_graph *graph, int64_t batch, bool dry, uwc_slices **out) {
    uwc_slices *own;
    UWC_TRY(uwc_calloc(1, sizeof *own, &own));
    own->graph = graph;
    own->dry = dry;
    own->most = uwc_graph__slice_images(graph, batch);
    const int64_t parts = (batch + own->most - 1) / own->most, threads = omp_get_max_threads();
    const int lanes = (int)(parts < threads || dry ? parts : threads);
    uwc_status st = uwc_calloc(lanes, sizeof *own->lane, &own->lane);
    while (st == UWC_OK && own->n_lanes < lanes) {
        st = uwc_graph__exec_slice(exec, own->most, &own->lane[own->n_lanes++].exec);
    }
    if (st != UWC_OK) {
        uwc_graph__slices_destroy(&own);
    }
    *out = own;
    return st;
}

int64_t uwc_graph__slices_bytes(const uwc_slices *slices) {
    int64_t bytes = 0;
    for (int i = 0; i < slices->n_lanes; i++) {
        bytes += uwc_exec_bytes(slices->lane[i].exec);
    }
    for (int64_t i = 0; i < slices->result_capacity; i++) {
        bytes += slices->result[i].count * (int64_t)sizeof(float);
    }
    return bytes;
}

int64_t uwc_graph__slices_kernel_bytes(const uwc_slices *slices) {
    int64_t bytes = 0;
    for (int i = 0; i < slices->n_lanes; i++) {
        bytes += uwc_exec_kernel_bytes(slices->lane[i].exec);
    }
    return bytes;
}

uwc_status uwc_graph__slices_refresh(uwc_slices *slices, int node) {
    for (int i = 0; i < slices->n_lanes; i++) {
        UWC_TRY(uwc_exec_refresh(slices->lane[i].exec, node));
    }
    return UWC_OK;
}

static int find_feed(const job *run, int value) {
    for (int i = 0; i < run->n_feeds; i++) {
        if (run->feed[i] == value) {
            return i;
        }
    }
    return -1;
}

/* Memory for what is fetched; a fed value is fetched from where it lies. */
static uwc_status make_results(const job *run) {
    uwc_slices *own = run->slices;
    UWC_TRY(uwc_grow(&own->result, &own->result_capacity, run->n_fetches, sizeof *own->result));
    for (int i = 0; i < run->n_fetches; i++) {
        result *to = &own->result[i];
        int feed = find_feed(run, run->fetch[i]);
        uwc_shape shape = uwc_shape_batch(own->graph->value[run->fetch[i]].shape, run->images);
        int64_t count = uwc_shape_count(shape);
        if (feed < 0 && to->count < count) {
            uwc_free(&to->data);
            to->count = 0;
            UWC_TRY(own->dry ? UWC_OK : uwc_calloc(count, sizeof(float), &to->data));
            to->count = count;
        }
        to->view = uwc_tensor_view(UWC_F32, shape, uwc_shape_layout(shape), feed < 0 ? to->data : run->fed[feed]->f32);
    }
    return UWC_OK;
}

static void keep_results(const job *run, const uwc_tensor *const *fetched, int64_t first) {
    for (int i = 0; i < run->n_fetches; i++) {
        if (find_feed(run, run->fetch[i]) < 0 && !run->slices->dry) {
            uwc_tensor to = uwc_tensor_images(&run->slices->result[i].view, first, fetched[i]->shape.dim[0]);
            memcpy(to.f32, fetched[i]->f32, uwc_tensor_bytes(&to));
        }
    }
}

/* Slices [begin, end) one after the other. */
static uwc_status run_slices(const job *run, uwc_exec *exec, int64_t begin, int64_t end) {
    uwc_tensor *view = NULL;
    const uwc_tensor **fed = NULL, **fetched = NULL;
    uwc_status st;
    UWC_TRY_GOTO(st, uwc_calloc(run->n_feeds, sizeof *view, &view), done);
    UWC_TRY_GOTO(st, uwc_calloc(run->n_feeds, sizeof *fed, &fed), done);
    UWC_TRY_GOTO(st, uwc_calloc(run->n_fetches, sizeof *fetched, &fetched), done);
    for (int64_t part = begin; part < end; part++) {
        int64_t first = part * run->images / run->parts, count = (part + 1) * run->images / run->parts - first;
        for (int i = 0; i < run->n_feeds; i++) {
            view[i] = uwc_tensor_images(run->fed[i], run->slices->dry ? 0 : first, count);
            fed[i] = &view[i];
        }
        UWC_TRY_GOTO(st, uwc_exec_run(exec, count, run->feed, fed, run->n_feeds, run->fetch, run->n_fetches, fetched), done);
        keep_results(run, fetched, first);
    }
done:
    uwc_free(&view);
    uwc_free(&fed);
    uwc_free(&fetched);
    return st;
}

static void run_lane(const job *run, int index, int lanes) {
    lane *own = &run->slices->lane[index];
    if (lanes > 1 && !run->slices->dry) {
        uwc_ops_set_threads(1); /* of this thread's kernels; ends with the parallel region */
    }
    own->status = run_slices(run, own->exec, index * run->parts / lanes, (index + 1) * run->parts / lanes);
    if (own->status != UWC_OK) {
        own->error = *uwc_error_last();
    }
}

uwc_status uwc_graph__slices_run(uwc_slices *slices, int64_t images, const int *feed, const uwc_tensor *const *fed, int n_feeds,
                                 const int *fetch, int n_fetches, const uwc_tensor **fetched) {
    job run = {slices, images, (images + slices->most - 1) / slices->most, feed, fetch, fed, n_feeds, n_fetches};
    const int lanes = (int)(run.parts < slices->n_lanes ? run.parts : slices->n_lanes);
    UWC_TRY(make_results(&run));
#pragma omp parallel for schedule(static, 1) num_threads(lanes) if (lanes > 1 && !slices->dry)
    for (int i = 0; i < lanes; i++) {
        run_lane(&run, i, lanes);
    }
    for (int i = 0; i < lanes; i++) {
        if (slices->lane[i].status != UWC_OK) {
            return uwc_error_restore(&slices->lane[i].error);
        }
    }
    for (int i = 0; i < n_fetches; i++) {
        fetched[i] = &slices->result[i].view;
    }
    return UWC_OK;
}
