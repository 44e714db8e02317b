/* Names what the frozen part makes of images: the same hash, the same bits. */
#ifndef THAW_TRAIN_FROZEN_KEY_H
#define THAW_TRAIN_FROZEN_KEY_H

#include <thaw/train.h>
#include "base/hash.h"
#include "train/cut.h"

typedef struct thaw_frozen_key_options {
    const thaw_graph *graph;    /* of the model */
    const char *const *outputs; /* [output_count]: names of the values that are wanted */
    size_t output_count;
    thaw_preprocess preprocess;
    thaw_precision frozen_precision;
    size_t batch; /* images at once: algorithms are chosen by it */
} thaw_frozen_key_options;

/* Over the nodes that the values depend on, as they are connected (not their names), the bits of their weights,
 * preprocessing, and the device, as far as the last bits of results depend on it: driver, kernels, what the environment
 * says of storage and algorithms. Nothing above the values counts. *known is false where the environment changes
 * kernels or limits, so that no hash would say enough. */
THAW_MUST_CHECK thaw_status thaw_frozen_key(const thaw_device *device, const thaw_frozen_key_options *options,
                                            thaw_hash *key, bool *known);

#endif
