/* trainer: gradient descent on a network with batch normalization. The weights are the same bytes at any number of threads.
 * Source: Kingma, Ba, "Adam: a method for stochastic optimization", ICLR 2015, algorithm 1.
 */
#ifndef QUICKSTART_TRAINER_H
#define QUICKSTART_TRAINER_H

#include <uwc/graph.h>

typedef struct trainer trainer;

/* Trains the constants of `graph` (borrowed; finished, not simplified; Conv, Linear and BatchNormalization have trained inputs) on batches
 * of `batch` images. Local. */
uwc_status trainer_create(uwc_graph *graph, int64_t batch, trainer **out) UWC_MUST_USE;
void trainer_destroy(trainer **trainer);
/* One step at learning rate `rate`: images [batch,3,H,W] (an activation), label [batch]; *loss is that before the step. The constants of
 * the graph, the running statistics of its normalizations among them, are up to date afterwards. Local. */
uwc_status trainer_step(trainer *t, const uwc_tensor *images, const int32_t *label, double rate, double *loss) UWC_MUST_USE;

#endif
