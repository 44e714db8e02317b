/* Decodes images on worker threads, in order, ahead of the device. */
#ifndef THAW_DATA_LOADER_H
#define THAW_DATA_LOADER_H

#include "data/image.h"

typedef struct thaw_loader thaw_loader;

typedef struct thaw_loader_options {
    const char *const *paths; /* [count]; must outlive the loader */
    size_t count;
    size_t batch_size;
    size_t workers; /* 0: one per processor */
    thaw_preprocess preprocess;
} thaw_loader_options;

/* Images that decoded, in the order of paths, without gaps; those that did not, apart. Valid until the next call. */
typedef struct thaw_image_batch {
    const uint8_t *pixels; /* [count][height][width][3] */
    size_t count;          /* up to batch_size; 0: there are no more */
    const size_t *index;   /* [count]: place in paths */
    size_t bad_count;
    const size_t *bad_index;        /* [bad_count] */
    const thaw_image_error *errors; /* [bad_count] */
} thaw_image_batch;

THAW_MUST_CHECK thaw_status thaw_loader_create(thaw_context *context, const thaw_loader_options *options,
                                               thaw_loader **loader);
/* The next batch; a batch may have fewer good images only at the very end. */
THAW_MUST_CHECK thaw_status thaw_loader_next(thaw_loader *loader, thaw_image_batch *batch);
/* Seconds that thaw_loader_next() has spent waiting so far. */
double thaw_loader_wait_seconds(const thaw_loader *loader);
/* Stops the workers, also in the middle. */
void thaw_loader_destroy(thaw_loader **loader);

#endif
