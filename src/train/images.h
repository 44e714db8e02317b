/* Runs a part of a model over images: decode, normalise, compute, hand rows to whoever wants them. */
#ifndef THAW_TRAIN_IMAGES_H
#define THAW_TRAIN_IMAGES_H

#include <thaw/train.h>
#include "data/augment.h"
#include "data/loader.h"
#include "model/program.h"

/* The part from images to some values, fused, on the device: 8-bit pixels go in, the values come out. */
typedef struct thaw_image_stage {
    thaw_device *device;
    thaw_preprocess preprocess, canvas; /* of images as they are, and of those that are to be augmented */
    thaw_program *program;              /* its outputs are the values, [batch][row_shapes[i]...] */
    thaw_kernel *normalise, *augment;
    thaw_buffer *pixels;    /* u8 [batch][h][w][3], of the larger of the two */
    thaw_buffer *views;     /* thaw_view [batch] */
    size_t batch;           /* images at once */
    thaw_shape *row_shapes; /* [program->graph->output_count]: of one image */
} thaw_image_stage;

typedef struct thaw_image_stage_options {
    const thaw_graph *graph;
    const char *const *outputs; /* names of the values wanted; NULL: the graph's first output */
    size_t output_count;
    thaw_preprocess preprocess;
    thaw_augment_kind augment; /* none: only thaw_image_stage_run() is called */
    size_t batch;              /* images at once; halved until the device has memory for them */
    thaw_precision frozen_precision;
} thaw_image_stage_options;

THAW_MUST_CHECK thaw_status thaw_image_stage_open(thaw_device *device, const thaw_image_stage_options *options,
                                                  thaw_image_stage *stage);
/* Queues `count` images, at most stage->batch: pixels [count][height][width][3], copied before it returns. */
THAW_MUST_CHECK thaw_status thaw_image_stage_run(const thaw_image_stage *stage, const uint8_t *pixels, size_t count);
/* The same for views of them: pixels [count][canvas.height][canvas.width][3], views[count], both copied. */
THAW_MUST_CHECK thaw_status thaw_image_stage_run_views(const thaw_image_stage *stage, const uint8_t *pixels,
                                                       const thaw_view *views, size_t count);
/* {0} is fine. */
void thaw_image_stage_close(thaw_image_stage *stage);

/* Gets `count` rows of each wanted value, float32 rows[i] = [count][row_shapes[i]...]; index[k] is the place in paths
 * of image k. */
typedef thaw_status (*thaw_row_sink)(void *user, float *const *rows, size_t count, const size_t *index,
                                     const thaw_shape *row_shapes);

typedef struct thaw_images_options {
    const thaw_graph *graph;    /* NULL: only decodes; the sink gets no rows then */
    thaw_image_stage *stage;    /* of that graph, outputs and preprocessing: opened here if it is {0} once an image was
                                 * decoded, and left to the caller; NULL: one for this run alone */
    thaw_augment_kind augment;  /* as the stage is to be opened for */
    size_t batch;               /* images at once on the device; 0: as the job says, but no more than there are */
    const char *const *outputs; /* as above */
    size_t output_count;
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
