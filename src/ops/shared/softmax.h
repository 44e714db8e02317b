/* Softmax and its logarithm, along one dimension or several as one. */
#ifndef THAW_OPS_SHARED_SOFTMAX_H
#define THAW_OPS_SHARED_SOFTMAX_H

#include "ops/op.h"

/* The state: x as [outer, length, inner]. */
typedef struct thaw_softmax {
    bool log;
    int64_t outer, length, inner;
    thaw_kernel *kernel, *backward;
} thaw_softmax;

THAW_MUST_CHECK thaw_status thaw_softmax_attributes(thaw_node *node, bool log);
/* `axis` is the last one by default; before opset 13 it was 1, and all dimensions from it on counted as one. */
THAW_MUST_CHECK thaw_status thaw_softmax_infer(thaw_node *node);
THAW_MUST_CHECK thaw_status thaw_softmax_prepare(thaw_node *node);
THAW_MUST_CHECK thaw_status thaw_softmax_forward(thaw_node *node);
/* From the output and its gradient. */
THAW_MUST_CHECK thaw_status thaw_softmax_backward(thaw_node *node);

#endif
