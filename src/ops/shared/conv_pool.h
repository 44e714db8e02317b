/* A convolution of an image and the max pool behind it as one operator: cl/conv_image.cl says how. */
#ifndef THAW_OPS_SHARED_CONV_POOL_H
#define THAW_OPS_SHARED_CONV_POOL_H

#include "ops/shared/conv_image.h"

/* The state. Inputs: x, the convolution's weight and its bias (or NULL). The node's epilogue is the convolution's. */
typedef struct thaw_conv_pool {
    thaw_conv conv;     /* its geometry has a row-major input and its output in blocks */
    thaw_window window; /* the pool's, over the convolution's output */
} thaw_conv_pool;

/* Can these two be one? Of the state, the convolution's geometry and the window are set. */
bool thaw_conv_pool_fits(const thaw_conv_pool *pool);

/* How to compute both: the convolution's variant. */
extern const thaw_conv_variant thaw_conv_image_pooled;

extern const thaw_op thaw_op_conv_pool; /* no ONNX operator: not to be found by name */

#endif
