/* Means over any set of dimensions. */
#ifndef THAW_OPS_SHARED_MEAN_H
#define THAW_OPS_SHARED_MEAN_H

#include "ops/op.h"

/* The input as up to eight dimensions, kept ones before reduced ones, with the input's strides in elements. */
typedef struct thaw_mean {
    int32_t kept, reduced; /* how many there are of each */
    int64_t extent[THAW_MAX_RANK], stride[THAW_MAX_RANK];
    int64_t output_count, terms; /* products of the kept and of the reduced extents */
    bool rows;                   /* reduced elements lie one after the other, and outputs in order */
    thaw_kernel *kernel;
    thaw_buffer *layout; /* int64 [2][kept + reduced]; NULL for rows */
} thaw_mean;

/* Fills the dimensions; `over` tells which of the shape's are reduced. */
void thaw_mean_plan(const thaw_shape *shape, const bool over[THAW_MAX_RANK], thaw_mean *mean);
THAW_MUST_CHECK thaw_status thaw_mean_prepare(thaw_device *device, thaw_mean *mean);
THAW_MUST_CHECK thaw_status thaw_mean_run(const thaw_mean *mean, const thaw_buffer *x, thaw_buffer *y);
void thaw_mean_release(thaw_mean *mean);

#endif
