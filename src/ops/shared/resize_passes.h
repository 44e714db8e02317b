/* Resizing on the device: one axis after the other. */
#ifndef THAW_OPS_SHARED_RESIZE_PASSES_H
#define THAW_OPS_SHARED_RESIZE_PASSES_H

#include "ops/shared/resize.h"

/* One pass: lists on the device, see cl/resize.cl. */
typedef struct thaw_resize_pass {
    thaw_kernel *kernel;
    thaw_buffer *begin, *index, *weight, *constant;
} thaw_resize_pass;

/* The state: what is resized, and how. */
typedef struct thaw_resize_state {
    thaw_resizing resizing;
    thaw_resized_axis axes[THAW_MAX_RANK];
    int32_t count; /* of axes: at least one, behind infer */
    thaw_resize_pass forward[THAW_MAX_RANK], backward[THAW_MAX_RANK];
} thaw_resize_state;

/* Adds the axis, but for one that stays as it is. */
void thaw_resize_add_axis(thaw_resize_state *resize, const thaw_resized_axis *axis);
/* With all axes there: output 0, and the memory for what lies between the passes. */
THAW_MUST_CHECK thaw_status thaw_resize_infer_output(thaw_node *node);
/* In blocks where only pixels are resized. */
int32_t thaw_resize_layout(thaw_node *node, int32_t block, int32_t *wanted);
THAW_MUST_CHECK thaw_status thaw_resize_prepare(thaw_node *node);
THAW_MUST_CHECK thaw_status thaw_resize_forward(thaw_node *node);
THAW_MUST_CHECK thaw_status thaw_resize_backward(thaw_node *node);
void thaw_resize_release(thaw_node *node);

#endif
