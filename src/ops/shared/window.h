/* A window that slides over one to three spatial dimensions: kernel, strides, dilations, padding, and what comes out.
 */
#ifndef THAW_OPS_SHARED_WINDOW_H
#define THAW_OPS_SHARED_WINDOW_H

#include "ops/op.h"

#define THAW_WINDOW_AXES 3

/* Depth, height, width; what a tensor lacks is 1 (padding 0). Every number fits an int, and so do the products over
 * `in`, `out` and `kernel` and every place that a window touches. */
typedef struct thaw_window {
    int32_t spatial; /* dimensions that the tensor has */
    int64_t in[THAW_WINDOW_AXES], kernel[THAW_WINDOW_AXES], out[THAW_WINDOW_AXES];
    int64_t stride[THAW_WINDOW_AXES], dilation[THAW_WINDOW_AXES];
    int64_t pad[THAW_WINDOW_AXES], pad_end[THAW_WINDOW_AXES]; /* before the first element and behind the last */
} thaw_window;

/* Fails unless auto_pad is one of the four. For `attributes`. */
THAW_MUST_CHECK thaw_status thaw_window_check_auto_pad(const thaw_node *node);

/* Reads the attribute list `name`, one number of at least 1 for each spatial dimension, into the last axes; `otherwise`
 * in the others and where it is absent. */
THAW_MUST_CHECK thaw_status thaw_window_axes(const thaw_node *node, const char *name, int32_t spatial,
                                             int64_t otherwise, int64_t out[THAW_WINDOW_AXES]);

/* Fills the window from input 0's shape [n, c, spatial...], the kernel (aligned to the last axes) and the attributes
 * strides, dilations, pads, auto_pad, ceil_mode. THAW_ERR_SHAPE, THAW_ERR_SIZE. */
THAW_MUST_CHECK thaw_status thaw_window_infer(const thaw_node *node, const int64_t kernel[THAW_WINDOW_AXES],
                                              thaw_window *window);

/* For kernels: in, out, kernel, stride, dilation, pad, each as three ints. */
#define THAW_WINDOW_ARGUMENTS (6 * THAW_WINDOW_AXES)
void thaw_window_arguments(const thaw_window *window, thaw_argument arguments[THAW_WINDOW_ARGUMENTS]);

#endif
