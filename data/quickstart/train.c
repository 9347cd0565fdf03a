/* uwc_train: trains the quickstart's network on pictures that are drawn as it goes and writes it as an ONNX file.
 * The same bytes on every machine with the same instruction set, at any number of threads.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include <uwc/uwc.h>

#include "batch.h"
#include "network.h"
#include "trainer.h"

enum { SEED = 1, BATCH = 64, STEPS = 3500, WARM_UP = 100, REPORT = 250, TEST_IMAGES = 1500 };
static const double RATE = 4e-3;

typedef struct session {
    uwc_graph *graph;
    trainer *trainer;
    uwc_tensor *images;
    int32_t label[BATCH];
} session;

/* Rises over the first steps, then falls along half a cosine. */
static double rate_at(int step, int steps) {
    double warm = fmin(1.0, (step + 1.0) / WARM_UP);
    return RATE * warm * 0.5 * (1.0 + cos(3.141592653589793 * step / steps));
}

static uwc_status train(session *s, int steps) {
    double mean = 0.0, start = uwc_now();
    for (int step = 0; step < steps; step++) {
        double loss;
        batch_draw(IMAGE_TRAINING, (int64_t)step * BATCH, s->images, s->label);
        UWC_TRY(trainer_step(s->trainer, s->images, s->label, rate_at(step, steps), &loss));
        mean += loss / REPORT;
        if ((step + 1) % REPORT == 0) {
            printf("step %d of %d: loss %.4f, %.0f s\n", step + 1, steps, mean, uwc_now() - start);
            fflush(stdout);
            mean = 0.0;
        }
    }
    return UWC_OK;
}

static int64_t right_answers(const uwc_tensor *logits, const int32_t *label, int64_t images) {
    int64_t right = 0;
    for (int64_t i = 0; i < images; i++) {
        const float *row = logits->f32 + i * IMAGE_CLASSES;
        int best = 0;
        for (int c = 1; c < IMAGE_CLASSES; c++) {
            best = row[c] > row[best] ? c : best;
        }
        right += best == label[i];
    }
    return right;
}

static uwc_status test(session *s) {
    uwc_exec *exec;
    int64_t right = 0;
    uwc_status st = uwc_exec_create(s->graph, BATCH, UWC_BACKEND_FAST, &exec);
    for (int64_t first = 0; st == UWC_OK && first < TEST_IMAGES; first += BATCH) {
        int64_t count = TEST_IMAGES - first < BATCH ? TEST_IMAGES - first : BATCH;
        uwc_tensor images = uwc_tensor_images(s->images, 0, count);
        const uwc_tensor *in = &images, *logits;
        batch_draw(IMAGE_TEST, first, &images, s->label);
        st = uwc_exec_run(exec, count, s->graph->input, &in, 1, s->graph->output, 1, &logits);
        right += st == UWC_OK ? right_answers(logits, s->label, count) : 0;
    }
    uwc_exec_destroy(&exec);
    printf("top-1 on %d test images: %.4f\n", TEST_IMAGES, (double)right / TEST_IMAGES);
    return st;
}

static uwc_status run(session *s, const char *path, int steps) {
    UWC_TRY(network_create(SEED, &s->graph));
    UWC_TRY(uwc_tensor_activation(uwc_shape_4d(BATCH, IMAGE_CHANNELS, IMAGE_SIDE, IMAGE_SIDE), &s->images));
    UWC_TRY(trainer_create(s->graph, BATCH, &s->trainer));
    UWC_TRY(train(s, steps));
    trainer_destroy(&s->trainer);
    UWC_TRY(uwc_graph_simplify(s->graph));
    UWC_TRY(test(s));
    return uwc_onnx_write(s->graph, path);
}

int main(int argc, char **argv) {
    int steps = argc == 3 ? atoi(argv[2]) : STEPS;
    if (argc < 2 || argc > 3 || steps < 1) {
        fprintf(stderr, "usage: uwc_train MODEL.onnx [STEPS]\n");
        return 2;
    }
    session s = {0};
    uwc_status st = run(&s, argv[1], steps);
    if (st != UWC_OK) {
        fprintf(stderr, "uwc_train: %s\n", uwc_error_last()->text);
    }
    trainer_destroy(&s.trainer);
    uwc_tensor_destroy(&s.images);
    uwc_graph_destroy(&s.graph);
    return uwc_status_exit(st);
}
