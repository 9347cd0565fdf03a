/* batch: pictures as the network takes them. */
#ifndef QUICKSTART_BATCH_H
#define QUICKSTART_BATCH_H

#include <uwc/tensor.h>

#include "image.h"

/* value = (pixel / 255 - BATCH_MEAN) / BATCH_STD, as in configs/quickstart.yaml. */
#define BATCH_MEAN 0.5
#define BATCH_STD 0.25

/* Pictures [first, first + images->shape.dim[0]) of a set: images [N,3,32,32] (an activation), label [N]. Local. */
void batch_draw(image_set set, int64_t first, uwc_tensor *images, int32_t *label);

#endif
