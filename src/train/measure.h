/* What the parts of a run cost on this device: measured on a few images, and on noise. */
#ifndef THAW_TRAIN_MEASURE_H
#define THAW_TRAIN_MEASURE_H

#include "train/training.h"

/* Some of the data's images, decoded. */
typedef struct thaw_measured_images {
    uint8_t *pixels;       /* [batch][height][width][3]; black where fewer could be read */
    size_t batch;          /* images at once through the frozen part */
    double decode_seconds; /* of an image, all workers at it */
} thaw_measured_images;

/* *images is freed by thaw_measured_images_free() in any case. */
THAW_MUST_CHECK thaw_status thaw_measure_images(thaw_context *context, const thaw_dataset *dataset,
                                                const thaw_finetune_options *options, thaw_measured_images *images);
void thaw_measured_images_free(thaw_measured_images *images);

/* The frozen part. */
typedef struct thaw_frozen_costs {
    double open_seconds;  /* making it ready, kernels being compiled */
    double image_seconds; /* of an image that is decoded */
    uint64_t bytes;       /* on the device */
} thaw_frozen_costs;

THAW_MUST_CHECK thaw_status thaw_measure_frozen(const thaw_training *training, const thaw_measured_images *images,
                                                thaw_frozen_costs *costs);

/* The trained part. */
typedef struct thaw_trained_costs {
    double open_seconds;  /* as above */
    double step_seconds;  /* from what the frozen part made, in the host's memory */
    double judge_seconds; /* of a batch that is held out */
    double close_seconds; /* looking whether what is frozen still is what it was */
    uint64_t bytes;       /* on the device */
} thaw_trained_costs;

/* For a training whose model is prepared, of which the options and the counts of images and classes are known: no rows
 * yet. It is left like that. */
THAW_MUST_CHECK thaw_status thaw_measure_trained(const thaw_training *training, thaw_trained_costs *costs);
/* Likewise, with a new head alone to be trained: the probe, which is put into it. */
THAW_MUST_CHECK thaw_status thaw_measure_probe(const thaw_training *training, double *seconds);

#endif
