/* Squeeze-and-excite's gate as one operator: what the rewrite (model/excite.c) tells it. */
#ifndef THAW_OPS_SHARED_CHANNEL_GATE_H
#define THAW_OPS_SHARED_CHANNEL_GATE_H

#include "ops/op.h"

/* y [width] = activation(weight x [depth] + bias): a 1x1 convolution of one pixel, or a Gemm. */
typedef struct thaw_gate_layer {
    int64_t depth, width;
    bool transposed; /* the weight is [width, depth], else [depth, width] */
    thaw_epilogue epilogue;
    thaw_buffer *weight, *bias; /* packed */
} thaw_gate_layer;

/* The state. Inputs: the means [n, c, 1, 1], or what makes them up, [n, parts, channels up to a whole block], then
 * weight and bias (or NULL) of each layer. Output: [n, c, 1, 1]. */
typedef struct thaw_channel_gate {
    thaw_gate_layer layers[2];
    float scale; /* times the sum over parts is the mean */
    int32_t block;
    thaw_kernel *kernel;
} thaw_channel_gate;

extern const thaw_op thaw_op_channel_gate; /* no ONNX operator: not to be found by name */

#endif
