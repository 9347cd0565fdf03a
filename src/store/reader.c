/* Two batches of images: the caller has one while threads fill the other. Images are taken in order and each has its place, so what comes
 * out does not depend on the threads. */
#include "store_impl.h"

#include <pthread.h>
#include <string.h>

enum { SLOTS = 2, MOST_THREADS = 64 };

/* Where batch n is made, n mod SLOTS. */
typedef struct slot {
    uwc_tensor *images, given; /* memory for the largest batch; the view that the caller has */
    int64_t left;              /* images that are not done */
    int64_t failed;            /* first image of the batch that was not read, -1: none */
    uwc_error error;           /* of that image */
} slot;

/* A thread and what it alone uses. */
typedef struct hand {
    uwc_reader *reader;
    pthread_t thread;
    uwc_store__work work;
} hand;

struct uwc_reader {
    uwc_dataset *dataset;
    uwc_span *span;
    int n_spans;
    slot slot[SLOTS];
    hand *hand;
    int hands; /* threads that run; 0: the caller reads */
    pthread_mutex_t mutex;
    pthread_cond_t room, done; /* a batch may be begun; a batch is done */
    bool made;                 /* the three above are to be destroyed */
    /* What follows is shared, under the mutex. */
    int batch;     /* the one that is being taken */
    int64_t taken; /* images of it */
    int returned;  /* batches that the caller has given back */
    int next;      /* the one that the caller gets next */
    bool stop;
};

/* The next image to read, of batch *batch. Waits for room; false at the end. */
static bool take_image(uwc_reader *r, int *batch, int64_t *image) {
    while (!r->stop && r->batch < r->n_spans && r->batch >= r->returned + SLOTS) {
        pthread_cond_wait(&r->room, &r->mutex);
    }
    if (r->stop || r->batch >= r->n_spans) {
        return false;
    }
    *batch = r->batch;
    *image = r->taken++;
    if (r->taken == r->span[r->batch].count) {
        r->batch++;
        r->taken = 0;
    }
    return true;
}

static void finish_image(uwc_reader *r, int batch, int64_t image, uwc_status st) {
    slot *s = &r->slot[batch % SLOTS];
    if (st != UWC_OK && (s->failed < 0 || image < s->failed)) {
        s->failed = image;
        s->error = *uwc_error_last();
    }
    s->left--;
    if (s->left == 0) {
        pthread_cond_signal(&r->done);
    }
}

static uwc_status read_image(uwc_reader *r, int batch, int64_t image, uwc_store__work *work) {
    int64_t place = uwc_store__dataset_place(r->dataset, r->span[batch].first + image);
    float *to = r->slot[batch % SLOTS].images->f32 + image * uwc_shape_per_image(r->dataset->shape);
    return uwc_store__dataset_image(r->dataset, place, r->dataset->shape, work, to);
}

static void *run_hand(void *self) {
    hand *h = self;
    uwc_reader *r = h->reader;
    int batch;
    int64_t image;
    pthread_mutex_lock(&r->mutex);
    while (take_image(r, &batch, &image)) {
        pthread_mutex_unlock(&r->mutex);
        uwc_status st = read_image(r, batch, image, &h->work);
        pthread_mutex_lock(&r->mutex);
        finish_image(r, batch, image, st);
    }
    pthread_mutex_unlock(&r->mutex);
    return NULL;
}

/* Batch `batch` may be begun: it has all of its images before it. */
static void prepare_slot(uwc_reader *r, int batch) {
    if (batch < r->n_spans) {
        slot *s = &r->slot[batch % SLOTS];
        s->left = r->span[batch].count;
        s->failed = -1;
    }
}

static uwc_status check_spans(const uwc_dataset *dataset, const uwc_span *span, int n_spans, int64_t *most) {
    *most = 1;
    for (int i = 0; i < n_spans; i++) {
        bool inside = span[i].first >= 0 && span[i].count > 0 && span[i].first <= dataset->images - span[i].count;
        UWC_CHECK(inside, UWC_E_ARG, "%lld images from %lld on, of %lld", (long long)span[i].count, (long long)span[i].first,
                  (long long)dataset->images);
        *most = span[i].count > *most ? span[i].count : *most;
    }
    return UWC_OK;
}

