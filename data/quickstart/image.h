/* image: the quickstart's pictures. Ten classes of textured shapes and glyphs, deformed, occluded, among distractors and under noise. A
 * picture depends on its number alone, so sets of any size can be drawn in any order.
 */
#ifndef QUICKSTART_IMAGE_H
#define QUICKSTART_IMAGE_H

#include <stdint.h>

enum { IMAGE_SIDE = 32, IMAGE_CHANNELS = 3, IMAGE_BYTES = IMAGE_CHANNELS * IMAGE_SIDE * IMAGE_SIDE, IMAGE_CLASSES = 10 };

/* Each set draws from its own random numbers: no picture is in two of them. */
typedef enum image_set { IMAGE_CALIBRATION = 1, IMAGE_TEST = 2, IMAGE_TRAINING = 3 } image_set;

/* Picture `number` of a set: pixels [3,32,32] RGB, *label in [0, 10). Local. */
void image_draw(image_set set, int64_t number, uint8_t *pixels, int32_t *label);

#endif
