/* Runs a part of a model over images: decode, normalise, compute, hand rows to whoever wants them. */
#ifndef THAW_TRAIN_IMAGES_H
#define THAW_TRAIN_IMAGES_H

#include <thaw/train.h>
#include "data/loader.h"
#include "model/program.h"

/* Gets `count` rows of the wanted value, float32 [count][row_shape...]; index[i] is the image's place in paths. */
typedef thaw_status (*thaw_row_sink)(void *user, const float *rows, size_t count, const size_t *index,
                                     const thaw_shape *row_shape);

typedef struct thaw_images_options {
    const thaw_graph *graph;
    const char *output; /* value wanted; NULL: the graph's first output */
    const char *const *paths;
    size_t count;
    thaw_preprocess preprocess;
    const thaw_job *job;
    const char *phase; /* in progress reports */
    thaw_row_sink sink;
    void *sink_user;
} thaw_images_options;

/* Every image that decodes, in order. *bad_count counts the others, which job->on_bad_image was told of. A batch that
 * does not fit the device's memory is halved until it does. THAW_ERR_INTERRUPTED when asked to stop. */
THAW_MUST_CHECK thaw_status thaw_images_run(thaw_device *device, const thaw_images_options *options, size_t *bad_count);

#endif