static uwc_status start_threads(uwc_reader *r, int threads) {
    UWC_TRY(uwc_calloc(threads, sizeof *r->hand, &r->hand));
    while (r->hands < threads) {
        r->hand[r->hands].reader = r;
        int outcome = pthread_create(&r->hand[r->hands].thread, NULL, run_hand, &r->hand[r->hands]);
        UWC_CHECK(outcome == 0, UWC_E_LIBRARY, "a thread to read images: %s", strerror(outcome));
        r->hands++;
    }
    return UWC_OK;
}

static uwc_status fill(uwc_reader *r, const uwc_span *span, int threads) {
    int64_t most;
    UWC_TRY(check_spans(r->dataset, span, r->n_spans, &most));
    UWC_TRY(uwc_calloc(r->n_spans, sizeof *r->span, &r->span));
    for (int i = 0; i < r->n_spans; i++) {
        r->span[i] = span[i];
    }
    bool ahead = r->dataset->source.concurrent;
    for (int i = 0; i < (ahead ? SLOTS : 1); i++) {
        UWC_TRY(uwc_tensor_activation(uwc_shape_batch(r->dataset->shape, most), &r->slot[i].images));
        prepare_slot(r, i);
    }
    if (!ahead) {
        return UWC_OK;
    }
    pthread_mutex_init(&r->mutex, NULL); /* none of the three can fail on Linux */
    pthread_cond_init(&r->room, NULL);
    pthread_cond_init(&r->done, NULL);
    r->made = true;
    return start_threads(r, threads < 1 ? 1 : threads > MOST_THREADS ? MOST_THREADS : threads);
}

uwc_status uwc_reader_open(uwc_dataset *dataset, const uwc_span *span, int n_spans, int threads, uwc_reader **out) {
    UWC_TRY(uwc_calloc(1, sizeof **out, out));
    (*out)->dataset = dataset;
    (*out)->n_spans = n_spans;
    uwc_status st = fill(*out, span, threads);
    if (st != UWC_OK) {
        uwc_reader_close(out);
    }
    return st;
}

/* The batch before goes back, the next one is waited for. */
static uwc_status exchange(uwc_reader *r, slot *s) {
    pthread_mutex_lock(&r->mutex);
    if (r->next > 0) {
        prepare_slot(r, r->next - 1 + SLOTS);
        r->returned = r->next;
        pthread_cond_broadcast(&r->room);
    }
    while (s->left > 0) {
        pthread_cond_wait(&r->done, &r->mutex);
    }
    pthread_mutex_unlock(&r->mutex);
    return s->failed < 0 ? UWC_OK : uwc_error_restore(&s->error);
}

uwc_status uwc_reader_next(uwc_reader *r, const uwc_tensor **out) {
    UWC_CHECK(r->next < r->n_spans, UWC_E_ARG, "no batch behind the last of %d", r->n_spans);
    const uwc_span *span = &r->span[r->next];
    slot *s = &r->slot[r->hands > 0 ? r->next % SLOTS : 0];
    s->given = uwc_tensor_images(s->images, 0, span->count);
    uwc_status st = r->hands > 0 ? exchange(r, s) : uwc_dataset_read(r->dataset, span->first, &s->given);
    r->next++;
    *out = &s->given;
    return st;
}

void uwc_reader_close(uwc_reader **reader) {
    uwc_reader *r = *reader;
    if (r == NULL) {
        return;
    }
    if (r->made) {
        pthread_mutex_lock(&r->mutex);
        r->stop = true;
        pthread_cond_broadcast(&r->room);
        pthread_mutex_unlock(&r->mutex);
        for (int i = 0; i < r->hands; i++) {
            pthread_join(r->hand[i].thread, NULL);
            uwc_store__work_free(&r->hand[i].work);
        }
        pthread_cond_destroy(&r->room);
        pthread_cond_destroy(&r->done);
        pthread_mutex_destroy(&r->mutex);
    }
    for (int i = 0; i < SLOTS; i++) {
        uwc_tensor_destroy(&r->slot[i].images);
    }
    uwc_free(&r->hand);
    uwc_free(&r->span);
    uwc_free(reader);
}
