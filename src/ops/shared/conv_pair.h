/* A pointwise convolution and the depthwise one behind it as one operator: cl/conv_expand.cl says how. */
#ifndef THAW_OPS_SHARED_CONV_PAIR_H
#define THAW_OPS_SHARED_CONV_PAIR_H

#include "ops/shared/conv_variants.h"

/* The state. Inputs: x, then weight and bias (or NULL) of the pointwise convolution and of the depthwise one. The
 * node's epilogue, and its sums, are the depthwise one's. */
typedef struct thaw_conv_pair {
    thaw_conv_geometry pointwise, depthwise; /* with everything in blocks */
    thaw_epilogue inner;                     /* of the pointwise one, as thaw_epilogue_few() gives it */
    thaw_kernel *kernel;
    thaw_buffer *weights[2], *biases[2]; /* packed: pointwise, depthwise */
} thaw_conv_pair;

/* Can these two be one, `inner` being between them? Their geometries have everything in blocks. */
bool thaw_conv_pair_fits(const thaw_conv_pair *pair);
THAW_MUST_CHECK thaw_status thaw_conv_pair_prepare(const thaw_node *node, thaw_conv_pair *pair);
THAW_MUST_CHECK thaw_status thaw_conv_pair_run(const thaw_node *node, const thaw_conv_pair *pair);
/* Frees what prepare made. */
void thaw_conv_pair_release(thaw_conv_pair *pair);
/* Into how many parts a node's sums are divided on its device. */
int64_t thaw_conv_pair_sum_parts(const thaw_node *node, const thaw_conv_pair *pair);

/* Is the pair's node faster than the two convolutions that it would replace, with the same numbers? As measured now or
 * at an earlier start; true where nothing is to be measured. All three are in the graph, without buffers.
 * THAW_ALGORITHM=expand_depthwise forces it, another name there forbids it. */
bool thaw_conv_pair_wins(thaw_node *node, thaw_node *pointwise, thaw_node *depthwise);

extern const thaw_op thaw_op_conv_expand; /* no ONNX operator: not to be found by name */

#endif
