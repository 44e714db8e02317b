/* The smallest net of an architecture that Thaw knows, as bare weights: a MobileNetV1 of a 32nd of its width, in timm's
 * names. */
#ifndef THAW_TESTS_WEIGHTS_SUBJECT_H
#define THAW_TESTS_WEIGHTS_SUBJECT_H

#include "format/safetensors.h"

enum {
    SUBJECT_MOST_TENSORS = 160,
    SUBJECT_NAME_BYTES = 48,
    SUBJECT_CLASSES = 3,
    SUBJECT_LAYERS = 13,
    SUBJECT_WIDTH = 32
};
enum { SUBJECT_MOST_NUMBERS = 8192 };

/* Names, shapes and numbers of a file that is yet to be written. */
typedef struct weights_subject {
    thaw_safetensor tensors[SUBJECT_MOST_TENSORS];
    char names[SUBJECT_MOST_TENSORS][SUBJECT_NAME_BYTES];
    size_t count;
    float numbers[SUBJECT_MOST_NUMBERS];
    size_t used;
} weights_subject;

/* The same numbers each time. */
void weights_subject_make(weights_subject *s);

#endif
