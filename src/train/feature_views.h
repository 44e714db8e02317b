/* Augmented views of images through the frozen part, a fixed number of each: what can be kept, unlike views that are
 * new in every epoch. */
#ifndef THAW_TRAIN_FEATURE_VIEWS_H
#define THAW_TRAIN_FEATURE_VIEWS_H

#include "base/hash.h"
#include "train/cut.h"
#include "train/images.h"

#define THAW_VIEW_FORMAT 1 /* changes with what view number n of an image is */

/* Gets row k of each of the cut's values: of one view of the image at that place in the data. */
typedef thaw_status (*thaw_view_sink)(void *user, size_t image, size_t view, float *const *rows, size_t k);

typedef struct thaw_feature_views {
    const thaw_graph *graph;
    const thaw_cut *cut;
    thaw_preprocess preprocess;
    const thaw_job *job;
    thaw_image_stage *stage; /* opened here for augmented images if it is {0}; the caller's */
    thaw_augment_kind augment;
    size_t batch;              /* images at once on the device */
    size_t views;              /* of each image, the plain one counted, which is left out here */
    const char *const *paths;  /* [count] */
    const size_t *places;      /* [count]: of the images in the data */
    const thaw_hash *contents; /* of the data's images: the same image has the same views, wherever it lies */
    size_t count;
    thaw_view_sink sink;
    void *sink_user;
} thaw_feature_views;

/* Views 1 .. views - 1 of every image, each decoded once. THAW_ERR_DATA for one that can't be decoded any more,
 * THAW_ERR_INTERRUPTED. */
THAW_MUST_CHECK thaw_status thaw_feature_views_run(thaw_device *device, const thaw_feature_views *views);

#endif
