/* What resizing along one axis is made of: each place of the result is a weighted sum of a few of the input's. */
#ifndef THAW_OPS_SHARED_RESIZE_H
#define THAW_OPS_SHARED_RESIZE_H

#include "ops/op.h"

/* Where a place of the result lies in the input (coordinate_transformation_mode). */
typedef enum thaw_coordinates {
    THAW_HALF_PIXEL,
    THAW_HALF_PIXEL_SYMMETRIC,
    THAW_PYTORCH_HALF_PIXEL,
    THAW_ALIGN_CORNERS,
    THAW_ASYMMETRIC,
    THAW_CROP_AND_RESIZE, /* tf_crop_and_resize: within the region of interest */
    THAW_HALF_PIXEL_FOR_NN
} thaw_coordinates;

typedef enum thaw_resize_mode { THAW_RESIZE_NEAREST, THAW_RESIZE_LINEAR, THAW_RESIZE_CUBIC } thaw_resize_mode;
typedef enum thaw_rounding { THAW_PREFER_FLOOR, THAW_PREFER_CEIL, THAW_FLOOR, THAW_CEIL } thaw_rounding;

typedef struct thaw_resizing {
    thaw_coordinates coordinates;
    thaw_resize_mode interpolation;
    thaw_rounding rounding; /* of THAW_RESIZE_NEAREST */
    bool antialias;         /* smaller images: as many pixels as one of the result stands for */
    bool exclude_outside;   /* what lies outside has no weight; without it the edge's pixels go on */
    float cubic;            /* the coefficient of THAW_RESIZE_CUBIC */
    float outside;          /* of THAW_CROP_AND_RESIZE, for places outside the input */
} thaw_resizing;

/* One axis, of `in` elements and then of `out`. */
typedef struct thaw_resized_axis {
    int32_t axis;
    int64_t in, out;
    double scale;
    double region[2]; /* of interest: its ends, as parts of the axis */
} thaw_resized_axis;

/* Lists of what makes each place of the result, one after the other: those of place i are numbers begin[i] to
 * begin[i + 1] - 1. */
typedef struct thaw_taps {
    int64_t places, count;
    int32_t *begin;  /* [places + 1] */
    int32_t *index;  /* [count] */
    float *weight;   /* [count] */
    float *constant; /* [places]: to be added; NULL: nothing */
} thaw_taps;

/* axis->in and axis->out are at least 1, and ints. THAW_ERR_SIZE beyond INT32_MAX taps. Free *taps whatever comes. */
THAW_MUST_CHECK thaw_status thaw_taps_make(thaw_context *context, const thaw_resizing *resizing,
                                           const thaw_resized_axis *axis, thaw_taps *taps);
/* The other way: which places of the result element i of `in` went into. For gradients: without constants. */
THAW_MUST_CHECK thaw_status thaw_taps_reverse(thaw_context *context, const thaw_taps *taps, int64_t in,
                                              thaw_taps *reversed);
void thaw_taps_free(thaw_taps *taps);

#endif
