/* The frozen part's output for a set of images, in host memory: computed once, read in every epoch. */
#ifndef THAW_TRAIN_FEATURE_TABLE_H
#define THAW_TRAIN_FEATURE_TABLE_H

#include "train/images.h"

typedef struct thaw_feature_table {
    float *rows;   /* [count][width] */
    size_t *index; /* [count]: the image's place in the paths asked for */
    size_t count, capacity, width;
    thaw_shape row_shape;
} thaw_feature_table;

/* Runs the graph up to the one output asked for (NULL: its end) over the images. *table is {0} or freed by
 * thaw_feature_table_free(). */
THAW_MUST_CHECK thaw_status thaw_feature_table_fill(thaw_device *device, thaw_images_options options,
                                                    thaw_feature_table *table, size_t *bad_count);
void thaw_feature_table_free(thaw_feature_table *table);

#endif
