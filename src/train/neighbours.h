/* Images as points in the space of a model's features, and which lie next to each other. */
#ifndef THAW_TRAIN_NEIGHBOURS_H
#define THAW_TRAIN_NEIGHBOURS_H

#include <thaw/train.h>
#include "train/standardise.h"

typedef struct thaw_feature_space {
    thaw_context *context;
    thaw_tensor *features; /* float32 [count, ...]: standardised, each row of length 1 */
    size_t count, width;
    thaw_standardisation standardisation;
    size_t *image;  /* [count]: the sample's place in the data set */
    int32_t *label; /* [count] */
    size_t *group;  /* [count]: pictures that are one have the same; they are no neighbours of each other */
    bool *asked;    /* [count]: one of each group is, as a neighbour */
} thaw_feature_space;

/* Features of the model where a new head would read, for `count` samples of the data set; image_group is by place in
 * the data set. THAW_ERR_* as thaw_features() gives. *space is {0} or freed by thaw_feature_space_free(). */
typedef struct thaw_feature_space_options {
    thaw_model *model;
    thaw_device *device;
    const thaw_dataset *dataset;
    const size_t *images; /* [count] */
    size_t count;
    const size_t *image_group;
    const thaw_preprocess *preprocess;
    const thaw_job *job;
} thaw_feature_space_options;
THAW_MUST_CHECK thaw_status thaw_feature_space_open(const thaw_feature_space_options *options,
                                                    thaw_feature_space *space);
void thaw_feature_space_free(thaw_feature_space *space);
const float *thaw_feature_space_row(const thaw_feature_space *space, size_t index);
/* Puts one more row of features, [width], into the space: standardised, of length 1. */
void thaw_feature_space_place(const thaw_feature_space *space, float *row);

typedef struct thaw_neighbour {
    float similarity; /* cosine */
    uint32_t index;   /* row in the space */
} thaw_neighbour;

/* The k nearest of every row, nearest first, leaving out itself and its group: neighbours [count][k], found [count]
 * says how many there are. Every pair is multiplied on the device, in blocks. */
THAW_MUST_CHECK thaw_status thaw_neighbours_find(const thaw_feature_space *space, thaw_device *device, size_t k,
                                                 thaw_neighbour *neighbours, size_t *found);

#endif
